package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/store"
)

// strict is a fake that checks for whom and how it is called.
type strict struct {
	*fake
	t          *testing.T
	unreadable []error // of the next Unpack
}

var shopFence = store.Fence{Shop: "shop1", Token: 3, Seq: 4}

func (s *strict) check(what, shop string) {
	s.t.Helper()
	if shop != "shop1" {
		s.t.Errorf("%s of shop %q", what, shop)
	}
}

func (s *strict) OpenHints(ctx context.Context, shop string, kind plan.Kind, due store.Due) (map[string]plan.Hint, error) {
	s.check("the open hints", shop)
	return s.fake.OpenHints(ctx, shop, kind, due)
}

func (s *strict) EachOpenHint(ctx context.Context, shop string, kind plan.Kind, due store.Due, limit int) iter.Seq2[plan.Hint, error] {
	return each(limit, func() (map[string]plan.Hint, error) { return s.OpenHints(ctx, shop, kind, due) })
}

func (s *strict) CountOpenHints(ctx context.Context, shop string, due store.Due) (int, error) {
	s.check("the number of open hints", shop)
	return s.fake.CountOpenHints(ctx, shop, due)
}

func (s *strict) Packed(ctx context.Context, shop string, most int) (store.Packed, error) {
	s.check("the batches", shop)
	return s.fake.Packed(ctx, shop, most)
}

func (s *strict) Marks(ctx context.Context, shop string, kind plan.Kind) ([]int64, error) {
	s.check("the marks", shop)
	return s.fake.Marks(ctx, shop, kind)
}

func (s *strict) Admit(ctx context.Context, shop string, in store.Datasets, caps store.Caps, hints []store.HintRecord) (store.Admitted, error) {
	if s.check("further hints", shop); in != options.Datasets {
		s.t.Errorf("admitted to %+v", in)
	}
	return s.fake.Admit(ctx, shop, in, caps, hints)
}

func (s *strict) Unpack(ctx context.Context, f store.Fence, after int64, least int, caps store.Caps) (store.Unpacked, error) {
	if f != shopFence || least != 2 {
		s.t.Errorf("unpacked under %+v, at least %d hints", f, least)
	}
	u, err := s.fake.Unpack(ctx, f, after, least, caps)
	u.Unreadable, s.unreadable = s.unreadable, nil
	return u, err
}

func (s *strict) Forget(ctx context.Context, f store.Fence, batches, marks []int64) error {
	if f != shopFence {
		s.t.Errorf("deleted under %+v", f)
	}
	return s.fake.Forget(ctx, f, batches, marks)
}

// newStrict returns a box on a strict fake that knows that nothing is open.
func newStrict(t *testing.T) (*box, *strict) {
	t.Helper()
	f := newFake()
	db := &strict{fake: f, t: t}
	b := &box{t, inbox.New(db, "shop1", options), f}
	b.unpack(nil)
	b.all(plan.KindStock)
	b.all(plan.KindInvoice)
	b.Begin(false)
	b.mayHave("nothing is open", false, false)
	return b, db
}

func (b *box) unpack(enough func() bool) (unreadable []error) {
	b.Helper()
	if enough == nil {
		enough = func() bool { return false }
	}
	u, err := b.Unpack(b.Context(), func() store.Fence { return shopFence }, enough)
	b.must(err)
	return u.Unreadable
}

func (b *box) mayHave(when string, items, invoices bool) {
	b.Helper()
	if gotItems, gotInvoices := b.MayHave(plan.KindStock), b.MayHave(plan.KindInvoice); gotItems != items || gotInvoices != invoices {
		b.Errorf("%s: items may be hinted: %t, invoices: %t, expected %t and %t", when, gotItems, gotInvoices, items, invoices)
	}
}

// TestWrites: an answered hint without a row needs nothing, one to be reread gets a row with
// everything that is known of it, and those with rows are passed on.
func TestWrites(t *testing.T) {
	t.Parallel()
	b, _ := newStrict(t)
	hints := inbox.Hints{
		"packed": {Kind: plan.KindStock, Number: "packed", Cause: plan.CauseWebhook, FirstAt: noon.Add(-time.Minute), WebhookAt: noon, Webhooks: 3},
		"gone":   {Kind: plan.KindStock, Number: "gone", Cause: plan.CauseWebhook, FirstAt: noon, WebhookAt: noon, Webhooks: 1},
		"row":    {Kind: plan.KindStock, Number: "row", Gen: 2, Cause: plan.CauseOperator},
		"done":   {Kind: plan.KindStock, Number: "done", Gen: 5, Cause: plan.CauseWebhook, Webhooks: 5},
	}
	again := plan.Reread{Kind: plan.KindStock, Number: "packed", DueAt: noon.Add(time.Hour), Tries: 2, Failures: 3, Refused: true, Reason: "why", Note: "note"}
	row := plan.Reread{Kind: plan.KindStock, Number: "row", Gen: 2, DueAt: noon, Tries: 1}
	done := plan.Answer{Kind: plan.KindStock, Number: "done", Gen: 5, Note: "seen"}
	got := b.Writes(hints, inbox.Outcome{Rereads: []plan.Reread{again, row}, Answered: []plan.Answer{{Kind: plan.KindStock, Number: "gone"}, done}})
	want := inbox.Writes{Answered: []plan.Answer{done}, Rereads: []plan.Reread{row}, Records: []store.HintRecord{{Shop: "shop1", Kind: plan.KindStock, Number: "packed",
		Cause: plan.CauseWebhook, At: noon, FirstAt: noon.Add(-time.Minute), DueAt: noon.Add(time.Hour), Tries: 2, Failures: 3, Reason: "why", Note: "note", More: 2}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPieces: hints with rows are yielded in order of their numbers, a transaction's worth at a
// time.
func TestPieces(t *testing.T) {
	t.Parallel()
	hints := inbox.Hints{"packed": {Number: "packed", Tries: 1}, "other": {Number: "other", Gen: 1}}
	var want [][]string
	for n := range 2*store.RowsPerPiece + 1 {
		number := fmt.Sprintf("%05d", n)
		hints[number] = plan.Hint{Number: number, Gen: 1, Tries: 1}
		if n%store.RowsPerPiece == 0 {
			want = append(want, nil)
		}
		want[len(want)-1] = append(want[len(want)-1], number)
	}
	var got [][]string
	for piece := range hints.Pieces(func(h plan.Hint) bool { return h.Tries > 0 }) {
		var numbers []string
		for _, h := range piece {
			numbers = append(numbers, h.Number)
		}
		got = append(got, numbers)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestRowAndBatch: a hint of a row and of webhooks in batches has the webhooks of both, since the
// first of both, with the last webhook of both. It stays a person's.
func TestRowAndBatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ first, webhook, wantFirst, wantWebhook time.Duration }{
		{-time.Minute, -time.Minute, -time.Minute, 0},
		{time.Minute, time.Minute, 0, time.Minute},
	} {
		b, db := newStrict(t)
		db.rows[plan.KindStock]["a"] = plan.Hint{Kind: plan.KindStock, Number: "a", Gen: 4, Cause: plan.CauseOperator, FirstAt: noon.Add(c.first), WebhookAt: noon.Add(c.webhook), Webhooks: 2, Tries: 1}
		db.webhook(plan.KindStock, "a", noon)
		db.webhook(plan.KindInvoice, "7", noon)
		got, err := inbox.Peek(t.Context(), db, "shop1", plan.KindStock)
		b.must(err)
		want := inbox.Hints{"a": {Kind: plan.KindStock, Number: "a", Gen: 4, Cause: plan.CauseOperator, FirstAt: noon.Add(c.wantFirst), WebhookAt: noon.Add(c.wantWebhook), Webhooks: 3, Tries: 1}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// TestLastWebhookOfAClaim: WebhookAt is that of the last webhook, whether it has a row or not.
func TestLastWebhookOfAClaim(t *testing.T) {
	t.Parallel()
	b, db := newStrict(t)
	db.record(operator("a"))
	db.webhook(plan.KindStock, "b", noon.Add(time.Minute))
	db.webhook(plan.KindStock, "c", noon)
	b.Begin(true)
	claim := b.claimed()
	if at := claim.WebhookAt(); !at.Equal(noon.Add(time.Minute)) {
		t.Errorf("the last webhook came at %s", at)
	}
	for _, number := range []string{"b", "c"} {
		b.answer(claim.Hints(), number)
	}
	if at := claim.WebhookAt(); !at.IsZero() {
		t.Errorf("without webhooks, the last came at %s", at)
	}
}

// TestWhatMayBeOpen: whatever opens or postpones hints of a kind is remembered in later passes.
func TestWhatMayBeOpen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		happen          func(b *box)
		items, invoices bool
	}{
		{"nothing", func(*box) {}, false, false},
		{"a pass finds nothing", func(b *box) {
			b.Begin(true)
			b.unpack(nil)
			b.due(plan.KindStock, inbox.WaitNot)
			b.due(plan.KindInvoice, inbox.WaitNot)
		}, false, false},
		{"webhooks are unpacked", func(b *box) {
			b.Begin(true)
			b.db.webhook(plan.KindStock, "a", noon)
			b.unpack(nil)
		}, true, true},
		{"an item is postponed", func(b *box) {
			b.Wrote(inbox.Hints{}, inbox.Outcome{Rereads: []plan.Reread{{Kind: plan.KindStock, Number: "a", Gen: 1}}})
		}, true, false},
		{"an invoice is postponed", func(b *box) {
			b.Wrote(inbox.Hints{}, inbox.Outcome{Rereads: []plan.Reread{{Kind: plan.KindInvoice, Number: "7", Gen: 1}}})
		}, false, true},
		{"an item is answered", func(b *box) {
			b.Wrote(inbox.Hints{}, inbox.Outcome{Answered: []plan.Answer{{Kind: plan.KindStock, Number: "a", Gen: 1}}})
		}, false, false},
		{"all is forgotten", func(b *box) { b.Forget(false, false) }, true, true},
		{"an invoice's webhook is claimed", func(b *box) {
			b.db.webhook(plan.KindInvoice, "7", noon)
			b.Begin(true)
			backlog, err := b.Backlog(b.Context(), 1000)
			b.must(err)
			_, err = b.Claim(b.Context(), backlog)
			b.must(err)
			b.Begin(false)
		}, false, true},
		{"a listing answers all it claimed", func(b *box) {
			b.db.webhook(plan.KindStock, "a", noon)
			b.Begin(true)
			claim := b.claimed()
			b.answer(claim.Hints(), "a")
			_, err := b.Done(b.Context(), func() store.Fence { return shopFence })
			b.must(err)
		}, false, false},
		{"a listing does not answer what it claimed", func(b *box) {
			b.db.webhook(plan.KindStock, "a", noon)
			b.Begin(true)
			b.claimed()
			_, err := b.Done(b.Context(), func() store.Fence { return shopFence })
			b.must(err)
		}, true, false},
	} {
		b, _ := newStrict(t)
		c.happen(b)
		b.Begin(false)
		b.mayHave(c.name, c.items, c.invoices)
	}
}

// TestUnreadableBatches: Unpack returns the errors of all batches that it set aside, also if it
// then fails.
func TestUnreadableBatches(t *testing.T) {
	t.Parallel()
	b, db := newStrict(t)
	for n := range 5 {
		db.webhook(plan.KindStock, fmt.Sprint(n), noon)
	}
	b.Begin(true)
	first, second := errors.New("first"), errors.New("second")
	db.unreadable = []error{first}
	calls := 0
	got := b.unpack(func() bool {
		if calls++; calls == 1 {
			db.unreadable = []error{second}
		}
		return calls == 2
	})
	if len(got) != 2 || !errors.Is(got[0], first) || !errors.Is(got[1], second) {
		t.Errorf("%v are unreadable", got)
	}
	db.unreadable = []error{first}
	db.webhook(plan.KindStock, "x", noon)
	db.webhook(plan.KindStock, "y", noon)
	down := errors.New("down")
	u, err := b.Unpack(t.Context(), func() store.Fence { return shopFence }, func() bool { db.broken = down; return false })
	if len(u.Unreadable) != 1 || !errors.Is(err, down) {
		t.Errorf("%v are unreadable, then %v", u.Unreadable, err)
	}
	db.broken = nil
	b.unpack(nil) // what is left
	b.want("unpacked", db.rows[plan.KindStock], "0", "1", "2", "3", "4", "x", "y")
}

// TestDatabaseDown: an error is returned, and afterwards everything is found as if it had not
// been.
func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	b, db := newStrict(t)
	fence := func() store.Fence { return shopFence }
	fails := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, down) {
			t.Errorf("%s: %v", what, err)
		}
	}
	during := func(call func() error) error {
		db.broken = down
		defer func() { db.broken = nil }()
		return call()
	}
	db.record(operator("a"))
	b.Begin(true)
	fails("due", during(func() error {
		_, _, err := b.Inbox.Due(t.Context(), plan.KindStock, due(), inbox.WaitNot, 0)
		return err
	}))
	fails("all", during(func() error { _, _, err := b.loadAll(plan.KindStock); return err }))
	db.rows[plan.KindStock] = map[string]plan.Hint{}
	fails("due, with nothing read", during(func() error {
		_, _, err := b.Inbox.Due(t.Context(), plan.KindStock, due(), inbox.WaitNot, 0)
		return err
	}))
	fails("all, with nothing read", during(func() error { _, _, err := b.loadAll(plan.KindStock); return err }))
	db.record(operator("a"))
	b.want("then due", b.due(plan.KindStock, inbox.WaitNot), "a")
	fails("peek", during(func() error { _, err := inbox.Peek(t.Context(), db, "shop1", plan.KindStock); return err }))
	fails("peek, at first", func() error {
		_, err := inbox.Peek(t.Context(), unpacked{db, down}, "shop1", plan.KindStock)
		return err
	}())
	fails("peek, later", func() error {
		_, err := inbox.Peek(t.Context(), breaking{db, down}, "shop1", plan.KindStock)
		return err
	}())
	db.broken = nil
	db.webhook(plan.KindStock, "b", noon)
	fails("unpack", during(func() error { _, err := b.Unpack(t.Context(), fence, func() bool { return true }); return err }))
	fails("backlog", during(func() error { _, err := b.Backlog(t.Context(), 1000); return err }))
	backlog, err := b.Backlog(t.Context(), 1000)
	b.must(err)
	_, err = b.Claim(b.Context(), backlog)
	b.must(err)
	fails("claimed", during(func() error { _, _, err := b.Claimed(t.Context()); return err }))
	claim, _, err := b.Claimed(t.Context())
	b.must(err)
	b.want("then claimed", claim.Hints(), "a", "b")
	fails("due beside a listing", during(func() error {
		_, _, err := b.Inbox.Due(t.Context(), plan.KindStock, due(), inbox.WaitFewer, 0)
		return err
	}))
	b.answer(claim.Hints(), "b")
	fails("done", during(func() error { _, err := b.Done(t.Context(), fence); return err }))
	left, err := b.Done(t.Context(), fence)
	b.must(err)
	b.want("then left", left, "a")
	if len(db.batches) > 0 {
		t.Error("a batch is left")
	}
	if left, err := b.Done(t.Context(), fence); left != nil || err != nil {
		t.Errorf("done again: %v, %v", left, err)
	}
	db.webhook(plan.KindStock, "c", noon)
	b.Begin(true)
	if backlog, err := b.Backlog(t.Context(), 1000); err != nil || backlog.Empty() {
		t.Errorf("after the claim has ended nothing can be claimed: %v", err)
	}
}

// unpacked is a database whose batches cannot be read.
type unpacked struct {
	*strict
	err error
}

func (u unpacked) Packed(context.Context, string, int) (store.Packed, error) {
	return store.Packed{}, u.err
}

// breaking is a database whose rows cannot be read.
type breaking struct {
	*strict
	err error
}

func (u breaking) EachOpenHint(ctx context.Context, shop string, kind plan.Kind, due store.Due, limit int) iter.Seq2[plan.Hint, error] {
	return each(limit, func() (map[string]plan.Hint, error) { return u.OpenHints(ctx, shop, kind, due) })
}

func (u breaking) OpenHints(context.Context, string, plan.Kind, store.Due) (map[string]plan.Hint, error) {
	return nil, u.err
}

// TestUnknownState: of a new inbox, anything may be open, also webhooks in batches.
func TestUnknownState(t *testing.T) {
	t.Parallel()
	f := newFake()
	b := &box{t, inbox.New(f, "shop1", options), f}
	b.mayHave("when it is new", true, true)
	f.webhook(plan.KindStock, "a", noon)
	b.Begin(false)
	b.unpack(nil)
	b.want("unpacked", f.rows[plan.KindStock], "a")
	f.rows[plan.KindInvoice]["7"] = plan.Hint{Kind: plan.KindInvoice, Number: "7", Gen: 1}
	b.answer(b.all(plan.KindStock), "a")
	b.all(plan.KindStock)
	b.mayHave("once the items are known", false, true)
	b.want("invoices", b.due(plan.KindInvoice, inbox.WaitNot), "7")
}

// TestAllOfAClaim: a read of everything finds what a listing has claimed, though nothing else may
// be open.
func TestAllOfAClaim(t *testing.T) {
	t.Parallel()
	b, db := newStrict(t)
	db.webhook(plan.KindStock, "a", noon)
	b.Begin(true)
	b.claimed()
	b.Begin(false)
	b.mayHave("after the claim", false, false)
	b.want("all", b.all(plan.KindStock), "a")
}

// TestUncounted: a row that appears beside a claimed webhook has to count it, and then the
// listing need not answer it.
func TestUncounted(t *testing.T) {
	t.Parallel()
	b, db := newStrict(t)
	db.webhook(plan.KindStock, "a", noon)
	db.webhook(plan.KindStock, "b", noon.Add(time.Minute))
	b.Begin(true)
	claim := b.claimed()
	db.record(operator("a"))
	b.Begin(true)
	hints, uncounted, err := b.Inbox.Due(t.Context(), plan.KindStock, due(), inbox.WaitNot, 0)
	b.must(err)
	record := store.HintRecord{Shop: "shop1", Kind: plan.KindStock, Number: "a", Cause: plan.CauseWebhook, At: noon, FirstAt: noon}
	if diff := cmp.Diff([]store.HintRecord{record}, uncounted); diff != "" || hints != nil {
		t.Errorf("due %v, uncounted:\n%s", hints, diff)
	}
	db.record(uncounted)
	b.Counted(uncounted)
	b.want("claimed", claim.Hints(), "b")
	record.Number, record.At, record.FirstAt = "b", noon.Add(time.Minute), noon.Add(time.Minute)
	if diff := cmp.Diff([]store.HintRecord{record}, b.left()); diff != "" {
		t.Error(diff)
	}
	b.want("due", b.due(plan.KindStock, inbox.WaitNot), "a")
}

// TestWaitFewer: hints wait for a listing while it will answer as many as are due. Neither
// claimed ones that are not due, nor those in batches, count.
func TestWaitFewer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		claims func(b *box)
		comes  func(b *box)
		want   []string // nil: it waits
	}{
		{"none", func(*box) {}, func(*box) {}, nil},
		{"no other", func(b *box) { b.db.record(operator("a")) }, func(*box) {}, nil},
		{"another", func(b *box) { b.db.record(operator("a")) }, func(b *box) { b.db.record(operator("b")) }, []string{"b"}},
		{"another, beside a packed one", func(b *box) { b.db.webhook(plan.KindStock, "a", noon) }, func(b *box) { b.db.record(operator("b")) }, []string{"b"}},
		{"another, beside a later one", func(b *box) {
			b.db.record([]store.HintRecord{{Kind: plan.KindStock, Number: "a", Cause: plan.CauseOperator, At: noon, DueAt: noon.Add(time.Minute)}})
		}, func(b *box) { b.db.record(operator("b")) }, []string{"b"}},
		{"another that is not due", func(*box) {}, func(b *box) {
			b.db.record([]store.HintRecord{{Kind: plan.KindStock, Number: "b", Cause: plan.CauseOperator, At: noon, DueAt: noon.Add(time.Minute)}})
		}, nil},
	} {
		b, _ := newStrict(t)
		c.claims(b)
		b.Begin(true)
		b.claimed()
		c.comes(b)
		b.Begin(true)
		b.db.loads = 0
		b.want(c.name, b.due(plan.KindStock, inbox.WaitFewer), c.want...)
		if (b.db.loads > 0) != (c.want != nil) {
			t.Errorf("%s: loaded %d times", c.name, b.db.loads)
		}
	}
}

// TestLimitBesideAClaim: hints that a listing has claimed take no room from the new ones that are
// loaded up to a limit.
func TestLimitBesideAClaim(t *testing.T) {
	t.Parallel()
	b, _ := newStrict(t)
	for _, number := range []string{"a", "b", "c"} {
		b.db.record(operator(number))
	}
	b.Begin(true)
	b.claimed()
	b.db.record([]store.HintRecord{{Kind: plan.KindStock, Number: "new", Cause: plan.CauseOperator, At: noon, DueAt: noon}}) // after the others
	b.Begin(true)
	hints, uncounted, err := b.Due(t.Context(), plan.KindStock, due(), inbox.WaitNot, 2)
	b.must(err)
	b.want("with a limit", hints, "new")
	if len(uncounted) > 0 {
		t.Errorf("uncounted: %v", uncounted)
	}
}

// TestInvoicesBesideAClaim: a claim of items changes nothing for invoices of the same numbers.
func TestInvoicesBesideAClaim(t *testing.T) {
	t.Parallel()
	b, db := newStrict(t)
	invoice := store.HintRecord{Kind: plan.KindInvoice, Number: "7", Cause: plan.CauseOperator, At: noon}
	db.record(operator("7"))
	db.webhook(plan.KindStock, "8", noon)
	db.webhook(plan.KindStock, "9", noon)
	b.Begin(true)
	claim := b.claimed()
	other := invoice
	other.Number = "8"
	db.record([]store.HintRecord{invoice, other})
	b.Begin(true)
	hints := b.due(plan.KindInvoice, inbox.WaitForEnd)
	b.want("due", hints, "7", "8")
	b.want("all", b.all(plan.KindInvoice), "7", "8")
	b.answer(hints, "7")
	b.postpone(hints, "8")
	b.want("still claimed", claim.Hints(), "7", "8", "9")
	b.want("all of the items", b.all(plan.KindStock), "7", "8", "9")
}

// TestOlderAnswer: what an older read answers stays claimed if it was hinted since.
func TestOlderAnswer(t *testing.T) {
	t.Parallel()
	b, db := newStrict(t)
	db.record(operator("a"))
	b.Begin(true)
	before := b.due(plan.KindStock, inbox.WaitNot)
	db.record(operator("a"))
	claim := b.claimed()
	old := inbox.Outcome{Answered: []plan.Answer{{Kind: plan.KindStock, Number: "a", Gen: 1}}}
	b.Wrote(before, old)
	b.want("of that read", before)
	b.want("of the listing", claim.Hints(), "a")
	b.Wrote(inbox.Hints{}, inbox.Outcome{Rereads: []plan.Reread{{Kind: plan.KindStock, Number: "a", Gen: 1}}})
	b.want("of the listing, postponed", claim.Hints(), "a")
	b.Wrote(inbox.Hints{}, inbox.Outcome{Rereads: []plan.Reread{{Kind: plan.KindStock, Number: "a", Gen: 2}}})
	b.want("of the listing, postponed since", claim.Hints())
}

// TestEmptyBacklog: a claim of no batches leaves those that come during the pass to be unpacked,
// and so does its end.
func TestEmptyBacklog(t *testing.T) {
	t.Parallel()
	for _, ends := range []func(b *box){func(*box) {}, func(b *box) { b.Release() }} {
		b, db := newStrict(t)
		b.Begin(true)
		b.claimed()
		db.webhook(plan.KindStock, "a", noon)
		ends(b)
		b.unpack(nil)
		b.want("unpacked", db.rows[plan.KindStock], "a")
	}
}
