package webhooksapi

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"lagerd/budget"
	"lagerd/rest"
	"lagerd/secret"
)

// Options are a Client's settings. Zero values mean the defaults.
type Options struct {
	URL            string // default https://apis.e-conomic.com/webhooksapi/v1.0.0
	AppSecretToken string // the app's token; required

	Transport http.RoundTripper // default: a new http.Transport
	Timeout   time.Duration     // of a whole call; default 30 s
	UserAgent string            // default lagerd
	Now       func() time.Time  // default time.Now

	// Observe is called after each HTTP request. It must be safe for concurrent use.
	Observe func()
}

const defaultURL = "https://apis.e-conomic.com/webhooksapi/v1.0.0"

// mostBytes is how large an answer may be. An agreement has a webhook for an event type, of at most
// 6 KiB.
const mostBytes = 1 << 20

// Client calls e-conomic's webhooks API. It is safe for concurrent use.
type Client struct {
	o         Options
	base      string // without a slash at its end
	transport http.RoundTripper
}

// New returns a client, or an error if an option is missing or invalid.
func New(o Options) (*Client, error) {
	o.URL = cmp.Or(o.URL, defaultURL)
	base, host, err := rest.ParseBase("the address of e-conomic's webhooks API", o.URL, defaultURL)
	if err != nil {
		return nil, err
	}
	if o.AppSecretToken == "" || !rest.IsHeaderValue(o.AppSecretToken) {
		return nil, errors.New("the app's secret token is missing, or contains an invalid character: copy it again")
	}
	if o.Transport == nil {
		o.Transport = rest.NewTransport(2)
	}
	o.Timeout = cmp.Or(max(o.Timeout, 0), 30*time.Second)
	o.UserAgent = cmp.Or(o.UserAgent, "lagerd")
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Observe == nil {
		o.Observe = func() {}
	}
	return &Client{o: o, base: base, transport: guard{o.Transport, host}}, nil
}

// guard is on all outgoing requests: it lets only those through that lagerd has reason to make. The
// tokens that they carry can change a company's accounts.
type guard struct {
	next http.RoundTripper
	base *url.URL
}

// RoundTrip implements http.RoundTripper.
func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	below, within := strings.CutPrefix(r.URL.EscapedPath(), g.base.EscapedPath())
	switch {
	case !rest.SameHost(r.URL, g.base) || !within || !strings.HasPrefix(below, "/"):
		return nil, fmt.Errorf("refused to send tokens to %s", r.URL.Host)
	case r.Method == http.MethodGet:
	case (r.Method == http.MethodPost || r.Method == http.MethodPut) && below == "/webhooks":
	default:
		return nil, fmt.Errorf("refused to send %s %s to e-conomic: lagerd only sets up its webhooks there", r.Method, below)
	}
	return g.next.RoundTrip(r)
}

// Access is whose webhooks are read and, if that is allowed, set up.
type Access struct {
	Grant  string
	Budget *budget.Budget // of the agreement, with the calls to its REST API

	// MayWrite allows Create and Replace. It is what the shop's settings say.
	MayWrite bool
}

// Agreement is an agreement's webhooks. Its methods return errors of type *Error.
type Agreement struct {
	client *Client
	Access
}

// Agreement returns the webhooks of an agreement.
func (c *Client) Agreement(a Access) *Agreement { return &Agreement{c, a} }

// request is a call to make.
type request struct {
	op     string // for errors: "read the webhooks"
	method string
	path   string // below the base, encoded
	query  url.Values
	body   []byte
	hide   []string // what of the body must not appear in an error
}

// do makes a call and returns the body of an answer with a status of success.
func (a *Agreement) do(ctx context.Context, r request) ([]byte, error) {
	if a.Grant == "" || !rest.IsHeaderValue(a.Grant) {
		return nil, &Error{Op: r.op, Kind: rest.KindUnauthorized, Message: "the grant token is empty or contains an invalid character: enter it again"}
	}
	if r.method != http.MethodGet && !a.MayWrite {
		return nil, &Error{Op: r.op, Kind: rest.KindBadRequest, Err: ErrNotAllowed}
	}
	var got answer
	var err error
	blocked, no := a.Budget.Call(ctx, budget.PriorityPerson, nil, func() budget.Answer {
		got, err = a.send(ctx, r)
		a.client.o.Observe()
		if got.status == http.StatusTooManyRequests {
			said, _ := budget.TooManyRequests(got.header, a.client.o.Now())
			return said
		}
		return budget.Answer{Lost: got.status == 0}
	})
	switch {
	case no != nil:
		return nil, refused(r.op, no)
	case err != nil:
		return nil, &Error{Op: r.op, Kind: rest.KindUnavailable, Status: got.status, Err: err}
	case got.status < 200 || got.status > 299:
		return nil, a.answerError(r, got, blocked)
	}
	return got.body, nil
}

// answer is an answer of any status.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send makes the HTTP request; nothing else does. Redirects are not followed.
func (a *Agreement) send(ctx context.Context, r request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, a.client.o.Timeout)
	defer cancel()
	address := a.client.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, bytes.NewReader(r.body))
	if err != nil {
		return answer{}, errors.Unwrap(err) // without the URL
	}
	if len(r.body) == 0 {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	req.Header.Set("X-AppSecretToken", a.client.o.AppSecretToken)
	req.Header.Set("X-AgreementGrantToken", a.Grant)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, application/problem+json")
	req.Header.Set("User-Agent", a.client.o.UserAgent)
	res, err := a.client.transport.RoundTrip(req)
	if err != nil {
		return answer{}, errors.New(a.secrets(r).In(err.Error()))
	}
	defer res.Body.Close()
	got := answer{status: res.StatusCode, header: res.Header}
	got.body, err = io.ReadAll(io.LimitReader(res.Body, mostBytes+1))
	switch {
	case err != nil:
		return got, fmt.Errorf("read the answer: %w", err)
	case len(got.body) > mostBytes:
		return got, fmt.Errorf("the answer is larger than the limit of %d bytes", mostBytes)
	}
	return got, nil
}

// secrets finds what an answer may repeat and must not be shown: the tokens, and the codes that were
// sent.
func (a *Agreement) secrets(r request) secret.Hidden {
	return secret.Hide(append([]string{a.client.o.AppSecretToken, a.Grant}, r.hide...)...)
}
