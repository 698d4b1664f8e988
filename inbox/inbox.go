package inbox

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// Store is the part of store.Store that an inbox uses.
type Store interface {
	// EachOpenHint yields a shop's open hints of a kind that have rows and are due, the earliest
	// due first, at most limit if that is not 0.
	EachOpenHint(ctx context.Context, shop string, kind plan.Kind, due store.Due, limit int) iter.Seq2[plan.Hint, error]

	// CountOpenHints returns how many rows of any kind are due.
	CountOpenHints(ctx context.Context, shop string, due store.Due) (int, error)

	// Packed returns the webhooks that wait in the oldest batches, until those name most numbers.
	Packed(ctx context.Context, shop string, most int) (store.Packed, error)

	// Unpack turns the oldest batches after the given one into rows, for at least that many
	// hints, in one transaction.
	Unpack(ctx context.Context, f store.Fence, after int64, least int, caps store.Caps) (store.Unpacked, error)

	// Admit decides which of further hints get rows.
	Admit(ctx context.Context, shop string, in store.Datasets, caps store.Caps, hints []store.HintRecord) (store.Admitted, error)

	// Marks returns the shop's marks of a kind.
	Marks(ctx context.Context, shop string, kind plan.Kind) ([]int64, error)

	// Forget deletes batches and marks, in one transaction.
	Forget(ctx context.Context, f store.Fence, batches, marks []int64) error
}

// Inbox is one shop's open hints. It is used by one goroutine at a time.
type Inbox struct {
	store Store
	shop  string
	o     *Options

	batches  bool  // webhooks may be waiting in batches
	unsure   bool  // an Unpack failed, and may have made marks all the same
	items    state // of hints of items
	invoices state // of hints of invoices
	claim    *Claim
}

// state is what is known of the hints of one kind.
type state struct {
	noticed bool // some may have come since the last pass
	open    bool // older ones may be open
	marked  bool // there may be marks that no sweep has claimed
	fresh   bool // this inbox wrote such a mark: it stands for further webhooks too
}

// Options are the settings of an Inbox.
type Options struct {
	Datasets store.Datasets // where the shop's items and invoices are stored
	AtOnce   int            // a transaction unpacks at least so many hints, if there are that many
	Caps     store.Caps     // of open hints
}

// New returns the inbox of a shop whose stored state is unknown: anything may be open.
func New(s Store, shop string, o Options) *Inbox {
	return &Inbox{store: s, shop: shop, o: &o, batches: true, items: state{open: true}, invoices: state{open: true}}
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

// Forget discards what is known of the stored state: anything may be open. items and invoices
// say whether their webhooks are marked.
func (b *Inbox) Forget(items, invoices bool) {
	b.Release()
	b.unsure = false
	b.items, b.invoices = state{open: true, marked: items}, state{open: true, marked: invoices}
}

// MayHave reports whether hints of a kind may be open.
func (b *Inbox) MayHave(kind plan.Kind) bool { return b.of(kind).noticed || b.of(kind).open }

// Unpacked is the result of an Unpack.
type Unpacked struct {
	Unreadable []error // one for each batch set aside
	Marked     int64   // webhooks of numbers that only a mark stands for
	TooOld     int64   // webhooks of invoices before the shop's start that were not kept
}

// Unpack turns recorded webhooks into rows, transaction by transaction, until no batch is left
// or enough returns true; it calls enough after each. A batch that cannot be read is set aside,
// with an error in Unreadable.
func (b *Inbox) Unpack(ctx context.Context, fence func() store.Fence, enough func() bool) (all Unpacked, err error) {
	if err := b.lookForMarks(ctx); err != nil {
		return all, err
	}
	counted := &store.Counted{}
	for b.batches {
		caps := b.caps()
		caps.Counted = counted
		u, err := b.store.Unpack(ctx, fence(), b.claim.lastBatch(), b.o.AtOnce, caps)
		if err != nil {
			b.unsure = true
			return all, err
		}
		all.Unreadable = append(all.Unreadable, u.Unreadable...)
		marked, tooOld := b.Overflowed(u.Overflow)
		all.Marked, all.TooOld = all.Marked+marked, all.TooOld+tooOld
		if u.Hints > 0 {
			b.Reopen(plan.KindStock)
			b.Reopen(plan.KindInvoice)
		}
		b.compacted(u.Compacted)
		if b.batches = u.More; enough() {
			break
		}
	}
	return all, nil
}

// lookForMarks reads whether there are marks, if a transaction that may have made some failed:
// its answer may have been lost.
func (b *Inbox) lookForMarks(ctx context.Context) error {
	if !b.unsure {
		return nil
	}
	for _, kind := range []plan.Kind{plan.KindStock, plan.KindInvoice} {
		marks, err := b.store.Marks(ctx, b.shop, kind)
		if err != nil {
			return err
		}
		b.of(kind).marked = b.of(kind).marked || len(marks) > 0
		b.Reopen(kind)
	}
	b.unsure = false
	return nil
}

// compacted records that there may be marks that another lagerd has made.
func (b *Inbox) compacted(is bool) {
	b.items.marked, b.invoices.marked = b.items.marked || is, b.invoices.marked || is
}

// caps returns the shop's caps as they apply now.
func (b *Inbox) caps() store.Caps {
	caps := b.o.Caps
	caps.Marked = map[plan.Kind]bool{plan.KindStock: b.items.fresh, plan.KindInvoice: b.invoices.fresh}
	return caps
}

// Overflowed records that the overflow has been committed, and returns how many webhooks of
// numbers are marked and too old. Those that named no number are marked as a matter of course.
func (b *Inbox) Overflowed(o store.Overflow) (marked, tooOld int64) {
	for _, m := range o.Marks {
		marked += m.Hints - m.Everything
		b.of(m.Kind).marked, b.of(m.Kind).fresh = true, true
	}
	return marked, o.TooOld
}

// Marked reports whether webhooks of a kind may have come that no hint was kept for, and that no
// sweep has dealt with.
func (b *Inbox) Marked(kind plan.Kind) bool {
	return b.of(kind).marked || kind == plan.KindStock && b.claim.Marked()
}

// TakeMarks returns the marks of a kind for a sweep to deal with. It is called before the first
// page is read. If the sweep fails, Remark follows.
func (b *Inbox) TakeMarks(ctx context.Context, kind plan.Kind) (marks []int64, err error) {
	if !b.of(kind).marked {
		return nil, nil
	}
	if marks, err = b.store.Marks(ctx, b.shop, kind); err == nil {
		b.of(kind).marked, b.of(kind).fresh = false, false
	}
	return marks, err
}

// Remark records that a sweep that took marks of a kind has not dealt with them.
func (b *Inbox) Remark(kind plan.Kind) { b.of(kind).marked = true }

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
//
// It returns the earliest due hints, about limit at most, if that is not 0.
func (b *Inbox) Due(ctx context.Context, kind plan.Kind, due store.Due, wait Wait, limit int) (hints Hints, uncounted []store.HintRecord, err error) {
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
	if claims && limit > 0 {
		limit += b.claim.Len()
	}
	hints, uncounted, err = b.load(ctx, kind, due, limit)
	if err == nil && len(hints)+len(uncounted) == 0 {
		b.of(kind).noticed = false // new ones are due immediately
	}
	if claims {
		maps.DeleteFunc(hints, func(number string, h plan.Hint) bool { return b.claim.hints[number].gen == h.Gen })
	}
	return hints, uncounted, err
}

func (b *Inbox) waits(ctx context.Context, due store.Due, wait Wait) (bool, error) {
	if wait == WaitForEnd {
		return true, nil
	}
	claimed := 0
	for _, h := range b.claim.hints {
		if h.gen != 0 && due.Includes(at(h.dueAt)) {
			claimed++
		}
	}
	open, err := b.store.CountOpenHints(ctx, b.shop, due)
	return open <= claimed, err
}

// AllInvoices returns all open hints of invoices, including postponed ones.
func (b *Inbox) AllInvoices(ctx context.Context) (Hints, error) {
	if !b.MayHave(plan.KindInvoice) {
		return nil, nil //nolint:nilnil // there is none
	}
	hints, _, err := b.load(ctx, plan.KindInvoice, whenever(), 0)
	if err != nil {
		return nil, err
	}
	b.loadedAll(plan.KindInvoice, len(hints))
	return hints, nil
}

func (b *Inbox) loadedAll(kind plan.Kind, count int) {
	b.of(kind).noticed, b.of(kind).open = false, count > 0
}

// AllItems returns all open hints of items, including postponed ones and those that a listing has
// claimed: a read of everything answers them too. uncounted is as for Due.
func (b *Inbox) AllItems(ctx context.Context) (open *Open, uncounted []store.HintRecord, err error) {
	open = newOpen()
	claims := b.claim.lastBatch() > 0
	if !b.MayHave(plan.KindStock) && !claims {
		return open, nil, nil
	}
	uncounted, err = b.each(ctx, plan.KindStock, whenever(), 0, open.add)
	if err != nil || len(uncounted) > 0 {
		return nil, uncounted, err
	}
	b.loadedAll(plan.KindStock, open.Len())
	if claims {
		maps.Copy(open.hints, b.claim.packed.hints)
	}
	return open, nil, nil
}

// load returns the hints with rows, or the webhooks that those must count first.
func (b *Inbox) load(ctx context.Context, kind plan.Kind, due store.Due, limit int) (Hints, []store.HintRecord, error) {
	hints := Hints{}
	uncounted, err := b.each(ctx, kind, due, limit, func(h plan.Hint) { hints[h.Number] = h })
	if err != nil || len(uncounted) > 0 {
		return nil, uncounted, err
	}
	return hints, nil, nil
}

// each passes the hints with rows to take, or returns the webhooks that those must count first.
func (b *Inbox) each(ctx context.Context, kind plan.Kind, due store.Due, limit int, take func(plan.Hint)) ([]store.HintRecord, error) {
	beside := Hints{}
	for h, err := range b.store.EachOpenHint(ctx, b.shop, kind, due, limit) {
		if err != nil {
			return nil, err
		}
		if kind == plan.KindStock && b.claim != nil && b.claim.packed.Has(h.Number) {
			beside[h.Number], _ = b.claim.packed.get(h.Number)
		}
		take(h)
	}
	return records(b.shop, beside), nil
}

// Counted records that rows now count these webhooks, so that the listing that claimed them
// need not answer them.
func (b *Inbox) Counted(webhooks []store.HintRecord) {
	for _, r := range webhooks {
		delete(b.claim.packed.hints, r.Number)
		delete(b.claim.hints, r.Number)
	}
}

// whenever includes every due time.
func whenever() store.Due {
	end := time.Date(9999, time.January, 1, 0, 0, 0, 0, time.UTC)
	return store.Due{By: end, Beyond: end}
}

// peekedNumbers limits how many numbers Peek returns from batches.
const peekedNumbers = 100_000

// Peek returns the open hints of a kind from rows and batches, without changing anything.
func Peek(ctx context.Context, s Store, shop string, kind plan.Kind) (Hints, error) {
	// Batches first: what is unpacked in between is seen twice rather than missed.
	waiting, err := s.Packed(ctx, shop, peekedNumbers)
	if err != nil {
		return nil, err
	}
	hints := Hints{}
	for h, err := range s.EachOpenHint(ctx, shop, kind, whenever(), 0) {
		if err != nil {
			return nil, err
		}
		hints[h.Number] = h
	}
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

// Claim is the hints that a listing will answer, and the marks that it deals with.
type Claim struct {
	*Open           // all of them, without those that the listing has answered or postponed
	packed  *Open   // those waiting in batches
	batches []int64 // the batches
	marks   []int64

	everything bool // a webhook in those batches named no number: the listing answers it
}

// Backlog is what waits in batches, for a listing to claim in that form.
type Backlog struct {
	batches  []int64
	items    *Open
	invoices Hints
	more     bool // there are newer batches

	everything bool // a webhook among them named no number
}

// Backlog returns what Unpack left in the oldest batches, until those name most numbers. It is
// empty while a listing has a claim.
func (b *Inbox) Backlog(ctx context.Context, most int) (Backlog, error) {
	if !b.batches || b.claim != nil {
		return Backlog{}, nil
	}
	p, err := b.store.Packed(ctx, b.shop, most)
	b.compacted(p.Compacted)
	l := Backlog{batches: p.Batches, items: newOpen(), invoices: p.Hints[plan.KindInvoice], more: p.More, everything: p.Everything}
	for _, h := range p.Hints[plan.KindStock] {
		l.items.add(h)
	}
	return l, err
}

// Empty reports whether no batch waits.
func (l Backlog) Empty() bool { return len(l.batches) == 0 }

// More reports whether newer batches wait too: so many numbers came that most are unknown ones.
func (l Backlog) More() bool { return l.more }

// Items returns the hints of items among it.
func (l Backlog) Items() *Open { return l.items }

// Claim claims all open hints of items and the backlog for a listing. It returns what becomes
// of the backlog's hints of invoices, since no listing of items answers those: write it first.
// Claimed then loads the rest.
func (b *Inbox) Claim(ctx context.Context, l Backlog) (store.Admitted, error) {
	b.claim = &Claim{Open: newOpen(), packed: newOpen()}
	if l.Empty() {
		return store.Admitted{}, nil
	}
	b.claim.batches, b.claim.packed, b.claim.everything, b.batches = l.batches, l.items, l.everything, l.more
	if len(l.invoices) > 0 {
		b.Reopen(plan.KindInvoice)
	}
	return b.admit(ctx, l.invoices)
}

// Admit decides which further hints get rows. Overflowed reports that the others were marked.
func (b *Inbox) Admit(ctx context.Context, hints []store.HintRecord) (store.Admitted, error) {
	return b.store.Admit(ctx, b.shop, b.o.Datasets, b.caps(), hints)
}

// admit decides which hints without rows get one.
func (b *Inbox) admit(ctx context.Context, hints Hints) (store.Admitted, error) {
	return b.Admit(ctx, records(b.shop, hints))
}

// Claimed loads the hints with rows into the claim, before the listing's first page is read.
// uncounted is as for Due.
func (b *Inbox) Claimed(ctx context.Context) (claim *Claim, uncounted []store.HintRecord, err error) {
	open, uncounted, err := b.AllItems(ctx)
	if err != nil || len(uncounted) > 0 {
		return nil, uncounted, err
	}
	b.claim.Open = open
	b.claim.marks, err = b.TakeMarks(ctx, plan.KindStock)
	return b.claim, nil, err
}

// WebhookAt returns when the last webhook of the claim came.
func (c *Claim) WebhookAt() (last time.Time) {
	latest := int64(never)
	for _, h := range c.hints {
		latest = max(latest, h.webhookAt)
	}
	return at(latest)
}

func (c *Claim) lastBatch() int64 {
	if c == nil || len(c.batches) == 0 {
		return 0
	}
	return c.batches[len(c.batches)-1]
}

func (c *Claim) dealtWith(kind plan.Kind, number string, gen int64) {
	if c != nil && kind == plan.KindStock && c.hints[number].gen <= gen {
		delete(c.hints, number)
		delete(c.packed.hints, number)
	}
}

// Marked reports whether the listing deals with webhooks that there is no hint of.
func (c *Claim) Marked() bool { return c != nil && (len(c.marks) > 0 || c.everything) }

// Left returns what becomes of the hints without rows that the listing has not answered. Write
// it after the listing has been stored in full and before Done.
func (b *Inbox) Left(ctx context.Context) (store.Admitted, error) {
	if b.claim == nil {
		return store.Admitted{}, nil
	}
	return b.admit(ctx, b.claim.packed.Of(b.claim.packed.Numbers()))
}

// Done ends the claim of a listing that has been stored in full, after what Left returned is
// written: it deletes the batches, store.RowsPerPiece per transaction, and the marks, and returns the hints
// with rows that the listing has not answered.
func (b *Inbox) Done(ctx context.Context, fence func() store.Fence) (Hints, error) {
	c := b.claim
	if c == nil {
		return nil, nil //nolint:nilnil // given up meanwhile
	}
	for piece := range slices.Chunk(c.batches, store.RowsPerPiece) {
		if err := b.store.Forget(ctx, fence(), piece, nil); err != nil {
			return nil, err
		}
	}
	if len(c.marks) > 0 {
		if err := b.store.Forget(ctx, fence(), nil, c.marks); err != nil {
			return nil, err
		}
	}
	b.claim = nil
	if c.packed.Len() > 0 {
		b.Reopen(plan.KindStock)
	}
	maps.DeleteFunc(c.hints, func(_ string, h compact) bool { return h.gen == 0 })
	return c.Of(c.Numbers()), nil
}

// Release ends the claim of a listing that is abandoned. The next pass unpacks its webhooks
// that are still in batches.
func (b *Inbox) Release() {
	b.batches = b.batches || b.claim.lastBatch() > 0
	b.items.marked = b.items.marked || b.claim != nil && len(b.claim.marks) > 0
	b.claim = nil
}
