package reconcile

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// TestProbe: a held part whose hinted numbers are refused stays closed, and is tried again later. A
// number that failed for a reason of its own, such as one that cannot be asked for alone, says nothing:
// else a part that has hints of such numbers alone would be held for good.
func TestProbe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		numbers       []string
		before        []string // refused before the hold
		refuses       []string
		answers       []string
		open, isTried bool
	}{
		"nothing is hinted":   {open: true},
		"refused":             {numbers: []string{"a", "b"}, refuses: []string{"a", "b"}, isTried: true},
		"answered":            {numbers: []string{"a"}, answers: []string{"a"}, open: true},
		"always refused":      {numbers: []string{"a"}, before: []string{"a"}, refuses: []string{"a"}, open: true},
		"cannot be asked for": {numbers: []string{"a/b"}, open: true},
		"refused, and one that cannot be asked for": {numbers: []string{"a/b", "c"}, refuses: []string{"c"}, isTried: true},
	} {
		g := &gate{hints: hints{Shop: &Shop{Reconciler: &Reconciler{Options: Options{Now: time.Now}}}}, refusal: errors.New("refused")}
		refused := slices.Clone(c.before)
		open, err := probe(g, c.numbers, func(number string) bool { return slices.Contains(refused, number) }, func(number string) error {
			if slices.Contains(c.refuses, number) {
				refused = append(refused, number)
			}
			if slices.Contains(c.answers, number) {
				g.refusal = nil
			}
			return nil
		})
		if err != nil || open != c.open || g.triedAt.IsZero() == c.isTried {
			t.Errorf("%s: open %t, tried %s, %v", name, open, g.triedAt, err)
		}
	}
}
