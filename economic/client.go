package economic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"lagerd/budget"
	"lagerd/rest"
	"lagerd/secret"
)

// Options are a Client's settings. Zero values mean the defaults.
type Options struct {
	RESTURL        string // default https://restapi.e-conomic.com
	AppSecretToken string // the app's token; "": there is none yet, and no call is made

	// Transport sends the requests. Default: a new http.Transport with a limit on
	// connections per host.
	Transport http.RoundTripper

	MaxConnections int // at once, with the default Transport; default 2,048: more than there are calls

	Room *rest.Room // for answers, shared with the clients of other services; default: its own

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

	// Patience returns how long a call may wait for its answer, if that is shorter than Timeout;
	// 0: it is not. Default: always 0.
	Patience func(context.Context) time.Duration

	// Observe is called once for each HTTP request, when it has ended. It must be safe
	// for concurrent use.
	Observe func(Call)
}

func (o *Options) patience(ctx context.Context) time.Duration {
	if o.Patience == nil {
		return 0
	}
	return o.Patience(ctx)
}

// Call is one HTTP request that has been made.
type Call struct {
	Endpoint string        // "products", "product", "invoices", "invoice", "pdf" or "self"
	Status   int           // 0 without an answer
	Kind     Kind          // "" on success
	Cost     int           // tokens, as e-conomic reports it; 0 if it does not
	Duration time.Duration // from the request to the end of its answer

	// OddHeader is a header about rate limits that makes no sense and was ignored; usually "".
	OddHeader string
}

// Client reads from e-conomic's REST API. It is safe for concurrent use.
type Client struct {
	o    Options
	base string   // RESTURL without a trailing slash
	host *url.URL // the parsed base

	rate *rate.Limiter // of all calls

	getter *rest.Getter // sends every request
}

var errNoAppToken = errors.New("the app's secret token is missing, so the call was not made")

// New returns a client, or an error if an option is missing or invalid.
func New(o Options) (*Client, error) {
	if o.RESTURL == "" {
		o.RESTURL = "https://restapi.e-conomic.com"
	}
	base, host, err := rest.ParseBase("e-conomic's address", o.RESTURL, "https://restapi.e-conomic.com")
	if err != nil {
		return nil, err
	}
	if o.AppSecretToken != "" && !rest.IsHeaderValue(o.AppSecretToken) {
		return nil, errors.New("the app's secret token contains a space, a line break or another invalid character: copy it again")
	}
	if o.Transport == nil {
		o.Transport = rest.NewTransport(cmp.Or(max(o.MaxConnections, 0), 2048))
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
	o.MaxPDFBytes = cmp.Or(max(o.MaxPDFBytes, 0), 10<<20)
	if o.UserAgent == "" {
		o.UserAgent = "lagerd"
	}
	if o.Room == nil {
		o.Room = rest.NewRoom()
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
	getter := rest.NewGetter(rest.GetterOptions{Service: "e-conomic", Secret: "tokens", Host: host, Transport: o.Transport, Timeout: o.Timeout})
	return &Client{o: o, base: base, host: host, rate: limit, getter: getter}, nil
}

// Close closes idle connections. The client stays usable.
func (c *Client) Close() {
	if idle, ok := c.o.Transport.(interface{ CloseIdleConnections() }); ok {
		idle.CloseIdleConnections()
	}
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
	rest.Content
	began      time.Time
	serverDate time.Time
}

// do makes one call: budget, request, answer, decoding. If a request was sent, it sets
// the answer's times even when it returns an error.
func (a *Agreement) do(ctx context.Context, p budget.Priority, c call, decode func(answer) error) (answer, error) {
	if !rest.IsHeaderValue(a.grant) || a.grant == "" {
		return answer{}, &Error{Op: c.op, Kind: KindUnauthorized, Err: errors.New("the grant token is empty or contains an invalid character: enter it again")}
	}
	var held rest.Slot
	defer held.Release() // once the answer is decoded, and on a panic
	got, r, err := a.ask(ctx, p, c, &held)
	if r.sent.IsZero() {
		return answer{}, failed(c.op, err)
	}
	seen := Call{Endpoint: c.endpoint, Status: r.status, Cost: readCost(r.header), Duration: r.took,
		OddHeader: rest.OneLine(a.redact(r.odd), 100)}
	if err == nil {
		err = decode(got)
	}
	if err != nil {
		e := failed(c.op, err)
		e.Status = r.status
		e.RequestID = rest.OneLine(a.redact(r.header.Get("X-RequestId")), 100)
		if r.blocked > 0 {
			e.RetryAfter = r.blocked
		} else if e.RetryAfter == 0 {
			e.RetryAfter, _ = budget.RetryAfter(r.header, got.began)
		}
		rest.NewQuoted(a.secrets()).Hide(e.Err)
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
	odd     string        // a header about rate limits that makes no sense
}

// ask waits for its turn, sends the request and reads the whole answer. A panic ends one pass and
// not the process.
func (a *Agreement) ask(ctx context.Context, p budget.Priority, c call, held *rest.Slot) (got answer, r request, err error) {
	defer a.client.o.Wait(ctx)()
	blocked, no := a.budget.Call(ctx, p, a.by, func() (said budget.Answer) {
		if err = a.client.rate.Wait(ctx); err != nil {
			err = &Error{Kind: KindUnavailable, Err: fmt.Errorf("wait for the limit on calls per second: %w", err)}
			return budget.Answer{Lost: true}
		}
		began := a.client.o.Now()
		r.sent = time.Now()
		got, r.status, err = a.send(ctx, c, held)
		got.began, r.header = began, got.Header
		r.took = time.Since(r.sent)
		said, r.odd = limits(r.status, r.header, a.client.o.Now())
		return said
	})
	if no != nil {
		return answer{}, request{}, refused(no)
	}
	r.blocked = blocked
	return got, r, err
}

// send makes the HTTP request; nothing else does.
func (a *Agreement) send(ctx context.Context, c call, held *rest.Slot) (answer, int, error) {
	o := &a.client.o
	if o.AppSecretToken == "" {
		return answer{}, 0, &Error{Kind: KindUnauthorized, Err: errNoAppToken}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return answer{}, 0, &Error{Kind: KindBadRequest, Err: errors.Unwrap(err)} // without the URL
	}
	req.Header.Set("X-AppSecretToken", o.AppSecretToken)
	req.Header.Set("X-AgreementGrantToken", a.grant)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", o.UserAgent)
	in := rest.Limits{Most: o.MaxJSONBytes, Room: o.Room, PDF: c.pdf, Held: held, Slowness: a.budget, Secrets: a.secrets(), Patience: o.patience(ctx)}
	switch {
	case c.pdf:
		req.Header.Set("Accept", "application/pdf")
		in.Most = o.MaxPDFBytes
	case c.single:
		in.Most = min(in.Most, rest.MaxSingleBytes)
	}
	got, err := a.client.getter.Get(req, in)
	answer := answer{Content: rest.Content{Ctx: ctx, Header: got.Header, Body: got.Body, Secrets: in.Secrets}, serverDate: got.ServerDate}
	if err == nil && got.Status != http.StatusOK {
		err = answerError(got.Status, got.Header, []byte(a.redact(string(got.Body))))
	}
	return answer, got.Status, err
}

// failed returns err as an *Error for op: KindMalformed unless err already is an *Error, or says
// that there is no usable answer.
func failed(op string, err error) *Error {
	e, ok := errors.AsType[*Error](unavailable(err))
	if !ok {
		e = &Error{Kind: KindMalformed, Err: err}
	}
	e.Op = op
	return e
}

// redact removes tokens that an answer repeats, escaped or not.
func (a *Agreement) redact(s string) string { return a.secrets().In(s) }

// hideUnsound redacts field errors that quote a token.
func (a *Agreement) hideUnsound(list []Unsound) {
	quoted := rest.NewQuoted(a.secrets())
	for _, u := range list {
		quoted.Hide(u.Err)
	}
}

// secrets finds the tokens that are secret. "demo" is public, and a common word in
// e-conomic's answers.
func (a *Agreement) secrets() secret.Hidden {
	return secret.Hide(slices.DeleteFunc([]string{a.client.o.AppSecretToken, a.grant}, func(token string) bool { return token == "demo" })...)
}
