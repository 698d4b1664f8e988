package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lagerd/reconcile"
	"lagerd/store"
)

const shopName = "shop1234"

// asks stores a person's request.
func (f *fixture) asks(id, what string) {
	f.t.Helper()
	must(f.t, f.Store.AddRequests(f.t.Context(), []store.Request{{Request: id, Shop: shopName, What: what, RequestedAt: store.At(time.Now())}}))
}

// request returns the outcome of a request.
func (f *fixture) request(id string) store.Request {
	f.t.Helper()
	list, err := f.Store.Requests(f.t.Context(), []string{id})
	must(f.t, err)
	if len(list) != 1 {
		f.t.Fatalf("%d requests have the id %s", len(list), id)
	}
	return list[0]
}

// answered waits until a request has been answered.
func (f *fixture) answered(id string) store.Request {
	f.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if r := f.request(id); !r.DoneAt.IsZero() {
			return r
		}
	}
	f.t.Fatalf("the request %s is not done", id)
	return store.Request{}
}

// TestRequestOfOtherSettings: a pass that began before the settings changed answers no
// request, though it writes nothing else: the pass with those of now does.
func TestRequestOfOtherSettings(t *testing.T) {
	f := newFixture(t)
	f.stocks("a", `5,"available":7`)
	f.has("a", "5")
	s, done := scheduler(t, f, f.remote, func(*reconcile.Options) {})
	done.settle(t)
	must(t, f.Store.SetShop(t.Context(), shopName, time.Now(), func(shop *store.Shop) error {
		shop.StockFigure = "available"
		return nil
	}))
	f.asks("r1", store.WantTick)
	s.Hinted(shopName, 1) // a webhook comes before this lagerd has looked for news
	r := f.answered("r1")
	if shown := f.shown(); r.Changes != 1 || r.Failure != "" || !slices.Equal(shown, []string{"a 7 ok"}) {
		t.Errorf("it came to %d changes, failure %q; shown %v", r.Changes, r.Failure, shown)
	}
}

// sweeping returns a large shop whose requested sweep waits for its share of the day's calls.
func sweeping(t *testing.T) *forbids {
	f := newForbids(t, func(f *forbids) {
		for n := range 400 {
			f.has(fmt.Sprint("n", n), "1")
			f.stocks(fmt.Sprint("n", n), "1")
		}
		f.swept()
	}, func(o *reconcile.Options) { o.PageSize, o.DailyCalls = 2, 1000 })
	must(t, f.done.next(t))
	f.asks("r1", store.WantSweep)
	f.looks()
	f.settles(0)
	f.quiet()
	if r := f.request("r1"); !r.DoneAt.IsZero() {
		t.Fatalf("the sweep does not wait: %+v", r)
	}
	f.calls("")
	return f
}

// quiet waits until no more passes end, and returns how many have failed.
func (f *forbids) quiet() (failed int) {
	f.t.Helper()
	for {
		select {
		case err := <-f.done:
			if err != nil {
				failed++
			}
		case <-time.After(300 * time.Millisecond):
			return failed
		}
	}
}

// looks passes the news to the scheduler, as the engine does each second.
func (f *forbids) looks() {
	f.t.Helper()
	news, err := f.Store.News(f.t.Context(), store.Due{By: time.Now(), Beyond: time.Now().Add(time.Hour)}, store.Due{By: time.Now(), Beyond: time.Now().Add(25 * time.Hour)})
	must(f.t, err)
	f.scheduler.Requested(news.Requests)
	f.scheduler.Wake(news.Work)
}

// TestSweepAskedForOfAHeldShop: requests for the running sweep, or for the next one, fail with
// the shop's hold; and e-conomic is not called each second.
func TestSweepAskedForOfAHeldShop(t *testing.T) {
	f := sweeping(t)
	f.asks("r2", store.WantSweep)
	f.looks()
	f.quiet()
	f.refuse(401, "/invoices", "/self")
	f.scheduler.Tick()
	for range 8 {
		f.looks()
		f.quiet()
	}
	for _, id := range []string{"r1", "r2"} {
		if r := f.request(id); r.DoneAt.IsZero() || !strings.Contains(r.Failure, "status 401") {
			t.Errorf("%s came to %+v", id, r)
		}
	}
	if asked := f.calls("/self"); len(asked) > 1 || f.holds() != "token_refused" {
		t.Errorf("asked %d times who it is; held %q", len(asked), f.holds())
	}
	// One who asks now is told, after another try.
	f.asks("r3", store.WantSweep)
	for range 5 {
		f.looks()
		f.quiet()
	}
	if r := f.request("r3"); r.DoneAt.IsZero() || r.Failure == "" {
		t.Errorf("one who asks of a held shop is told %+v", r)
	}
	if asked := f.calls("/self"); len(asked) != 1 {
		t.Errorf("asked %d times who it is for one request", len(asked))
	}
}

// TestSweepAskedForTriesWhatIsHeldOnce: a request that stays open for hours does not try held
// parts, nor call e-conomic after a failure, each time it is seen.
func TestSweepAskedForTriesWhatIsHeldOnce(t *testing.T) {
	f := sweeping(t)
	f.books(5)
	f.refuse(403, "/invoices/booked/")
	f.settles(1)
	if f.holds() != "invoices: forbidden; pdf: forbidden" && f.holds() != "pdf: forbidden" {
		t.Fatalf("held %q", f.holds())
	}
	f.calls("")
	for range 5 {
		f.looks()
		f.quiet()
	}
	if asked := f.calls(""); len(asked) > 0 {
		t.Errorf("what is held was tried by %v", asked)
	}
	if r := f.request("r1"); !r.DoneAt.IsZero() {
		t.Errorf("the sweep goes on, and whoever asked for it was told %+v", r)
	}
}

// TestSweepAskedForWhileNothingAnswers: once is a failure that the next pass may mend;
// whoever waits learns of the second.
func TestSweepAskedForWhileNothingAnswers(t *testing.T) {
	f := sweeping(t)
	f.refuse(429, "/invoices")
	f.scheduler.Tick()
	for f.done.next(t) == nil {
	}
	if r := f.request("r1"); !r.DoneAt.IsZero() {
		t.Errorf("one failure ends the request: %+v", r)
	}
	f.looks() // does not hurry
	if r := f.answered("r1"); !strings.Contains(r.Failure, "status 429") {
		t.Errorf("it came to %+v", r)
	}
}

// TestSweepAskedForDuringAnother: the sweep starts when the other one has ended, without
// another request.
func TestSweepAskedForDuringAnother(t *testing.T) {
	f := newForbids(t, func(f *forbids) {
		for n := range 40 {
			f.has(fmt.Sprint("n", n), "1")
			f.stocks(fmt.Sprint("n", n), "1")
		}
		f.swept()
	}, func(o *reconcile.Options) { o.PageSize = 2 })
	must(t, f.done.next(t))
	var second sync.Once
	f.mu.Lock()
	f.before = func(path string) {
		if path == "/products" {
			second.Do(func() { f.asks("r2", store.WantSweep) })
		}
	}
	f.mu.Unlock()
	f.stocks("n0", "2")
	f.asks("r1", store.WantSweep)
	f.looks()
	one, two := f.answered("r1"), f.answered("r2")
	if one.Failure != "" || two.Failure != "" || !one.DoneAt.Before(two.DoneAt.Time) {
		t.Errorf("the first came to %+v, the second to %+v", one, two)
	}
	if one.Changes != 1 || two.Changes != 0 {
		t.Errorf("one item has changed: the first was told of %d changes, the second of %d", one.Changes, two.Changes)
	}
}

// TestCallsOfAHeldShop: the day's calls are stored while a part of the shop is held and the
// others continue, and for passes that fail: the next holder continues from there.
func TestCallsOfAHeldShop(t *testing.T) {
	f := newForbids(t, func(f *forbids) {
		f.swept()
		f.refuse(403, "/products")
	}, asIs)
	made := 0
	kept := func(what string) {
		t.Helper()
		made += len(f.calls(""))
		must(t, f.scheduler.FlushTicks(t.Context(), true))
		p, err := f.Store.Progress(t.Context(), shopName)
		must(t, err)
		if p.Calls != int64(made) {
			t.Errorf("%s: %d calls are kept of %d", what, p.Calls, made)
		}
	}
	f.settles(1)
	f.books(5)
	f.settles(1)
	if f.holds() != "stock: forbidden" || f.pdfs() != "1 2 3 4 5" {
		t.Fatalf("held %q, PDFs %q", f.holds(), f.pdfs())
	}
	kept("held")
	f.refuse(500, "/invoices")
	f.scheduler.Tick()
	for range 3 {
		if err := f.done.next(t); err != nil {
			break
		}
	}
	f.refuse(0)
	f.quiet()
	kept("failed")
}
