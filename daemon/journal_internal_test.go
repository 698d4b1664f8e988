package daemon

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"lagerd/store"
	"lagerd/webhook"
)

// TestJournalKeepsTheLatest: if there are more calls than a shop's log has room for, the
// latest wait, each for its own slot, and the oldest of these are written first.
func TestJournalKeepsTheLatest(t *testing.T) {
	t.Parallel()
	const perShop = 5
	j := newJournal(nil, nil, perShop, func(int) { t.Error("a call was dropped") })
	add := func(shop string, from, to int) {
		for n := from; n < to; n++ {
			j.Add(webhook.Call{Shop: shop, Number: fmt.Sprint(n), At: time.Unix(int64(n), 0)})
		}
	}
	numbers := func(calls []store.WebhookCall, shop string) (list []string) {
		slots := map[int]bool{}
		for _, c := range calls {
			if c.Shop == shop {
				list = append(list, c.Number)
				slots[c.Slot] = true
			}
		}
		if len(slots) != len(list) {
			t.Errorf("%d calls of %s have %d slots", len(list), shop, len(slots))
		}
		return list
	}
	expect := func(got []string, want ...string) {
		t.Helper()
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("got %v, expected %v", got, want)
		}
	}
	add("a", 10, 23)
	add("b", 10, 12)
	if j.total != perShop+2 {
		t.Errorf("%d wait", j.total)
	}
	some := j.take(4) // two of each
	expect(numbers(some, "a"), "18", "19")
	expect(numbers(some, "b"), "10", "11")
	add("a", 23, 26)
	expect(numbers(j.take(100), "a"), "21", "22", "23", "24", "25")
	if j.total != 0 || len(j.take(100)) != 0 {
		t.Error("something is left")
	}
}
