package plan_test

import (
	"testing"

	"lagerd/plan"
)

// TestInvoicesStart is the table of InvoicesStart.Before.
func TestInvoicesStart(t *testing.T) {
	t.Parallel()
	window := plan.Window{Cursor: 50, Gaps: []plan.Gap{{Range: plan.Range{From: 7, To: 9}}}}
	date, number := plan.InvoicesStart{Date: "2026-11-01", Window: window}, plan.InvoicesStart{Number: 20, Window: window}
	for _, c := range []struct {
		start  plan.InvoicesStart
		number int64
		date   string
		want   bool
	}{
		{date, 51, "2026-10-31", false}, // above the cursor
		{date, 7, "2026-10-31", false},  // in a gap
		{date, 9, "2026-10-31", false},
		{number, 9, "", false},
		{number, 51, "", false},
		{date, 6, "2026-10-31", true},
		{date, 10, "2026-10-31", true},
		{date, 50, "2026-10-31", true},
		{date, 6, "2026-11-01", false},
		{date, 6, "2026-11-02", false},
		{date, 6, "", false},
		{number, 19, "", true},
		{number, 19, "2026-11-02", true},
		{number, 20, "", false},
		{number, 20, "2020-01-01", false},
	} {
		if got := c.start.Before(c.number, c.date); got != c.want {
			t.Errorf("%d of %q, from %q or %d: %t, expected %t", c.number, c.date, c.start.Date, c.start.Number, got, c.want)
		}
	}
}

// TestOldInvoicesAreLeft: an invoice from before the start is stored if a person asks for it, and
// not for a webhook, whichever read shows it.
func TestOldInvoicesAreLeft(t *testing.T) {
	t.Parallel()
	hint := func(number string, cause plan.Cause) plan.Hint {
		return plan.Hint{Kind: plan.KindInvoice, Number: number, Gen: 2, Cause: cause, Webhooks: 3}
	}
	p := plan.Invoices(plan.InvoicesInput{
		Cause: plan.CauseTick, Start: plan.InvoicesStart{Date: "2026-11-01", Window: plan.Window{Cursor: 50}},
		Observed: []plan.Invoice{{Number: 1, Date: "2026-10-01"}, {Number: 2, Date: "2026-10-01"}, {Number: 3, Date: "2026-10-01"}, {Number: 4, Date: "2026-11-01"}, {Number: 51, Date: "2026-10-01"}},
		Stored:   map[int64]bool{3: true},
		Hints: map[string]plan.Hint{"1": hint("1", plan.CauseWebhook), "2": hint("2", plan.CauseOperator), "3": hint("3", plan.CauseWebhook),
			"4": hint("4", plan.CauseWebhook), "51": hint("51", plan.CauseWebhook)},
	})
	var stored []int64
	for _, r := range p.Rows {
		stored = append(stored, r.Number)
	}
	if len(stored) != 3 || stored[0] != 2 || stored[1] != 4 || stored[2] != 51 || len(p.Changes) != 3 {
		t.Errorf("stored are %v, with %d changes: expected 2, 4 and 51", stored, len(p.Changes))
	}
	if len(p.Answered) != 5 || p.TooOld != 3 {
		t.Errorf("%d hints are answered, %d webhooks were too old: expected 5 and 3", len(p.Answered), p.TooOld)
	}
	for _, a := range p.Answered {
		if (a.Reason == plan.HintBeforeStart) != (a.Number == "1") || a.Reason != "" && a.Note == "" {
			t.Errorf("the answer to %s is %+v", a.Number, a)
		}
	}
}
