package reconcile

import (
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/test/storetest"
)

// TestKeepsUnknown: hints of numbers that do not exist are kept for a day, and for an hour once
// there are many.
func TestKeepsUnknown(t *testing.T) {
	t.Parallel()
	var p pruned
	p.count(make([]plan.Answer, 2*manyUnknown)) // answered by what a read stored
	unknown := []plan.Answer{{Reason: plan.HintUnknown}}
	for range manyUnknown - 1 {
		p.count(unknown)
	}
	if got := p.keepsUnknown(); got != 24*time.Hour {
		t.Errorf("few are kept for %s", got)
	}
	p.count(unknown)
	if got := p.keepsUnknown(); got != time.Hour {
		t.Errorf("many are kept for %s", got)
	}
}

// TestManyUnknownArePruned: after many hints of numbers that do not exist, a shop is pruned each hour
// until that has deleted them. What a running listing claims stays, and so does their count.
// Changed settings are no reason to prune.
func TestManyUnknownArePruned(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	o := Options{Store: storetest.Open(t), Log: logrus.New(), Now: func() time.Time { return now }, Jitter: func(time.Duration) time.Duration { return 0 }}
	o.KeepHistory, o.KeepHints = 2400*time.Hour, 2400*time.Hour
	settings := store.Shop{Shop: "shop1234", StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceEconomic, GrantToken: []byte{1}}
	for _, err := range []error{
		o.Store.AddShop(t.Context(), settings, []byte("01234567890123456789012345678901"), now),
		o.Store.TakeLeases(t.Context(), []string{"shop1234"}, "", "me", now),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	leases, err := o.Store.Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if settings, err = o.Store.Shop(t.Context(), "shop1234"); err != nil {
		t.Fatal(err)
	}
	s := New(o).Shop(&settings, leases[0].Token)
	s.stock.losses.guard = plan.NewLossGuard(&s.Policy, nil, 0, now)
	for _, c := range []struct {
		step    string
		after   time.Duration
		set     func()
		pruned  bool
		unknown int // are counted then
	}{
		{"the first tick", 0, func() {}, false, 0},
		{"many came", 30 * time.Minute, func() { s.pruned.unknown = manyUnknown + 1 }, false, manyUnknown + 1},
		{"an hour later", 30 * time.Minute, func() {}, true, 0},
		{"no more came", time.Hour, func() {}, false, 0},
		{"nor in the rest of the day", 22*time.Hour + 59*time.Minute, func() {}, false, 0},
		{"a day later", time.Minute, func() {}, true, 0},
		{"many came, and a listing runs", time.Hour, func() { s.pruned.unknown, s.stock.sweep.listing = manyUnknown, &listing{} }, false, manyUnknown},
		{"it goes on", time.Minute, func() {}, false, manyUnknown},
		{"it has ended", time.Minute, func() { s.stock.sweep.listing = nil }, true, 0},
		{"the settings have changed", time.Hour, func() {
			s.pruned.unknown = 3
			s.Change(&settings)
			s.stock.losses.guard = plan.NewLossGuard(&s.Policy, nil, 0, now)
		}, false, 3},
	} {
		now = now.Add(c.after)
		c.set()
		if err := s.prune(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", c.step, err)
		}
		if pruned := s.pruned.at.Equal(now) && c.after > 0; pruned != c.pruned || s.pruned.unknown != c.unknown {
			t.Errorf("%s: pruned at %s, %d are counted: expected %t, %d", c.step, s.pruned.at, s.pruned.unknown, c.pruned, c.unknown)
		}
	}
}
