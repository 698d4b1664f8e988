package inbox_test

import (
	"context"
	"errors"
	"testing"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/store"
)

// lostAnswer is a store whose next Unpack is committed, and its answer lost.
type lostAnswer struct {
	*fake
	loses bool
}

func (l *lostAnswer) Unpack(ctx context.Context, f store.Fence, after int64, least int, caps store.Caps) (store.Unpacked, error) {
	u, err := l.fake.Unpack(ctx, f, after, least, caps)
	if l.loses && err == nil {
		l.loses = false
		return store.Unpacked{}, errors.New("the connection was lost")
	}
	return u, err
}

// TestMarkWhoseAnswerWasLost: a mark that was committed counts although the answer was lost, and
// none is invented.
func TestMarkWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		number string
		marked bool
	}{"a webhook of all items": {"", true}, "a webhook of one": {"a", false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := &lostAnswer{fake: newFake(), loses: true}
			b := inbox.New(db, "shop1", options)
			b.Forget(false, false)
			db.webhook(plan.KindStock, c.number, noon)
			never := func() bool { return false }
			if _, err := b.Unpack(t.Context(), fence, never); err == nil {
				t.Fatal("no error")
			}
			if _, err := b.Unpack(t.Context(), fence, never); err != nil {
				t.Fatal(err)
			}
			if b.Marked(plan.KindStock) != c.marked || b.Marked(plan.KindInvoice) {
				t.Errorf("items are marked: %t, expected %t; invoices: %t", b.Marked(plan.KindStock), c.marked, b.Marked(plan.KindInvoice))
			}
		})
	}
}
