package inbox_test

import (
	"slices"
	"testing"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/store"
)

// newCapped returns a box on a strict fake whose shop may have so many open hints of a kind.
func newCapped(t *testing.T, most int) (*box, *strict) {
	t.Helper()
	o := options
	o.Caps.Unknown, o.Caps.Invoices, o.Caps.OldInvoices, o.Caps.FirstInvoice = most, most, 0, 100
	f := newFake()
	db := &strict{fake: f, t: t}
	return &box{t, inbox.New(db, "shop1", o), f}, db
}

func (b *box) marked(when string, kind plan.Kind, want bool, marks ...[]string) {
	b.Helper()
	if got := b.Marked(kind); got != want {
		b.Errorf("%s: %s marked: %t, expected %t", when, kind, got, want)
	}
	var got [][]string
	for _, m := range b.db.marks[kind] {
		got = append(got, m.numbers)
	}
	if !slices.EqualFunc(got, marks, slices.Equal) {
		b.Errorf("%s: marks of %s for %v, expected %v", when, kind, got, marks)
	}
}

// strictlyDone ends the claim of a listing that has been stored.
func (b *box) strictlyDone() {
	b.Helper()
	rows, err := b.Left(b.Context())
	b.must(err)
	b.admitted(rows)
	_, err = b.Done(b.Context(), func() store.Fence { return shopFence })
	b.must(err)
}

// TestMarkOutlivesSweep: a listing deals with the marks that stood before its first page. What
// overflows later makes a mark of its own, which stays.
func TestMarkOutlivesSweep(t *testing.T) {
	t.Parallel()
	b, db := newCapped(t, 1)
	for _, n := range []string{"a", "b", "c"} {
		db.webhook(plan.KindStock, n, noon)
	}
	u, err := b.Unpack(t.Context(), func() store.Fence { return shopFence }, func() bool { return false })
	b.must(err)
	if u.Marked != 2 || u.TooOld != 0 {
		t.Errorf("%+v", u)
	}
	b.marked("one mark for both transactions", plan.KindStock, true, []string{"b", "c"})
	claim := b.claimed()
	if !claim.Marked() {
		t.Error("the claim has no mark")
	}
	b.marked("claimed", plan.KindStock, true, []string{"b", "c"})
	db.webhook(plan.KindStock, "d", noon)
	b.Begin(true)
	b.unpack(nil)
	b.marked("further ones", plan.KindStock, true, []string{"b", "c"}, []string{"d"})
	b.answer(claim.Hints(), "a")
	b.strictlyDone()
	b.marked("done", plan.KindStock, true, []string{"d"})
	b.claimed()
	b.strictlyDone()
	b.marked("the next one done", plan.KindStock, false)
	if claim = b.claimed(); claim.Marked() {
		t.Error("marked for nothing")
	}
}

// TestReleasedMarkStays: a listing that is given up leaves its marks, also to the next holder.
func TestReleasedMarkStays(t *testing.T) {
	t.Parallel()
	b, db := newCapped(t, 0)
	db.webhook(plan.KindStock, "a", noon)
	b.unpack(nil)
	b.claimed()
	b.Release()
	b.marked("released", plan.KindStock, true, []string{"a"})
	claim := b.claimed()
	if !claim.Marked() {
		t.Error("lost when released")
	}
	b.Forget(true, false)
	b.marked("forgotten", plan.KindStock, true, []string{"a"})
	b.marked("forgotten", plan.KindInvoice, false)
	b.Forget(false, true)
	b.marked("another's", plan.KindStock, false, []string{"a"})
	b.marked("another's", plan.KindInvoice, true)
}

// TestTakenMarks: a sweep of the invoices takes their marks, and leaves them if it fails.
func TestTakenMarks(t *testing.T) {
	t.Parallel()
	b, db := newCapped(t, 0)
	if marks, err := b.TakeMarks(t.Context(), plan.KindInvoice); err != nil || len(marks) != 0 || db.counts != 0 {
		t.Errorf("an unmarked shop: %v, %v, %d queries", marks, err, db.counts)
	}
	db.webhook(plan.KindInvoice, "100", noon)
	db.webhook(plan.KindInvoice, "7", noon)
	u, err := b.Unpack(t.Context(), func() store.Fence { return shopFence }, func() bool { return false })
	b.must(err)
	if u.Marked != 1 || u.TooOld != 1 {
		t.Errorf("%+v", u)
	}
	b.marked("unpacked", plan.KindInvoice, true, []string{"100"})
	b.marked("unpacked", plan.KindStock, false)
	marks, err := b.TakeMarks(t.Context(), plan.KindInvoice)
	if err != nil || len(marks) != 1 {
		t.Errorf("took %v, %v", marks, err)
	}
	b.marked("taken", plan.KindInvoice, false, []string{"100"})
	db.webhook(plan.KindInvoice, "101", noon)
	b.Begin(true)
	b.unpack(nil)
	b.marked("after that", plan.KindInvoice, true, []string{"100"}, []string{"101"})
	b.Remark(plan.KindInvoice)
	if marks, err = b.TakeMarks(t.Context(), plan.KindInvoice); err != nil || len(marks) != 2 {
		t.Errorf("took %v, %v", marks, err)
	}
}

// TestCompactedBatches: an empty batch tells of marks that another lagerd has made, whether it is
// unpacked or claimed.
func TestCompactedBatches(t *testing.T) {
	t.Parallel()
	for name, find := range map[string]func(b *box){
		"unpacked": func(b *box) { b.unpack(nil) },
		"claimed": func(b *box) {
			if _, err := b.Backlog(b.Context(), 1000); err != nil {
				b.Error(err)
			}
		},
	} {
		b, db := newCapped(t, 1000)
		db.webhook(plan.KindStock, "a", noon)
		b.unpack(nil)
		b.marked(name+": not compacted", plan.KindStock, false)
		db.batches = append(db.batches, batch{id: 10})
		db.marks[plan.KindStock] = []mark{{id: 3, numbers: []string{"b"}}}
		b.Begin(true)
		find(b)
		b.marked(name, plan.KindStock, true, []string{"b"})
		b.marked(name, plan.KindInvoice, true)
		if claim := b.claimed(); !claim.Marked() {
			t.Errorf("%s: the claim has no mark", name)
		}
	}
}

// TestClaimAdmits: hints of invoices in claimed batches, and what a listing leaves, are admitted
// like others.
func TestClaimAdmits(t *testing.T) {
	t.Parallel()
	b, db := newCapped(t, 1)
	for _, n := range []string{"100", "101"} {
		db.webhook(plan.KindInvoice, n, noon)
	}
	for _, n := range []string{"a", "b", "c"} {
		db.webhook(plan.KindStock, n, noon)
	}
	claim := b.claimed()
	b.want("invoices", db.rows[plan.KindInvoice], "100")
	b.marked("invoices", plan.KindInvoice, true, []string{"101"})
	b.want("claimed", claim.Hints(), "a", "b", "c")
	b.strictlyDone()
	b.want("left", db.rows[plan.KindStock], "a")
	b.marked("left", plan.KindStock, true, []string{"b", "c"})
}

// TestBacklogMost: a listing claims the oldest batches; the others are unpacked while it runs.
func TestBacklogMost(t *testing.T) {
	t.Parallel()
	b, db := newCapped(t, 1000)
	for _, n := range []string{"a", "b", "c"} {
		db.webhook(plan.KindStock, n, noon)
	}
	backlog, err := b.Backlog(t.Context(), 2)
	b.must(err)
	admitted, err := b.Claim(t.Context(), backlog)
	b.must(err)
	b.admitted(admitted)
	claim, _, err := b.Claimed(t.Context())
	b.must(err)
	b.want("claimed", claim.Hints(), "a", "b")
	b.Begin(false)
	b.unpack(nil)
	b.want("unpacked", db.rows[plan.KindStock], "c")
	b.want("due", b.due(plan.KindStock, inbox.WaitNot), "c")
}

// TestEverything: webhooks that name no number make one mark, which is no overflow. What comes
// while a listing runs makes another, which the next listing deals with.
func TestEverything(t *testing.T) {
	t.Parallel()
	b, db := newCapped(t, 1000)
	for range 3 {
		db.webhook(plan.KindStock, "", noon)
		b.Begin(true)
		u, err := b.Unpack(t.Context(), func() store.Fence { return shopFence }, func() bool { return false })
		b.must(err)
		if u.Marked != 0 || u.TooOld != 0 {
			t.Errorf("called an overflow: %+v", u)
		}
	}
	b.marked("one mark for all", plan.KindStock, true, []string{"", "", ""})
	b.marked("one mark for all", plan.KindInvoice, false)
	if claim := b.claimed(); !claim.Marked() || claim.Len() != 0 {
		t.Errorf("claimed: %t, with %d hints", claim.Marked(), claim.Len())
	}
	db.webhook(plan.KindStock, "", noon)
	b.Begin(true)
	b.unpack(nil)
	b.marked("another meanwhile", plan.KindStock, true, []string{"", "", ""}, []string{""})
	b.strictlyDone()
	b.marked("done", plan.KindStock, true, []string{""})
	b.claimed()
	b.strictlyDone()
	b.marked("the next one done", plan.KindStock, false)
}

// TestPackedEverything: a listing that claims a batch answers the webhooks in it that name no
// number, without a mark. If it is given up, they get one.
func TestPackedEverything(t *testing.T) {
	t.Parallel()
	for _, done := range []bool{true, false} {
		b, db := newCapped(t, 1000)
		db.webhook(plan.KindStock, "a", noon)
		db.webhook(plan.KindStock, "", noon)
		b.Begin(true)
		claim := b.claimed()
		b.want("claimed", claim.Hints(), "a")
		b.marked("claimed", plan.KindStock, true)
		if !claim.Marked() {
			t.Error("the listing does not know that it answers a webhook without a number")
		}
		if done {
			b.answer(claim.Hints(), "a")
			b.strictlyDone()
			b.marked("done", plan.KindStock, false)
			if len(db.batches) != 0 {
				t.Errorf("batches are left: %+v", db.batches)
			}
			continue
		}
		b.Release()
		b.unpack(nil)
		b.marked("released", plan.KindStock, true, []string{""})
	}
}
