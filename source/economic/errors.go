package economic

import (
	"errors"
	"strings"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/source"
)

// failed returns the error of a read with its class. One that is not the client's own is
// about what the answer holds.
func failed(err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*economic.Error](err)
	if !ok {
		return &source.Error{Class: plan.ClassNumber, Err: err}
	}
	out := &source.Error{Class: classOf(e), RetryAfter: e.RetryAfter, Err: err}
	if e.Kind == economic.KindUnauthorized {
		only := *e
		only.Kind = economic.KindForbidden
		only.Message = strings.TrimSuffix("only this, asked who it is e-conomic answers: "+only.Message, ": ")
		out.Narrowed = &source.Error{Class: plan.ClassPart, RetryAfter: e.RetryAfter, Err: &only}
	}
	return out
}

func classOf(e *economic.Error) plan.Class {
	switch e.Kind {
	case economic.KindUnauthorized:
		return plan.ClassShop
	case economic.KindForbidden:
		return plan.ClassPart
	case economic.KindRateLimited:
		return plan.ClassBusy
	case economic.KindBudget:
		return plan.ClassDay
	case economic.KindUnavailable:
		if errors.Is(e, economic.ErrTimeout) {
			return plan.ClassHanging
		}
		return plan.ClassInterrupted
	}
	return plan.ClassNumber // not found, a bad request, or an answer that is not as promised
}
