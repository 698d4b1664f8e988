package rackbeat_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lagerd/plan"
	client "lagerd/rackbeat"
	"lagerd/source"
	"lagerd/source/rackbeat"
)

// warehouse is two top places, and two levels inside the first.
var warehouse = []client.Place{{Number: "1"}, {Number: "11", Parent: "1"}, {Number: "12", Parent: "1"}, {Number: "111", Parent: "11"}, {Number: "4"}}

// sent are those places as Rackbeat sends them.
var sent = []string{`{"number":1,"name":"Lager"}`, `{"number":11,"parent_id":1}`, `{"number":12,"parent_id":1}`, `{"number":111,"parent_id":11}`, `{"number":4,"name":"Butik"}`}

func TestChoice(t *testing.T) {
	t.Parallel()
	for choice, want := range map[string]string{
		"1": "", "1 4": "", "11 12 4": "", "111 12": "",
		"9":      `place "9": the warehouse has no place of this number`,
		"01":     `place "01": the warehouse has no place of this number`,
		"1 4 1":  `place "1" is chosen twice`,
		"1 11":   `place "11" is inside place "1", which is chosen too: what is in it would count twice`,
		"111 1":  `place "111" is inside place "1", which is chosen too: what is in it would count twice`,
		"4 1 12": `place "12" is inside place "1", which is chosen too: what is in it would count twice`,
	} {
		err := rackbeat.CheckChoice(warehouse, strings.Fields(choice), plan.FigureInStock)
		if got := errText(err); got != want {
			t.Errorf("%s: got %s\nwant %s", choice, got, want)
		}
		if err := rackbeat.CheckChoice(warehouse, strings.Fields(choice), plan.FigureAvailable); err == nil || !strings.Contains(err.Error(), "available is not known by place") {
			t.Errorf("%s, available: %v", choice, err)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestChoiceIsChecked: a choice that cannot be, or no longer, stops the part, with the reason.
func TestChoiceIsChecked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		figure plan.Figure
		places []string
		reason string
	}{{plan.FigureAvailable, []string{"1"}, "available is not known by place"}, {plan.FigureInStock, []string{"1", "11"}, "count twice"}, {plan.FigureInStock, []string{"9"}, "no place of this number"}} {
		d := &depot{pageSize: 2, places: sent, items: []string{`{"number":1,"stock_quantity":1}`}, singles: map[string]string{"1": `{"item":{"number":1,"stock_quantity":1}}`}}
		stock := d.account(t).Stock(test.figure, test.places...)
		_, e1 := stock.Item(t.Context(), source.PriorityHint, "1")
		_, e2 := stock.Items(t.Context(), source.PriorityHint, source.ItemsQuery{}, "")
		for _, err := range []error{e1, e2} {
			if source.ClassOf(err) != plan.ClassChoice || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("%s of %s: %v", test.figure, test.places, err)
			}
		}
	}
}

// TestSum: what the chosen places hold, by what is listed for the item. "1:5" is a place and
// its stock.
func TestSum(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		own, in, choice string
		want            string
	}{
		{"7", "1:5 4:2", "1", "in 5 (1: 5)"},
		{"7", "1:5 4:2", "1 4", "in 7 (1: 5) (4: 2)"},
		{"7", "4:2 1:5", "4 1", "in 7 (4: 2) (1: 5)"},
		{`"1.5"`, `1:"0.5" 4:1`, "1", "in 0.5 (1: 0.5)"},
		{"-1", "1:-3 4:2", "1", "in -3 (1: -3)"},
		{"0.3", "1:0.1 4:0.2", "1 4", "in 0.3 (1: 0.1) (4: 0.2)"},
		{"0.30000000000000004", "1:0.1 4:0.2", "1 4", "in 0.3 (1: 0.1) (4: 0.2)"}, // a float's noise

		// A place with those inside it: its figure includes them.
		{"7", "1:5 11:3 12:2 4:2", "1", "in 5 (1: 5)"},
		{"7", "1:5 11:3 12:2 4:2", "11 4", "in 5 (11: 3) (4: 2)"},
		{"7", "1:5 11:3 111:3 12:2 4:2", "111", "in 3 (111: 3)"},
		// If it does not include them, the sum falls short.
		{"7", "1:1 11:2 12:2 4:2", "4", "? stock by place: the places hold 3, the item 7"},
		// Only the innermost places are listed.
		{"7", "111:3 12:2 4:2", "1", "in 5 (1: 5)"},
		{"7", "111:3 12:2 4:2", "11 12", "in 5 (11: 3) (12: 2)"},

		// A place that is not listed holds nothing only if the others hold everything.
		{"5", "1:5", "4", "in 0 (4: 0)"},
		{"0", "", "1 4", "in 0 (1: 0) (4: 0)"},
		{"0", "1:0", "11", "in 0 (11: 0)"},
		{"5", "1:5", "11", `? stock by place: what is in place "11" is not listed, and may be something`}, // are those inside others listed at all?
		{"5", "1:5 12:5", "11", "in 0 (11: 0)"},
		{"5", "1:5 12:4", "11", "in 0 (11: 0)"},                                                                 // places inside others are listed, if they hold something
		{"5", "1:5 111:5", "11", `? stock by place: what is in place "11" is not listed, and may be something`}, // places are listed with those around them: why is 11 not?

		{"7", "1:5", "1", "? stock by place: the places hold 5, the item 7"},
		{"7", "1:5 4:3", "1", "? stock by place: the places hold 8, the item 7"},
		{"7", "", "1", "? stock by place: the places hold 0, the item 7"},
		{"7", "1:5 4:2 9:0", "1", `? stock by place: place "9": it is not in the list of places`},
		{"7", "1:5 4:1 4:1", "1", `? stock by place: place "4" is listed twice`},
		{"5", "1:5 4:null", "1", `? stock by place: place "4": expected a number, got nothing`},
		{"5", "1:5.00001 4:0", "1", `? stock by place: place "1": expected a number with at most 4 decimals and 15 digits before them, got 5.00001`},
		{"null", "1:5 4:2", "1", ""}, // no figure, no sum
	} {
		var in []string
		for each := range strings.FieldsSeq(test.in) {
			number, stock, _ := strings.Cut(each, ":")
			in = append(in, fmt.Sprintf(`{"number":%s,"stock_quantity":%s}`, number, stock))
		}
		item := fmt.Sprintf(`{"number":"x","stock_quantity":%s,"available_quantity":3}`, test.own)
		d := &depot{pageSize: 2, places: sent, items: []string{item}, singles: map[string]string{
			"x": `{"item":` + item + `}`, "x/locations": `{"product_locations":[` + strings.Join(in, ",") + `]}`},
			report: []string{fmt.Sprintf(`{"number":"x","stock_quantity":%s,"locations":[%s]}`, test.own, strings.Join(in, ","))}}
		stock := d.account(t).Stock(plan.FigureInStock, strings.Fields(test.choice)...)
		o, err := stock.Item(t.Context(), source.PriorityHint, "x")
		alone := strings.TrimPrefix(strings.TrimPrefix(told(o), "x"), " ")
		if err != nil {
			alone = "? " + err.Error()
		}
		page, err := listed(t, stock)
		if page = strings.TrimPrefix(strings.TrimPrefix(page, "x"), " "); err != nil {
			t.Error(err)
		}
		if alone != test.want || page != test.want {
			t.Errorf("%s of %s: %s\n  alone %s\n listed %s\n   want %s", test.own, test.in, test.choice, alone, page, test.want)
		}
	}
}

// TestSumOfAll: however the stock lies in whatever places, each place holds what is in it and in
// those inside it, and the top places hold everything.
func TestSumOfAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(rt, "places")
		parent, holds, places := make([]int, n), make([]int, n), make([]string, n)
		all := 0
		for i := range n {
			parent[i] = rapid.IntRange(-1, i-1).Draw(rt, "parent")
			at := `null`
			if parent[i] >= 0 {
				at = fmt.Sprint(parent[i] + 1)
			}
			places[i] = fmt.Sprintf(`{"number":%d,"parent_id":%s}`, i+1, at)
			lies := rapid.IntRange(-2, 9).Draw(rt, "lies")
			all += lies
			for at := i; at >= 0; at = parent[at] {
				holds[at] += lies
			}
		}
		// Every place is listed; or those alone that hold something, with what is around them.
		sparse := rapid.Bool().Draw(rt, "sparse")
		var in []string
		for i := range n {
			if !sparse || holds[i] != 0 {
				in = append(in, fmt.Sprintf(`{"number":%d,"stock_quantity":"%d.0"}`, i+1, holds[i]))
			}
		}
		choice := rapid.IntRange(0, n-1).Draw(rt, "choice")
		d := &depot{pageSize: 2, places: places, singles: map[string]string{"x": fmt.Sprintf(`{"item":{"number":"x","stock_quantity":%d}}`, all),
			"x/locations": `{"product_locations":[` + strings.Join(in, ",") + `]}`}}
		o, err := d.account(t).Stock(plan.FigureInStock, fmt.Sprint(choice+1)).Item(t.Context(), source.PriorityHint, "x")
		if err != nil && !sparse {
			rt.Fatal(err)
		}
		if err == nil && (!o.Item.Figures.InStock.Valid || o.Item.Figures.InStock.Decimal.IntPart() != int64(holds[choice])) {
			rt.Fatalf("place %d of %v in %v: got %s, want %d", choice+1, in, places, told(o), holds[choice])
		}
	})
}

// TestCallsForPlaces: a hint costs two reads, a page of items one page of the report, and the
// places are read again with each listing.
func TestCallsForPlaces(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	var items, report []string
	singles := map[string]string{}
	for i := range 5 {
		item := fmt.Sprintf(`{"number":%d,"stock_quantity":%d}`, i, i)
		items = append(items, item)
		in := fmt.Sprintf(`[{"number":1,"stock_quantity":%d},{"number":4,"stock_quantity":0}]`, i)
		report = append(report, fmt.Sprintf(`{"number":%d,"stock_quantity":%d,"locations":%s}`, i, i, in))
		singles[fmt.Sprint(i)], singles[fmt.Sprintf("%d/locations", i)] = `{"item":`+item+`}`, `{"product_locations":`+in+`}`
	}
	d := &depot{pageSize: 2, places: sent, items: items, report: report, singles: singles}
	stock := d.service(t, func() time.Time { return now }).Budget("shop", 7, source.Made{}, nil).StockAccount("key").Stock(plan.FigureInStock, "1", "4")
	expect := func(what, want string) {
		t.Helper()
		if got := d.askedFor(); got != want {
			t.Errorf("%s: asked for %s\nwant %s", what, got, want)
		}
	}
	item := func(number, want string) {
		t.Helper()
		o, err := stock.Item(t.Context(), source.PriorityHint, number)
		if got := told(o); err != nil || got != want {
			t.Errorf("item %s: got %s, %v, want %s", number, got, err, want)
		}
	}
	item("3", "3 in 3 (1: 3) (4: 0)")
	expect("a first hint", "/locations 1|/items/3|/items/3/locations 1")
	item("2", "2 in 2 (1: 2) (4: 0)")
	expect("a hint", "/items/2|/items/2/locations 1")
	item("none", "none gone")
	expect("no item", "/items/none")

	const all = "0 in 0 (1: 0) (4: 0)|1 in 1 (1: 1) (4: 0) / 2 in 2 (1: 2) (4: 0)|3 in 3 (1: 3) (4: 0) / 4 in 4 (1: 4) (4: 0)"
	list := func(what, want, asked string) {
		t.Helper()
		if got, err := listed(t, stock); err != nil || got != want {
			t.Errorf("%s: got %s, %v\nwant %s", what, got, err, want)
		}
		expect(what, asked)
	}
	list("a listing", all, "/locations 1|/items 1 ordered|/reports/checking 1 ordered|/items 2 ordered|/reports/checking 2 ordered|/items 3 ordered|/reports/checking 3 ordered")
	d.report = []string{report[4], report[3], report[2], report[1], report[0]}
	list("the report in another order", all, "/locations 1|/items 1 ordered|/reports/checking 1 ordered|/reports/checking 2 ordered|/reports/checking 3 ordered|/items 2 ordered|/items 3 ordered")
	d.report = report[1:]
	list("it leaves out what is not in stock", all, "/locations 1|/items 1 ordered|/reports/checking 1 ordered|/reports/checking 2 ordered|/items 2 ordered|/items 3 ordered")
	d.report = report[:4]
	list("it leaves out another", strings.Replace(all, "4 in 4 (1: 4) (4: 0)", "4? the report of stock by place does not show the item", 1),
		"/locations 1|/items 1 ordered|/reports/checking 1 ordered|/items 2 ordered|/reports/checking 2 ordered|/items 3 ordered")
	d.report = []string{report[3], report[3], report[0], report[1], report[2], report[4]}
	list("it shows one twice", strings.Replace(all, "2 in 2 (1: 2) (4: 0)|3 in 3 (1: 3) (4: 0)", `2 in 2 (1: 2) (4: 0)|3? the report of stock by place shows item "3" more than once`, 1),
		"/locations 1|/items 1 ordered|/reports/checking 1 ordered|/reports/checking 2 ordered|/items 2 ordered|/reports/checking 3 ordered|/items 3 ordered")

	// Places that are new are read before the next item.
	d.singles["1/locations"] = `{"product_locations":[{"number":1,"stock_quantity":0},{"number":5,"stock_quantity":1}]}`
	d.places = append(d.places, `{"number":5}`)
	if _, err := stock.Item(t.Context(), source.PriorityHint, "1"); err == nil || !strings.Contains(err.Error(), `place "5": it is not in the list of places`) {
		t.Errorf("an unknown place: %v", err)
	}
	expect("an unknown place", "/items/1|/items/1/locations 1")
	item("1", "1 in 0 (1: 0) (4: 0)")
	expect("after an unknown place", "/locations 1|/items/1|/items/1/locations 1")
	now = now.Add(10 * time.Minute)
	item("none", "none gone")
	expect("after ten minutes", "/locations 1|/items/none")
}

// TestIncompleteReport: while an entry of the report cannot be read, an item that it does not show may
// be that one, even if its own figure is zero. The next listing begins anew.
func TestIncompleteReport(t *testing.T) {
	t.Parallel()
	const row = `{"number":"b","stock_quantity":2,"locations":[{"number":1,"stock_quantity":2}]}`
	d := &depot{pageSize: 2, places: sent, items: []string{`{"number":"a","stock_quantity":0}`, `{"number":"b","stock_quantity":2}`}}
	stock := d.account(t).Stock(plan.FigureInStock, "1")
	const unlisted = "b in 2 (1: 2)|a? the report of stock by place does not show the item"
	for _, step := range []struct {
		report []string
		want   string
	}{
		{[]string{row}, "a in 0 (1: 0)|b in 2 (1: 2)"},
		{[]string{row, `{"number":null}`}, unlisted},
		{[]string{row}, "a in 0 (1: 0)|b in 2 (1: 2)"},
	} {
		d.report = step.report
		if got, err := listed(t, stock); err != nil || got != step.want {
			t.Errorf("a report of %s: got %s, %v\nwant %s", step.report, got, err, step.want)
		}
	}
}

// TestReportIsShorter: a listing that goes on behind the end of the report reads each of its pages once.
func TestReportIsShorter(t *testing.T) {
	t.Parallel()
	var items []string
	for i := range 8 {
		items = append(items, fmt.Sprintf(`{"number":%d,"stock_quantity":%d}`, i, i/7))
	}
	report := func(number int) string {
		return fmt.Sprintf(`{"number":%d,"stock_quantity":1,"locations":[{"number":1,"stock_quantity":1}]}`, number)
	}
	d := &depot{pageSize: 2, places: sent, items: items, report: []string{report(7), report(99), report(98)}}
	stock := d.account(t).Stock(plan.FigureInStock, "1")
	for _, step := range []struct {
		link        source.Link
		want, asked string
	}{
		{"3", "4 in 0 (1: 0)|5 in 0 (1: 0)", "/locations 1|/items 3 ordered|/reports/checking 3 ordered|/reports/checking 1 ordered|/reports/checking 2 ordered"},
		{"4", "6 in 0 (1: 0)|7 in 1 (1: 1)", "/items 4 ordered"},
	} {
		p, _, err := whole(t, stock, step.link)
		if got, asked := toldPage(p), d.askedFor(); err != nil || got != step.want || asked != step.asked {
			t.Errorf("page %s: got %s, %v, asked for %s\nwant %s, %s", step.link, got, err, asked, step.want, step.asked)
		}
	}
}

// whole reads a page of a listing to its end, in so many calls.
func whole(t *testing.T, stock source.Stock, link source.Link) (p source.Page[plan.Observation], calls int, err error) {
	t.Helper()
	for {
		calls++
		p, err = stock.Items(t.Context(), source.PriorityTick, source.ItemsQuery{}, link)
		if err != nil || !p.Unfinished {
			return p, calls, err
		}
		if p.Size() > 0 || p.Next == "" || p.Announced == 0 {
			t.Fatalf("an unfinished page: %+v", p)
		}
		link = p.Next
	}
}

// TestReportGivesWay: each call for a page of items makes one call to Rackbeat, so that others can
// come in between, and one that fails is made again where it was.
func TestReportGivesWay(t *testing.T) {
	t.Parallel()
	var items, report []string
	for i := range 6 {
		items = append(items, fmt.Sprintf(`{"number":%d,"stock_quantity":1}`, i))
		report = append([]string{fmt.Sprintf(`{"number":%d,"stock_quantity":1,"locations":[{"number":1,"stock_quantity":1}]}`, i)}, report...)
	}
	d := &depot{pageSize: 2, places: sent, items: items, report: report}
	stock := d.account(t).Stock(plan.FigureInStock, "1")
	link := source.Link("")
	for n, want := range []string{"/locations 1|/items 1 ordered", "/reports/checking 1 ordered", "! /reports/checking 2 ordered", "/reports/checking 2 ordered", "/reports/checking 3 ordered", "/items 2 ordered", "/items 3 ordered"} {
		failing := strings.HasPrefix(want, "! ")
		if d.status = 0; failing {
			d.status = 500
		}
		p, err := stock.Items(t.Context(), source.PriorityTick, source.ItemsQuery{}, link)
		if asked := d.askedFor(); asked != strings.TrimPrefix(want, "! ") || (err != nil) != failing || p.Unfinished != (err == nil && n < 4) {
			t.Fatalf("call %d: asked for %s, got %+v, %v\nwant %s", n, asked, p, err, want)
		}
		if err == nil {
			link = p.Next
		}
	}

	// A listing that begins again does so with items that are read anew, whatever waits.
	_, err1 := stock.Items(t.Context(), source.PriorityTick, source.ItemsQuery{}, "")
	d.items = []string{`{"number":"new","stock_quantity":0}`}
	d.report = nil
	p, _, err2 := whole(t, stock, "")
	if got := toldPage(p); err1 != nil || err2 != nil || got != "new in 0 (1: 0)" {
		t.Errorf("got %s, %v, %v", got, err1, err2)
	}
	if p, calls, err := whole(t, stock, "7+"); err != nil || p.Size() > 0 || calls > 2 {
		t.Errorf("a page that nobody waits for, in %d calls: %+v, %v", calls, p, err)
	}
}

// TestReportOrder: the report is asked for by number, and as it comes if Rackbeat does not order it.
func TestReportOrder(t *testing.T) {
	t.Parallel()
	const first, then = "/reports/checking 1 ordered", "/reports/checking 1"
	for name, test := range map[string]struct {
		refusal, later int // status of ordered reports, in the first listing and after it
		asked, again   string
		fails          bool
	}{
		"accepted":                {0, 0, first, first, false},
		"refused":                 {422, 422, first + "|" + then, then, false},
		"an error for it":         {500, 500, first + "|" + then, then, false},
		"a bad request":           {400, 400, first + "|" + then, then, false},
		"accepted, then an error": {0, 500, first, first, true},
		"accepted, then refused":  {0, 422, first, first + "|" + then, false},
		"no access":               {403, 403, first, first, true},
	} {
		d := &depot{pageSize: 2, places: sent, items: []string{`{"number":1,"stock_quantity":3}`}, report: []string{`{"number":1,"stock_quantity":3,"locations":[{"number":1,"stock_quantity":3}]}`}}
		d.refusal = test.refusal
		stock := d.account(t).Stock(plan.FigureInStock, "1")
		for _, asked := range []string{test.asked, test.again} {
			p, _, err := whole(t, stock, "")
			_, got, _ := strings.Cut(d.askedFor(), "/items 1 ordered|")
			fails := test.fails && d.refusal != 0
			if got != asked || (err != nil) != fails || !fails && toldPage(p) != "1 in 3 (1: 3)" {
				t.Errorf("%s: asked for %s, got %s, %v\nwant %s", name, got, toldPage(p), err, asked)
			}
			d.refusal = test.later
		}
	}
	d := &depot{pageSize: 2, places: sent, unordered: true, items: []string{`{"number":1,"stock_quantity":0}`}}
	if _, _, err := whole(t, d.account(t).Stock(plan.FigureInStock, "1"), ""); err != nil || d.askedFor() != "/locations 1|/items 1 ordered|/items 1|/reports/checking 1" {
		t.Errorf("items without order: %v", err)
	}
}

// TestOlderHalf: an item of a page and of the report is no newer than the older of the two.
func TestOlderHalf(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	start := now
	d := &depot{pageSize: 1, places: sent, items: []string{`{"number":"a","stock_quantity":1}`, `{"number":"b","stock_quantity":2}`},
		report: []string{`{"number":"b","stock_quantity":2,"locations":[{"number":1,"stock_quantity":2}]}`, `{"number":"a","stock_quantity":1,"locations":[{"number":1,"stock_quantity":1}]}`}}
	d.before = func(string) { now = now.Add(time.Minute) }
	stock := d.service(t, func() time.Time { return now }).Budget("shop", 7, source.Made{}, nil).StockAccount("key").Stock(plan.FigureInStock, "1")
	var began []string
	for _, link := range []source.Link{"", "2"} {
		p, _, err := whole(t, stock, link)
		if err != nil || len(p.Observed) != 1 {
			t.Fatal(p, err)
		}
		began = append(began, fmt.Sprint(p.Observed[0].Item.Number, " ", p.Observed[0].Began.Sub(start)))
	}
	// The places at 0, items at 1, the report at 2 and 3 minutes, items again at 4.
	if got := strings.Join(began, ", "); got != "a 1m0s, b 2m0s" {
		t.Errorf("began %s", got)
	}
}

// TestReportGoesOn: a page that is read again, or after others, needs no more of the report than it
// lacks.
func TestReportGoesOn(t *testing.T) {
	t.Parallel()
	var items, report []string
	for i := range 6 {
		items = append(items, fmt.Sprintf(`{"number":%d,"stock_quantity":1}`, i))
		report = append(report, fmt.Sprintf(`{"number":%d,"stock_quantity":1,"locations":[{"number":1,"stock_quantity":1}]}`, i))
	}
	d := &depot{pageSize: 2, places: sent, items: items, report: report}
	stock := d.account(t).Stock(plan.FigureInStock, "1")
	for _, step := range []struct {
		link   source.Link
		status int
		asked  string
		err    bool
	}{
		{"2", 0, "/locations 1|/items 2 ordered|/reports/checking 2 ordered", false}, // a lagerd that has just taken the shop over
		{"3", 500, "/items 3 ordered", true},
		{"3", 0, "/items 3 ordered|/reports/checking 3 ordered", false},
		{"2", 0, "/items 2 ordered|/reports/checking 2 ordered", false}, // it turned back
		{"", 0, "/locations 1|/items 1 ordered|/reports/checking 1 ordered", false},
	} {
		d.status = step.status
		p, _, err := whole(t, stock, step.link)
		if asked := d.askedFor(); asked != step.asked || (err != nil) != step.err || err == nil && (len(p.Observed) != 2 || len(p.Unreadable) != 0) {
			t.Errorf("page %s: asked for %s, got %s, %v\nwant %s", step.link, asked, toldPage(p), err, step.asked)
		}
	}
}

// TestReportIsReduced: of a report in another order than the listing, no more is kept than what the
// shop sells by, however many places the warehouse has.
func TestReportIsReduced(t *testing.T) {
	const count, most = 2000, 100
	d := &depot{pageSize: 1000}
	for place := range most {
		d.places = append(d.places, fmt.Sprintf(`{"number":%d}`, place+1))
	}
	for i := range count {
		var in []string
		for place := range most {
			in = append(in, fmt.Sprintf(`{"number":%d,"name":"place","stock_quantity":"%d.25"}`, place+1, 10+place))
		}
		d.items = append(d.items, fmt.Sprintf(`{"number":"item%07d","stock_quantity":5975}`, i))
		d.report = append(d.report, fmt.Sprintf(`{"number":"item%07d","stock_quantity":5975,"locations":[%s]}`, count-1-i, strings.Join(in, ",")))
	}
	stock := d.account(t).Stock(plan.FigureInStock, "1", "4", "7")
	inUse := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := inUse()
	p, _, err := whole(t, stock, "")
	if err != nil || len(p.Observed) != count/2 || len(p.Unreadable) > 0 {
		t.Fatalf("%d observed, %v, %v", len(p.Observed), p.Unreadable, err)
	}
	p = source.Page[plan.Observation]{}
	if waiting := (int64(inUse()) - int64(before)) / (count / 2); waiting > 600 {
		t.Errorf("%d bytes are kept of each item that waits", waiting)
	} else {
		t.Logf("%d bytes are kept of each item that waits", waiting)
	}
	last, _, err := whole(t, stock, "2")
	if err != nil || len(last.Observed) != count/2 || told(last.Observed[0]) != "item0001000 in 39.75 (1: 10.25) (4: 13.25) (7: 16.25)" {
		t.Errorf("got %d, %s, %v", len(last.Observed), told(last.Observed[0]), err)
	}
	runtime.KeepAlive(stock)
	runtime.KeepAlive(p)
}
