package sim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/sandbox"
	"lagerd/store"
	"lagerd/webhook"
)

// world is e-conomic and its customers' trade.
type world struct {
	sim      *simulation
	sandbox  *sandbox.Sandbox
	handler  http.Handler
	shops    []*shop
	moving   map[string]bool // shops that a person is moving to another agreement
	lies     string          // the sandbox's faults for a lying listing
	webhooks int             // calls so far
	posts    *rand.Rand      // of the webhooks of Rackbeat
	outages  *rand.Rand      // of whole services
	out      map[bool]int    // how Rackbeat (true) or e-conomic is out at the moment
}

// shop is a shop and its agreement.
type shop struct {
	name      string // "": the agreement has no shop
	agreement int
	grant     string
	key       string           // at Rackbeat, where its stock is; "": that is at e-conomic
	kept      *shop            // its account there, among those that calls are counted for
	tokens    []string         // of its webhooks there
	away      bool             // its stock is read at e-conomic all the same
	odd       []string         // numbers of every other item
	stale     map[string]*item // what e-conomic shows, if its stock may be read there; nil: it shows items
	refused   bool             // its grant is refused at the moment
	keyless   bool             // its key is
	lie       bool             // its listings lie at the moment
	approved  bool             // a person has approved losses
	items     map[string]*item
	numbers   []string           // of all items that ever existed
	invoices  map[int64]*invoice // booked
	figures   int64              // the last figure used
	created   int
	forbidden map[plan.Scope]int // parts that e-conomic refuses at the moment, by status
	noPDF     map[int64]int      // invoices whose PDF it refuses for ever
}

// item is the full history of an item.
type item struct {
	number    string
	path      string // at e-conomic
	revisions []revision
	absent    bool // an answer has shown it without a figure
}

// revision is a state of an item. Figures are unique except zero, so a stored figure identifies
// its revision.
type revision struct {
	readable time.Time // when e-conomic begins to show it
	updated  time.Time // e-conomic's lastUpdated
	stock    int64     // hundredths
	barred   bool
	deleted  bool
	silent   bool // lastUpdated did not move
}

func (i *item) latest() *revision { return &i.revisions[len(i.revisions)-1] }

// readable returns the index of the revision that e-conomic shows, -1 if none.
func (i *item) readable(now time.Time) int {
	for n, v := range slices.Backward(i.revisions) {
		if !v.readable.After(now) {
			return n
		}
	}
	return -1
}

type invoice struct {
	number   int64
	order    string // the shop's order number
	readable time.Time
}

func newWorld(s *simulation) *world {
	agreements := s.profile.shops
	if s.profile.moves {
		agreements += spares
	}
	w := &world{sim: s, moving: map[string]bool{}, sandbox: sandbox.New(sandbox.Options{Agreements: agreements, AppToken: appToken, Bucket: 1_000_000, MaxURL: 4000, Seed: s.seed})}
	w.posts, w.outages, w.out = rand.New(rand.NewPCG(s.seed, 0xb0d1e5)), rand.New(rand.NewPCG(s.seed, 0x0b7)), map[bool]int{}
	w.handler = w.sandbox.Handler()
	w.control("PUT", "rackbeat/faults", rackbeatForms[s.profile.form])
	w.control("PUT", "rackbeat/faults", fmt.Sprintf(`{"maxLimit":%d}`, s.profile.pageSize))
	for n := range agreements {
		x := &shop{name: fmt.Sprint("shop", n+1), agreement: 100001 + n, grant: fmt.Sprint("sandbox-grant-", n+1), items: map[string]*item{}, invoices: map[int64]*invoice{},
			forbidden: map[plan.Scope]int{}, noPDF: map[int64]int{}}
		if n >= s.profile.shops {
			x.name = ""
		}
		if s.profile.moves {
			x.figures = int64(n) * 1_000_000 // figures are unique across agreements
		}
		x.odd = oddNumbers
		if n < s.profile.rackbeat {
			x.odd = s.profile.numbersAtRackbeat()
		}
		w.shops = append(w.shops, x)
		if n < s.profile.rackbeat && !s.profile.sources {
			w.openRackbeat(x)
		}
		for range s.profile.items {
			w.create(x)
		}
		if n < s.profile.rackbeat && s.profile.sources {
			w.openBeside(x)
		}
	}
	// Change queries do not show what existed before lagerd.
	time.Sleep(10 * time.Minute)
	now := time.Now().UTC().Format("2006-01-02 15:04:05.000000")
	for _, x := range w.shops[:s.profile.shops] {
		s.db.mustExec("INSERT INTO shops (shop, dataset, stock_dataset, grant_token, invoices_from, created_at, updated_at) VALUES (?,?,?,?,?,?,?)", x.name, x.name, x.name, []byte(x.grant), "2000-01-01", now, now)
		if x.away {
			s.db.mustExec("UPDATE shops SET rackbeat_token_hash = ? WHERE shop = ?", hashesOf(x.tokens), x.name)
		} else if x.key != "" {
			s.db.mustExec("UPDATE shops SET stock_source = ?, rackbeat_key = ?, places = ?, rackbeat_token_hash = ? WHERE shop = ?", string(store.SourceRackbeat), []byte(x.key), s.profile.places, hashesOf(x.tokens), x.name)
			s.db.mustExec("INSERT INTO stock_accounts (dataset, shop, source, account, places, accepted_at) VALUES (?,?,?,0,?,?)", x.name, x.name, string(store.SourceRackbeat), s.profile.places, now)
		}
		s.db.mustExec("INSERT INTO leases (shop) VALUES (?)", x.name)
		s.db.mustExec("INSERT INTO progress (shop, items_dataset) VALUES (?, ?)", x.name, x.name)
	}
	if s.profile.called {
		s.db.mustExec("UPDATE progress SET agreement_number = ?", w.number(w.shops[0]))
		s.db.mustExec("INSERT INTO agreement_calls (agreement_number, calls_day, calls) VALUES (?, ?, 3)", w.number(w.shops[0]), time.Now().UTC().Format(time.DateOnly))
	}
	return w
}

func (w *world) close() { w.sandbox.Close() }

// has reports whether an agreement is that of a shop of this name.
func (w *world) has(name string) bool {
	return slices.ContainsFunc(w.shops, func(x *shop) bool { return x.name == name })
}

// number returns the number of an agreement as e-conomic reports it.
func (w *world) number(x *shop) int64 {
	if w.sim.profile.shares {
		x = w.shops[0]
	}
	return int64(x.agreement)
}

func (w *world) shopOf(grant string) *shop {
	i := slices.IndexFunc(w.shops, func(x *shop) bool { return x.grant == grant })
	return w.shops[i]
}

// control calls the sandbox's control API.
func (w *world) control(method, path, body string) []byte {
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, httptest.NewRequest(method, "/sandbox/"+path, strings.NewReader(body)))
	if rec.Code >= 300 {
		panic(fmt.Sprintf("%s %s %s: %d %s", method, path, body, rec.Code, rec.Body))
	}
	return rec.Body.Bytes()
}

func (w *world) post(x *shop, what string, body any) []byte {
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	w.sim.tracef("%s: %s %s", x.name, what, raw)
	return w.control("POST", fmt.Sprintf("agreements/%d/%s", x.agreement, what), string(raw))
}

// setLag delays the visibility of the next change and returns when it becomes visible.
func (w *world) setLag() time.Time {
	lag := time.Duration(0)
	if most := w.sim.profile.readLag; most > 0 && !w.sim.calm {
		lag = time.Duration(w.sim.rng.Int64N(int64(most)))
	}
	w.control("PUT", "faults", fmt.Sprintf(`{"readLag":%q}`, lag))
	w.control("PUT", "rackbeat/faults", fmt.Sprintf(`{"readLag":%q}`, lag))
	return time.Now().Add(lag)
}

// schedule plans the trade and people's commands.
func (w *world) schedule() {
	s := w.sim
	for _, x := range w.shops {
		var trade func()
		trade = func() {
			s.after(s.between(0, 2*s.profile.tradeEvery), "trade", func() {
				w.trade(x)
				trade()
			})
		}
		trade()
	}
	if s.profile.moves {
		w.scheduleMoves()
	}
	var look func()
	look = func() {
		s.after(40*time.Second, "the operator looks", func() {
			w.operate()
			look()
		})
	}
	look()
}

// operate acts as an operator: it approves held losses if nothing lies.
func (w *world) operate() {
	s := w.sim
	if s.db.owner != nil || s.profile.lies && !s.calm {
		return
	}
	for _, row := range s.db.mustQuery("SELECT shop FROM holds WHERE reason = 'losses'") {
		now := time.Now().UTC().Format("2006-01-02 15:04:05.000000")
		s.counts["approved losses"]++
		w.shops[slices.IndexFunc(w.shops, func(x *shop) bool { return x.name == row[0] })].approved = true
		s.db.mustExec("INSERT OR REPLACE INTO approvals (shop, losses, approved_at) VALUES (?,?,?)", row[0], 1000, now)
		s.db.mustExec("INSERT INTO requests (request, shop, what, requested_at) VALUES (?,?,?,?)", fmt.Sprint("request", s.counts["approved losses"]), row[0], "sweep", now)
	}
}

// trade performs one random event of a shop's day.
func (w *world) trade(x *shop) {
	s := w.sim
	living := w.living(x)
	pick := func() *item { return living[s.rng.IntN(len(living))] }
	if s.profile.trickles {
		if sold := slices.DeleteFunc(slices.Clone(living), func(i *item) bool { return i.latest().stock == 0 }); len(sold) > 0 && s.rng.IntN(10) > 0 {
			w.adjust(x, sold[s.rng.IntN(len(sold))], 0, false)
			return
		}
	}
	if x.key != "" && s.profile.places != "" && len(living) > 0 && s.rng.IntN(4) == 0 {
		w.transfer(x, pick())
		return
	}
	switch dice := s.rng.IntN(100); {
	case len(living) == 0 || dice < 5:
		w.create(x)
	case dice < 60:
		w.adjust(x, pick(), w.figure(x), false)
	case dice < 70:
		w.adjust(x, pick(), 0, false)
	case dice < 73 || dice >= 92 && s.profile.odd > 0:
		w.bar(x, pick())
	case dice < 77 && s.profile.hidden:
		w.adjust(x, pick(), w.figure(x), true)
	case dice < 80 && s.profile.hidden:
		w.remove(x, pick())
	default:
		w.book(x, pick())
	}
}

func (w *world) living(x *shop) []*item {
	var living []*item
	for _, number := range x.numbers {
		if i := x.items[number]; !i.latest().deleted {
			living = append(living, i)
		}
	}
	return living
}

// figure returns a figure that the shop has not had before.
func (w *world) figure(x *shop) int64 {
	x.figures += 100
	return x.figures*100 + 1 // invoices take off whole hundreds
}

var oddNumbers = []string{"0571527051", "A B", "a/b", "æøå", `q"'`, "50% off", "TEST-19:34", "a", "A", "A_1", "..", "$eq:1"}

func (w *world) create(x *shop) {
	x.created++
	number := fmt.Sprint("item", x.created)
	if w.sim.profile.bursts {
		number = fmt.Sprint("æøåæøåæøåæøåæøåæøå", x.created)
	}
	if x.created%2 == 0 && x.created/2 <= len(x.odd) {
		number = x.odd[x.created/2-1]
	}
	figure := w.figure(x)
	readable := w.setLag()
	w.post(x, "create", map[string]any{"number": number, "name": "name of " + number, "inStock": json.Number(amount(figure))})
	x.numbers = append(x.numbers, number)
	x.items[number] = &item{number: number, path: "/products/" + economic.EscapeNumber(number),
		revisions: []revision{{readable: readable, updated: time.Now().Round(time.Minute), stock: figure}}}
	x.showAtEconomic(x.items[number], 0)
}

func amount(hundredths int64) string { return fmt.Sprintf("%d.%02d", hundredths/100, hundredths%100) }

func (w *world) adjust(x *shop, i *item, figure int64, silent bool) {
	readable := w.setLag()
	w.control("PUT", "faults", fmt.Sprintf(`{"frozenUpdated":%t}`, silent))
	w.control("PUT", "rackbeat/faults", fmt.Sprintf(`{"frozenUpdated":%t}`, silent))
	w.post(x, x.trades("adjust"), map[string]any{"number": i.number, "inStock": json.Number(amount(figure))})
	w.control("PUT", "faults", `{"frozenUpdated":false}`)
	w.control("PUT", "rackbeat/faults", `{"frozenUpdated":false}`)
	w.revise(i, readable, func(r *revision) {
		r.stock, r.silent = figure, silent
		if silent {
			r.updated = i.latest().updated
		}
	})
	w.tell(x, webhook.KindStock, i.number)
}

// revise adds a revision.
func (w *world) revise(i *item, readable time.Time, how func(*revision)) {
	next := *i.latest()
	next.readable, next.updated, next.silent = readable, time.Now().Round(time.Minute), false
	how(&next)
	i.revisions = append(i.revisions, next)
}

func (w *world) bar(x *shop, i *item) {
	readable := w.setLag()
	w.post(x, "bar", map[string]any{"number": i.number})
	for _, shown := range x.both(i) {
		w.revise(shown, readable, func(r *revision) { r.barred = true })
	}
}

func (w *world) remove(x *shop, i *item) {
	readable := w.setLag()
	w.post(x, "delete", map[string]any{"number": i.number})
	for _, shown := range x.both(i) {
		w.revise(shown, readable, func(r *revision) { r.deleted = true })
	}
}

// tidy sometimes deletes an item that an earlier page of the listing has shown, just before the
// next page is read, so that what follows moves up by one.
func (w *world) tidy(i *instance, x *shop, req *http.Request) {
	s := w.sim
	l := s.oracle.listings[listingKey{i.id, x.name}]
	first := pageAt(req) == 0
	if !s.profile.tidied || s.calm || x.lie || l == nil || first || s.rng.IntN(2) == 0 {
		return
	}
	for _, it := range w.living(x) {
		if _, shown := l.shown[it.number]; shown && len(w.living(x)) > 2 {
			s.counts["deleted while pages were turned"]++
			w.remove(x, it)
			return
		}
	}
}

// book books an invoice, sometimes with a number that leaves a gap or fills one.
func (w *world) book(x *shop, i *item) {
	s := w.sim
	lag := time.Duration(0)
	if most := s.profile.invoiceLag; most > 0 && !s.calm && s.rng.IntN(3) == 0 {
		lag = time.Duration(s.rng.Int64N(int64(most)))
	}
	pdf := time.Duration(0)
	if most := s.profile.pdfLag; most > 0 && !s.calm {
		pdf = time.Duration(s.rng.Int64N(int64(most)))
	}
	order := fmt.Sprint(10_000 + len(x.invoices))
	if s.profile.moves {
		order = fmt.Sprint(x.agreement, "-", order)
	}
	b := map[string]any{"orderRef": order, "surfaces": lag.String(), "pdfLate": pdf.String()}
	sells := !i.latest().barred && i.latest().stock > 1000
	if sells {
		b["lines"] = []map[string]any{{"number": i.number, "quantity": json.Number("1.00"), "price": json.Number("10.00")}}
	}
	if s.rng.IntN(5) == 0 {
		b["withNumber"] = w.freeNumber(x)
	}
	readable := w.setLag()
	book := "book"
	if sells {
		book = x.trades(book)
	}
	var booked struct{ Number int64 }
	if err := json.Unmarshal(w.post(x, book, b), &booked); err != nil {
		panic(err)
	}
	x.invoices[booked.Number] = &invoice{number: booked.Number, order: order, readable: time.Now().Add(lag)}
	w.forbidPDF(x, booked.Number)
	w.tell(x, webhook.KindInvoice, fmt.Sprint(booked.Number))
	if sells {
		w.revise(i, readable, func(r *revision) { r.stock -= 100 })
		w.tell(x, webhook.KindStock, i.number)
	}
}

// freeNumber returns an unused number: a little ahead, or in a gap.
func (w *world) freeNumber(x *shop) int64 {
	for {
		n := int64(1 + w.sim.rng.IntN(len(x.invoices)+6))
		if x.invoices[n] == nil {
			return n
		}
	}
}

// tell sends a webhook, unreliably.
func (w *world) tell(x *shop, kind webhook.Kind, number string) {
	s := w.sim
	if x.name == "" || s.script.mute {
		return
	}
	if s.strike(s.profile.lose) {
		s.counts["webhook lost"]++
		return
	}
	if x.key != "" && kind == webhook.KindStock && s.strike(0.1) {
		s.counts["webhook of Rackbeat that names no item"]++
		number = ""
	}
	copies := 1
	if s.strike(s.profile.double) {
		s.counts["webhook doubled"]++
		copies = 2
	}
	if (s.profile.capped || s.profile.short) && !s.calm {
		for range s.rng.IntN(3) {
			number := unknownNumbers[s.rng.IntN(len(unknownNumbers))]
			if s.profile.capped && kind == webhook.KindStock && s.strike(0.2) {
				s.counts["webhook of all items"]++
				number = ""
			}
			s.counts["webhook of an unknown number"]++
			w.send(x, kind, number, s.between(0, time.Second))
		}
	}
	for range copies {
		delay := s.between(0, time.Second)
		if s.strike(s.profile.late) {
			s.counts["webhook late"]++
			delay = s.between(time.Second, time.Minute)
		}
		w.send(x, kind, number, delay)
	}
}

// unknownNumbers never are at e-conomic, neither as items nor as invoices.
var unknownNumbers = []string{"900001", "900002", "900003", "900004", "900005"}

// isUnknown reports whether a number, one of those or of another flood, never is at e-conomic.
func isUnknown(number string) bool { return strings.HasPrefix(number, "90") }

// send makes a webhook arrive at a lagerd, after a delay.
func (w *world) send(x *shop, kind webhook.Kind, number string, delay time.Duration) {
	s := w.sim
	name := x.name // even if the shop has moved by the time it arrives
	s.after(delay, fmt.Sprintf("a webhook for %s %s %s", x.name, kind, number), func() {
		var able []*instance
		for _, i := range s.instances {
			if !i.dead && !i.stopping {
				able = append(able, i)
			}
		}
		if len(able) == 0 {
			s.counts["webhook refused"]++
			return
		}
		w.webhooks++
		to, h := able[s.rng.IntN(len(able))], webhook.Hint{Shop: name, Kind: kind, Number: number}
		if s.profile.asked && number != "" && s.rng.IntN(2) == 0 {
			s.counts["asked for by a person"]++
			to.ask(h, w.webhooks)
			return
		}
		if x.key != "" && kind == webhook.KindStock {
			w.postRackbeat(x, to, name, number)
			return
		}
		to.deliver(h, w.webhooks)
	})
}

// lie makes listings show every figure as zero, or omit most items while claiming to be
// complete.
func (w *world) lie(zero bool) {
	w.lies = `{"truncate":0.7}`
	if zero {
		w.lies = `{"zeroStock":true}`
	}
	x := w.shops[w.sim.rng.IntN(len(w.shops))]
	// If less than the limit would be lost, a lie is believed once a second read confirms
	// it: no guard can distinguish it from the truth.
	living := 0
	for _, i := range w.living(x) {
		if i.latest().stock != 0 {
			living++
		}
	}
	x.lie = living >= 6
}

func (w *world) repent() {
	for _, x := range w.shops {
		x.lie = false
	}
}

func (w *world) calm() {
	w.repent()
	clear(w.out)
	for _, x := range w.shops {
		x.refused, x.keyless = false, false
		clear(x.forbidden)
	}
}
