package store_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/test/mariadbtest"
)

// BenchmarkAdmitBesideMany decides about a hint of a number that is not stored, beside 200,000 open
// ones of stored numbers: what an import leaves, with one new item in each piece that is unpacked.
// They are counted once.
func BenchmarkAdmitBesideMany(b *testing.B) {
	const many = 200_000
	for name, options := range map[string]func(b *testing.B) store.Options{
		"SQLite":  func(b *testing.B) store.Options { return store.Options{Path: filepath.Join(b.TempDir(), "lagerd.db")} },
		"MariaDB": func(b *testing.B) store.Options { return store.Options{DSN: mariadbtest.New(b)} },
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b, options(b))
			if err := s.Migrate(b.Context()); err != nil {
				b.Fatal(err)
			}
			f := store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: addShop(b, s, "shop1"), Seq: 1}
			for from := 0; from < many; from += store.RowsPerPiece {
				var a store.Applied
				for n := range store.RowsPerPiece {
					number := fmt.Sprintf("item-%06d", from+n)
					a.Items = append(a.Items, plan.Row{Item: plan.Item{Number: number}, State: plan.StateOK, Version: plan.Version{Token: 1, At: noon}, FirstSeenAt: noon, ChangedAt: noon})
					a.Hints = append(a.Hints, store.HintRecord{Shop: "shop1", Kind: plan.KindStock, Number: number, Cause: plan.CauseWebhook, At: noon})
				}
				if err := commit(b.Context(), s, f, a, noon); err != nil {
					b.Fatal(err)
				}
				f.Seq++
			}
			caps := store.Caps{HintCaps: plan.UsualHintCaps(), Counted: &store.Counted{}}
			for b.Loop() {
				a, err := s.Admit(b.Context(), "shop1", store.Datasets{Items: "shop1", Invoices: "shop1"}, caps, []store.HintRecord{{Shop: "shop1", Kind: plan.KindStock, Number: "new", At: noon}}) // is not stored
				if err != nil || len(a.Hints) != 1 {
					b.Fatal(len(a.Hints), err)
				}
			}
		})
	}
}
