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

// Kind says what a failed call means to the caller.
type Kind string

const (
	// KindUnauthorized (401): a token is wrong, or the agreement revoked its grant.
	KindUnauthorized Kind = "unauthorized"
	// KindForbidden (403): the app lacks a role or the agreement a module.
	KindForbidden Kind = "forbidden"
	// KindNotFound (404, in e-conomic's own words): it does not exist there.
	KindNotFound Kind = "not_found"
	// KindRateLimited (429): the token bucket is empty. The agreement's Budget
	// waits for RetryAfter before it lets the next call through.
	KindRateLimited Kind = "rate_limited"
	// KindBadRequest (400 and the other 4xx): e-conomic, or the client before
	// sending, does not accept the call. It will not be better when repeated.
	KindBadRequest Kind = "bad_request"
	// KindUnavailable: 5xx, network, timeout, cut body, a gateway's page, or a
	// context that ended. The same call may succeed later.
	KindUnavailable Kind = "unavailable"
	// KindMalformed: a 200 that is not what was promised. The error names the field.
	KindMalformed Kind = "malformed"
	// KindBudget: the agreement's own budget does not allow the call at its
	// priority, for the day or for the moment. It was not sent.
	KindBudget Kind = "budget"
)

// ErrTimeout is wrapped by the Error of a call that was given up after the
// client's timeout: each further call to an agreement that hangs costs as much.
var ErrTimeout = errors.New("no whole answer")

// said are the kinds in words.
var said = map[Kind]string{
	KindUnauthorized: "e-conomic refuses the token (or the agreement revoked its grant)",
	KindForbidden:    "e-conomic forbids it (the app lacks a role, or the agreement a module)",
	KindNotFound:     "not found at e-conomic",
	KindRateLimited:  "e-conomic's rate limit is reached",
	KindBadRequest:   "not accepted",
	KindUnavailable:  "no usable answer from e-conomic",
	KindMalformed:    "e-conomic's answer is not as promised",
	KindBudget:       "the agreement's own budget does not allow it now",
}

// Error is why a call failed. It never holds a token.
type Error struct {
	Op        string // what was attempted: `read product "a b"`
	Kind      Kind
	Status    int    // HTTP status, 0 without an answer
	Code      string // e-conomic's errorCode: "E04810"
	Message   string // e-conomic's message and details, shortened, one line
	Hint      string // e-conomic's developerHint
	LogID     string // e-conomic's logId: its support asks for it
	RequestID string // X-RequestId header: its support asks for it

	// RetryAfter is how long to wait before trying again; 0 where nothing is known.
	RetryAfter time.Duration
	Err        error
}

// Error returns it all in one line, but for Hint.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Op, said[e.Kind])
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

// A fieldError is a field of an answer that is not what it should be.
type fieldError struct {
	path string // "products.collection[3].inventory.inStock"
	want string // "a number"
	got  string // `string "x"`; may repeat what e-conomic sent
}

func (e *fieldError) Error() string {
	return fmt.Sprintf("%s: expected %s, got %s", e.path, e.want, e.got)
}

// answerError makes an Error of an answer whose status is not 200.
func answerError(status int, header http.Header, body []byte) *Error {
	body = withoutBOM(body)
	e := &Error{Status: status}
	var told struct {
		Message       value `json:"message"`
		ErrorCode     value `json:"errorCode"`
		DeveloperHint value `json:"developerHint"`
		LogID         value `json:"logId"`
		Errors        value `json:"errors"`
		Allowed       value `json:"allowedFilteringFields"`
	}
	// Its own words are an object that has at least a message or a code.
	own := json.Unmarshal(body, &told, decoding()) == nil && (told.Message != nil || told.ErrorCode != nil)
	if own {
		e.Message = oneLine(text(told.Message), 300)
		e.Code = oneLine(text(told.ErrorCode), 20)
		e.Hint = oneLine(text(told.DeveloperHint), 300)
		e.LogID = oneLine(text(told.LogID), 100)
		if more := details(told.Errors); more != "" {
			e.Message = strings.TrimPrefix(e.Message+": ", ": ") + more
		}
		if allowed := oneLine(string(told.Allowed), 500); allowed != "" {
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
		e.Message = "neither an answer nor an error, is the configured address right?"
	case status >= 500 || status == http.StatusRequestTimeout:
		e.Kind = KindUnavailable
	case isHTML(header, body):
		// A gateway in front of e-conomic knows nothing of tokens and items.
		e.Kind = KindUnavailable
	case status == http.StatusUnauthorized:
		e.Kind = KindUnauthorized
	case status == http.StatusForbidden:
		e.Kind = KindForbidden
	case status == http.StatusNotFound && own:
		e.Kind = KindNotFound
	case status == http.StatusNotFound:
		// Were any 404 believed, a wrong address would look like every item deleted.
		e.Kind = KindUnavailable
		e.Message = strings.TrimSuffix("a 404 that is not e-conomic's, is the configured address right?: "+e.Message, ": ")
	default:
		e.Kind = KindBadRequest
	}
	return e
}

// details flattens an error's "errors", which is a list of strings (filters) or
// a tree by property whose leaves have errorCode and message (validation).
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
				switch {
				case key == "arrayIndex":
				case key == "errors":
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
	s, _ := jsontext.AppendUnquote(nil, raw) // what is no UTF-8 is replaced
	return string(s)
}

// isHTML reports whether a body is a web page rather than data.
func isHTML(header http.Header, body []byte) bool {
	if strings.HasPrefix(header.Get("Content-Type"), "text/html") {
		return true
	}
	return bytes.HasPrefix(bytes.TrimSpace(withoutBOM(body)), []byte("<"))
}

// excerpt says what a body that is not e-conomic's JSON begins with: of a web
// page, its title.
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

// oneLine returns s without line breaks and control characters, of at most
// limit characters.
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
