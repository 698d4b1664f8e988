package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"lagerd/plan"
)

// Fence is a holder's right to write for a shop: the token of its lease, the
// settings it works with, and the number of the transaction under the token.
// A holder starts Seq at 1 and increments it for each Apply.
type Fence struct {
	Shop       string
	Dataset    Dataset // Shop.Dataset of those settings: where invoices are written
	Generation int64   // Shop.Generation of those settings
	Token      int64
	Seq        int64

	StockDataset Dataset     // Shop.StockDataset of those settings: where items are written
	StockSource  StockSource // Shop.StockSource of those settings: where they were read
}

// Applied is everything one transaction writes for a shop.
type Applied struct {
	Known Progress // the progress before it, as its writer knows it: only differences are written

	Items    []plan.Row
	Places   []plan.PlaceRow // where it differs, what is in the chosen places of those items
	Unplaced []string        // of those items, whose stored figures by place are deleted before Places is written
	Changes  []plan.Change
	Answered []plan.Answer
	Rereads  []plan.Reread
	Late     map[plan.Kind][]string // numbers whose missed webhook has arrived
	LateFrom time.Time              // changes committed before this stay missed

	Invoices []plan.InvoiceRow
	Window   *plan.Window // nil: unchanged
	PDFs     []PDF
	Work     []WorkResult // invoices to retry, unless their work is done
	Lines    []int64      // invoices whose lines have been read
	Hints    []HintRecord // the item numbers on those lines

	Completed []plan.InvoiceRow // stored invoices with fields that could not be parsed before
	Warnings  []Warning

	Mixed *[]plan.Mixed // stored invoices that a sweep found not to be the agreement's; nil: unchanged

	Overflow         // webhooks that no hint is kept for
	Unmark   []int64 // marks that a sweep has dealt with

	Progress Patch

	Holds    []plan.Hold  // new ones, and those whose detail differs
	EndHolds []plan.Scope // whose hold has ended; applied before Holds

	Losses      plan.LossChange // changes to the loss guard's memory
	EndApproval bool            // the losses a person approved have been stored
}

// Empty reports whether there is nothing to write.
func (a Applied) Empty() bool {
	rows := len(a.Items) + len(a.Places) + len(a.Unplaced) + len(a.Changes) + len(a.Answered) + len(a.Rereads) + len(a.Late) + len(a.Invoices) + len(a.PDFs) +
		len(a.Work) + len(a.Lines) + len(a.Hints) + len(a.Completed) + len(a.Warnings) + len(a.Holds) + len(a.EndHolds)
	return rows+len(a.Unmark) == 0 && a.Overflow.Empty() && a.Mixed == nil && a.Losses.Empty() && !a.EndApproval && !a.Progress.changes(a.Known) && !moves(a.Window, a.Known)
}

// Apply writes a in one transaction under the fence and returns the progress after it.
// It writes nothing and returns ErrFenced if the lease was lost, or ErrSettingsChanged
// if the shop's settings changed; after any other error it may have written. With an
// error it returns a.Known. now is the commit time recorded in the history.
func (s *Store) Apply(ctx context.Context, f Fence, a Applied, now time.Time) (Progress, error) {
	after := a.Known
	err := s.inFencedTx(ctx, f, func(t *tx) error {
		t.putItems(f.StockDataset, a.Items)
		t.putPlaces(f.StockDataset, a.Unplaced, a.Places)
		t.putInvoices(f.Dataset, a.Invoices, causes(a.Changes), now, "number = new.number")
		t.putInvoices(f.Dataset, a.Completed, nil, now, invoiceFields...)
		t.putWarnings(f.Shop, a.Warnings, now)
		t.putMixed(f.Dataset, a.Mixed, now)
		t.putChanges(f, a.Changes, now)
		t.keepFailures(f.Shop, a, now)
		t.answer(f.Shop, a.Answered)
		t.reread(f.Shop, a.Rereads)
		t.recordHints(a.Hints)
		t.putOverflow(f.Shop, a.Overflow)
		t.unmark(a.Unmark)
		t.linesRead(f.Dataset, a.Lines)
		t.putPDFs(f.Dataset, a.PDFs, now)
		for _, w := range a.Work {
			if w.Keep {
				t.exec("UPDATE invoices SET work_due_at = ? WHERE shop = ? AND number = ? AND work_due_at IS NOT NULL", At(w.DueAt), f.Dataset, w.Number)
				continue
			}
			t.exec("UPDATE invoices SET work_due_at = ?, work_tries = ?, work_refused = ?, work_error = ? WHERE shop = ? AND number = ? AND work_due_at IS NOT NULL",
				At(w.DueAt), w.Tries, w.Refused, shorten(w.Error, 500), f.Dataset, w.Number)
		}
		t.changeLosses(f, a.Losses)
		if a.EndApproval {
			t.exec("DELETE FROM approvals WHERE shop = ?", f.Shop)
		}
		after = t.progress(f.Shop, a, t.markLate(f.Shop, a), now)
		return nil
	})
	if err != nil {
		return a.Known, fmt.Errorf("apply changes of %s: %w", f.Shop, err)
	}
	return after, nil
}

// inFencedTx is inTx under the fence. It skips fn if this transaction was committed by
// an earlier try.
func (s *Store) inFencedTx(ctx context.Context, f Fence, fn func(*tx) error) error {
	return s.inTx(ctx, func(t *tx) error {
		done, err := t.fence(f)
		if err != nil || done {
			return err
		}
		return fn(t)
	})
}

// fence writes the shop's fence: only a write conflicts between two nodes of a
// Galera cluster, a read does not. done reports that an earlier try committed this
// transaction and the answer to its commit was lost.
func (t *tx) fence(f Fence) (done bool, err error) {
	if t.exec("UPDATE leases SET applied_seq = ? WHERE shop = ? AND token = ? AND generation = ? AND applied_seq < ?", f.Seq, f.Shop, f.Token, f.Generation, f.Seq) == 1 {
		return false, nil
	}
	var token, seq, generation int64
	found := t.queryRow("SELECT token, applied_seq, generation FROM leases WHERE shop = ?", []any{f.Shop}, &token, &seq, &generation)
	switch {
	case t.err != nil:
		return false, t.err
	case found && token == f.Token && seq == f.Seq:
		return true, nil
	case !found || generation != f.Generation:
		// Removed, perhaps added again, or its settings changed. If the lease was lost as
		// well, the next try, with the current settings, finds that.
		return false, ErrSettingsChanged
	}
	return false, ErrFenced
}

func causes(changes []plan.Change) map[int64]plan.Cause {
	causes := map[int64]plan.Cause{}
	for _, c := range changes {
		if number, err := strconv.ParseInt(c.Number, 10, 64); err == nil && c.What == plan.WhatBooked {
			causes[number] = c.Cause
		}
	}
	return causes
}

func (t *tx) putChanges(f Fence, changes []plan.Change, now time.Time) {
	const columns = 23
	args := make([]any, 0, len(changes)*columns)
	for i, c := range changes {
		source := SourceEconomic // of every invoice
		if c.Kind == plan.KindStock {
			source = f.StockSource
		}
		args = append(args, f.Shop, f.Token, f.Seq, i, c.Kind, c.Number, c.What, c.OldStock, c.NewStock,
			c.OldFigures.InStock, c.NewFigures.InStock, c.OldFigures.Available, c.NewFigures.Available,
			c.OldState, c.NewState, c.Cause, c.Webhook, At(c.EconomicAt), At(c.HintedAt), At(c.ObservedAt), At(now), c.RenumberedTo, source)
	}
	t.insertRows("INSERT INTO changes (shop, token, seq, n, kind, number, what, old_stock, new_stock, old_in_stock, new_in_stock, old_available, new_available,"+
		" old_state, new_state, cause, webhook, economic_at, hinted_at, observed_at, committed_at, renumbered_to, source)", columns, "", args)
}

// answer closes hints up to the generation that was read. Most hints of a read have
// the same generation and get the same answer: one statement closes them all.
func (t *tx) answer(shop string, answers []plan.Answer) {
	type same struct {
		kind   plan.Kind
		gen    int64
		reason plan.HintReason
		note   string
	}
	numbers := map[same][]string{}
	for _, a := range answers {
		key := same{a.Kind, a.Gen, a.Reason, shorten(a.Note, 500)}
		numbers[key] = append(numbers[key], a.Number)
	}
	keys := slices.SortedFunc(maps.Keys(numbers), func(a, b same) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.gen, b.gen), cmp.Compare(a.reason, b.reason), cmp.Compare(a.note, b.note))
	})
	for _, k := range keys {
		for chunk := range slices.Chunk(numbers[k], rowsPerStatement) {
			args := []any{k.gen, k.gen, k.reason, k.gen, k.note, k.gen, k.gen, k.gen, shop, k.kind}
			for _, number := range chunk {
				args = append(args, number)
			}
			// MySQL assigns from left to right: each uses only columns assigned after it.
			t.exec("UPDATE hints SET refused = CASE WHEN seen_gen > ? THEN refused ELSE 0 END,"+
				" reason = CASE WHEN seen_gen > ? THEN reason ELSE ? END,"+
				" note = CASE WHEN seen_gen > ? THEN note ELSE ? END,"+
				" open = CASE WHEN seen_gen > done_gen AND seen_gen > ? THEN 1 ELSE 0 END,"+
				" done_gen = CASE WHEN done_gen < ? THEN ? ELSE done_gen END"+
				" WHERE shop = ? AND kind = ? AND number IN "+placeholders(1, len(chunk)), args...)
		}
	}
}

// notNull is a placeholder for a NOT NULL time that the upsert never stores.
var notNull = At(time.Unix(0, 0))

// reread postpones hints that showed nothing new or could not be read, unless a
// newer hint has arrived. The upsert always finds a row: hints are deleted only
// under the shop's lease.
func (t *tx) reread(shop string, rereads []plan.Reread) {
	const columns = 14
	args := make([]any, 0, len(rereads)*columns)
	for _, r := range rereads {
		args = append(args, shop, r.Kind, r.Number, r.Gen, true, "", notNull, notNull, At(r.DueAt), r.Tries, r.Failures, r.Refused, r.Reason, shorten(r.Note, 500))
	}
	var set []string
	for _, column := range []string{"due_at", "tries", "failures", "refused", "reason", "note"} {
		set = append(set, column+" = CASE WHEN seen_gen = new.seen_gen THEN new."+column+" ELSE "+column+" END")
	}
	t.insertRows("INSERT INTO hints (shop, kind, number, seen_gen, open, cause, first_at, last_at, due_at, tries, failures, refused, reason, note)",
		columns, t.dialect.onConflict("shop, kind, number", set...), args)
}

// markLate turns missed webhooks that have arrived after all into late ones, and
// returns how many.
func (t *tx) markLate(shop string, a Applied) (late int64) {
	for kind, numbers := range a.Late {
		for chunk := range slices.Chunk(numbers, rowsPerStatement) {
			args := []any{shop, kind, At(a.LateFrom)}
			for _, number := range chunk {
				args = append(args, number)
			}
			late += t.exec("UPDATE changes SET webhook = 'late' WHERE shop = ? AND kind = ? AND webhook = 'missed' AND committed_at >= ? AND number IN "+placeholders(1, len(chunk)), args...)
		}
	}
	return late
}
