package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/store"
	"lagerd/webhook"
)

// refused counts the calls that name a shop and have a wrong code or token. It saves the counts, at
// most once a minute for each shop, and those of a few shops at a time: what strangers send
// must not fill the database's disk.
type refused struct {
	journal webhook.Journal
	knows   func(shop string) bool
	observe func(known bool)
	save    func(ctx context.Context, list []store.RefusedCalls) error

	mu    sync.Mutex
	shops map[string]*refusedShop // those with calls to save, or saved within the last minute
}

type refusedShop struct {
	unsaved store.RefusedCalls
	savedAt time.Time
}

const (
	saveRefusedEvery = 10 * time.Second
	savedShopRests   = time.Minute
	savedAtOnce      = 50 // shops
)

// Add implements webhook.Journal: it counts the call, and passes it on.
func (r *refused) Add(c webhook.Call) {
	r.journal.Add(c)
	name := c.Claims
	switch c.Outcome {
	case webhook.OutcomeRefused, webhook.OutcomeLimited:
	case webhook.OutcomeBadToken:
		name = c.Shop
	default:
		return
	}
	known := r.knows(name)
	r.observe(known)
	if !known {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	shop := r.shops[name]
	if shop == nil {
		shop = &refusedShop{}
		r.shops[name] = shop
	}
	day := c.At.UTC().Format(time.DateOnly)
	if shop.unsaved.Day != day {
		shop.unsaved.Calls = 0 // a few of the day before are lost
	}
	shop.unsaved = store.RefusedCalls{Shop: name, Day: day, Calls: shop.unsaved.Calls + 1, LastAt: store.At(c.At), LastRemote: c.Remote}
}

// Run saves the counts until ctx is done, and then those that are left.
func (r *refused) Run(ctx context.Context, log logrus.FieldLogger) {
	ticker := time.NewTicker(saveRefusedEvery)
	defer ticker.Stop()
	failing := false
	for ended := false; !ended; {
		saving, cancel := ctx, context.CancelFunc(func() {})
		select {
		case <-ctx.Done():
			ended = true
			saving, cancel = context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		case <-ticker.C:
		}
		err := r.flush(saving, ended)
		cancel()
		if err != nil && !failing && ctx.Err() == nil {
			log.WithError(err).Warn("cannot save the count of webhook calls with a wrong code; will retry")
		}
		failing = err != nil
	}
}

// flush saves what is due. If that fails it stays unsaved.
func (r *refused) flush(ctx context.Context, last bool) error {
	list := r.due(last)
	if len(list) == 0 {
		return nil
	}
	err := r.save(ctx, list)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, saved := range list {
		shop := r.shops[saved.Shop]
		if err != nil {
			shop.savedAt = time.Time{}
			continue
		}
		if shop.unsaved.Day == saved.Day {
			shop.unsaved.Calls -= saved.Calls
		}
	}
	return err
}

// due returns the counts to save, and forgets shops that have none.
func (r *refused) due(last bool) (list []store.RefusedCalls) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, shop := range r.shops {
		switch rested := time.Since(shop.savedAt) >= savedShopRests; {
		case shop.unsaved.Calls == 0 && rested:
			delete(r.shops, name)
		case shop.unsaved.Calls > 0 && (rested || last) && len(list) < savedAtOnce:
			shop.savedAt = time.Now()
			list = append(list, shop.unsaved)
		}
	}
	return list
}
