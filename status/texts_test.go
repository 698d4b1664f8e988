package status_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"lagerd/lang"
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
			InvoicesFrom: "2026-11-01", OrderField: plan.OrderInOtherReference, OrderPattern: `#(\d+)`, Lang: lang.English, Dataset: "shop1234", StockDataset: "shop1234", CreatedAt: ago(72 * time.Hour)},
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
		OrderField: plan.OrderInOtherReference, Lang: lang.Danish, CreatedAt: ago(0)}}
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
language:            en
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
language:            da
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
	calls := []store.WebhookCall{{Outcome: "a"}}
	for name, write := range map[string]func(io.Writer) error{
		"diff as CSV": d.WriteCSV, "diff as JSON": d.WriteJSON,
		"diff":          func(w io.Writer) error { return d.WriteTable(w, 80) },
		"losses":        func(w io.Writer) error { return d.WriteLosses(w, 80) },
		"shop":          func(w io.Writer) error { return status.WriteShop(w, st.Shop, status.Of(st), "x", 80) },
		"overview":      func(w io.Writer) error { return allHeld().Overview().Write(w, paper, true) },
		"long overview": func(w io.Writer) error { return allHeld().Overview().Write(w, paper, false) },
		"one shop":      func(w io.Writer) error { return allHeld().Overview().Only("losses").WriteOne(w, paper) },
		"JSON":          func(w io.Writer) error { return status.WriteJSON(w, []status.Shop{status.Of(st)}) },
		"codes":         func(w io.Writer) error { return status.WriteCodes(w, []store.ShopCode{{}, {}}) },
		"no calls":      func(w io.Writer) error { return status.WriteCalls(w, nil, nil, 80) },
		"calls": func(w io.Writer) error {
			return status.WriteCalls(w, calls, func(string) string { return "" }, 80)
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
		if err := write(&fullDisk{}); !errors.Is(err, errFull) && name != "calls" {
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
