package daemon

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"lagerd/plan"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
	"lagerd/webhook"
)

// index caches the shops, their integration codes and what is held, so that answering a webhook
// needs no query. It also records which codes are used. It is safe for concurrent use.
type index struct {
	store *store.Store
	keys  *secret.Keys

	loading sync.Mutex // one reads the database at a time, and changes what follows
	holds   map[string]plan.Holds

	mu         sync.RWMutex
	generation int64
	shops      map[string]*store.Shop // shared with whoever reconciles them, and not changed
	callees    map[string]callee

	usesMu sync.Mutex
	uses   []store.CodeUse // to be saved
}

// callee is what a webhook call of a shop needs.
type callee struct {
	codes    []*code // that people enter
	inHeader []*code // of webhooks that lagerd has set up
	shop     webhook.Shop
}

// code is one of a shop's codes.
type code struct {
	hash     [sha256.Size]byte
	recorded atomic.Int64 // Unix time of the last use recorded; 0: none
	among    bool         // the shop has others with the same use
}

// holdsEvery is how often what is held is read.
const holdsEvery = 5 * time.Second

// recordEvery is the interval at which uses of a code are recorded while its shop has
// several codes. The use of an only code is recorded once.
const recordEvery = time.Minute

func newIndex(s *store.Store, keys *secret.Keys) *index {
	return &index{store: s, keys: keys, generation: -1}
}

// Refresh implements engine.Shops: it rereads the shops if any has changed.
func (x *index) Refresh(ctx context.Context) error {
	x.loading.Lock()
	defer x.loading.Unlock()
	generation, err := x.store.ShopsGeneration(ctx)
	if err != nil || generation == x.Generation() {
		return err
	}
	list, hashes, err := x.read(ctx)
	if err != nil {
		return err
	}
	shops := make(map[string]*store.Shop, len(list))
	for n := range list {
		shop := x.shops[list[n].Shop] // which the one who reconciles it has too
		if shop == nil || !shop.Unchanged(list[n]) {
			shop = new(list[n])
		}
		shops[shop.Shop] = shop
	}
	codes, inHeader := readCodes(hashes)
	callees := make(map[string]callee, len(list))
	for _, s := range list {
		callees[s.Shop] = callee{codes[s.Shop], inHeader[s.Shop], status.AnswersOf(s, x.holds[s.Shop])}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.generation, x.shops, x.callees = generation, shops, callees
	return nil
}

// read reads the shops and, beside them, the codes: with thousands of shops they are most of what
// lagerd does before it is ready.
func (x *index) read(ctx context.Context) (shops []store.Shop, codes []store.ShopCode, err error) {
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		shops, err = x.store.Shops(ctx)
		return err
	})
	both.Go(func() (err error) {
		codes, err = x.store.Codes(ctx)
		return err
	})
	err = both.Wait()
	return shops, codes, err
}

// readCodes returns the codes of each shop that people enter, and those that are in headers.
func readCodes(hashes []store.ShopCode) (entered, inHeader map[string][]*code) {
	type use struct {
		shop string
		kind plan.Kind
	}
	entered, inHeader = make(map[string][]*code, len(hashes)), map[string][]*code{}
	alike := make(map[use][]*code, len(hashes))
	for _, c := range hashes {
		one := &code{}
		copy(one.hash[:], c.CodeHash)
		if !c.UsedAt.IsZero() {
			one.recorded.Store(c.UsedAt.Unix())
		}
		into := entered
		if c.InHeader() {
			into = inHeader
		}
		into[c.Shop] = append(into[c.Shop], one)
		its := use{c.Shop, c.Kind}
		alike[its] = append(alike[its], one)
	}
	for _, live := range alike {
		for _, c := range live {
			c.among = len(live) > 1
		}
	}
	return entered, inHeader
}

// refreshHolds rereads what is held.
func (x *index) refreshHolds(ctx context.Context) error {
	x.loading.Lock()
	defer x.loading.Unlock()
	holds, err := x.store.Held(ctx)
	if err != nil || maps.EqualFunc(holds, x.holds, slices.Equal) {
		return err
	}
	x.holds = holds
	callees := maps.Clone(x.callees) // which only a refresh changes
	for name, c := range callees {
		c.shop = status.AnswersOf(*x.shops[name], holds[name])
		callees[name] = c
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.callees = callees
	return nil
}

// Generation implements engine.Shops.
func (x *index) Generation() int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.generation
}

// Shop implements engine.Shops.
func (x *index) Shop(name string) (*store.Shop, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s, ok := x.shops[name]
	return s, ok
}

// How many codes are always compared: the time an answer takes must not reveal how many codes a
// shop has, or whether it exists.
const (
	liveCodes   = 2
	headerCodes = 2 * store.HeaderCodesPerKind // of stock and of invoices
)

// Authenticate implements webhook.Authenticator.
func (x *index) Authenticate(shop, code string, byPerson bool) (of webhook.Shop, ok bool) {
	c := x.callee(shop)
	known, ok := x.among(shop, code, c.codes, liveCodes)
	if !ok {
		return webhook.Shop{}, false
	}
	if !byPerson {
		x.used(shop, known)
	}
	return c.shop, true
}

// AuthenticateHeader implements webhook.Authenticator.
func (x *index) AuthenticateHeader(shop, code string) (of webhook.Shop, ok bool) {
	c := x.callee(shop)
	known, ok := x.among(shop, code, c.inHeader, headerCodes)
	if !ok {
		return webhook.Shop{}, false
	}
	x.used(shop, known)
	return c.shop, true
}

func (x *index) callee(shop string) callee {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.callees[shop]
}

// among returns which of a shop's known codes text is, if it is one of them. As many are compared as it
// may have.
func (x *index) among(shop, text string, known []*code, most int) (is *code, ok bool) {
	hash := x.keys.HashCode(shop, text)
	found := -1
	for i := range most {
		var other [sha256.Size]byte
		exists := 0
		if i < len(known) {
			other, exists = known[i].hash, 1
		}
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], other[:])&exists, i, found)
	}
	if found < 0 {
		return nil, false
	}
	return known[found], true
}

// AuthenticateToken implements webhook.Authenticator.
func (x *index) AuthenticateToken(shop, token string) bool {
	s, _ := x.Shop(shop)
	if len(s.RackbeatTokenHash) == 0 {
		return true
	}
	hash, good := sha256.Sum256([]byte(token)), 0
	for known := range slices.Chunk(s.RackbeatTokenHash, sha256.Size) {
		good |= subtle.ConstantTimeCompare(hash[:], known)
	}
	return good == 1
}

// used records that a webhook used a code, unless that was recorded recently.
func (x *index) used(shop string, c *code) {
	last := c.recorded.Load()
	if last != 0 && !c.among {
		return
	}
	now := time.Now().Unix()
	if now-last < int64(recordEvery/time.Second) || !c.recorded.CompareAndSwap(last, now) {
		return
	}
	x.usesMu.Lock()
	defer x.usesMu.Unlock()
	x.uses = append(x.uses, store.CodeUse{Shop: shop, CodeHash: c.hash[:]})
}

// Run saves the recorded uses every second, and once more when ctx is done. Meanwhile it keeps
// up with what is held.
func (x *index) Run(ctx context.Context, log logrus.FieldLogger) {
	ticker, holds := time.NewTicker(time.Second), time.NewTicker(holdsEvery)
	defer ticker.Stop()
	defer holds.Stop()
	saving, reading := warner{log: log}, warner{log: log}
	reading.warn(ctx, x.refreshHolds(ctx), "cannot read what is held; will retry")
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := x.flush(last); err != nil {
				log.WithError(err).Warn("cannot save uses of integration codes")
			}
			return
		case <-ticker.C:
			saving.warn(ctx, x.flush(ctx), "cannot save uses of integration codes; will retry")
		case <-holds.C:
			reading.warn(ctx, x.refreshHolds(ctx), "cannot read what is held; will retry")
		}
	}
}

// warner logs the first of several failures in a row.
type warner struct {
	log     logrus.FieldLogger
	failing bool
}

func (w *warner) warn(ctx context.Context, err error, what string) {
	if err != nil && !w.failing && ctx.Err() == nil {
		w.log.WithError(err).Warn(what)
	}
	w.failing = err != nil
}

// flush saves the pending uses. If that fails they stay pending.
func (x *index) flush(ctx context.Context) error {
	x.usesMu.Lock()
	waiting := x.uses
	x.uses = nil
	x.usesMu.Unlock()
	if len(waiting) == 0 {
		return nil
	}
	err := x.store.RecordCodeUses(ctx, waiting, time.Now())
	if err != nil {
		x.usesMu.Lock()
		defer x.usesMu.Unlock()
		x.uses = append(waiting, x.uses...)
	}
	return err
}
