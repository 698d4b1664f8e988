package store_test

import (
	"testing"
	"time"

	"lagerd/store"
)

// TestRefusedCalls: calls with a wrong code are counted by shop and day, and go with their shop.
func TestRefusedCalls(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		for _, shop := range []string{"a", "b"} {
			addShop(t, s, shop)
		}
		add := func(list ...store.RefusedCalls) { t.Helper(); must(t, s.AddRefusedCalls(t.Context(), list)) }
		is := func(shop string, day string, calls int64, at time.Time, remote string) {
			t.Helper()
			list, err := s.Status(t.Context(), shop)
			must(t, err)
			got := list[0].Refused
			if got.Day != day || got.Calls != calls || !got.LastAt.Equal(at) || got.LastRemote != remote {
				t.Errorf("%s: %+v, expected %s %d %s %s", shop, got, day, calls, at, remote)
			}
		}
		is("a", "", 0, time.Time{}, "")
		add(store.RefusedCalls{Shop: "a", Day: "2026-11-23", Calls: 3, LastAt: store.At(noon), LastRemote: "192.0.2.7"},
			store.RefusedCalls{Shop: "nobody", Day: "2026-11-23", Calls: 1, LastAt: store.At(noon)})
		later := noon.Add(time.Hour)
		add(store.RefusedCalls{Shop: "a", Day: "2026-11-23", Calls: 4, LastAt: store.At(later), LastRemote: "192.0.2.8"},
			store.RefusedCalls{Shop: "b", Day: "2026-11-23", Calls: 1, LastAt: store.At(noon), LastRemote: "10.0.0.1"})
		is("a", "2026-11-23", 7, later, "192.0.2.8")
		is("b", "2026-11-23", 1, noon, "10.0.0.1")
		next := noon.Add(24 * time.Hour)
		add(store.RefusedCalls{Shop: "a", Day: "2026-11-24", Calls: 2, LastAt: store.At(next), LastRemote: "192.0.2.9"})
		is("a", "2026-11-24", 2, next, "192.0.2.9")
		list, err := s.Status(t.Context(), "")
		must(t, err)
		if len(list) != 2 || list[0].Refused.On(next) != 2 || list[0].Refused.On(noon) != 0 || list[1].Refused.Calls != 1 {
			t.Errorf("of all shops: %+v", list)
		}
		must(t, s.RemoveShop(t.Context(), "a"))
		addShop(t, s, "a")
		is("a", "", 0, time.Time{}, "")
		if n := s.Count(t.Context(), "refused_calls", "nobody"); n != 0 {
			t.Errorf("%d rows of a shop that does not exist", n)
		}
	})
}
