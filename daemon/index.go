package daemon

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"sync"

	"lagerd/secret"
	"lagerd/store"
)

// index holds the shops and their integration codes in memory, so that a
// webhook is authenticated without asking the database. It is safe for
// concurrent use.
type index struct {
	store *store.Store
	keys  *secret.Keys

	mu         sync.RWMutex
	generation int64
	shops      map[string]store.Shop
	codes      map[string][][sha256.Size]byte
}

func newIndex(s *store.Store, keys *secret.Keys) *index {
	return &index{store: s, keys: keys, generation: -1}
}

// Refresh implements engine.Shops: it reads the shops again if any has changed.
func (x *index) Refresh(ctx context.Context) error {
	generation, err := x.store.ShopsGeneration(ctx)
	if err != nil || generation == x.Generation() {
		return err
	}
	list, err := x.store.Shops(ctx)
	if err != nil {
		return err
	}
	hashes, err := x.store.Codes(ctx)
	if err != nil {
		return err
	}
	shops := make(map[string]store.Shop, len(list))
	for _, s := range list {
		shops[s.Shop] = s
	}
	codes := make(map[string][][sha256.Size]byte, len(list))
	for _, c := range hashes {
		var hash [sha256.Size]byte
		copy(hash[:], c.CodeHash)
		codes[c.Shop] = append(codes[c.Shop], hash)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.generation, x.shops, x.codes = generation, shops, codes
	return nil
}

// Generation implements engine.Shops.
func (x *index) Generation() int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.generation
}

// Shop implements engine.Shops.
func (x *index) Shop(name string) (store.Shop, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s, ok := x.shops[name]
	return s, ok
}

// liveCodes is how many codes of a shop are compared, always: how many it has,
// and whether it exists, must not show in the time an answer takes.
const liveCodes = 2

// Authenticate implements webhook.Authenticator.
func (x *index) Authenticate(shop, code string) bool {
	hash := x.keys.HashCode(shop, code)
	x.mu.RLock()
	known := x.codes[shop]
	x.mu.RUnlock()
	found := 0
	for i := range liveCodes {
		var other [sha256.Size]byte
		exists := 0
		if i < len(known) {
			other, exists = known[i], 1
		}
		found |= subtle.ConstantTimeCompare(hash[:], other[:]) & exists
	}
	return found == 1
}
