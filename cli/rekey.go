package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"lagerd/config"
	"lagerd/secret"
	"lagerd/store"
	"lagerd/terminal"
)

type rekeyCmd struct {
	DryRun bool `help:"Show what would be sealed anew, and which lagerd does not know the new key yet; change nothing."`
}

func (rekeyCmd) Help() string {
	return "Put the new key (`lagerd keygen`) before the old one into the key file, one a line, on every machine, and reload or restart every lagerd. " +
		"Then run this once: it seals the shops' grant tokens, Rackbeat keys and webhooks for notifications with the first key, while lagerd goes on working. " +
		"No integration code changes. It may be killed at any point and run again. Then drop the old key from the key files. " +
		"It refuses to begin while a lagerd runs that does not know the new key."
}

func (cmd rekeyCmd) Run(c *call) error {
	open := c.open
	if cmd.DryRun {
		open = c.openToRead
	}
	cfg, s, err := open()
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, stop := c.interruptible(c.ctx)
	defer stop()
	r, err := newRekeying(ctx, cfg, s)
	if err != nil {
		return err
	}
	if r.step == rekeyNothing {
		_, err := fmt.Fprintln(c.Stdout, "There are no secrets in the database yet: the first key of the key file seals the first one. There is nothing to do.")
		return err
	}
	if cmd.DryRun {
		return r.preview(ctx, c.Stdout)
	}
	meter := c.meter()
	done, err := r.run(ctx, func(done, of int) { meter.Show("secrets sealed anew", done, of) })
	meter.End()
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted: what was sealed anew stays so, and everything works as before: run `lagerd rekey` again; until it has ended, keep both keys in every key file")
	}
	if err != nil {
		return err
	}
	return done.tell(c.Stdout, len(r.first.Checks()))
}

// rekeyStep is what a rekeying has to do.
type rekeyStep int

const (
	rekeyNothing rekeyStep = iota // no secret is known to be stored
	rekeyBegin                    // begin, seal and end
	rekeyResume                   // seal and end what has begun
	rekeySeal                     // seal: the first key is the master key already
)

// nextRekeyStep returns what a rekeying to the first key has to do:
//
//	check value   next    the first key   step
//	-                     any             nothing
//	c             -       c               seal
//	c             -       another         begin
//	c             n       n               resume
//	c             n       another         none: an error
func nextRekeyStep(known store.MasterKey, first []byte) (rekeyStep, error) {
	switch {
	case known.Check == nil:
		return rekeyNothing, nil
	case known.Next == nil && bytes.Equal(known.Check, first):
		return rekeySeal, nil
	case known.Next == nil:
		return rekeyBegin, nil
	case bytes.Equal(known.Next, first):
		return rekeyResume, nil
	}
	return rekeyNothing, errors.New("nothing was changed: a change to another key of the key file has begun and not ended: put that key first, and run `lagerd rekey` again")
}

// rekeying moves a database to the first key of the key file.
type rekeying struct {
	cfg   config.Config
	store *store.Store
	keys  *secret.Keys // with the key in force that is in force in the database
	first *secret.Keys // with the first key in force
	known store.MasterKey
	step  rekeyStep
}

func newRekeying(ctx context.Context, cfg config.Config, s *store.Store) (*rekeying, error) {
	r := &rekeying{cfg: cfg, store: s}
	var err error
	if r.keys, err = masterKey(ctx, cfg, s, false); err != nil {
		return nil, err
	}
	if r.known, err = s.MasterKey(ctx); err != nil {
		return nil, err
	}
	if r.first, err = secret.Load([]byte(cfg.Key.Reveal())); err != nil {
		return nil, err
	}
	if r.step, err = nextRekeyStep(r.known, r.first.Check()); err != nil || r.step != rekeyNothing {
		return r, err
	}
	if texts, err := s.SealedTexts(ctx); err != nil || len(texts) > 0 {
		return nil, errors.Join(err, errors.New("nothing was changed: no key of the key file opens any of the shops' grant tokens: `lagerd check` tells more"))
	}
	return r, nil
}

// sealed is what became of the shops' secrets.
type sealed struct {
	secrets, shops int
	anew           int     // sealed anew by this command
	stale          int     // sealed with another key than the first
	shut           []error // of those that no key opens
}

// stale returns the secrets that are to be sealed anew with the first key.
func (r *rekeying) stale(ctx context.Context) (list []store.Resealed, is sealed, err error) {
	texts, err := r.store.SealedTexts(ctx)
	if err != nil {
		return nil, is, err
	}
	shops := map[string]bool{}
	for _, text := range texts {
		shops[text.Shop] = true
		anew, err := r.first.Reseal(kindOf(text.Kind), text.Shop, text.Text)
		switch {
		case err != nil:
			is.shut = append(is.shut, err)
		case anew != nil:
			list = append(list, store.Resealed{Sealed: text, Anew: anew})
		}
	}
	is.secrets, is.shops, is.stale = len(texts), len(shops), len(list)
	return list, is, nil
}

func kindOf(k store.SecretKind) secret.Kind {
	switch k {
	case store.SecretRackbeat:
		return secret.RackbeatKey
	case store.SecretHook:
		return secret.NotifyHook
	default:
		return secret.GrantToken
	}
}

// preview tells what run would do.
func (r *rekeying) preview(ctx context.Context, w io.Writer) error {
	_, is, err := r.stale(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d of %d secret(s) of %d shop(s) would be sealed anew, with the first key of the key file.\n", is.stale, is.secrets, is.shops)
	if err := r.allKnow(ctx, "nothing would be changed"); err != nil {
		return err
	}
	fmt.Fprintln(w, "Every lagerd that runs knows this key.")
	return is.unopened()
}

// resealAtOnce is how many secrets are stored in one transaction.
const resealAtOnce = 50

// run does what is left to do. Killed anywhere, it goes on from there when it is run again.
func (r *rekeying) run(ctx context.Context, tell func(done, of int)) (sealed, error) {
	if r.step != rekeySeal {
		refused := "nothing was changed"
		if r.step == rekeyResume {
			refused = "the change of the master key, which has begun, was not gone on with"
		}
		if err := r.allKnow(ctx, refused); err != nil {
			return sealed{}, err
		}
	}
	if r.step == rekeyBegin {
		if err := r.begin(ctx); err != nil {
			return sealed{}, err
		}
	}
	done := 0
	for {
		list, is, err := r.stale(ctx)
		if err != nil {
			return is, err
		}
		if len(list) == 0 {
			is.anew = done
			if r.step == rekeySeal {
				return is, nil
			}
			return is, r.store.EndRekeying(ctx, r.first.Check(), now())
		}
		of := done + len(list)
		for chunk := range slices.Chunk(list, resealAtOnce) {
			tell(done, of)
			if err := r.store.Reseal(ctx, chunk); err != nil {
				return is, err
			}
			done += len(chunk)
		}
	}
}

// begin stores that the first key takes the place of the master key. From then on whatever starts
// needs both, and whatever is stored is sealed with the first.
func (r *rekeying) begin(ctx context.Context) error {
	from, to := r.keys.Check(), r.first.Check()
	kept, err := r.keys.Keep(from, to)
	if err != nil {
		return err
	}
	if err := r.store.BeginRekeying(ctx, from, to, kept, now()); err != nil {
		return err
	}
	// A lagerd that has just started, or been reloaded, may have seen the state from before and not
	// have beaten yet.
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(r.cfg.Lease.Beat):
	}
	return r.allKnow(ctx, "no secret was changed yet, but the change of the master key has begun")
}

// allKnow returns an error that names the running lagerd which do not know the first key. They
// could not work on a shop whose secrets it has sealed.
func (r *rekeying) allKnow(ctx context.Context, refused string) error {
	alive, err := living(ctx, r.store, r.cfg)
	if err != nil {
		return err
	}
	if names := ignorant(alive, r.first.Check()); len(names) > 0 {
		return fmt.Errorf("%s: %s", refused, tellIgnorant(names))
	}
	return nil
}

// ignorant names the instances that do not know a key.
func ignorant(alive map[string]store.Instance, check []byte) (names []string) {
	for _, i := range alive {
		if !i.Knows(check) {
			names = append(names, fmt.Sprintf("the lagerd on %s, process %d", terminal.Escape(i.Host), i.PID))
		}
	}
	slices.Sort(names)
	return names
}

func tellIgnorant(names []string) string {
	verb := "does"
	if len(names) > 1 {
		verb = "do"
	}
	return fmt.Sprintf("%s %s not know the first key of this key file: put the same keys into the key file there, then run `systemctl reload lagerd`, or `systemctl restart lagerd` where systemd reads the key (LoadCredential=)", strings.Join(names, "; "), verb)
}

// unopened returns an error that names the secrets that no key opens.
func (s sealed) unopened() error {
	if len(s.shut) == 0 {
		return nil
	}
	const shown = 5
	var list []string
	for _, err := range s.shut[:min(shown, len(s.shut))] {
		list = append(list, err.Error())
	}
	if more := len(s.shut) - shown; more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("%d secrets are opened by no key of the key file, as before: store them again with `lagerd shops set SHOP`, with --grant-token-file, --rackbeat-key-file or --notify-url: %s", len(s.shut), strings.Join(list, "; "))
}

// tell tells that it is done, and what to do now. keys is how many keys the key file has.
func (s sealed) tell(w io.Writer, keys int) error {
	fmt.Fprintf(w, "%d secret(s) of %d shop(s) are sealed with the first key of the key file, %d of them anew. No integration code has changed.\n", s.secrets-len(s.shut), s.shops, s.anew)
	if keys == 1 {
		fmt.Fprintln(w, "It is the only key there: to change it, put the new one before it, on every machine, reload every lagerd, and run `lagerd rekey` again.")
		return s.unopened()
	}
	fmt.Fprintln(w, "The old key can be dropped now: on every machine, leave only the first line in the key file, and run `systemctl reload lagerd`, or `systemctl restart lagerd` where systemd reads the key (LoadCredential=). Links to the page and sessions from before then end.")
	fmt.Fprintln(w, "Keep the old key with the backups from before: only it opens them.")
	return s.unopened()
}

// checkSealed reports which secrets are not sealed with the first of several keys, and which lagerd
// does not know it.
func checkSealed(ctx context.Context, r *report, cfg config.Config, s *store.Store, keys *secret.Keys, alive map[string]store.Instance) error {
	const what = "master key"
	if len(keys.Checks()) == 1 {
		return nil
	}
	k, err := newRekeying(ctx, cfg, s)
	if err != nil {
		r.bad(what, err)
		return nil
	}
	if k.step == rekeyNothing {
		return nil
	}
	_, is, err := k.stale(ctx)
	if err != nil {
		return err
	}
	names := ignorant(alive, k.first.Check())
	if len(names) > 0 {
		r.warn(what, "%s", tellIgnorant(names))
	}
	switch {
	case k.step == rekeyResume:
		r.warn(what, "its change has begun and not ended, and %d of %d secrets are still sealed with an older key: run `lagerd rekey` again", is.stale, is.secrets)
	case is.stale > 0 || k.step == rekeyBegin:
		r.warn(what, "%d of %d secrets are still sealed with an older key than the first of the key file: once every lagerd knows that one, run `lagerd rekey`", is.stale, is.secrets)
	default:
		r.good(what, "all %d secrets are sealed with the first of %d keys: the others can be dropped from the key file", is.secrets-len(is.shut), len(keys.Checks()))
	}
	return nil
}
