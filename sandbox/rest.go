package sandbox

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rest serves e-conomic's REST API.
func (s *Sandbox) rest(w http.ResponseWriter, r *http.Request) { //nolint:gocyclo // one case per address
	a, ans := s.authenticate(r)
	f := s.faults.get()
	if a != nil {
		f = a.faults()
	}
	if f.Slow > 0 && s.strikes(a, f.SlowProbability, "slow") && !pause(r.Context(), time.Duration(f.Slow)) {
		return
	}
	if a != nil {
		endpoint := endpointOf(r.URL.EscapedPath())
		cost := listCost
		if endpoint == "pdf" {
			cost = pdfCost
		}
		spent, ok := a.spend(cost, endpoint)
		if f.Hang > 0 && !hang(r.Context(), func() Duration { return a.faults().Hang }) {
			return
		}
		switch {
		case !ok || s.strikes(a, f.RateLimit, "rateLimit"):
			ans = s.apiError(429, "", "Too many requests.", "Wait and try again.", nil)
			if !f.NoRetryAfter {
				after := 1 // a fault: the bucket is not empty
				if !ok {
					after = a.wait()
				}
				ans.header = map[string]string{"Retry-After": strconv.Itoa(after)}
			}
		default:
			ans = a.faulty(f, endpoint, func() answer { return a.serve(r, f) })
		}
		if f.NoLimitHeaders {
			w.Header().Set("X-CallCost", "L")
		} else {
			w.Header().Set("X-CallCost", strconv.Itoa(cost))
			w.Header().Set("X-RateLimiting", fmt.Sprintf("token-limit-%d-per-60-seconds: %d/%d", a.bucket, spent, a.bucket))
		}
	}
	ans.cut = ans.status == 200 && len(ans.body) > 1 && s.strikes(a, f.Cut, "cut")
	if ans.status == 200 && s.strikes(a, f.Stall, "stall") {
		ans.stalls = r.Context().Done()
	}
	w.Header().Set("X-RequestId", fmt.Sprintf("%08x-sandbox", rand.Uint32()))
	write(w, f.now(), ans)
}

// authenticate returns the agreement of the request's grant, or nil and the answer.
// e-conomic does not say which of the two tokens is wrong.
func (s *Sandbox) authenticate(r *http.Request) (*agreement, answer) {
	app, grant := r.Header.Get("X-AppSecretToken"), r.Header.Get("X-AgreementGrantToken")
	s.mu.Lock()
	a := s.byGrant[grant]
	if isDemo(r, app, grant) {
		a, app = s.demo(), s.o.AppToken
	}
	s.mu.Unlock()
	if a == nil || app != s.o.AppToken {
		return nil, s.unauthorized()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refused {
		return nil, s.unauthorized()
	}
	return a, answer{}
}

// isDemo reports whether the request is for the demo agreement, which is public and
// read-only.
func isDemo(r *http.Request, app, grant string) bool {
	return r.Method == http.MethodGet && (app == "demo" && grant == "demo" || r.URL.Query().Get("demo") == "true")
}

// demo returns the agreement with the lowest number. s.mu is held.
func (s *Sandbox) demo() *agreement {
	if len(s.agreements) == 0 {
		return nil
	}
	return s.agreements[slices.Min(slices.Collect(maps.Keys(s.agreements)))]
}

func (a *agreement) violate(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.violations) < 1000 {
		a.violations = append(a.violations, fmt.Sprintf(format, args...))
	}
}

func endpointOf(path string) string {
	switch {
	case path == "/self":
		return "self"
	case strings.HasSuffix(path, "/pdf"):
		return "pdf"
	case path == "/products":
		return "products"
	case strings.HasPrefix(path, "/products/"):
		return "product"
	case path == "/invoices/booked":
		return "invoices"
	case strings.HasPrefix(path, "/invoices/booked/"):
		return "invoice"
	}
	return "other"
}

// serve answers a call to an agreement.
func (a *agreement) serve(r *http.Request, f *Faults) answer {
	s := a.sandbox
	reads := r.Method == http.MethodGet
	if !reads {
		a.violate("%s %s: the client must only ever read", r.Method, r.URL.Path)
	}
	if what := unsupported(r); what != "" {
		a.violate("%s: %s, expected application/json", r.URL.Path, what)
		return s.apiError(415, "", "Unsupported media type.", "Use application/json.", nil)
	}
	if !reads {
		return s.apiError(405, "", "Method not allowed.", hypermediaHint, nil)
	}
	if n := len(r.URL.RequestURI()); n > s.o.MaxURL {
		a.violate("a URL of %d bytes", n)
		return answer{status: 414, body: []byte("<html><body>Request-URI Too Large</body></html>"), contentType: "text/html"}
	}
	base := "http://" + r.Host
	path := r.URL.EscapedPath()
	switch endpointOf(path) {
	case "self":
		return a.self(base)
	case "products":
		return a.listProducts(r, base, f)
	case "product":
		return a.oneProduct(strings.TrimPrefix(path, "/products/"), base, f)
	case "invoices":
		return a.listInvoices(r, base, f)
	case "invoice", "pdf":
		return a.oneInvoice(strings.TrimPrefix(path, "/invoices/booked/"), base, f)
	}
	if path == "/product-groups" {
		return a.groups(r, base)
	}
	if path == "/invoices" {
		return jsonAnswer(200, map[string]any{"drafts": base + "/invoices/drafts", "booked": base + "/invoices/booked", "self": base + "/invoices"})
	}
	if path == "/orders" {
		return jsonAnswer(200, map[string]any{"drafts": base + "/orders/drafts", "sent": base + "/orders/sent", "archived": base + "/orders/archived", "self": base + "/orders"})
	}
	return s.notFound()
}

// unsupported returns what makes a request's media type unsupported, or "": a body that
// is not JSON, or an Accept header without JSON (except for a PDF). A request without a
// body needs no Content-Type: clients of the real service send none with GET.
func unsupported(r *http.Request) string {
	if kind := r.Header.Get("Content-Type"); r.ContentLength != 0 && !isJSON(kind) {
		return fmt.Sprintf("a body with Content-Type %q", kind)
	}
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if accept == "" || endpointOf(r.URL.EscapedPath()) == "pdf" {
		return ""
	}
	for kind := range strings.SplitSeq(accept, ",") {
		if isJSON(kind) {
			return ""
		}
	}
	return fmt.Sprintf("Accept %q", accept)
}

// isJSON reports whether a media type or range includes JSON.
func isJSON(text string) bool {
	kind, _, _ := strings.Cut(text, ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "application/json", "application/*", "*/*":
		return true
	}
	return false
}

func (a *agreement) self(base string) answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	modules := []any{map[string]any{"moduleNumber": 1, "name": "Regnskab", "self": base + "/modules/1"}}
	if a.inventory {
		modules = append(modules, map[string]any{"moduleNumber": 4, "name": "Lager", "self": base + "/modules/4"})
	}
	return jsonAnswer(200, map[string]any{
		"agreementNumber": a.answers, "userName": "SANDBOX", "companyAffiliation": "Sandbox",
		"company":     map[string]any{"name": fmt.Sprintf("Sandkassen %d ApS", a.answers), "city": "Frøstrup", "country": "Danmark", "zip": "7741"},
		"application": map[string]any{"appNumber": 1, "name": "lagerd sandbox", "requiredRoles": []any{map[string]any{"roleNumber": 2, "name": "Sales", "self": base + "/app-roles/2"}}, "self": base + "/self"},
		"user":        map[string]any{"loginId": "SANDBOX", "name": "Sand Kasse", "agreementNumber": a.answers, "language": map[string]any{"languageNumber": 1, "name": "Dansk", "culture": "da-DK", "self": base + "/languages/1"}},
		"settings":    map[string]any{"baseCurrency": "DKK"},
		"modules":     modules, "self": base + "/self",
	})
}
