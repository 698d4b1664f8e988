package rackbeat_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"lagerd/budget"
	"lagerd/plan"
	client "lagerd/rackbeat"
	"lagerd/sandbox"
	"lagerd/source"
	"lagerd/source/rackbeat"
	"lagerd/source/remote"
)

// world is a sandbox whose agreement keeps its stock at Rackbeat.
type world struct {
	t       *testing.T
	handler http.Handler
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := sandbox.New(sandbox.Options{AppToken: "app", Agreements: 1, Rackbeat: 1, Products: 30, Bucket: 1_000_000})
	t.Cleanup(s.Close)
	w := &world{t, s.Handler()}
	w.do("create", `{"number":"0042-A/b","name":"Kop","inStock":12}`)
	w.do("create", `{"number":"0042","name":"Skål","inStock":3}`)
	w.do("create", `{"number":"42","name":"Fad","inStock":0}`)
	w.do("rackbeat/transfer", `{"number":"0042-A/b","quantity":2.5,"to":41}`)
	w.do("rackbeat/transfer", `{"number":"0042","quantity":3,"to":4}`)
	return w
}

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

// control calls the control API of the agreement.
func (w *world) control(method, path, body string) []byte {
	w.t.Helper()
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, httptest.NewRequestWithContext(w.t.Context(), method, "/sandbox/agreements/100001/"+path, strings.NewReader(body)))
	if recorder.Code != http.StatusOK {
		w.t.Fatalf("%s: %d %s", path, recorder.Code, recorder.Body)
	}
	return recorder.Body.Bytes()
}

func (w *world) do(what, body string) { w.t.Helper(); w.control("POST", what, body) }

// truth returns what each item's figure is: of the places, or its own.
func (w *world) truth(places ...string) map[string]string {
	w.t.Helper()
	var all struct {
		Items []struct {
			Number  string
			Enabled bool
			Stock   json.Number
			Places  map[string]json.Number
		}
	}
	if err := json.Unmarshal(w.control("GET", "rackbeat/truth", ""), &all); err != nil {
		w.t.Fatal(err)
	}
	truth := map[string]string{}
	for _, i := range all.Items {
		sum := decimal.RequireFromString(i.Stock.String())
		if len(places) > 0 {
			sum = decimal.Zero
			for _, place := range places {
				sum = sum.Add(decimal.RequireFromString(i.Places[place].String()))
			}
		}
		if truth[i.Number] = sum.String(); !i.Enabled {
			truth[i.Number] = "none"
		}
	}
	return truth
}

func (w *world) account() source.StockAccount {
	w.t.Helper()
	c, err := client.New(client.Options{URL: "http://sandbox.test/api/", Transport: w, Contact: "test@example.dk"})
	if err != nil {
		w.t.Fatal(err)
	}
	s := &rackbeat.Service{Client: c, Accounts: remote.Accounts{Budgets: budget.Options{DailyCalls: 1_000_000}}}
	return s.Budget("shop", 7, source.Made{}, nil).StockAccount("sandbox-rackbeat-1")
}

func figureOf(o plan.Observation) string {
	switch {
	case !o.Found:
		return "gone"
	case !o.Item.Figures.InStock.Valid:
		return "none"
	}
	return o.Item.Figures.InStock.Decimal.String()
}

// TestEitherWay: whatever Rackbeat's documentation leaves open, a listing and reads of single
// items show what is true, or nothing where that cannot be known.
func TestEitherWay(t *testing.T) {
	t.Parallel()
	for faults, doubted := range map[string]string{
		`{}`: "", `{"partial":"always"}`: "", `{"partial":"never"}`: "", `{"textFigures":true,"decimals":3}`: "", `{"decimals":2}`: "", `{"textPlaces":true}`: "",
		`{"placeIDs":true}`: "", `{"isoTimes":true}`: "", `{"maxLimit":7}`: "", `{"encodedSlash":true}`: "", `{"checkingTotal":true,"checkingFigure":true}`: "",
		`{"checkingOrder":"ignored"}`: "", `{"checkingOrder":"refused"}`: "", `{"checkingOrder":"backwards","maxLimit":7}`: "",
		`{"deleted":"alone"}`: "", `{"deleted":"listed"}`: "", `{"integerNumbers":true}`: "", `{"frozenUpdated":true}`: "",
		`{"missingKeys":["name","barcode","is_barred","updated_at","created_at","type","id","self"]}`: "",
		`{"ownPlaces":true}`:                 "places", // what is inside others is missing from the sum
		`{"unevenPlaces":["*"]}`:             "places",
		`{"occupiedPlaces":true}`:            "places", // until an item has shown a place inside another
		`{"figures":"absent"}`:               "absent",
		`{"figures":"null"}`:                 "absent",
		`{"missingKeys":["total"]}`:          "error",
		`{"missingKeys":["pages"]}`:          "error",
		`{"missingKeys":["items"]}`:          "error",
		`{"missingKeys":["number"]}`:         "unreadable",
		`{"missingKeys":["stock_quantity"]}`: "absent",
	} {
		for _, places := range [][]string{nil, {"1"}, {"4", "1"}, {"41"}, {"42", "41"}} {
			t.Run(faults+fmt.Sprint(places), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.do("create", `{"number":"weg","name":"Weg","inStock":1}`)
				w.do("delete", `{"number":"weg"}`)
				w.control("PUT", "rackbeat/faults", faults)
				eitherWay(t, w, doubted, places)
			})
		}
	}
}

// eitherWay compares what is read with the truth. doubted says what may be missing.
func eitherWay(t *testing.T, w *world, doubted string, places []string) {
	t.Helper()
	stock := w.account().Stock(plan.FigureInStock, places...)
	truth, seen := w.truth(places...), map[string]string{}
	for p, err := range source.Pages("items", func(link source.Link) (source.Page[plan.Observation], error) {
		return stock.Items(t.Context(), source.PriorityTick, source.ItemsQuery{}, link)
	}) {
		if (doubted == "error" || doubted == "unreadable" && len(places) > 0) && err != nil {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range p.Observed {
			seen[o.Item.Number] = figureOf(o)
		}
		for _, u := range p.Unreadable {
			seen[u.Number] = "?"
		}
	}
	if doubted == "error" {
		t.Fatal("nothing is wrong with a listing that lacks what says whether it is whole")
	}
	check := func(number, got string) {
		t.Helper()
		want := truth[number]
		if want == "" {
			want = "gone"
		}
		switch doubted {
		case "absent":
			if want != "gone" {
				want = "none"
			}
		case "places":
			if len(places) > 0 && got == "?" {
				want = "?"
			}
		}
		if got != want {
			t.Errorf("item %q: got %s, want %s", number, got, want)
		}
	}
	if doubted == "unreadable" {
		if len(seen) != 1 || seen[""] != "?" {
			t.Errorf("got %v of items without a number", seen)
		}
		return
	}
	for number := range truth {
		if _, listed := seen[number]; !listed {
			t.Errorf("item %q is not listed", number)
		}
	}
	for number, got := range seen {
		check(number, got)
	}
	numbers := []string{"weg", "never/was", "0042", "0042-A/b"}
	for number := range truth {
		if !slices.Contains(numbers, number) && len(numbers) < 9 {
			numbers = append(numbers, number)
		}
	}
	for _, number := range numbers {
		o, err := stock.Item(t.Context(), source.PriorityHint, number)
		got := figureOf(o)
		if err != nil {
			if got = "?"; source.ClassOf(err) != plan.ClassNumber && source.ClassOf(err) != plan.ClassInterrupted {
				t.Errorf("item %q: %v", number, err)
			}
		}
		check(number, got)
	}
}
