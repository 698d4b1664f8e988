package store_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/store"
)

// all returns the rows of a stream.
func all[R any](t *testing.T, rows iter.Seq2[R, error]) (list []R) {
	t.Helper()
	for row, err := range rows {
		must(t, err)
		list = append(list, row)
	}
	return list
}

// pieces are the sizes with which streams are tried: rows end within a piece, and with one.
var pieces = []int{1, 2, 3, 4, 100}

// TestEachItem: every item comes once, in byte order, with what is in its places, whatever the
// size of a piece, and numbers that differ by blanks or case alone are apart.
func TestEachItem(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		l := &lease{t: t, s: s, name: "shop1", token: addShop(t, s, "shop1")}
		must(t, s.ChangeStockSource(t.Context(), "shop1", toRackbeat(1, "4,10"), noon))
		numbers := []string{" ", "0571", "571", "A", "a", "a\t", "a\t ", "a ", "a  ", "a b", "b", "æ", "ø", "𝒶"}
		slices.Sort(numbers)
		var first store.Applied
		for n, number := range numbers {
			first.Items = append(first.Items, itemRow(number, "5", l.token))
			if n%3 > 0 {
				first.Places = append(first.Places, inPlace(number, "10", "3.5", 0), inPlace(number, "4", "1.5", 0))
			}
		}
		l.apply(first)
		dataset := l.shop().StockDataset
		for _, piece := range pieces {
			for _, places := range []bool{false, true} {
				rows := all(t, s.EachItem(t.Context(), dataset, places, piece))
				var got []string
				for n, row := range rows {
					got = append(got, row.Number)
					if want := itemRow(row.Number, "5", l.token); row.Name != want.Name || !row.Stock.Decimal.Equal(want.Stock.Decimal) || !row.Figures.Available.Decimal.Equal(want.Figures.Available.Decimal) || !row.ChangedAt.Equal(noon) {
						t.Errorf("pieces of %d: %+v, expected %+v", piece, row, want)
					}
					sum := decimal.Zero
					for _, in := range row.Places {
						sum = sum.Add(in.InStock)
					}
					if want := map[bool]int64{true: 5}[places && n%3 > 0]; !sum.Equal(decimal.NewFromInt(want)) {
						t.Errorf("pieces of %d: the places of %q are %v", piece, row.Number, row.Places)
					}
				}
				if !slices.Equal(got, numbers) {
					t.Errorf("pieces of %d (places: %t): %q, expected %q", piece, places, got, numbers)
				}
			}
		}
		if rows := all(t, s.EachItem(t.Context(), "nobody", true, 10)); len(rows) > 0 {
			t.Errorf("of another dataset: %v", rows)
		}
	})
}

// TestEachChange: the history up to a position comes whole and in order, also where many changes
// have the same time, one clock was behind another, and more are found meanwhile.
func TestEachChange(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		l := &lease{t: t, s: s, name: "shop1", token: addShop(t, s, "shop1")}
		find := func(at time.Time, numbers ...string) {
			t.Helper()
			var a store.Applied
			for _, number := range numbers {
				a.Changes = append(a.Changes, plan.Change{Kind: plan.KindStock, Number: number, What: plan.WhatStock, OldStock: nullable("900719925474099.1234"), NewStock: nullable("2"),
					OldFigures: plan.Figures{InStock: nullable("3")}, NewFigures: plan.Figures{Available: nullable("4")}, Cause: plan.CauseWebhook, Webhook: plan.WebhookCame,
					HintedAt: at.Add(-time.Second), ObservedAt: at})
			}
			l.seq++
			must(t, commit(t.Context(), s, fenceOf(t, s, l.name, l.token, l.seq), a, at))
		}
		find(noon, "a", "b", "c")
		find(noon, "d", "e")
		find(noon.Add(time.Second), "g")
		find(noon.Add(-time.Hour), "0")
		find(noon, "f")
		until, err := s.Position(t.Context(), "shop1")
		must(t, err)
		find(noon.Add(-time.Minute), "later")
		find(noon.Add(time.Minute), "later")
		read := func(since time.Time, piece int) (numbers string) {
			t.Helper()
			for n, c := range all(t, s.EachChange(t.Context(), "shop1", since, until, piece)) {
				numbers += c.Number
				if n > 0 {
					find(noon.Add(-2*time.Hour), "meanwhile")
				}
			}
			return numbers
		}
		for _, piece := range pieces {
			if got := read(time.Time{}, piece); got != "0abcdefg" {
				t.Errorf("pieces of %d: %s", piece, got)
			}
			if got := read(noon, piece); got != "abcdefg" {
				t.Errorf("since noon, pieces of %d: %s", piece, got)
			}
			if got := read(noon.Add(time.Microsecond), piece); got != "g" {
				t.Errorf("after noon, pieces of %d: %s", piece, got)
			}
		}
		c := all(t, s.EachChange(t.Context(), "shop1", noon.Add(time.Second), until, 10))[0]
		got := fmt.Sprintln(*c.OldStock, c.OldInStock != nil, c.NewInStock != nil, c.OldAvailable != nil, c.NewAvailable != nil, c.Cause, c.Webhook, c.Source, c.CommittedAt.Sub(c.HintedAt.Time))
		if want := "900719925474099.1234 true false false true webhook came economic 1s\n"; got != want {
			t.Errorf("read as %s, expected %s", got, want)
		}
		if list := all(t, s.EachChange(t.Context(), "shop2", time.Time{}, until, 10)); len(list) > 0 {
			t.Errorf("of another shop: %v", list)
		}
	})
}

// TestEachInvoice: every invoice comes once, by number, and its PDF is the one that was stored.
func TestEachInvoice(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		l := &lease{t: t, s: s, name: "shop1", token: addShop(t, s, "shop1")}
		var a store.Applied
		for _, number := range []int64{100, 9, 10, 11, 2} {
			a.Invoices = append(a.Invoices, plan.InvoiceRow{Invoice: plan.Invoice{Number: number, Date: "2026-11-20", DueDate: "2026-12-04", Currency: "EUR", Net: nullable("100.10"), VAT: nullable("25"),
				Gross: nullable("125.10"), NetBase: nullable("747.5"), CustomerNumber: 7, RecipientName: "Ærø"}, ShopOrder: "10042", FoundAt: noon})
		}
		a.PDFs = []store.PDF{{Number: 10, Data: []byte("%PDF-\x00\xff"), SHA256: strings.Repeat("ab", 32)}}
		l.apply(a)
		for _, piece := range pieces {
			var numbers []int64
			for _, i := range all(t, s.EachInvoice(t.Context(), "shop1", piece)) {
				numbers = append(numbers, i.Number)
			}
			if !slices.Equal(numbers, []int64{2, 9, 10, 11, 100}) {
				t.Errorf("pieces of %d: %v", piece, numbers)
			}
		}
		i := all(t, s.EachInvoice(t.Context(), "shop1", 10))[2]
		got := fmt.Sprintln(i.Kind(), i.InvoiceDate, i.DueDate, i.Currency, i.Net.Decimal, i.VAT.Decimal, i.Gross.Decimal, i.Rounding.Valid, i.NetBase.Decimal, i.GrossBase.Valid, i.CustomerNumber, i.RecipientName, i.OrderNumber, i.PDFState, i.PDFSize)
		if want := "invoice 2026-11-20 2026-12-04 EUR 100.1 25 125.1 false 747.5 false 7 Ærø 10042 stored 7\n"; got != want {
			t.Errorf("read as %s, expected %s", got, want)
		}
		if !i.PDFStoredAt.Equal(noon) || !i.FoundAt.Equal(noon) {
			t.Errorf("found %s, PDF stored %s", i.FoundAt, i.PDFStoredAt)
		}
		pdf, err := s.PDF(t.Context(), "shop1", 10)
		if err != nil || string(pdf) != "%PDF-\x00\xff" {
			t.Errorf("the PDF is %q, %v", pdf, err)
		}
		for _, number := range []int64{9, 12} {
			if pdf, err := s.PDF(t.Context(), "shop1", number); !errors.Is(err, store.ErrNoPDF) {
				t.Errorf("invoice %d has the PDF %q, %v", number, pdf, err)
			}
		}
	})
}

// TestStreamsEnd: a stream whose reader stops holds no connection.
func TestStreamsEnd(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		l := &lease{t: t, s: s, name: "shop1", token: addShop(t, s, "shop1")}
		l.apply(store.Applied{Items: []plan.Row{itemRow("a", "1", l.token), itemRow("b", "1", l.token)}})
		for row, err := range s.EachItem(t.Context(), "shop1", false, 1) {
			must(t, err)
			if row.Number != "a" {
				t.Errorf("goes on with %q", row.Number)
			}
			break
		}
		if inUse, _ := s.Connections(); inUse != 0 {
			t.Errorf("%d connections are in use", inUse)
		}
	})
}

// TestStreamsReadOnce: however many rows a shop has, a stream reads each about once, and not all
// that are left for every piece.
func TestStreamsReadOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		const rows, piece = 6000, 200
		ctx := t.Context()
		token, seq := addShop(t, s, "shop1"), int64(0)
		for n := 0; n < rows; n += 500 {
			var a store.Applied
			for i := range 500 {
				number := n + i + 1
				a.Items = append(a.Items, itemRow(fmt.Sprint(number), "5", token))
				a.Places = append(a.Places, inPlace(fmt.Sprint(number), "1", "5", 0))
				a.Changes = append(a.Changes, plan.Change{Kind: plan.KindStock, Number: fmt.Sprint(number), What: plan.WhatStock, ObservedAt: noon})
				a.Invoices = append(a.Invoices, plan.InvoiceRow{Invoice: plan.Invoice{Number: int64(number), Currency: "DKK"}, FoundAt: noon})
			}
			seq++
			must(t, commit(ctx, s, fenceOf(t, s, "shop1", token, seq), a, noon.Add(time.Duration(n)*time.Millisecond)))
		}
		until, err := s.Position(ctx, "shop1")
		must(t, err)
		if s.Embedded() {
			after := all(t, s.EachChange(ctx, "shop1", time.Time{}, until, rows))[rows/2]
			for _, last := range []*store.Change{nil, &after} {
				if steps := strings.Join(s.PlanOfHistory(ctx, "shop1", until, last), "; "); !strings.Contains(steps, "USING INDEX changes_committed (shop=?") || strings.Contains(steps, "B-TREE FOR ORDER BY") {
					t.Errorf("after %v: %s", last, steps)
				}
			}
			return
		}
		must(t, s.Exec(ctx, "ANALYZE TABLE changes, items, item_places, invoices"))
		s.Conn().SetMaxOpenConns(1)
		reads := func() (n int) {
			t.Helper()
			for _, row := range s.Rows(ctx, "SHOW SESSION STATUS LIKE 'Handler_read%'") {
				var one int
				_, err := fmt.Sscan(row[1], &one)
				must(t, err)
				n += one
			}
			return n
		}
		for what, run := range map[string]func() int{
			"items":         func() int { return len(all(t, s.EachItem(ctx, "shop1", false, piece))) },
			"items, places": func() int { return len(all(t, s.EachItem(ctx, "shop1", true, piece))) },
			"changes":       func() int { return len(all(t, s.EachChange(ctx, "shop1", time.Time{}, until, piece))) },
			"invoices":      func() int { return len(all(t, s.EachInvoice(ctx, "shop1", piece))) },
		} {
			before := reads()
			if n := run(); n != rows {
				t.Errorf("%s: %d rows, expected %d", what, n, rows)
			}
			// With places each item is read, sorted and joined. A time that many changes share is read
			// again with each piece of them. All that are left for every piece would be 15 for each row.
			if n := reads() - before; n > 8*rows {
				t.Errorf("%s: %d reads for %d rows", what, n, rows)
			}
		}
	})
}
