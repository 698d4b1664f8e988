package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"lagerd/plan"
)

// Fence is a holder's right to write for a shop: the token of its lease, the
// settings that it works with, and the number of the transaction under the token.
// A holder counts Seq up by one for each Apply and starts from 1.
type Fence struct {
	Shop       string
	Dataset    Dataset // Shop.Dataset of those settings: items and invoices are written there
	Generation int64   // Shop.Generation of those settings
	Token      int64
	Seq        int64
}

// Progress is how far a shop has got and how it fares.
type Progress struct {
	Shop            string `gorm:"primaryKey"`
	AgreementNumber int64  // 0: not known yet
	Suspicion       string
	Items           int64
	ItemsCursor     Time
	SweptAt         Time
	InvoiceCursor   int64
	InvoicesBegun   bool
	InvoicesSweptAt Time
	TickAt          Time
	Failures        int
	Failure         string
	MissedWebhooks  int64
	LateWebhooks    int64
	Drift           int64
	Lags            int64
	LagLastUS       int64 `gorm:"column:lag_last_us"`
	LagMaxUS        int64 `gorm:"column:lag_max_us"`
	CallsDay        string
	Calls           int64 // that a lagerd made on CallsDay, see CallsOf
	CommandCallsDay string
	CommandCalls    int64   // that commands made on CommandCallsDay
	ItemsDataset    Dataset // whose items the view shows; another than the shop's while its items change over to those of another agreement
	ItemsSince      Time    // when they last did; zero: they never have

	Gaps  []plan.Gap `gorm:"-"`
	Holds plan.Holds `gorm:"-"`
}

// CallsOf returns the latest day (UTC, YYYY-MM-DD) on which e-conomic was called for
// the shop, how many calls that were, and how many of them commands made.
func (p Progress) CallsOf() (day string, calls, byCommands int) {
	day = max(p.CallsDay, p.CommandCallsDay)
	if p.CommandCallsDay == day {
		byCommands = int(p.CommandCalls)
	}
	calls = byCommands
	if p.CallsDay == day {
		calls += int(p.Calls)
	}
	return day, calls, byCommands
}

// TableName tells gorm the table.
func (Progress) TableName() string { return "progress" }

// Progress returns a shop's progress with its invoice gaps and holds.
func (s *Store) Progress(ctx context.Context, shop string) (Progress, error) {
	var p Progress
	if err := s.db.WithContext(ctx).Where("shop = ?", shop).Take(&p).Error; err != nil {
		return p, fmt.Errorf("read the progress of %s: %w", shop, err)
	}
	holds, err := s.holds(ctx, shop)
	if err != nil {
		return p, fmt.Errorf("read the progress of %s: %w", shop, err)
	}
	p.Holds = holds[shop]
	p.Gaps, err = s.gaps(ctx, shop)
	return p, err
}

// Applied is everything one transaction writes for a shop.
type Applied struct {
	Items    []plan.Row
	Changes  []plan.Change
	Answered []plan.Answer
	Rereads  []plan.Reread
	Late     map[plan.Kind][]string // numbers whose missed webhook has come
	LateFrom time.Time              // changes committed before this stay missed

	Invoices []plan.InvoiceRow
	Window   *plan.Window // nil: unchanged
	PDFs     []PDF
	Work     []WorkResult // invoices to be tried again, if their work is not done
	Lines    []int64      // invoices whose lines have been read
	Hints    []HintRecord // the item numbers on those lines

	Completed []plan.InvoiceRow // stored invoices of which fields could not be understood before
	Warnings  []Warning

	Mixed *[]plan.Mixed // stored invoices that are not the agreement's, by a sweep; nil: unchanged

	Progress map[string]any // columns of progress to set

	Holds    []plan.Hold  // that begin, or whose detail differs
	EndHolds []plan.Scope // whose hold has ended; before Holds

	Losses      LossChange // what the loss guard is to remember
	EndApproval bool       // what a person approved has been stored
}

// Empty reports whether there is nothing to write.
func (a Applied) Empty() bool {
	return len(a.Items)+len(a.Changes)+len(a.Answered)+len(a.Rereads)+len(a.Late)+len(a.Invoices)+
		len(a.Work)+len(a.Lines)+len(a.Hints)+len(a.Progress)+len(a.Holds)+len(a.EndHolds)+len(a.Completed)+len(a.Warnings) == 0 && a.Window == nil && a.Mixed == nil && len(a.PDFs) == 0 && a.Losses.empty() && !a.EndApproval
}

// Apply writes it all in one transaction under the fence. It returns ErrFenced
// if the lease was lost, or ErrSettingsChanged, and then nothing is written. now
// becomes the time of commit in the history.
func (s *Store) Apply(ctx context.Context, f Fence, a Applied, now time.Time) error {
	err := s.inFencedTx(ctx, f, func(t *tx) error {
		t.putItems(f.Dataset, a.Items)
		t.putInvoices(f.Dataset, a.Invoices, causes(a.Changes), now, "number = new.number")
		t.putInvoices(f.Dataset, a.Completed, nil, now, invoiceFields...)
		t.putWarnings(f.Shop, a.Warnings, now)
		t.putMixed(f.Dataset, a.Mixed, now)
		t.putChanges(f, a.Changes, now)
		t.answer(f.Shop, a.Answered)
		t.reread(f.Shop, a.Rereads)
		t.recordHints(a.Hints)
		t.linesRead(f.Dataset, a.Lines)
		t.putPDFs(f.Dataset, a.PDFs, now)
		for _, w := range a.Work {
			t.exec("UPDATE invoices SET work_due_at = ?, work_tries = ?, work_error = ? WHERE shop = ? AND number = ? AND work_due_at IS NOT NULL",
				At(w.DueAt), w.Tries, cause(w.Error, 500), f.Dataset, w.Number)
		}
		if a.Window != nil {
			t.putGaps(f.Shop, a.Window.Gaps)
		}
		t.endHolds(f.Shop, a.EndHolds)
		t.putHolds(f.Shop, a.Holds)
		t.changeLosses(f, a.Losses)
		if a.EndApproval {
			t.exec("DELETE FROM approvals WHERE shop = ?", f.Shop)
		}
		t.progress(f.Shop, a, t.markLate(f.Shop, a))
		return nil
	})
	if err != nil {
		return fmt.Errorf("store what was read for %s: %w", f.Shop, err)
	}
	return nil
}

// inFencedTx is inTx under the fence. fn is not run where this very transaction has been
// committed before.
func (s *Store) inFencedTx(ctx context.Context, f Fence, fn func(*tx) error) error {
	return s.inTx(ctx, func(t *tx) error {
		done, err := t.fence(f)
		if err != nil || done {
			return err
		}
		return fn(t)
	})
}

// fence writes the shop's fence. Writing, not reading, is what makes two
// nodes of a Galera cluster notice each other. done reports that this very
// transaction has been committed before: the commit's answer was lost.
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
		// Removed, perhaps added again, or set otherwise. That another holds the lease as
		// well is found by the next try, with the settings of now.
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
	const columns = 22
	args := make([]any, 0, len(changes)*columns)
	for i, c := range changes {
		args = append(args, f.Shop, f.Token, f.Seq, i, c.Kind, c.Number, c.What, c.OldStock, c.NewStock,
			c.OldFigures.InStock, c.NewFigures.InStock, c.OldFigures.Available, c.NewFigures.Available,
			c.OldState, c.NewState, c.Cause, c.Webhook, At(c.EconomicAt), At(c.HintedAt), At(c.ObservedAt), At(now), c.RenumberedTo)
	}
	t.insertRows("INSERT INTO changes (shop, token, seq, n, kind, number, what, old_stock, new_stock, old_in_stock, new_in_stock, old_available, new_available,"+
		" old_state, new_state, cause, webhook, economic_at, hinted_at, observed_at, committed_at, renumbered_to)", columns, "", args)
}

// answer closes hints up to the generation that was read. Most of a read's hints
// have seen as many webhooks and are told the same, and one statement answers
// them all.
func (t *tx) answer(shop string, answers []plan.Answer) {
	type same struct {
		kind plan.Kind
		gen  int64
		note string
	}
	numbers := map[same][]string{}
	for _, a := range answers {
		key := same{a.Kind, a.Gen, cause(a.Note, 500)}
		numbers[key] = append(numbers[key], a.Number)
	}
	keys := slices.SortedFunc(maps.Keys(numbers), func(a, b same) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.gen, b.gen), cmp.Compare(a.note, b.note))
	})
	for _, k := range keys {
		for chunk := range slices.Chunk(numbers[k], rowsPerStatement) {
			args := []any{k.gen, k.note, k.gen, k.gen, k.gen, shop, k.kind}
			for _, number := range chunk {
				args = append(args, number)
			}
			// MySQL assigns from left to right: each looks only at what comes after it.
			t.exec("UPDATE hints SET note = CASE WHEN seen_gen > ? THEN note ELSE ? END,"+
				" open = CASE WHEN seen_gen > done_gen AND seen_gen > ? THEN 1 ELSE 0 END,"+
				" done_gen = CASE WHEN done_gen < ? THEN ? ELSE done_gen END"+
				" WHERE shop = ? AND kind = ? AND number IN "+placeholders(1, len(chunk)), args...)
		}
	}
}

// notNull stands in for a time that an upsert must name and never stores.
var notNull = At(time.Unix(0, 0))

// reread postpones hints that showed nothing new or could not be read, unless
// a newer one has come. The upsert always meets a row: hints are deleted only
// under the shop's lease.
func (t *tx) reread(shop string, rereads []plan.Reread) {
	const columns = 12
	args := make([]any, 0, len(rereads)*columns)
	for _, r := range rereads {
		args = append(args, shop, r.Kind, r.Number, r.Gen, true, "", notNull, notNull, At(r.DueAt), r.Tries, r.Failures, cause(r.Note, 500))
	}
	var set []string
	for _, column := range []string{"due_at", "tries", "failures", "note"} {
		set = append(set, column+" = CASE WHEN seen_gen = new.seen_gen THEN new."+column+" ELSE "+column+" END")
	}
	t.insertRows("INSERT INTO hints (shop, kind, number, seen_gen, open, cause, first_at, last_at, due_at, tries, failures, note)",
		columns, t.dialect.onConflict("shop, kind, number", set...), args)
}

// progress sets the given columns and counts what the changes tell.
func (t *tx) progress(shop string, a Applied, late int64) {
	set, args := []string{}, []any{}
	put := func(assignment string, arg ...any) {
		set, args = append(set, assignment), append(args, arg...)
	}
	for _, column := range slices.Sorted(maps.Keys(a.Progress)) {
		put(column+" = ?", a.Progress[column])
	}
	if a.Window != nil {
		put("invoice_cursor = ?", a.Window.Cursor)
	}
	var missed, drift, lags int64
	var lag, longest time.Duration
	for _, c := range a.Changes {
		if c.Webhook == plan.WebhookMissed {
			missed++
			if c.Cause == plan.CauseSweep {
				drift++
			}
		}
		if c.Lagged {
			lags++
			lag = c.ObservedAt.Sub(c.HintedAt)
			longest = max(longest, lag)
		}
	}
	if missed != late {
		put("missed_webhooks = missed_webhooks + ?", missed-late)
	}
	if late > 0 {
		put("late_webhooks = late_webhooks + ?", late)
	}
	if drift > 0 {
		put("drift = drift + ?", drift)
	}
	if lags > 0 {
		put("lags = lags + ?", lags)
		put("lag_last_us = ?", lag.Microseconds())
		put("lag_max_us = CASE WHEN lag_max_us < ? THEN ? ELSE lag_max_us END", longest.Microseconds(), longest.Microseconds())
	}
	if len(set) > 0 {
		t.exec("UPDATE progress SET "+strings.Join(set, ", ")+" WHERE shop = ?", append(args, shop)...)
	}
}

// markLate turns missed webhooks into late ones where the webhook has come
// after all, and returns how many.
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
