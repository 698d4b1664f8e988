package e2e_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
	"lagerd/test/sandboxtest"
)

// oddEconomic is an e-conomic behind a gateway that puts a byte order mark before its JSON. The
// test sets its items, its invoices and what follows its PDFs.
type oddEconomic struct {
	*httptest.Server
	mu              sync.Mutex
	items, invoices map[string]string
	padding         map[string]string
}

func (o *oddEconomic) set(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

func (o *oddEconomic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	answer := func(status int, body string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte("\xef\xbb\xbf" + body))
	}
	list := func(of map[string]string) {
		var all []string
		for _, number := range slices.Sorted(maps.Keys(of)) {
			all = append(all, of[number])
		}
		size, _ := strconv.Atoi(r.URL.Query().Get("pagesize"))
		answer(200, fmt.Sprintf(`{"collection":[%s],"pagination":{"results":%d}}`, strings.Join(all[:min(len(all), max(size, 1))], ","), len(all)))
	}
	one := func(of map[string]string, number string) {
		if body, ok := of[number]; ok {
			answer(200, body)
			return
		}
		answer(404, `{"message":"Not found.","logId":"x","httpStatusCode":404}`)
	}
	switch path := r.URL.Path; {
	case path == "/self":
		answer(200, `{"agreementNumber":4711,"company":{"name":"Test ApS"}}`)
	case path == "/products":
		list(o.items)
	case path == "/invoices/booked":
		list(o.invoices)
	case strings.HasSuffix(path, "/pdf"):
		number := strings.TrimSuffix(strings.TrimPrefix(path, "/invoices/booked/"), "/pdf")
		_, _ = w.Write([]byte("%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer<<>>\nstartxref\n9\n%%EOF\n" + o.padding[number]))
	case strings.HasPrefix(path, "/products/"):
		one(o.items, strings.TrimPrefix(path, "/products/"))
	default:
		one(o.invoices, strings.TrimPrefix(path, "/invoices/booked/"))
	}
}

// TestWhatCannotBeRead checks that an unreadable field that is not needed affects only itself,
// that a needed one is named, counted and retried, and that all are reported wherever a person
// looks.
func TestWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	// unless returns a field that the others do not have: one that comes twice is unreadable.
	unless := func(more, name, value string) string {
		if strings.Contains(more, `,"`+name+`":`) {
			return ""
		}
		return `,"` + name + `":` + value
	}
	item := func(number, more string) string {
		return fmt.Sprintf(`{"productNumber":%q,"name":"Vare","barred":false%s%s%s}`, number,
			unless(more, "lastUpdated", `"2026-11-01T10:00:00Z"`), unless(more, "inventory", `{"inStock":5.0,"available":5.0}`), more)
	}
	invoice := func(number int, more string) string {
		return fmt.Sprintf(`{"bookedInvoiceNumber":%d,"date":"2026-11-10","currency":"DKK","netAmount":100.0,"grossAmount":125.0%s%s}`, number,
			unless(more, "references", fmt.Sprintf(`{"other":"W-%d"}`, number)), more)
	}
	o := &oddEconomic{
		items: map[string]string{
			"A-1": item("A-1", ""), "A-2": item("A-2", `,"lastUpdated":"2026-11-02T10:00:00","barCode":123`), "A-3": item("A-3", `,"inventory":{"inStock":6.9999999999999996,"available":"-"}`),
			"A-4": item("A-4", `,"inventory":{"inStock":"5"}`),
		},
		invoices: map[string]string{"1": invoice(1, ""), "2": invoice(2, `,"exchangeRate":"747.5","dueDate":"2026-11-20T00:00:00"`), "3": invoice(3, "")},
		padding:  map[string]string{"1": strings.Repeat("\x00", 80_508), "2": strings.Repeat("DEBUG rendered in 3 ms\n", 130)},
	}
	for n := 10; n < 32; n++ {
		o.invoices[fmt.Sprint(n)] = invoice(n, `,"references":{"other":7}`)
	}
	o.Server = httptest.NewServer(o)
	t.Cleanup(o.Close)
	i := install(t, &sandbox{Client: sandboxtest.Client{URL: o.URL}}, "", pace)
	i.start()
	i.write("grant", "a-grant-token")
	if out, code := run(t, i.Env, "", "shops", "add", "shop1234", "--grant-token-file", i.dir+"/grant", "--invoices-from", "2026-01-01"); code != 0 {
		t.Fatal(out)
	}
	shows := func(code int, args []string, parts ...string) {
		t.Helper()
		var out string
		lagerdtest.Eventually(t, 20*time.Second, fmt.Sprintf("lagerd %q shows %q", args, parts), func() bool {
			var is int
			out, is = run(t, i.Env, "", args...)
			return is == code && !slices.ContainsFunc(parts, func(part string) bool { return !lagerdtest.Says(out, part) })
		})
	}
	const (
		unreadInvoices = `22 invoices cannot be read, e.g. 10: references.other: expected a string, got number 7`
		unreadItem     = `item "A-4" cannot be read: inventory.inStock: expected a number, got string "5"`
		oddItems       = `2 items have unreadable fields, e.g. "A-2": barCode: expected a string, got number 123; lastUpdated: expected a time (RFC 3339), got string "2026-11-02T10:00:00"`
		oddInvoice     = `invoice 2 has unreadable fields: dueDate: expected a date (YYYY-MM-DD), got string "2026-11-20T00:00:00"; exchangeRate: expected a number, got string "747.5"`
	)
	shows(0, []string{"status"}, "running", "OLDEST FAILING", " 23 ", unreadInvoices, unreadItem, oddItems, oddInvoice)
	shows(0, []string{"status", "--json"}, `"items": 3`, `"invoices": 3`, `"invoices_waiting_for_pdf": 0`, `"count": 22`)
	shows(1, []string{"check"}, "FAILED  shop shop1234: "+unreadInvoices, "FAILED  shop shop1234: "+unreadItem, "WARNING shop shop1234: "+oddInvoice)
	shows(0, []string{"why", "shop1234", "31", "--invoice"}, "could not be read (asked", "attempts failed", "references.other: expected a")
	shows(0, []string{"why", "shop1234", "2", "--invoice"}, "W-2", "PDF of ", "the stored value stays:")
	shows(0, []string{"why", "shop1234", "A-3"}, "7 in stock (last changed", "the stored value stays:")
	shows(2, []string{"diff", "shop1234"}, "22 could not be compared", `not compared: stock "A-4"`, `not compared: stock "A-3": only in part`)
	page, err := http.Get("http://" + i.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := io.ReadAll(page.Body)
	_ = page.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	for _, counter := range []string{`lagerd_warnings_total{kind="stock"}`, `lagerd_warnings_total{kind="invoice"}`, "lagerd_bad_items_total"} {
		if !strings.Contains(string(metrics), "\n"+counter+" ") || strings.Contains(string(metrics), "\n"+counter+" 0\n") {
			t.Errorf("%s counts nothing", counter)
		}
	}

	// Everything is corrected and an item deleted: the mark before that answer is accepted
	// too.
	o.set(func() {
		o.items = map[string]string{"A-2": item("A-2", ""), "A-3": item("A-3", "")}
		for number := range o.invoices {
			o.invoices[number] = strings.ReplaceAll(o.invoices[number], `,"references":{"other":7}`, "")
		}
		o.invoices["2"] = invoice(2, `,"dueDate":"2026-11-20"`)
	})
	if out, code := run(t, i.Env, "", "reconcile", "--shop", "shop1234", "--invoice", "2", "--wait"); code != 0 {
		t.Error(out)
	}
	lagerdtest.Eventually(t, 20*time.Second, "everything is read", func() bool {
		st := i.status("shop1234")
		return st.Invoices == 25 && st.OpenHints == 0 && st.Reason == "" && st.WaitingForPDF == 0
	})
	shows(0, []string{"check"}, "shop1234")
	shows(0, []string{"diff", "shop1234"}, "25 invoices at e-conomic, 25 stored: equal", "2 items at e-conomic, 2 stored: equal")
	shows(0, []string{"why", "shop1234", "A-1"}, "e-conomic no longer has the item")
	shows(0, []string{"why", "shop1234", "2", "--invoice"}, "dated 2026-11-10")
}
