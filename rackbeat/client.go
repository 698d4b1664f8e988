package rackbeat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"lagerd/budget"
	"lagerd/rest"
)

// Options are a Client's settings. Zero values mean the defaults.
type Options struct {
	URL string // default https://app.rackbeat.com/api

	// Name and Contact say who calls. Rackbeat's own client sends both, and says that an address
	// may be restricted whose calls lack them. Contact is an e-mail address; default: none.
	Name    string // default lagerd
	Contact string

	// Transport sends the requests. Default: a new http.Transport with a limit on
	// connections per host.
	Transport http.RoundTripper

	MaxConnections int // at once, with the default Transport; default 256

	Room *rest.Room // for answers, shared with the clients of other services; default: its own

	Timeout  time.Duration    // of a whole request with the first 4 MiB of its body; default 30 s
	MaxBytes int64            // largest answer accepted; default 32 MiB
	Now      func() time.Time // default time.Now

	// Wait is called before a call blocks on its turn and on Rackbeat's answer, and the
	// function it returns afterwards, so that the caller can release what it does not need
	// meanwhile. Default: no-op.
	Wait func(context.Context) (waited func())

	// Patience returns how long a call may wait for its answer, if that is shorter than Timeout;
	// 0: it is not. Default: always 0.
	Patience func(context.Context) time.Duration

	// Observe is called once for each HTTP request, when it has ended. It must be safe for
	// concurrent use.
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
	Endpoint string        // "self", "items", "item", "item_places", "places", "report" or "webhooks"
	Status   int           // 0 without an answer
	Kind     Kind          // "" on success
	Duration time.Duration // from the request to the end of its answer

	// OddHeader is a header about rate limits that makes no sense and was ignored; usually "".
	OddHeader string
}

// Client reads from Rackbeat. It is safe for concurrent use.
type Client struct {
	o      Options
	base   string // URL without a trailing slash
	header http.Header
	getter *rest.Getter
}

// New returns a client, or an error if an option is invalid.
func New(o Options) (*Client, error) {
	o.URL = cmp.Or(o.URL, "https://app.rackbeat.com/api")
	base, host, err := rest.ParseBase("Rackbeat's address", o.URL, "https://app.rackbeat.com/api")
	if err != nil {
		return nil, err
	}
	o.Name = cmp.Or(o.Name, "lagerd")
	if strings.ContainsFunc(o.Name+o.Contact, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, fmt.Errorf("name %q and contact %q, which Rackbeat is told: expected no line break and only ASCII", o.Name, o.Contact)
	}
	if o.Transport == nil {
		o.Transport = rest.NewTransport(cmp.Or(max(o.MaxConnections, 0), 256))
	}
	o.Timeout = cmp.Or(max(o.Timeout, 0), 30*time.Second)
	o.MaxBytes = cmp.Or(max(o.MaxBytes, 0), 32<<20)
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
	getter := rest.NewGetter(rest.GetterOptions{Service: "Rackbeat", Secret: "the key", Host: host, Transport: o.Transport, Timeout: o.Timeout})
	return &Client{o: o, base: base, header: headers(o), getter: getter}, nil
}

// headers returns the headers of every request, as Rackbeat's own client sends them.
func headers(o Options) http.Header {
	h := http.Header{}
	h.Set("Accept", "application/json")
	h.Set("Content-Type", "application/json")
	h.Set("API-Version", "latest")
	h.Set("Consumer-Name", o.Name)
	h.Set("User-Agent", o.Name)
	if o.Contact != "" {
		h.Set("Consumer-Contact", o.Contact)
		h.Set("User-Agent", o.Name+" ("+o.Contact+")")
	}
	return h
}

// Close closes idle connections. The client stays usable.
func (c *Client) Close() {
	if idle, ok := c.o.Transport.(interface{ CloseIdleConnections() }); ok {
		idle.CloseIdleConnections()
	}
}

// call is a request to make.
type call struct {
	endpoint string // for Observe, and the first part of the paths in errors
	op       string // for errors
	path     string // encoded, with the query
	single   bool   // the answer is about one item or the account, limited to rest.MaxSingleBytes
}

// answer is an answer with status 200 or 206.
type answer struct {
	rest.Content
	began      time.Time
	serverDate time.Time
}

// do makes one call: budget, request, answer, decoding. If a request was sent, it sets
// the answer's times even when it returns an error.
func (a *Account) do(ctx context.Context, p budget.Priority, c call, decode func(answer) error) (answer, error) {
	if a.key == "" || !rest.IsHeaderValue(a.key) {
		return answer{}, &Error{Op: c.op, Kind: KindUnauthorized, Err: errors.New("the key is empty or contains an invalid character: enter it again")}
	}
	var held rest.Slot
	defer held.Release() // once the answer is decoded, and on a panic
	got, r, err := a.ask(ctx, p, c, &held)
	if r.sent.IsZero() {
		return answer{}, failed(c.op, err)
	}
	seen := Call{Endpoint: c.endpoint, Status: r.status, Duration: r.took, OddHeader: rest.OneLine(a.secrets.In(r.odd), 100)}
	if err == nil {
		err = decode(got)
	}
	if err != nil {
		e := failed(c.op, err)
		e.Status = r.status
		if r.blocked > 0 {
			e.RetryAfter = r.blocked
		} else if e.RetryAfter == 0 {
			e.RetryAfter, _ = budget.RetryAfter(got.Header, got.began)
		}
		rest.NewQuoted(a.secrets).Hide(e.Err)
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
	status  int           // 0 without an answer
	blocked time.Duration // how long a 429 blocks the account
	odd     string        // a header about rate limits that makes no sense
}

// ask waits for its turn, sends the request and reads the whole answer. A panic ends one pass and
// not the process.
func (a *Account) ask(ctx context.Context, p budget.Priority, c call, held *rest.Slot) (got answer, r request, err error) {
	defer a.client.o.Wait(ctx)()
	blocked, no := a.budget.Call(ctx, p, a.by, func() (said budget.Answer) {
		began := a.client.o.Now()
		r.sent = time.Now()
		got, r.status, err = a.send(ctx, c, held)
		got.began, r.took = began, time.Since(r.sent)
		said.Lost = r.status == 0
		if r.status == http.StatusTooManyRequests {
			said, r.odd = budget.TooManyRequests(got.Header, a.client.o.Now())
		}
		return said
	})
	if no != nil {
		return answer{}, request{}, refused(no)
	}
	r.blocked = blocked
	return got, r, err
}

// send makes the HTTP request; nothing else does.
func (a *Account) send(ctx context.Context, c call, held *rest.Slot) (answer, int, error) {
	client := a.client
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, client.base+c.path, nil)
	if err != nil {
		return answer{}, 0, &Error{Kind: KindBadRequest, Err: errors.Unwrap(err)} // without the URL
	}
	req.Header = client.header.Clone()
	req.Header.Set("Authorization", "Bearer "+a.key)
	in := rest.Limits{Most: client.o.MaxBytes, Room: client.o.Room, Held: held, Slowness: a.budget, Secrets: a.secrets, Partial: true, Patience: client.o.patience(ctx)}
	if c.single {
		in.Most = min(in.Most, rest.MaxSingleBytes)
	}
	got, err := client.getter.Get(req, in)
	if err == nil && got.Status != http.StatusOK && got.Status != http.StatusPartialContent {
		err = answerError(got.Status, got.Header, []byte(a.secrets.In(string(got.Body))))
	}
	return answer{Content: rest.Content{Ctx: ctx, Header: got.Header, Body: got.Body, Secrets: a.secrets}, serverDate: got.ServerDate}, got.Status, err
}
