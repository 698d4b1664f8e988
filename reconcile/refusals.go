package reconcile

import "sync"

// severalRefused is how many agreements must refuse, and none accept, until the
// app's token is suspected: it is a part of every call, a grant of one agreement's.
const severalRefused = 2

// refusals counts the agreements that have answered 401 to the question who they
// are, since one last gave an answer. It is safe for concurrent use.
type refusals struct {
	mu     sync.Mutex
	shops  map[string]bool
	warned bool
}

// refused counts a shop's agreement. It returns how many have refused, and whether
// a person is to be told now: that it may be the app's token is said once.
func (r *refusals) refused(shop string) (agreements int, tell bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shops == nil {
		r.shops = map[string]bool{}
	}
	r.shops[shop] = true
	tell = len(r.shops) >= severalRefused && !r.warned
	r.warned = r.warned || tell
	return len(r.shops), tell
}

// accepted begins anew: the app's token is good.
func (r *refusals) accepted() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.shops)
	r.warned = false
}

// AppTokenSuspected says of several agreements that answer 401 what is probably
// wrong, and what to do.
const AppTokenSuspected = "several agreements answer 401, and none answers well: probably the app's secret token is wrong, or e-conomic has withdrawn it: " +
	"look at economic.app_secret_token_file before you ask for new grants, then `systemctl reload lagerd` (restart, if it is a credential of systemd's)"
