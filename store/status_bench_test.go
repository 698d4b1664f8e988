package store_test

import (
	"path/filepath"
	"testing"

	"lagerd/store"
	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

// BenchmarkStatus reads the state of 10,000 shops, with and without what is stored of each.
func BenchmarkStatus(b *testing.B) {
	for name, options := range map[string]func(b *testing.B) store.Options{
		"SQLite":  func(b *testing.B) store.Options { return store.Options{Path: filepath.Join(b.TempDir(), "lagerd.db")} },
		"MariaDB": func(b *testing.B) store.Options { return store.Options{DSN: mariadbtest.New(b)} },
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b, options(b))
			if err := s.Migrate(b.Context()); err != nil {
				b.Fatal(err)
			}
			lagerdtest.StoreShops(b, s.Conn(), 10_000)
			b.Run("Status", func(b *testing.B) {
				for b.Loop() {
					if list, err := s.Status(b.Context(), ""); err != nil || len(list) != 10_000 || list[17].ItemsStored != 100 {
						b.Fatal(len(list), err)
					}
				}
			})
			b.Run("Standings", func(b *testing.B) {
				for b.Loop() {
					if list, err := s.Standings(b.Context()); err != nil || len(list) != 10_000 || list[17].Holder == "" {
						b.Fatal(len(list), err)
					}
				}
			})
			b.Run("Overview", func(b *testing.B) {
				for b.Loop() {
					if list, err := s.Overview(b.Context()); err != nil || len(list) != 10_000 || list[17].Holder == "" {
						b.Fatal(len(list), err)
					}
				}
			})
		})
	}
}
