package sim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/webhook"
)

// TestFloodOfHints checks that a flood of webhooks, 30 a second for a shop with 50,000 calls a
// day, here scaled to a tenth of both, takes neither the ticks' calls nor those of new invoices,
// whatever the webhooks name. Before, it spent the day's calls in minutes.
func TestFloodOfHints(t *testing.T) {
	t.Parallel()
	const (
		daily = 5000
		every = time.Second / 3
		lasts = 8 * time.Minute
	)
	for name, c := range map[string]struct {
		tell     func(s *stage, n int)
		pageSize int
	}{
		"unknown items":                 {func(s *stage, n int) { s.world.tell(s.shop(), webhook.KindStock, fmt.Sprint(900_000+n)) }, 1000},
		"unknown items of a large shop": {func(s *stage, n int) { s.world.tell(s.shop(), webhook.KindStock, fmt.Sprint(900_000+n)) }, 2},
		"stored items": {func(s *stage, n int) {
			s.world.tell(s.shop(), webhook.KindStock, s.world.living(s.shop())[n%12].number)
		}, 2},
		"unknown invoices": {func(s *stage, n int) { s.world.tell(s.shop(), webhook.KindInvoice, fmt.Sprint(900_000+n)) }, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, func(p *profile) { p.dailyCalls, p.pageSize, p.items = daily, c.pageSize, 12 }, func(t *testing.T, s *stage) {
				s.ticked()
				from := time.Now()
				for n := range int(lasts / every) {
					s.after(time.Duration(n)*every, "a webhook of the flood", func() { c.tell(s, n) })
				}
				for minute := range int(lasts/time.Minute) + 10 {
					s.pass(time.Minute)
					if at := s.at("SELECT tick_at FROM progress"); time.Since(at) > 2*time.Minute {
						t.Fatalf("in minute %d the last good tick is %s old, after %d calls", minute, time.Since(at), len(s.calls(from, everyCall)))
					}
					if minute%10 == 9 {
						s.world.book(s.shop(), s.world.living(s.shop())[0])
						s.until(90*time.Second, "a new invoice and its PDF are stored", func() bool {
							return s.count("SELECT COUNT(*) FROM invoices WHERE pdf_state = 'stored'") == minute/10+1
						})
					}
				}
				kinds := map[string]int{}
				for _, a := range s.calls(from, everyCall) {
					kinds[whatOf(a.path)]++
				}
				t.Logf("%d calls: %v", len(s.calls(from, everyCall)), kinds)
				if left := daily - len(s.asked); left < 2*23*60 {
					t.Errorf("%d calls of the day's %d are left, and ticks need %d", left, daily, 2*23*60)
				}
				s.until(90*time.Minute, "no hint is open", func() bool { return s.count("SELECT COUNT(*) FROM hints WHERE open = 1") == 0 })
			})
		})
	}
}

// TestFiguresBecomeTexts checks that an upgrade after which every figure is a text costs a
// constant: no flood of single reads, and invoices go on. It is told, nothing is confirmed
// meanwhile, and it ends by itself.
func TestFiguresBecomeTexts(t *testing.T) {
	t.Parallel()
	for name, pageSize := range map[string]int{"one page": 1000, "several pages": 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, func(p *profile) { p.items, p.pageSize = 40, pageSize }, func(t *testing.T, s *stage) {
				s.ticked()
				stored := s.rows("SELECT number, stock FROM items ORDER BY number")
				s.script.answer = s.texts
				from := time.Now()
				for n := range 40 {
					s.after(time.Duration(n)*time.Second, "a webhook", func() {
						s.world.tell(s.shop(), webhook.KindStock, s.world.living(s.shop())[n].number)
					})
				}
				s.pass(15 * time.Minute)
				s.world.book(s.shop(), s.world.living(s.shop())[0])
				s.until(90*time.Second, "a new invoice and its PDF are stored", func() bool { return s.count("SELECT COUNT(*) FROM invoices WHERE pdf_state = 'stored'") == 1 })
				kinds := map[string]int{}
				for _, a := range s.calls(from, everyCall) {
					kinds[whatOf(a.path)]++
				}
				t.Logf("calls: %v", kinds)
				if kinds["item"] > 60 {
					t.Errorf("%d items were read alone", kinds["item"])
				}
				if at := s.at("SELECT tick_at FROM progress"); at.After(from.Add(time.Minute)) {
					t.Errorf("the tick of %s confirms what was read since %s", at, from)
				}
				if got := s.rows("SELECT scope, reason FROM holds"); len(got) != 1 || got[0][0] != "stock" || got[0][1] != "unreadable" {
					t.Errorf("held: %v", got)
				}
				if diff := cmp.Diff(stored, s.rows("SELECT number, stock FROM items ORDER BY number")); diff != "" {
					t.Error(diff)
				}
				s.heals()
				s.until(30*time.Minute, "everything is read again", func() bool {
					return len(s.rows("SELECT scope FROM holds")) == 0 && s.count("SELECT COUNT(*) FROM hints WHERE open = 1") == 0 && time.Since(s.at("SELECT tick_at FROM progress")) < 2*time.Minute
				})
			})
		})
	}
}

// texts answers reads of items with their figures as texts.
func (s *stage) texts(_ *instance, x *shop, req *http.Request, _ *call) (*http.Response, bool) {
	path := req.URL.EscapedPath()
	item := func(number string) string {
		return fmt.Sprintf(`{"productNumber":%q,"inventory":{"inStock":"many"}}`, number)
	}
	if path == "/products" {
		all := s.world.living(x)
		skip, _ := strconv.Atoi(req.URL.Query().Get("skippages"))
		var list []string
		from, to := skip*s.profile.pageSize, min((skip+1)*s.profile.pageSize, len(all))
		for _, it := range all[min(from, to):to] {
			list = append(list, item(it.number))
		}
		next := ""
		if to < len(all) {
			next = fmt.Sprintf(`,"nextPage":"http://e-conomic.sim/products?skippages=%d&pagesize=%d"`, skip+1, s.profile.pageSize)
		}
		body := fmt.Sprintf(`{"collection":[%s],"pagination":{"results":%d%s}}`, strings.Join(list, ","), len(all), next)
		return answer(req, http.StatusOK, http.Header{}, []byte(body)), true
	}
	for _, it := range s.world.living(x) {
		if it.path == path {
			return answer(req, http.StatusOK, http.Header{}, []byte(item(it.number))), true
		}
	}
	return nil, false
}
