package inbox

import (
	"context"
	"maps"
	"slices"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// Store is the part of store.Store that an inbox uses.
type Store interface {
	// OpenHints returns a shop's open hints of a kind that have rows and are due.
	OpenHints(ctx context.Context, shop string, kind plan.Kind, due store.Due) (map[string]plan.Hint, error)

	// CountOpenHints returns how many rows of any kind are due.
	CountOpenHints(ctx context.Context, shop string, due store.Due) (int, error)

	// Packed returns the webhooks that wait in batches.
	Packed(ctx context.Context, shop string) (store.Packed, error)

	// Unpack turns the oldest batches after the given one into rows, for at least that many
	// hints, in one transaction.
	Unpack(ctx context.Context, f store.Fence, after int64, least int) (store.Unpacked, error)

	// Forget deletes batches, in one transaction.
	Forget(ctx context.Context, f store.Fence, batches []int64) error
}

// Inbox is one shop's open hints. It is used by one goroutine at a time.
type Inbox struct {
	store  Store
	shop   string
	atOnce int // minimum number of hints that a transaction unpacks

	batches  bool  // webhooks may be waiting in batches
	items    state // of hints of items
	invoices state // of hints of invoices
	claim    *Claim
}

// state is what is known of the hints of one kind.
type state struct {
	noticed bool // some may have come since the last pass
	open    bool // older ones may be open
}

// New returns the inbox of a shop whose stored state is unknown: anything may be open. A
// transaction unpacks at least atOnce hints, if there are that many.
func New(s Store, shop string, atOnce int) *Inbox {
	return &Inbox{store: s, shop: shop, atOnce: atOnce, batches: true, items: state{open: true}, invoices: state{open: true}}
}

// of returns the state of a kind. It is no map, since each of thousands of shops would have
// one.
func (b *Inbox) of(kind plan.Kind) *state {
	if kind == plan.KindInvoice {
		return &b.invoices
	}
	return &b.items
}

// Begin starts a pass. work says that hints or webhooks may have come.
func (b *Inbox) Begin(work bool) {
	b.items.noticed, b.invoices.noticed = work, work
	b.batches = b.batches || work
}

// Reopen records that hints of a kind were recorded or postponed, so that loading finds them.
func (b *Inbox) Reopen(kind plan.Kind) { b.of(kind).open = true }

// Forget discards what is known of the stored state: anything may be open.
func (b *Inbox) Forget() {
	b.Release()
	b.Reopen(plan.KindStock)
	b.Reopen(plan.KindInvoice)
}

// MayHave reports whether hints of a kind may be open.
func (b *Inbox) MayHave(kind plan.Kind) bool { return b.of(kind).noticed || b.of(kind).open }

// Unpack turns recorded webhooks into rows, transaction by transaction, until no batch is left
// or enough returns true; it calls enough after each. A batch that cannot be read is set aside,
// with an error in unreadable.
func (b *Inbox) Unpack(ctx context.Context, fence func() store.Fence, enough func() bool) (unreadable []error, err error) {
	for b.batches {
		u, err := b.store.Unpack(ctx, fence(), b.claim.lastBatch(), b.atOnce)
		if err != nil {
			return unreadable, err
		}
		unreadable = append(unreadable, u.Unreadable...)
		if u.Hints > 0 {
			b.Reopen(plan.KindStock)
			b.Reopen(plan.KindInvoice)
		}
		if b.batches = u.More; enough() {
			break
		}
	}
	return unreadable, nil
}

// Wait says how hints of items wait for the running listing.
type Wait int

// How hints wait.
const (
	WaitNot    Wait = iota // they do not: they are read during the listing
	WaitFewer              // while no more are due than the listing will answer
	WaitForEnd             // until its end
)

// Due returns the due hints of a kind that no listing has claimed, including those hinted again
// since. Hints of items may have to wait for the running listing; Due then returns none.
// Rereading them in each pass of a long listing would take a fifth of its time; counting them
// takes a twentieth of that.
//
// If a row appears for a number with claimed webhooks, Due returns those as uncounted instead:
// the row has to count them first, or it would be answered as if they did not exist.
func (b *Inbox) Due(ctx context.Context, kind plan.Kind, due store.Due, wait Wait) (hints Hints, uncounted []store.HintRecord, err error) {
	if !b.MayHave(kind) {
		return nil, nil, nil
	}
	claims := kind == plan.KindStock && b.claim != nil
	if claims && wait != WaitNot {
		waits, err := b.waits(ctx, due, wait)
		if err != nil || waits {
			return nil, nil, err
		}
	}
	hints, uncounted, err = b.load(ctx, kind, due)
	if err == nil && len(hints)+len(uncounted) == 0 {
		b.of(kind).noticed = false // new ones are due immediately
	}
	if claims {
		maps.DeleteFunc(hints, func(number string, h plan.Hint) bool { return b.claim.hints[number].Gen == h.Gen })
	}
	return hints, uncounted, err
}

func (b *Inbox) waits(ctx context.Context, due store.Due, wait Wait) (bool, error) {
	if wait == WaitForEnd {
		return true, nil
	}
	claimed := 0
	for _, h := range b.claim.hints {
		if !packed(h) && due.Includes(h.DueAt) {
			claimed++
		}
	}
	open, err := b.store.CountOpenHints(ctx, b.shop, due)
	return open <= claimed, err
}

// All returns all open hints of a kind, including postponed ones and those that a listing has
// claimed: a read of everything answers them too. uncounted is as for Due.
func (b *Inbox) All(ctx context.Context, kind plan.Kind) (hints Hints, uncounted []store.HintRecord, err error) {
	claims := kind == plan.KindStock && b.claim.lastBatch() > 0
	if !b.MayHave(kind) && !claims {
		return nil, nil, nil
	}
	hints, uncounted, err = b.load(ctx, kind, whenever())
	if err != nil || len(uncounted) > 0 {
		return nil, uncounted, err
	}
	*b.of(kind) = state{open: len(hints) > 0}
	if claims {
		hints.add(b.claim.packed)
	}
	return hints, nil, nil
}

// load returns the hints with rows, or the webhooks that those must count first.
func (b *Inbox) load(ctx context.Context, kind plan.Kind, due store.Due) (Hints, []store.HintRecord, error) {
	rows, err := b.store.OpenHints(ctx, b.shop, kind, due)
	if err != nil || kind != plan.KindStock || b.claim == nil {
		return Hints(rows), nil, err
	}
	beside := Hints{}
	for number := range rows {
		if h, waits := b.claim.packed[number]; waits {
			beside[number] = h
		}
	}
	if len(beside) > 0 {
		return nil, records(b.shop, beside), nil
	}
	return Hints(rows), nil, nil
}

// Counted records that rows now count these webhooks, so that the listing that claimed them
// need not answer them.
func (b *Inbox) Counted(webhooks []store.HintRecord) {
	for _, r := range webhooks {
		delete(b.claim.packed, r.Number)
		delete(b.claim.hints, r.Number)
	}
}

// whenever includes every due time.
func whenever() store.Due {
	end := time.Date(9999, time.January, 1, 0, 0, 0, 0, time.UTC)
	return store.Due{By: end, Beyond: end}
}

// Peek returns all open hints of a kind from rows and batches, without changing anything.
func Peek(ctx context.Context, s Store, shop string, kind plan.Kind) (Hints, error) {
	// Batches first: what is unpacked in between is seen twice rather than missed.
	waiting, err := s.Packed(ctx, shop)
	if err != nil {
		return nil, err
	}
	rows, err := s.OpenHints(ctx, shop, kind, whenever())
	if err != nil {
		return nil, err
	}
	hints := Hints(rows)
	hints.add(waiting.Hints[kind])
	return hints, nil
}

// Outcome is the result of a read for hints.
type Outcome struct {
	Answered []plan.Answer
	Rereads  []plan.Reread
}

// Writes is what a transaction has to write for hints.
type Writes struct {
	Answered []plan.Answer
	Rereads  []plan.Reread
	Records  []store.HintRecord // new rows, of hints that had none
}

// Writes returns what to write for an outcome. An answered hint without a row needs nothing;
// one to be reread gets its row.
func (b *Inbox) Writes(hints Hints, o Outcome) Writes {
	var w Writes
	for _, answer := range o.Answered {
		if !packed(hints[answer.Number]) {
			w.Answered = append(w.Answered, answer)
		}
	}
	for _, again := range o.Rereads {
		if h := hints[again.Number]; packed(h) {
			w.Records = append(w.Records, record(b.shop, h, again))
		} else {
			w.Rereads = append(w.Rereads, again)
		}
	}
	return w
}

// Wrote applies an outcome that has been committed: it removes the hints from those of the
// read, and from the running listing's claim unless that has a newer generation.
func (b *Inbox) Wrote(hints Hints, o Outcome) {
	for _, answer := range o.Answered {
		b.claim.dealtWith(answer.Kind, answer.Number, answer.Gen)
		delete(hints, answer.Number)
	}
	for _, again := range o.Rereads {
		b.claim.dealtWith(again.Kind, again.Number, again.Gen)
		delete(hints, again.Number)
		b.Reopen(again.Kind)
	}
}

// Claim is the hints that a listing will answer.
type Claim struct {
	hints   Hints   // all of them
	packed  Hints   // those waiting in batches
	batches []int64 // the batches
}

// Backlog is what waits in batches, for a listing to claim in that form.
type Backlog struct {
	batches  []int64
	items    Hints
	invoices Hints
}

// Backlog returns what Unpack left in batches. It is empty while a listing has a claim.
func (b *Inbox) Backlog(ctx context.Context) (Backlog, error) {
	if !b.batches || b.claim != nil {
		return Backlog{}, nil
	}
	p, err := b.store.Packed(ctx, b.shop)
	return Backlog{batches: p.Batches, items: p.Hints[plan.KindStock], invoices: p.Hints[plan.KindInvoice]}, err
}

// Empty reports whether no batch waits.
func (l Backlog) Empty() bool { return len(l.batches) == 0 }

// Items returns the hints of items among it.
func (l Backlog) Items() Hints { return l.items }

// Claim claims all open hints of items and the backlog for a listing. It returns the rows that
// the backlog's hints of invoices must get first, since no listing of items answers those.
// Claimed then loads the rest.
func (b *Inbox) Claim(l Backlog) []store.HintRecord {
	b.claim = &Claim{hints: Hints{}, packed: Hints{}}
	if l.Empty() {
		return nil
	}
	b.claim.batches, b.claim.packed, b.batches = l.batches, l.items, false
	if len(l.invoices) > 0 {
		b.Reopen(plan.KindInvoice)
	}
	return records(b.shop, l.invoices)
}

// Claimed loads the hints with rows into the claim, before the listing's first page is read.
// uncounted is as for Due.
func (b *Inbox) Claimed(ctx context.Context) (claim *Claim, uncounted []store.HintRecord, err error) {
	hints, uncounted, err := b.All(ctx, plan.KindStock)
	if err != nil || len(uncounted) > 0 {
		return nil, uncounted, err
	}
	maps.Copy(b.claim.hints, hints)
	return b.claim, nil, nil
}

// Hints are the claimed hints that the listing has not answered or postponed.
func (c *Claim) Hints() Hints { return c.hints }

// WebhookAt returns when the last webhook of the claim came.
func (c *Claim) WebhookAt() (last time.Time) {
	for _, h := range c.hints {
		if h.WebhookAt.After(last) {
			last = h.WebhookAt
		}
	}
	return last
}

func (c *Claim) lastBatch() int64 {
	if c == nil || len(c.batches) == 0 {
		return 0
	}
	return c.batches[len(c.batches)-1]
}

func (c *Claim) dealtWith(kind plan.Kind, number string, gen int64) {
	if c != nil && kind == plan.KindStock && c.hints[number].Gen <= gen {
		delete(c.hints, number)
		delete(c.packed, number)
	}
}

// Left returns rows for the hints without one that the listing has not answered. Write them
// after the listing has been stored in full and before Done.
func (c *Claim) Left(shop string) []store.HintRecord { return records(shop, c.packed) }

// Done ends the claim of a listing that has been stored in full, after the rows of Left are
// written: it deletes the batches, store.RowsPerPiece per transaction, and returns the hints
// with rows that the listing has not answered.
func (b *Inbox) Done(ctx context.Context, fence func() store.Fence) (Hints, error) {
	c := b.claim
	if c == nil {
		return nil, nil //nolint:nilnil // given up meanwhile
	}
	for piece := range slices.Chunk(c.batches, store.RowsPerPiece) {
		if err := b.store.Forget(ctx, fence(), piece); err != nil {
			return nil, err
		}
	}
	b.claim = nil
	if len(c.packed) > 0 {
		b.Reopen(plan.KindStock)
	}
	maps.DeleteFunc(c.hints, func(_ string, h plan.Hint) bool { return packed(h) })
	return c.hints, nil
}

// Release ends the claim of a listing that is abandoned. The next pass unpacks its webhooks
// that are still in batches.
func (b *Inbox) Release() {
	b.batches = b.batches || b.claim.lastBatch() > 0
	b.claim = nil
}
