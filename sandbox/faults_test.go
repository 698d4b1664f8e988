package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lagerd/sandbox"
)

// of2 calls the second agreement, as get calls the first.
func (s *service) of2(path string) answer {
	s.t.Helper()
	return s.call(http.MethodGet, path, "X-AgreementGrantToken", "sandbox-grant-2")
}

func TestFaultsOfOneAgreement(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{Agreements: 2})
	expect := func(what string, one, two int) {
		t.Helper()
		if a, b := s.get("/self").status, s.of2("/self").status; a != one || b != two {
			t.Errorf("%s: %d and %d, expected %d and %d", what, a, b, one, two)
		}
	}
	const own = "agreements/100001/faults"
	expect("without faults", 200, 200)
	s.control("PUT", own, object{"unauthorized": 1})
	expect("a fault of the first", 401, 200)
	s.control("PUT", "faults", object{"forbidden": 1})
	expect("and one of all", 401, 403)
	s.control("PUT", own, object{"unauthorized": 0})
	expect("the first's own is off", 403, 403)
	s.control("PUT", own, object{"forbidden": 0})
	expect("the first is spared", 200, 403)
	s.control("PUT", "faults", object{"unauthorized": 1, "noLimitHeaders": true})
	expect("spared of that too, since it was named", 200, 401)
	if s.get("/self").header.Get("X-CallCost") != "L" {
		t.Error("what it does not name is not the fault of all")
	}
	var faults sandbox.Faults
	if err := json.Unmarshal(s.control("GET", own, nil), &faults); err != nil || faults.Unauthorized != 0 || !faults.NoLimitHeaders {
		t.Errorf("%+v %v", faults, err)
	}
	s.control("DELETE", own, nil)
	expect("as all again", 401, 401)
	s.control("DELETE", "faults", nil)
	expect("all is well", 200, 200)

	s.control("PUT", "faults", object{"force": object{"forbidden": 1}})
	s.control("PUT", own, object{"force": object{"unauthorized": 2}})
	expect("forced, once more to come", 401, 403)
	expect("forced", 401, 200)
	expect("no longer", 200, 200)

	for _, bad := range []string{`{"nonsense":1}`, `{"hang":5}`, `[`} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.url+"/sandbox/"+own, strings.NewReader(bad))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", bad, res.Status)
		}
	}
	expect("after refused faults", 200, 200)
}

func TestHang(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{Agreements: 2})
	s.control("PUT", "agreements/100001/faults", object{"hang": "300ms"})
	began := time.Now()
	if a := s.get("/self"); a.status != 200 || time.Since(began) < 300*time.Millisecond {
		t.Errorf("%d after %s", a.status, time.Since(began))
	}
	s.control("PUT", "agreements/100001/faults", object{"hang": "1h"})
	if a := s.of2("/self"); a.status != 200 {
		t.Errorf("the other agreement: %d", a.status)
	}
	// The client goes away.
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/self", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-AppSecretToken", "app")
	r.Header.Set("X-AgreementGrantToken", "sandbox-grant-1")
	if res, err := http.DefaultClient.Do(r); err == nil {
		_ = res.Body.Close()
		t.Errorf("it answers: %s", res.Status)
	}
	// The fault ends.
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if a := s.get("/self"); a.status != 200 {
			t.Errorf("after the hang: %d", a.status)
		}
	})
	time.Sleep(100 * time.Millisecond)
	s.control("DELETE", "agreements/100001/faults", nil)
	waiting.Wait()
}

// item is the part of an item that tests check.
type item struct {
	ProductNumber string
	Inventory     *struct{ InStock, Available, OrderedByCustomers json.RawMessage }
}

func (s *service) items(path string) (list []item, results int) {
	s.t.Helper()
	var page struct {
		Collection []item
		Pagination struct{ Results int }
	}
	a := s.get(path)
	if err := json.Unmarshal(a.body, &page); err != nil || a.status != 200 {
		s.t.Fatalf("%s: %d %v", path, a.status, err)
	}
	return page.Collection, page.Pagination.Results
}

func TestFaultsOfItems(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	fault := func(f object) {
		s.control("DELETE", "agreements/100001/faults", nil)
		s.control("PUT", "agreements/100001/faults", f)
	}
	const all = "/products?pagesize=1000&sort=productNumber"
	before, _ := s.items(all)
	figures := func(list []item) (n int) {
		for _, i := range list {
			if i.Inventory != nil {
				n++
			}
		}
		return n
	}

	fault(object{"zeroStock": true})
	zeroes, _ := s.items(all)
	for _, i := range zeroes {
		if v := i.Inventory; v != nil && string(v.InStock)+string(v.Available)+string(v.OrderedByCustomers) != "0.00.00.0" {
			t.Errorf("zeroStock: %s: %s", i.ProductNumber, v)
		}
	}
	if figures(zeroes) != figures(before) || figures(before) == 0 {
		t.Errorf("zeroStock: %d items with figures of %d", figures(zeroes), figures(before))
	}

	fault(object{"noFigures": true})
	if list, _ := s.items(all); figures(list) != 0 || len(list) != 90 {
		t.Errorf("noFigures: %d of %d have some", figures(list), len(list))
	}
	if a := s.get("/products/00001"); a.status != 200 || bytes.Contains(a.body, []byte(`"inStock"`)) {
		t.Errorf("noFigures: alone: %d %s", a.status, a.body)
	}

	fault(object{"truncate": 0.4})
	list, results := s.items(all)
	if len(list) != 54 || results != 54 || list[53].ProductNumber != before[53].ProductNumber {
		t.Errorf("truncate: %d items, %d announced", len(list), results)
	}
	list, results = s.items("/products?pagesize=20&skippages=2")
	if len(list) != 14 || results != 54 {
		t.Errorf("truncate: %d items on the last page, %d announced", len(list), results)
	}
	last := before[89].ProductNumber
	if list, _ = s.items("/products?" + filter("productNumber$eq:"+last)); len(list) != 1 {
		t.Errorf("truncate: %q is not found by a filter", last)
	}

	poisoned := []string{"00001", before[5].ProductNumber, before[80].ProductNumber}
	fault(object{"poison": poisoned})
	list, _ = s.items(all)
	for _, i := range list {
		if bad := slices.Contains(poisoned, i.ProductNumber); bad != (i.Inventory != nil && string(i.Inventory.InStock) == `"x"`) {
			t.Errorf("poison: %q: %t %v", i.ProductNumber, bad, i.Inventory)
		}
	}
	for path, want := range map[string]int{
		"/products/00001":       500,
		"/products/00003":       200,
		"/products/_7_16_":      404,
		"/products?pagesize=90": 200,
		"/products?" + filter("productNumber$eq:00001"):                                500,
		"/products?" + filter("productNumber$eq:00001$or:productNumber$eq:00003"):      200,
		"/products?pagesize=1&sort=productNumber&skippages=5":                          500,
		"/products?pagesize=1&sort=productNumber&skippages=6":                          200,
		"/products?" + filter("productNumber$eq:00003$or:productNumber$eq:0571527051"): 200,
	} {
		if a := s.get(path); a.status != want {
			t.Errorf("poison: %s: %d, expected %d", path, a.status, want)
		}
	}
}

// TestFaultsOfListings: a listing that answers another question, has no end, or is written in
// another way.
func TestFaultsOfListings(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	fault := func(f object) {
		s.control("DELETE", "agreements/100001/faults", nil)
		s.control("PUT", "agreements/100001/faults", f)
	}
	const newestFirst = "/products?pagesize=20&sort=-productNumber"
	one := "/products?" + filter("productNumber$eq:00001")
	all, _ := s.items("/products?pagesize=20&sort=productNumber")

	fault(object{"ignoreFilter": 1})
	if list, results := s.items(one); len(list) != 20 || results != 90 {
		t.Errorf("ignoreFilter: %d of %d", len(list), results)
	}
	fault(object{"ignoreSort": 1})
	if list, _ := s.items(newestFirst); list[0].ProductNumber != all[0].ProductNumber {
		t.Errorf("ignoreSort: %s comes first", list[0].ProductNumber)
	}
	fault(object{"endless": 1})
	for _, skip := range []string{"4", "5", "50"} {
		if a := s.get("/products?pagesize=20&skippages=" + skip); !bytes.Contains(a.body, []byte(`"nextPage"`)) || !bytes.Contains(a.body, []byte(`"productNumber"`)) {
			t.Errorf("endless: page %s: %d %.100s", skip, a.status, a.body)
		}
	}
	fault(object{"repeated": 1, "oddDates": 1})
	if a := s.get("/products/00001"); !bytes.Contains(a.body, []byte(`"productNumber":7,"productNumber":"00001"`)) || bytes.Contains(a.body, []byte(`"lastUpdated":"20`)) {
		t.Errorf("repeated and oddDates: %s", a.body)
	}
	fault(object{"padding": 1})
	if a := s.get("/products/00001"); a.status != 200 || len(a.body) < 1<<20 {
		t.Errorf("padding: %d, %d bytes", a.status, len(a.body))
	}
	fault(object{"stall": 1, "padding": 1})
	stalls(t, s.url+"/products/00001", http.Header{"X-AppSecretToken": {"app"}, "X-AgreementGrantToken": {"sandbox-grant-1"}})
	fault(object{})
	if list, results := s.items(one); len(list) != 1 || results != 1 {
		t.Errorf("without faults: %d of %d", len(list), results)
	}
}

// stalls fails unless all of an answer but its last byte comes.
func stalls(t *testing.T, url string, header http.Header) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header.Set(name, values[0])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if !errors.Is(err, context.DeadlineExceeded) || int64(len(body)) != res.ContentLength-1 {
		t.Errorf("stall: %d bytes of %d: %v", len(body), res.ContentLength, err)
	}
}

// TestProductsAreWrittenAsJSON: hand-written JSON equals that of encoding/json, byte for
// byte.
func TestProductsAreWrittenAsJSON(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	s.control("POST", "agreements/100001/create", object{"number": "q\"\\<&>", "name": "a\u2028\u0001\u007f æ\"\t", "inStock": "-0.05"})
	check := func(path string) []byte {
		t.Helper()
		body := s.get(path).body
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v: %s", path, err, body)
		}
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(body, want.Bytes()) {
			t.Errorf("%s:\n%s\nexpected\n%s", path, body, want.Bytes())
		}
		return body
	}
	var page struct{ Collection []struct{ Self string } }
	if err := json.Unmarshal(check("/products?pagesize=1000"), &page); err != nil || len(page.Collection) != 91 {
		t.Fatal(len(page.Collection), err)
	}
	for _, p := range page.Collection {
		check(strings.TrimPrefix(p.Self, s.url))
	}
	s.control("PUT", "faults", object{"poison": []string{"00001"}, "zeroStock": true})
	check("/products?pagesize=1000")
}

// TestBurstOfWebhooks: a limited number of webhooks is sent concurrently, however many
// are queued, and all arrive.
func TestBurstOfWebhooks(t *testing.T) {
	s := start(t, sandbox.Options{})
	var now, most, failed atomic.Int64
	open := make(chan struct{})
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		_, _ = io.Copy(io.Discard, r.Body)
		<-open
		if failed.Add(1) <= 3 {
			w.WriteHeader(http.StatusServiceUnavailable) // and sent again
		}
	}))
	t.Cleanup(shop.Close)
	t.Cleanup(sync.OnceFunc(func() {
		select {
		case <-open:
		default:
			close(open)
		}
	}))
	s.control("POST", "agreements/100001/webhooks", object{"baseURL": shop.URL, "username": "u", "password": "p"})
	s.control("PUT", "faults", object{"late": 0.2, "lateBy": "200ms", "double": 0.1, "reorder": 0.2, "lose": 0.05})
	before := runtime.NumGoroutine()
	s.control("POST", "agreements/100001/trade", object{"count": 3000})
	time.Sleep(300 * time.Millisecond)
	// Each one under way has a sender, its connection's two, and the server's two.
	if n := runtime.NumGoroutine() - before; n > 6*64 {
		t.Errorf("%d goroutines more while 3,000 trades' webhooks wait", n)
	}
	close(open)
	type counts struct{ Fired, Lost, Doubled, Sent, Failed int }
	var c counts
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var stats []struct{ Webhooks counts }
		if err := json.Unmarshal(s.control("GET", "stats", nil), &stats); err != nil {
			t.Fatal(err)
		}
		c = stats[0].Webhooks
		if c.Sent+c.Failed == c.Fired-c.Lost+c.Doubled {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not all were sent: %+v", c)
		}
	}
	if c.Failed != 0 || c.Lost == 0 || c.Doubled == 0 || most.Load() > 64 || most.Load() < 32 {
		t.Errorf("%+v, %d at once", c, most.Load())
	}
}
