package reconcile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/inbox"
	"lagerd/plan"
	economicsource "lagerd/source/economic"
	"lagerd/store"
)

// TestListingWithUnknownTimes: an item of which it is not known when it was updated moves
// no cursor, and may have been created while the pages were read.
func TestListingWithUnknownTimes(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	at := func(updated time.Time, unknown plan.Fields) plan.Observation {
		o := plan.Observation{Item: plan.Item{Number: "a", UpdatedAt: updated}, Unknown: unknown, Found: true}
		if unknown != 0 {
			o.Warning = "x"
		}
		return o
	}
	cursorOf := func(several bool, observations ...plan.Observation) time.Time {
		w := &Shop{Reconciler: &Reconciler{Options: Options{Policy: plan.Policy{Overlap: 5 * time.Minute}}}, stock: economicsource.Account{}.Stock("")}
		l := &listing{digest: sha256.New(), began: began, turned: []turned{{}}}
		if several {
			l.turned = append(l.turned, turned{})
		}
		l.add(itemsPage{Observed: observations, Announced: len(observations)})
		return w.cursorAfter(l)
	}
	old := began.Add(-time.Hour)
	if c := cursorOf(false, at(old, 0), at(time.Time{}, plan.FieldUpdatedAt)); !c.Equal(old) {
		t.Errorf("the cursor is %s, expected %s", c, old)
	}
	if c := cursorOf(true, at(old, 0), at(time.Time{}, plan.FieldBarred)); !c.Equal(old) {
		t.Errorf("the cursor is %s, expected %s", c, old)
	}
	if c := cursorOf(true, at(old, 0), at(time.Time{}, plan.FieldUpdatedAt)); !c.IsZero() {
		t.Errorf("the first listing of several pages leaves the cursor %s, and it may have passed over an item", c)
	}
}

// TestDigestTellsUnsoundFields: a listing is unchanged only if also what of it cannot be
// understood is.
func TestDigestTellsUnsoundFields(t *testing.T) {
	t.Parallel()
	plain := plan.Observation{Item: plan.Item{Number: "a"}, Found: true}
	other := func(unknown plan.Fields, warning string) plan.Observation {
		o := plain
		o.Unknown, o.Warning = unknown, warning
		return o
	}
	seen := map[string]string{}
	for name, p := range map[string]itemsPage{
		"sound":              {Observed: []plan.Observation{plain}},
		"a warning":          {Observed: []plan.Observation{other(0, "x")}},
		"barred":             {Observed: []plan.Observation{other(plan.FieldBarred, "x")}},
		"time":               {Observed: []plan.Observation{other(plan.FieldUpdatedAt, "x")}},
		"time otherwise":     {Observed: []plan.Observation{other(plan.FieldUpdatedAt, "y")}},
		"another cannot be":  {Observed: []plan.Observation{plain}, Unreadable: []plan.Unreadable{{Number: "b", Err: errors.New("x")}}},
		"has another reason": {Observed: []plan.Observation{plain}, Unreadable: []plan.Unreadable{{Number: "b", Err: errors.New("y")}}},
		"nor its number":     {Observed: []plan.Observation{plain}, Unreadable: []plan.Unreadable{{Err: errors.New("x")}}},
	} {
		l := &listing{digest: sha256.New(), turned: []turned{{}}}
		l.add(p)
		if before := seen[l.sum()]; before != "" {
			t.Errorf("%q and %q have the same digest", name, before)
		}
		seen[l.sum()] = name
	}
}

// TestWarningsAreBounded: a warning is stored when it comes, changes or ends, and a shop
// has so many at most.
func TestWarningsAreBounded(t *testing.T) {
	t.Parallel()
	w := &Shop{warnings: map[subject]string{}}
	a := subject{plan.KindStock, "a"}
	step := func(text string, want int) {
		t.Helper()
		list := w.warn(nil, a, text)
		if len(list) != want {
			t.Fatalf("%q: %+v", text, list)
		}
		for _, warning := range list {
			if warning.Text == "" {
				delete(w.warnings, a)
			} else {
				w.warnings[a] = warning.Text
			}
		}
	}
	step("", 0)
	step("x", 1)
	step("x", 0)
	step("y", 1)
	step(strings.Repeat("æ", 600), 1)
	step(strings.Repeat("æ", 600), 0)
	step("", 1)
	step("", 0)
	var list []store.Warning
	for n := range store.MostWarnings + 10 {
		list = w.warn(list, subject{plan.KindInvoice, fmt.Sprint(n)}, "x")
	}
	if len(list) != store.MostWarnings {
		t.Errorf("%d warnings", len(list))
	}
}

// TestUnreadInvoicesAreBounded: of very many invoices that cannot be understood not each
// has a hint; the others are counted.
func TestUnreadInvoicesAreBounded(t *testing.T) {
	t.Parallel()
	log := logrus.New()
	log.SetOutput(io.Discard)
	w := &Shop{Reconciler: &Reconciler{Options: Options{Now: time.Now, Policy: plan.Policy{RetryMin: time.Second, RetryMax: time.Minute}, Jitter: func(d time.Duration) time.Duration { return d }, Observer: unobserved{}}}, log: logrus.NewEntry(log)}
	hints := inbox.Hints{"1": {Kind: plan.KindInvoice, Number: "1", Gen: 4, Failures: 2}}
	var bad []plan.Unreadable
	for n := range mostUnread + 10 {
		bad = append(bad, plan.Unreadable{Number: fmt.Sprint(n + 1), Err: errors.New("x")})
	}
	var a store.Applied
	b := invoicesBatch{hints: hints, left: &leftOut{}}
	w.unreadInvoices(&a, bad, map[int64]bool{2: true}, b)
	if len(a.Hints) != mostUnread-1 || len(a.Rereads) != 1 || a.Rereads[0].Failures != 3 || a.Rereads[0].Gen != 4 || b.left.more != 9 {
		t.Fatalf("%d hints, %+v, %+v", len(a.Hints), a.Rereads, b.left)
	}
	b.left.addNameless([]plan.Unreadable{{Err: errors.New("y")}, {Number: "5", Err: errors.New("z")}})
	if got, want := b.left.text(), "1 without a number that can be read, 9 more that cannot be understood: y"; got != want {
		t.Errorf("got %q, expected %q", got, want)
	}
}

type unobserved struct{ Observer }

func (unobserved) BadItem(string) {}
