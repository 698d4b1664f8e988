package budget

import (
	"fmt"
	"strings"
	"time"
)

// Kind is why a Budget does not grant a call.
type Kind string

const (
	// KindSpent means that no call is left at the priority, for today or for the moment.
	KindSpent Kind = "spent"
	// KindShare means that other shops of the account need their share of the day's calls.
	KindShare Kind = "share"
	// KindLimited means that the service takes no calls for a while: it has answered 429.
	KindLimited Kind = "limited"
	// KindInterrupted means that the call's context has ended, or that the call could not be
	// booked (ErrUnbooked): it says nothing about the service.
	KindInterrupted Kind = "interrupted"
)

// kindText is each kind's text in an error message.
var kindText = map[Kind]string{
	KindSpent:       "the budget of calls does not allow it now",
	KindShare:       "other shops of the account need their share of the day's calls",
	KindLimited:     "the service's rate limit is reached",
	KindInterrupted: "the call was not made",
}

// Error is why Acquire did not grant a call. The call was not made.
type Error struct {
	Kind    Kind
	Message string // more about it; mostly ""

	// RetryAfter is how long to wait before trying again; 0: unknown.
	RetryAfter time.Duration
	Err        error
}

// Error returns everything, on one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(kindText[e.Kind])
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, ", try again in %s", e.RetryAfter.Round(time.Second))
	}
	return b.String()
}

// Unwrap returns the underlying error, if any.
func (e *Error) Unwrap() error { return e.Err }
