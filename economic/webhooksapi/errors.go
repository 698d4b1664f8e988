package webhooksapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"lagerd/budget"
	"lagerd/rest"
)

var (
	// ErrNotAllowed is wrapped by the error of a call that would write although Access.MayWrite does
	// not allow it. Nothing was sent.
	ErrNotAllowed = errors.New("the shop does not allow lagerd to set up its webhooks")

	// ErrConflict is wrapped by the error of a Replace of a webhook that has changed since it was
	// read: read it again.
	ErrConflict = errors.New("the webhook has changed since it was read")
)

// The error codes that callers tell apart, by the published specification and its announcement.
const (
	// CodeTaken: the event type has a webhook already, which may be another app's.
	CodeTaken = "WebhookAlreadyExistsForEventType"
	// CodeReadOnly: the webhook must not be changed by this app.
	CodeReadOnly = "WebhookReadOnly"
	// CodeNotHTTPS: the address is not https.
	CodeNotHTTPS = "WebhookInvalidUrlScheme"
)

// Kind classifies a failed call by what it means to the caller.
type Kind = rest.Kind

// The kinds that callers tell apart; package rest has them all.
const (
	// KindUnauthorized (401): a token is wrong, or the agreement has revoked its grant.
	KindUnauthorized = rest.KindUnauthorized
	// KindUnavailable: there is no usable answer. What the call would have changed may be changed.
	KindUnavailable = rest.KindUnavailable
	// KindMalformed is an answer with unexpected content. The same applies.
	KindMalformed = rest.KindMalformed
)

// Error is why a call failed. It never holds a token, a code or an address.
type Error struct {
	Op      string // the operation that failed: "read the webhooks"
	Kind    Kind
	Status  int      // HTTP status, 0 without an answer
	Codes   []string // e-conomic's errorCodes
	Message string   // e-conomic's message and details, shortened, one line
	TraceID string   // e-conomic's traceId or logId: its support asks for it

	RetryAfter time.Duration // how long to wait before retrying; 0: unknown
	Err        error
}

// kindText is each kind's text in an error message.
var kindText = map[Kind]string{
	rest.KindUnauthorized: "e-conomic refuses the token (or the agreement has revoked its grant)",
	rest.KindForbidden:    "e-conomic denies access: its webhooks API is for apps with the role SuperUser",
	rest.KindNotFound:     "not found at e-conomic",
	rest.KindRateLimited:  "e-conomic's rate limit is reached",
	rest.KindBadRequest:   "e-conomic refuses it",
	rest.KindUnavailable:  "no usable answer from e-conomic",
	rest.KindMalformed:    "unexpected answer from e-conomic",
	rest.KindBudget:       "the agreement's call budget does not allow it now",
}

// Error returns everything, on one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op + ": ")
	switch {
	case errors.Is(e.Err, ErrNotAllowed), errors.Is(e.Err, ErrConflict):
		b.WriteString(e.Err.Error())
	default:
		b.WriteString(kindText[e.Kind])
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil && !errors.Is(e.Err, ErrNotAllowed) && !errors.Is(e.Err, ErrConflict) {
		b.WriteString(": " + rest.OneLine(e.Err.Error(), 500))
	}
	if len(e.Codes) > 0 {
		b.WriteString(", errorCode " + strings.Join(e.Codes, ", "))
	}
	if e.TraceID != "" {
		b.WriteString(", traceId " + e.TraceID)
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

// HasCode reports whether e-conomic gave err's answer that error code.
func HasCode(err error, code string) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	for _, c := range e.Codes {
		if strings.EqualFold(c, code) {
			return true
		}
	}
	return false
}

// refused returns the error for a call that the budget did not grant.
func refused(op string, err error) error {
	no, ok := errors.AsType[*budget.Error](err)
	if !ok {
		return &Error{Op: op, Kind: rest.KindUnavailable, Err: err}
	}
	kind, message := rest.Refused(no, "agreement")
	return &Error{Op: op, Kind: kind, Message: message, RetryAfter: no.RetryAfter, Err: no.Err}
}

// problem is the body of an error: problem details, or e-conomic's older form, which its
// documentation shows for a conflict.
type problem struct {
	Title     rest.Value `json:"title"`
	Detail    rest.Value `json:"detail"`
	Message   rest.Value `json:"message"`
	ErrorCode rest.Value `json:"errorCode"`
	TraceID   rest.Value `json:"traceId"`
	LogID     rest.Value `json:"logId"`
	Errors    []struct {
		Message   rest.Value `json:"message"`
		ErrorCode rest.Value `json:"errorCode"`
		Property  rest.Value `json:"property"`
	} `json:"errors"`
}

// answerError returns the error for an answer that is none of success.
func (a *Agreement) answerError(r request, got answer, blocked time.Duration) *Error {
	e := &Error{Op: r.op, Status: got.status, RetryAfter: blocked}
	secrets := a.secrets(r)
	var p problem
	own := json.Unmarshal(rest.WithoutBOM(got.body), &p, rest.Lenient()) == nil && (p.Title != nil || p.Message != nil || p.ErrorCode != nil)
	text := func(v rest.Value, longest int) string {
		return rest.OneLine(secrets.In(rest.Text(v)), longest)
	}
	said := rest.OneLine(rest.Excerpt(got.body, secrets), 300)
	if own {
		parts := []string{text(p.Title, 100), text(p.Detail, 300), text(p.Message, 300)}
		codes := []string{text(p.ErrorCode, 60)}
		for _, one := range p.Errors[:min(len(p.Errors), 5)] {
			parts = append(parts, strings.TrimPrefix(text(one.Property, 60)+": "+text(one.Message, 200), ": "))
			codes = append(codes, text(one.ErrorCode, 60))
		}
		said = joined(parts, ": ")
		for _, code := range codes {
			if code != "" {
				e.Codes = append(e.Codes, code)
			}
		}
		e.TraceID = text(p.TraceID, 100)
		if e.TraceID == "" {
			e.TraceID = text(p.LogID, 100)
		}
	}
	e.Kind, e.Message = rest.Judge(got.status, rest.IsHTML(got.header, got.body), own, "e-conomic's webhooks API", said)
	if got.status == http.StatusConflict {
		e.Err = ErrConflict
	}
	return e
}

// joined joins the texts that are not empty.
func joined(parts []string, by string) string {
	var list []string
	for _, part := range parts {
		if part != "" {
			list = append(list, part)
		}
	}
	return strings.Join(list, by)
}
