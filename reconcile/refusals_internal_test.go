package reconcile

import "testing"

func TestRefusals(t *testing.T) {
	var r refusals
	for n, step := range []struct {
		shop string // "": an agreement answers
		tell bool
	}{
		{"a", false}, {"a", false}, // the same grant, twice
		{"b", true}, {"c", false}, // said once
		{"", false}, {"a", false}, {"", false}, {"b", false}, // one answers between the two: it is not the app's token
		{"c", true}, // and again said
	} {
		if step.shop == "" {
			r.accepted()
			continue
		}
		if _, tell := r.refused(step.shop); tell != step.tell {
			t.Errorf("step %d: a person is told: %v", n, tell)
		}
	}
}
