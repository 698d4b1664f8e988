package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/term"

	"lagerd/config"
	"lagerd/secret"
	"lagerd/store"
	"lagerd/terminal"
)

type keygenCmd struct {
	ReplaceLost bool `help:"Accept a new master key because the database's own is lost for good, and list what must be entered again."`
	Yes         bool `help:"With --replace-lost: do not prompt."`
}

func (keygenCmd) Help() string {
	return "Keep it in a file that only lagerd's user can read (key_file), the same on every machine that shares the database. Without it, stored tokens cannot be read."
}

func (cmd keygenCmd) Run(c *call) error {
	if cmd.ReplaceLost {
		return cmd.replaceLost(c)
	}
	_, err := fmt.Fprintln(c.Stdout, secret.Generate())
	return err
}

// replaceLost deletes the lost key's check value from the database, so that the next
// start accepts the configured key.
func (cmd keygenCmd) replaceLost(c *call) error {
	cfg, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	shops, err := s.Shops(c.ctx)
	if err != nil {
		return err
	}
	known, err := s.MasterKey(c.ctx)
	if err != nil {
		return err
	}
	keys, made, err := cmd.newKey(cfg, len(shops) == 0 && known.Check == nil)
	if err != nil {
		return err
	}
	if nothingLost(known, keys, shops) {
		return errors.New("nothing is lost: the configured master key opens what is stored in the database")
	}
	list := lostWithKey(known, keys, shops)
	if err := cmd.ask(c, s, cfg, list); err != nil {
		return err
	}
	if made {
		if _, err := makeKey(cfg.KeyFile); err != nil {
			return err
		}
		fmt.Fprintf(c.Stdout, "Created a new master key in %s: back it up.\n", cfg.KeyFile)
	}
	if err := s.DeleteKeyCheck(c.ctx, keys.Checks()); err != nil {
		return err
	}
	return listReentry(c.Stdout, list)
}

// nothingLost reports whether the keys are all that the database needs:
//
//	check value   rekeying   the keys                            nothing is lost
//	stored        either     fit it                              yes
//	stored        begun      lack one of its two                 no: what that one has sealed is
//	any           no         open a token                        yes: the check value is another's
//	any           either     neither                             no
func nothingLost(known store.MasterKey, keys *secret.Keys, shops []store.Shop) bool {
	if verdict, _ := judge(known, keys, nil); verdict == keyIsKnown {
		return true
	}
	verdict, _ := judge(store.MasterKey{}, keys, shops)
	return verdict == keyIsProved && known.Next == nil
}

// lost is what must be entered again for a shop.
type lost struct {
	store.Shop
	grant, rackbeat, hook, codes bool
}

// lostWithKey returns what must be entered again for each shop, if these keys are all that is left:
// what none of them opens, and the codes, unless the key of their hashes was kept for one of them.
func lostWithKey(known store.MasterKey, keys *secret.Keys, shops []store.Shop) (list []lost) {
	kept := slices.ContainsFunc(keys.Checks(), func(check []byte) bool { return known.Kept[string(check)] != nil })
	for _, shop := range shops {
		shut := func(kind secret.Kind, text []byte) bool {
			_, err := keys.Open(kind, shop.Shop, text)
			return len(text) > 0 && err != nil
		}
		l := lost{Shop: shop, codes: !kept, rackbeat: shut(secret.RackbeatKey, shop.RackbeatKey), hook: shut(secret.NotifyHook, shop.NotifyHook)}
		_, err := keys.OpenGrant(shop.Shop, shop.GrantToken)
		l.grant = err != nil
		if l.grant || l.rackbeat || l.hook || l.codes {
			list = append(list, l)
		}
	}
	return list
}

// newKey returns the key to accept: the configured one, or a stand-in if the embedded
// database's key file is still to be created.
func (cmd keygenCmd) newKey(cfg config.Config, fresh bool) (keys *secret.Keys, toMake bool, err error) {
	if !cfg.Key.IsZero() {
		keys, err = secret.Load([]byte(cfg.Key.Reveal()))
		return keys, false, err
	}
	if fresh {
		return nil, false, errors.New("nothing is lost: the database holds no secrets yet, and `lagerd run` creates a master key")
	}
	keys, err = secret.Load([]byte(secret.Generate())) // a stand-in: it opens nothing
	return keys, true, err
}

func (cmd keygenCmd) ask(c *call, s *store.Store, cfg config.Config, shops []lost) error {
	if cmd.Yes {
		return nil
	}
	if err := noneRuns(c.ctx, s, cfg); err != nil {
		return err
	}
	if c.Stdin == nil || !term.IsTerminal(int(c.Stdin.Fd())) {
		return errors.New("nothing was changed: no terminal to ask on: if the old master key is lost for good, run `lagerd keygen --replace-lost --yes`")
	}
	fmt.Fprintf(c.Stderr, "Is the old master key lost for good? The %s of %d shop(s) are then lost too and must be entered again. Type lost: ", whatIsLost(shops), len(shops))
	answer, err := bufio.NewReader(c.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if strings.TrimSpace(answer) != "lost" {
		return errors.New("nothing was changed")
	}
	return nil
}

// noneRuns returns an error if a lagerd is running on the database: it may still have
// the old key.
func noneRuns(ctx context.Context, s *store.Store, cfg config.Config) error {
	living, err := living(ctx, s, cfg)
	if err != nil {
		return err
	}
	if len(living) > 0 {
		return errors.New("a lagerd is running on this database and may still have the old master key: stop it first (`systemctl stop lagerd`), or use --yes")
	}
	return nil
}

// whatIsLost names what must be entered again.
func whatIsLost(shops []lost) string {
	if slices.ContainsFunc(shops, func(l lost) bool { return l.codes }) {
		return "grant tokens, Rackbeat keys and integration codes"
	}
	return "grant tokens and Rackbeat keys that it had sealed"
}

// listReentry lists what must be entered again under a new master key.
func listReentry(w io.Writer, shops []lost) error {
	if len(shops) == 0 {
		_, err := fmt.Fprintln(w, "The new master key is accepted. There are no shops, so no secrets to enter again.")
		return err
	}
	codes := slices.ContainsFunc(shops, func(l lost) bool { return l.codes })
	if codes {
		fmt.Fprintln(w, "The new master key is accepted. Until its secrets are entered again, each shop is held (token_unreadable) and its webhooks are answered 403. For each shop:")
	} else {
		fmt.Fprintln(w, "The new master key is accepted. The integration codes go on to work. Until its secrets are entered again, each of these shops is held (token_unreadable):")
	}
	fmt.Fprintln(w)
	for _, shop := range shops {
		if shop.grant {
			fmt.Fprintf(w, "  lagerd shops set %s --grant-token-file FILE      # its agreement's grant token\n", shop.Shop.Shop)
		}
		if shop.rackbeat {
			fmt.Fprintf(w, "  lagerd shops set %s --rackbeat-key-file FILE      # its Rackbeat account's key\n", shop.Shop.Shop)
		}
		if shop.hook {
			fmt.Fprintf(w, "  lagerd shops set %s --notify-url URL              # the webhook of its owner, at %s, with a new secret\n", shop.Shop.Shop, terminal.Escape(shop.NotifyOrigin))
		}
		if !shop.codes {
			continue
		}
		if shop.WebhookSetup {
			fmt.Fprintf(w, "  lagerd webhooks %s --set-up                       # new codes for the webhooks that lagerd has set up, once it runs\n", shop.Shop.Shop)
		}
		fmt.Fprintf(w, "  lagerd shops rotate-code %[1]s                    # a new code, for its owner to enter at e-conomic\n", shop.Shop.Shop)
	}
	last := "\nIf rotate-code says that two codes are live already, run it with --retire-old --yes first: the old ones are lost with the key. Then start lagerd, or run `systemctl restart lagerd`."
	if !codes {
		last = "\nThen start lagerd, or run `systemctl restart lagerd`."
	}
	_, err := fmt.Fprintln(w, last)
	return err
}
