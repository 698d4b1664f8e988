package store_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/test/mariadbtest"
)

// BenchmarkRecordWebhooks records webhooks of distinct numbers for 20 shops, in
// sequential commits of various sizes.
func BenchmarkRecordWebhooks(b *testing.B) {
	for name, options := range map[string]func(b *testing.B) store.Options{
		"SQLite":  func(b *testing.B) store.Options { return store.Options{Path: filepath.Join(b.TempDir(), "lagerd.db")} },
		"MariaDB": func(b *testing.B) store.Options { return store.Options{DSN: mariadbtest.New(b)} },
	} {
		for _, size := range []int{1, 64, 500} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				s := open(b, options(b))
				if err := s.Migrate(b.Context()); err != nil {
					b.Fatal(err)
				}
				hints := make([]store.HintRecord, size)
				count := 0
				for b.Loop() {
					for i := range hints {
						hints[i] = store.HintRecord{Shop: fmt.Sprintf("shop%05d", i*20/size), Kind: plan.KindStock, Number: fmt.Sprintf("item-%06d", count), Cause: plan.CauseWebhook, At: noon}
						count++
					}
					if err := s.RecordWebhooks(b.Context(), hints); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(count)/b.Elapsed().Seconds(), "hints/s")
			})
		}
	}
}
