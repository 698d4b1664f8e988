package economic_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lagerd/budget"
	"lagerd/economic"
	"lagerd/secret"
)

const (
	appToken   = "app-token-5b2fQ1xZ"
	grantToken = "grant-token-9kTr77Lw"
)

// bench is a client and a server with one handler.
type bench struct {
	*economic.Agreement
	client *economic.Client
	budget *budget.Budget
	url    string

	mu    sync.Mutex
	calls []economic.Call
}

func (b *bench) seen() []economic.Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls
}

func setup(t *testing.T, handler http.HandlerFunc, change ...func(*economic.Options)) *bench {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	b := &bench{url: server.URL, budget: budget.New(budget.Options{})}
	o := economic.Options{RESTURL: server.URL, AppSecretToken: appToken, Timeout: 5 * time.Second, Observe: func(c economic.Call) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.calls = append(b.calls, c)
	}}
	for _, f := range change {
		f(&o)
	}
	var err error
	if b.client, err = economic.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.client.Close)
	b.Agreement = b.client.Agreement(grantToken, b.budget)
	return b
}

func says(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

const emptyPage = `{"collection":[],"pagination":{"results":0}}`

func TestRequest(t *testing.T) {
	t.Parallel()
	var got *http.Request
	b := setup(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("X-CallCost", "3")
		w.Header().Set("X-RateLimiting", "token-limit-10000-per-60-seconds: 147/10000")
		io.WriteString(w, `{"productNumber":"a/b c_d"}`)
	})
	before := time.Now()
	read, err := b.Product(t.Context(), budget.PriorityHint, "a/b c_d")
	if err != nil || read.Value.Number != "a/b c_d" {
		t.Fatalf("got %+v, %v", read, err)
	}
	if read.Began.Before(before) || read.Began.After(time.Now()) || time.Since(read.ServerDate).Abs() > time.Minute {
		t.Errorf("the read began %s by our clock, was answered %s by the server's", read.Began, read.ServerDate)
	}
	if got.Method != http.MethodGet || got.RequestURI != "/products/a_6_b_9_c_8_d" {
		t.Errorf("sent %s %s", got.Method, got.RequestURI)
	}
	for name, want := range map[string]string{"X-AppSecretToken": appToken, "X-AgreementGrantToken": grantToken, "Content-Type": "application/json", "Accept": "application/json", "User-Agent": "lagerd"} {
		if have := got.Header.Get(name); have != want {
			t.Errorf("%s: got %q", name, have)
		}
	}
	if len(b.seen()) != 1 {
		t.Fatalf("observed %+v", b.seen())
	}
	call := b.seen()[0]
	call.Duration = 0
	if diff := cmp.Diff(economic.Call{Endpoint: "product", Status: 200, Cost: 3}, call); diff != "" {
		t.Error(diff)
	}
	if s := b.budget.State(); s.Calls != 1 || s.BucketLimit != 10000 || s.BucketUsed == 0 || s.BucketUsed > 147 || s.Day == "" {
		t.Errorf("budget %+v", s)
	}
}

func TestQueries(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	since := time.Date(2026, 3, 4, 6, 7, 59, 0, time.FixedZone("", 3600))
	products := func(q economic.ProductsQuery) func(*bench) error {
		return func(b *bench) error { _, err := b.Products(ctx, budget.PriorityTick, q); return err }
	}
	invoices := func(q economic.InvoicesQuery) func(*bench) error {
		return func(b *bench) error { _, err := b.Invoices(ctx, budget.PriorityTick, q); return err }
	}
	for name, test := range map[string]struct {
		ask                func(*bench) error
		path, filter, sort string
		size, skip         string
	}{
		"all products": {products(economic.ProductsQuery{}), "/products", "", "productNumber", "1000", ""},
		"a later page": {products(economic.ProductsQuery{PageSize: 20, SkipPages: 3}), "/products", "", "productNumber", "20", "3"},
		"changed, in UTC and whole minutes": {products(economic.ProductsQuery{UpdatedSince: since}), "/products",
			"lastUpdated$gte:2026-03-04T05:07:00Z", "-lastUpdated,productNumber", "1000", ""},
		"one number": {products(economic.ProductsQuery{Numbers: []string{"a & b+c%20"}}), "/products", "productNumber$eq:a & b+c%20", "productNumber", "1000", ""},
		"escaped numbers": {products(economic.ProductsQuery{Numbers: []string{"$1", "a(b)", "c*,", "[d]", "ø:/"}}), "/products",
			"(productNumber$eq:$$1$or:productNumber$eq:a$(b$)$or:productNumber$eq:c$*$,$or:productNumber$eq:[d]$or:productNumber$eq:ø:/)", "productNumber", "1000", ""},
		"all invoices":   {invoices(economic.InvoicesQuery{}), "/invoices/booked", "", "bookedInvoiceNumber", "1000", ""},
		"after":          {invoices(economic.InvoicesQuery{HasAfter: true}), "/invoices/booked", "bookedInvoiceNumber$gt:0", "bookedInvoiceNumber", "1000", ""},
		"latest":         {invoices(economic.InvoicesQuery{Descending: true, PageSize: 1}), "/invoices/booked", "", "-bookedInvoiceNumber", "1", ""},
		"from a date":    {invoices(economic.InvoicesQuery{DateFrom: "2026-01-02"}), "/invoices/booked", "date$gte:2026-01-02", "bookedInvoiceNumber", "1000", ""},
		"gaps only":      {invoices(economic.InvoicesQuery{Ranges: []economic.Range{{From: 7, To: 7}}}), "/invoices/booked", "bookedInvoiceNumber$in:[7]", "bookedInvoiceNumber", "1000", ""},
		"after and gaps": {invoices(economic.InvoicesQuery{HasAfter: true, After: 90, Ranges: []economic.Range{{From: 7, To: 7}, {From: 10, To: 20}, {From: 30, To: 30}}, DateFrom: "2026-01-02"}), "/invoices/booked", "(bookedInvoiceNumber$gt:90$or:(bookedInvoiceNumber$gte:10$and:bookedInvoiceNumber$lte:20)$or:bookedInvoiceNumber$in:[7,30])$and:date$gte:2026-01-02", "bookedInvoiceNumber", "1000", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got *http.Request
			b := setup(t, func(w http.ResponseWriter, r *http.Request) {
				got = r
				io.WriteString(w, emptyPage)
			})
			if err := test.ask(b); err != nil {
				t.Fatal(err)
			}
			q := got.URL.Query()
			have := []string{got.URL.Path, q.Get("filter"), q.Get("sort"), q.Get("pagesize"), q.Get("skippages")}
			if diff := cmp.Diff([]string{test.path, test.filter, test.sort, test.size, test.skip}, have); diff != "" {
				t.Error(diff)
			}
			if strings.ContainsAny(got.URL.RawQuery, "$+ []") {
				t.Errorf("not encoded as a whole: %s", got.URL.RawQuery)
			}
		})
	}
}

func TestQueriesRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	ctx, p := t.Context(), budget.PriorityTick
	many := make([]string, 500)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	_, e1 := b.Products(ctx, p, economic.ProductsQuery{Numbers: many})
	_, e2 := b.Products(ctx, p, economic.ProductsQuery{Numbers: []string{" x"}})
	_, e3 := b.Products(ctx, p, economic.ProductsQuery{PageSize: 1001})
	_, e4 := b.Invoices(ctx, p, economic.InvoicesQuery{DateFrom: "2026-1-2"})
	_, e5 := b.Invoices(ctx, p, economic.InvoicesQuery{Ranges: []economic.Range{{From: 5, To: 4}}})
	_, e6 := b.Product(ctx, p, "")
	for i, err := range []error{e1, e2, e3, e4, e5, e6} {
		if economic.KindOf(err) != economic.KindBadRequest {
			t.Errorf("%d: got %v", i+1, err)
		}
	}
	if len(b.seen()) != 0 || b.budget.State().Calls != 0 {
		t.Error("a request that was not sent was counted")
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	var longest int
	b := setup(t, func(w http.ResponseWriter, r *http.Request) {
		longest = len("http://"+r.Host) + len(r.RequestURI)
		io.WriteString(w, emptyPage)
	})
	rapid.Check(t, func(rt *rapid.T) {
		number := rapid.StringOfN(rapid.OneOf(rapid.RuneFrom([]rune("aZ09 $()*,[]/æø")), rapid.Rune()), 1, 25, -1)
		numbers := rapid.SliceOfN(number, 1, 80).Draw(rt, "numbers")
		n := b.client.FitNumbers(numbers)
		if n < len(numbers) && n < 5 && economic.Filterable(numbers[n]) {
			rt.Fatalf("only %d of %q fit", n, numbers)
		}
		if n > 0 {
			_, err := b.Products(t.Context(), budget.PriorityHint, economic.ProductsQuery{Numbers: numbers[:n], UpdatedSince: time.Now(), SkipPages: 12345})
			if err != nil || longest > 2000 {
				rt.Fatalf("%d numbers: %d bytes, %v", n, longest, err)
			}
		}
		end := rapid.Int64Range(1, 1<<62)
		ranges := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) economic.Range {
			from := end.Draw(t, "from")
			return economic.Range{From: from, To: from + rapid.Int64Range(0, 1).Draw(t, "more")}
		}), 1, 120).Draw(rt, "ranges")
		n = b.client.FitRanges(ranges)
		if n < len(ranges) && n < 5 {
			rt.Fatalf("only %d of %d ranges fit", n, len(ranges))
		}
		_, err := b.Invoices(t.Context(), budget.PriorityHint, economic.InvoicesQuery{HasAfter: true, After: 1 << 62, Ranges: ranges[:n], DateFrom: "2026-01-02", Descending: true, SkipPages: 12345})
		if err != nil || longest > 2000 {
			rt.Fatalf("%d ranges: %d bytes, %v", n, longest, err)
		}
	})
	single := make([]economic.Range, 250)
	for i := range single {
		single[i] = economic.Range{From: int64(i + 1), To: int64(i + 1)}
	}
	if n := b.client.FitRanges(single); n < 200 {
		t.Errorf("only %d single numbers fit", n)
	}
}

// More than 200 values in one list are a 400 at e-conomic.
func TestListsOfNumbersAreShort(t *testing.T) {
	t.Parallel()
	var filter string
	b := setup(t, func(w http.ResponseWriter, r *http.Request) {
		filter = r.URL.Query().Get("filter")
		io.WriteString(w, emptyPage)
	}, func(o *economic.Options) { o.MaxURLBytes = 20_000 })
	ranges := make([]economic.Range, 450)
	for i := range ranges {
		ranges[i] = economic.Range{From: int64(i + 1), To: int64(i + 1)}
	}
	if _, err := b.Invoices(t.Context(), budget.PriorityTick, economic.InvoicesQuery{Ranges: ranges}); err != nil {
		t.Fatal(err)
	}
	lists := strings.Split(filter, "$or:")
	if len(lists) != 3 {
		t.Fatalf("expected 3 lists, got %q", filter)
	}
	for _, list := range lists {
		if n := strings.Count(list, ",") + 1; n > 200 {
			t.Errorf("a list of %d", n)
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	b := setup(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("skippages") == "" {
			fmt.Fprintf(w, `{"collection":[{"productNumber":"1","barred":false},{"productNumber":"2","inventory":{"inStock":"x"}},{"productNumber":7},"?"],
				"pagination":{"results":5,"nextPage":"http://%s/products?filter=a%%24b&skippages=1&pagesize=4"}}`, r.Host)
			return
		}
		io.WriteString(w, `{"collection":[{"productNumber":"5"}],"pagination":{"results":5,"firstPage":"…"}}`)
	})
	first, err := b.Products(t.Context(), budget.PriorityTick, economic.ProductsQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Items) != 2 || first.Items[0].Number != "1" || first.Items[1].Number != "2" ||
		unsoundOf(first.Items[1].Unsound) != `inventory.inStock|inventory.inStock: expected a number, got string "x"` || first.Results != 5 || first.Began.IsZero() || first.ServerDate.IsZero() {
		t.Errorf("got %+v", first)
	}
	var bad []string
	for _, item := range first.Bad {
		bad = append(bad, fmt.Sprintf("%s|%v", item.Number, item.Err))
	}
	want := []string{
		`|products.collection[2].productNumber: expected a string, got number 7`,
		`|products.collection[3]: expected an object, got string "?"`,
	}
	if diff := cmp.Diff(want, bad); diff != "" {
		t.Error(diff)
	}
	next, err := b.NextProducts(t.Context(), budget.PriorityTick, first.Next)
	if err != nil || len(next.Items) != 1 || next.Items[0].Number != "5" || next.Next != "" {
		t.Errorf("got %+v, %v", next, err)
	}
}

func TestForeignLinks(t *testing.T) {
	t.Parallel()
	var stolen int
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen++ }))
	defer thief.Close()
	b := setup(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	for _, link := range []string{
		thief.URL + "/products?skippages=1", strings.Replace(b.url, "http:", "https:", 1) + "/products", "//" + strings.TrimPrefix(thief.URL, "http://") + "/x",
		strings.Replace(b.url, "http://", "http://user@", 1) + "/products", "", "ftp://x", "::",
	} {
		_, e1 := b.NextProducts(t.Context(), budget.PriorityTick, link)
		_, e2 := b.NextInvoices(t.Context(), budget.PriorityTick, link)
		for _, err := range []error{e1, e2} {
			if economic.KindOf(err) != economic.KindMalformed {
				t.Errorf("%q: got %v", link, err)
			}
		}
	}
	if stolen != 0 || len(b.seen()) != 0 {
		t.Errorf("%d requests went to another host", stolen)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the tokens were sent along") }))
	defer thief.Close()
	b := setup(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, thief.URL, http.StatusFound) })
	if _, err := b.Self(t.Context(), budget.PriorityTick); economic.KindOf(err) != economic.KindUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestOnlyGET(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was sent", r.Method) })
	for _, method := range []string{"PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "get"} {
		r, err := http.NewRequestWithContext(t.Context(), method, b.url+"/products/1", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := b.client.HTTP().Do(r); err == nil {
			resp.Body.Close()
			t.Errorf("%s went through", method)
		} else if want := "refused to send " + method + ": lagerd only reads from e-conomic"; !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/products/1", strings.NewReader("{}"))
	if resp, err := b.client.HTTP().Do(r); err == nil {
		resp.Body.Close()
		t.Error("a body went through")
	}
	r, _ = http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/", nil)
	if resp, err := b.client.HTTP().Do(r); err == nil || !strings.HasSuffix(err.Error(), "refused to send tokens to 127.0.0.1:1") {
		if err == nil {
			resp.Body.Close()
		}
		t.Errorf("another host: got %v", err)
	}
}

// Each answer means the same to every method; Product and Products stand for them.
func TestErrorKinds(t *testing.T) {
	t.Parallel()
	const page = "<!DOCTYPE html><html><head><title>502 Bad\nGateway</title></head><body>…</body></html>"
	const own = `{"message":"It is so.","errorCode":"E01234","developerHint":"Do this.","logId":"8d79-CPH","httpStatusCode":400,"logTime":"2026-10-24T14:26:57"`
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		kind    economic.Kind
		text    []string // in the error
	}{
		"wrong token":             {says(401, own+"}"), economic.KindUnauthorized, []string{"It is so.", "E01234", "8d79-CPH"}},
		"wrong token, no words":   {says(401, ""), economic.KindUnauthorized, []string{"(status 401)"}},
		"role missing":            {says(403, own+"}"), economic.KindForbidden, []string{"It is so."}},
		"gone":                    {says(404, own+"}"), economic.KindNotFound, []string{`read product "a b"`}},
		"gone, a mark before it":  {says(404, "\xef\xbb\xbf"+own+"}"), economic.KindNotFound, []string{"It is so.", "8d79-CPH"}},
		"400, a mark before it":   {says(400, "\xef\xbb\xbf"+own+"}"), economic.KindBadRequest, []string{"It is so."}},
		"page, a mark before it":  {says(404, "\xef\xbb\xbf"+page, "Content-Type", "text/plain"), economic.KindUnavailable, []string{"titled"}},
		"a gateway's 404":         {says(404, page, "Content-Type", "text/html"), economic.KindUnavailable, []string{`titled "502 Bad Gateway"`}},
		"a 404 cut short":         {says(404, own+"}", "Content-Length", "1000"), economic.KindUnavailable, []string{"read the answer with status 404"}},
		"another server's 404":    {says(404, "404 page not found\n", "Content-Type", "text/plain"), economic.KindUnavailable, []string{"address"}},
		"a gateway's 403":         {says(403, page), economic.KindUnavailable, nil},
		"list of errors":          {says(400, own+`,"errors":["Filtering is not allowed on property 'x'."],"allowedFilteringFields":["a","b"]}`), economic.KindBadRequest, []string{"'x'", `["a","b"]`}},
		"tree of errors":          {says(400, own+`,"errors":{"lines":[{"arrayIndex":3,"product":{"errors":[{"errorCode":"E06000","message":"No such product."}]}}]}}`), economic.KindBadRequest, []string{"lines[3].product: E06000 No such product."}},
		"errors of no known form": {says(400, own+`,"errors":17}`), economic.KindBadRequest, []string{"It is so."}},
		"message of another type": {says(400, `{"message":{"a":1},"errorCode":7}`), economic.KindBadRequest, []string{`{"a":1}`}},
		"405":                     {says(405, ""), economic.KindBadRequest, nil},
		"415":                     {says(415, "[]"), economic.KindBadRequest, nil},
		"408":                     {says(408, ""), economic.KindUnavailable, nil},
		"500":                     {says(500, own+"}"), economic.KindUnavailable, []string{"8d79-CPH"}},
		"502 page":                {says(502, page), economic.KindUnavailable, []string{`titled "502 Bad Gateway"`}},
		"503":                     {says(503, "later", "Retry-After", "7"), economic.KindUnavailable, []string{"try again in 7s"}},
		"204":                     {says(204, ""), economic.KindUnavailable, nil},
		"429":                     {says(429, ""), economic.KindRateLimited, []string{"try again in 1m0s"}},
		"429 page":                {says(429, page, "Retry-After", "3"), economic.KindRateLimited, []string{"try again in 3s"}},
		"200 page":                {says(200, page), economic.KindUnavailable, []string{"titled"}},
		"200 page by its type":    {says(200, "sign in", "Content-Type", "text/html"), economic.KindUnavailable, []string{"sign in"}},
		"a 403 cut short":         {says(403, own+"}", "Content-Length", "1000"), economic.KindForbidden, []string{"It is so."}},
		"announced too large":     {says(200, strings.Repeat(" ", 4097), "Content-Length", "4097"), economic.KindMalformed, []string{"limit of 4096"}},
		"just not too large":      {says(200, strings.Repeat(" ", 4096), "Content-Length", "4096"), economic.KindUnavailable, []string{"truncated"}},
		"empty":                   {says(200, ""), economic.KindUnavailable, []string{"truncated"}},
		"cut JSON":                {says(200, `{"productNumber":"a b","collection":[{"pro`), economic.KindUnavailable, []string{"truncated after"}},
		"cut body": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, emptyPage)
		}, economic.KindUnavailable, []string{"unexpected EOF"}},
		"cut chunked body": {func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, emptyPage)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, economic.KindUnavailable, nil},
		"no answer":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, economic.KindUnavailable, nil},
		"garbled":    {says(200, `{"productNumber":"a b",,}`), economic.KindMalformed, []string{"at byte"}},
		"two in one": {says(200, emptyPage+emptyPage), economic.KindMalformed, nil},
		"a list":     {says(200, `[]`), economic.KindMalformed, []string{"expected an object"}},
		"null":       {says(200, `null`), economic.KindMalformed, []string{"got nothing"}},
		"too large":  {says(200, `"`+strings.Repeat("x", 5000)+`"`), economic.KindMalformed, []string{"limit of 4096"}},
		"slow":       {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, economic.KindUnavailable, []string{"no complete answer within"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, test.handler, func(o *economic.Options) { o.MaxJSONBytes, o.Timeout = 4096, 300*time.Millisecond })
			read, e1 := b.Product(t.Context(), budget.PriorityHint, "a b")
			b.budget = budget.New(budget.Options{}) // the other may be blocked
			_, e2 := b.client.Agreement(grantToken, b.budget).Products(t.Context(), budget.PriorityHint, economic.ProductsQuery{})
			if read.Began.IsZero() {
				t.Error("Began is not set")
			}
			for i, err := range []error{e1, e2} {
				if got := economic.KindOf(fmt.Errorf("wrapped: %w", err)); got != test.kind {
					t.Errorf("expected %s, got %q: %v", test.kind, got, err)
					continue
				}
				for _, text := range test.text {
					if i == 0 && !strings.Contains(err.Error(), text) {
						t.Errorf("no %q in: %v", text, err)
					}
				}
				if strings.ContainsAny(err.Error(), "\r\n") || len(err.Error()) > 1500 {
					t.Errorf("not one short line: %q", err)
				}
			}
			calls := b.seen()
			if len(calls) != 2 || calls[0].Kind != test.kind || calls[1].Kind != test.kind {
				t.Errorf("observed %+v", calls)
			}
		})
	}
}

func TestErrorFields(t *testing.T) {
	t.Parallel()
	b := setup(t, says(404, `{"message":"No.","errorCode":"E06000","developerHint":"Look.","logId":"L1","errors":{}}`, "X-RequestId", "R1"))
	_, err := b.Invoice(t.Context(), budget.PriorityInvoice, 12)
	e, ok := errors.AsType[*economic.Error](err)
	want := &economic.Error{Op: "read invoice 12", Kind: economic.KindNotFound, Status: 404, Code: "E06000", Message: "No.", Hint: "Look.", LogID: "L1", RequestID: "R1"}
	if !ok || !cmp.Equal(want, e) {
		t.Errorf("got %v", cmp.Diff(want, e))
	}
	if got, want := err.Error(), "read invoice 12: not found at e-conomic (status 404): No., errorCode E06000, logId L1, requestId R1"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	b := setup(t, func(_ http.ResponseWriter, r *http.Request) { close(started); <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-started; cancel() }()
	_, err := b.Self(ctx, budget.PriorityTick)
	if !errors.Is(err, context.Canceled) || economic.KindOf(err) != economic.KindUnavailable {
		t.Errorf("got %v", err)
	}
	if _, err = b.Self(ctx, budget.PriorityTick); !errors.Is(err, context.Canceled) || len(b.seen()) != 1 {
		t.Errorf("got %v after %+v", err, b.seen())
	}
}

// TestEscapesHideNothing: a page with many escapes, as many services escape each / and æ, still says
// what an unreadable field holds.
func TestEscapesHideNothing(t *testing.T) {
	t.Parallel()
	item := `{"productNumber":"1","name":"` + strings.Repeat(`\/`, 30) + `","barred":"perhaps"},`
	b := setup(t, says(200, `{"collection":[`+strings.Repeat(item, 999)+`{"productNumber":7}],"pagination":{"results":1000}}`))
	page, err := b.Products(t.Context(), budget.PriorityHint, economic.ProductsQuery{})
	if err != nil || len(page.Items) != 999 || len(page.Bad) != 1 {
		t.Fatalf("%d items and %d bad ones: %v", len(page.Items), len(page.Bad), err)
	}
	if got := page.Items[998].Unsound[0].Err.Error(); got != `barred: expected true or false, got string "perhaps"` {
		t.Error(got)
	}
	if got := page.Bad[0].Err.Error(); got != "products.collection[999].productNumber: expected a string, got number 7" {
		t.Error(got)
	}
}

// An answer that repeats the tokens wherever an error might quote it.
func TestTokensAreInNoError(t *testing.T) {
	t.Parallel()
	for name, escape := range map[string]func(string) string{
		"":     func(token string) string { return token },
		"JSON": func(token string) string { return eachCharacter(`\u%04x`, token) }, "JSON, upper case": func(token string) string { return eachCharacter(`\u%04X`, token) },
		"a URL": func(token string) string { return eachCharacter("%%%02x", token) }, "a URL in JSON": func(token string) string { return eachCharacter(`\u0025%02X`, token) },
		"in part": func(token string) string {
			return token[:3] + eachCharacter("%%%02X", token[3:5]) + eachCharacter(`\u%04x`, token[5:7]) + token[7:]
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tokensAreInNoError(t, escape(appToken), escape(grantToken))
		})
	}
}

// eachCharacter escapes every character.
func eachCharacter(format, text string) string {
	var out strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&out, format, text[i])
	}
	return out.String()
}

// tokensAreInNoError has an e-conomic repeat the tokens in this form.
func tokensAreInNoError(t *testing.T, app, grant string) {
	t.Helper()
	both := app + " " + grant
	long := strings.Repeat("x", 280) + both // the limit would fall within a token
	for name, handler := range map[string]http.HandlerFunc{
		"message":        says(400, `{"message":"`+both+`","errorCode":"`+both+`","developerHint":"`+both+`","logId":"`+both+`","errors":["`+both+`"]}`, "X-RequestId", both),
		"long message":   says(400, `{"message":"`+long+`","developerHint":"`+long+`"}`, "X-RequestId", strings.Repeat("x", 80)+both),
		"text":           says(403, both),
		"page":           says(502, "<html><title>"+both+"</title>"),
		"200 page":       says(200, "<html><title>"+both+"</title>", "Content-Type", "text/html"),
		"200 long title": says(200, "<html><title>"+strings.Repeat("x", 90)+both+"</title>"),
		"200 no title":   says(200, "<p>"+both, "Content-Type", "text/html"),
		"200 long page":  says(200, "<p>"+strings.Repeat("x", 90)+both),
		"200 much":       says(200, "<p>"+strings.Repeat(both+" ", 1+1<<15/len(both))),
		"200 spaces":     says(200, "<p>"+strings.Repeat(" ", 1<<14-20)+both),
		"wrong type":     says(200, `{"productNumber":"x","barred":"`+both+`","collection":"`+both+`","bookedInvoiceNumber":"`+both+`","agreementNumber":"`+both+`"}`),
		"cut within":     says(200, `{"productNumber":"x","barred":"`+strings.Repeat("x", 30)+both+`","collection":[{"productNumber":"x","barred":"`+strings.Repeat("x", 30)+both+`"}],"pagination":{"results":1}}`),
		"unsound":        says(200, `{"productNumber":"x","bookedInvoiceNumber":1,"barred":"`+both+`","currency":["`+both+`"],"dueDate":"`+strings.Repeat("x", 30)+both+`","collection":[{"productNumber":"x","bookedInvoiceNumber":1,"name":[],"barred":"`+both+`","dueDate":"`+strings.Repeat("x", 30)+both+`"}],"pagination":{"results":1}}`),
		"other number":   says(200, `{"productNumber":"`+both+`","collection":[{"productNumber":7,"name":"`+both+`"}],"pagination":{"results":1,"nextPage":"http://`+app+`/"}}`),
		"an item number": says(200, `{"collection":[{"productNumber":"`+grant+`"},{"productNumber":"a"}],"pagination":{"results":2}}`),
		"a line's item":  says(200, `{"bookedInvoiceNumber":1,"lines":[{"product":{"productNumber":"`+grant+`"}},{"product":{"productNumber":"a"}}]}`),
		"a link":         says(200, `{"collection":[{"productNumber":"a"}],"pagination":{"results":2,"nextPage":"http://thief/`+grant+`"}}`),
		"a bad link":     says(200, `{"collection":[{"productNumber":"a"}],"pagination":{"results":2,"nextPage":"ht%tp://`+both+`"}}`),
		"a thief":        says(200, `{"collection":[{"productNumber":"a"}],"pagination":{"results":2,"nextPage":"http://`+grant+`/"}}`),
		"not a PDF":      says(200, both),
		"redirect":       says(302, both, "Location", "http://"+app+"/?"+grant),
		"bad redirect":   says(302, both, "Location", "http://"+app+":"+grant+"/%zz"),
		"no HTTP": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				io.WriteString(conn, both+"\r\n\r\n")
				conn.Close()
			}
		},
		"no header": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+both+"\r\n\r\n")
				conn.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, handler)
			ctx, p := t.Context(), budget.PriorityHint
			var errs []error
			add := func(err error) { errs = append(errs, err) }
			_, err := b.Self(ctx, p)
			add(err)
			one, err := b.Product(ctx, p, "x")
			add(err)
			page, err := b.Products(ctx, p, economic.ProductsQuery{})
			add(err)
			for _, bad := range page.Bad {
				add(bad.Err)
				add(errors.New(bad.Number))
			}
			for _, product := range page.Items { // hints and the log have the numbers
				add(errors.New(product.Number))
			}
			if page.Next != "" {
				_, err := b.NextProducts(ctx, p, page.Next)
				add(err)
			}
			for _, product := range append(page.Items, one.Value) {
				for _, u := range product.Unsound {
					add(u.Err)
				}
			}
			list, err := b.Invoices(ctx, p, economic.InvoicesQuery{})
			add(err)
			invoice, err := b.Invoice(ctx, p, 1)
			add(err)
			for _, line := range invoice.Value.Lines {
				add(errors.New(line.ProductNumber))
			}
			for _, inv := range append(list.Items, invoice.Value) {
				for _, u := range inv.Unsound {
					add(u.Err)
				}
			}
			_, err = b.InvoicePDF(ctx, p, economic.Invoice{Number: 1})
			add(err)
			for _, err := range errs {
				if err == nil {
					continue
				}
				text := fmt.Sprintf("%v %+v", err, err)
				if e, ok := errors.AsType[*economic.Error](err); ok {
					text += fmt.Sprintf("%+v", *e)
				}
				// Not even the beginning of a token.
				if secret.Hide(appToken[:11], grantToken[:12]).Found([]byte(text)) {
					t.Errorf("a token is in %s", text)
				}
			}
		})
	}
}

func TestBadTokens(t *testing.T) {
	t.Parallel()
	b := setup(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	const badGrant = "read who the agreement is: e-conomic refuses the token (or the agreement has revoked its grant): the grant token is empty or contains an invalid character: enter it again"
	for _, grant := range []string{"", "secret-a\nb", "secret b", "secret-æ", "secret\x7f"} {
		_, err := b.client.Agreement(grant, nil).Self(t.Context(), budget.PriorityTick)
		if economic.KindOf(err) != economic.KindUnauthorized || err.Error() != badGrant {
			t.Errorf("%q: got %v", grant, err)
		}
	}
	if _, err := economic.New(economic.Options{AppSecretToken: "!~"}); err != nil {
		t.Errorf("the first and last characters that a token may have: %v", err)
	}
	for address, shown := range map[string]string{"https://u:secret@h": "https://u:xxxxx@h", "https:///products": "https:///products", "https://h/#x": "https://h/#x", "//h": "//h"} {
		_, err := economic.New(economic.Options{AppSecretToken: "x", RESTURL: address})
		if want := fmt.Sprintf("e-conomic's address %q: expected one like https://restapi.e-conomic.com", shown); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", address, err, want)
		}
	}
	for _, o := range []economic.Options{
		{AppSecretToken: "secret\n"}, {AppSecretToken: "x", RESTURL: "restapi.e-conomic.com"}, {AppSecretToken: "x", RESTURL: "https://u:secret@h/"},
		{AppSecretToken: "x", RESTURL: "https://h/?a=b"}, {AppSecretToken: "x", RESTURL: "ftp://h"}, {AppSecretToken: "x", RESTURL: "https://secret:secret@h/%zz"},
	} {
		if _, err := economic.New(o); err == nil || strings.Contains(err.Error(), "secret") && o.AppSecretToken != "" && !strings.Contains(err.Error(), "the app's secret token") {
			t.Errorf("%+v: got %v", o, err)
		}
	}
}

// TestWithoutAppToken: a client without the app's token makes no call.
func TestWithoutAppToken(t *testing.T) {
	t.Parallel()
	sent := transport(func(*http.Request) (*http.Response, error) {
		t.Error("a call was made without the app's token")
		return nil, errors.New("no")
	})
	client, err := economic.New(economic.Options{Transport: sent})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Agreement("grant", nil).Self(t.Context(), budget.PriorityTick); economic.KindOf(err) != economic.KindUnauthorized || !strings.Contains(err.Error(), "the app's secret token is missing, so the call was not made") {
		t.Errorf("got %v", err)
	}
}

// idle is a transport that counts how often its idle connections are closed.
type idle struct {
	http.RoundTripper
	closed int
}

func (i *idle) CloseIdleConnections() { i.closed++ }

func TestClose(t *testing.T) {
	t.Parallel()
	transport := &idle{}
	client(t, economic.Options{Transport: transport}).Close()
	if transport.closed != 1 {
		t.Errorf("idle connections were closed %d times", transport.closed)
	}
	client(t, economic.Options{Transport: &answering{}}).Close() // it has none
}

func TestPDF(t *testing.T) {
	t.Parallel()
	const good = "%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n"
	const whole = "%PDF-1.4\n1 0 obj\n<<>>\nendobj\nxref\n0 1\ntrailer<<>>\nstartxref\n29\n%%EOF\n"
	const updated = whole + "2 0 obj\n<<>>\nendobj\nxref\n0 1\ntrailer<<>>\nstartxref\n96\n%%EOF\n"
	debug := strings.Repeat("2026-11-28 12:00:00 DEBUG rendered object 12 in 3 ms\r\n", 60)
	for name, test := range map[string]struct {
		body string
		kind economic.Kind
		text string
	}{
		"good":             {good, "", ""},
		"late header":      {strings.Repeat("x", 1000) + good + strings.Repeat("\n", 1000), "", ""},
		"padded":           {good + strings.Repeat("\x00", 7000), "", ""},
		"padded mixed":     {good + strings.Repeat("\x00 \r\n\t\f", 1000), "", ""},
		"short rest":       {good + strings.Repeat("x", 1000), "", ""},
		"debug text":       {whole + debug, "", ""},
		"late, debug text": {strings.Repeat("x", 100) + whole + debug, "", ""},
		"stream table":     {strings.Replace(whole, "29", " 9", 1) + debug, "", ""},
		"updated":          {updated, "", ""},
		"updated, padded":  {updated + strings.Repeat("\x00", 3000), "", ""},
		"quoting page":     {"<html><body>not found: %PDF-1.4 1 0 obj was expected %%EOF</body></html>", economic.KindMalformed, `expected %PDF- at the start`},
		"no object":        {"%PDF-1.4\nnot found\n%%EOF\n", economic.KindMalformed, "expected at least one object, got none"},
		"page":             {"<html><title>Log in</title></html>", economic.KindMalformed, `expected %PDF- at the start, got a web page titled "Log in"`},
		"JSON":             {`{"message":"later"}`, economic.KindMalformed, "later"},
		"empty":            {"", economic.KindMalformed, "got nothing"},
		"header too late":  {strings.Repeat("x", 1024) + good, economic.KindMalformed, ""},
		"no end":           {"%PDF-1.7\n" + strings.Repeat("x", 2000), economic.KindMalformed, "%%EOF"},
		"end too early":    {good + strings.Repeat("x", 2000), economic.KindMalformed, "2001 bytes after it: truncated"},
		"table elsewhere":  {strings.Replace(whole, "29", "13", 1) + debug, economic.KindMalformed, "after it: truncated"},
		"table at the end": {strings.Replace(whole, "29", "9999999999", 1) + debug, economic.KindMalformed, "after it: truncated"},
		// The first part of a web-optimized file, or an earlier version of an updated one,
		// is followed by more objects.
		"update cut":        {updated[:len(updated)-4], economic.KindMalformed, "after it: truncated"},
		"update cut early":  {updated[:len(whole)+12], economic.KindMalformed, "after it: truncated"},
		"update cut padded": {updated[:len(whole)+12] + strings.Repeat("\x00", 3000), economic.KindMalformed, "after it: truncated"},
		"long update cut":   {whole + "2 0 obj\nstream\n" + strings.Repeat("x", 3000), economic.KindMalformed, "after it: truncated"},
		"too large":         {good + strings.Repeat("x", 8000) + good, economic.KindMalformed, "limit of 8000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(w http.ResponseWriter, r *http.Request) {
				if r.RequestURI != "/invoices/booked/10/pdf" || r.Header.Get("X-AgreementGrantToken") != grantToken || r.Header.Get("Accept") != "application/pdf" {
					t.Errorf("asked for %s as %s", r.RequestURI, r.Header.Get("Accept"))
				}
				io.WriteString(w, test.body)
			}, func(o *economic.Options) { o.MaxPDFBytes = 8000 })
			for _, link := range []string{"", b.url + "/invoices/booked/10/pdf?filter=a&demo=true#x", "http://elsewhere.test/pdf", "::"} {
				read, err := b.InvoicePDF(t.Context(), budget.PriorityInvoice, economic.Invoice{Number: 10, PDF: link})
				if economic.KindOf(err) != test.kind || err != nil && !strings.Contains(err.Error(), test.text) {
					t.Fatalf("%q: got %v", link, err)
				}
				if (err == nil) != (string(read.Value) == test.body && test.body != "") || read.Began.IsZero() {
					t.Errorf("%q: got %q", link, read.Value)
				}
			}
		})
	}
}

// Cut anywhere, a PDF of one part is none, whatever pads it.
func TestPDFCutAnywhere(t *testing.T) {
	t.Parallel()
	const whole = "%PDF-1.4\n1 0 obj\n<<>>\nendobj\nxref\n0 1\ntrailer<<>>\nstartxref\n29\n%%EOF"
	for n := range whole {
		for _, pad := range []string{"", "\n", strings.Repeat("\x00", 2000)} {
			if err := economic.CheckPDF([]byte(whole[:n] + pad)); err == nil {
				t.Errorf("%q and %d bytes: no error", whole[:n], len(pad))
			}
		}
	}
	if err := economic.CheckPDF([]byte(whole)); err != nil {
		t.Error(err)
	}
}

func TestPDFCut(t *testing.T) {
	t.Parallel()
	b := setup(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, "%PDF-1.7 %%EOF")
	})
	if _, err := b.InvoicePDF(t.Context(), budget.PriorityInvoice, economic.Invoice{Number: 1}); economic.KindOf(err) != economic.KindUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestProductUnderAnotherNumber(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		asked, answered string
		kind            economic.Kind
	}{
		"the same":            {"ABC", "ABC", ""},
		"another case":        {"abc", "ABC", economic.KindNotFound},
		"another case, Å":     {"å-1", "Å-1", economic.KindNotFound},
		"another number":      {"abc", "DEF", economic.KindMalformed},
		"another end":         {"abc", "ABC ", economic.KindMalformed},
		"a zero more":         {"7", "07", economic.KindMalformed},
		"the one it contains": {"A-10", "A-1", economic.KindMalformed},
	} {
		b := setup(t, says(200, `{"productNumber":"`+test.answered+`","name":"x"}`))
		read, err := b.Product(t.Context(), budget.PriorityHint, test.asked)
		if economic.KindOf(err) != test.kind || read.Began.IsZero() || (err == nil) != (read.Value.Number == test.asked) {
			t.Errorf("%s: got %+v, %v", name, read, err)
		}
		if test.kind == economic.KindMalformed && !strings.Contains(err.Error(), fmt.Sprintf("expected %q, got %q", test.asked, test.answered)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestInvoiceUnderAnotherNumber(t *testing.T) {
	t.Parallel()
	b := setup(t, says(200, `{"bookedInvoiceNumber":11}`))
	if _, err := b.Invoice(t.Context(), budget.PriorityHint, 10); economic.KindOf(err) != economic.KindMalformed {
		t.Errorf("got %v", err)
	}
}

// TestPatienceForAnAnswer: a call waits for its answer to begin as long as its patience lasts, and
// then for the rest of it as long as any.
func TestPatienceForAnAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		patience, begins, ends time.Duration
		err                    error
	}{
		"it begins in time":            {time.Second, 999 * time.Millisecond, 29 * time.Second, nil},
		"it begins too late":           {time.Second, 1001 * time.Millisecond, 0, economic.ErrSilent},
		"it begins in time, and hangs": {time.Second, 999 * time.Millisecond, 31 * time.Second, economic.ErrTimeout},
		"no patience of its own":       {0, 29 * time.Second, 0, nil},
		"nor in time":                  {0, 31 * time.Second, 0, economic.ErrTimeout},
		"more than there is":           {time.Hour, 31 * time.Second, 0, economic.ErrTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, err := economic.New(economic.Options{RESTURL: "http://127.0.0.1:1", AppSecretToken: appToken, Timeout: 30 * time.Second, Transport: late{c.begins, c.ends},
					Patience: func(context.Context) time.Duration { return c.patience }})
				if err != nil {
					t.Fatal(err)
				}
				_, err = client.Agreement(grantToken, nil).Self(t.Context(), budget.PriorityTick)
				if !errors.Is(err, c.err) || err != nil && (c.err == nil || economic.KindOf(err) != economic.KindUnavailable) {
					t.Errorf("got %v, expected %v", err, c.err)
				}
			})
		})
	}
}

// late is a service whose answers begin after a while, and end after another.
type late struct{ begins, ends time.Duration }

func (l late) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(l.begins):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(&lateBody{r.Context(), l.ends, strings.NewReader(`{"agreementNumber":7,"company":{"name":"x"}}`)})}, nil
}

type lateBody struct {
	ctx   context.Context //nolint:containedctx // of the request
	after time.Duration
	io.Reader
}

func (b *lateBody) Read(p []byte) (int, error) {
	select {
	case <-time.After(b.after):
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
	b.after = 0
	return b.Reader.Read(p)
}
