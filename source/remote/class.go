package remote

import (
	"errors"

	"lagerd/plan"
	"lagerd/rest"
)

// Class returns what a failed call means: err is the client's error, of that kind.
func Class(kind rest.Kind, err error) plan.Class {
	switch kind {
	case rest.KindUnauthorized:
		return plan.ClassShop
	case rest.KindForbidden:
		return plan.ClassPart
	case rest.KindRateLimited:
		return plan.ClassBusy
	case rest.KindBudget, rest.KindCrowded:
		return plan.ClassDay
	case rest.KindUnavailable:
		if errors.Is(err, rest.ErrTimeout) {
			return plan.ClassHanging
		}
		if errors.Is(err, rest.ErrSilent) {
			return plan.ClassSilent
		}
		return plan.ClassInterrupted
	case rest.KindNotFound, rest.KindBadRequest, rest.KindMalformed:
	}
	return plan.ClassNumber
}
