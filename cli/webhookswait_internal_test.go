package cli

import (
	"io"
	"testing"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
	"lagerd/webhook"
)

// TestWaitEnds: what is waited for has come once lagerd has received a call of the type in which
// nothing is wrong.
func TestWaitEnds(t *testing.T) {
	t.Parallel()
	to := call{Process: Process{Stdout: io.Discard}}
	plain, moved := store.Shop{Shop: "shop1"}, store.Shop{Shop: "shop1", StockSource: store.SourceRackbeat}
	for name, c := range map[string]struct {
		shop    store.Shop
		wanted  status.WebhookType
		kind    plan.Kind
		source  store.StockSource
		outcome string
		status  int
		want    bool
	}{
		"received":                              {plain, "", plan.KindStock, store.SourceEconomic, webhook.OutcomeRecorded, 200, true},
		"of the type":                           {plain, status.WebhookInvoice, plan.KindInvoice, store.SourceEconomic, webhook.OutcomeRecorded, 200, true},
		"of the other type":                     {plain, status.WebhookInvoice, plan.KindStock, store.SourceEconomic, webhook.OutcomeRecorded, 200, false},
		"a wrong code":                          {plain, "", plan.KindStock, store.SourceEconomic, webhook.OutcomeRefused, 403, false},
		"a person with a browser":               {plain, "", plan.KindStock, store.SourceEconomic, webhook.OutcomeTried, 200, false},
		"a merge field that may be a number":    {plain, "", plan.KindStock, store.SourceEconomic, webhook.OutcomeMergeField, 200, false},
		"received, with something wrong":        {plain, "", plan.KindStock, store.SourceEconomic, webhook.OutcomeHTMLEscaped, 200, false},
		"Rackbeat's":                            {moved, status.WebhookRackbeat, plan.KindStock, store.SourceRackbeat, webhook.OutcomeRecorded, 200, true},
		"Rackbeat's, for all items":             {moved, status.WebhookRackbeat, plan.KindStock, store.SourceRackbeat, webhook.OutcomeEverything, 200, true},
		"Rackbeat's, not to be understood":      {moved, status.WebhookRackbeat, plan.KindStock, store.SourceRackbeat, webhook.OutcomeUnreadable, 200, false},
		"e-conomic's, of a shop that has moved": {moved, status.WebhookRackbeat, plan.KindStock, store.SourceEconomic, webhook.OutcomeRecorded, 200, false},
		"the same, for any type":                {moved, "", plan.KindStock, store.SourceEconomic, webhook.OutcomeRecorded, 200, false},
	} {
		cmd := webhooksCmd{Lang: lang.English, Type: string(c.wanted)}
		call := store.LoggedCall{WebhookCall: store.WebhookCall{Kind: c.kind, Source: c.source, Number: "1", Outcome: c.outcome, Status: c.status}}
		if got := cmd.received(&to, c.shop, call); got != c.want {
			t.Errorf("%s: %t, expected %t", name, got, c.want)
		}
	}
}
