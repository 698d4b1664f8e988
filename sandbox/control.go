package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Handler serves the APIs of e-conomic and Rackbeat, and the control API.
func (s *Sandbox) Handler() http.Handler { //nolint:funlen // a table of routes
	mux := http.NewServeMux()
	post := func(path string, do func(a *agreement, body []byte) (any, error)) {
		mux.HandleFunc("POST /sandbox/agreements/{number}/"+path, func(w http.ResponseWriter, r *http.Request) { s.control(w, r, do) })
	}
	post("sell", func(a *agreement, b []byte) (any, error) {
		return with(b, func(q quantity) error { return a.move("sell", q.Number, -q.Quantity) })
	})
	post("restock", func(a *agreement, b []byte) (any, error) {
		return with(b, func(q quantity) error { return a.move("restock", q.Number, q.Quantity) })
	})
	post("import", func(a *agreement, b []byte) (any, error) { return with(b, a.importStock) })
	post("adjust", func(a *agreement, b []byte) (any, error) { return with(b, a.adjust) })
	post("create", func(a *agreement, b []byte) (any, error) {
		return with(b, func(q newProduct) error { return a.create(q.Number, q.Name, q.InStock) })
	})
	post("delete", func(a *agreement, b []byte) (any, error) {
		return with(b, func(q quantity) error { _, err := a.remove("delete", q.Number); return err })
	})
	post("rename", func(a *agreement, b []byte) (any, error) {
		return with(b, func(q renaming) error { return a.rename(q.From, q.To) })
	})
	post("bar", func(a *agreement, b []byte) (any, error) {
		return with(b, func(q quantity) error { return a.bar(q.Number) })
	})
	post("book", func(a *agreement, b []byte) (any, error) {
		var q booking
		if err := json.Unmarshal(b, &q); err != nil {
			return nil, err
		}
		n, err := a.book(q)
		return map[string]int64{"number": n}, err
	})
	post("trade", func(a *agreement, b []byte) (any, error) { return with(b, a.trade) })
	post("fire", func(a *agreement, b []byte) (any, error) {
		return with(b, func(q firing) error { a.fire(q.Type, q.Number); return nil })
	})
	post("webhooks", func(a *agreement, b []byte) (any, error) { return with(b, a.paste) })
	post("hook", func(a *agreement, b []byte) (any, error) { return with(b, a.changeHook) })
	post("tokens", func(a *agreement, b []byte) (any, error) { return with(b, a.tokens) })
	post("inventory", func(a *agreement, b []byte) (any, error) {
		return with(b, func(q struct{ Enabled bool }) error { a.set(func() { a.inventory = q.Enabled }); return nil })
	})
	post("agreement", func(a *agreement, b []byte) (any, error) {
		return with(b, func(q struct{ AgreementNumber int }) error {
			a.set(func() { a.answers = q.AgreementNumber })
			return nil
		})
	})
	own := func(method string, do func(a *agreement, body []byte) (any, error)) {
		mux.HandleFunc(method+" /sandbox/agreements/{number}/faults", func(w http.ResponseWriter, r *http.Request) { s.control(w, r, do) })
	}
	own("GET", func(a *agreement, _ []byte) (any, error) { return a.faults(), nil })
	own("PUT", func(a *agreement, b []byte) (any, error) { return struct{}{}, a.own.merge(b, s.faults.get()) })
	own("DELETE", func(a *agreement, _ []byte) (any, error) { a.own.clear(); return struct{}{}, nil })
	mux.HandleFunc("GET /sandbox/agreements/{number}/truth", func(w http.ResponseWriter, r *http.Request) {
		s.control(w, r, func(a *agreement, _ []byte) (any, error) { return a.truth(), nil })
	})
	mux.HandleFunc("PUT /sandbox/agreements", func(w http.ResponseWriter, r *http.Request) {
		s.reply(w, r, func(b []byte) (any, error) {
			return with(b, s.AddAgreement)
		})
	})
	mux.HandleFunc("GET /sandbox/faults", func(w http.ResponseWriter, r *http.Request) {
		s.reply(w, r, func([]byte) (any, error) { return s.faults.get(), nil })
	})
	mux.HandleFunc("PUT /sandbox/faults", func(w http.ResponseWriter, r *http.Request) {
		s.reply(w, r, func(b []byte) (any, error) { return struct{}{}, s.faults.merge(b) })
	})
	mux.HandleFunc("DELETE /sandbox/faults", func(w http.ResponseWriter, r *http.Request) {
		s.reply(w, r, func([]byte) (any, error) { s.faults.clear(); return struct{}{}, nil })
	})
	mux.HandleFunc("GET /sandbox/stats", func(w http.ResponseWriter, r *http.Request) {
		s.reply(w, r, func([]byte) (any, error) { return s.stats(), nil })
	})
	mux.HandleFunc("GET /sandbox/events", func(w http.ResponseWriter, r *http.Request) {
		since, _ := strconv.Atoi(r.URL.Query().Get("since"))
		s.reply(w, r, func([]byte) (any, error) { return s.events.since(since), nil })
	})
	s.handleRackbeat(mux)
	// Both APIs' paths contain escapes that a mux would remove.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.EscapedPath(); {
		case strings.HasPrefix(path, "/sandbox/"):
			mux.ServeHTTP(w, r)
		case strings.HasPrefix(path, "/webhooksapi/"):
			s.webhooksAPI(w, r)
		case strings.HasPrefix(path, rackbeatPath):
			s.serveRackbeat(w, r)
		default:
			s.rest(w, r)
		}
	})
}

type quantity struct {
	Number   string `json:"number"`
	Quantity amount `json:"quantity"`
}

type adjustment struct {
	Number    string  `json:"number"`
	InStock   *amount `json:"inStock"`
	Available *amount `json:"available"`
}

// stockList is the import of a file that gives every item the same stock.
type stockList struct {
	InStock amount `json:"inStock"`
}

type newProduct struct {
	Number  string `json:"number"`
	Name    string `json:"name"`
	InStock amount `json:"inStock"`
}

type renaming struct{ From, To string }

type firing struct{ Type, Number string }

type trading struct {
	Count int     `json:"count"`
	Rate  float64 `json:"rate"` // per second; 0: as fast as possible
}

type pasting struct{ BaseURL, Username, Password string }

type refusal struct {
	Grant  string `json:"grant"`
	Refuse bool   `json:"refuse"`
}

func with[T any](body []byte, do func(T) error) (any, error) {
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, err
	}
	return struct{}{}, do(v)
}

func (a *agreement) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

func (a *agreement) adjust(q adjustment) error {
	if a.rackbeat.Load() != nil {
		return errKeptAtRackbeat
	}
	return a.change("adjust", q.Number, func(st *productState) {
		if q.InStock != nil {
			st.inStock = *q.InStock
		}
		if q.Available != nil {
			st.ordered = st.inStock - *q.Available
		}
	})
}

// importStock sets every item's stock, like a shop owner's import of a CSV file: each
// item fires its own webhook.
func (a *agreement) importStock(l stockList) error {
	if a.rackbeat.Load() != nil {
		return errKeptAtRackbeat
	}
	a.mu.Lock()
	var numbers []string
	for _, p := range a.order {
		if !p.truth().deleted {
			numbers = append(numbers, p.number)
		}
	}
	a.mu.Unlock()
	for _, number := range numbers {
		if err := a.change("import", number, func(st *productState) { st.inStock = l.InStock }); err != nil {
			return err
		}
	}
	return nil
}

func (a *agreement) trade(t trading) error {
	for range t.Count {
		if err := a.randomTrade(); err != nil {
			return err
		}
		if t.Rate > 0 {
			time.Sleep(time.Duration(float64(time.Second) / t.Rate)) //nolint:forbidigo // trade goes on without its caller
		}
	}
	return nil
}

// paste sets up the two webhooks as a shop owner would.
func (a *agreement) paste(p pasting) error {
	data := func(kind, field string) string {
		return fmt.Sprintf("type=%s&username=%s&password=%s&number=%s", kind, p.Username, p.Password, field)
	}
	url := strings.TrimSuffix(p.BaseURL, "/") + "/webhooks.php?"
	a.set(func() {
		a.hooks[inventoryUpdated] = &hook{EventType: inventoryUpdated, Name: "Automatisk lageropdatering", URL: url, PostData: data("stockUpdate", "[NUMBER]"), ObjectVersion: "1"}
		a.hooks[invoiceBooked] = &hook{EventType: invoiceBooked, Name: "Automatisk PDF-faktura", URL: url, PostData: data("orderPdf", "[INVOICENO]"), ObjectVersion: "1"}
	})
	return nil
}

// tokens accepts or refuses the agreement's grant, and may change it.
func (a *agreement) tokens(t refusal) error {
	a.set(func() { a.refused = t.Refuse })
	if t.Grant == "" {
		return nil
	}
	s := a.sandbox
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byGrant, a.grant)
	a.grant = t.Grant
	s.byGrant[t.Grant] = a
	return nil
}

type trueProduct struct {
	Number    string  `json:"number"`
	InStock   *amount `json:"inStock,omitempty"`
	Available *amount `json:"available,omitempty"`
	Barred    bool    `json:"barred"`
	Inventory bool    `json:"inventory"` // it has an inventory block with figures
}

type trueInvoice struct {
	Number     int64  `json:"number"`
	CreditNote bool   `json:"creditNote"`
	OrderRef   string `json:"orderRef"`
	Gross      amount `json:"gross"`
	PDFSHA256  string `json:"pdfSHA256"`
}

// truth returns the true state, whatever the APIs currently show: of an agreement with a
// Rackbeat account, its products are the items there.
func (a *agreement) truth() any {
	kept := a.rackbeat.Load()
	a.mu.Lock()
	defer a.mu.Unlock()
	products, invoices := []trueProduct{}, []trueInvoice{}
	for _, p := range a.order {
		st := p.truth()
		if st.deleted {
			continue
		}
		t := trueProduct{Number: p.number, Barred: st.barred, Inventory: a.inventory && st.stocked}
		if t.Inventory {
			available := st.inStock - st.ordered
			t.InStock, t.Available = &st.inStock, &available
		}
		products = append(products, t)
	}
	for _, n := range a.numbers {
		i := a.invoices[n]
		invoices = append(invoices, trueInvoice{n, i.creditNote, i.orderRef, i.gross(), i.pdfSHA256()})
	}
	if kept != nil {
		products = kept.products()
	}
	return map[string]any{"products": products, "invoices": invoices}
}

type agreementStats struct {
	Agreement  int            `json:"agreement"`
	Calls      map[string]int `json:"calls"` // by endpoint
	CallsToday int            `json:"callsToday"`
	Webhooks   webhookStats   `json:"webhooks"`
	HookWrites int            `json:"webhookWrites"` // calls of the webhooks API that write
	Trades     int            `json:"trades"`
	Violations []string       `json:"violations"` // what real e-conomic would have refused
	Rackbeat   *rackbeatStats `json:"rackbeat,omitempty"`
}

func (s *Sandbox) stats() []agreementStats {
	list := []agreementStats{}
	for _, a := range s.list() {
		a.mu.Lock()
		st := agreementStats{Agreement: a.number, Calls: map[string]int{}, CallsToday: a.today, Webhooks: a.sent, HookWrites: a.hookWrites, Trades: a.trades, Violations: slices.Clone(a.violations)}
		maps.Copy(st.Calls, a.calls)
		st.Webhooks.Status = map[int]int{}
		maps.Copy(st.Webhooks.Status, a.sent.Status)
		a.mu.Unlock()
		if c := a.rackbeat.Load(); c != nil {
			c.mu.Lock()
			st.Rackbeat = c.stat.clone()
			c.mu.Unlock()
		}
		list = append(list, st)
	}
	return list
}

func (s *Sandbox) control(w http.ResponseWriter, r *http.Request, do func(a *agreement, body []byte) (any, error)) {
	n, err := strconv.Atoi(r.PathValue("number"))
	a := s.agreement(n)
	if err != nil || a == nil {
		http.Error(w, "no such agreement", http.StatusNotFound)
		return
	}
	s.reply(w, r, func(b []byte) (any, error) { return do(a, b) })
}

func (s *Sandbox) reply(w http.ResponseWriter, r *http.Request, do func(body []byte) (any, error)) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	var v any
	if err == nil {
		v, err = do(body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) //nolint:errchkjson // the client may be gone
}
