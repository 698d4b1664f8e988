package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/term"

	"lagerd/config"
	"lagerd/secret"
	"lagerd/store"
)

type keygenCmd struct {
	ReplaceLost bool `help:"Let a new master key in where the database's own is lost for good, and say what must be entered anew."`
	Yes         bool `help:"With --replace-lost: do not ask."`
}

func (keygenCmd) Help() string {
	return "Keep it in a file that only lagerd's user can read (key_file), the same on every machine that shares the database. Without it no stored token can be read."
}

func (cmd keygenCmd) Run(c *call) error {
	if cmd.ReplaceLost {
		return cmd.replaceLost(c)
	}
	_, err := fmt.Fprintln(c.Stdout, secret.Generate())
	return err
}

// replaceLost makes the database forget the key that is lost, so that the one that
// is configured now is taken at the next start.
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
	known, err := s.KeyCheck(c.ctx)
	if err != nil {
		return err
	}
	keys, made, err := cmd.newKey(cfg, len(shops) == 0 && known == nil)
	if err != nil {
		return err
	}
	if judge(known, keys, nil) == keyIsKnown || judge(nil, keys, shops) == keyIsProved {
		return errors.New("nothing is lost: the master key that is configured opens what is stored in the database")
	}
	if err := cmd.ask(c, s, cfg, len(shops)); err != nil {
		return err
	}
	if made {
		if _, err := makeKey(cfg.KeyFile); err != nil {
			return err
		}
		fmt.Fprintf(c.Stdout, "A new master key is in %s: back it up.\n", cfg.KeyFile)
	}
	if err := s.DeleteKeyCheck(c.ctx); err != nil {
		return err
	}
	return anew(c.Stdout, shops)
}

// newKey returns the key that is to be let in: the configured one, or one for the
// embedded database whose file is still to be made.
func (cmd keygenCmd) newKey(cfg config.Config, fresh bool) (keys *secret.Keys, toMake bool, err error) {
	if !cfg.Key.IsZero() {
		keys, err = secret.Load([]byte(cfg.Key.Reveal()))
		return keys, false, err
	}
	if fresh {
		return nil, false, errors.New("nothing is lost: nothing is sealed in the database yet, and `lagerd run` makes a master key")
	}
	keys, err = secret.Load([]byte(secret.Generate())) // stands for it: it opens nothing
	return keys, true, err
}

func (cmd keygenCmd) ask(c *call, s *store.Store, cfg config.Config, shops int) error {
	if cmd.Yes {
		return nil
	}
	if err := noneRuns(c.ctx, s, cfg); err != nil {
		return err
	}
	if c.Stdin == nil || !term.IsTerminal(int(c.Stdin.Fd())) {
		return errors.New("nothing was changed: there is no terminal to ask on: if the old master key is lost for good, say `lagerd keygen --replace-lost --yes`")
	}
	fmt.Fprintf(c.Stderr, "Is the old master key lost for good? Then the grant tokens and integration codes of %d shop(s) are lost with it, and must be entered anew. Type lost: ", shops)
	answer, err := bufio.NewReader(c.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if strings.TrimSpace(answer) != "lost" {
		return errors.New("nothing was changed")
	}
	return nil
}

// noneRuns returns an error where a lagerd is running on the database: it has the
// old key, so that is not lost.
func noneRuns(ctx context.Context, s *store.Store, cfg config.Config) error {
	living, err := living(ctx, s, cfg)
	if err != nil {
		return err
	}
	if len(living) > 0 {
		return errors.New("a lagerd is running on this database, and may still have the old master key: stop it first (`systemctl stop lagerd`), or say --yes")
	}
	return nil
}

// anew says what must be entered anew under a new master key.
func anew(w io.Writer, shops []store.Shop) error {
	if len(shops) == 0 {
		_, err := fmt.Fprintln(w, "The new master key is let in. There is no shop whose secrets must be entered anew.")
		return err
	}
	fmt.Fprintln(w, "The new master key is let in. Until they are entered anew, each shop is held (token_unreadable), and its webhooks are answered 403. For each shop:")
	fmt.Fprintln(w)
	for _, shop := range shops {
		fmt.Fprintf(w, "  lagerd shops set %s --grant-token-file FILE      # its agreement's grant token\n", shop.Shop)
		fmt.Fprintf(w, "  lagerd shops rotate-code %[1]s                    # a new code, for its owner to enter at e-conomic\n", shop.Shop)
	}
	_, err := fmt.Fprintln(w, "\nWhere rotate-code says that two codes are live already, say it with --retire-old --yes first: the old ones are lost with the key. Then start lagerd, or `systemctl restart lagerd`.")
	return err
}
