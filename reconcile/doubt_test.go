package reconcile_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/store"
)

// shown is an e-conomic whose items and invoices are given as they stand in an answer,
// by number; a test changes them.
type shown struct {
	mu              sync.Mutex
	items, invoices map[string]string
	asked           []string
}

func (s *shown) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.URL.Path)
	list := func(of map[string]string) {
		var all []string
		for _, body := range of {
			all = append(all, body)
		}
		fmt.Fprintf(w, `{"collection":[%s],"pagination":{"results":%d}}`, strings.Join(all, ","), len(all))
	}
	one := func(of map[string]string, number string) {
		if body, ok := of[number]; ok {
			fmt.Fprint(w, body)
			return
		}
		notFound(w)
	}
	switch path := r.URL.Path; {
	case path == "/self":
		fmt.Fprint(w, `{"agreementNumber":7,"company":{"name":"Shop ApS"}}`)
	case path == "/products":
		list(s.items)
	case path == "/invoices/booked":
		list(s.invoices)
	case strings.HasSuffix(path, "/pdf"):
		_, _ = w.Write([]byte("%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF\n"))
	case strings.HasPrefix(path, "/products/"):
		one(s.items, strings.TrimPrefix(path, "/products/"))
	default:
		one(s.invoices, strings.TrimPrefix(path, "/invoices/booked/"))
	}
}

func (s *shown) set(of map[string]string, number, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of[number] = body
}

// calls returns how often a path was requested.
func (s *shown) calls(path string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, asked := range s.asked {
		if asked == path {
			n++
		}
	}
	return n
}

// doubtful is a shop with a scheduler before such an e-conomic, which has been looked at
// once. tick does so again, and finds hints that have been recorded.
func doubtful(t *testing.T, s *shown, set func(*reconcile.Options)) (f *fixture, tick func()) {
	t.Helper()
	f = newFixture(t)
	r, done := scheduler(t, f, s, func(o *reconcile.Options) {
		o.RetryMin, o.RetryMax = time.Hour, time.Hour
		set(o)
	})
	done.settle(t)
	times := 0
	return f, func() {
		t.Helper()
		times++
		r.Requested([]store.Request{{Request: fmt.Sprint("r", times), Shop: "shop1234"}})
		r.Tick()
		done.settle(t)
	}
}

// settle waits for a pass, and for those that follow it immediately.
func (p passes) settle(t *testing.T) {
	t.Helper()
	must(t, p.next(t))
	for {
		select {
		case err := <-p:
			must(t, err)
		case <-time.After(100 * time.Millisecond):
			return
		}
	}
}

func (f *fixture) hint(kind plan.Kind, number string) store.Hint {
	f.t.Helper()
	list, err := f.Store.Hints(f.t.Context(), "shop1234", kind, []string{number})
	must(f.t, err)
	if len(list) == 0 {
		return store.Hint{}
	}
	return list[0]
}

func (f *fixture) status() store.ShopStatus {
	f.t.Helper()
	list, err := f.Store.Status(f.t.Context(), "shop1234")
	must(f.t, err)
	return list[0]
}

func invoice(number int, more string) string {
	references := fmt.Sprintf(`,"references":{"other":"W-%d"}`, number)
	if strings.Contains(more, `"references"`) {
		references = ""
	}
	return fmt.Sprintf(`{"bookedInvoiceNumber":%d,"date":"2026-11-10","currency":"DKK","netAmount":100.0,"grossAmount":125.0%s%s}`, number, references, more)
}

// TestUnreadInvoices: invoices that cannot be understood are kept as failed hints, listed and
// counted; they cost few calls, do not block others, and are stored once they can be
// understood.
func TestUnreadInvoices(t *testing.T) {
	for name, sweeps := range map[string]time.Duration{"ticks": 24 * time.Hour, "ticks and sweeps": time.Nanosecond} {
		t.Run(name, func(t *testing.T) { unreadInvoices(t, sweeps) })
	}
}

func unreadInvoices(t *testing.T, sweepEvery time.Duration) {
	const unsound = `,"references":{"other":7}`
	s := &shown{items: map[string]string{"a": product("a", "5")}, invoices: map[string]string{}}
	for n := 1; n <= 24; n++ {
		more := unsound
		if n == 1 || n == 24 {
			more = ""
		}
		s.invoices[fmt.Sprint(n)] = invoice(n, more)
	}
	f, tick := doubtful(t, s, func(o *reconcile.Options) { o.SweepEvery = sweepEvery })
	tick()
	unread := func(count int64, number string) {
		t.Helper()
		st := f.status()
		if st.FailingHints != count || st.OpenHints != count || len(st.Failing) != 1 || st.Failing[0].Count != count || st.Failing[0].Kind != plan.KindInvoice ||
			st.Failing[0].Number != number || !strings.Contains(st.Failing[0].Text, "references.other: expected a string, got number 7") {
			t.Fatalf("%+v", st)
		}
		if st.InvoicesStored != 24-count || len(st.Warnings) > 0 {
			t.Fatalf("%+v", st)
		}
	}
	unread(22, "10")
	h := f.hint(plan.KindInvoice, "2")
	if !h.Open || h.Failures != 1 || h.DueAt.Before(time.Now().Add(10*time.Minute)) || !strings.Contains(h.Note, "references.other") {
		t.Fatalf("%+v", h)
	}
	// Further ticks show them again, at no further call: what is known of them stays.
	before, each := s.calls("/invoices/booked"), 1
	if sweepEvery < time.Hour {
		each = 2
	}
	for range 3 {
		tick()
	}
	unread(22, "10")
	if n := s.calls("/invoices/booked") - before; n != 3*each {
		t.Errorf("3 ticks took %d calls", n)
	}
	if again := f.hint(plan.KindInvoice, "2"); again != h {
		t.Fatalf("%+v was %+v", again, h)
	}
	if n := s.calls("/invoices/booked/2") + s.calls("/invoices/booked/23"); n > 0 {
		t.Errorf("they were asked for %d times alone", n)
	}
	// A tick shows one of them well, although its hint is put off.
	s.set(s.invoices, "2", invoice(2, ""))
	tick()
	unread(21, "10")
	if h := f.hint(plan.KindInvoice, "2"); h.Open {
		t.Errorf("%+v", h)
	}
	// A person asks for one, in vain. A pass that ends the tick before may meet his hint,
	// and asks for it alone.
	calls := s.calls("/invoices/booked/3")
	must(t, f.Store.RecordHints(t.Context(), []store.HintRecord{{Shop: "shop1234", Kind: plan.KindInvoice, Number: "3", Cause: plan.CauseOperator, At: time.Now()}}))
	tick()
	unread(21, "10")
	if h := f.hint(plan.KindInvoice, "3"); !h.Open || h.Failures != 1 || h.SeenGen != 2 || s.calls("/invoices/booked/3") > calls+1 {
		t.Errorf("%+v", h)
	}
	for n := 3; n <= 23; n++ {
		s.set(s.invoices, fmt.Sprint(n), invoice(n, ""))
	}
	tick()
	if st := f.status(); st.OpenHints > 0 || st.InvoicesStored != 24 || len(st.Failing) > 0 {
		t.Errorf("%+v", st)
	}
}

// TestUnreadInvoicesAreRetriedTogether: however many they are, one call retries them, after
// growing delays.
func TestUnreadInvoicesAreRetriedTogether(t *testing.T) {
	s := &shown{items: map[string]string{}, invoices: map[string]string{}}
	for n := 1; n <= 22; n++ {
		s.invoices[fmt.Sprint(n)] = invoice(n, `,"netAmount":"x","grossAmount":"y"`)
	}
	f := newFixture(t)
	f.exec("UPDATE shops SET stock_on = 0")
	f.Shop.StockOn = false
	r, done := scheduler(t, f, s, func(o *reconcile.Options) { o.RetryMin, o.RetryMax = time.Minute, time.Hour })
	done.settle(t)
	before := s.calls("/invoices/booked")
	for failures := 2; failures <= 4; failures++ {
		f.exec("UPDATE hints SET due_at = '1970-01-01 00:00:00.000000'")
		r.Wake([]string{"shop1234"})
		done.settle(t)
		if h := f.hint(plan.KindInvoice, "7"); h.Failures != failures {
			t.Fatalf("%+v, expected %d failures", h, failures)
		}
	}
	if n := s.calls("/invoices/booked") - before; n != 3 {
		t.Errorf("3 retries took %d calls", n)
	}
	f.counts(map[string]count{"times": {1, "SELECT COUNT(DISTINCT due_at) FROM hints"}, "hints": {22, "SELECT COUNT(*) FROM hints WHERE open = 1"}})
}

// TestIncompleteInvoice: an unreadable optional field does not prevent storing the invoice;
// there is a warning until it can be understood, and then it is stored.
func TestIncompleteInvoice(t *testing.T) {
	s := &shown{items: map[string]string{}, invoices: map[string]string{"1": invoice(1, `,"dueDate":"2026-11-20T00:00:00","customer":{"customerNumber":"7"},"exchangeRate":"747.5"`)}}
	f, tick := doubtful(t, s, func(o *reconcile.Options) {})
	var date, customer string
	row := func() {
		t.Helper()
		must(t, f.db.QueryRow("SELECT COALESCE(due_date, '-'), customer_number FROM invoices WHERE number = 1 AND order_number = 'W-1' AND net = '100' AND pdf_state = 'stored'").Scan(&date, &customer))
	}
	if row(); date != "-" || customer != "0" {
		t.Fatalf("%s, %s", date, customer)
	}
	warning := f.status().Warnings
	if len(warning) != 1 || warning[0].Kind != plan.KindInvoice || warning[0].Number != "1" || !strings.Contains(warning[0].Text, "dueDate: expected a date") ||
		!strings.Contains(warning[0].Text, "customerNumber") || !strings.Contains(warning[0].Text, "exchangeRate") || f.status().OpenHints > 0 {
		t.Fatalf("%+v", warning)
	}
	ask := func() {
		t.Helper()
		must(t, f.Store.RecordHints(t.Context(), []store.HintRecord{{Shop: "shop1234", Kind: plan.KindInvoice, Number: "1", Cause: plan.CauseOperator, At: time.Now()}}))
		tick()
		if h := f.hint(plan.KindInvoice, "1"); h.Open {
			t.Fatalf("%+v", h)
		}
	}
	s.set(s.invoices, "1", invoice(1, `,"dueDate":"2026-11-20","customer":{"customerNumber":"7"}`))
	if ask(); len(f.status().Warnings) != 1 {
		t.Fatal("the warning ended before everything could be understood")
	}
	s.set(s.invoices, "1", invoice(1, `,"dueDate":"2026-11-20","customer":{"customerNumber":7}`))
	ask()
	if row(); !strings.HasPrefix(date, "2026-11-20") || customer != "7" || len(f.status().Warnings) > 0 {
		t.Errorf("%s, %s, %+v", date, customer, f.status().Warnings)
	}
}

// TestHintOfAnIncompleteInvoice: what is stored without some of its fields is read again
// when a webhook tells of it, before any listing shows it.
func TestHintOfAnIncompleteInvoice(t *testing.T) {
	s := &shown{items: map[string]string{}, invoices: map[string]string{"1": invoice(1, `,"dueDate":"2026-11-20T00:00:00"`)}}
	f := newFixture(t)
	r, done := scheduler(t, f, s, func(*reconcile.Options) {})
	done.settle(t)
	if n := len(f.status().Warnings); n != 1 {
		t.Fatalf("%d warnings", n)
	}
	s.set(s.invoices, "1", invoice(1, `,"dueDate":"2026-11-20"`))
	must(t, f.Store.RecordHints(t.Context(), []store.HintRecord{{Shop: shopName, Kind: plan.KindInvoice, Number: "1", Cause: plan.CauseWebhook, At: time.Now()}}))
	r.Hinted(shopName, 1)
	done.settle(t)
	var date string
	must(t, f.db.QueryRow("SELECT COALESCE(due_date, '-') FROM invoices WHERE number = 1 AND order_number = 'W-1' AND net = '100'").Scan(&date))
	if !strings.HasPrefix(date, "2026-11-20") || len(f.status().Warnings) > 0 || f.hint(plan.KindInvoice, "1").Open || s.calls("/invoices/booked/1") == 0 {
		t.Errorf("due %s, %+v; %v was asked", date, f.status().Warnings, s.asked)
	}
}

// TestUnsoundFieldsOfAnItem: the stock is updated, barred stays, and there is a warning until
// all fields can be understood. An item without its figure stays as stored.
func TestUnsoundFieldsOfAnItem(t *testing.T) {
	item := func(stock, more string) string {
		return fmt.Sprintf(`{"productNumber":"a","name":"Thing"%s,"inventory":{"inStock":%s}}`, more, stock)
	}
	s := &shown{invoices: map[string]string{}, items: map[string]string{"a": item("5", `,"barred":true,"barCode":"57"`), "b": product("b", "1")}}
	f, tick := doubtful(t, s, func(*reconcile.Options) {})
	expect := func(stock string, state plan.State, barCode string, warnings int) {
		t.Helper()
		rows, err := f.Store.Items(t.Context(), "shop1234", []string{"a"})
		must(t, err)
		if r := rows["a"]; r.Stock.Decimal.String() != stock || r.State != state || r.BarCode != barCode {
			t.Errorf("%+v", r)
		}
		if st := f.status(); len(st.Warnings) != warnings || warnings > 0 && (st.Warnings[0].Kind != plan.KindStock || st.Warnings[0].Number != "a") {
			t.Errorf("%+v", st)
		}
	}
	expect("5", plan.StateBarred, "57", 0)
	s.set(s.items, "a", item("7", `,"barred":"false","barCode":123,"lastUpdated":"2026-11-02T10:00:00","productGroup":[]`))
	tick()
	expect("7", plan.StateBarred, "57", 1)
	tick()
	expect("7", plan.StateBarred, "57", 1)
	s.set(s.items, "a", item(`"9"`, `,"barred":false`))
	tick()
	expect("7", plan.StateBarred, "57", 1)
	if st := f.status(); len(st.Failing) != 1 || st.Failing[0].Kind != plan.KindStock || st.Failing[0].Number != "a" {
		t.Errorf("%+v", st)
	}
	f.exec("UPDATE hints SET due_at = '1970-01-01 00:00:00.000000'")
	s.set(s.items, "a", item("6.9999999999999996", `,"barCode":"58"`))
	tick()
	expect("7", plan.StateOK, "58", 0)
	if st := f.status(); st.OpenHints > 0 {
		t.Errorf("%+v", st)
	}
}

// TestNumbersThatCannotBeRead are counted, until a listing of everything shows none.
func TestNumbersThatCannotBeRead(t *testing.T) {
	s := &shown{items: map[string]string{"a": product("a", "5"), "x": `{"productNumber":7,"inventory":{"inStock":3}}`},
		invoices: map[string]string{"1": invoice(1, ""), "x": `{"bookedInvoiceNumber":"2"}`}}
	f, tick := doubtful(t, s, func(o *reconcile.Options) { o.SweepEvery = time.Nanosecond })
	expect := func(want ...string) {
		t.Helper()
		var got []string
		for _, n := range f.status().Warnings {
			got = append(got, fmt.Sprintf("%s %q %.39s", n.Kind, n.Number, n.Text))
		}
		same(t, got, want...)
	}
	expect(`invoice "" 1 without a number that can be read: in`, `stock "" 1 without a number that can be read: pr`)
	tick()
	expect(`invoice "" 1 without a number that can be read: in`, `stock "" 1 without a number that can be read: pr`)
	s.mu.Lock()
	delete(s.items, "x")
	delete(s.invoices, "x")
	s.mu.Unlock()
	tick()
	expect()
	if st := f.status(); st.ItemsStored != 1 || st.InvoicesStored != 1 {
		t.Errorf("%+v", st)
	}
	// An unreadable number may be any stored one, so nothing is concluded about those.
	f.exec("UPDATE invoices SET found_at = '2026-11-10 00:00:00.000000'")
	s.set(s.invoices, "1", `{"bookedInvoiceNumber":"1"}`)
	s.set(s.items, "a", `{"productNumber":7}`)
	tick()
	tick()
	f.counts(map[string]count{"mixed": {0, "SELECT COUNT(*) FROM mixed_invoices"}, "gone": {0, "SELECT COUNT(*) FROM items WHERE state = 'gone'"}})
}

// TestDiffOfUnsoundFields: what is not compared is told; what of it a reconciliation
// would store counts as not compared, the rest is a note.
func TestDiffOfUnsoundFields(t *testing.T) {
	f := newFixture(t)
	f.stock["a"], f.stock["b"], f.stock["c"], f.stock["d"] = "5", `5,"available":"-"`, `"5"`, `6.9999999999999996},"barCode":{`
	for _, number := range []string{"a", "b", "c"} {
		f.has(number, "5")
	}
	f.has("d", "7")
	f.remote.invoices = []string{booked(1, "2026-11-20"), strings.TrimSuffix(booked(2, "2026-11-20T00:00:00"), "}") + `,"remainder":"x"}`,
		strings.TrimSuffix(booked(3, "2026-11-20"), "}") + `,"references":7}`}
	lines, d := f.read(nil, nil)
	same(t, lines, "#1 booked", "#2 booked")
	var unreadable []string
	for _, u := range d.Unreadable {
		unreadable = append(unreadable, fmt.Sprintf("%s %s %s", u.Kind, u.Number, u.Reason))
	}
	same(t, unreadable, `stock b only in part: inventory.available: expected a number, got string "-"`, `stock c inventory.inStock: expected a number, got string "5"`,
		`invoice 3 references: expected an object, got number 7`)
	same(t, d.Notes, `item "d" has unreadable fields, which are not compared: barCode: expected a string, got an object`,
		`invoice "2" has unreadable fields, which are not compared: date: expected a date (YYYY-MM-DD), got string "2026-11-20T00:00:00"; remainder: expected a number, got string "x"`)
	lines, d = f.read([]string{"b", "c"}, []int64{2, 3})
	same(t, lines, "#2 booked")
	if len(d.Unreadable) != 3 || len(d.Notes) != 1 || d.Equal() {
		t.Errorf("%+v", d)
	}
}

// TestNamelessInvoiceBetweenSweeps: a tick does not list everything, so it proves nothing if it
// shows no invoice without a number.
func TestNamelessInvoiceBetweenSweeps(t *testing.T) {
	s := &shown{items: map[string]string{}, invoices: map[string]string{"1": invoice(1, ""), "x": `{"bookedInvoiceNumber":"2"}`}}
	f, tick := doubtful(t, s, func(*reconcile.Options) {})
	s.mu.Lock()
	delete(s.invoices, "x")
	s.mu.Unlock()
	tick()
	if w := f.status().Warnings; len(w) != 1 || w[0].Number != "" {
		t.Errorf("%+v", w)
	}
	must(t, f.Store.AddRequests(t.Context(), []store.Request{{Request: "r", Shop: "shop1234", What: store.WantSweep, RequestedAt: store.At(time.Now())}}))
	tick()
	if w := f.status().Warnings; len(w) != 0 {
		t.Errorf("%+v", w)
	}
}

// TestUnreadFigureIsNotNone: an unreadable figure proves neither that the agreement has no
// stock nor that it has some.
func TestUnreadFigureIsNotNone(t *testing.T) {
	const service = `{"productNumber":"s","name":"Service"}`
	s := &shown{invoices: map[string]string{}, items: map[string]string{"s": service, "a": `{"productNumber":"a","inventory":{"inStock":"5"}}`}}
	f, tick := doubtful(t, s, func(o *reconcile.Options) { o.HeldRetry = time.Nanosecond })
	held := func(want bool) {
		t.Helper()
		st := f.status()
		if is := st.Progress.Holds.Has(plan.ScopeStock, plan.HeldNoInventory); is != want {
			t.Fatalf("held: %t, expected %t: %+v", is, want, st.Progress.Holds)
		}
	}
	held(false)
	if st := f.status(); len(st.Failing) != 1 || st.Failing[0].Number != "a" || st.ItemsStored != 1 {
		t.Errorf("%+v", st)
	}
	s.mu.Lock()
	delete(s.items, "a")
	s.mu.Unlock()
	tick()
	held(true)
	s.set(s.items, "a", `{"productNumber":"a","inventory":{"inStock":"5"}}`)
	tick()
	held(true)
	s.set(s.items, "a", `{"productNumber":"a","inventory":{"inStock":5}}`)
	tick()
	held(false)
}

// TestUnreadItemIsSuspectedStill: an item that a listing cannot read does not refute its
// held-back loss, and is no loss if it was not suspected.
func TestUnreadItemIsSuspectedStill(t *testing.T) {
	t.Parallel()
	const unread = `{"productNumber":%q,"inventory":{"inStock":"0"}}`
	for name, c := range map[string]struct {
		then map[string]string // inStock of items, after a, b and c have become zero and are held back
		held bool
	}{
		"nothing has changed":                   {nil, true},
		"one has come back":                     {map[string]string{"c": "5"}, false},
		"one cannot be read":                    {map[string]string{"c": unread}, true},
		"one has come back, one cannot be read": {map[string]string{"b": "5", "c": unread}, false},
		"and nothing was suspected of that":     {map[string]string{"c": "5", "d": unread}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shown{invoices: map[string]string{}, items: map[string]string{}}
			for _, number := range []string{"a", "b", "c", "d", "e"} {
				s.items[number] = product(number, "5")
			}
			f, tick := doubtful(t, s, func(o *reconcile.Options) {
				o.LossMin, o.LossPercent, o.LossWindowMin, o.HeldRetry = 2, 0, 100, time.Nanosecond
			})
			held := func() bool { return f.status().Progress.Holds.Has(plan.ScopeStock, plan.HeldLosses) }
			for _, number := range []string{"a", "b", "c"} {
				s.set(s.items, number, product(number, "0"))
			}
			tick()
			if !held() {
				t.Fatal("three losses are not held back")
			}
			for number, stock := range c.then {
				body := product(number, stock)
				if stock == unread {
					body = fmt.Sprintf(unread, number)
				}
				s.set(s.items, number, body)
			}
			tick()
			if held() != c.held {
				t.Errorf("held: %t, expected %t", held(), c.held)
			}
		})
	}
}
