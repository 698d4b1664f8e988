package sandbox

import (
	"slices"
	"strconv"
	"unicode/utf8"
)

// Items are rendered by hand, their fields in the order in which encoding/json
// writes a map: pages of 1,000 of them are most of a sandbox's work, and
// encoding/json takes about twenty times as long.

// productWriter renders an agreement's items.
type productWriter struct {
	base   string
	faults *Faults
	stock  bool      // the agreement has the inventory module
	groups [2]string // productGroup of an item without stock, and of one with stock
	unit   string
}

func newProductWriter(base string, inventory bool, f *Faults) *productWriter {
	w := &productWriter{base: base, faults: f, stock: inventory}
	for i, stocked := range []bool{false, true} {
		w.groups[i] = string(encode(renderGroup(base, group(productState{stocked: stocked}), inventory && stocked)))
	}
	w.unit = string(encode(map[string]any{"unitNumber": 1, "name": "stk.", "products": base + "/units/1/products", "self": base + "/units/1"}))
	return w
}

// append renders an item; the answer for a single item includes how to delete it.
func (w *productWriter) append(b []byte, p shownProduct, single bool) []byte {
	self := w.base + "/products/" + escapeNumber(p.number)
	poison := slices.Contains(w.faults.Poison, p.number)
	b = append(b, '{')
	if p.barCode != "" {
		b = append(appendText(append(b, `"barCode":`...), p.barCode), ',')
	}
	b = strconv.AppendBool(append(b, `"barred":`...), p.barred)
	b = append(b, `,"costPrice":0.0,`...)
	if poison || w.stock && p.stocked && !w.faults.NoFigures {
		b = w.appendInventory(b, p, poison)
	}
	b = append(append(b, `"invoices":{"booked":"`...), self...)
	b = append(append(b, `/invoices/booked","drafts":"`...), self...)
	b = append(append(b, `/invoices/drafts","self":"`...), self...)
	b = append(b, `/invoices"},"lastUpdated":"`...)
	b = p.updated.AppendFormat(b, "2006-01-02T15:04:05Z")
	b = append(b, '"')
	if single {
		b = append(append(b, `,"metaData":{"delete":{"description":"Delete this product.","href":"`...), self...)
		b = append(b, `","httpMethod":"delete"}}`...)
	}
	b = appendText(append(b, `,"name":`...), p.name)
	b = append(append(b, `,"pricing":{"currencySpecificSalesPrices":"`...), self...)
	b = append(b, `/pricing/currency-specific-sales-prices"},"productGroup":`...)
	if p.stocked {
		b = append(b, w.groups[1]...)
	} else {
		b = append(b, w.groups[0]...)
	}
	b = appendText(append(b, `,"productNumber":`...), p.number)
	b = append(append(b, `,"recommendedPrice":0.0,"salesPrice":125.0,"self":"`...), self...)
	b = append(append(b, `","unit":`...), w.unit...)
	return append(b, '}')
}

func (w *productWriter) appendInventory(b []byte, p shownProduct, poison bool) []byte {
	inStock, ordered := p.inStock, p.ordered
	if w.faults.ZeroStock {
		inStock, ordered = 0, 0
	}
	b = (inStock - ordered).append(append(b, `"inventory":{"available":`...))
	b = append(b, `,"inStock":`...)
	if poison {
		b = append(b, `"x"`...)
	} else {
		b = inStock.append(b)
	}
	b = ordered.append(append(b, `,"orderedByCustomers":`...))
	return append(b, `,"orderedFromSuppliers":0.0,"packageVolume":0.0,"recommendedCostPrice":0.0},`...)
}

// appendText renders a JSON string.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return append(b, encode(s)...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
