package economic_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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
		a := client(t, economic.Options{Transport: network, Wait: wait}).Agreement(grantToken, economic.NewBudget(economic.BudgetOptions{Concurrency: 1}))
		read := func(ctx context.Context) {
			if _, err := a.Products(ctx, economic.PriorityTick, economic.ProductsQuery{}); err != nil {
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
				a := all.Agreement(grantToken, economic.NewBudget(economic.BudgetOptions{}))
				calling.Go(func() {
					read, err := a.Products(t.Context(), economic.PriorityTick, economic.ProductsQuery{})
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
		budget := economic.NewBudget(economic.BudgetOptions{Concurrency: 1})
		a := client(t, economic.Options{Transport: network, CallsPerSecond: 1}).Agreement(grantToken, budget)
		read := func(ctx context.Context) error {
			_, err := a.Products(ctx, economic.PriorityTick, economic.ProductsQuery{})
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
