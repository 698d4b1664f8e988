package reconcile_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/schedule"
	"lagerd/store"
)

// refusing is an e-conomic that answers some requests with a given status, and has PDFs.
type refusing struct {
	*remote
	mu     sync.Mutex
	status func(path string) int // 0: as the remote does
	asked  []string              // paths, of all requests
	before func(path string)     // is called before a request is answered
}

func (r *refusing) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	path := req.URL.EscapedPath()
	r.mu.Lock()
	r.asked = append(r.asked, path)
	before, status := r.before, 0
	if r.status != nil {
		status = r.status(path)
	}
	r.mu.Unlock()
	if before != nil {
		before(path)
	}
	switch {
	case status == http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
		fallthrough
	case status != 0:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, `{"message":"No.","errorCode":"E0"}`)
	case strings.HasSuffix(path, "/pdf"):
		w.Header().Set("Content-Type", "application/pdf")
		_, _ = io.WriteString(w, "%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer<<>>\nstartxref\n9\n%%EOF\n")
	default:
		r.remote.ServeHTTP(w, req)
	}
}

// refuse makes requests of paths with one of the prefixes fail with the status; a prefix that
// ends with "=" is the whole path.
func (r *refusing) refuse(status int, beginnings ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = func(path string) int {
		for _, b := range beginnings {
			if whole, is := strings.CutSuffix(b, "="); path == whole || !is && strings.HasPrefix(path, b) {
				return status
			}
		}
		return 0
	}
}

// calls returns the paths with the prefix that were requested since the last call.
func (r *refusing) calls(beginning string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := slices.DeleteFunc(slices.Clone(r.asked), func(path string) bool { return !strings.HasPrefix(path, beginning) })
	r.asked = nil
	return asked
}

func pdfOf(n int) string { return fmt.Sprintf("/invoices/booked/%d/pdf", n) }

// books makes the agreement book invoices up to a number.
func (f *fixture) books(upTo int) {
	f.remote.mu.Lock()
	defer f.remote.mu.Unlock()
	for n := len(f.remote.invoices) + 1; n <= upTo; n++ {
		f.remote.invoices = append(f.remote.invoices, booked(int64(n), "2026-11-20"))
	}
}

func (f *fixture) stocks(number, stock string) {
	f.remote.mu.Lock()
	defer f.remote.mu.Unlock()
	f.remote.stock[number] = stock
}

// holds returns the shop's holds, without details and times.
func (f *fixture) holds() string {
	p, err := f.Store.Progress(f.t.Context(), "shop1234")
	must(f.t, err)
	return p.Holds.Codes()
}

// pdfs returns the numbers of the invoices whose PDF is stored.
func (f *fixture) pdfs() string {
	f.t.Helper()
	rows, err := f.db.Query("SELECT number FROM invoices WHERE pdf_state = 'stored' ORDER BY number")
	must(f.t, err)
	defer rows.Close()
	var numbers []string
	for rows.Next() {
		var n int
		must(f.t, rows.Scan(&n))
		numbers = append(numbers, strconv.Itoa(n))
	}
	must(f.t, rows.Err())
	return strings.Join(numbers, " ")
}

func (f *fixture) stockIs(number, want string) {
	f.t.Helper()
	items, err := f.Store.Items(f.t.Context(), f.Shop.StockDataset, []string{number})
	must(f.t, err)
	if got := items[number].Stock.Decimal.String(); got != want {
		f.t.Errorf("the stock of %q is %q, expected %q", number, got, want)
	}
}

func (f *fixture) hints(kind plan.Kind, cause plan.Cause, numbers ...string) {
	f.t.Helper()
	var hints []store.HintRecord
	for _, n := range numbers {
		hints = append(hints, store.HintRecord{Shop: "shop1234", Kind: kind, Number: n, Cause: cause, At: time.Now()})
	}
	must(f.t, f.Store.RecordHints(f.t.Context(), hints))
}

// swept makes the shop one of so many items that ticks do not list them, with nothing
// due but what a test asks for.
func (f *fixture) swept() {
	now := store.At(time.Now())
	f.exec("UPDATE progress SET agreement_number = 7, items = 5000, swept_at = ?, items_cursor = ?, invoices_begun = 1, invoices_swept_at = ?", now, now, now)
}

// forbids is a shop with its scheduler and an e-conomic that refuses what a test says.
type forbids struct {
	*fixture
	*refusing
	scheduler *schedule.Scheduler
	done      passes
}

// settles runs ticks until one has gone by with nothing more to do, and returns the
// errors of the passes.
func (f *forbids) settles(ticks int) (failed []error) {
	f.t.Helper()
	for range ticks {
		f.scheduler.Tick()
		for wait := 20 * time.Second; ; wait = 200 * time.Millisecond {
			select {
			case err := <-f.done:
				// On a machine that is busy e-conomic may seem to hang.
				if err != nil && !errors.Is(err, economic.ErrTimeout) {
					failed = append(failed, err)
				}
				continue
			case <-time.After(wait):
			}
			break
		}
	}
	return failed
}

func newForbids(t *testing.T, prepare func(f *forbids), set func(*reconcile.Options)) *forbids {
	t.Helper()
	f := &forbids{fixture: newFixture(t)}
	f.refusing = &refusing{remote: f.fixture.remote}
	f.stocks("a", "1")
	prepare(f)
	f.scheduler, f.done = scheduler(t, f.fixture, f.refusing, func(o *reconcile.Options) {
		o.HeldRetry, o.PDFConcurrency = time.Hour, 1
		set(o)
	})
	return f
}

func asIs(*reconcile.Options) {}

// TestOnePDFIsForbidden: an invoice whose PDF is always refused waits alone, whether e-conomic
// answers 403, or 401 although it accepts the token.
func TestOnePDFIsForbidden(t *testing.T) {
	for _, status := range []int{401, 403} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			f := newForbids(t, func(f *forbids) {
				f.books(3)
				f.refuse(status, pdfOf(2))
			}, asIs)
			if failed := f.settles(2); len(failed) > 0 {
				t.Errorf("passes failed: %v", failed)
			}
			if f.holds() != "" || f.pdfs() != "1 3" {
				t.Errorf("held %q, PDFs %q", f.holds(), f.pdfs())
			}
			asked := f.calls("")
			// Once to begin with; after a 401 that has been answered in this pass.
			if n := len(slices.DeleteFunc(slices.Clone(asked), func(p string) bool { return p != "/self" })); n > 1+len(slices.DeleteFunc(asked, func(p string) bool { return p != pdfOf(2) })) {
				t.Errorf("/self was read %d times", n)
			}
			var note string
			must(t, f.db.QueryRow("SELECT work_error FROM invoices WHERE number = 2").Scan(&note))
			if !strings.HasPrefix(note, "forbidden: ") || !strings.Contains(note, fmt.Sprint("status ", status)) {
				t.Errorf("it is told as %q", note)
			}
			// For ever, and stock goes on each tick.
			for n := range 4 {
				f.stocks("a", strconv.Itoa(n+2))
				f.books(4 + n)
				if failed := f.settles(1); len(failed) > 0 || f.holds() != "" {
					t.Errorf("held %q, passes failed: %v", f.holds(), failed)
				}
				f.stockIs("a", strconv.Itoa(n+2))
			}
			if f.pdfs() != "1 3 4 5 6 7" {
				t.Errorf("PDFs %q", f.pdfs())
			}
		})
	}
}

// TestPDFsAreForbidden: three in a row are not the invoices' fault. Only PDFs are held, until
// the newest can be read, or one that is not always refused.
func TestPDFsAreForbidden(t *testing.T) {
	const first, all, refusedPDFs = 30, 31, "/invoices/booked/"
	for _, status := range []int{401, 403} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			f := newForbids(t, func(f *forbids) {
				f.books(first)
				f.refuse(status, refusedPDFs)
			}, func(o *reconcile.Options) { o.HeldRetry = time.Second })
			if failed := f.settles(1); len(failed) > 0 || f.holds() != "pdf: forbidden" {
				t.Fatalf("held %q, passes failed: %v", f.holds(), failed)
			}
			// While those that hold them are looked at and stored, some more may be under way.
			if asked := f.calls(refusedPDFs); len(asked) < 3 || len(asked) > 12 || asked[0] != pdfOf(1) {
				t.Errorf("asked for %v", asked)
			}
			f.stocks("a", "2")
			f.books(all)
			time.Sleep(time.Second)
			if failed := f.settles(1); len(failed) > 0 || f.holds() != "pdf: forbidden" {
				t.Errorf("held %q, passes failed: %v", f.holds(), failed)
			}
			f.stockIs("a", "2")
			if asked := f.calls(refusedPDFs); !slices.Equal(asked, []string{pdfOf(31), pdfOf(30), pdfOf(29)}) {
				t.Errorf("tried by %v", asked)
			}
			// All have been refused, and the newest still is: the others are not held for it.
			f.exec("UPDATE invoices SET work_error = 'forbidden: x', work_refused = 1, work_tries = 1")
			f.refuse(status, pdfOf(31))
			time.Sleep(time.Second)
			if failed := f.settles(1); len(failed) > 0 || f.holds() != "" {
				t.Errorf("held %q, passes failed: %v", f.holds(), failed)
			}
			f.refuse(0)
			f.exec("UPDATE invoices SET work_due_at = ?, work_tries = 0 WHERE work_due_at IS NOT NULL", store.At(time.Now())) // retries have a pace
			f.scheduler.ReconcileAll()
			f.settles(2)
			if n := len(strings.Fields(f.pdfs())); f.holds() != "" || n != all {
				t.Errorf("held %q, %d PDFs: %s", f.holds(), n, f.pdfs())
			}
		})
	}
}

// TestRefusedBefore: PDFs that e-conomic always refuses do not hold the others when another
// lagerd tries three of them in a row.
func TestRefusedBefore(t *testing.T) {
	f := newForbids(t, func(f *forbids) {
		f.swept()
		for n := range 3 {
			f.hasInvoice(int64(n+1), "2026-11-20", "pending", "forbidden: x")
		}
		f.exec("UPDATE invoices SET lines_read = 1, work_refused = 1, work_due_at = ?", store.At(time.Now()))
		f.refuse(403, "/invoices/booked/")
	}, asIs)
	if failed := f.settles(1); len(failed) > 0 || f.holds() != "" {
		t.Errorf("held %q, passes failed: %v", f.holds(), failed)
	}
	if asked := f.calls("/invoices/booked/"); len(asked) != 3 {
		t.Errorf("asked for %v", asked)
	}
}

// TestInvoicesAreForbidden: an app without the role for invoices has its stock read.
func TestInvoicesAreForbidden(t *testing.T) {
	for _, status := range []int{401, 403} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			f := newForbids(t, func(f *forbids) {
				f.books(2)
				f.refuse(status, "/invoices/booked=")
			}, asIs)
			if failed := f.settles(2); len(failed) > 0 || f.holds() != "invoices: forbidden" {
				t.Fatalf("held %q, passes failed: %v", f.holds(), failed)
			}
			if asked := f.calls("/invoices"); len(asked) != 1 {
				t.Errorf("asked for %v", asked)
			}
			f.hints(plan.KindInvoice, plan.CauseWebhook, "2")
			f.stocks("a", "2")
			if failed := f.settles(1); len(failed) > 0 {
				t.Errorf("passes failed: %v", failed)
			}
			f.stockIs("a", "2")
			if asked := f.calls("/invoices"); len(asked) != 0 {
				t.Errorf("asked for %v", asked)
			}
			f.refuse(0)
			f.scheduler.ReconcileAll()
			f.settles(2)
			if f.holds() != "" || f.pdfs() != "1 2" {
				t.Errorf("held %q, PDFs %q", f.holds(), f.pdfs())
			}
		})
	}
}

// TestItemsAreForbidden: one refused item waits alone, three in a row hold the stock
// and nothing else, and the newest ends that.
func TestItemsAreForbidden(t *testing.T) {
	f := newForbids(t, func(f *forbids) {
		for _, number := range []string{"b", "c", "d", "e"} {
			f.stocks(number, "1")
		}
		f.swept()
		f.has("a", "9") // not as it is at e-conomic
		f.refuse(403, "/products/b", "/products/c", "/products/d")
	}, func(o *reconcile.Options) { o.RetryMin, o.RetryMax = time.Hour, time.Hour })
	f.settles(1)
	// One after another, with nothing but a listing read between.
	for _, number := range []string{"b", "c", "d"} {
		f.hints(plan.KindStock, plan.CauseOperator, number)
		f.scheduler.Hinted("shop1234", 1)
		if err := f.done.next(t); err != nil || f.holds() != "" {
			t.Errorf("%s: held %q, %v", number, f.holds(), err)
		}
		var note string
		must(t, f.db.QueryRow("SELECT note FROM hints WHERE number = ?", number).Scan(&note))
		if !strings.HasPrefix(note, "forbidden: read product") {
			t.Errorf("%s is told as %q", number, note)
		}
		f.settles(1)
	}
	f.exec("DELETE FROM hints")
	f.refuse(403, "/products/")
	f.hints(plan.KindStock, plan.CauseOperator, "b") // refused before
	f.scheduler.Hinted("shop1234", 1)
	_ = f.done.next(t)
	for _, number := range []string{"x", "y"} {
		f.hints(plan.KindStock, plan.CauseOperator, number)
		f.scheduler.Hinted("shop1234", 1)
		if err := f.done.next(t); err != nil || f.holds() != "" {
			t.Errorf("%s: held %q, %v", number, f.holds(), err)
		}
	}
	f.hints(plan.KindStock, plan.CauseOperator, "z")
	f.scheduler.Hinted("shop1234", 1)
	if err := f.done.next(t); err != nil || f.holds() != "stock: forbidden" {
		t.Errorf("held %q, %v", f.holds(), err)
	}
	held := time.Now()
	f.books(1)
	f.calls("")
	f.hints(plan.KindStock, plan.CauseOperator, "a")
	if failed := f.settles(2); len(failed) > 0 || f.pdfs() != "1" {
		t.Errorf("PDFs %q, passes failed: %v", f.pdfs(), failed)
	}
	if h := f.hint(plan.KindStock, "a"); !h.Open || h.DueAt.After(held.Add(time.Hour)) || h.DueAt.Before(held.Add(50*time.Minute)) {
		t.Errorf("it was held before %s, and a hint waits, open %t, until %s: expected the next try", held.UTC(), h.Open, h.DueAt)
	}
	if asked := f.calls("/products"); len(asked) > 0 {
		t.Errorf("asked for %v", asked)
	}
	f.refuse(403, "/products/b")
	time.Sleep(time.Millisecond)
	f.hints(plan.KindStock, plan.CauseOperator, "a")
	f.scheduler.ReconcileAll()
	_ = f.done.next(t)
	if asked := f.calls("/products"); len(asked) == 0 || asked[0] != "/products/a" || f.holds() != "" {
		t.Errorf("held %q, asked for %v", f.holds(), asked)
	}
	f.stockIs("a", "1")
}

// TestOnlySelfHoldsTheShop: a 401 or 403 of /self holds the shop, and a part's own hold stays
// during it and after it.
func TestOnlySelfHoldsTheShop(t *testing.T) {
	for status, reason := range map[int]string{401: "token_refused", 403: "forbidden"} {
		t.Run(reason, func(t *testing.T) {
			f := newForbids(t, func(f *forbids) {
				f.books(1)
				f.exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1234', 'stock', 'losses', 'as it was', ?)", store.At(time.Now()))
				f.swept()
				f.refuse(status, "/self=")
			}, asIs)
			if failed := f.settles(1); len(failed) != 1 || f.holds() != reason+"; stock: losses" {
				t.Errorf("held %q, passes failed: %v", f.holds(), failed)
			}
			if asked := f.calls(""); len(asked) != 1 {
				t.Errorf("asked for %v", asked)
			}
			f.refuse(0)
			f.scheduler.ReconcileAll()
			_ = f.done.next(t)
			if f.holds() != "stock: losses" || f.pdfs() != "1" {
				t.Errorf("held %q, PDFs %q", f.holds(), f.pdfs())
			}
		})
	}
}

// TestLossesOutliveARefusal: stock held for losses stays held for them when its dry run is
// refused, and the rest of the shop continues.
func TestLossesOutliveARefusal(t *testing.T) {
	for _, status := range []int{401, 403} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			f := newForbids(t, func(f *forbids) {
				for n := range 100 {
					f.has(fmt.Sprint("n", n), "5")
				}
				f.swept()
				f.exec("UPDATE progress SET items = 100")
				f.exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1234', 'stock', 'losses', 'as it was', ?)", store.At(time.Now()))
				f.refuse(status, "/products")
			}, func(o *reconcile.Options) { o.HeldRetry = time.Second })
			if failed := f.settles(1); len(failed) > 0 || f.holds() != "stock: losses" {
				t.Errorf("held %q, passes failed: %v", f.holds(), failed)
			}
			st, err := f.Store.Status(t.Context(), "shop1234")
			must(t, err)
			if p := st[0].Progress; p.Failures != 1 || !strings.Contains(p.Failure, fmt.Sprint("status ", status)) {
				t.Errorf("it is told as %d failures: %q", p.Failures, p.Failure)
			}
			f.books(1)
			if failed := f.settles(1); len(failed) > 0 || f.pdfs() != "1" {
				t.Errorf("PDFs %q, passes failed: %v", f.pdfs(), failed)
			}
			was, err := f.Store.Progress(t.Context(), "shop1234")
			must(t, err)
			f.refuse(0)
			time.Sleep(time.Second)
			f.settles(2)
			p, err := f.Store.Progress(t.Context(), "shop1234")
			must(t, err)
			if p.Failures > was.Failures && strings.Contains(p.Failure, fmt.Sprint("status ", status)) {
				t.Errorf("e-conomic answers again, and the refusal is noted still: %d failures, %d before: %q", p.Failures, was.Failures, p.Failure)
			}
			if hold, _ := p.Holds.Of(plan.ScopeStock); f.holds() != "stock: losses" || !strings.Contains(hold.Detail, "of 100 of") {
				t.Errorf("held %q: %+v", f.holds(), hold)
			}
		})
	}
}

// TestOnePDFIsLimited: a 429 for a PDF lets those end that are being fetched, stops the
// agreement's calls for as long as it says, and puts this PDF behind the others.
func TestOnePDFIsLimited(t *testing.T) {
	started, limited := make(chan struct{}), make(chan struct{})
	f := newForbids(t, func(f *forbids) {
		f.books(3)
		f.refuse(429, pdfOf(1))
		f.refusing.before = func(path string) {
			switch path { // the second is under way when the first is refused
			case pdfOf(1):
				<-started
				f.refusing.mu.Lock()
				defer f.refusing.mu.Unlock()
				f.refusing.before = nil
				time.AfterFunc(50*time.Millisecond, func() { close(limited) })
			case pdfOf(2):
				close(started)
				<-limited
			}
		}
	}, func(o *reconcile.Options) { o.PDFConcurrency = 2 })
	if err := f.done.next(t); err == nil || !strings.Contains(err.Error(), "rate limit") {
		t.Fatalf("the first pass: %v", err)
	}
	if f.pdfs() != "2" {
		t.Errorf("PDFs %q", f.pdfs())
	}
	due, err := f.Store.InvoicesToFetch(t.Context(), f.Shop.Dataset, store.Due{By: time.Now().Add(time.Minute), Beyond: time.Now().Add(time.Hour)}, true, true, 10)
	must(t, err)
	if len(due) != 2 || due[0].Number != 3 || due[1].Number != 1 || due[1].Tries != 1 {
		t.Errorf("next are %+v", due)
	}
	f.refuse(0)
	for f.pdfs() != "1 2 3" {
		_ = f.done.next(t)
	}
}
