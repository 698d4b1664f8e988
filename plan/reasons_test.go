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
		{plan.HintUnknown, plan.KindStock, "", "there is no item with this number"},
		{plan.HintUnknown, plan.KindInvoice, "", "e-conomic has no booked invoice with this number"},
		{plan.HintGone, plan.KindStock, "", "this item no longer exists"},
		{plan.HintNoNumber, plan.KindInvoice, "", "not an invoice number: expected a whole number from 1"},
		{plan.HintUnconfirmed, plan.KindStock, "", "a read showed less than is stored: a second one must confirm it"},
		{plan.HintHeldBack, plan.KindStock, "", "held back with the shop's other losses: see `lagerd diff`"},
		{plan.HintHeldBack, plan.KindStock, "the stock of 9 of 10 items", "the stock of 9 of 10 items"},
		{plan.HintPartHeld, plan.KindStock, "stock: forbidden", "waits, as stock: forbidden"},
		{plan.HintNoInventory, plan.KindStock, "none of 3 items carries a stock figure", "none of 3 items carries a stock figure"},
		{plan.HintFailed, plan.KindStock, "status 500", "status 500"},
		{plan.HintForbidden, plan.KindStock, "status 403", "forbidden: status 403"},
		{plan.HintStockOff, plan.KindStock, "", "stock is off for this shop"},
		{plan.HintRackbeat, plan.KindStock, "", "the shop's stock is kept in Rackbeat, and no key for it is stored"},
		{plan.HintInvoicesOff, plan.KindInvoice, "", "invoices are off for this shop"},
		{plan.HintBeforeStart, plan.KindInvoice, "", "from before the shop's start: only a person's request fetches it"},
		{plan.HintAwaitsListing, plan.KindStock, "", "more numbers that are not stored, or that cannot be read, were hinted at than are asked for alone: the next whole listing answers it"},
		{plan.HintAwaitsListing, plan.KindInvoice, "", "not stored, and more such numbers were hinted at than are asked for at once: it is asked for in turn, and ticks list new invoices anyway"},
		{plan.HintShort, plan.KindStock, "", "the shop is short of calls: the rest of the day's is kept for ticks and new invoices"},
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
	if got := h.Postpone(until, plan.HintPartHeld, "stock: forbidden"); got != want {
		t.Errorf("%+v, expected %+v", got, want)
	}
}

// TestReasonsOfReads: why a hint is answered or read again follows from what its read
// shows. One that was read, well, has not failed.
func TestReasonsOfReads(t *testing.T) {
	t.Parallel()
	failed := plan.Hint{Kind: plan.KindStock, Number: "a", Gen: 3, Cause: plan.CauseWebhook, FirstAt: noon, WebhookAt: noon, Webhooks: 1, Failures: 2, Refused: true}
	tried := failed
	tried.Tries = len(rereads)
	zero, five := seen(item("a", "0")), row(item("a", "5"), plan.StateOK)
	for _, c := range []struct {
		name   string
		hint   plan.Hint
		obs    plan.Observation
		stored []plan.Row
		change func(*plan.ItemsInput)
		again  plan.HintReason
		answer plan.HintReason
		due    time.Time // where it is read again
	}{
		{"changed", failed, seen(item("a", "4")), []plan.Row{five}, nil, "", "", time.Time{}},
		{"not changed yet", failed, seen(item("a", "5")), []plan.Row{five}, nil, "", "", noon.Add(time.Second + rereads[0])},
		{"not changed", tried, seen(item("a", "5")), []plan.Row{five}, nil, "", "", time.Time{}},
		{"not there, and not stored", failed, notFound("a"), nil, nil, "", plan.HintUnknown, time.Time{}},
		{"not there", tried, notFound("a"), nil, nil, "", plan.HintUnknown, time.Time{}},
		{"gone", tried, notFound("a"), []plan.Row{five}, nil, "", plan.HintGone, time.Time{}},
		{"less, for the first time", failed, zero, []plan.Row{five}, func(in *plan.ItemsInput) { in.Suspects = nil }, plan.HintUnconfirmed, "", noon.Add(time.Second)},
		{"less, while losses are held back", failed, zero, []plan.Row{five}, func(in *plan.ItemsInput) { in.HeldBackTo = noon.Add(time.Hour) }, plan.HintHeldBack, "", noon.Add(time.Hour)},
		{"a new zero, while losses are held back", failed, zero, nil, func(in *plan.ItemsInput) { in.Suspects, in.HeldBackTo = nil, noon.Add(time.Hour) }, plan.HintUnconfirmed, "", noon.Add(time.Second)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := input(c.obs, c.stored...)
			in.Hints = map[string]plan.Hint{"a": c.hint}
			if c.change != nil {
				c.change(&in)
			}
			p := plan.Items(in)
			if c.due.IsZero() {
				if len(p.Answered) != 1 || len(p.Rereads) != 0 || p.Answered[0].Reason != c.answer || p.Answered[0].Note != c.answer.Note(plan.KindStock, "") {
					t.Errorf("answered %+v, read again %+v", p.Answered, p.Rereads)
				}
				return
			}
			if len(p.Answered) != 0 || len(p.Rereads) != 1 {
				t.Fatalf("answered %+v, read again %+v", p.Answered, p.Rereads)
			}
			r := p.Rereads[0]
			if r.Reason != c.again || r.Note != c.again.Note(plan.KindStock, "") || !r.DueAt.Equal(c.due) || r.Failures != 0 || r.Refused || r.Gen != 3 {
				t.Errorf("read again %+v, expected %q at %s", r, c.again, c.due)
			}
		})
	}
}
