package status_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

// TestNotices: unreadable items and invoices are named and counted in the shop's reason,
// next to any other reason.
func TestNotices(t *testing.T) {
	t.Parallel()
	at := store.At(time.Now())
	invoices := store.Notice{Kind: plan.KindInvoice, Count: 22, Number: "10", Text: "references.other: expected a string, got number 7"}
	item := store.Notice{Kind: plan.KindStock, Count: 1, Number: "A 1", Text: "barred: expected true or false, got string \"x\""}
	for _, c := range []struct {
		name   string
		status store.ShopStatus
		reason string
	}{
		{"nothing", store.ShopStatus{}, ""},
		{"invoices", store.ShopStatus{Failing: []store.Notice{invoices}}, "22 invoices cannot be read, e.g. 10: references.other: expected a string, got number 7"},
		{"an item", store.ShopStatus{Failing: []store.Notice{item}}, `item "A 1" cannot be read: barred: expected true or false, got string "x"`},
		{"both", store.ShopStatus{Failing: []store.Notice{invoices, item}},
			`22 invoices cannot be read, e.g. 10: references.other: expected a string, got number 7; item "A 1" cannot be read: barred: expected true or false, got string "x"`},
		{"a warning", store.ShopStatus{Warnings: []store.Notice{item}}, `item "A 1" has unreadable fields: barred: expected true or false, got string "x"`},
		{"warnings", store.ShopStatus{Warnings: []store.Notice{invoices}}, "22 invoices have unreadable fields, e.g. 10: references.other: expected a string, got number 7"},
		{"very many", store.ShopStatus{Warnings: []store.Notice{{Kind: plan.KindStock, Count: store.MostWarnings, Number: "a", Text: "x"}}}, `1000 or more items have unreadable fields, e.g. "a": x`},
		{"no number", store.ShopStatus{Warnings: []store.Notice{{Kind: plan.KindStock, Count: 1, Text: "2 without a number that can be read: x"}}}, "items: 2 without a number that can be read: x"},
		{"no number, and others", store.ShopStatus{Warnings: []store.Notice{{Kind: plan.KindInvoice, Count: 4, Text: "2 without a number that can be read: x"}}},
			"4 invoices have unreadable fields, and there are 2 without a number that can be read: x"},
		{"failed", store.ShopStatus{Progress: store.Progress{Failures: 1, Failure: "no answer"}, Failing: []store.Notice{item}},
			`no answer; item "A 1" cannot be read: barred: expected true or false, got string "x"`},
		{"paused", store.ShopStatus{Shop: store.Shop{PausedAt: at, PauseReason: "stocktaking"}, Failing: []store.Notice{item}}, "stocktaking"},
	} {
		c.status.Holder = "a lagerd"
		v := status.Of(c.status)
		if v.Reason != c.reason {
			t.Errorf("%s:\n got %s\nwant %s", c.name, v.Reason, c.reason)
		}
		if c.name != "paused" && v.State != status.StateRunning {
			t.Errorf("%s: %s", c.name, v.State)
		}
	}
	var out strings.Builder
	if err := status.WriteJSON(&out, []status.Shop{status.Of(store.ShopStatus{Failing: []store.Notice{invoices}, Warnings: []store.Notice{item}})}); err != nil {
		t.Fatal(err)
	}
	var shops []struct {
		Unread, Warnings []struct {
			Kind, Number, Text string
			Count              int
		}
	}
	if err := json.Unmarshal([]byte(out.String()), &shops); err != nil || len(shops) != 1 || len(shops[0].Unread) != 1 || shops[0].Unread[0].Count != 22 ||
		shops[0].Unread[0].Kind != "invoice" || len(shops[0].Warnings) != 1 || shops[0].Warnings[0].Number != "A 1" {
		t.Errorf("%v: %s", err, out.String())
	}
}
