package economic

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/economic"
	"lagerd/plan"
)

func unsound(paths ...string) (list []economic.Unsound) {
	for _, path := range paths {
		list = append(list, economic.Unsound{Field: path, Err: errors.New(path + ": unsound")})
	}
	return list
}

func number(text string) *decimal.Decimal {
	d := decimal.RequireFromString(text)
	return &d
}

// TestWhatAnItemNeeds: the only field that a shop requires is the figure that it sells by.
func TestWhatAnItemNeeds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		unsound   []string
		unknown   plan.Fields
		inStock   bool // readable for a shop that sells by what is in stock
		available bool // and for one that sells by what is available
	}{
		{nil, 0, true, true},
		{[]string{"name"}, plan.FieldName, true, true},
		{[]string{"barCode", "barred"}, plan.FieldBarCode | plan.FieldBarred, true, true},
		{[]string{"lastUpdated"}, plan.FieldUpdatedAt, true, true},
		{[]string{"productGroup"}, plan.FieldInventoryEnabled, true, true},
		{[]string{"productGroup.inventoryEnabled"}, plan.FieldInventoryEnabled, true, true},
		{[]string{"productGroup.productGroupNumber"}, 0, true, true}, // not stored
		{[]string{"inventory.available"}, plan.FieldAvailable, true, false},
		{[]string{"inventory.inStock"}, plan.FieldInStock, false, true},
		{[]string{"inventory.orderedByCustomers", "inventory.orderedFromSuppliers"}, plan.FieldOrderedByCustomers | plan.FieldOrderedFromSuppliers, true, true},
		{[]string{"inventory"}, plan.FieldsOfInventory, false, false},
	} {
		for figure, enough := range map[plan.Figure]bool{plan.FigureInStock: c.inStock, plan.FigureAvailable: c.available, "": true} {
			obs, err := toObservation(&economic.Product{Number: "a", Inventory: &economic.Inventory{InStock: number("5"), Available: number("4")}, Unsound: unsound(c.unsound...)}, figure, time.Now())
			switch {
			case !enough && (err == nil || !strings.HasSuffix(err.Error(), ": unsound")):
				t.Errorf("%q for %q: %v", c.unsound, figure, err)
			case enough && (err != nil || obs.Unknown != c.unknown || (obs.Warning == "") != (len(c.unsound) == 0)):
				t.Errorf("%q for %q: %+v, %v", c.unsound, figure, obs, err)
			case enough && len(c.unsound) == 2 && obs.Warning != c.unsound[0]+": unsound; "+c.unsound[1]+": unsound":
				t.Errorf("%q: %s", c.unsound, obs.Warning)
			}
		}
	}
	fine := number("1.00001")
	obs, err := toObservation(&economic.Product{Number: "a", Inventory: &economic.Inventory{InStock: number("5"), Available: fine}}, plan.FigureInStock, time.Now())
	if err != nil || obs.Unknown != plan.FieldAvailable || obs.Item.Figures.Available.Valid || !strings.Contains(obs.Warning, "at most 4 decimals") {
		t.Errorf("%+v, %v", obs, err)
	}
	if _, err = toObservation(&economic.Product{Number: "a", Inventory: &economic.Inventory{InStock: number("5"), Available: fine}}, plan.FigureAvailable, time.Now()); err == nil {
		t.Error("expected an error: the figure that the shop sells by has too many decimals")
	}
	page := toPage(economic.Page[economic.Product]{Items: []economic.Product{{Number: "a", Unsound: unsound("inventory")}, {Number: "b", Unsound: unsound("barred")}}}, plan.FigureInStock)
	if len(page.Unreadable) != 1 || page.Unreadable[0].Number != "a" || len(page.Observed) != 1 || page.Observed[0].Item.Number != "b" {
		t.Errorf("%+v", page)
	}
}

// TestWhatAnInvoiceNeeds: its number, whether it is a credit note, and the field of the
// shop's order number.
func TestWhatAnInvoiceNeeds(t *testing.T) {
	t.Parallel()
	orders := []plan.OrderField{plan.OrderInOtherReference, plan.OrderInHeading, plan.OrderInTextLine1, plan.OrderInOrderNumber, ""}
	for _, c := range []struct {
		net, gross string // "": absent
		unsound    []string
		needed     []plan.OrderField // the order fields of shops that require it
	}{
		{"80", "100", nil, nil},
		{"80", "100", []string{"exchangeRate", "remainder", "dueDate", "date", "currency", "customer", "customer.customerNumber", "recipient", "recipient.name", "vatAmount",
			"roundingAmount", "netAmountInBaseCurrency", "grossAmountInBaseCurrency", "pdf", "pdf.download", "pdf.self", "lines", "lines[3].product", "notes.textLine2"}, nil},
		{"80", "100", []string{"references.other"}, []plan.OrderField{plan.OrderInOtherReference, ""}},
		{"80", "100", []string{"references"}, []plan.OrderField{plan.OrderInOtherReference, ""}},
		{"80", "100", []string{"notes"}, []plan.OrderField{plan.OrderInHeading, plan.OrderInTextLine1}},
		{"80", "100", []string{"notes.heading"}, []plan.OrderField{plan.OrderInHeading}},
		{"80", "100", []string{"notes.textLine1"}, []plan.OrderField{plan.OrderInTextLine1}},
		{"80", "100", []string{"orderNumber"}, []plan.OrderField{plan.OrderInOrderNumber}},
		{"", "100", []string{"netAmount"}, nil},
		{"80", "", []string{"grossAmount"}, nil},
		{"", "", []string{"netAmount", "grossAmount"}, orders},
		{"", "", []string{"grossAmount"}, orders},
		{"0", "", []string{"grossAmount"}, orders},
		{"", "0", []string{"netAmount"}, orders},
		{"", "", nil, nil}, // without an amount it is no credit note
	} {
		for _, order := range orders {
			in := economic.Invoice{Number: 7, Unsound: unsound(c.unsound...)}
			if c.net != "" {
				in.Net = number(c.net)
			}
			if c.gross != "" {
				in.Gross = number(c.gross)
			}
			needed := false
			for _, n := range c.needed {
				needed = needed || n == order
			}
			inv, err := toInvoice(in, order)
			if (err != nil) != needed || err == nil && (inv.Warning == "") != (len(c.unsound) == 0) {
				t.Errorf("%q in a shop with its order number in %q: %+v, %v", c.unsound, order, inv, err)
			}
		}
	}
	inv, err := toInvoice(economic.Invoice{Number: 7, Gross: number("100"), Currency: "DKKK", Rounding: number("0.12345")}, plan.OrderInHeading)
	if err != nil || inv.Currency != "" || inv.Rounding.Valid || !strings.Contains(inv.Warning, "three letters") || !strings.Contains(inv.Warning, "roundingAmount") {
		t.Errorf("%+v, %v", inv, err)
	}
}
