package daemon

import (
	"context"
	"hash/maphash"
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
//
// Calls with a wrong code are in the log of the shop that they name, in a ring of their own: they
// take the place of no call that had a good one.
type journal struct {
	store   *store.Store
	log     logrus.FieldLogger
	perShop int
	dropped func(n int)
	skipped func() // a call without a valid code was not recorded

	knows func(shop string) bool   // whether the shop exists
	alone func() (yes, known bool) // whether no other lagerd writes the logs

	strangers *rate.Limiter                // of calls without a valid code that name no shop
	refused   *rate.Limiter                // of those that name one
	share     [refusedShares]*rate.Limiter // of each shop in the latter, by the hash of its name
	seed      maphash.Seed

	mu      sync.Mutex
	waiting map[ring]*calls
	total   int

	slots map[ring]int // next slot of each; only flush uses it, without mu
}

// ring is one of a shop's rings of calls.
type ring struct {
	shop    string // "": none
	refused bool   // for a wrong code
}

// size returns how many calls a ring keeps.
func (r ring) size(perShop int) int {
	if r.refused {
		return refusedPerShop
	}
	return perShop
}

// slot returns the nth slot of a ring as it is stored, and the other way round.
func (r ring) slot(n int) int {
	if r.refused {
		return -1 - n
	}
	return n
}

// ringAt returns the ring that a stored slot belongs to.
func ringAt(shop string, slot int) ring { return ring{shop: shop, refused: slot < 0} }

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
// there, so all of them take at most 1 MiB an hour. Half of that is for those that name a shop: of
// one shop so few are recorded that its owner sees what is wrong, and others' remain visible.
const (
	strangersPerHour = 300
	strangersAtOnce  = 50

	refusedPerHour   = 300
	refusedAtOnce    = 50
	refusedShares    = 256
	refusedShareHour = 20
	refusedShareOnce = 10

	refusedPerShop = 20 // are kept
)

func newJournal(s *store.Store, log logrus.FieldLogger, perShop int, knows func(shop string) bool, alone func() (yes, known bool), dropped func(n int), skipped func()) *journal {
	j := &journal{store: s, log: log, perShop: perShop, dropped: dropped, skipped: skipped, knows: knows, alone: alone,
		strangers: rate.NewLimiter(rate.Every(time.Hour/strangersPerHour), strangersAtOnce),
		refused:   rate.NewLimiter(rate.Every(time.Hour/refusedPerHour), refusedAtOnce),
		seed:      maphash.MakeSeed(), waiting: map[ring]*calls{}, slots: map[ring]int{}}
	for i := range j.share {
		j.share[i] = rate.NewLimiter(rate.Every(time.Hour/refusedShareHour), refusedShareOnce)
	}
	return j
}

// ringOf returns the ring in which a call is recorded; ok is false if it is only counted.
func (j *journal) ringOf(c webhook.Call) (r ring, ok bool) {
	switch {
	case c.Shop != "":
		return ring{shop: c.Shop}, true
	case c.Outcome == webhook.OutcomeLimited:
		return ring{}, false
	case c.Outcome == webhook.OutcomeRefused && j.knows(c.Claims):
		share := j.share[maphash.String(j.seed, c.Claims)%refusedShares]
		return ring{shop: c.Claims, refused: true}, share.Allow() && j.refused.Allow()
	}
	return ring{}, j.strangers.Allow()
}

// Add implements webhook.Journal.
func (j *journal) Add(c webhook.Call) {
	at, ok := j.ringOf(c)
	if !ok {
		j.skipped()
		return
	}
	// The slot only says which ring it is, until the call is placed.
	call := store.WebhookCall{Shop: at.shop, Slot: at.slot(0), CalledAt: store.At(c.At), Method: c.Method, Remote: c.Remote, Kind: plan.Kind(c.Kind),
		Number: c.Number, Status: c.Status, Outcome: c.Outcome, DurationUS: c.Duration.Microseconds()}
	switch {
	case c.Rackbeat:
		call.Source = store.SourceRackbeat
	case c.Kind != "":
		call.Source = store.SourceEconomic
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	waiting, size := j.waiting[at], at.size(j.perShop)
	full := waiting != nil && len(waiting.list) >= size // its log has no room for the oldest anyway
	if !full && j.total >= journalLimit {
		j.dropped(1)
		return
	}
	switch {
	case full:
		waiting.replace(call)
		return
	case waiting == nil:
		waiting = &calls{}
		j.waiting[at] = waiting
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
	j.place(ctx, calls)
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
		j.waiting, j.total = map[ring]*calls{}, 0
		return taken
	}
	each := max(1, most/len(j.waiting))
	for its, waiting := range j.waiting {
		taken = append(taken, waiting.take(min(each, len(waiting.list), most-len(taken)))...)
		if len(waiting.list) == 0 {
			delete(j.waiting, its)
		}
	}
	j.total -= len(taken)
	return taken
}

// mostRows is how many rows of logs are looked at in a flush, to continue them, about.
const mostRows = 20_000

// place gives calls their slots. A ring continues after its latest call, with the oldest. Where other
// lagerd write it as well it continues anywhere: two that began at the same slot would write over each
// other's latest calls. What is not known yet, or is too much to look at, goes anywhere, and the next
// flush looks again.
func (j *journal) place(ctx context.Context, calls []store.WebhookCall) {
	alone, known := j.alone()
	if alone {
		j.continued(ctx, calls)
	}
	for i, c := range calls {
		of := ringAt(c.Shop, c.Slot)
		size := of.size(j.perShop)
		slot, placed := j.slots[of]
		if !placed {
			slot = rand.IntN(size)
		}
		calls[i].Slot = of.slot(slot % size)
		if placed || known && !alone {
			j.slots[of] = slot%size + 1
		}
	}
}

// continued finds out where rings end that calls belong to.
func (j *journal) continued(ctx context.Context, calls []store.WebhookCall) {
	var shops []string
	for _, c := range calls {
		if _, placed := j.slots[ringAt(c.Shop, c.Slot)]; !placed && len(shops) < max(1, mostRows/j.perShop) && !slices.Contains(shops, c.Shop) {
			shops = append(shops, c.Shop)
		}
	}
	if len(shops) == 0 {
		return
	}
	latest, err := j.store.LatestCalls(ctx, shops)
	if err != nil {
		return // as the write will say
	}
	next := map[ring]int{}
	for _, c := range latest {
		of := ringAt(c.Shop, c.Slot)
		next[of] = max(next[of], of.slot(c.Slot)+1) // of several at one moment
	}
	for _, shop := range shops {
		for _, of := range []ring{{shop: shop}, {shop: shop, refused: true}} {
			if _, placed := j.slots[of]; !placed {
				j.slots[of] = next[of]
			}
		}
	}
}
