package rackbeat_test

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

	"lagerd/budget"
	"lagerd/rackbeat"
	"lagerd/secret"
)

const key = "rackbeat-key-5b2fQ1xZ.9kTr77Lw"

const hint = budget.PriorityHint

// bench is a client and a server with one handler.
type bench struct {
	*rackbeat.Account
	client *rackbeat.Client
	budget *budget.Budget
	url    string

	mu    sync.Mutex
	calls []rackbeat.Call
}

func (b *bench) seen() []rackbeat.Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls
}

func setup(t *testing.T, handler http.HandlerFunc, change ...func(*rackbeat.Options)) *bench {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	b := &bench{url: server.URL, budget: budget.New(budget.Options{})}
	o := rackbeat.Options{URL: server.URL + "/api/", Contact: "drift@example.dk", Timeout: 5 * time.Second, Observe: func(c rackbeat.Call) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.calls = append(b.calls, c)
	}}
	for _, f := range change {
		f(&o)
	}
	var err error
	if b.client, err = rackbeat.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.client.Close)
	b.Account = b.client.Account(key, b.budget, nil)
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

func TestRequest(t *testing.T) {
	t.Parallel()
	var got *http.Request
	b := setup(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		io.WriteString(w, `{"item":{"number":"ABC 1%?#æ"}}`)
	})
	before := time.Now()
	read, err := b.Item(t.Context(), hint, "ABC 1%?#æ", "")
	if err != nil || read.Value.Number != "ABC 1%?#æ" {
		t.Fatalf("got %+v, %v", read, err)
	}
	if read.Began.Before(before) || read.Began.After(time.Now()) || time.Since(read.ServerDate).Abs() > time.Minute {
		t.Errorf("the read began %s by our clock, was answered %s by the server's", read.Began, read.ServerDate)
	}
	if got.Method != http.MethodGet || got.RequestURI != "/api/items/ABC%201%25%3F%23%C3%A6" {
		t.Errorf("sent %s %s", got.Method, got.RequestURI)
	}
	for name, want := range map[string]string{"Authorization": "Bearer " + key, "Content-Type": "application/json", "Accept": "application/json", "Api-Version": "latest",
		"User-Agent": "lagerd (drift@example.dk)", "Consumer-Name": "lagerd", "Consumer-Contact": "drift@example.dk"} {
		if have := got.Header.Get(name); have != want {
			t.Errorf("%s: got %q", name, have)
		}
	}
	if len(b.seen()) != 1 {
		t.Fatalf("observed %+v", b.seen())
	}
	call := b.seen()[0]
	call.Duration = 0
	if diff := cmp.Diff(rackbeat.Call{Endpoint: "item", Status: 200}, call); diff != "" {
		t.Error(diff)
	}
	if s := b.budget.State(); s.Calls != 1 {
		t.Errorf("budget %+v", s)
	}
}

// TestWithoutContact: without a contact none is made up.
func TestWithoutContact(t *testing.T) {
	t.Parallel()
	var got http.Header
	b := setup(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		io.WriteString(w, `{"user_account":{"id":1}}`)
	}, func(o *rackbeat.Options) { o.Contact = "" })
	if _, err := b.Self(t.Context(), hint); err != nil {
		t.Fatal(err)
	}
	if _, has := got["Consumer-Contact"]; has || got.Get("User-Agent") != "lagerd" {
		t.Errorf("sent %q", got)
	}
}

// TestAddresses: what each read asks for, and that a 206 is an answer like a 200.
func TestAddresses(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	const page = `{"items":[],"locations":[],"webhooks":[],"product_locations":[],"item":{"number":"A/1"},"user_account":{"id":"7"},"total":0,"pages":1,"limit":1000,"page":"3"}`
	for want, read := range map[string]func(*bench) error{
		"/api/self": func(b *bench) error { _, err := b.Self(ctx, hint); return err },
		"/api/items?limit=1000&order_by=number&order_direction=ASC&page=3": func(b *bench) error { _, err := b.Items(ctx, hint, rackbeat.ItemsQuery{Page: 3}); return err },
		"/api/items?limit=1000&page=3": func(b *bench) error {
			_, err := b.Items(ctx, hint, rackbeat.ItemsQuery{Page: 3, Unordered: true})
			return err
		},
		"/api/items/A_1%25":                          func(b *bench) error { _, err := b.Item(ctx, hint, "A/1", "A_1%"); return err },
		"/api/items/A_1/locations?limit=1000&page=1": func(b *bench) error { _, err := b.ItemPlaces(ctx, hint, "A/1", "A_1"); return err },
		"/api/reports/checking?fields=number%2Cname%2Cstock_quantity%2Cbarcode%2Clocations%28%2A%29&limit=990&order_by=number&order_direction=ASC&page=3&show_all_locations=true": func(b *bench) error {
			_, err := b.StockByPlace(ctx, hint, rackbeat.ReportQuery{Page: 3, Size: rackbeat.ReportSize(101)})
			return err
		},
		"/api/reports/checking?fields=number%2Cname%2Cstock_quantity%2Cbarcode%2Clocations%28%2A%29&limit=1000&page=3&show_all_locations=true": func(b *bench) error {
			_, err := b.StockByPlace(ctx, hint, rackbeat.ReportQuery{Page: 3, Size: rackbeat.ReportSize(1), Unordered: true})
			return err
		},
		"/api/locations?limit=1000&page=1": func(b *bench) error { _, err := b.Places(ctx, hint); return err },
		"/api/webhooks?limit=1000&page=1":  func(b *bench) error { _, err := b.Webhooks(ctx, hint); return err },
	} {
		for _, status := range []int{200, 206} {
			var got string
			b := setup(t, func(w http.ResponseWriter, r *http.Request) {
				got = r.RequestURI
				w.WriteHeader(status)
				answer := page
				if strings.Contains(got, "page=1&") || strings.HasSuffix(got, "page=1") {
					answer = strings.Replace(page, `"3"`, "1", 1)
				}
				io.WriteString(w, answer)
			})
			if err := read(b); err != nil || got != want {
				t.Errorf("status %d: asked for %s, want %s: %v", status, got, want, err)
			}
		}
	}
}

// TestNumbersNotAskedFor: a number that no path can carry is not sent.
func TestNumbersNotAskedFor(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was sent", r.RequestURI) })
	for number, friendly := range map[string]string{"": "", "A/1": "", "A/2": "A/2", ".": "", "..": "..", strings.Repeat("x", 26): "x", "\xff": ""} {
		_, e1 := b.Item(t.Context(), hint, number, friendly)
		_, e2 := b.ItemPlaces(t.Context(), hint, number, friendly)
		for _, err := range []error{e1, e2} {
			if rackbeat.KindOf(err) != rackbeat.KindBadRequest {
				t.Errorf("%q: %v", number, err)
			}
		}
	}
	if _, err := b.Items(t.Context(), hint, rackbeat.ItemsQuery{}); rackbeat.KindOf(err) != rackbeat.KindBadRequest {
		t.Errorf("page 0: %v", err)
	}
	if len(b.seen()) != 0 || b.budget.State().Calls != 0 {
		t.Error("a request that was not sent was counted")
	}
}

// TestAnotherItem: the answer must be of exactly the number that was asked for. Another item is told
// apart from what may be the same one, as an integer without its zeros.
func TestAnotherItem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		asked, answered string
		kind            rackbeat.Kind
		other           bool
	}{
		"the same":         {"ABC", `"ABC"`, "", false},
		"an integer":       {"1021", `1021`, "", false},
		"a lost zero":      {"0042", `42`, rackbeat.KindMalformed, false},
		"a lost zero, and": {"0042", `43`, rackbeat.KindMalformed, true},
		"a zero more":      {"42", `"0042"`, rackbeat.KindMalformed, true},
		"a kept zero":      {"0042", `"0042"`, "", false},
		"a long integer":   {"9007199254740993", `9007199254740993`, "", false},
		"another case":     {"abc", `"ABC"`, rackbeat.KindMalformed, true},
		"another number":   {"abc", `"DEF"`, rackbeat.KindMalformed, true},
		"a space more":     {"abc", `"abc "`, rackbeat.KindMalformed, true},
		"a fraction":       {"7", `7.0`, rackbeat.KindMalformed, false},
		"an exponent":      {"100", `1e2`, rackbeat.KindMalformed, false},
		"a deleted one":    {"abc", `"abc","deleted_at":"2026-03-02 07:11:09"`, rackbeat.KindNotFound, false},
		"deleted, another": {"abc", `"abd","deleted_at":"2026-03-02 07:11:09"`, rackbeat.KindMalformed, true},
		"not deleted":      {"abc", `"abc","deleted_at":null`, "", false},
		"deleted somehow":  {"abc", `"abc","deleted_at":1`, rackbeat.KindMalformed, false},
	} {
		b := setup(t, says(200, `{"item":{"number":`+test.answered+`,"stock_quantity":1}}`))
		read, err := b.Item(t.Context(), hint, test.asked, "")
		if rackbeat.KindOf(err) != test.kind || read.Began.IsZero() || (err == nil) != (read.Value.Number == test.asked) {
			t.Errorf("%s: got %+v, %v", name, read, err)
		}
		if _, other := errors.AsType[*rackbeat.OtherItemError](err); other != test.other {
			t.Errorf("%s: another item: %t: %v", name, other, err)
		}
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the key was sent along") }))
	defer thief.Close()
	for _, status := range []int{301, 302, 307, 308} {
		b := setup(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, thief.URL, status) })
		if _, err := b.Self(t.Context(), hint); rackbeat.KindOf(err) != rackbeat.KindUnavailable {
			t.Errorf("%d: got %v", status, err)
		}
	}
}

func TestOnlyGET(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was sent", r.Method) })
	for _, method := range []string{"PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "get"} {
		r, err := http.NewRequestWithContext(t.Context(), method, b.url+"/api/items/1", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := b.client.HTTP().Do(r); err == nil {
			resp.Body.Close()
			t.Errorf("%s went through", method)
		} else if want := "refused to send " + method + ": lagerd only reads from Rackbeat"; !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/api/items/1", strings.NewReader("{}"))
	if resp, err := b.client.HTTP().Do(r); err == nil {
		resp.Body.Close()
		t.Error("a body went through")
	}
	r, _ = http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/", nil)
	if resp, err := b.client.HTTP().Do(r); err == nil || !strings.HasSuffix(err.Error(), "refused to send the key to 127.0.0.1:1") {
		if err == nil {
			resp.Body.Close()
		}
		t.Errorf("got %v", err)
	}
}

func TestErrorKinds(t *testing.T) {
	t.Parallel()
	const html = "<!DOCTYPE html><html><head><title>502 Bad\nGateway</title></head><body>…</body></html>"
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		kind    rackbeat.Kind
		text    []string // in the error
	}{
		"wrong key":              {says(401, `{"message":"Unauthenticated."}`), rackbeat.KindUnauthorized, []string{"Unauthenticated."}},
		"wrong key, no words":    {says(401, ""), rackbeat.KindUnauthorized, []string{"(status 401)"}},
		"forbidden":              {says(403, `{"error":"No."}`), rackbeat.KindForbidden, []string{"No."}},
		"gone":                   {says(404, `{"message":"No query results."}`), rackbeat.KindNotFound, []string{`read item "a b"`, "No query results."}},
		"gone, a list":           {says(404, `[]`), rackbeat.KindNotFound, nil},
		"gone, a mark before it": {says(404, "\xef\xbb\xbf{}"), rackbeat.KindNotFound, nil},
		"a gateway's 404":        {says(404, html, "Content-Type", "text/html"), rackbeat.KindUnavailable, []string{`titled "502 Bad Gateway"`}},
		"a 404 cut short":        {says(404, `{"message":"gone"}`, "Content-Length", "1000"), rackbeat.KindUnavailable, []string{"read the answer with status 404"}},
		"another server's 404":   {says(404, "404 page not found\n", "Content-Type", "text/plain"), rackbeat.KindUnavailable, []string{"address"}},
		"an empty 404":           {says(404, ""), rackbeat.KindUnavailable, []string{"address"}},
		"half a 404":             {says(404, `{"message":"go`), rackbeat.KindUnavailable, []string{"address"}},
		"a gateway's 403":        {says(403, html), rackbeat.KindUnavailable, nil},
		"422":                    {says(422, `{"errors":{"order_by":["The selected order by is invalid.","Twice."],"page":["Bad."]}}`), rackbeat.KindBadRequest, []string{"order_by: The selected order by is invalid.; order_by: Twice.; page: Bad."}},
		"422 with a message":     {says(422, `{"message":"The given data was invalid.","errors":{"x":["No."]}}`), rackbeat.KindBadRequest, []string{"The given data was invalid.: x: No."}},
		"errors as a text":       {says(422, `{"errors":"No."}`), rackbeat.KindBadRequest, []string{"No."}},
		"errors as a number":     {says(422, `{"errors":7}`), rackbeat.KindBadRequest, []string{`{\"errors\":7}`}},
		"errors of no form":      {says(422, `7`), rackbeat.KindBadRequest, []string{`"7"`}},
		"400":                    {says(400, ""), rackbeat.KindBadRequest, nil},
		"405":                    {says(405, ""), rackbeat.KindBadRequest, nil},
		"408":                    {says(408, ""), rackbeat.KindUnavailable, nil},
		"500":                    {says(500, `{"message":"Server Error"}`), rackbeat.KindUnavailable, []string{"Server Error"}},
		"502 page":               {says(502, html), rackbeat.KindUnavailable, []string{`titled "502 Bad Gateway"`}},
		"503":                    {says(503, "later", "Retry-After", "7"), rackbeat.KindUnavailable, []string{"try again in 7s"}},
		"204":                    {says(204, ""), rackbeat.KindUnavailable, nil},
		"429 in seconds":         {says(429, "", "Retry-After", "17"), rackbeat.KindRateLimited, []string{"try again in 17s"}},
		"429 until a date":       {says(429, "", "Retry-After", "Sat, 01 Jan 2000 00:00:20 GMT", "Date", "Sat, 01 Jan 2000 00:00:00 GMT"), rackbeat.KindRateLimited, []string{"try again in 20s"}},
		"429 without a time":     {says(429, `{"message":"Too Many Attempts."}`), rackbeat.KindRateLimited, []string{"Too Many Attempts.", "try again in"}},
		"429 page":               {says(429, html, "Retry-After", "3"), rackbeat.KindRateLimited, []string{"try again in 3s"}},
		"200 page":               {says(200, html), rackbeat.KindUnavailable, []string{"titled"}},
		"206 page":               {says(206, html), rackbeat.KindUnavailable, []string{"titled"}},
		"empty":                  {says(200, ""), rackbeat.KindUnavailable, []string{"truncated"}},
		"cut JSON":               {says(206, `{"item":{"number":"a b"},"items":[{"num`), rackbeat.KindUnavailable, []string{"truncated after"}},
		"cut body": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"item":{"number":"a b"}}`)
		}, rackbeat.KindUnavailable, []string{"unexpected EOF"}},
		"no answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, rackbeat.KindUnavailable, nil},
		"garbled":   {says(200, `{"item":{},,}`), rackbeat.KindMalformed, []string{"at byte"}},
		"a list":    {says(200, `[]`), rackbeat.KindMalformed, []string{"answer: expected an object, got a list"}},
		"null":      {says(200, `null`), rackbeat.KindMalformed, []string{"got nothing"}},
		"no key":    {says(200, `{"data":{}}`), rackbeat.KindMalformed, []string{"item: expected an object, got nothing"}},
		"too large": {says(200, `"`+strings.Repeat("x", 5000)+`"`), rackbeat.KindMalformed, []string{"limit of 4096"}},
		"slow":      {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, rackbeat.KindUnavailable, []string{"no complete answer within"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, test.handler, func(o *rackbeat.Options) { o.MaxBytes, o.Timeout = 4096, 300*time.Millisecond })
			read, e1 := b.Item(t.Context(), hint, "a b", "")
			b.budget = budget.New(budget.Options{}) // the other may be blocked
			_, e2 := b.client.Account(key, b.budget, nil).Items(t.Context(), hint, rackbeat.ItemsQuery{Page: 1})
			if read.Began.IsZero() {
				t.Error("Began is not set")
			}
			for i, err := range []error{e1, e2} {
				if got := rackbeat.KindOf(fmt.Errorf("wrapped: %w", err)); got != test.kind {
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

func TestContextEnds(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	b := setup(t, func(_ http.ResponseWriter, r *http.Request) { close(started); <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-started; cancel() }()
	_, err := b.Self(ctx, hint)
	if !errors.Is(err, context.Canceled) || rackbeat.KindOf(err) != rackbeat.KindUnavailable {
		t.Errorf("got %v", err)
	}
	if _, err = b.Self(ctx, hint); !errors.Is(err, context.Canceled) || rackbeat.KindOf(err) != rackbeat.KindUnavailable || len(b.seen()) != 1 {
		t.Errorf("got %v after %+v", err, b.seen())
	}
}

// TestBudgetIsObeyed: a call that the budget refuses is not sent, and a 429 blocks the account.
func TestBudgetIsObeyed(t *testing.T) {
	t.Parallel()
	b := setup(t, says(429, "", "Retry-After", "60"))
	spent := b.client.Account(key, budget.New(budget.Options{DailyCalls: 1, Patience: time.Millisecond}), nil)
	if _, err := spent.Self(t.Context(), budget.PrioritySweep); rackbeat.KindOf(err) != rackbeat.KindBudget || len(b.seen()) != 0 {
		t.Errorf("a sweep of a budget of one call: %v", err)
	}
	limited := b.client.Account(key, budget.New(budget.Options{Patience: time.Millisecond}), nil)
	_, err := limited.Self(t.Context(), hint)
	e, ok := errors.AsType[*rackbeat.Error](err)
	if !ok || e.Kind != rackbeat.KindRateLimited || e.RetryAfter != time.Minute || e.Status != 429 {
		t.Errorf("got %v", err)
	}
	if _, err := limited.Self(t.Context(), hint); rackbeat.KindOf(err) != rackbeat.KindRateLimited || len(b.seen()) != 1 {
		t.Errorf("after a 429: %v, %d requests", err, len(b.seen()))
	}
}

// TestEscapesHideNothing: a page with many escapes, as Laravel escapes each / and æ, still says what
// an unreadable field holds.
func TestEscapesHideNothing(t *testing.T) {
	t.Parallel()
	item := `{"number":"1","name":"` + strings.Repeat(`\/`, 30) + `","stock_quantity":"many"},`
	b := setup(t, says(200, `{"items":[`+strings.Repeat(item, 999)+`{"number":[]}],"total":1000,"pages":1}`))
	page, err := b.client.Account(shortKey, nil, nil).Items(t.Context(), hint, rackbeat.ItemsQuery{Page: 1})
	if err != nil || len(page.Items) != 999 || len(page.Bad) != 1 {
		t.Fatalf("%d items and %d bad ones: %v", len(page.Items), len(page.Bad), err)
	}
	if got := page.Items[998].Unsound[0].Err.Error(); got != `stock_quantity: expected a number, got string "many"` {
		t.Error(got)
	}
	if got := page.Bad[0].Err.Error(); !strings.HasSuffix(got, "got a list") {
		t.Error(got)
	}
}

// An answer that repeats the key wherever an error might quote it.
func TestKeyIsInNoError(t *testing.T) {
	t.Parallel()
	for name, escape := range map[string]func(string) string{
		"":     func(key string) string { return key },
		"JSON": func(key string) string { return eachCharacter(`\u%04x`, key) }, "JSON, upper case": func(key string) string { return eachCharacter(`\u%04X`, key) },
		"a URL": func(key string) string { return eachCharacter("%%%02x", key) }, "a URL in JSON": func(key string) string { return eachCharacter(`\u0025%02X`, key) },
		"in part": func(key string) string {
			return key[:3] + eachCharacter("%%%02X", key[3:5]) + eachCharacter(`\u%04x`, key[5:7]) + key[7:]
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keyIsInNoError(t, escape(shortKey))
		})
	}
}

// shortKey could be an item's number.
const shortKey = "key-9kTr77Lw-5b2fQ1xZ"

// eachCharacter escapes every character.
func eachCharacter(format, text string) string {
	var out strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&out, format, text[i])
	}
	return out.String()
}

// keyIsInNoError has a Rackbeat repeat the key in this form.
func keyIsInNoError(t *testing.T, sent string) {
	t.Helper()
	long := strings.Repeat("x", 280) + sent // the limit would fall within the key
	for name, handler := range map[string]http.HandlerFunc{
		"message":      says(422, `{"message":"`+sent+`","error":"`+sent+`","errors":{"`+sent+`":["`+sent+`"]}}`),
		"long message": says(422, `{"message":"`+long+`","errors":["`+long+`"]}`),
		"text":         says(403, sent),
		"page":         says(502, "<html><title>"+sent+"</title>"),
		"200 page":     says(200, "<html><title>"+sent+"</title>", "Content-Type", "text/html"),
		"200 title":    says(200, "<html><title>"+strings.Repeat("x", 90)+sent+"</title>"),
		"200 no title": says(200, "<p>"+sent, "Content-Type", "text/html"),
		"200 long":     says(200, "<p>"+strings.Repeat("x", 90)+sent),
		"wrong type":   says(200, `{"item":"`+sent+`","items":"`+sent+`","locations":"`+sent+`","product_locations":"`+sent+`","webhooks":"`+sent+`","user_account":"`+sent+`"}`),
		"wrong counts": says(200, `{"items":[],"locations":[],"webhooks":[],"total":"`+sent+`","pages":"`+sent+`","page":"`+sent+`"}`),
		"unsound":      says(200, `{"item":{"number":"x","is_barred":"`+sent+`","stock_quantity":"`+sent+`"},"items":[{"number":"x","updated_at":"`+sent+`","stock_quantity":"`+strings.Repeat("x", 30)+sent+`"}],"total":1,"pages":1}`),
		"numbers":      says(200, `{"item":{"number":"`+sent+`"},"items":[{"number":"`+sent+`"},{"number":["`+sent+`"]}],"total":2,"pages":1}`),
		"places":       says(200, `{"locations":[{"number":"`+sent+`"},{"number":2,"parent_id":"`+sent+`x"}],"product_locations":[{"number":1,"stock_quantity":"`+sent+`"}]}`),
		"webhooks":     says(200, `{"webhooks":[{"id":"`+sent+`","url":"`+sent+`"}]}`),
		"whose it is":  says(200, `{"user_account":{"id":"`+sent+`"}}`),
		"odd header":   says(429, "{}", "Retry-After", sent),
		"bad redirect": says(302, sent, "Location", "http://"+sent+"/%zz"),
		"no HTTP": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				io.WriteString(conn, sent+"\r\n\r\n")
				conn.Close()
			}
		},
		"no header": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+sent+"\r\n\r\n")
				conn.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, handler)
			ctx := t.Context()
			a := func() *rackbeat.Account { return b.client.Account(shortKey, nil, nil) } // a 429 blocks it
			var texts []string
			add := func(err error) {
				if err != nil {
					text := fmt.Sprintf("%v %+v", err, err)
					if e, ok := errors.AsType[*rackbeat.Error](err); ok {
						text += fmt.Sprintf("%+v", *e)
					}
					texts = append(texts, text)
				}
			}
			_, err := a().Self(ctx, hint)
			add(err)
			one, err := a().Item(ctx, hint, "x", "")
			add(err)
			page, err := a().Items(ctx, hint, rackbeat.ItemsQuery{Page: 1})
			add(err)
			for _, bad := range page.Bad {
				add(bad.Err)
				texts = append(texts, bad.Number)
			}
			for _, item := range append(page.Items, one.Value) {
				texts = append(texts, item.Number) // hints and the log have the numbers
				for _, u := range item.Unsound {
					add(u.Err)
				}
			}
			report, err := a().StockByPlace(ctx, hint, rackbeat.ReportQuery{Page: 1, Size: 1000})
			add(err)
			for _, item := range report.Items {
				texts = append(texts, item.Number)
				for _, u := range item.Unsound {
					add(u.Err)
				}
			}
			_, err = a().ItemPlaces(ctx, hint, "x", "")
			add(err)
			_, err = a().Places(ctx, hint)
			add(err)
			hooks, err := a().Webhooks(ctx, hint)
			add(err)
			texts = append(texts, fmt.Sprintf("%+v", hooks))
			for _, call := range b.seen() {
				texts = append(texts, call.OddHeader)
			}
			for _, text := range texts {
				// Not even the beginning of it.
				if secret.Hide(shortKey[:11]).Found([]byte(text)) {
					t.Errorf("the key is in %s", text)
				}
			}
		})
	}
}

func TestBadKeys(t *testing.T) {
	t.Parallel()
	b := setup(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	for _, bad := range []string{"", "a b", "a\r\nX: y", "æ"} {
		_, err := b.client.Account(bad, nil, nil).Self(t.Context(), hint)
		if rackbeat.KindOf(err) != rackbeat.KindUnauthorized || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []rackbeat.Options{{URL: "ftp://x"}, {URL: "x"}, {URL: "http://user:pw@x/"}, {URL: "http://x/?a"}, {URL: "http://x/#a"}, {URL: "http://%zz"},
		{Contact: "a\r\nb"}, {Name: "æ"}} {
		if _, err := rackbeat.New(o); err == nil || strings.Contains(err.Error(), "pw") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := rackbeat.New(rackbeat.Options{}); err != nil {
		t.Error(err)
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
		"it begins too late":           {time.Second, 1001 * time.Millisecond, 0, rackbeat.ErrSilent},
		"it begins in time, and hangs": {time.Second, 999 * time.Millisecond, 31 * time.Second, rackbeat.ErrTimeout},
		"no patience of its own":       {0, 29 * time.Second, 0, nil},
		"nor in time":                  {0, 31 * time.Second, 0, rackbeat.ErrTimeout},
		"more than there is":           {time.Hour, 31 * time.Second, 0, rackbeat.ErrTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, err := rackbeat.New(rackbeat.Options{URL: "http://127.0.0.1:1/api/", Timeout: 30 * time.Second, Transport: late{c.begins, c.ends},
					Patience: func(context.Context) time.Duration { return c.patience }})
				if err != nil {
					t.Fatal(err)
				}
				_, err = client.Account(key, nil, nil).Self(t.Context(), budget.PriorityTick)
				if !errors.Is(err, c.err) || err != nil && (c.err == nil || rackbeat.KindOf(err) != rackbeat.KindUnavailable) {
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
	return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(&lateBody{r.Context(), l.ends, strings.NewReader(`{"user_account":{"id":1}}`)})}, nil
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
