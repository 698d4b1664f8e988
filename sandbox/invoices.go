package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

var invoiceFields = fields[*invoice]{
	"bookedInvoiceNumber":     {kind: numberField, sort: true, num: func(i *invoice) (float64, bool) { return float64(i.number), true }},
	"date":                    {kind: timeField, sort: true, when: func(i *invoice) (time.Time, bool) { t, _ := parseTime(i.date); return t, true }},
	"currency":                {kind: textField, sort: true, text: func(*invoice) (string, bool) { return "DKK", true }},
	"customer.customerNumber": {kind: numberField, sort: true, num: func(i *invoice) (float64, bool) { return float64(i.customer), true }},
	"references.other":        {kind: textField, sort: true, text: func(i *invoice) (string, bool) { return i.ref("references.other") }},
	"notes.heading":           {kind: textField, sort: true, text: func(i *invoice) (string, bool) { return i.ref("notes.heading") }},
	"notes.textLine1":         {kind: textField, sort: true, text: func(i *invoice) (string, bool) { return i.ref("notes.textLine1") }},
	"notes.textLine2":         {kind: textField, sort: true, text: func(i *invoice) (string, bool) { return i.ref("notes.textLine2") }},
}

// ref returns the order reference if it is in the field of that name.
func (i *invoice) ref(name string) (string, bool) {
	where := i.refField
	if where == "" {
		where = "references.other"
	}
	return i.orderRef, where == name && i.orderRef != ""
}

func (a *agreement) listInvoices(r *http.Request, base string, f *Faults) answer {
	p, bad := a.page(r)
	if bad != nil {
		return *bad
	}
	match, err := parseFilter(p.query.Get("filter"), invoiceFields)
	if err != nil {
		return a.badFilter(err)
	}
	order, err := parseSort(p.query.Get("sort"), invoiceFields)
	if err != nil {
		return a.badFilter(err)
	}
	now := time.Now()
	a.mu.Lock()
	var matches []*invoice
	all := 0
	for _, n := range a.numbers {
		inv := a.invoices[n]
		if inv.readable.After(now) {
			continue
		}
		all++
		if match(inv) {
			matches = append(matches, inv)
		}
	}
	a.mu.Unlock()
	if order != nil {
		slices.SortStableFunc(matches, order)
	}
	from, to := p.bounds(len(matches))
	to = a.half(f, from, to)
	items := make([]any, 0, to-from)
	for _, inv := range matches[from:to] {
		items = append(items, renderInvoice(inv, base))
	}
	return jsonAnswer(200, map[string]any{"collection": items, "pagination": p.pagination(base, "/invoices/booked", len(matches), all),
		"metaData": map[string]any{}, "self": p.link(base, "/invoices/booked", p.skip)})
}

func renderInvoice(i *invoice, base string) map[string]any {
	self := fmt.Sprintf("%s/invoices/booked/%d", base, i.number)
	m := map[string]any{
		"bookedInvoiceNumber": i.number, "orderNumber": i.number + 500, "date": i.date, "dueDate": i.due, "currency": "DKK", "exchangeRate": json.RawMessage("100.000000"),
		"netAmount": i.net, "netAmountInBaseCurrency": i.net, "grossAmount": i.gross(), "grossAmountInBaseCurrency": i.gross(),
		"vatAmount": i.vat, "roundingAmount": amount(0), "remainder": i.gross(), "remainderInBaseCurrency": i.gross(),
		"paymentTerms": map[string]any{"paymentTermsNumber": 1, "daysOfCredit": 14, "name": "Netto 14 dage", "paymentTermsType": "net", "self": base + "/payment-terms/1"},
		"customer":     map[string]any{"customerNumber": i.customer, "self": fmt.Sprintf("%s/customers/%d", base, i.customer)},
		"recipient": map[string]any{"name": "Steen 3 ApS", "address": "Virksomhedsvej 58\rTh.", "zip": "7741", "city": "Frøstrup", "country": "Danmark",
			"vatZone": map[string]any{"name": "Domestic", "vatZoneNumber": 1, "enabledForCustomer": true, "enabledForSupplier": true, "self": base + "/vat-zones/1"}},
		"delivery": map[string]any{"address": "Steen 3 ApS\rVirksomhedsvej 58", "zip": "7741", "city": "Frøstrup", "country": "Danmark", "deliveryDate": i.date},
		"layout":   map[string]any{"layoutNumber": 15, "self": base + "/layouts/15"},
		"pdf":      map[string]any{"download": self + "/pdf"},
		"sent":     self + "/sent", "self": self,
	}
	references, notes := map[string]any{}, map[string]any{}
	for name, into := range map[string]map[string]any{"references.other": references, "notes.heading": notes, "notes.textLine1": notes, "notes.textLine2": notes} {
		if ref, ok := i.ref(name); ok {
			into[name[strings.IndexByte(name, '.')+1:]] = ref
		}
	}
	if len(references) > 0 {
		m["references"] = references
	}
	if len(notes) > 0 {
		m["notes"] = notes
	}
	return m
}

func (a *agreement) oneInvoice(rest, base string, f *Faults) answer {
	text, tail, _ := strings.Cut(rest, "/")
	n, err := strconv.ParseInt(text, 10, 64)
	now := time.Now()
	a.mu.Lock()
	inv := a.invoices[n]
	a.mu.Unlock()
	if err != nil || inv == nil || inv.readable.After(now) {
		return a.sandbox.notFound()
	}
	switch tail {
	case "":
		m := renderInvoice(inv, base)
		lines := make([]any, len(inv.lines))
		for i, l := range inv.lines {
			lines[i] = map[string]any{"lineNumber": i + 1, "sortKey": i + 1, "description": "Vare " + l.number, "quantity": l.quantity, "unitNetPrice": l.price,
				"discountPercentage": amount(0), "unitCostPrice": amount(0), "vatRate": amount(2500), "vatAmount": l.quantity.times(l.price) / 4, "totalNetAmount": l.quantity.times(l.price),
				"unit":    map[string]any{"unitNumber": 1, "name": "stk.", "products": base + "/units/1/products", "self": base + "/units/1"},
				"product": map[string]any{"productNumber": l.number, "self": base + "/products/" + escapeNumber(l.number)}}
		}
		m["lines"] = lines
		return jsonAnswer(200, m)
	case "pdf":
		return a.pdf(inv, now, f)
	}
	return a.sandbox.notFound()
}

func (a *agreement) pdf(inv *invoice, now time.Time, f *Faults) answer {
	s := a.sandbox
	switch {
	case inv.pdfAt.After(now):
		return s.notFound()
	case s.strikes(a, f.PDFHTML, "pdfHTML"):
		return answer{status: 200, body: []byte("<html><body>Please wait</body></html>"), contentType: "text/html"}
	case s.strikes(a, f.PDFCut, "pdfCut"):
		return answer{status: 200, body: inv.pdf[:len(inv.pdf)/2], contentType: "application/pdf"}
	}
	return answer{status: 200, body: inv.pdf, contentType: "application/pdf"}
}
