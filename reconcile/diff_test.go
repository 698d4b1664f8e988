package reconcile_test

import (
	"bytes"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/reconcile"
	economicsource "lagerd/source/economic"
	"lagerd/status"
	"lagerd/store"
	"lagerd/test/storetest"
)

// remote is an e-conomic that holds items by number, and what happens to them
// while they are read.
type remote struct {
	mu       sync.Mutex
	stock    map[string]string // as JSON; "": no inventory block
	invoices []string          // as JSON
	results  int               // announced beyond what is sent
	asked    []string          // paths
	unlisted string            // an item that listings do not show
	listed   func()            // after a listing of items was answered
}

func (r *remote) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	path := req.URL.EscapedPath()
	r.asked = append(r.asked, path)
	w.Header().Set("Content-Type", "application/json")
	page := func(list []string, filter string) {
		query := req.URL.Query()
		from, to, next := 0, len(list), ""
		if size, _ := strconv.Atoi(query.Get("pagesize")); size > 0 {
			skip, _ := strconv.Atoi(query.Get("skippages"))
			from = min(skip*size, len(list))
			if to = min(from+size, len(list)); to < len(list) {
				next = fmt.Sprintf(`,"nextPage":"http://%s%s?skippages=%d&pagesize=%d&filter=%s"`, req.Host, path, skip+1, size, url.QueryEscape(filter))
			}
		}
		fmt.Fprintf(w, `{"collection":[%s],"pagination":{"results":%d%s}}`, strings.Join(list[from:to], ","), len(list)+r.results, next)
	}
	number, single := strings.CutPrefix(path, "/products/")
	switch {
	case path == "/self":
		fmt.Fprint(w, `{"agreementNumber":7,"company":{"name":"Other ApS"}}`)
	case path == "/products":
		var list []string
		for number, stock := range r.stock {
			if number != r.unlisted {
				list = append(list, product(number, stock))
			}
		}
		slices.Sort(list)
		page(list, "")
		if r.listed != nil {
			r.listed()
		}
	case single:
		for n, stock := range r.stock {
			if economic.EscapeNumber(n) == number {
				fmt.Fprint(w, product(n, stock))
				return
			}
		}
		notFound(w)
	case path == "/invoices/booked":
		page(r.invoices, req.URL.Query().Get("filter"))
	default:
		n := strings.TrimPrefix(path, "/invoices/booked/")
		for _, i := range r.invoices {
			if strings.Contains(i, `"bookedInvoiceNumber":`+n+`,`) {
				fmt.Fprint(w, i)
				return
			}
		}
		notFound(w)
	}
}

func notFound(w http.ResponseWriter) {
	http.Error(w, `{"message":"not found","errorCode":"E06000"}`, http.StatusNotFound)
}

func product(number, stock string) string {
	inventory := ""
	if stock != "" {
		inventory = `,"inventory":{"inStock":` + stock + `}`
	}
	quoted, _ := json.Marshal(number)
	return fmt.Sprintf(`{"productNumber":%s,"name":"Thing","barred":false,"lastUpdated":"2026-11-23T10:00:00Z"%s}`, quoted, inventory)
}

func booked(number int64, date string) string {
	return fmt.Sprintf(`{"bookedInvoiceNumber":%d,"date":%q,"currency":"DKK","netAmount":1.00,"grossAmount":1.25,"vatAmount":0.25}`, number, date)
}

// fixture is a Diff of one shop with a database and an e-conomic of its own.
type fixture struct {
	reconcile.Diff
	*remote
	t  *testing.T
	db *sql.DB

	client *economic.Client
	gives  time.Duration // the client's timeout in scheduler; 0: gives
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, remote: &remote{stock: map[string]string{}}}
	server := httptest.NewServer(f.remote)
	t.Cleanup(server.Close)
	path := storetest.New(t)
	s, err := store.Open(t.Context(), store.Options{Path: path})
	must(t, err)
	f.db, err = sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	must(t, err)
	f.db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = f.db.Close() })
	t.Cleanup(func() { _ = s.Close() })
	f.Shop = store.Shop{Shop: "shop1234", GrantToken: []byte{1}, StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceEconomic,
		InvoicesOn: true, InvoicesFrom: "2026-11-01", OrderField: plan.OrderInOtherReference}
	must(t, s.AddShop(t.Context(), f.Shop, []byte("01234567890123456789012345678901"), time.Now()))
	f.Shop, err = s.Shop(t.Context(), f.Shop.Shop)
	must(t, err)
	f.Progress, err = s.Progress(t.Context(), f.Shop.Shop)
	must(t, err)
	f.client, err = economic.New(economic.Options{RESTURL: server.URL, AppSecretToken: "app"})
	must(t, err)
	f.Store, f.Account = s, economicsource.Account{Client: f.client, Agreement: f.client.Agreement("grant", nil)}
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) exec(query string, args ...any) {
	f.t.Helper()
	_, err := f.db.Exec(query, args...)
	must(f.t, err)
}

// has stores an item with that stock; "": no figure.
func (f *fixture) has(number, stock string) {
	f.t.Helper()
	state, figure := plan.StateOK, any(stock)
	if stock == "" {
		state, figure = plan.StateNoInventory, nil
	}
	at := store.At(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))
	f.exec(`INSERT INTO items (shop, number, name, barred, inventory_enabled, in_stock, stock, state, observed_token, observed_at, first_seen_at, changed_at)
		VALUES ('shop1234', ?, 'Thing', 0, 0, ?, ?, ?, 1, ?, ?, ?) ON CONFLICT DO UPDATE SET stock = excluded.stock, in_stock = excluded.in_stock`,
		number, figure, figure, state, at, at, at)
}

func (f *fixture) hasInvoice(number int64, date, pdf, problem string) {
	f.t.Helper()
	at := store.At(time.Now())
	f.exec(`INSERT INTO invoices (shop, number, credit_note, invoice_date, currency, found_at, committed_at, cause, pdf_state, work_tries, work_error)
		VALUES ('shop1234', ?, 0, ?, 'DKK', ?, ?, 'tick', ?, 3, ?)`, number, date, at, at, pdf, problem)
}

// read returns the differences, one text each, and the rest.
func (f *fixture) read(items []string, invoices []int64) ([]string, reconcile.Differences) {
	f.t.Helper()
	d, err := f.Read(f.t.Context(), items, invoices)
	must(f.t, err)
	var lines []string
	if d.Stock != nil {
		for _, i := range d.Stock.Items {
			lines = append(lines, fmt.Sprintf("%s %s", i.Number, i.What))
		}
	}
	if d.Invoices != nil {
		for _, i := range d.Invoices.Invoices {
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("#%d %s %s", i.Number, i.What, i.Error)))
		}
	}
	return lines, d
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDiffWhole(t *testing.T) {
	f := newFixture(t)
	f.stock = map[string]string{"equal": "5.00", "less": "4", "new": "1", "bad": `"x"`}
	for _, number := range []string{"equal", "less", "bad", "deleted"} {
		f.has(number, "5")
	}
	f.invoices = []string{booked(1, "2026-11-02"), booked(2, "2026-11-03"), booked(3, "2026-11-04")}
	f.hasInvoice(1, "2026-11-02", "stored", "")
	f.hasInvoice(2, "2026-11-03", "pending", "not found at e-conomic")
	must(t, f.Store.RecordHints(t.Context(), []store.HintRecord{
		{Shop: "shop1234", Kind: plan.KindStock, Number: "less", Cause: plan.CauseWebhook, At: time.Now()}}))
	f.webhook("new") // which no pass has looked at yet

	lines, d := f.read(nil, nil)
	same(t, lines, "deleted gone", "less stock", "new created", "#2 no_pdf not found at e-conomic", "#3 booked")
	if d.Stock.AtEconomic != 4 || d.Stock.Stored != 4 || d.Invoices.AtEconomic != 3 || d.Invoices.Stored != 2 {
		t.Errorf("counted: %+v %+v", d.Stock, d.Invoices)
	}
	if d.Losses() != 1 || d.Equal() || len(d.Unreadable) != 1 || d.Unreadable[0].Number != "bad" {
		t.Errorf("losses %d, equal %t, unreadable %+v", d.Losses(), d.Equal(), d.Unreadable)
	}
	for _, i := range d.Stock.Items {
		if !i.Twice || i.HintSince.IsZero() == (i.Number == "less" || i.Number == "new") {
			t.Errorf("%s: looked at twice %t, hint since %s", i.Number, i.Twice, i.HintSince)
		}
	}
}

func TestDiffNamed(t *testing.T) {
	f := newFixture(t)
	f.stock = map[string]string{"a": "5", "b": "6", "c": "7", `=1,"2" ø`: "3"}
	f.has("a", "5")
	f.has("b", "5")
	f.has("gone", "5")
	f.invoices = []string{booked(1, "2026-10-02"), booked(2, "2026-11-03")}
	f.hasInvoice(2, "2026-11-03", "stored", "")
	f.hasInvoice(9, "2026-11-03", "pending", "")

	lines, d := f.read([]string{"b", "a", "b", "gone", "nothing", `=1,"2" ø`}, nil)
	same(t, lines, `=1,"2" ø created`, "b stock", "gone gone")
	if d.Stock.AtEconomic != 3 || d.Stock.Stored != 3 || d.Invoices != nil || len(d.Notes) != 1 {
		t.Errorf("got %+v, %q", d.Stock, d.Notes)
	}
	if slices.Contains(f.asked, "/products") {
		t.Error("a few items were asked for, and everything was read")
	}

	lines, d = f.read(nil, []int64{1, 2, 8, 9})
	same(t, lines, "#1 booked", "#9 gone")
	if d.Stock != nil || len(d.Notes) != 1 || !strings.Contains(d.Invoices.Invoices[0].Note, "before the shop's start") {
		t.Errorf("got %+v, %q", d.Invoices, d.Notes)
	}
	if lines, d = f.read([]string{"a"}, []int64{2}); lines != nil || !d.Equal() {
		t.Errorf("expected it equal, got %q", lines)
	}
}

// TestDiffBeforeTheStart: an invoice is said to be before the shop's start only if it is: the first
// one of the start's number, or dated on its day, is not.
func TestDiffBeforeTheStart(t *testing.T) {
	for name, starts := range map[string]func(s *store.Shop){
		"at a number": func(s *store.Shop) { s.InvoicesFrom, s.InvoicesFromNumber = "", 2 },
		"at a date":   func(s *store.Shop) { s.InvoicesFrom = "2026-11-02" },
	} {
		f := newFixture(t)
		starts(&f.Shop)
		f.invoices = []string{booked(1, "2026-11-01"), booked(2, "2026-11-02"), booked(3, "2026-11-03")}
		_, d := f.read(nil, []int64{1, 2, 3})
		var before []int64
		for _, i := range d.Invoices.Invoices {
			if strings.Contains(i.Note, "before the shop's start") {
				before = append(before, i.Number)
			}
		}
		if !slices.Equal(before, []int64{1}) {
			t.Errorf("%s: said to be before it: %v", name, before)
		}
	}
}

// TestDiffInFlight: what lagerd stores between the two reads is not a difference.
func TestDiffInFlight(t *testing.T) {
	f := newFixture(t)
	f.stock = map[string]string{"a": "5", "b": "5"}
	f.has("a", "5")
	f.has("b", "5")
	f.listed = func() { // e-conomic and the database move on together
		f.stock["a"] = "4"
		f.has("a", "4")
		delete(f.stock, "b")
		f.exec("UPDATE items SET state = 'gone', stock = NULL, in_stock = NULL WHERE number = 'b'")
		f.stock["c"] = "1"
		f.has("c", "1")
	}
	if lines, d := f.read(nil, nil); lines != nil || !d.Equal() {
		t.Errorf("expected it equal, got %q", lines)
	}
}

// TestDiffListsTwice: many differences are confirmed by a second listing, in as many calls as that
// takes, and losses one by one; what has become equal, or differs only now, is no difference.
func TestDiffListsTwice(t *testing.T) {
	f := newFixture(t)
	for n := range 250 {
		f.stock[fmt.Sprintf("new%03d", n)] = "1"
	}
	f.stock["zz"] = "0"
	for _, number := range []string{"zz", "gone", "late"} {
		f.has(number, "5")
	}
	f.stock["late"] = "5"
	f.listed = func() {
		f.has("new000", "1")
		f.stock["late"], f.stock["bad"] = "4", `"x"`
	}
	lines, d := f.read(nil, nil)
	if len(lines) != 251 || lines[0] != "gone gone" || lines[1] != "new001 created" || lines[250] != "zz stock" {
		t.Errorf("%d differences: %q", len(lines), lines)
	}
	for _, i := range d.Stock.Items {
		if !i.Twice {
			t.Errorf("%s was read only once", i.Number)
		}
	}
	if d.Losses() != 2 || d.Stock.AtEconomic != 253 || d.Stock.Stored != 4 || len(d.Notes) != 0 || len(d.Unreadable) != 1 {
		t.Errorf("losses %d, %+v, notes %q, unreadable %+v", d.Losses(), d.Stock.AtEconomic, d.Notes, d.Unreadable)
	}
	products := slices.DeleteFunc(slices.Clone(f.asked), func(path string) bool { return !strings.HasPrefix(path, "/products") })
	slices.Sort(products)
	same(t, products, "/products", "/products", "/products/gone", "/products/zz")
}

// TestDiffLossesLiedTwice: what two listings agree on is no loss if the item itself denies it; and
// what is a loss on the second one alone is asked for too.
func TestDiffLossesLiedTwice(t *testing.T) {
	f := newFixture(t)
	for n := range 50 {
		f.stock[fmt.Sprintf("new%03d", n)] = "1"
	}
	for _, number := range []string{"hidden", "later", "sold"} {
		f.has(number, "5")
		f.stock[number] = "6"
	}
	f.unlisted = "hidden"
	f.stock["hidden"] = "5"
	f.listed = func() { f.stock["sold"] = "0" }
	lines, d := f.read(nil, nil)
	if len(lines) != 52 || !slices.Contains(lines, "later stock") || !slices.Contains(lines, "sold stock") || d.Losses() != 1 {
		t.Errorf("%d differences, %d losses: %q", len(lines), d.Losses(), lines)
	}
	products := slices.DeleteFunc(slices.Clone(f.asked), func(path string) bool { return !strings.HasPrefix(path, "/products") })
	slices.Sort(products)
	same(t, products, "/products", "/products", "/products/hidden", "/products/sold")
}

// TestDiffTells: who waits is told how far each listing has come.
func TestDiffTells(t *testing.T) {
	f := newFixture(t)
	f.stock = map[string]string{"a": "5", "b": "1"}
	f.has("a", "4")
	f.invoices = []string{booked(1, "2026-11-02")}
	var told []string
	f.Tell = func(what string, done, of int) { told = append(told, fmt.Sprintf("%d of %d %s", done, of, what)) }
	f.read(nil, nil)
	same(t, told, "2 of 2 items read at e-conomic", "1 of 2 differences read once more at e-conomic", "2 of 2 differences read once more at e-conomic", "1 of 1 invoices read at e-conomic")
}

func TestDiffTrouble(t *testing.T) {
	for name, c := range map[string]struct {
		set      func(f *fixture)
		items    []string
		invoices []int64
		says     string
	}{
		"cut short":               {set: func(f *fixture) { f.results = 2 }, says: "announced 3 items and sent 1"},
		"cut short, invoices":     {set: func(f *fixture) { f.results, f.Shop.StockOn = 2, false }, says: "announced 2 invoices and sent 0"},
		"stock off, an item":      {set: func(f *fixture) { f.Shop.StockOn = false }, items: []string{"a"}, says: "--item: stock is off"},
		"invoices off, a number":  {set: func(f *fixture) { f.Shop.InvoicesOn = false }, invoices: []int64{1}, says: "--invoice: invoices are off"},
		"stock is kept elsewhere": {set: func(f *fixture) { f.Shop.StockSource = store.SourceRackbeat }, items: []string{"a"}, says: "kept in Rackbeat, whose key is not stored"},
		"both are off":            {set: func(f *fixture) { f.Shop.StockOn, f.Shop.InvoicesOn = false, false }, says: "nothing to compare"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.stock = map[string]string{"a": "5"}
			c.set(f)
			_, err := f.Read(t.Context(), c.items, c.invoices)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("expected an error with %q, got %v", c.says, err)
			}
		})
	}
}

func TestDiffNotes(t *testing.T) {
	for name, c := range map[string]struct {
		set   func(f *fixture)
		notes []string
	}{
		"none":              {set: func(*fixture) {}},
		"stock off":         {set: func(f *fixture) { f.Shop.StockOn = false }, notes: []string{"stock is off for shop1234"}},
		"invoices off":      {set: func(f *fixture) { f.Shop.InvoicesOn = false }, notes: []string{"invoices are off for shop1234"}},
		"another agreement": {set: func(f *fixture) { f.Progress.AgreementNumber = 6 }, notes: []string{"answers for agreement 7, Other ApS; shop1234 is agreement 6"}},
		"no figures":        {set: func(f *fixture) { f.stock["a"] = "" }, notes: []string{"none of e-conomic's 1 items carries a stock figure"}},
		"losses held back": {set: func(f *fixture) { // for so long that those before would count no more now
			now := time.Now()
			f.LossWindow, f.Progress.Holds = time.Hour, plan.Holds{{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Since: now.Add(-3 * time.Hour)}}
			for number, ago := range map[string]time.Duration{"before": 5 * time.Hour, "shortly before": 3*time.Hour + 30*time.Minute} {
				f.exec("INSERT INTO recent_losses (shop, number, lost_us, gone) VALUES ('shop1234', ?, ?, 0)", number, now.Add(-ago).UnixMicro())
			}
		}, notes: []string{`1 items had lost their stock within 1h when the shop was held, without a webhook: they count too (` + "`lagerd why shop1234 NUMBER` shows when and how" + `): "shortly before"`}},
		"losses held back for the second time": {set: func(f *fixture) { // the losses have not aged in the first
			now := time.Now()
			f.LossWindow, f.Progress.Holds = time.Hour, plan.Holds{{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Since: now}}
			f.exec("INSERT INTO loss_clocks (shop, held_us) VALUES ('shop1234', ?)", (2 * time.Hour).Microseconds())
			for number, ago := range map[string]time.Duration{"before": 3*time.Hour + time.Minute, "shortly before": 3*time.Hour - time.Minute} {
				f.exec("INSERT INTO recent_losses (shop, number, lost_us, gone) VALUES ('shop1234', ?, ?, 0)", number, now.Add(-ago).UnixMicro())
			}
		}, notes: []string{`count too (` + "`lagerd why shop1234 NUMBER` shows when and how" + `): "shortly before"`}},
		"zeroes": {set: func(f *fixture) { f.stock["a"] = "0" }, notes: []string{"every stock figure at e-conomic is zero"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.stock = map[string]string{"a": "5"}
			c.set(f)
			_, d := f.read(nil, nil)
			if len(d.Notes) != len(c.notes) {
				t.Fatalf("expected the notes %q, got %q", c.notes, d.Notes)
			}
			for n, says := range c.notes {
				if !strings.Contains(d.Notes[n], says) {
					t.Errorf("expected a note with %q, got %q", says, d.Notes[n])
				}
			}
		})
	}
}

func TestDiffWritesNothing(t *testing.T) {
	f := newFixture(t)
	f.stock = map[string]string{"a": "5", "b": "1"}
	f.has("a", "4")
	f.has("c", "4")
	f.invoices = []string{booked(1, "2026-11-02")}
	version := func() (n int) { // differs once another connection has committed anything
		must(t, f.db.QueryRow("PRAGMA data_version").Scan(&n))
		return n
	}
	before := version()
	if lines, _ := f.read(nil, nil); len(lines) != 4 {
		t.Errorf("got %q", lines)
	}
	if version() != before {
		t.Error("something was written")
	}
	must(t, f.Store.SetShop(t.Context(), "shop1234", time.Now(), func(*store.Shop) error { return nil }))
	if version() == before {
		t.Error("the test would not notice a write")
	}
}

func number(s string) decimal.NullDecimal {
	return decimal.NewNullDecimal(decimal.RequireFromString(s))
}

// sample has what is hard to write: numbers with commas, quotes, blanks and a
// leading =, absent figures, decimals that a float would not keep.
var sample = reconcile.Differences{
	Shop: "shop1234", ReadAt: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
	Stock: &reconcile.StockDiff{AtEconomic: 300, Stored: 298, Items: []reconcile.ItemDifference{
		{Difference: plan.Difference{Number: `=1+1`, Name: "Formula", What: plan.WhatCreated,
			Economic:   plan.Side{State: plan.StateOK, Stock: number("999999999999999.1234")},
			EconomicAt: time.Date(2026, 11, 23, 11, 58, 0, 0, time.UTC)}, Twice: true},
		{Difference: plan.Difference{Number: `a, "b"`, Name: "Bolt, 5\" <steel>\x1b[31m", What: plan.WhatGone, Loss: true,
			Stored: plan.Side{State: plan.StateOK, Stock: number("2.50")}, Economic: plan.Side{State: plan.StateGone}},
			HintSince: time.Date(2026, 11, 23, 11, 59, 30, 0, time.UTC), Twice: true},
		{Difference: plan.Difference{Number: "c ", What: plan.WhatStock,
			Stored:   plan.Side{State: plan.StateOK, Stock: number("-3"), Figures: plan.Figures{Available: number("1")}},
			Economic: plan.Side{State: plan.StateOK, Stock: number("-3")}}},
	}},
	Invoices: &reconcile.InvoicesDiff{AtEconomic: 40, Stored: 39, Invoices: []reconcile.InvoiceDifference{
		{Number: 7, What: plan.WhatBooked, Date: "2026-11-22"},
		{Number: 8, What: reconcile.WhatNoPDF, Date: "2026-11-22", Tries: 3, Error: "not found, \"yet\""},
	}},
	Notes: []string{"a note"},
}

func written(t *testing.T, write func(d status.Diff, b *bytes.Buffer) error, d reconcile.Differences) string {
	t.Helper()
	var b bytes.Buffer
	must(t, write(status.DiffOf(d), &b))
	return b.String()
}

func TestDiffTable(t *testing.T) {
	table := func(d status.Diff, b *bytes.Buffer) error { return d.WriteTable(b, 120) }
	want := strings.TrimPrefix(`
INVOICE  WHAT    DATE        HINT OPEN SINCE  TRIES
      7  booked  2026-11-22  -                    0
      8  no_pdf  2026-11-22  -                    3
  error: not found, "yet"
40 invoices at e-conomic, 39 stored: 2 differences

ITEM    NAME                        WHAT     STORED             E-CONOMIC  STATE      LOSS  HINT OPEN SINCE
=1+1    Formula                     created       -  999999999999999.1234  - → ok     -     -
a, "b"  Bolt, 5" <steel>\u001b[31m  gone        2.5                     -  ok → gone  loss  2026-11-23 11:59
"c "    -                           stock        -3                    -3  ok         -     -
  available 1 → -
300 items at e-conomic, 298 stored: 3 differences, 1 of them a loss
`, "\n")
	if diff := cmp.Diff(want, written(t, table, sample)); diff != "" {
		t.Error(diff)
	}
	equal := reconcile.Differences{Stock: &reconcile.StockDiff{AtEconomic: 1, Stored: 1}, Invoices: &reconcile.InvoicesDiff{}}
	if diff := cmp.Diff("0 invoices at e-conomic, 0 stored: equal\n1 item at e-conomic, 1 stored: equal\n", written(t, table, equal)); diff != "" {
		t.Error(diff)
	}
	equal.Unreadable = []reconcile.Unreadable{{Kind: plan.KindStock, Number: "x"}}
	if out := written(t, table, equal); !strings.HasSuffix(out, "1 item at e-conomic, 1 stored: 0 differences, 1 could not be compared\n") {
		t.Errorf("what cannot be compared is not equal: %s", out)
	}
}

func TestDiffCSV(t *testing.T) {
	csvOf := func(d status.Diff, b *bytes.Buffer) error { return d.WriteCSV(b) }
	out := written(t, csvOf, sample)
	want := "kind,number,name,what,stock_stored,stock_at_economic,state_stored,state_at_economic,economic_changed_at,hint_open_since,loss,looked_at_twice,date,tries,error,note\n" +
		"stock,=1+1,Formula,created,-,999999999999999.1234,-,ok,2026-11-23T11:58:00Z,-,false,true,,,,\n" +
		"stock,\"a, \"\"b\"\"\",\"Bolt, 5\"\" <steel>\\u001b[31m\",gone,2.5,-,ok,gone,-,2026-11-23T11:59:30Z,true,true,,,,\n" +
		"stock,c ,,stock,-3,-3,ok,ok,-,-,false,false,,,,available 1 → -\n" +
		"invoice,7,,booked,,,,,,-,,,2026-11-22,0,,\n" +
		"invoice,8,,no_pdf,,,,,,-,,,2026-11-22,3,\"not found, \"\"yet\"\"\",\n"
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
	lines, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	must(t, err)
	for n, i := range sample.Stock.Items {
		if lines[n+1][1] != i.Number {
			t.Errorf("item %q is read as %q", i.Number, lines[n+1][1])
		}
	}
}

func TestDiffJSON(t *testing.T) {
	out := written(t, func(d status.Diff, b *bytes.Buffer) error { return d.WriteJSON(b) }, sample)
	var got map[string]any
	must(t, json.Unmarshal([]byte(out), &got))
	stock := got["stock"].([]any)
	got["stock"], got["invoices"] = len(stock), len(got["invoices"].([]any))
	if diff := cmp.Diff(map[string]any{
		"shop": "shop1234", "read_at": "2026-11-23T12:00:00Z", "equal": false, "losses": 1.0,
		"items_at_economic": 300.0, "items_stored": 298.0, "invoices_at_economic": 40.0, "invoices_stored": 39.0,
		"stock_source": "e-conomic", "stock": 3, "invoices": 2, "unreadable": []any{}, "notes": []any{"a note"},
	}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{
		"number": "=1+1", "name": "Formula", "what": "created", "stock_stored": nil, "stock_at_economic": "999999999999999.1234",
		"state_stored": nil, "state_at_economic": "ok", "economic_changed_at": "2026-11-23T11:58:00Z", "hint_open_since": nil,
		"loss": false, "looked_at_twice": true,
	}, stock[0]); diff != "" {
		t.Error(diff)
	}
	empty := written(t, func(d status.Diff, b *bytes.Buffer) error { return d.WriteJSON(b) }, reconcile.Differences{Stock: &reconcile.StockDiff{}})
	for _, part := range []string{`"equal": true`, `"stock": []`, `"invoices": []`, `"items_at_economic": 0`, `"invoices_at_economic": null`} {
		if !strings.Contains(empty, part) {
			t.Errorf("no %s in %s", part, empty)
		}
	}
}

// TestDiffRefused: a refused token has an error of its own, for which the command line says
// what to do.
func TestDiffRefused(t *testing.T) {
	f := newFixture(t)
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"message":"Not authorized","errorCode":"E01000"}`, http.StatusUnauthorized)
	}))
	defer refusing.Close()
	client, err := economic.New(economic.Options{RESTURL: refusing.URL, AppSecretToken: "app"})
	must(t, err)
	f.Account = economicsource.Account{Client: client, Agreement: client.Agreement("secret-grant", nil)}
	_, err = f.Read(t.Context(), nil, nil)
	if economic.KindOf(err) != economic.KindUnauthorized || strings.Contains(err.Error(), "secret-grant") {
		t.Errorf("got %v", err)
	}
}

// TestDiffOfManyLosses: of very many losses a person is told which were read once more and which were
// not.
func TestDiffOfManyLosses(t *testing.T) {
	const all, again = 203, 200
	f := newFixture(t)
	f.stock["there"] = "1"
	f.has("there", "1")
	for n := range all {
		f.has(fmt.Sprintf("gone-%03d", n), "1")
	}
	_, d := f.read(nil, nil)
	var once []string
	for _, i := range d.Stock.Items {
		if !i.Twice {
			once = append(once, i.Number)
		}
	}
	if want := []string{"gone-200", "gone-201", "gone-202"}; len(d.Stock.Items) != all || !slices.Equal(once, want) {
		t.Errorf("of %d differences %q were read once, expected %d and %q", len(d.Stock.Items), once, all, want)
	}
	if note := fmt.Sprintf("%d of the %d differences were read only once", all-again, all); len(d.Notes) != 1 || !strings.Contains(d.Notes[0], note) {
		t.Errorf("the notes are %q, expected %q", d.Notes, note)
	}
}
