package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/store"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// fake is a database of one shop's hints of items and invoices.
type fake struct {
	rows    map[plan.Kind]map[string]plan.Hint
	batches []batch
	marks   map[plan.Kind][]mark
	lastID  int64 // of a mark
	loads   int   // of rows
	counts  int
	broken  error

	overflowed []overflow // not yet written
	unmarked   []string   // numbers whose marks have been deleted
}

// overflow is a webhook that was not admitted. again says that a mark may stand for it too.
type overflow struct {
	kind   plan.Kind
	number string
	again  bool
}

// mark is a mark, and the numbers it stands for.
type mark struct {
	id      int64
	numbers []string
}

// options have caps that the numbers of most tests do not reach.
var options = inbox.Options{Datasets: store.Datasets{Items: "set1", Invoices: "set2"}, AtOnce: 2, Caps: store.Caps{HintCaps: plan.HintCaps{Unknown: 1000, Invoices: 1000, OldInvoices: 1000}}}

type batch struct {
	id    int64
	hints []plan.Hint
}

func newFake() *fake {
	return &fake{rows: map[plan.Kind]map[string]plan.Hint{plan.KindStock: {}, plan.KindInvoice: {}}, marks: map[plan.Kind][]mark{}}
}

// webhook records a batch of one webhook.
func (f *fake) webhook(kind plan.Kind, number string, at time.Time) {
	id := int64(1)
	if n := len(f.batches); n > 0 {
		id = f.batches[n-1].id + 1
	}
	f.batches = append(f.batches, batch{id, []plan.Hint{{Kind: kind, Number: number, Cause: plan.CauseWebhook, FirstAt: at, WebhookAt: at, Webhooks: 1}}})
}

// record does what the store does with the row of a hint.
func (f *fake) record(list []store.HintRecord) {
	for _, r := range list {
		h, open := f.rows[r.Kind][r.Number]
		if !open {
			h = plan.Hint{Kind: r.Kind, Number: r.Number, Cause: r.Cause, FirstAt: r.At}
		}
		h.Gen += 1 + r.More
		if r.Cause == plan.CauseWebhook {
			h.Cause, h.WebhookAt, h.Webhooks = r.Cause, r.At, h.Webhooks+1+r.More
		}
		h.DueAt = r.DueAt
		f.rows[r.Kind][r.Number] = h
	}
}

// write does what a transaction does with an outcome.
func (f *fake) write(w inbox.Writes) {
	for _, a := range w.Answered {
		if f.rows[a.Kind][a.Number].Gen <= a.Gen {
			delete(f.rows[a.Kind], a.Number)
		}
	}
	for _, r := range w.Rereads {
		if h, open := f.rows[r.Kind][r.Number]; open && h.Gen == r.Gen {
			h.DueAt = r.DueAt
			f.rows[r.Kind][r.Number] = h
		}
	}
	f.record(w.Records)
}

func (f *fake) OpenHints(_ context.Context, _ string, kind plan.Kind, due store.Due) (map[string]plan.Hint, error) {
	f.loads++
	hints := maps.Clone(f.rows[kind])
	maps.DeleteFunc(hints, func(_ string, h plan.Hint) bool { return !due.Includes(h.DueAt) })
	return hints, f.broken
}

func (f *fake) EachOpenHint(ctx context.Context, shop string, kind plan.Kind, due store.Due, limit int) iter.Seq2[plan.Hint, error] {
	return each(limit, func() (map[string]plan.Hint, error) { return f.OpenHints(ctx, shop, kind, due) })
}

// each yields the earliest due hints.
func each(limit int, load func() (map[string]plan.Hint, error)) iter.Seq2[plan.Hint, error] {
	return func(yield func(plan.Hint, error) bool) {
		hints, err := load()
		if err != nil {
			yield(plan.Hint{}, err)
			return
		}
		list := slices.SortedFunc(maps.Values(hints), func(a, b plan.Hint) int { return a.DueAt.Compare(b.DueAt) })
		if limit > 0 {
			list = list[:min(limit, len(list))]
		}
		for _, h := range list {
			if !yield(h, nil) {
				return
			}
		}
	}
}

func (f *fake) CountOpenHints(_ context.Context, _ string, due store.Due) (n int, err error) {
	f.counts++
	for _, rows := range f.rows {
		for _, h := range rows {
			if due.Includes(h.DueAt) {
				n++
			}
		}
	}
	return n, f.broken
}

// Admit admits as the caps say; no item is stored.
func (f *fake) Admit(_ context.Context, _ string, _ store.Datasets, caps store.Caps, hints []store.HintRecord) (a store.Admitted, err error) {
	var open plan.OpenHints
	for kind, rows := range f.rows {
		for number := range rows {
			open.Count(kind, number, caps.FirstInvoice)
		}
	}
	for _, h := range hints {
		_, hinted := f.rows[h.Kind][h.Number]
		switch caps.Admit(&open, plan.NewHint{Kind: h.Kind, Number: h.Number, Open: hinted}, caps.FirstInvoice) {
		case plan.AdmitRow:
			a.Hints = append(a.Hints, h)
		case plan.AdmitMark:
			a.Marks = append(a.Marks, store.Mark{Kind: h.Kind, Hints: 1 + h.More})
			f.overflowed = append(f.overflowed, overflow{h.Kind, h.Number, caps.Marked[h.Kind]})
		case plan.AdmitTooOld:
			a.TooOld += 1 + h.More
		}
	}
	return a, f.broken
}

// putOverflow does what a transaction does with what was not admitted.
func (f *fake) putOverflow() {
	made := map[plan.Kind]bool{} // by this transaction
	for _, o := range f.overflowed {
		marks := f.marks[o.kind]
		if n := len(marks); (o.again || made[o.kind]) && n > 0 {
			marks[n-1].numbers = append(marks[n-1].numbers, o.number)
			continue
		}
		made[o.kind] = true
		f.lastID++
		f.marks[o.kind] = append(marks, mark{f.lastID, []string{o.number}})
	}
	f.overflowed = nil
}

func (f *fake) Marks(_ context.Context, _ string, kind plan.Kind) (ids []int64, err error) {
	f.counts++
	for _, m := range f.marks[kind] {
		ids = append(ids, m.id)
	}
	return ids, f.broken
}

func (f *fake) Packed(_ context.Context, _ string, most int) (store.Packed, error) {
	p := store.Packed{Hints: map[plan.Kind]map[string]plan.Hint{plan.KindStock: {}, plan.KindInvoice: {}}}
	for _, b := range f.batches {
		if p.More = len(p.Hints[plan.KindStock])+len(p.Hints[plan.KindInvoice]) >= most; p.More {
			break
		}
		p.Batches, p.Compacted = append(p.Batches, b.id), p.Compacted || len(b.hints) == 0
		for _, h := range b.hints {
			if h.Number == "" {
				p.Everything = true
				continue
			}
			if was, known := p.Hints[h.Kind][h.Number]; known {
				h.FirstAt, h.Webhooks = was.FirstAt, was.Webhooks+1
			}
			p.Hints[h.Kind][h.Number] = h
		}
	}
	return p, f.broken
}

func (f *fake) Unpack(ctx context.Context, _ store.Fence, after int64, least int, caps store.Caps) (u store.Unpacked, err error) {
	if f.broken != nil {
		return u, f.broken
	}
	var left []batch
	for _, b := range f.batches {
		if b.id <= after || u.Hints >= least {
			left, u.More = append(left, b), u.More || b.id > after
			continue
		}
		u.Compacted = u.Compacted || len(b.hints) == 0
		for _, h := range b.hints {
			if h.Number == "" {
				u.Overflow.Marks = append(u.Overflow.Marks, store.Mark{Kind: h.Kind, Hints: 1, Everything: 1})
				f.overflowed = append(f.overflowed, overflow{h.Kind, "", caps.Marked[h.Kind]})
				continue
			}
			a, _ := f.Admit(ctx, "", store.Datasets{}, caps, []store.HintRecord{{Kind: h.Kind, Number: h.Number, Cause: h.Cause, At: h.WebhookAt}})
			f.record(a.Hints)
			u.Hints++
			u.Overflow.Marks, u.Overflow.TooOld = append(u.Overflow.Marks, a.Marks...), u.Overflow.TooOld+a.TooOld
		}
	}
	f.putOverflow()
	f.batches = left
	return u, nil
}

func (f *fake) Forget(_ context.Context, _ store.Fence, batches, marks []int64) error {
	if f.broken == nil {
		for kind := range f.marks {
			f.marks[kind] = slices.DeleteFunc(f.marks[kind], func(m mark) bool {
				gone := slices.Contains(marks, m.id)
				if gone {
					f.unmarked = append(f.unmarked, m.numbers...)
				}
				return gone
			})
		}
		f.batches = slices.DeleteFunc(f.batches, func(b batch) bool { return slices.Contains(batches, b.id) })
	}
	return f.broken
}

// box is an inbox on a fake.
type box struct {
	*testing.T
	*inbox.Inbox
	db *fake
}

func newBox(t *testing.T) *box { return newBoxOf(t, options) }

func newBoxOf(t *testing.T, o inbox.Options) *box {
	f := newFake()
	return &box{t, inbox.New(f, "shop1", o), f}
}

func fence() store.Fence { return store.Fence{} }

func (b *box) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func due() store.Due { return store.Due{By: noon, Beyond: noon.Add(time.Hour)} }

func (b *box) due(kind plan.Kind, wait inbox.Wait) inbox.Hints {
	b.Helper()
	return counting(b, func() (inbox.Hints, []store.HintRecord, error) { return b.Inbox.Due(b.Context(), kind, due(), wait, 0) })
}

func (b *box) all(kind plan.Kind) inbox.Hints {
	b.Helper()
	return counting(b, func() (inbox.Hints, []store.HintRecord, error) { return b.loadAll(kind) })
}

func (b *box) loadAll(kind plan.Kind) (inbox.Hints, []store.HintRecord, error) {
	if kind == plan.KindInvoice {
		hints, err := b.AllInvoices(b.Context())
		return hints, nil, err
	}
	open, uncounted, err := b.AllItems(b.Context())
	if open == nil {
		return nil, uncounted, err
	}
	return open.Hints(), uncounted, err
}

// counting loads again after rows have counted the webhooks that they must count first.
func counting[T any](b *box, load func() (T, []store.HintRecord, error)) T {
	b.Helper()
	loaded, uncounted, err := load()
	b.must(err)
	if len(uncounted) > 0 {
		b.db.record(uncounted)
		b.Counted(uncounted)
		if loaded, uncounted, err = load(); len(uncounted) > 0 {
			b.Fatalf("%v are still uncounted", uncounted)
		}
		b.must(err)
	}
	return loaded
}

// claimed makes a listing claim what is open.
func (b *box) claimed() *inbox.Claim {
	b.Helper()
	backlog, err := b.Backlog(b.Context(), 1000)
	b.must(err)
	admitted, err := b.Claim(b.Context(), backlog)
	b.must(err)
	b.admitted(admitted)
	return counting(b, func() (*inbox.Claim, []store.HintRecord, error) { return b.Claimed(b.Context()) })
}

// admitted writes what was admitted, and what was not.
func (b *box) admitted(a store.Admitted) {
	b.Helper()
	b.db.record(a.Hints)
	b.db.putOverflow()
	b.Overflowed(a.Overflow)
}

// answer makes a read answer a hint.
func (b *box) answer(hints inbox.Hints, number string) {
	b.Helper()
	h, open := hints[number]
	if !open {
		b.Fatalf("%s is not open", number)
	}
	o := inbox.Outcome{Answered: []plan.Answer{{Kind: h.Kind, Number: number, Gen: h.Gen}}}
	b.db.write(b.Writes(hints, o))
	b.Wrote(hints, o)
}

// postpone makes a read postpone a hint.
func (b *box) postpone(hints inbox.Hints, number string) {
	b.Helper()
	h := hints[number]
	o := inbox.Outcome{Rereads: []plan.Reread{{Kind: h.Kind, Number: number, Gen: h.Gen, DueAt: noon.Add(time.Minute), Tries: 1}}}
	b.db.write(b.Writes(hints, o))
	b.Wrote(hints, o)
}

// left returns the rows for what the listing has not answered.
func (b *box) left() []store.HintRecord {
	b.Helper()
	rows, err := b.Left(b.Context())
	b.must(err)
	return rows.Hints
}

func (b *box) done(c *inbox.Claim) inbox.Hints {
	b.Helper()
	rows, err := b.Left(b.Context())
	b.must(err)
	b.admitted(rows)
	left, err := b.Done(b.Context(), fence)
	b.must(err)
	return left
}

func (b *box) want(what string, got inbox.Hints, numbers ...string) {
	b.Helper()
	if have := slices.Sorted(maps.Keys(got)); !slices.Equal(have, numbers) {
		b.Errorf("%s: %v, expected %v", what, have, numbers)
	}
}

func operator(number string) []store.HintRecord {
	return []store.HintRecord{{Kind: plan.KindStock, Number: number, Cause: plan.CauseOperator, At: noon}}
}

// TestIdleCostsNothing: if nothing has come and nothing is open, the database is not queried.
func TestIdleCostsNothing(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.Begin(false)
	for _, kind := range []plan.Kind{plan.KindStock, plan.KindInvoice} {
		b.all(kind)
	}
	if _, err := b.Unpack(t.Context(), fence, func() bool { return false }); err != nil {
		t.Fatal(err)
	}
	b.db.loads, b.db.counts = 0, 0
	b.db.broken = errors.New("asked")
	for range 3 {
		b.Begin(false)
		b.want("idle", b.due(plan.KindStock, inbox.WaitNot))
		b.want("idle", b.due(plan.KindInvoice, inbox.WaitNot))
		b.all(plan.KindStock)
		_, err := b.Unpack(t.Context(), fence, func() bool { return false })
		b.must(err)
	}
	if b.db.loads+b.db.counts > 0 {
		t.Errorf("%d loads, %d counts", b.db.loads, b.db.counts)
	}
	b.db.broken = nil
	b.db.record(operator("a"))
	b.Begin(true)
	b.want("noticed", b.due(plan.KindStock, inbox.WaitNot), "a")
	b.want("noticed, with what is put off", b.all(plan.KindStock), "a")
}

// TestNoticedIsQueriedOnce: if something may have come, and nothing has, a pass queries once
// for each kind.
func TestNoticedIsQueriedOnce(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.Begin(false)
	for _, kind := range []plan.Kind{plan.KindStock, plan.KindInvoice} {
		b.all(kind)
	}
	for _, first := range []func(plan.Kind) inbox.Hints{b.all, func(kind plan.Kind) inbox.Hints { return b.due(kind, inbox.WaitNot) }} {
		b.Begin(true)
		b.db.loads = 0
		for n, kind := range []plan.Kind{plan.KindStock, plan.KindInvoice} {
			b.want("nothing has come", first(kind))
			b.want("nothing is due", b.due(kind, inbox.WaitNot))
			b.want("nothing is open", b.all(kind))
			if b.db.loads != n+1 {
				t.Errorf("%s: loaded %d times", kind, b.db.loads)
			}
		}
	}
}

// TestPostponedIsLoadedAgain: a postponed hint is found when it is due.
func TestPostponedIsLoadedAgain(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.db.record(operator("a"))
	b.Begin(true)
	hints := b.due(plan.KindStock, inbox.WaitNot)
	b.postpone(hints, "a")
	b.want("dealt with", hints)
	b.Begin(false)
	b.want("not due", b.due(plan.KindStock, inbox.WaitNot))
	b.want("all", b.all(plan.KindStock), "a")
}

// TestUnpackStopsWhenEnough: a part of a burst stays in its batches.
func TestUnpackStopsWhenEnough(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	for n := range 5 {
		b.db.webhook(plan.KindStock, fmt.Sprint(n), noon)
	}
	b.Begin(true)
	_, err := b.Unpack(t.Context(), fence, func() bool { return true })
	b.must(err)
	if rows := len(b.db.rows[plan.KindStock]); rows != 2 || len(b.db.batches) != 3 {
		t.Errorf("%d rows, %d batches", rows, len(b.db.batches))
	}
	backlog, err := b.Backlog(t.Context(), 1000)
	b.must(err)
	b.want("the backlog", backlog.Items().Hints(), "2", "3", "4")
	_, err = b.Unpack(t.Context(), fence, func() bool { return false })
	b.must(err)
	if rows := len(b.db.rows[plan.KindStock]); rows != 5 || len(b.db.batches) != 0 {
		t.Errorf("%d rows, %d batches", rows, len(b.db.batches))
	}
}

// TestClaim: what becomes of claimed hints, by where they are kept and what happens to them.
//
//	kept in          happens                        at the end
//	batch            answered                       gone
//	batch            postponed                      a row, due later
//	batch            nothing                        a row, due immediately
//	row              answered                       gone
//	row              nothing                        returned by Done
//	row and batch    answered                       gone
//	row and batch    postponed                      a row that counts both, due later
//	row and batch    nothing                        a row that counts both, returned by Done
func TestClaim(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kept   string
		happen func(b *box, hints inbox.Hints)
		gen    int64 // of its row at the end; 0: it has none
		later  bool  // that is due later
		left   bool  // Done returns it
	}{
		{"batch", func(b *box, hints inbox.Hints) { b.answer(hints, "a") }, 0, false, false},
		{"batch", func(b *box, hints inbox.Hints) { b.postpone(hints, "a") }, 1, true, false},
		{"batch", func(*box, inbox.Hints) {}, 1, false, false},
		{"row", func(b *box, hints inbox.Hints) { b.answer(hints, "a") }, 0, false, false},
		{"row", func(*box, inbox.Hints) {}, 1, false, true},
		{"row and batch", func(b *box, hints inbox.Hints) { b.answer(hints, "a") }, 0, false, false},
		{"row and batch", func(b *box, hints inbox.Hints) { b.postpone(hints, "a") }, 2, true, false},
		{"row and batch", func(*box, inbox.Hints) {}, 2, false, true},
	} {
		b := newBox(t)
		if c.kept != "batch" {
			b.db.record(operator("a"))
		}
		if c.kept != "row" {
			b.db.webhook(plan.KindStock, "a", noon)
		}
		b.Begin(true)
		claim := b.claimed()
		if got := claim.Hints()["a"]; c.kept == "row and batch" && (got.Webhooks != 1 || got.Cause != plan.CauseWebhook || !got.WebhookAt.Equal(noon)) {
			t.Errorf("%s: the webhook is not claimed: %+v", c.kept, got)
		}
		c.happen(b, claim.Hints())
		_, left := b.done(claim)["a"]
		row := b.db.rows[plan.KindStock]["a"]
		if row.Gen != c.gen || row.DueAt.After(noon) != c.later || left != c.left || len(b.db.batches) != 0 {
			t.Errorf("%s: row %+v, returned %t, %d batches; expected generation %d, due later %t, returned %t", c.kept, row, left, len(b.db.batches), c.gen, c.later, c.left)
		}
	}
}

// TestClaimedIsNotHandedOut: during a listing only what was hinted again is read, and the
// listing need not answer what that read answers.
func TestClaimedIsNotHandedOut(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.db.record(slices.Concat(operator("a"), operator("b")))
	b.db.webhook(plan.KindStock, "c", noon)
	b.db.webhook(plan.KindStock, "d", noon)
	b.Begin(true)
	claim := b.claimed()
	b.want("claimed", claim.Hints(), "a", "b", "c", "d")
	b.want("beside it", b.due(plan.KindStock, inbox.WaitNot))
	b.db.record(slices.Concat(operator("b"), operator("c")))
	b.Begin(true)
	beside := b.due(plan.KindStock, inbox.WaitNot)
	b.want("beside it", beside, "b", "c")
	if c := beside["c"]; c.Webhooks != 1 || c.Gen != 2 || c.Cause != plan.CauseWebhook {
		t.Errorf("the webhook is not claimed: %+v", c)
	}
	b.answer(beside, "b")
	b.answer(beside, "c")
	b.want("claimed", claim.Hints(), "a", "d")
	b.answer(claim.Hints(), "d")
	b.want("said nothing about", b.done(claim), "a")
	b.want("open", b.db.rows[plan.KindStock], "a")
	if len(b.db.batches) != 0 {
		t.Errorf("%d batches", len(b.db.batches))
	}
}

// TestPostponedDuringAClaim: a claimed webhook is not lost if the number's row is postponed.
func TestPostponedDuringAClaim(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.db.webhook(plan.KindStock, "a", noon)
	b.Begin(true)
	claim := b.claimed()
	b.db.record(operator("a"))
	b.Begin(true)
	b.postpone(b.due(plan.KindStock, inbox.WaitNot), "a")
	b.done(claim)
	if row := b.db.rows[plan.KindStock]["a"]; row.Webhooks != 1 || row.Gen != 2 {
		t.Errorf("%+v", row)
	}
}

// TestWaits: hints wait for a listing as requested, and counting suffices to decide.
func TestWaits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wait  inbox.Wait
		more  bool // than are claimed
		reads bool
	}{
		{inbox.WaitNot, false, true}, {inbox.WaitNot, true, true},
		{inbox.WaitFewer, false, false}, {inbox.WaitFewer, true, true},
		{inbox.WaitForEnd, false, false}, {inbox.WaitForEnd, true, false},
	} {
		b := newBox(t)
		b.db.record(operator("a"))
		b.Begin(true)
		b.claimed()
		if c.more {
			b.db.record(operator("b"))
		}
		b.Begin(true)
		b.db.loads = 0
		b.due(plan.KindStock, c.wait)
		if reads := b.db.loads > 0; reads != c.reads {
			t.Errorf("wait %d, more %t: reads %t", c.wait, c.more, reads)
		}
	}
}

// TestReleased: a released claim leaves its webhooks to be unpacked.
func TestReleased(t *testing.T) {
	t.Parallel()
	for _, giveUp := range []func(*box){func(b *box) { b.Release() }, func(b *box) { b.Forget(false, false) }} {
		b := newBox(t)
		b.db.webhook(plan.KindStock, "a", noon)
		b.db.webhook(plan.KindInvoice, "7", noon)
		b.Begin(true)
		b.claimed()
		b.want("invoices have rows", b.db.rows[plan.KindInvoice], "7")
		giveUp(b)
		b.Begin(false)
		_, err := b.Unpack(t.Context(), fence, func() bool { return false })
		b.must(err)
		b.want("unpacked", b.due(plan.KindStock, inbox.WaitNot), "a")
		if left, err := b.Done(t.Context(), fence); err != nil || left != nil {
			t.Errorf("done: %v, %v", left, err)
		}
	}
}

// TestClaimedBatchesStay: while a listing claims batches, only later ones are unpacked, and no
// further ones are claimed.
func TestClaimedBatchesStay(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.db.webhook(plan.KindStock, "a", noon)
	b.Begin(true)
	claim := b.claimed()
	b.db.webhook(plan.KindStock, "b", noon)
	b.Begin(true)
	backlog, err := b.Backlog(t.Context(), 1000)
	b.must(err)
	if !backlog.Empty() {
		t.Error("more is claimed")
	}
	_, err = b.Unpack(t.Context(), fence, func() bool { return false })
	b.must(err)
	b.want("unpacked", b.due(plan.KindStock, inbox.WaitNot), "b")
	b.answer(claim.Hints(), "a")
	b.done(claim)
	b.want("rows", b.db.rows[plan.KindStock], "b")
}

// TestPeek: Peek finds hints wherever they are kept.
func TestPeek(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.db.record(slices.Concat(operator("a"), operator("b")))
	b.db.webhook(plan.KindStock, "b", noon)
	b.db.webhook(plan.KindStock, "c", noon)
	hints, err := inbox.Peek(t.Context(), b.db, "shop1", plan.KindStock)
	b.must(err)
	b.want("open", hints, "a", "b", "c")
	if h := hints["b"]; h.Webhooks != 1 || !h.WebhookAt.Equal(noon) || h.Cause != plan.CauseOperator {
		t.Errorf("the webhook in a batch is not counted in addition to the row: %+v", h)
	}
}

// unpacking is a database whose webhooks a pass unpacks between two queries.
type unpacking struct{ *fake }

func (u unpacking) OpenHints(ctx context.Context, shop string, kind plan.Kind, due store.Due) (map[string]plan.Hint, error) {
	hints, err := u.fake.OpenHints(ctx, shop, kind, due)
	_, unpacked := u.Unpack(ctx, fence(), 0, len(u.batches), options.Caps)
	return hints, errors.Join(err, unpacked)
}

func (u unpacking) EachOpenHint(ctx context.Context, shop string, kind plan.Kind, due store.Due, limit int) iter.Seq2[plan.Hint, error] {
	return each(limit, func() (map[string]plan.Hint, error) { return u.OpenHints(ctx, shop, kind, due) })
}

func (u unpacking) Packed(ctx context.Context, shop string, most int) (store.Packed, error) {
	p, err := u.fake.Packed(ctx, shop, most)
	_, unpacked := u.Unpack(ctx, fence(), 0, len(u.batches), options.Caps)
	return p, errors.Join(err, unpacked)
}

// TestPeekWhileUnpacked: what is unpacked between the two queries is seen twice, not missed.
func TestPeekWhileUnpacked(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.db.webhook(plan.KindStock, "a", noon)
	hints, err := inbox.Peek(t.Context(), unpacking{b.db}, "shop1", plan.KindStock)
	b.must(err)
	b.want("open", hints, "a")
}

// TestNothingIsLost: whatever happens, in any order, a hinted number stays open somewhere, or
// marked, until something loaded after its last hint has answered it.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		o := options
		o.Caps.Unknown = rapid.SampledFrom([]int{1, 2, 1000}).Draw(rt, "cap")
		b := newBoxOf(t, o)
		clock, claim := noon, (*inbox.Claim)(nil)
		last, loaded := map[string]time.Time{}, time.Time{}
		answered := map[string]time.Time{} // when its answer was loaded
		number := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		deal := func(hints inbox.Hints, loaded time.Time) {
			for _, n := range slices.Sorted(maps.Keys(hints)) {
				switch rapid.IntRange(0, 2).Draw(rt, "deal") {
				case 0:
					b.answer(hints, n)
					answered[n] = loaded
				case 1:
					b.postpone(hints, n)
				}
			}
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			clock = clock.Add(time.Millisecond)
			switch rapid.IntRange(0, 6).Draw(rt, "step") {
			case 0, 1:
				n := number.Draw(rt, "webhook")
				b.db.webhook(plan.KindStock, n, clock)
				last[n] = clock
				b.Begin(true)
			case 2:
				n := number.Draw(rt, "operator")
				b.db.record(operator(n))
				last[n] = clock
				b.Begin(true)
			case 3:
				_, err := b.Unpack(t.Context(), fence, func() bool { return rapid.Bool().Draw(rt, "enough") })
				b.must(err)
			case 4:
				deal(b.due(plan.KindStock, inbox.WaitNot), clock)
			case 5:
				if claim == nil {
					claim, loaded = b.claimed(), clock
				} else {
					deal(claim.Hints(), loaded)
				}
			case 6:
				if claim != nil && rapid.Bool().Draw(rt, "done") {
					deal(b.done(claim), loaded)
					for _, n := range b.db.unmarked {
						if loaded.After(answered[n]) {
							answered[n] = loaded
						}
					}
					b.db.unmarked = nil
				} else {
					b.Release()
				}
				claim = nil
			}
			open, err := inbox.Peek(t.Context(), b.db, "shop1", plan.KindStock)
			b.must(err)
			for _, m := range b.db.marks[plan.KindStock] {
				for _, n := range m.numbers {
					open[n] = plan.Hint{}
				}
			}
			for n, at := range last {
				if _, is := open[n]; !is && answered[n].Before(at) {
					rt.Fatalf("%s was hinted at %s and is not open; its answer was loaded at %s", n, at, answered[n])
				}
			}
		}
	})
}
