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

	"lagerd/plan"
	"lagerd/reconcile"
)

// lists gives e-conomic items, and calls a function once a number of pages have been listed.
func (f *fixture) lists(items int, then func(pages int)) {
	for n := range items {
		f.stock[numbered(n)] = "5"
	}
	pages := 0
	f.listed = func() {
		pages++
		then(pages)
	}
}

func numbered(n int) string { return fmt.Sprintf("n%02d", n) }

// answers puts an item's own answer before an e-conomic that lists it otherwise, or not
// at all, as long as it applies.
func (f *fixture) answers(number, stock string, applies func() bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/products/"+number && applies() {
			fmt.Fprint(w, product(number, stock))
			return
		}
		f.remote.ServeHTTP(w, r)
	}
}

// TestFirstSweepBesideHints: the first listing of a shop takes account of what a hint has
// stored during it.
func TestFirstSweepBesideHints(t *testing.T) {
	const items = 5
	f := newFixture(t)
	last := numbered(items - 1)
	f.lists(items, func(pages int) {
		if pages == 3 {
			f.webhook(last)
		}
	})
	f.stock[last] = "7"
	done := scheduled(t, f, f.answers(last, "5", func() bool { return true }), 1)
	f.counted(done, "shops that have been swept", 1, "SELECT COUNT(*) FROM progress WHERE swept_at IS NOT NULL")
	changes, err := f.Store.Changes(t.Context(), "shop1234", plan.KindStock, []string{last}, time.Now().Add(-time.Hour), 10)
	must(t, err)
	if len(changes) != 2 || changes[0].What != plan.WhatCreated || changes[1].What != plan.WhatStock || *changes[1].OldStock != "5" || *changes[1].NewStock != "7" {
		t.Errorf("the history of %s: %+v, expected that it was created with 5 and became 7", last, changes)
	}
}

// TestFirstSweepAndGoneItems: an item that a hint has stored during the first listing, and
// that the listing does not show, is read alone and found gone.
func TestFirstSweepAndGoneItems(t *testing.T) {
	const items = 5
	f := newFixture(t)
	var swept atomic.Bool
	f.lists(items, func(pages int) {
		if pages == 3 {
			f.webhook("gone")
		}
		swept.Store(pages >= items)
	})
	done := scheduled(t, f, f.answers("gone", "5", func() bool { return !swept.Load() }), 1)
	f.counted(done, "items that are gone", 1, "SELECT COUNT(*) FROM items WHERE number = 'gone' AND state = 'gone'")
}

// TestListingTurn: a pass reads pages of a listing for as long as its turn lasts, and
// the next pass goes on.
func TestListingTurn(t *testing.T) {
	const items = 7
	f := newFixture(t)
	base := time.Now()
	var ahead atomic.Int64
	f.lists(items, func(int) { ahead.Add(int64(600 * time.Millisecond)) })
	stored := make(chan int, 100)
	_, done := scheduler(t, f, f.remote, func(o *reconcile.Options) {
		o.PageSize, o.ListingTurn = 1, time.Second
		o.Now = func() time.Time { return base.Add(time.Duration(ahead.Load())) }
		o.Observer = counting{o.Observer.(passes), f, stored}
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

// counting counts the stored items after each pass, before the next one starts.
type counting struct {
	passes
	f      *fixture
	stored chan<- int
}

func (c counting) Passed(shop string, took time.Duration, err error) {
	var n int
	if err := c.f.db.QueryRow("SELECT COUNT(*) FROM items").Scan(&n); err != nil {
		c.f.t.Error(err)
	}
	c.stored <- n
	c.passes.Passed(shop, took, err)
}

// TestListingInAnotherOrder: stored items are found even if e-conomic lists them in another
// order than that of their bytes.
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
