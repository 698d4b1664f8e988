package reconcile

import (
	"reflect"
	"testing"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/store"
)

// TestIdleShopKeepsNoMaps: what a shop's reads have shown takes no memory once it is settled.
func TestIdleShopKeepsNoMaps(t *testing.T) {
	t.Parallel()
	w := &Shop{Reconciler: &Reconciler{}, holder: holder{shop: new(store.Shop)}, inbox: new(inbox.Inbox)}
	w.components = newComponents(w, &calls{})
	losses := w.stock.losses
	seen := []plan.Observation{{Item: plan.Item{Number: "a"}, Found: true}}
	losses.suspect(plan.LossRead{Seen: seen, Suspects: map[string]plan.Suspect{"a": {Loss: true}}})
	if len(losses.guard.Suspects()) != 1 || !w.inbox.MayHave(plan.KindStock) || !w.hinted {
		t.Errorf("suspected: %v, to be read again: %t, %t", losses.guard.Suspects(), w.inbox.MayHave(plan.KindStock), w.hinted)
	}
	losses.suspect(plan.LossRead{Seen: seen})
	for _, number := range []string{"", "a"} {
		if err := w.stock.readSucceeded(t.Context(), number); err != nil {
			t.Error(err)
		}
	}
	if losses.guard.Suspects() != nil || !reflect.ValueOf(w.stock.streak).IsZero() || w.warnings != nil || losses.guard.Recent() != nil {
		t.Errorf("suspects %v, refused %v, warnings %v, losses %v", losses.guard.Suspects(), w.stock.streak, w.warnings, losses.guard.Recent())
	}
}
