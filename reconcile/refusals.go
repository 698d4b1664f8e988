package reconcile

import (
	"errors"
	"sync"
)

// SeveralRefused is how many agreements must refuse, while none succeeds, before the app's
// token is suspected: every call carries it, whereas a grant is one agreement's.
const SeveralRefused = 2

// refusals counts the agreements whose /self answered 401 since one last accepted the token. It
// is safe for concurrent use.
type refusals struct {
	mu         sync.Mutex
	agreements map[string]bool
	warned     bool
}

// refused counts an agreement. It returns how many have refused, and whether to report now that
// it may be the app's token, which happens once.
func (r *refusals) refused(agreement string) (agreements int, report bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.agreements == nil {
		r.agreements = map[string]bool{}
	}
	r.agreements[agreement] = true
	report = len(r.agreements) >= SeveralRefused && !r.warned
	r.warned = r.warned || report
	return len(r.agreements), report
}

// accepted resets the count: the app's token is valid.
func (r *refusals) accepted() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.agreements)
	r.warned = false
}

// AppTokenSuspected is logged when several agreements answer 401: the probable cause, and what
// to do.
const AppTokenSuspected = "several agreements answer 401 and none succeeds: probably the app's secret token is wrong, or e-conomic has withdrawn it: " +
	"check economic.app_secret_token_file before you request new grants, then run `systemctl reload lagerd` (restart it if the token is a systemd credential)"

// ErrNoAppToken is in the error of Options.Open if lagerd has no secret token of the app: what is
// read from e-conomic is held, and no call is made.
var ErrNoAppToken = errors.New("lagerd has no app secret token, so nothing is read from e-conomic")
