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

// What follows are mistakes that the simulation has found in lagerd, each played as it
// happened: what a seed leads to changes with every change of the simulation.

// TestLateBelowTheFirst: an invoice that surfaces late, with a number below those that
// were there when its shop began, is found.
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

// TestClockThatIsSetBack: what is measured goes on though the clock is set back: a block
// after a 429 is over in time, and an item that is deleted is gone.
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

// TestDeletedWhilePagesAreTurned: an item that moves up onto a page which has been read,
// since another was deleted there, is not passed over for good, also where a new one makes
// up for the one that was deleted.
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
						s.world.remove(x, x.items["0571527051"]) // the first of all
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

// TestTwoReadsOfALoss: a loss is stored after two whole reads that show it, one after the
// other: half an answer is none, and one between them that shows the item in stock begins
// it anew.
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
					return nil, false // it is there
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
				t.Error("the item is gone after one whole answer that said so")
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
				s.pass(20 * time.Millisecond) // what has been read is stored, and nothing is read again
				stored += s.stock(it.number) + " "
			}
			if strings.Contains(stored, " 0 ") || strings.HasPrefix(stored, "0 ") {
				t.Errorf("after each read %s is stored: a zero was believed at once", stored)
			}
			s.until(2*time.Minute, "the zero is confirmed", func() bool { return s.stock(it.number) == "0" })
		})
	})
}

// brokenBody is a body that breaks off.
type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, errReset }
func (brokenBody) Close() error             { return nil }

// TestHoldThatCannotBeStored: losses that are too many are not stored where the database
// fails just when they are to be held back, and the shop is held when it is there again.
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

// TestHoldOfWhichNobodyLearns: a shop is held, and goes on when a person approves, also
// where the database is gone right after the hold was committed.
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
			case strings.HasPrefix(query, "SELECT * FROM `progress`") && loaded.IsZero():
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

// TestChangesThatComeLate: a change that e-conomic's reading side shows only when the
// cursor has passed its time is found by looking back.
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
			// One that shows at once takes the cursor on.
			s.world.adjust(s.shop(), s.world.living(s.shop())[2*n+1], s.world.figure(s.shop()), false)
			s.pass(20 * time.Second)
		}
		s.until(3*time.Minute, "everything is equal", func() bool { return s.oracle.differs() == "" })
		if sweeps := s.calls(from, isFirstPage); len(sweeps) > 0 {
			t.Error("a sweep has found it")
		}
	})
}

// TestCursorWaitsForTheLastPage: changes on pages that could not be read are found though
// later ones have been, and the first page of the same answer was stored.
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

// TestListingThatIsHeldBack: a listing of several turns that would take away too much stops
// there: it counts as no sweep, and moves no cursor.
func TestListingThatIsHeldBack(t *testing.T) {
	t.Parallel()
	play(t, turns(6), func(t *testing.T, s *stage) {
		s.ticked()
		s.pass(5 * time.Second)
		before := s.rows("SELECT swept_at, items_cursor FROM progress")[0]
		s.script.mute = true
		for _, it := range s.world.living(s.shop()) {
			s.world.adjust(s.shop(), it, 0, true) // only a listing shows it
		}
		s.asks("sweep", "sweep")
		s.until(time.Minute, "the shop is held", func() bool { return s.count("SELECT COUNT(*) FROM holds WHERE reason = 'losses'") == 1 })
		if _, failure := s.answered("sweep", time.Minute); !strings.Contains(failure, "losses") {
			t.Errorf("who asked for it is told %q", failure)
		}
		s.pass(5 * time.Minute)
		if after := s.rows("SELECT swept_at, items_cursor FROM progress")[0]; after[0] != before[0] || after[1] != before[1] {
			t.Errorf("sweep and cursor of %v became %v", before, after)
		}
		// Losses of a page are confirmed one by one before the next page is read.
		if lost := s.count("SELECT COUNT(*) FROM items WHERE stock = '0'"); lost > 12*lossWindowPercent/100 {
			t.Errorf("%d losses of 12 items are stored", lost)
		}
	})
}
