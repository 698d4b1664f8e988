package economic_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lagerd/budget"
	"lagerd/economic"
)

// TestWholeErrors: everything that an answer's error holds and tells, for each shape of it.
func TestWholeErrors(t *testing.T) {
	t.Parallel()
	const op = `read product "a b"`
	long := strings.Repeat("x", 600)
	for _, c := range []struct {
		name string
		resp func() *http.Response
		want economic.Error
		text string
	}{
		{"e-conomic's", func() *http.Response {
			return respond(400, `{"message":"It is\nso.","errorCode":"E01234","developerHint":"Do\tthis.","logId":"8d79"}`, "X-RequestId", "r-1", "Retry-After", "7")
		}, economic.Error{Op: op, Kind: economic.KindBadRequest, Status: 400, Code: "E01234", Message: "It is so.", Hint: "Do this.", LogID: "8d79", RequestID: "r-1", RetryAfter: 7 * time.Second},
			`read product "a b": bad request (status 400): It is so., errorCode E01234, logId 8d79, requestId r-1, try again in 7s`},
		{"a code alone", func() *http.Response { return respond(404, `{"errorCode":"E04041"}`) },
			economic.Error{Op: op, Kind: economic.KindNotFound, Status: 404, Code: "E04041"}, `read product "a b": not found at e-conomic (status 404), errorCode E04041`},
		{"neither message nor code", func() *http.Response { return respond(404, `{"logId":"8d79"}`) },
			economic.Error{Op: op, Kind: economic.KindUnavailable, Status: 404, Message: `the 404 is not from e-conomic, is the configured address right?: "{\"logId\":\"8d79\"}"`},
			`read product "a b": no usable answer from e-conomic (status 404): the 404 is not from e-conomic, is the configured address right?: "{\"logId\":\"8d79\"}"`},
		{"an empty 404", func() *http.Response { return respond(404, "") },
			economic.Error{Op: op, Kind: economic.KindUnavailable, Status: 404, Message: "the 404 is not from e-conomic, is the configured address right?"},
			`read product "a b": no usable answer from e-conomic (status 404): the 404 is not from e-conomic, is the configured address right?`},
		{"a date to wait for", func() *http.Response { return respond(503, "later", "Retry-After", "Sat, 01 Jan 2000 00:00:20 GMT") },
			economic.Error{Op: op, Kind: economic.KindUnavailable, Status: 503, Message: `"later"`, RetryAfter: 20 * time.Second},
			`read product "a b": no usable answer from e-conomic (status 503): "later", try again in 20s`},
		{"a redirect", func() *http.Response { return respond(302, "elsewhere") },
			economic.Error{Op: op, Kind: economic.KindUnavailable, Status: 302, Message: "neither an answer nor an error: is the configured address right?"},
			`read product "a b": no usable answer from e-conomic (status 302): neither an answer nor an error: is the configured address right?`},
		{"a 429", func() *http.Response { return respond(429, "") },
			economic.Error{Op: op, Kind: economic.KindRateLimited, Status: 429, RetryAfter: time.Minute},
			`read product "a b": e-conomic's rate limit is reached (status 429), try again in 1m0s`},
		{"a page", func() *http.Response { return respond(400, "<TITLE>Bad\nrequest</TITLE>") },
			economic.Error{Op: op, Kind: economic.KindUnavailable, Status: 400, Message: `a web page titled "Bad request"`},
			`read product "a b": no usable answer from e-conomic (status 400): a web page titled "Bad request"`},
		{"a page by its type", func() *http.Response { return respond(403, "no", "Content-Type", "text/html; charset=utf-8") },
			economic.Error{Op: op, Kind: economic.KindUnavailable, Status: 403, Message: `"no"`},
			`read product "a b": no usable answer from e-conomic (status 403): "no"`},
		{"errors alone", func() *http.Response { return respond(400, `{"message":"","errors":["a","b"]}`) },
			economic.Error{Op: op, Kind: economic.KindBadRequest, Status: 400, Message: "a; b"},
			`read product "a b": bad request (status 400): a; b`},
		{"a tree of errors", func() *http.Response {
			return respond(400, `{"message":"m","errors":{"z":{"message":"last"},"a":[{"arrayIndex":0,"errors":[{"errorCode":"E1","message":"one"},"two"]}],"n":7}}`)
		}, economic.Error{Op: op, Kind: economic.KindBadRequest, Status: 400, Message: "m: a[0]: E1 one; a[0]: two; z: last"},
			`read product "a b": bad request (status 400): m: a[0]: E1 one; a[0]: two; z: last`},
		{"many errors", func() *http.Response { return respond(400, `{"message":"m","errors":["1","2","3","4","5","6"]}`) },
			economic.Error{Op: op, Kind: economic.KindBadRequest, Status: 400, Message: "m: 1; 2; 3; 4; 5"},
			`read product "a b": bad request (status 400): m: 1; 2; 3; 4; 5`},
		{"what may be asked for", func() *http.Response { return respond(400, `{"message":"m","allowedFilteringFields":["a",  "b"]}`) },
			economic.Error{Op: op, Kind: economic.KindBadRequest, Status: 400, Message: `m: allowedFilteringFields ["a", "b"]`},
			`read product "a b": bad request (status 400): m: allowedFilteringFields ["a", "b"]`},
		{"too long", func() *http.Response {
			return respond(400, `{"message":"`+long+`","errorCode":"`+long+`","developerHint":"`+long+`","logId":"`+long+`","errors":["`+long+`"],"allowedFilteringFields":"`+long+`"}`, "X-RequestId", long)
		}, economic.Error{Op: op, Kind: economic.KindBadRequest, Status: 400, Code: long[:20] + "…", Hint: long[:300] + "…", LogID: long[:100] + "…", RequestID: long[:100] + "…",
			Message: long[:300] + "…: " + long[:500] + "…: allowedFilteringFields \"" + long[:499] + "…"},
			`read product "a b": bad request (status 400): ` + long[:300] + "…: " + long[:500] + "…: allowedFilteringFields \"" + long[:499] + "…, errorCode " + long[:20] + "…, logId " + long[:100] + "…, requestId " + long[:100] + "…"},
		{"just not too long", func() *http.Response {
			return respond(400, `{"message":"`+long[:300]+`","errorCode":"`+long[:20]+`"}`)
		}, economic.Error{Op: op, Kind: economic.KindBadRequest, Status: 400, Code: long[:20], Message: long[:300]},
			`read product "a b": bad request (status 400): ` + long[:300] + ", errorCode " + long[:20]},
		{"a long text", func() *http.Response { return respond(500, long) },
			economic.Error{Op: op, Kind: economic.KindUnavailable, Status: 500, Message: `"` + long[:100] + `…"`},
			`read product "a b": no usable answer from e-conomic (status 500): "` + long[:100] + `…"`},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, _ := agreement(t, budget.Options{}, func(*http.Request) *http.Response { return c.resp() })
			_, err := a.Product(t.Context(), hint, "a b")
			got, ok := errors.AsType[*economic.Error](err)
			if !ok {
				t.Fatalf("%s: %v", c.name, err)
			}
			if *got != c.want {
				t.Errorf("%s:\n got %+v\nwant %+v", c.name, *got, c.want)
			}
			if got.Error() != c.text {
				t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.text)
			}
		})
	}
}

// TestTruncated: an answer that is shorter or longer than announced is not used, though its
// transport does not complain.
func TestTruncated(t *testing.T) {
	t.Parallel()
	for announced, want := range map[int64]string{
		-1: "", 21: "", 22: "the answer is truncated: got 21 of 22 bytes", 20: "the answer is truncated: got 21 of 20 bytes", 0: "the answer is truncated: got 21 of 0 bytes",
	} {
		synctest.Test(t, func(t *testing.T) {
			a, _ := agreement(t, budget.Options{}, func(*http.Request) *http.Response {
				w := respond(200, `{"agreementNumber":1}`)
				w.ContentLength = announced
				return w
			})
			_, err := a.Self(t.Context(), hint)
			if (err != nil) != (want != "") || err != nil && (economic.KindOf(err) != economic.KindUnavailable || !strings.HasSuffix(err.Error(), want)) {
				t.Errorf("%d bytes announced: %v, want %q", announced, err, want)
			}
		})
	}
}

// TestErrorText: an error is one line of what is known, with its cause, which it wraps.
func TestErrorText(t *testing.T) {
	t.Parallel()
	cause := errors.New("read:\nbroken\x1b pipe")
	e := &economic.Error{Op: "read", Kind: economic.KindMalformed, Message: "m", Err: cause, RetryAfter: 1499 * time.Millisecond}
	if got, want := e.Error(), "read: unexpected answer from e-conomic: m: read: broken pipe, try again in 1s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(e, cause) || economic.KindOf(cause) != "" || economic.KindOf(nil) != "" {
		t.Error("its cause is not wrapped, or has a kind")
	}
}
