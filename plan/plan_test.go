package plan_test

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lagerd/plan"
)

// TestPlanningDoesNoIO lists everything that planning is built from.
func TestPlanningDoesNoIO(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "lagerd/plan").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	for _, dep := range deps {
		for _, bad := range []string{"net", "net/http", "os/exec", "database/sql", "gorm.io/gorm", "lagerd/store", "lagerd/economic", "github.com/sirupsen/logrus"} {
			if dep == bad {
				t.Errorf("planning imports %s", dep)
			}
		}
	}
	if !slices.Contains(deps, "lagerd/plan") {
		t.Errorf("go list says %q", deps)
	}
}

func invoice(n int64, gross string) plan.Invoice {
	return plan.Invoice{Number: n, Gross: figure(gross), Net: figure(gross), OtherReference: " 10042 ", Heading: "Ordre #77 / web", TextLine1: "tak", OrderNumber: 424}
}

// TestInvoices compares the whole plan of a batch: who found each invoice, and what becomes of each hint.
func TestInvoices(t *testing.T) {
	t.Parallel()
	hint := func(number string, cause plan.Cause, webhook time.Time, tries, failures int) plan.Hint {
		return plan.Hint{Kind: plan.KindInvoice, Number: number, Gen: 3, Cause: cause, FirstAt: noon.Add(-time.Minute), WebhookAt: webhook, Tries: tries, Failures: failures}
	}
	came, none := noon.Add(-time.Second), time.Time{}
	in := plan.InvoicesInput{Cause: plan.CauseTick, Began: noon, Now: noon.Add(time.Second), Rereads: rereads,
		Observed: []plan.Invoice{{Number: 4}, {Number: 5}, invoice(6, "10"), {Number: 7}, {Number: 8}, {Number: 9}, {Number: 10}, {Number: 11}},
		Stored:   map[int64]bool{8: true, 9: true, 10: true}, NotFound: []int64{1, 2, 3},
		Hints: map[string]plan.Hint{
			"2": hint("2", plan.CauseWebhook, came, 0, 0), "3": hint("3", plan.CauseOperator, none, 0, 0),
			"4": hint("4", plan.CauseOperator, none, 0, 0), "5": hint("5", plan.CauseTick, none, 0, 1), "7": hint("7", plan.CauseOperator, came, 0, 0),
			"8": hint("8", plan.CauseWebhook, came, 0, 0), "9": hint("9", plan.CauseOperator, none, 0, 0), "11": hint("11", plan.CauseWebhook, came, 1, 0)}}
	booked := func(number string, cause plan.Cause, webhook plan.Webhook) plan.Change {
		return plan.Change{Kind: plan.KindInvoice, Number: number, What: plan.WhatBooked, Cause: cause, Webhook: webhook, ObservedAt: noon}
	}
	hinted := func(c plan.Change, lagged bool) plan.Change {
		c.HintedAt, c.Lagged = noon.Add(-time.Minute), lagged
		return c
	}
	answer := func(number string) plan.Answer { return plan.Answer{Kind: plan.KindInvoice, Number: number, Gen: 3} }
	want := plan.InvoicesPlan{
		Changes: []plan.Change{booked("4", plan.CauseOperator, plan.WebhookMissed), booked("5", plan.CauseTick, plan.WebhookNone), booked("6", plan.CauseTick, plan.WebhookMissed),
			hinted(booked("7", plan.CauseWebhook, plan.WebhookCame), false), hinted(booked("11", plan.CauseWebhook, plan.WebhookCame), true)},
		Answered: []plan.Answer{answer("4"), answer("5"), answer("7"), answer("8"), answer("9"), answer("11"),
			{Kind: plan.KindInvoice, Number: "3", Gen: 3, Reason: plan.HintUnknown, Note: "e-conomic has no booked invoice with this number"}},
		Rereads: []plan.Reread{{Kind: plan.KindInvoice, Number: "2", Gen: 3, DueAt: in.Now.Add(rereads[0]), Tries: 1, Reason: plan.HintUnknown, Note: "e-conomic has no booked invoice with this number"}},
		Late:    []string{"8"},
	}
	for _, n := range []int{0, 1, 2, 3, 7} {
		want.Rows = append(want.Rows, plan.InvoiceRow{Invoice: in.Observed[n], FoundAt: noon})
	}
	want.Rows[2].ShopOrder = "10042"
	if diff := cmp.Diff(want, plan.Invoices(in)); diff != "" {
		t.Error(diff)
	}
	// In a shop's first listing no webhook was missed.
	in.First = true
	for n := range 3 {
		want.Changes[n].Webhook = plan.WebhookNone
	}
	want.Rows[2].History = true // the others are hinted at
	if diff := cmp.Diff(want, plan.Invoices(in)); diff != "" {
		t.Errorf("first: %s", diff)
	}
}

func TestOrderNumberAndCreditNote(t *testing.T) {
	t.Parallel()
	inv := invoice(1, "10")
	for _, c := range []struct {
		field   plan.OrderField
		pattern string
		want    string
	}{
		{plan.OrderInOtherReference, "", "10042"},
		{plan.OrderInHeading, "", "Ordre #77 / web"},
		{plan.OrderInHeading, `#(\d+)`, "77"},
		{plan.OrderInHeading, `\d+`, "77"},
		{plan.OrderInHeading, `nr\. (\d+)`, ""},
		{plan.OrderInTextLine1, "", "tak"},
		{plan.OrderInOrderNumber, "", "424"},
		{"", "", "10042"},
	} {
		rule := plan.OrderRule{Field: c.field}
		if c.pattern != "" {
			rule.Pattern = regexp.MustCompile(c.pattern)
		}
		if got := rule.OrderNumber(inv); got != c.want {
			t.Errorf("%s %q: %q, expected %q", c.field, c.pattern, got, c.want)
		}
	}
	for number, want := range map[int64]string{0: "", 1: "1"} {
		if got := (plan.OrderRule{Field: plan.OrderInOrderNumber}).OrderNumber(plan.Invoice{OrderNumber: number}); got != want {
			t.Errorf("e-conomic's own number %d: %q, expected %q", number, got, want)
		}
	}
	for gross, want := range map[string]bool{"10": false, "-0.01": true, "0": false, "": false} {
		i := invoice(1, gross)
		if i.IsCreditNote() != want {
			t.Errorf("gross %q: credit note %t", gross, !want)
		}
	}
	rounded := plan.Invoice{Gross: figure("0"), Net: figure("-5")}
	if !rounded.IsCreditNote() {
		t.Error("a credit note whose gross is zero is not recognised")
	}
}

func TestWindowTable(t *testing.T) {
	t.Parallel()
	const keep = 48 * time.Hour
	for _, c := range []struct {
		name    string
		window  plan.Window
		numbers []int64
		want    plan.Window
	}{
		{"nothing new", plan.Window{Cursor: 5}, nil, plan.Window{Cursor: 5}},
		{"the next", plan.Window{Cursor: 5}, []int64{6, 7}, plan.Window{Cursor: 7}},
		{"out of order and doubled", plan.Window{Cursor: 5}, []int64{7, 6, 7}, plan.Window{Cursor: 7}},
		{"a gap", plan.Window{Cursor: 5}, []int64{8}, plan.Window{Cursor: 8, Gaps: []plan.Gap{gap(6, 7, 0)}}},
		{"a chosen, far higher number", plan.Window{Cursor: 5}, []int64{900000}, plan.Window{Cursor: 900000, Gaps: []plan.Gap{gap(6, 899999, 0)}}},
		{"one out of a gap", plan.Window{Cursor: 9, Gaps: []plan.Gap{gap(2, 6, time.Hour)}}, []int64{4}, plan.Window{Cursor: 9, Gaps: []plan.Gap{gap(2, 3, 0), gap(5, 6, 0)}}},
		{"the ends of a gap", plan.Window{Cursor: 9, Gaps: []plan.Gap{gap(2, 6, time.Hour)}}, []int64{2, 6}, plan.Window{Cursor: 9, Gaps: []plan.Gap{gap(3, 5, 0)}}},
		{"a whole gap", plan.Window{Cursor: 9, Gaps: []plan.Gap{gap(2, 3, time.Hour), gap(5, 5, time.Hour)}}, []int64{2, 3}, plan.Window{Cursor: 9, Gaps: []plan.Gap{gap(5, 5, time.Hour)}}},
		{"an old gap", plan.Window{Cursor: 9, Gaps: []plan.Gap{gap(2, 3, keep)}}, nil, plan.Window{Cursor: 9}},
		{"known numbers below", plan.Window{Cursor: 9}, []int64{3, 9}, plan.Window{Cursor: 9}},
		{"one above a gap", plan.Window{Cursor: 9, Gaps: []plan.Gap{gap(2, 6, time.Hour)}}, []int64{10}, plan.Window{Cursor: 10, Gaps: []plan.Gap{gap(2, 6, time.Hour)}}},
	} {
		if diff := cmp.Diff(c.want, c.window.Advance(c.numbers, noon, keep)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestAdvanceLeavesItsInput: the numbers are those of a page, whose order they share.
func TestAdvanceLeavesItsInput(t *testing.T) {
	t.Parallel()
	numbers, gaps := []int64{9, 7, 9, 3}, []plan.Gap{gap(2, 4, time.Hour)}
	plan.Window{Cursor: 5, Gaps: gaps}.Advance(numbers, noon, 48*time.Hour)
	if diff := cmp.Diff([]any{[]int64{9, 7, 9, 3}, []plan.Gap{gap(2, 4, time.Hour)}}, []any{numbers, gaps}); diff != "" {
		t.Error(diff)
	}
}

// TestNoNumberIsEverLost: every number up to the cursor has come or lies in a
// gap, whatever comes in whatever order, as long as no gap has grown old.
func TestNoNumberIsEverLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var w plan.Window
		came := map[int64]bool{}
		for range rapid.IntRange(1, 10).Draw(t, "pages") {
			page := rapid.SliceOfN(rapid.Int64Range(1, 60), 0, 10).Draw(t, "page")
			w = w.Advance(page, noon, time.Hour)
			for _, n := range page {
				came[n] = true
			}
			last := int64(0)
			missing := map[int64]bool{}
			for _, g := range w.Gaps {
				if g.From <= last || g.To < g.From || g.To > w.Cursor {
					t.Fatalf("gaps are not ascending, disjoint and below the cursor: %+v", w)
				}
				last = g.To
				for n := g.From; n <= g.To; n++ {
					missing[n] = true
				}
			}
			for n := int64(1); n <= w.Cursor; n++ {
				if came[n] == missing[n] {
					t.Fatalf("%d: came %t, in a gap %t: %+v", n, came[n], missing[n], w)
				}
			}
		}
	})
}

func TestPlanReads(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	for _, c := range []struct {
		name string
		s    plan.Situation
		want plan.Reads
	}{
		{"a new shop", plan.Situation{SweepEvery: day}, plan.Reads{Listing: true}},
		{"a tick of a small shop", plan.Situation{Swept: true, Items: 1000, Tick: true, SweepEvery: day}, plan.Reads{Listing: true}},
		{"a tick of a large shop", plan.Situation{Swept: true, Items: 1001, Tick: true, SweepEvery: day}, plan.Reads{Changes: true}},
		{"a tick of a large shop whose source answers no change query", plan.Situation{Swept: true, NoChanges: true, Items: 1001, Tick: true, SweepEvery: day}, plan.Reads{Listing: true}},
		{"its tick while a listing is under way", plan.Situation{Swept: true, NoChanges: true, Items: 1001, Tick: true, Listing: true, SweepEvery: day}, plan.Reads{Next: true}},
		{"its tick with many hints while a listing is under way", plan.Situation{Swept: true, NoChanges: true, Items: 1001, Hinted: 3, Tick: true, Listing: true, SweepEvery: day}, plan.Reads{Next: true}},
		{"a listing of it is under way, and no tick comes", plan.Situation{Swept: true, NoChanges: true, Items: 1001, Listing: true, SweepEvery: day}, plan.Reads{}},
		{"a burst of it while a listing is under way, and no tick", plan.Situation{Swept: true, NoChanges: true, Items: 1001, Hinted: 3, Listing: true, SweepEvery: day}, plan.Reads{}},
		{"a hint of it", plan.Situation{Swept: true, NoChanges: true, Items: 1001, Hinted: 1, SweepEvery: day}, plan.Reads{Singles: true}},
		{"some hints of it, which it cannot filter", plan.Situation{Swept: true, NoChanges: true, Items: 5000, Hinted: 4, SweepEvery: day}, plan.Reads{Singles: true}},
		{"more hints of it than it has pages", plan.Situation{Swept: true, NoChanges: true, Items: 5000, Hinted: 6, SweepEvery: day}, plan.Reads{Listing: true}},
		{"a sweep is due", plan.Situation{Swept: true, Items: 5000, Tick: true, SinceSweep: day, SweepEvery: day}, plan.Reads{Listing: true}},
		{"a sweep is due, but no tick", plan.Situation{Swept: true, Items: 5000, SinceSweep: day, SweepEvery: day}, plan.Reads{}},
		{"hints wait for a sweep", plan.Situation{Swept: true, Items: 5000, Tick: true, Awaited: true, SinceSweep: time.Minute, SweepSoon: time.Minute, SweepEvery: day}, plan.Reads{Listing: true}},
		{"hints wait for a sweep, and the last was a moment ago", plan.Situation{Swept: true, Items: 5000, Tick: true, Awaited: true, SinceSweep: time.Minute - 1, SweepSoon: time.Minute, SweepEvery: day}, plan.Reads{Changes: true}},
		{"hints wait for a sweep, but no tick", plan.Situation{Swept: true, Items: 5000, Awaited: true, SinceSweep: time.Hour, SweepSoon: time.Minute, SweepEvery: day}, plan.Reads{}},
		{"no hint waits for a sweep", plan.Situation{Swept: true, Items: 5000, Tick: true, SinceSweep: time.Hour, SweepSoon: time.Minute, SweepEvery: day}, plan.Reads{Changes: true}},
		{"a sweep is asked for", plan.Situation{Swept: true, Items: 5000, Sweep: true, SweepEvery: day}, plan.Reads{Listing: true}},
		{"one hint", plan.Situation{Swept: true, Items: 500, Hinted: 1, PerFilter: 30, SweepEvery: day}, plan.Reads{Singles: true}},
		{"some hints of a small shop", plan.Situation{Swept: true, Items: 500, Hinted: 20, PerFilter: 30, SweepEvery: day}, plan.Reads{Filters: true}},
		{"many hints of a small shop", plan.Situation{Swept: true, Items: 500, Hinted: 31, PerFilter: 30, SweepEvery: day}, plan.Reads{Listing: true}},
		{"many hints of a large shop", plan.Situation{Swept: true, Items: 50_000, Hinted: 31, PerFilter: 30, SweepEvery: day}, plan.Reads{Filters: true}},
		{"a tick and a burst, which one listing answers", plan.Situation{Swept: true, Items: 5000, Tick: true, Hinted: 5000, PerFilter: 30, SweepEvery: day}, plan.Reads{Listing: true}},
		{"100,000 hints", plan.Situation{Swept: true, Items: 100_000, Hinted: 100_000, PerFilter: 30, SweepEvery: day}, plan.Reads{Listing: true}},
		{"hints that cannot be read together", plan.Situation{Swept: true, Items: 50_000, Hinted: 3, PerFilter: 0, SweepEvery: day}, plan.Reads{Singles: true}},
		{"a tick and hints", plan.Situation{Swept: true, Items: 5000, Tick: true, Hinted: 2, PerFilter: 30, SweepEvery: day}, plan.Reads{Changes: true, Filters: true}},
		{"a tick while a listing is under way", plan.Situation{Swept: true, Items: 5000, Tick: true, Listing: true, SinceSweep: day, SweepEvery: day}, plan.Reads{Changes: true}},
		{"a tick during the first sweep", plan.Situation{Items: 0, Tick: true, Listing: true, SweepEvery: day}, plan.Reads{}},
		{"hints while a listing is under way", plan.Situation{Swept: true, Items: 5000, Listing: true, Hinted: 3, PerFilter: 30, SweepEvery: day}, plan.Reads{Filters: true}},
		{"a burst while a listing is under way", plan.Situation{Swept: true, Items: 5000, Tick: true, Listing: true, Hinted: 5000, PerFilter: 30, SweepEvery: day}, plan.Reads{Changes: true}},
	} {
		c.s.PageSize = plan.PageSize
		if got := plan.PlanReads(c.s); got != c.want {
			t.Errorf("%s: %+v, expected %+v", c.name, got, c.want)
		}
	}
}

func TestSweepInterval(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		items, calls int
		longest      time.Duration
		want         time.Duration
		awaited      time.Duration
	}{
		{300, 50_000, 24 * time.Hour, 10 * time.Minute, time.Minute},
		{30_000, 50_000, 24 * time.Hour, 10 * time.Minute, 4*time.Minute + 19200*time.Millisecond},
		{200_000, 50_000, 24 * time.Hour, 28*time.Minute + 48*time.Second, 28*time.Minute + 48*time.Second},
		{1_000_000, 1000, 24 * time.Hour, 24 * time.Hour, 24 * time.Hour},
		{300, 50_000, 30 * time.Second, 30 * time.Second, 30 * time.Second},
		{300, 0, time.Hour, time.Hour, time.Hour},
	} {
		if got, awaited := plan.SweepInterval(c.items, plan.PageSize, c.calls, c.longest); got != c.want || awaited != c.awaited {
			t.Errorf("%d items, %d calls: %s, and %s if it is awaited, expected %s and %s", c.items, c.calls, got, awaited, c.want, c.awaited)
		}
	}
}

func TestAssessment(t *testing.T) {
	t.Parallel()
	claims := item("c", "")
	claims.InventoryEnabled = true
	for _, c := range []struct {
		items []plan.Item
		want  plan.Verdict
		count plan.Assessment
	}{
		{nil, plan.VerdictEmpty, plan.Assessment{}},
		{[]plan.Item{item("a", "")}, plan.VerdictNoInventory, plan.Assessment{Items: 1}},
		{[]plan.Item{claims}, plan.VerdictNoInventory, plan.Assessment{Items: 1, Enabled: 1}},
		{[]plan.Item{item("a", "1"), item("b", "")}, plan.VerdictOK, plan.Assessment{Items: 2, Enabled: 1, WithFigures: 1, NonZero: 1}},
		{[]plan.Item{item("a", "-1")}, plan.VerdictOK, plan.Assessment{Items: 1, Enabled: 1, WithFigures: 1, NonZero: 1}},
		{[]plan.Item{{Figures: plan.Figures{InStock: figure("0"), Available: figure("0")}}}, plan.VerdictAllZero, plan.Assessment{Items: 1, Enabled: 1, WithFigures: 1}},
		{[]plan.Item{{Figures: plan.Figures{InStock: figure("0"), Available: figure("3")}}}, plan.VerdictOK, plan.Assessment{Items: 1, Enabled: 1, WithFigures: 1, NonZero: 1}},
		{[]plan.Item{{Figures: plan.Figures{InStock: figure("2")}}, {Figures: plan.Figures{Available: figure("0")}}}, plan.VerdictOK, plan.Assessment{Items: 2, Enabled: 2, WithFigures: 2, NonZero: 1}},
		{[]plan.Item{{Figures: plan.Figures{OrderedByCustomers: figure("2")}}}, plan.VerdictNoInventory, plan.Assessment{Items: 1}},
	} {
		var a plan.Assessment
		for _, i := range c.items {
			a.Add(i)
		}
		if got := a.Verdict(); got != c.want || a != c.count {
			t.Errorf("%+v: %s, %+v, expected %s", c.items, got, a, c.want)
		}
	}
}
