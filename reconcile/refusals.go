package reconcile

import "sync"

// SeveralRefused is how many agreements must refuse, and none accept, until the
// app's token is suspected: it is a part of every call, a grant of one agreement's.
const SeveralRefused = 2

// refusals counts the agreements that have answered 401 to the question who they
// are, since one last gave an answer. It is safe for concurrent use.
type refusals struct {
	mu         sync.Mutex
	agreements map[string]bool
	warned     bool
}

// refused counts an agreement. It returns how many have refused, and whether a
// person is to be told now: that it may be the app's token is said once.
func (r *refusals) refused(agreement string) (agreements int, tell bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.agreements == nil {
		r.agreements = map[string]bool{}
	}
	r.agreements[agreement] = true
	tell = len(r.agreements) >= SeveralRefused && !r.warned
	r.warned = r.warned || tell
	return len(r.agreements), tell
}

// accepted begins anew: the app's token is good.
func (r *refusals) accepted() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.agreements)
	r.warned = false
}

// AppTokenSuspected says of several agreements that answer 401 what is probably
// wrong, and what to do.
const AppTokenSuspected = "several agreements answer 401, and none answers well: probably the app's secret token is wrong, or e-conomic has withdrawn it: " +
	"look at economic.app_secret_token_file before you ask for new grants, then `systemctl reload lagerd` (restart, if it is a credential of systemd's)"
