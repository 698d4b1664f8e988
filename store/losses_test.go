package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
	"lagerd/store"
)

// TestLossMemory: the transaction that stores losses inserts, deletes and overwrites
// recent losses, only under the fence.
func TestLossMemory(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		addShop(t, s, "shop2")
		seq := int64(0)
		apply := func(c plan.LossChange) {
			t.Helper()
			seq++
			must(t, commit(t.Context(), s, fenceOf(t, s, "shop1", token, seq), store.Applied{Losses: c}, noon))
		}
		expect := func(what string, want store.LossMemory) {
			t.Helper()
			got, err := s.LossMemory(t.Context(), "shop1", "shop1", noon.Add(-time.Hour))
			must(t, err)
			slices.SortFunc(got.Losses, func(a, b plan.StoredLoss) int { return strings.Compare(a.Number, b.Number) })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		expect("a new shop's", store.LossMemory{})

		a, b := plan.StoredLoss{Number: "a", At: noon}, plan.StoredLoss{Number: "a ", At: noon.Add(time.Microsecond), Gone: true}
		apply(plan.LossChange{Lost: []plan.StoredLoss{a, b}})
		expect("two numbers", store.LossMemory{Losses: []plan.StoredLoss{a, b}})

		a.Gone = true
		c := plan.StoredLoss{Number: "c", At: noon.Add(time.Minute)}
		apply(plan.LossChange{Lost: []plan.StoredLoss{a, c}, Forgotten: []string{"c", "a "}, Held: time.Hour + time.Microsecond})
		expect("one again, one forgotten, and one forgotten and lost", store.LossMemory{Held: time.Hour + time.Microsecond, Losses: []plan.StoredLoss{a, c}})

		seq++
		approve(t, s, "shop1", token, seq, 10, noon)
		apply(plan.LossChange{Approved: 7, Held: 2 * time.Hour})
		expect("seven that were approved", store.LossMemory{Approved: store.Approval{Losses: 3, At: noon}, Held: 2 * time.Hour, Losses: []plan.StoredLoss{a, c}})
		apply(plan.LossChange{Approved: 4})
		expect("more than were approved", store.LossMemory{Held: 2 * time.Hour, Losses: []plan.StoredLoss{a, c}})

		var many []plan.StoredLoss
		var numbers []string
		for n := range store.RowsPerPiece {
			many = append(many, plan.StoredLoss{Number: fmt.Sprint("n", n), At: noon})
			numbers = append(numbers, many[n].Number)
		}
		apply(plan.LossChange{Lost: many})
		if m, err := s.LossMemory(t.Context(), "shop1", "shop1", noon); err != nil || len(m.Losses) != len(many)+2 {
			t.Errorf("%d losses, %v", len(m.Losses), err)
		}
		apply(plan.LossChange{Forgotten: append(numbers, "never")})
		expect("many, forgotten", store.LossMemory{Held: 2 * time.Hour, Losses: []plan.StoredLoss{a, c}})

		err := commit(t.Context(), s, fenceOf(t, s, "shop1", token-1, 1), store.Applied{Losses: plan.LossChange{Lost: many}}, noon)
		if !errors.Is(err, store.ErrFenced) {
			t.Errorf("without the lease: %v", err)
		}
		expect("written without the lease", store.LossMemory{Held: 2 * time.Hour, Losses: []plan.StoredLoss{a, c}})
		if m, err := s.LossMemory(t.Context(), "shop2", "shop2", noon); err != nil || len(m.Losses) != 0 || m.Held != 0 {
			t.Errorf("another shop's: %+v, %v", m, err)
		}

		must(t, s.RemoveShop(t.Context(), "shop1"))
		expect("of a removed shop", store.LossMemory{})
	})
}
