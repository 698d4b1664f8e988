package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"lagerd/secret"
)

// ErrTimeout is wrapped by the error of a request that reached the Getter's timeout. Each
// further request to an account that hangs costs as much time.
var ErrTimeout = errors.New("no complete answer")

// ErrSilent is wrapped by the error of a request whose answer did not begin within the patience that
// its caller had. It may begin later.
var ErrSilent = errors.New("no answer begins")

// Getter sends GET requests to one host and reads their answers. It is safe for concurrent use.
type Getter struct {
	timeout time.Duration

	// transport is used without an http.Client, which would only add redirects, and
	// those would send the secrets along.
	transport *guard

	// usual is how many bytes the last answer had that needed a place of the small ones.
	usual atomic.Int64
}

// GetterOptions are a Getter's settings; all are required.
type GetterOptions struct {
	Service   string   // of the API, for errors: "e-conomic"
	Secret    string   // what must not reach another host, for errors: "tokens"
	Host      *url.URL // the only scheme and host that requests go to
	Transport http.RoundTripper
	Timeout   time.Duration // of a whole request with the first 4 MiB of its body
}

// NewGetter returns a Getter.
func NewGetter(o GetterOptions) *Getter {
	return &Getter{timeout: o.Timeout, transport: &guard{o}}
}

// Transport returns the guarded transport, through which every request goes.
func (g *Getter) Transport() http.RoundTripper { return g.transport }

// guard is on all outgoing requests: it lets only GET requests to the configured host through.
// The secrets that they carry could write.
type guard struct{ o GetterOptions }

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet || r.Body != nil && r.Body != http.NoBody {
		return nil, fmt.Errorf("refused to send %s: lagerd only reads from %s", r.Method, g.o.Service)
	}
	if !SameHost(r.URL, g.o.Host) {
		return nil, fmt.Errorf("refused to send %s to %s", g.o.Secret, r.URL.Host)
	}
	return g.o.Transport.RoundTrip(r)
}

// SameHost reports whether a leads to the scheme and host of b, without a user.
func SameHost(a, b *url.URL) bool {
	return a.User == nil && strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Host, b.Host)
}

// ParseBase parses the address of an API, without a slash at its end. whose and example are for
// the error: "e-conomic's address", "https://restapi.e-conomic.com".
func ParseBase(whose, address, example string) (base string, host *url.URL, err error) {
	base = strings.TrimRight(address, "/")
	host, err = url.Parse(base)
	if err != nil {
		return "", nil, fmt.Errorf("%s is not a URL: expected one like %s", whose, example)
	}
	if (host.Scheme != "https" && host.Scheme != "http") || host.Host == "" || host.User != nil || host.RawQuery != "" || host.Fragment != "" {
		return "", nil, fmt.Errorf("%s %q: expected one like %s", whose, host.Redacted(), example)
	}
	return base, host, nil
}

// IsHeaderValue reports whether a secret can be sent as a header.
func IsHeaderValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' })
}

// NewTransport returns a transport that opens at most that many connections.
func NewTransport(most int) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        most, // a request waits for a connection
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// Limits are what an answer may cost.
type Limits struct {
	Most     int64    // bytes of the body
	Room     *Room    // for all answers
	PDF      bool     // large ones take turns among themselves, beside pages
	Held     *Slot    // what the answer holds of the room; the caller releases it once that is decoded
	Slowness Slowness // of the account

	Secrets secret.Hidden // kept out of errors
	Partial bool          // status 206 is an answer like 200

	Patience time.Duration // until the answer begins, if that is shorter than the Getter's timeout; 0: it is not
}

// patience returns how long an answer may take to begin, and the error of one that takes longer.
func (in *Limits) patience(timeout time.Duration) (time.Duration, error) {
	if 0 < in.Patience && in.Patience < timeout {
		return in.Patience, ErrSilent
	}
	return timeout, ErrTimeout
}

// Answer is an answer.
type Answer struct {
	Status     int
	Header     http.Header
	Body       []byte    // whole with status 200; else its beginning
	ServerDate time.Time // its Date header; zero if it had none
}

// Get sends a request and reads its answer, which may have any status. Status is 0 if none came.
// It returns a *LostError if no complete answer came, and another error if it is too large.
// Neither contains a secret of the Limits.
func (g *Getter) Get(r *http.Request, in Limits) (Answer, error) {
	outer := r.Context()
	ctx, cancel := context.WithCancel(outer)
	defer cancel()
	patience, why := in.patience(g.timeout)
	limit := newTimeLimit(patience, cancel)
	defer limit.stop()
	// lost returns the error of a request without a complete answer.
	lost := func(err error) error {
		err = withoutSecrets(err, in.Secrets)
		if ctx.Err() != nil && outer.Err() == nil {
			err = fmt.Errorf("%w within %s: %w", why, limit, err)
		}
		return &LostError{Err: err}
	}
	resp, err := g.transport.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return Answer{}, lost(err)
	}
	defer resp.Body.Close()
	if limit.begun(g.timeout) {
		why = ErrTimeout
	}
	got := Answer{Status: resp.StatusCode, Header: resp.Header}
	got.ServerDate, _ = http.ParseTime(resp.Header.Get("Date"))
	if resp.StatusCode != http.StatusOK && (!in.Partial || resp.StatusCode != http.StatusPartialContent) {
		const errorBytes = 64 << 10
		got.Body, err = io.ReadAll(io.LimitReader(resp.Body, errorBytes))
		if err != nil && resp.StatusCode == http.StatusNotFound {
			// A 404 means that an item is gone. Do not believe half of one.
			return got, lost(fmt.Errorf("read the answer with status %d: %w", resp.StatusCode, err))
		}
		return got, nil
	}
	if resp.ContentLength > in.Most {
		return got, tooLarge(in.Most)
	}
	got.Body, err = g.readBody(ctx, resp, in, limit)
	switch {
	case err != nil:
		return got, lost(fmt.Errorf("read the answer: %w", err))
	case int64(len(got.Body)) > in.Most:
		return got, tooLarge(in.Most)
	case resp.ContentLength >= 0 && int64(len(got.Body)) != resp.ContentLength:
		return got, &LostError{Err: fmt.Errorf("the answer is truncated: got %d of %d bytes", len(got.Body), resp.ContentLength)}
	}
	return got, nil
}

func tooLarge(limit int64) error {
	return fmt.Errorf("the answer is larger than the limit of %d bytes", limit)
}

// withoutSecrets returns err, or only its redacted text if that contains a secret: net/http
// quotes the parts of an answer that it cannot parse.
func withoutSecrets(err error, secrets secret.Hidden) error {
	if text := err.Error(); secrets.In(text) != text {
		return errors.New(secrets.In(text))
	}
	return err
}
