package rackbeat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/budget"
	"lagerd/plan"
	client "lagerd/rackbeat"
	"lagerd/source"
	"lagerd/source/rackbeat"
	"lagerd/source/remote"
)

// depot is a Rackbeat that answers from lists of JSON, pageSize to a page.
type depot struct {
	mu        sync.Mutex
	pageSize  int
	items     []string          // entries of the listing
	report    []string          // entries of the report of stock by place
	places    []string          // of the warehouse
	singles   map[string]string // by path below /items/: the answer; "": 404
	unordered bool              // refuses to order items
	refusal   int               // status of the report if an order is asked for; 0: it is ordered
	asked     []string          // paths, without what every page has
	before    func(path string) // called before each answer, without the lock
	status    int               // of every answer; 0: as it should be
}

func (d *depot) RoundTrip(r *http.Request) (*http.Response, error) {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/api")
	q := r.URL.Query()
	if q.Has("page") {
		path += " " + q.Get("page")
	}
	if q.Has("order_by") {
		path += " ordered"
	}
	if d.before != nil {
		d.before(path)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, path)
	if d.status != 0 {
		return reply(d.status, `{"message":"No."}`)
	}
	item, single := strings.CutPrefix(path, "/items/")
	switch {
	case single:
		answer, exists := d.singles[strings.TrimSuffix(item, " 1")]
		if !exists {
			return reply(404, `{"message":"No query results."}`)
		}
		return reply(200, answer)
	case d.refusal != 0 && strings.HasPrefix(path, "/reports") && q.Has("order_by"):
		return reply(d.refusal, `{"message":"No."}`)
	case d.unordered && q.Has("order_by"):
		return reply(422, `{"errors":{"order_by":["Cannot order by number."]}}`)
	case strings.HasPrefix(path, "/items"):
		return reply(206, d.page("items", d.items, q))
	case strings.HasPrefix(path, "/reports"):
		return reply(200, d.page("items", d.report, q))
	case strings.HasPrefix(path, "/locations"):
		return reply(200, `{"locations":[`+strings.Join(d.places, ",")+`]}`)
	case path == "/self":
		return reply(200, `{"user_account":{"id":7,"company_name":"Kop ApS"}}`)
	}
	return reply(404, "")
}

func (d *depot) page(key string, all []string, q url.Values) string {
	number, _ := strconv.Atoi(q.Get("page"))
	pages := (len(all) + d.pageSize - 1) / d.pageSize
	from := min((number-1)*d.pageSize, len(all))
	return fmt.Sprintf(`{%q:[%s],"total":%d,"pages":%d,"page":%d}`, key, strings.Join(all[from:min(from+d.pageSize, len(all))], ","), len(all), pages, number)
}

func reply(status int, body string) (*http.Response, error) {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}, nil
}

// askedFor returns the paths since the last call.
func (d *depot) askedFor() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.asked = nil }()
	return strings.Join(d.asked, "|")
}

func (d *depot) service(t *testing.T, now func() time.Time) *rackbeat.Service {
	t.Helper()
	c, err := client.New(client.Options{URL: "http://rackbeat.test/api", Transport: d, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return &rackbeat.Service{Client: c, Accounts: remote.Accounts{Budgets: budget.Options{DailyCalls: 1_000_000, Now: now}}}
}

func (d *depot) account(t *testing.T) source.StockAccount {
	t.Helper()
	return d.service(t, nil).Budget("shop", 7, source.Made{}, nil).StockAccount("key")
}

// told describes an observation on one line.
func told(o plan.Observation) string {
	if !o.Found {
		return o.Item.Number + " gone"
	}
	text := o.Item.Number
	for _, f := range []struct {
		name string
		is   decimal.NullDecimal
	}{{"in", o.Item.Figures.InStock}, {"available", o.Item.Figures.Available}, {"ordered", o.Item.Figures.OrderedByCustomers}, {"coming", o.Item.Figures.OrderedFromSuppliers}} {
		if f.is.Valid {
			text += " " + f.name + " " + f.is.Decimal.String()
		}
	}
	for _, p := range o.Places {
		text += fmt.Sprintf(" (%s: %s)", p.Place, p.InStock)
	}
	if o.Unknown != 0 || o.Warning != "" {
		text += fmt.Sprintf("; unknown %b: %s", o.Unknown, o.Warning)
	}
	return text
}

func toldPage(p source.Page[plan.Observation]) string {
	var list []string
	for _, o := range p.Observed {
		list = append(list, told(o))
	}
	for _, u := range p.Unreadable {
		list = append(list, fmt.Sprintf("%s? %v", u.Number, u.Err))
	}
	return strings.Join(list, "|")
}

// listed reads all pages, with a "/" between them.
func listed(t *testing.T, s source.Stock) (string, error) {
	t.Helper()
	var pages []string
	for p, err := range source.Pages("items", func(link source.Link) (source.Page[plan.Observation], error) {
		return s.Items(t.Context(), source.PriorityTick, source.ItemsQuery{}, link)
	}) {
		if err != nil {
			return strings.Join(pages, " / "), err
		}
		pages = append(pages, toldPage(p))
	}
	return strings.Join(pages, " / "), nil
}

func TestSelf(t *testing.T) {
	t.Parallel()
	d := &depot{pageSize: 2}
	self, err := d.account(t).Self(t.Context(), source.PriorityTick)
	if err != nil || self != (source.Self{AgreementNumber: 7, CompanyName: "Kop ApS"}) {
		t.Errorf("got %+v, %v", self, err)
	}
}

// TestObservations: what an item of Rackbeat's is, by the figure that the shop sells by.
func TestObservations(t *testing.T) {
	t.Parallel()
	const four = `"stock_quantity":12,"available_quantity":"9.5","in_order_quantity":3,"purchased_quantity":20`
	const kept = `"inventory_enabled":true,`
	for name, test := range map[string]struct {
		figure plan.Figure
		fields string
		want   string
	}{
		"in stock":                {plan.FigureInStock, four, "1 in 12 available 9.5 ordered 3 coming 20"},
		"a zero":                  {plan.FigureInStock, `"stock_quantity":0`, "1 in 0"},
		"noise":                   {plan.FigureInStock, `"stock_quantity":6.9999999999999996`, "1 in 7"},
		"absent":                  {plan.FigureInStock, `"name":"x"`, "1"},
		"null":                    {plan.FigureInStock, `"stock_quantity":null,"available_quantity":null`, "1"},
		"stock not kept":          {plan.FigureInStock, `"inventory_enabled":false,` + four, "1"},
		"stock kept or not":       {plan.FigureInStock, `"inventory_enabled":"?",` + four, `1? inventory_enabled: expected true or false, got string "?"`},
		"no figure needed":        {"", `"inventory_enabled":"?",` + four, `1 in 12 available 9.5 ordered 3 coming 20; unknown 11111000: inventory_enabled: expected true or false, got string "?"`},
		"its figure":              {plan.FigureAvailable, kept + `"stock_quantity":7,"available_quantity":"many"`, `1? available_quantity: expected a number, got string "many"`},
		"another figure":          {plan.FigureInStock, kept + `"stock_quantity":7,"available_quantity":"many"`, `1 in 7; unknown 100000: available_quantity: expected a number, got string "many"`},
		"too fine":                {plan.FigureInStock, `"stock_quantity":1.23456`, "1? stock_quantity: expected a number with at most 4 decimals and 15 digits before them, got 1.23456"},
		"a name":                  {plan.FigureInStock, `"name":7,"stock_quantity":1`, "1 in 1; unknown 1: name: expected a string, got number 7"},
		"a deletion":              {plan.FigureInStock, `"deleted_at":"2026-03-02 07:11:09",` + four, "1 gone"},
		"friendly, not important": {plan.FigureInStock, `"urlfriendly_number":[],"stock_quantity":1`, "1 in 1; unknown 0: urlfriendly_number: expected text of at most 100 characters, or a whole number, got a list"},
	} {
		entry := `{"number":"1",` + test.fields + `}`
		d := &depot{pageSize: 2, items: []string{entry}, singles: map[string]string{"1": `{"item":` + entry + `}`}}
		stock := d.account(t).Stock(test.figure)
		if got, err := listed(t, stock); err != nil || got != test.want {
			t.Errorf("%s, listed: got %s, %v\nwant %s", name, got, err, test.want)
		}
		o, err := stock.Item(t.Context(), source.PriorityHint, "1")
		got := told(o)
		if err != nil {
			got = fmt.Sprintf("1? %s", strings.TrimPrefix(err.Error(), "item."))
			if source.ClassOf(err) != plan.ClassNumber {
				t.Errorf("%s: class %q", name, source.ClassOf(err))
			}
		}
		if got != test.want || o.Began.IsZero() && err == nil {
			t.Errorf("%s, alone: got %s\nwant %s", name, got, test.want)
		}
	}
}

// TestTimes: a time without a zone is not told, since it may be hours off.
func TestTimes(t *testing.T) {
	t.Parallel()
	d := &depot{pageSize: 2, singles: map[string]string{"1": `{"item":{"number":1,"updated_at":"2026-03-02 07:11:09"}}`, "2": `{"item":{"number":2,"updated_at":"2026-03-02T07:11:09+01:00"}}`}}
	stock := d.account(t).Stock("")
	one, err1 := stock.Item(t.Context(), source.PriorityHint, "1")
	two, err2 := stock.Item(t.Context(), source.PriorityHint, "2")
	if err := errors.Join(err1, err2); err != nil || !one.Item.UpdatedAt.IsZero() || !two.Item.UpdatedAt.Equal(time.Date(2026, 3, 2, 6, 11, 9, 0, time.UTC)) {
		t.Errorf("got %s and %s, %v", one.Item.UpdatedAt, two.Item.UpdatedAt, err)
	}
}

// TestListing: pages one after another, and what a page shows twice.
func TestListing(t *testing.T) {
	t.Parallel()
	item := func(number, stock string) string { return `{"number":` + number + `,"stock_quantity":` + stock + `}` }
	for name, test := range map[string]struct {
		items []string
		want  string
	}{
		"none":                 {nil, ""},
		"one page":             {[]string{item("1", "5"), item(`"02"`, "0")}, "1 in 5|02 in 0"},
		"pages":                {[]string{item("1", "5"), item("2", "6"), item("3", "7")}, "1 in 5|2 in 6 / 3 in 7"},
		"without a number":     {[]string{item("null", "5"), item("2", "6")}, "2 in 6|? items[0].number: expected text of at most 25 characters, or a whole number, got nothing"},
		"twice on a page":      {[]string{item("1", "5"), item(`"1"`, "5"), item("3", "7")}, `1? number: expected each item once on a page, got "1" 2 times|1? number: expected each item once on a page, got "1" 2 times / 3 in 7`},
		"again on a later one": {[]string{item("1", "5"), item("2", "6"), item("1", "4")}, "1 in 5|2 in 6 / 1 in 4"},
		"a deleted one":        {[]string{`{"number":1,"stock_quantity":1,"deleted_at":"2026-01-01 00:00:00"}`, item("2", "6"), item("3", "7")}, "1 gone|2 in 6 / 3 in 7"},
	} {
		d := &depot{pageSize: 2, items: test.items}
		got, err := listed(t, d.account(t).Stock(plan.FigureInStock))
		if err != nil || got != test.want {
			t.Errorf("%s: got %s, %v\nwant %s", name, got, err, test.want)
		}
	}
}

// TestRowsShift: what a plan.Listing makes of pages whose rows shift while they are turned. Whatever
// happens, it ends as complete only if as many items came as there were, and an item that no
// page showed is a suspect, not a loss.
func TestRowsShift(t *testing.T) {
	t.Parallel()
	numbers := func(list string) (items []string) {
		for number := range strings.FieldsSeq(list) {
			items = append(items, `{"number":"`+number+`","stock_quantity":1}`)
		}
		return items
	}
	for name, test := range map[string]struct {
		changes map[int]string // the items from that request on, counted from 1
		pages   string         // read, in order
		missing string
		short   bool
	}{
		"nothing":                      {map[int]string{1: "a b c d e"}, "1 2 3", "", false},
		"one is added before":          {map[int]string{1: "b c d e f", 2: "a b c d e f"}, "1 2 3", "", false},  // b comes twice; a is found the next time
		"a page is added before":       {map[int]string{1: "c d e f", 2: "a b c d e f"}, "1 2 3", "", false},    // c and d come twice
		"one is added behind":          {map[int]string{1: "a b c d", 2: "a b c d e"}, "1 2 3", "", false},      // the listing grows
		"one is deleted before":        {map[int]string{1: "a b c d e", 2: "b c d e"}, "1 2 1 2", "", false},    // c moved onto page 1; that a is gone, the next listing shows
		"a page is deleted before":     {map[int]string{1: "a b c d e", 3: "c d e"}, "1 2 3 2", "", false},      // likewise
		"one deleted, one added":       {map[int]string{1: "a b c d e", 2: "b c d e f"}, "1 2 3", "c", false},   // c is read alone
		"the last page goes":           {map[int]string{1: "a b c d e", 3: "a b c d"}, "1 2 3 2", "e", false},   // the page asked for is behind the end
		"all but the first page goes":  {map[int]string{1: "a b c d e", 2: "a"}, "1 2 1", "c d e", false},       // by two pages
		"everything goes":              {map[int]string{1: "a b c d e", 2: ""}, "1 2 1", "c d e", false},        // an empty listing: the guard holds it back
		"the order is another":         {map[int]string{1: "a b c d e", 2: "e d c b a"}, "1 2 3", "d e", false}, // as many came; those not seen are read alone
		"a page comes twice, and ends": {map[int]string{1: "a b c d e", 2: "z y a b e"}, "1 2 3", "c d", false}, // rows that came twice
	} {
		d := &depot{pageSize: 2}
		requests, read := 0, ""
		d.before = func(path string) {
			requests++
			read += " " + strings.Fields(path)[1]
			if now, changed := test.changes[requests]; changed {
				d.items = numbers(now)
			}
		}
		stock := d.account(t).Stock(plan.FigureInStock)
		listing := plan.NewListing(plan.CauseTick, 2)
		links := []source.Link{""}
		for {
			p, err := stock.Items(t.Context(), source.PriorityTick, source.ItemsQuery{}, links[listing.Next()])
			if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
			if listing.Add(plan.Page{Observed: p.Observed, Unreadable: p.Unreadable, Announced: p.Announced, Last: p.Next == "", Began: p.Began}) == plan.StepTurnBack {
				continue
			}
			if links = append(links[:listing.Next()], p.Next); p.Next == "" {
				break
			}
		}
		for number := range strings.FieldsSeq(test.changes[1]) {
			listing.Stored(number, false)
		}
		ended, err := listing.End(plan.ListingEnd{Began: time.Now()})
		var missing []string
		for number := range ended.Missing {
			missing = append(missing, number)
		}
		slices.Sort(missing)
		if strings.TrimSpace(read) != test.pages || strings.Join(missing, " ") != test.missing || plan.IsShort(err) != test.short {
			t.Errorf("%s: read pages%s, missing %q, %v\nwant %s, %q, short: %t", name, read, missing, err, test.pages, test.missing, test.short)
		}
	}
}

// TestAlone: an item read by its number.
func TestAlone(t *testing.T) {
	t.Parallel()
	d := &depot{pageSize: 2, singles: map[string]string{
		"A%201": `{"item":{"number":"A 1","stock_quantity":5}}`, "0042": `{"item":{"number":42,"stock_quantity":5}}`, "gone": `{"item":{"number":"gone","deleted_at":"2026-01-01 00:00:00"}}`}}
	stock := d.account(t).Stock(plan.FigureInStock)
	for number, want := range map[string]string{"A 1": "A 1 in 5", "none": "none gone", "gone": "gone gone", "0042": `expected "0042", got "42"`, strings.Repeat("x", 26): "has 26 characters"} {
		o, err := stock.Item(t.Context(), source.PriorityHint, number)
		got := told(o)
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != want || err != nil && (!strings.Contains(got, want) || source.ClassOf(err) != plan.ClassNumber) {
			t.Errorf("%s: got %s, want %s", number, got, want)
		}
	}
	if n := stock.Together([]string{"a", "b"}); n != 0 {
		t.Errorf("%d are read together", n)
	}
	if _, err := stock.Items(t.Context(), source.PriorityHint, source.ItemsQuery{Numbers: []string{"a"}}, ""); source.ClassOf(err) != plan.ClassNumber {
		t.Errorf("some numbers: %v", err)
	}
	for _, link := range []source.Link{"0", "-1", "x"} {
		if _, err := stock.Items(t.Context(), source.PriorityHint, source.ItemsQuery{}, link); source.ClassOf(err) != plan.ClassNumber {
			t.Errorf("page %s: %v", link, err)
		}
	}
	if can := stock.Can(); can.Changes || can.Name != "Rackbeat" || !can.Places || can.Figures[plan.FigureAvailable] != "available_quantity" {
		t.Errorf("it can %+v", can)
	}
	if at := time.Now(); !stock.Cursor(at, source.Times{Latest: at.Add(time.Hour)}, 0).Equal(at) {
		t.Error("the cursor moves")
	}
}

// TestOrder: items are listed by number if Rackbeat orders them by that, and as it likes if not.
func TestOrder(t *testing.T) {
	t.Parallel()
	d := &depot{pageSize: 1, items: []string{`{"number":1}`, `{"number":2}`}, unordered: true}
	service := d.service(t, nil)
	stock := service.Budget("shop", 7, source.Made{}, nil).StockAccount("key").Stock("")
	if got, err := listed(t, stock); err != nil || got != "1 / 2" || d.askedFor() != "/items 1 ordered|/items 1|/items 2" {
		t.Errorf("got %s, %v", got, err)
	}
	again := service.Budget("shop2", 7, source.Made{}, nil).StockAccount("key").Stock("")
	if got, err := listed(t, again); err != nil || got != "1 / 2" || d.askedFor() != "/items 1|/items 2" {
		t.Errorf("the next: got %s, %v", got, err)
	}
	d.status = 422
	if _, err := listed(t, d.account(t).Stock("")); source.ClassOf(err) != plan.ClassNumber || d.askedFor() != "/items 1 ordered|/items 1" {
		t.Errorf("a 422 for everything: %v", err)
	}
}

// TestSlashes: an item with a slash in its number is read by the URL-friendly number that a
// listing has shown, and found in a listing before.
func TestSlashes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	const one, two = `{"number":"A/1","urlfriendly_number":"A_1","stock_quantity":5}`, `{"number":"A/2","stock_quantity":6}`
	d := &depot{pageSize: 2, items: []string{`{"number":"x"}`, `{"number":"y"}`, one, two}, singles: map[string]string{"A_1": `{"item":` + one + `}`}}
	service := d.service(t, func() time.Time { return now })
	stock := service.Budget("shop", 7, source.Made{}, nil).StockAccount("key").Stock(plan.FigureInStock)
	other := service.Budget("shop2", 7, source.Made{}, nil).StockAccount("key").Stock(plan.FigureInStock)
	const search = "/items 1 ordered|/items 2 ordered"
	var hinted time.Time
	for n, step := range []struct {
		stock       source.Stock
		p           source.Priority
		number      string
		change      func()
		want, asked string
	}{
		{stock, source.PriorityUnknown, "A/1", nil, "no listing has shown", ""}, // a stranger's number costs nothing
		{stock, source.PriorityHint, "A/1", nil, "A/1 in 5", search},
		{stock, source.PriorityHint, "A/1", nil, "A/1 in 5", "/items/A_1"},
		{other, source.PriorityHint, "A/1", nil, "A/1 in 5", "/items/A_1"}, // another shop of the account
		{stock, source.PriorityHint, "A/2", nil, "A/2 in 6", search},       // it has none
		{stock, source.PriorityHint, "A/3", nil, "A/3 gone", search},
		{stock, source.PriorityHint, "A/4", nil, "A/4 gone", ""},                                                     // the same search tells
		{stock, source.PriorityHint, "A/4", func() { now = now.Add(time.Second); hinted = now }, "A/4 gone", search}, // that one began before the hint
		{stock, source.PriorityHint, "A/3", nil, "A/3 gone", ""},
		{stock, source.PriorityHint, "A/4", func() { now = now.Add(time.Minute) }, "A/4 gone", search},
		{stock, source.PriorityHint, "A/1", func() { d.items, d.singles = d.items[:2], nil }, "A/1 gone", "/items/A_1"},
		{stock, source.PriorityHint, "A/1", func() { now = now.Add(time.Minute) }, "A/1 gone", "/items 1 ordered"}, // what it had been is not used again
		{stock, source.PriorityHint, "A/2", func() {
			now = now.Add(time.Minute)
			d.items = []string{`{"number":"x"}`, `{"number":"x"}`, `{"number":"y"}`}
		}, "2 of 3 items came", search}, // one may have been missed
		{stock, source.PriorityHint, "A/2", func() {
			d.items = []string{`{"number":"x"}`, `{"number":"y"}`, `{"number":"z"}`}
			d.before = func(path string) {
				if strings.HasPrefix(path, "/items 2") {
					d.items = append(d.items, `{"number":"zz"}`)
				}
			}
		}, "4 of 3 items came", search},
		{stock, source.PriorityHint, "A/2", func() {
			d.items = []string{`{"number":"x"}`, `{"number":"y"}`, `{"number":"z"}`}
			d.before = func(path string) {
				if strings.HasPrefix(path, "/items 2") {
					d.items = append([]string{two}, d.items...)
				}
			}
		}, "3 of 3 items came", search}, // it was added where the search had been
		{stock, source.PriorityHint, "A/2", func() {
			d.before = nil
			d.items = []string{`{"number":null}`, `{"number":"y"}`, two}
		}, "A/2 in 6", search}, // beside an entry that cannot be read
		{stock, source.PriorityHint, "A/2", func() { d.items = d.items[:2] }, "1 of 2 items came", "/items 1 ordered"}, // which may be it
	} {
		if step.change != nil {
			step.change()
		}
		o, err := step.stock.Item(source.Since(t.Context(), hinted), step.p, step.number)
		got := told(o)
		if err != nil {
			got = err.Error()
		}
		if asked := d.askedFor(); !strings.Contains(got, step.want) || asked != step.asked {
			t.Errorf("step %d: got %s, asked for %s\nwant %s, %s", n+1, got, asked, step.want, step.asked)
		}
	}
}

// TestNewFriendlyNumber: an item is read by the URL-friendly number that was shown last.
func TestNewFriendlyNumber(t *testing.T) {
	t.Parallel()
	item := func(friendly string) string {
		return `{"number":"A/1","urlfriendly_number":"` + friendly + `","stock_quantity":5}`
	}
	d := &depot{pageSize: 2, items: []string{item("A_1")}, singles: map[string]string{"A_1": `{"item":` + item("A_1") + `}`, "A-1": `{"item":` + item("A-1") + `}`}}
	stock := d.account(t).Stock(plan.FigureInStock)
	for _, friendly := range []string{"A_1", "A-1"} {
		d.items = []string{item(friendly)}
		if _, err := listed(t, stock); err != nil {
			t.Fatal(err)
		}
		d.askedFor()
		o, err := stock.Item(t.Context(), source.PriorityHint, "A/1")
		if asked := d.askedFor(); err != nil || told(o) != "A/1 in 5" || asked != "/items/"+friendly {
			t.Errorf("got %s, %v, asked for %s, want /items/%s", told(o), err, asked, friendly)
		}
	}
}

// TestFriendlyNumberOfNoUse: an item whose URL-friendly number cannot be in a path either is found in a
// listing, and so is that it is gone.
func TestFriendlyNumberOfNoUse(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	const usable, useless = `{"number":"..","urlfriendly_number":"dots","stock_quantity":5}`, `{"number":"..","urlfriendly_number":"..","stock_quantity":5}`
	d := &depot{pageSize: 2, singles: map[string]string{"dots": `{"item":` + usable + `}`}}
	stock := d.service(t, func() time.Time { return now }).Budget("shop", 7, source.Made{}, nil).StockAccount("key").Stock(plan.FigureInStock)
	for _, step := range []struct {
		items       []string
		want, asked string
	}{
		{[]string{useless}, ".. in 5", "/items 1 ordered"},
		{[]string{usable}, ".. in 5", "/items/dots"},
		{[]string{useless}, ".. in 5", "/items 1 ordered"},
		{[]string{`{"number":"x"}`}, ".. gone", "/items 1 ordered"},
	} {
		d.items = step.items
		now = now.Add(time.Hour)
		if _, err := listed(t, stock); err != nil {
			t.Fatal(err)
		}
		d.askedFor()
		o, err := stock.Item(t.Context(), source.PriorityHint, "..")
		if asked := d.askedFor(); err != nil || told(o) != step.want || asked != step.asked {
			t.Errorf("%s: got %s, %v, asked for %s, want %s, %s", step.items, told(o), err, asked, step.want, step.asked)
		}
	}
}

// TestWhatIsKnownStays: what is known of an account lasts until the last of its shops has left.
func TestWhatIsKnownStays(t *testing.T) {
	t.Parallel()
	d := &depot{pageSize: 2, items: []string{`{"number":1}`}, unordered: true}
	service := d.service(t, nil)
	join := func(account int64) source.StockBudget { return service.Budget("shop", account, source.Made{}, nil) }
	lists := func(step string, b source.StockBudget, want string) {
		t.Helper()
		if _, err := listed(t, b.StockAccount("key").Stock("")); err != nil {
			t.Error(err)
		}
		if asked := d.askedFor(); asked != want {
			t.Errorf("%s: asked for %s, want %s", step, asked, want)
		}
	}
	const learns, knows = "/items 1 ordered|/items 1", "/items 1"
	first, second := join(7), join(7)
	lists("the first", first, learns)
	lists("another account", join(8), learns)
	first.Close()
	third := join(7)
	lists("after one of two has left", third, knows)
	second.Close()
	third.Close()
	lists("after all have left", join(7), learns)
	nobody := join(0)
	lists("an account that is not known", nobody, learns)
	lists("another that is not known", join(0), learns)
}

// TestOtherItems: an item that Rackbeat answers for with another one is gone if a whole listing does
// not show it. Numbers that only differ in case are looked up as one, and a friendly number may become
// another item's.
func TestOtherItems(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	const slashed = `{"number":"A/b","urlfriendly_number":"A_b","stock_quantity":5}`
	d := &depot{pageSize: 2, places: sent, items: []string{`{"number":"abc","stock_quantity":1}`, slashed, `{"number":"z","stock_quantity":1}`},
		report:  []string{`{"number":"abc","stock_quantity":1,"locations":[{"number":1,"stock_quantity":1}]}`},
		singles: map[string]string{"A_b": `{"item":` + slashed + `}`, "abc": `{"item":{"number":"abc","stock_quantity":1}}`}}
	service := d.service(t, func() time.Time { return now })
	account := service.Budget("shop", 7, source.Made{}, nil).StockAccount("key")
	stock, byPlace := account.Stock(plan.FigureInStock), account.Stock(plan.FigureInStock, "1")
	if _, err := listed(t, stock); err != nil {
		t.Fatal(err)
	}
	d.askedFor()
	const search = "|/items 1 ordered|/items 2 ordered"
	for n, step := range []struct {
		stock       source.Stock
		p           source.Priority
		number      string
		change      func()
		want, asked string
	}{
		{stock, source.PriorityHint, "A/b", nil, "A/b in 5", "/items/A_b"},
		{stock, source.PriorityHint, "A/b", func() { // it is deleted, and another item has its friendly number
			d.items = []string{`{"number":"ABC","stock_quantity":1}`, `{"number":"A_b","stock_quantity":7}`, `{"number":"z","stock_quantity":1}`}
			d.singles = map[string]string{"A_b": `{"item":{"number":"A_b","stock_quantity":7}}`, "abc": `{"item":{"number":"ABC","stock_quantity":1}}`, "ABC": `{"item":{"number":"ABC","stock_quantity":1}}`}
		}, "A/b gone", "/items/A_b" + search},
		{stock, source.PriorityHint, "abc", nil, "abc gone", "/items/abc"}, // the same search tells
		{stock, source.PriorityHint, "ABC", nil, "ABC in 1", "/items/ABC"},
		{stock, source.PriorityUnknown, "abc", func() { now = now.Add(time.Hour) }, `expected "abc", got "ABC"`, "/items/abc"}, // a stranger's number costs no listing
		{stock, source.PriorityHint, "abc", nil, "abc gone", "/items/abc" + search},
		{stock, source.PriorityHint, "ABC", func() { // both exist, and Rackbeat finds only one of them
			now = now.Add(time.Hour)
			d.items = append(d.items, `{"number":"abc","stock_quantity":2}`)
			d.singles["ABC"] = `{"item":{"number":"abc","stock_quantity":2}}`
		}, "ABC in 1", "/items/ABC|/items 1 ordered"},
		{byPlace, source.PriorityHint, "ABC", nil, `expected "ABC", got "abc"`, "/locations 1|/items/ABC|/items 1 ordered"}, // whose places would they be?
		{stock, source.PriorityHint, "abc", func() { // a listing that is not whole tells nothing
			d.items = []string{`{"number":"x"}`, `{"number":"x"}`, `{"number":"y"}`}
			d.singles["abc"] = d.singles["A_b"]
		}, "2 of 3 items came", "/items/abc" + search},
	} {
		if step.change != nil {
			step.change()
		}
		o, err := step.stock.Item(source.Since(t.Context(), now), step.p, step.number)
		got := told(o)
		if err != nil {
			got = err.Error()
		}
		if asked := d.askedFor(); !strings.Contains(got, step.want) || asked != step.asked {
			t.Errorf("step %d: got %s, asked for %s\nwant %s, %s", n+1, got, asked, step.want, step.asked)
		}
	}
}

// TestErrorClasses: each kind of error has its class.
func TestErrorClasses(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]plan.Class{401: plan.ClassShop, 403: plan.ClassPart, 422: plan.ClassNumber, 429: plan.ClassBusy, 500: plan.ClassInterrupted, 302: plan.ClassInterrupted} {
		d := &depot{pageSize: 2, status: status}
		account := d.account(t)
		_, err := account.Stock("").Item(t.Context(), source.PriorityHint, "1")
		if source.ClassOf(err) != want {
			t.Errorf("%d: class %q, want %q: %v", status, source.ClassOf(err), want, err)
		}
		if only := source.Narrow(err); status == 401 && (source.ClassOf(only) != plan.ClassPart || !strings.Contains(only.Error(), "this read only")) {
			t.Errorf("narrowed: %v", only)
		}
		if status == 429 && source.RetryAfter(err) < time.Second {
			t.Errorf("a 429 says %s", source.RetryAfter(err))
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := (&depot{}).account(t).Stock("").Item(ctx, source.PriorityHint, "1"); source.ClassOf(err) != plan.ClassInterrupted {
		t.Errorf("an ended context: %v", err)
	}
}

// TestSharedBudget: shops of an account share its calls; what is not known to be the same
// account has its own.
func TestSharedBudget(t *testing.T) {
	t.Parallel()
	d := &depot{pageSize: 2, singles: map[string]string{"1": `{"item":{"number":1}}`}}
	s := d.service(t, nil)
	s.Budgets.DailyCalls = 100
	day := time.Now().UTC().Format(time.DateOnly)
	first := s.Budget("first", 0, source.Made{Day: day, Calls: 10}, nil)
	if _, err := first.StockAccount("key").Stock("").Item(t.Context(), source.PriorityPerson, "1"); err != nil {
		t.Fatal(err)
	}
	left := func(b source.StockBudget) int { return b.Spare(source.PriorityPerson) }
	if left(first) != 89 || first.Made().Calls != 11 {
		t.Errorf("%d left, made %+v", left(first), first.Made())
	}
	was := first
	first = s.Budget("first", 7, was.Made(), was)
	was.Close()
	second := s.Budget("second", 7, source.Made{Day: day, Calls: 20}, nil)
	other := s.Budget("other", 8, source.Made{}, nil)
	if left(first) != left(second) || left(first) > 89 || left(other) != 100 {
		t.Errorf("%d and %d left of one account, %d of another", left(first), left(second), left(other))
	}
	first.Close()
	second.Close()
	if fresh := s.Budget("third", 7, source.Made{}, nil); left(fresh) != 100 || fresh.Spent(source.PriorityPerson) {
		t.Errorf("%d left after all shops have gone", left(fresh))
	}
}
