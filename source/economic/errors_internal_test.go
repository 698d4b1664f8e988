package economic

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/source"
)

func TestClasses(t *testing.T) {
	t.Parallel()
	if err := failed(nil); err != nil {
		t.Errorf("failed(nil) = %v", err)
	}
	of := func(kind economic.Kind) error {
		return &economic.Error{Op: "read", Kind: kind, RetryAfter: time.Minute, Err: errors.New("why")}
	}
	for class, errs := range map[plan.Class][]error{
		plan.ClassShop:        {of(economic.KindUnauthorized)},
		plan.ClassPart:        {of(economic.KindForbidden)},
		plan.ClassBusy:        {of(economic.KindRateLimited)},
		plan.ClassDay:         {of(economic.KindBudget), of(economic.KindCrowded)},
		plan.ClassInterrupted: {of(economic.KindUnavailable)},
		plan.ClassHanging:     {&economic.Error{Kind: economic.KindUnavailable, RetryAfter: time.Minute, Err: fmt.Errorf("%w within 30s", economic.ErrTimeout)}},
		plan.ClassSilent:      {&economic.Error{Kind: economic.KindUnavailable, RetryAfter: time.Minute, Err: fmt.Errorf("%w within 1s", economic.ErrSilent)}},
		plan.ClassNumber:      {of(economic.KindNotFound), of(economic.KindBadRequest), of(economic.KindMalformed)},
	} {
		for _, was := range errs {
			err := failed(was)
			if source.ClassOf(err) != class || source.RetryAfter(err) != time.Minute || !errors.Is(err, was) || err.Error() != was.Error() {
				t.Errorf("%v is %q, expected %q: %v, retry after %s", was, source.ClassOf(err), class, err, source.RetryAfter(err))
			}
		}
	}
	if err := failed(errors.New("inventory.inStock: expected a number")); source.ClassOf(err) != plan.ClassNumber {
		t.Errorf("a malformed answer is %q", source.ClassOf(err))
	}
}

// TestNarrowedRefusal: if the token is good otherwise, a 401 is reported as a refusal of
// that read only.
func TestNarrowedRefusal(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"Not authorized": "read product \"a\": e-conomic denies access (the app lacks a role, or the agreement a module) (status 401): this read only, /self succeeds: Not authorized",
		"":               "read product \"a\": e-conomic denies access (the app lacks a role, or the agreement a module) (status 401): this read only, /self succeeds",
	} {
		was := &economic.Error{Op: `read product "a"`, Kind: economic.KindUnauthorized, Status: 401, Message: said}
		err := source.Narrow(failed(was))
		if source.ClassOf(err) != plan.ClassPart || err.Error() != want || economic.KindOf(err) != economic.KindForbidden {
			t.Errorf("got %q: %v", source.ClassOf(err), err)
		}
		if was.Kind != economic.KindUnauthorized {
			t.Error("failed changed the error that it was given")
		}
	}
}
