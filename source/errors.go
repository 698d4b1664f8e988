package source

import (
	"errors"
	"iter"
	"time"

	"lagerd/plan"
)

// Error is why a read failed. Every error of a source is one.
type Error struct {
	Class      plan.Class
	RetryAfter time.Duration // how long to wait before trying again; 0 where nothing is known
	Err        error         // with the source's own words

	// Narrowed is, of plan.ClassShop, what it counts for while the token is good: a
	// refusal of this read alone.
	Narrowed *Error
}

// Error returns the source's own words.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the underlying error.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of the first Error in err's tree, plan.ClassNone if there is
// none.
func ClassOf(err error) plan.Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return plan.ClassNone
}

// Narrow returns a refused token as a refusal of the read alone, any other error as it is.
func Narrow(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Narrowed != nil {
		return e.Narrowed
	}
	return err
}

// Has reports whether an Error in err's tree is of the class.
func Has(err error, class plan.Class) bool {
	for e := range Errors(err) {
		if e.Class == class {
			return true
		}
	}
	return false
}

// RetryAfter returns how long to wait before trying again, by the first Error in err's
// tree; 0 where nothing is known.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// Errors yields the Errors in err's tree: what failed for several reasons has several.
func Errors(err error) iter.Seq[*Error] {
	return func(yield func(*Error) bool) { each(err, yield) }
}

func each(err error, yield func(*Error) bool) (more bool) {
	switch e := err.(type) {
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
