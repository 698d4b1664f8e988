package reconcile_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/schedule"
	"lagerd/store"
)

const packedAtOnce = 10

// inBurst returns a shop with 300 items, which has been read once, and a scheduler that reads
// one page of the given size in each pass.
func inBurst(t *testing.T, pageSize int, h func(http.Handler) http.Handler) (*fixture, *schedule.Scheduler, passes) {
	t.Helper()
	f := newFixture(t)
	for n := range 300 {
		number := fmt.Sprintf("item-%03d", n)
		f.stock[number] = "1"
		f.has(number, "1")
	}
	now := store.At(time.Now())
	f.exec("UPDATE progress SET agreement_number = 7, items = 300, swept_at = ?, items_cursor = ?, invoices_begun = 1, invoices_swept_at = ?", now, now, now)
	s, done := scheduler(t, f, h(f.remote), func(o *reconcile.Options) { o.PageSize, o.UnpackAtOnce = pageSize, packedAtOnce })
	must(t, done.next(t))
	return f, s, done
}

// sound and failing are what inBurst puts before its e-conomic.
func sound(h http.Handler) http.Handler { return h }

func failing(status int, when func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if when(r) {
				http.Error(w, `{"message":"broken"}`, status)
				return
			}
			h.ServeHTTP(w, r)
		})
	}
}

// webhooks records a webhook for each of n items, in a batch of its own.
func (f *fixture) webhooks(count int) {
	f.t.Helper()
	for n := range count {
		f.webhook(fmt.Sprintf("item-%03d", n))
	}
}

// burst records a webhook for each item, and for other numbers.
func (f *fixture) burst(s *schedule.Scheduler, numbers ...string) {
	f.t.Helper()
	f.webhooks(300)
	for _, number := range numbers {
		f.webhook(number)
	}
	s.Hinted("shop1234", 300+len(numbers))
}

// count is what a query is expected to count.
type count struct {
	want  int
	query string
}

func (f *fixture) counts(what map[string]count) {
	f.t.Helper()
	for name, c := range what {
		var got int
		must(f.t, f.db.QueryRow(c.query).Scan(&got))
		if got != c.want {
			f.t.Errorf("%s: %d, expected %d", name, got, c.want)
		}
	}
}

func (f *fixture) sells(stock string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for number := range f.stock {
		f.stock[number] = stock
	}
}

// TestBurstStaysPacked: a listing answers a burst's webhooks from their batches. Only those to
// be reread get a row.
func TestBurstStaysPacked(t *testing.T) {
	f, s, done := inBurst(t, 1000, sound)
	f.sells("5")
	f.stock["same"], f.stock["zero"], f.stock["put off"] = "7", "0", "5"
	f.has("same", "7")
	f.has("zero", "3")
	f.has("gone", "4")
	f.has("put off", "1")
	f.remote.invoices = []string{booked(17, "2026-11-20")}
	later := store.HintRecord{Shop: "shop1234", Kind: plan.KindStock, Number: "put off", Cause: plan.CauseInvoice, At: time.Now(), DueAt: time.Now().Add(time.Minute), Tries: 1}
	must(t, f.Store.RecordHints(t.Context(), []store.HintRecord{later}))
	must(t, f.Store.RecordWebhooks(t.Context(), []store.HintRecord{{Shop: "shop1234", Kind: plan.KindInvoice, Number: "17", Cause: plan.CauseWebhook, At: time.Now()}}))
	f.burst(s, "same", "zero", "gone", "nowhere", "put off")

	f.counted(done, "items that are right, and no batch", 303,
		"SELECT COUNT(*) FROM items WHERE NOT EXISTS (SELECT 1 FROM hint_batches) AND (number LIKE 'item-%' AND stock = '5' OR number = 'put off' AND stock = '5' OR number = 'zero' AND stock = '0' OR number = 'gone' AND state = 'gone')")
	f.counts(map[string]count{
		"changes found by webhook":              {303, "SELECT COUNT(*) FROM changes WHERE kind = 'stock' AND cause = 'webhook' AND webhook = 'came' AND hinted_at IS NOT NULL"},
		"the invoice":                           {1, "SELECT COUNT(*) FROM changes WHERE kind = 'invoice' AND number = '17' AND cause = 'webhook'"},
		"rows of the burst":                     {packedAtOnce - 1, "SELECT COUNT(*) FROM hints WHERE number LIKE 'item-%'"}, // and the invoice's
		"rows of what is to be looked at again": {4, "SELECT COUNT(*) FROM hints WHERE number IN ('same', 'zero', 'gone', 'nowhere', 'put off')"},
		"rows that are open":                    {1, "SELECT COUNT(*) FROM hints WHERE open = 1 AND tries = 1 AND number IN ('same', 'nowhere')"},
		"all rows that are open":                {1, "SELECT COUNT(*) FROM hints WHERE open = 1"},
		"webhooks of the one that was put off":  {1, "SELECT COUNT(*) FROM hints WHERE number = 'put off' AND seen_gen = 2"},
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, path := range f.asked {
		if strings.HasPrefix(path, "/products/item-") {
			t.Fatalf("%s was read alone", path)
		}
	}
}

// TestBurstOfSeveralWebhooks: the change that a burst's listing shows answers a number's
// hint that came once. One that came again may tell of another change: it gets its row,
// with its webhooks, and is read again.
func TestBurstOfSeveralWebhooks(t *testing.T) {
	f, s, done := inBurst(t, 1000, sound)
	f.sells("5")
	f.burst(s, "item-000", "item-001", "item-001")
	f.counted(done, "items that are right, and no batch", 300, "SELECT COUNT(*) FROM items WHERE NOT EXISTS (SELECT 1 FROM hint_batches) AND stock = '5'")
	f.counts(map[string]count{
		"changes found by webhook": {300, "SELECT COUNT(*) FROM changes WHERE cause = 'webhook' AND webhook = 'came'"},
		"hints to be read again":   {2, "SELECT COUNT(*) FROM hints WHERE open = 1 AND tries = 1 AND (number = 'item-000' AND webhooks = 2 AND seen_gen = 2 OR number = 'item-001' AND webhooks = 3 AND seen_gen = 3)"},
		"all that are open":        {2, "SELECT COUNT(*) FROM hints WHERE open = 1"},
	})
}

// TestBurstOfFailedListing: if the listing that should answer them fails, the webhooks are
// unpacked, and no more stay packed until a pass has succeeded.
func TestBurstOfFailedListing(t *testing.T) {
	var fails atomic.Bool
	f, s, done := inBurst(t, 1000, failing(http.StatusBadRequest, func(r *http.Request) bool { return r.URL.Path == "/products" && fails.Load() }))
	f.sells("5")
	fails.Store(true)
	f.burst(s)
	failed := func() (packed, rows int) {
		for done.next(t) == nil {
		}
		must(t, f.db.QueryRow("SELECT (SELECT COUNT(*) FROM hint_batches), (SELECT COUNT(*) FROM hints WHERE open = 1)").Scan(&packed, &rows))
		return packed, rows
	}
	if packed, rows := failed(); packed != 300-packedAtOnce || rows != packedAtOnce {
		t.Errorf("when the listing has failed %d batches are kept and %d hints have rows, expected %d and %d", packed, rows, 300-packedAtOnce, packedAtOnce)
	}
	if packed, rows := failed(); packed != 0 || rows != 300 {
		t.Errorf("when it has failed again %d batches are kept and %d hints have rows, expected 0 and 300", packed, rows)
	}
	fails.Store(false)
	f.counted(done, "items that are right", 300, "SELECT COUNT(*) FROM items WHERE stock = '5'")
	var rows int
	must(t, f.db.QueryRow("SELECT COUNT(*) FROM hints WHERE seen_gen = 1 AND open = 0").Scan(&rows))
	if rows != 300 {
		t.Errorf("%d webhooks were answered, expected 300", rows)
	}
}

// TestFirstPagesFail: no hint is answered by a listing whose first page has no figure
// and whose second one, on which there may be some, cannot be read.
func TestFirstPagesFail(t *testing.T) {
	var fails atomic.Bool
	f, s, done := inBurst(t, 150, failing(http.StatusServiceUnavailable, func(r *http.Request) bool { return r.URL.Query().Get("skippages") == "1" && fails.Load() }))
	f.sells("")
	fails.Store(true)
	f.burst(s)
	for failed := 0; failed < 3; {
		if done.next(t) != nil {
			failed++
		}
	}
	var answered, open int
	must(t, f.db.QueryRow("SELECT (SELECT COUNT(*) FROM hints WHERE open = 0), (SELECT COUNT(*) FROM hints WHERE open = 1)").Scan(&answered, &open))
	if answered != 0 || open != 300 {
		t.Errorf("%d hints were answered and %d are open, expected 0 and 300", answered, open)
	}
}

// TestHintBesideBurst: if something else hints at a number of a burst during the listing that
// has claimed it, the burst's webhook still counts: it announced a change, and what shows
// nothing new is read again.
func TestHintBesideBurst(t *testing.T) {
	f, s, done := inBurst(t, 150, sound)
	f.sells("5")
	f.stock["item-299"] = "1" // e-conomic's reading side lags behind its webhook
	beside := []string{"item-200", "item-299"}
	f.remote.listed = func() {
		f.remote.listed = nil
		for _, number := range beside {
			must(t, f.Store.RecordHints(t.Context(), []store.HintRecord{{Shop: "shop1234", Kind: plan.KindStock, Number: number, Cause: plan.CauseOperator, At: time.Now()}}))
		}
		s.Wake([]string{"shop1234"})
	}
	f.burst(s)
	f.counted(done, "items that are right, and no batch", 299, "SELECT COUNT(*) FROM items WHERE stock = '5' AND NOT EXISTS (SELECT 1 FROM hint_batches)")
	f.counts(map[string]count{
		"webhooks that were missed":    {0, "SELECT missed_webhooks FROM progress"},
		"changes found by webhook":     {299, "SELECT COUNT(*) FROM changes WHERE cause = 'webhook' AND webhook = 'came'"},
		"hints that have two":          {2, "SELECT COUNT(*) FROM hints WHERE number IN ('item-200', 'item-299') AND seen_gen = 2"},
		"those that wait for the item": {1, "SELECT COUNT(*) FROM hints WHERE open = 1 AND number = 'item-299' AND tries = 1 AND webhook_at IS NOT NULL"},
		"all that are open":            {1, "SELECT COUNT(*) FROM hints WHERE open = 1"},
	})
}

// TestManyWebhooksNoBurst: webhooks that are too many for one transaction but not worth a
// listing are unpacked in the same pass, and a request is answered when all have been read.
func TestManyWebhooksNoBurst(t *testing.T) {
	f, s, done := inBurst(t, 10, sound)
	f.exec("UPDATE progress SET items = 5000") // by filters they cost less
	f.sells("5")
	f.webhooks(40)
	s.Wake([]string{"shop1234"})
	f.counted(done, "items that are right after one pass", 40, "SELECT COUNT(*) FROM items WHERE stock = '5'")

	f.sells("6")
	f.webhooks(40)
	asked := store.Request{Request: "r1", Shop: "shop1234", What: store.WantTick, RequestedAt: store.At(time.Now())}
	must(t, f.Store.AddRequests(t.Context(), []store.Request{asked}))
	s.Requested([]store.Request{{Request: "r1", Shop: "shop1234"}})
	must(t, done.next(t))
	list, err := f.Store.Requests(t.Context(), []string{"r1"})
	must(t, err)
	if len(list) != 1 || list[0].DoneAt.IsZero() || list[0].Changes < 40 {
		t.Errorf("a person was told %+v, expected at least 40 changes", list)
	}
}

// TestWebhookBesideBurst: what comes while a listing has claimed a burst is unpacked and read
// meanwhile, and is not dropped with the burst.
func TestWebhookBesideBurst(t *testing.T) {
	var f *fixture
	var s *schedule.Scheduler
	var during atomic.Bool
	f, s, done := inBurst(t, 1000, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r)
			if r.URL.Path == "/products" && during.Swap(false) {
				f.mu.Lock()
				f.stock["item-000"] = "6" // the listing shows what was before
				f.mu.Unlock()
				f.webhook("item-000")
				s.Hinted("shop1234", 1)
			}
		})
	})
	f.sells("5")
	during.Store(true)
	f.burst(s)
	f.counted(done, "items that are right, and no batch", 300,
		"SELECT COUNT(*) FROM items WHERE NOT EXISTS (SELECT 1 FROM hint_batches) AND stock = CASE WHEN number = 'item-000' THEN '6' ELSE '5' END")
	if during.Load() {
		t.Error("nothing was listed")
	}
}
