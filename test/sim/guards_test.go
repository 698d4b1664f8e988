package sim

import (
	"fmt"
	"testing"
	"time"
)

// TestLossLimits checks that losses up to the limit are stored, and that one more is held back.
func TestLossLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		items  int
		atOnce bool // otherwise one per tick
		most   int  // by the settings of the simulated lagerd
	}{
		{"so many it may always", 5, true, lossMin},
		{"a percentage", 20, true, 20 * lossPercent / 100},
		{"one by one, so many it may always", 5, false, lossWindowMin},
		{"one by one, a percentage", 12, false, 12 * lossWindowPercent / 100},
	} {
		for _, pageSize := range []int{1000, 3} { // a listing, then a change query
			for _, more := range []int{0, 1} {
				t.Run(fmt.Sprint(c.name, ", pages of ", pageSize, ", and ", more), func(t *testing.T) {
					t.Parallel()
					play(t, func(p *profile) { p.items, p.pageSize = c.items, pageSize }, func(t *testing.T, s *stage) {
						s.ticked()
						s.script.mute = true
						for _, it := range s.world.living(s.shop())[:c.most+more] {
							if !c.atOnce {
								s.pass(time.Minute)
							}
							s.world.adjust(s.shop(), it, 0, false)
						}
						s.pass(2*time.Minute + 10*time.Second)
						held := s.count("SELECT COUNT(*) FROM holds WHERE reason = 'losses'")
						sold := s.count("SELECT COUNT(*) FROM items WHERE stock = '0'")
						switch {
						case more == 0 && (held != 0 || sold != c.most):
							t.Errorf("%d losses, within the limit: %d are stored, held: %t", c.most, sold, held > 0)
						case more == 1 && (held != 1 || sold > c.most || c.atOnce && sold != 0):
							t.Errorf("%d losses, one above the limit: %d are stored, held: %t", c.most+1, sold, held > 0)
						}
					})
				})
			}
		}
	}
}
