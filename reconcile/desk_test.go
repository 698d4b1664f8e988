package reconcile_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/shopspring/decimal"
	"github.com/sirupsen/logrus"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/source"
	"lagerd/store"
)

// desk is a shop, its source and its clock, all of which a test scripts. Nothing runs by itself:
// the test runs each pass, and compares all calls to the source, in order, and all rows. Most
// calls take a second, so that it matters which of two times is stored.
type desk struct {
	*fixture
	*reconcile.Shop
	reconcile.Options

	Reconciler *reconcile.Reconciler

	holder string

	mu      sync.Mutex
	clock   time.Time
	asked   []string          // calls, as "priority what"
	told    []string          // what the observer is told
	logged  []string          // from level info on
	before  map[string]func() // called once when that call comes, before its answer
	refused map[string]error  // what calls fail with; "": all of them
	panics  string            // the call that panics, once

	agreement int64
	items     map[string]plan.Observation
	unread    []plan.Unreadable // items
	changed   []string          // what a change query shows
	others    []string          // what several items asked for together show beside them
	announced int               // in addition to what is sent
	itemsFit  int
	page      int
	figures   bool
	noChanges bool

	booked         map[int64]plan.Invoice
	unreadInvoices []plan.Unreadable
	ignoresFilters bool // of invoices: it sends all
	ignoresSort    bool // of invoices: the lowest number is first
	lines          map[int64][]string
	rangesFit      int
	invoicePage    int

	spare int
	spent bool

	journal []string
}

// newDesk returns the desk of a shop that has never been read.
func newDesk(t *testing.T, set ...func(d *desk)) *desk {
	t.Helper()
	d := &desk{
		fixture: newFixture(t), clock: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), before: map[string]func(){}, refused: map[string]error{},
		agreement: 7, items: map[string]plan.Observation{}, page: 100, itemsFit: 10, booked: map[int64]plan.Invoice{}, lines: map[int64][]string{},
		rangesFit: 10, invoicePage: 100, spare: 1000, figures: true,
	}
	log := logrus.New()
	log.SetOutput(t.Output())
	log.AddHook(d)
	d.Options = reconcile.Options{
		Store: d.fixture.Store, Source: desktop{d}, Open: func(string, []byte) (string, error) { return "grant", nil }, Log: log, Observer: d,
		Now: d.now, Jitter: func(most time.Duration) time.Duration { return most },
		Limits: reconcile.Limits{PDFConcurrency: 1, DailyCalls: 50_000, PageSize: 100, ListingTurn: time.Minute, UnpackAtOnce: store.UnpackedHints, HintCaps: plan.UsualHintCaps(),
			KeepHistory: 240 * time.Hour, KeepHints: 24 * time.Hour},
		Policy: plan.Policy{Overlap: 5 * time.Minute, Rereads: []time.Duration{time.Minute, 5 * time.Minute}, SweepEvery: 24 * time.Hour,
			RetryMin: 10 * time.Second, RetryMax: 10 * time.Minute, HeldRetry: 10 * time.Minute, GapWindow: time.Hour, LateWithin: 15 * time.Minute,
			LossPercent: 25, LossMin: 20, LossWindow: time.Hour, LossWindowPercent: 50, LossWindowMin: 50},
	}
	for _, s := range set {
		s(d)
	}
	d.take()
	return d
}

// take gives the shop's lease to another holder, which has seen nothing yet.
func (d *desk) take() {
	d.t.Helper()
	must(d.t, d.fixture.Store.TakeLeases(d.t.Context(), []string{shopName}, d.holder, "me", d.now()))
	d.holder = "me"
	leases, err := d.fixture.Store.Leases(d.t.Context())
	must(d.t, err)
	if d.Reconciler == nil {
		d.Reconciler = reconcile.New(d.Options)
	}
	d.Shop = d.Reconciler.Shop(new(d.fixture.Shop), leases[0].Token)
}

// sweptShop makes the shop one that has been read, of so many items that ticks do not list them.
func sweptShop(d *desk) {
	now := store.At(d.clock)
	d.exec("UPDATE progress SET agreement_number = 7, items = 5000, swept_at = ?, items_cursor = ?, invoices_begun = 1, invoices_swept_at = ?", now, now, now)
}

func stockOff(d *desk)    { d.fixture.Shop.StockOn = false }
func invoicesOff(d *desk) { d.fixture.Shop.InvoicesOn = false }

func (d *desk) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.clock
}

func (d *desk) later(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clock = d.clock.Add(by)
}

// step runs a pass and journals its calls, its outcome, and what the observer and people are told.
func (d *desk) step(name string, due reconcile.Due) {
	d.t.Helper()
	d.asked, d.told, d.logged = nil, nil, nil
	report, err := d.RunOnce(d.t.Context(), due)
	d.write("== %s", name)
	for _, line := range d.asked {
		d.write("%s", line)
	}
	if len(d.told) > 0 {
		d.write("told: %s", strings.Join(d.told, ", "))
	}
	for _, line := range d.logged {
		d.write("%s", line)
	}
	var came []string
	for _, flag := range []struct {
		is   bool
		name string
	}{{!report.Ticked.IsZero(), "ticked"}, {report.Again, "again"}, {report.Listing, "listing"}, {report.Idle, "idle"}, {report.Stopped, "stopped"}, {!report.Tried, "not tried"}} {
		if flag.is {
			came = append(came, flag.name)
		}
	}
	if report.Changes > 0 {
		came = append(came, fmt.Sprint(report.Changes, " changes"))
	}
	if report.Short != nil {
		came = append(came, "short: "+report.Short.Error())
	}
	if err != nil {
		came = append(came, "failed: "+strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	d.write("%s", cmp.Or("-> "+strings.Join(came, ", "), "->"))
}

// show journals rows.
func (d *desk) show(queries ...string) {
	d.t.Helper()
	for _, q := range queries {
		name, query, _ := strings.Cut(q, ": ")
		rows := d.rows(query)
		if len(rows) == 0 {
			d.write("no %s", name)
		}
		for _, row := range rows {
			d.write("%s: %s", name, row)
		}
	}
}

func (d *desk) write(format string, args ...any) {
	line := strings.NewReplacer("`", "'", "\n", "; ").Replace(strings.TrimSpace(fmt.Sprintf(format, args...)))
	d.journal = append(d.journal, line)
}

// saw compares the journal.
func (d *desk) saw(want string) {
	d.t.Helper()
	if diff := gocmp.Diff(strings.Split(strings.Trim(want, "\n"), "\n"), d.journal); diff != "" {
		d.t.Errorf("%s\nThe whole journal:\n%s\nEnd of the journal", diff, strings.Join(d.journal, "\n"))
	}
}

// rows returns the rows of a query, one text each. Times are without the date of the first day.
func (d *desk) rows(query string) []string {
	d.t.Helper()
	rows, err := d.db.Query(query)
	must(d.t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	must(d.t, err)
	var list []string
	for rows.Next() {
		values, to := make([]any, len(columns)), make([]any, len(columns))
		for n := range values {
			to[n] = &values[n]
		}
		must(d.t, rows.Scan(to...))
		var texts []string
		for _, v := range values {
			if at, ok := v.(time.Time); ok {
				v = strings.TrimPrefix(at.Format(time.DateTime), "2026-11-20 ")
			}
			text := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(v), "2026-11-20 "), ".000000")
			texts = append(texts, text)
		}
		list = append(list, strings.Join(texts, " | "))
	}
	must(d.t, rows.Err())
	return list
}

const (
	hints     = "hint: SELECT number, CASE WHEN open THEN 'open' ELSE 'answered' END, cause, seen_gen, tries, failures, refused, CASE WHEN open THEN due_at ELSE '' END, reason, note FROM hints ORDER BY kind, number"
	invoices  = "invoice: SELECT number, order_number, cause, found_at, lines_read, pdf_state, COALESCE(work_due_at, ''), work_tries, work_refused, work_error FROM invoices ORDER BY number"
	stock     = "item: SELECT number, COALESCE(stock, 'none'), state, observed_at FROM items ORDER BY number"
	openHints = "open: SELECT number, due_at FROM hints WHERE open ORDER BY kind, number"
	held      = "hold: SELECT scope, reason, detail, since FROM holds ORDER BY scope"
	changes   = "change: SELECT kind, number, what, cause, webhook, observed_at FROM changes ORDER BY token, seq, n"
	warned    = "warning: SELECT kind, number, warning FROM warnings ORDER BY kind, number"
	requests  = "request: SELECT request, COALESCE(done_at, 'open'), changes, failure FROM requests ORDER BY request"
	window    = "window: SELECT invoice_cursor, COALESCE((SELECT GROUP_CONCAT(from_number || '-' || to_number, ' ') FROM (SELECT * FROM invoice_gaps ORDER BY from_number)), 'no gaps') FROM progress"
	sweptAt   = "swept: SELECT COALESCE(invoices_swept_at, 'never'), invoices_begun, COALESCE(swept_at, 'never'), COALESCE(items_cursor, 'no cursor'), items FROM progress"
)

// hint records a hint that comes now.
func (d *desk) hinted(kind plan.Kind, cause plan.Cause, numbers ...string) {
	d.t.Helper()
	var list []store.HintRecord
	for _, n := range numbers {
		list = append(list, store.HintRecord{Shop: shopName, Kind: kind, Number: n, Cause: cause, At: d.now()})
	}
	must(d.t, d.fixture.Store.RecordHints(d.t.Context(), list))
}

// webhook records a webhook in a batch of its own.
func (d *desk) webhook(numbers ...string) {
	d.t.Helper()
	for _, n := range numbers {
		must(d.t, d.fixture.Store.RecordWebhooks(d.t.Context(), []store.HintRecord{{Shop: shopName, Kind: plan.KindStock, Number: n, Cause: plan.CauseWebhook, At: d.now()}}))
	}
}

// requested records a person's request.
func (d *desk) requested(id, what string) {
	d.t.Helper()
	must(d.t, d.fixture.Store.AddRequests(d.t.Context(), []store.Request{{Request: id, Shop: shopName, What: what, RequestedAt: store.At(d.now())}}))
}

// sells gives an item a stock at the source; "": no figure.
func (d *desk) sells(number, stock string) {
	o := plan.Observation{Item: plan.Item{Number: number, Name: "Thing"}, Found: true}
	if stock != "" {
		o.Item.Figures.InStock = decimal.NewNullDecimal(decimal.RequireFromString(stock))
	}
	d.items[number] = o
}

// books books invoices at the source.
func (d *desk) books(numbers ...int64) {
	for _, n := range numbers {
		d.booked[n] = plan.Invoice{Number: n, Date: "2026-11-20", Currency: "DKK", OtherReference: fmt.Sprint("W-", n), PDFLink: fmt.Sprint("link of ", n)}
	}
}

func failed(class plan.Class, text string) error {
	return &source.Error{Class: class, Err: errors.New(text)}
}

var priorities = map[source.Priority]string{source.PrioritySweep: "sweep", source.PriorityPDF: "pdf", source.PriorityUnknown: "unknown", source.PriorityInvoice: "invoice", source.PriorityHint: "hint", source.PriorityTick: "tick", source.PriorityPerson: "person"}

// call journals a call. It returns when the call began, and what it fails with.
func (d *desk) call(p source.Priority, what string) (began time.Time, err error) {
	d.mu.Lock()
	d.asked = append(d.asked, priorities[p]+" "+what)
	began = d.clock
	first := d.before[what]
	delete(d.before, what)
	if d.panics == what {
		d.panics = ""
		d.mu.Unlock()
		panic("no " + what)
	}
	d.mu.Unlock()
	if first != nil {
		first()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !strings.HasPrefix(what, "PDF ") && !strings.HasPrefix(what, "lines ") { // those are read concurrently
		d.clock = d.clock.Add(time.Second)
	}
	return began, cmp.Or(d.refused[what], d.refused[""])
}

// desktop is the desk as a source.
type desktop struct{ *desk }

func (d desktop) Budget(string, int64, source.Made, source.StockBudget) source.Budget { return d }
func (d desktop) Spare(source.Priority) int                                           { return d.spare }
func (d desktop) Pause(source.Priority) time.Duration                                 { return 0 }
func (d desktop) Spent(source.Priority) bool                                          { return d.spent }
func (d desktop) Made() source.Made                                                   { return source.Made{} }
func (d desktop) Restore(source.Made)                                                 {}
func (d desktop) Close()                                                              {}
func (d desktop) Account(string) source.Account                                       { return d }
func (d desktop) StockAccount(string) source.StockAccount                             { return d }
func (d desktop) Stock(plan.Figure, ...string) source.Stock                           { return deskStock(d) }
func (d desktop) Invoices(plan.OrderField) source.Invoices                            { return deskInvoices(d) }

func (d desktop) Self(_ context.Context, p source.Priority) (source.Self, error) {
	_, err := d.call(p, "self")
	return source.Self{AgreementNumber: d.agreement}, err
}

type deskStock struct{ *desk }

func (d deskStock) Can() source.Capabilities {
	can := source.Capabilities{Name: "the desk", Changes: !d.noChanges, Resolution: time.Minute, Figures: map[plan.Figure]string{plan.FigureInStock: "pieces", plan.FigureAvailable: "free pieces"}}
	if !d.figures {
		can.Figures = nil
	}
	return can
}

func (d deskStock) Item(_ context.Context, p source.Priority, number string) (plan.Observation, error) {
	began, err := d.call(p, "item "+number)
	o := d.items[number]
	o.Item.Number, o.Began = number, began
	return o, err
}

func (d deskStock) Items(_ context.Context, p source.Priority, q source.ItemsQuery, link source.Link) (source.Page[plan.Observation], error) {
	what, numbers, unread := "items", slices.Sorted(maps.Keys(d.items)), d.unread
	switch {
	case !q.Since.IsZero():
		what, numbers = "changes since "+q.Since.Format("15:04:05"), d.changed
	case len(q.Numbers) > 0:
		what, numbers, unread = "items "+strings.Join(q.Numbers, " "), slices.Concat(q.Numbers, d.others), nil
	}
	if link != "" {
		what += " from " + string(link)
	}
	began, err := d.call(p, what)
	if err != nil {
		return source.Page[plan.Observation]{}, err
	}
	var list []plan.Observation
	for _, n := range numbers {
		if o, ok := d.items[n]; ok {
			o.Began = began
			list = append(list, o)
		}
	}
	return pageOf(d.desk, list, unread, d.page, link, began), nil
}

func (d deskStock) Together(numbers []string) int { return min(len(numbers), d.itemsFit) }

func (d deskStock) Cursor(was time.Time, read source.Times, _ time.Duration) time.Time {
	if read.Began.After(was) {
		return read.Began
	}
	return was
}

// pageOf returns the page of a list that a link leads to. The last one has what cannot be read.
func pageOf[T any](d *desk, list []T, unread []plan.Unreadable, size int, link source.Link, began time.Time) source.Page[T] {
	page := source.Page[T]{Announced: d.announced + len(list) + len(unread), Began: began}
	from, _ := strconv.Atoi(string(link))
	to := min(from+size, len(list))
	page.Observed = list[min(from, to):to]
	if to < len(list) {
		page.Next = source.Link(strconv.Itoa(to))
	} else {
		page.Unreadable = unread
	}
	return page
}

type deskInvoices struct{ *desk }

func (d deskInvoices) List(_ context.Context, p source.Priority, q source.InvoicesQuery, link source.Link) (source.Page[plan.Invoice], error) {
	what := "invoices"
	if q.DateFrom != "" {
		what += " dated " + q.DateFrom
	}
	if q.Descending {
		what += " newest"
	}
	if q.HasAfter {
		what += fmt.Sprint(" above ", q.After)
	}
	for _, r := range q.Ranges {
		what += fmt.Sprintf(" %d-%d", r.From, r.To)
	}
	if link != "" {
		what += " from " + string(link)
	}
	began, err := d.call(p, what)
	if err != nil {
		return source.Page[plan.Invoice]{}, err
	}
	wanted := func(n int64, date string) bool {
		return d.ignoresFilters || q.Descending || q.DateFrom != "" && date >= q.DateFrom || q.HasAfter && n > q.After ||
			slices.ContainsFunc(q.Ranges, func(r plan.Range) bool { return r.From <= n && n <= r.To })
	}
	var list []plan.Invoice
	for _, n := range slices.Sorted(maps.Keys(d.booked)) {
		if wanted(n, d.booked[n].Date) {
			list = append(list, d.booked[n])
		}
	}
	if q.Descending && !d.ignoresSort {
		slices.Reverse(list)
	}
	var unread []plan.Unreadable
	for _, u := range d.unreadInvoices {
		if n, err := strconv.ParseInt(u.Number, 10, 64); err != nil || wanted(n, "2026-11-20") {
			unread = append(unread, u)
		}
	}
	return pageOf(d.desk, list, unread, d.invoicePage, link, began), nil
}

func (d deskInvoices) Invoice(_ context.Context, p source.Priority, n int64) (source.Page[plan.Invoice], []string, error) {
	began, err := d.call(p, fmt.Sprint("invoice ", n))
	page := source.Page[plan.Invoice]{Began: began, Announced: 1}
	if inv, booked := d.booked[n]; booked {
		page.Observed = []plan.Invoice{inv}
	}
	for _, u := range d.unreadInvoices {
		if u.Number == fmt.Sprint(n) {
			page.Unreadable = []plan.Unreadable{u}
		}
	}
	return page, d.lines[n], err
}

func (d deskInvoices) Lines(_ context.Context, p source.Priority, n int64) ([]string, error) {
	_, err := d.call(p, fmt.Sprint("lines ", n))
	return d.lines[n], err
}

func (d deskInvoices) PDF(_ context.Context, p source.Priority, n int64, link string) ([]byte, error) {
	_, err := d.call(p, fmt.Sprint("PDF ", n))
	if err != nil {
		return nil, err
	}
	if link != "" && link != fmt.Sprint("link of ", n) {
		return nil, fmt.Errorf("invoice %d is asked for by the %s", n, link)
	}
	return fmt.Appendf(nil, "PDF of %d", n), nil
}

func (d deskInvoices) Together(ranges []plan.Range) int { return min(len(ranges), d.rangesFit) }

// The desk also is the observer and the log.

func (d *desk) tell(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, fmt.Sprintf(format, args...))
}

func (d *desk) Changed(_ string, changes []plan.Change, at time.Time) {
	for _, c := range changes {
		d.tell("changed %s %s at %s", c.Kind, c.Number, at.Format(time.TimeOnly))
	}
}
func (d *desk) PDFStored(_ string, size int)    { d.tell("PDF of %d bytes", size) }
func (d *desk) BadItem(string)                  { d.tell("bad item") }
func (d *desk) Warned(_ string, kind plan.Kind) { d.tell("warned of %s", kind) }
func (d *desk) Overflowed(_ string, marked, tooOld int64) {
	d.tell("%d webhooks marked, %d too old", marked, tooOld)
}
func (d *desk) Levels() []logrus.Level { return logrus.AllLevels[:logrus.InfoLevel+1] }
func (d *desk) Fire(e *logrus.Entry) error {
	line := e.Level.String() + ": " + e.Message
	for _, key := range slices.Sorted(maps.Keys(e.Data)) {
		if key != "shop" && key != "stack" {
			line += fmt.Sprintf(" %s=%v", key, e.Data[key])
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.logged = append(d.logged, line)
	return nil
}

// are compares the rows of a query.
func (d *desk) are(query string, want ...string) {
	d.t.Helper()
	if diff := gocmp.Diff(want, d.rows(query), cmpopts.EquateEmpty()); diff != "" {
		d.t.Errorf("%s:\n%s", query, diff)
	}
}
