package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lagerd/config"
	"lagerd/engine"
	"lagerd/reconcile"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
)

// checkRunning checks that a lagerd runs on the database, and that all of them use the
// same app secret token as this command. It returns those that run.
func checkRunning(ctx context.Context, r *report, cfg config.Config, s *store.Store, keys *secret.Keys) (map[string]store.Instance, error) {
	alive, err := living(ctx, s, cfg)
	if err != nil {
		return nil, err
	}
	if len(alive) == 0 {
		r.bad("daemon", fmt.Errorf("%s on this database: start one (`systemctl start lagerd`); its log says why it ended. If one is running, it uses a different database: compare its database.dsn and database.path with this command's", status.NoLagerd))
		return alive, nil
	}
	var names []string
	for _, i := range alive {
		names = append(names, fmt.Sprintf("%s on %s, process %d", i.Version, i.Host, i.PID))
	}
	slices.Sort(names)
	r.good("daemon", "%s", strings.Join(names, "; "))
	used, err := s.AppTokens(ctx)
	if err != nil {
		return nil, err
	}
	if cfg.Economic.AppSecretToken.IsZero() { // which has been reported
		return alive, nil
	}
	for _, i := range alive {
		if theirs, known := used[i.Instance]; known && theirs == store.NoAppToken {
			r.bad("app secret token", fmt.Errorf("the lagerd on %s, process %d, has none, and reads nothing from e-conomic: this command has found one: run `systemctl restart lagerd`", i.Host, i.PID))
		}
	}
	if keys == nil {
		return alive, nil
	}
	mine := keys.Fingerprint(cfg.Economic.AppSecretToken.Reveal())
	for _, i := range alive {
		if theirs, known := used[i.Instance]; known && theirs != store.NoAppToken && theirs != mine {
			r.bad("app secret token", fmt.Errorf("the lagerd on %s, process %d, uses a different token than this command, so these checks may not apply to it: make both read the same one (economic.app_secret_token_file, or the credential file beside the configuration), then run `systemctl restart lagerd`", i.Host, i.PID))
		}
	}
	return alive, nil
}

// farApart is the largest clock difference that is not reported: e-conomic's own times
// are in whole minutes.
const farApart = time.Minute

// checkClock compares a clock that was read between before and after, by this machine's clock.
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
		r.clocks[whose] = true // report it once
		r.bad("clock", fmt.Errorf("this machine's is %s %s %s: synchronize the wrong one with NTP (`timedatectl set-ntp true`): cursors stay behind both clocks, and the ages in `lagerd status` are wrong", off.Round(time.Second), word, whose))
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

// justAdded is how long a new shop may be without a lease before that is a failure.
const justAdded = time.Minute

// checkState reports problems in a shop's stored state. A paused shop is not reconciled,
// and that is not a failure.
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
		if len(alive) > 0 { // else checkRunning has reported it
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
	for _, trouble := range status.Troubles(st, engine.PaceOf(cfg), now()) {
		r.bad(name, errors.New(trouble.Text()))
	}
	for _, short := range status.ShortOfCalls(st, engine.LimitsOf(cfg), now()) {
		r.warn(name, "%s", short)
	}
	if wrong := status.WrongCodes(st, now()); wrong != "" {
		r.warn(name, "%s", wrong)
	}
	if st.SetAside > 0 {
		r.warn(name, "%s", status.SetAside(st))
	}
}

// checkRefusals reports the app secret token if several agreements answer 401 and none succeeds.
func checkRefusals(r *report) {
	if len(r.refused) >= reconcile.SeveralRefused && !r.accepted {
		r.bad("app secret token", errors.New(reconcile.AppTokenSuspected))
	}
}
