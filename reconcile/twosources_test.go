package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/source"
	"lagerd/store"
)

// account is a service with one account, which may fail.
type account struct {
	shelves
	number int64
	self   error // what the read of self returns
	reads  error // what every other read returns
	fails  error // what pages of items return after the first
	hangs  bool  // no answer begins in time
	asked  []string
	parts  int // in its budget, that have not ended
	made   source.Made
}

func (a *account) Budget(string, int64, source.Made, source.StockBudget) source.Budget {
	a.parts++
	return a
}
func (a *account) Close()                                    { a.parts-- }
func (a *account) Made() source.Made                         { return a.made }
func (a *account) Account(string) source.Account             { return a }
func (a *account) StockAccount(string) source.StockAccount   { return a }
func (a *account) Stock(plan.Figure, ...string) source.Stock { return stockOf{a.shelf, a} }
func (a *account) Invoices(plan.OrderField) source.Invoices  { return invoicesOf{&a.invoices, a} }
func (a *account) Self(context.Context, source.Priority) (source.Self, error) {
	a.asked = append(a.asked, "self")
	if a.hangs {
		return source.Self{}, errHanging
	}
	return source.Self{AgreementNumber: a.number}, a.self
}

var errHanging = &source.Error{Class: plan.ClassHanging, Err: errors.New("no answer")}

// begin notes a read, and returns an error if it hangs.
func (a *account) begin(ctx context.Context, what string) error {
	if most := source.Patience(ctx); most != time.Second {
		what += fmt.Sprint(" in ", most)
	}
	a.asked = append(a.asked, what)
	switch {
	case a.hangs && source.Patience(ctx) > 0:
		return &source.Error{Class: plan.ClassSilent, Err: errors.New("no answer yet")}
	case a.hangs:
		return errHanging
	}
	return nil
}

// stockService is an account that has stock only.
type stockService struct{ *account }

func (s stockService) Budget(string, int64, source.Made, source.StockBudget) source.StockBudget {
	s.parts++
	return s.account
}

type stockOf struct {
	*shelf
	of *account
}

func (s stockOf) Item(ctx context.Context, p source.Priority, number string) (plan.Observation, error) {
	s.of.asked = append(s.of.asked, "item "+number)
	if s.of.reads != nil {
		return plan.Observation{}, s.of.reads
	}
	return s.shelf.Item(ctx, p, number)
}

func (s stockOf) Items(ctx context.Context, p source.Priority, q source.ItemsQuery, link source.Link) (source.Page[plan.Observation], error) {
	if err := s.of.begin(ctx, "items"); err != nil {
		return source.Page[plan.Observation]{}, err
	}
	if s.of.fails != nil && link != "" {
		s.of.self = selfOf(s.of.fails)
		return source.Page[plan.Observation]{}, s.of.fails
	}
	if s.of.reads != nil {
		return source.Page[plan.Observation]{}, s.of.reads
	}
	return s.shelf.Items(ctx, p, q, link)
}

// selfOf returns what self answers where pages fail like this.
func selfOf(fails error) error {
	if source.ClassOf(fails) == plan.ClassShop {
		return fails
	}
	return nil
}

type invoicesOf struct {
	*booklet
	of *account
}

func (i invoicesOf) List(ctx context.Context, p source.Priority, q source.InvoicesQuery, link source.Link) (source.Page[plan.Invoice], error) {
	if err := i.of.begin(ctx, "invoices"); err != nil {
		return source.Page[plan.Invoice]{}, err
	}
	if i.of.reads != nil {
		return source.Page[plan.Invoice]{}, i.of.reads
	}
	return i.booklet.List(ctx, p, q, link)
}

// twoSources is a shop whose invoices are read from one service and whose stock from another.
type twoSources struct {
	*fixture
	invoices, stock *account
	now             time.Time
	shop            *reconcile.Shop
	shops           *reconcile.Reconciler
	log             *test.Hook
}

func newTwoSources(t *testing.T) *twoSources {
	t.Helper()
	f := newFixture(t)
	x := &twoSources{fixture: f, now: time.Now(),
		invoices: &account{shelves: shelves{&shelf{invoices: booklet{booked: map[int64]bool{1: true}}}}, number: 7},
		stock:    &account{shelves: shelves{&shelf{stock: []int{10, 11}}}, number: 70},
	}
	must(t, f.Store.ChangeStockSource(t.Context(), f.Shop.Shop, store.StockChange{Source: store.SourceRackbeat, Key: []byte("sealed")}, time.Now()))
	var err error
	f.Shop, err = f.Store.Shop(t.Context(), f.Shop.Shop)
	must(t, err)
	log, hook := test.NewNullLogger()
	log.SetOutput(t.Output())
	x.log = hook
	x.shops = reconcile.New(reconcile.Options{
		Store: f.Store, Source: x.invoices, Rackbeat: stockService{x.stock},
		Open: func(string, []byte) (string, error) { return "token", nil }, OpenRackbeat: func(string, []byte) (string, error) { return "key", nil }, Log: log, Observer: make(passes, 1000),
		Now: func() time.Time { return x.now }, Jitter: func(time.Duration) time.Duration { return 0 },
		Limits: reconcile.Limits{RackbeatDailyCalls: 86_400, PDFConcurrency: 4, DailyCalls: 50_000, PageSize: shelfPage, ListingTurn: time.Minute, UnpackAtOnce: store.UnpackedHints, HintCaps: plan.UsualHintCaps(),
			KeepHistory: 24 * time.Hour, KeepHints: time.Hour},
		Policy: plan.Policy{Overlap: 5 * time.Minute, SweepEvery: 24 * time.Hour, RetryMin: 2 * time.Minute, RetryMax: time.Hour, HeldRetry: 10 * time.Minute, GapWindow: time.Hour,
			LossPercent: 25, LossMin: 20, LossWindow: time.Hour, LossWindowPercent: 50, LossWindowMin: 50},
	})
	must(t, f.Store.TakeLeases(t.Context(), []string{f.Shop.Shop}, "", "me", time.Now()))
	leases, err := f.Store.Leases(t.Context())
	must(t, err)
	x.shop = x.shops.Shop(new(f.Shop), leases[0].Token)
	return x
}

// tick runs a tick and returns what each service was asked for, once each.
func (x *twoSources) tick(t *testing.T) (report reconcile.Report, invoices, stock string, err error) {
	t.Helper()
	return x.pass(t, reconcile.Due{Tick: true, Work: true})
}

func (x *twoSources) pass(t *testing.T, due reconcile.Due) (report reconcile.Report, invoices, stock string, err error) {
	t.Helper()
	x.invoices.asked, x.stock.asked = nil, nil
	report, err = x.shop.RunOnce(t.Context(), due)
	once := func(asked []string) string {
		return strings.Join(slices.Compact(slices.Sorted(slices.Values(asked))), ", ")
	}
	return report, once(x.invoices.asked), once(x.stock.asked), err
}

// ticks runs a tick that does not fail.
func (x *twoSources) ticks(t *testing.T) reconcile.Report {
	t.Helper()
	report, _, _, err := x.tick(t)
	must(t, err)
	return report
}

func (x *twoSources) holds(t *testing.T) string {
	t.Helper()
	p, err := x.Store.Progress(t.Context(), x.Shop.Shop)
	must(t, err)
	return p.Holds.Codes()
}

// TestTwoSources: what one service does never stops what is read from the other.
func TestTwoSources(t *testing.T) {
	t.Parallel()
	refused, forbidden := &source.Error{Class: plan.ClassShop, Err: errors.New("401")}, &source.Error{Class: plan.ClassPart, Err: errors.New("403")}
	broken := &source.Error{Class: plan.ClassInterrupted, Err: errors.New("502")}
	unplaced := &source.Error{Class: plan.ClassChoice, Err: errors.New("no place 4")}
	type asked struct{ invoices, stock string }
	both := asked{"invoices", "items"}
	for name, c := range map[string]struct {
		breaks, mends func(x *twoSources)
		broken        asked // in the tick after it breaks
		holds         string
		partial       bool
		later         asked // in a tick a second later
		mended        asked
	}{
		"nothing": {func(*twoSources) {}, func(*twoSources) {}, both, "", false, both, both},
		"the key is refused": {func(x *twoSources) { x.stock.self, x.stock.reads = refused, refused }, func(x *twoSources) { x.stock.self, x.stock.reads = nil, nil },
			asked{"invoices", "items, self"}, "stock: token_refused", true, asked{"invoices", ""}, asked{"invoices", "items, self"}},
		"the key may not read items": {func(x *twoSources) { x.stock.reads = forbidden }, func(x *twoSources) { x.stock.reads = nil },
			both, "stock: forbidden", false, asked{"invoices", ""}, both},
		"a chosen place is gone": {func(x *twoSources) { x.stock.reads = unplaced }, func(x *twoSources) { x.stock.reads = nil },
			both, "stock: places_changed", false, asked{"invoices", ""}, both},
		"stock is broken": {func(x *twoSources) { x.stock.reads = broken }, func(x *twoSources) { x.stock.reads = nil },
			both, "", true, asked{"invoices", ""}, both},
		"nobody says whose the key is": {func(x *twoSources) { x.now, x.stock.self = x.now.Add(2*time.Hour), broken }, func(x *twoSources) { x.stock.self = nil },
			asked{"invoices, self", "self"}, "", true, asked{"invoices", ""}, asked{"invoices", "items, self"}},
		"e-conomic's token is refused": {func(x *twoSources) { x.invoices.self, x.invoices.reads = refused, refused }, func(x *twoSources) { x.invoices.self, x.invoices.reads = nil, nil },
			asked{"invoices, self", "items"}, "invoices: token_refused", true, asked{"", "items"}, asked{"invoices, self", "items"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTwoSources(t)
			for pass := 0; ; pass++ { // until the shop shows its items at Rackbeat
				report := x.ticks(t)
				if !report.Ticked.IsZero() {
					break
				}
				if pass == 5 {
					t.Fatalf("the first ticks: %+v", report)
				}
			}
			expect := func(step string, after time.Duration, want asked, partial bool) {
				t.Helper()
				x.stock.shelf.stock[1]++
				x.now = x.now.Add(after)
				report, invoices, stock, err := x.tick(t)
				must(t, err)
				if got := (asked{invoices, stock}); got != want || report.Partial != partial || (report.Short != nil) != partial || report.Stopped {
					t.Errorf("%s: %+v are asked for, expected %+v: %+v", step, got, want, report)
				}
			}
			c.breaks(x)
			expect("broken", time.Minute, c.broken, c.partial)
			if got := x.holds(t); got != c.holds {
				t.Errorf("held: %q, expected %q", got, c.holds)
			}
			expect("a second later", time.Second, c.later, c.partial)
			c.mends(x)
			expect("mended", 10*time.Minute, c.mended, false)
			if got := x.holds(t); got != "" {
				t.Errorf("mended, it is still held: %q", got)
			}
		})
	}
}

// TestSilence: no pass of a shop that is read from two services waits for one that does not answer.
// Whether it answers again is asked beside the passes, and then what it has missed is read.
func TestSilence(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]func(x *twoSources) (silent *account, order func(invoices, stock string) (silent, other string)){
		"e-conomic": func(x *twoSources) (*account, func(invoices, stock string) (string, string)) {
			return x.invoices, func(invoices, stock string) (string, string) { return invoices, stock }
		},
		"Rackbeat": func(x *twoSources) (*account, func(invoices, stock string) (string, string)) {
			return x.stock, func(invoices, stock string) (string, string) { return stock, invoices }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTwoSources(t)
			silent, order := of(x)
			for pass := 0; ; pass++ {
				report, _, _, err := x.tick(t)
				must(t, err)
				if !report.Ticked.IsZero() {
					break
				}
				if pass == 5 {
					t.Fatalf("the first ticks: %+v", report)
				}
			}
			kind, other := order("invoices", "items")
			tick, work, person := reconcile.Due{Tick: true, Work: true}, reconcile.Due{Work: true}, reconcile.Due{Tick: true, Requested: true}
			var asking func(context.Context)
			for _, c := range []struct {
				step    string
				after   time.Duration
				hangs   bool
				answers bool // what was asked beside the passes has ended
				due     reconcile.Due
				asked   string // of the silent service
				other   string
				asks    bool // self is asked for beside the passes
				failed  bool
				ticked  bool
			}{
				{"it answers", time.Minute, false, false, tick, kind, other, false, false, true},
				{"no answer begins", time.Minute, true, false, tick, kind, other, true, false, false},
				{"it is left alone", time.Minute, true, false, tick, "", other, false, false, false},
				{"self is not answered either", time.Minute, true, true, tick, "", other, false, true, false},
				{"it waits", 30 * time.Second, true, false, tick, "", other, false, true, false},
				{"it is asked again", 10 * time.Minute, true, false, tick, "", other, true, true, false},
				{"a person waits for it", time.Second, true, false, person, kind + " in 0s", other + " in 0s", false, true, false},
				{"self is answered", 10 * time.Minute, false, true, work, kind + " in 2s", "", false, false, false},
				{"the next tick", time.Minute, false, false, tick, kind + " in 2s", other, false, false, true},
				{"nothing is owed any more", time.Second, false, false, work, "", "", false, false, false},
				{"much later", time.Hour, false, false, tick, kind + ", self", other + ", self", false, false, true},
				{"it hangs again", time.Minute, true, false, tick, kind, other, true, false, false},
			} {
				x.now, silent.hangs = x.now.Add(c.after), c.hangs
				if c.answers {
					asking(t.Context())
				}
				x.stock.shelf.stock[1]++
				report, invoices, stock, err := x.pass(t, c.due)
				must(t, err)
				asked, others := order(invoices, stock)
				if asked != c.asked || others != c.other || (report.Beside != nil) != c.asks || report.Partial != (c.failed || c.asks || c.step == "it is left alone") || (report.Short != nil) != c.failed || !report.Ticked.IsZero() != c.ticked || report.Idle {
					t.Errorf("%s: asked for %q and of the other %q, %+v: expected %+v", c.step, asked, others, report, c)
				}
				if report.Beside != nil {
					asking = report.Beside.Calls[0]
				}
			}
		})
	}
}

// TestAnotherAccount: a token that answers for another agreement or account than the one that was read
// holds what is read with it, and nothing else.
func TestAnotherAccount(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		becomes func(x *twoSources)
		holds   string
		asked   string // of e-conomic | of Rackbeat
	}{
		"e-conomic": {func(x *twoSources) { x.invoices.number++ }, "invoices: agreement_changed", "self | items, self"},
		"Rackbeat":  {func(x *twoSources) { x.stock.number++ }, "stock: account_changed", "invoices, self | self"},
		"neither":   {func(*twoSources) {}, "", "invoices, self | items, self"},
	} {
		x := newTwoSources(t)
		for range 5 {
			x.ticks(t)
		}
		p, err := x.Store.Progress(t.Context(), x.Shop.Shop)
		must(t, err)
		if p.AgreementNumber != 7 || p.StockAccount != 70 {
			t.Errorf("%s: learnt are agreement %d and account %d", name, p.AgreementNumber, p.StockAccount)
		}
		c.becomes(x)
		x.now = x.now.Add(2 * time.Hour)
		_, invoices, stock, err := x.tick(t)
		must(t, err)
		if asked := invoices + " | " + stock; asked != c.asked || x.holds(t) != c.holds {
			t.Errorf("%s: asked for %q, held %q", name, asked, x.holds(t))
		}
	}
}

// TestNeitherCanBeRead: a pass fails only if nothing can be read with either token, because it fails or
// because it is held.
func TestNeitherCanBeRead(t *testing.T) {
	t.Parallel()
	refused, broken := &source.Error{Class: plan.ClassShop, Err: errors.New("401")}, &source.Error{Class: plan.ClassInterrupted, Err: errors.New("502")}
	for name, c := range map[string]struct {
		invoices, stock string
		fails           bool
	}{
		"both can":                       {"", "", false},
		"invoices fail":                  {"broken", "", false},
		"stock is held":                  {"", "held", false},
		"both fail":                      {"broken", "broken", true},
		"invoices fail, stock is held":   {"broken", "held", true},
		"invoices are held, stock fails": {"held", "broken", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTwoSources(t)
			for range 5 {
				x.ticks(t)
			}
			becomes := func(state string, self, reads error) {
				if c.invoices == state {
					x.invoices.self, x.invoices.reads = self, reads
				}
				if c.stock == state {
					x.stock.self, x.stock.reads = self, reads
				}
				x.now = x.now.Add(5 * time.Minute)
			}
			becomes("held", refused, refused)
			x.ticks(t)
			becomes("broken", nil, broken)
			report, _, _, err := x.tick(t)
			if (err != nil) != c.fails || c.fails && report.Partial {
				t.Errorf("%v, %+v", err, report)
			}
			if !c.fails {
				return
			}
			const backoff = time.Minute
			if report.RetryAfter != backoff {
				t.Errorf("it is to be tried again after %s, expected %s", report.RetryAfter, backoff)
			}
			// A pass that comes before is no idle one: nobody is to act.
			x.now = x.now.Add(backoff - 10*time.Second)
			report, invoices, stock, err := x.pass(t, reconcile.Due{Work: true})
			if err == nil || report.RetryAfter != 10*time.Second || report.Idle || !report.Ticked.IsZero() || invoices+stock != "" {
				t.Errorf("before that: %v, %+v, asked for %q and %q", err, report, invoices, stock)
			}
			x.now = x.now.Add(10 * time.Second)
			x.invoices.self, x.invoices.reads, x.stock.self, x.stock.reads = nil, nil, nil, nil
			if _, invoices, stock, err := x.tick(t); err != nil || c.invoices == "broken" && invoices == "" || c.stock == "broken" && stock == "" {
				t.Errorf("then: %v, asked for %q and %q", err, invoices, stock)
			}
		})
	}
}

// TestNothingCanBeRead: whatever keeps each of two tokens from being read, a pass that fails says when
// to try again, none asks for another at once, and the shop is idle only if both are held.
func TestNothingCanBeRead(t *testing.T) {
	t.Parallel()
	states := map[string]*source.Error{
		"held": {Class: plan.ClassShop, Err: errors.New("401")}, "broken": {Class: plan.ClassInterrupted, Err: errors.New("502")},
		"limited": {Class: plan.ClassBusy, Err: errors.New("429"), RetryAfter: time.Hour}, "hangs": nil,
	}
	for invoices := range states {
		for stock := range states {
			t.Run(invoices+", "+stock, func(t *testing.T) {
				t.Parallel()
				x := newTwoSources(t)
				for range 5 {
					x.ticks(t)
				}
				x.now = x.now.Add(5 * time.Minute)
				for side, state := range map[*account]string{x.invoices: invoices, x.stock: stock} {
					if err := states[state]; err == nil {
						side.hangs = true
					} else {
						side.self, side.reads = err, err
					}
				}
				for n := range 60 {
					report, _, _, err := x.pass(t, reconcile.Due{Tick: n%6 == 0, Work: true})
					if report.Beside != nil && n < 10 { // what is asked for beside later passes takes for ever
						for _, call := range report.Beside.Calls {
							call(t.Context())
						}
					}
					switch wait := report.RetryAfter; {
					case err != nil && wait < time.Second, err != nil && wait > 10*time.Minute && invoices+stock != "limitedlimited":
						t.Errorf("pass %d fails, and is to be tried again after %s: %v", n, wait, err)
					case report.Idle && (err != nil || invoices != "held" || stock != "held"):
						t.Errorf("pass %d: the shop is idle, %v", n, err)
					case !report.Ticked.IsZero():
						t.Errorf("pass %d: %+v, %v", n, report, err)
					}
					x.now = x.now.Add(10 * time.Second)
				}
			})
		}
	}
}

// TestTickOwedToASilentService: a tick that a silent service has missed is made up for once it answers.
func TestTickOwedToASilentService(t *testing.T) {
	t.Parallel()
	tick, sweep, work := reconcile.Due{Tick: true, Work: true}, reconcile.Due{Sweep: true, Work: true}, reconcile.Due{Work: true}
	for name, c := range map[string]struct {
		silent, alone reconcile.Due // the pass that gives up, and the next one
		fails         bool          // self is not answered either
		want          string
	}{
		"none":                           {sweep, work, false, ""},
		"the pass that gives up":         {tick, work, false, "invoices in 2s"},
		"the pass that leaves it alone":  {sweep, tick, false, "invoices in 2s"},
		"both":                           {tick, tick, false, "invoices in 2s"},
		"none, and then it fails":        {sweep, work, true, ""},
		"the first, and then it fails":   {tick, work, true, "invoices in 2s"},
		"the second, and then it fails":  {sweep, tick, true, "invoices in 2s"},
		"two of them, and then it fails": {tick, tick, true, "invoices in 2s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTwoSources(t)
			for range 5 {
				x.ticks(t)
			}
			pass := func(due reconcile.Due) (reconcile.Report, string) {
				t.Helper()
				x.now = x.now.Add(time.Second)
				report, invoices, _, err := x.pass(t, due)
				must(t, err)
				return report, invoices
			}
			x.invoices.hangs = true
			report, _ := pass(c.silent)
			if report.Beside == nil {
				t.Fatalf("it does not give up: %+v", report)
			}
			pass(c.alone)
			if c.fails {
				report.Beside.Calls[0](t.Context())
				pass(work)
				x.now = x.now.Add(time.Hour)
				if report, _ = pass(work); report.Beside == nil {
					t.Fatalf("it is not asked again: %+v", report)
				}
			}
			x.invoices.hangs = false
			report.Beside.Calls[0](t.Context())
			if _, asked := pass(work); strings.TrimSuffix(strings.TrimSuffix(asked, "self"), ", ") != c.want {
				t.Errorf("once it answers it is asked for %q, expected %q", asked, c.want)
			}
			if _, asked := pass(work); asked != "" {
				t.Errorf("then it is asked for %q", asked)
			}
		})
	}
}

// TestSweepWhileStockFails: a person who waits for a sweep is told that the stock's source refuses the
// key, or that it has failed twice, although the rest of the shop goes on.
func TestSweepWhileStockFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reads  *source.Error
		passes int // until then
	}{
		"refused": {&source.Error{Class: plan.ClassShop, Err: errors.New("401")}, 1},
		"broken":  {&source.Error{Class: plan.ClassInterrupted, Err: errors.New("502")}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTwoSources(t)
			x.stock.shelf.stock = []int{1, 2, 3, 4, 5} // several pages
			x.stock.fails = c.reads
			r := store.Request{Request: "r", Shop: x.Shop.Shop, What: store.WantSweep, RequestedAt: store.At(x.now)}
			must(t, x.Store.AddRequests(t.Context(), []store.Request{r}))
			for pass := 1; pass <= c.passes; pass++ {
				x.ticks(t)
				list, err := x.Store.Requests(t.Context(), []string{"r"})
				must(t, err)
				if done := !list[0].DoneAt.IsZero(); done != (pass == c.passes) || done != (list[0].Failure != "") {
					t.Errorf("after pass %d: done %t, told %q", pass, done, list[0].Failure)
				}
				x.now = x.now.Add(10 * time.Minute)
			}
		})
	}
}

// TestHintsBesideASourceThatFails: while one source fails, the hints of what is read from it are
// postponed, and those of what is read from the other are not.
func TestHintsBesideASourceThatFails(t *testing.T) {
	t.Parallel()
	broken := &source.Error{Class: plan.ClassInterrupted, Err: errors.New("502")}
	for name, c := range map[string]struct {
		fails func(x *twoSources)
		want  string // answered
	}{
		"stock fails":    {func(x *twoSources) { x.stock.reads = broken }, "invoice"},
		"invoices fails": {func(x *twoSources) { x.invoices.reads = broken }, "stock"},
	} {
		x := newTwoSources(t)
		for range 5 {
			x.ticks(t)
		}
		c.fails(x)
		x.now = x.now.Add(time.Minute)
		x.ticks(t)
		x.now = x.now.Add(time.Second)
		var hints []store.HintRecord
		for _, kind := range []plan.Kind{plan.KindStock, plan.KindInvoice} {
			hints = append(hints, store.HintRecord{Shop: x.Shop.Shop, Kind: kind, Number: "1", Cause: plan.CauseOperator, At: x.now})
		}
		must(t, x.Store.RecordHints(t.Context(), hints))
		x.ticks(t)
		var open []string
		for _, h := range hints {
			rows, err := x.Store.Hints(t.Context(), x.Shop.Shop, h.Kind, []string{"1"})
			must(t, err)
			if rows[0].Open {
				open = append(open, string(h.Kind))
			} else if string(h.Kind) != c.want {
				t.Errorf("%s: the hint of kind %s is answered", name, h.Kind)
			}
			if rows[0].Open && (rows[0].Reason != plan.HintFailed || !rows[0].DueAt.After(x.now)) {
				t.Errorf("%s: the hint of kind %s is %+v", name, h.Kind, rows[0])
			}
		}
		if len(open) != 1 {
			t.Errorf("%s: open are %q", name, open)
		}
	}
}

// TestHintOfPlacesThatAreGone: the first hint shows that the shop's choice of places no longer holds. It
// stays open, and is answered once the choice holds again.
func TestHintOfPlacesThatAreGone(t *testing.T) {
	t.Parallel()
	x := newTwoSources(t)
	for range 3 {
		x.ticks(t)
		x.now = x.now.Add(time.Minute)
	}
	x.stock.reads = &source.Error{Class: plan.ClassChoice, Err: errors.New("no place 4")}
	x.stock.shelf.stock[1] = 5
	must(t, x.Store.RecordHints(t.Context(), []store.HintRecord{{Shop: x.Shop.Shop, Kind: plan.KindStock, Number: "1", Cause: plan.CauseOperator, At: x.now}}))
	hint := func() store.Hint {
		t.Helper()
		rows, err := x.Store.Hints(t.Context(), x.Shop.Shop, plan.KindStock, []string{"1"})
		must(t, err)
		return rows[0]
	}
	for n, asked := range []string{"item 1", "", "item 1", ""} { // each try costs one read
		if n == 2 {
			x.now = x.now.Add(10 * time.Minute)
		}
		_, _, stock, err := x.pass(t, reconcile.Due{Work: true})
		must(t, err)
		if p, err := x.Store.Progress(t.Context(), x.Shop.Shop); err != nil || p.Holds.String() != "stock: places_changed: no place 4" {
			t.Errorf("pass %d: held: %s, %v", n, p.Holds, err)
		}
		if h := hint(); !h.Open || stock != asked || n%2 == 1 && (h.Reason != plan.HintPartHeld || h.Note != "waits, as stock: places_changed: no place 4") {
			t.Errorf("pass %d: asked for %q, the hint is %+v", n, stock, h)
		}
	}
	x.stock.reads = nil
	x.now = x.now.Add(10 * time.Minute)
	if _, _, _, err := x.pass(t, reconcile.Due{Work: true}); err != nil || x.holds(t) != "" || hint().Open {
		t.Errorf("the place is back: %v, held: %q, the hint is open: %t", err, x.holds(t), hint().Open)
	}
}

// TestAppTokenBesideAnotherSource: e-conomic's app token is suspected once several agreements refuse,
// whatever other sources answer meanwhile.
func TestAppTokenBesideAnotherSource(t *testing.T) {
	t.Parallel()
	x := newTwoSources(t)
	refused := &source.Error{Class: plan.ClassShop, Err: errors.New("401")}
	x.invoices.self, x.invoices.reads = refused, refused
	second := x.Shop
	second.Shop, second.StockSource = "second", store.SourceEconomic
	must(t, x.Store.AddShop(t.Context(), second, []byte("01234567890123456789012345678902"), time.Now()))
	second, err := x.Store.Shop(t.Context(), second.Shop)
	must(t, err)
	must(t, x.Store.TakeLeases(t.Context(), []string{second.Shop}, "", "me", time.Now()))
	leases, err := x.Store.Leases(t.Context())
	must(t, err)
	suspected := func() bool {
		return slices.ContainsFunc(x.log.AllEntries(), func(e *logrus.Entry) bool { return e.Message == reconcile.AppTokenSuspected })
	}
	x.ticks(t) // its stock is read
	if suspected() {
		t.Error("suspected after one agreement")
	}
	for _, l := range leases {
		if l.Shop == second.Shop {
			_, _ = x.shops.Shop(new(second), l.Token).RunOnce(t.Context(), reconcile.Due{Tick: true})
		}
	}
	if !suspected() {
		t.Error("two agreements refuse, and nothing is suspected")
	}
}

// TestPartsInBudgets: a shop has one part in the budget of each of its accounts, however often its
// settings change, and none in that of an account that it no longer reads: a part that is left behind
// would take its share of the calls, and the account's budget would never end.
func TestPartsInBudgets(t *testing.T) {
	t.Parallel()
	x := newTwoSources(t)
	expect := func(step string, invoices, stock int) {
		t.Helper()
		if x.invoices.parts != invoices || x.stock.parts != stock {
			t.Errorf("%s: %d parts in the budget of e-conomic, %d in that of the stock's source, expected %d and %d", step, x.invoices.parts, x.stock.parts, invoices, stock)
		}
	}
	changed := func() {
		t.Helper()
		var err error
		x.Shop, err = x.Store.Shop(t.Context(), x.Shop.Shop)
		must(t, err)
		x.shop.Change(new(x.Shop))
		x.ticks(t)
	}
	x.ticks(t)
	expect("the first tick", 1, 1)
	for range 3 {
		must(t, x.Store.SetShop(t.Context(), x.Shop.Shop, x.now, func(s *store.Shop) error {
			s.OrderPattern += "x"
			return nil
		}))
		changed()
		expect("other settings", 1, 1)
	}
	must(t, x.Store.ChangeStockSource(t.Context(), x.Shop.Shop, store.StockChange{Source: store.SourceEconomic}, x.now))
	changed()
	expect("stock is read from e-conomic", 1, 0)
	must(t, x.Store.ChangeStockSource(t.Context(), x.Shop.Shop, store.StockChange{Source: store.SourceRackbeat, Key: []byte("sealed")}, x.now))
	changed()
	expect("and from its own source again", 1, 1)
	x.shop.Close()
	expect("the end", 0, 0)
}

// TestCallsOfStockAreBooked: the shop's calls to its stock's own source are stored before they are
// made, a share of that source's day in advance, and no more often than they are used up.
func TestCallsOfStockAreBooked(t *testing.T) {
	t.Parallel()
	const advance, today, tomorrow = 86, "2026-11-23", "2026-11-24" // of Rackbeat's 86,400 calls
	x := newTwoSources(t)
	for _, c := range []struct {
		step string
		made source.Made
		want string
	}{
		{"the first calls", source.Made{Day: today, Calls: 5}, "2026-11-23 91"},
		{"within what is booked", source.Made{Day: today, Calls: 5 + advance - 1}, "2026-11-23 91"},
		{"all are made", source.Made{Day: today, Calls: 5 + advance}, "2026-11-23 177"},
		{"another day", source.Made{Day: tomorrow, Calls: 0}, "2026-11-24 86"},
	} {
		x.stock.made = c.made
		x.now = x.now.Add(time.Minute)
		x.ticks(t)
		p, err := x.Store.Progress(t.Context(), x.Shop.Shop)
		must(t, err)
		if got := fmt.Sprint(p.StockCallsDay, " ", p.StockCalls); got != c.want {
			t.Errorf("%s: stored are %s, expected %s", c.step, got, c.want)
		}
	}
}

// TestAnotherSourceAsksForTime: a source that says when it takes calls again is left alone until then,
// however short the shop's own backoff is.
func TestAnotherSourceAsksForTime(t *testing.T) {
	t.Parallel()
	x := newTwoSources(t)
	for range 5 {
		x.ticks(t)
	}
	x.stock.reads = &source.Error{Class: plan.ClassInterrupted, Err: errors.New("503"), RetryAfter: 30 * time.Minute}
	for _, c := range []struct {
		after time.Duration
		stock string
	}{{time.Minute, "items"}, {30*time.Minute - time.Second, ""}, {time.Second, "items"}} {
		x.now = x.now.Add(c.after)
		_, invoices, stock, err := x.tick(t)
		must(t, err)
		if stock != c.stock || invoices == "" {
			t.Errorf("%s later: of the stock's source it asks for %q, expected %q, and of e-conomic %q", c.after, stock, c.stock, invoices)
		}
	}
}
