package daemon

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/webhook"
)

// journal writes the shops' webhook logs in the background: a call never waits for it.
// In a burst the logs are written late, with the latest calls that they have room for.
type journal struct {
	store   *store.Store
	log     logrus.FieldLogger
	perShop int
	dropped func(n int)
	skipped func() // a call without a valid code was not recorded

	strangers *rate.Limiter // of calls without a valid code

	mu      sync.Mutex
	waiting map[string]*calls
	total   int
	slots   map[string]int // next slot of each shop's ring
}

// calls are a shop's calls that wait to be written.
type calls struct {
	list   []store.WebhookCall
	oldest int // index of the oldest
}

// replace overwrites the oldest call.
func (c *calls) replace(call store.WebhookCall) {
	c.list[c.oldest] = call
	c.oldest = (c.oldest + 1) % len(c.list)
}

// take removes and returns the n oldest calls.
func (c *calls) take(n int) []store.WebhookCall {
	list := slices.Concat(c.list[c.oldest:], c.list[:c.oldest])
	c.list, c.oldest = list[n:], 0
	return list[:n]
}

// journalLimit is the maximum number of calls that wait to be written, over all shops.
const journalLimit = 20_000

// perFlush is the maximum number of calls per write, over all shops: in a burst the
// database must commit hints first.
const perFlush = 1000

// Calls without a valid code are recorded at this pace, however many come: what strangers send
// must not fill the database's disk and binary log. A recorded call takes less than 1.5 KiB
// there, so all of them take at most 1 MiB an hour.
const (
	strangersPerHour = 600
	strangersAtOnce  = 100
)

func newJournal(s *store.Store, log logrus.FieldLogger, perShop int, dropped func(n int), skipped func()) *journal {
	return &journal{store: s, log: log, perShop: perShop, dropped: dropped, skipped: skipped,
		strangers: rate.NewLimiter(rate.Every(time.Hour/strangersPerHour), strangersAtOnce),
		waiting:   map[string]*calls{}, slots: map[string]int{}}
}

// Add implements webhook.Journal.
func (j *journal) Add(c webhook.Call) {
	if c.Shop == "" && (c.Outcome == webhook.OutcomeLimited || !j.strangers.Allow()) {
		j.skipped()
		return
	}
	call := store.WebhookCall{Shop: c.Shop, CalledAt: store.At(c.At), Method: c.Method, Remote: c.Remote, Kind: plan.Kind(c.Kind),
		Number: c.Number, Status: c.Status, Outcome: c.Outcome, DurationUS: c.Duration.Microseconds()}
	j.mu.Lock()
	defer j.mu.Unlock()
	waiting := j.waiting[c.Shop]
	full := waiting != nil && len(waiting.list) >= j.perShop // its log has no room for the oldest anyway
	if !full && j.total >= journalLimit {
		j.dropped(1)
		return
	}
	slot, ok := j.slots[c.Shop]
	if !ok {
		// After a restart the ring continues anywhere; it still holds the latest calls.
		slot = rand.IntN(j.perShop)
	}
	j.slots[c.Shop] = (slot + 1) % j.perShop
	call.Slot = slot
	switch {
	case full:
		waiting.replace(call)
		return
	case waiting == nil:
		waiting = &calls{}
		j.waiting[c.Shop] = waiting
	}
	waiting.list = append(waiting.list, call)
	j.total++
}

// Run writes waiting calls every second, and once more when ctx is done.
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

// flush writes up to most calls, the oldest of each shop, shared evenly among the shops.
func (j *journal) flush(ctx context.Context, most int) {
	calls := j.take(most)
	if err := j.store.PutWebhookCalls(ctx, calls); err != nil {
		j.dropped(len(calls))
		j.log.WithError(err).WithField("calls", len(calls)).Warn("cannot write webhook log")
	}
}

func (j *journal) take(most int) []store.WebhookCall {
	j.mu.Lock()
	defer j.mu.Unlock()
	taken := make([]store.WebhookCall, 0, min(j.total, most))
	if j.total <= most {
		for _, waiting := range j.waiting {
			taken = append(taken, waiting.list...)
		}
		j.waiting, j.total = map[string]*calls{}, 0
		return taken
	}
	each := max(1, most/len(j.waiting))
	for shop, waiting := range j.waiting {
		taken = append(taken, waiting.take(min(each, len(waiting.list), most-len(taken)))...)
		if len(waiting.list) == 0 {
			delete(j.waiting, shop)
		}
	}
	j.total -= len(taken)
	return taken
}
