package notify_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lagerd/notify"
	"lagerd/secret"
)

func caller(url string) *notify.Caller {
	return notify.NewCaller(notify.CallerOptions{WebhookURL: url, WebhookSecret: secret.NewText("a secret of sixteen"), HeartbeatURL: url, Timeout: 2 * time.Second, UserAgent: "lagerd/test"})
}

// TestSign has the value that another implementation computed: printf '1796040000.{"a":1}' |
// openssl dgst -sha256 -hmac 'a secret of sixteen'.
func TestSign(t *testing.T) {
	t.Parallel()
	const want = "2108f892f019b27776f5bf61fc0700b286279447bc82c9a3ec47026be8201db5"
	if got := notify.Sign(secret.NewText("a secret of sixteen"), "1796040000", []byte(`{"a":1}`)); got != want {
		t.Errorf("%s, expected %s", got, want)
	}
}

func TestWebhookIsSigned(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}))
	defer s.Close()
	if err := caller(s.URL).Webhook(t.Context(), caller(s.URL).Operators(), "id1", []byte(`{"a":1}`), noon, begun); err != nil {
		t.Fatal(err)
	}
	at := got.Header.Get("Lagerd-Timestamp")
	signature, prefixed := strings.CutPrefix(got.Header.Get("Lagerd-Signature"), "sha256=")
	if _, err := hex.DecodeString(signature); err != nil || !prefixed || signature != notify.Sign(secret.NewText("a secret of sixteen"), at, body) {
		t.Errorf("signature %q of %q at %q", signature, body, at)
	}
	if got.Method != http.MethodPost || got.Header.Get("Lagerd-Id") != "id1" || got.Header.Get("Content-Type") != "application/json" || at != "1796040000" || string(body) != `{"a":1}` {
		t.Errorf("%s %v %s", got.Method, got.Header, body)
	}
}

// TestCallsThatFail: a redirect is not followed, and no error names the address, which may be secret.
func TestCallsThatFail(t *testing.T) {
	t.Parallel()
	elsewhere := 0
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer target.Close()
	for name, answer := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, target.URL, http.StatusTemporaryRedirect)
		},
		"error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"endless headers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
		},
		"cut": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		s := httptest.NewServer(answer)
		c := caller(s.URL + "/the-secret-path")
		for what, err := range map[string]error{"webhook": c.Webhook(t.Context(), c.Operators(), "id1", []byte("{}"), noon, begun), "heartbeat": c.Heartbeat(t.Context())} {
			if err == nil || strings.Contains(err.Error(), "the-secret-path") || !strings.Contains(err.Error(), "notify."+what+"_url") {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
		s.Close()
	}
	if elsewhere > 0 {
		t.Errorf("%d calls followed a redirect", elsewhere)
	}
}

// TestEndlessAnswer: of an answer that does not end, so much is read as the connection may need to be
// used again.
func TestEndlessAnswer(t *testing.T) {
	t.Parallel()
	sent := make(chan int, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := 0
		for {
			more, err := w.Write(make([]byte, 1<<10))
			if n += more; err != nil {
				sent <- n
				return
			}
		}
	}))
	defer s.Close()
	began := time.Now()
	if err := caller(s.URL).Webhook(t.Context(), caller(s.URL).Operators(), "id1", []byte("{}"), noon, begun); err != nil {
		t.Error(err)
	}
	const buffers = 16 << 20 // of the system
	if n := <-sent; n > buffers || time.Since(began) > 2*time.Second {
		t.Errorf("%d bytes were taken in %s", n, time.Since(began))
	}
}
