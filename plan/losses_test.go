package plan_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lagerd/plan"
)

// lost returns so many recent losses, all of the same age.
func lost(from, to int, age time.Duration, gone bool) map[string]plan.Loss {
	losses := map[string]plan.Loss{}
	for n := from; n < to; n++ {
		losses[fmt.Sprintf("n%03d", n)] = plan.Loss{At: noon.Add(-age), Gone: gone}
	}
	return losses
}

// gone are losses of items that the last listing counts.
func gone(losses map[string]plan.Loss) map[string]plan.Loss {
	for number, l := range losses {
		l.Counted = true
		losses[number] = l
	}
	return losses
}

// coming returns so many losses that a read shows.
func coming(from, to int, how plan.Suspect) map[string]plan.Suspect {
	suspects := map[string]plan.Suspect{}
	for n := from; n < to; n++ {
		suspects[fmt.Sprintf("n%03d", n)] = how
	}
	return suspects
}

func numbers(from, to int) map[string]struct{} {
	set := map[string]struct{}{}
	for n := range coming(from, to, plan.Suspect{}) {
		set[n] = struct{}{}
	}
	return set
}

func both[V any](a, b map[string]V) map[string]V {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// TestLossWindow is the table in the comment of Judge.
func TestLossWindow(t *testing.T) {
	t.Parallel()
	loss := plan.Suspect{Loss: true}
	announced := plan.Suspect{Loss: true, Announced: true}
	unlisted := plan.Suspect{Loss: true, Unlisted: true}
	const minute = time.Minute
	for _, c := range []struct {
		name     string
		items    int
		recent   map[string]plan.Loss
		coming   map[string]plan.Suspect
		back     map[string]struct{}
		approved int
		want     plan.LossVerdict
	}{
		{"nothing is lost", 300, nil, nil, nil, 0, plan.LossVerdict{Items: 300}},
		{"half of the items", 300, lost(0, 120, minute, false), coming(120, 150, loss), nil, 0, plan.LossVerdict{Taken: 120, Coming: 30, Items: 300}},
		{"more than half", 300, lost(0, 120, minute, false), coming(120, 151, loss), nil, 0, plan.LossVerdict{Taken: 120, Coming: 31, Items: 300, TooMany: true}},
		{"one after half of them", 300, lost(0, 150, minute, false), coming(150, 151, loss), nil, 0, plan.LossVerdict{Taken: 150, Coming: 1, Items: 300, TooMany: true}},
		{"all of a small shop's", 50, lost(0, 40, minute, false), coming(40, 50, loss), nil, 0, plan.LossVerdict{Taken: 40, Coming: 10, Items: 50}},
		{"more than so many, and less than half", 300, lost(0, 50, minute, false), coming(50, 60, loss), nil, 0, plan.LossVerdict{Taken: 50, Coming: 10, Items: 300}},
		{"more than so many of a shop that had few", 60, lost(0, 50, minute, false), coming(50, 51, loss), nil, 0, plan.LossVerdict{Taken: 50, Coming: 1, Items: 60, TooMany: true}},
		{"too many are stored, and none is coming", 300, lost(0, 200, minute, false), nil, nil, 0, plan.LossVerdict{Taken: 200, Items: 300}},
		{"an hour ago", 300, lost(0, 200, time.Hour, false), coming(200, 230, loss), nil, 0, plan.LossVerdict{Coming: 30, Items: 300}},
		{"a little less than an hour ago", 300, lost(0, 150, time.Hour-1, false), coming(150, 180, loss), nil, 0, plan.LossVerdict{Taken: 150, Coming: 30, Items: 300, TooMany: true}},
		{"stored by a clock that is ahead", 300, lost(0, 150, -10*minute, false), coming(150, 180, loss), nil, 0, plan.LossVerdict{Taken: 150, Coming: 30, Items: 300, TooMany: true}},
		{"the same items once more", 300, lost(0, 150, minute, false), coming(100, 150, loss), nil, 0, plan.LossVerdict{Taken: 150, Items: 300}},
		{"lost once more after the window", 300, lost(0, 151, time.Hour, false), coming(0, 151, loss), nil, 0, plan.LossVerdict{Coming: 151, Items: 300, TooMany: true}},
		{"in stock again", 300, lost(0, 150, minute, false), coming(150, 180, loss), numbers(0, 30), 0, plan.LossVerdict{Taken: 120, Coming: 30, Items: 300}},
		{"announced by their webhooks", 300, lost(0, 150, minute, false), coming(150, 290, announced), nil, 0, plan.LossVerdict{Taken: 150, Items: 300}},
		{"one of them was not", 300, lost(0, 150, minute, false), both(coming(150, 290, announced), coming(290, 291, loss)), nil, 0, plan.LossVerdict{Taken: 150, Coming: 1, Items: 300, TooMany: true}},
		{"zeroes of new items", 300, lost(0, 150, minute, false), coming(150, 290, plan.Suspect{}), nil, 0, plan.LossVerdict{Taken: 150, Items: 300}},
		{"approved", 300, lost(0, 150, minute, false), coming(150, 180, loss), nil, 30, plan.LossVerdict{Taken: 150, Coming: 30, Items: 300}},
		{"one more than approved", 300, lost(0, 150, minute, false), coming(150, 181, loss), nil, 30, plan.LossVerdict{Taken: 150, Coming: 31, Items: 300, TooMany: true}},
		{"gone items were the shop's", 180, lost(0, 120, minute, true), coming(120, 150, loss), nil, 0, plan.LossVerdict{Taken: 120, Coming: 30, Items: 300}},
		{"gone since the listing that counts them", 300, gone(lost(0, 120, minute, true)), coming(120, 151, loss), nil, 0, plan.LossVerdict{Taken: 120, Coming: 31, Items: 300, TooMany: true}},
		{"gone before the window", 180, lost(0, 120, 2*time.Hour, true), coming(120, 211, loss), nil, 0, plan.LossVerdict{Coming: 91, Items: 180, TooMany: true}},
		{"items that the last listing did not show were the shop's", 226, nil, coming(0, 74, unlisted), nil, 0, plan.LossVerdict{Coming: 74, Items: 300}},
		{"and once they are gone they are that once", 226, lost(0, 74, minute, true), coming(0, 74, unlisted), nil, 0, plan.LossVerdict{Taken: 74, Items: 300}},
		{"and while they are lost, and not gone, they are still", 226, lost(0, 74, minute, false), coming(0, 74, unlisted), nil, 0, plan.LossVerdict{Taken: 74, Items: 300}},
		{"a shop that was never listed", 0, nil, coming(0, 50, loss), nil, 0, plan.LossVerdict{Coming: 50}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := plan.LossWindow{Now: noon, Within: time.Hour, Percent: 50, Min: 50, Items: c.items,
				Approved: c.approved, Recent: c.recent, Coming: c.coming, Back: c.back}
			if diff := cmp.Diff(c.want, in.Judge()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLossWindowBounds: however losses trickle, no more are stored unasked within
// the window than it allows, and none that is allowed is held back.
func TestLossWindowBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.IntRange(1, 400).Draw(t, "items")
		limit := max(50, items/2)
		now, next := noon, 0
		recent := map[string]plan.Loss{}
		for step := 0; next < items && step < 40; step++ {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "minutes")) * time.Minute)
			lose := min(rapid.IntRange(1, 60).Draw(t, "lose"), items-next)
			within := 0
			for _, l := range recent {
				if now.Sub(l.At) < time.Hour {
					within++
				}
			}
			in := plan.LossWindow{Now: now, Within: time.Hour, Percent: 50, Min: 50, Items: items, Recent: recent, Coming: coming(next, next+lose, plan.Suspect{Loss: true})}
			if v := in.Judge(); v.TooMany != (within+lose > limit) || v.Taken != within {
				t.Fatalf("%d stored within the hour and %d coming of %d items: %+v", within, lose, items, v)
			} else if v.TooMany {
				continue
			}
			for n := range in.Coming {
				recent[n] = plan.Loss{At: now}
			}
			next += lose
		}
	})
}

// TestItemsRemember: what a read of a stored item means to the losses that are
// remembered.
func TestItemsRemember(t *testing.T) {
	t.Parallel()
	webhook := plan.Hint{Kind: plan.KindStock, Number: "a", Gen: 1, Cause: plan.CauseWebhook, FirstAt: noon, WebhookAt: noon}
	own := plan.Hint{Kind: plan.KindStock, Number: "a", Gen: 1, Cause: plan.CauseTick, FirstAt: noon}
	invoice := plan.Hint{Kind: plan.KindStock, Number: "a", Gen: 1, Cause: plan.CauseInvoice, FirstAt: noon}
	five, zero, gone := row(item("a", "5"), plan.StateOK), row(item("a", "0"), plan.StateOK), row(item("a", "5"), plan.StateGone)
	for _, c := range []struct {
		name     string
		obs      plan.Observation
		stored   []plan.Row
		hint     *plan.Hint
		counted  bool
		lost     bool
		gone     bool
		restored bool
	}{
		{"becomes zero", seen(item("a", "0")), []plan.Row{five}, nil, false, true, false, false},
		{"loses its figure", seen(item("a", "")), []plan.Row{five}, nil, false, true, false, false},
		{"is gone", notFound("a"), []plan.Row{five}, nil, false, true, true, false},
		{"becomes zero, by a hint of lagerd's own", seen(item("a", "0")), []plan.Row{five}, &own, false, true, false, false},
		{"becomes zero, by an invoice", seen(item("a", "0")), []plan.Row{five}, &invoice, false, true, false, false},
		{"becomes zero, by its webhook", seen(item("a", "0")), []plan.Row{five}, &webhook, false, false, false, false},
		{"is gone, by its webhook", notFound("a"), []plan.Row{five}, &webhook, false, false, false, false},
		{"becomes less", seen(item("a", "4")), []plan.Row{five}, nil, false, false, false, false},
		{"becomes more", seen(item("a", "4")), []plan.Row{zero}, nil, false, false, false, false},
		{"a new item with zero", seen(item("a", "0")), nil, nil, false, false, false, false},
		{"counted, and in stock again", seen(item("a", "4")), []plan.Row{zero}, nil, true, false, false, true},
		{"counted, and an item again", seen(item("a", "4")), []plan.Row{gone}, nil, true, false, false, true},
		{"counted, and an item again without stock", seen(item("a", "0")), []plan.Row{gone}, nil, true, false, false, false},
		{"counted, and less than nothing", seen(item("a", "-3")), []plan.Row{zero}, nil, true, false, false, false},
		{"counted, and gone", notFound("a"), []plan.Row{zero}, nil, true, true, true, false},
		{"counted, and gone by its webhook", notFound("a"), []plan.Row{zero}, &webhook, true, false, false, true},
		{"counted, and its webhook has come", seen(item("a", "0")), []plan.Row{changedAt(zero, noon.Add(-time.Minute))}, &webhook, true, false, false, true},
		{"counted, and its webhook shows an order as well", seen(ordered(item("a", "0"))), []plan.Row{changedAt(zero, noon.Add(-time.Minute))}, &webhook, true, false, false, true},
		{"counted, and its webhook shows less than nothing", seen(item("a", "-3")), []plan.Row{changedAt(zero, noon.Add(-time.Minute))}, &webhook, true, false, false, true},
		{"counted, and a webhook shows an order much later", seen(ordered(item("a", "0"))), []plan.Row{changedAt(zero, noon.Add(-time.Hour))}, &webhook, true, false, false, false},
		{"counted, and an order is seen", seen(ordered(item("a", "0"))), []plan.Row{changedAt(zero, noon.Add(-time.Minute))}, &own, true, false, false, false},
		{"counted, and a webhook comes much later", seen(item("a", "0")), []plan.Row{changedAt(zero, noon.Add(-time.Hour))}, &webhook, true, false, false, false},
		{"counted, and still zero", seen(renamed(item("a", "0"))), []plan.Row{zero}, nil, true, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := input(c.obs, c.stored...)
			if c.hint != nil {
				in.Hints = map[string]plan.Hint{"a": *c.hint}
			}
			if c.counted {
				in.Recent = map[string]plan.Loss{"a": {At: noon.Add(-time.Minute)}}
			}
			p := plan.Items(in)
			var want plan.ItemsPlan
			if c.lost {
				want.Lost = []plan.Lost{{Number: "a", Gone: c.gone}}
			}
			if c.restored {
				want.Restored = []string{"a"}
			}
			if diff := cmp.Diff(want, plan.ItemsPlan{Lost: p.Lost, Restored: p.Restored}); diff != "" {
				t.Error(diff)
			}
			first := in
			first.Suspects = nil
			if s, suspect := plan.Items(first).Suspected["a"]; suspect && s.Announced != (c.hint == &webhook) {
				t.Errorf("suspected as %+v", s)
			}
		})
	}
}

func ordered(i plan.Item) plan.Item { i.Figures.OrderedByCustomers = figure("2"); return i }

func changedAt(r plan.Row, at time.Time) plan.Row { r.ChangedAt = at; return r }
