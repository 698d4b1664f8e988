package reconcile

import (
	"testing"
	"time"

	"lagerd/plan"
)

// TestKeepsUnknown: hints of numbers that do not exist are kept for a day, and for an hour once
// there are many.
func TestKeepsUnknown(t *testing.T) {
	t.Parallel()
	var p pruned
	p.count(make([]plan.Answer, 2*manyUnknown)) // answered by what a read stored
	unknown := []plan.Answer{{Reason: plan.HintUnknown}}
	for range manyUnknown - 1 {
		p.count(unknown)
	}
	if got := p.keepsUnknown(); got != 24*time.Hour {
		t.Errorf("few are kept for %s", got)
	}
	p.count(unknown)
	if got := p.keepsUnknown(); got != time.Hour {
		t.Errorf("many are kept for %s", got)
	}
}
