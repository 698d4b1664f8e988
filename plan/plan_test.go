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

func TestInvoices(t *testing.T) {
	t.Parallel()
	hint := plan.Hint{Kind: plan.KindInvoice, Number: "7", Gen: 3, Cause: plan.CauseWebhook, FirstAt: noon, WebhookAt: noon}
	in := plan.InvoicesInput{Cause: plan.CauseTick, Began: noon, Observed: []plan.Invoice{invoice(6, "10"), invoice(7, "10"), invoice(8, "-10")},
		Stored: map[int64]bool{8: true}, Hints: map[string]plan.Hint{"7": hint, "8": {Kind: plan.KindInvoice, Number: "8", Gen: 1, Cause: plan.CauseWebhook, WebhookAt: noon},
			"9": {Kind: plan.KindInvoice, Number: "9", Gen: 1, Cause: plan.CauseWebhook, WebhookAt: noon}}, NotFound: []int64{9, 10}, Now: noon, Rereads: rereads}
	p := plan.Invoices(in)
	if len(p.Rows) != 2 || p.Rows[0].Number != 6 || p.Rows[1].Number != 7 {
		t.Fatalf("rows: %+v", p.Rows)
	}
	if p.Rows[0].ShopOrder != "10042" {
		t.Errorf("order number %q", p.Rows[0].ShopOrder)
	}
	if c := p.Changes[0]; c.Cause != plan.CauseTick || c.Webhook != plan.WebhookMissed {
		t.Errorf("found by the tick: %+v", c)
	}
	if c := p.Changes[1]; c.Cause != plan.CauseWebhook || c.Webhook != plan.WebhookCame || c.Lagged {
		t.Errorf("hinted: %+v", c)
	}
	if len(p.Answered) != 2 || len(p.Rereads) != 1 || p.Rereads[0].Number != "9" {
		t.Errorf("answered %+v, to be read again %+v", p.Answered, p.Rereads)
	}
	if !slices.Equal(p.Late, []string{"8"}) {
		t.Errorf("late: %v", p.Late)
	}
	hint.Tries = 1
	in.Hints["7"] = hint
	if c := plan.Invoices(in).Changes[1]; !c.Lagged {
		t.Errorf("a reread found it, and it does not count as lagged: %+v", c)
	}
	in.First = true
	if c := plan.Invoices(in).Changes[0]; c.Webhook != plan.WebhookNone {
		t.Errorf("the first listing counts a missed webhook: %+v", c)
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
	} {
		rule := plan.OrderRule{Field: c.field}
		if c.pattern != "" {
			rule.Pattern = regexp.MustCompile(c.pattern)
		}
		if got := rule.OrderNumber(inv); got != c.want {
			t.Errorf("%s %q: %q, expected %q", c.field, c.pattern, got, c.want)
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
	} {
		if diff := cmp.Diff(c.want, c.window.Advance(c.numbers, noon, keep)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
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
		{"its tick while a listing is under way", plan.Situation{Swept: true, NoChanges: true, Items: 1001, Tick: true, Listing: true, SweepEvery: day}, plan.Reads{}},
		{"a hint of it", plan.Situation{Swept: true, NoChanges: true, Items: 1001, Hinted: 1, SweepEvery: day}, plan.Reads{Singles: true}},
		{"some hints of it, which it cannot filter", plan.Situation{Swept: true, NoChanges: true, Items: 5000, Hinted: 4, SweepEvery: day}, plan.Reads{Singles: true}},
		{"more hints of it than it has pages", plan.Situation{Swept: true, NoChanges: true, Items: 5000, Hinted: 6, SweepEvery: day}, plan.Reads{Listing: true}},
		{"a sweep is due", plan.Situation{Swept: true, Items: 5000, Tick: true, SinceSweep: day, SweepEvery: day}, plan.Reads{Listing: true}},
		{"a sweep is due, but no tick", plan.Situation{Swept: true, Items: 5000, SinceSweep: day, SweepEvery: day}, plan.Reads{}},
		{"a sweep is asked for", plan.Situation{Swept: true, Items: 5000, Sweep: true, SweepEvery: day}, plan.Reads{Listing: true}},
		{"one hint", plan.Situation{Swept: true, Items: 500, Hinted: 1, PerFilter: 30, SweepEvery: day}, plan.Reads{Singles: true}},
		{"some hints of a small shop", plan.Situation{Swept: true, Items: 500, Hinted: 20, PerFilter: 30, SweepEvery: day}, plan.Reads{Filters: true}},
		{"many hints of a small shop", plan.Situation{Swept: true, Items: 500, Hinted: 31, PerFilter: 30, SweepEvery: day}, plan.Reads{Listing: true}},
		{"many hints of a large shop", plan.Situation{Swept: true, Items: 50_000, Hinted: 31, PerFilter: 30, SweepEvery: day}, plan.Reads{Filters: true}},
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
	}{
		{300, 50_000, 24 * time.Hour, 10 * time.Minute},
		{200_000, 50_000, 24 * time.Hour, 28*time.Minute + 48*time.Second},
		{1_000_000, 1000, 24 * time.Hour, 24 * time.Hour},
		{300, 50_000, time.Minute, time.Minute},
		{300, 0, time.Hour, time.Hour},
	} {
		if got := plan.SweepInterval(c.items, plan.PageSize, c.calls, c.longest); got != c.want {
			t.Errorf("%d items, %d calls: %s, expected %s", c.items, c.calls, got, c.want)
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
	}{
		{nil, plan.VerdictEmpty},
		{[]plan.Item{item("a", "")}, plan.VerdictNoInventory},
		{[]plan.Item{claims}, plan.VerdictNoInventory},
		{[]plan.Item{item("a", "1"), item("b", "")}, plan.VerdictOK},
		{[]plan.Item{item("a", "-1")}, plan.VerdictOK},
		{[]plan.Item{{Number: "a", Figures: plan.Figures{InStock: figure("0"), Available: figure("0")}}}, plan.VerdictAllZero},
		{[]plan.Item{{Number: "a", Figures: plan.Figures{InStock: figure("0"), Available: figure("3")}}}, plan.VerdictOK},
	} {
		var a plan.Assessment
		for _, i := range c.items {
			a.Add(i)
		}
		if got := a.Verdict(); got != c.want {
			t.Errorf("%+v: %s, expected %s", c.items, got, c.want)
		}
	}
}
