package schedule

import (
	"fmt"
	"strings"
	"testing"

	"lagerd/economic"
)

// TestShortOf: only what waits for the day's calls is told as that.
func TestShortOf(t *testing.T) {
	t.Parallel()
	for kind, word := range map[economic.Kind]string{economic.KindBudget: "the budget is short", economic.KindForbidden: "e-conomic refuses"} {
		if got := shortOf(fmt.Errorf("read: %w", &economic.Error{Kind: kind})); !strings.HasPrefix(got, word) {
			t.Errorf("%v is told as %q", kind, got)
		}
	}
}
