package reconcile

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/sirupsen/logrus"

	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// An answer of the source that cannot be understood in part affects only that part. An optional
// field keeps its stored value, with a warning (store.Warning). An item or invoice with an
// unreadable required field is not stored: it becomes a failed hint, kept with its error and
// retried. One without a readable number cannot have a hint: a warning without a number stands
// for all of those, until a complete listing shows none.

// warnings are the shop's stored warnings by subject. A nil map has none.
type warnings map[subject]string

// subject is what a warning is about.
type subject struct {
	kind   plan.Kind
	number string
}

// add appends the warning about a subject if it differs from the stored one. An empty text ends
// the warning.
func (w warnings) add(list []store.Warning, about subject, text string) []store.Warning {
	text = plan.Clip(text, source.LongestWarning)
	was, known := w[about]
	if was == text || !known && len(w)+len(list) >= store.MostWarnings {
		return list
	}
	return append(list, store.Warning{Kind: about.kind, Number: about.number, Text: text})
}

// ofItems returns the changes to warnings about a batch of items.
func (w warnings) ofItems(observed []plan.Observation, warned func(plan.Kind)) (list []store.Warning) {
	for i := range observed {
		o := &observed[i]
		if o.Warning == "" && len(w) == 0 {
			continue
		}
		if o.Warning != "" {
			warned(plan.KindStock)
		}
		list = w.add(list, subject{plan.KindStock, o.Item.Number}, o.Warning)
	}
	return list
}

// ofInvoices appends the changes to warnings about invoices that are being stored.
func (w warnings) ofInvoices(list []store.Warning, rows []plan.InvoiceRow, warned func(plan.Kind)) []store.Warning {
	for _, row := range rows {
		if row.Warning != "" {
			warned(plan.KindInvoice)
		}
		list = w.add(list, subject{plan.KindInvoice, strconv.FormatInt(row.Number, 10)}, row.Warning)
	}
	return list
}

// ofLeftOut returns the change to the warning about items or invoices left out of a read. A
// read without any ends the warning only if it was a listing of everything.
func (w warnings) ofLeftOut(kind plan.Kind, l leftOut, all bool) []store.Warning {
	text := l.text()
	if text == "" && !all {
		return nil
	}
	return w.add(nil, subject{kind, ""}, text)
}

// leavesOut reports whether items or invoices were left out of the last read, see ofLeftOut.
func (w warnings) leavesOut(kind plan.Kind) bool {
	_, left := w[subject{kind, ""}]
	return left
}

// incomplete reports whether an invoice is stored without fields that could not be understood.
func (w warnings) incomplete(number int64) bool {
	return len(w) > 0 && w[subject{plan.KindInvoice, strconv.FormatInt(number, 10)}] != ""
}

// stored updates w with warnings that have been stored, and logs new ones.
func (w *warnings) stored(list []store.Warning, log *logrus.Entry) {
	for _, warning := range list {
		about := subject{warning.Kind, warning.Number}
		if warning.Text == "" {
			delete(*w, about)
			continue
		}
		if (*w)[about] == "" {
			text := "unreadable fields in an answer: their stored values stay"
			if about.number == "" {
				text = "an answer was not stored in part"
			}
			log.WithField("kind", warning.Kind).WithField("number", warning.Number).WithField("warning", warning.Text).Warn(text)
		}
		w.keep(warning)
	}
}

func (w *warnings) keep(warning store.Warning) {
	if *w == nil {
		*w = warnings{}
	}
	(*w)[subject{warning.Kind, warning.Number}] = warning.Text
}

// load loads the stored warnings.
func (w *warnings) load(ctx context.Context, from *store.Store, shop string) error {
	list, err := from.Warnings(ctx, shop)
	if err != nil {
		return err
	}
	*w = nil
	for _, warning := range list {
		w.keep(warning)
	}
	return nil
}

// leftOut counts items or invoices that could not be understood and have no hint: those without
// a readable number, and those beyond plan.MostUnread; and the invoices that were not asked for.
type leftOut struct {
	nameless, more int
	last           error // error of the last of them
	strays         plan.Strays
}

// addNameless counts those without a number. It does nothing if l is nil.
func (l *leftOut) addNameless(bad []plan.Unreadable) {
	if l == nil {
		return
	}
	for _, b := range bad {
		if b.Number == "" {
			l.nameless, l.last = l.nameless+1, b.Err
		}
	}
}

// countUnread sets how many items are not asked for alone.
func (l *leftOut) countUnread(u plan.UnreadItems) {
	if l.more = u.More; u.More > 0 {
		l.last = u.Last
	}
}

// text returns the warning's text, "" if nothing was left out.
func (l *leftOut) text() string {
	var parts []string
	if l.nameless > 0 {
		parts = append(parts, fmt.Sprintf("%d without a number that can be read", l.nameless))
	}
	if l.more > 0 {
		parts = append(parts, fmt.Sprintf("%d more that cannot be read", l.more))
	}
	var texts []string
	if len(parts) > 0 {
		texts = append(texts, fmt.Sprintf("%s: %v", strings.Join(parts, ", "), l.last))
	}
	if l.strays.Count > 0 {
		texts = append(texts, fmt.Sprintf("%d that lagerd did not ask for, and does not store: %v", l.strays.Count, l.strays.Err()))
	}
	return strings.Join(texts, "; ")
}
