package sandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lagerd/sandbox"
)

// TestRackbeatUnknowns: each thing that is not known of Rackbeat is answered both ways.
func TestRackbeatUnknowns(t *testing.T) { //nolint:tparallel // many short subtests
	t.Parallel()
	s := atRackbeat(t, sandbox.Options{Products: 30})
	for number, stock := range map[string]string{"1021": "12.5", "0571": "3", "a/b": "0"} {
		s.control("POST", "agreements/100001/create", object{"number": number, "name": "Kop", "inStock": stock})
	}
	const list, all = "items?limit=10&order_by=number", "items?limit=1000&order_by=number"
	const report = "reports/checking?show_all_locations=true&limit=10&fields=number,stock_quantity,available_quantity,locations(*)"
	for _, c := range []struct {
		faults string
		path   string
		status int
		has    string
		lacks  string
	}{
		{`{}`, list, 206, `"total":33,"pages":4`, ""},
		{`{}`, all, 200, `"pages":1`, ""},
		{`{"partial":"pages"}`, list, 206, "", ""},
		{`{"partial":"never"}`, list, 200, "", ""},
		{`{"partial":"always"}`, all, 206, "", ""},
		{`{"partial":"always"}`, "items/1021", 200, "", ""},
		{`{}`, report, 206, "", ""},
		{`{"partial":"never"}`, report, 200, "", ""},

		{`{}`, "items/1021", 200, `"number":"1021","urlfriendly_number":"1021"`, ""},
		{`{"integerNumbers":true}`, "items/1021", 200, `"number":1021,"urlfriendly_number":1021`, ""},
		{`{"integerNumbers":true}`, "items/0571", 200, `"number":"0571"`, ""},
		{`{"integerNumbers":true}`, all, 200, `"number":1021`, ""},
		{`{"integerNumbers":true}`, "items/007", 200, `"number":"007"`, ""},
		{`{}`, "items/1021/locations", 200, `{"number":1,"name":"Hovedlager","stock_quantity":12.5}`, ""},
		{`{"textPlaces":true}`, "items/1021/locations", 200, `{"number":"1","name":"Hovedlager","stock_quantity":12.5}`, ""},
		{`{"textPlaces":true}`, "locations", 200, `"parent_id":"4"`, ""},
		{`{}`, "locations", 200, `"parent_id":4`, `"id"`},
		{`{"placeIDs":true}`, "locations", 200, `"id":9041,"number":41,"name":"Gulv","barcode":null,"is_default":false,"parent_id":9004,"children_count":0,"toplevel_parent_id":9004`, ""},

		{`{}`, "items/1021", 200, `"stock_quantity":12.5,"in_order_quantity":0,`, ""},
		{`{"decimals":4}`, "items/1021", 200, `"stock_quantity":12.5000,"in_order_quantity":0.0000,`, ""},
		{`{"textFigures":true}`, "items/1021", 200, `"stock_quantity":"12.5","in_order_quantity":"0",`, ""},
		{`{"textFigures":true,"decimals":1}`, all, 200, `"stock_quantity":"3.0"`, ""},

		{`{}`, "items/1021", 200, ` `, `T`},
		{`{"isoTimes":true}`, "items/1021", 200, `+01:00","deleted_at":null`, ""},

		{`{}`, "items?updated_at_from=2000-01-01%2000:00:00", 422, `"updated_at_from"`, ""},
		{`{"filters":true}`, "items?updated_at_from=2000-01-01%2000:00:00", 206, `"total":33`, ""},
		{`{"filters":true}`, "products?updated_at_from=2999-01-01%2000:00:00", 200, `"products":[],"total":0`, ""},
		{`{"filters":true}`, "items?updated_at_to=2000-01-01%2000:00:00", 200, `"items":[],"total":0`, ""},
		{`{"filters":true}`, "items?updated_at_from=yesterday", 422, `"updated_at_from"`, ""},

		{`{}`, "items?limit=5000", 200, `"limit":1000`, ""},
		{`{"maxLimit":7}`, all, 206, `"total":33,"pages":5,"limit":7`, ""},

		{`{}`, "items/a%2Fb", 404, "", ""},
		{`{"encodedSlash":true}`, "items/a%2Fb", 200, `"number":"a/b"`, ""},
		{`{"encodedSlash":true}`, "items/a%2Fb/locations", 200, `product_locations`, ""},
		{`{}`, "items/a_b/locations", 200, `product_locations`, ""},

		{`{}`, report, 206, `"pages":4}`, `available_quantity`},
		{`{"checkingOrder":"refused"}`, report, 206, "", ""},
		{`{"checkingOrder":"refused"}`, report + "&order_by=number", 422, `{"errors":{"order_by":["`, ""},
		{`{"checkingOrder":"backwards"}`, report + "&order_by=number&order_direction=ASC", 206, "", `"00001"`},
		{`{"checkingOrder":"ignored"}`, report + "&order_by=number&order_direction=DESC", 206, "", ""},
		{`{"checkingFigure":true}`, report, 206, `"available_quantity":`, ""},
		{`{"checkingTotal":true}`, report, 206, `"total":33,"limit":10,"page":1`, ""},

		{`{}`, "items/1021", 200, `"stock_quantity":12.5`, ""},
		{`{"figures":"absent"}`, "items/1021", 200, `"is_barred"`, `_quantity`},
		{`{"figures":"null"}`, "items/1021", 200, `"stock_quantity":null,"in_order_quantity":null`, ""},
		{`{"zeroStock":true}`, "items/1021", 200, `"stock_quantity":0`, `12.5`},
		{`{"zeroStock":true}`, "items/1021/locations", 200, `"stock_quantity":0`, `12.5`},
		{`{"missingKeys":["total","stock_quantity"]}`, all, 200, `"pages":1`, `stock_quantity`},
		{`{"missingKeys":["items"]}`, all, 200, `{"total":33`, ``},
		{`{"missingKeys":["user_account"]}`, "self", 200, `{}`, ``},

		{`{}`, "items/1021/locations", 200, `"number":42`, ""},
		{`{"occupiedPlaces":true}`, "items/1021/locations", 200, `"number":1`, `"number":42`},
		{`{"unevenPlaces":["1021"]}`, "items/1021/locations", 200, `"stock_quantity":13.5`, ""},
		{`{"unevenPlaces":["*"]}`, "items/1021/locations", 200, `"stock_quantity":13.5`, ""},
		{`{"unevenPlaces":["0571"]}`, "items/1021/locations", 200, `"stock_quantity":12.5`, ""},
		{`{"unevenPlaces":["*"]}`, "items/1021", 200, `"stock_quantity":12.5`, ""},

		{`{"poison":["1021"]}`, "items/1021", 500, "", ""},
		{`{"poison":["1021"]}`, all, 200, `"stock_quantity":"x"`, ""},
		{`{"truncate":0.5}`, all, 200, `"total":17`, ""},
		{`{"emptyPage":1}`, list, 206, `{"items":[],"total":33,"pages":4`, ""},
		{`{"endless":1}`, "items?limit=100&page=9", 206, `"total":33,"pages":10,"limit":100,"page":9`, `"items":[]`},
		{`{"padding":1}`, "self", 200, strings.Repeat(" ", 1000), ""},
		{`{"otherItem":1}`, "items/1021", 200, `"item":{`, `"number":"1021"`},

		{`{"unauthorized":1}`, "self", 401, `{"message":"Unauthenticated."}`, ""},
		{`{"forbidden":1}`, "self", 403, `{"message":`, ""},
		{`{"html":1}`, "self", 200, `<!DOCTYPE html>`, ""},
		{`{"htmlErrors":true}`, "items/none", 404, `<!DOCTYPE html>`, ""},
		{`{"htmlErrors":true}`, "items?limit=0", 422, `<!DOCTYPE html>`, ""},
		{`{"htmlErrors":true,"unauthorized":1}`, "self", 401, `<!DOCTYPE html>`, ""},
		{`{"htmlErrors":true,"rateLimit":1}`, "self", 429, `<!DOCTYPE html>`, ""},
		{`{"garbled":1}`, "self", 200, "\x00<html>", ""},
		{`{"force":{"forbidden":1}}`, "self", 403, "", ""},
	} {
		t.Run(c.faults+" "+c.path, func(t *testing.T) {
			s.control("DELETE", rackbeat+"faults", nil)
			s.control("PUT", rackbeat+"faults", json.RawMessage(c.faults))
			a := s.rb(c.path)
			body := string(a.body)
			if a.status != c.status || !strings.Contains(body, c.has) || c.lacks != "" && strings.Contains(body, c.lacks) {
				t.Errorf("%d %s\nexpected %d with %q and without %q", a.status, body, c.status, c.has, c.lacks)
			}
		})
	}
}

// TestRackbeatHalfPage: rows are missing although they are announced.
func TestRackbeatHalfPage(t *testing.T) {
	t.Parallel()
	s := atRackbeat(t, sandbox.Options{Products: 30})
	s.setFaults(object{"force": object{"halfPage": 1}})
	for _, want := range []int{10, 20} {
		if n := len(s.rb("items").rows(t, "items")); n != want {
			t.Errorf("%d rows, expected %d", n, want)
		}
	}
}

// TestRackbeatServerErrors: each of the three kinds comes, and answers break off.
func TestRackbeatServerErrors(t *testing.T) {
	t.Parallel()
	s := atRackbeat(t, sandbox.Options{Products: 1})
	s.setFaults(object{"serverError": 1})
	kinds := map[string]bool{}
	for range 30 {
		a := s.rb("self")
		kinds[fmt.Sprint(a.status, a.header.Get("Content-Type"))] = true
	}
	if len(kinds) != 3 {
		t.Errorf("%v", kinds)
	}
	s.setFaults(object{"cut": 1})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/api/items", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer sandbox-rackbeat-1")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err == nil {
		t.Errorf("it is whole: %s", body.Bytes())
	}
	s.setFaults(object{"stall": 1, "padding": 1})
	stalls(t, s.url+"/api/items", http.Header{"Authorization": {"Bearer sandbox-rackbeat-1"}})
	for _, bad := range []object{{"partial": "sometimes"}, {"retryAfter": "x"}, {"figures": "x"}, {"deleted": "x"}, {"body": "x"}, {"nonsense": 1}} {
		if s.put(rackbeat+"faults", bad) != http.StatusBadRequest || s.put("rackbeat/faults", bad) != http.StatusBadRequest {
			t.Errorf("%v is accepted", bad)
		}
	}
}

// TestRackbeatFaultsOfOne: an account's own faults override those of all, and neither
// touches e-conomic.
func TestRackbeatFaultsOfOne(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{Agreements: 2, Rackbeat: 2, Products: 1})
	expect := func(what string, one, two int) {
		t.Helper()
		b := s.call("GET", "/api/self", "Authorization", "Bearer sandbox-rackbeat-2")
		if a := s.rb("self"); a.status != one || b.status != two {
			t.Errorf("%s: %d and %d, expected %d and %d", what, a.status, b.status, one, two)
		}
		if a := s.get("/self"); a.status != 200 {
			t.Errorf("%s: e-conomic: %d", what, a.status)
		}
	}
	expect("without faults", 200, 200)
	s.control("PUT", rackbeat+"faults", object{"unauthorized": 1})
	expect("the first's own", 401, 200)
	s.control("PUT", "rackbeat/faults", object{"forbidden": 1})
	expect("and of all", 401, 403)
	var f sandbox.RackbeatFaults
	if err := json.Unmarshal(s.control("GET", rackbeat+"faults", nil), &f); err != nil || f.Unauthorized != 1 || f.Forbidden != 1 {
		t.Errorf("%+v %v", f, err)
	}
	s.control("DELETE", "rackbeat/faults", nil)
	expect("all is well but one", 401, 200)
	s.control("DELETE", rackbeat+"faults", nil)
	s.control("PUT", "faults", object{"unauthorized": 1})
	if a := s.rb("self"); a.status != 200 {
		t.Errorf("e-conomic's fault at Rackbeat: %d", a.status)
	}
}

// TestRackbeatDeleted: a deleted item is gone, or shown alone, or listed.
func TestRackbeatDeleted(t *testing.T) {
	t.Parallel()
	s := atRackbeat(t, sandbox.Options{Products: 3})
	s.control("POST", "agreements/100001/delete", object{"number": "00001"})
	for fault, want := range map[string]string{"": "404 2", "gone": "404 2", "alone": "200 2", "listed": "200 3"} {
		s.setFaults(object{"deleted": fault})
		a := s.rb("items/00001")
		if is := fmt.Sprint(a.status, len(s.rb("items").rows(t, "items"))); is != want {
			t.Errorf("%q: %s, expected %s", fault, is, want)
		}
		if a.status == 200 && a.object(t)["item"].(object)["deleted_at"] == nil {
			t.Errorf("%q: %s", fault, a.body)
		}
	}
	s.setFaults(object{})
	s.control("POST", "agreements/100001/create", object{"number": "00001", "name": "Igen", "inStock": 2})
	if one := s.one("00001"); one["stock_quantity"] != json.Number("2") || one["deleted_at"] != nil {
		t.Errorf("created again: %v", one)
	}
}

// TestRackbeatUpdatedAt: updated_at moves with stock, or does not.
func TestRackbeatUpdatedAt(t *testing.T) {
	t.Parallel()
	s := atRackbeat(t, sandbox.Options{Products: 1})
	before := s.one("00001")["updated_at"]
	s.setFaults(object{"frozenUpdated": true})
	s.control("POST", rackbeat+"receive", object{"number": "00001", "quantity": 1})
	if at := s.one("00001")["updated_at"]; at != before {
		t.Errorf("frozen, and yet moved from %v to %v", before, at)
	}
	s.setFaults(object{})
	s.control("POST", rackbeat+"receive", object{"number": "00001", "quantity": 1})
	if at := s.one("00001")["updated_at"]; at == before {
		t.Errorf("not moved from %v", before)
	}
}

// TestRackbeatReadLag: a change becomes readable after its webhook.
func TestRackbeatReadLag(t *testing.T) {
	t.Parallel()
	s := atRackbeat(t, sandbox.Options{Products: 1})
	s.control("POST", "agreements/100001/create", object{"number": "A", "name": "Kop", "inStock": 1})
	s.setFaults(object{"readLag": "300ms"})
	s.control("POST", rackbeat+"receive", object{"number": "A", "quantity": 1})
	if one := s.one("A"); one["stock_quantity"] != json.Number("1") || s.items2()["A"].Stock != "2.0" {
		t.Errorf("at once: %v", one)
	}
	waitFor(t, "the change is readable", func() bool { return s.one("A")["stock_quantity"] == json.Number("2") })
}

// TestRackbeatPlaces: a place's figure has what lies in the places in it, or has not; places
// come and go.
func TestRackbeatPlaces(t *testing.T) {
	t.Parallel()
	s := atRackbeat(t, sandbox.Options{Products: 1})
	s.control("POST", "agreements/100001/create", object{"number": "A", "name": "Kop", "inStock": 10})
	s.control("POST", rackbeat+"transfer", object{"number": "A", "quantity": 2, "to": 4})
	s.control("POST", rackbeat+"transfer", object{"number": "A", "quantity": 3, "to": 42})
	places := func() string {
		t.Helper()
		var text []string
		for _, row := range s.rb("items/A/locations").rows(t, "product_locations") {
			text = append(text, fmt.Sprint(row["number"], "=", row["stock_quantity"]))
		}
		return strings.Join(text, " ")
	}
	if is := places(); is != "1=5 4=5 41=0 42=3" {
		t.Error(is)
	}
	s.setFaults(object{"ownPlaces": true})
	if is := places(); is != "1=5 4=2 41=0 42=3" {
		t.Error(is)
	}
	s.setFaults(object{})
	s.control("POST", rackbeat+"places", []object{{"number": 1, "name": "Hoved"}, {"number": 42, "name": "Kælder"}})
	if is := places(); is != "1=7 42=3" {
		t.Error(is)
	}
	s.refuses(rackbeat+"places", []object{})
}

// TestRackbeatRateLimit: calls per minute and key, and the forms of Retry-After.
func TestRackbeatRateLimit(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{Agreements: 2, Rackbeat: 2, Products: 1, RackbeatRate: 2})
	for i, want := range []int{200, 200, 429, 429} {
		a := s.rb("self")
		if a.status != want || (a.header.Get("Retry-After") != "") != (want == 429) {
			t.Errorf("call %d: %d %q", i, a.status, a.header.Get("Retry-After"))
		}
	}
	if a := s.call("GET", "/api/self", "Authorization", "Bearer sandbox-rackbeat-2"); a.status != 200 {
		t.Errorf("the other key: %d", a.status)
	}
	after := func(form string) string {
		s.setFaults(object{"retryAfter": form})
		return s.rb("self").header.Get("Retry-After")
	}
	if seconds := after("seconds"); len(seconds) < 1 || len(seconds) > 2 || seconds == "0" {
		t.Errorf("seconds: %q", seconds)
	}
	if at, err := http.ParseTime(after("date")); err != nil || time.Until(at) > time.Minute+time.Second || time.Until(at) < 0 {
		t.Errorf("date: %v %v", at, err)
	}
	if none := after("none"); none != "" {
		t.Errorf("none: %q", none)
	}
	s.setFaults(object{"callsPerMinute": 1000})
	if a := s.rb("self"); a.status != 200 {
		t.Errorf("with more calls: %d", a.status)
	}
	s.setFaults(object{"callsPerMinute": 1000, "rateLimit": 1})
	if a := s.rb("self"); a.status != 429 || a.header.Get("Retry-After") != "1" {
		t.Errorf("a fault: %d %v", a.status, a.header)
	}
	if st := s.rackbeatStats(); st.Limited != 5 {
		t.Errorf("%d calls were limited", st.Limited)
	}
}

// TestRackbeatShiftingRows: an item that is deleted or created between two pages moves the
// rows of the second, and total tells.
func TestRackbeatShiftingRows(t *testing.T) {
	t.Parallel()
	for fault, c := range map[string]struct {
		total string
		twice bool // else one is missing
	}{"createPaging": {"31", true}, "deletePaging": {"29", false}} {
		for _, path := range []string{"items?limit=20&order_by=number", "reports/checking?limit=20&order_by=number&fields=number"} {
			s := atRackbeat(t, sandbox.Options{Products: 30})
			s.control("PUT", rackbeat+"faults", object{"checkingTotal": true})
			seen := map[any]int{}
			for page := 1; page <= 2; page++ {
				s.control("PUT", rackbeat+"faults", object{fault: 1})
				a := s.rb(fmt.Sprintf("%s&page=%d", path, page))
				if total := fmt.Sprint(a.object(t)["total"]); page == 2 && total != c.total {
					t.Errorf("%s: total %s", fault, total)
				}
				for _, row := range a.rows(t, "items") {
					seen[row["number"]]++
				}
			}
			s.control("DELETE", rackbeat+"faults", nil)
			twice, missing := 0, 0
			for _, n := range seen {
				twice += n - 1
			}
			for _, row := range s.rb("items?limit=1000").rows(t, "items") {
				if seen[row["number"]] == 0 && !strings.HasPrefix(row["number"].(string), "!") {
					missing++
				}
			}
			if (twice == 1) != c.twice || (missing == 1) == c.twice {
				t.Errorf("%s %s: %d twice, %d missing", fault, path, twice, missing)
			}
		}
	}
}

// TestRackbeatHang: a hanging account leaves the others and e-conomic alone, and answers when
// the fault ends.
func TestRackbeatHang(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{Agreements: 2, Rackbeat: 2, Products: 1})
	s.control("PUT", rackbeat+"faults", object{"hang": "1h"})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if a := s.rb("self"); a.status != 200 {
			t.Errorf("after the hang: %d", a.status)
		}
	})
	if a := s.call("GET", "/api/self", "Authorization", "Bearer sandbox-rackbeat-2"); a.status != 200 {
		t.Errorf("the other account: %d", a.status)
	}
	if a := s.get("/self"); a.status != 200 {
		t.Errorf("e-conomic: %d", a.status)
	}
	s.control("DELETE", rackbeat+"faults", nil)
	waiting.Wait()
	s.control("PUT", rackbeat+"faults", object{"slow": "100ms", "slowProbability": 1})
	if began := time.Now(); s.rb("self").status != 200 || time.Since(began) < 100*time.Millisecond {
		t.Error("it is not slow")
	}
}

// TestRackbeatEvents: trades and webhooks are in the list of events.
func TestRackbeatEvents(t *testing.T) {
	t.Parallel()
	s, r := atRackbeat(t, sandbox.Options{Products: 1}), newReceiver(t)
	s.control("POST", rackbeat+"webhooks", object{"baseURL": r.url, "events": []string{"inventory.changed"}, "token": "t"})
	s.setFaults(object{"suppress": 1})
	s.control("POST", rackbeat+"receive", object{"number": "00001", "quantity": 1})
	s.setFaults(object{})
	s.control("POST", rackbeat+"receive", object{"number": "00001", "quantity": 1})
	if got := r.take(t, 1)[0]; got.header.Get("Rackbeat-Webhook-Token") != "t" {
		t.Errorf("%v", got.header)
	}
	var events []sandbox.Event
	if err := json.Unmarshal(s.control("GET", "events", nil), &events); err != nil {
		t.Fatal(err)
	}
	var fates []string
	for _, e := range events {
		fates = append(fates, strings.TrimSpace(e.Kind+" "+e.Fate))
	}
	if want := []string{"rackbeat receive", "webhook suppressed", "rackbeat receive", "webhook sent"}; !slices.Equal(fates, want) {
		t.Errorf("%q, expected %q", fates, want)
	}
}
