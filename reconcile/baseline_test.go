package reconcile_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lagerd/reconcile"
	"lagerd/reconcile/plan"
	"lagerd/store"
)

// ofItems is an e-conomic with so many items, one to a page; show returns one when its
// page is asked for.
func ofItems(items int, show func(n int, r *http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch page, _ := strconv.Atoi(r.URL.Query().Get("skippages")); {
		case r.URL.Path == "/self":
			fmt.Fprint(w, `{"agreementNumber":7,"company":{"name":"x"}}`)
		case r.URL.Path != "/products":
			fmt.Fprint(w, `{"collection":[],"pagination":{"results":0}}`)
		case page+1 == items:
			fmt.Fprintf(w, `{"collection":[%s],"pagination":{"results":%d}}`, show(page, r), items)
		default:
			fmt.Fprintf(w, `{"collection":[%s],"pagination":{"results":%d,"nextPage":"http://%s/products?skippages=%d&pagesize=1"}}`, show(page, r), items, r.Host, page+1)
		}
	}
}

func numbered(n int) string { return fmt.Sprintf("n%02d", n) }

// TestFirstSweepBesideHints: what a hint has stored while a shop's first listing is
// under way is known when the listing comes to it, although that does not ask the
// database for items that nobody can have stored.
func TestFirstSweepBesideHints(t *testing.T) {
	const items = 5
	f := newFixture(t)
	last := numbered(items - 1)
	listed := ofItems(items, func(n int, r *http.Request) string {
		switch n {
		case items - 1:
			return product(last, "7")
		case 2:
			hint := store.HintRecord{Shop: "shop1234", Kind: plan.KindStock, Number: last, Cause: plan.CauseWebhook, At: time.Now()}
			if err := f.Store.RecordWebhooks(r.Context(), []store.HintRecord{hint}); err != nil {
				t.Error(err)
			}
		}
		return product(numbered(n), "5")
	})
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/products/"+last {
			fmt.Fprint(w, product(last, "5"))
			return
		}
		listed(w, r)
	})
	done := schedule(t, f, server, 1)
	f.counted(done, "shops that have been swept", 1, "SELECT COUNT(*) FROM progress WHERE swept_at IS NOT NULL")
	changes, err := f.Store.Changes(t.Context(), "shop1234", plan.KindStock, []string{last}, time.Now().Add(-time.Hour), 10)
	must(t, err)
	if len(changes) != 2 || changes[0].What != plan.WhatCreated || changes[1].What != plan.WhatStock || *changes[1].OldStock != "5" || *changes[1].NewStock != "7" {
		t.Errorf("the history of %s: %+v, expected that it was created with 5 and became 7", last, changes)
	}
	if n, err := f.Store.NoItems(t.Context(), "shop1234"); n || err != nil {
		t.Errorf("no items: %t, %v", n, err)
	}
}

// TestFirstSweepAndGoneItems: an item that a hint has stored while a shop's first
// listing is under way, and which the listing does not show, is asked for and found gone.
func TestFirstSweepAndGoneItems(t *testing.T) {
	const items = 5
	f := newFixture(t)
	var swept atomic.Bool
	listed := ofItems(items, func(n int, r *http.Request) string {
		if n == 2 {
			hint := store.HintRecord{Shop: "shop1234", Kind: plan.KindStock, Number: "gone", Cause: plan.CauseWebhook, At: time.Now()}
			if err := f.Store.RecordWebhooks(r.Context(), []store.HintRecord{hint}); err != nil {
				t.Error(err)
			}
		}
		swept.Store(n == items-1)
		return product(numbered(n), "5")
	})
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/products/gone":
			listed(w, r)
		case swept.Load():
			notFound(w)
		default:
			fmt.Fprint(w, product("gone", "5"))
		}
	})
	done := schedule(t, f, server, 1)
	f.counted(done, "items that are gone", 1, "SELECT COUNT(*) FROM items WHERE number = 'gone' AND state = 'gone'")
}

// TestListingTurn: a pass reads pages of a listing for as long as its turn lasts, and
// the next pass goes on.
func TestListingTurn(t *testing.T) {
	const items = 7
	f := newFixture(t)
	base := time.Now()
	var ahead atomic.Int64
	server := ofItems(items, func(n int, _ *http.Request) string {
		ahead.Add(int64(600 * time.Millisecond))
		return product(numbered(n), "5")
	})
	stored := make(chan int, 100)
	_, done := scheduler(t, f, server, func(o *reconcile.Options) {
		o.PageSize, o.ListingTurn = 1, time.Second
		o.Now = func() time.Time { return base.Add(time.Duration(ahead.Load())) }
		o.Observer = counting{o.Observer, f, stored}
	})
	var after []int
	for len(after) == 0 || after[len(after)-1] < items {
		must(t, done.next(t))
		after = append(after, <-stored)
	}
	if want := []int{2, 4, 6, 7}; !slices.Equal(after, want) {
		t.Errorf("items stored after each pass: %v, expected %v", after, want)
	}
}

// counting counts the stored items after each pass, before the next one begins.
type counting struct {
	reconcile.Observer
	f      *fixture
	stored chan<- int
}

func (c counting) Passed(shop string, took time.Duration, err error) {
	var n int
	if err := c.f.db.QueryRow("SELECT COUNT(*) FROM items").Scan(&n); err != nil {
		c.f.t.Error(err)
	}
	c.stored <- n
	c.Observer.Passed(shop, took, err)
}

// TestListingInAnotherOrder: where e-conomic lists items in another order than that of
// their bytes, what is stored of them is known all the same.
func TestListingInAnotherOrder(t *testing.T) {
	const pageSize = 4
	var numbers []string // without regard to case, as e-conomic may sort them
	for n := range 20 {
		letter := string(rune('a' + n))
		if n%2 == 1 {
			letter = strings.ToUpper(letter)
		}
		numbers = append(numbers, letter)
	}
	f := newFixture(t)
	var changed atomic.Bool
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch page, _ := strconv.Atoi(r.URL.Query().Get("skippages")); {
		case r.URL.Path == "/self":
			fmt.Fprint(w, `{"agreementNumber":7,"company":{"name":"x"}}`)
		case r.URL.Path != "/products" || r.URL.Query().Has("filter"):
			fmt.Fprint(w, `{"collection":[],"pagination":{"results":0}}`)
		default:
			var items []string
			for _, number := range numbers[page*pageSize : (page+1)*pageSize] {
				stock := "5"
				if number == "c" && changed.Load() {
					stock = "7"
				}
				items = append(items, product(number, stock))
			}
			next := ""
			if (page+1)*pageSize < len(numbers) {
				next = fmt.Sprintf(`,"nextPage":"http://%s/products?skippages=%d&pagesize=%d"`, r.Host, page+1, pageSize)
			}
			fmt.Fprintf(w, `{"collection":[%s],"pagination":{"results":%d%s}}`, strings.Join(items, ","), len(numbers), next)
		}
	})
	s, done := scheduler(t, f, server, func(o *reconcile.Options) { o.PageSize = pageSize })
	f.counted(done, "shops that have been swept", 1, "SELECT COUNT(*) FROM progress WHERE swept_at IS NOT NULL")
	changed.Store(true)
	s.SweepAll()
	f.counted(done, "items with the new stock", 1, "SELECT COUNT(*) FROM items WHERE stock = 7")
	changes, err := f.Store.Changes(t.Context(), "shop1234", plan.KindStock, numbers, time.Now().Add(-time.Hour), 100)
	must(t, err)
	if len(changes) != 1 || changes[0].Number != "c" || changes[0].What != plan.WhatStock || *changes[0].OldStock != "5" {
		t.Errorf("the history is %+v, expected that c was 5 and became 7", changes)
	}
}
