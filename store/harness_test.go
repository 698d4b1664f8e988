package store_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/test/mariadbtest"
	"lagerd/test/storetest"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.UTC)

// onEach runs a test on every kind of database, freshly migrated.
func onEach(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	for name, options := range map[string]func(t *testing.T) store.Options{
		"SQLite":  func(t *testing.T) store.Options { return store.Options{Path: storetest.New(t)} },
		"MariaDB": func(t *testing.T) store.Options { return store.Options{DSN: mariadbtest.New(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, options(t))
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			seeAll(t, s)
			test(t, s)
		})
	}
}

// seeAll lets the test's own account see all shops in the views.
func seeAll(t testing.TB, s *store.Store) {
	t.Helper()
	if s.Embedded() {
		return
	}
	account, _, _ := strings.Cut(s.Strings(t.Context(), "SELECT USER()")[0], "@")
	if err := s.GrantReaderOfAll(t.Context(), account, noon); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// addShop adds a shop and takes its lease.
func addShop(t testing.TB, s *store.Store, name string) (token int64) {
	t.Helper()
	shop := store.Shop{Shop: name, GrantToken: []byte{1, 2}, StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceEconomic,
		InvoicesOn: true, InvoicesFrom: "2026-11-01", OrderField: plan.OrderInOtherReference}
	if err := s.AddShop(t.Context(), shop, []byte("01234567890123456789012345678901"), noon); err != nil {
		t.Fatal(err)
	}
	if err := s.TakeLeases(t.Context(), []string{name}, "", "me", noon); err != nil {
		t.Fatal(err)
	}
	leases, err := s.Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leases {
		if l.Shop == name && l.Holder == "me" {
			return l.Token
		}
	}
	t.Fatalf("the lease of %s was not taken: %+v", name, leases)
	return 0
}

// roomy admits every hint.
var roomy = store.Caps{HintCaps: plan.HintCaps{Unknown: 1 << 20, Invoices: 1 << 20, OldInvoices: 1 << 20}}

func hint(shop, number string, cause plan.Cause, at time.Time) store.HintRecord {
	return store.HintRecord{Shop: shop, Kind: plan.KindStock, Number: number, Cause: cause, At: at}
}

// due is Due by a time, with nothing postponed for more than a day.
func due(by time.Time) store.Due { return store.Due{By: by, Beyond: by.Add(24 * time.Hour)} }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openHints(t *testing.T, s *store.Store, shop string, by time.Time) map[string]plan.Hint {
	t.Helper()
	hints, err := s.OpenHints(t.Context(), shop, plan.KindStock, due(by))
	must(t, err)
	return hints
}

func withWork(t *testing.T, s *store.Store, by time.Time) []string {
	t.Helper()
	news, err := s.News(t.Context(), due(by), due(by))
	must(t, err)
	return news.Work
}

// commit is Apply without the returned progress.
func commit(ctx context.Context, s *store.Store, f store.Fence, a store.Applied, now time.Time) error {
	_, err := s.Apply(ctx, f, a, now)
	return err
}
