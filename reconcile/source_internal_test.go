package reconcile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/sirupsen/logrus"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/store"
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

// TestWhatAnItemNeeds: an item costs a shop nothing but the figure that it sells by.
func TestWhatAnItemNeeds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		unsound   []string
		unknown   plan.Fields
		inStock   bool // is enough for a shop that sells by what is in stock
		available bool // by what is available
	}{
		{nil, 0, true, true},
		{[]string{"name"}, plan.FieldName, true, true},
		{[]string{"barCode", "barred"}, plan.FieldBarCode | plan.FieldBarred, true, true},
		{[]string{"lastUpdated"}, plan.FieldUpdatedAt, true, true},
		{[]string{"productGroup"}, plan.FieldInventoryEnabled, true, true},
		{[]string{"productGroup.inventoryEnabled"}, plan.FieldInventoryEnabled, true, true},
		{[]string{"productGroup.productGroupNumber"}, 0, true, true}, // not kept
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
		t.Error("more decimals than are kept pass for the figure that the shop sells by")
	}
	page := toPage(economic.Page[economic.Product]{Items: []economic.Product{{Number: "a", Unsound: unsound("inventory")}, {Number: "b", Unsound: unsound("barred")}}}, plan.FigureInStock)
	if len(page.bad) != 1 || page.bad[0].Number != "a" || len(page.observations) != 1 || page.observations[0].Item.Number != "b" {
		t.Errorf("%+v", page)
	}
}

// TestFloatNoise: what computing with floats leaves behind the last decimal is rounded,
// and nothing that could be meant.
func TestFloatNoise(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"5": "5", "5.00": "5", "-0.25": "-0.25", "1.2345": "1.2345", "1e3": "1000", "5.00000000000000000000": "5",
		"6.9999999999999996": "7", "7.000000000000001": "7", "-6.9999999999999996": "-7", "0.30000000000000004": "0.3", "80.7300000000001": "80.73",
		"1.2345000000000002": "1.2345", "1e-15": "0", "-5.551115123125783e-17": "0", "5e-324": "0", "1234567.8900000001304": "1234567.89",
		"999999999999999.9999": "999999999999999.9999",
		"1.00001":              "", "7.00000001": "", "0.00005": "", "1.23456": "", "6.99999": "", "-7.0001000012": "",
		"999999999999999.9999999999": "", "1000000000000000": "", "1e16": "",
	} {
		got, err := exact(number(text))
		switch {
		case want == "" && err == nil:
			t.Errorf("%s is taken for %s", text, got.Decimal)
		case want != "" && (err != nil || !got.Valid || got.Decimal.String() != want):
			t.Errorf("%s: %s, %v, expected %s", text, got.Decimal, err, want)
		case want != "" && got.Decimal.Exponent() < -mostDecimals && got.Decimal.NumDigits() > mostDigits:
			t.Errorf("%s: %s has more decimals than are kept", text, got.Decimal)
		}
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
		needed     []plan.OrderField // the shops that cannot do without
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
		{"", "", nil, nil}, // as it always was: no amount, no credit note
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

// TestListingWithUnknownTimes: an item of which it is not known when it was updated moves
// no cursor, and may have been created while the pages were read.
func TestListingWithUnknownTimes(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	at := func(updated time.Time, unknown plan.Fields) plan.Observation {
		o := plan.Observation{Item: plan.Item{Number: "a", UpdatedAt: updated}, Unknown: unknown, Found: true}
		if unknown != 0 {
			o.Warning = "x"
		}
		return o
	}
	cursorOf := func(several bool, observations ...plan.Observation) time.Time {
		w := &Shop{Reconciler: &Reconciler{Options: Options{Overlap: 5 * time.Minute}}}
		l := &listing{digest: sha256.New(), began: began, turned: []turned{{}}}
		if several {
			l.turned = append(l.turned, turned{})
		}
		l.add(page{observations: observations, results: len(observations)})
		return w.cursorAfter(l)
	}
	old := began.Add(-time.Hour)
	if c := cursorOf(false, at(old, 0), at(time.Time{}, plan.FieldUpdatedAt)); !c.Equal(old) {
		t.Errorf("the cursor is %s, expected %s", c, old)
	}
	if c := cursorOf(true, at(old, 0), at(time.Time{}, plan.FieldBarred)); !c.Equal(old) {
		t.Errorf("the cursor is %s, expected %s", c, old)
	}
	if c := cursorOf(true, at(old, 0), at(time.Time{}, plan.FieldUpdatedAt)); !c.IsZero() {
		t.Errorf("the first listing of several pages leaves the cursor %s, and it may have passed over an item", c)
	}
}

// TestDigestTellsUnsoundFields: a listing is unchanged only if also what of it cannot be
// understood is.
func TestDigestTellsUnsoundFields(t *testing.T) {
	t.Parallel()
	plain := plan.Observation{Item: plan.Item{Number: "a"}, Found: true}
	other := func(unknown plan.Fields, warning string) plan.Observation {
		o := plain
		o.Unknown, o.Warning = unknown, warning
		return o
	}
	seen := map[string]string{}
	for name, p := range map[string]page{
		"sound":              {observations: []plan.Observation{plain}},
		"a warning":          {observations: []plan.Observation{other(0, "x")}},
		"barred":             {observations: []plan.Observation{other(plan.FieldBarred, "x")}},
		"time":               {observations: []plan.Observation{other(plan.FieldUpdatedAt, "x")}},
		"time otherwise":     {observations: []plan.Observation{other(plan.FieldUpdatedAt, "y")}},
		"another cannot be":  {observations: []plan.Observation{plain}, bad: []economic.BadItem{{Number: "b", Err: errors.New("x")}}},
		"has another reason": {observations: []plan.Observation{plain}, bad: []economic.BadItem{{Number: "b", Err: errors.New("y")}}},
		"nor its number":     {observations: []plan.Observation{plain}, bad: []economic.BadItem{{Err: errors.New("x")}}},
	} {
		l := &listing{digest: sha256.New(), turned: []turned{{}}}
		l.add(p)
		if before := seen[l.sum()]; before != "" {
			t.Errorf("%q and %q have the same digest", name, before)
		}
		seen[l.sum()] = name
	}
}

// TestWarningsAreBounded: a warning is stored when it comes, changes or ends, and a shop
// has so many at most.
func TestWarningsAreBounded(t *testing.T) {
	t.Parallel()
	w := &Shop{warnings: map[subject]string{}}
	a := subject{plan.KindStock, "a"}
	step := func(text string, want int) {
		t.Helper()
		list := w.warn(nil, a, text)
		if len(list) != want {
			t.Fatalf("%q: %+v", text, list)
		}
		for _, warning := range list {
			if warning.Text == "" {
				delete(w.warnings, a)
			} else {
				w.warnings[a] = warning.Text
			}
		}
	}
	step("", 0)
	step("x", 1)
	step("x", 0)
	step("y", 1)
	step(strings.Repeat("æ", 600), 1)
	step(strings.Repeat("æ", 600), 0)
	step("", 1)
	step("", 0)
	var list []store.Warning
	for n := range store.MostWarnings + 10 {
		list = w.warn(list, subject{plan.KindInvoice, fmt.Sprint(n)}, "x")
	}
	if len(list) != store.MostWarnings {
		t.Errorf("%d warnings", len(list))
	}
}

// TestUnreadInvoicesAreBounded: of very many invoices that cannot be understood not each
// has a hint; the others are counted.
func TestUnreadInvoicesAreBounded(t *testing.T) {
	t.Parallel()
	log := logrus.New()
	log.SetOutput(io.Discard)
	w := &Shop{Reconciler: &Reconciler{Options: Options{Now: time.Now, RetryMin: time.Second, RetryMax: time.Minute, Jitter: func(d time.Duration) time.Duration { return d }, Observer: unobserved{}}}, log: logrus.NewEntry(log)}
	hints := hintMap{"1": {Kind: plan.KindInvoice, Number: "1", Gen: 4, Failures: 2}}
	var bad []economic.BadItem
	for n := range mostUnread + 10 {
		bad = append(bad, economic.BadItem{Number: fmt.Sprint(n + 1), Err: errors.New("x")})
	}
	var a store.Applied
	b := invoicesBatch{hints: hints, left: &leftOut{}}
	w.unreadInvoices(&a, bad, map[int64]bool{2: true}, b)
	if len(a.Hints) != mostUnread-1 || len(a.Rereads) != 1 || a.Rereads[0].Failures != 3 || a.Rereads[0].Gen != 4 || b.left.more != 9 {
		t.Fatalf("%d hints, %+v, %+v", len(a.Hints), a.Rereads, b.left)
	}
	b.left.addNameless([]economic.BadItem{{Err: errors.New("y")}, {Number: "5", Err: errors.New("z")}})
	if got, want := b.left.text(), "1 without a number that can be read, 9 more that cannot be understood: y"; got != want {
		t.Errorf("got %q, expected %q", got, want)
	}
}

type unobserved struct{ Observer }

func (unobserved) BadItem(string) {}

// TestAssessPage: that no figure can be understood is another thing than that none is sent.
func TestAssessPage(t *testing.T) {
	t.Parallel()
	for items, want := range map[string]string{
		`{"productNumber":"a","inventory":{"inStock":5}},{"productNumber":"b","inventory":{"inStock":"5"}}`: "",
		`{"productNumber":"a"}`: "",
		`{"productNumber":"a"},{"productNumber":"b","inventory":{"inStock":"5"}}`: `no stock figure on the first page can be understood: inventory.inStock: expected a number, got string "5"`,
		`{"productNumber":7}`: `no stock figure on the first page can be understood: products.collection[0].productNumber: expected a string, got number 7`,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"collection":[%s],"pagination":{"results":%d}}`, items, strings.Count(items, "productNumber"))
		}))
		defer server.Close()
		client, err := economic.New(economic.Options{RESTURL: server.URL, AppSecretToken: "app"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = AssessPage(t.Context(), client, client.Agreement("grant", nil))
		if got := fmt.Sprint(err); got != want && (err != nil || want != "") {
			t.Errorf("%s:\n got %s\nwant %s", items, got, want)
		}
	}
}
