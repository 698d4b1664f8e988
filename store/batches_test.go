package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lagerd/reconcile/plan"
	"lagerd/store"
)

// TestUnpack: each webhook counts, in its number's row, once it has been unpacked.
func TestUnpack(t *testing.T) {
	t.Parallel()
	odd := []string{"a", "A", "a ", " a", "0571527051", "æøå", "e\u0301", "é", `q"'\%_</>`, "😀", strings.Repeat("x", 25)}
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		addShop(t, s, "shop2")
		var hints []store.HintRecord
		for _, number := range odd {
			hints = append(hints, hint("shop1", number, plan.CauseWebhook, noon))
		}
		hints = append(hints, store.HintRecord{Shop: "shop1", Kind: plan.KindInvoice, Number: "17", Cause: plan.CauseWebhook, At: noon},
			hint("shop2", "a", plan.CauseWebhook, noon.Add(time.Second)))
		must(t, s.RecordWebhooks(t.Context(), hints))
		must(t, s.RecordWebhooks(t.Context(), []store.HintRecord{hint("shop1", "a", plan.CauseWebhook, noon.Add(time.Minute))}))

		if open := openHints(t, s, "shop1", noon); len(open) != 0 {
			t.Errorf("open before they are unpacked: %v", open)
		}
		if shops, err := s.ShopsWithWork(t.Context(), due(noon)); err != nil || len(shops) != 2 {
			t.Errorf("shops with work: %v, %v", shops, err)
		}
		waiting, err := s.WaitingWebhooks(t.Context(), "shop1", plan.KindStock)
		if err != nil || len(waiting) != len(odd) || !waiting["a"].Equal(noon) {
			t.Errorf("waiting: %v, %v", waiting, err)
		}
		status(t, s, "shop1", int64(len(odd)+2))

		if _, _, err := s.Unpack(t.Context(), store.Fence{Shop: "shop1", Token: token - 1, Seq: 1}); !errors.Is(err, store.ErrFenced) {
			t.Errorf("a former holder unpacked: %v", err)
		}
		count, more, err := s.Unpack(t.Context(), store.Fence{Shop: "shop1", Token: token, Seq: 1})
		if err != nil || more || count != len(odd)+1 {
			t.Errorf("%d unpacked, more %t, %v", count, more, err)
		}
		open := openHints(t, s, "shop1", noon)
		for n, number := range odd {
			gen, last := int64(1), noon
			if n == 0 {
				gen, last = 2, noon.Add(time.Minute)
			}
			if h := open[number]; h.Gen != gen || h.Cause != plan.CauseWebhook || !h.FirstAt.Equal(noon) || !h.WebhookAt.Equal(last) {
				t.Errorf("%q: %+v", number, h)
			}
		}
		if invoices, err := s.OpenHints(t.Context(), "shop1", plan.KindInvoice, due(noon)); err != nil || len(invoices) != 1 {
			t.Errorf("hints of invoices: %v, %v", invoices, err)
		}
		status(t, s, "shop1", int64(len(odd)+1))
		if count, more, err = s.Unpack(t.Context(), store.Fence{Shop: "shop1", Token: token, Seq: 2}); count != 0 || more || err != nil {
			t.Errorf("unpacked again: %d, %t, %v", count, more, err)
		}
		total, oldest, err := s.OpenHintsTotal(t.Context())
		if err != nil || total != int64(len(odd)+2) || !oldest.Equal(noon) {
			t.Errorf("open over all shops: %d since %s, %v", total, oldest, err)
		}

		must(t, s.RemoveShop(t.Context(), "shop2"))
		if shops, err := s.ShopsWithWork(t.Context(), due(noon)); err != nil || len(shops) != 1 {
			t.Errorf("shops with work after a removal: %v, %v", shops, err)
		}
	})
}

func status(t *testing.T, s *store.Store, shop string, open int64) {
	t.Helper()
	list, err := s.Status(t.Context(), shop)
	must(t, err)
	if list[0].OpenHints != open || !list[0].OldestHint.Equal(noon) {
		t.Errorf("%d hints are open since %s, expected %d since %s", list[0].OpenHints, list[0].OldestHint, open, noon)
	}
}

// TestUnpackInPieces: more than one transaction should hold are unpacked by several.
func TestUnpackInPieces(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		const batches, size = 45, 500
		for b := range batches {
			hints := make([]store.HintRecord, size)
			for n := range hints {
				hints[n] = hint("shop1", fmt.Sprintf("%02d-%03d", b, n), plan.CauseWebhook, noon)
			}
			must(t, s.RecordWebhooks(t.Context(), hints))
		}
		pieces, unpacked := 0, 0
		for more := true; more; pieces++ {
			var count int
			var err error
			count, more, err = s.Unpack(t.Context(), store.Fence{Shop: "shop1", Token: token, Seq: int64(pieces + 1)})
			must(t, err)
			unpacked += count
		}
		if open := len(openHints(t, s, "shop1", noon)); unpacked != batches*size || open != batches*size || pieces != 3 {
			t.Errorf("%d unpacked in %d pieces, %d open, expected %d", unpacked, pieces, open, batches*size)
		}
	})
}

// TestUnreadableBatch: a row that a person has spoilt is an error that says what to
// do, and stays.
func TestUnreadableBatch(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		must(t, s.RecordWebhooks(t.Context(), []store.HintRecord{hint("shop1", "a", plan.CauseWebhook, noon)}))
		for _, data := range []string{`[{"kind":"stock"`, `{}`, `[{}]`, `[{"kind":"stock","number":"","at_us":1}]`, `[{"kind":1}]`, ``, `[{"kind":"stock","number":"a","at_us":"x"}]`} {
			must(t, s.Exec(t.Context(), "UPDATE hint_batches SET data = '"+data+"'"))
			_, _, err := s.Unpack(t.Context(), store.Fence{Shop: "shop1", Token: token, Seq: 1})
			if err == nil || !strings.Contains(err.Error(), "hint_batches") || !strings.Contains(err.Error(), "can be deleted") {
				t.Errorf("%q: %v", data, err)
			}
		}
		if shops, err := s.ShopsWithWork(t.Context(), due(noon)); err != nil || len(shops) != 1 {
			t.Errorf("shops with work: %v, %v", shops, err)
		}
	})
}
