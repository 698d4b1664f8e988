package hostiletest

import "strings"

// The kinds of answers of a Rackbeat.
const (
	RackbeatItems  Kind = "rackbeat items"  // a page of items
	RackbeatItem   Kind = "rackbeat item"   // one
	RackbeatPlaces Kind = "rackbeat places" // of the warehouse
	RackbeatStock  Kind = "rackbeat stock"  // a page of the report of stock by place
	RackbeatIn     Kind = "rackbeat in"     // the places of an item
	RackbeatSelf   Kind = "rackbeat self"   // whose the key is
)

// RackbeatAnswers returns answers that a Rackbeat could send to use up lagerd's memory or time,
// about as large as largest.
func RackbeatAnswers(largest int) []Answer {
	const (
		page, pageEnd   = `{"items":[`, `],"total":1,"pages":1}`
		item, itemEnd   = `{"items":[{"number":"1",`, `}],"total":1,"pages":1}`
		places, listEnd = `{"locations":[`, `]}`
		stock, stockEnd = `{"items":[{"number":1,"locations":[`, `]}],"pages":1}`
	)
	return []Answer{
		{"empty items", RackbeatItems, fill(page, `{},`, pageEnd, largest), "at most 1000"},
		{"numbers as items", RackbeatItems, fill(page, `0,`, pageEnd, largest), "at most 1000"},
		{"long items", RackbeatItems, fill(page, `{"number":"1","name":"`+strings.Repeat("x", largest/998)+`"},`, pageEnd, largest), ""},
		{"unneeded list", RackbeatItems, fill(item+`"x":[`, `[],`, `]`+itemEnd, largest), ""},
		{"unneeded object", RackbeatItems, fill(item+`"x":{`, `"a":{"b":1e9},`, `}`+itemEnd, largest), ""},
		{"one needed often", RackbeatItems, fill(item, `"name":"x",`, itemEnd, largest), ""},
		{"deep lists", RackbeatItems, func() []byte {
			return []byte(item + `"x":` + strings.Repeat("[", largest/2) + strings.Repeat("]", largest/2) + itemEnd)
		}, "exceeded max depth"},
		{"deep objects", RackbeatItems, func() []byte {
			return []byte(item + `"x":` + strings.Repeat(`{"x":`, largest/6) + "1" + strings.Repeat("}", largest/6) + itemEnd)
		}, "exceeded max depth"},
		{"a long name", RackbeatItems, fill(item+`"name":"`, "ab", `"`+itemEnd, largest), ""},
		{"an escaped name", RackbeatItems, fill(item+`"name":"`, `\u00e6`, `"`+itemEnd, largest), ""},
		{"a long figure", RackbeatItems, fill(item+`"stock_quantity":`, "9", itemEnd, largest), ""},
		{"a long figure as text", RackbeatItems, fill(item+`"stock_quantity":"`, "9", `"`+itemEnd, largest), ""},
		{"figures of spaces", RackbeatItems, fill(item+`"stock_quantity":"1`, " ", `"`+itemEnd, largest), ""},
		{"a long number", RackbeatItems, fill(`{"items":[{"number":"`, "9", `"}],"total":1,"pages":1}`, largest), ""},
		{"a long whole number", RackbeatItems, fill(`{"items":[{"number":`, "9", `}],"total":1,"pages":1}`, largest), ""},
		{"a long total", RackbeatItems, fill(`{"items":[],"pages":1,"total":`, "9", `}`, largest), "reasonable size"},
		{"a long time", RackbeatItems, fill(item+`"updated_at":"`, "2026-03-02 ", `"`+itemEnd, largest), ""},
		{"a long flag", RackbeatItems, fill(item+`"is_barred":"`, "1", `"`+itemEnd, largest), ""},
		{"spaces", RackbeatItems, fill(item+`"is_barred":`, " ", `true`+itemEnd, largest), ""},
		{"totals", RackbeatItems, fill(page+`],`, `"total":1,`, `,"pages":1}`, largest), "several of them"},
		{"lists of items", RackbeatItems, fill(`{`, `"items":[{}],`, `,"total":1,"pages":1}`, largest), "several of them"},
		{"items in an item", RackbeatItem, fill(`{"item":{"number":"1",`, `"item":{"number":1},`, `}}`, largest/16), ""},
		{"items often", RackbeatItem, fill(`{`, `"item":{"number":1},`, `}`, largest/16), "several of them"},
		{"empty places", RackbeatPlaces, fill(places, `{},`, listEnd, largest), "at most 1000"},
		{"places in a place", RackbeatPlaces, fill(places+`{"number":1,"child_locations":[`, `{},`, `]}`+listEnd, largest), "at most 20000"},
		{"deep places", RackbeatPlaces, func() []byte {
			n := largest / len(`{"child_locations":[]}`)
			return []byte(places + strings.Repeat(`{"child_locations":[`, n) + strings.Repeat("]}", n) + listEnd)
		}, "exceeded max depth"},
		{"places of numbers", RackbeatPlaces, fill(places+`{"number":1,"child_locations":[`, `0,`, `]}`+listEnd, largest), "at most 20000"},
		{"empty stock", RackbeatStock, fill(stock, `{},`, stockEnd, largest), "at most 100000"},
		{"stock of numbers", RackbeatStock, fill(stock, `0,`, stockEnd, largest), "at most 100000"},
		{"stock", RackbeatStock, fill(stock, `{"number":1,"stock_quantity":1},`, stockEnd, largest), "at most 100000"},
		{"stock often", RackbeatStock, fill(`{"items":[{"number":1,`, `"locations":[{},0],`, `,"name":"x"}],"pages":1}`, largest), ""},
		{"places of an item", RackbeatIn, fill(`{"product_locations":[`, `{},`, `]}`, largest/16), "at most 1000"},
		{"whose it is, often", RackbeatSelf, fill(`{`, `"user_account":{"id":1},`, `}`, largest/16), "several of them"},
		{"a page", RackbeatItems, fill("<html>", "<b>", "</html>", largest), "<html>"},
		{"zeroes", RackbeatItems, func() []byte { return make([]byte, largest) }, "invalid"},
		{"an open list", RackbeatItems, fill(page, `[`, "", largest), "exceeded max depth"},
	}
}
