package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Costs of calls in tokens, as observed on live agreements.
const (
	listCost = 3
	pdfCost  = 13
)

// answer is the answer to a REST call.
type answer struct {
	status      int
	body        []byte
	contentType string
	header      map[string]string
	cut         bool // the connection breaks halfway
}

func jsonAnswer(status int, v any) answer { return rawAnswer(status, encode(v)) }

func rawAnswer(status int, body []byte) answer {
	return answer{status: status, body: append(body, '\n'), contentType: "application/json; charset=utf-8"}
}

// encode renders JSON as e-conomic does. It panics on values that cannot be encoded,
// which the sandbox never has.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// apiError is e-conomic's error body. logTime has no zone.
func (s *Sandbox) apiError(status int, code, message, hint string, more map[string]any) answer {
	body := map[string]any{
		"message": message, "developerHint": hint, "logId": fmt.Sprintf("%016x-CPH", rand.Uint64()),
		"httpStatusCode": status, "logTime": s.now().Format("2006-01-02T15:04:05"),
	}
	if code != "" {
		body["errorCode"] = code
	}
	maps.Copy(body, more)
	return jsonAnswer(status, body)
}

const hypermediaHint = "The API tries to provide all the resource urls you need. If you have hard coded urls yourself, then try to look at the enclosing collection for hypermedia information on where the resource you are looking for could be."

func (s *Sandbox) notFound() answer {
	return s.apiError(404, "E06000", "Resource not found.", hypermediaHint, nil)
}

// rest serves e-conomic's REST API.
func (s *Sandbox) rest(w http.ResponseWriter, r *http.Request) { //nolint:gocyclo // one case per address
	a, ans := s.authenticate(r)
	f := s.faults.get()
	if a != nil {
		f = a.faults()
	}
	if f.Slow > 0 && s.strikes(a, f.SlowProbability, "slow") {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(time.Duration(f.Slow)):
		}
	}
	if a != nil {
		endpoint := endpointOf(r.URL.EscapedPath())
		cost := listCost
		if endpoint == "pdf" {
			cost = pdfCost
		}
		spent, ok := a.spend(cost, endpoint)
		if f.Hang > 0 && !a.hang(r.Context()) {
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
	s.write(w, f, ans)
}

// hang waits for the fault's duration, or until the fault ends. It returns false if the
// client disconnected.
func (a *agreement) hang(ctx context.Context) bool {
	const look = 50 * time.Millisecond // interval to check for the fault's end
	for began := time.Now(); ; {
		left := time.Duration(a.faults().Hang) - time.Since(began)
		if left <= 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(min(left, look)):
		}
	}
}

// faulty returns a fault's answer, or serve's.
func (a *agreement) faulty(f *Faults, endpoint string, serve func() answer) answer {
	s := a.sandbox
	switch {
	case s.strikes(a, f.Unauthorized, "unauthorized"):
		return s.unauthorized()
	case s.strikes(a, f.Forbidden, "forbidden"):
		return s.apiError(403, "", "Access denied.", "The roles asked for when the grant was issued do not allow this.", nil)
	case s.strikes(a, f.ServerError, "serverError"):
		switch s.intn(3) {
		case 0:
			return s.internalError()
		case 1:
			return answer{status: 502, body: []byte("<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>"), contentType: "text/html"}
		}
		return answer{status: 503, body: []byte("Service Unavailable"), contentType: "text/plain"}
	}
	ans := serve()
	if ans.status == 200 && endpoint != "pdf" && s.strikes(a, f.Garbled, "garbled") {
		ans.body = append(bytes.Clone(ans.body[:len(ans.body)/2]), "\x00<html>"...)
	}
	return ans
}

func (s *Sandbox) write(w http.ResponseWriter, f *Faults, ans answer) {
	h := w.Header()
	h.Set("X-RequestId", fmt.Sprintf("%08x-sandbox", rand.Uint32()))
	h.Set("Date", f.now().Format(http.TimeFormat))
	h.Set("Content-Type", ans.contentType)
	for k, v := range ans.header {
		h.Set(k, v)
	}
	h.Set("Content-Length", strconv.Itoa(len(ans.body)))
	w.WriteHeader(ans.status)
	if ans.cut {
		_, _ = w.Write(ans.body[:len(ans.body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // the connection is cut
	}
	_, _ = w.Write(ans.body)
}

func (s *Sandbox) internalError() answer {
	return s.apiError(500, "E00500", "An unexpected error occurred.", "Contact support with the log id.", nil)
}

func (s *Sandbox) unauthorized() answer {
	return s.apiError(401, "E01000", "Not authorized. Did you remember to include app secret token and agreement grant token?",
		"See the documentation on authentication. Try ?demo=true for the demo agreement.", nil)
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

// spend takes tokens from the bucket; refused calls are charged too.
func (a *agreement) spend(cost int, endpoint string) (used int, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if now.Sub(a.windowStart) >= time.Minute {
		a.windowStart, a.used = now, 0
	}
	if day := a.now().Format(time.DateOnly); day != a.day {
		a.day, a.today = day, 0
	}
	a.used += cost
	a.today++
	a.calls[endpoint]++
	return a.used, a.used <= a.bucket && (a.sandbox.o.Daily == 0 || a.today <= a.sandbox.o.Daily)
}

// wait returns the number of seconds until the bucket is full again.
func (a *agreement) wait() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(1, int((time.Minute-time.Since(a.windowStart))/time.Second)+1)
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

// pageOf is a page of a query's matches.
type pageOf struct {
	skip, size int
	query      url.Values
}

func (a *agreement) page(r *http.Request) (pageOf, *answer) {
	p := pageOf{size: 20, query: r.URL.Query()}
	for name, into := range map[string]*int{"pagesize": &p.size, "skippages": &p.skip} {
		text := p.query.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || name == "pagesize" && (n < 1 || n > 1000) {
			a.violate("%s=%s", name, text)
			bad := a.sandbox.apiError(400, "E04810", name+" must be a positive whole number between 1 and 1000.", "", nil)
			return p, &bad
		}
		*into = n
	}
	return p, nil
}

// bounds returns the page's range of the matches.
func (p pageOf) bounds(matches int) (from, to int) {
	from = min(p.skip*p.size, matches)
	return from, min(from+p.size, matches)
}

func (p pageOf) link(base, path string, skip int) string {
	q := url.Values{}
	for _, name := range []string{"filter", "sort", "demo"} {
		if v := p.query.Get(name); v != "" {
			q.Set(name, v)
		}
	}
	tail := ""
	if len(q) > 0 {
		tail = "&" + q.Encode()
	}
	return fmt.Sprintf("%s%s?skippages=%d&pagesize=%d%s", base, path, skip, p.size, tail)
}

func (p pageOf) pagination(base, path string, matches, all int) map[string]any {
	last := max(0, (matches-1)/p.size)
	m := map[string]any{
		"maxPageSizeAllowed": 1000, "skipPages": p.skip, "pageSize": p.size, "results": matches, "resultsWithoutFilter": all,
		"firstPage": p.link(base, path, 0), "lastPage": p.link(base, path, last),
	}
	if p.skip < last {
		m["nextPage"] = p.link(base, path, p.skip+1)
	}
	if p.skip > 0 {
		m["previousPage"] = p.link(base, path, min(p.skip-1, last))
	}
	return m
}

func (a *agreement) badFilter(err error) answer {
	var e *filterError
	if !errors.As(err, &e) {
		e = &filterError{message: err.Error(), status: 400}
	}
	a.violate("%s", e.message)
	if e.status == 500 {
		return a.sandbox.apiError(500, "E00500", e.message, "", nil)
	}
	more := map[string]any{"errors": []string{e.message}}
	if e.allowed != nil {
		more["allowedFilteringFields"] = e.allowed
	}
	return a.sandbox.apiError(400, "E04020", e.message, "Check the filter and sort parameters.", more)
}

// half drops items from a page, as a fault: the announced number stays.
func (a *agreement) half(f *Faults, from, to int) int {
	switch s := a.sandbox; {
	case s.strikes(a, f.EmptyPage, "emptyPage"):
		return from
	case s.strikes(a, f.HalfPage, "halfPage"):
		return from + (to-from)/2
	}
	return to
}

// shownProduct is a product as the API currently shows it.
type shownProduct struct {
	number string
	productState
}

var productFields = fields[shownProduct]{
	"productNumber":                   {kind: textField, sort: true, text: func(p shownProduct) (string, bool) { return p.number, true }},
	"name":                            {kind: textField, sort: true, text: func(p shownProduct) (string, bool) { return p.name, true }},
	"description":                     {kind: textField, sort: true, text: func(shownProduct) (string, bool) { return "", false }},
	"barCode":                         {kind: textField, sort: true, text: func(p shownProduct) (string, bool) { return p.barCode, p.barCode != "" }},
	"lastUpdated":                     {kind: timeField, sort: true, when: func(p shownProduct) (time.Time, bool) { return p.updated, true }},
	"barred":                          {kind: boolField, only: "eq", is: func(p shownProduct) bool { return p.barred }},
	"costPrice":                       {kind: numberField, sort: true, num: func(shownProduct) (float64, bool) { return 0, true }},
	"recommendedPrice":                {kind: numberField, sort: true, num: func(shownProduct) (float64, bool) { return 0, true }},
	"salesPrice":                      {kind: numberField, sort: true, num: func(shownProduct) (float64, bool) { return 125, true }},
	"unit.unitNumber":                 {kind: numberField, num: func(shownProduct) (float64, bool) { return 1, true }},
	"productGroup.productGroupNumber": {kind: numberField, num: func(p shownProduct) (float64, bool) { return float64(group(p.productState)), true }},
}

func group(st productState) int {
	if st.stocked {
		return 1
	}
	return 2
}

func (a *agreement) listProducts(r *http.Request, base string, f *Faults) answer { //nolint:funlen,gocyclo // one branch per parameter and fault
	p, bad := a.page(r)
	if bad != nil {
		return *bad
	}
	match, err := parseFilter(p.query.Get("filter"), productFields)
	if err != nil {
		return a.badFilter(err)
	}
	order, err := parseSort(p.query.Get("sort"), productFields)
	if err != nil {
		return a.badFilter(err)
	}
	// a.order is sorted by number: in that order only the page's products are copied.
	ordered := order == nil || p.query.Get("sort") == "productNumber"
	everything := p.query.Get("filter") == ""
	first, beyond := p.skip*p.size, (p.skip+1)*p.size
	now := time.Now()
	a.mu.Lock()
	var kept []shownProduct
	all, matches := 0, 0
	rest := a.order
	if everything && ordered && !a.deleted && !a.settled.After(now) {
		// Only the page's products need to be visited.
		for _, product := range rest[min(first, len(rest)):min(beyond, len(rest))] {
			kept = append(kept, shownProduct{product.number, product.truth()})
		}
		all, matches, rest = len(rest), len(rest), nil
	}
	for _, product := range rest {
		st, ok := product.shown(now)
		if !ok {
			continue
		}
		all++
		onPage := !ordered || matches >= first && matches < beyond
		if everything && !onPage {
			matches++
			continue
		}
		if shown := (shownProduct{product.number, *st}); match(shown) {
			if onPage {
				kept = append(kept, shown)
			}
			matches++
		}
	}
	inventory := a.inventory
	a.mu.Unlock()
	if everything {
		all -= int(min(1, f.Truncate) * float64(all))
		matches = min(all, matches)
	}
	from, to := p.bounds(matches)
	if !ordered {
		slices.SortStableFunc(kept, order)
		kept = kept[from:]
	}
	page := kept[:a.half(f, from, to)-from]
	if len(page) == 1 && slices.Contains(f.Poison, page[0].number) {
		return a.sandbox.internalError()
	}
	write := newProductWriter(base, inventory, f)
	const usual = 1200 // bytes of an item
	body := append(make([]byte, 0, usual*(1+len(page))), `{"collection":[`...)
	for i, m := range page {
		if i > 0 {
			body = append(body, ',')
		}
		body = write.append(body, m, false)
	}
	body = append(body, `],"metaData":`...)
	body = append(body, encode(map[string]any{"create": map[string]any{"description": "Create a new product", "href": base + "/products", "httpMethod": "post"}})...)
	body = append(body, `,"pagination":`...)
	body = append(body, encode(p.pagination(base, "/products", matches, all))...)
	body = append(body, `,"self":`...)
	body = append(body, encode(p.link(base, "/products", p.skip))...)
	return rawAnswer(200, append(body, '}'))
}

func (a *agreement) oneProduct(segment, base string, f *Faults) answer {
	number, err := unescapeNumber(segment)
	if err != nil {
		a.violate("/products/%s: %v", segment, err)
		return a.sandbox.notFound()
	}
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.products[number]
	if p == nil {
		return a.sandbox.notFound()
	}
	st, ok := p.shown(now)
	if !ok {
		return a.sandbox.notFound()
	}
	if slices.Contains(f.Poison, number) {
		return a.sandbox.internalError()
	}
	return rawAnswer(200, newProductWriter(base, a.inventory, f).append(nil, shownProduct{number, *st}, true))
}

func renderGroup(base string, g int, inventoryEnabled bool) map[string]any {
	self := fmt.Sprintf("%s/product-groups/%d", base, g)
	return map[string]any{"productGroupNumber": g, "name": "Varer m/moms", "inventoryEnabled": inventoryEnabled,
		"salesAccounts": self + "/sales-accounts", "products": self + "/products", "self": self}
}

func (a *agreement) groups(r *http.Request, base string) answer {
	p, bad := a.page(r)
	if bad != nil {
		return *bad
	}
	a.mu.Lock()
	inventory := a.inventory
	a.mu.Unlock()
	var items []any
	for g := 1; g <= 2; g++ {
		items = append(items, renderGroup(base, g, inventory && g == 1))
	}
	from, to := p.bounds(len(items))
	return jsonAnswer(200, map[string]any{"collection": items[from:to], "pagination": p.pagination(base, "/product-groups", len(items), len(items)),
		"self": p.link(base, "/product-groups", p.skip)})
}

var invoiceFields = fields[*invoice]{
	"bookedInvoiceNumber":     {kind: numberField, sort: true, num: func(i *invoice) (float64, bool) { return float64(i.number), true }},
	"date":                    {kind: timeField, sort: true, when: func(i *invoice) (time.Time, bool) { t, _ := parseTime(i.date); return t, true }},
	"currency":                {kind: textField, sort: true, text: func(*invoice) (string, bool) { return "DKK", true }},
	"customer.customerNumber": {kind: numberField, sort: true, num: func(i *invoice) (float64, bool) { return float64(i.customer), true }},
	"references.other":        {kind: textField, sort: true, text: func(i *invoice) (string, bool) { return i.ref("references.other") }},
	"notes.heading":           {kind: textField, sort: true, text: func(i *invoice) (string, bool) { return i.ref("notes.heading") }},
	"notes.textLine1":         {kind: textField, sort: true, text: func(i *invoice) (string, bool) { return i.ref("notes.textLine1") }},
	"notes.textLine2":         {kind: textField, sort: true, text: func(i *invoice) (string, bool) { return i.ref("notes.textLine2") }},
}

// ref returns the order reference if it is in the field of that name.
func (i *invoice) ref(name string) (string, bool) {
	where := i.refField
	if where == "" {
		where = "references.other"
	}
	return i.orderRef, where == name && i.orderRef != ""
}

func (a *agreement) listInvoices(r *http.Request, base string, f *Faults) answer {
	p, bad := a.page(r)
	if bad != nil {
		return *bad
	}
	match, err := parseFilter(p.query.Get("filter"), invoiceFields)
	if err != nil {
		return a.badFilter(err)
	}
	order, err := parseSort(p.query.Get("sort"), invoiceFields)
	if err != nil {
		return a.badFilter(err)
	}
	now := time.Now()
	a.mu.Lock()
	var matches []*invoice
	all := 0
	for _, n := range a.numbers {
		inv := a.invoices[n]
		if inv.readable.After(now) {
			continue
		}
		all++
		if match(inv) {
			matches = append(matches, inv)
		}
	}
	a.mu.Unlock()
	if order != nil {
		slices.SortStableFunc(matches, order)
	}
	from, to := p.bounds(len(matches))
	to = a.half(f, from, to)
	items := make([]any, 0, to-from)
	for _, inv := range matches[from:to] {
		items = append(items, renderInvoice(inv, base))
	}
	return jsonAnswer(200, map[string]any{"collection": items, "pagination": p.pagination(base, "/invoices/booked", len(matches), all),
		"metaData": map[string]any{}, "self": p.link(base, "/invoices/booked", p.skip)})
}

func renderInvoice(i *invoice, base string) map[string]any {
	self := fmt.Sprintf("%s/invoices/booked/%d", base, i.number)
	m := map[string]any{
		"bookedInvoiceNumber": i.number, "orderNumber": i.number + 500, "date": i.date, "dueDate": i.due, "currency": "DKK", "exchangeRate": json.RawMessage("100.000000"),
		"netAmount": i.net, "netAmountInBaseCurrency": i.net, "grossAmount": i.gross(), "grossAmountInBaseCurrency": i.gross(),
		"vatAmount": i.vat, "roundingAmount": amount(0), "remainder": i.gross(), "remainderInBaseCurrency": i.gross(),
		"paymentTerms": map[string]any{"paymentTermsNumber": 1, "daysOfCredit": 14, "name": "Netto 14 dage", "paymentTermsType": "net", "self": base + "/payment-terms/1"},
		"customer":     map[string]any{"customerNumber": i.customer, "self": fmt.Sprintf("%s/customers/%d", base, i.customer)},
		"recipient": map[string]any{"name": "Steen 3 ApS", "address": "Virksomhedsvej 58\rTh.", "zip": "7741", "city": "Frøstrup", "country": "Danmark",
			"vatZone": map[string]any{"name": "Domestic", "vatZoneNumber": 1, "enabledForCustomer": true, "enabledForSupplier": true, "self": base + "/vat-zones/1"}},
		"delivery": map[string]any{"address": "Steen 3 ApS\rVirksomhedsvej 58", "zip": "7741", "city": "Frøstrup", "country": "Danmark", "deliveryDate": i.date},
		"layout":   map[string]any{"layoutNumber": 15, "self": base + "/layouts/15"},
		"pdf":      map[string]any{"download": self + "/pdf"},
		"sent":     self + "/sent", "self": self,
	}
	references, notes := map[string]any{}, map[string]any{}
	for name, into := range map[string]map[string]any{"references.other": references, "notes.heading": notes, "notes.textLine1": notes, "notes.textLine2": notes} {
		if ref, ok := i.ref(name); ok {
			into[name[strings.IndexByte(name, '.')+1:]] = ref
		}
	}
	if len(references) > 0 {
		m["references"] = references
	}
	if len(notes) > 0 {
		m["notes"] = notes
	}
	return m
}

func (a *agreement) oneInvoice(rest, base string, f *Faults) answer {
	text, tail, _ := strings.Cut(rest, "/")
	n, err := strconv.ParseInt(text, 10, 64)
	now := time.Now()
	a.mu.Lock()
	inv := a.invoices[n]
	a.mu.Unlock()
	if err != nil || inv == nil || inv.readable.After(now) {
		return a.sandbox.notFound()
	}
	switch tail {
	case "":
		m := renderInvoice(inv, base)
		lines := make([]any, len(inv.lines))
		for i, l := range inv.lines {
			lines[i] = map[string]any{"lineNumber": i + 1, "sortKey": i + 1, "description": "Vare " + l.number, "quantity": l.quantity, "unitNetPrice": l.price,
				"discountPercentage": amount(0), "unitCostPrice": amount(0), "vatRate": amount(2500), "vatAmount": l.quantity.times(l.price) / 4, "totalNetAmount": l.quantity.times(l.price),
				"unit":    map[string]any{"unitNumber": 1, "name": "stk.", "products": base + "/units/1/products", "self": base + "/units/1"},
				"product": map[string]any{"productNumber": l.number, "self": base + "/products/" + escapeNumber(l.number)}}
		}
		m["lines"] = lines
		return jsonAnswer(200, m)
	case "pdf":
		return a.pdf(inv, now, f)
	}
	return a.sandbox.notFound()
}

func (a *agreement) pdf(inv *invoice, now time.Time, f *Faults) answer {
	s := a.sandbox
	switch {
	case inv.pdfAt.After(now):
		return s.notFound()
	case s.strikes(a, f.PDFHTML, "pdfHTML"):
		return answer{status: 200, body: []byte("<html><body>Please wait</body></html>"), contentType: "text/html"}
	case s.strikes(a, f.PDFCut, "pdfCut"):
		return answer{status: 200, body: inv.pdf[:len(inv.pdf)/2], contentType: "application/pdf"}
	}
	return answer{status: 200, body: inv.pdf, contentType: "application/pdf"}
}
