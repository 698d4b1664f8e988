package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lagerd/config"
	"lagerd/reconcile"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
)

// checkRunning tells whether a lagerd runs on the database, and whether those that do
// use the app's token that this command reads.
func checkRunning(ctx context.Context, r *report, cfg config.Config, s *store.Store, keys *secret.Keys) (map[string]store.Instance, error) {
	alive, err := living(ctx, s, cfg)
	if err != nil {
		return nil, err
	}
	if len(alive) == 0 {
		r.bad("daemon", fmt.Errorf("%s on this database: start one (`systemctl start lagerd`); its log says why it ended. If one does run, it has another database than this command: compare their database.dsn and database.path", status.NoLagerd))
		return alive, nil
	}
	var names []string
	for _, i := range alive {
		names = append(names, fmt.Sprintf("%s on %s, process %d", i.Version, i.Host, i.PID))
	}
	slices.Sort(names)
	r.good("daemon", "%s", strings.Join(names, "; "))
	if keys == nil || cfg.Economic.AppSecretToken.IsZero() {
		return alive, nil
	}
	used, err := s.AppTokens(ctx)
	if err != nil {
		return nil, err
	}
	mine := keys.Fingerprint(cfg.Economic.AppSecretToken.Reveal())
	for _, i := range alive {
		if theirs, known := used[i.Instance]; known && theirs != mine {
			r.bad("app secret token", fmt.Errorf("the lagerd on %s, process %d, uses another than this command reads, so what is checked here is not what it does: have both read the same (economic.app_secret_token_file, or the credential's file beside the configuration), then `systemctl restart lagerd`", i.Host, i.PID))
		}
	}
	return alive, nil
}

// farApart is how much clocks may differ until people are told: e-conomic's own times
// are whole minutes.
const farApart = time.Minute

// checkClock compares a clock that was read between two times of this machine's.
func checkClock(r *report, whose string, theirs, before, after time.Time) {
	var off time.Duration
	var word string
	switch {
	case theirs.IsZero():
		return
	case theirs.Before(before):
		off, word = before.Sub(theirs), "ahead of"
	case theirs.After(after):
		off, word = theirs.Sub(after), "behind"
	}
	if off > farApart && !r.clocks[whose] {
		if r.clocks == nil {
			r.clocks = map[string]bool{}
		}
		r.clocks[whose] = true // once is enough
		r.bad("clock", fmt.Errorf("this machine's is %s %s %s: set the one that is wrong by NTP (`timedatectl set-ntp true`), since cursors keep within both, and ages in `lagerd status` are wrong", off.Round(time.Second), word, whose))
	}
}

// checkDatabaseClock compares the database's clock with this machine's.
func checkDatabaseClock(ctx context.Context, r *report, s *store.Store) {
	before := now()
	at, ok, err := s.Clock(ctx)
	switch {
	case err != nil:
		r.bad("clock", err)
	case ok:
		checkClock(r, "the database's", at, before, now())
	}
}

// justAdded is how long a shop may wait for a lagerd to take it.
const justAdded = time.Minute

// checkState tells what of a shop is not as it should be by what is stored about it.
// A paused shop is tried by nobody, and that is no failure.
func checkState(r *report, st store.ShopStatus, alive map[string]store.Instance, cfg config.Config) {
	name := "shop " + st.Shop.Shop
	shops := []status.Shop{status.Of(st)}
	status.Attend(shops, alive)
	v := shops[0]
	switch v.State {
	case status.StatePaused:
		r.good(name, "is paused by a person: %s", v.Reason)
		return
	case status.StateNoLagerd:
		if len(alive) > 0 { // else it is said once for all
			r.bad(name, errors.New(v.Reason))
		}
	case status.StateNotTaken:
		if now().Sub(st.Shop.CreatedAt.Time) < justAdded {
			r.warn(name, "%s", v.Reason)
		} else {
			r.bad(name, errors.New(v.Reason))
		}
	case status.StateHeld:
		for _, h := range v.Holds {
			r.bad(name, fmt.Errorf("held: %s", h.Text()))
		}
	}
	if v.Failures > 0 && v.State != status.StateHeld {
		r.bad(name, fmt.Errorf("the last %d pass(es) failed: %s", v.Failures, v.Failure))
	}
	for _, trouble := range status.Troubles(st, paceOf(cfg), now()) {
		r.bad(name, errors.New(trouble))
	}
	if st.SetAside > 0 {
		r.warn(name, "%d batch(es) of webhooks could not be read; the shop was swept instead, and they are kept for a look (hint_batches.set_aside, with the error)", st.SetAside)
	}
}

// checkRefusals tells what several agreements that refuse have in common.
func checkRefusals(r *report) {
	if len(r.refused) >= reconcile.SeveralRefused && !r.accepted {
		r.bad("app secret token", errors.New(reconcile.AppTokenSuspected))
	}
}
