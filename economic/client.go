package economic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Options are a Client's settings. Zero values mean the defaults.
type Options struct {
	RESTURL        string // default https://restapi.e-conomic.com
	AppSecretToken string // the app's token; required

	// Transport sends the requests. Default: a new http.Transport with a limit on
	// connections per host.
	Transport http.RoundTripper

	Timeout      time.Duration // of a whole request with the first 4 MiB of its body; default 30 s
	MaxURLBytes  int           // longest URL sent; default 2,000: e-conomic's own limit is unknown
	MaxJSONBytes int64         // largest JSON answer accepted; default 32 MiB
	MaxPDFBytes  int64         // largest PDF accepted; default 10 MiB
	UserAgent    string
	Now          func() time.Time // default time.Now

	// CallsPerSecond limits all calls of the client together. A second's unused calls
	// carry over to the next second. 0: no limit.
	CallsPerSecond int

	// Wait is called before a call blocks on its turn and on e-conomic's answer, and
	// the function it returns afterwards, so that the caller can release what it does
	// not need meanwhile. Default: no-op.
	Wait func(context.Context) (waited func())

	// Observe is called once for each HTTP request, when it has ended. It must be safe
	// for concurrent use.
	Observe func(Call)
}

// Call is one HTTP request that has been made.
type Call struct {
	Endpoint string        // "products", "product", "invoices", "invoice", "pdf" or "self"
	Status   int           // 0 without an answer
	Kind     Kind          // "" on success
	Cost     int           // tokens, as e-conomic reports it; 0 if it does not
	Duration time.Duration // from the request to the end of its answer
}

// Client reads from e-conomic's REST API. It is safe for concurrent use.
type Client struct {
	o    Options
	base string   // RESTURL without a trailing slash
	host *url.URL // the parsed base

	rate *rate.Limiter // of all calls

	large, largePDFs slots // for reading and decoding large answers

	// transport is used without an http.Client, which would only add redirects, and
	// those would send the tokens along.
	transport *getOnly
}

// New returns a client, or an error if an option is missing or invalid.
func New(o Options) (*Client, error) { //nolint:gocyclo // one check per option
	if o.RESTURL == "" {
		o.RESTURL = "https://restapi.e-conomic.com"
	}
	base := strings.TrimRight(o.RESTURL, "/")
	host, err := url.Parse(base)
	if err != nil {
		return nil, errors.New("e-conomic's address is not a URL: expected one like https://restapi.e-conomic.com")
	}
	if (host.Scheme != "https" && host.Scheme != "http") || host.Host == "" || host.User != nil || host.RawQuery != "" || host.Fragment != "" {
		return nil, fmt.Errorf("e-conomic's address %q: expected one like https://restapi.e-conomic.com", host.Redacted())
	}
	if o.AppSecretToken == "" {
		return nil, errors.New("the app's secret token is missing: set it as X-AppSecretToken of the app registered at e-conomic")
	}
	if !headerValue(o.AppSecretToken) {
		return nil, errors.New("the app's secret token contains a space, a line break or another invalid character: copy it again")
	}
	if o.Transport == nil {
		o.Transport = newTransport()
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MaxURLBytes <= 0 {
		o.MaxURLBytes = 2000
	}
	if o.MaxJSONBytes <= 0 {
		o.MaxJSONBytes = 32 << 20
	}
	if o.MaxPDFBytes <= 0 {
		o.MaxPDFBytes = 10 << 20
	}
	if o.UserAgent == "" {
		o.UserAgent = "lagerd"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = func(context.Context) func() { return func() {} }
	}
	if o.Observe == nil {
		o.Observe = func(Call) {}
	}
	limit := rate.NewLimiter(rate.Inf, 0)
	if o.CallsPerSecond > 0 {
		limit = rate.NewLimiter(rate.Limit(o.CallsPerSecond), o.CallsPerSecond)
	}
	return &Client{o: o, base: base, host: host, rate: limit, large: newSlots(1), largePDFs: newSlots(2), transport: &getOnly{host: host, next: o.Transport}}, nil
}

// Close closes idle connections. The client stays usable.
func (c *Client) Close() {
	if idle, ok := c.o.Transport.(interface{ CloseIdleConnections() }); ok {
		idle.CloseIdleConnections()
	}
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        2048, // more than there are concurrent calls, even if none is answered
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// getOnly is the guard on outgoing requests: it lets only GET requests to the
// configured host through. An agreement's grant can write (PUT even creates), and
// every request carries both tokens.
type getOnly struct {
	host *url.URL
	next http.RoundTripper
}

func (g *getOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet || r.Body != nil && r.Body != http.NoBody {
		return nil, fmt.Errorf("refused to send %s: lagerd only reads from e-conomic", r.Method)
	}
	if !sameHost(r.URL, g.host) {
		return nil, fmt.Errorf("refused to send tokens to %s", r.URL.Host)
	}
	return g.next.RoundTrip(r)
}

func sameHost(a, b *url.URL) bool {
	return a.User == nil && strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Host, b.Host)
}

// headerValue reports whether a token is valid as a header value.
func headerValue(token string) bool {
	return !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

// call is a request to make.
type call struct {
	endpoint string // for Observe
	op       string // for errors
	url      string
	pdf      bool
	single   bool // the answer is one item or the agreement, limited to maxSingleBytes
}

// answer is an answer with status 200.
type answer struct {
	header     http.Header
	body       []byte
	began      time.Time
	serverDate time.Time
}

// do makes one call: budget, request, answer, decoding. If a request was sent, it sets
// the answer's times even when it returns an error.
func (a *Agreement) do(ctx context.Context, p Priority, c call, decode func(answer) error) (answer, error) {
	if !headerValue(a.grant) || a.grant == "" {
		return answer{}, &Error{Op: c.op, Kind: KindUnauthorized, Err: errors.New("the grant token is empty or contains an invalid character: enter it again")}
	}
	var held slot
	defer held.release() // once the answer is decoded, and on a panic
	got, r, err := a.ask(ctx, p, c, &held)
	if r.sent.IsZero() {
		return answer{}, failed(c.op, err)
	}
	seen := Call{Endpoint: c.endpoint, Status: r.status, Cost: readCost(r.header), Duration: r.took}
	if err == nil {
		err = decode(got)
	}
	if err != nil {
		e := failed(c.op, err)
		e.Status = r.status
		e.RequestID = oneLine(a.redact(r.header.Get("X-RequestId")), 100)
		if e.RetryAfter = r.blocked; r.blocked == 0 {
			e.RetryAfter, _ = retryAfter(r.header, got.began)
		}
		if a.repeatsToken(got) {
			hideGot(e.Err)
		}
		seen.Kind = e.Kind
		err = e
	}
	a.client.o.Observe(seen)
	return got, err
}

// request records how a request went.
type request struct {
	sent    time.Time // zero: not sent
	took    time.Duration
	status  int // 0 without an answer
	header  http.Header
	blocked time.Duration // how long a 429 blocks the agreement
}

// ask waits for its turn, sends the request and reads the whole answer. It releases the
// budget even on a panic, which ends one pass and not the process.
func (a *Agreement) ask(ctx context.Context, p Priority, c call, held *slot) (answer, request, error) {
	defer a.client.o.Wait(ctx)()
	if err := a.budget.acquire(ctx, p); err != nil {
		return answer{}, request{}, err
	}
	released := false
	defer func() {
		if !released {
			a.budget.release(0, nil)
		}
	}()
	if err := a.client.rate.Wait(ctx); err != nil {
		return answer{}, request{}, &Error{Kind: KindUnavailable, Err: fmt.Errorf("wait for the limit on calls per second: %w", err)}
	}
	began := a.client.o.Now()
	r := request{sent: time.Now()}
	got, resp, err := a.send(ctx, c, held) //nolint:bodyclose // send closes it
	got.began = began
	if resp != nil {
		r.status, r.header = resp.StatusCode, resp.Header
	}
	r.blocked, released = a.budget.release(r.status, r.header), true
	r.took = time.Since(r.sent)
	return got, r, err
}

// send makes the HTTP request; nothing else does. The response is returned for its
// status and headers only: its body has been read and closed.
func (a *Agreement) send(ctx context.Context, c call, held *slot) (answer, *http.Response, error) {
	o := &a.client.o
	outer := ctx
	ctx, cancel := context.WithCancel(outer)
	defer cancel()
	limit := newTimeLimit(o.Timeout, cancel)
	defer limit.stop()
	// lost returns the error of a request without a complete answer.
	lost := func(err error) error {
		err = a.withoutTokens(err)
		if ctx.Err() != nil && outer.Err() == nil {
			err = fmt.Errorf("%w within %s: %w", ErrTimeout, limit, err)
		}
		return &Error{Kind: KindUnavailable, Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return answer{}, nil, &Error{Kind: KindBadRequest, Err: errors.Unwrap(err)} // without the URL
	}
	req.Header.Set("X-AppSecretToken", o.AppSecretToken)
	req.Header.Set("X-AgreementGrantToken", a.grant)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", o.UserAgent)
	most := o.MaxJSONBytes
	switch {
	case c.pdf:
		req.Header.Set("Accept", "application/pdf")
		most = o.MaxPDFBytes
	case c.single:
		most = min(most, maxSingleBytes)
	}
	resp, err := a.client.transport.RoundTrip(req)
	if err != nil {
		return answer{}, nil, lost(err)
	}
	defer resp.Body.Close()
	got := answer{header: resp.Header}
	got.serverDate, _ = http.ParseTime(resp.Header.Get("Date"))

	if resp.StatusCode != http.StatusOK {
		const errorBytes = 64 << 10
		body, err := io.ReadAll(io.LimitReader(resp.Body, errorBytes))
		if err != nil && resp.StatusCode == http.StatusNotFound {
			// A 404 means that an item is gone. Do not believe half of one.
			return got, resp, lost(fmt.Errorf("read the answer with status %d: %w", resp.StatusCode, err))
		}
		return got, resp, answerError(resp.StatusCode, resp.Header, []byte(a.redact(string(body))))
	}
	if resp.ContentLength > most {
		return got, resp, tooLarge(most)
	}
	got.body, err = a.readBody(ctx, resp, c, most, limit, held)
	switch {
	case err != nil:
		return got, resp, lost(fmt.Errorf("read the answer: %w", err))
	case int64(len(got.body)) > most:
		return got, resp, tooLarge(most)
	case resp.ContentLength >= 0 && int64(len(got.body)) != resp.ContentLength:
		return got, resp, &Error{Kind: KindUnavailable, Err: fmt.Errorf("the answer is truncated: got %d of %d bytes", len(got.body), resp.ContentLength)}
	}
	return got, resp, nil
}

func tooLarge(limit int64) error {
	return &Error{Kind: KindMalformed, Err: fmt.Errorf("the answer is larger than the limit of %d bytes", limit)}
}

// failed returns err as an *Error for op: KindMalformed unless err already is an *Error.
func failed(op string, err error) *Error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Kind: KindMalformed, Err: err}
	}
	e.Op = op
	return e
}

// redact removes tokens that an answer repeats.
func (a *Agreement) redact(s string) string {
	for _, token := range a.secrets() {
		s = strings.ReplaceAll(s, token, "[redacted]")
	}
	return s
}

// withoutTokens returns err, or only its redacted text if that contains a token:
// net/http quotes the parts of an answer that it cannot parse.
func (a *Agreement) withoutTokens(err error) error {
	if text := err.Error(); a.redact(text) != text {
		return errors.New(a.redact(text))
	}
	return err
}

// hideUnsound stops field errors from quoting an answer that repeats a token.
func (a *Agreement) hideUnsound(got answer, list []Unsound) {
	if len(list) == 0 || !a.repeatsToken(got) {
		return
	}
	for _, u := range list {
		hideGot(u.Err)
	}
}

// hideGot redacts the quoted value in a field error: it may be part of a token.
func hideGot(err error) {
	if field, ok := errors.AsType[*fieldError](err); ok {
		field.got = "[redacted]"
	}
}

// repeatsToken reports whether an answer contains one of the tokens.
func (a *Agreement) repeatsToken(got answer) bool {
	return slices.ContainsFunc(a.secrets(), func(token string) bool { return bytes.Contains(got.body, []byte(token)) })
}

// secrets returns the tokens that are secret. "demo" is public, and a common word in
// e-conomic's answers.
func (a *Agreement) secrets() []string {
	return slices.DeleteFunc([]string{a.client.o.AppSecretToken, a.grant}, func(token string) bool {
		return token == "" || token == "demo"
	})
}
