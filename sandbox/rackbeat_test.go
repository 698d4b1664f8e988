package sandbox_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lagerd/sandbox"
)

// rackbeat is the control API's path of the only agreement's account.
const rackbeat = "agreements/100001/rackbeat/"

// atRackbeat starts a sandbox whose only agreement keeps its stock at Rackbeat.
func atRackbeat(t *testing.T, o sandbox.Options) *service {
	t.Helper()
	o.Rackbeat = 1
	return start(t, o)
}

// rb calls Rackbeat's API; the path is sent unchanged.
func (s *service) rb(path string) answer {
	s.t.Helper()
	return s.call(http.MethodGet, "/api/"+path, "Authorization", "Bearer sandbox-rackbeat-1", "Consumer-Contact", "test")
}

// object decodes an answer, its numbers as they are written.
func (a answer) object(t *testing.T) object {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(a.body)))
	d.UseNumber()
	var o object
	if err := d.Decode(&o); err != nil || a.status < 200 || a.status > 299 {
		t.Fatalf("%d %v: %s", a.status, err, a.body)
	}
	return o
}

// rows returns the rows of a list.
func (a answer) rows(t *testing.T, name string) []object {
	t.Helper()
	list, ok := a.object(t)[name].([]any)
	if !ok {
		t.Fatalf("no %s in %s", name, a.body)
	}
	rows := make([]object, len(list))
	for i := range list {
		rows[i] = list[i].(object)
	}
	return rows
}

func (s *service) one(number string) object {
	s.t.Helper()
	return s.rb("items/" + url.PathEscape(number)).object(s.t)["item"].(object)
}

// setFaults sets these faults of Rackbeat alone.
func (s *service) setFaults(f object) {
	s.t.Helper()
	s.control("DELETE", rackbeat+"faults", nil)
	s.control("PUT", rackbeat+"faults", f)
}

type trueItem struct {
	Number, Type                         string
	Barred, Enabled                      bool
	Stock, Ordered, Available, Purchased json.Number
	Places                               map[string]json.Number
}

func (s *service) items2() map[string]trueItem {
	s.t.Helper()
	var truth struct{ Items []trueItem }
	if err := json.Unmarshal(s.control("GET", rackbeat+"truth", nil), &truth); err != nil {
		s.t.Fatal(err)
	}
	items := map[string]trueItem{}
	for _, i := range truth.Items {
		items[i.Number] = i
	}
	return items
}

// TestRackbeatAnswers: each address answers in the form that Rackbeat's documentation and
// its clients show.
func TestRackbeatAnswers(t *testing.T) { //nolint:tparallel // many short subtests
	t.Parallel()
	s := atRackbeat(t, sandbox.Options{Products: 3})
	s.control("POST", "agreements/100001/create", object{"number": "0042-A/b", "name": "Kop", "inStock": 12})
	s.control("POST", rackbeat+"purchase", object{"number": "0042-A/b", "quantity": 20})
	s.control("POST", rackbeat+"order", object{"lines": []object{{"number": "0042-A/b", "quantity": 3}}})
	s.control("POST", rackbeat+"transfer", object{"number": "0042-A/b", "quantity": 2.5, "to": 41})
	keys := strings.Fields(`id number urlfriendly_number type name barcode stock_quantity in_order_quantity available_quantity purchased_quantity
		used_in_production_quantity is_barred inventory_enabled default_location_id variation_id created_at updated_at deleted_at self`)
	one := s.rb("items/0042-A_b").object(t)["item"].(object)
	for _, k := range keys {
		if _, ok := one[k]; !ok {
			t.Errorf("an item without %s", k)
		}
	}
	if len(one) != len(keys) {
		t.Errorf("an item with other keys: %v", one)
	}
	for path, want := range map[string]object{
		"self": {"user_account.id": "700001"},
		"items/0042-A_b": {"item.number": "0042-A/b", "item.urlfriendly_number": "0042-A_b", "item.stock_quantity": "12", "item.in_order_quantity": "3",
			"item.available_quantity": "9", "item.purchased_quantity": "20", "item.deleted_at": "<nil>", "item.inventory_enabled": "true", "item.type": "product"},
		"products/0042-A_b":              {"product.number": "0042-A/b"},
		"items?limit=2":                  {"total": "4", "pages": "2", "limit": "2", "page": "1"},
		"items":                          {"total": "4", "pages": "1", "limit": "20"},
		"items/0042-A_b/locations":       {"product_locations.0.number": "1", "product_locations.0.stock_quantity": "9.5", "product_locations.1.stock_quantity": "2.5", "product_locations.1.name": "Butik"},
		"locations/4/get-stock/0042-A_b": {"stock_quantity": "2.5", "in_order_quantity": "0", "available_quantity": "2.5", "purchased_quantity": "0"},
		"locations/1/get-stock/0042-A_b": {"stock_quantity": "9.5", "in_order_quantity": "3", "available_quantity": "6.5", "purchased_quantity": "20"},
		"locations":                      {"total": "4", "locations.1.number": "4", "locations.1.children_count": "2", "locations.1.parent_id": "<nil>", "locations.2.parent_id": "4", "locations.2.toplevel_parent_id": "4"},
		"locations/41":                   {"location.name": "Gulv", "location.nesting_level": "1"},
		"items?fields=number,name":       {"items.0.stock_quantity": "<nil>"},
		"webhooks":                       {"total": "0"},
		"reports/checking?order_by=number&show_all_locations=true&limit=1000&fields=number,name,stock_quantity,barcode,locations(*)": {
			"pages": "1", "total": "<nil>", "items.2.number": "0042-A/b", "items.2.stock_quantity": "12", "items.2.locations.2.number": "41", "items.2.locations.2.stock_quantity": "2.5",
			"items.2.locations.3.stock_quantity": "0", "items.2.available_quantity": "<nil>"},
		"reports/checking?order_by=number&fields=number,locations(*)": {"items.2.locations.2.number": "41", "items.2.locations.3": "<nil>"},
	} {
		t.Run(path, func(t *testing.T) {
			got := s.rb(path).object(t)
			for at, want := range want {
				if is := fmt.Sprint(lookUp(got, at)); is != want {
					t.Errorf("%s: %s, expected %s", at, is, want)
				}
			}
		})
	}
}

// lookUp returns what lies at a path of keys and indexes.
func lookUp(v any, path string) any {
	for part := range strings.SplitSeq(path, ".") {
		switch n := v.(type) {
		case object:
			v = n[part]
		case []any:
			i := int(part[0] - '0')
			if i >= len(n) {
				return nil
			}
			v = n[i]
		default:
			return nil
		}
	}
	return v
}

// TestRackbeatRefusals: what the real Rackbeat refuses is refused.
func TestRackbeatRefusals(t *testing.T) {
	t.Parallel()
	s := atRackbeat(t, sandbox.Options{Agreements: 1, Products: 12})
	key := []string{"Authorization", "Bearer sandbox-rackbeat-1"}
	for _, c := range []struct {
		name, method, path string
		header             []string
		status             int
		says               string
	}{
		{"a wrong key", "GET", "self", []string{"Authorization", "Bearer x"}, 401, "Unauthenticated"},
		{"a key without Bearer", "GET", "self", []string{"Authorization", "x"}, 401, "Unauthenticated"},
		{"no such item", "GET", "items/none", key, 404, "Not found"},
		{"no such place", "GET", "locations/99", key, 404, "Not found"},
		{"no such address", "GET", "customers", key, 404, "Not found"},
		{"an item's address with an end", "GET", "items/00001/", key, 404, "Not found"},
		{"no page 0", "GET", "items?page=0", key, 422, `{"errors":{"page":["`},
		{"a page beyond all", "GET", "items?page=9223372036854775807", key, 422, `{"errors":{"page":["`},
		{"no limit 0", "GET", "items?limit=0", key, 422, `{"errors":{"limit":["`},
		{"an order that does not exist", "GET", "items?order_by=colour", key, 422, `{"errors":{"order_by":["`},
		{"a direction that does not exist", "GET", "items?order_by=number&order_direction=up", key, 422, `{"errors":{"order_direction":["`},
		{"a filter on a wrong property", "GET", "items?colour=red", key, 422, `{"errors":{"colour":["`},
		{"a filter on updated_at", "GET", "items?updated_at_from=2026-01-01%2000:00:00", key, 422, `{"errors":{"updated_at_from":["`},
		{"a write", "POST", "items", key, 405, "not supported"},
		{"a write of an item", "PUT", "products/00001", key, 405, "not supported"},
		{"a deletion", "DELETE", "products/00001", key, 405, "not supported"},
		{"a webhook without a body", "POST", "webhooks", key, 400, "JSON"},
	} {
		a := s.call(c.method, "/api/"+c.path, c.header...)
		if a.status != c.status || !strings.Contains(string(a.body), c.says) {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
	st := s.rackbeatStats()
	if want := map[string]int{"POST items": 1, "PUT products/00001": 1, "DELETE products/00001": 1, "POST webhooks": 1}; fmt.Sprint(st.Writes) != fmt.Sprint(want) {
		t.Errorf("writes: %v, expected %v", st.Writes, want)
	}
	if len(st.Violations) != 7 {
		t.Errorf("violations: %q", st.Violations)
	}
	if st.WithoutContact == 0 || st.Calls["items"] == 0 {
		t.Errorf("%+v", st)
	}
}

type rackbeatStats struct {
	Calls, Writes           map[string]int
	Limited, WithoutContact int
	Trades                  int
	Violations              []string
	Webhooks                struct{ Fired, Lost, Doubled, Late, Sent, Failed int }
}

func (s *service) rackbeatStats() rackbeatStats {
	s.t.Helper()
	var stats []struct{ Rackbeat *rackbeatStats }
	if err := json.Unmarshal(s.control("GET", "stats", nil), &stats); err != nil || stats[0].Rackbeat == nil {
		s.t.Fatalf("stats: %v", err)
	}
	return *stats[0].Rackbeat
}

// TestRackbeatPages: pages by number show each item once, in the order that was asked for, and
// each of them can be read alone, however odd its number.
func TestRackbeatPages(t *testing.T) {
	t.Parallel()
	s := atRackbeat(t, sandbox.Options{})
	read := func(path string) (numbers []string) {
		t.Helper()
		for page := 1; ; page++ {
			a := s.rb(fmt.Sprintf("%s&page=%d", path, page))
			for _, row := range a.rows(t, "items") {
				numbers = append(numbers, row["number"].(string))
			}
			if pages, _ := a.object(t)["pages"].(json.Number).Int64(); int64(page) >= pages {
				return numbers
			}
		}
	}
	byID, byNumber := read("items?limit=40"), read("items?limit=40&order_by=number")
	if len(byNumber) != 90 || slices.Equal(byID, byNumber) {
		t.Errorf("%d items by number; by id: %q", len(byNumber), byID)
	}
	backwards := read("items?limit=40&order_by=number&order_direction=desc")
	slices.Reverse(backwards)
	if !slices.Equal(backwards, byNumber) || !slices.Equal(read("items?sort=number&limit=1000"), byNumber) {
		t.Errorf("backwards %q, expected %q", backwards, byNumber)
	}
	slices.Sort(byID)
	sorted := slices.Sorted(slices.Values(byNumber))
	if !slices.Equal(slices.Compact(byID), sorted) {
		t.Errorf("by id %q, by number %q", byID, sorted)
	}
	if rows := s.rb("items?page=9").rows(t, "items"); len(rows) != 0 {
		t.Errorf("past the end: %v", rows)
	}
	lots := 0
	for _, number := range byNumber {
		a := s.rb("items/" + url.PathEscape(number))
		if strings.Contains(number, "/") {
			if a.status != http.StatusNotFound {
				t.Errorf("%q: %d with a slash", number, a.status)
			}
			a = s.rb("items/" + url.PathEscape(strings.ReplaceAll(number, "/", "_")))
		}
		one := a.object(t)["item"].(object)
		if one["number"] != number {
			t.Errorf("%q leads to %q", number, one["number"])
		}
		if one["type"] == "lot" {
			lots++
		}
	}
	products := len(s.rb("products?limit=1000").rows(t, "products"))
	if lots == 0 || products == 0 || lots != len(s.rb("lots?limit=1000").rows(t, "lots")) || lots+products != 90 {
		t.Errorf("%d lots, %d products", lots, products)
	}
}

// TestRackbeatTrade: what happens at Rackbeat shows there, and a sale becomes an invoice at
// e-conomic, whose own inventory of the agreement does not move.
func TestRackbeatTrade(t *testing.T) {
	t.Parallel()
	s := atRackbeat(t, sandbox.Options{Products: 10})
	s.control("POST", "agreements/100001/create", object{"number": "A", "name": "Kop", "inStock": 12})
	figures := func(want string) {
		t.Helper()
		i := s.items2()["A"]
		one := s.one("A")
		is := fmt.Sprint(i.Stock, " ", i.Ordered, " ", i.Available, " ", i.Purchased)
		shown := fmt.Sprint(one["stock_quantity"], " ", one["in_order_quantity"], " ", one["available_quantity"], " ", one["purchased_quantity"])
		if strings.ReplaceAll(is, ".0", "") != want || shown != want {
			t.Errorf("truth %s, shown %s, expected %s", is, shown, want)
		}
	}
	figures("12 0 12 0")
	s.control("POST", rackbeat+"purchase", object{"number": "A", "quantity": 20})
	figures("12 0 12 20")
	s.control("POST", rackbeat+"receive", object{"number": "A", "quantity": 15, "place": 4})
	figures("27 0 27 5")
	var made struct{ Number int64 }
	if err := json.Unmarshal(s.control("POST", rackbeat+"order", object{"orderRef": "10042", "lines": []object{{"number": "A", "quantity": 3}}}), &made); err != nil || made.Number != 1001 {
		t.Errorf("order %d %v", made.Number, err)
	}
	figures("27 3 24 5")
	if list := invoices(t, s); len(list) != 0 {
		t.Errorf("an invoice before the shipment: %v", list)
	}
	if err := json.Unmarshal(s.control("POST", rackbeat+"ship", object{"order": made.Number}), &made); err != nil || made.Number != 1 {
		t.Errorf("invoice %d %v", made.Number, err)
	}
	figures("24 0 24 5")
	s.control("POST", rackbeat+"sell", object{"lines": []object{{"number": "A", "quantity": 4}}})
	figures("20 0 20 5")
	s.control("POST", rackbeat+"sell", object{"creditNote": true, "lines": []object{{"number": "A", "quantity": 1}}})
	figures("21 0 21 5")
	s.control("POST", rackbeat+"adjust", object{"number": "A", "inStock": 30})
	figures("30 0 30 5")
	s.control("POST", rackbeat+"adjust", object{"number": "A", "available": 28})
	figures("30 2 28 5")
	s.control("POST", rackbeat+"transfer", object{"number": "A", "quantity": 2, "place": 4, "to": 42})
	figures("30 2 28 5")
	if i := s.items2()["A"]; fmt.Sprint(i.Places) != "map[1:15.0 4:15.0 41:0.0 42:2.0]" {
		t.Errorf("places: %v", i.Places)
	}
	if list := invoices(t, s); fmt.Sprint(list) != "[10042 1002 ]" {
		t.Errorf("order references of the invoices: %q", list)
	}
	if a := s.get("/products/A"); a.status != 200 || strings.Contains(string(a.body), "inventory\"") {
		t.Errorf("e-conomic: %d %s", a.status, a.body)
	}
	s.control("POST", rackbeat+"enable", object{"number": "A", "enabled": false})
	if one := s.one("A"); one["inventory_enabled"] != false || one["stock_quantity"] != json.Number("0") {
		t.Errorf("not kept any more: %v", one)
	}
	s.control("POST", "agreements/100001/bar", object{"number": "A"})
	s.control("POST", "agreements/100001/rename", object{"from": "A", "to": "B"})
	if one := s.one("B"); one["is_barred"] != true || s.rb("items/A").status != 404 || s.items2()["B"].Stock != "30.0" {
		t.Errorf("renamed: %v", one)
	}
	s.control("POST", "agreements/100001/delete", object{"number": "B"})
	if s.rb("items/B").status != 404 || s.get("/products/B").status != 404 {
		t.Error("it is not deleted in both")
	}
	s.refuses("agreements/100001/sell", object{"number": "00001", "quantity": 1})
	s.refuses("agreements/100001/adjust", object{"number": "00001", "inStock": 1})
	s.refuses("agreements/100001/import", object{"inStock": 1})
	s.refuses(rackbeat+"ship", object{})
	s.refuses(rackbeat+"receive", object{"number": "00001", "quantity": 1, "place": 77})
	s.refuses(rackbeat+"order", object{"lines": []object{{"number": "B", "quantity": 1}}})
}

// refuses checks that the control API refuses something.
func (s *service) refuses(path string, body any) {
	s.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := http.Post(s.url+"/sandbox/"+path, "application/json", strings.NewReader(string(raw)))
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		s.t.Errorf("%s %s: %s", path, raw, res.Status)
	}
}

// invoices returns the order references of the agreement's invoices.
func invoices(t *testing.T, s *service) (refs []string) {
	t.Helper()
	var truth struct{ Invoices []struct{ OrderRef string } }
	if err := json.Unmarshal(s.control("GET", "agreements/100001/truth", nil), &truth); err != nil {
		t.Fatal(err)
	}
	for _, i := range truth.Invoices {
		refs = append(refs, i.OrderRef)
	}
	return refs
}

// TestRackbeatRandomTrade: the two services agree after any trade, and what Rackbeat shows is
// the truth.
func TestRackbeatRandomTrade(t *testing.T) {
	t.Parallel()
	s := atRackbeat(t, sandbox.Options{Seed: 7})
	s.control("POST", "agreements/100001/trade", object{"count": 500})
	truth := s.items2()
	for _, row := range s.rb("items?limit=1000").rows(t, "items") {
		i := truth[row["number"].(string)]
		if !i.Enabled {
			continue
		}
		if stock, available := row["stock_quantity"].(json.Number), row["available_quantity"].(json.Number); !equal(stock, i.Stock) || !equal(available, i.Available) {
			t.Errorf("%s: %s and %s, expected %s and %s", i.Number, stock, available, i.Stock, i.Available)
		}
	}
	var all struct {
		Products []struct {
			Number             string
			InStock, Available json.Number
			Inventory          bool
		}
	}
	if err := json.Unmarshal(s.control("GET", "agreements/100001/truth", nil), &all); err != nil || len(all.Products) != len(truth) {
		t.Fatalf("%d products of %d: %v", len(all.Products), len(truth), err)
	}
	for _, p := range all.Products {
		i := truth[p.Number]
		if p.Inventory != i.Enabled || p.Inventory && (p.InStock != i.Stock || p.Available != i.Available) {
			t.Errorf("%+v, at Rackbeat %+v", p, i)
		}
	}
	if n := len(invoices(t, s)); n < 100 || s.rackbeatStats().Trades < 500 {
		t.Errorf("%d invoices, %+v", n, s.rackbeatStats())
	}
}

func equal(a, b json.Number) bool {
	x, err := a.Float64()
	y, bad := b.Float64()
	return err == nil && bad == nil && x == y
}

// TestRackbeatOpened: an agreement gets its account later, with the stock of that time;
// e-conomic's figures disappear, or stay as they were.
func TestRackbeatOpened(t *testing.T) {
	t.Parallel()
	for stale, want := range map[bool]string{false: "", true: "7.0"} {
		s := start(t, sandbox.Options{Products: 1})
		s.control("POST", "agreements/100001/create", object{"number": "A", "name": "Kop", "inStock": 7})
		s.refuses(rackbeat+"sell", object{})
		s.control("PUT", "agreements/100001/rackbeat", object{"key": "sandbox-rackbeat-1", "account": 5, "staleInventory": stale, "places": []object{{"number": 3, "name": "Her"}}})
		s.control("POST", rackbeat+"sell", object{"lines": []object{{"number": "A", "quantity": 2}}})
		if one := s.one("A"); one["stock_quantity"] != json.Number("5") || one["default_location_id"] != json.Number("3") {
			t.Errorf("stale %t: %v", stale, one)
		}
		var p item
		if err := json.Unmarshal(s.get("/products/A").body, &p); err != nil {
			t.Fatal(err)
		}
		is := ""
		if p.Inventory != nil {
			is = string(p.Inventory.InStock)
		}
		if is != want {
			t.Errorf("stale %t: e-conomic shows %q, expected %q", stale, is, want)
		}
	}
	s := start(t, sandbox.Options{Products: 1})
	for _, bad := range []object{
		{"key": ""},
		{"key": "k", "places": []object{}},
		{"key": "k", "places": []object{{"number": 1, "parent": 2}, {"number": 2}}},
		{"key": "k", "places": []object{{"number": 1}, {"number": 1}}},
	} {
		if status := s.put("agreements/100001/rackbeat", bad); status != http.StatusBadRequest {
			t.Errorf("%v: %d", bad, status)
		}
	}
}

func (s *service) put(path string, body any) int {
	s.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, s.url+"/sandbox/"+path, strings.NewReader(string(raw)))
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// TestRackbeatKeys: keys are refused, changed, and answer for another account.
func TestRackbeatKeys(t *testing.T) {
	t.Parallel()
	s := atRackbeat(t, sandbox.Options{Agreements: 2, Products: 1})
	s.control("PUT", "agreements/100001/rackbeat", object{"key": "sandbox-rackbeat-1"})
	if status := s.put("agreements/100002/rackbeat", object{"key": "new"}); status != http.StatusBadRequest {
		t.Errorf("a second account: %d", status)
	}
	s.refuses(rackbeat+"key", object{"key": "sandbox-rackbeat-2"})
	s.control("POST", rackbeat+"key", object{"refuse": true})
	if a := s.rb("self"); a.status != 401 {
		t.Errorf("a refused key: %d", a.status)
	}
	s.control("POST", rackbeat+"key", object{"key": "another"})
	if a := s.rb("self"); a.status != 401 {
		t.Errorf("the old key: %d", a.status)
	}
	s.control("POST", rackbeat+"key", object{"key": "sandbox-rackbeat-1"})
	s.control("POST", rackbeat+"account", object{"id": 99})
	if id := lookUp(s.rb("self").object(t), "user_account.id"); id != json.Number("99") {
		t.Errorf("another account: %v", id)
	}
	if id := lookUp(s.call("GET", "/api/self", "Authorization", "Bearer sandbox-rackbeat-2").object(t), "user_account.id"); id != json.Number("700002") {
		t.Errorf("the other account: %v", id)
	}
}

// received is a webhook as a shop receives it.
type received struct {
	query  url.Values
	header http.Header
	body   string
}

// receiver collects webhooks.
type receiver struct {
	mu   sync.Mutex
	list []received
	all  map[string]int // how many came, by event
	fail int            // so many are answered with 503
	url  string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{all: map[string]int{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.list = append(r.list, received{req.URL.Query(), req.Header, string(body)})
		r.all[req.Header.Get("Rackbeat-Webhook-Event")]++
		if r.fail > 0 {
			r.fail--
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// came returns how many webhooks of an event have come.
func (r *receiver) came(event string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[event]
}

func (r *receiver) failNext(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = n
}

// take waits for n webhooks and returns what came.
func (r *receiver) take(t *testing.T, n int) []received {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		r.mu.Lock()
		if len(r.list) >= n || time.Now().After(deadline) {
			list := r.list
			r.list = nil
			r.mu.Unlock()
			if len(list) != n {
				t.Fatalf("%d webhooks, expected %d: %v", len(list), n, list)
			}
			return list
		}
		r.mu.Unlock()
	}
}

// TestRackbeatWebhooks: webhooks come with Rackbeat's headers, in each known form, for the
// events that are known, and Rackbeat's own list tells how they fared.
func TestRackbeatWebhooks(t *testing.T) {
	t.Parallel()
	s, r := atRackbeat(t, sandbox.Options{Products: 1}), newReceiver(t)
	var made []struct{ Event, Token string }
	if err := json.Unmarshal(s.control("POST", rackbeat+"webhooks", object{"baseURL": r.url, "username": "shop1", "password": "a&b"}), &made); err != nil || len(made) != 4 {
		t.Fatal(made, err)
	}
	s.control("POST", "agreements/100001/create", object{"number": "1021", "name": "Kop", "inStock": 7})
	got := r.take(t, 1)[0]
	if got.query.Encode() != "password=a%26b&type=rackbeatStock&username=shop1" || got.header.Get("Rackbeat-Webhook-Event") != "product.created" ||
		got.header.Get("Rackbeat-Account-Id") != "700001" || got.header.Get("Rackbeat-Webhook-Token") != made[1].Token || len(made[1].Token) != 32 || made[0].Token == made[1].Token {
		t.Errorf("%+v; %+v", got, made)
	}
	if got.body != `{"key":"1021","key_name":"number","event":"product.created","data":{"number":"1021"}}` || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("%+v", got)
	}
	receive := object{"number": "1021", "quantity": 1}
	for _, c := range []struct {
		faults object
		what   string
		body   object
		want   []string
	}{
		{object{}, "receive", receive, []string{`{"item":"1021","item_type":"product","type":"stock"}`}},
		{object{"integerNumbers": true}, "receive", receive, []string{`{"item":1021,"item_type":"product","type":"stock"}`}},
		{object{"body": "number"}, "receive", receive, []string{`{"key_name":"number","key":"1021"}`}},
		{object{"body": "number", "integerNumbers": true}, "receive", receive, []string{`{"key_name":"number","key":1021}`}},
		{object{"body": "documented"}, "receive", receive, []string{`{"key":"1021","key_name":"number","event":"inventory.changed","data":{"number":"1021"}}`}},
		{object{"body": "none"}, "receive", receive, []string{`{"event":"inventory.changed"}`}},
		{object{"double": 1}, "receive", receive, []string{`{"item":"1021","item_type":"product","type":"stock"}`, `{"item":"1021","item_type":"product","type":"stock"}`}},
		{object{"late": 1, "lateBy": "20ms"}, "receive", receive, []string{`{"item":"1021","item_type":"product","type":"stock"}`}},
		{object{"lose": 1}, "receive", receive, nil},
		{object{"suppress": 1}, "receive", receive, nil},
		{object{}, "purchase", receive, nil},
		{object{}, "adjust", object{"number": "1021", "available": 3}, nil},
		{object{}, "order", object{"lines": []object{receive}}, []string{`{"key":"1001","key_name":"number","event":"order.created","data":{"number":"1001"}}`}},
		{object{"orderChanges": true, "body": "number"}, "order", object{"lines": []object{receive}}, []string{`{"key_name":"number","key":"1002"}`, `{"key_name":"number","key":"1021"}`}},
		{object{}, "ship", object{}, []string{`{"item":"1021","item_type":"product","type":"stock"}`}},
		{object{}, "enable", object{"number": "1021", "enabled": true}, []string{`{"key":"1021","key_name":"number","event":"product.updated","data":{"number":"1021"}}`}},
		{object{}, "fire", object{"event": "inventory.changed", "number": "nonsense"}, []string{`{"item":"nonsense","item_type":"product","type":"stock"}`}},
		{object{}, "fire", object{"event": "unknown", "number": "1"}, nil},
	} {
		s.setFaults(c.faults)
		s.control("POST", rackbeat+c.what, c.body)
		var bodies []string
		for _, w := range r.take(t, len(c.want)) {
			bodies = append(bodies, w.body)
		}
		if slices.Sort(bodies); !slices.Equal(bodies, c.want) {
			t.Errorf("%v: %s: %q, expected %q", c.faults, c.what, bodies, c.want)
		}
	}

	s.setFaults(object{"body": "mixed"})
	forms := map[string]int{}
	for range 30 {
		s.control("POST", rackbeat+"receive", receive)
		forms[r.take(t, 1)[0].body]++
	}
	if len(forms) != 3 {
		t.Errorf("mixed: %v", forms)
	}

	// logged waits until each try so far is logged, which is after its answer.
	logged := func() {
		waitFor(t, "each try is logged", func() bool {
			return s.rb("webhooks/1/logs").object(t)["total"] == json.Number(strconv.Itoa(r.came("inventory.changed")))
		})
	}
	logged()
	s.setFaults(object{"firstRetry": "30ms"})
	r.failNext(2)
	s.control("POST", rackbeat+"receive", receive)
	r.take(t, 3)
	logged()
	logs := s.rb("webhooks/1/logs?limit=3").rows(t, "logs")
	if fmt.Sprint(logs[0]["status"], logs[1]["status"], logs[2]["status"]) != "200503503" {
		t.Errorf("logs: %v", logs)
	}
	s.setFaults(object{"firstRetry": "1h"})
	r.failNext(1)
	s.control("POST", rackbeat+"receive", receive)
	r.take(t, 1)
	waitFor(t, "the failure is counted", func() bool {
		return fmt.Sprint(s.rb("webhooks").rows(t, "webhooks")[0]["failures_since_last_success"]) == "1"
	})
	s.control("POST", rackbeat+"set", object{"id": 1, "active": false})
	if row := s.rb("webhooks").rows(t, "webhooks")[0]; row["is_active"] != false || row["event"] != "inventory.changed" || row["token"] != made[0].Token {
		t.Errorf("%v", row)
	}
	fired := s.rackbeatStats().Webhooks.Fired
	s.control("POST", rackbeat+"receive", receive)
	if n := s.rackbeatStats().Webhooks.Fired - fired; n != 0 {
		t.Errorf("%d of a webhook that is off", n)
	}
	s.control("POST", rackbeat+"set", object{"delete": true})
	if rows := s.rb("webhooks").rows(t, "webhooks"); len(rows) != 0 {
		t.Errorf("deleted: %v", rows)
	}
	if st := s.rackbeatStats().Webhooks; st.Lost != 1 || st.Doubled != 1 || st.Late != 1 || st.Sent == 0 {
		t.Errorf("%+v", st)
	}
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestRackbeatWebhookByPeople: a person sets up a webhook over the API, and removes it.
func TestRackbeatWebhookByPeople(t *testing.T) {
	t.Parallel()
	s, r := atRackbeat(t, sandbox.Options{Products: 1}), newReceiver(t)
	send := func(method, path, body string) answer {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.url+"/api/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer sandbox-rackbeat-1")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		raw, _ := io.ReadAll(res.Body)
		return answer{res.StatusCode, res.Header, raw}
	}
	a := send("POST", "webhooks", `{"event":"inventory.changed","url":"`+r.url+`/x?a=1","is_active":true}`)
	token, _ := lookUp(a.object(t), "webhook.token").(string)
	if a.status != http.StatusCreated || len(token) != 32 {
		t.Errorf("%d %s", a.status, a.body)
	}
	s.control("POST", rackbeat+"receive", object{"number": "00001", "quantity": 1})
	if got := r.take(t, 1)[0]; got.header.Get("Rackbeat-Webhook-Token") != token || got.query.Get("a") != "1" {
		t.Errorf("%+v", got)
	}
	if a := s.rb("webhooks/1"); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	for body, says := range map[string]string{`{"url":"http://x"}`: "event", `{"event":"e"}`: "url", `{"event":"e","url":"ftp://x"}`: "url"} {
		if a := send("POST", "webhooks", body); a.status != 422 || !strings.Contains(string(a.body), says) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if a := send("PATCH", "webhooks/1", ""); a.status != http.StatusMethodNotAllowed {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := send("DELETE", "webhooks/1", ""); a.status != http.StatusNoContent || s.rb("webhooks/1").status != 404 || s.rb("webhooks/1/logs").status != 404 {
		t.Errorf("%d %s", a.status, a.body)
	}
	s.control("POST", rackbeat+"hook", object{"event": "inventory.changed", "url": "http://127.0.0.1:1/", "plugin": "shopify"})
	if row := s.rb("webhooks").rows(t, "webhooks")[0]; row["plugin"] != "shopify" || row["is_active"] != false {
		t.Errorf("%v", row)
	}
}

// FuzzRackbeat: no path or query may crash the sandbox.
func FuzzRackbeat(f *testing.F) {
	for _, seed := range []string{"items?page=2&limit=10&order_by=number&order_direction=desc&fields=number,locations(*)", "items/a%2Fb", "items/a_b/locations", "locations/4/get-stock/00001",
		"reports/checking?show_all_locations=1&fields=((,)", "webhooks/1/logs?limit=1", "products/00001?fields=", "items?sort=-stock_quantity", "locations?order_by=number&sort=-number", "self"} {
		f.Add(seed)
	}
	s := sandbox.New(sandbox.Options{Agreements: 1, Products: 40, Rackbeat: 1})
	f.Cleanup(s.Close)
	h := s.Handler()
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.Parse("http://app.rackbeat.com/api/" + path)
		if err != nil {
			t.Skip("NOT TESTED: the fuzzer's input is no URL")
		}
		r := httptest.NewRequest(http.MethodGet, "http://app.rackbeat.com/api/", nil)
		r.URL = u
		r.Header.Set("Authorization", "Bearer sandbox-rackbeat-1")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 206 && w.Code != 404 && w.Code != 422 {
			t.Errorf("%q: %d", path, w.Code)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("%q: %s", path, w.Body)
		}
	})
}
