package status_test

import (
	"testing"
	"time"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
	"lagerd/webhook"
)

// TestAnswersOf is the table of AnswersOf.
func TestAnswersOf(t *testing.T) {
	t.Parallel()
	held := func(scopes ...plan.Scope) (h plan.Holds) {
		for _, scope := range scopes {
			h = append(h, plan.Hold{Scope: scope, Reason: plan.HeldForbidden})
		}
		return h
	}
	const paused, off, noKey, rackbeat = 1, 2, 4, 8
	for _, c := range []struct {
		name            string
		flags           int
		holds           plan.Holds
		stock, invoices webhook.Next
	}{
		{"all is well", 0, nil, webhook.NextRead, webhook.NextRead},
		{"at Rackbeat", rackbeat, nil, webhook.NextAtRackbeat, webhook.NextRead},
		{"at Rackbeat, without a key", noKey, nil, webhook.NextOff, webhook.NextRead},
		{"off", off, nil, webhook.NextOff, webhook.NextOff},
		{"off and held", off, held(plan.ScopeShop), webhook.NextOff, webhook.NextOff},
		{"paused", paused, nil, webhook.NextPaused, webhook.NextPaused},
		{"paused, off and held", paused | off, held(plan.ScopeShop), webhook.NextPaused, webhook.NextPaused},
		{"held", 0, held(plan.ScopeShop), webhook.NextHeld, webhook.NextHeld},
		{"its stock is held", 0, held(plan.ScopeStock), webhook.NextHeld, webhook.NextRead},
		{"its stock at Rackbeat is held", rackbeat, held(plan.ScopeStock), webhook.NextHeld, webhook.NextRead},
		{"its invoices are held", rackbeat, held(plan.ScopeInvoices), webhook.NextAtRackbeat, webhook.NextHeld},
		{"its PDFs are held", 0, held(plan.ScopePDFs), webhook.NextRead, webhook.NextPDFHeld},
		{"its invoices and PDFs are held", 0, held(plan.ScopeInvoices, plan.ScopePDFs), webhook.NextRead, webhook.NextHeld},
	} {
		s := store.Shop{Lang: lang.English, StockOn: c.flags&off == 0, InvoicesOn: c.flags&off == 0, StockSource: store.SourceEconomic}
		if c.flags&paused != 0 {
			s.PausedAt = store.At(time.Unix(1, 0))
		}
		if c.flags&(rackbeat|noKey) != 0 {
			s.StockSource = store.SourceRackbeat
		}
		if c.flags&rackbeat != 0 {
			s.RackbeatKey = []byte("sealed")
		}
		if got, want := status.AnswersOf(s, c.holds), (webhook.Shop{Lang: lang.English, Stock: c.stock, Invoices: c.invoices}); got != want {
			t.Errorf("%s: %+v, expected %+v", c.name, got, want)
		}
	}
}
