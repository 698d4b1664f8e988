package reconcile_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/schedule"
	"lagerd/store"
)

// moved returns a shop that has the items of agreement 6 and whose agreement is now 7.
func moved(t *testing.T, former, present map[string]string) *fixture {
	t.Helper()
	f := newFixture(t)
	for number, stock := range former {
		f.has(number, stock)
	}
	f.exec("UPDATE progress SET agreement_number = 6, swept_at = ?, items_cursor = ?, items = ?", store.At(time.Now()), store.At(time.Now()), len(former))
	must(t, f.Store.AcceptAgreement(t.Context(), "shop1234", 7, time.Now()))
	var err error
	f.Shop, err = f.Store.Shop(t.Context(), "shop1234")
	must(t, err)
	f.remote.stock = maps.Clone(present)
	return f
}

// shown returns what the shop's software sees: number, stock, state.
func (f *fixture) shown() []string {
	f.t.Helper()
	rows, err := f.db.Query("SELECT item_number, COALESCE(stock, 'none'), state FROM shop_stock WHERE shop = 'shop1234' ORDER BY item_number")
	must(f.t, err)
	defer rows.Close()
	var list []string
	for rows.Next() {
		var number, stock, state string
		must(f.t, rows.Scan(&number, &stock, &state))
		list = append(list, number+" "+strings.TrimSuffix(stock, ".00")+" "+state)
	}
	must(f.t, rows.Err())
	return list
}

// heldFor returns the shop's holds with their details.
func (f *fixture) heldFor() string {
	f.t.Helper()
	p, err := f.Store.Progress(f.t.Context(), "shop1234")
	must(f.t, err)
	return p.Holds.String()
}

// untilShown ticks until the shop sees what is expected, and fails if it meanwhile sees
// anything but what it saw before.
func (f *fixture) untilShown(s *schedule.Scheduler, done passes, before, want []string) {
	f.t.Helper()
	for began := time.Now(); ; {
		got := f.shown()
		if slices.Equal(got, want) {
			return
		}
		if !slices.Equal(got, before) {
			f.t.Fatalf("the shop sees %q, which is neither the former agreement's nor the new one's", got)
		}
		if time.Since(began) > 20*time.Second {
			f.t.Fatalf("the shop still sees %q; holds: %s", got, f.heldFor())
		}
		if err := done.next(f.t); err != nil && !errors.Is(err, store.ErrSettingsChanged) {
			f.t.Fatal(err)
		}
		s.ReconcileAll()
	}
}

// TestChangeOverAtOnce: the shop sees one company's items or the other's, never some of
// each, and what the new one lacks or calls zero only once it has said so twice.
func TestChangeOverAtOnce(t *testing.T) {
	t.Parallel()
	for _, pageSize := range []int{1000, 2} {
		t.Run(fmt.Sprint(pageSize), func(t *testing.T) {
			t.Parallel()
			f := moved(t, map[string]string{"a": "1", "b": "2", "c": "3", "only-former": "4"},
				map[string]string{"a": "10", "b": "0", "c": `"unreadable"`, "d": "13"})
			var listings atomic.Int32
			f.remote.listed = func() { listings.Add(1) }
			before := f.shown()
			s, done := scheduler(t, f, f.remote, func(o *reconcile.Options) { o.PageSize = pageSize })
			f.untilShown(s, done, before, []string{"a 10 ok", "b 0 ok", "c none no_inventory", "d 13 ok", "only-former none gone"})
			if pages := (4 + pageSize - 1) / pageSize; int(listings.Load()) < 2*pages {
				t.Errorf("shown after %d pages, expected two listings of %d", listings.Load(), pages)
			}
			if holds := f.heldFor(); holds != "" {
				t.Errorf("held: %s", holds)
			}
			// Whoever asks for what has changed is told of every item.
			var since int
			must(t, f.db.QueryRow("SELECT COUNT(*) FROM shop_stock, progress WHERE shop_stock.changed_at >= progress.items_since").Scan(&since))
			if since != 5 {
				t.Errorf("%d items count as changed", since)
			}
			// From then on it is a shop like any other.
			f.mu.Lock()
			f.remote.stock["d"] = "14"
			f.mu.Unlock()
			s.SweepAll()
			for began := time.Now(); !slices.Contains(f.shown(), "d 14 ok"); {
				if time.Since(began) > 20*time.Second {
					t.Fatalf("a later change is not seen: %q", f.shown())
				}
				must(t, done.next(t))
			}
		})
	}
}

// TestChangeOverHeldBack: a new agreement that would take away too much is shown only once a
// person has approved; until then the shop sees what it saw before.
func TestChangeOverHeldBack(t *testing.T) {
	t.Parallel()
	former, present, want := map[string]string{}, map[string]string{}, []string{}
	for n := range 60 {
		number := fmt.Sprintf("n%02d", n)
		former[number] = "5"
		if n < 20 {
			present[number] = "6"
			want = append(want, number+" 6 ok")
		} else {
			want = append(want, number+" none gone")
		}
	}
	f := moved(t, former, present)
	before := f.shown()
	s, done := scheduler(t, f, f.remote, func(*reconcile.Options) {})
	for range 6 {
		must(t, done.next(t))
		s.ReconcileAll() // a tick would be dropped while one is under way
	}
	if holds := f.heldFor(); !strings.Contains(holds, "stock: losses: changing over to agreement 7 would take away the stock of 40 of 60 items") {
		t.Fatalf("held: %q", holds)
	}
	if got := f.shown(); !slices.Equal(got, before) {
		t.Fatalf("the shop sees %q", got)
	}
	must(t, f.Store.Approve(t.Context(), f.Shop, 40, time.Now()))
	order := store.Request{Request: "r1", Shop: "shop1234", What: store.WantSweep, RequestedAt: store.At(time.Now())}
	must(t, f.Store.AddRequests(t.Context(), []store.Request{order}))
	s.Requested([]store.Request{order})
	f.untilShown(s, done, before, want)
	// Whoever approved and waits is told when the shop sees the new items, not before.
	for began := time.Now(); ; s.ReconcileAll() {
		told, err := f.Store.Requests(t.Context(), []string{"r1"})
		must(t, err)
		if !told[0].DoneAt.IsZero() {
			if told[0].Failure != "" {
				t.Errorf("the sweep that was asked for with the approval: %s", told[0].Failure)
			}
			break
		}
		if time.Since(began) > 20*time.Second {
			t.Fatal("the sweep that was asked for is never done")
		}
		must(t, done.next(t))
	}
	if holds := f.heldFor(); holds != "" {
		t.Errorf("held: %s", holds)
	}
	if a, err := f.Store.Approved(t.Context(), "shop1234", time.Now().Add(-time.Hour)); a.Losses != 0 || err != nil {
		t.Errorf("the approval is left: %+v, %v", a, err)
	}
}

// TestEmptyAgreement: an agreement that shows no item at all is not believed, however
// few items the shop had.
func TestEmptyAgreement(t *testing.T) {
	t.Parallel()
	f := moved(t, map[string]string{"a": "1"}, nil)
	before := f.shown()
	s, done := scheduler(t, f, f.remote, func(*reconcile.Options) {})
	for range 6 {
		must(t, done.next(t))
		s.ReconcileAll() // a tick would be dropped while one is under way
	}
	if got := f.shown(); !slices.Equal(got, before) {
		t.Errorf("the shop sees %q; held: %s", got, f.heldFor())
	}
	if !strings.Contains(f.heldFor(), "losses") {
		t.Errorf("held: %q", f.heldFor())
	}
}

// TestSettingsChangedInAPass: a pass during which the shop's settings change writes nothing,
// restarts with the new ones, and does not count as a fenced write.
func TestSettingsChangedInAPass(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.remote.stock["a"] = "5"
	var once atomic.Bool
	f.remote.listed = func() {
		if once.CompareAndSwap(false, true) {
			must(t, f.Store.SetShop(t.Context(), "shop1234", time.Now(), func(shop *store.Shop) error {
				shop.OrderPattern = "x"
				return nil
			}))
		}
	}
	done := scheduled(t, f, f.remote, 1000)
	err := done.next(t)
	if err == nil || !strings.Contains(err.Error(), store.ErrSettingsChanged.Error()) {
		t.Fatalf("the pass with the former settings ended with %v", err)
	}
	must(t, done.next(t))
	if got := f.shown(); !slices.Equal(got, []string{"a 5 ok"}) {
		t.Errorf("the next has stored %q", got)
	}
}

// TestForbiddenWhileChangingOver: a shop whose new agreement forbids listing its items is held,
// and not read again and again.
func TestForbiddenWhileChangingOver(t *testing.T) {
	t.Parallel()
	f := moved(t, map[string]string{"a": "1"}, map[string]string{"a": "2"})
	before := f.shown()
	r := &refusing{remote: f.remote}
	r.refuse(403, "/products")
	_, done := scheduler(t, f, r, func(o *reconcile.Options) { o.HeldRetry = time.Hour })
	passes := 0
	for quiet := false; !quiet && passes < 50; {
		select {
		case <-done:
			passes++
		case <-time.After(time.Second):
			quiet = true
		}
	}
	if passes >= 50 || f.holds() != "stock: forbidden" || !slices.Equal(f.shown(), before) {
		t.Errorf("%d passes; holds %q; shown %q", passes, f.holds(), f.shown())
	}
}

// TestUnnamedWhileChangingOver: an item with an unreadable number does not keep the shop at
// its former company's figures. Any item that the new agreement seems to lack may be it, so
// that gets no figure and is not called gone.
func TestUnnamedWhileChangingOver(t *testing.T) {
	t.Parallel()
	f := moved(t, map[string]string{"a": "1", "b": "1"}, map[string]string{"a": "2"})
	h := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/products" {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"collection":[%s,{"name":"no number","inventory":{"inStock":1}}],"pagination":{"results":2}}`, product("a", "2"))
			return
		}
		f.remote.ServeHTTP(w, req)
	})
	before := f.shown()
	s, done := scheduler(t, f, h, func(*reconcile.Options) {})
	f.untilShown(s, done, before, []string{"a 2 ok", "b none no_inventory"})
}

// TestUnreadWhileChangingOver: an item whose zero cannot be read a second time does not block
// the others forever. Its stock is unknown.
func TestUnreadWhileChangingOver(t *testing.T) {
	t.Parallel()
	f := moved(t, map[string]string{"a": "1", "zero": "1"}, map[string]string{"a": "2", "zero": "0"})
	var listings atomic.Int32
	h := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.URL.Path == "/products/zero":
			http.Error(w, `{"message":"x"}`, http.StatusInternalServerError)
			return
		case req.URL.Path == "/products" && listings.Add(1) > 0:
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"collection":[%s,{"productNumber":"zero","name":"x","inventory":{"inStock":%d}}],"pagination":{"results":2}}`, product("a", "2"), listings.Load()%2)
			return
		}
		f.remote.ServeHTTP(w, req)
	})
	before := f.shown()
	s, done := scheduler(t, f, h, func(*reconcile.Options) {})
	for began := time.Now(); !slices.Contains(f.shown(), "a 2 ok"); s.ReconcileAll() {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("the shop still sees %q, and saw %q; held: %s", f.shown(), before, f.heldFor())
		}
		_ = done.next(t) // fails by the one item
	}
}

// TestNothingIsKeptOfAnotherAgreement: what passes have learnt of one agreement does not affect
// another: no item is taken for the renumbered item of a former company.
func TestNothingIsKeptOfAnotherAgreement(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.remote.stock["a"] = "5"
	s, done := scheduler(t, f, f.remote, func(*reconcile.Options) {})
	f.untilShown(s, done, nil, []string{"a 5 ok"})
	f.stocks("former-4711", "5") // every item has the same name
	for began := time.Now(); !slices.Contains(f.shown(), "former-4711 5 ok"); s.ReconcileAll() {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("shown: %q", f.shown())
		}
		must(t, done.next(t))
	}
	f.mu.Lock() // no pass reads the other company's items as the former one's
	clear(f.remote.stock)
	f.remote.stock["x"], f.remote.stock["y"] = "5", "5"
	f.exec("UPDATE progress SET agreement_number = 6") // the token answers for 7
	must(t, f.Store.AcceptAgreement(t.Context(), "shop1234", 7, time.Now()))
	f.mu.Unlock()
	until := func(want ...string) {
		t.Helper()
		for began := time.Now(); !slices.Equal(f.shown(), want); s.ReconcileAll() {
			if time.Since(began) > 20*time.Second {
				t.Fatalf("shown: %q, expected %q; held: %s", f.shown(), want, f.heldFor())
			}
			if err := done.next(t); err != nil && !errors.Is(err, store.ErrSettingsChanged) {
				t.Fatal(err)
			}
		}
	}
	until("a none gone", "former-4711 none gone", "x 5 ok", "y 5 ok")
	f.mu.Lock()
	delete(f.remote.stock, "x")
	f.mu.Unlock()
	until("a none gone", "former-4711 none gone", "x none gone", "y 5 ok")
	var to string
	must(t, f.db.QueryRow("SELECT renumbered_to FROM shop_stock WHERE item_number = 'x'").Scan(&to))
	if to != "" {
		t.Errorf("x is probably %q, of another company", to)
	}
}

// counted counts fenced writes in addition to reporting passes.
type counted struct {
	passes
	fenced atomic.Int32
}

func (c *counted) Fenced(string) { c.fenced.Add(1) }

// TestRemovedAndAddedInAPass: a shop that is removed during a pass, and added again, is given
// up: nothing is written, and no alert for a lost lease is raised.
func TestRemovedAndAddedInAPass(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"removed": false, "added again": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.gives = time.Minute // removing a shop and adding it again may take a while
			f.remote.stock["a"] = "5"
			var once atomic.Bool
			f.remote.listed = func() {
				if !once.CompareAndSwap(false, true) {
					return
				}
				must(t, f.Store.RemoveShop(t.Context(), "shop1234"))
				if again {
					must(t, f.Store.AddShop(t.Context(), f.Shop, []byte("01234567890123456789012345678902"), time.Now().Add(time.Second)))
				}
			}
			c := &counted{}
			s, done := scheduler(t, f, f.remote, func(o *reconcile.Options) {
				c.passes = o.Observer.(passes)
				o.Observer = c
			})
			if err := done.next(t); !errors.Is(err, store.ErrSettingsChanged) {
				t.Errorf("the pass ended with %v", err)
			}
			for began := time.Now(); s.Holds("shop1234"); time.Sleep(10 * time.Millisecond) {
				if time.Since(began) > 20*time.Second {
					t.Fatal("the shop is not given up")
				}
			}
			if n := c.fenced.Load(); n != 0 || len(f.shown()) != 0 {
				t.Errorf("%d fenced writes; stored %q", n, f.shown())
			}
		})
	}
}

// TestAskedWhileChangingOver: whoever asks for a sweep while the items of a new agreement are read
// waits until they are shown, and no longer than something keeps them from being read.
func TestAskedWhileChangingOver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stops func(d *desk)
		done  bool
		told  string
	}{
		"nothing stops it":          {func(*desk) {}, false, ""},
		"the shop is paused":        {func(d *desk) { d.fixture.Shop.PausedAt = store.At(d.clock) }, true, "the shop is paused: resume it with `lagerd shops resume shop1234`"},
		"stock is off":              {stockOff, true, ""},
		"the token is refused":      {func(d *desk) { d.refused["self"] = failed(plan.ClassShop, "401") }, true, "401"},
		"items are refused":         {func(d *desk) { d.refused["items"] = failed(plan.ClassPart, "403") }, true, "held: stock: forbidden: 403"},
		"the items have no figures": {func(d *desk) { d.sells("a", ""); d.sells("b", "") }, true, "held: stock: no_inventory: none of 2 items carries a stock figure (0 claim to keep stock): the agreement has no inventory module, or keeps its stock elsewhere (Rackbeat?)"},
	} {
		d := newDesk(t, small, invoicesOff, c.stops, func(d *desk) { d.exec("UPDATE progress SET items_dataset = 'former'") })
		d.requested("r", store.WantSweep)
		d.step(name, work)
		if got, want := d.rows("SELECT done_at IS NOT NULL, failure FROM requests"), fmt.Sprintf("%d | %s", map[bool]int{true: 1}[c.done], c.told); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, expected %q", name, got, want)
		}
	}
}

// changing makes the shop one that has items of agreement 6, and whose agreement is now 7.
func changing(numbers ...string) func(d *desk) {
	return func(d *desk) {
		for _, n := range numbers {
			d.has(n, "5")
			d.sells(n, "6")
		}
		now := store.At(d.clock)
		d.exec("UPDATE progress SET agreement_number = 6, swept_at = ?, items_cursor = ?, items = ?", now, now, len(numbers))
		must(d.t, d.fixture.Store.AcceptAgreement(d.t.Context(), shopName, d.agreement, d.clock))
		var err error
		d.fixture.Shop, err = d.fixture.Store.Shop(d.t.Context(), shopName)
		must(d.t, err)
		d.fixture.Shop.InvoicesOn = false
	}
}

// TestUnknownWhileChangingOver: what becomes of an item that is not among the new agreement's: it is
// gone if that does not have it, and has no figure if nobody knows.
func TestUnknownWhileChangingOver(t *testing.T) {
	t.Parallel()
	odd := errors.New("odd")
	for name, c := range map[string]struct {
		is   func(d *desk)
		want string
	}{
		"it is there":     {func(*desk) {}, "z 6 ok"},
		"it is not there": {func(d *desk) { delete(d.items, "z") }, "z none gone"},
		"it cannot be understood": {func(d *desk) {
			delete(d.items, "z")
			d.unread = []plan.Unreadable{{Number: "z", Err: odd}}
			d.refused["item z"] = failed(plan.ClassNumber, "odd")
		}, "z none no_inventory"},
		"another one has no name": {func(d *desk) { delete(d.items, "z"); d.unread = []plan.Unreadable{{Err: odd}} }, "z none no_inventory"},
		"it is zero":              {func(d *desk) { d.sells("z", "0") }, "z 0 ok"},
		"it is sold meanwhile": {func(d *desk) {
			d.before["items"] = func() { d.before["items"] = func() { d.sells("z", "0") } }
		}, "z 0 ok"},
		"another one has no stock": {func(d *desk) { d.sells("a", "0") }, "z 6 ok"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, changing("a", "b", "z"), c.is)
			for pass := 0; pass < 20 && !slices.Contains(d.shown(), "b 6 ok"); pass++ {
				d.step("a tick", reconcile.Due{Tick: true, Work: true})
				d.later(time.Minute)
			}
			if shown := d.shown(); !slices.Contains(shown, c.want) {
				t.Errorf("shown: %q, expected %q; held: %s", shown, c.want, d.Holds())
			}
			d.are("SELECT number FROM recent_losses") // nobody has seen what the items of the new agreement have lost
		})
	}
}

// TestApprovalOfAChangeover: an approval of what a changeover takes away ends with it.
func TestApprovalOfAChangeover(t *testing.T) {
	t.Parallel()
	numbers := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	d := newDesk(t, changing(numbers...), func(d *desk) {
		d.LossMin = 1
		for _, n := range numbers[5:] {
			delete(d.items, n)
		}
	})
	ticks := func(until string) {
		for pass := 0; pass < 10 && !slices.Contains(d.shown(), until) && !(until == "" && d.Holds().Codes() != ""); pass++ {
			d.step("a tick", reconcile.Due{Tick: true, Work: true})
			d.later(time.Minute)
		}
	}
	ticks("")
	if d.Holds().Codes() != "stock: losses" {
		t.Fatalf("held: %q", d.Holds().Codes())
	}
	d.approve(3)
	ticks("a 6 ok")
	if shown := d.shown(); d.Holds().Codes() != "" || !slices.Contains(shown, "a 6 ok") || !slices.Contains(shown, "h none gone") {
		t.Fatalf("approved, it shows %q, held: %q", shown, d.Holds().Codes())
	}
	d.changesTo("0", "a", "b", "c") // before anything else is read
	ticks("")
	if d.Holds().Codes() != "stock: losses" {
		t.Errorf("the approval lasts: %q is shown", d.shown())
	}
}
