package reconcile

import (
	"testing"

	"lagerd/inbox"
	"lagerd/plan"
)

// TestIdleShopKeepsNoMaps: what a shop's reads have shown takes no room once it is over.
func TestIdleShopKeepsNoMaps(t *testing.T) {
	t.Parallel()
	w := &Shop{Reconciler: &Reconciler{}, inbox: new(inbox.Inbox)}
	seen := []plan.Observation{{Item: plan.Item{Number: "a"}, Found: true}}
	w.suspect(plan.LossRead{Seen: seen, Suspects: map[string]plan.Suspect{"a": {Loss: true}}})
	if len(w.losses.Suspects()) != 1 || !w.inbox.MayHave(plan.KindStock) || !w.hinted {
		t.Errorf("suspected: %v, to be read again: %t, %t", w.losses.Suspects(), w.inbox.MayHave(plan.KindStock), w.hinted)
	}
	w.suspect(plan.LossRead{Seen: seen})
	for _, number := range []string{"", "a"} {
		if err := w.answered(t.Context(), plan.ScopeStock, number); err != nil {
			t.Error(err)
		}
	}
	if w.losses.Suspects() != nil || w.streaks != nil || w.warnings != nil || w.losses.Recent() != nil {
		t.Errorf("suspects %v, streaks %v, warnings %v, losses %v", w.losses.Suspects(), w.streaks, w.warnings, w.losses.Recent())
	}
}
