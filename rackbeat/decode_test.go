package rackbeat_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"lagerd/rackbeat"
	"lagerd/secret"
	"lagerd/test/hostiletest"
)

// exactly compares decimals by value and digits.
var exactly = cmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) && a.Exponent() == b.Exponent() })

func number(text string) *decimal.Decimal { return new(decimal.RequireFromString(text)) }

// documented is the example of an item's answer.
const documented = `{"item":{"id":123,"number":"0042-A/b","urlfriendly_number":"0042-A_b","type":"product","name":"Kop","barcode":null,
 "stock_quantity":12,"in_order_quantity":3,"available_quantity":9,"purchased_quantity":20,"used_in_production_quantity":0,
 "is_barred":false,"inventory_enabled":true,"default_location_id":1,"variation_id":null,
 "created_at":"2025-01-08 10:30:00","updated_at":"2026-03-02 07:11:09","deleted_at":null}}`

func TestItem(t *testing.T) {
	t.Parallel()
	got, err := rackbeat.DecodeItem([]byte(documented))
	want := rackbeat.Item{Number: "0042-A/b", URLFriendly: "0042-A_b", Name: "Kop", InventoryEnabled: new(true),
		UpdatedAt: rackbeat.Time{At: time.Date(2026, 3, 2, 7, 11, 9, 0, time.UTC)},
		InStock:   number("12"), Available: number("9"), InOrder: number("3"), Purchased: number("20")}
	if diff := cmp.Diff(want, got, exactly); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// TestFields: each field of an item in each form that it may have; an unreadable one loses only
// itself. Only an unreadable number, or deleted_at, loses the item.
func TestFields(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("9", 5000)
	for name, test := range map[string]struct {
		fields string // beside the number, or with it
		show   func(rackbeat.Item) any
		want   string // what show says
		failed string // unsound fields with their errors, or the error
	}{
		"an integer figure":      {`"stock_quantity":12`, stockOf, "12", ``},
		"decimals":               {`"stock_quantity":12.50`, stockOf, "12.50", ``},
		"a negative":             {`"stock_quantity":-3`, stockOf, "-3", ``},
		"a zero":                 {`"stock_quantity":0`, stockOf, "0", ``},
		"text":                   {`"stock_quantity":"12.5000"`, stockOf, "12.5000", ``},
		"negative text":          {`"stock_quantity":"-0.25"`, stockOf, "-0.25", ``},
		"beyond floats":          {`"stock_quantity":9007199254740993.1`, stockOf, "9007199254740993.1", ``},
		"absent":                 {`"name":"x"`, stockOf, "nothing", ``},
		"null":                   {`"stock_quantity":null`, stockOf, "nothing", ``},
		"empty text":             {`"stock_quantity":""`, stockOf, "nothing", `stock_quantity: expected a number, got string ""`},
		"a comma":                {`"stock_quantity":"12,5"`, stockOf, "nothing", `stock_quantity: expected a number, got string "12,5"`},
		"spaces":                 {`"stock_quantity":" 12"`, stockOf, "nothing", `stock_quantity: expected a number, got string "12"`},
		"a plus":                 {`"stock_quantity":"+12"`, stockOf, "nothing", `stock_quantity: expected a number, got string "+12"`},
		"zeros before it":        {`"stock_quantity":"012"`, stockOf, "nothing", `stock_quantity: expected a number, got string "012"`},
		"infinity":               {`"stock_quantity":"Infinity"`, stockOf, "nothing", `stock_quantity: expected a number, got string "Infinity"`},
		"two numbers":            {`"stock_quantity":"1 2"`, stockOf, "nothing", `stock_quantity: expected a number, got string "1 2"`},
		"an escaped digit":       {`"stock_quantity":"1\u0032"`, stockOf, "nothing", `stock_quantity: expected a number, got string "12"`},
		"a flag":                 {`"stock_quantity":true`, stockOf, "nothing", `stock_quantity: expected a number, got true`},
		"a list":                 {`"stock_quantity":[1]`, stockOf, "nothing", `stock_quantity: expected a number, got a list`},
		"beyond use":             {`"stock_quantity":1e999999999`, stockOf, "nothing", `stock_quantity: expected a number of reasonable size, got number 1e999999999`},
		"beyond use, as text":    {`"stock_quantity":"1e999999999"`, stockOf, "nothing", `stock_quantity: expected a number of reasonable size, got string "1e999999999"`},
		"without end":            {`"stock_quantity":"` + long + `"`, stockOf, "nothing", `stock_quantity: expected a number of reasonable size, got string "` + long[:40] + `…"`},
		"twice":                  {`"stock_quantity":1,"stock_quantity":2`, stockOf, "nothing", `stock_quantity: expected a number, got several of them`},
		"stock is not kept":      {`"inventory_enabled":false,"stock_quantity":0,"available_quantity":0`, stockOf, "nothing", ``},
		"not kept, as a number":  {`"inventory_enabled":0,"stock_quantity":0`, stockOf, "nothing", ``},
		"not kept, beyond use":   {`"inventory_enabled":false,"stock_quantity":"x"`, stockOf, "nothing", ``},
		"kept, as a number":      {`"inventory_enabled":1,"stock_quantity":2`, stockOf, "2", ``},
		"kept, as text":          {`"inventory_enabled":"1","stock_quantity":2`, stockOf, "2", ``},
		"kept or not":            {`"inventory_enabled":"yes","stock_quantity":2`, stockOf, "2", `inventory_enabled: expected true or false, got string "yes"`},
		"barred":                 {`"is_barred":true`, func(i rackbeat.Item) any { return i.Barred }, "true", ``},
		"barred, as a number":    {`"is_barred":1`, func(i rackbeat.Item) any { return i.Barred }, "true", ``},
		"barred or not":          {`"is_barred":10`, func(i rackbeat.Item) any { return i.Barred }, "false", `is_barred: expected true or false, got number 10`},
		"a time without a zone":  {`"updated_at":"2026-03-02 07:11:09"`, updated, "2026-03-02T07:11:09Z false", ``},
		"a time in UTC":          {`"updated_at":"2026-03-02T07:11:09.000000Z"`, updated, "2026-03-02T07:11:09Z true", ``},
		"a time with an offset":  {`"updated_at":"2026-03-02T07:11:09+01:00"`, updated, "2026-03-02T06:11:09Z true", ``},
		"an offset of PHP's":     {`"updated_at":"2026-03-02T07:11:09+0100"`, updated, "2026-03-02T06:11:09Z true", ``},
		"no time":                {`"updated_at":null`, updated, "0001-01-01T00:00:00Z false", ``},
		"another time":           {`"updated_at":"yesterday"`, updated, "0001-01-01T00:00:00Z false", `updated_at: expected a time (YYYY-MM-DD HH:MM:SS or ISO 8601), got string "yesterday"`},
		"year 0":                 {`"updated_at":"0000-00-00 00:00:00"`, updated, "0001-01-01T00:00:00Z false", `updated_at: expected a time (YYYY-MM-DD HH:MM:SS or ISO 8601), got string "0000-00-00 00:00:00"`},
		"a bar code":             {`"barcode":"0571"`, func(i rackbeat.Item) any { return i.Barcode }, "0571", ``},
		"a bar code as a number": {`"barcode":5701234567899`, func(i rackbeat.Item) any { return i.Barcode }, "5701234567899", ``},
		"no bar code":            {`"barcode":[]`, func(i rackbeat.Item) any { return i.Barcode }, "", `barcode: expected a string, got a list`},
		"friendly, as a number":  {`"urlfriendly_number":12`, func(i rackbeat.Item) any { return i.URLFriendly }, "12", ``},
		"unneeded":               {`"x":{"number":2,"stock_quantity":7},"y":[{}]`, stockOf, "nothing", ``},
		"a number as an integer": {`"number":7`, nil, "", `item.number: expected text of at most 25 characters, or a whole number, got several of them`},
		"a deletion of no form":  {`"deleted_at":{}`, nil, "", `item.deleted_at: expected a string, got an object`},
		"a deletion":             {`"deleted_at":"2026-03-02 07:11:09"`, func(i rackbeat.Item) any { return i.Deleted }, "true", ``},
		"a deletion of no time":  {`"deleted_at":""`, func(i rackbeat.Item) any { return i.Deleted }, "false", ``},
	} {
		item, err := rackbeat.DecodeItem([]byte(`{"item":{"number":"1",` + test.fields + `}}`))
		got, failed := "", ""
		if err != nil {
			failed = err.Error()
		} else {
			got = fmt.Sprint(test.show(item))
		}
		for _, u := range item.Unsound {
			if failed += u.Err.Error(); !strings.HasPrefix(u.Err.Error(), u.Field+": ") {
				t.Errorf("%s: field %q: %v", name, u.Field, u.Err)
			}
		}
		if got != test.want || failed != test.failed {
			t.Errorf("%s: got %s, %s\nwant %s, %s", name, got, failed, test.want, test.failed)
		}
	}
}

func stockOf(i rackbeat.Item) any {
	if i.InStock == nil {
		return "nothing"
	}
	return i.InStock.StringFixed(max(0, -i.InStock.Exponent()))
}

func updated(i rackbeat.Item) any {
	return i.UpdatedAt.At.Format(time.RFC3339) + " " + fmt.Sprint(i.UpdatedAt.Zoned)
}

// TestNumbers: a number is the text that was sent.
func TestNumbers(t *testing.T) {
	t.Parallel()
	const want = ": expected text of at most 25 characters, or a whole number, got "
	for sent, test := range map[string][2]string{
		`"0042"`: {"0042"}, `1021`: {"1021"}, `0`: {"0"}, `12345678901234567890`: {"12345678901234567890"}, `"1.0"`: {"1.0"}, `" x "`: {" x "}, `"æ\u00f8"`: {"æø"}, `"\/"`: {"/"},
		`"` + strings.Repeat("ø", 25) + `"`: {strings.Repeat("ø", 25)},
		`"` + strings.Repeat("x", 26) + `"`: {"", `string "xxxxxxxxxxxxxxxxxxxxxxxxxx"`},
		strings.Repeat("9", 26):             {"", `number 99999999999999999999999999`}, `""`: {"", `string ""`}, `null`: {"", "nothing"}, `1.5`: {"", "number 1.5"}, `1e3`: {"", "number 1e3"},
		`true`: {"", "true"}, `["1"]`: {"", "a list"}, `{}`: {"", "an object"}, `"\ud800"`: {"", `string "�"`},
	} {
		page, err := rackbeat.DecodeItems([]byte(`{"items":[{"number":` + sent + `},{"number":"other"}],"total":2,"pages":1}`))
		if err != nil {
			t.Errorf("%s: %v", sent, err)
			continue
		}
		if test[0] != "" && (len(page.Items) != 2 || page.Items[0].Number != test[0]) {
			t.Errorf("%s: got %+v, want %q", sent, page, test[0])
		}
		if test[0] == "" && (len(page.Items) != 1 || len(page.Bad) != 1 || page.Bad[0].Err.Error() != "items[0].number"+want+test[1]) {
			t.Errorf("%s: got %+v, want %s", sent, page, test[1])
		}
	}
}

// TestPages: what a page of a listing must have.
func TestPages(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"items":[{"number":1}],"total":150,"pages":8,"limit":20,"page":1}`:       "1 of 150, 8 pages",
		`{"items":[{"number":1}],"total":"150","pages":"8","page":"1"}`:            "1 of 150, 8 pages",
		`{"items":[],"total":0,"pages":0}`:                                         "0 of 0, 0 pages",
		`{"items":[],"total":0,"pages":1,"page":null}`:                             "0 of 0, 1 pages",
		`{"items":[3,{"number":1},null],"total":3,"pages":1}`:                      "1 of 3, 1 pages; items[0]: expected an object, got number 3; items[2]: expected an object, got nothing",
		`{"items":[{"number":"a","stock_quantity":[]}],"total":1,"pages":1}`:       "1 of 1, 1 pages",
		`{"data":[],"total":0,"pages":0}`:                                          "items: expected a list, got nothing",
		`{"items":null,"total":0,"pages":0}`:                                       "items: expected a list, got nothing",
		`{"items":{},"total":0,"pages":0}`:                                         "items: expected a list, got an object",
		`{"items":[],"pages":0}`:                                                   "total: expected a whole number, got nothing",
		`{"items":[],"total":0}`:                                                   "pages: expected a whole number, got nothing",
		`{"items":[],"total":-1,"pages":0}`:                                        "total: expected a whole number from 0, got number -1",
		`{"items":[],"total":1.5,"pages":0}`:                                       "total: expected a whole number from 0, got number 1.5",
		`{"items":[],"total":"many","pages":0}`:                                    `total: expected a number, got string "many"`,
		`{"items":[],"total":1e19,"pages":0}`:                                      "total: expected a whole number from 0, got number 1e19",
		`{"items":[{"number":1}],"total":40,"pages":2,"page":2}`:                   "page: expected page 1, got number 2",
		`{"items":[],"total":40,"pages":2,"page":1}`:                               "pages: expected no page after an empty one, got number 2",
		`{"items":[],"items":[],"total":0,"pages":0}`:                              "items: expected a list, got several of them",
		`{"items":[` + strings.Repeat("{},", 1000) + `{}],"total":1001,"pages":1}`: "answer.items: expected at most 1000, got more",
	} {
		page, err := rackbeat.DecodeItems([]byte(body))
		got := fmt.Sprintf("%d of %d, %d pages", len(page.Items), page.Total, page.Pages)
		for _, bad := range page.Bad {
			got += "; " + bad.Err.Error()
		}
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%.100s: got %s\nwant %s", body, got, want)
		}
	}
}

// TestPlaces: places are a flat list, however they are nested in the answer.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`[]`: "",
		`[{"number":1,"name":"Lager"},{"number":"B-2","name":"Butik","parent_id":null},{"number":3,"parent_id":0}]`: "1 Lager|B-2 Butik|3",
		// By number, as clients know places; by id where the answer has it.
		`[{"number":11,"parent_id":1},{"number":1,"parent_id":null},{"number":111,"parent_id":"11"}]`:                                            "11 in 1|1|111 in 11",
		`[{"number":11,"id":7,"parent_id":3},{"number":1,"id":3},{"number":3,"id":4}]`:                                                           "11 in 1|1|3",
		`[{"number":1,"child_locations":[{"number":11,"parent_id":99,"child_locations":[{"number":111}]}]},{"number":2,"child_locations":null}]`: "1|11 in 1|111 in 11|2",

		`[{"number":1},{"number":1}]`:  `locations: expected each place once, got "1" twice`,
		`[{"number":1,"parent_id":1}]`: `locations: expected places inside one another, got "1" inside itself`,
		`[{"number":1,"parent_id":3},{"number":2,"parent_id":1},{"number":3,"parent_id":2}]`: `locations: expected places inside one another, got "2" inside itself`,
		`[{"number":4},{"number":1,"parent_id":9}]`:                                          `locations: expected the place "9" around "1", got nothing`,
		`[{"number":1},{"name":"x"}]`:                                                        `locations[1].number: expected text of at most 25 characters, or a whole number, got nothing`,
		`[{"number":1,"child_locations":[{}]}]`:                                              `locations[0].child_locations[0].number: expected text of at most 25 characters, or a whole number, got nothing`,
		`[{"number":1,"child_locations":{}}]`:                                                `locations[0].child_locations: expected a list, got an object`,
		`[{"number":1,"parent_id":[]}]`:                                                      `locations[0].parent_id: expected text of at most 25 characters, or a whole number, got a list`,
		`[7]`:                                                                                `locations[0]: expected an object, got number 7`,
	} {
		places, err := rackbeat.DecodePlaces([]byte(`{"locations":` + body + `}`))
		var list []string
		for _, p := range places {
			text := p.Number
			if p.Name != "" {
				text += " " + p.Name
			}
			if p.Parent != "" {
				text += " in " + p.Parent
			}
			list = append(list, text)
		}
		got := strings.Join(list, "|")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %s\nwant %s", body, got, want)
		}
	}
}

// TestAllPages: places and webhooks are read page by page to the last.
func TestAllPages(t *testing.T) {
	t.Parallel()
	full := strings.TrimSuffix(strings.Repeat(`{"number":"%d"},`, 1000), ",")
	for name, test := range map[string]struct {
		pages []string
		want  string
	}{
		"one":                   {[]string{`{"locations":[{"number":1}],"total":1,"pages":1}`}, "1"},
		"two":                   {[]string{`{"locations":[{"number":1}],"total":2,"pages":2}`, `{"locations":[{"number":2}],"total":2,"pages":2,"page":2}`}, "2"},
		"without counts":        {[]string{`{"locations":[{"number":1}]}`}, "1"},
		"fewer than announced":  {[]string{`{"locations":[{"number":1}],"total":2,"pages":1}`}, "announced 2 and sent 1"},
		"full, without counts":  {[]string{`{"locations":[` + full + `]}`}, "pages: expected a whole number, got nothing"},
		"the second is missing": {[]string{`{"locations":[{"number":1}],"total":2,"pages":2}`}, "no usable answer"},
		"the first for all":     {[]string{`{"locations":[{"number":1}],"total":2,"pages":2,"page":1}`, `{"locations":[{"number":1}],"total":2,"pages":2,"page":1}`}, "page: expected page 2, got number 1"},
		"more than anybody has": {[]string{`{"locations":[{"number":1}],"pages":21}`, "again"}, "more than 20 pages"},
		"another key":           {[]string{`{"places":[]}`}, "locations: expected a list, got nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 0
			b := setup(t, func(w http.ResponseWriter, r *http.Request) {
				page := "<html>"
				switch {
				case n < len(test.pages) && test.pages[n] != "again":
					page = test.pages[n]
					n++
				case n < len(test.pages):
					page = test.pages[n-1]
				}
				if strings.Contains(page, "%d") {
					numbers := make([]any, 1000)
					for i := range numbers {
						numbers[i] = i
					}
					page = fmt.Sprintf(page, numbers...)
				}
				fmt.Fprint(w, page)
			})
			places, err := b.Places(t.Context(), hint)
			if got := fmt.Sprint(len(places)); err == nil && got != test.want || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %s, %v, want %s", got, err, test.want)
			}
		})
	}
}

// TestItemPlaces: what is in the places of an item.
func TestItemPlaces(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"product_locations":[]}`: "",
		`{"product_locations":[{"number":1,"name":"Lager","stock_quantity":7},{"number":"4","stock_quantity":"-0.5"}],"pages":1,"total":2}`: "1 Lager 7|4  -0.5",
		`{"product_locations":[{"number":1,"stock_quantity":null},{"number":2}]}`:                                                           "1  <nil>|2  <nil>",

		`{"locations":[]}`:           "product_locations: expected a list, got nothing",
		`{"product_locations":null}`: "product_locations: expected a list, got nothing",
		`{"product_locations":[{"number":1,"stock_quantity":1},{"number":2,"stock_quantity":"x"}]}`: `product_locations[1].stock_quantity: expected a number, got string "x"`,
		`{"product_locations":[{"stock_quantity":1}]}`:                                              "product_locations[0].number: expected text of at most 25 characters, or a whole number, got nothing",
		`{"product_locations":[7]}`:                                                                 "product_locations[0]: expected an object, got number 7",
		`{"product_locations":[],"pages":2}`:                                                        "pages: expected one, got number 2",
		`{"product_locations":[` + strings.Repeat("{},", 1000) + `{}]}`:                             "answer.product_locations: expected at most 1000, got more",
	} {
		places, err := rackbeat.DecodeItemPlaces([]byte(body))
		var list []string
		for _, p := range places {
			list = append(list, fmt.Sprint(p.Number, " ", p.Name, " ", p.InStock))
		}
		got := strings.Join(list, "|")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%.200s: got %s\nwant %s", body, got, want)
		}
	}
}

// TestStockByPlace: the report of stock by place, which need not say how many items it has.
func TestStockByPlace(t *testing.T) {
	t.Parallel()
	page, err := rackbeat.DecodeStockByPlace([]byte(`{"items":[
		{"number":7,"name":"Kop","stock_quantity":"12","barcode":null,"locations":[{"number":1,"name":"Lager","stock_quantity":12,"parent_id":null},{"number":4,"stock_quantity":0}]},
		{"number":"8","locations":[]}, {"number":"9","stock_quantity":1}, {"number":"10","stock_quantity":1,"locations":[{"number":1,"stock_quantity":"x"},{"stock_quantity":1},3]}, {}],"pages":3}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, item := range page.Items {
		text := fmt.Sprint(item.Number, " ", item.InStock)
		for _, p := range item.Places {
			text += fmt.Sprint(" ", p.Number, ":", p.InStock)
		}
		for _, u := range item.Unsound {
			text += "; " + u.Err.Error()
		}
		got = append(got, text)
	}
	for _, bad := range page.Bad {
		got = append(got, bad.Err.Error())
	}
	want := []string{"7 12 1:12 4:0", "8 <nil>", "9 1; locations: expected a list, got nothing",
		`10 1; locations[0].stock_quantity: expected a number, got string "x"; locations[1].number: expected text of at most 25 characters, or a whole number, got nothing; locations[2]: expected an object, got number 3`,
		"items[4].number: expected text of at most 25 characters, or a whole number, got nothing"}
	if diff := cmp.Diff(want, got); diff != "" || page.Total != -1 || page.Pages != 3 {
		t.Errorf("%d of %d pages\n%s", page.Total, page.Pages, diff)
	}
}

func TestReportSize(t *testing.T) {
	t.Parallel()
	for places, want := range map[int]int{0: 1000, 1: 1000, 100: 1000, 101: 990, 1000: 100, 100_000: 1, 1_000_000: 1} {
		if got := rackbeat.ReportSize(places); got != want {
			t.Errorf("%d places: %d items, want %d", places, got, want)
		}
	}
}

func TestSelf(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"user_account":{"id":7,"company_name":"Kop ApS"},"user":{"id":1}}`: "7 Kop ApS",
		`{"user_account":{"id":"7","name":"Kop ApS"}}`:                       "7 Kop ApS",
		`{"user_account":{"id":7}}`:                                          "7 ",
		`{"id":7}`:                                                           "user_account: expected an object, got nothing",
		`{"user_account":[]}`:                                                "user_account: expected an object, got a list",
		`{"user_account":{}}`:                                                "user_account.id: expected a whole number from 1, got nothing",
		`{"user_account":{"id":0}}`:                                          "user_account.id: expected a whole number from 1, got number 0",
		`{"user_account":{"id":7.5}}`:                                        "user_account.id: expected a whole number from 1, got number 7.5",
	} {
		self, err := rackbeat.DecodeSelf([]byte(body))
		got := fmt.Sprint(self.ID, " ", self.Name)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %s\nwant %s", body, got, want)
		}
	}
}

// TestWebhooks: the list of webhooks. A shop's code may be in the address, which is not printed.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	page, err := rackbeat.DecodeWebhooks([]byte(`{"webhooks":[{"id":3,"event":"inventory.changed","url":"https://x/webhooks.php?password=CODE","is_active":true,"plugin":null,"failures_since_last_success":2,"token":"TOKEN"},
		{"id":4,"event":"order.created","is_active":0,"plugin":"shopify"}]}`))
	if err != nil || len(page.Items) != 2 {
		t.Fatal(page, err)
	}
	if text := fmt.Sprintf("%+v", page); strings.Contains(text, "CODE") || strings.Contains(text, "TOKEN") {
		t.Errorf("a secret is in %s", text)
	}
	if url := page.Items[0].URL.Reveal(); url != "https://x/webhooks.php?password=CODE" {
		t.Errorf("the address is %s", url)
	}
	page.Items[0].URL, page.Items[1].URL = secret.Text{}, secret.Text{}
	want := []rackbeat.Webhook{{ID: 3, Event: "inventory.changed", Active: new(true), Failures: 2}, {ID: 4, Event: "order.created", Active: new(false), Plugin: "shopify"}}
	if diff := cmp.Diff(want, page.Items, cmp.AllowUnexported(secret.Text{})); diff != "" {
		t.Error(diff)
	}
}

// checkDecoded checks that an error about a syntactically valid document names a field,
// and that an invalid one gives an error.
func checkDecoded(t *testing.T, body []byte, err error) {
	t.Helper()
	if err != nil && json.Valid(body) && !rackbeat.IsFieldError(err) && !rackbeat.IsLost(err) {
		t.Errorf("%q: %v names no field", body, err)
	}
	if err != nil && strings.ContainsAny(err.Error(), "\r\n") {
		t.Errorf("%q: %q is not one line", body, err)
	}
}

// checkNumber checks that a number was sent, digit by digit.
func checkNumber(t *testing.T, body []byte, number string) {
	t.Helper()
	if number == "" || len([]rune(number)) > rackbeat.LongestNumber {
		t.Errorf("%q: the number %q", body, number)
	}
}

// checkFigures checks that a figure was sent: it is in the body, as text or as a number.
func checkFigures(t *testing.T, body []byte, figures ...*decimal.Decimal) {
	t.Helper()
	for _, f := range figures {
		if f != nil && !bytes.ContainsAny(body, "0123456789") {
			t.Errorf("%q: the figure %s", body, f)
		}
	}
}

func FuzzItems(f *testing.F) {
	f.Add([]byte(`{"items":[` + documented[len(`{"item":`):len(documented)-1] + `],"total":150,"pages":8,"limit":20,"page":1}`))
	f.Add([]byte(`{"items":[{"number":1021,"stock_quantity":"1.50","inventory_enabled":0,"deleted_at":null},{"number":"1","stock_quantity":1,"stock_quantity":2}],"total":"2","pages":1}`))
	f.Add([]byte(`{"items":[{"number":"\ud800","updated_at":"2026-03-02T07:11:09+0100"}],"total":1e0,"pages":1}`))
	f.Add([]byte("\xef\xbb\xbf{\"items\":[],\"total\":0,\"pages\":0}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var page rackbeat.Page[rackbeat.Item]
		var err error
		hostiletest.Within(t, body, func() { page, err = rackbeat.DecodeItems(body) })
		checkDecoded(t, body, err)
		for _, item := range page.Items {
			checkNumber(t, body, item.Number)
			checkFigures(t, body, item.InStock, item.Available, item.InOrder, item.Purchased)
			if item.InventoryEnabled != nil && !*item.InventoryEnabled && item.InStock != nil {
				t.Errorf("%q: a figure of an item whose stock is not kept", body)
			}
			for _, u := range item.Unsound {
				if u.Field == "" || !rackbeat.IsFieldError(u.Err) || strings.ContainsAny(u.Err.Error(), "\r\n") {
					t.Errorf("%q: field %q: %v", body, u.Field, u.Err)
				}
			}
		}
		if err == nil && len(page.Items)+len(page.Bad) > rackbeat.PageSize {
			t.Errorf("%q: a page of %d", body, len(page.Items))
		}
	})
}

func FuzzItem(f *testing.F) {
	f.Add([]byte(documented))
	f.Add([]byte(`{"item":{"number":0,"barcode":57,"urlfriendly_number":12}}`))
	f.Add([]byte(`{"item":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var item rackbeat.Item
		var err error
		hostiletest.Within(t, body, func() { item, err = rackbeat.DecodeItem(body) })
		checkDecoded(t, body, err)
		if err == nil {
			checkNumber(t, body, item.Number)
			checkFigures(t, body, item.InStock, item.Available, item.InOrder, item.Purchased)
		}
	})
}

// FuzzPlaces: whatever the answer is, places form trees, and each is there once.
func FuzzPlaces(f *testing.F) {
	f.Add([]byte(`{"locations":[{"number":11,"id":7,"parent_id":3},{"number":1,"id":3},{"number":"x","child_locations":[{"number":2}]}],"pages":1}`))
	f.Add([]byte(`{"locations":[{"number":1,"parent_id":3},{"number":2,"parent_id":1},{"number":3,"parent_id":2}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var places []rackbeat.Place
		var err error
		hostiletest.Within(t, body, func() { places, err = rackbeat.DecodePlaces(body) })
		checkDecoded(t, body, err)
		around := map[string]string{}
		for _, p := range places {
			checkNumber(t, body, p.Number)
			if _, twice := around[p.Number]; twice {
				t.Fatalf("%q: place %q twice", body, p.Number)
			}
			around[p.Number] = p.Parent
		}
		for _, p := range places {
			for at, steps := p.Number, 0; at != ""; at, steps = around[at], steps+1 {
				if _, exists := around[at]; !exists || steps > len(places) {
					t.Fatalf("%q: place %q does not lead to the top", body, p.Number)
				}
			}
		}
	})
}

func FuzzStockByPlace(f *testing.F) {
	f.Add([]byte(`{"items":[{"number":7,"stock_quantity":"12","locations":[{"number":1,"stock_quantity":12},{"number":4,"stock_quantity":0}]}],"pages":3}`))
	f.Add([]byte(`{"items":[{"number":7,"locations":[3,{"number":null}],"locations":[]}],"pages":3,"product_locations":[{"number":1,"stock_quantity":"1"}],"webhooks":[{"id":1,"url":"x"}],"user_account":{"id":1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var page rackbeat.Page[rackbeat.StockByPlace]
		var err error
		hostiletest.Within(t, body, func() { page, err = rackbeat.DecodeStockByPlace(body) })
		checkDecoded(t, body, err)
		for _, item := range page.Items {
			checkNumber(t, body, item.Number)
			for _, p := range item.Places {
				checkNumber(t, body, p.Number)
				checkFigures(t, body, p.InStock)
			}
		}
		var places []rackbeat.PlaceStock
		hostiletest.Within(t, body, func() { places, err = rackbeat.DecodeItemPlaces(body) })
		checkDecoded(t, body, err)
		for _, p := range places {
			if err == nil {
				checkNumber(t, body, p.Number)
			}
		}
		hostiletest.Within(t, body, func() { _, err = rackbeat.DecodeWebhooks(body) })
		checkDecoded(t, body, err)
	})
}

// FuzzSelf: whatever the answer about the account is, it costs no more than it may, and names one.
func FuzzSelf(f *testing.F) {
	f.Add([]byte(`{"user_account":{"id":1,"company_name":"x","name":"y"}}`))
	f.Add([]byte(`{"user_account":{"id":"1","id":2},"user_account":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var self rackbeat.Self
		var err error
		hostiletest.Within(t, body, func() { self, err = rackbeat.DecodeSelf(body) })
		checkDecoded(t, body, err)
		if err == nil && self.ID < 1 {
			t.Errorf("%q: account %d", body, self.ID)
		}
	})
}

// TestErrorText: an error is one line of what is known, with its cause, which it wraps.
func TestErrorText(t *testing.T) {
	t.Parallel()
	cause := errors.New("read:\nbroken\x1b pipe")
	e := &rackbeat.Error{Op: "read", Kind: rackbeat.KindMalformed, Status: 200, Message: "m", Err: cause, RetryAfter: 1499 * time.Millisecond}
	if got, want := e.Error(), "read: unexpected answer from Rackbeat (status 200): m: read: broken pipe, try again in 1s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(e, cause) || rackbeat.KindOf(cause) != "" || rackbeat.KindOf(nil) != "" {
		t.Error("its cause is not wrapped, or has a kind")
	}
}
