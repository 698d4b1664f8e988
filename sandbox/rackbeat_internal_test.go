package sandbox

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// roundTripper answers webhooks.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRackbeatRetries: a webhook that fails is sent again with growing distance, for about
// 24 hours and no longer.
func TestRackbeatRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Agreements: 1, Products: 1, Rackbeat: 1})
		defer s.Close()
		began := time.Now()
		var tries []time.Duration
		s.rackbeatSender.client.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
			tries = append(tries, time.Since(began))
			return nil, errors.New("connection refused")
		})
		c := s.list()[0].rackbeat.Load()
		h := c.addHook(inventoryChanged, "http://shop.example/", "", "", true)
		c.fire(inventoryChanged, "00001")
		time.Sleep(72 * time.Hour)
		synctest.Wait()
		for i := 2; i < len(tries); i++ {
			if is, before := tries[i]-tries[i-1], tries[i-1]-tries[i-2]; is < before || is > longestWait {
				t.Errorf("try %d comes %s after the last, which came after %s", i, is, before)
			}
		}
		if last := tries[len(tries)-1]; len(tries) < 12 || last < 18*time.Hour || last > 24*time.Hour {
			t.Errorf("%d tries until %s", len(tries), last)
		}
		if h.failures != len(tries) || c.stat.Webhooks.Failed != 1 || c.stat.Webhooks.Status[0] != 1 {
			t.Errorf("%d failures of %d, %+v", h.failures, len(tries), c.stat.Webhooks)
		}
		s.rackbeatSender.client.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("Success"))}, nil
		})
		c.fire(inventoryChanged, "00001")
		synctest.Wait()
		if h.failures != 0 || c.stat.Webhooks.Sent != 1 {
			t.Errorf("after a success: %d failures, %+v", h.failures, c.stat.Webhooks)
		}
	})
}

// TestRackbeatWindow: the calls of a minute are counted anew in the next.
func TestRackbeatWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Agreements: 1, Products: 1, Rackbeat: 1, RackbeatRate: 1})
		defer s.Close()
		c := s.list()[0].rackbeat.Load()
		f := c.faults()
		if limited, _ := c.limit(f); limited {
			t.Error("the first call is refused")
		}
		time.Sleep(20 * time.Second)
		if limited, wait := c.limit(f); !limited || wait != 41 {
			t.Errorf("the second: %t, %d s", limited, wait)
		}
		time.Sleep(41 * time.Second)
		if limited, _ := c.limit(f); limited {
			t.Error("a call of the next minute is refused")
		}
	})
}

// TestRackbeatBusiest: the most calls within any 60 seconds, wherever they begin.
func TestRackbeatBusiest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Agreements: 1, Products: 1, Rackbeat: 1})
		defer s.Close()
		c := s.list()[0].rackbeat.Load()
		r := httptest.NewRequest(http.MethodGet, "/api/items", nil)
		for n, want := range []int{1, 2, 3, 3, 3, 4} { // at 0, 20, 40, 60, 80, and once more at 80 seconds
			if n > 0 && n < 5 {
				time.Sleep(20 * time.Second)
			}
			if c.count(r, "items"); c.stat.Busiest != want {
				t.Errorf("call %d: at most %d calls within a minute, expected %d", n, c.stat.Busiest, want)
			}
		}
	})
}

func TestParseFields(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                  "",
		"number":                            "number",
		"number, name,locations(*)":         "number|name|locations",
		"locations(number,stock(a,b)),name": "locations|name",
	} {
		if is := strings.Join(parseFields(text), "|"); is != want {
			t.Errorf("%s: %s, expected %s", text, is, want)
		}
	}
}

func TestAppendFigure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		figure   amount
		decimals int
		want     string
	}{{0, 0, "0"}, {1200, 0, "12"}, {1250, 0, "12.5"}, {-5, 0, "-0.05"}, {1200, 4, "12.0000"}, {1205, 1, "12.05"}, {-1250, 3, "-12.500"}} {
		if is := string(appendFigure(nil, c.figure, c.decimals)); is != c.want {
			t.Errorf("%d with %d decimals: %s, expected %s", c.figure, c.decimals, is, c.want)
		}
	}
}
