package daemon

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/reconcile/plan"
	"lagerd/store"
	"lagerd/webhook"
)

// journal writes the shops' webhook logs behind the endpoint's back: a call
// never waits for it, and in a flood the logs are written when it is over, with
// the calls that they have room for.
type journal struct {
	store   *store.Store
	log     logrus.FieldLogger
	perShop int
	dropped func(n int)

	mu      sync.Mutex
	waiting map[string][]store.WebhookCall
	total   int
	slots   map[string]int // next slot of each shop's ring
}

// most calls that wait to be written, over all shops
const journalLimit = 20_000

// perFlush is how many calls are written at a time, over all shops: in a flood the
// database has hints to commit.
const perFlush = 1000

func newJournal(s *store.Store, log logrus.FieldLogger, perShop int, dropped func(n int)) *journal {
	return &journal{store: s, log: log, perShop: perShop, dropped: dropped,
		waiting: map[string][]store.WebhookCall{}, slots: map[string]int{}}
}

// Add implements webhook.Journal.
func (j *journal) Add(c webhook.Call) {
	call := store.WebhookCall{Shop: c.Shop, CalledAt: store.At(c.At), Method: c.Method, Remote: c.Remote, Kind: plan.Kind(c.Kind),
		Number: c.Number, Status: c.Status, Outcome: c.Outcome, DurationUS: c.Duration.Microseconds()}
	j.mu.Lock()
	defer j.mu.Unlock()
	calls := j.waiting[c.Shop]
	switch {
	case len(calls) >= j.perShop: // its log has no room for the oldest anyway
		calls = calls[1:]
	case j.total >= journalLimit:
		j.dropped(1)
		return
	default:
		j.total++
	}
	slot, ok := j.slots[c.Shop]
	if !ok {
		// After a restart the ring goes on anywhere; it holds the latest all the same.
		slot = rand.IntN(j.perShop)
	}
	j.slots[c.Shop] = (slot + 1) % j.perShop
	call.Slot = slot
	j.waiting[c.Shop] = append(calls, call)
}

// Run writes what waits, every second and once more at the end.
func (j *journal) Run(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			j.flush(last, journalLimit)
			return
		case <-ticker.C:
			j.flush(ctx, perFlush)
		}
	}
}

// flush writes what has waited longest, up to so many calls and as many of each
// shop.
func (j *journal) flush(ctx context.Context, most int) {
	calls := j.take(most)
	if err := j.store.PutWebhookCalls(ctx, calls); err != nil {
		j.dropped(len(calls))
		j.log.WithError(err).WithField("calls", len(calls)).Warn("the webhook log could not be written")
	}
}

func (j *journal) take(most int) []store.WebhookCall {
	j.mu.Lock()
	defer j.mu.Unlock()
	calls := make([]store.WebhookCall, 0, min(j.total, most))
	if j.total <= most {
		for _, list := range j.waiting {
			calls = append(calls, list...)
		}
		j.waiting, j.total = map[string][]store.WebhookCall{}, 0
		return calls
	}
	each := max(1, most/len(j.waiting))
	for shop, list := range j.waiting {
		n := min(each, len(list), most-len(calls))
		calls = append(calls, list[:n]...)
		if j.waiting[shop] = list[n:]; n == len(list) {
			delete(j.waiting, shop)
		}
	}
	j.total -= len(calls)
	return calls
}
