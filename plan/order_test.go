package plan_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
)

// TestOrderNumberOfALongField: a field is searched as far as e-conomic fills it, so that no pattern
// and no answer take long.
func TestOrderNumberOfALongField(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	for pattern, c := range map[string]struct{ heading, want string }{
		`\d+`:           {strings.Repeat("æ", 998) + "12345", "12"},
		`#(\d+)`:        {strings.Repeat("x", 1000) + "#7", ""},
		`((a?){500})b`:  {strings.Repeat("a", size), ""},
		`(x*)*y`:        {strings.Repeat("x", size), ""},
		`(.*)(?:.*)z`:   {strings.Repeat("y", size), ""},
		`^\s*(\w+)\s.*`: {strings.Repeat(" ", size) + "A-1", ""},
	} {
		rule := plan.OrderRule{Field: plan.OrderInHeading, Pattern: regexp.MustCompile(pattern)}
		began := time.Now()
		if got := rule.OrderNumber(plan.Invoice{Heading: c.heading}); got != c.want {
			t.Errorf("%s: %q, expected %q", pattern, got, c.want)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s took %s", pattern, took)
		}
	}
	whole := plan.OrderRule{Field: plan.OrderInHeading}
	if got := whole.OrderNumber(plan.Invoice{Heading: " " + strings.Repeat("x", 2000)}); len(got) != 1000 {
		t.Errorf("a whole field has %d characters", len(got))
	}
}
