package store_test

import (
	"fmt"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// TestAwaitingHints: hints that wait for a listing are open, and counted on their own; the oldest
// of the others is the oldest hint.
func TestAwaitingHints(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		addShop(t, s, "shop1")
		awaiting := func(number string, at time.Time) store.HintRecord {
			h := hint("shop1", number, plan.CauseWebhook, at)
			h.Reason = plan.HintAwaitsListing
			return h
		}
		check := func(step string, open, waiting int64, oldest time.Time) {
			t.Helper()
			total, err := s.Totals(t.Context())
			must(t, err)
			list, err := s.Status(t.Context(), "shop1")
			must(t, err)
			if total.OpenHints != open || !total.OldestHint.Equal(oldest) || list[0].OpenHints != open || list[0].AwaitingHints != waiting || !list[0].OldestHint.Equal(oldest) {
				t.Errorf("%s: %d open, the oldest of %s; in the status %d, %d waiting, the oldest of %s", step, total.OpenHints, total.OldestHint, list[0].OpenHints, list[0].AwaitingHints, list[0].OldestHint)
			}
		}
		must(t, s.RecordHints(t.Context(), []store.HintRecord{awaiting("a", noon)}))
		check("only one that waits", 1, 1, time.Time{})
		must(t, s.RecordHints(t.Context(), []store.HintRecord{hint("shop1", "b", plan.CauseWebhook, noon.Add(time.Minute)), awaiting("c", noon)}))
		check("beside another", 3, 2, noon.Add(time.Minute))
		must(t, s.RecordHints(t.Context(), []store.HintRecord{hint("shop1", "a", plan.CauseWebhook, noon.Add(time.Hour))}))
		check("it is hinted at again", 3, 1, noon)
		short := awaiting("d", noon)
		short.Reason = plan.HintShort
		must(t, s.RecordHints(t.Context(), []store.HintRecord{short}))
		check("beside one that waits for calls", 4, 1, noon)
		if list, err := s.StatusOf(t.Context(), "shop1"); err != nil || len(list) != 1 || list[0].ShortHints != 1 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// TestKnownItems: known are the numbers that are stored in the dataset, however many are asked
// for.
func TestKnownItems(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		gone := itemRow("gone", "", token)
		gone.State = plan.StateGone
		must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1},
			store.Applied{Items: []plan.Row{itemRow("a", "1", token), itemRow("A ", "2", token), gone}}, noon))
		numbers := []string{"a", "A", "A ", "gone", "none"}
		for n := range 2500 {
			numbers = append(numbers, fmt.Sprint("x", n))
		}
		for dataset, want := range map[store.Dataset]string{"shop1": "map[A :{} a:{} gone:{}]", "shop2": "map[]"} {
			known, err := s.KnownItems(t.Context(), dataset, numbers)
			must(t, err)
			if fmt.Sprint(known) != want {
				t.Errorf("known in %s: %v", dataset, known)
			}
		}
		if known, err := s.KnownItems(t.Context(), "shop1", nil); err != nil || len(known) > 0 {
			t.Errorf("of none: %v, %v", known, err)
		}
	})
}
