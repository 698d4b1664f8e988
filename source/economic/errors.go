package economic

import (
	"errors"
	"strings"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/source"
)

// failed wraps the error of a read with its class. An error that is not the client's own
// is about the content of the answer.
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
		only.Message = strings.TrimSuffix("this read only, /self succeeds: "+only.Message, ": ")
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
	case economic.KindNotFound, economic.KindBadRequest, economic.KindMalformed:
	}
	return plan.ClassNumber
}
