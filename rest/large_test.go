package rest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"lagerd/rest"
)

// huge answers every request with five MiB.
type huge struct{}

func (huge) RoundTrip(r *http.Request) (*http.Response, error) {
	body := bytes.Repeat([]byte{'x'}, 5<<20)
	return &http.Response{StatusCode: http.StatusOK, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

// patient is an account whose large answers may take long.
type patient struct{}

func (patient) LargeTime() time.Duration                     { return time.Hour }
func (patient) TookLarge(time.Duration, bool, time.Duration) {}

// TestLargeAnswersTakeTurns: one large answer is read at a time. A few more wait, further ones are
// refused, and one whose caller has left makes room for another.
func TestLargeAnswersTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		host := &url.URL{Scheme: "http", Host: "api.test"}
		getter := rest.NewGetter(rest.GetterOptions{Service: "the API", Secret: "tokens", Host: host, Transport: huge{}, Timeout: time.Hour})
		room := rest.NewRoom()
		get := func(ctx context.Context, held *rest.Slot) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, host.String(), nil)
			if err != nil {
				t.Error(err)
			}
			_, err = getter.Get(r, rest.Limits{Most: 10 << 20, Room: room, Held: held, Slowness: patient{}})
			return err
		}
		var first rest.Slot
		if err := get(t.Context(), &first); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			ctx, leave := context.WithCancel(t.Context())
			ended := make(chan error)
			const waits = 3
			for range waits {
				go func() {
					var held rest.Slot
					err := get(ctx, &held)
					held.Release()
					ended <- err
				}()
			}
			synctest.Wait()
			var beyond rest.Slot
			if err := get(t.Context(), &beyond); err == nil || !errors.Is(err, rest.ErrCrowded) {
				t.Errorf("one more: %v", err)
			}
			beyond.Release()
			leave()
			for range waits {
				if err := <-ended; !errors.Is(err, context.Canceled) {
					t.Errorf("its caller has left: %v", err)
				}
			}
		}
		first.Release()
		var next rest.Slot
		if err := get(t.Context(), &next); err != nil {
			t.Errorf("once the first is decoded: %v", err)
		}
		next.Release()
	})
}
