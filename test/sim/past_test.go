package sim

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// These are bugs that the simulation found in lagerd, each scripted as it happened, since a
// seed leads elsewhere after every change of the simulation.

// TestLateBelowTheFirst checks that an invoice is found that surfaces late, with a number below
// those its shop began with.
func TestLateBelowTheFirst(t *testing.T) {
	t.Parallel()
	play(t, nil, func(t *testing.T, s *stage) {
		s.script.mute = true
		for _, number := range []int64{5, 6, 9} {
			s.book(number)
		}
		s.ticked()
		for _, late := range []int64{3, 7, 1} {
			s.book(late)
			s.until(2*time.Minute+time.Second, "the late invoice is found", func() bool { return s.count("SELECT COUNT(*) FROM invoices WHERE number = ?", late) == 1 })
		}
	})
}

// TestClockThatIsSetBack checks that durations survive a clock set back: a block after a 429
// ends in time, and a deleted item is gone.
func TestClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	t.Run("a block", func(t *testing.T) {
		t.Parallel()
		play(t, nil, func(t *testing.T, s *stage) {
			s.ticked()
			s.fails(1, http.StatusTooManyRequests, http.Header{"Retry-After": {"40"}}, isInvoices)
			from := time.Now()
			s.until(2*time.Minute, "a tick is limited", func() bool { return len(s.calls(from, isInvoices)) == 1 })
			s.instances[0].jump(-10 * time.Minute)
			s.until(45*time.Second, "it is tried again", func() bool { return len(s.calls(from, isInvoices)) > 1 })
		})
	})
	t.Run("a deletion", func(t *testing.T) {
		t.Parallel()
		play(t, nil, func(t *testing.T, s *stage) {
			s.ticked()
			s.world.remove(s.shop(), s.shop().items["item1"])
			s.instances[0].jump(-10 * time.Minute)
			s.until(3*time.Minute, "the item is gone", func() bool {
				return s.count("SELECT COUNT(*) FROM items WHERE number = 'item1' AND state = 'gone'") == 1
			})
		})
	})
}

// TestDeletedWhilePagesAreTurned checks that an item that moves up onto a page already read,
// because another was deleted, is not skipped for good, even if a new item balances the
// deletion.
func TestDeletedWhilePagesAreTurned(t *testing.T) {
	t.Parallel()
	for _, madeUp := range []bool{false, true} {
		t.Run(strconv.FormatBool(madeUp), func(t *testing.T) {
			t.Parallel()
			play(t, turns(4), func(t *testing.T, s *stage) {
				deleted := false
				s.script.answer = func(_ *instance, x *shop, req *http.Request, _ *call) (*http.Response, bool) {
					if path := req.URL.RequestURI(); !deleted && isListing(path) && !isFirstPage(path) {
						deleted = true
						s.world.remove(x, x.items["0571527051"]) // the very first
						if madeUp {
							s.world.create(x)
						}
					}
					return nil, false
				}
				s.until(25*time.Minute, "everything is equal", func() bool { return deleted && s.oracle.differs() == "" })
			})
		})
	}
}

// TestTwoReadsOfALoss checks that a loss is stored after two complete, consecutive reads that
// show it: a partial answer does not count, and a read between them that shows the item in
// stock starts over.
func TestTwoReadsOfALoss(t *testing.T) {
	t.Parallel()
	t.Run("a 404 that breaks off", func(t *testing.T) {
		t.Parallel()
		play(t, singles, func(t *testing.T, s *stage) {
			s.ticked()
			number, reads := s.long(), 0
			s.script.answer = func(_ *instance, _ *shop, req *http.Request, _ *call) (*http.Response, bool) {
				if !of(number)(req.URL.RequestURI()) {
					return nil, false
				}
				if reads++; reads > 2 {
					return nil, false // it exists
				}
				resp := answer(req, http.StatusNotFound, nil, nil)
				resp.Body = http.NoBody
				if reads == 1 {
					resp.ContentLength = 500
					resp.Body = brokenBody{}
				}
				return resp, true
			}
			s.script.mute = false
			s.world.tell(s.shop(), "stock", number)
			s.until(2*time.Minute, "it has been read three times", func() bool { return reads >= 3 })
			s.pass(30 * time.Second)
			if gone := s.count("SELECT COUNT(*) FROM items WHERE state = 'gone'"); gone > 0 {
				t.Error("the item is gone after one complete answer without it")
			}
		})
	})
	t.Run("a zero, a figure and a zero", func(t *testing.T) {
		t.Parallel()
		play(t, singles, func(t *testing.T, s *stage) {
			s.ticked()
			it := s.shop().items[s.long()]
			s.pass(20 * time.Second)
			stored := ""
			for _, figure := range []int64{0, s.world.figure(s.shop()), 0} {
				from := time.Now()
				s.script.mute = true
				s.world.adjust(s.shop(), it, figure, true)
				s.script.mute = false
				s.world.tell(s.shop(), "stock", it.number)
				s.until(30*time.Second, "it is read", func() bool { return len(s.calls(from, of(it.number))) > 0 })
				s.pass(20 * time.Millisecond) // time to store, not to read again
				stored += s.stock(it.number) + " "
			}
			if strings.Contains(stored, " 0 ") || strings.HasPrefix(stored, "0 ") {
				t.Errorf("after each read %s is stored: a zero was believed at once", stored)
			}
			s.until(2*time.Minute, "the zero is confirmed", func() bool { return s.stock(it.number) == "0" })
		})
	})
}

// brokenBody is a body that ends early.
type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, errReset }
func (brokenBody) Close() error             { return nil }

// TestHoldThatCannotBeStored checks that too many losses are not stored if the database fails
// just as they are to be held back, and that the shop is held once the database is back.
func TestHoldThatCannotBeStored(t *testing.T) {
	t.Parallel()
	for _, pageSize := range []int{1000, 2} {
		t.Run(strconv.Itoa(pageSize), func(t *testing.T) {
			t.Parallel()
			play(t, func(p *profile) { p.pageSize, p.items = pageSize, 8 }, func(t *testing.T, s *stage) {
				s.ticked()
				failures := 0
				s.script.statement = func(_ *instance, query string) error {
					if failures < 3 && strings.HasPrefix(query, "INSERT INTO holds") {
						failures++
						return errors.New("the disk is full")
					}
					return nil
				}
				s.script.mute = true
				for _, it := range s.world.living(s.shop()) {
					s.world.adjust(s.shop(), it, 0, false)
				}
				s.until(5*time.Minute, "the shop is held", func() bool { return s.count("SELECT COUNT(*) FROM holds WHERE reason = 'losses'") == 1 })
				s.pass(3 * time.Minute)
				if lost := s.count("SELECT COUNT(*) FROM items WHERE stock = '0'"); lost > 0 || failures != 3 {
					t.Errorf("%d losses are stored, after %d failures of the database", lost, failures)
				}
			})
		})
	}
}

// TestHoldOfWhichNobodyLearns checks that a shop is held, and continues after approval, even if
// the database fails right after the commit of the hold.
func TestHoldOfWhichNobodyLearns(t *testing.T) {
	t.Parallel()
	play(t, func(p *profile) { p.items = 8 }, func(t *testing.T, s *stage) {
		s.ticked()
		lost := false
		s.script.lost = func(wrote []string) bool {
			if lost || !slices.ContainsFunc(wrote, func(q string) bool { return strings.HasPrefix(q, "INSERT INTO holds") }) {
				return false
			}
			lost = true
			return true
		}
		s.script.mute = true
		for _, it := range s.world.living(s.shop()) {
			s.world.adjust(s.shop(), it, 0, false)
		}
		s.until(3*time.Minute, "the shop is held", func() bool { return lost && s.count("SELECT COUNT(*) FROM holds") == 1 })
		s.pass(4 * time.Minute)
		if sold := s.count("SELECT COUNT(*) FROM items WHERE stock = '0'"); sold > 0 {
			t.Errorf("%d losses are stored", sold)
		}
		s.world.operate()
		s.until(3*time.Minute, "everything is equal", func() bool { return s.oracle.differs() == "" })
	})
}

// TestPartAfterFailedWrite: a part that follows one whose write failed works on what is
// stored, read anew. A listing that it began on what was forgotten would outlive the next
// pass's load, and answer hints as they were before.
func TestPartAfterFailedWrite(t *testing.T) {
	t.Parallel()
	play(t, nil, func(t *testing.T, s *stage) {
		s.ticked()
		s.script.mute = true
		var failed, loaded, read time.Time
		s.script.statement = func(_ *instance, query string) error {
			switch {
			case strings.HasPrefix(query, "INSERT INTO invoices"):
				failed, loaded, read = time.Now(), time.Time{}, time.Time{}
				return errors.New("the disk is full")
			case strings.HasPrefix(query, "SELECT *, EXISTS (SELECT 1 FROM hint_marks") && loaded.IsZero():
				loaded = time.Now()
			}
			return nil
		}
		s.script.came = func(path string) {
			if strings.HasPrefix(path, "/products") && !failed.IsZero() && read.IsZero() {
				read = time.Now()
			}
		}
		s.book(7)
		s.until(2*time.Minute, "items are read although an invoice cannot be stored", func() bool { return !read.IsZero() })
		if loaded.IsZero() || loaded.After(read) {
			t.Errorf("the invoice failed at %s, and items were read at %s: what is stored was read at %s", failed, read, loaded)
		}
		s.script.statement = nil
		s.until(2*time.Minute, "everything is equal", func() bool { return s.oracle.differs() == "" })
	})
}

// TestChangesThatComeLate checks that the overlap finds a change that e-conomic's read side
// shows only after the cursor has passed its time.
func TestChangesThatComeLate(t *testing.T) {
	t.Parallel()
	play(t, func(p *profile) { p.items, p.pageSize = 12, 2 }, func(t *testing.T, s *stage) {
		s.ticked()
		from := time.Now()
		s.script.mute = true
		for n := range 6 {
			it, figure := s.world.living(s.shop())[2*n], s.world.figure(s.shop())
			s.world.control("PUT", "faults", `{"readLag":"55s"}`)
			s.world.post(s.shop(), "adjust", map[string]any{"number": it.number, "inStock": json.Number(amount(figure))})
			s.world.revise(it, time.Now().Add(55*time.Second), func(r *revision) { r.stock = figure })
			s.pass(23 * time.Second)
			// A change that shows at once advances the cursor.
			s.world.adjust(s.shop(), s.world.living(s.shop())[2*n+1], s.world.figure(s.shop()), false)
			s.pass(20 * time.Second)
		}
		s.until(3*time.Minute, "everything is equal", func() bool { return s.oracle.differs() == "" })
		if sweeps := s.calls(from, isFirstPage); len(sweeps) > 0 {
			t.Error("a sweep has found it")
		}
	})
}

// TestCursorWaitsForTheLastPage checks that changes on pages that could not be read are found
// although later changes were read, and the first page of the same answer was stored.
func TestCursorWaitsForTheLastPage(t *testing.T) {
	t.Parallel()
	play(t, func(p *profile) { p.items, p.pageSize = 12, 2 }, func(t *testing.T, s *stage) {
		s.ticked()
		from := time.Now()
		s.fails(-1, http.StatusBadGateway, nil, func(path string) bool { return isChanges(path) && strings.Contains(path, "skippages") })
		s.script.mute = true
		for n := range 3 {
			for _, it := range s.world.living(s.shop())[4*n : 4*n+3] {
				s.world.adjust(s.shop(), it, s.world.figure(s.shop()), false)
			}
			s.pass(2 * time.Minute)
		}
		s.heals()
		s.until(2*time.Minute, "everything is equal", func() bool { return s.oracle.differs() == "" })
		if sweeps := s.calls(from, isFirstPage); len(sweeps) > 0 {
			t.Error("a sweep has found it")
		}
	})
}

// TestListingThatIsHeldBack checks that a listing of several turns stops when it would take
// away too much: it does not count as a sweep and moves no cursor.
func TestListingThatIsHeldBack(t *testing.T) {
	t.Parallel()
	play(t, turns(6), func(t *testing.T, s *stage) {
		s.ticked()
		s.pass(5 * time.Second)
		before := s.rows("SELECT swept_at, items_cursor FROM progress")[0]
		s.script.mute = true
		for _, it := range s.world.living(s.shop()) {
			s.world.adjust(s.shop(), it, 0, true) // only a listing reveals it
		}
		s.asks("sweep", "sweep")
		s.until(time.Minute, "the shop is held", func() bool { return s.count("SELECT COUNT(*) FROM holds WHERE reason = 'losses'") == 1 })
		if _, failure := s.answered("sweep", time.Minute); !strings.Contains(failure, "losses") {
			t.Errorf("the request reports %q", failure)
		}
		s.pass(5 * time.Minute)
		if after := s.rows("SELECT swept_at, items_cursor FROM progress")[0]; after[0] != before[0] || after[1] != before[1] {
			t.Errorf("sweep and cursor of %v became %v", before, after)
		}
		// A page's losses are confirmed one by one before the next page is read.
		if lost := s.count("SELECT COUNT(*) FROM items WHERE stock = '0'"); lost > 12*lossWindowPercent/100 {
			t.Errorf("%d losses of 12 items are stored", lost)
		}
	})
}
