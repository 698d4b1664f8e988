package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/sandbox"
	"lagerd/webhook"
)

// In some seeds the stock of some shops is at Rackbeat, and their invoices at e-conomic. The
// oracle's rules are the same for both, except that Rackbeat lists everything and allows a
// number of calls a minute that lagerd keeps itself.

// rackbeatURL is where the simulated Rackbeat's API begins.
const rackbeatURL = "http://rackbeat.sim/api/"

// depotNumbers is the number of an agreement's account at Rackbeat less its own.
const depotNumbers = 600_000

// scopeKey stands for the reads of whose key it is, among a shop's parts.
const scopeKey plan.Scope = "key"

// rackbeatForms are the forms that Rackbeat's answers may have, as faults of the sandbox. Which
// of them the real one has is not known.
var rackbeatForms = []string{
	`{"partial":"always","decimals":4}`,
	`{"partial":"never","integerNumbers":true,"deleted":"listed"}`,
	`{"textFigures":true,"isoTimes":true,"deleted":"alone"}`,
	`{"textFigures":true,"integerNumbers":true,"decimals":2,"deleted":"listed"}`,
}

// drawRackbeat draws which shops have their stock at Rackbeat. The draw is its own, so that all others
// remain the same.
func (p *profile) drawRackbeat(seed uint64) {
	if p.moves {
		return // an account does not move with its shop
	}
	rng := rand.New(rand.NewPCG(seed, 0x7ac4bea7))
	if rng.IntN(2) == 0 {
		return
	}
	p.rackbeat = 1 + rng.IntN(p.shops)
	p.form = rng.IntN(len(rackbeatForms))
	p.perMinute = []int{60, 120}[rng.IntN(2)]
	p.places = []string{"", "1,4"}[rng.IntN(2)]
	p.slashes, p.outages = rng.IntN(2) == 0, rng.IntN(2) == 0
	if p.short {
		p.outages, p.perDay = false, 30+rng.IntN(90)
	}
	if p.sources = rng.IntN(3) == 0 && !p.short; p.sources {
		p.lies = false // a comparison of two sources cannot tell them from the truth
	}
}

// outage makes one of the services refuse, limit, fail or leave unanswered every call for a
// while, from all shops. Webhooks still come.
func (w *world) outage() {
	rng, s := w.outages, w.sim
	rackbeat := rng.IntN(2) == 0
	how := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable, broken, hanging}[rng.IntN(6)]
	s.counts[fmt.Sprintf("outage (Rackbeat: %t): %d", rackbeat, how)]++
	w.out[rackbeat] = how
	s.after(time.Duration(5+rng.IntN(60))*time.Second, "the service is back", func() { delete(w.out, rackbeat) })
}

// How a service is out, beside the status that it answers.
const (
	broken  = -1 // its connections break
	hanging = -2 // it never answers
)

// whileOut returns the answer of a service that is out.
func (n network) whileOut(req *http.Request, x *shop, c *call) (resp *http.Response, out bool) {
	how := n.sim.world.out[ofRackbeat(req)]
	switch how {
	case 0:
		return nil, false
	case broken:
		return nil, true
	case hanging:
		c.hung = true // until the caller gives up
		return nil, true
	case http.StatusUnauthorized, http.StatusForbidden:
		n.sim.oracle.answer(n.inst, x, req, how)
	}
	return answer(req, how, nil, refusal(how)), true
}

// openRackbeat opens a shop's account at Rackbeat.
func (w *world) openRackbeat(x *shop) {
	x.key = strings.Replace(x.grant, "grant", "rackbeat", 1)
	x.kept = &shop{name: x.name}
	x.tokens = w.drawTokens(x)
	if err := w.sandbox.OpenRackbeat(x.agreement, sandbox.NewRackbeat{Key: x.key, Account: x.accountNumber(), StaleInventory: x.stale != nil}); err != nil {
		panic(err)
	}
}

// accountNumber returns the number of the shop's account at Rackbeat.
func (x *shop) accountNumber() int64 { return int64(x.agreement) + 600_000 }

func ofRackbeat(req *http.Request) bool { return req.URL.Host == "rackbeat.sim" }

// addressed returns the shop whose token or key a request has.
func (w *world) addressed(req *http.Request) *shop {
	if !ofRackbeat(req) {
		return w.shopOf(req.Header.Get("X-AgreementGrantToken"))
	}
	key, _ := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	return w.shops[slices.IndexFunc(w.shops, func(x *shop) bool { return x.key == key })]
}

// account returns the account that a request is counted for.
func (x *shop) account(req *http.Request) *shop {
	if ofRackbeat(req) {
		return x.kept
	}
	return x
}

// trades returns where the sandbox trades with a shop's stock.
func (x *shop) trades(what string) string {
	if x.key == "" {
		return what
	}
	return "rackbeat/" + map[string]string{"adjust": "adjust", "book": "sell"}[what]
}

// faultsOf returns the control path of the faults that the request's answers have.
func faultsOf(req *http.Request, x *shop) (all, own string) {
	if ofRackbeat(req) {
		return "rackbeat/faults", fmt.Sprintf("agreements/%d/rackbeat/faults", x.agreement)
	}
	return "faults", fmt.Sprintf("agreements/%d/faults", x.agreement)
}

// listsItems reports whether a request is for a page of all items, and pageAt for which one.
func listsItems(req *http.Request) bool {
	if ofRackbeat(req) {
		return req.URL.Path == "/api/items"
	}
	return req.URL.Path == "/products" && !strings.Contains(req.URL.RawQuery, "filter=")
}

func pageAt(req *http.Request) int {
	if ofRackbeat(req) {
		n, _ := strconv.Atoi(req.URL.Query().Get("page"))
		return max(n, 1) - 1
	}
	n, _ := strconv.Atoi(req.URL.Query().Get("skippages"))
	return n
}

// rackbeatItem is an item in Rackbeat's format.
type rackbeatItem map[string]any

func (i rackbeatItem) number() string { return fmt.Sprint(i["number"]) }

// product returns the item in e-conomic's format, with a figure only if there is one.
func (i rackbeatItem) product() product {
	p := product{ProductNumber: i.number()}
	if figure, known := i["stock_quantity"]; known && figure != nil && i["deleted_at"] == nil {
		p.Inventory = &struct{ InStock json.Number }{json.Number(fmt.Sprint(figure))}
	}
	return p
}

// rackbeatPage is an answer with one item or a page of them.
type rackbeatPage struct {
	Item  rackbeatItem   `json:"item"`
	Items []rackbeatItem `json:"items"`
	Total int            `json:"total"`
	Pages int            `json:"pages"`
}

func decodeRackbeat(body []byte) (page rackbeatPage, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	return page, decoder.Decode(&page) == nil
}

// readRackbeat records a complete answer of Rackbeat to an instance, as read does e-conomic's.
func (o *oracle) readRackbeat(i *instance, x *shop, req *http.Request, began int64, status int, body []byte, unread string, saw func(kind, number string, less bool)) {
	page, ok := decodeRackbeat(body)
	if number, one := strings.CutPrefix(req.URL.EscapedPath(), "/api/items/"); one {
		number, _ = url.PathUnescape(number)
		number = x.numbered(number)
		if status == http.StatusNotFound || ok && page.Item != nil {
			saw("stock", number, status == http.StatusNotFound || page.Item.product().less())
		}
		return
	}
	if req.URL.Path == "/api/reports/checking" && ok { // what is in the chosen places
		for _, item := range page.Items {
			saw("stock", item.number(), item.product().less())
			if item.number() != unread {
				o.reported(listingKey{i.id, x.reader(true)}, item)
			}
		}
	}
	if req.URL.Path != "/api/items" || !ok || status != http.StatusOK && status != http.StatusPartialContent {
		return
	}
	if req.Context().Value(search{}) != nil {
		o.readSearch(i, x, pageAt(req), began, &page, saw)
		return
	}
	l := listedPage{began: began, index: pageAt(req), size: o.sim.profile.pageSize, results: page.Total, unread: unread, noFigures: o.sim.profile.places != ""}
	l.last = l.index+1 >= page.Pages
	for _, item := range page.Items {
		l.items = append(l.items, item.product())
		saw("stock", item.number(), item.product().less())
	}
	o.turnListing(i, x, x.reader(true), l)
}

// oddRackbeat returns an answer in which the figure of one item is wrong, and its number as unread;
// or in which it is absent, which lagerd stores as such.
func (s *simulation) oddRackbeat(x *shop, body []byte) (odd []byte, unread string) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var whole map[string]any
	if decoder.Decode(&whole) != nil {
		return body, ""
	}
	one, ok := whole["item"].(map[string]any)
	if list, many := whole["items"].([]any); many && len(list) > 0 {
		one, ok = list[s.rng.IntN(len(list))].(map[string]any)
	}
	if !ok || one["deleted_at"] != nil {
		return body, ""
	}
	number := fmt.Sprint(one["number"])
	switch s.rng.IntN(4) {
	case 0:
		delete(one, "stock_quantity")
	case 1:
		one["stock_quantity"] = nil
	case 2:
		one["stock_quantity"], unread = "x", number
	case 3:
		one["stock_quantity"], unread = []any{}, number
	}
	if unread == "" {
		s.counts["absent figure at Rackbeat"]++
		x.items[number].absent = true
	} else {
		s.counts["unsound figure at Rackbeat"]++
	}
	odd, err := json.Marshal(whole)
	if err != nil {
		panic(err)
	}
	return odd, unread
}

// askedRackbeat are an instance's latest calls to an account at Rackbeat.
type askedRackbeat struct {
	inst    int
	account *shop
}

// asksRackbeat records a request to Rackbeat when it is made: lagerd itself keeps the calls of a
// minute, and makes none while a 429 asks it to wait.
func (o *oracle) asksRackbeat(i *instance, x *shop, path string, at time.Time) {
	if o.over {
		return
	}
	o.checkAgreement(depots, i, x, path, at)
	e := &o.economy
	e.calls[x.kept]++
	if made, most := e.calls[x.kept], o.sim.profile.perDay; most > 0 && made > int64(most) {
		o.violate("economy: %s asked for %s of %s: call %d of the day to Rackbeat, of %d allowed", i.name, path, x.name, made, most)
	}
	k := askedRackbeat{i.id, x.kept}
	// A call that was granted may be made a little later than it was counted.
	recent := slices.DeleteFunc(e.rackbeat[k], func(t time.Time) bool { return at.Sub(t) >= time.Minute-time.Second })
	e.rackbeat[k] = append(recent, at)
	if n, most := len(e.rackbeat[k]), o.sim.profile.perMinute; n > most {
		o.violate("economy: %s made %d calls to Rackbeat for %s within a minute, expected at most %d", i.name, n, x.name, most)
	}
	for _, q := range e.quiet[o.working(i, x.name)] {
		// Of an account that was not known yet nothing is stored, and a shop that moves away from
		// Rackbeat forgets what it has not stored.
		forgotten := q.agreement == 0 && q.generation != o.generation(x.name)
		if q.account == x.kept && at.After(q.from) && at.Before(q.until) && !forgotten {
			o.violate("economy: %s asked for %s of %s %s after %s, expected nothing for %s", i.name, path, x.name, at.Sub(q.from), q.why, q.until.Sub(q.from))
		}
	}
}

// checkStockCalls checks that the count of a day's calls to Rackbeat only grows. It counts calls
// in advance, so it may exceed those made.
func (o *oracle) checkStockCalls() {
	e := &o.economy
	for _, row := range o.sim.db.mustQuery("SELECT shop, stock_calls_day, stock_calls FROM progress WHERE stock_calls > 0") {
		name, is := fmt.Sprint("stock of ", row[0]), spent{row[1].(string), row[2].(int64)}
		if was := e.spent[name]; is.day < was.day || is.day == was.day && is.calls < was.calls {
			o.violate("economy: the calls of the %s were %d of %s, and are %d of %s", name, was.calls, was.day, is.calls, is.day)
		}
		e.spent[name] = is
	}
}

func (w *world) named(name string) *shop {
	return w.shops[slices.IndexFunc(w.shops, func(x *shop) bool { return x.name == name })]
}

// identityOf returns which answers say whose token a hold of the scope is about.
func (x *shop) identityOf(scope plan.Scope) plan.Scope {
	switch {
	case scope == plan.ScopeShop, scope == plan.ScopeInvoices && x.divided():
		return plan.ScopeShop
	case scope == plan.ScopeStock && x.divided():
		return scopeKey
	}
	return ""
}

// divides reports whether the hold is one of a shop whose parts have identities of their own, and
// says that one of these is not accepted.
func (x *shop) divides(scope plan.Scope, reason plan.Reason) bool {
	return x.divided() && x.identityOf(scope) != "" && reason == plan.HeldTokenRefused
}

// refuse makes e-conomic refuse a shop's grant for a while, or Rackbeat its key.
func (w *world) refuse(x *shop) {
	s := w.sim
	if x.key != "" && s.rng.IntN(2) == 0 {
		s.counts["key refused"]++
		x.keyless = true
		s.after(s.between(time.Second, 60*time.Second), "the key is good again", func() { x.keyless = false })
		return
	}
	x.refused = true
	s.after(s.between(time.Second, 60*time.Second), "the grant is good again", func() { x.refused = false })
}

// refusesToken reports whether the request's token or key is refused at the moment.
func (x *shop) refusesToken(req *http.Request) bool {
	if ofRackbeat(req) {
		return x.keyless
	}
	return x.refused
}

// transfer moves some of an item to another place of the warehouse, which does not change how much
// there is.
func (w *world) transfer(x *shop, i *item) {
	w.revise(i, w.setLag(), func(*revision) {}) // what was not readable yet may become so with it
	to := []int{4, 41, 42}[w.sim.rng.IntN(3)]
	w.post(x, "rackbeat/transfer", map[string]any{"number": i.number, "quantity": json.Number("1.00"), "to": to})
	w.sim.counts["transfer"]++
	w.tell(x, webhook.KindStock, i.number)
}

// inPlaces returns what a dataset holds of stock by place, by item number and place.
func (o *oracle) inPlaces(dataset string) map[string]map[string]decimal.Decimal {
	stored := map[string]map[string]decimal.Decimal{}
	for _, row := range o.sim.db.mustQuery("SELECT number, place, in_stock FROM item_places WHERE shop = ?", dataset) {
		number := row[0].(string)
		if stored[number] == nil {
			stored[number] = map[string]decimal.Decimal{}
		}
		stored[number][fmt.Sprint(row[1])] = decimal.RequireFromString(figure(row[2]))
	}
	return stored
}

// chosenIn returns the places whose stock a dataset's figures are, nil if it was read at e-conomic, or
// without a choice.
func (o *oracle) chosenIn(dataset string) []string {
	if o.sim.profile.places == "" {
		return nil
	}
	x, rackbeat := o.datasetOf(dataset)
	if x.stale == nil { // it never moves
		rackbeat = x.key != ""
	}
	if !rackbeat {
		return nil
	}
	return strings.Split(o.sim.profile.places, ",")
}

// checkPlaces checks that what is in the places adds up to the item's figure after each commit:
// it is never ahead of it, nor behind. Of other items nothing is in any place.
func (o *oracle) checkPlaces() {
	if o.sim.profile.places == "" {
		return
	}
	for _, row := range o.sim.db.mustQuery("SELECT shop FROM items UNION SELECT shop FROM item_places") {
		dataset := row[0].(string)
		chosen, stored := o.chosenIn(dataset), o.inPlaces(dataset)
		for _, row := range o.sim.db.mustQuery("SELECT number, stock FROM items WHERE shop = ?", dataset) {
			number, stock := row[0].(string), figure(row[1])
			in := stored[number]
			delete(stored, number)
			var sum decimal.Decimal
			whole := true
			for _, place := range chosen {
				held, known := in[place]
				sum, whole = sum.Add(held), whole && known
			}
			if none := stock == "" || chosen == nil; none && len(in) > 0 || !none && (!whole || len(in) != len(chosen) || sum.String() != stock) {
				o.violate("places: %q of %s is %q, and its places hold %v", number, dataset, stock, in)
			}
		}
		if len(stored) > 0 {
			o.violate("places: of %s places hold items that are not stored: %v", dataset, stored)
		}
	}
}

// placesDiffer describes how what is stored of a shop's stock by place differs from Rackbeat, "" if
// it does not.
func (o *oracle) placesDiffer(x *shop, dataset string) string {
	chosen := o.chosenIn(dataset)
	if chosen == nil {
		return ""
	}
	var is struct {
		Items []struct {
			Number string
			Places map[string]decimal.Decimal
		}
	}
	if err := json.Unmarshal(o.sim.world.control("GET", fmt.Sprintf("agreements/%d/rackbeat/truth", x.agreement), ""), &is); err != nil {
		panic(err)
	}
	stored := o.inPlaces(dataset)
	for _, item := range is.Items {
		for _, place := range chosen {
			if held := stored[item.Number][place]; !held.Equal(item.Places[place]) {
				return fmt.Sprintf("place %s holds %s of item %q, expected %s", place, held, item.Number, item.Places[place])
			}
		}
	}
	return ""
}
