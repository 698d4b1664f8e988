package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"lagerd/plan"
)

// A mark stands for webhooks of a shop whose numbers were not kept, or that named none. A sweep
// that began after the mark was committed has read everything that they pointed at, and deletes
// it.

// Caps are a shop's caps of open hints, and what tells earlier invoices from others.
type Caps struct {
	plan.HintCaps

	FirstInvoice int64  // the shop's first invoice, if it is known by number
	InvoicesFrom string // otherwise their first date (YYYY-MM-DD)

	Marked map[plan.Kind]bool // kinds with a mark that no running sweep has claimed: it stands for more webhooks too

	Counted *Counted // nil: what is open is counted each time
}

// Counted are the open hints of items as a series of calls of Admit has counted them once, with those
// that it has admitted since: beside 200,000 open hints of stored items a count takes a second. What is
// answered meanwhile still counts.
type Counted struct {
	known bool
	open  plan.OpenHints
}

// Overflow is what the caps did not admit.
type Overflow struct {
	Marks  []Mark // at most one per kind
	TooOld int64  // hints of invoices before the shop's start
}

// Empty reports whether everything was admitted.
func (o Overflow) Empty() bool { return len(o.Marks) == 0 && o.TooOld == 0 }

// Mark is a kind's webhooks that no hint was kept for.
type Mark struct {
	Kind            plan.Kind
	Hints           int64
	Everything      int64 // how many of them named no number: they are about all
	FirstAt, LastAt time.Time

	again bool // there is one that stands for these webhooks too
}

// Admitted is which of further hints get rows.
type Admitted struct {
	Hints []HintRecord
	Overflow

	caps Caps
}

func (a *Admitted) mark(further Mark) {
	n := slices.IndexFunc(a.Marks, func(m Mark) bool { return m.Kind == further.Kind })
	if n < 0 {
		further.again = a.caps.Marked[further.Kind]
		a.Marks = append(a.Marks, further)
		return
	}
	a.Marks[n].merge(further)
}

func (m *Mark) merge(further Mark) {
	m.Hints, m.Everything = m.Hints+further.Hints, m.Everything+further.Everything
	if further.FirstAt.Before(m.FirstAt) {
		m.FirstAt = further.FirstAt
	}
	if further.LastAt.After(m.LastAt) {
		m.LastAt = further.LastAt
	}
}

// Admit decides which of a shop's further hints get rows. It writes nothing. Usually few are
// open, and one short query tells that all are admitted.
func (s *Store) Admit(ctx context.Context, shop string, in Datasets, caps Caps, hints []HintRecord) (Admitted, error) {
	a := Admitted{caps: caps}
	if len(hints) == 0 {
		return a, nil
	}
	fail := func(err error) error { return fmt.Errorf("count the open hints of %s: %w", shop, err) }
	least := min(caps.Unknown, caps.Invoices, caps.OldInvoices)
	var open int
	err := s.conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM hints WHERE open = 1 AND shop = ? LIMIT ?) AS few", shop, least+1).Scan(&open)
	if err != nil {
		return Admitted{}, fail(err)
	}
	if open+len(hints) <= least {
		if caps.Counted != nil {
			*caps.Counted = Counted{} // without these
		}
		a.Hints = hints
		return a, nil
	}
	for kind, of := range byKind(hints) {
		if err := s.admit(ctx, &a, of, hintsOf{shop, in.of(kind), kind}); err != nil {
			return Admitted{}, fail(err)
		}
	}
	return a, nil
}

// byKind yields the hints of each kind.
func byKind(hints []HintRecord) func(yield func(plan.Kind, []HintRecord) bool) {
	return func(yield func(plan.Kind, []HintRecord) bool) {
		for _, kind := range []plan.Kind{plan.KindStock, plan.KindInvoice} {
			of := slices.DeleteFunc(slices.Clone(hints), func(h HintRecord) bool { return h.Kind != kind })
			if len(of) > 0 && !yield(kind, of) {
				return
			}
		}
	}
}

// hintsOf says whose hints they are.
type hintsOf struct {
	shop    string
	dataset Dataset
	kind    plan.Kind
}

// admit decides about hints of one kind. If all are of numbers that are stored, or have an open
// hint, nothing is counted.
func (s *Store) admit(ctx context.Context, a *Admitted, hints []HintRecord, of hintsOf) error {
	var stored map[string]bool
	hinted, err := s.among(ctx, "SELECT number FROM hints WHERE open = 1 AND kind = '"+string(of.kind)+"' AND shop = ? AND number IN ", of.shop, hints)
	if err == nil && of.kind == plan.KindStock {
		stored, err = s.among(ctx, "SELECT number FROM items WHERE shop = ? AND number IN ", of.dataset, hints)
	}
	if err != nil {
		return err
	}
	var open plan.OpenHints
	var first int64
	if slices.ContainsFunc(hints, func(h HintRecord) bool { return !hinted[h.Number] && !stored[h.Number] }) {
		counted := a.caps.Counted
		if counted == nil || of.kind != plan.KindStock {
			counted = &Counted{}
		}
		if !counted.known {
			if counted.open, first, err = s.countOpen(ctx, a.caps, of); err != nil {
				return err
			}
		}
		open = counted.open
		defer func() { *counted = Counted{known: true, open: open} }()
	}
	for _, h := range hints {
		switch a.caps.Admit(&open, plan.NewHint{Kind: of.kind, Number: h.Number, Stored: stored[h.Number], Open: hinted[h.Number]}, first) {
		case plan.AdmitRow:
			a.Hints = append(a.Hints, h)
		case plan.AdmitMark:
			a.mark(Mark{Kind: of.kind, Hints: 1 + h.More, FirstAt: h.firstAt(), LastAt: h.At})
		case plan.AdmitTooOld:
			a.TooOld += 1 + h.More
		}
	}
	return nil
}

// among returns which of the hints' numbers a query finds.
func (s *Store) among(ctx context.Context, query string, of any, hints []HintRecord) (map[string]bool, error) {
	found := map[string]bool{}
	for chunk := range slices.Chunk(hints, 2*rowsPerStatement) {
		args := []any{of}
		for _, h := range chunk {
			args = append(args, h.Number)
		}
		err := s.eachNumber(ctx, query+placeholders(1, len(chunk)), args, func(number string) { found[number] = true })
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (s *Store) eachNumber(ctx context.Context, query string, args []any, yield func(number string)) error {
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var number string
		if err := rows.Scan(&number); err != nil {
			return err
		}
		yield(number)
	}
	return rows.Err()
}

// firstInvoice returns the shop's first invoice, 0 if it is not known: for a shop that starts at
// a date, the lowest stored one from that date on.
func (s *Store) firstInvoice(ctx context.Context, dataset Dataset, caps Caps) (first int64, err error) {
	if caps.InvoicesFrom == "" {
		return caps.FirstInvoice, nil
	}
	// Not MIN, which would read all of them.
	err = s.conn.QueryRowContext(ctx, "SELECT number FROM invoices WHERE shop = ? AND invoice_date >= ? ORDER BY number LIMIT 1", dataset, caps.InvoicesFrom).Scan(&first)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return first, err
}

// countOpen counts the open hints of a kind that count towards the caps. Of invoices it also
// returns the shop's first.
func (s *Store) countOpen(ctx context.Context, caps Caps, of hintsOf) (open plan.OpenHints, first int64, err error) {
	if of.kind == plan.KindStock {
		err = s.conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM hints WHERE open = 1 AND shop = ? AND kind = '"+string(plan.KindStock)+"'"+
			" AND NOT EXISTS (SELECT 1 FROM items WHERE items.shop = ? AND items.number = hints.number)", of.shop, of.dataset).Scan(&open.Unknown)
		return open, 0, err
	}
	if first, err = s.firstInvoice(ctx, of.dataset, caps); err != nil {
		return open, 0, err
	}
	err = s.eachNumber(ctx, "SELECT number FROM hints WHERE open = 1 AND shop = ? AND kind = '"+string(plan.KindInvoice)+"'", []any{of.shop},
		func(number string) { open.Count(plan.KindInvoice, number, first) })
	return open, first, err
}

// putOverflow marks the shop for what was not admitted. There is no row to wait for, as there
// would be with a counter: on Galera, two lagerd may mark a shop at once.
func (t *tx) putOverflow(shop string, o Overflow) {
	for _, m := range o.Marks {
		if m.again && t.exec("UPDATE hint_marks SET hints = hints + ?, everything = everything + ?, last_at = CASE WHEN last_at < ? THEN ? ELSE last_at END"+
			" WHERE id = (SELECT id FROM (SELECT MAX(id) AS id FROM hint_marks WHERE shop = ? AND kind = ?) AS latest)", m.Hints, m.Everything, At(m.LastAt), At(m.LastAt), shop, m.Kind) > 0 {
			continue
		}
		t.exec("INSERT INTO hint_marks (shop, kind, hints, everything, first_at, last_at) VALUES (?, ?, ?, ?, ?, ?)", shop, m.Kind, m.Hints, m.Everything, At(m.FirstAt), At(m.LastAt))
	}
	if o.TooOld > 0 {
		t.exec("UPDATE progress SET old_invoice_hints = old_invoice_hints + ? WHERE shop = ?", o.TooOld, shop)
	}
}

// Marks returns the ids of a shop's marks of a kind. A sweep loads them before its first page.
func (s *Store) Marks(ctx context.Context, shop string, kind plan.Kind) (ids []int64, err error) {
	err = s.eachNumber(ctx, "SELECT id FROM hint_marks WHERE shop = ? AND kind = ? ORDER BY id", []any{shop, kind}, func(id string) {
		n, _ := strconv.ParseInt(id, 10, 64)
		ids = append(ids, n)
	})
	if err != nil {
		return nil, fmt.Errorf("read the marks of %s: %w", shop, err)
	}
	return ids, nil
}

// unmark deletes marks by id: one with a lower id may be committed after these were read.
func (t *tx) unmark(ids []int64) {
	for chunk := range slices.Chunk(ids, rowsPerStatement) {
		t.exec("DELETE FROM hint_marks WHERE id IN "+placeholders(1, len(chunk)), values(chunk)...)
	}
}

// BatchedHints is how many webhooks of one shop may wait in batches before CompactBatches
// replaces the oldest by a mark.
const BatchedHints = 200_000

// CompactBatches replaces the oldest batches of shops with more than most webhooks in batches
// by marks, and returns how many webhooks those stand for. Usually a shop's holder unpacks them
// within a second; this bounds them while it cannot.
func (s *Store) CompactBatches(ctx context.Context, most int64) (compacted int64, err error) {
	shops, err := s.crowded(ctx, most)
	if err != nil {
		return 0, fmt.Errorf("count the webhooks in batches: %w", err)
	}
	for _, shop := range slices.Sorted(maps.Keys(shops)) {
		for over := shops[shop]; over > 0; {
			n, err := s.compact(ctx, shop, over)
			compacted, over = compacted+n, over-n
			if err != nil {
				return compacted, fmt.Errorf("compact the webhooks of %s: %w", shop, err)
			}
			if n == 0 {
				break // unpacked meanwhile
			}
		}
	}
	return compacted, nil
}

// crowded returns by how many webhooks in batches each shop exceeds most.
func (s *Store) crowded(ctx context.Context, most int64) (map[string]int64, error) {
	rows, err := s.conn.QueryContext(ctx, "SELECT shop, SUM(hints) FROM hint_batches WHERE set_aside = 0 GROUP BY shop HAVING SUM(hints) > ?", most)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	over := map[string]int64{}
	for rows.Next() {
		var shop string
		var hints int64
		if err := rows.Scan(&shop, &hints); err != nil {
			return nil, err
		}
		over[shop] = hints - most
	}
	return over, rows.Err()
}

// replaceMarks puts one mark of each kind in place of the shop's, which stands for their webhooks
// too: whoever does not hold the shop cannot know which of them a running sweep has claimed, and
// while nobody sweeps there would be more with each compaction.
func (t *tx) replaceMarks(shop string, marks []Mark) {
	for _, m := range marks {
		t.exec("INSERT INTO hint_marks (shop, kind, hints, everything, first_at, last_at) SELECT ?, ?, COALESCE(SUM(hints), 0) + ?, COALESCE(SUM(everything), 0) + ?,"+
			" CASE WHEN MIN(first_at) < ? THEN MIN(first_at) ELSE ? END, CASE WHEN MAX(last_at) > ? THEN MAX(last_at) ELSE ? END FROM hint_marks WHERE shop = ? AND kind = ?",
			shop, m.Kind, m.Hints, m.Everything, At(m.FirstAt), At(m.FirstAt), At(m.LastAt), At(m.LastAt), shop, m.Kind)
		t.exec("DELETE FROM hint_marks WHERE shop = ? AND kind = ? AND id < (SELECT id FROM (SELECT MAX(id) AS id FROM hint_marks WHERE shop = ? AND kind = ?) AS latest)", shop, m.Kind, shop, m.Kind)
	}
}

// compact replaces a shop's oldest batches by a mark, in one transaction: until they hold least
// webhooks, and at most RowsPerPiece. If the holder unpacks them at the same time, its rows and
// the mark stand for the same webhooks.
func (s *Store) compact(ctx context.Context, shop string, least int64) (hints int64, err error) {
	var a Admitted
	var first time.Time
	ids, err := s.oldestBatches(ctx, shop, func(b rawBatch) bool {
		if first.IsZero() {
			first = b.firstAt
		}
		hints += b.hints
		for _, m := range b.marks() {
			a.mark(m)
		}
		return hints < least
	})
	if err != nil || len(a.Marks) == 0 { // its holder has unpacked them meanwhile, perhaps all but a compacted batch
		return 0, err
	}
	err = s.inTx(ctx, func(t *tx) error {
		t.replaceMarks(shop, a.Marks)
		t.deleteBatches(ids)
		t.exec(insertBatches+newBatch, shop, 0, At(first), compactedBatch)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return hints, nil
}

// compactedBatch is a batch without webhooks. It tells the shop's holder of a mark that it has
// not made.
const compactedBatch = "[]"

// rawBatch is a batch as it is stored.
type rawBatch struct {
	hints   int64
	firstAt time.Time
	data    []byte
}

// marks returns the marks that stand for its webhooks. One that cannot be read may hold any.
func (b rawBatch) marks() []Mark {
	of := func(kind plan.Kind, hints int64) Mark {
		return Mark{Kind: kind, Hints: hints, FirstAt: b.firstAt, LastAt: b.firstAt}
	}
	batch, err := readBatch(b.data)
	if err != nil {
		return []Mark{of(plan.KindStock, b.hints), of(plan.KindInvoice, b.hints)}
	}
	items, invoices := of(plan.KindStock, 0), of(plan.KindInvoice, 0)
	for _, one := range batch {
		if one.Kind == plan.KindInvoice {
			invoices.Hints++
			continue
		}
		items.Hints++
		if one.everything() {
			items.Everything++
		}
	}
	return slices.DeleteFunc([]Mark{items, invoices}, func(m Mark) bool { return m.Hints == 0 })
}

// oldestBatches yields a shop's oldest batches, at most RowsPerPiece until yield returns false, and
// returns their ids.
func (s *Store) oldestBatches(ctx context.Context, shop string, yield func(rawBatch) bool) (ids []any, err error) {
	rows, err := s.conn.QueryContext(ctx, "SELECT id, hints, first_at, data FROM hint_batches WHERE shop = ? AND set_aside = 0 ORDER BY id LIMIT ?", shop, RowsPerPiece)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for more := true; more && rows.Next(); {
		var id int64
		var b rawBatch
		var first Time
		if err := rows.Scan(&id, &b.hints, &first, &b.data); err != nil {
			return nil, err
		}
		b.firstAt = first.Time
		ids, more = append(ids, id), yield(b)
	}
	return ids, rows.Err()
}
