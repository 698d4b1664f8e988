package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/test/mariadbtest"
)

// BenchmarkItems reads the stored rows of a page of 1,000 items, and stores them.
func BenchmarkItems(b *testing.B) {
	s := open(b, store.Options{DSN: mariadbtest.New(b)})
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	f := store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: addShop(b, s, "shop1")}
	const pages, size = 20, 1000
	rows := make([]plan.Row, pages*size)
	numbers := make([]string, len(rows))
	for i := range rows {
		rows[i] = itemRow(fmt.Sprintf("item-%06d", i), fmt.Sprint(i), f.Token)
		numbers[i] = rows[i].Number
	}
	put := func(page int) {
		f.Seq++
		for i := range size {
			r := &rows[page*size+i]
			r.Version.At = time.Now()
			r.ChangedAt = r.Version.At
			r.Stock.Decimal = decimal.New(f.Seq, 0)
			r.Figures.InStock = r.Stock
		}
		if err := commit(b.Context(), s, f, store.Applied{Items: rows[page*size:][:size]}, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	for page := range pages {
		put(page)
	}
	b.Run("read", func(b *testing.B) {
		page := 0
		for b.Loop() {
			found, err := s.Items(b.Context(), f.Dataset, numbers[page*size:][:size])
			if err != nil || len(found) != size {
				b.Fatal(len(found), err)
			}
			page = (page + 1) % pages
		}
		b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "rows/s")
	})
	b.Run("read side by side", func(b *testing.B) {
		page := 0
		for b.Loop() {
			found, all, err := s.ItemsBetween(b.Context(), f.Dataset, numbers[page*size], numbers[(page+1)*size-1], size)
			if err != nil || !all || len(found) != size {
				b.Fatal(len(found), all, err)
			}
			page = (page + 1) % pages
		}
		b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "rows/s")
	})
	b.Run("store", func(b *testing.B) {
		page := 0
		for b.Loop() {
			put(page)
			page = (page + 1) % pages
		}
		b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}
