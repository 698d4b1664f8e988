package status_test

import (
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
			InvoicesFrom: "2026-11-01", OrderField: plan.OrderInOtherReference, OrderPattern: `#(\d+)`, Dataset: "shop1234", CreatedAt: ago(72 * time.Hour)},
		Progress: store.Progress{AgreementNumber: 100001, TickAt: ago(30 * time.Second), SweptAt: ago(2 * time.Hour), MissedWebhooks: 11, LateWebhooks: 12, Drift: 13,
			Lags: 1, LagLastUS: 1_500_000, LagMaxUS: 2_500_000, CallsDay: "2026-11-23", Calls: 14, CommandCallsDay: "2026-11-23", CommandCalls: 1, ItemsDataset: "shop1234"},
		Holder: "a lagerd", OpenHints: 21, OldestHint: noon.Add(-90 * time.Second), WaitForPDF: 22, WithoutOrder: 23, ItemsStored: 24, InvoicesStored: 25,
	}
}

func TestWriteShop(t *testing.T) {
	t.Parallel()
	fresh := store.ShopStatus{Shop: store.Shop{Shop: "new", StockSource: store.SourceEconomic, StockFigure: plan.FigureInStock, InvoicesFromNumber: 17,
		OrderField: plan.OrderInOtherReference, CreatedAt: ago(0)}}
	held := busy()
	held.Progress.Holds = plan.Holds{{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Detail: "150 of 300\x1b[2J", Since: ago(time.Hour).Time},
		{Scope: plan.ScopePDFs, Reason: plan.HeldForbidden, Detail: "403", Since: ago(3 * time.Hour).Time}}
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
		if err := status.WriteShop(&out, c.st.Shop, status.Of(c.st), "https://hooks.example.dk/webhooks.php"); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		same(t, c.name, out.String(), c.want)
	}
}

func TestWriteTable(t *testing.T) {
	t.Parallel()
	failing, old := busy(), busy()
	failing.Shop.Shop, failing.FailingHints = "failing", 3
	failing.Progress.Failures, failing.Progress.Failure = 2, "connection refused"
	old.Shop.Shop = "old"
	old.Progress.TickAt, old.OldestHint = ago(47*time.Hour+59*time.Minute+59*time.Second), noon.Add(-48*time.Hour)
	paused := busy()
	paused.Shop.Shop, paused.Shop.PausedAt, paused.Shop.PauseReason = "paused", ago(time.Hour), "stock\ntaking"
	paused.Progress.TickAt, paused.OldestHint = ago(-time.Second), noon.Add(-59500*time.Millisecond)
	var shops []status.Shop
	for _, st := range []store.ShopStatus{busy(), failing, old, paused, {Shop: store.Shop{Shop: "new"}}} {
		shops = append(shops, status.Of(st))
	}
	var out strings.Builder
	if err := status.WriteTable(&out, shops, noon); err != nil {
		t.Fatal(err)
	}
	same(t, "the table", out.String(), `
SHOP      STATE      LAST TICK  ITEMS  INVOICES  HINTS           OLDEST  MISSED  LATE  DRIFT  NO PDF  NO ORDER  REASON
shop1234  running    30s        24     25        21              2m0s    11      12    13     22      23        -
failing   running    30s        24     25        21 (3 failing)  2m0s    11      12    13     22      23        connection refused
old       running    48h0m0s    24     25        21              2d      11      12    13     22      23        -
paused    paused     0s         24     25        21              1m0s    11      12    13     22      23        stock; taking
new       not taken  -          0      0         0               -       0       0     0      0       0         no running lagerd has taken the shop yet: it will within a few seconds`)
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
    "calls_today": 15
  },
  {
    "shop": "new",
    "state": "running",
    "instance": "a lagerd",
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
    "calls_today": 0
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
		{"renumbered, with a history", func() status.Why {
			w := item()
			gone := row
			gone.State, gone.Stock, gone.RenumberedTo = plan.StateGone, decimal.NullDecimal{}, "0571527052"
			w.Items = map[string]plan.Row{row.Number: gone}
			w.Changes = []store.Change{
				{Shop: "shop1234", Number: row.Number, What: plan.WhatStock, OldStock: text("8.00"), NewStock: text("7.50"), Cause: plan.CauseTick, Webhook: plan.WebhookMissed, CommittedAt: ago(2 * time.Hour)},
				{Shop: "shop1234", Number: row.Number, What: plan.WhatStock, OldStock: text("7.50"), Cause: plan.CauseWebhook, Webhook: plan.WebhookCame, CommittedAt: ago(90 * time.Minute)},
				{Shop: "shop1234", Number: row.Number, What: plan.WhatGone, OldState: plan.StateOK, NewState: plan.StateGone, RenumberedTo: "0571527052", Cause: plan.CauseSweep, Webhook: plan.WebhookNone, CommittedAt: ago(time.Hour)},
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
