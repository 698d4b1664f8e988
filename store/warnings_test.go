package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/store"
)

// TestWarnings: a warning keeps the time of its first occurrence, changes its text, ends,
// and is deleted with its shop.
func TestWarnings(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token, other := addShop(t, s, "shop1"), addShop(t, s, "shop2")
		seq := int64(0)
		apply := func(shop string, token int64, at time.Time, warnings ...store.Warning) {
			t.Helper()
			seq++
			must(t, commit(t.Context(), s, fenceOf(t, s, shop, token, seq), store.Applied{Warnings: warnings}, at))
		}
		expect := func(shop string, want ...string) {
			t.Helper()
			list, err := s.Warnings(t.Context(), shop)
			must(t, err)
			var got []string
			for _, w := range list {
				got = append(got, fmt.Sprintf("%s %q %.20s %s", w.Kind, w.Number, w.Text, w.FirstAt.Format("15:04")))
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s has\n%s\nexpected\n%s", shop, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		stock := func(number, text string) store.Warning {
			return store.Warning{Kind: plan.KindStock, Number: number, Text: text}
		}
		invoice := func(number, text string) store.Warning {
			return store.Warning{Kind: plan.KindInvoice, Number: number, Text: text}
		}
		apply("shop1", token, noon, stock("a", "barred: x"), stock("a ", "name: y"), stock("", "2 without"), invoice("a", "z"), invoice("7", strings.Repeat("æ", 600)))
		apply("shop2", other, noon, stock("a", "theirs"))
		apply("shop1", token, noon.Add(time.Hour), stock("a", "barred: y"), stock("a ", ""), invoice("7", ""), invoice("8", ""))
		expect("shop1", `invoice "a" z 12:00`, `stock "" 2 without 12:00`, `stock "a" barred: y 12:00`)
		expect("shop2", `stock "a" theirs 12:00`)
		list, err := s.Status(t.Context(), "")
		must(t, err)
		if w := list[0].Warnings; len(w) != 2 || w[0] != (store.Notice{Kind: plan.KindInvoice, Count: 1, Number: "a", Text: "z", Since: noon}) ||
			w[1] != (store.Notice{Kind: plan.KindStock, Count: 2, Number: "", Text: "2 without", Since: noon}) || len(list[1].Warnings) != 1 {
			t.Errorf("%+v", list)
		}
		must(t, s.AcceptAgreement(t.Context(), "shop2", 8, noon)) // its warnings are of the former agreement
		expect("shop2")
		must(t, s.RemoveShop(t.Context(), "shop1"))
		expect("shop1")
	})
}

// TestFailedHints: a hint can be recorded as failed, is due at its time, and appears only
// in its own shop's status.
func TestFailedHints(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		addShop(t, s, "shop2")
		failed := func(number string) store.HintRecord {
			return store.HintRecord{Shop: "shop1", Kind: plan.KindInvoice, Number: number, Cause: plan.CauseTick, At: noon, DueAt: noon.Add(time.Hour), Failures: 1, Note: "gross of " + number}
		}
		must(t, commit(t.Context(), s, fenceOf(t, s, "shop1", token, 1), store.Applied{Hints: []store.HintRecord{failed("7"), failed("12"), hint("shop1", "a", plan.CauseTick, noon)}}, noon))
		hints, err := s.OpenHints(t.Context(), "shop1", plan.KindInvoice, due(noon.Add(59*time.Minute)))
		must(t, err)
		if len(hints) > 0 {
			t.Errorf("due already: %+v", hints)
		}
		hints, err = s.OpenHints(t.Context(), "shop1", plan.KindInvoice, due(noon.Add(time.Hour)))
		must(t, err)
		if len(hints) != 2 || hints["7"].Failures != 1 {
			t.Errorf("%+v", hints)
		}
		list, err := s.Status(t.Context(), "")
		must(t, err)
		if st := list[0]; len(st.Failing) != 1 || st.Failing[0] != (store.Notice{Kind: plan.KindInvoice, Count: 2, Number: "12", Text: "gross of 12", Since: noon}) || st.FailingHints != 2 || len(list[1].Failing) > 0 {
			t.Errorf("%+v", list)
		}
		// A later webhook resets the failures and is due immediately.
		must(t, s.RecordHints(t.Context(), []store.HintRecord{{Shop: "shop1", Kind: plan.KindInvoice, Number: "7", Cause: plan.CauseWebhook, At: noon.Add(time.Minute)}}))
		hints, err = s.OpenHints(t.Context(), "shop1", plan.KindInvoice, due(noon.Add(time.Minute)))
		must(t, err)
		if len(hints) != 1 || hints["7"].Failures != 0 || hints["7"].WebhookAt.IsZero() {
			t.Errorf("%+v", hints)
		}
		// One that was answered, and fails again later, waits for its new time.
		must(t, commit(t.Context(), s, fenceOf(t, s, "shop1", token, 2), store.Applied{Answered: []plan.Answer{{Kind: plan.KindInvoice, Number: "12", Gen: 1}}}, noon))
		later := failed("12")
		later.At, later.DueAt = noon.Add(2*time.Hour), noon.Add(4*time.Hour)
		must(t, commit(t.Context(), s, fenceOf(t, s, "shop1", token, 3), store.Applied{Hints: []store.HintRecord{later}}, noon))
		for by, open := range map[time.Duration]bool{3 * time.Hour: false, 4 * time.Hour: true} {
			hints, err = s.OpenHints(t.Context(), "shop1", plan.KindInvoice, due(noon.Add(by)))
			must(t, err)
			if _, is := hints["12"]; is != open {
				t.Errorf("after %s it is due: %t", by, is)
			}
		}
	})
}

// TestCompletedInvoice: only the fields that come from e-conomic are overwritten.
func TestCompletedInvoice(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		row := func(inv plan.Invoice, order string, at time.Time) plan.InvoiceRow {
			return plan.InvoiceRow{Invoice: inv, ShopOrder: order, FoundAt: at}
		}
		in := plan.Invoice{Number: 7, Currency: "DKK", Gross: decimal.NewNullDecimal(decimal.New(-125, 0)), PDFLink: "https://e.test/7"}
		must(t, commit(t.Context(), s, fenceOf(t, s, "shop1", token, 1), store.Applied{Invoices: []plan.InvoiceRow{row(in, "", noon)},
			Changes: []plan.Change{{Kind: plan.KindInvoice, Number: "7", What: plan.WhatBooked, Cause: plan.CauseTick, ObservedAt: noon}},
			Lines:   []int64{7}}, noon))
		must(t, commit(t.Context(), s, fenceOf(t, s, "shop1", token, 2), store.Applied{PDFs: []store.PDF{{Number: 7, Data: []byte("%PDF-"), SHA256: strings.Repeat("a", 64)}}}, noon))
		before, err := s.Invoices(t.Context(), "shop1", []string{"7"})
		must(t, err)
		in.Date, in.DueDate, in.CustomerNumber, in.OtherReference = "2026-11-10", "2026-11-20", 7, "W-7"
		must(t, commit(t.Context(), s, fenceOf(t, s, "shop1", token, 3), store.Applied{Completed: []plan.InvoiceRow{row(in, "W-7", noon.Add(time.Hour))}}, noon.Add(time.Hour)))
		after, err := s.Invoices(t.Context(), "shop1", []string{"7"})
		must(t, err)
		want := before[0]
		want.InvoiceDate, want.DueDate, want.CustomerNumber, want.OrderNumber, want.OtherReference = "2026-11-10", "2026-11-20", 7, "W-7", "W-7"
		if diff := cmp.Diff([]store.Invoice{want}, after, exactly); diff != "" || !want.CreditNote || want.PDFState != store.PDFStored {
			t.Errorf("of %+v (-want +got):\n%s", before, diff)
		}
		work, err := s.InvoicesToFetch(t.Context(), "shop1", due(noon.Add(24*time.Hour)), true, true, 10)
		must(t, err)
		if len(work) > 0 {
			t.Errorf("its PDF would be fetched again: %+v", work)
		}
	})
}
