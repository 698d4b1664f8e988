package sim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestListed checks that the oracle reconstructs listings as lagerd reads them.
func TestListed(t *testing.T) {
	t.Parallel()
	type read struct {
		index, results int
		items          string // zeros in capitals, an unreadable item after "?"
		last           bool
	}
	for name, c := range map[string]struct {
		reads []read
		whole bool   // the last page ends the listing
		began int64  // which page counts as its first, from 1
		shown string // item and the last page that showed it: "a1"
		since string // the same for pages from the first on; "": equal
	}{
		"pages one after another": {
			[]read{{0, 3, "ab", false}, {1, 3, "C", true}},
			true, 1, "a1 b1 C2", ""},
		"it grows": {
			[]read{{0, 3, "ab", false}, {1, 4, "cd", true}},
			true, 1, "a1 b1 c2 d2", ""},
		"not at its end": {
			[]read{{0, 5, "ab", false}, {1, 5, "cd", false}},
			false, 1, "a1 b1 c2 d2", ""},
		"begun anew": {
			[]read{{0, 3, "ab", false}, {0, 2, "bc", true}},
			true, 2, "b2 c2", ""},
		"begun anew after its end": {
			[]read{{0, 3, "ab", false}, {1, 3, "c", true}, {0, 2, "bc", true}},
			true, 3, "b3 c3", ""},
		"it gets shorter: the page counts for nothing": {
			[]read{{0, 5, "ab", false}, {1, 5, "cd", false}, {2, 4, "", true}},
			false, 1, "a1 b1 c2 d2", ""},
		"and the page before is read again": {
			[]read{{0, 5, "ab", false}, {1, 5, "cd", false}, {2, 4, "", true}, {1, 4, "de", true}},
			true, 1, "a1 b1 c2 d4 e4", ""},
		"what a page shows that is read again is what counts": {
			[]read{{0, 5, "ab", false}, {1, 5, "cd", false}, {2, 4, "", true}, {1, 4, "De", true}},
			true, 1, "a1 b1 c2 D4 e4", ""},
		"as many pages as items are gone": {
			[]read{{0, 7, "ab", false}, {1, 7, "cd", false}, {2, 7, "ef", false}, {3, 4, "", true}, {1, 4, "fg", true}},
			true, 1, "a1 b1 c2 d2 e3 f5 g5", ""},
		"the first page is read again: what it showed counts": {
			[]read{{0, 3, "ab", false}, {1, 2, "", true}, {0, 2, "bc", true}},
			true, 3, "a1 b3 c3", "b3 c3"},
		"the answer that told of it was lost": {
			[]read{{0, 5, "ab", false}, {1, 5, "cd", false}, {2, 4, "", true}, {2, 4, "", true}, {1, 4, "de", true}},
			true, 1, "a1 b1 c2 d5 e5", ""},
		"and as many came meanwhile": {
			[]read{{0, 5, "ab", false}, {1, 5, "cd", false}, {2, 4, "", true}, {2, 5, "f", true}},
			true, 1, "a1 b1 c2 d2 f4", ""},
		"it gets shorter once more": {
			[]read{{0, 5, "ab", false}, {1, 5, "cd", false}, {2, 4, "", true}, {1, 3, "e", true}, {0, 3, "bd", false}, {1, 3, "e", true}},
			true, 5, "a1 b5 c2 d5 e6", "b5 d5 e6"},
		"the last page is read once more": {
			[]read{{0, 3, "ab", false}, {1, 3, "c", true}, {1, 3, "c", true}},
			true, 1, "a1 b1 c3", ""},
		"an answer was lost that told of one more": {
			[]read{{0, 3, "ab", false}, {1, 4, "cd", true}, {1, 3, "c", true}},
			true, 1, "a1 b1 c3 d2", ""},
		"a zero that cannot be understood": {
			[]read{{0, 3, "a?B", false}, {1, 3, "C", true}},
			true, 1, "a1 b1 C2", ""},
		"the second time, after one that could": {
			[]read{{0, 5, "ab", false}, {1, 5, "CD", false}, {2, 4, "", true}, {1, 4, "?De", true}},
			true, 1, "a1 b1 C2 D2 e4", ""},
		"begun anew, though another page was to be read again": {
			[]read{{0, 5, "ab", false}, {1, 5, "cd", false}, {2, 4, "", true}, {0, 4, "ab", false}},
			false, 4, "a4 b4", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var l *listed
			var whole bool
			for n, r := range c.reads {
				p := listedPage{began: int64(n + 1), index: r.index, size: 2, results: r.results, last: r.last}
				unread := false
				for _, letter := range r.items {
					if letter == '?' {
						unread = true
						continue
					}
					item := product{ProductNumber: strings.ToLower(string(letter))}
					if item.ProductNumber == string(letter) {
						item.Inventory = &struct{ InStock json.Number }{"1"}
					}
					if unread {
						p.unread, unread = item.ProductNumber, false
					}
					p.items = append(p.items, item)
				}
				l, whole = l.turn(p)
			}
			shows := func(since int64) string {
				var shown []string
				for _, number := range slices.Sorted(maps.Keys(l.shown)) {
					s, counts := l.showed(number, since)
					if s.less {
						number = strings.ToUpper(number)
					}
					if counts {
						shown = append(shown, fmt.Sprint(number, s.began))
					}
				}
				return strings.Join(shown, " ")
			}
			if got := shows(0); got != c.shown || whole != c.whole || l.began != c.began {
				t.Errorf("it began with read %d and shows %s (whole: %t), expected %d, %s and %t", l.began, got, whole, c.began, c.shown, c.whole)
			}
			if got := shows(l.began); got != cmp.Or(c.since, c.shown) {
				t.Errorf("since it began it shows %s, expected %s", got, cmp.Or(c.since, c.shown))
			}
		})
	}
}

// TestHeldListingTurnedBack checks that an item deleted after a page has shown it does not
// count as taken away by the listing, even if that page is reread. So the listing ends a hold
// for losses, and nothing is lost: the next listing is held back for what is gone then.
func TestHeldListingTurnedBack(t *testing.T) {
	t.Parallel()
	for name, page := range map[string]int{"to its first page": 1, "to another page": 2, "from its last page, which is empty then": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, func(p *profile) { p.items, p.pageSize = 9, 2 }, func(t *testing.T, s *stage) {
				x := s.shop()
				s.until(3*time.Minute, "everything is stored", func() bool { return s.count("SELECT COUNT(*) FROM items") == 9 })
				held := func() bool { return s.count("SELECT COUNT(*) FROM holds WHERE reason = 'losses'") == 1 }
				sweep := func(request string) {
					s.db.mustExec("INSERT INTO requests (request, shop, what, requested_at) VALUES (?, ?, 'sweep', ?)",
						request, x.name, time.Now().UTC().Format("2006-01-02 15:04:05.000000"))
				}
				s.world.lies, x.lie = `{"truncate":0.7}`, true
				sweep("a")
				s.until(time.Minute, "what a listing that was cut short would take away is held back", held)
				s.world.repent()
				for _, number := range []string{"item5", "item7"} { // the loss limit
					s.world.remove(x, x.items[number])
				}
				deleted := false
				s.script.answer = func(_ *instance, _ *shop, req *http.Request, _ *call) (*http.Response, bool) {
					if path := req.URL.RequestURI(); !deleted && isListing(path) && req.URL.Query().Get("skippages") == fmt.Sprint(page) {
						deleted = true
						s.world.remove(x, x.items["0571527051"]) // the first page has shown it
					}
					return nil, false
				}
				sweep("b")
				s.until(time.Minute, "the hold has ended", func() bool { return !held() })
				if !deleted {
					t.Fatal("nothing was deleted during paging")
				}
				s.until(time.Minute, "the next listing is held back", held)
				if n := s.count("SELECT COUNT(*) FROM items WHERE state <> 'ok'"); n != 0 {
					t.Errorf("%d items are taken away", n)
				}
			})
		})
	}
}
