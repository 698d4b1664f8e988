package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/webhook"
)

// edited changes the items or invoices of each answer that wants selects.
func edited(which func(path string) bool, how func(list []any) []any) func(path string, body []byte) []byte {
	return func(path string, body []byte) []byte {
		var whole map[string]any
		if !which(path) || json.Unmarshal(body, &whole) != nil {
			return body
		}
		list, ok := whole["collection"].([]any)
		if !ok {
			return body
		}
		whole["collection"] = how(list)
		changed, err := json.Marshal(whole)
		if err != nil {
			panic(err)
		}
		return changed
	}
}

// TestOneThatIsNotUnderstood checks that an unreadable item or invoice is kept with its error,
// delays no other, and is stored once it can be read.
func TestOneThatIsNotUnderstood(t *testing.T) {
	t.Parallel()
	spoil := func(field, number, with string) func(one any) {
		return func(one any) {
			if o, ok := one.(map[string]any); ok && fmt.Sprint(o[field]) == number {
				o[with] = []any{"x"}
			}
		}
	}
	for name, c := range map[string]struct {
		pageSize int
		kind     string
		spoil    func(one any)
		all      string // query: how many are stored in the end
		bad      string // query: whether the unreadable one is
	}{
		"an item of a small shop": {1000, "stock", spoil("productNumber", "item3", "inventory"), "SELECT COUNT(*) FROM items", "SELECT COUNT(*) FROM items WHERE number = 'item3'"},
		"an item of a large shop": {2, "stock", spoil("productNumber", "item3", "inventory"), "SELECT COUNT(*) FROM items", "SELECT COUNT(*) FROM items WHERE number = 'item3'"},
		"an invoice":              {2, "invoice", spoil("bookedInvoiceNumber", "3", "references"), "SELECT COUNT(*) FROM invoices", "SELECT COUNT(*) FROM invoices WHERE number = 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, func(p *profile) { p.pageSize, p.odd = c.pageSize, 1e-9 }, func(t *testing.T, s *stage) {
				s.script.edit = func(path string, body []byte) []byte {
					var one map[string]any
					if json.Unmarshal(body, &one) != nil || strings.HasSuffix(path, "/pdf") {
						return body
					}
					c.spoil(one)
					if list, ok := one["collection"].([]any); ok {
						for _, o := range list {
							c.spoil(o)
						}
					}
					changed, err := json.Marshal(one)
					if err != nil {
						panic(err)
					}
					return changed
				}
				for n := range int64(6) {
					s.book(1 + n)
				}
				s.until(5*time.Minute, "all but the one are stored", func() bool { return s.count(c.all) == 5 })
				s.pass(3 * time.Minute)
				if s.count(c.bad) != 0 {
					t.Error("the one is stored")
				}
				failing := s.rows("SELECT number, failures FROM hints WHERE kind = ? AND open = 1 AND failures > 0", c.kind)
				if len(failing) != 1 {
					t.Errorf("%d hints for the unreadable one: %v", len(failing), failing)
				}
				if tick := s.at("SELECT tick_at FROM progress"); time.Since(tick) > 2*time.Minute {
					t.Errorf("the last successful tick was %s ago", time.Since(tick))
				}
				s.script.edit = nil
				s.until(3*time.Minute, "everything is equal", func() bool { return s.oracle.differs() == "" })
			})
		})
	}
}

// TestHalfPages checks that a listing shorter than announced is stored, but moves no cursor and
// removes no item.
func TestHalfPages(t *testing.T) {
	t.Parallel()
	half := func(list []any) []any { return list[:len(list)/2] }
	for name, c := range map[string]struct {
		pageSize int
		which    func(path string) bool
		change   func(s *stage)
		ends     func(path string) bool // which reads report that they were short
	}{
		"items of a small shop": {1000, isListing, func(s *stage) { s.change(3) }, isListing},
		"items that changed": {2, isChanges, func(s *stage) {
			s.script.mute = true
			for _, it := range s.world.living(s.shop())[:4] {
				s.world.adjust(s.shop(), it, s.world.figure(s.shop()), false)
			}
			s.script.mute = false
		}, isChanges},
		"invoices": {1000, isInvoices, func(s *stage) {
			s.script.mute = true
			for n := range int64(6) {
				s.book(10 + n)
			}
			s.script.mute = false
		}, isInvoices},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, func(p *profile) { p.pageSize = c.pageSize }, func(t *testing.T, s *stage) {
				s.ticked()
				s.pass(5 * time.Second)
				s.script.edit = edited(c.which, half)
				c.change(s)
				before := s.rows("SELECT items_cursor, invoice_cursor, tick_at FROM progress")[0]
				from := time.Now()
				s.pass(3 * time.Minute)
				if len(s.calls(from, c.which)) < 3 {
					t.Error("it is not read again")
				}
				if after := s.rows("SELECT items_cursor, invoice_cursor, tick_at FROM progress")[0]; !slices.Equal(before[:2], after[:2]) && name != "items of a small shop" || fmt.Sprint(before[2]) != fmt.Sprint(after[2]) {
					t.Errorf("the progress moved from %v to %v", before, after)
				}
				if gone := s.count("SELECT COUNT(*) FROM items WHERE state = 'gone'"); gone > 0 {
					t.Errorf("%d items are gone", gone)
				}
				if s.count("SELECT failures FROM progress") == 0 {
					t.Error("no failure is reported")
				}
				s.script.edit = nil
				s.until(3*time.Minute, "everything is equal", func() bool { return s.oracle.differs() == "" })
			})
		})
	}
}

// TestPanics checks that a panic is an error of its own shop only, whatever was being read, and
// leaves nothing behind.
func TestPanics(t *testing.T) {
	t.Parallel()
	for name, which := range map[string]func(path string) bool{
		"self": isSelf, "a listing": isListing, "an item": isItem, "invoices": isInvoices, "a PDF": isPDF,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, func(p *profile) { p.shops, p.pageSize = 2, 2 }, func(t *testing.T, s *stage) {
				s.ticked()
				var whole atomic.Bool
				s.script.came = func(path string) {
					if which(path) && !whole.Load() {
						panic("a mistake")
					}
				}
				for range 12 { // an hour, and more panics than calls allowed at once
					s.world.adjust(s.shop(), s.world.living(s.shop())[0], s.world.figure(s.shop()), false)
					s.world.book(s.shop(), s.world.living(s.shop())[1])
					s.pass(6 * time.Minute)
				}
				if s.logged("internal error: a mistake") == 0 {
					t.Error("the log does not report it")
				}
				whole.Store(true)
				s.until(5*time.Minute, "everything is equal", func() bool { return s.oracle.differs() == "" })
			})
		})
	}
}

// TestSweepsLeaveCalls checks that a sweep stops at its share of the day's calls, reports that
// to whoever requested it, and resumes the next day.
func TestSweepsLeaveCalls(t *testing.T) {
	t.Parallel()
	const daily, spent = 2000, 1590 // of which sweeps may use 1,600
	playAt(t, 23*time.Hour+30*time.Minute, func(p *profile) { p.dailyCalls, p.items, p.pageSize, p.listingTurn = daily, 60, 2, 0 }, func(t *testing.T, s *stage) {
		today := time.Now().UTC().Truncate(24 * time.Hour)
		s.db.mustExec("UPDATE progress SET calls_day = ?, calls = ?", today.Format(time.DateOnly), spent)
		s.oracle.economy.calls[s.shop()] = spent
		s.asks("sweep", "sweep")
		if _, failure := s.answered("sweep", 5*time.Minute); !strings.Contains(failure, "cut short: it waits until ") {
			t.Errorf("the requested sweep reports %q", failure)
		}
		s.until(2*time.Hour, "the sweep is over", func() bool { return s.rows("SELECT swept_at FROM progress")[0][0] != nil })
		pages, before := map[string]int{}, 0
		for n, a := range s.asked {
			if !isListing(a.path) {
				continue
			}
			pages[a.path]++
			if a.at.Before(today.Add(24 * time.Hour)) {
				if before++; spent+n >= daily*80/100 {
					t.Errorf("call %d of the day was a sweep's, whose share is %d", spent+n+1, daily*80/100)
				}
			}
		}
		if before == 0 || before == 30 || len(pages) != 30 {
			t.Errorf("%d pages were read on the first day, and %d altogether, expected some and 30", before, len(pages))
		}
		for path, times := range pages {
			if times > 1 {
				t.Errorf("%s was read %d times", path, times)
			}
		}
	})
}

// TestDaysCallsBind checks that ticks leave some of the day's calls to people, that nothing else
// uses those, that people are told, and that work resumes the next day.
func TestDaysCallsBind(t *testing.T) {
	t.Parallel()
	const daily = 100
	playAt(t, 22*time.Hour, func(p *profile) { p.dailyCalls = daily }, func(t *testing.T, s *stage) {
		s.ticked()
		midnight := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		s.until(100*time.Minute, "the ticks have used up their share", func() bool {
			return strings.Contains(s.value("SELECT failure FROM progress").(string), "until "+midnight.Format("2006-01-02 15:04"))
		})
		ended := time.Now()
		s.world.tell(s.shop(), webhook.KindStock, "item1")
		s.until(20*time.Second, "a hint waits", func() bool {
			rows := s.rows("SELECT reason FROM hints WHERE open = 1")
			return len(rows) == 1 && rows[0][0] == string(plan.HintShort)
		})
		if asked := s.calls(ended, isItem); len(asked) > 0 {
			t.Errorf("a hint is read of what ticks leave: %v", asked)
		}
		s.person(func(ctx context.Context, st *store.Store) error {
			return st.RecordHints(ctx, []store.HintRecord{{Shop: s.shop().name, Kind: plan.KindStock, Number: "item1", Cause: plan.CauseOperator, At: time.Now()}})
		})
		s.until(20*time.Second, "a person's hint is read of what ticks leave", func() bool { return len(s.calls(ended, isItem)) == 1 })
		s.asks("tick", "tick")
		if _, failure := s.answered("tick", time.Minute); !strings.Contains(failure, "cut short: it waits until "+midnight.Format("2006-01-02")) {
			t.Errorf("the requested tick reports %q", failure)
		}
		s.pass(time.Until(midnight) - time.Minute)
		if n := len(s.asked); n > daily {
			t.Errorf("%d calls were made on a day of %d", n, daily)
		}
		for n, a := range s.asked {
			if share := daily * 95 / 100; (isListing(a.path) || isInvoices(a.path)) && n >= share {
				t.Errorf("call %d was a tick's listing, whose share is %d", n+1, share)
			}
		}
		from := time.Now()
		s.pass(5 * time.Minute)
		kinds := map[string]bool{}
		for _, a := range s.calls(from.Add(time.Minute), everyCall) {
			kinds[whatOf(a.path)] = true
		}
		if !kinds["first page"] || !kinds["invoices"] {
			t.Errorf("the next day reads %v", slices.Sorted(maps.Keys(kinds)))
		}
		if at := s.at("SELECT tick_at FROM progress"); time.Since(at) > 2*time.Minute {
			t.Errorf("the last successful tick is of %s", at)
		}
		if failure := s.value("SELECT failure FROM progress"); failure != "" {
			t.Errorf("the next day still reports %q", failure)
		}
	})
}
