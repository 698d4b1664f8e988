package reconcile

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/store"
)

// TestWarningsAreBounded: a warning is stored when it comes, changes or ends, and a shop
// has so many at most.
func TestWarningsAreBounded(t *testing.T) {
	t.Parallel()
	w := warnings{}
	a := subject{plan.KindStock, "a"}
	step := func(text string, want int) {
		t.Helper()
		list := w.add(nil, a, text)
		if len(list) != want {
			t.Fatalf("%q: %+v", text, list)
		}
		for _, warning := range list {
			if warning.Text == "" {
				delete(w, a)
			} else {
				w[a] = warning.Text
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
		list = w.add(list, subject{plan.KindInvoice, fmt.Sprint(n)}, "x")
	}
	if len(list) != store.MostWarnings {
		t.Errorf("%d warnings", len(list))
	}
	for _, warning := range list {
		w.keep(warning)
	}
	a = subject{plan.KindInvoice, "0"} // one of those
	step("y", 1)
	step("", 1)
	step("", 0)
	step("there is room for it again", 1)
	a = subject{plan.KindInvoice, "another"}
	step("x", 0)
}

// TestUnreadInvoicesAreBounded: of very many invoices that cannot be understood not each
// has a hint; the others are counted.
func TestUnreadInvoicesAreBounded(t *testing.T) {
	t.Parallel()
	log := logrus.New()
	log.SetOutput(io.Discard)
	w := &Shop{Reconciler: &Reconciler{Options: Options{Now: time.Now, Policy: plan.Policy{RetryMin: time.Second, RetryMax: time.Minute}, Jitter: func(d time.Duration) time.Duration { return d }, Observer: unobserved{}, Log: log}}, holder: holder{shop: &store.Shop{Shop: "shop1234"}}}
	w.components = newComponents(w, &calls{})
	hints := inbox.Hints{"1": {Kind: plan.KindInvoice, Number: "1", Gen: 4, Failures: 2}}
	var bad []plan.Unreadable
	for n := range plan.MostUnread + 10 {
		bad = append(bad, plan.Unreadable{Number: fmt.Sprint(n + 1), Err: errors.New("x")})
	}
	var a store.Applied
	b := invoicesBatch{hints: hints, left: &leftOut{}}
	w.invoices.keepUnread(&a, bad, map[int64]bool{2: true}, b)
	if len(a.Hints) != plan.MostUnread-1 || len(a.Rereads) != 1 || a.Rereads[0].Failures != 3 || a.Rereads[0].Gen != 4 || b.left.more != 9 {
		t.Fatalf("%d hints, %+v, %+v", len(a.Hints), a.Rereads, b.left)
	}
	b.left.addNameless([]plan.Unreadable{{Err: errors.New("y")}, {Number: "5", Err: errors.New("z")}})
	if got, want := b.left.text(), "1 without a number that can be read, 9 more that cannot be read: y"; got != want {
		t.Errorf("got %q, expected %q", got, want)
	}
}

type unobserved struct{ Observer }

func (unobserved) BadItem(string) {}
