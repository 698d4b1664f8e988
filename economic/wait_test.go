package economic_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lagerd/budget"
	"lagerd/economic"
)

// answering is a transport that answers every request with an empty page after a delay.
type answering struct {
	after time.Duration

	mu   sync.Mutex
	sent []time.Time
}

func (a *answering) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	a.sent = append(a.sent, time.Now())
	a.mu.Unlock()
	select {
	case <-time.After(a.after):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	rec := httptest.NewRecorder()
	rec.WriteString(emptyPage)
	return rec.Result(), nil
}

func client(t *testing.T, o economic.Options) *economic.Client {
	t.Helper()
	o.RESTURL, o.AppSecretToken = "http://e-conomic.test", appToken
	c, err := economic.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWait: a call reports when it starts to wait, for its turn or for the answer, and
// when it has stopped waiting; not while its answer is decoded, and not without Wait.
func TestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex
		var waits []time.Duration
		record := func() {
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, time.Since(began))
		}
		type asks struct{}
		ctx := context.WithValue(t.Context(), asks{}, true)
		wait := func(ctx context.Context) func() {
			if ctx.Value(asks{}) == nil {
				return func() {}
			}
			record()
			return record
		}
		network := &answering{after: time.Second}
		a := client(t, economic.Options{Transport: network, Wait: wait}).Agreement(grantToken, budget.New(budget.Options{Concurrency: 1}))
		read := func(ctx context.Context) {
			if _, err := a.Products(ctx, budget.PriorityTick, economic.ProductsQuery{}); err != nil {
				t.Error(err)
			}
		}
		var beside sync.WaitGroup
		beside.Go(func() { read(t.Context()) })
		synctest.Wait()
		read(ctx) // after the one beside it
		beside.Wait()
		if want := []time.Duration{0, 2 * time.Second}; !slices.Equal(waits, want) {
			t.Errorf("waits at %v, expected %v", waits, want)
		}
	})
}

// TestCallTakes: the observed duration of a call is the time from its request to the end of
// its answer, without the wait for its turn.
func TestCallTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen []economic.Call
		var mu sync.Mutex
		network := &answering{after: time.Second}
		a := client(t, economic.Options{Transport: network, CallsPerSecond: 1, Observe: func(c economic.Call) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, c)
		}}).Agreement(grantToken, budget.New(budget.Options{}))
		var calling sync.WaitGroup
		for range 2 {
			calling.Go(func() {
				if _, err := a.Products(t.Context(), budget.PriorityTick, economic.ProductsQuery{}); err != nil {
					t.Error(err)
				}
			})
		}
		calling.Wait()
		want := economic.Call{Endpoint: "products", Status: 200, Duration: time.Second}
		if !slices.Equal(seen, []economic.Call{want, want}) {
			t.Errorf("observed %+v", seen)
		}
	})
}

// dropped is a transport whose requests get no answer.
type dropped struct{ err error }

func (d dropped) RoundTrip(*http.Request) (*http.Response, error) { return nil, d.err }

// TestTimeout: only a call that reaches the client's timeout is reported as one that hangs, not
// one that its caller gave up or that failed.
func TestTimeout(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection refused")
	const op = "read who the agreement is: no usable answer from e-conomic: "
	for _, c := range []struct {
		name      string
		transport http.RoundTripper
		patience  time.Duration // of the caller
		took      time.Duration
		text      string
		is, isNot error
	}{
		{"the client's timeout", &answering{after: time.Hour}, time.Hour, 7 * time.Second, op + "no complete answer within 7s: context canceled", economic.ErrTimeout, context.DeadlineExceeded},
		{"the caller's", &answering{after: time.Hour}, time.Second, time.Second, op + "context deadline exceeded", context.DeadlineExceeded, economic.ErrTimeout},
		{"no connection", dropped{broken}, time.Hour, 0, op + "connection refused", broken, economic.ErrTimeout},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.patience)
			defer cancel()
			began := time.Now()
			a := client(t, economic.Options{Transport: c.transport, Timeout: 7 * time.Second}).Agreement(grantToken, budget.New(budget.Options{}))
			_, err := a.Self(ctx, budget.PriorityHint)
			if err == nil || err.Error() != c.text || !errors.Is(err, c.is) || errors.Is(err, c.isNot) || time.Since(began) != c.took {
				t.Errorf("%s: after %s: %v", c.name, time.Since(began), err)
			}
		})
	}
}

// TestBodiesAreClosed: the body of each answer is closed, whatever its status.
func TestBodiesAreClosed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 404, 429, 500} {
		synctest.Test(t, func(t *testing.T) {
			body := &closing{Reader: strings.NewReader("{}")}
			a, _ := agreement(t, budget.Options{}, func(*http.Request) *http.Response {
				w := respond(status, "")
				w.Body = body
				return w
			})
			_, _ = a.Self(t.Context(), budget.PriorityHint)
			if body.closed != 1 {
				t.Errorf("status %d: the body was closed %d times", status, body.closed)
			}
		})
	}
}

type closing struct {
	*strings.Reader
	closed int
}

func (c *closing) Close() error {
	c.closed++
	return nil
}

// TestCallsPerSecond: all agreements together stay within the limit, with a burst of at
// most one second's calls.
func TestCallsPerSecond(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		most int
		took time.Duration // of 40 calls
	}{{0, time.Second}, {100, time.Second}, {10, 4 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			network := &answering{after: time.Second}
			all := client(t, economic.Options{Transport: network, CallsPerSecond: c.most})
			var calling sync.WaitGroup
			for range 40 {
				a := all.Agreement(grantToken, budget.New(budget.Options{}))
				calling.Go(func() {
					read, err := a.Products(t.Context(), budget.PriorityTick, economic.ProductsQuery{})
					if err != nil {
						t.Error(err)
					}
					if took := time.Since(read.Began); took != time.Second {
						t.Errorf("at %d a second: a read is said to have begun %s before its answer", c.most, took)
					}
				})
			}
			calling.Wait()
			if took := time.Since(began); took != c.took {
				t.Errorf("at %d a second: 40 calls took %s, expected %s", c.most, took, c.took)
			}
			if c.most == 0 {
				return
			}
			for n, sent := range network.sent {
				if n >= 2*c.most && sent.Sub(network.sent[n-2*c.most]) < time.Second {
					t.Errorf("at %d a second: %d calls within %s", c.most, 2*c.most, sent.Sub(network.sent[n-2*c.most]))
				}
			}
		})
	}
}

// TestCallsPerSecondGivenUp: a call that is cancelled while it waits for its turn is not
// sent, and releases its agreement's budget.
func TestCallsPerSecondGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := &answering{}
		b := budget.New(budget.Options{Concurrency: 1})
		a := client(t, economic.Options{Transport: network, CallsPerSecond: 1}).Agreement(grantToken, b)
		read := func(ctx context.Context) error {
			_, err := a.Products(ctx, budget.PriorityTick, economic.ProductsQuery{})
			return err
		}
		if err := read(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second/2, stop)
		if err := read(ctx); economic.KindOf(err) != economic.KindUnavailable {
			t.Errorf("a call that was given up: %v", err)
		}
		if err := read(t.Context()); err != nil {
			t.Error(err)
		}
		if len(network.sent) != 2 {
			t.Errorf("%d calls were sent, expected 2", len(network.sent))
		}
	})
}
