package sim

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// oracle checks the invariants against the database after each commit.
type oracle struct {
	sim       *simulation
	violation string
	settled   time.Duration
	over      bool // checking has ended

	hints    map[hintKey]hintState
	pruned   map[hintKey]int64 // generations of deleted rows
	batches  map[int64]batch   // waiting to be unpacked or answered while packed
	batched  map[hintKey]int64 // their webhooks
	told     map[hintKey]bool  // numbers that a webhook has named, whatever became of it
	lost     map[itemKey]lost  // items that lost their stock and have not regained it
	acked    map[hintKey]int64 // minimum number of hints for a number when its latest webhook was acknowledged
	items    map[itemKey]itemState
	baseline map[itemKey]string          // stock stored by a shop's first sweep, which has no history
	swept    map[string]bool             // shops whose first sweep is over
	tokens   map[string]map[int64]string // shop → token → the instance that got it
	progress map[string]string           // shop → its cursors
	reads    map[readKey]int64           // the step at which the latest read of a number began
	shown    map[readKey]int64           // the step at which the latest read began that showed the item with a figure
	zeroes   map[readKey][]int64         // the steps at which reads began that showed zero or no item, since the read that its row shows
	listings map[listingKey]*listed
	searches map[listingKey]*listed // for an item, at Rackbeat
	wholes   map[listingKey]*listed // the last one read to its end
	answers  map[partKey]answers
	holds    map[holdKey]heldState
	economy  economy
	showed   map[string]string // shop → the dataset of the items it is shown

	marks         map[int64]markState  // by id
	markedAt      map[hintKey]int64    // by shop and kind: the step at which a mark last grew
	compacted     map[hintKey]int64    // webhooks marked without the fence: the holder may have read their batches before
	invoiceBegan  map[listingKey]int64 // step of the first page of the latest listing of all invoices
	invoiceSweeps map[listingKey]int64 // the same, of the latest one read to its end
}

type hintKey struct{ shop, kind, number string }

// hintState is a hint's row and the steps of its generations.
type hintState struct {
	seen, done int64
	open       bool
	tries      int64
	steps      map[int64]int64
}

// batch is the content of a row of hint_batches and when it was committed.
type batch struct {
	step  int64
	hints []hintKey
}

type itemKey struct{ shop, number string }

type itemState struct {
	revision   int // the lowest that explains the stored row
	stock      string
	state      string
	token      int64
	observedAt string
	lied       bool // a false zero that e-conomic sent twice
}

type readKey struct {
	inst               int
	shop, kind, number string
}

// lost is when an item lost its stock.
type lost struct {
	since time.Time
	step  int64
}

type listingKey struct {
	inst int
	shop string
}

func newOracle(s *simulation) *oracle {
	return &oracle{sim: s, hints: map[hintKey]hintState{}, pruned: map[hintKey]int64{}, batches: map[int64]batch{}, batched: map[hintKey]int64{}, told: map[hintKey]bool{}, lost: map[itemKey]lost{}, acked: map[hintKey]int64{}, items: map[itemKey]itemState{}, baseline: map[itemKey]string{}, swept: map[string]bool{}, tokens: map[string]map[int64]string{},
		progress: map[string]string{}, reads: map[readKey]int64{}, shown: map[readKey]int64{}, zeroes: map[readKey][]int64{}, listings: map[listingKey]*listed{}, searches: map[listingKey]*listed{}, showed: map[string]string{},
		wholes: map[listingKey]*listed{}, answers: map[partKey]answers{}, holds: map[holdKey]heldState{}, economy: newEconomy(),
		marks: map[int64]markState{}, markedAt: map[hintKey]int64{}, compacted: map[hintKey]int64{}, invoiceBegan: map[listingKey]int64{}, invoiceSweeps: map[listingKey]int64{}}
}

func (o *oracle) violate(format string, args ...any) {
	if o.violation == "" && !o.over {
		o.violation = fmt.Sprintf(format, args...)
		o.sim.tracef("VIOLATION: %s", o.violation)
	}
}

// read records a complete answer to an instance. It says nothing about the number unread, if
// there is one.
func (o *oracle) read(i *instance, x *shop, req *http.Request, began int64, status int, body []byte, unread string) {
	path := req.URL.EscapedPath()
	saw := func(kind, number string, less bool) {
		if unread != "" && number == unread {
			return
		}
		k := readKey{i.id, x.name, kind, number}
		if kind == "stock" {
			k.shop = x.reader(ofRackbeat(req))
		}
		o.reads[k] = max(o.reads[k], began)
		if less {
			o.showedLess(k, began)
		} else {
			o.shown[k] = max(o.shown[k], began)
		}
	}
	switch {
	case ofRackbeat(req):
		o.readRackbeat(i, x, req, began, status, body, unread, saw)
	case strings.HasPrefix(path, "/products/"):
		for _, it := range o.sim.world.everything(x) {
			if it.path == path {
				var p product
				_ = json.Unmarshal(body, &p)
				saw("stock", it.number, status == http.StatusNotFound || p.less())
			}
		}
		if number := strings.TrimPrefix(path, "/products/"); isUnknown(number) {
			saw("stock", number, true)
		}
	case path == "/products" && status == http.StatusOK:
		var page productPage
		if json.Unmarshal(body, &page) != nil {
			return
		}
		for _, p := range page.Collection {
			saw("stock", p.ProductNumber, p.less())
		}
		o.readListing(i, x, req, listedPage{began: began, results: page.Pagination.Results, last: page.Pagination.NextPage == "", items: page.Collection, unread: unread})
	case strings.HasPrefix(path, "/invoices/booked/"):
		number, _, _ := strings.Cut(strings.TrimPrefix(path, "/invoices/booked/"), "/")
		saw("invoice", number, false)
	case path == "/invoices/booked" && status == http.StatusOK:
		var page struct {
			Collection []struct{ BookedInvoiceNumber int64 }
			Pagination struct{ NextPage string }
		}
		_ = json.Unmarshal(body, &page)
		o.readInvoiceListing(i, x, req, began, page.Pagination.NextPage == "")
		for _, inv := range page.Collection {
			saw("invoice", fmt.Sprint(inv.BookedInvoiceNumber), false)
		}
		// A filter that names a number answers for it, whether it exists or not.
		for _, number := range strings.FieldsFunc(req.URL.Query().Get("filter"), func(r rune) bool { return r < '0' || r > '9' }) {
			if number == unread {
				continue
			}
			o.reads[readKey{i.id, x.name, "invoice", number}] = max(o.reads[readKey{i.id, x.name, "invoice", number}], began)
		}
	}
}

// showedLess records a read that showed zero or no item. It keeps only the last few, which
// suffice.
func (o *oracle) showedLess(k readKey, began int64) {
	o.zeroes[k] = append(o.zeroes[k], began)
	o.zeroes[k] = slices.Clone(o.zeroes[k][max(0, len(o.zeroes[k])-4):])
}

// committed checks what a commit changed.
func (o *oracle) committed(i *instance, fenced string, statements []string) {
	if o.over {
		return
	}
	if o.sim.profile.moves {
		o.checkIdentity()
	}
	moved := fenced == "" && o.noteSources(statements)
	touches := map[string]bool{}
	for _, q := range statements {
		table := tableOf(q)
		touches[table] = true
		switch table {
		case "hint_batches":
			compacted := slices.ContainsFunc(statements, func(q string) bool { return tableOf(q) == "hint_marks" })
			if fenced == "" && strings.HasPrefix(q, "DELETE") && !o.sim.profile.removes && !compacted {
				o.violate("one writer: %s unpacked webhooks without the fence: %.80s", i.name, q)
			}
		case "items", "item_places", "invoices", "holds", "invoice_pdfs", "invoice_gaps", "changes":
			removed := o.sim.profile.removes && strings.HasPrefix(q, "DELETE")
			accepted := o.sim.profile.moves && (table == "invoice_gaps" || table == "holds") && strings.HasPrefix(q, "DELETE") && touchesAgreements(statements)
			accepted = accepted || moved && table == "holds"
			if fenced == "" && !strings.HasPrefix(q, "DELETE FROM changes") && !removed && !accepted {
				o.violate("one writer: %s wrote %s without the fence: %.80s", i.name, table, q)
			}
		}
	}
	for _, of := range []*accounts{agreements, depots} {
		if touches[of.table] {
			o.noteBlocks(of)
		}
	}
	if touches["leases"] {
		o.checkLeases(i, fenced)
	}
	if fenced != "" {
		o.checkWriter(i, fenced)
	}
	if o.sim.profile.removes {
		return // a shop's hints and items end with its removal
	}
	if touches["requests"] {
		o.economy.answered[fenced] = time.Now()
	}
	if touches["progress"] {
		o.checkSpent()
		if !o.sim.profile.notesMore() {
			o.checkBackoff(i, fenced)
		}
	}
	before := map[hintKey]int64{}
	var deleted []batch
	grown := map[hintKey]int64{}
	if touches["hint_marks"] {
		grown = o.checkMarks(i)
	}
	if touches["hint_batches"] {
		if fenced != "" || touches["hint_marks"] { // only unpacks or deletes webhooks
			for k := range o.batched {
				before[k] = o.hinted(k)
			}
		}
		deleted = o.readBatches()
	}
	if touches["hints"] {
		o.checkCap(fenced, statements)
		o.checkHints(i)
	}
	for k, n := range before {
		now := o.hinted(k)
		if now < n && marked(grown, k, n-now) {
			o.sim.counts["webhook marked"]++
			o.pruned[k] += n - now
			if fenced == "" {
				o.compacted[k] += n - now
			}
			continue
		}
		if twice := now - n; twice > 0 && twice <= o.compacted[k] {
			o.sim.counts["webhook unpacked beside its mark"]++
			o.compacted[k] -= twice
			continue
		}
		switch {
		case now < n && !o.answered(i, k, deleted), now > n:
			o.violate("hints: %v had been hinted at %d times before its webhooks were unpacked, and %d times after it", k, n, now)
		case now < n:
			o.sim.counts["webhook answered as it was packed"]++
			o.pruned[k] += n - now
		}
	}
	if touches["hint_batches"] || touches["hints"] {
		o.checkAcknowledged()
	}
	if o.sim.profile.moves {
		return
	}
	if touches["holds"] {
		o.checkHolds(i, moved)
	}
	if touches["items"] {
		o.checkItems(i)
	}
	if touches["items"] || touches["item_places"] {
		o.checkPlaces()
	}
	if touches["invoices"] && o.sim.profile.odd > 0 {
		o.checkInvoices()
	}
	if touches["progress"] {
		o.checkProgress(i)
		o.checkShown()
	}
}

func touchesAgreements(statements []string) bool {
	return slices.ContainsFunc(statements, func(q string) bool { return tableOf(q) == "agreements" })
}

func tableOf(query string) string {
	words := strings.FieldsFunc(query, func(r rune) bool { return r == ' ' || r == '(' || r == '`' })
	for n, w := range words {
		switch w {
		case "INTO", "FROM", "UPDATE":
			return words[n+1]
		}
	}
	return ""
}

// tokensKept is how many of a shop's tokens are remembered, so that memory does not grow with
// each move. Tokens only grow, so the last ones suffice.
const tokensKept = 20

// checkLeases checks that each token has one holder and that tokens only grow.
func (o *oracle) checkLeases(i *instance, fenced string) {
	held := o.sim.db.mustQuery("SELECT shop, holder, token FROM leases")
	for shop := range o.tokens {
		if is := func(row []driver.Value) bool { return row[0] == shop }; !o.sim.world.has(shop) && !slices.ContainsFunc(held, is) {
			delete(o.tokens, shop) // it was removed for good
		}
	}
	for _, row := range held {
		shop, holder, token := row[0].(string), row[1].(string), row[2].(int64)
		given := o.tokens[shop]
		if given == nil {
			given = map[int64]string{}
			o.tokens[shop] = given
		}
		for t := range given {
			if t > token {
				o.violate("leases: the token of %s went back to %d", shop, token)
			}
		}
		switch was, known := given[token]; {
		case !known:
			given[token] = holder
			delete(given, token-tokensKept)
		case holder != "" && was != holder:
			o.violate("leases: %s was given to %s under the token %d of %s", shop, holder, token, was)
		}
	}
}

// checkWriter checks that a shop has one writer.
func (o *oracle) checkWriter(i *instance, shop string) {
	row := o.sim.db.mustQuery("SELECT token FROM leases WHERE shop = ?", shop)[0]
	if holder := o.tokens[shop][row[0].(int64)]; !i.named(holder) {
		o.violate("one writer: %s wrote for %s, which %s holds", i.name, shop, holder)
	}
}

// checkProgress checks that no cursor is beyond what is stored.
func (o *oracle) checkProgress(i *instance) {
	now := time.Now()
	for _, row := range o.sim.db.mustQuery("SELECT shop, items_cursor, invoice_cursor, invoices_begun, swept_at FROM progress") {
		name, key := row[0].(string), fmt.Sprint(row[1], row[2], row[3], row[4])
		if o.progress[name] == key {
			continue
		}
		o.progress[name] = key
		o.swept[name] = !moment(row[4]).IsZero()
		x := o.sim.world.shops[slices.IndexFunc(o.sim.world.shops, func(x *shop) bool { return x.name == name })]
		if cursor := moment(row[1]); !cursor.IsZero() {
			since := cursor.Add(-o.sim.profile.overlap).Truncate(time.Minute)
			for _, number := range x.numbers {
				it := x.at(false)[number]
				n := it.readable(now)
				if n < 0 {
					continue
				}
				r := it.revisions[n]
				stored, known := o.items[itemKey{name, number}]
				if r.deleted || r.silent || !r.updated.Before(since) || known && stored.revision >= n || known && r.explains(stored.stock, stored.state) {
					continue
				}
				if !known && o.sim.profile.lies || stored.lied {
					// A listing that omits it but claims to be complete is
					// indistinguishable from a complete one, and so is a
					// zero sent twice from the truth.
					continue
				}
				if h := o.hints[hintKey{name, "stock", number}]; !h.open {
					o.violate("cursor: %s's is at %s, and %q of %s is not stored (revision %d)", name, cursor, number, r.updated, n)
				}
			}
		}
		if truth(row[3]) {
			o.checkInvoiceCursor(x, row[2].(int64), now)
		}
	}
}

func moment(v any) time.Time {
	switch v := v.(type) {
	case time.Time:
		return v
	case string:
		t, err := time.Parse("2006-01-02 15:04:05.000000", v)
		if err != nil {
			panic(err)
		}
		return t
	}
	return time.Time{}
}

func (o *oracle) checkInvoiceCursor(x *shop, cursor int64, now time.Time) {
	stored := map[int64]bool{}
	for _, row := range o.sim.db.mustQuery("SELECT number FROM invoices WHERE shop = ?", x.name) {
		stored[row[0].(int64)] = true
	}
	gaps := o.sim.db.mustQuery("SELECT from_number, to_number FROM invoice_gaps WHERE shop = ?", x.name)
	for n := int64(1); n <= cursor; n++ {
		inGap := slices.ContainsFunc(gaps, func(g []driver.Value) bool { return g[0].(int64) <= n && n <= g[1].(int64) })
		unread := o.sim.profile.odd > 0 && o.hints[hintKey{x.name, "invoice", fmt.Sprint(n)}].open
		if !stored[n] && !inGap && !unread {
			o.violate("cursor: the invoices of %s are at %d, and %d is neither stored nor in a gap", x.name, cursor, n)
		}
	}
}
