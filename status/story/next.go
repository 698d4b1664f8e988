package story

import (
	"strconv"
	"time"

	"lagerd/plan"
	"lagerd/status"
)

// next returns what happens next, the first that counts:
//
//	the shop or its part is paused, off, held, or nobody has it    what ends that
//	a webhook or hint is open                                      when it is read, and why not yet
//	the source and the database differ                             the next tick, and the next sweep
//	a PDF is missing                                               when it is tried
//	none of these                                                  nothing, or ask again
//
// An invoice without an order number says so besides.
func (f Facts) next(v Verdict) []Step {
	list := f.blocked()
	if len(list) == 0 {
		list = f.open()
	}
	if len(list) == 0 && v == Differ {
		list = f.differing()
	}
	if i := f.Rows.Invoice; f.Kind == plan.KindInvoice && i != nil {
		if i.PDFState != "stored" && !f.isBlocked(list) {
			list = append(list, Step{What: StepPDF, At: f.due(i.WorkDueAt.Time), Tries: i.WorkTries, Detail: i.WorkError})
		}
		if i.OrderNumber == "" {
			list = append(list, Step{What: StepOrder})
		}
	}
	switch {
	case len(list) > 0:
		return list
	case v == Unknown && f.Answer.Answered == AnsweredFound:
		return []Step{{What: StepUnread, Detail: f.Answer.Observation.Warning}}
	case v == Unknown:
		return []Step{{What: StepUnknown}}
	}
	return []Step{{What: StepNothing}}
}

func (f Facts) isBlocked(list []Step) bool {
	return len(list) > 0 && len(f.blocked()) > 0
}

// blocked returns why nothing is read now, if so.
func (f Facts) blocked() []Step {
	shop := f.Status.Shop
	switch {
	case shop.Paused():
		return []Step{{What: StepResume, At: when(shop.PausedAt.Time), Detail: shop.PauseReason}}
	case f.Kind == plan.KindStock && !shop.ReadsStock():
		return []Step{{What: StepOff, Scope: plan.ScopeStock}}
	case f.Kind == plan.KindInvoice && !shop.InvoicesOn:
		return []Step{{What: StepOff, Scope: plan.ScopeInvoices}}
	case f.Living == 0:
		return []Step{{What: StepStart}}
	case f.Shop.State == status.StateNoLagerd, f.Shop.State == status.StateNotTaken:
		return []Step{{What: StepTake}}
	}
	var list []Step
	for _, h := range f.holds() {
		if h.Reason != plan.HeldLosses || f.heldBack() {
			list = append(list, Step{What: StepUnhold, At: when(h.Since), Scope: h.Scope, Reason: h.Reason, Detail: h.Detail})
		}
	}
	return list
}

// heldBack reports whether a hold for losses keeps this item: it would lose stock.
func (f Facts) heldBack() bool {
	if h := f.Rows.Hint; h != nil && h.Open && h.Reason == plan.HintHeldBack {
		return true
	}
	if f.Answer.Observation == nil {
		return true // not known: the hold is what is to be told
	}
	for _, d := range f.differences() {
		if d.Loss {
			return true
		}
	}
	return false
}

// open returns when a webhook or hint that is open is read.
func (f Facts) open() []Step {
	h := f.Rows.Hint
	if h == nil || !h.Open {
		if !f.Rows.Received.IsZero() {
			return []Step{{What: StepPass}}
		}
		return nil
	}
	at := f.due(h.DueAt.Time)
	switch {
	case h.Reason == plan.HintAwaitsListing:
		return []Step{{What: StepListing, At: when(f.NextFull)}}
	case h.Reason == plan.HintShort && f.Shop.ShortOfCalls:
		midnight := f.Now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		return []Step{{What: StepCalls, At: &midnight}}
	case h.Reason == plan.HintShort:
		return []Step{{What: StepSpare, At: at}}
	case f.Status.Progress.Failures > 0 && h.Failures == 0:
		return []Step{{What: StepShop, Tries: f.Status.Progress.Failures, Detail: f.Status.Progress.Failure}}
	case h.Failures > 0:
		return []Step{{What: StepRetry, At: at, Tries: h.Failures, Detail: h.Note}}
	case h.Reason == plan.HintUnconfirmed:
		return []Step{{What: StepConfirm, At: at}}
	case at == nil:
		return []Step{{What: StepPass}}
	}
	return []Step{{What: StepReread, At: at, Tries: h.Tries, Detail: h.Note}}
}

// due returns when something due at a time is done; nil: with the shop's next pass.
func (f Facts) due(at time.Time) *time.Time {
	if !at.After(f.Now) {
		return nil
	}
	return when(at)
}

// differing returns how a difference is found without a hint.
func (f Facts) differing() []Step {
	p := f.Status.Progress
	switch {
	case f.Kind == plan.KindStock && p.ItemsDataset != f.Status.Shop.StockDataset:
		return []Step{{What: StepChange}}
	case f.Kind == plan.KindInvoice && f.Answer.Answered == AnsweredAbsent:
		return []Step{{What: StepStays}}
	case f.beforeStart():
		return []Step{{What: StepAsk}}
	case p.Failures > 0:
		return []Step{{What: StepShop, Tries: p.Failures, Detail: p.Failure}}
	}
	list := []Step{{What: StepTick, At: when(f.NextTick)}}
	if !f.NextFull.IsZero() {
		list = append(list, Step{What: StepSweep, At: when(f.NextFull)})
	}
	return list
}

// beforeStart reports whether an invoice is from before the shop's start, so that it is not looked
// for.
func (f Facts) beforeStart() bool {
	shop, p := f.Status.Shop, f.Status.Progress
	number, err := strconv.ParseInt(f.Number, 10, 64)
	if f.Kind != plan.KindInvoice || err != nil || p.InvoicesBegun && number > p.InvoiceCursor {
		return false
	}
	if shop.InvoicesFrom != "" {
		return f.Answer.Date != "" && f.Answer.Date < shop.InvoicesFrom
	}
	return number < shop.InvoicesFromNumber
}
