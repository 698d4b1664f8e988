package sim

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// singles creates a catalogue whose hinted numbers are read one by one: a URL fits only one,
// and a few of them are not a burst.
func singles(p *profile) {
	p.items, p.pageSize, p.bursts, p.maxURLBytes = 40, 2, true, 450
}

// hinted records hints for the first items with long numbers, all at once, and returns their
// numbers in reading order.
func (s *stage) hinted(n int) []string {
	s.t.Helper()
	var numbers []string
	for _, it := range s.world.living(s.shop()) {
		if strings.HasPrefix(it.number, "æøåæøå") && len(numbers) < n {
			numbers = append(numbers, it.number)
		}
	}
	slices.Sort(numbers)
	s.person(func(ctx context.Context, st *store.Store) error {
		var hints []store.HintRecord
		for _, number := range numbers {
			hints = append(hints, store.HintRecord{Shop: s.shop().name, Kind: plan.KindStock, Number: number, Cause: plan.CauseOperator, At: time.Now()})
		}
		return st.RecordHints(ctx, hints)
	})
	return numbers
}

// of matches reads of single items with these numbers.
func of(numbers ...string) func(path string) bool {
	return func(path string) bool {
		plain, err := url.PathUnescape(path)
		return err == nil && slices.ContainsFunc(numbers, func(number string) bool { return plain == "/products/"+number })
	}
}

// TestFailingNumbers checks that hinted numbers that cannot be read delay no other, but that
// three failures in a row end the pass.
func TestFailingNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fails []int // of nine
		reads int   // in the first pass
		ends  bool  // the pass fails
	}{
		{"none", nil, 9, false},
		{"the first two", []int{0, 1}, 9, false},
		{"every other", []int{0, 2, 4, 6, 8}, 9, false},
		{"twice two", []int{1, 2, 4, 5, 7, 8}, 9, false},
		{"the first three", []int{0, 1, 2}, 3, true},
		{"three in the middle", []int{1, 4, 5, 6}, 7, true},
		{"the last three", []int{6, 7, 8}, 9, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			play(t, singles, func(t *testing.T, s *stage) {
				s.ticked()
				s.pass(20 * time.Second) // between two ticks
				from := time.Now()
				var bad []string
				s.fails(-1, http.StatusInternalServerError, nil, func(path string) bool { return of(bad...)(path) })
				numbers := s.hinted(9)
				for _, n := range c.fails {
					bad = append(bad, numbers[n])
				}
				s.until(time.Minute, "the hints are read", func() bool { return len(s.calls(from, isItem)) > 0 })
				s.pass(1900 * time.Millisecond) // before any retry
				reads := s.calls(from, isItem)
				if len(reads) != c.reads {
					t.Errorf("%d numbers were read, expected %d", len(reads), c.reads)
				}
				if failed := s.count("SELECT failures FROM progress") > 0; failed != c.ends {
					t.Errorf("pass failed: %t, expected %t", failed, c.ends)
				}
				s.heals()
				s.until(3*time.Minute, "no hint is open", func() bool { return s.count("SELECT COUNT(*) FROM hints WHERE open = 1") == 0 })
			})
		})
	}
}

// TestRereadsGoOnAfterAFailure checks that a hint that shows nothing new gets all its rereads,
// whether or not one of them fails.
func TestRereadsGoOnAfterAFailure(t *testing.T) {
	t.Parallel()
	for fails := range 4 {
		t.Run(fmt.Sprint(fails), func(t *testing.T) {
			t.Parallel()
			play(t, singles, func(t *testing.T, s *stage) {
				s.ticked()
				from := time.Now()
				s.script.answer = func(_ *instance, _ *shop, req *http.Request, _ *call) (*http.Response, bool) {
					if !isItem(req.URL.RequestURI()) || len(s.calls(from, isItem)) != fails {
						return nil, false
					}
					return answer(req, http.StatusInternalServerError, nil, []byte(`{"message":"staged"}`)), true
				}
				number := s.long()
				s.world.tell(s.shop(), "stock", number)
				s.until(4*time.Minute, "the hint is answered", func() bool {
					return len(s.rows("SELECT 1 FROM hints WHERE number = ? AND open = 0", number)) == 1
				})
				// One first read, three rereads, and one for the read that
				// failed.
				if reads := s.calls(from, isItem); len(reads) != 5 {
					t.Errorf("it was read %d times, expected 5", len(reads))
				}
			})
		})
	}
}

// TestGapsTakeTurns checks that each tick reads the gaps, taking turns if they do not all fit
// in one call, so that an invoice that surfaces late in any of them is found.
func TestGapsTakeTurns(t *testing.T) {
	t.Parallel()
	play(t, func(p *profile) { p.maxURLBytes, p.pageSize = 450, 1000 }, func(t *testing.T, s *stage) {
		s.ticked()
		s.script.mute = true
		const gaps = 20
		for n := range int64(gaps) {
			s.book(1000 + 10*n)
		}
		s.until(5*time.Minute, "the gaps are known", func() bool { return s.count("SELECT COUNT(*) FROM invoice_gaps") >= gaps })
		s.pass(2 * time.Minute)
		asked := s.calls(time.Now().Add(-90*time.Second), isInvoices)
		fit := strings.Count(asked[0].path, "$gte") + strings.Count(asked[0].path, ",")
		if fit < 1 || fit > gaps/2 {
			t.Fatalf("%d gaps fit in a call: %s", fit, asked[0].path)
		}
		rounds := (gaps+fit-1)/fit + 2
		for _, late := range []int64{1185, 1005, 1095, 500, 1155} {
			from := time.Now()
			s.book(late)
			s.until(time.Duration(rounds)*time.Minute, fmt.Sprint("the invoice ", late, " is found"), func() bool {
				return s.count("SELECT COUNT(*) FROM invoices WHERE number = ?", late) == 1
			})
			if calls, ticks := len(s.calls(from, isInvoices)), int(time.Since(from)/time.Minute)+1; calls > ticks {
				t.Errorf("%d ticks took %d calls", ticks, calls)
			}
		}
	})
}

// long returns a number that fills a URL by itself.
func (s *stage) long() string {
	living := s.world.living(s.shop())
	return living[slices.IndexFunc(living, func(i *item) bool { return strings.HasPrefix(i.number, "æøåæøå") })].number
}

// book books an invoice with the given number and no lines.
func (s *stage) book(number int64) {
	s.world.post(s.shop(), "book", map[string]any{"withNumber": number, "orderRef": fmt.Sprint("order ", number)})
	s.shop().invoices[number] = &invoice{number: number, order: fmt.Sprint("order ", number), readable: time.Now()}
}
