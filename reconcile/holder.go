package reconcile

import (
	"time"

	"lagerd/store"
)

// holder is the holder of a shop's lease: the settings it works with, and its right to write.
type holder struct {
	shop  *store.Shop // shared, and not changed
	token int64       // the fencing token of the lease
	seq   int64       // of the last transaction under it
	base  time.Time   // when the work under it began, see steady
}

// Settings returns the settings that the shop is reconciled with. They are not changed.
func (h *holder) Settings() *store.Shop { return h.shop }

// Token returns the fencing token of the shop's lease.
func (h *holder) Token() int64 { return h.token }

// fence returns the right to write for the next transaction. Its sequence number tells whether
// a commit of unknown outcome took effect, so each number is used only once, committed or not.
func (h *holder) fence() store.Fence {
	h.seq++
	return store.Fence{Shop: h.shop.Shop, Dataset: h.shop.Dataset, StockDataset: h.shop.StockDataset, StockSource: h.shop.StockSource,
		Generation: h.shop.Generation, Token: h.token, Seq: h.seq}
}

// steady maps t to a clock of this process that never steps back: the wall clock when the work
// began, advanced by the monotonic one. The order of observations under one token must not
// depend on a clock being set.
func (h *holder) steady(t time.Time) time.Time { return h.base.Add(t.Sub(h.base)) }
