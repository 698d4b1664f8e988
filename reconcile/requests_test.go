package reconcile_test

import (
	"slices"
	"testing"
	"time"

	"lagerd/reconcile"
	"lagerd/store"
)

const shopName = "shop1234"

// asks stores a request of a person's.
func (f *fixture) asks(id, what string) {
	f.t.Helper()
	must(f.t, f.Store.AddRequests(f.t.Context(), []store.Request{{Request: id, Shop: shopName, What: what, RequestedAt: store.At(time.Now())}}))
}

// request returns what has come of a request.
func (f *fixture) request(id string) store.Request {
	f.t.Helper()
	list, err := f.Store.Requests(f.t.Context(), []string{id})
	must(f.t, err)
	if len(list) != 1 {
		f.t.Fatalf("%d requests have the id %s", len(list), id)
	}
	return list[0]
}

// answered waits until somebody has dealt with a request.
func (f *fixture) answered(id string) store.Request {
	f.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if r := f.request(id); !r.DoneAt.IsZero() {
			return r
		}
	}
	f.t.Fatalf("the request %s is not done", id)
	return store.Request{}
}

// TestRequestOfOtherSettings: a pass that began before the settings changed answers no
// request, though it writes nothing else: the pass with those of now does.
func TestRequestOfOtherSettings(t *testing.T) {
	f := newFixture(t)
	f.stocks("a", `5,"available":7`)
	f.has("a", "5")
	s, done := scheduler(t, f, f.remote, func(*reconcile.Options) {})
	for range 3 {
		must(t, done.next(t))
		s.Tick()
	}
	must(t, done.next(t))
	must(t, f.Store.SetShop(t.Context(), shopName, time.Now(), func(shop *store.Shop) error {
		shop.StockFigure = "available"
		return nil
	}))
	f.asks("r1", store.WantTick)
	s.Hinted(shopName, 1) // a webhook comes before this lagerd has looked for news
	r := f.answered("r1")
	if shown := f.shown(); r.Changes != 1 || r.Failure != "" || !slices.Equal(shown, []string{"a 7 ok"}) {
		t.Errorf("it came to %d changes, failure %q; shown %v", r.Changes, r.Failure, shown)
	}
}
