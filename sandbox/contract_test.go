package sandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"lagerd/sandbox"
)

// shared is the directory of e-conomic's published schemas in a developer's tree.
const shared = "../../shared/economic/"

// schemaOf compiles the schema of an operation's answer: e-conomic's own if it is there,
// else the trimmed copy beside the client's tests.
func schemaOf(t *testing.T, operation string) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(shared + operation + ".json")
	if err != nil {
		t.Logf("NOT CHECKED against the published schema of %s: %v", operation, err)
		if text, err = os.ReadFile("../economic/testdata/schemas/" + operation + ".json"); err != nil {
			t.Logf("nor against a trimmed copy: %v", err)
			return nil
		}
	}
	var o struct {
		Responses map[string]struct {
			Content map[string]struct {
				Schema any `json:"schema"`
			} `json:"content"`
		} `json:"responses"`
	}
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	document := o.Responses["200"].Content["application/json"].Schema
	if document == nil {
		t.Fatalf("%s: no schema of a 200", operation)
	}
	mend(document)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4) // exclusiveMinimum is true or false there
	if err := c.AddResource("mem:"+operation, document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:" + operation)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mend removes errors from the published schemas: they are draft-03 with
// `required: true` on properties, and the pattern of inventoryLastUpdated lacks
// backslashes, so no time matches it.
func mend(v any) {
	switch n := v.(type) {
	case map[string]any:
		if list, ok := n["required"].([]any); !ok || len(list) == 0 {
			delete(n, "required")
		}
		if p, ok := n["pattern"].(string); ok && strings.Contains(p, "Td{2}") {
			delete(n, "pattern")
		}
		if f, ok := n["format"].(string); ok && f == "full-date" {
			delete(n, "format")
		}
		for _, child := range n {
			mend(child)
		}
	case []any:
		for _, child := range n {
			mend(child)
		}
	}
}

// service is a sandbox behind a real HTTP server.
type service struct {
	t   *testing.T
	url string
}

func start(t *testing.T, o sandbox.Options) *service {
	t.Helper()
	if o.Agreements == 0 {
		o.Agreements = 1
	}
	if o.Products == 0 {
		o.Products = 90
	}
	if o.Bucket == 0 {
		o.Bucket = 10_000
	}
	if o.MaxURL == 0 {
		o.MaxURL = 4000
	}
	o.AppToken = "app"
	s := sandbox.New(o)
	t.Cleanup(s.Close)
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return &service{t: t, url: server.URL}
}

// answer is the answer to a call.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call calls the REST API; the path is sent unchanged.
func (s *service) call(method, path string, header ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-AppSecretToken", "app")
	req.Header.Set("X-AgreementGrantToken", "sandbox-grant-1")
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, body}
}

func (s *service) get(path string) answer { s.t.Helper(); return s.call(http.MethodGet, path) }

// control calls the control API.
func (s *service) control(method, path string, body any) []byte {
	s.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+"/sandbox/"+path, bytes.NewReader(raw))
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s: %s %v", path, res.Status, out, err)
	}
	return out
}

type object = map[string]any

func filter(text string) string { return "filter=" + url.QueryEscape(text) }

// TestContract: every answer validates against e-conomic's published schemas.
func TestContract(t *testing.T) { //nolint:tparallel // many short subtests
	t.Parallel()
	s := start(t, sandbox.Options{})
	for _, b := range []object{
		{"orderRef": "10042", "lines": []object{{"number": "00001", "quantity": "2.5"}, {"number": "rød grød æøå", "quantity": 1}}},
		{"orderRef": "10042", "creditNote": true, "lines": []object{{"number": "00001", "quantity": 1}}},
		{"orderRef": "77", "refField": "notes.heading", "withNumber": 900, "date": "2019-02-28"},
		{"lines": []object{}},
	} {
		s.control("POST", "agreements/100001/book", b)
	}
	empty := start(t, sandbox.Options{Products: 1})
	bare := start(t, sandbox.Options{NoInventory: true})
	for _, c := range []struct {
		operation string
		on        *service
		path      string
	}{
		{"self.get", s, "/self"},
		{"self.get", bare, "/self"},
		{"products.get", s, "/products"},
		{"products.get", s, "/products?pagesize=1000&sort=-lastUpdated,productNumber"},
		{"products.get", s, "/products?pagesize=20&skippages=4"},
		{"products.get", s, "/products?skippages=99"},
		{"products.get", s, "/products?" + filter("productNumber$eq:0571527051$or:name$like:Vare 1")},
		{"products.get", bare, "/products?pagesize=1000"},
		{"products.get", empty, "/products"},
		{"products.productNumber.get", s, "/products/0571527051"},
		{"products.productNumber.get", s, "/products/Fleece_9_Tracksuit"},
		{"products.productNumber.get", bare, "/products/00001"},
		{"product-groups.get", s, "/product-groups"},
		{"invoices.get", s, "/invoices"},
		{"orders.get", s, "/orders"},
		{"invoices.booked.get", empty, "/invoices/booked"},
		{"invoices.booked.get", s, "/invoices/booked?pagesize=2"},
		{"invoices.booked.get", s, "/invoices/booked?" + filter("bookedInvoiceNumber$in:[1,900]")},
		{"invoices.booked.bookedInvoiceNumber.get", s, "/invoices/booked/1"},
		{"invoices.booked.bookedInvoiceNumber.get", s, "/invoices/booked/2"},
		{"invoices.booked.bookedInvoiceNumber.get", s, "/invoices/booked/900"},
	} {
		t.Run(c.path, func(t *testing.T) {
			a := c.on.get(c.path)
			if a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.body)
			}
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.body))
			if err != nil {
				t.Fatal(err)
			}
			if schema := schemaOf(t, c.operation); schema != nil {
				if err := schema.Validate(v); err != nil {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// TestTheSchemaCheckCanFail: a document with a wrong type is refused.
func TestTheSchemaCheckCanFail(t *testing.T) {
	t.Parallel()
	schema := schemaOf(t, "products.get")
	if schema == nil {
		t.Fatal("no schema of products at all")
	}
	if err := schema.Validate(object{"collection": []any{object{"productNumber": 5}}}); err == nil {
		t.Error("a product number that is a number validates")
	}
}

// TestRefusals: what real e-conomic refuses is refused in its words, and listed as a
// violation.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{MaxURL: 500})
	list := make([]string, 201)
	for i := range list {
		list[i] = "1"
	}
	for _, c := range []struct {
		name, method, path string
		header             []string
		status             int
		says               string
	}{
		{"a wrong app token", "GET", "/self", []string{"X-AppSecretToken", "x"}, 401, "Not authorized"},
		{"a wrong grant", "GET", "/self", []string{"X-AgreementGrantToken", "x"}, 401, "Not authorized"},
		{"a write", "POST", "/products", nil, 405, "Method not allowed"},
		{"asked for another type", "GET", "/products", []string{"Accept", "text/xml, application/jsonp"}, 415, "application/json"},
		{"a demo's grant without its app", "GET", "/self", []string{"X-AgreementGrantToken", "demo"}, 401, "Not authorized"},
		{"a demo's write", "POST", "/products", []string{"X-AppSecretToken", "demo", "X-AgreementGrantToken", "demo"}, 401, "Not authorized"},
		{"too many to a page", "GET", "/products?pagesize=1001", nil, 400, "E04810"},
		{"none to a page", "GET", "/products?pagesize=0", nil, 400, "E04810"},
		{"a negative page", "GET", "/products?skippages=-1", nil, 400, "E04810"},
		{"a page beyond all", "GET", "/products?skippages=9223372036854775807", nil, 400, "E04810"},
		{"an unknown field", "GET", "/products?" + filter("inventory.inStock$gt:1"), nil, 400, "allowedFilteringFields"},
		{"barred by $ne", "GET", "/products?" + filter("barred$ne:true"), nil, 500, "unexpected error"},
		{"a broken filter", "GET", "/products?" + filter("name$eq:a)"), nil, 400, "Unexpected ')'"},
		{"a bare dollar", "GET", "/products?" + filter("name$eq:a$b"), nil, 400, "Unexpected '$'"},
		{"sorted by what cannot be", "GET", "/products?sort=barred", nil, 400, "Could not parse query string sort parameter"},
		{"201 values", "GET", "/invoices/booked?" + filter("bookedInvoiceNumber$in:["+strings.Join(list, ",")+"]"), nil, 414, ""},
		{"no such product", "GET", "/products/none", nil, 404, "E06000"},
		{"a number as no client may write it", "GET", "/products/1.5", nil, 404, "E06000"},
		{"a slash by percent", "GET", "/products/A%2FB", nil, 404, "E06000"},
		{"a space by percent", "GET", "/products/Fleece%20Tracksuit", nil, 404, "E06000"},
		{"no such invoice", "GET", "/invoices/booked/99", nil, 404, "Resource not found"},
		{"no such path", "GET", "/customers", nil, 404, "Resource not found"},
		{"too long a URL", "GET", "/products?" + filter("name$eq:"+strings.Repeat("x", 600)), nil, 414, ""},
	} {
		a := s.call(c.method, c.path, c.header...)
		if a.status != c.status || !strings.Contains(string(a.body), c.says) {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
		if c.status != 401 && a.header.Get("X-CallCost") == "" {
			t.Errorf("%s: X-CallCost is missing", c.name)
		}
	}
	var stats []struct{ Violations []string }
	if err := json.Unmarshal(s.control("GET", "stats", nil), &stats); err != nil || len(stats[0].Violations) < 10 {
		t.Errorf("violations: %q %v", stats, err)
	}
}

// TestTolerance: the sandbox answers what real e-conomic answers, even if lagerd sends
// other requests: Content-Type is checked only if there is a body.
func TestTolerance(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{Agreements: 2})
	grant := []string{"X-AppSecretToken", "app", "X-AgreementGrantToken", "sandbox-grant-2"}
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
	}{
		{"no Content-Type", "GET", "/products", "", grant, 200},
		{"no Content-Type, one product", "GET", "/products/none", "", grant, 404},
		{"no Content-Type, invoices", "GET", "/invoices/booked", "", grant, 200},
		{"no Content-Type, self", "GET", "/self", "", grant, 200},
		{"another Content-Type, of no body", "GET", "/products", "", append([]string{"Content-Type", "text/plain"}, grant...), 200},
		{"JSON with a charset", "GET", "/products", "", append([]string{"Content-Type", "Application/JSON; charset=utf-8"}, grant...), 200},
		{"anything will do", "GET", "/products", "", append([]string{"Accept", "*/*"}, grant...), 200},
		{"as a browser asks", "GET", "/products", "", append([]string{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, grant...), 200},
		{"a PDF", "GET", "/invoices/booked/99/pdf", "", append([]string{"Accept", "application/pdf"}, grant...), 404},
		{"the demo agreement", "GET", "/products", "", []string{"X-AppSecretToken", "demo", "X-AgreementGrantToken", "demo"}, 200},
		{"the demo agreement, by its URL", "GET", "/products?demo=true", "", nil, 200},
		{"a body that is no JSON", "POST", "/products", "a=b", append([]string{"Content-Type", "application/x-www-form-urlencoded"}, grant...), 415},
		{"a body of no type", "POST", "/products", "{}", grant, 415},
		{"a body with GET", "GET", "/products", "a=b", append([]string{"Content-Type", "text/plain"}, grant...), 415},
		{"a body that is JSON", "POST", "/products", "{}", append([]string{"Content-Type", "application/json"}, grant...), 405},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, s.url+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(c.header); i += 2 {
			req.Header.Set(c.header[i], c.header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != c.status {
			t.Errorf("%s: %d, expected %d", c.name, res.StatusCode, c.status)
		}
	}
	if _, next, _ := numbers(t, s.call("GET", "/products?demo=true&pagesize=1", "X-AppSecretToken", "")); !strings.Contains(next, "demo=true") {
		t.Errorf("the demo agreement's next page is %q", next)
	}
	var stats []struct{ Violations []string }
	if err := json.Unmarshal(s.control("GET", "stats", nil), &stats); err != nil || len(stats[1].Violations) != 6 {
		t.Errorf("violations: %q %v, expected three bodies and three writes", stats, err)
	}
}

func numbers(t *testing.T, a answer) (list []string, next string, results int) {
	t.Helper()
	var page struct {
		Collection []struct{ ProductNumber string }
		Pagination struct {
			NextPage string
			Results  int
		}
	}
	if err := json.Unmarshal(a.body, &page); err != nil || a.status != 200 {
		t.Fatalf("%d %v: %s", a.status, err, a.body)
	}
	for _, p := range page.Collection {
		list = append(list, p.ProductNumber)
	}
	return list, page.Pagination.NextPage, page.Pagination.Results
}

func TestPagingSeesEveryProductOnce(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	seen := map[string]bool{}
	path := "/products?pagesize=40&sort=productNumber"
	for pages := 1; ; pages++ {
		list, next, results := numbers(t, s.get(path))
		for _, n := range list {
			if seen[n] {
				t.Errorf("%q comes twice", n)
			}
			seen[n] = true
		}
		if next == "" {
			if pages != 3 || len(seen) != 90 || results != 90 {
				t.Errorf("%d pages, %d products, %d announced", pages, len(seen), results)
			}
			break
		}
		path = strings.TrimPrefix(next, s.url)
	}
	if list, next, results := numbers(t, s.get("/products?skippages=50")); len(list) != 0 || next != "" || results != 90 {
		t.Errorf("past the end: %v %q %d", list, next, results)
	}
	// Every product's self link leads to it, however odd its number.
	var page struct {
		Collection []struct{ ProductNumber, Self string }
	}
	if err := json.Unmarshal(s.get("/products?pagesize=1000").body, &page); err != nil {
		t.Fatal(err)
	}
	for _, p := range page.Collection {
		var one struct{ ProductNumber string }
		a := s.get(strings.TrimPrefix(p.Self, s.url))
		if err := json.Unmarshal(a.body, &one); err != nil || one.ProductNumber != p.ProductNumber {
			t.Errorf("%s leads to %q, not to %q", p.Self, one.ProductNumber, p.ProductNumber)
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{Products: 1})
	for number, name := range map[string]string{"ABC": "Sko, str. 42", "abd": "Kniv (grøn)", "x[1]": "100% $", "y*": "Skohorn"} {
		s.control("POST", "agreements/100001/create", object{"number": number, "name": name, "inStock": 1})
	}
	for text, want := range map[string]string{
		"productNumber$eq:abc":                         "ABC",
		"productNumber$eq:ABC$or:productNumber$eq:abd": "ABC abd",
		"productNumber$eq:x[1]":                        "x[1]",
		"productNumber$eq:x$[1$]":                      "", // the documented escape matches nothing
		"productNumber$eq:y$*":                         "y*",
		"name$eq:Kniv $(grøn$)":                        "abd",
		"name$eq:100% $$":                              "x[1]",
		"name$eq:Sko$, str. 42":                        "ABC",
		"name$like:sko":                                "ABC y*",
		"name$like:sko*":                               "ABC y*",
		"name$like:*horn":                              "y*",
		"productNumber$in:[ABC,abd]":                   "", // strings: 200, no matches
		"(name$like:sko$and:productNumber$eq:abc)":     "ABC",
		"name$like:sko$and:(productNumber$eq:abd$or:productNumber$eq:y*)":                    "y*",
		"productNumber$eq:abd$or:name$like:sko$and:productNumber$eq:abc":                     "ABC abd",
		"barCode$eq:$null:$and:productNumber$eq:abd":                                         "abd",
		"lastUpdated$gte:2999-01-01T00:00:00Z":                                               "",
		"productNumber$gt:x":                                                                 "x[1] y*",
		"productGroup.productGroupNumber$eq:1$and:productNumber$ne:00001$and:name$like:kniv": "abd",
	} {
		list, _, _ := numbers(t, s.get("/products?sort=productNumber&"+filter(text)))
		if got := strings.Join(list, " "); got != want {
			t.Errorf("%s: %q, expected %q", text, got, want)
		}
	}
	if list, _, _ := numbers(t, s.get("/products?sort=-productNumber")); strings.Join(list, " ") != "y* x[1] abd ABC 00001" {
		t.Errorf("descending: %q", list)
	}
}

func TestBucket(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{Bucket: 7})
	for i, want := range []int{200, 200, 429, 429} {
		a := s.get("/self")
		if a.status != want || a.header.Get("X-RateLimiting") != fmt.Sprintf("token-limit-7-per-60-seconds: %d/7", 3*(i+1)) {
			t.Errorf("call %d: %d %q", i, a.status, a.header.Get("X-RateLimiting"))
		}
		if (a.header.Get("Retry-After") != "") != (want == 429) {
			t.Errorf("call %d: Retry-After %q", i, a.header.Get("Retry-After"))
		}
	}
	s.control("PUT", "faults", object{"noRetryAfter": true, "noLimitHeaders": true})
	if a := s.get("/self"); a.status != 429 || a.header.Get("Retry-After") != "" || a.header.Get("X-RateLimiting") != "" || a.header.Get("X-CallCost") != "L" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

// FuzzFilter: no filter may crash the sandbox.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"", "name$eq:a", "((name$eq:a)$or:barred$eq:true)$and:bookedInvoiceNumber$in:[1,2]", "name$like:*$(", "$and:", "lastUpdated$gte:x", "name$eq:$null:"} {
		f.Add(seed)
	}
	s := sandbox.New(sandbox.Options{Agreements: 1, Products: 40, AppToken: "app", Bucket: 1 << 60, MaxURL: 1 << 20})
	f.Cleanup(s.Close)
	h := s.Handler()
	f.Fuzz(func(t *testing.T, text string) {
		for _, path := range []string{"/products", "/invoices/booked"} {
			r := httptest.NewRequest(http.MethodGet, path+"?"+filter(text), nil)
			r.Header.Set("X-AppSecretToken", "app")
			r.Header.Set("X-AgreementGrantToken", "sandbox-grant-1")
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != 200 && w.Code != 400 && w.Code != 500 {
				t.Errorf("%q: %d", text, w.Code)
			}
		}
	})
}
