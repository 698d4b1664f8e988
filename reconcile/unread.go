package reconcile

import (
	"context"
	"strconv"
	"time"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/store"
)

// mostUnread is how many open hints a shop has at most for invoices that cannot be
// understood: as many are asked for by five calls at each retry. Those beyond are read
// again with the shop's listings.
const mostUnread = 1000

// keepUnread adds to what is stored of a read that invoices of it could not be
// understood. What is stored of one already stays; the others get a hint that has failed,
// or theirs is put off, all to the same time. A hint that is put off already waits for its
// time and keeps what is known of it.
func (i *invoices) keepUnread(a *store.Applied, bad []plan.Unreadable, stored map[int64]bool, b invoicesBatch) {
	if len(bad) == 0 {
		return
	}
	hints := b.hints
	due, now, retryAt, open := i.due(), i.Now(), map[int]time.Time{}, len(hints)
	for _, x := range bad {
		i.Observer.BadItem(i.shop.Shop)
		i.log.WithField("invoice", x.Number).WithError(x.Err).Debug("an invoice could not be understood")
		n, err := strconv.ParseInt(x.Number, 10, 64)
		if err != nil || stored[n] {
			continue
		}
		h, hinted := hints[x.Number]
		switch {
		case hinted && !due.Includes(h.DueAt):
			continue
		case !hinted && open >= mostUnread:
			if b.left != nil {
				b.left.more, b.left.last = b.left.more+1, x.Err
			}
			continue
		}
		failures := h.Failures + 1
		if retryAt[failures].IsZero() {
			retryAt[failures] = i.retryAt(failures)
		}
		if hinted {
			h.Failures, h.Refused = failures, false
			a.Rereads = append(a.Rereads, h.PutOff(retryAt[failures], plan.HintFailed, x.Err.Error()))
			continue
		}
		open++
		a.Hints = append(a.Hints, store.HintRecord{Shop: i.shop.Shop, Kind: plan.KindInvoice, Number: x.Number, Cause: plan.CauseTick,
			At: now, DueAt: retryAt[failures], Failures: failures, Reason: plan.HintFailed, Note: x.Err.Error()})
	}
	i.log.WithField("invoices", len(bad)).WithField("invoice", bad[0].Number).WithError(bad[0].Err).Warn("invoices could not be understood")
}

// waitFor has later reads of the same pass know that these invoices wait for their
// time.
func waitFor(a store.Applied, hints inbox.Hints) {
	for _, again := range a.Rereads {
		if h, open := hints[again.Number]; open && again.Failures > 0 {
			h.Failures, h.DueAt = again.Failures, again.DueAt
			hints[again.Number] = h
		} else {
			delete(hints, again.Number)
		}
	}
	for _, h := range a.Hints {
		if h.Kind != plan.KindInvoice {
			continue
		}
		hints[h.Number] = plan.Hint{Kind: h.Kind, Number: h.Number, Cause: h.Cause, FirstAt: h.At, DueAt: h.DueAt, Failures: h.Failures}
	}
}

// loadHints loads the open hints of invoices, where there may be any: those that are
// due, and before a listing, which may show any of them, those that are put off as well.
func (i *invoices) loadHints(ctx context.Context, due Due) (hints inbox.Hints, err error) {
	if i.progress.InvoicesBegun && !due.Tick && !due.Sweep {
		hints, err = i.load(ctx, due.Asked)
	} else {
		hints, err = i.loadAll(ctx)
	}
	if hints == nil {
		hints = inbox.Hints{}
	}
	return hints, err
}
