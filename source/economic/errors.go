package economic

import (
	"errors"
	"strings"

	"lagerd/budget"
	"lagerd/economic"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/source/remote"
)

// failed wraps the error of a read with its class. An error that is not the client's own
// is about the content of the answer. That calls cannot be booked says nothing about e-conomic,
// and has no class.
func failed(err error) error {
	if err == nil || errors.Is(err, budget.ErrUnbooked) {
		return err
	}
	e, ok := errors.AsType[*economic.Error](err)
	if !ok {
		return &source.Error{Class: plan.ClassNumber, Err: err}
	}
	out := &source.Error{Class: remote.Class(e.Kind, e), RetryAfter: e.RetryAfter, Err: err}
	if e.Kind == economic.KindUnauthorized {
		only := *e
		only.Kind = economic.KindForbidden
		only.Message = strings.TrimSuffix("this read only, /self succeeds: "+only.Message, ": ")
		out.Narrowed = &source.Error{Class: plan.ClassPart, RetryAfter: e.RetryAfter, Err: &only}
	}
	return out
}
