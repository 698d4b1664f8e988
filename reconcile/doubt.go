package reconcile

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// What of e-conomic's answers cannot be understood costs nothing but itself. A field that
// is not needed is left as it is stored, with a warning (store.Warning). An item or
// invoice of which a needed field is unsound is not stored: it becomes a hint that has
// failed, is kept with its error and tried again. One without a number that can be read
// has no hint: a warning without a number stands for all such, until a whole listing
// shows none.

// subject is what a warning is about.
type subject struct {
	kind   plan.Kind
	number string
}

// warn appends the warning about a subject where it differs from the one that is stored.
// Text "" ends it.
func (w *Shop) warn(list []store.Warning, about subject, text string) []store.Warning {
	text = plan.Clip(text, source.LongestWarning)
	was, known := w.warnings[about]
	if was == text || !known && len(w.warnings)+len(list) >= store.MostWarnings {
		return list
	}
	return append(list, store.Warning{Kind: about.kind, Number: about.number, Text: text})
}

// warnOfItems returns what is to be stored of warnings about a batch of items.
func (w *Shop) warnOfItems(observations []plan.Observation) (list []store.Warning) {
	for i := range observations {
		o := &observations[i]
		if o.Warning == "" && len(w.warnings) == 0 {
			continue
		}
		if o.Warning != "" {
			w.Observer.Warned(w.shop.Shop, plan.KindStock)
		}
		list = w.warn(list, subject{plan.KindStock, o.Item.Number}, o.Warning)
	}
	return list
}

// leftOut counts items or invoices that have no hint of their own although they cannot be
// understood: those without a number that can be read, and those beyond mostUnread.
type leftOut struct {
	nameless, more int
	last           error // what was wrong with the last of them
}

func (l *leftOut) addNameless(bad []plan.Unreadable) {
	for _, b := range bad {
		if b.Number == "" {
			l.nameless, l.last = l.nameless+1, b.Err
		}
	}
}

// text returns what is to be told of them, "" if there are none.
func (l *leftOut) text() string {
	var parts []string
	if l.nameless > 0 {
		parts = append(parts, fmt.Sprintf("%d without a number that can be read", l.nameless))
	}
	if l.more > 0 {
		parts = append(parts, fmt.Sprintf("%d more that cannot be understood", l.more))
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: %v", strings.Join(parts, ", "), l.last)
}

// warnOfLeftOut returns the warning about items or invoices that were left out of a read.
// One that left none out ends it only if it was a listing of everything.
func (w *Shop) warnOfLeftOut(kind plan.Kind, l leftOut, all bool) []store.Warning {
	text := l.text()
	if text == "" && !all {
		return nil
	}
	return w.warn(nil, subject{kind, ""}, text)
}

// warned takes over warnings that have been stored.
func (w *Shop) warned(list []store.Warning) {
	for _, warning := range list {
		about := subject{warning.Kind, warning.Number}
		if warning.Text == "" {
			delete(w.warnings, about)
			continue
		}
		if w.warnings[about] == "" {
			w.log.WithField("kind", warning.Kind).WithField("number", warning.Number).WithField("warning", warning.Text).
				Warn("fields of e-conomic's answer cannot be understood: what is stored of them stays")
		}
		w.keepWarning(warning)
	}
}

func (w *Shop) keepWarning(warning store.Warning) {
	if w.warnings == nil {
		w.warnings = map[subject]string{}
	}
	w.warnings[subject{warning.Kind, warning.Number}] = warning.Text
}

// loadWarnings reads the warnings that are stored.
func (w *Shop) loadWarnings(ctx context.Context) error {
	list, err := w.Store.Warnings(ctx, w.shop.Shop)
	if err != nil {
		return err
	}
	w.warnings = nil
	for _, warning := range list {
		w.keepWarning(warning)
	}
	return nil
}

// incomplete reports whether an invoice is stored without fields that could not be
// understood.
func (w *Shop) incomplete(number int64) bool {
	return len(w.warnings) > 0 && w.warnings[subject{plan.KindInvoice, strconv.FormatInt(number, 10)}] != ""
}

// mostUnread is how many open hints a shop has at most for invoices that cannot be
// understood: as many are asked for by five calls at each retry. Those beyond are read
// again with the shop's listings.
const mostUnread = 1000

// unreadInvoices adds to what is stored of a read that invoices of it could not be
// understood. What is stored of one already stays; the others get a hint that has failed,
// or theirs is put off, all to the same time. A hint that is put off already waits for its
// time and keeps what is known of it.
func (w *Shop) unreadInvoices(a *store.Applied, bad []plan.Unreadable, stored map[int64]bool, b invoicesBatch) {
	if len(bad) == 0 {
		return
	}
	hints := b.hints
	due, now, retryAt, open := w.due(), w.Now(), map[int]time.Time{}, len(hints)
	for _, x := range bad {
		w.Observer.BadItem(w.shop.Shop)
		w.log.WithField("invoice", x.Number).WithError(x.Err).Debug("an invoice could not be understood")
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
			retryAt[failures] = w.retryAt(failures)
		}
		if hinted {
			h.Failures, h.Refused = failures, false
			a.Rereads = append(a.Rereads, h.PutOff(retryAt[failures], plan.HintFailed, x.Err.Error()))
			continue
		}
		open++
		a.Hints = append(a.Hints, store.HintRecord{Shop: w.shop.Shop, Kind: plan.KindInvoice, Number: x.Number, Cause: plan.CauseTick,
			At: now, DueAt: retryAt[failures], Failures: failures, Reason: plan.HintFailed, Note: x.Err.Error()})
	}
	w.log.WithField("invoices", len(bad)).WithField("invoice", bad[0].Number).WithError(bad[0].Err).Warn("invoices could not be understood")
}

// keepUnread has later reads of the same pass know that these invoices wait for their
// time.
func (w *Shop) keepUnread(a store.Applied, hints inbox.Hints) {
	for _, again := range a.Rereads {
		if h, open := hints[again.Number]; open && again.Failures > 0 {
			h.Failures, h.DueAt = again.Failures, again.DueAt
			hints[again.Number] = h
		} else {
			delete(hints, again.Number)
		}
		w.inbox.Reopen(plan.KindInvoice)
	}
	for _, h := range a.Hints {
		if h.Kind != plan.KindInvoice {
			continue
		}
		hints[h.Number] = plan.Hint{Kind: h.Kind, Number: h.Number, Cause: h.Cause, FirstAt: h.At, DueAt: h.DueAt, Failures: h.Failures}
	}
}

// invoiceHints loads the open hints of invoices, where there may be any: those that are
// due, and before a listing, which may show any of them, those that are put off as well.
func (w *Shop) invoiceHints(ctx context.Context, j Due) (hints inbox.Hints, err error) {
	if w.progress.InvoicesBegun && !j.Tick && !j.Sweep {
		hints, err = w.dueHints(ctx, j, plan.KindInvoice)
	} else {
		hints, err = w.allHints(ctx, plan.KindInvoice)
	}
	if hints == nil {
		hints = inbox.Hints{}
	}
	return hints, err
}
