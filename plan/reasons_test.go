package plan_test

import (
	"testing"
	"time"

	"lagerd/plan"
)

// TestHintReasonsAreTold: each reason has a text of its own, which keeps its particulars.
func TestHintReasonsAreTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason plan.HintReason
		kind   plan.Kind
		detail string
		want   string
	}{
		{"", plan.KindStock, "", ""},
		{plan.HintUnknown, plan.KindStock, "", "e-conomic has no item with this number"},
		{plan.HintUnknown, plan.KindInvoice, "", "e-conomic has no booked invoice with this number"},
		{plan.HintGone, plan.KindStock, "", "e-conomic has this item no more"},
		{plan.HintNoNumber, plan.KindInvoice, "", "not an invoice number: expected a whole number from 1"},
		{plan.HintUnconfirmed, plan.KindStock, "", "e-conomic shows less than is stored: read once more before it is believed"},
		{plan.HintHeldBack, plan.KindStock, "", "held back with the shop's other losses: see `lagerd diff`"},
		{plan.HintHeldBack, plan.KindStock, "the stock of 9 of 10 items", "the stock of 9 of 10 items"},
		{plan.HintPartHeld, plan.KindStock, "stock: forbidden", "waits, as stock: forbidden"},
		{plan.HintNoInventory, plan.KindStock, "none of 3 items carries a stock figure", "none of 3 items carries a stock figure"},
		{plan.HintFailed, plan.KindStock, "status 500", "status 500"},
		{plan.HintForbidden, plan.KindStock, "status 403", "forbidden: status 403"},
		{plan.HintStockOff, plan.KindStock, "", "stock is off for this shop"},
		{plan.HintRackbeat, plan.KindStock, "", "the shop's stock is kept in Rackbeat, which lagerd does not read yet"},
		{plan.HintInvoicesOff, plan.KindInvoice, "", "invoices are off for this shop"},
	} {
		if got := c.reason.Note(c.kind, c.detail); got != c.want {
			t.Errorf("%q: %q, expected %q", c.reason, got, c.want)
		}
	}
	for _, reason := range plan.HintReasons() {
		if reason.Note(plan.KindStock, "why") == "" || len(reason) > 24 {
			t.Errorf("%q is told as nothing, or longer than its column", reason)
		}
	}
}

// TestPutOffKeepsWhatIsKnown: what a hint has been through goes on with it.
func TestPutOffKeepsWhatIsKnown(t *testing.T) {
	t.Parallel()
	until := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	h := plan.Hint{Kind: plan.KindStock, Number: "a", Gen: 3, Tries: 2, Failures: 1, Refused: true}
	want := plan.Reread{Kind: plan.KindStock, Number: "a", Gen: 3, DueAt: until, Tries: 2, Failures: 1, Refused: true,
		Reason: plan.HintPartHeld, Note: "waits, as stock: forbidden"}
	if got := h.PutOff(until, plan.HintPartHeld, "stock: forbidden"); got != want {
		t.Errorf("%+v, expected %+v", got, want)
	}
}
