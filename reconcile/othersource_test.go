package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/sirupsen/logrus"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/source"
	"lagerd/store"
)

// shelf is a source that can do no more than list its items and read one: it answers no
// change query and no filter, does not say when an item changed, and tells only what is
// in stock.
type shelf struct {
	stock       []int // of the items "0", "1", …
	asked       []string
	paged       bool          // a pass reads one page
	parts       int           // calls that a page takes before the one that shows it
	pause       time.Duration // until another call may be made
	pausesAfter int           // pages
	failsAt     map[int]error // reads of pages
	endless     bool          // each page announces another

	four map[int]int  // what of them is in place 4, the rest being in place 1; nil: the shop has chosen no places
	bare map[int]bool // items without a figure
	odd  map[int]bool // items that cannot be understood

	invoices booklet
}

const shelfPage = 2

func (s *shelf) Can() source.Capabilities {
	return source.Capabilities{Name: "the shelf", Figures: map[plan.Figure]string{plan.FigureInStock: "pieces"}}
}

func (s *shelf) item(n int) plan.Observation {
	o := plan.Observation{Item: plan.Item{Number: fmt.Sprint(n)}, Began: time.Now(), Found: true}
	if s.bare[n] {
		return o
	}
	o.Item.Figures.InStock = decimal.NewNullDecimal(decimal.NewFromInt(int64(s.stock[n])))
	if s.four != nil {
		o.Places = []plan.PlaceStock{{Place: "1", InStock: decimal.NewFromInt(int64(s.stock[n] - s.four[n]))}, {Place: "4", InStock: decimal.NewFromInt(int64(s.four[n]))}}
	}
	return o
}

var errOdd = &source.Error{Class: plan.ClassNumber, Err: errors.New("it cannot be understood")}

func (s *shelf) Item(_ context.Context, _ source.Priority, number string) (plan.Observation, error) {
	s.asked = append(s.asked, number)
	n := 0
	if _, err := fmt.Sscan(number, &n); err != nil || n >= len(s.stock) {
		return plan.Observation{Item: plan.Item{Number: number}, Began: time.Now()}, nil //nolint:nilerr // no such number
	}
	if s.odd[n] {
		return plan.Observation{}, errOdd
	}
	return s.item(n), nil
}

func (s *shelf) Items(_ context.Context, _ source.Priority, q source.ItemsQuery, link source.Link) (source.Page[plan.Observation], error) {
	if !q.Since.IsZero() || len(q.Numbers) > 0 {
		return source.Page[plan.Observation]{}, fmt.Errorf("the shelf is asked for %+v", q)
	}
	n, part := 0, 0
	_, _ = fmt.Sscanf(string(link), "%d.%d", &n, &part)
	p := source.Page[plan.Observation]{Announced: len(s.stock), Began: time.Now()}
	if part < s.parts {
		s.asked = append(s.asked, fmt.Sprintf("page %d, part %d", n, part))
		p.Unfinished, p.Next = true, source.Link(fmt.Sprintf("%d.%d", n, part+1))
		return p, nil
	}
	s.asked = append(s.asked, fmt.Sprint("page ", n))
	if err := s.failsAt[n]; err != nil {
		return source.Page[plan.Observation]{}, err
	}
	for i := n * shelfPage; i < min((n+1)*shelfPage, len(s.stock)); i++ {
		if s.odd[i] {
			p.Unreadable = append(p.Unreadable, plan.Unreadable{Number: fmt.Sprint(i), Err: errOdd})
			continue
		}
		p.Observed = append(p.Observed, s.item(i))
	}
	if (n+1)*shelfPage < len(s.stock) || s.endless {
		p.Next = source.Link(fmt.Sprint(n + 1))
	}
	return p, nil
}

func (s *shelf) Together([]string) int { return 0 }

func (s *shelf) Cursor(time.Time, source.Times, time.Duration) time.Time {
	panic("the shelf is asked for a cursor")
}

// shelves is a source.Service for a shelf.
type shelves struct{ *shelf }

func (s shelves) Budget(string, int64, source.Made, source.StockBudget) source.Budget { return s }
func (s shelves) Spare(source.Priority) int                                           { return 1000 }
func (s shelves) Spent(source.Priority) bool                                          { return false }
func (s shelves) Made() source.Made                                                   { return source.Made{} }
func (s shelves) Restore(source.Made)                                                 {}
func (s shelves) Close()                                                              {}
func (s shelves) Account(string) source.Account                                       { return s }
func (s shelves) StockAccount(string) source.StockAccount                             { return s }
func (s shelves) Stock(plan.Figure, ...string) source.Stock                           { return s.shelf }
func (s shelves) Invoices(plan.OrderField) source.Invoices                            { return &s.shelf.invoices }
func (s shelves) Pause(source.Priority) time.Duration {
	if len(s.asked) < s.pausesAfter {
		return 0
	}
	return s.pause
}
func (s shelves) Self(context.Context, source.Priority) (source.Self, error) {
	return source.Self{AgreementNumber: 7}, nil
}

// booklet has invoices, two to a page: those that can be read are true. Their PDFs are
// not made yet.
type booklet struct {
	booked map[int64]bool
	asked  []string
	fails  error // of listings
}

func (b *booklet) List(_ context.Context, _ source.Priority, q source.InvoicesQuery, link source.Link) (source.Page[plan.Invoice], error) {
	if b.fails != nil {
		return source.Page[plan.Invoice]{}, b.fails
	}
	var numbers []int64
	for n := range b.booked {
		if q.DateFrom != "" || q.Descending || q.HasAfter && n > q.After || slices.ContainsFunc(q.Ranges, func(r plan.Range) bool { return r.From <= n && n <= r.To }) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	skip, size := 0, shelfPage
	_, _ = fmt.Sscan(string(link), &skip)
	if q.Descending {
		size = len(numbers)
	}
	p := source.Page[plan.Invoice]{Announced: len(numbers), Began: time.Now()}
	b.asked = append(b.asked, fmt.Sprintf("page %d", skip/size))
	for _, n := range numbers[skip:min(skip+size, len(numbers))] {
		b.add(&p, n)
	}
	if skip+size < len(numbers) {
		p.Next = source.Link(fmt.Sprint(skip + size))
	}
	return p, nil
}

func (b *booklet) add(p *source.Page[plan.Invoice], n int64) {
	if b.booked[n] {
		p.Observed = append(p.Observed, plan.Invoice{Number: n, Date: "2026-11-20"})
	} else {
		p.Unreadable = append(p.Unreadable, plan.Unreadable{Number: fmt.Sprint(n), Err: errors.New("it cannot be read")})
	}
}

func (b *booklet) Invoice(_ context.Context, _ source.Priority, n int64) (source.Page[plan.Invoice], []string, error) {
	b.asked = append(b.asked, fmt.Sprint(n))
	p := source.Page[plan.Invoice]{Began: time.Now()}
	if _, booked := b.booked[n]; booked {
		b.add(&p, n)
	}
	return p, nil, nil
}

func (b *booklet) Lines(context.Context, source.Priority, int64) ([]string, error) { return nil, nil }

func (b *booklet) PDF(context.Context, source.Priority, int64, string) ([]byte, error) {
	return nil, &source.Error{Class: plan.ClassNumber, Err: errors.New("it is not made yet")}
}

func (b *booklet) Together(ranges []plan.Range) int { return len(ranges) }

// shop returns a Shop whose stock is on the shelf.
func (s *shelf) shop(t *testing.T, f *fixture, figure plan.Figure) *reconcile.Shop {
	t.Helper()
	log := logrus.New()
	log.SetOutput(t.Output())
	turn := time.Minute
	if s.paged {
		turn = 0
	}
	shops := reconcile.New(reconcile.Options{
		Store: f.Store, Source: shelves{s}, Open: func(string, []byte) (string, error) { return "grant", nil }, Log: log, Observer: make(passes, 100),
		Now: time.Now, Jitter: func(time.Duration) time.Duration { return 0 },
		Limits: reconcile.Limits{PDFConcurrency: 4, DailyCalls: 50_000, PageSize: shelfPage, ListingTurn: turn, UnpackAtOnce: store.UnpackedHints, HintCaps: plan.UsualHintCaps(),
			KeepHistory: 24 * time.Hour, KeepHints: time.Hour},
		Policy: plan.Policy{Overlap: 5 * time.Minute, SweepEvery: 24 * time.Hour, RetryMin: time.Second, RetryMax: time.Minute, HeldRetry: time.Minute, GapWindow: time.Hour,
			LossPercent: 25, LossMin: 20, LossWindow: time.Hour, LossWindowPercent: 50, LossWindowMin: 50},
	})
	must(t, f.Store.TakeLeases(t.Context(), []string{f.Shop.Shop}, "", "me", time.Now()))
	leases, err := f.Store.Leases(t.Context())
	must(t, err)
	f.Shop.StockFigure = figure
	return shops.Shop(new(f.Shop), leases[0].Token)
}

// TestAnotherSource: a source is not asked for what it cannot do.
func TestAnotherSource(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Shop.InvoicesOn = false
	s := &shelf{stock: []int{10, 11, 12, 13, 14}}
	shop := s.shop(t, f, plan.FigureInStock)
	pages := []string{"page 0", "page 1", "page 2"}
	for _, c := range []struct {
		name    string
		change  func()
		due     reconcile.Due
		asked   []string
		changes int
	}{
		{"the first tick", func() {}, reconcile.Due{Tick: true}, pages, 0}, // a first sweep is no history
		{"nothing is due", func() {}, reconcile.Due{}, nil, 0},
		{"a tick", func() { s.stock[3] = 9 }, reconcile.Due{Tick: true}, pages, 1},
		{"a hint", func() {
			s.stock[4] = 8
			must(t, f.Store.RecordHints(t.Context(), []store.HintRecord{{Shop: f.Shop.Shop, Kind: plan.KindStock, Number: "4", Cause: plan.CauseOperator, At: time.Now()}}))
		}, reconcile.Due{Work: true}, []string{"4"}, 1},
		{"an item of its own is new", func() { s.stock = append(s.stock, 5) }, reconcile.Due{Tick: true}, pages, 1},
	} {
		s.asked = nil
		c.change()
		report, err := shop.RunOnce(t.Context(), c.due)
		must(t, err)
		if !slices.Equal(s.asked, c.asked) || report.Changes != c.changes || report.Again || report.Listing || !report.Ticked.IsZero() != c.due.Tick {
			t.Errorf("%s: asked for %q, %+v: expected %q and %d changes", c.name, s.asked, report, c.asked, c.changes)
		}
	}
	p, err := f.Store.Progress(t.Context(), f.Shop.Shop)
	must(t, err)
	if !p.ItemsCursor.IsZero() || p.SweptAt.IsZero() || p.Items != 6 || p.Drift != 0 {
		t.Errorf("%+v", p)
	}
}

// TestTickDuringListing: ticks that come while a listing is running are followed by one more, at
// once: what has changed since its page was read does not wait for the tick after.
func TestTickDuringListing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Shop.InvoicesOn = false
	s := &shelf{stock: []int{10, 11, 12, 13, 14}, paged: true}
	shop := s.shop(t, f, plan.FigureInStock)
	tick, work := reconcile.Due{Tick: true}, reconcile.Due{Work: true}
	for n, c := range []struct {
		due     reconcile.Due
		asked   string
		changes int
		again   bool
	}{
		{tick, "page 0", 0, true}, {work, "page 1", 0, true}, {work, "page 2", 0, false}, // the first listing
		{work, "", 0, false},
		{tick, "page 0", 1, true}, {tick, "page 1", 0, true}, {tick, "page 2", 0, true},
		{work, "page 0", 1, true}, {work, "page 1", 0, true}, {work, "page 2", 0, false},
		{work, "", 0, false},
	} {
		s.asked = nil
		s.stock[0]++ // after its page was read, in all passes but those that read it
		report, err := shop.RunOnce(t.Context(), c.due)
		must(t, err)
		if asked := strings.Join(s.asked, ", "); asked != c.asked || report.Changes != c.changes || report.Again != c.again {
			t.Errorf("pass %d: asked for %q, %d changes, again %t: expected %+v", n, asked, report.Changes, report.Again, c)
		}
	}
}

// TestListingPauses: while the calls a minute do not allow a listing's next page, the pass ends and
// the shop's hints are read.
func TestListingPauses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Shop.InvoicesOn = false
	s := &shelf{stock: []int{10, 11, 12, 13, 14}}
	shop := s.shop(t, f, plan.FigureInStock)
	tick, work := reconcile.Due{Tick: true}, reconcile.Due{Work: true}
	const pause = 50 * time.Millisecond
	for n, c := range []struct {
		pause time.Duration // after as many pages
		pages int
		hint  bool
		wait  time.Duration // before the pass
		due   reconcile.Due
		asked string
		after bool
	}{
		{0, 0, false, 0, tick, "page 0, page 1, page 2", false}, // the first listing
		{pause, 0, false, 0, tick, "", true},
		{pause, 0, true, 0, work, "4", true},
		{pause, 0, false, 0, work, "", true},
		{pause, 1, false, pause, work, "page 0", true},
		{0, 0, false, pause, work, "page 1, page 2", false},
		{0, 0, false, 0, work, "", false},
	} {
		s.asked, s.pause, s.pausesAfter = nil, c.pause, c.pages
		if c.hint {
			s.stock[4]++
			must(t, f.Store.RecordHints(t.Context(), []store.HintRecord{{Shop: f.Shop.Shop, Kind: plan.KindStock, Number: "4", Cause: plan.CauseOperator, At: time.Now()}}))
		}
		time.Sleep(c.wait)
		report, err := shop.RunOnce(t.Context(), c.due)
		must(t, err)
		asked := strings.Join(s.asked, ", ")
		if asked != c.asked || (report.After > 0) != c.after || report.After > pause || report.Again || report.Listing != c.after {
			t.Errorf("pass %d: asked for %q, %+v: expected %+v", n, asked, report, c)
		}
	}
}

// TestPageOfSeveralCalls: a page that takes several calls counts as one, whatever the passes in which
// they are made; between any two of them a pass may end, and the shop's hints are read.
func TestPageOfSeveralCalls(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Shop.InvoicesOn = false
	s := &shelf{stock: []int{10, 11, 12, 13, 14}, parts: 2}
	shop := s.shop(t, f, plan.FigureInStock)
	const pause = time.Millisecond
	pass := func(calls int, due reconcile.Due, want string, after bool) {
		t.Helper()
		s.asked, s.pause, s.pausesAfter = nil, pause, calls
		time.Sleep(pause)
		report, err := shop.RunOnce(t.Context(), due)
		must(t, err)
		if asked := strings.Join(s.asked, ", "); asked != want || (report.After > 0) != after || report.Again || report.Listing != after {
			t.Errorf("asked for %q, %+v: expected %q, and to go on: %t", asked, report, want, after)
		}
	}
	tick, work := reconcile.Due{Tick: true}, reconcile.Due{Work: true}
	pass(100, tick, "page 0, part 0, page 0, part 1, page 0, page 1, part 0, page 1, part 1, page 1, page 2, part 0, page 2, part 1, page 2", false) // the first listing
	for n := range s.stock {
		s.stock[n] += 10
	}
	pass(1, tick, "page 0, part 0", true)
	must(t, f.Store.RecordHints(t.Context(), []store.HintRecord{{Shop: f.Shop.Shop, Kind: plan.KindStock, Number: "4", Cause: plan.CauseOperator, At: time.Now()}}))
	pass(2, work, "4, page 0, part 1", true)
	pass(2, work, "page 0, page 1, part 0", true)
	pass(100, work, "page 1, part 1, page 1, page 2, part 0, page 2, part 1, page 2", false)
	for n, want := range []string{"20", "21", "22", "23", "24"} {
		f.stockIs(fmt.Sprint(n), want)
	}

	// The listing becomes shorter while a page is being read: it turns back by whole pages.
	pass(7, tick, "page 0, part 0, page 0, part 1, page 0, page 1, part 0, page 1, part 1, page 1, page 2, part 0", true)
	s.stock = s.stock[:4]
	s.asked, s.pausesAfter = nil, 100
	time.Sleep(pause)
	_, err := shop.RunOnce(t.Context(), work)
	must(t, err)
	if asked := strings.Join(s.asked, ", "); asked != "page 2, part 1, page 2, page 1, part 0, page 1, part 1, page 1" {
		t.Errorf("a page that is shorter: asked for %q", asked)
	}
}

// TestAssessPageOfSeveralCalls: the page that is assessed is read to its end.
func TestAssessPageOfSeveralCalls(t *testing.T) {
	t.Parallel()
	s := &shelf{stock: []int{10, 11, 12}, parts: 3}
	a, err := reconcile.AssessPage(t.Context(), s)
	if err != nil || a.Items != shelfPage || a.WithFigures != shelfPage || len(s.asked) != 4 {
		t.Errorf("%+v, %v, asked for %q", a, err, s.asked)
	}
}

// TestFigureThatIsNotTold: a shop that sells by a figure that its source does not have gets an
// error; absent is not zero.
func TestFigureThatIsNotTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Shop.InvoicesOn = false
	s := &shelf{stock: []int{10}}
	_, err := s.shop(t, f, plan.FigureAvailable).RunOnce(t.Context(), reconcile.Due{Tick: true})
	if err == nil || !strings.Contains(err.Error(), `shop shop1234: the shelf has no figure "available"`) || len(s.asked) > 0 {
		t.Errorf("got %v, asked for %q", err, s.asked)
	}
}

// TestInvoicesBeginBesideOneThatCannotBeRead: a number is known although the rest of its
// invoice is not. Where the first page shows all invoices that there are, those below
// the lowest stay wanted: one may be booked already and not be listed yet.
func TestInvoicesBeginBesideOneThatCannotBeRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Shop.StockOn = false
	s := &shelf{invoices: booklet{booked: map[int64]bool{3: true, 4: false, 5: true}}}
	if _, err := s.shop(t, f, "").RunOnce(t.Context(), reconcile.Due{Tick: true}); err != nil {
		t.Fatal(err)
	}
	p, err := f.Store.Progress(t.Context(), f.Shop.Shop)
	must(t, err)
	if p.InvoiceCursor != 5 || len(p.Gaps) != 1 || p.Gaps[0].Range != (plan.Range{From: 1, To: 2}) {
		t.Errorf("the cursor is %d, the gaps %+v: expected 5, and 1 to 2", p.InvoiceCursor, p.Gaps)
	}
}

// TestHintedInvoicesOnSeveralPages: invoices requested together are not taken for absent if
// they are on later pages.
func TestHintedInvoicesOnSeveralPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Shop.StockOn = false
	s := &shelf{invoices: booklet{booked: map[int64]bool{5: true}}}
	shop := s.shop(t, f, "")
	if _, err := shop.RunOnce(t.Context(), reconcile.Due{Tick: true}); err != nil {
		t.Fatal(err)
	}
	s.invoices.booked = map[int64]bool{1: true, 2: true, 3: true, 5: true, 6: true, 7: false}
	var hints []store.HintRecord
	for _, number := range []string{"1", "2", "3", "4", "6", "7"} {
		hints = append(hints, store.HintRecord{Shop: f.Shop.Shop, Kind: plan.KindInvoice, Number: number, Cause: plan.CauseOperator, At: time.Now()})
	}
	must(t, f.Store.RecordHints(t.Context(), hints))
	s.invoices.asked = nil
	if _, err := shop.RunOnce(t.Context(), reconcile.Due{Work: true}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"page 0", "page 1", "page 2"}; !slices.Equal(s.invoices.asked, want) {
		t.Errorf("asked for %q, expected %q", s.invoices.asked, want)
	}
	stored, err := f.Store.StoredInvoices(t.Context(), f.Shop.Dataset, []int64{1, 2, 3, 4, 5, 6, 7})
	must(t, err)
	if want := map[int64]bool{1: true, 2: true, 3: true, 5: true, 6: true}; !maps.Equal(stored, want) {
		t.Errorf("stored %v, expected %v", stored, want)
	}
}

// TestHintedInvoiceOnTwoPages: when an invoice is booked while several are read together, another one
// moves onto the next page: it is stored once.
func TestHintedInvoiceOnTwoPages(t *testing.T) {
	t.Parallel()
	d := newDesk(t, readShop, func(d *desk) { d.invoicePage = 2 })
	d.books(43, 45, 47)
	d.before["invoices 41-41 43-43 45-45 47-47 from 2"] = func() { d.books(41) }
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "41", "43", "45", "47")
	d.step("a pass", work)
	d.are("SELECT number, COUNT(*) FROM changes GROUP BY number ORDER BY number", "43 | 1", "45 | 1", "47 | 1")
	d.are("SELECT number, tries FROM hints WHERE open", "41 | 1")
}
