package source

import (
	"errors"
	"iter"
	"time"

	"lagerd/plan"
)

// Error is why a read failed. A source returns errors of this type, except where the reason
// has nothing to do with it: the database fails.
type Error struct {
	Class      plan.Class
	RetryAfter time.Duration // how long to wait before retrying; 0: unknown
	Err        error         // the source's own error

	// Narrowed is what an error of plan.ClassShop means if the token turns out to be
	// good: a refusal of this read only.
	Narrowed *Error
}

// Error returns the source's own message.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the underlying error.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of the first Error in err's tree, or plan.ClassNone if there
// is none.
func ClassOf(err error) plan.Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return plan.ClassNone
}

// Narrow turns a refused token into a refusal of this read only. It returns any other
// error unchanged.
func Narrow(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Narrowed != nil {
		return e.Narrowed
	}
	return err
}

// Has reports whether any Error in err's tree has the given class.
func Has(err error, class plan.Class) bool {
	for e := range Errors(err) {
		if e.Class == class {
			return true
		}
	}
	return false
}

// RetryAfter returns the RetryAfter of the first Error in err's tree: how long to wait
// before retrying, 0 if unknown.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// Errors yields every Error in err's tree. A read that failed for several reasons has
// several.
func Errors(err error) iter.Seq[*Error] {
	return func(yield func(*Error) bool) { each(err, yield) }
}

func each(err error, yield func(*Error) bool) (more bool) {
	switch e := err.(type) { //nolint:errorlint // this function walks the tree
	case *Error:
		return yield(e)
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if !each(one, yield) {
				return false
			}
		}
	case interface{ Unwrap() error }:
		return each(e.Unwrap(), yield)
	}
	return true
}
