package status_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

// noon is the time at which the texts are written. All figures in a text differ, so that
// none can pass for another.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) store.Time { return store.At(noon.Add(-d)) }

func figure(text string) decimal.NullDecimal {
	return decimal.NewNullDecimal(decimal.RequireFromString(text))
}

// same compares a text with the expected one, ignoring trailing blanks.
func same(t *testing.T, name, got, want string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(got) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	if diff := cmp.Diff(strings.Split(strings.Trim(want, "\n"), "\n"), lines); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// busy is a shop with every field set.
func busy() store.ShopStatus {
	return store.ShopStatus{
		Shop: store.Shop{Shop: "shop1234", StockOn: true, StockFigure: plan.FigureAvailable, StockSource: store.SourceEconomic, InvoicesOn: true,
			InvoicesFrom: "2026-11-01", OrderField: plan.OrderInOtherReference, OrderPattern: `#(\d+)`, Dataset: "shop1234", StockDataset: "shop1234", CreatedAt: ago(72 * time.Hour)},
		Progress: store.Progress{AgreementNumber: 100001, TickAt: ago(30 * time.Second), SweptAt: ago(2 * time.Hour), MissedWebhooks: 11, LateWebhooks: 12, Drift: 13,
			Lags: 1, LagLastUS: 1_500_000, LagMaxUS: 2_500_000, CallsDay: "2026-11-23", Calls: 14, CommandCallsDay: "2026-11-23", CommandCalls: 1, ItemsDataset: "shop1234"},
		Holder: "a lagerd", OpenHints: 21, OldestHint: noon.Add(-90 * time.Second), WaitForPDF: 22, WithoutOrder: 23, ItemsStored: 24, InvoicesStored: 25,
	}
}

// atRackbeat is the same shop with its stock in two places at Rackbeat.
func atRackbeat() store.ShopStatus {
	st := busy()
	st.Shop.StockSource, st.Shop.StockFigure, st.Shop.RackbeatKey, st.Shop.Places = store.SourceRackbeat, plan.FigureInStock, []byte("sealed-key"), "1,4"
	st.Shop.RackbeatTokenHash = []byte(strings.Repeat("hashes of two tokens", 4)[:64])
	st.Shop.StockDataset, st.Progress.ItemsDataset = "@7", "@7"
	st.Progress.StockAccount, st.Progress.StockCallsDay, st.Progress.StockCalls = 4711, "2026-11-23", 33
	return st
}

func TestWriteShop(t *testing.T) {
	t.Parallel()
	fresh := store.ShopStatus{Shop: store.Shop{Shop: "new", StockSource: store.SourceEconomic, StockFigure: plan.FigureInStock, InvoicesFromNumber: 17,
		OrderField: plan.OrderInOtherReference, CreatedAt: ago(0)}}
	held := busy()
	held.Progress.Holds = plan.Holds{{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Detail: "150 of 300\x1b[2J", Since: ago(time.Hour).Time},
		{Scope: plan.ScopePDFs, Reason: plan.HeldForbidden, Detail: "403", Since: ago(3 * time.Hour).Time}}
	unread := atRackbeat()
	unread.Shop.Places, unread.Shop.RackbeatTokenHash, unread.Progress.ItemsDataset = "", nil, "shop1234"
	unread.Progress.StockAccount, unread.Progress.StockCallsDay = 0, "2026-11-22"
	const rest = `
agreement:           100001
stock:               on, available, from economic
invoices:            on, from 2026-11-01
order number in:     references.other
order pattern:       #(\d+)
webhook URL:         https://hooks.example.dk/webhooks.php?
last good tick:      2026-11-23 11:59:30 UTC
last sweep:          2026-11-23 10:00:00 UTC
open hints:          21, oldest 2026-11-23 11:58:30 UTC
webhooks:            11 missed, 12 late; drift 13
read lag:            1.5s, longest 2.5s
items:               24
invoices stored:     25, 22 without PDF yet, 23 without order number
calls to e-conomic:  15 today
added:               2026-11-20 12:00:00 UTC
`
	for _, c := range []struct {
		name string
		st   store.ShopStatus
		want string
	}{
		{"all is known", busy(), `
shop:                shop1234
state:               running
reason:              -` + rest},
		{"held twice", held, `
shop:                shop1234
state:               held
reason:              stock: losses: 150 of 300\u001b[2J; pdf: forbidden: 403
held:                stock: losses since 2026-11-23 11:00:00 UTC: 150 of 300\u001b[2J
held:                pdf: forbidden since 2026-11-23 09:00:00 UTC: 403` + rest},
		{"at Rackbeat", atRackbeat(), `
shop:                 shop1234
state:                running
reason:               -` + elsewhere(rest, "on, in_stock, from rackbeat (account 4711, places 1,4)", `
calls to Rackbeat:    33 today
Rackbeat's webhooks:  checked for 2 tokens`)},
		{"at Rackbeat, and never read", unread, `
shop:                 shop1234
state:                running
reason:               its items are still the former ones: they change over once Rackbeat (account not known yet) has been read in full twice` +
			elsewhere(rest, "on, in_stock, from rackbeat (account not known yet)", `
calls to Rackbeat:    0 today
Rackbeat's webhooks:  no token is stored: the code in their URL alone is checked`)},
		{"nothing is known", fresh, `
shop:                new
state:               not taken
reason:              no running lagerd has taken the shop yet: it will within a few seconds
agreement:           0
stock:               off, in_stock, from economic
invoices:            off, from number 17
order number in:     references.other
order pattern:       -
webhook URL:         https://hooks.example.dk/webhooks.php?
last good tick:      never
last sweep:          never
open hints:          0, oldest never
webhooks:            0 missed, 0 late; drift 0
read lag:            -, longest -
items:               0
invoices stored:     0, 0 without PDF yet, 0 without order number
calls to e-conomic:  0 today
added:               2026-11-23 12:00:00 UTC`},
	} {
		var out strings.Builder
		if err := status.WriteShop(&out, c.st.Shop, status.Of(c.st), "https://hooks.example.dk/webhooks.php", 1000); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		same(t, c.name, out.String(), c.want)
	}
}

// elsewhere is the text of a shop's settings with another source of stock, and what is told of it.
func elsewhere(rest, stock, more string) string {
	rest = strings.ReplaceAll(strings.Replace(rest, "on, available, from economic", stock, 1), ":  ", ":   ")
	return strings.Replace(rest, "\nadded:", more+"\nadded:", 1)
}

// TestWriteJSON: each figure has its own name in the JSON, which scripts read.
func TestWriteJSON(t *testing.T) {
	t.Parallel()
	st := busy()
	st.FailingHints, st.Progress.Suspicion = 3, "all_zero"
	st.Progress.Failures, st.Progress.Failure = 2, "connection refused"
	st.Progress.Holds = plan.Holds{{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Detail: "150 of 300", Since: ago(time.Hour).Time}}
	var out strings.Builder
	if err := status.WriteJSON(&out, []status.Shop{status.Of(st), status.Of(store.ShopStatus{Shop: store.Shop{Shop: "new"}, Holder: "a lagerd"})}); err != nil {
		t.Fatal(err)
	}
	same(t, "JSON", out.String(), `
[
  {
    "shop": "shop1234",
    "state": "held",
    "reason": "stock: losses: 150 of 300",
    "held": "losses",
    "holds": [
      {
        "scope": "stock",
        "reason": "losses",
        "detail": "150 of 300",
        "since": "2026-11-23T11:00:00Z"
      }
    ],
    "suspicion": "all_zero",
    "instance": "a lagerd",
    "agreement": 100001,
    "stock_source": "economic",
    "last_good_tick": "2026-11-23T11:59:30Z",
    "failures": 2,
    "failure": "connection refused",
    "open_hints": 21,
    "oldest_hint": "2026-11-23T11:58:30Z",
    "failing_hints": 3,
    "missed_webhooks": 11,
    "late_webhooks": 12,
    "drift": 13,
    "invoices_waiting_for_pdf": 22,
    "invoices_without_order": 23,
    "items": 24,
    "invoices": 25,
    "last_sweep": "2026-11-23T10:00:00Z",
    "read_lag_last": "1.5s",
    "read_lag_longest": "2.5s",
    "calls_today": 15,
    "refused_calls": 0
  },
  {
    "shop": "new",
    "state": "running",
    "instance": "a lagerd",
    "stock_source": "",
    "last_good_tick": null,
    "failures": 0,
    "open_hints": 0,
    "oldest_hint": null,
    "failing_hints": 0,
    "missed_webhooks": 0,
    "late_webhooks": 0,
    "drift": 0,
    "invoices_waiting_for_pdf": 0,
    "invoices_without_order": 0,
    "items": 0,
    "invoices": 0,
    "last_sweep": null,
    "calls_today": 0,
    "refused_calls": 0
  }
]`)
}

// TestWhyTexts: everything that `why` can say about a number.
func TestWhyTexts(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	running := status.Of(busy())
	row := plan.Row{Item: plan.Item{Number: "0571527051", Name: "Vase",
		Figures: plan.Figures{InStock: figure("7.00"), Available: figure("5.50"), OrderedByCustomers: figure("1.5")}, UpdatedAt: noon.Add(-time.Hour)},
		State: plan.StateOK, Stock: figure("5.50"), FirstSeenAt: noon.Add(-48 * time.Hour), ChangedAt: noon.Add(-59 * time.Minute)}
	item := func(hints ...store.Hint) status.Why {
		return status.Why{Shop: running, Kind: plan.KindStock, Number: row.Number, Figure: plan.FigureAvailable, Items: map[string]plan.Row{row.Number: row}, Hints: hints}
	}
	const shop = "shop:              shop1234 is running; last good tick 2026-11-23 11:59:30 UTC"
	const vase = shop + `
item:              "0571527051" Vase (ok)
stock:             5.5 = e-conomic's available
e-conomic says:    in stock 7, available 5.5, ordered by customers 1.5, ordered from suppliers (no figure)
first seen:        2026-11-21 12:00:00 UTC
last changed:      2026-11-23 11:01:00 UTC (e-conomic's lastUpdated then: 2026-11-23 11:00:00)
`
	hint := store.Hint{Number: row.Number, Open: true, Cause: plan.CauseWebhook, FirstAt: ago(10 * time.Minute), LastAt: ago(time.Minute), Webhooks: 31, Tries: 32, DueAt: ago(-time.Minute)}
	failing, fresh, answered := hint, hint, hint
	failing.Failures, failing.Note = 33, "status 500\x1b"
	fresh.Tries, fresh.DueAt = 0, store.At(time.Unix(0, 0))
	answered.Open = false
	answeredWith := answered
	answeredWith.Note = "e-conomic has no item with this number"
	failingDue, noted, answeredFailed := failing, hint, answered
	failingDue.DueAt, noted.Note, answeredFailed.Failures = ago(0), "the agreement hangs", 3
	heldShop := busy()
	heldShop.Progress.Holds = plan.Holds{{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Detail: "150\nof 300", Since: ago(time.Hour).Time}}
	const heldLines = "held:              stock: losses since 2026-11-23 11:00:00 UTC: 150; of 300\n"
	for _, c := range []struct {
		name string
		why  status.Why
		want string
	}{
		{"nothing open", item(), vase + "hints:             none\nNo changes recorded."},
		{"read again", item(hint), vase + "open hint:         since 2026-11-23 11:50:00 by webhook, 31 webhook(s); read 32 times, nothing new yet, next read at 2026-11-23 12:01:00\nNo changes recorded."},
		{"not read yet", item(fresh), vase + "open hint:         since 2026-11-23 11:50:00 by webhook, 31 webhook(s); read 0 times, nothing new yet, next read with the shop's next pass\nNo changes recorded."},
		{"failing", item(failing), vase + `open hint:         since 2026-11-23 11:50:00 by webhook; failed 33 times, next try at 2026-11-23 12:01:00: status 500\u001b` + "\nNo changes recorded."},
		{"answered", item(answered), vase + "last hint:         2026-11-23 11:59:00 by webhook, answered\nNo changes recorded."},
		{"answered with a note", item(answeredWith), vase + "last hint:         2026-11-23 11:59:00 by webhook, answered: e-conomic has no item with this number\nNo changes recorded."},
		{"a webhook has come", func() status.Why { w := item(); w.Received = noon.Add(-time.Second); return w }(),
			vase + "webhook:           received 2026-11-23 11:59:59, waits for the shop's next pass\nNo changes recorded."},
		{"failing, and due", item(failingDue), vase + `open hint:         since 2026-11-23 11:50:00 by webhook; failed 33 times, next try with the shop's next pass: status 500\u001b` + "\nNo changes recorded."},
		{"read again, with a note", item(noted), vase + "open hint:         since 2026-11-23 11:50:00 by webhook, 31 webhook(s); read 32 times, nothing new yet, next read at 2026-11-23 12:01:00: the agreement hangs\nNo changes recorded."},
		{"several hints", item(answered, hint), vase + "last hint:         2026-11-23 11:59:00 by webhook, answered\n" +
			"open hint:         since 2026-11-23 11:50:00 by webhook, 31 webhook(s); read 32 times, nothing new yet, next read at 2026-11-23 12:01:00\nNo changes recorded."},
		{"all figures", func() status.Why {
			w := item()
			full := row
			full.Figures.OrderedFromSuppliers = figure("4.0")
			w.Items = map[string]plan.Row{row.Number: full}
			return w
		}(), strings.Replace(vase, "suppliers (no figure)", "suppliers 4", 1) + "hints:             none\nNo changes recorded."},
		{"a shop that fails", func() status.Why {
			w := item()
			w.Shop.Reason = "connection refused\nby e-conomic"
			return w
		}(), strings.Replace(vase, "item:", "reason:            connection refused; by e-conomic\nitem:", 1) + "hints:             none\nNo changes recorded."},
		{"a shop that is held", func() status.Why {
			w := item()
			w.Shop = status.Of(heldShop)
			return w
		}(), strings.Replace(strings.Replace(vase, "running", "held", 1), "item:", heldLines+"item:", 1) + "hints:             none\nNo changes recorded."},
		{"a shop that is held and paused", func() status.Why {
			w := item()
			paused := heldShop
			paused.Shop.PausedAt, paused.Shop.PauseReason = ago(time.Hour), "stocktaking"
			w.Shop = status.Of(paused)
			return w
		}(), strings.Replace(strings.Replace(vase, "running", "paused", 1), "item:", "reason:            stocktaking\n"+heldLines+"item:", 1) + "hints:             none\nNo changes recorded."},
		{"warnings", func() status.Why {
			w := item()
			w.Warnings = []store.Warning{
				{Kind: plan.KindStock, Number: row.Number, Text: "barred: expected\ntrue", FirstAt: ago(time.Hour)}, {Kind: plan.KindStock, Number: "8", Text: "another's", FirstAt: ago(0)},
				{Kind: plan.KindStock, Text: "3 without a number", FirstAt: ago(0)}, {Kind: plan.KindInvoice, Number: row.Number, Text: "an invoice's", FirstAt: ago(0)},
			}
			return w
		}(), vase + "warning:           unreadable since 2026-11-23 11:00:00, the stored value stays: barred: expected; true\nhints:             none\nNo changes recorded."},
		{"an item that is not stored, with warnings", status.Why{Shop: running, Kind: plan.KindStock, Number: "7", Hints: []store.Hint{answeredFailed},
			Warnings: []store.Warning{{Kind: plan.KindStock, Number: "8", Text: "another's", FirstAt: ago(0)}, {Kind: plan.KindStock, Text: "3 without a number", FirstAt: ago(time.Hour)}}}, shop + `
item:              "7" is not stored: not seen at e-conomic
last hint:         2026-11-23 11:59:00 by webhook, answered
warning:           since 2026-11-23 11:00:00 e-conomic also lists 3 without a number
No changes recorded.`},
		{"an invoice that is not stored", status.Why{Shop: running, Kind: plan.KindInvoice, Number: "7", Hints: []store.Hint{hint}}, shop + `
invoice:           "7" is not stored: not seen at e-conomic, or from before the shop's start
open hint:         since 2026-11-23 11:50:00 by webhook, 31 webhook(s); read 32 times, nothing new yet, next read at 2026-11-23 12:01:00
No changes recorded.`},
		{"a stored invoice", status.Why{Shop: running, Kind: plan.KindInvoice, Number: "41",
			Invoices: []store.Invoice{{Number: 41, InvoiceDate: "2026-11-20", PDFState: "stored", PDFSize: 42, PDFSHA256: "abc", FoundAt: ago(time.Hour), Cause: plan.CauseWebhook}},
			Former: map[int64]store.Invoice{100003: {Number: 41, InvoiceDate: "2025-01-03", OrderNumber: "10043", PDFState: "pending"},
				100002: {Number: 41, InvoiceDate: "2025-01-02", PDFState: "stored"}},
		}, shop + `
invoice:           41 of 2026-11-20, found 2026-11-23 11:00:00 UTC by webhook
order number:      -
PDF:               stored, 42 bytes, sha256 abc
also stored:       41 of previous agreement 100002, dated 2025-01-02: order number -, PDF stored; the shop's software does not see it
also stored:       41 of previous agreement 100003, dated 2025-01-03: order number 10043, PDF pending; the shop's software does not see it
hints:             none
No changes recorded.`},
		{"renumbered, with a history", func() status.Why {
			w := item()
			gone := row
			gone.State, gone.Stock, gone.RenumberedTo = plan.StateGone, decimal.NullDecimal{}, "0571527052"
			w.Items = map[string]plan.Row{row.Number: gone}
			w.Changes = []store.Change{
				{Shop: "shop1234", Number: row.Number, What: plan.WhatStock, OldStock: text("8.00"), NewStock: text("7.50"), Cause: plan.CauseTick, Webhook: plan.WebhookMissed, CommittedAt: ago(2 * time.Hour), Source: store.SourceEconomic},
				{Shop: "shop1234", Number: row.Number, What: plan.WhatStock, OldStock: text("7.50"), Cause: plan.CauseWebhook, Webhook: plan.WebhookCame, CommittedAt: ago(90 * time.Minute), Source: store.SourceEconomic},
				{Shop: "shop1234", Number: row.Number, What: plan.WhatGone, OldState: plan.StateOK, NewState: plan.StateGone, RenumberedTo: "0571527052", Cause: plan.CauseSweep, Webhook: plan.WebhookNone, CommittedAt: ago(time.Hour), Source: store.SourceEconomic},
			}
			return w
		}(), shop + `
item:              "0571527051" Vase (gone)
stock:             (no figure) = e-conomic's available
e-conomic says:    in stock 7, available 5.5, ordered by customers 1.5, ordered from suppliers (no figure)
first seen:        2026-11-21 12:00:00 UTC
last changed:      2026-11-23 11:01:00 UTC (e-conomic's lastUpdated then: 2026-11-23 11:00:00)
renumbered:        probably to "0571527052"
hints:             none
History (UTC):
2026-11-23 10:00:00  shop1234  0571527051  stock  8 → 7.5                                           cause tick     webhook missed
2026-11-23 10:30:00  shop1234  0571527051  stock  7.5 → (none)                                      cause webhook  webhook came
2026-11-23 11:00:00  shop1234  0571527051  gone   ok → gone, now probably 0571527052            cause sweep    webhook none`},
		{"read in two places", func() status.Why {
			w := item()
			w.Shop, w.Source = status.Of(atRackbeat()), store.SourceRackbeat
			w.Changes = []store.Change{
				{Shop: "shop1234", Number: row.Number, What: plan.WhatStock, OldStock: text("8.00"), NewStock: text("7.50"), Cause: plan.CauseTick, Webhook: plan.WebhookMissed, CommittedAt: ago(2 * time.Hour), Source: store.SourceEconomic},
				{Shop: "shop1234", Number: row.Number, What: plan.WhatStock, OldStock: text("7.50"), NewStock: text("5.50"), Cause: plan.CauseTick, Webhook: plan.WebhookMissed, CommittedAt: ago(time.Hour), Source: store.SourceRackbeat},
			}
			return w
		}(), shop + `
item:              "0571527051" Vase (ok)
stock:             5.5 = Rackbeat's available
Rackbeat says:    in stock 7, available 5.5, ordered by customers 1.5, ordered from suppliers (no figure)
first seen:        2026-11-21 12:00:00 UTC
last changed:      2026-11-23 11:01:00 UTC (Rackbeat's updated_at then: 2026-11-23 11:00:00)
hints:             none
History (UTC):
2026-11-23 10:00:00  shop1234  0571527051  stock  8 → 7.5  cause tick     webhook missed  from economic
2026-11-23 11:00:00  shop1234  0571527051  stock  7.5 → 5.5  cause tick  webhook missed  from rackbeat`},
		{"with places", func() status.Why {
			w := item()
			placed := row
			placed.Stock, placed.Figures = figure("5.50"), plan.Figures{InStock: figure("5.50")}
			placed.Places = []plan.PlaceStock{{Place: "4", InStock: figure("6.00").Decimal}, {Place: "10", InStock: figure("-0.50").Decimal}}
			w.Shop, w.Source, w.Figure, w.Items = status.Of(atRackbeat()), store.SourceRackbeat, plan.FigureInStock, map[string]plan.Row{row.Number: placed}
			w.Changes = []store.Change{{Shop: "shop1234", Number: row.Number, What: plan.WhatPlaces, OldStock: text("5.50"), NewStock: text("5.50"), Cause: plan.CauseTick, Webhook: plan.WebhookNone, CommittedAt: ago(time.Hour), Source: store.SourceRackbeat}}
			return w
		}(), shop + `
item:              "0571527051" Vase (ok)
stock:             5.5 = Rackbeat's in_stock
in the places:     place 4 6, place 10 -0.5
Rackbeat says:    in stock 5.5, available (no figure), ordered by customers (no figure), ordered from suppliers (no figure)
first seen:        2026-11-21 12:00:00 UTC
last changed:      2026-11-23 11:01:00 UTC (Rackbeat's updated_at then: 2026-11-23 11:00:00)
hints:             none
History (UTC):
2026-11-23 11:00:00  shop1234  0571527051  places  5.5, moved between places  cause tick  webhook none`},
		{"read in Rackbeat alone", func() status.Why {
			w := item()
			w.Shop, w.Source, w.Items = status.Of(atRackbeat()), store.SourceRackbeat, nil
			w.Changes = []store.Change{{Shop: "shop1234", Number: row.Number, What: plan.WhatStock, OldStock: text("7.50"), NewStock: text("5.50"), Cause: plan.CauseTick, Webhook: plan.WebhookMissed, CommittedAt: ago(time.Hour), Source: store.SourceRackbeat}}
			return w
		}(), shop + `
item:              "0571527051" is not stored: not seen at Rackbeat
hints:             none
History (UTC):
2026-11-23 11:00:00  shop1234  0571527051  stock  7.5 → 5.5  cause tick  webhook missed`},
		{"an invoice", status.Why{Shop: running, Kind: plan.KindInvoice, Number: "41",
			Invoices: []store.Invoice{{Number: 41, InvoiceDate: "2026-11-20", OrderNumber: "10042", PDFState: "failed", PDFSize: 42, WorkTries: 43, WorkDueAt: ago(-time.Hour), WorkError: "status 500", FoundAt: ago(time.Hour), Cause: plan.CauseTick}},
			Former:   map[int64]store.Invoice{100002: {Number: 41, InvoiceDate: "2025-01-02", PDFState: "stored"}},
		}, shop + `
invoice:           41 of 2026-11-20, found 2026-11-23 11:00:00 UTC by tick
order number:      10042
PDF:               failed, 42 bytes, sha256 -
PDF error:         status 500 (tried 43 times, again at 2026-11-23 13:00:00 UTC)
also stored:       41 of previous agreement 100002, dated 2025-01-02: order number -, PDF stored; the shop's software does not see it
hints:             none
No changes recorded.`},
	} {
		var out strings.Builder
		if err := c.why.Write(&out, noon); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		same(t, c.name, columns(out.String()), columns(c.want))
	}
}

// fullDisk is a writer that fails once it has written so many times.
type fullDisk struct{ writes int }

var errFull = errors.New("no space left")

func (w *fullDisk) Write(p []byte) (int, error) {
	if w.writes == 0 {
		return 0, errFull
	}
	w.writes--
	return len(p), nil
}

// TestWriteErrors: each text tells if it could not be written in full.
func TestWriteErrors(t *testing.T) {
	t.Parallel()
	d := status.DiffOf(different())
	st := busy()
	changed := status.Why{Shop: status.Of(st), Kind: plan.KindStock, Number: "1", Changes: []store.Change{{Number: "1", What: plan.WhatBooked, CommittedAt: ago(time.Hour)}, {Number: "1", What: plan.WhatBooked, CommittedAt: ago(0)}},
		Agreements: []store.Agreement{{AgreementNumber: 6, AcceptedAt: ago(2 * time.Hour)}, {AgreementNumber: 7, AcceptedAt: ago(time.Minute)}}}
	unchanged := changed
	unchanged.Changes = nil
	calls := []store.WebhookCall{{Outcome: "a"}}
	for name, write := range map[string]func(io.Writer) error{
		"diff": d.WriteTable, "diff as CSV": d.WriteCSV, "diff as JSON": d.WriteJSON, "losses": d.WriteLosses,
		"shop":              func(w io.Writer) error { return status.WriteShop(w, st.Shop, status.Of(st), "x", 80) },
		"overview":          func(w io.Writer) error { return allHeld().Overview().Write(w, paper, true) },
		"long overview":     func(w io.Writer) error { return allHeld().Overview().Write(w, paper, false) },
		"one shop":          func(w io.Writer) error { return allHeld().Overview().Only("losses").WriteOne(w, paper) },
		"JSON":              func(w io.Writer) error { return status.WriteJSON(w, []status.Shop{status.Of(st)}) },
		"codes":             func(w io.Writer) error { return status.WriteCodes(w, []store.ShopCode{{}, {}}) },
		"no calls":          func(w io.Writer) error { return status.WriteCalls(w, nil, nil) },
		"why":               func(w io.Writer) error { return unchanged.Write(w, noon) },
		"why, with changes": func(w io.Writer) error { return changed.Write(w, noon) },
		"calls": func(w io.Writer) error {
			return status.WriteCalls(w, calls, func(string) string { return "" })
		},
	} {
		if err := write(&fullDisk{writes: 1 << 20}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		last := &fullDisk{writes: 1 << 20}
		_ = write(last)
		if err := write(&fullDisk{writes: 1<<20 - last.writes - 1}); !errors.Is(err, errFull) {
			t.Errorf("%s: its end is not written: %v", name, err)
		}
		if err := write(&fullDisk{}); !errors.Is(err, errFull) && name != "calls" && name != "why, with changes" {
			t.Errorf("%s: its beginning is not written: %v", name, err)
		}
	}
}

// columns separates columns by two blanks, whatever their width.
func columns(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		parts := strings.FieldsFunc(strings.ReplaceAll(line, "  ", "\x00"), func(r rune) bool { return r == 0 || r == '\n' })
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		lines = append(lines, strings.Join(parts, "  "))
	}
	return strings.Join(lines, "\n")
}
