package source_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/source"
)

func TestErrors(t *testing.T) {
	t.Parallel()
	other := errors.New("database is locked")
	of := func(class plan.Class, after time.Duration) *source.Error {
		return &source.Error{Class: class, RetryAfter: after, Err: errors.New(string(class))}
	}
	day, hanging, part := of(plan.ClassDay, time.Hour), of(plan.ClassHanging, 0), of(plan.ClassPart, 0)
	for name, c := range map[string]struct {
		err   error
		want  []plan.Class
		after time.Duration
	}{
		"none":     {nil, nil, 0},
		"other":    {other, nil, 0},
		"one":      {day, []plan.Class{plan.ClassDay}, time.Hour},
		"wrapped":  {fmt.Errorf("shop1: %w", day), []plan.Class{plan.ClassDay}, time.Hour},
		"joined":   {errors.Join(other, errors.Join(part, day), hanging), []plan.Class{plan.ClassPart, plan.ClassDay, plan.ClassHanging}, 0},
		"twice":    {fmt.Errorf("%w, then %w", fmt.Errorf("first %w", day), hanging), []plan.Class{plan.ClassDay, plan.ClassHanging}, time.Hour},
		"enclosed": {&source.Error{Class: plan.ClassPart, Err: fmt.Errorf("it said: %w", day)}, []plan.Class{plan.ClassPart}, 0},
	} {
		var got []plan.Class
		for e := range source.Errors(c.err) {
			got = append(got, e.Class)
		}
		first := plan.ClassNone
		if len(c.want) > 0 {
			first = c.want[0]
		}
		if !slices.Equal(got, c.want) || source.ClassOf(c.err) != first || source.RetryAfter(c.err) != c.after {
			t.Errorf("%s: %q, first %q, retry after %s: expected %q, %s", name, got, source.ClassOf(c.err), source.RetryAfter(c.err), c.want, c.after)
		}
		for _, class := range []plan.Class{plan.ClassDay, plan.ClassHanging, plan.ClassPart, plan.ClassShop} {
			if source.Has(c.err, class) != slices.Contains(c.want, class) {
				t.Errorf("%s: has %q: %t", name, class, source.Has(c.err, class))
			}
		}
	}
}

func TestNarrow(t *testing.T) {
	t.Parallel()
	only := &source.Error{Class: plan.ClassPart, Err: errors.New("only this")}
	refused := &source.Error{Class: plan.ClassShop, Err: errors.New("refused"), Narrowed: only}
	if got := source.Narrow(fmt.Errorf("read: %w", refused)); got != error(only) { //nolint:errorlint // identity is what is tested
		t.Errorf("got %v", got)
	}
	if got := source.Narrow(only); got != error(only) { //nolint:errorlint // identity is what is tested
		t.Errorf("got %v", got)
	}
}
