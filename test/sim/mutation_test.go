package sim_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	mutants   = flag.Int("sim.mutants", 2000, "maximum number of seeds to find each mutation; 0: skip")
	mutateAll = flag.Bool("sim.all", false, "try all mutations, also the rare ones, instead of one for each rule of the oracle")
)

// mutation breaks one thing that lagerd relies on; the simulation must find it.
type mutation struct {
	what     string
	file     string // below the module's root
	old, new string // old occurs exactly once
	found    string // pattern for the start of the violation it causes

	// seed is tried before all others: the one that found the mutation when it was last run. A
	// change of the simulation or of lagerd may shift it to another, which the table at the end
	// of TestMutations marks. To refresh: write its seeds here.
	seed int
}

// mutations are one mistake each, most of them easy to make. Those that begin with "found" are
// former bugs of lagerd that the simulation found.
var mutations = []mutation{
	{"a webhook is acknowledged before its commit", "webhook/recorder.go",
		`		err := c.commit(ctx, len(batch), unique)
		for _, w := range batch {
			w.done <- err
		}`,
		`		for _, w := range batch {
			w.done <- nil
		}
		err := c.commit(ctx, len(batch), unique)`, "durable:", 1},
	{"a webhook is acknowledged although its commit failed", "webhook/recorder.go",
		`			w.done <- err
		}`,
		`			_ = err
			w.done <- nil
		}`, "durable:", 2},
	{"a second webhook for a number does not count", "store/hints.go",
		`"seen_gen = seen_gen + new.seen_gen",`, `"seen_gen = seen_gen",`, "hints:|durable:", 2},
	{"a hint is cleared by number instead of generation", "store/apply.go",
		`" open = CASE WHEN seen_gen > done_gen AND seen_gen > ? THEN 1 ELSE 0 END,"+
				" done_gen = CASE WHEN done_gen < ? THEN ? ELSE done_gen END"+`,
		`" open = CASE WHEN ? < 0 THEN 1 ELSE 0 END,"+
				" done_gen = CASE WHEN ? + ? < 0 THEN 0 ELSE seen_gen END"+`, "hints:", 119},
	{"only the first stored row of a page is read", "reconcile/stock.go",
		`slices.Max(numbers), len`, `slices.Min(numbers), len`, "history:", 2},
	{"a first listing ignores rows stored while it ran", "reconcile/stock.go",
		`	if page && len(numbers) > 0 {`, `	if page && s.progress.SweptAt.IsZero() {
		return nil, true, nil
	}
	if page && len(numbers) > 0 {`, "history:|order:", 4},
	{"hints are loaded after the read that answers them", "reconcile/stock.go",
		`	visible := time.Time{}
	if cursor`,
		`	if batch.hints != nil {
		s.inbox.Reopen(plan.KindStock)
		open, err := s.unpacker.loadItems(ctx)
		if err != nil {
			return nil, err
		}
		maps.Copy(batch.hints, open.Of(numbersOn(itemsPage{Observed: batch.observations})))
	}
	visible := time.Time{}
	if cursor`, "hints:", 55},
	{"webhooks are unpacked without recording their hints", "store/batches.go",
		`		t.recordHints(a.Hints)
`, ``, "durable:|hints:", 1},
	{"webhooks are unpacked without the fence", "store/batches.go",
		`s.inFencedTx(ctx, f, func(t *tx) error {
		t.recordHints`, `s.inTx(ctx, func(t *tx) error {
		t.recordHints`, "one writer:", 1},
	{"a listing deletes webhooks that arrived while it ran", "inbox/inbox.go",
		`	for piece := range slices.Chunk(c.batches, store.RowsPerPiece) {`,
		`	all, err := b.store.Packed(ctx, b.shop, 1<<30)
	if err != nil {
		return nil, err
	}
	for piece := range slices.Chunk(all.Batches, store.RowsPerPiece) {`, "hints:|durable:", 12},
	{"webhooks recorded by another lagerd are not noticed", "store/news.go",
		`		" UNION SELECT shop FROM hint_batches GROUP BY shop HAVING MIN(set_aside) = 0"+
`, ``, "liveness:", 8},
	{"open hints are pruned like answered ones", "store/retention.go",
		`"shop = ? AND open = 0 AND last_at < ?"`, `"shop = ? AND last_at < ?"`, "hints:", 4},
	{"the cursor follows lagerd's clock", "source/economic/cursor.go",
		`	limit := read.Began
	if !read.ServerDate.IsZero() && read.ServerDate.Before(read.Began) {
		limit = read.ServerDate
	}`, `	limit := read.Began`, "cursor:", 21},
	{"a skipped invoice number is not recorded as a gap", "plan/invoices.go",
		`if n > next.Cursor+1 {`, `if false {`, "cursor:", 2},
	{"the fence does not check the token", "store/apply.go",
		`WHERE shop = ? AND token = ? AND generation = ? AND applied_seq < ?", f.Seq, f.Shop, f.Token, f.Generation, f.Seq) == 1 {`,
		`WHERE shop = ?", f.Seq, f.Shop) == 1 {`, "one writer:|hints:|identity:", 22},
	{"the fence does not check the settings", "store/apply.go",
		`AND generation = ? AND applied_seq < ?", f.Seq, f.Shop, f.Token, f.Generation, f.Seq) == 1 {`,
		`AND applied_seq < ?", f.Seq, f.Shop, f.Token, f.Seq) == 1 {`, "identity:|hints:", 27},
	{"the agreement of a new token is not checked", "reconcile/shop.go",
		`	*s = Shop{`, `	was := s.identity.checkedAt
	defer func() { s.identity.checkedAt = was }()
	*s = Shop{`, "identity:|hints:", 27},
	{"new settings do not reach the lease", "store/shops.go",
		`"UPDATE leases SET generation = ? WHERE shop = ?", generation, shop.Shop)`,
		`"UPDATE leases SET generation = generation WHERE shop = ?", shop.Shop)`, "identity:|hints:|liveness:", 11},
	{"a shop that is added again restarts its fencing tokens", "store/shops.go",
		`SELECT ?, value + 1, ? FROM meta WHERE name = ?", shop.Shop, generation, removedToken)`,
		`VALUES (?, 0, ?)", shop.Shop, generation)`, "leases:|one writer:", 6},
	{"an accepted agreement uses the former one's dataset", "store/datasets.go",
		`dataset := newDataset(generation)`, `dataset := shop.Dataset`, "identity:|liveness:", 11}, // no two agreements can share a dataset
	{"a write skips the fence", "store/apply.go",
		`s.inFencedTx(ctx, f, func(t *tx) error {
		t.putItems`, `s.inTx(ctx, func(t *tx) error {
		t.putItems`, "one writer:", 1},
	{"a takeover issues no new token", "store/leases.go",
		`token = token + 1, applied_seq = 0, `, ``, "leases:", 1},
	{"times of reads are compared the wrong way round", "plan/types.go",
		`return v.At.Before(o.At)`, `return o.At.Before(v.At)`, "liveness:|cursor:|order:", 2},
	{"tokens are compared the wrong way round", "plan/types.go",
		`return v.Token < o.Token`, `return v.Token > o.Token`, "cursor:|liveness:|order:", 1},
	{"the order of reads depends on the wall clock", "reconcile/holder.go",
		`return h.base.Add(t.Sub(h.base))`, `return t.Round(0)`, "cursor:|economy:|liveness:|order:", 54},
	{"a transaction is committed after an error", "store/open.go",
		`if err := errors.Join(fn(t), t.err, s.moved()); err != nil {`, `if err := errors.Join(fn(t), s.moved()); err != nil {`, "cursor:|holds:|liveness:", 5},
	{"a transaction is repeated after its commit's answer was lost", "store/apply.go",
		`s.inFencedTx(ctx, f, func(t *tx) error {
		t.putItems`, `s.inTx(ctx, func(t *tx) error {
		f.Seq = time.Now().UnixNano()
		if _, err := t.fence(f); err != nil {
			return err
		}
		t.putItems`, "history:|liveness:", 5},
	{"a barred item with an unreadable mark is sold", "plan/types.go",
		`	set(FieldBarred, func() { known.Barred = stored.Barred })
`, ``, "barred:", 76},
	{"an unreadable figure counts as absent", "source/economic/stock.go",
		`if figure != "" && doubts.Fields().Has(plan.FieldOf(figure)) {`, `if false {`, "order:|zero guard:|hints:", 12},
	{"an unreadable order reference counts as none", "source/economic/invoices.go",
		`	case in, block:
		return invoiceOrder`, `	case in, block:
		return invoiceOther`, "invoices:", 76},
	{"an unreadable invoice counts as seen", "reconcile/invoices.go",
		`	numbers, incomplete := i.shown(page)
`, `	numbers, incomplete := i.shown(page)
	page.Unreadable, numbers = nil, append(numbers, unread...)
`, "cursor:", 76},
	{"a warning never ends", "reconcile/warnings.go",
		`	if was == text || !known && `, `	if text == "" || was == text || !known && `, "liveness:", 4},
	{"a partly stored invoice is never completed", "plan/invoices.go",
		`if in.Incomplete[inv.Number] && inv.Warning == "" {`, `if false {`, "liveness:", 4},
	{"the stock of a gone item is zero", "plan/items.go",
		`next.State, next.Stock.Valid = StateGone, false`, `next.State, next.Stock = StateGone, decimal.NewNullDecimal(decimal.Zero)`, "order:", 5},
	{"a zero is believed at once", "plan/items.go",
		`confirmed := known && obs.Began.After(first.Began)`, `confirmed := true`, "zero guard:|order:", 2},
	{"one reconciliation may take away everything", "plan/guard.go",
		`	case window.TooMany, losses > max(g.policy.LossLimit(items), g.approved):
		d.Reason = LossesAtOnce
	case empty && losses > g.approved:
		d.Reason = LossesEmpty
`, `	case window.TooMany:
		d.Reason = LossesAtOnce
`, "blast radius:", 5},
	{"losses that trickle do not add up", "plan/losses.go",
		`v.TooMany = unasked > 0 &&`, `v.TooMany = unasked < 0 &&`, "loss window:", 137},
	{"a takeover forgets earlier losses", "plan/guard.go",
		`range stored {`, `range stored[:0] {`, "loss window:", 137},
	{"a 401 holds the shop although /self succeeds", "reconcile/identity.go",
		`if _, selfErr := i.readSelf(ctx); selfErr != nil {`,
		`if selfErr := i.holdPart(ctx, plan.HeldTokenRefused, ""); selfErr != nil {`, "holds:", 5},
	{"a refused part holds the shop", "reconcile/gate.go",
		`return g.holdPart(ctx, reason, err.Error())`, `return g.identity.holdPart(ctx, reason, err.Error())`, "holds:", 5},
	{"a token that works again ends a hold for losses", "plan/holds.go",
		`return s == SeenFewLosses || s == SeenApproval`, `return s == SeenFewLosses || s == SeenApproval || s == SeenSelf`, "holds:|liveness:", 5},
	{"a read of stock ends a hold for losses", "plan/holds.go",
		`return s == SeenFewLosses || s == SeenApproval`, `return s == SeenFewLosses || s == SeenApproval || s == SeenStockRead`, "holds:", 5},
	{"the end of one scope's hold ends the others", "store/holds.go",
		`t.exec("DELETE FROM holds WHERE shop = ? AND scope = ?", shop, scope)`, `t.exec("DELETE FROM holds WHERE shop = ? AND scope <> ?", shop, scope+" alone")`, "holds:|liveness:", 5},
	{"a read of invoices ends the hold of their PDFs", "plan/holds.go",
		`return s == ReadOf(h.Scope)`, `return s == ReadOf(h.Scope) || h.Scope == ScopePDFs && s == SeenInvoicesRead`, "holds:", 5},
	{"a listing that takes too much ends a hold for losses", "reconcile/losses.go",
		`listed.Takes, listed.Unreadable, listed.Back, listed.Empty); !d.Stored() {`, `listed.Takes, listed.Unreadable, listed.Back, listed.Empty); !d.Stored() && false {`, "holds:|economy:", 57},
	{"what is held is never retried", "reconcile/gate.go",
		`return g.triedAt.IsZero() || requested || g.since(g.triedAt) >= g.HeldRetry`, `return g.triedAt.IsZero() || requested || g.since(g.triedAt) < 0`, "liveness:", 5},
	{"held PDFs are retried with the newest invoice only", "reconcile/pdf.go",
		`p.Store.PDFsToTry(ctx, p.shop.Dataset, plan.RefusedInARow)`, `p.Store.PDFsToTry(ctx, p.shop.Dataset, 1)`, "liveness:", 26},
	{"an invoice without its PDF counts as done", "store/invoices.go",
		`doneWhere("pdf_state = 'stored'")`, `doneWhere("1 = 1")`, "liveness:", 2},
	{"a grant token is logged", "schedule/scheduler.go",
		`log.Warn("the shop could not be reconciled")`, `log.WithField("grant", string(e.shop.Settings().GrantToken)).Warn("the shop could not be reconciled")`, "a secret", 2},
	{"a listing that was cut short counts as complete", "plan/listing.go",
		`Complete("items", l.announced, l.read)`, `Complete("items", 0, l.read)`, "cursor:", 29},
	{"the delay of a 429 is ignored", "budget/budget.go",
		`until.After(b.blocked) {`, `until.After(b.blocked) && until.Before(now) {`, "economy:|agreement:", 4},
	{"a failed shop is retried at once", "schedule/scheduler.go",
		`max(s.o.Reconcile.Backoff(e.failures), `, `max(s.o.Reconcile.Backoff(e.failures)/100, `, "economy:", 14},
	{"the next holder forgets the calls already spent", "source/remote/part.go",
		`all.Join(shop, made.Day, made.Calls)}`, `all.Join(shop, made.Day, 0)}`, "economy:", 4},
	{"unknown numbers have all calls of hints", "budget/budget.go",
		`fullest: 80, pace: 10, saved: 36, strict: true}`, `fullest: 80}`, "economy:", 3},
	{"PDFs that do not come have all calls of hints", "budget/budget.go",
		`fullest: 75, pace: 20, strict: true}`, `fullest: 75}`, "economy:", 35},
	{"the cap admits one hint more", "plan/caps.go",
		`if *count >= most {`, `if *count > most {`, "marks:", 1},
	{"what the cap does not admit is forgotten", "store/batches.go",
		`		t.putOverflow(f.Shop, a.Overflow)
`, ``, "hints:", 1},
	{"webhooks that name no number are forgotten", "store/batches.go",
		`		a.mark(d.everything)
`, ``, "hints:", 4},
	{"a mark is lost at a crash", "inbox/inbox.go",
		`state{open: true, marked: items}, state{open: true, marked: invoices}`, `state{open: true}, state{open: true}`, "liveness:", 1},
	{"a mark is lost with a released listing", "inbox/inbox.go",
		`	b.items.marked = b.items.marked || b.claim != nil && len(b.claim.marks) > 0
`, ``, "liveness:", 4},
	{"a sweep ends the marks that came while it ran", "inbox/inbox.go",
		`b.store.Forget(ctx, fence(), nil, c.marks)`, `b.store.Forget(ctx, fence(), nil, func() []int64 { all, _ := b.store.Marks(ctx, b.shop, plan.KindStock); return all }())`, "marks:", 63},
	{"compacted batches leave no mark", "store/marks.go",
		`		t.replaceMarks(shop, a.Marks)
		t.deleteBatches(ids)`, `		t.deleteBatches(ids)`, "one writer:|hints:|durable:", 17},
	{"the holder is not told that its batches were compacted", "store/marks.go",
		`		t.exec(insertBatches+newBatch, shop, 0, At(first), compactedBatch)
`, `		_ = first
`, "liveness:", 593},
	{"shops of an agreement do not share its budget", "source/remote/accounts.go",
		`b, known := a.shared[number]`, `b, known := a.shared[-1-number]`, "agreement:|economy:|account:", 80},
	{"a booking forgets those before it", "store/calls.go",
		`WHEN calls_day < new.calls_day OR calls_day > ? THEN 0`, `WHEN calls_day <= new.calls_day OR calls_day > ? THEN 0`, "agreement:", 8},
	{"calls are made before they are booked", "budget/budget.go",
		`b.o.Ledger != nil && b.booked <= 0`, `b.o.Ledger != nil && b.booked <= -5`, "agreement:", 1},
	{"a booking counts as several", "budget/ledger.go",
		`b.booked += got.Granted`, `b.booked += 2 * got.Granted`, "agreement:|account:", 3},
	{"two lagerd work on an agreement", "store/calls.go",
		`l.holder = " + in.table + ".holder))"`, `l.holder = 'nobody'))"`, "agreement:", 32},
	{"a stored 429 does not bind", "budget/ledger.go",
		`b.blockFor(got.Blocked, now)`, `b.blockFor(0, now)`, "agreement:", 3},
	{"a lagerd does not take the other shops of its agreement", "lease/groups.go",
		`return g.taken || g.home() == instance`, `return g.taken`, "liveness:", 128},
	{"the rest of an advance is returned twice", "store/calls.go",
		`_, err := s.conn.ExecContext(ctx, "UPDATE "+in.table+" SET calls = calls - CASE`, `_, err := s.exec(ctx, "UPDATE "+in.table+" SET calls = calls - 2 * CASE`, "agreement:", 5},
	{"Rackbeat's 429 is forgotten by a restart", "store/calls.go",
		`		b.Blocked, b.BlockedUntil = block.left(), block.until.Time
`, `		if b.BlockedUntil = block.until.Time; in.ofShop != "stock_account" {
			b.Blocked = block.left()
		}
`, "account:", 120},
	{"a failure resets a hint's count of reads", "plan/reasons.go",
		`DueAt: until, Tries: h.Tries,`, `DueAt: until,`, "hints:|liveness:", 3},
	{"found: a shop's invoice numbers start at the first one seen", "plan/invoices.go",
		`if len(highest) > 0 && announced > len(highest) {`, `if len(highest) > 0 {`, "cursor:", 14},
	{"a page of Rackbeat's is skipped", "source/rackbeat/stock.go",
		`page.Next = source.Link(strconv.Itoa(number + 1))`, `page.Next = source.Link(strconv.Itoa(number + 2))`, "liveness:", 1},
	{"a part of Rackbeat's listing counts as the whole", "source/rackbeat/stock.go",
		`	if number < read.Pages {`, `	if page.Announced = len(page.Observed) + len(page.Unreadable); false {`, "hints:|liveness:|marks:", 1},
	{"an item number at Rackbeat loses its zero", "rackbeat/number.go",
		`		text = rest.Text(raw)
`, `		text = strings.TrimLeft(rest.Text(raw), "0")
`, "truth:|liveness:", 1},
	{"an absent figure at Rackbeat is zero", "source/rackbeat/stock.go",
		`figures[plan.FigureInStock], i.InStock)`, `figures[plan.FigureInStock], func() *decimal.Decimal {
		if i.InStock == nil {
			return &decimal.Decimal{}
		}
		return i.InStock
	}())`, "order:", 52},
	{"a place counts twice", "source/rackbeat/places.go",
		`		all = all.Add(holds)
`, `		all = all.Add(holds).Add(holds)
`, "order:|liveness:", 9},
	{"a transfer between places is not stored", "plan/places.go",
		`	return len(a) == len(b) && !slices.ContainsFunc`, `	return len(a) == len(b) || !slices.ContainsFunc`, "liveness:", 9},
	{"what is in the places is believed before their sum", "plan/items.go",
		`			suspect.Announced = announced
`, `			suspect.Announced = announced
			out.place(row, next)
`, "places:", 9},
	{"the token of Rackbeat's webhooks is not checked", "webhook/rackbeat.go",
		`if !h.Authenticator.AuthenticateToken(`, `if false && !h.Authenticator.AuthenticateToken(`, "token:", 3},
	{"a webhook of Rackbeat's that names no number is dropped", "webhook/rackbeat.go",
		`	if err := h.Recorder.Record(r.Context(), hint); err != nil {`,
		`	if number == "" {
		return recordedAll(p, of, all)
	}
	if err := h.Recorder.Record(r.Context(), hint); err != nil {`, "durable:", 4},
	{"a body's integer number is no number", "webhook/rackbeat.go",
		`token.Kind() == '"' || token.Kind() == '0' &&`, `token.Kind() == '"' || token.Kind() == '1' &&`, "durable:", 3},
	{"an item with a slash is read like any other", "rackbeat/number.go",
		`return strings.Contains(number, "/") || number == "." || number == ".."`, `return number == "." || number == ".."`, "order:|liveness:", 12},
	{"e-conomic's refusal holds the stock at Rackbeat", "reconcile/shop.go",
		`		scope = plan.ScopeInvoices
`, `		scope = plan.ScopeShop
`, "holds:", 10},
	{"Rackbeat's calls of a day are not limited", "engine/instance.go",
		`DailyCalls: i.cfg.Rackbeat.DailyCalls, PerMinute`, `PerMinute`, "economy:", 67},
	{"the history after a move names the former source", "store/apply.go",
		`			source = f.StockSource
`, `			source = SourceEconomic
`, "history:", 12},
	{"a move answers the hints of the former source", "store/stock.go",
		`		{"DELETE FROM approvals WHERE shop = ?", []any{shop}},
`, `		{"UPDATE hints SET open = 0, done_gen = seen_gen WHERE shop = ?", []any{shop}},
`, "hints:", 11},
	{"items of another source are stored among the former's", "store/stock.go",
		`shop.StockDataset = newDataset(generation)`, `shop.StockDataset = before.StockDataset`, "order:|history:|liveness:|places:", 12},
	{"what a move takes away is not judged", "reconcile/changeover.go",
		`	if !d.Stored() {`, `	if false {`, "blast radius:", 41},
	{"Rackbeat's calls of a minute are not counted", "budget/minute.go",
		`m.full = m.full.Add(m.every)`, `m.full = now`, "economy:|account:", 415},
	{"hints spend the reserves", "budget/budget.go",
		`PriorityHint:    {share: 95, afterTicks: true, afterInvoices: true, afterSweeps: true,`, `PriorityHint:    {share: 95,`, "economy:", 19},
	{"nothing is kept for the day's remaining ticks", "budget/budget.go",
		`	kept := b.ticksNeed(now)
`, `	kept := 0
`, "economy:", 115},
}

// rareMutations take hundreds or thousands of seeds to find. Unit tests find most of them too.
var rareMutations = []mutation{
	{"found: an older count of a shop's calls overwrites a newer one", "store/status.go",
		`calls <= CASE shop"+cases+" END)"`, `calls <= CASE shop"+cases+" END OR 1 = 1)"`, "economy:", 36},
	{"found: a removal continues outside its transaction after a conflict", "store/shops.go",
		`		exists, err := existsShop(db, name)
		if err != nil {`,
		`		exists, err := existsShop(db, name)
		if false {`, "identity:|one writer:|leases:", 118},
	{"the cursor moves with the first page", "reconcile/changes.go",
		`if p.Next == "" && read.short == nil && !read.skipped {`, `if true {`, "cursor:", 149},
	{"change queries have no overlap", "reconcile/changes.go",
		`source.ItemsQuery{Since: cursor.Add(-s.Overlap)}`, `source.ItemsQuery{Since: cursor}`, "cursor:", 201},
	{"found: state is not reloaded after a transaction of unknown outcome", "reconcile/apply.go",
		`		s.forget()
		return err
	}
	if len(a.Items) > 0 ||`, `		return err
	}
	if len(a.Items) > 0 ||`, "history:|liveness:", 61},
	{"found: a deletion during paging makes a listing skip an item", "plan/listing.go",
		`gone > 0 && len(l.pages) > 0 {`, `gone > 0 && false {`, "cursor:|hints:", 197},
	{"found: a clock that is set back prolongs a block", "budget/budget.go",
		`now := b.o.Now()
	switch today`, `now := b.o.Now().UTC()
	switch today`, "liveness:", 532},
}

// byRule returns one mutation for each rule of the oracle: of those that it is the first to find,
// the one that took the fewest seeds.
func byRule(all []mutation) []mutation {
	var chosen []mutation
	at := map[string]int{}
	for _, m := range all {
		rule, _, _ := strings.Cut(m.found, ":")
		switch n, known := at[rule]; {
		case !known:
			at[rule] = len(chosen)
			chosen = append(chosen, m)
		case m.seed > 0 && (m.seed < chosen[n].seed || chosen[n].seed == 0):
			chosen[n] = m
		}
	}
	return chosen
}

// TestMutations proves that the oracle can fail: it breaks lagerd in one way after another, and
// the simulation must find each. Each takes a build of its own, so one for each rule of the oracle
// must do, unless all are asked for. It tries the mutation's own seed first and then all from 1
// on. A table at the end shows which seed found each, and marks those that have moved: these are
// slow until mutation.seed names the new one.
func TestMutations(t *testing.T) {
	if *mutants == 0 || testing.Short() {
		t.Skip("NOT TESTED: that the simulation can fail: -short, or -sim.mutants=0 (`make mutations` tries all)")
	}
	began := time.Now()
	var table strings.Builder
	all := byRule(mutations)
	if *mutateAll {
		all = slices.Concat(mutations, rareMutations)
	}
	for _, m := range all {
		t.Run(m.what, func(t *testing.T) {
			seed, violation, took := m.find(t)
			moved := ""
			if seed != m.seed {
				moved = fmt.Sprintf("; moved from seed %d", m.seed)
			}
			fmt.Fprintf(&table, "%6d  %-75s %s (%s%s)\n", seed, m.what, violation, took.Round(100*time.Millisecond), moved)
			// What is in the places must add up to the figure, so a wrong figure may show there first;
			// and calls too many to Rackbeat, in what its account allows.
			also := "|places:"
			if strings.Contains(m.found, "economy:") {
				also += "|account:"
			}
			if !regexp.MustCompile("^(?:" + m.found + also + ")").MatchString(violation) {
				t.Errorf("seed %d found it as %q, expected %q", seed, violation, m.found)
			}
		})
	}
	t.Logf("%d mutations in %s; the seed that finds each:\n%s", len(all), time.Since(began).Round(time.Second), table.String())
}

var foundAt = regexp.MustCompile(`seed (\d+): (.*)`)

// TestMutationsApply checks that each mutation finds its anchor and leaves a file that parses.
func TestMutationsApply(t *testing.T) {
	t.Parallel()
	for _, m := range slices.Concat(mutations, rareMutations) {
		path, mutant := m.apply(t)
		if _, err := parser.ParseFile(token.NewFileSet(), path, mutant, parser.SkipObjectResolution); err != nil {
			t.Errorf("%s: %v", m.what, err)
		}
	}
}

// TestMutationsAreDocumented holds the table in docs/reliability.md.
func TestMutationsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "reliability.md"))
	if err != nil {
		t.Fatal(err)
	}
	const head = "| what is broken | found as |\n|---|---|\n"
	var rows strings.Builder
	for _, m := range mutations {
		fmt.Fprintf(&rows, "| %s | %s |\n", m.what, strings.NewReplacer(":|", ", ", "|", ", ", ":", "").Replace(m.found))
	}
	if _, table, _ := strings.Cut(string(doc), head); !strings.HasPrefix(table, rows.String()+"\n") {
		t.Errorf("docs/reliability.md: expected this table:\n%s%s", head, rows.String())
	}
}

// apply returns the path of the file that the mutation breaks, and its mutated content.
func (m mutation) apply(t *testing.T) (path string, mutant []byte) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", m.file))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(whole, []byte(m.old)); n != 1 {
		t.Fatalf("%s: %s has the anchor %d times, expected 1:\n%s", m.what, m.file, n, m.old)
	}
	return path, m.imports(bytes.Replace(whole, []byte(m.old), []byte(m.new), 1))
}

// find builds the simulation with the broken lagerd, runs the mutation's own seed and then others
// until one fails, and returns that one.
func (m mutation) find(t *testing.T) (seed int, violation string, took time.Duration) {
	dir := t.TempDir()
	source, mutant := m.apply(t)
	broken := filepath.Join(dir, "broken.go")
	write(t, broken, mutant)
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {source: broken}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "overlay.json"), overlay)
	binary := filepath.Join(dir, "mutant")
	if out, err := exec.Command("go", "test", "-c", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build it: %v\n%s", err, out)
	}
	began := time.Now()
	if m.seed > 0 {
		if seed, violation = try(t, binary, m.seed, 1); seed > 0 {
			return seed, violation, time.Since(began)
		}
	}
	seed, violation = try(t, binary, 1, *mutants)
	if seed == 0 {
		t.Fatalf("%d seeds do not find the mutation", *mutants)
	}
	return seed, violation, time.Since(began)
}

// try runs seeds of a broken lagerd from the given one on until one fails. It returns that one
// and its violation, 0 if none fails.
func try(t *testing.T, binary string, first, seeds int) (seed int, violation string) {
	t.Helper()
	out, err := exec.Command(binary, "-test.run=^TestSim$", "-test.timeout=20m", "-sim.first="+strconv.Itoa(first), "-sim.seeds="+strconv.Itoa(seeds)).CombinedOutput()
	if err == nil {
		return 0, ""
	}
	if _, failed := errors.AsType[*exec.ExitError](err); !failed {
		t.Fatalf("run it: %v", err)
	}
	// If the seeds of both cores find it, the lower one counts.
	for _, match := range foundAt.FindAllStringSubmatch(string(out), -1) {
		n, err := strconv.Atoi(match[1])
		if err != nil {
			t.Fatal(err)
		}
		if seed == 0 || n < seed {
			seed, violation = n, match[2]
		}
	}
	if seed == 0 {
		t.Fatalf("the simulation failed without naming a seed:\n%.3000s", out)
	}
	return seed, violation
}

// imports adds the imports that a mutation needs.
func (m mutation) imports(source []byte) []byte {
	const decimal = `"github.com/shopspring/decimal"`
	if strings.Contains(m.new, "decimal.") && !bytes.Contains(source, []byte(decimal)) {
		return bytes.Replace(source, []byte("import (\n"), []byte("import (\n\t"+decimal+"\n"), 1)
	}
	return source
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
