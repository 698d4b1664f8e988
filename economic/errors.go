package economic

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Kind classifies a failed call by what it means to the caller.
type Kind string

const (
	// KindUnauthorized (401): a token is wrong, or the agreement has revoked its grant.
	KindUnauthorized Kind = "unauthorized"
	// KindForbidden (403): the app lacks a role or the agreement a module.
	KindForbidden Kind = "forbidden"
	// KindNotFound (404 with an error body of e-conomic's): it does not exist there.
	KindNotFound Kind = "not_found"
	// KindRateLimited (429): the token bucket is empty. The agreement's Budget
	// blocks further calls for RetryAfter.
	KindRateLimited Kind = "rate_limited"
	// KindBadRequest (400 and the other 4xx): e-conomic rejected the call, or the
	// client did before sending it. Retrying does not help.
	KindBadRequest Kind = "bad_request"
	// KindUnavailable is a 5xx, a network error, a timeout, a truncated body, a gateway's page
	// or a cancelled context. The same call may succeed later.
	KindUnavailable Kind = "unavailable"
	// KindMalformed is a 200 with unexpected content. The error names the field.
	KindMalformed Kind = "malformed"
	// KindBudget means that the agreement's budget does not allow the call at its priority,
	// for today or for the moment. It was not sent.
	KindBudget Kind = "budget"
)

// ErrTimeout is wrapped by the Error of a call that hit the client's timeout. Each
// further call to an agreement that hangs costs as much time.
var ErrTimeout = errors.New("no complete answer")

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
		b.WriteString(": " + oneLine(e.Err.Error(), 500))
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

// KindOf returns the Kind of the first *Error in err's tree, "" if there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}

// fieldError is the error for an invalid field of an answer.
type fieldError struct {
	path string // "products.collection[3].inventory.inStock"
	want string // "a number"
	got  string // `string "x"`; may quote what e-conomic sent
}

func (e *fieldError) Error() string {
	return fmt.Sprintf("%s: expected %s, got %s", e.path, e.want, e.got)
}

// answerError returns the Error for an answer whose status is not 200.
func answerError(status int, header http.Header, body []byte) *Error { //nolint:gocyclo // one case per status and shape
	body = withoutBOM(body)
	e := &Error{Status: status}
	var reported struct {
		Message       value `json:"message"`
		ErrorCode     value `json:"errorCode"`
		DeveloperHint value `json:"developerHint"`
		LogID         value `json:"logId"`
		Errors        value `json:"errors"`
		Allowed       value `json:"allowedFilteringFields"`
	}
	// e-conomic's own errors are objects with at least a message or a code.
	own := json.Unmarshal(body, &reported, decoding()) == nil && (reported.Message != nil || reported.ErrorCode != nil)
	if own {
		e.Message = oneLine(text(reported.Message), 300)
		e.Code = oneLine(text(reported.ErrorCode), 20)
		e.Hint = oneLine(text(reported.DeveloperHint), 300)
		e.LogID = oneLine(text(reported.LogID), 100)
		if more := details(reported.Errors); more != "" {
			e.Message = strings.TrimPrefix(e.Message+": ", ": ") + more
		}
		if allowed := oneLine(string(reported.Allowed), 500); allowed != "" {
			e.Message += ": allowedFilteringFields " + allowed
		}
	} else {
		e.Message = excerpt(body)
	}
	switch {
	case status == http.StatusTooManyRequests:
		e.Kind = KindRateLimited
	case status < 400:
		e.Kind = KindUnavailable
		e.Message = "neither an answer nor an error: is the configured address right?"
	case status >= 500 || status == http.StatusRequestTimeout:
		e.Kind = KindUnavailable
	case isHTML(header, body):
		// A gateway in front of e-conomic knows nothing about tokens and items.
		e.Kind = KindUnavailable
	case status == http.StatusUnauthorized:
		e.Kind = KindUnauthorized
	case status == http.StatusForbidden:
		e.Kind = KindForbidden
	case status == http.StatusNotFound && own:
		e.Kind = KindNotFound
	case status == http.StatusNotFound:
		// If any 404 were believed, a wrong address would look like every item deleted.
		e.Kind = KindUnavailable
		e.Message = strings.TrimSuffix("the 404 is not from e-conomic, is the configured address right?: "+e.Message, ": ")
	default:
		e.Kind = KindBadRequest
	}
	return e
}

// details flattens an error's "errors" to one line. They are a list of strings
// (filters), or a tree by property whose leaves have errorCode and message (validation).
func details(raw value) string {
	if len(raw) == 0 {
		return ""
	}
	var tree any
	if json.Unmarshal(raw, &tree, decoding()) != nil {
		return ""
	}
	var found []string
	var walk func(path string, v any)
	walk = func(path string, v any) {
		const enough = 5
		if len(found) >= enough {
			return
		}
		switch v := v.(type) {
		case string:
			found = append(found, strings.TrimPrefix(path+": "+v, ": "))
		case []any:
			for _, each := range v {
				walk(path, each)
			}
		case map[string]any:
			if message, ok := v["message"].(string); ok {
				code, _ := v["errorCode"].(string)
				found = append(found, strings.TrimPrefix(strings.TrimSpace(path+": "+code+" "+message), ": "))
				return
			}
			if index, ok := v["arrayIndex"].(float64); ok {
				path = fmt.Sprintf("%s[%v]", path, index)
			}
			keys := make([]string, 0, len(v))
			for key := range v {
				keys = append(keys, key)
			}
			slices.Sort(keys)
			for _, key := range keys {
				switch key {
				case "arrayIndex":
				case "errors":
					walk(path, v[key])
				default:
					walk(strings.TrimPrefix(path+"."+key, "."), v[key])
				}
			}
		}
	}
	walk("", tree)
	return oneLine(strings.Join(found, "; "), 500)
}

// text returns a JSON string's value, else the JSON itself.
func text(raw value) string {
	if absent(raw) {
		return ""
	}
	if raw[0] != '"' {
		return string(raw)
	}
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	s, _ := jsontext.AppendUnquote(nil, raw) // replaces invalid UTF-8
	return string(s)
}

// isHTML reports whether a body is a web page rather than data.
func isHTML(header http.Header, body []byte) bool {
	if strings.HasPrefix(header.Get("Content-Type"), "text/html") {
		return true
	}
	return bytes.HasPrefix(bytes.TrimSpace(withoutBOM(body)), []byte("<"))
}

// excerpt quotes the beginning of a body that is not e-conomic's JSON, or a web page's
// title.
func excerpt(body []byte) string {
	lower := bytes.ToLower(body)
	if i := bytes.Index(lower, []byte("<title>")); i >= 0 && len(lower) == len(body) {
		title := body[i+len("<title>"):]
		if end := bytes.IndexByte(title, '<'); end >= 0 {
			title = title[:end]
		}
		return fmt.Sprintf("a web page titled %q", oneLine(string(title), 100))
	}
	if line := oneLine(string(body[:min(len(body), 1000)]), 100); line != "" {
		return fmt.Sprintf("%q", line)
	}
	return ""
}

// oneLine returns s without line breaks and control characters, truncated to limit
// characters.
func oneLine(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}
