package rackbeat_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"lagerd/rackbeat"
	"lagerd/test/hostiletest"
)

const mib = 1 << 20

// TestHostileAnswers: whatever an answer of maximum size contains, reading it takes at most
// three times its size in memory, and two seconds. No test runs in parallel with it, because
// it measures.
func TestHostileAnswers(t *testing.T) { //nolint:paralleltest // it measures memory
	decoders := map[hostiletest.Kind]func([]byte) error{
		hostiletest.RackbeatItems:  func(body []byte) error { _, err := rackbeat.DecodeItems(body); return err },
		hostiletest.RackbeatItem:   func(body []byte) error { _, err := rackbeat.DecodeItem(body); return err },
		hostiletest.RackbeatPlaces: func(body []byte) error { _, err := rackbeat.DecodePlaces(body); return err },
		hostiletest.RackbeatStock:  func(body []byte) error { _, err := rackbeat.DecodeStockByPlace(body); return err },
		hostiletest.RackbeatIn:     func(body []byte) error { _, err := rackbeat.DecodeItemPlaces(body); return err },
		hostiletest.RackbeatSelf:   func(body []byte) error { _, err := rackbeat.DecodeSelf(body); return err },
	}
	hostiletest.Read(t, hostiletest.RackbeatAnswers, decoders)
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestSingleAnswersAreSmall: an answer about one item, or the account, has a limit of its own.
func TestSingleAnswersAreSmall(t *testing.T) {
	t.Parallel()
	size := 0
	client, err := rackbeat.New(rackbeat.Options{Transport: transport(func(*http.Request) (*http.Response, error) {
		body := `{"item":{"number":1},"user_account":{"id":1},"product_locations":[],"items":[],"total":0,"pages":0}`
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(strings.NewReader(strings.Repeat(" ", size-len(body)) + body))}, nil
	})})
	if err != nil {
		t.Fatal(err)
	}
	a := client.Account("one", nil, nil)
	for _, n := range []int{2 * mib, 2*mib + 1} {
		size = n
		_, item := a.Item(t.Context(), hint, "1", "")
		_, self := a.Self(t.Context(), hint)
		_, in := a.ItemPlaces(t.Context(), hint, "1", "")
		_, items := a.Items(t.Context(), hint, rackbeat.ItemsQuery{Page: 1})
		if want := n == 2*mib; (item == nil) != want || (self == nil) != want || (in == nil) != want || items != nil {
			t.Errorf("%d bytes: an item %v, the account %v, its places %v, a page %v", n, item, self, in, items)
		}
	}
}
