package reconcile

import (
	"context"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/store"
)

// keepUnread adds to a the invoices of a read that could not be understood, and returns what
// becomes of them.
func (i *invoices) keepUnread(a *store.Applied, bad []plan.Unreadable, stored map[int64]bool, b invoicesBatch) plan.UnreadPlan {
	if len(bad) == 0 {
		return plan.UnreadPlan{}
	}
	for _, x := range bad {
		i.Observer.BadItem(i.shop.Shop)
		i.log().WithFields(map[string]any{"kind": plan.KindInvoice, "number": x.Number}).WithError(x.Err).Debug("unreadable invoice")
	}
	i.log().WithFields(map[string]any{"kind": plan.KindInvoice, "invoices": len(bad), "number": bad[0].Number}).WithError(bad[0].Err).Warn("unreadable invoices")
	p := plan.UnreadInvoices(plan.UnreadInput{Unread: bad, Stored: stored, Hints: b.hints, Now: i.Now(), Due: i.due().Includes, RetryAt: i.retryAt})
	if b.left != nil && p.More > 0 {
		b.left.more, b.left.last = b.left.more+p.More, p.Last
	}
	a.Rereads = append(a.Rereads, p.Postponed...)
	for _, u := range p.New {
		h := u.Hint
		a.Hints = append(a.Hints, store.HintRecord{Shop: i.shop.Shop, Kind: h.Kind, Number: h.Number, Cause: h.Cause, At: h.FirstAt,
			DueAt: h.DueAt, Failures: h.Failures, Reason: plan.HintFailed, Note: u.Note})
	}
	return p
}

// loadHints loads the open hints of invoices, if there may be any: the due ones, or before a
// listing, which may show any of them, the postponed ones too.
func (i *invoices) loadHints(ctx context.Context, due Due) (hints inbox.Hints, err error) {
	if i.progress.InvoicesBegun && !due.Tick && !due.Sweep {
		hints, err = i.load(ctx, due.Requested)
	} else {
		hints, err = i.inbox.AllInvoices(ctx)
	}
	if hints == nil {
		hints = inbox.Hints{}
	}
	return hints, err
}
