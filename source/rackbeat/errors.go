package rackbeat

import (
	"errors"
	"strings"

	"lagerd/budget"
	"lagerd/plan"
	"lagerd/rackbeat"
	"lagerd/source"
	"lagerd/source/remote"
)

// failed wraps the error of a read with its class. An error that is not the client's own
// is about the content of the answer. That calls cannot be booked says nothing about Rackbeat,
// and has no class.
func failed(err error) error {
	if err == nil || errors.Is(err, budget.ErrUnbooked) {
		return err
	}
	if already, ok := errors.AsType[*source.Error](err); ok {
		return already
	}
	e, ok := errors.AsType[*rackbeat.Error](err)
	if !ok {
		return &source.Error{Class: plan.ClassNumber, Err: err}
	}
	out := &source.Error{Class: remote.Class(e.Kind, e), RetryAfter: e.RetryAfter, Err: err}
	if e.Kind == rackbeat.KindUnauthorized {
		only := *e
		only.Kind = rackbeat.KindForbidden
		only.Message = strings.TrimSuffix("this read only, /self succeeds: "+only.Message, ": ")
		out.Narrowed = &source.Error{Class: plan.ClassPart, RetryAfter: e.RetryAfter, Err: &only}
	}
	return out
}
