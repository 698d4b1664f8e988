package store_test

import (
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// TestLateFrom: a missed webhook that arrives makes the changes of its number late that were
// committed at the given time or after it.
func TestLateFrom(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		fence := store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token}
		for n := range 3 {
			fence.Seq++
			must(t, commit(t.Context(), s, fence, store.Applied{Changes: []plan.Change{{Kind: plan.KindStock, Number: "a", What: plan.WhatStock, Cause: plan.CauseTick,
				Webhook: plan.WebhookMissed, ObservedAt: noon}}}, minute(n)))
		}
		fence.Seq++
		must(t, commit(t.Context(), s, fence, store.Applied{Late: map[plan.Kind][]string{plan.KindStock: {"a"}}, LateFrom: minute(1)}, minute(5)))
		var got []string
		for _, row := range s.Rows(t.Context(), "SELECT webhook FROM changes ORDER BY seq") {
			got = append(got, row[0])
		}
		p, err := s.Progress(t.Context(), "shop1")
		must(t, err)
		if strings.Join(got, " ") != "missed late late" || p.MissedWebhooks != 1 || p.LateWebhooks != 2 {
			t.Errorf("%v; %d missed, %d late", got, p.MissedWebhooks, p.LateWebhooks)
		}
	})
}

// TestFinishedWorkStaysFinished: a result of work on an invoice that has its lines and its PDF
// does not make it due again.
func TestFinishedWorkStaysFinished(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		fence := store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}
		must(t, commit(t.Context(), s, fence, store.Applied{Invoices: []plan.InvoiceRow{{Invoice: plan.Invoice{Number: 1, Date: "2026-11-20", Currency: "DKK"}, FoundAt: noon}},
			Lines: []int64{1}, PDFs: []store.PDF{{Number: 1, Data: []byte("x"), SHA256: strings.Repeat("0", 64)}}}, noon))
		fence.Seq++
		must(t, commit(t.Context(), s, fence, store.Applied{Work: []store.WorkResult{{Number: 1, DueAt: noon, Tries: 3, Refused: true, Error: "404"}}}, noon))
		list, err := s.Invoices(t.Context(), "shop1", []string{"1"})
		must(t, err)
		due, err := s.InvoicesToFetch(t.Context(), "shop1", due(noon.Add(time.Hour)), true, true, 10)
		must(t, err)
		if len(due) > 0 || !list[0].WorkDueAt.IsZero() || list[0].WorkError != "" {
			t.Errorf("%d are due; %+v", len(due), list[0])
		}
	})
}

// TestNewInvoicesGoFirst: an invoice that has just been booked is fetched before those that a shop
// started with, however many.
func TestNewInvoicesGoFirst(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		fence := store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: addShop(t, s, "shop1"), Seq: 1}
		booked := func(history bool, numbers ...int64) {
			var rows []plan.InvoiceRow
			for _, n := range numbers {
				rows = append(rows, plan.InvoiceRow{Invoice: plan.Invoice{Number: n, Date: "2026-11-20", Currency: "DKK"}, FoundAt: noon, History: history})
			}
			must(t, commit(t.Context(), s, fence, store.Applied{Invoices: rows}, noon))
			fence.Seq++
		}
		booked(true, 1, 2, 3)
		booked(false, 8, 9)
		list, err := s.InvoicesToFetch(t.Context(), "shop1", due(noon.Add(-48*365*24*time.Hour)), true, true, 3) // by a clock that is wrong
		must(t, err)
		if len(list) != 3 || list[0].Number != 8 || list[1].Number != 9 || list[2].Number != 1 {
			t.Errorf("they are fetched in this order: %+v", list)
		}
	})
}

// TestNewHolderCounts: the transactions of a new holder are numbered anew, and none of them is
// taken for one of the last holder.
func TestNewHolderCounts(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		fence := store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: addShop(t, s, "shop1")}
		for range 3 {
			fence.Seq++
			must(t, commit(t.Context(), s, fence, store.Applied{}, noon))
		}
		must(t, s.TakeLeases(t.Context(), []string{"shop1"}, "me", "you", noon))
		fence.Token++
		for seq := range int64(3) {
			fence.Seq = seq + 1
			number := string(rune('a' + seq))
			must(t, commit(t.Context(), s, fence, store.Applied{Items: []plan.Row{itemRow(number, "1", fence.Token)}}, noon))
			if items, err := s.Items(t.Context(), "shop1", []string{number}); err != nil || len(items) != 1 {
				t.Errorf("transaction %d wrote %v, %v", fence.Seq, items, err)
			}
		}
	})
}
