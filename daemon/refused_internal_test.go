package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"lagerd/store"
	"lagerd/webhook"
)

type journalOf func(webhook.Call)

func (f journalOf) Add(c webhook.Call) { f(c) }

// counted is a counter that knows the shops whose name begins with "a", and what it has saved.
type counted struct {
	*refused
	passed int
	known  map[bool]int

	mu    sync.Mutex // time alone keeps the test and the counter apart, which the race detector does not know
	saved map[string]int64
	saves []int
	fail  error
}

// countRefused runs a counter until stop is called.
func countRefused(t *testing.T) (c *counted, stop func()) {
	t.Helper()
	c = &counted{saved: map[string]int64{}, known: map[bool]int{}}
	c.refused = &refused{shops: map[string]*refusedShop{}, journal: journalOf(func(webhook.Call) { c.passed++ }), observe: func(k bool) { c.known[k]++ },
		knows: func(shop string) bool { return shop != "" && shop[0] == 'a' }, save: c.save}
	ctx, cancel := context.WithCancel(t.Context())
	log, _ := test.NewNullLogger()
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx, log) }()
	return c, func() { cancel(); <-done }
}

func (c *counted) save(_ context.Context, list []store.RefusedCalls) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.saves = append(c.saves, len(list))
	if c.fail == nil {
		for _, calls := range list {
			c.saved[calls.Shop+" "+calls.Day+" "+calls.LastRemote] += calls.Calls
		}
	}
	return c.fail
}

func (c *counted) fails(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = err
}

func (c *counted) is(t *testing.T, what string, want map[string]int64, times int) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !maps.Equal(c.saved, want) || len(c.saves) != times {
		t.Errorf("%s: saved %v in %v, expected %v in %d times", what, c.saved, c.saves, want, times)
	}
}

// kept returns how many shops the counter keeps.
func (c *counted) kept() int {
	c.refused.mu.Lock()
	defer c.refused.mu.Unlock()
	return len(c.shops)
}

// TestRefusedCallsAreCounted: by shop and day, in the database within seconds, at most once a
// minute; what could not be saved is saved later, and nothing is kept of shops that rest.
func TestRefusedCallsAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 23, 23, 50, 0, 0, time.UTC)))
		c, stop := countRefused(t)
		add := func(calls int, shop, outcome string) {
			for range calls {
				c.Add(webhook.Call{Claims: shop, At: time.Now(), Outcome: outcome, Remote: "192.0.2.7"})
			}
		}
		const a, b, next, token = "a1 2026-11-23 192.0.2.7", "a2 2026-11-23 192.0.2.7", "a1 2026-11-24 192.0.2.7", "a3 2026-11-23 192.0.2.7"
		add(3, "a1", webhook.OutcomeRefused)
		add(2, "a1", webhook.OutcomeLimited)
		add(9, "nobody", webhook.OutcomeRefused)
		add(7, "", webhook.OutcomeBadMethod)
		c.Add(webhook.Call{Shop: "a1", Outcome: webhook.OutcomeRecorded})
		c.Add(webhook.Call{Shop: "a3", Outcome: webhook.OutcomeBadToken, At: time.Now(), Remote: "192.0.2.7"})
		if c.passed != 23 || c.known[true] != 6 || c.known[false] != 9 {
			t.Errorf("passed on %d, counted %v", c.passed, c.known)
		}
		c.is(t, "at first", map[string]int64{}, 0)
		time.Sleep(10 * time.Second)
		c.is(t, "after ten seconds", map[string]int64{a: 5, token: 1}, 1)
		add(4, "a1", webhook.OutcomeRefused)
		add(1, "a2", webhook.OutcomeRefused)
		time.Sleep(10 * time.Second)
		c.is(t, "another shop at once, the same not yet", map[string]int64{a: 5, b: 1, token: 1}, 2)
		c.fails(errors.New("no database"))
		time.Sleep(55 * time.Second)
		c.fails(nil)
		add(1, "a1", webhook.OutcomeRefused)
		time.Sleep(10 * time.Second)
		c.is(t, "after a minute, and a failure", map[string]int64{a: 10, b: 1, token: 1}, 4)
		time.Sleep(10 * time.Minute)
		if kept := c.kept(); kept != 0 {
			t.Errorf("%d shops are kept", kept)
		}
		add(1, "a1", webhook.OutcomeRefused)
		time.Sleep(10 * time.Second)
		add(1, "a1", webhook.OutcomeRefused) // within the minute that the shop rests
		stop()
		c.is(t, "at the end", map[string]int64{a: 10, b: 1, next: 2, token: 1}, 6)
	})
}

// TestRefusedCallsOfManyShops: those of a few shops are saved at a time, and none is forgotten.
func TestRefusedCallsOfManyShops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, stop := countRefused(t)
		for n := range 120 {
			c.Add(webhook.Call{Claims: fmt.Sprint("a", n), At: time.Now(), Outcome: webhook.OutcomeRefused})
		}
		time.Sleep(35 * time.Second)
		stop()
		if !slices.Equal(c.saves, []int{50, 50, 20}) || len(c.saved) != 120 {
			t.Errorf("saved %d shops in %v", len(c.saved), c.saves)
		}
	})
}
