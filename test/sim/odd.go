package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// odd returns an answer in which a field of one item or invoice is wrong. unread is its number
// if lagerd needs the field and so cannot read the item or invoice, otherwise "".
func (s *simulation) odd(req *http.Request, status int, body []byte) (odd []byte, unread string) {
	path := req.URL.Path
	products := strings.HasPrefix(path, "/products")
	if status != http.StatusOK || strings.HasSuffix(path, "/pdf") || !products && !strings.HasPrefix(path, "/invoices/booked") {
		return body, ""
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var whole map[string]any
	if err := decoder.Decode(&whole); err != nil {
		panic(err)
	}
	one := whole
	if list, ok := whole["collection"].([]any); ok {
		if len(list) == 0 {
			return body, ""
		}
		one = list[s.rng.IntN(len(list))].(map[string]any)
		for _, other := range list {
			if other := other.(map[string]any); other["barred"] == true && s.rng.IntN(2) == 0 {
				one = other // the one that could wrongly be sold
			}
		}
	}
	needed := false
	if products {
		unread = one["productNumber"].(string)
		switch s.rng.IntN(5) {
		case 0, 1:
			one["barred"] = "no"
		case 2:
			one["lastUpdated"], one["barCode"], one["productGroup"] = "2026-11-02T10:00:00", 5, []any{}
		case 3:
			needed = true
			if inventory, ok := one["inventory"].(map[string]any); ok {
				inventory["inStock"] = fmt.Sprint(inventory["inStock"])
			}
		case 4:
			needed, one["inventory"] = true, []any{}
		}
	} else {
		unread = fmt.Sprint(one["bookedInvoiceNumber"])
		switch s.rng.IntN(4) {
		case 0:
			one["date"], one["exchangeRate"], one["customer"] = fmt.Sprint(one["date"])+"T00:00:00", "747.5", 7
		case 1:
			one["netAmount"], one["currency"], one["pdf"] = "x", "DKKK", "x"
		case 2:
			needed, one["references"] = true, []any{"x"}
		case 3:
			needed, one["netAmount"], one["grossAmount"] = true, "x", true
		}
	}
	s.counts["unsound field"]++
	odd, err := json.Marshal(whole)
	if err != nil {
		panic(err)
	}
	if !needed {
		return odd, ""
	}
	s.counts["unsound field that is needed"]++
	return odd, unread
}

// checkInvoices checks that an invoice is stored only with the fields its shop needs.
func (o *oracle) checkInvoices() {
	for _, row := range o.sim.db.mustQuery("SELECT shop, number, order_number, credit_note FROM invoices") {
		x := o.sim.world.shops[slices.IndexFunc(o.sim.world.shops, func(x *shop) bool { return x.name == row[0] })]
		if inv := x.invoices[row[1].(int64)]; inv == nil || inv.order != row[2] || truth(row[3]) {
			o.violate("invoices: invoice %d of %s is stored with the order %q (credit note: %t), which e-conomic never sent", row[1], x.name, row[2], truth(row[3]))
		}
	}
}

// unsound describes what has not been read yet, "" if everything has.
func (o *oracle) unsound() string {
	for _, row := range o.sim.db.mustQuery("SELECT shop, kind, number, warning FROM warnings") {
		return fmt.Sprintf("there is a warning: %v", row)
	}
	for _, row := range o.sim.db.mustQuery("SELECT shop, number FROM invoices WHERE invoice_date IS NULL OR currency = '' OR net IS NULL OR gross IS NULL") {
		return fmt.Sprintf("an invoice is stored in part: %v", row)
	}
	return ""
}
