package remote

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"lagerd/budget"
	"lagerd/plan"
	"lagerd/rest"
	"lagerd/source"
)

// morning is when the budgets of these tests are used.
var morning = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)

const today, yesterday = "2026-11-30", "2026-11-29"

func accounts() *Accounts {
	return &Accounts{Budgets: budget.Options{DailyCalls: 1000, Now: func() time.Time { return morning }}}
}

// TestWhatGoesOver: what a shop's former budget has learned goes over to the one that it joins, unless
// it was about another account; its calls do only if it was not known whose they were.
func TestWhatGoesOver(t *testing.T) {
	t.Parallel()
	blocked := morning.Add(20 * time.Second)
	for name, c := range map[string]struct {
		former int64 // whose budget the shop had
		known  bool  // another shop has the account already: 5 calls, and 10 of a bucket of 200
		calls  int
		bucket string
		until  time.Time
	}{
		"not known whose":           {0, false, 12, "50 of 100", blocked},
		"not known, and others":     {0, true, 17, "10 of 200", blocked}, // theirs is newer
		"the same account":          {7, false, 0, "50 of 100", blocked},
		"the same, and others":      {7, true, 5, "10 of 200", blocked},
		"another account":           {8, false, 0, "0 of 0", time.Time{}},
		"another account, of other": {8, true, 5, "10 of 200", time.Time{}},
	} {
		a := accounts()
		former := Part{Number: c.former, All: budget.New(a.Budgets)}
		former.By = former.All.Join("shop", "", 0)
		former.All.Restore(budget.State{Day: today, Calls: 12, BucketUsed: 50, BucketLimit: 100, BlockedUntil: blocked})
		if c.known {
			other := a.Join("other", 7, source.Made{Day: today, Calls: 5}, nil)
			other.All.Restore(budget.State{BucketUsed: 10, BucketLimit: 200})
		}
		p := a.Join("shop", 7, source.Made{Day: today, Calls: 12}, &former)
		is := p.All.State()
		if bucket := fmt.Sprintf("%d of %d", is.BucketUsed, is.BucketLimit); is.Calls != c.calls || bucket != c.bucket || !is.BlockedUntil.Equal(c.until) {
			t.Errorf("%s: %d calls, bucket %s, blocked until %s\nwant %d, %s, %s", name, is.Calls, bucket, is.BlockedUntil, c.calls, c.bucket, c.until)
		}
		if made := p.Made(); made != (source.Made{Day: today, Calls: 12}) {
			t.Errorf("%s: its own calls are %+v", name, made)
		}
	}
}

// TestCallsMadeBefore: the account's calls are at least those of each of its shops, with what commands
// made; those of another day do not count.
func TestCallsMadeBefore(t *testing.T) {
	t.Parallel()
	a := accounts()
	expect := func(step string, p *Part, account, own int) {
		t.Helper()
		if is := p.All.State(); is.Day != today || is.Calls != account || p.Made().Calls != own {
			t.Errorf("%s: %d calls to the account on %s, %d of the shop\nwant %d, %d", step, is.Calls, is.Day, p.Made().Calls, account, own)
		}
	}
	first := a.Join("first", 7, source.Made{Day: today, Calls: 3, Others: 4}, nil)
	expect("the first", &first, 7, 3)
	second := a.Join("second", 7, source.Made{Day: today, Calls: 30, Others: 2}, nil)
	expect("another made more", &second, 32, 30)
	third := a.Join("third", 7, source.Made{Day: yesterday, Calls: 90}, nil)
	expect("on another day", &third, 32, 0)
	third.Restore(source.Made{Day: today, Calls: 20, Others: 100})
	expect("restored", &third, 120, 20)
	third.Restore(source.Made{Day: today, Calls: 10, Others: 1})
	expect("restored to less", &third, 120, 20)
	first.Restore(source.Made{Day: yesterday, Calls: 500})
	expect("restored to those of another day", &first, 120, 3)
}

// TestClass: what a failed call means, by its kind and by how the service was silent.
func TestClass(t *testing.T) {
	t.Parallel()
	for kind, want := range map[rest.Kind][3]plan.Class{ // else, after a timeout, without an answer's begin
		rest.KindUnauthorized: {plan.ClassShop, plan.ClassShop, plan.ClassShop},
		rest.KindForbidden:    {plan.ClassPart, plan.ClassPart, plan.ClassPart},
		rest.KindRateLimited:  {plan.ClassBusy, plan.ClassBusy, plan.ClassBusy},
		rest.KindBudget:       {plan.ClassDay, plan.ClassDay, plan.ClassDay},
		rest.KindUnavailable:  {plan.ClassInterrupted, plan.ClassHanging, plan.ClassSilent},
		rest.KindNotFound:     {plan.ClassNumber, plan.ClassNumber, plan.ClassNumber},
		rest.KindBadRequest:   {plan.ClassNumber, plan.ClassNumber, plan.ClassNumber},
		rest.KindMalformed:    {plan.ClassNumber, plan.ClassNumber, plan.ClassNumber},
	} {
		for n, err := range []error{errors.New("why"), fmt.Errorf("%w within 30s", rest.ErrTimeout), fmt.Errorf("%w within 1s", rest.ErrSilent)} {
			if got := Class(kind, err); got != want[n] {
				t.Errorf("%s, %v: class %q, want %q", kind, err, got, want[n])
			}
		}
	}
}
