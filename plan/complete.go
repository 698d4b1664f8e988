package plan

import (
	"errors"
	"fmt"
)

// Unreadable is an item or invoice of an answer that could not be understood.
type Unreadable struct {
	Number string // "" if unreadable too
	Err    error  // names the field
}

// ShortError says that a listing was cut short: fewer items came than were announced, so
// nothing may be concluded from what it did not show.
type ShortError struct {
	What      string // "items"
	Announced int
	Came      int
}

// Error returns how many were announced and how many came.
func (e *ShortError) Error() string {
	return fmt.Sprintf("announced %d %s and sent %d", e.Announced, e.What, e.Came)
}

// Complete returns a *ShortError if fewer came than were announced.
func Complete(what string, announced, came int) error {
	if came < announced {
		return &ShortError{What: what, Announced: announced, Came: came}
	}
	return nil
}

// IsShort reports whether err is a *ShortError.
func IsShort(err error) bool {
	_, short := errors.AsType[*ShortError](err)
	return short
}

// Clip truncates a text for people to that many characters.
func Clip(s string, characters int) string {
	if len(s) <= characters {
		return s
	}
	n := 0
	for i := range s {
		if n == characters {
			return s[:i]
		}
		n++
	}
	return s
}
