package economic

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
	// KindUnauthorized (401): a token is wrong, or the agreement has revoked its grant.
	KindUnauthorized = rest.KindUnauthorized
	// KindForbidden (403): the app lacks a role or the agreement a module.
	KindForbidden = rest.KindForbidden
	// KindNotFound (404 with an error body of e-conomic's): it does not exist there.
	KindNotFound = rest.KindNotFound
	// KindRateLimited (429): the token bucket is empty. The agreement's Budget
	// blocks further calls for RetryAfter.
	KindRateLimited = rest.KindRateLimited
	// KindBadRequest (400 and the other 4xx): e-conomic rejected the call, or the
	// client did before sending it. Retrying does not help.
	KindBadRequest = rest.KindBadRequest
	// KindUnavailable is a 5xx, a network error, a timeout, a truncated body, a gateway's page
	// or a cancelled context. The same call may succeed later.
	KindUnavailable = rest.KindUnavailable
	// KindMalformed is a 200 with unexpected content. The error names the field.
	KindMalformed = rest.KindMalformed
	// KindBudget means that the agreement's budget does not allow the call at its priority,
	// for today or for the moment. It was not sent.
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
	KindUnauthorized: "e-conomic refuses the token (or the agreement has revoked its grant)",
	KindForbidden:    "e-conomic denies access (the app lacks a role, or the agreement a module)",
	KindNotFound:     "not found at e-conomic",
	KindRateLimited:  "e-conomic's rate limit is reached",
	KindBadRequest:   "bad request",
	KindUnavailable:  "no usable answer from e-conomic",
	KindMalformed:    "unexpected answer from e-conomic",
	KindBudget:       "the agreement's call budget does not allow it now",
	KindCrowded:      "lagerd has no room for the answer now",
}

// Error is why a call failed. It never holds a token.
type Error struct {
	Op        string // the operation that failed: `read product "a b"`
	Kind      Kind
	Status    int    // HTTP status, 0 without an answer
	Code      string // e-conomic's errorCode: "E04810"
	Message   string // e-conomic's message and details, shortened, one line
	Hint      string // e-conomic's developerHint
	LogID     string // e-conomic's logId: its support asks for it
	RequestID string // X-RequestId header: its support asks for it

	// RetryAfter is how long to wait before retrying; 0: unknown.
	RetryAfter time.Duration
	Err        error
}

// Error returns everything except Hint, on one line.
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
	for _, f := range [][2]string{{"errorCode", e.Code}, {"logId", e.LogID}, {"requestId", e.RequestID}} {
		if f[1] != "" {
			b.WriteString(", " + f[0] + " " + f[1])
		}
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, ", try again in %s", e.RetryAfter.Round(time.Second))
	}
	return b.String()
}

// Unwrap returns the underlying error, if any.
func (e *Error) Unwrap() error { return e.Err }

// refused returns the Error for a call that the budget did not grant.
func refused(err error) error {
	no, ok := errors.AsType[*budget.Error](err)
	if !ok {
		return err
	}
	kind, message := rest.Refused(no, "agreement")
	return &Error{Kind: kind, Message: message, RetryAfter: no.RetryAfter, Err: no.Err}
}

// KindOf returns the Kind of the first *Error in err's tree, "" if there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}

// unavailable returns a *rest.LostError as an *Error, and so an answer for which there was no room;
// any other error unchanged.
func unavailable(err error) error {
	if errors.Is(err, rest.ErrCrowded) {
		return &Error{Kind: KindCrowded, Err: err, RetryAfter: rest.CrowdedFor}
	}
	if lost, ok := errors.AsType[*rest.LostError](err); ok {
		return &Error{Kind: KindUnavailable, Message: lost.Message, Err: lost.Err}
	}
	return err
}

// answerError returns the Error for an answer whose status is not 200. body has no secrets.
func answerError(status int, header http.Header, body []byte) *Error {
	body = rest.WithoutBOM(body)
	e := &Error{Status: status}
	var reported struct {
		Message       rest.Value `json:"message"`
		ErrorCode     rest.Value `json:"errorCode"`
		DeveloperHint rest.Value `json:"developerHint"`
		LogID         rest.Value `json:"logId"`
		Errors        rest.Value `json:"errors"`
		Allowed       rest.Value `json:"allowedFilteringFields"`
	}
	// e-conomic's own errors are objects with at least a message or a code.
	own := json.Unmarshal(body, &reported, rest.Lenient()) == nil && (reported.Message != nil || reported.ErrorCode != nil)
	if own {
		e.Message = rest.OneLine(rest.Text(reported.Message), 300)
		e.Code = rest.OneLine(rest.Text(reported.ErrorCode), 20)
		e.Hint = rest.OneLine(rest.Text(reported.DeveloperHint), 300)
		e.LogID = rest.OneLine(rest.Text(reported.LogID), 100)
		if more := rest.Details(reported.Errors); more != "" {
			e.Message = strings.TrimPrefix(e.Message+": ", ": ") + more
		}
		if allowed := rest.OneLine(string(reported.Allowed), 500); allowed != "" {
			e.Message += ": allowedFilteringFields " + allowed
		}
	} else {
		e.Message = rest.Excerpt(body, secret.Hidden{})
	}
	e.Kind, e.Message = rest.Judge(status, rest.IsHTML(header, body), own, "e-conomic", e.Message)
	return e
}
