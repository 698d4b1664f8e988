package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/store"
)

// TestCallsAreBooked: calls are booked by day, up to a limit, and by one instance: the one that
// has booked some, as long as it holds the lease of a shop of the agreement.
func TestCallsAreBooked(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		for _, to := range []store.Service{store.ServiceEconomic, store.ServiceRackbeat} {
			t.Run(string(to), func(t *testing.T) { testCallsAreBooked(t, s, to) })
		}
	})
}

// TestCallsOfACommandFirst: the shops of an account that only a command has called, as when they
// were added, are free: the first lagerd that calls works on it, although it does not hold all.
func TestCallsOfACommandFirst(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		for account, to := range map[int64]store.Service{7: store.ServiceEconomic, 8: store.ServiceRackbeat} {
			ctx := t.Context()
			for _, name := range []string{"taken", "free"} {
				shop := fmt.Sprint(name, account)
				addShop(t, s, shop)
				must(t, errors.Join(s.SaveAgreementNumber(ctx, shop, 7), s.SaveStockAccount(ctx, shop, 8)))
			}
			must(t, s.ReleaseLeases(ctx, []string{fmt.Sprint("free", account)}, "me"))
			for _, instance := range []string{"", "me", ""} {
				got, err := s.BookCalls(ctx, to, instance, []store.CallBooking{{Account: account, Day: "2026-11-23", Calls: 1, Most: 100}}, noon)
				if err != nil || got[account].Granted != 1 {
					t.Errorf("%s, %q: got %+v, %v", to, instance, got[account], err)
				}
			}
			if got, err := s.BookCalls(ctx, to, "you", []store.CallBooking{{Account: account, Day: "2026-11-23", Calls: 1, Most: 100}}, noon); err != nil || !got[account].Held {
				t.Errorf("%s, another: got %+v, %v", to, got[account], err)
			}
		}
	})
}

// tableOf returns the table with a service's calls.
func tableOf(to store.Service) string {
	return map[store.Service]string{store.ServiceEconomic: "agreement_calls", store.ServiceRackbeat: "rackbeat_calls"}[to]
}

func testCallsAreBooked(t *testing.T, s *store.Store, to store.Service) {
	ctx := t.Context()
	save := map[store.Service]func(context.Context, string, int64) error{store.ServiceEconomic: s.SaveAgreementNumber, store.ServiceRackbeat: s.SaveStockAccount}[to]
	for _, name := range []string{"shop1", "shop2"} {
		addShop(t, s, name)
		must(t, save(ctx, name, 7))
	}
	book := func(step, instance, day string, calls, made int, want store.BookedCalls) {
		t.Helper()
		got, err := s.BookCalls(ctx, to, instance, []store.CallBooking{{Account: 7, Day: day, Calls: calls, Most: 100, Made: made}}, noon)
		must(t, err)
		if diff := cmp.Diff(map[int64]store.BookedCalls{7: want}, got); diff != "" {
			t.Errorf("%s: %s", step, diff)
		}
	}
	const monday, tuesday = "2026-11-23", "2026-11-24"
	book("the first", "me", monday, 10, 20, store.BookedCalls{Day: monday, Calls: 30, Granted: 10})
	book("more", "me", monday, 5, 20, store.BookedCalls{Day: monday, Calls: 35, Granted: 5})
	book("another", "you", monday, 5, 0, store.BookedCalls{Day: monday, Calls: 35, Held: true})
	book("a command", "", monday, 5, 0, store.BookedCalls{Day: monday, Calls: 40, Granted: 5})
	book("beyond the limit", "me", monday, 70, 0, store.BookedCalls{Day: monday, Calls: 100, Granted: 60})
	book("at the limit", "me", monday, 1, 0, store.BookedCalls{Day: monday, Calls: 100})
	must(t, s.ReturnCalls(ctx, to, []store.CallBooking{{Account: 7, Day: monday, Calls: 8}, {Account: 8, Day: monday, Calls: 1}}))
	book("after a return", "me", monday, 10, 0, store.BookedCalls{Day: monday, Calls: 100, Granted: 8})
	must(t, s.ReleaseLeases(ctx, []string{"shop1"}, "me"))
	book("another, while one shop is held", "you", tuesday, 5, 0, store.BookedCalls{Day: tuesday, Calls: 0, Held: true})
	book("the next day", "me", tuesday, 5, 9, store.BookedCalls{Day: tuesday, Calls: 5, Granted: 5})
	book("by a clock that is behind", "me", monday, 5, 0, store.BookedCalls{Day: tuesday, Calls: 10, Granted: 5})
	// What is not granted then is returned on the day on which it was booked.
	for range 2 {
		got, err := s.BookCalls(ctx, to, "me", []store.CallBooking{{Account: 7, Day: monday, Calls: 5, Most: 10}}, noon)
		if must(t, err); got[7] != (store.BookedCalls{Day: tuesday, Calls: 10}) {
			t.Errorf("by a clock that is behind, at the limit: %+v", got[7])
		}
	}
	must(t, s.ReturnCalls(ctx, to, []store.CallBooking{{Account: 7, Day: monday, Calls: 8}})) // too late
	must(t, s.TakeLeases(ctx, []string{"shop1"}, "", "you", noon))
	book("another has a shop", "you", tuesday, 5, 0, store.BookedCalls{Day: tuesday, Calls: 10, Held: true})
	must(t, s.TakeLeases(ctx, []string{"shop2"}, "me", "you", noon))
	book("another has all shops", "you", tuesday, 5, 0, store.BookedCalls{Day: tuesday, Calls: 15, Granted: 5})
	book("the former one", "me", tuesday, 5, 0, store.BookedCalls{Day: tuesday, Calls: 15, Held: true})
	if shared, err := s.SharedAccounts(ctx); err != nil || fmt.Sprint(shared) != fmt.Sprintf("[{%[1]s 7 shop1 you} {%[1]s 7 shop2 you}]", to) {
		t.Errorf("shared: %v, %v", shared, err)
	}
	for _, name := range []string{"", "shop2"} {
		list, err := s.Status(ctx, name)
		must(t, err)
		for _, st := range list {
			is, other := st.AgreementCalls, st.StockAccountCalls
			if to == store.ServiceRackbeat {
				is, other = other, is
			}
			if is != (store.AccountCalls{Day: tuesday, Calls: 15, Shops: 2}) || other != (store.AccountCalls{}) {
				t.Errorf("the status of %q: %+v, and %+v of the other service", st.Shop.Shop, is, other)
			}
		}
	}
	must(t, s.RemoveShop(ctx, "shop2"))
	if shared, err := s.SharedAccounts(ctx); err != nil || len(shared) > 0 {
		t.Errorf("shared by one shop: %v, %v", shared, err)
	}
	// Several accounts at once, more than fit a statement; those of shops that are gone are forgotten.
	var list []store.CallBooking
	for n := range int64(1200) {
		list = append(list, store.CallBooking{Account: 1200 - n, Day: tuesday, Calls: int(n), Most: 1000})
	}
	got, err := s.BookCalls(ctx, to, "you", list, noon)
	must(t, err)
	for _, b := range list {
		want := store.BookedCalls{Day: tuesday, Calls: min(b.Calls, 1000), Granted: min(b.Calls, 1000)}
		if b.Account == 7 {
			want = store.BookedCalls{Day: tuesday, Calls: 1000, Granted: 985}
		}
		if got[b.Account] != want {
			t.Fatalf("account %d: %+v, expected %+v", b.Account, got[b.Account], want)
		}
	}
	accounts := func() string { return s.Strings(ctx, "SELECT COUNT(*) FROM "+tableOf(to))[0] }
	must(t, s.PruneRequests(ctx, noon.Add(24*time.Hour)))
	if n := accounts(); n != "1200" {
		t.Errorf("%s accounts are stored on their day", n)
	}
	must(t, s.PruneRequests(ctx, noon.Add(48*time.Hour)))
	if n := accounts(); n != "1" {
		t.Errorf("%s accounts are stored later, expected 1", n)
	}
	must(t, s.RemoveShop(ctx, "shop1"))
}

// TestBlocksAreStored: how long a service takes no calls is known to every process, and to none
// for longer than it said, wherever a clock is set to.
func TestBlocksAreStored(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		for _, to := range []store.Service{store.ServiceRackbeat, store.ServiceEconomic} {
			t.Run(string(to), func(t *testing.T) { testBlocksAreStored(t, s, to) })
		}
	})
}

func testBlocksAreStored(t *testing.T, s *store.Store, to store.Service) {
	ctx, now := t.Context(), time.Now()
	left := func(at time.Time) time.Duration {
		t.Helper()
		got, err := s.BookCalls(ctx, to, "", []store.CallBooking{{Account: 7, Day: "2026-11-23", Most: 100}}, at)
		must(t, err)
		news, err := s.News(ctx, store.Due{By: at, Beyond: at.Add(time.Hour)}, store.Due{By: at, Beyond: at.Add(time.Hour)})
		must(t, err)
		news.Blocked = slices.DeleteFunc(news.Blocked, func(b store.Blocked) bool { return b.Service != to })
		blocked := got[7].Blocked
		switch {
		case blocked == 0 && len(news.Blocked) > 0, blocked > 0 && len(news.Blocked) != 1:
			t.Errorf("the news are %+v, expected %s", news.Blocked, blocked)
		case blocked > 0 && (news.Blocked[0].Account != 7 || blocked-news.Blocked[0].Lasts > 10*time.Second):
			t.Errorf("the news are %+v, expected %s", news.Blocked, blocked)
		}
		return blocked
	}
	about := func(step string, got, want time.Duration) {
		t.Helper()
		if got > want || got < want-10*time.Second {
			t.Errorf("%s: %s, expected %s", step, got, want)
		}
	}
	block := func(ctx context.Context, account int64, lasts time.Duration, now time.Time) {
		t.Helper()
		until, err := s.BlockCalls(ctx, to, account, lasts, now)
		if must(t, err); s.Embedded() != until.Equal(now.Add(lasts).Truncate(time.Microsecond)) {
			t.Errorf("blocked until %s", until)
		}
	}
	about("at first", left(now), 0)
	block(ctx, 7, time.Hour, now)
	about("an hour", left(now), time.Hour)
	block(ctx, 7, time.Minute, now)
	about("a shorter one later", left(now), time.Hour)
	about("by a clock that is behind", left(now.Add(-24*time.Hour)), time.Hour)
	if s.Embedded() { // otherwise the server's clock counts
		about("later", left(now.Add(45*time.Minute)), 15*time.Minute)
		about("at its end", left(now.Add(time.Hour)), 0)
		block(ctx, 7, 2*time.Minute, now.Add(time.Hour))
		about("another", left(now.Add(time.Hour)), 2*time.Minute)
	}
	block(ctx, 8, time.Hour, now) // nothing was booked for it
	if n := s.Strings(ctx, "SELECT COUNT(*) FROM "+tableOf(to))[0]; n != "2" {
		t.Errorf("%s accounts are stored", n)
	}
}

// TestDayOfAWrongClock: a day that a wrong clock has booked on does not stop the calls of the days
// before it.
func TestDayOfAWrongClock(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		for _, step := range []struct {
			day     string
			granted int
			on      string
		}{{"2026-11-29", 60, "2026-11-29"}, {"2026-11-30", 60, "2026-11-30"}, {"2026-11-29", 40, "2026-11-30"}, {"2027-11-29", 60, "2027-11-29"}, {"2026-12-01", 60, "2026-12-01"}, {"2026-12-01", 40, "2026-12-01"}} {
			got, err := s.BookCalls(t.Context(), store.ServiceEconomic, "me", []store.CallBooking{{Account: 7, Day: step.day, Calls: 60, Most: 100}}, noon)
			if must(t, err); got[7].Granted != step.granted || got[7].Day != step.on {
				t.Errorf("on %s: %d are granted on %s, expected %d on %s", step.day, got[7].Granted, got[7].Day, step.granted, step.on)
			}
		}
	})
}
