package reconcile_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/schedule"
	"lagerd/store"
)

// trickle is a shop that loses its stock bit by bit, with a clock that the test advances.
type trickle struct {
	*fixture
	*schedule.Scheduler
	done    passes
	ahead   atomic.Int64
	refused atomic.Bool // the shop's grant
}

// trickling returns a shop of items with five in stock each, which has been listed once.
func trickling(t *testing.T, items int) *trickle {
	t.Helper()
	f := newFixture(t)
	for n := range items {
		f.stock[thing(n)] = "5"
		f.has(thing(n), "5")
	}
	now := store.At(time.Now())
	f.exec("UPDATE progress SET agreement_number = 7, items = ?, swept_at = ?, items_cursor = ?, invoices_begun = 1, invoices_swept_at = ?", items, now, now, now)
	x := &trickle{fixture: f}
	economic := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if x.refused.Load() {
			http.Error(w, `{"message":"Not authorized."}`, http.StatusUnauthorized)
			return
		}
		f.remote.ServeHTTP(w, r)
	})
	x.Scheduler, x.done = scheduler(t, f, economic, func(o *reconcile.Options) {
		o.Now, o.HeldRetry, o.LateWithin = x.now, time.Hour, 15*time.Minute
	})
	must(t, x.done.next(t))
	return x
}

func thing(n int) string { return fmt.Sprintf("item-%03d", n) }

func (x *trickle) now() time.Time { return time.Now().Add(time.Duration(x.ahead.Load())) }

func (x *trickle) later(d time.Duration) { x.ahead.Add(int64(d)) }

// becomes gives some items another figure at e-conomic; "gone": it no longer has them.
func (x *trickle) becomes(from, to int, stock string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for n := from; n < to; n++ {
		if x.stock[thing(n)] = stock; stock == "gone" {
			delete(x.stock, thing(n))
		}
	}
}

const lostItems = "SELECT COUNT(*) FROM items WHERE state = 'gone' OR stock IS NULL OR stock = '0'"

func (x *trickle) count(query string) (n int) {
	x.t.Helper()
	must(x.t, x.db.QueryRow(query).Scan(&n))
	return n
}

// held returns why the shop is held, "" if it is not.
func (x *trickle) held() (why plan.Reason, detail string) {
	x.t.Helper()
	p, err := x.Store.Progress(x.t.Context(), "shop1234")
	must(x.t, err)
	hold, _ := p.Holds.Of(plan.ScopeStock)
	return hold.Reason, hold.Detail
}

// countsNone fails if losses are still counted when all webhooks have been processed: one may
// have been seen before its webhook.
func (x *trickle) countsNone() {
	x.t.Helper()
	n := -1
	for began := time.Now(); n != 0 && time.Since(began) < 20*time.Second; n = x.count("SELECT COUNT(*) FROM recent_losses") {
		x.Wake([]string{"shop1234"})
		x.passes()
	}
	if n != 0 {
		x.t.Errorf("%d losses are counted", n)
	}
}

// passes ticks until a pass has ended that began after the call.
func (x *trickle) passes() {
	x.t.Helper()
	for range 2 { // one may be under way
		for began, ended := time.Now(), false; !ended; {
			if x.Tick(); time.Since(began) > 20*time.Second {
				x.t.Fatal("no pass succeeds")
			}
			select {
			case err := <-x.done:
				ended = err == nil // e-conomic may seem slow on a busy machine
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// settles reconciles until what e-conomic shows is stored, or the shop is held.
func (x *trickle) settles() (held bool) {
	x.t.Helper()
	for range 40 {
		x.passes()
		if why, _ := x.held(); why != "" {
			return true
		}
		if x.equal() {
			return false
		}
	}
	x.t.Fatal("nothing settles")
	return false
}

func (x *trickle) equal() bool {
	x.t.Helper()
	rows, err := x.db.Query("SELECT number, COALESCE(stock, 'gone') FROM items")
	must(x.t, err)
	defer rows.Close()
	x.mu.Lock()
	defer x.mu.Unlock()
	for rows.Next() {
		var number, stock string
		must(x.t, rows.Scan(&number, &stock))
		want, there := x.stock[number]
		if !there {
			want = "gone"
		}
		if stock != want {
			return false
		}
	}
	must(x.t, rows.Err())
	return true
}

// moves gives the shop's lease to another lagerd.
func (x *trickle) moves() {
	x.t.Helper()
	x.Drop("shop1234")
	must(x.t, x.Store.TakeLeases(x.t.Context(), []string{"shop1234"}, "me", "me", x.now()))
	leases, err := x.Store.Leases(x.t.Context())
	must(x.t, err)
	x.Take(x.t.Context(), new(x.Shop), leases[0].Token)
}

// TestTrickleIsHeld: items that lose their stock bit by bit, below the limit in each
// listing, are held back, whichever way they go and whoever holds the lease.
func TestTrickleIsHeld(t *testing.T) {
	t.Parallel()
	const items, step = 300, 30
	for _, how := range []string{"0", "gone"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			x := trickling(t, items)
			held := false
			next := 0
			for ; next < 270 && !held; next += step {
				x.becomes(next, next+step, how)
				held = x.settles()
				x.later(time.Minute)
				if next/step%2 == 1 {
					x.moves()
				}
			}
			why, detail := x.held()
			lost := x.count(lostItems)
			if want := "30 more items: with the 150 lost within 1h without a webhook, 180 of 300 items"; !held || why != plan.HeldLosses || !strings.Contains(detail, want) || !strings.Contains(detail, "lagerd approve shop1234") || lost != 150 {
				t.Fatalf("%d lost, held %q: %q, expected %q", lost, why, detail, want)
			}
			// Time does not end it, nor does another lagerd.
			for range 3 {
				x.later(2 * time.Hour)
				x.moves()
				x.passes()
			}
			if why, _ := x.held(); why != plan.HeldLosses || x.count(lostItems) != 150 {
				t.Fatalf("after six hours: held %q, %d lost", why, x.count(lostItems))
			}
			x.diffTells()
			x.approved(next, how)
		})
	}
}

// diffTells: the note of a diff names what was lost before.
func (x *trickle) diffTells() {
	x.t.Helper()
	var err error
	x.Progress, err = x.Store.Progress(x.t.Context(), "shop1234")
	must(x.t, err)
	x.LossWindow = time.Hour
	d, err := x.Read(x.t.Context(), nil, nil)
	must(x.t, err)
	if notes := strings.Join(d.Notes, "\n"); d.Losses() != 30 || !strings.Contains(notes, "150 items had lost their stock within 1h") || !strings.Contains(notes, `"item-000"`) || !strings.Contains(notes, "and 130 more") {
		x.t.Errorf("diff: %d losses, notes: %s", d.Losses(), notes)
	}
}

// approved: approved losses are stored and no longer count, nor do the losses before them.
// Further ones count.
func (x *trickle) approved(next int, how string) {
	x.t.Helper()
	shop, err := x.Store.Shop(x.t.Context(), "shop1234")
	must(x.t, err)
	must(x.t, x.Store.Approve(x.t.Context(), shop, 30+20, x.now()))
	more, counted := 25, 5 // than anybody has been shown
	if how == "gone" {
		more, counted = 10, 0 // 55 of the 150 that are left would be too many at once
	}
	x.becomes(next, next+more, how)
	x.SweepAll()
	x.passes()
	if why, detail := x.held(); x.settles() || x.count(lostItems) != 180+more || x.count("SELECT COUNT(*) FROM recent_losses") != counted {
		x.t.Fatalf("50 were approved: held %q: %q, %d are lost, %d of them counted; expected %d and %d", why, detail, x.count(lostItems), x.count("SELECT COUNT(*) FROM recent_losses"), 180+more, counted)
	}
}

// TestTrickleAroundAHold: losses expire after the window, which excludes the time for which the
// shop was held, for whatever reason and whoever held the lease.
func TestTrickleAroundAHold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		between func(x *trickle)
		held    bool
	}{
		{"an hour passes", func(x *trickle) { x.later(time.Hour) }, false},
		{"half an hour passes", func(x *trickle) { x.later(30 * time.Minute) }, true},
		{"an hour of refusal passes", func(x *trickle) { x.isRefused(time.Hour, func() {}) }, true},
		{"and another lagerd sees its end", func(x *trickle) { x.isRefused(time.Hour, x.moves) }, true},
		{"twice half an hour of it, and half an hour", func(x *trickle) {
			x.isRefused(30*time.Minute, func() {})
			x.later(30 * time.Minute)
			x.isRefused(30*time.Minute, x.moves)
		}, true},
		{"an hour of it, and an hour", func(x *trickle) {
			x.isRefused(time.Hour, x.moves)
			x.later(time.Hour)
			x.moves()
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := trickling(t, 300)
			for n := 0; n < 150; n += 50 {
				if x.becomes(n, n+50, "0"); x.settles() {
					t.Fatalf("held after %d", n)
				}
			}
			c.between(x)
			x.becomes(150, 180, "0")
			if held := x.settles(); held != c.held {
				why, detail := x.held()
				t.Errorf("held %q: %q, %d are lost", why, detail, x.count(lostItems))
			}
		})
	}
}

// isRefused makes e-conomic refuse the shop's grant for a while.
func (x *trickle) isRefused(d time.Duration, meanwhile func()) {
	x.t.Helper()
	const held = "SELECT COUNT(*) FROM holds WHERE scope = 'shop'"
	until := func(want int) {
		for began := time.Now(); x.count(held) != want; time.Sleep(10 * time.Millisecond) {
			if x.ReconcileAll(); time.Since(began) > 20*time.Second {
				x.t.Fatalf("%d holds of the shop, expected %d", x.count(held), want)
			}
		}
	}
	x.refused.Store(true)
	x.SweepAll()
	until(1)
	x.later(d)
	meanwhile()
	x.refused.Store(false)
	until(0)
}

// TestHonestLosses: the losses of a shop's usual day are not held.
func TestHonestLosses(t *testing.T) {
	t.Parallel()
	t.Run("a small shop sells three fifths of its items out in a day, with webhooks", func(t *testing.T) {
		t.Parallel()
		x := trickling(t, 100)
		for n := range 60 {
			x.becomes(n, n+1, "0")
			must(t, x.Store.RecordWebhooks(t.Context(), []store.HintRecord{{Shop: "shop1234", Kind: plan.KindStock, Number: thing(n), Cause: plan.CauseWebhook, At: x.now()}}))
			x.Hinted("shop1234", 1)
			if x.settles() {
				t.Fatal("held")
			}
			x.later(30 * time.Second) // half an hour: a day would be easier
		}
		x.countsNone()
	})
	t.Run("their webhooks come late", func(t *testing.T) {
		t.Parallel()
		x := trickling(t, 100)
		for n := range 60 {
			x.becomes(n, n+1, "0")
			if x.settles() {
				t.Fatal("held")
			}
			must(t, x.Store.RecordWebhooks(t.Context(), []store.HintRecord{{Shop: "shop1234", Kind: plan.KindStock, Number: thing(n), Cause: plan.CauseWebhook, At: x.now()}}))
			x.Hinted("shop1234", 1)
			x.passes()
		}
		x.countsNone()
	})
	t.Run("their webhooks come late, when more than all has been sold", func(t *testing.T) {
		t.Parallel()
		x := trickling(t, 100)
		for n := 0; n < 60; n += 10 {
			if x.becomes(n, n+10, "0"); x.settles() {
				t.Fatal("held")
			}
			x.becomes(n, n+10, "-1")
			hints := make([]store.HintRecord, 10)
			for i := range hints {
				hints[i] = store.HintRecord{Shop: "shop1234", Kind: plan.KindStock, Number: thing(n + i), Cause: plan.CauseWebhook, At: x.now()}
			}
			must(t, x.Store.RecordWebhooks(t.Context(), hints))
			x.Hinted("shop1234", len(hints))
			if x.settles() {
				t.Fatal("held")
			}
		}
		x.countsNone()
	})
	t.Run("items are deleted by hand all day", func(t *testing.T) {
		t.Parallel()
		x := trickling(t, 300)
		for n := 0; n < 270; n += 9 {
			x.becomes(n, n+9, "gone")
			if x.settles() {
				t.Fatalf("held after %d", n)
			}
			x.later(15 * time.Minute)
		}
		if n := x.count("SELECT COUNT(*) FROM recent_losses"); n > 45 {
			t.Errorf("%d are remembered, of 36 an hour and those that are over", n)
		}
	})
	t.Run("a stocktaking sets items to zero and counts them up again within each step", func(t *testing.T) {
		t.Parallel()
		x := trickling(t, 300)
		for n := 0; n < 300; n += 50 {
			for _, stock := range []string{"0", "7"} {
				x.becomes(n, n+50, stock)
				if x.settles() {
					t.Fatalf("held at %d by %s", n, stock)
				}
			}
			x.later(time.Minute)
			if n == 150 {
				x.moves()
			}
		}
		if n := x.count("SELECT COUNT(*) FROM recent_losses"); n != 0 {
			t.Errorf("%d are counted that came back", n)
		}
	})
	t.Run("a first sweep", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		for n := range 300 {
			f.stock[thing(n)] = "0"
		}
		f.stock["one"] = "1"
		done := scheduled(t, f, f.remote, 1000)
		f.counted(done, "zeroes", 300, lostItems)
		f.counts(map[string]count{"held": {0, "SELECT COUNT(*) FROM holds"}, "counted": {0, "SELECT COUNT(*) FROM recent_losses"}})
	})
}

// TestTrickleComesBack: the hold ends without a person once the lost items are in stock again.
func TestTrickleComesBack(t *testing.T) {
	t.Parallel()
	x := trickling(t, 300)
	held := false
	for next := 0; next < 300 && !held; next += 30 {
		x.becomes(next, next+30, "0")
		held = x.settles()
	}
	if !held || x.count(lostItems) != 150 {
		t.Fatalf("held %t, %d lost", held, x.count(lostItems))
	}
	x.becomes(0, 29, "5")
	x.SweepAll()
	x.passes()
	if why, detail := x.held(); why == "" || !strings.Contains(detail, "121 lost within 1h") {
		t.Errorf("29 of 30 came back: held %q: %q", why, detail)
	}
	x.becomes(29, 30, "5")
	x.SweepAll()
	x.passes()
	if x.settles() || x.count(lostItems) != 150 || x.count("SELECT COUNT(*) FROM recent_losses") != 150 {
		t.Errorf("30 came back: %d lost, %d of them counted", x.count(lostItems), x.count("SELECT COUNT(*) FROM recent_losses"))
	}
}
