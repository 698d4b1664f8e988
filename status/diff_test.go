package status_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/status"
)

// different is a comparison with one difference of each kind.
func different() reconcile.Differences {
	none := decimal.NullDecimal{}
	figures := func(inStock, available, customers, suppliers string) plan.Figures {
		return plan.Figures{InStock: figure(inStock), Available: figure(available), OrderedByCustomers: figure(customers), OrderedFromSuppliers: figure(suppliers)}
	}
	item := func(d plan.Difference) reconcile.ItemDifference { return reconcile.ItemDifference{Difference: d} }
	stock := item(plan.Difference{Number: "=1,\"2\"", Name: "Formula<&>\x1b[2J", What: plan.WhatStock, Loss: true, EconomicAt: noon.Add(-time.Hour),
		Stored:   plan.Side{State: plan.StateOK, Stock: figure("7.50"), Figures: figures("7.5", "2", "1", "4")},
		Economic: plan.Side{State: plan.StateOK, Stock: figure("0.00"), Figures: figures("0", "1", "1", "4")}})
	stock.Twice, stock.HintSince = true, noon.Add(-time.Minute)
	return reconcile.Differences{
		Shop: "shop1234", ReadAt: noon.In(time.FixedZone("", -5*3600)), Notes: []string{"a note"},
		Stock: &reconcile.StockDiff{AtEconomic: 10, Stored: 11, Items: []reconcile.ItemDifference{
			stock,
			item(plan.Difference{Number: " 007", Name: "The longest of names is cut short", What: plan.WhatCreated, Economic: plan.Side{State: plan.StateNoInventory, Figures: figures("0", "1", "1", "4")}}),
			item(plan.Difference{Number: "gone", What: plan.WhatGone, Loss: true, Stored: plan.Side{State: plan.StateBarred, Stock: figure("1")}, Economic: plan.Side{State: plan.StateGone, Stock: none}}),
			item(plan.Difference{Number: "other", Name: "O", What: plan.WhatStock,
				Stored:   plan.Side{State: plan.StateOK, Stock: figure("3"), Figures: figures("3", "2", "1", "4")},
				Economic: plan.Side{State: plan.StateOK, Stock: figure("3.0"), Figures: plan.Figures{InStock: figure("3.00"), Available: figure("1"), OrderedByCustomers: figure("2"), OrderedFromSuppliers: none}}}),
		}},
		Invoices: &reconcile.InvoicesDiff{AtEconomic: 12, Stored: 13, Invoices: []reconcile.InvoiceDifference{
			{Number: 14, What: plan.WhatBooked, Date: "2026-11-22", HintSince: noon.Add(-2 * time.Minute)},
			{Number: 15, What: plan.WhatGone, Tries: 16, Error: "status\n500", Note: "asked for"},
		}},
		Unreadable: []reconcile.Unreadable{{Kind: plan.KindStock, Number: "bad", Reason: "no name"}},
	}
}

// TestDiffOfPlaces: a difference names the places that differ.
func TestDiffOfPlaces(t *testing.T) {
	t.Parallel()
	place := func(number, stock string) plan.PlaceStock {
		return plan.PlaceStock{Place: number, InStock: figure(stock).Decimal}
	}
	side := func(stock string, places ...plan.PlaceStock) plan.Side {
		return plan.Side{State: plan.StateOK, Stock: figure(stock), Figures: plan.Figures{InStock: figure(stock)}, Places: places}
	}
	for _, c := range []struct {
		what        plan.What
		stored, now plan.Side
		note        string
	}{
		{plan.WhatPlaces, side("5", place("4", "3"), place("10", "2")), side("5", place("10", "1.5"), place("4", "3.5")), "place 4 3 → 3.5, place 10 2 → 1.5"},
		{plan.WhatPlaces, side("5"), side("5", place("4", "5"), place("10", "0")), "place 4 - → 5, place 10 - → 0"},
		{plan.WhatStock, side("5", place("4", "3"), place("10", "2")), side("4", place("4", "3.0"), place("10", "1")), "place 10 2 → 1"},
		{plan.WhatStock, side("5"), side("4"), ""},
		{plan.WhatState, side("5", place("4", "5")), side("5", place("4", "5")), ""},
	} {
		d := status.DiffOf(reconcile.Differences{Stock: &reconcile.StockDiff{Items: []reconcile.ItemDifference{
			{Difference: plan.Difference{Number: "a", What: c.what, Stored: c.stored, Economic: c.now}}}}})
		if d.Stock[0].Note != c.note || d.Equal {
			t.Errorf("%+v and %+v: the note is %q, expected %q; equal: %t", c.stored, c.now, d.Stock[0].Note, c.note, d.Equal)
		}
	}
}

func TestDiffFormats(t *testing.T) {
	t.Parallel()
	d := status.DiffOf(different())
	for _, c := range []struct {
		name  string
		write func(io.Writer) error
		want  string
	}{
		{"table of 140 columns", func(w io.Writer) error { return d.WriteTable(w, 140) }, `
INVOICE  WHAT    DATE        HINT OPEN SINCE   TRIES
     14  booked  2026-11-22  2026-11-23 11:58      0
     15  gone    -           -                    16
  error: status\n500
  asked for
12 invoices at e-conomic, 13 stored: 2 differences

ITEM    NAME                            WHAT     STORED  E-CONOMIC  STATE             LOSS  HINT OPEN SINCE   E-CONOMIC CHANGED
=1,"2"  Formula<&>\u001b[2J             stock       7.5          0  ok                loss  2026-11-23 11:59  2026-11-23 11:00
" 007"  The longest of names is cut s…  created       -          -  - → no_inventory  -     -                 -
gone    -                               gone          1          -  barred → gone     loss  -                 -
other   O                               stock         3          3  ok                -     -                 -
  available 2 → 1, ordered by customers 1 → 2, ordered from suppliers 4 → -
10 items at e-conomic, 11 stored: 4 differences, 2 of them losses, 1 could not be compared`},
		{"table of 80 columns", func(w io.Writer) error { return d.WriteTable(w, 80) }, `
INVOICE  WHAT    DATE        HINT OPEN SINCE   TRIES
     14  booked  2026-11-22  2026-11-23 11:58      0
     15  gone    -           -                    16
  error: status\n500
  asked for
12 invoices at e-conomic, 13 stored: 2 differences

ITEM    NAME                  WHAT     STORED  E-CONOMIC  STATE             LOSS
=1,"2"  Formula<&>\u001b[2J   stock       7.5          0  ok                loss
" 007"  The longest of name…  created       -          -  - → no_inventory  -
gone    -                     gone          1          -  barred → gone     loss
other   O                     stock         3          3  ok                -
  available 2 → 1, ordered by customers 1 → 2, ordered from suppliers 4 → -
10 items at e-conomic, 11 stored: 4 differences, 2 of them losses, 1 could
    not be compared`},
		{"table of 50 columns", func(w io.Writer) error { return d.WriteTable(w, 50) }, `
INVOICE  WHAT    DATE        TRIES
     14  booked  2026-11-22      0
     15  gone    -              16
  error: status\n500
  asked for
12 invoices at e-conomic, 13 stored: 2
    differences

ITEM   NAME   WHAT    STORED  E-CON…  STATE   LOSS
=1,"…  Form…  stock      7.5       0  ok      loss
" 00…  The …  creat…       -       -  - → n…  -
gone   -      gone         1       -  barre…  loss
other  O      stock        3       3  ok      -
  available 2 → 1, ordered by customers 1 → 2,
    ordered from suppliers 4 → -
10 items at e-conomic, 11 stored: 4
    differences, 2 of them losses, 1 could not be
    compared`},
		{"csv", d.WriteCSV, `
kind,number,name,what,stock_stored,stock_at_economic,state_stored,state_at_economic,economic_changed_at,hint_open_since,loss,looked_at_twice,date,tries,error,note
stock,"=1,""2""",Formula<&>\u001b[2J,stock,7.5,0,ok,ok,2026-11-23T11:00:00Z,2026-11-23T11:59:00Z,true,true,,,,
stock," 007",The longest of names is cut short,created,-,-,-,no_inventory,-,-,false,false,,,,
stock,gone,,gone,1,-,barred,gone,-,-,true,false,,,,
stock,other,O,stock,3,3,ok,ok,-,-,false,false,,,,"available 2 → 1, ordered by customers 1 → 2, ordered from suppliers 4 → -"
invoice,14,,booked,,,,,,2026-11-23T11:58:00Z,,,2026-11-22,0,,
invoice,15,,gone,,,,,,-,,,-,16,status\n500,asked for`},
	} {
		var out strings.Builder
		if err := c.write(&out); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		same(t, c.name, out.String(), c.want)
	}
}

// TestDiffJSON: unknown values, and counts of what was not compared, are null.
func TestDiffJSON(t *testing.T) {
	t.Parallel()
	all := different()
	all.Stock.Items, all.Invoices.Invoices = all.Stock.Items[:2], all.Invoices.Invoices[:1]
	for _, c := range []struct {
		name string
		d    reconcile.Differences
		want string
	}{
		{"nothing was compared", reconcile.Differences{Shop: "s", ReadAt: noon}, `
{
  "shop": "s",
  "read_at": "2026-11-23T12:00:00Z",
  "equal": true,
  "stock_source": "",
  "items_at_economic": null,
  "items_stored": null,
  "invoices_at_economic": null,
  "invoices_stored": null,
  "stock": [],
  "invoices": [],
  "losses": 0,
  "unreadable": [],
  "notes": []
}`},
		{"differences", all, `
{
  "shop": "shop1234",
  "read_at": "2026-11-23T12:00:00Z",
  "equal": false,
  "stock_source": "e-conomic",
  "items_at_economic": 10,
  "items_stored": 11,
  "invoices_at_economic": 12,
  "invoices_stored": 13,
  "stock": [
    {
      "number": "=1,\"2\"",
      "name": "Formula<&>\u001b[2J",
      "what": "stock",
      "stock_stored": "7.5",
      "stock_at_economic": "0",
      "state_stored": "ok",
      "state_at_economic": "ok",
      "economic_changed_at": "2026-11-23T11:00:00Z",
      "hint_open_since": "2026-11-23T11:59:00Z",
      "loss": true,
      "looked_at_twice": true
    },
    {
      "number": " 007",
      "name": "The longest of names is cut short",
      "what": "created",
      "stock_stored": null,
      "stock_at_economic": null,
      "state_stored": null,
      "state_at_economic": "no_inventory",
      "economic_changed_at": null,
      "hint_open_since": null,
      "loss": false,
      "looked_at_twice": false
    }
  ],
  "invoices": [
    {
      "number": 14,
      "what": "booked",
      "date": "2026-11-22",
      "tries": 0,
      "hint_open_since": "2026-11-23T11:58:00Z"
    }
  ],
  "losses": 1,
  "unreadable": [
    {
      "kind": "stock",
      "number": "bad",
      "reason": "no name"
    }
  ],
  "notes": [
    "a note"
  ]
}`},
	} {
		var out strings.Builder
		if err := status.DiffOf(c.d).WriteJSON(&out); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		same(t, c.name, out.String(), c.want)
	}
}

// TestVerdicts: the verdict is "equal" only if everything could be compared.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	loss := reconcile.ItemDifference{Difference: plan.Difference{Number: "a", What: plan.WhatGone, Loss: true}}
	unread := reconcile.Unreadable{Kind: plan.KindStock, Number: "b"}
	for _, c := range []struct {
		items      []reconcile.ItemDifference
		unreadable []reconcile.Unreadable
		want       string
	}{
		{nil, nil, "1 item at e-conomic, 1 stored: equal"},
		{nil, []reconcile.Unreadable{{Kind: plan.KindInvoice, Number: "7"}}, "1 item at e-conomic, 1 stored: equal"},
		{nil, []reconcile.Unreadable{unread}, "1 item at e-conomic, 1 stored: 0 differences, 1 could not be compared"},
		{[]reconcile.ItemDifference{loss}, nil, "1 item at e-conomic, 1 stored: 1 difference, 1 of them a loss"},
		{[]reconcile.ItemDifference{loss, loss}, []reconcile.Unreadable{unread, unread}, "1 item at e-conomic, 1 stored: 2 differences, 2 of them losses, 2 could not be compared"},
	} {
		var out strings.Builder
		d := reconcile.Differences{Stock: &reconcile.StockDiff{AtEconomic: 1, Stored: 1, Items: c.items}, Unreadable: c.unreadable}
		if err := status.DiffOf(d).WriteTable(&out, 120); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if last := lines[len(lines)-1]; last != c.want {
			t.Errorf("%q, want %q", last, c.want)
		}
	}
}

// TestDiffTables: which tables and lines there are, by what was compared and differs, and how
// numbers and texts that a table would distort are shown.
func TestDiffTables(t *testing.T) {
	t.Parallel()
	item := func(number, name string) reconcile.ItemDifference {
		return reconcile.ItemDifference{Difference: plan.Difference{Number: number, Name: name, What: plan.WhatGone}}
	}
	items := func(list ...reconcile.ItemDifference) *reconcile.StockDiff {
		return &reconcile.StockDiff{AtEconomic: 3, Stored: 4, Items: list}
	}
	invoices := func(list ...reconcile.InvoiceDifference) *reconcile.InvoicesDiff {
		return &reconcile.InvoicesDiff{AtEconomic: 1, Stored: 2, Invoices: list}
	}
	booked := func(failure string) reconcile.InvoiceDifference {
		return reconcile.InvoiceDifference{Number: 7, What: plan.WhatBooked, Error: failure}
	}
	const (
		invoiceHead  = "INVOICE  WHAT  DATE  HINT OPEN SINCE  TRIES"
		itemHead     = "ITEM  NAME  WHAT  STORED  E-CONOMIC  STATE  LOSS  HINT OPEN SINCE  E-CONOMIC CHANGED"
		rest         = "  gone  -  -  -  -  -  -"
		noInvoices   = "1 invoice at e-conomic, 2 stored: equal"
		noItems      = "3 items at e-conomic, 4 stored: equal"
		oneOfAll     = "3 items at e-conomic, 4 stored: 1 difference"
		oneOfTheRest = "1 invoice at e-conomic, 2 stored: 1 difference"
	)
	long := strings.Repeat("x", 200)
	for _, c := range []struct {
		name string
		d    reconcile.Differences
		want []string
	}{
		{"nothing", reconcile.Differences{}, nil},
		{"equal", reconcile.Differences{Stock: items(), Invoices: invoices()}, []string{noInvoices, noItems}},
		{"equal items alone", reconcile.Differences{Stock: items()}, []string{noItems}},
		{"items alone", reconcile.Differences{Stock: items(item("a", "b"))}, []string{itemHead, "a  b" + rest, oneOfAll}},
		{"invoices alone", reconcile.Differences{Invoices: invoices(booked(""))}, []string{invoiceHead, "7  booked  -  -  0", oneOfTheRest}},
		{"items", reconcile.Differences{Stock: items(item("a", "b")), Invoices: invoices()}, []string{noInvoices, "", itemHead, "a  b" + rest, oneOfAll}},
		{"invoices", reconcile.Differences{Stock: items(), Invoices: invoices(booked(long))}, []string{invoiceHead, "7  booked  -  -  0", "error: " + long, oneOfTheRest, "", noItems}},
		{"a long error", reconcile.Differences{Invoices: invoices(booked(long + "x"))}, []string{invoiceHead, "7  booked  -  -  0", "error: " + long[1:] + "…", oneOfTheRest}},
		{"an unreadable invoice", reconcile.Differences{Stock: items(), Invoices: invoices(), Unreadable: []reconcile.Unreadable{{Kind: plan.KindInvoice, Number: "7"}}},
			[]string{"1 invoice at e-conomic, 2 stored: 0 differences, 1 could not be compared", noItems}},
		{"odd numbers and a long name", reconcile.Differences{Stock: items(item("", ""), item("-", long[:30]), item("a ", long[:31]), item("a\u00a0b", "æ"), item("a b", "c"))},
			[]string{itemHead, `""  -` + rest, `"-"  ` + long[:30] + rest, `"a "  ` + long[:29] + "…" + rest, `"a\u00a0b"  æ` + rest, "a b  c" + rest, "3 items at e-conomic, 4 stored: 5 differences"}},
	} {
		var out strings.Builder
		if err := status.DiffOf(c.d).WriteTable(&out, 240); err != nil {
			t.Fatal(err)
		}
		if got, want := columns(strings.TrimSuffix(out.String(), "\n")), columns(strings.Join(c.want, "\n")); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, want)
		}
	}
}
