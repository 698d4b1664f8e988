package export_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"lagerd/export"
	"lagerd/plan"
	"lagerd/store"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.UTC)

func nullable(s string) decimal.NullDecimal {
	return decimal.NewNullDecimal(decimal.RequireFromString(s))
}

func asJSON[R any](t *testing.T, columns export.Table[R], list ...R) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := export.Write(&b, export.Options{Format: export.JSON}, columns, rows(list, nil)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func says(t *testing.T, what, got, want string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestItems(t *testing.T) {
	t.Parallel()
	full := plan.Row{Item: plan.Item{Number: "0571", Name: "Vare 1", BarCode: "57", Barred: true, InventoryEnabled: true, UpdatedAt: noon.Truncate(time.Minute),
		Figures: plan.Figures{InStock: nullable("5"), Available: nullable("-1.50"), OrderedByCustomers: nullable("6.5"), OrderedFromSuppliers: nullable("0")}},
		State: plan.StateBarred, Stock: nullable("5"), ChangedAt: noon, FirstSeenAt: noon, Places: []plan.PlaceStock{{Place: "10", InStock: decimal.RequireFromString("3.5")}, {Place: "4", InStock: decimal.RequireFromString("1.5")}}}
	gone := plan.Row{Item: plan.Item{Number: "2"}, State: plan.StateGone, ChangedAt: noon.Add(2 * time.Hour), RenumberedTo: "2b"}
	of := export.Shown{Shop: "shop1234", Since: noon.Add(time.Hour), ConfirmedAt: noon.Add(3 * time.Hour), Places: []string{"4", "10"}}
	says(t, "items", asJSON(t, export.Items(of), full, gone), `[
{"shop": "shop1234", "item_number": "0571", "name": "Vare 1", "stock": "5", "state": "barred", "barred": true, "in_stock": "5", "available": "-1.5", "ordered_by_customers": "6.5", "ordered_from_suppliers": "0", "bar_code": "57", "renumbered_to": "", "changed_at": "2026-11-23T13:00:00.123456Z", "economic_updated_at": "2026-11-23T12:00:00Z", "confirmed_at": "2026-11-23T15:00:00.123456Z", "place_4": "1.5", "place_10": "3.5"},
{"shop": "shop1234", "item_number": "2", "name": "", "stock": null, "state": "gone", "barred": false, "in_stock": null, "available": null, "ordered_by_customers": null, "ordered_from_suppliers": null, "bar_code": "", "renumbered_to": "2b", "changed_at": "2026-11-23T14:00:00.123456Z", "economic_updated_at": null, "confirmed_at": "2026-11-23T15:00:00.123456Z", "place_4": null, "place_10": null}
]
`)
	says(t, "items of a shop that has not ticked yet", asJSON(t, export.Items(export.Shown{Shop: "s"}), gone), `[
{"shop": "s", "item_number": "2", "name": "", "stock": null, "state": "gone", "barred": false, "in_stock": null, "available": null, "ordered_by_customers": null, "ordered_from_suppliers": null, "bar_code": "", "renumbered_to": "2b", "changed_at": "2026-11-23T14:00:00.123456Z", "economic_updated_at": null, "confirmed_at": null}
]
`)
}

func TestChanges(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	sold := store.Change{Shop: "shop1234", Kind: plan.KindStock, Number: "0571", What: plan.WhatStock, OldStock: text("6.0000"), NewStock: text("-5.5000"), OldInStock: text("6"), NewInStock: text("-5.50"), OldAvailable: text("900719925474099.1234"),
		OldState: plan.StateOK, NewState: plan.StateOK, Cause: plan.CauseWebhook, Webhook: plan.WebhookCame, Source: store.SourceRackbeat,
		EconomicAt: store.At(noon.Truncate(time.Minute)), HintedAt: store.At(noon.Add(-250 * time.Millisecond)), ObservedAt: store.At(noon.Add(-100 * time.Millisecond)), CommittedAt: store.At(noon)}
	booked := store.Change{Shop: "shop1234", Kind: plan.KindInvoice, Number: "41", What: plan.WhatBooked, Cause: plan.CauseTick, Webhook: plan.WebhookMissed, Source: store.SourceEconomic, ObservedAt: store.At(noon), CommittedAt: store.At(noon)}
	says(t, "changes", asJSON(t, export.Changes(), sold, booked), `[
{"shop": "shop1234", "committed_at": "2026-11-23T12:00:00.123456Z", "kind": "stock", "number": "0571", "what": "stock", "old_stock": "6", "new_stock": "-5.5", "old_in_stock": "6", "new_in_stock": "-5.5", "old_available": "900719925474099.1234", "new_available": null, "old_state": "ok", "new_state": "ok", "cause": "webhook", "webhook": "came", "delay_seconds": "0.25", "economic_at": "2026-11-23T12:00:00Z", "hinted_at": "2026-11-23T11:59:59.873456Z", "observed_at": "2026-11-23T12:00:00.023456Z", "source": "rackbeat", "renumbered_to": ""},
{"shop": "shop1234", "committed_at": "2026-11-23T12:00:00.123456Z", "kind": "invoice", "number": "41", "what": "booked", "old_stock": null, "new_stock": null, "old_in_stock": null, "new_in_stock": null, "old_available": null, "new_available": null, "old_state": "", "new_state": "", "cause": "tick", "webhook": "missed", "delay_seconds": null, "economic_at": null, "hinted_at": null, "observed_at": "2026-11-23T12:00:00.123456Z", "source": "economic", "renumbered_to": ""}
]
`)
}

func TestDelay(t *testing.T) {
	t.Parallel()
	at := func(before time.Duration) store.Time { return store.At(noon.Add(-before)) }
	for _, c := range []struct {
		what             string
		hinted, economic store.Time
		want             string
	}{
		{"from the webhook", at(1500 * time.Microsecond), at(time.Hour), "0.0015"},
		{"without one, from e-conomic's time", store.Time{}, at(90 * time.Second), "90"},
		{"by a clock that is ahead", at(-time.Second), store.Time{}, "-1"},
		{"from nothing known", store.Time{}, store.Time{}, ""},
	} {
		d := export.Delay(store.Change{HintedAt: c.hinted, EconomicAt: c.economic, CommittedAt: store.At(noon)})
		got := ""
		if d.Valid {
			got = d.Decimal.String()
		}
		if got != c.want {
			t.Errorf("%s: %q, expected %q", c.what, got, c.want)
		}
	}
}

func TestInvoices(t *testing.T) {
	t.Parallel()
	stored := store.Invoice{Dataset: "@7", Number: 41, CreditNote: true, InvoiceDate: "2026-11-20", DueDate: "2026-12-04", Currency: "EUR", Net: nullable("-100.10"), VAT: nullable("-25"), Gross: nullable("-125.10"), Rounding: nullable("0"),
		NetBase: nullable("-747.5"), GrossBase: nullable("-934.38"), CustomerNumber: 7, RecipientName: "Ærø", OrderNumber: "10042", PDFState: store.PDFStored, PDFSHA256: "ab", PDFSize: 4242, PDFStoredAt: store.At(noon), FoundAt: store.At(noon)}
	pending := store.Invoice{Dataset: "@7", Number: 42, Currency: "DKK", PDFState: store.PDFPending, FoundAt: store.At(noon)}
	says(t, "invoices", asJSON(t, export.Invoices("shop1234"), stored, pending), `[
{"shop": "shop1234", "invoice_number": 41, "kind": "credit_note", "order_number": "10042", "invoice_date": "2026-11-20", "due_date": "2026-12-04", "currency": "EUR", "net": "-100.1", "vat": "-25", "gross": "-125.1", "rounding": "0", "net_base": "-747.5", "gross_base": "-934.38", "customer_number": 7, "recipient_name": "Ærø", "pdf_state": "stored", "pdf_sha256": "ab", "pdf_size": 4242, "pdf_stored_at": "2026-11-23T12:00:00.123456Z", "found_at": "2026-11-23T12:00:00.123456Z"},
{"shop": "shop1234", "invoice_number": 42, "kind": "invoice", "order_number": "", "invoice_date": null, "due_date": null, "currency": "DKK", "net": null, "vat": null, "gross": null, "rounding": null, "net_base": null, "gross_base": null, "customer_number": 0, "recipient_name": "", "pdf_state": "pending", "pdf_sha256": "", "pdf_size": 0, "pdf_stored_at": null, "found_at": "2026-11-23T12:00:00.123456Z"}
]
`)
}

// TestColumnsAreDocumented: an export of items or invoices has the columns of the view, as
// docs/shop-developers.md lists them, and docs/operators.md explains those of the history.
func TestColumnsAreDocumented(t *testing.T) {
	t.Parallel()
	view := func(heading string, without ...string) (names []string) {
		t.Helper()
		_, table, _ := strings.Cut(section(t, "../docs/shop-developers.md", heading), "| column | type | meaning |\n")
		table, _, _ = strings.Cut(table, "\n\n")
		for line := range strings.Lines(table) {
			for part := range strings.SplitSeq(strings.Split(line, "|")[1], ",") {
				if name := strings.Trim(part, " `-"); name != "" && !slices.Contains(without, name) {
					names = append(names, name)
				}
			}
		}
		return slices.Sorted(slices.Values(names))
	}
	items, invoices := view("## shop_stock\n"), view("## shop_invoices\n", "pdf")
	if got := slices.Sorted(slices.Values(names(export.Items(export.Shown{})))); !slices.Equal(got, items) {
		t.Errorf("exported items have %q, the view %q", got, items)
	}
	if got := slices.Sorted(slices.Values(names(export.Invoices("")))); !slices.Equal(got, invoices) {
		t.Errorf("exported invoices have %q, the view %q", got, invoices)
	}
	docs := section(t, "../docs/operators.md", "## Exports\n")
	for _, name := range names(export.Changes()) {
		if !strings.Contains(docs, "`"+name+"`") {
			t.Errorf("docs/operators.md does not explain the column %s", name)
		}
	}
}

func names[R any](t export.Table[R]) (list []string) {
	for _, column := range t {
		list = append(list, column.Name)
	}
	return list
}

// section returns what follows a heading of a document, up to the next of the same level.
func section(t *testing.T, file, heading string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n"+heading)
	if !found {
		t.Fatalf("%s has no %q", file, heading)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	return rest
}
