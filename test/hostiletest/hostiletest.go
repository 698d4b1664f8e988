// Package hostiletest has answers that an e-conomic or a Rackbeat could send to use up lagerd's memory or
// its time. They are as large as is asked for, and made one at a time.
package hostiletest

import "strings"

// Kind is what an answer stands for: which address of e-conomic's sends it.
type Kind string

// The kinds.
const (
	Products Kind = "products" // a page of items
	Invoices Kind = "invoices" // a page of invoices
	Invoice  Kind = "invoice"  // one with its lines
	Self     Kind = "self"     // whose the token is
	PDF      Kind = "pdf"
)

// Answer is a hostile answer.
type Answer struct {
	Name string
	Kind Kind
	Body func() []byte
	Err  string // part of the error that it must cause; "": it can be parsed
}

// fill repeats a part until an answer has that many bytes.
func fill(before, part, after string, size int) func() []byte {
	return func() []byte {
		n := (size-len(before)-len(after))/len(part) - 1 // and once more
		return []byte(before + strings.Repeat(part, n) + strings.TrimRight(part, ",") + after)
	}
}

const (
	page, pageEnd = `{"collection":[`, `],"pagination":{"results":1}}`
	item, itemEnd = `{"collection":[{"productNumber":"1",`, `}],"pagination":{"results":1}}`
)

// Answers returns all of them, about as large as largest.
func Answers(largest int) []Answer {
	return []Answer{
		{"empty items", Products, fill(page, `{},`, pageEnd, largest), "at most 1000"},
		{"numbers as items", Products, fill(page, `0,`, pageEnd, largest), "at most 1000"},
		{"items", Products, fill(page, `{"productNumber":"1"},`, pageEnd, largest), "at most 1000"},
		{"long items", Products, fill(page, `{"productNumber":"1","name":"`+strings.Repeat("x", largest/998)+`"},`, pageEnd, largest), ""},
		{"unneeded list", Products, fill(item+`"x":[`, `[],`, `]`+itemEnd, largest), ""},
		{"unneeded object", Products, fill(item+`"x":{`, `"a":{"b":1e9},`, `}`+itemEnd, largest), ""},
		{"one needed often", Products, fill(item, `"name":"x",`, itemEnd, largest), ""},
		{"inventory often", Products, fill(item, `"inventory":{"inStock":1},`, itemEnd, largest), ""},
		{"deep lists", Products, func() []byte {
			return []byte(item + `"x":` + strings.Repeat("[", largest/2) + strings.Repeat("]", largest/2) + itemEnd)
		}, "exceeded max depth"},
		{"deep objects", Products, func() []byte {
			return []byte(item + `"x":` + strings.Repeat(`{"x":`, largest/6) + "1" + strings.Repeat("}", largest/6) + itemEnd)
		}, "exceeded max depth"},
		{"deep inventory", Products, func() []byte {
			return []byte(item + `"inventory":` + strings.Repeat(`{"inventory":`, largest/14) + "1" + strings.Repeat("}", largest/14) + itemEnd)
		}, "exceeded max depth"},
		{"a long name", Products, fill(item+`"name":"`, "ab", `"`+itemEnd, largest), ""},
		{"an escaped name", Products, fill(item+`"name":"`, `\u00e6`, `"`+itemEnd, largest), ""},
		{"a long figure", Products, fill(item+`"inventory":{"inStock":`, "9", `}`+itemEnd, largest), ""},
		{"a long number", Products, fill(`{"collection":[{"productNumber":"`, "9", `"}],"pagination":{"results":1}}`, largest), ""},
		{"a text as a flag", Products, fill(item+`"barred":"`, "ab", `"`+itemEnd, largest), ""},
		{"spaces", Products, fill(item+`"barred":`, " ", `true`+itemEnd, largest), ""},
		{"a long name of it", Products, fill(item+`"`, "ab", `":1`+itemEnd, largest), ""},
		{"pagination often", Products, fill(page+`],`, `"pagination":{"results":1},`, `,"x":1}`, largest), "several of them"},
		{"collections", Products, fill(`{`, `"collection":[{}],`, `,"pagination":{"results":1}}`, largest), "several of them"},
		{"empty invoices", Invoices, fill(page, `{},`, pageEnd, largest), "at most 1000"},
		{"lines", Invoice, fill(`{"bookedInvoiceNumber":1,"lines":[`, `{},`, `]}`, largest), "at most 100000"},
		{"lines of numbers", Invoice, fill(`{"bookedInvoiceNumber":1,"lines":[`, `0,`, `]}`, largest), "at most 100000"},
		{"lines of products", Invoice, fill(`{"bookedInvoiceNumber":1,"lines":[`, `{"product":{"productNumber":"1"}},`, `]}`, largest), "at most 100000"},
		{"lines often", Invoice, fill(`{"bookedInvoiceNumber":1,`, `"lines":[{},0],`, `,"date":"2026-01-01"}`, largest), ""},
		{"modules", Self, fill(`{"agreementNumber":1,"modules":[`, `{},`, `]}`, largest/16), "at most 1000"},
		{"roles", Self, fill(`{"agreementNumber":1,"application":{"requiredRoles":[`, `0,`, `]}}`, largest/16), "at most 1000"},
		{"a page", Products, fill("<html>", "<b>", "</html>", largest), "no usable answer"},
		{"zeroes", Products, func() []byte { return make([]byte, largest) }, "invalid"},
		{"an open list", Products, fill(page, `[`, "", largest), "exceeded max depth"},
		{"PDF of objects", PDF, fill("%PDF-1.4\n1 0 obj\n%%EOF", "1 1 ob j", "", largest/3), "truncated"},
		{"PDF of obj", PDF, fill("%PDF-1.4\n1 0 obj\n%%EOF", "1  obj ", "", largest/3), "truncated"},
		{"PDF of ends", PDF, fill("%PDF-1.4\n1 0 obj\n", "%%EOF", "", largest/3), ""},
	}
}
