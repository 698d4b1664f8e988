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
	stock := item(plan.Difference{Number: "=1,\"2\"", Name: "Formula\x1b[2J", What: plan.WhatStock, Loss: true, EconomicAt: noon.Add(-time.Hour),
		Stored: plan.Side{State: plan.StateOK, Stock: figure("7.50")}, Economic: plan.Side{State: plan.StateOK, Stock: figure("0.00")}})
	stock.Twice, stock.HintSince = true, noon.Add(-time.Minute)
	return reconcile.Differences{
		Shop: "shop1234", ReadAt: noon.In(time.FixedZone("", -5*3600)), Notes: []string{"a note"},
		Stock: &reconcile.StockDiff{AtEconomic: 10, Stored: 11, Items: []reconcile.ItemDifference{
			stock,
			item(plan.Difference{Number: " 007", Name: "The longest of names is cut short", What: plan.WhatCreated, Economic: plan.Side{State: plan.StateNoInventory}}),
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

func TestDiffFormats(t *testing.T) {
	t.Parallel()
	d := status.DiffOf(different())
	for _, c := range []struct {
		name  string
		write func(io.Writer) error
		want  string
	}{
		{"table", d.WriteTable, `
INVOICE  WHAT    DATE        HINT OPEN SINCE   TRIES  ERROR        NOTE
14       booked  2026-11-22  2026-11-23 11:58  0      -            -
15       gone    -           -                 16     status\n500  asked for
12 invoices at e-conomic, 13 stored: 2 differences

ITEM    NAME                            WHAT     STORED  E-CONOMIC  STATE STORED  STATE E-CONOMIC  E-CONOMIC CHANGED  HINT OPEN SINCE   NOTE
=1,"2"  Formula\u001b[2J                stock    7.5     0          ok            ok               2026-11-23 11:00   2026-11-23 11:59  loss
" 007"  The longest of names is cut s…  created  -       -          -             no_inventory     -                  -                 -
gone    -                               gone     1       -          barred        gone             -                  -                 loss
other   O                               stock    3       3          ok            ok               -                  -                 available 2 → 1, ordered by customers 1 → 2, ordered from suppliers 4 → -
10 items at e-conomic, 11 stored: 4 differences, 2 of them losses, 1 could not be compared`},
		{"csv", d.WriteCSV, `
kind,number,name,what,stock_stored,stock_at_economic,state_stored,state_at_economic,economic_changed_at,hint_open_since,loss,looked_at_twice,date,tries,error,note
stock,"=1,""2""",Formula\u001b[2J,stock,7.5,0,ok,ok,2026-11-23T11:00:00Z,2026-11-23T11:59:00Z,true,true,,,,
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
  "items_at_economic": 10,
  "items_stored": 11,
  "invoices_at_economic": 12,
  "invoices_stored": 13,
  "stock": [
    {
      "number": "=1,\"2\"",
      "name": "Formula\u001b[2J",
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
		if err := status.DiffOf(d).WriteTable(&out); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if last := lines[len(lines)-1]; last != c.want {
			t.Errorf("%q, want %q", last, c.want)
		}
	}
}
