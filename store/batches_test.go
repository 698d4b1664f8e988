package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/test/mariadbtest"
)

// TestUnpack: unpacking counts each webhook in its number's row.
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
			t.Errorf("open before unpacking: %v", open)
		}
		if shops := withWork(t, s, noon); len(shops) != 2 {
			t.Errorf("shops with work: %v", shops)
		}
		packed, err := s.Packed(t.Context(), "shop1", 1000)
		stock := packed.Hints[plan.KindStock]
		if a := stock["a"]; err != nil || len(stock) != len(odd) || len(packed.Hints[plan.KindInvoice]) != 1 || len(packed.Batches) != 2 ||
			a.Gen != 0 || a.Cause != plan.CauseWebhook || !a.FirstAt.Equal(noon) || !a.WebhookAt.Equal(noon.Add(time.Minute)) {
			t.Errorf("packed: %+v, %v", packed, err)
		}
		status(t, s, "shop1", int64(len(odd)+2))

		if _, err := s.Unpack(t.Context(), store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token - 1, Seq: 1}, 0, store.UnpackedHints, roomy); !errors.Is(err, store.ErrFenced) {
			t.Errorf("unpacked under a lost lease: %v", err)
		}
		u, err := s.Unpack(t.Context(), store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}, 0, store.UnpackedHints, roomy)
		if err != nil || u.More || u.Hints != len(odd)+1 || len(u.Unreadable) > 0 {
			t.Errorf("unpacked: %+v, %v", u, err)
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
		if u, err = s.Unpack(t.Context(), store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 2}, 0, store.UnpackedHints, roomy); u.Hints != 0 || u.More || err != nil {
			t.Errorf("unpacked again: %+v, %v", u, err)
		}
		total, err := s.Totals(t.Context())
		if err != nil || total.OpenHints != int64(len(odd)+2) || !total.OldestHint.Equal(noon) {
			t.Errorf("open over all shops: %d since %s, %v", total.OpenHints, total.OldestHint, err)
		}

		must(t, s.RemoveShop(t.Context(), "shop2"))
		if shops := withWork(t, s, noon); len(shops) != 1 {
			t.Errorf("shops with work after a removal: %v", shops)
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

// TestUnpackInPieces: several transactions unpack what is too much for one.
func TestUnpackInPieces(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		record := func(batches, size int) {
			t.Helper()
			for b := range batches {
				hints := make([]store.HintRecord, size)
				for n := range hints {
					hints[n] = hint("shop1", fmt.Sprintf("%d-%03d-%03d", size, b, n), plan.CauseWebhook, noon)
				}
				must(t, s.RecordWebhooks(t.Context(), hints))
			}
		}
		record(9, 500) // 2,000, 2,000 and 500 hints
		record(600, 1) // 250 batches with those 500, 250 and the rest
		pieces, unpacked := int64(0), 0
		for more := true; more; {
			pieces++
			u, err := s.Unpack(t.Context(), store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: pieces}, 0, store.UnpackedHints, roomy)
			must(t, err)
			unpacked += u.Hints
			more = u.More
		}
		if open := len(openHints(t, s, "shop1", noon)); unpacked != 5100 || open != 5100 || pieces != 5 {
			t.Errorf("%d unpacked in %d pieces, %d open, expected 5,100 in 5", unpacked, pieces, open)
		}
	})
}

// TestForget: Unpack skips batches that a listing has claimed, and Forget deletes only
// those.
func TestForget(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		record := func(number string) {
			t.Helper()
			must(t, s.RecordWebhooks(t.Context(), []store.HintRecord{hint("shop1", number, plan.CauseWebhook, noon)}))
		}
		record("a")
		record("b")
		must(t, s.Exec(t.Context(), "UPDATE hint_batches SET data = '[{' WHERE data LIKE '%\"b\"%'"))
		record("c")
		packed, err := s.Packed(t.Context(), "shop1", 1000)
		must(t, err)
		if len(packed.Batches) != 2 || len(packed.Hints[plan.KindStock]) != 2 {
			t.Fatalf("packed, with an unreadable batch present: %+v", packed)
		}
		record("d")
		u, err := s.Unpack(t.Context(), store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}, packed.Batches[1], store.UnpackedHints, roomy)
		if open := openHints(t, s, "shop1", noon); err != nil || u.Hints != 1 || u.More || len(open) != 1 || open["d"].Gen != 1 {
			t.Errorf("unpacked after the claimed batches: %+v, %v, %v", u, open, err)
		}
		if err := s.Forget(t.Context(), store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token - 1, Seq: 2}, packed.Batches, nil); !errors.Is(err, store.ErrFenced) {
			t.Errorf("deleted under a lost lease: %v", err)
		}
		record("e")
		for range 2 { // the answer to the first commit may have been lost
			must(t, s.Forget(t.Context(), store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 2}, packed.Batches, nil))
		}
		packed, err = s.Packed(t.Context(), "shop1", 1000)
		must(t, err)
		if _, e := packed.Hints[plan.KindStock]["e"]; !e || len(packed.Batches) != 1 || s.Count(t.Context(), "hint_batches", "shop1") != 2 {
			t.Errorf("left: %+v", packed)
		}
	})
}

// TestUnreadableBatch: a row that a person or another version has corrupted is set aside
// with its error, and blocks no other.
func TestUnreadableBatch(t *testing.T) {
	t.Parallel()
	bad := []string{`[{"kind":"stock"`, `{}`, `[{}]`, `[{"kind":"invoice","number":"","at_us":1}]`, `[{"kind":"other","number":"a","at_us":1}]`,
		`[{"kind":1}]`, ``, `[{"kind":"stock","number":"a","at_us":"x"}]`}
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		for n, data := range bad {
			must(t, s.RecordWebhooks(t.Context(), []store.HintRecord{hint("shop1", "a", plan.CauseWebhook, noon)}))
			must(t, s.Exec(t.Context(), "UPDATE hint_batches SET data = '"+data+"' WHERE set_aside = 0"))
			must(t, s.RecordWebhooks(t.Context(), []store.HintRecord{hint("shop1", fmt.Sprint("good", n), plan.CauseWebhook, noon)}))
			u, err := s.Unpack(t.Context(), store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: int64(n + 1)}, 0, store.UnpackedHints, roomy)
			if err != nil || u.Hints != 1 || len(u.Unreadable) != 1 || !strings.Contains(u.Unreadable[0].Error(), "hint_batches") {
				t.Errorf("%q: %+v, %v", data, u, err)
			}
		}
		if kept := s.Count(t.Context(), "hint_batches", "shop1"); kept != len(bad) {
			t.Errorf("%d are kept, expected %d", kept, len(bad))
		}
		must(t, s.Exec(t.Context(), "UPDATE hints SET open = 0"))
		if shops := withWork(t, s, noon); len(shops) != 0 {
			t.Errorf("shops with work: %v", shops)
		}
		if total, err := s.Totals(t.Context()); err != nil || total.OpenHints != 0 {
			t.Errorf("%d open, %v", total.OpenHints, err)
		}
		must(t, s.RecordWebhooks(t.Context(), []store.HintRecord{hint("shop1", "a", plan.CauseWebhook, noon)}))
		if shops := withWork(t, s, noon); len(shops) != 1 {
			t.Errorf("shops with work, where a webhook has come since: %v", shops)
		}
	})
}

// TestUnpackLocksNoOther: unpacking a shop's webhooks, however slow, does not block
// recording those of other shops.
func TestUnpackLocksNoOther(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{DSN: mariadbtest.New(t)})
	must(t, s.Migrate(t.Context()))
	addShop(t, s, "shop1")
	for _, shop := range []string{"shop1", "shop2"} {
		for n := range 20 {
			must(t, s.RecordWebhooks(t.Context(), []store.HintRecord{hint(shop, fmt.Sprint(n), plan.CauseWebhook, noon)}))
		}
	}
	held, err := s.Conn().BeginTx(t.Context(), nil)
	must(t, err)
	defer func() { _ = held.Rollback() }()
	var ids []string
	for id := 1; id <= 20; id++ {
		ids = append(ids, fmt.Sprint(id))
	}
	_, err = held.ExecContext(t.Context(), "DELETE FROM hint_batches WHERE id IN ("+strings.Join(ids, ",")+")")
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := s.RecordWebhooks(ctx, []store.HintRecord{hint("shop2", "a", plan.CauseWebhook, noon)}); err != nil {
		t.Errorf("a webhook of another shop: %v", err)
	}
}
