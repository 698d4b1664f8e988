package rackbeat

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"lagerd/budget"
	"lagerd/rest"
	"lagerd/secret"
)

// Kind classifies a failed call by what it means to the caller.
type Kind = rest.Kind

const (
	// KindUnauthorized (401): the key is wrong, or no longer valid.
	KindUnauthorized = rest.KindUnauthorized
	// KindForbidden (403): the key may not read this.
	KindForbidden = rest.KindForbidden
	// KindNotFound (404 with JSON): it does not exist at Rackbeat.
	KindNotFound = rest.KindNotFound
	// KindRateLimited (429): the account takes no calls for a while. Its Budget blocks further
	// calls for RetryAfter.
	KindRateLimited = rest.KindRateLimited
	// KindBadRequest (422 and the other 4xx): Rackbeat rejected the call, or the client did
	// before sending it. Retrying does not help.
	KindBadRequest = rest.KindBadRequest
	// KindUnavailable is a 5xx, a network error, a timeout, a truncated body, a gateway's page
	// or a cancelled context. The same call may succeed later.
	KindUnavailable = rest.KindUnavailable
	// KindMalformed is a 200 or 206 with unexpected content. The error names the field.
	KindMalformed = rest.KindMalformed
	// KindBudget means that the account's budget does not allow the call at its priority, for
	// today or for the moment. It was not sent.
	KindBudget = rest.KindBudget
	// KindCrowded means that lagerd read too many large answers at once to read this one too.
	KindCrowded = rest.KindCrowded
)

// ErrTimeout is wrapped by the Error of a call that hit the client's timeout.
var ErrTimeout = rest.ErrTimeout

// ErrSilent is wrapped by the Error of a call whose answer did not begin within Options.Patience.
var ErrSilent = rest.ErrSilent

// kindText is each kind's text in an error message.
var kindText = map[Kind]string{
	KindUnauthorized: "Rackbeat refuses the key",
	KindForbidden:    "Rackbeat denies access",
	KindNotFound:     "not found at Rackbeat",
	KindRateLimited:  "Rackbeat's rate limit is reached",
	KindBadRequest:   "bad request",
	KindUnavailable:  "no usable answer from Rackbeat",
	KindMalformed:    "unexpected answer from Rackbeat",
	KindBudget:       "the account's call budget does not allow it now",
	KindCrowded:      "lagerd has no room for the answer now",
}

// Error is why a call failed. It never holds the key.
type Error struct {
	Op      string // the operation that failed: `read item "a b"`
	Kind    Kind
	Status  int    // HTTP status, 0 without an answer
	Message string // Rackbeat's message and details, shortened, one line

	// RetryAfter is how long to wait before retrying; 0: unknown.
	RetryAfter time.Duration
	Err        error
}

// OtherItemError says that Rackbeat answered the read of an item with another one: it looks numbers
// up without case, or the URL-friendly number has become another item's.
type OtherItemError struct{ Err error }

// Error returns what was expected, and what came.
func (e *OtherItemError) Error() string { return e.Err.Error() }

// Unwrap returns the error of the field.
func (e *OtherItemError) Unwrap() error { return e.Err }

// Error returns everything, on one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Op, kindText[e.Kind])
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + rest.OneLine(e.Err.Error(), 500))
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, ", try again in %s", e.RetryAfter.Round(time.Second))
	}
	return b.String()
}

// Unwrap returns the underlying error, if any.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the Kind of the first *Error in err's tree, "" if there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}

// failed returns err as an *Error for op: KindMalformed unless err already is an *Error, or says
// that there is no usable answer, or no room for it.
func failed(op string, err error) *Error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Kind: KindMalformed, Err: err}
		if lost, is := errors.AsType[*rest.LostError](err); is {
			e = &Error{Kind: KindUnavailable, Message: lost.Message, Err: lost.Err}
		}
		if errors.Is(err, rest.ErrCrowded) {
			e = &Error{Kind: KindCrowded, Err: err, RetryAfter: rest.CrowdedFor}
		}
	}
	e.Op = op
	return e
}

// refused returns the Error for a call that the budget did not grant.
func refused(err error) error {
	no, ok := errors.AsType[*budget.Error](err)
	if !ok {
		return &Error{Kind: KindUnavailable, Err: err}
	}
	kind, message := rest.Refused(no, "account")
	return &Error{Kind: kind, Message: message, RetryAfter: no.RetryAfter, Err: no.Err}
}

// answerError returns the Error for an answer whose status is neither 200 nor 206. What a 404 of
// Rackbeat's own looks like is not documented, except that its API speaks JSON. body has no secrets.
func answerError(status int, header http.Header, body []byte) *Error {
	body = rest.WithoutBOM(body)
	e := &Error{Status: status}
	e.Kind, e.Message = rest.Judge(status, rest.IsHTML(header, body), isJSON(body), "Rackbeat's API", messageOf(body))
	return e
}

// isJSON reports whether a body is an object or a list.
func isJSON(body []byte) bool {
	kind := rest.Value(body).Kind()
	return (kind == '{' || kind == '[') && rest.Value(body).IsValid(rest.Lenient())
}

// messageOf returns what an error's body says, on one line. Documented is
// {"errors":{"field":["message"]}}; Laravel, which Rackbeat's clients show it is made with, sends
// {"message":…} as well. Anything else is quoted.
func messageOf(body []byte) string {
	var said struct {
		Message rest.Value `json:"message"`
		Error   rest.Value `json:"error"`
		Errors  rest.Value `json:"errors"`
	}
	if json.Unmarshal(body, &said, rest.Lenient()) != nil {
		return rest.Excerpt(body, secret.Hidden{})
	}
	var parts []string
	for _, part := range []string{rest.OneLine(rest.Text(said.Message), 300), rest.OneLine(rest.Text(said.Error), 300), rest.Details(said.Errors)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return rest.Excerpt(body, secret.Hidden{})
	}
	return strings.Join(parts, ": ")
}
