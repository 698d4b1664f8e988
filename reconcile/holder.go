package reconcile

import (
	"time"

	"lagerd/store"
)

// holder is who reconciles a shop under its lease: the settings it works with, and its
// right to write.
type holder struct {
	shop  store.Shop
	token int64     // the fencing token of the lease
	seq   int64     // of the last transaction under it
	base  time.Time // when the work under it began, see steady
}

// Settings returns the settings that the shop is reconciled with.
func (h *holder) Settings() store.Shop { return h.shop }

// Token returns the fencing token of the shop's lease.
func (h *holder) Token() int64 { return h.token }

// fence returns the right to write with the next transaction. A transaction whose
// commit has an unknown outcome is told apart by its number: the number is used up
// whether or not it was committed.
func (h *holder) fence() store.Fence {
	h.seq++
	return store.Fence{Shop: h.shop.Shop, Dataset: h.shop.Dataset, Generation: h.shop.Generation, Token: h.token, Seq: h.seq}
}

// steady returns a time of this process on a clock that never steps back: the
// wall clock of when the work began, and from there the monotonic one. The order
// of observations under one token must not depend on a clock being set.
func (h *holder) steady(t time.Time) time.Time { return h.base.Add(t.Sub(h.base)) }
