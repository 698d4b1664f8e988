package plan

import (
	"errors"
	"fmt"
)

// Unreadable is an item or invoice of an answer that could not be understood.
type Unreadable struct {
	Number string // "" if not even that could be read
	Err    error  // names the field
}

// ShortError says that a listing was cut short: fewer came than were announced, so
// nothing may be concluded from what it did not show.
type ShortError struct {
	What      string // "items"
	Announced int
	Came      int
}

// Error returns how many were announced and came.
func (e *ShortError) Error() string {
	return fmt.Sprintf("announced %d %s and sent %d", e.Announced, e.What, e.Came)
}

// Complete returns a *ShortError where fewer came of a listing than it announced.
func Complete(what string, announced, came int) error {
	if came < announced {
		return &ShortError{What: what, Announced: announced, Came: came}
	}
	return nil
}

// IsShort reports whether the error is that of a listing that was cut short.
func IsShort(err error) bool {
	_, short := errors.AsType[*ShortError](err)
	return short
}

// Clip shortens a text that is kept for people to so many characters.
func Clip(s string, characters int) string {
	if len(s) <= characters {
		return s
	}
	if r := []rune(s); len(r) > characters {
		return string(r[:characters])
	}
	return s
}
