package reconcile

import (
	"errors"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/source"
)

// TestPatience: once a silent service has answered, passes wait for it twice as long as before, or
// as its answer took, and for a while only.
func TestPatience(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	hangs := &source.Error{Class: plan.ClassHanging, Err: errors.New("no answer")}
	refused := &source.Error{Class: plan.ClassShop, Err: errors.New("refused")}
	for name, c := range map[string]struct {
		patience time.Duration
		until    time.Duration // from now
		took     time.Duration
		err      error
		heard    bool
		want     time.Duration
	}{
		"the first time":                       {0, -time.Hour, 0, nil, true, 2 * time.Second},
		"its answer took longer":               {0, -time.Hour, 5 * time.Second, nil, true, 10 * time.Second},
		"again":                                {4 * time.Second, time.Minute, time.Second, nil, true, 8 * time.Second},
		"again, and its answer took longer":    {4 * time.Second, time.Minute, 6 * time.Second, nil, true, 12 * time.Second},
		"after the while":                      {4 * time.Second, 0, time.Second, nil, true, 2 * time.Second},
		"it refuses the token, and is there":   {0, -time.Hour, 0, refused, true, 2 * time.Second},
		"it hangs":                             {4 * time.Second, time.Minute, time.Minute, hangs, false, 4 * time.Second},
		"it hangs, after the while of another": {4 * time.Second, -time.Minute, time.Minute, hangs, false, 4 * time.Second},
	} {
		i := &silence{silent: true, patience: c.patience, until: noon.Add(c.until), asking: &asking{done: make(chan struct{}), took: c.took, err: c.err}}
		if heard, err := i.heard(t.Context(), noon); heard || err != nil {
			t.Errorf("%s: heard before it has answered: %t, %v", name, heard, err)
		}
		close(i.asking.done)
		heard, err := i.heard(t.Context(), noon)
		if heard != c.heard || (err != nil) == c.heard || i.silent == c.heard || i.patience != c.want || i.asking != nil {
			t.Errorf("%s: heard %t, %v, then %+v: expected a patience of %s", name, heard, err, i, c.want)
		}
		if until := noon.Add(15 * time.Minute); c.heard && !i.until.Equal(until) {
			t.Errorf("%s: patient until %s, expected %s", name, i.until, until)
		}
	}
}
