package economic_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"lagerd/budget"
	"lagerd/economic"
	"lagerd/test/hostiletest"
)

// schema is the part of e-conomic's schemas that documents are generated from.
type schema struct {
	Type       string             `json:"type"`
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
	Required   any                `json:"required"` // usually a list, sometimes just true
	Enum       []string           `json:"enum"`
	MinLength  int                `json:"minLength"`
	MaxLength  int                `json:"maxLength"`
	Minimum    *int64             `json:"minimum"`
	Maximum    *int64             `json:"maximum"`
	Pattern    string             `json:"pattern"`
	MaxDecimal int                `json:"maxDecimal"`
}

// schemaOf loads the schema of an operation's answer: e-conomic's own if present, else
// the trimmed copy.
func schemaOf(t *testing.T, operation string) *schema {
	t.Helper()
	text, err := os.ReadFile(shared + operation + ".json")
	if err != nil {
		t.Logf("NOT CHECKED against the whole schema of %s, only against the trimmed copy: %v", operation, err)
		if text, err = os.ReadFile("testdata/schemas/" + operation + ".json"); err != nil {
			t.Fatal(err)
		}
	}
	var o struct {
		Responses map[string]struct {
			Content map[string]struct{ Schema *schema }
		}
	}
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	s := o.Responses["200"].Content["application/json"].Schema
	if s == nil || len(s.Properties) == 0 {
		t.Fatalf("%s: no schema found", operation)
	}
	return s
}

// document generates a random document. The properties in always are present even if the
// schema makes them optional: without them the answer is useless.
func document(t *rapid.T, s *schema, always ...string) any {
	switch {
	case len(s.Enum) > 0:
		return rapid.SampledFrom(s.Enum).Draw(t, "enum")
	case s.Type == "object":
		required, _ := s.Required.([]any)
		m := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			if slices.Contains(required, any(name)) || slices.Contains(always, name) || rapid.Bool().Draw(t, name+"?") {
				m[name] = document(t, s.Properties[name], always...)
			}
		}
		if rapid.IntRange(0, 5).Draw(t, "more") == 0 {
			m["newField"] = map[string]any{"a": []any{1, nil, "x"}}
		}
		return m
	case s.Type == "array":
		list := make([]any, rapid.IntRange(0, 3).Draw(t, "items"))
		for i := range list {
			list[i] = document(t, s.Items, always...)
		}
		return list
	case s.Type == "boolean":
		return rapid.Bool().Draw(t, "boolean")
	case s.Type == "integer":
		least, most := int64(0), int64(1<<53)
		if s.Minimum != nil {
			least = *s.Minimum
		}
		if s.Maximum != nil {
			most = *s.Maximum
		}
		return rapid.Int64Range(least, most).Draw(t, "integer")
	case s.Type == "number":
		// As e-conomic writes them: 5, 5.0, -5.25, 100.000000.
		decimals := rapid.IntRange(0, max(s.MaxDecimal, 2)).Draw(t, "decimals")
		d := decimal.New(rapid.Int64Range(-1e15, 1e15).Draw(t, "digits"), int32(-decimals))
		return json.Number(d.StringFixed(int32(decimals + rapid.IntRange(0, 6).Draw(t, "zeros"))))
	case strings.HasPrefix(s.Pattern, `\d{4}-\d{2}-\d{2}`):
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "time"), 0).UTC()
		if strings.Contains(s.Pattern, `Td{2}:d{2}`) && rapid.Bool().Draw(t, "literal") {
			return at.Format(time.DateOnly) + "Tdd:dd:ddZ" // inventoryLastUpdated, by its published pattern
		}
		if strings.Contains(s.Pattern, "T") {
			return at.Format(time.RFC3339)
		}
		return at.Format(time.DateOnly)
	case s.Pattern != "":
		return rapid.StringMatching(s.Pattern).Draw(t, "string")
	case s.Type == "string":
		most := s.MaxLength
		if most == 0 {
			most = 40
		}
		return rapid.StringOfN(rapid.OneOf(rapid.RuneFrom([]rune("aB1 _/%\"\\<&\r\n\tæøå")), rapid.Rune()), s.MinLength, min(most, 40), -1).Draw(t, "string")
	}
	return nil
}

// at returns a document's value at a path, nil if absent.
func at(document any, path ...string) any {
	for _, name := range path {
		m, _ := document.(map[string]any)
		document = m[name]
	}
	return document
}

func text(document any, path ...string) string { s, _ := at(document, path...).(string); return s }

func whole(document any, path ...string) int64 { n, _ := at(document, path...).(int64); return n }

func figure(document any, path ...string) *decimal.Decimal {
	n, ok := at(document, path...).(json.Number)
	if !ok {
		return nil
	}
	d := decimal.RequireFromString(n.String())
	return &d
}

func moment(document any, path ...string) time.Time {
	m, _ := time.Parse(time.RFC3339, text(document, path...))
	return m
}

func wantProduct(d any) economic.Product {
	p := economic.Product{
		Number: text(d, "productNumber"), Name: text(d, "name"), BarCode: text(d, "barCode"),
		Barred: at(d, "barred") == true, LastUpdated: moment(d, "lastUpdated"),
		GroupNumber: int(whole(d, "productGroup", "productGroupNumber")),
	}
	if enabled, ok := at(d, "productGroup", "inventoryEnabled").(bool); ok {
		p.InventoryEnabled = &enabled
	}
	if at(d, "inventory") != nil {
		p.Inventory = &economic.Inventory{
			InStock: figure(d, "inventory", "inStock"), Available: figure(d, "inventory", "available"),
			OrderedByCustomers: figure(d, "inventory", "orderedByCustomers"), OrderedFromSuppliers: figure(d, "inventory", "orderedFromSuppliers"),
			LastUpdated: moment(d, "inventory", "inventoryLastUpdated"),
		}
	}
	return p
}

func wantInvoice(d any) economic.Invoice {
	inv := economic.Invoice{
		Number: whole(d, "bookedInvoiceNumber"), Date: text(d, "date"), DueDate: text(d, "dueDate"), Currency: text(d, "currency"),
		ExchangeRate: figure(d, "exchangeRate"), Net: figure(d, "netAmount"), Gross: figure(d, "grossAmount"), VAT: figure(d, "vatAmount"),
		Rounding: figure(d, "roundingAmount"), NetBase: figure(d, "netAmountInBaseCurrency"), GrossBase: figure(d, "grossAmountInBaseCurrency"),
		Remainder: figure(d, "remainder"), CustomerNumber: whole(d, "customer", "customerNumber"), RecipientName: text(d, "recipient", "name"),
		Heading: text(d, "notes", "heading"), TextLine1: text(d, "notes", "textLine1"), TextLine2: text(d, "notes", "textLine2"),
		OtherReference: text(d, "references", "other"), OrderNumber: whole(d, "orderNumber"), PDF: text(d, "pdf", "download"),
	}
	lines, _ := at(d, "lines").([]any)
	for _, l := range lines {
		if number := text(l, "product", "productNumber"); number != "" {
			line := economic.Line{ProductNumber: number}
			if quantity := figure(l, "quantity"); quantity != nil {
				line.Quantity = *quantity
			}
			inv.Lines = append(inv.Lines, line)
		}
	}
	return inv
}

func wantSelf(d any) economic.Self {
	self := economic.Self{AgreementNumber: whole(d, "agreementNumber"), CompanyName: text(d, "company", "name"), BaseCurrency: text(d, "settings", "baseCurrency")}
	modules, _ := at(d, "modules").([]any)
	for _, m := range modules {
		self.Modules = append(self.Modules, economic.Module{Number: int(whole(m, "moduleNumber")), Name: text(m, "name")})
	}
	roles, _ := at(d, "application", "requiredRoles").([]any)
	for _, r := range roles {
		self.RequiredRoles = append(self.RequiredRoles, text(r, "name"))
	}
	return self
}

// exactly compares decimals by value and digits.
var exactly = cmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) && a.Exponent() == b.Exponent() })

// TestContract: random documents that follow e-conomic's published schemas are decoded
// without loss.
func TestContract(t *testing.T) {
	t.Parallel()
	var answer []byte
	b := setup(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(answer) },
		func(o *economic.Options) { o.Observe = nil })
	unlimited := b.client.Agreement(grantToken, budget.New(budget.Options{DailyCalls: 1 << 30}))
	ctx, p := t.Context(), budget.PriorityHint
	product, products := schemaOf(t, "products.productNumber.get"), schemaOf(t, "products.get")
	invoice, invoices := schemaOf(t, "invoices.booked.bookedInvoiceNumber.get"), schemaOf(t, "invoices.booked.get")
	self := schemaOf(t, "self.get")
	invoice.Properties["orderNumber"] = &schema{Type: "integer"} // seen, though not in the schema

	serve := func(t *rapid.T, d any) {
		var err error
		if answer, err = json.Marshal(d); err != nil {
			t.Fatal(err)
		}
	}
	same := func(t *rapid.T, want, got any, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%v\n%s", err, answer)
		}
		if diff := cmp.Diff(want, got, exactly); diff != "" {
			t.Fatalf("%s\n%s", diff, answer)
		}
	}
	// listing makes a page: the schemas do not describe pagination.
	listing := func(t *rapid.T, s *schema, always string) (d map[string]any, items []any) {
		d = document(t, s, "collection", always).(map[string]any)
		items = d["collection"].([]any)
		d["pagination"] = map[string]any{"results": len(items), "pageSize": 1000, "firstPage": "x"}
		serve(t, d)
		return d, items
	}
	rapid.Check(t, func(t *rapid.T) {
		d := document(t, product)
		serve(t, d)
		read, err := unlimited.Product(ctx, p, text(d, "productNumber"))
		same(t, wantProduct(d), read.Value, err)

		_, items := listing(t, products, "productNumber")
		page, err := unlimited.Products(ctx, p, economic.ProductsQuery{})
		want := make([]economic.Product, len(items))
		for i := range items {
			want[i] = wantProduct(items[i])
		}
		same(t, want, page.Items, err)
		same(t, 0, len(page.Bad), nil)
		same(t, len(items), page.Results, nil)

		d = document(t, invoice, "bookedInvoiceNumber")
		serve(t, d)
		one, err := unlimited.Invoice(ctx, p, whole(d, "bookedInvoiceNumber"))
		same(t, wantInvoice(d), one.Value, err)

		_, items = listing(t, invoices, "bookedInvoiceNumber")
		list, err := unlimited.Invoices(ctx, p, economic.InvoicesQuery{})
		wanted := make([]economic.Invoice, len(items))
		for i := range items {
			wanted[i] = wantInvoice(items[i])
		}
		same(t, wanted, list.Items, err)
		same(t, 0, len(list.Bad), nil)

		d = document(t, self, "agreementNumber")
		if whole(d, "agreementNumber") == 0 {
			d.(map[string]any)["agreementNumber"] = int64(1)
		}
		serve(t, d)
		who, err := unlimited.Self(ctx, p)
		who.ServerDate = time.Time{} // from the answer's header, not its body
		same(t, wantSelf(d), who, err)
	})
}

// unsoundOf lists unsound fields, one a line.
func unsoundOf(list []economic.Unsound) string {
	var lines []string
	for _, u := range list {
		lines = append(lines, u.Field+"|"+u.Err.Error())
	}
	return strings.Join(lines, "\n")
}

// TestUnsoundFieldsOfAProduct: an unreadable field loses only itself. Only an unreadable
// number loses the item.
func TestUnsoundFieldsOfAProduct(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("9", 5000)
	const number, inventory = `"productNumber":"1"`, `"inventory":{"inStock":7,"available":5}`
	const named = number + `,"name":"Vare"`
	const sound = named + `,` + inventory
	for name, test := range map[string]struct{ body, unsound, err string }{
		"number absent":      {`{"name":"x"}`, ``, `productNumber: expected an item number, got nothing`},
		"number empty":       {`{"productNumber":""}`, ``, `productNumber: expected an item number, got string ""`},
		"number as number":   {`{"productNumber":7}`, ``, `productNumber: expected a string, got number 7`},
		"barred as string":   {`{"barred":"true",` + sound + `}`, `barred|true or false, got string "true"`, ``},
		"name as list":       {`{` + number + `,"name":["x"],` + inventory + `}`, `name|a string, got a list`, ``},
		"bar code as number": {`{"barCode":123,` + sound + `}`, `barCode|a string, got number 123`, ``},
		"figure as string":   {`{` + named + `,"inventory":{"available":"5","inStock":7}}`, `inventory.available|a number, got string "5"`, ``},
		"figure as object":   {`{` + named + `,"inventory":{"available":{},"inStock":7}}`, `inventory.available|a number, got an object`, ``},
		"two figures":        {`{` + named + `,"inventory":{"available":"5","orderedByCustomers":true,"inStock":7}}`, "inventory.available|a number, got string \"5\"\ninventory.orderedByCustomers|a number, got true", ``},
		"inventory as list":  {`{` + named + `,"inventory":[]}`, `inventory|an object, got a list`, ``},
		"figure beyond use":  {`{` + named + `,"inventory":{"available":1e999999999}}`, `inventory.available|a number of reasonable size, got number 1e999999999`, ``},
		"figure of size":     {`{` + named + `,"inventory":{"available":1e21}}`, `inventory.available|a number of reasonable size, got number 1e21`, ``},
		"figure too fine":    {`{` + named + `,"inventory":{"available":1e-401}}`, `inventory.available|a number of reasonable size, got number 1e-401`, ``},
		"figure without end": {`{` + named + `,"inventory":{"available":` + long + `}}`, `inventory.available|a number of reasonable size, got number ` + long[:40] + "…", ``},
		"number twice":       {`{` + sound + `,"productNumber":"2"}`, ``, `productNumber: expected a string, got several of them`},
		"name twice":         {`{` + sound + `,"name":"Ware"}`, `name|a string, got several of them`, ``},
		"figure twice":       {`{` + named + `,"inventory":{"available":5,"inStock":7,"available":0}}`, `inventory.available|a number, got several of them`, ``},
		"inventory twice":    {`{` + sound + `,"inventory":{"inStock":7}}`, `inventory|an object, got several of them`, ``},
		"many times":         {`{` + named + strings.Repeat(`,"barCode":"x"`, 30) + `,` + inventory + `,"inventory":{"inStock":9}}`, "barCode|a string, got several of them\ninventory|an object, got several of them", ``},
		"escaped name":       {`{` + named + `,"inventory":{"available":5,"inStock":7,"avail\u0061ble":0}}`, `inventory.available|a number, got several of them`, ``},
		"unneeded, twice":    {`{"x":1,"x":{"name":2},` + sound + `}`, ``, ``},
		"group as list":      {`{"productGroup":[],` + sound + `}`, `productGroup|an object, got a list`, ``},
		"group in parts":     {`{"productGroup":{"productGroupNumber":1.5},` + sound + `}`, `productGroup.productGroupNumber|a whole number from 0, got number 1.5`, ``},
		"time without zone":  {`{"lastUpdated":"2026-01-02T03:04:00",` + sound + `}`, `lastUpdated|a time (RFC 3339), got string "2026-01-02T03:04:00"`, ``},
		"no seconds":         {`{"lastUpdated":"2026-01-02T03:04Z",` + sound + `}`, `lastUpdated|a time (RFC 3339), got string "2026-01-02T03:04Z"`, ``},
		"year 0":             {`{"lastUpdated":"0000-01-02T03:04:00Z",` + sound + `}`, `lastUpdated|a time (RFC 3339), got string "0000-01-02T03:04:00Z"`, ``},
		"year 10000":         {`{"lastUpdated":"10000-01-02T03:04:00Z",` + sound + `}`, `lastUpdated|a time (RFC 3339), got string "10000-01-02T03:04:00Z"`, ``},
		"year 10000 in UTC":  {`{"lastUpdated":"9999-12-31T23:59:00-01:00",` + sound + `}`, `lastUpdated|a time (RFC 3339), got string "9999-12-31T23:59:00-01:00"`, ``},
		"year 999":           {`{"lastUpdated":"0999-12-31T23:59:59Z",` + sound + `}`, `lastUpdated|a time (RFC 3339), got string "0999-12-31T23:59:59Z"`, ``},
		"year 1000":          {`{"lastUpdated":"1000-01-01T00:00:00Z",` + sound + `}`, ``, ``},
		"year 9999":          {`{"lastUpdated":"9999-12-31T23:59:59Z",` + sound + `}`, ``, ``},
		"small letters":      {`{"lastUpdated":"2026-01-02t03:04:00z",` + sound + `}`, ``, ``},
		"no time":            {`{"lastUpdated":"0001-01-01T00:00:00Z",` + sound + `}`, ``, ``},
		"nulls are absent":   {`{"barCode":null,"productGroup":null,"lastUpdated":null,"barred":null,` + sound + `}`, ``, ``},
		"whole as decimal":   {`{"productGroup":{"productGroupNumber":3.0},` + sound + `}`, ``, ``},
		"float noise":        {`{` + named + `,"inventory":{"inStock":6.9999999999999996,"available":5.551115123125783e-17}}`, ``, ``},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, err := economic.DecodeProducts([]byte(`{"collection":[{"productNumber":"0"},` + test.body + `],"pagination":{"results":2}}`))
			if err != nil {
				t.Fatal(err)
			}
			if test.err != "" {
				if len(page.Bad) != 1 || page.Bad[0].Err.Error() != "products.collection[1]."+test.err {
					t.Errorf("got %v", page.Bad)
				}
				return
			}
			if len(page.Bad) > 0 || len(page.Items) != 2 {
				t.Fatalf("got %+v", page)
			}
			p := page.Items[1]
			want := ""
			if test.unsound != "" {
				want = regexp.MustCompile(`(?m)^([\w.]+)\|`).ReplaceAllString(test.unsound, `$1|$1: expected `)
			}
			if got := unsoundOf(p.Unsound); got != want || len(page.Items[0].Unsound) > 0 {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if strings.Contains(want, "lastUpdated|") && !p.LastUpdated.IsZero() {
				t.Errorf("a time out of nothing: %s", p.LastUpdated)
			}
			if p.Number != "1" || p.Barred || p.BarCode != "" || !strings.Contains(want, "name|") && p.Name != "Vare" {
				t.Errorf("got %+v", p)
			}
			for _, figure := range []struct {
				path string
				is   func() *decimal.Decimal
			}{{"inventory.inStock", func() *decimal.Decimal { return p.Inventory.InStock }}, {"inventory.available", func() *decimal.Decimal { return p.Inventory.Available }}} {
				if p.Inventory != nil && strings.Contains(want, figure.path) && figure.is() != nil {
					t.Errorf("a figure out of nothing: %v", figure.is())
				}
			}
			if strings.Contains(want, "inventory|") != (p.Inventory == nil) {
				t.Errorf("inventory %+v", p.Inventory)
			}
		})
	}
}

func TestUnsoundFieldsOfAnInvoice(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`"exchangeRate":"747.5"`:                              `exchangeRate: expected a number, got string "747.5"`,
		`"exchangeRate":1.0000000000000000000000001`:          ``,
		`"orderNumber":"424"`:                                 `orderNumber: expected a number, got string "424"`,
		`"date":"2026-11-10T00:00:00"`:                        `date: expected a date (YYYY-MM-DD), got string "2026-11-10T00:00:00"`,
		`"date":"2026-13-02"`:                                 `date: expected a date (YYYY-MM-DD), got string "2026-13-02"`,
		`"date":"0000-01-02"`:                                 `date: expected a date (YYYY-MM-DD), got string "0000-01-02"`,
		`"dueDate":20261110`:                                  `dueDate: expected a string, got number 20261110`,
		`"roundingAmount":1e-15`:                              ``,
		`"customer":{"customerNumber":"7"}`:                   `customer.customerNumber: expected a number, got string "7"`,
		`"customer":7`:                                        `customer: expected an object, got number 7`,
		`"remainder":"x"`:                                     `remainder: expected a number, got string "x"`,
		`"notes":"Tak for handlen"`:                           `notes: expected an object, got string "Tak for handlen"`,
		`"references":[]`:                                     `references: expected an object, got a list`,
		`"pdf":{"download":7}`:                                `pdf.download: expected a string, got number 7`,
		`"grossAmount":true,"netAmount":[]`:                   "netAmount: expected a number, got a list\ngrossAmount: expected a number, got true",
		`"lines":[{},{"product":{"productNumber":5}},3]`:      "lines[1].product.productNumber: expected a string, got number 5\nlines[2]: expected an object, got number 3",
		`"lines":{}`:                                          `lines: expected a list, got an object`,
		`"lines":[` + strings.Repeat("1,", 500) + `1]`:        strings.TrimSuffix(strings.Repeat("lines[#]: expected an object, got number 1\n", 40), "\n"),
		`"pdf":{"self":"https://e.test/7"},"orderNumber":424`: ``,
	} {
		inv, err := economic.DecodeInvoice([]byte(`{"bookedInvoiceNumber":7,"currency":"DKK",` + body + `}`))
		if err != nil || inv.Number != 7 || inv.Currency != "DKK" {
			t.Errorf("%s: got %+v, %v", body, inv, err)
			continue
		}
		var lines []string
		for _, u := range inv.Unsound {
			line := u.Err.Error()
			if !strings.HasPrefix(line, u.Field+": ") {
				t.Errorf("%s: field %q of %v", body, u.Field, u.Err)
			}
			if len(inv.Unsound) > 2 {
				line = regexp.MustCompile(`\d+\]`).ReplaceAllString(line, "#]")
			}
			lines = append(lines, line)
		}
		if got := strings.Join(lines, "\n"); got != want {
			t.Errorf("%.100s\n got %s\nwant %s", body, got, want)
		}
		if strings.HasPrefix(body, `"pdf":{"self"`) && (inv.PDF != "https://e.test/7" || inv.OrderNumber != 424) {
			t.Errorf("got %+v", inv)
		}
	}
	list, err := economic.DecodeInvoices([]byte(`{"collection":[{"bookedInvoiceNumber":7,"dueDate":1},{"bookedInvoiceNumber":"8"}],"pagination":{"results":2}}`))
	if err != nil || len(list.Items) != 1 || list.Items[0].Number != 7 || unsoundOf(list.Items[0].Unsound) != "dueDate|dueDate: expected a string, got number 1" ||
		len(list.Bad) != 1 || list.Bad[0].Err.Error() != `invoices.collection[1].bookedInvoiceNumber: expected a number, got string "8"` {
		t.Errorf("got %+v, %v", list, err)
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{}`: `products.collection: expected a list, got nothing`,
		`{"collection":{},"pagination":{"results":0}}`:                                                      `products.collection: expected a list, got an object`,
		`{"collection":[]}`:                                                                                 `products.pagination: expected an object, got nothing`,
		`{"collection":[],"pagination":{}}`:                                                                 `products.pagination.results: expected a whole number, got nothing`,
		`{"collection":[],"pagination":{"results":"3"}}`:                                                    `products.pagination.results: expected a number, got string "3"`,
		`{"collection":[{}],"pagination":{"results":1,"nextPage":7}}`:                                       `products.pagination.nextPage: expected a string, got number 7`,
		`{"collection":[],"pagination":{"results":1,"nextPage":"https://e.test/products?skippages=1"}}`:     `products.pagination.nextPage: expected a later page, got string "https://e.test/products?skippages=1"`,
		`{"collection":[{}],"pagination":{"results":1,"nextPage":"https://e.test/products?skippages=0"}}`:   `products.pagination.nextPage: expected a later page, got string "https://e.test/products?skippages=0"`,
		`{"collection":[{}],"pagination":{"results":1,"nextPage":"https://e.test/products?pagesize=1000"}}`: `products.pagination.nextPage: expected a later page, got string "https://e.test/products?pagesize=1000"`,
		`{"collection":[{}],"pagination":{"results":1,"nextPage":"https://e.test/products?cursor=abc"}}`:    "",
	} {
		_, err := economic.DecodeProducts([]byte(body))
		if got := fmt.Sprint(err); got != want && !(err == nil && want == "") {
			t.Errorf("%s\n got %s\nwant %s", body, got, want)
		}
	}
	for body, want := range map[string]string{
		`{"bookedInvoiceNumber":"7"}`:                  `invoice.bookedInvoiceNumber: expected a number, got string "7"`,
		`{"bookedInvoiceNumber":0}`:                    `invoice.bookedInvoiceNumber: expected a whole number from 1, got number 0`,
		`{"date":"2026-01-02"}`:                        `invoice.bookedInvoiceNumber: expected a whole number from 1, got nothing`,
		`{"bookedInvoiceNumber":99999999999999999999}`: `invoice.bookedInvoiceNumber: expected a whole number from 1, got number 99999999999999999999`,
	} {
		if _, err := economic.DecodeInvoice([]byte(body)); fmt.Sprint(err) != want {
			t.Errorf("%s\n got %v\nwant %s", body, err, want)
		}
	}
}

// TestByteOrderMark: a byte order mark is skipped at the start of an answer, and nowhere
// else.
func TestByteOrderMark(t *testing.T) {
	t.Parallel()
	const bom = "\xef\xbb\xbf"
	page, err := economic.DecodeProducts([]byte(bom + `{"collection":[{"productNumber":"` + bom + `å"}],"pagination":{"results":1}}`))
	if err != nil || len(page.Items) != 1 || page.Items[0].Number != "\ufeffå" {
		t.Errorf("got %+v, %v", page, err)
	}
	for _, body := range []string{bom + bom + `{"bookedInvoiceNumber":7}`, `{` + bom + `"bookedInvoiceNumber":7}`, `{"bookedInvoiceNumber":7}` + bom} {
		if inv, err := economic.DecodeInvoice([]byte(body)); err == nil {
			t.Errorf("%q: got %+v", body, inv)
		}
	}
	for _, body := range []string{bom, bom[:2], bom + `{"bookedInvoiceNumber"`} {
		if _, err := economic.DecodeInvoice([]byte(body)); err == nil {
			t.Errorf("%q: no error", body)
		}
	}
}

// TestRecordedInvoice decodes a recorded invoice, if there is one.
func TestRecordedInvoice(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(shared + "samples/invoice_book.json")
	if err != nil {
		t.Logf("NOT CHECKED against the recorded invoice: %v", err)
		return
	}
	inv, err := economic.DecodeInvoice(body)
	if err != nil {
		t.Fatal(err)
	}
	if inv.Number != 10 || inv.OtherReference != "FM765" || inv.Gross.String() != "75" || inv.CustomerNumber != 3128 || inv.RecipientName != "Steen 3 ApS" ||
		inv.PDF != "https://restapi.e-conomic.com/invoices/booked/10/pdf" || len(inv.Lines) != 2 || inv.Lines[0].ProductNumber != "3097" || inv.Lines[0].Quantity.String() != "2" {
		t.Errorf("got %+v", inv)
	}
}

func FuzzProducts(f *testing.F) {
	f.Add([]byte(`{"collection":[{"productNumber":"1","barred":true,"lastUpdated":"2026-01-02T03:04:00Z","productGroup":{"productGroupNumber":1,"inventoryEnabled":true},"inventory":{"inStock":-5.25,"available":1e2}}],"pagination":{"results":1,"nextPage":"https://e.test/products?skippages=1"}}`))
	f.Add([]byte(`{"collection":[null,[],"x",{"productNumber":null}],"pagination":{"results":4}}`))
	f.Add([]byte("\xef\xbb\xbf" + `{"collection":[{"productNumber":"1","barred":"no","barCode":5,"lastUpdated":"2026-11-02T10:00:00","productGroup":[],"inventory":{"inStock":6.9999999999999996,"available":"-"}}],"pagination":{"results":1}}`))
	f.Add([]byte("<html><title>x</title>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var page economic.Page[economic.Product]
		var err error
		hostiletest.Within(t, body, func() { page, err = economic.DecodeProducts(body) })
		checkDecoded(t, body, err)
		for _, bad := range page.Bad {
			if !economic.IsFieldError(bad.Err) {
				t.Errorf("%q: %v names no field", body, bad.Err)
			}
		}
		for _, p := range page.Items {
			if p.Number == "" {
				t.Errorf("%q: a product without a number", body)
			}
			checkUnsound(t, body, p.Unsound)
			if i := p.Inventory; i != nil && i.InStock != nil {
				i.InStock.Truncate(4).GreaterThan(decimal.New(1, 15)) // ends
			}
		}
	})
}

func FuzzInvoice(f *testing.F) {
	f.Add([]byte(`{"bookedInvoiceNumber":7,"date":"2026-01-02","currency":"DKK","grossAmount":75.0,"customer":{"customerNumber":1},"notes":{"heading":"x\ry"},"references":{"other":"FM765"},"pdf":{"download":"https://e.test/7"},"lines":[{"quantity":2.0,"product":{"productNumber":"1"}},{"description":"text"}]}`))
	f.Add([]byte(`{"bookedInvoiceNumber":7.0,"lines":[null,3]}`))
	f.Add([]byte(`{"bookedInvoiceNumber":7,"date":"2026-11-10T00:00:00","exchangeRate":"747.5","orderNumber":"4","notes":"x","customer":{"customerNumber":"7"},"roundingAmount":1e-15,"netAmountInBaseCurrency":80.7300000000001}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var inv economic.Invoice
		var err error
		hostiletest.Within(t, body, func() { inv, err = economic.DecodeInvoice(body) })
		checkDecoded(t, body, err)
		if err == nil && inv.Number < 1 {
			t.Errorf("%q: invoice %d", body, inv.Number)
		}
		checkUnsound(t, body, inv.Unsound)
		var list economic.Page[economic.Invoice]
		page := []byte(`{"collection":[` + string(body) + `],"pagination":{"results":1}}`)
		hostiletest.Within(t, page, func() { list, err = economic.DecodeInvoices(page) })
		checkDecoded(t, body, err)
		for _, bad := range list.Bad {
			if !economic.IsFieldError(bad.Err) {
				t.Errorf("%q: %v names no field", body, bad.Err)
			}
		}
	})
}

// FuzzSelf: whatever the answer about the agreement is, it costs no more than it may, and names one.
func FuzzSelf(f *testing.F) {
	f.Add([]byte(`{"agreementNumber":7,"company":{"name":"x"},"settings":{"baseCurrency":"DKK"},"modules":[{"moduleNumber":1,"name":"y"}],"application":{"requiredRoles":[{"name":"z"}]}}`))
	f.Add([]byte(`{"agreementNumber":"7","modules":[3,null],"application":{"requiredRoles":[{}],"requiredRoles":[]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var self economic.Self
		var err error
		hostiletest.Within(t, body, func() { self, err = economic.DecodeSelf(body) })
		checkDecoded(t, body, err)
		if err == nil && self.AgreementNumber < 1 {
			t.Errorf("%q: agreement %d", body, self.AgreementNumber)
		}
	})
}

// TestCutPage checks that a truncated page is an error that is retried, wherever it ends,
// and never passes for a shorter one.
func TestCutPage(t *testing.T) {
	page := `{"collection":[{"productNumber":"a","unit":{"unitNumber":1},"inventory":{"inStock":1.5}},{"productNumber":"\u00e5"}], "pagination":{"results":2} }`
	for n := range page {
		read, err := economic.DecodeProducts([]byte(page[:n]))
		if economic.KindOf(err) != economic.KindUnavailable || len(read.Items) > 0 {
			t.Errorf("%q: %d items and %v, expected none and an error that the answer is truncated", page[:n], len(read.Items), err)
		}
	}
	read, err := economic.DecodeProducts([]byte(page))
	if err != nil || len(read.Items) != 2 || read.Items[1].Number != "å" {
		t.Errorf("%q: %+v, %v", page, read.Items, err)
	}
	if _, err := economic.DecodeProducts([]byte(page + page)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("at byte %d: unexpected data after the end", len(page))) {
		t.Errorf("a page twice: %v", err)
	}
}

// TestMembers checks how the members of an object are distinguished.
func TestMembers(t *testing.T) {
	for body, want := range map[string]string{
		`{"product\u004eumber":"a"}`: "a", // an escaped name
		`{"ProductNumber":"x","productNumber":"a","unit":{"productNumber":"x"}}`:                                  "a", // another name, another place
		`{"productNumber":"a","inventory":{"inStock":3},"inventory":{"available":4}}`:                             "a", // which of the two?
		`{"productNumber":"a","inventory":{"inStock":3},"inventory":null}`:                                        "a",
		`{"productNumber":"a","unit":[{"x":{"inventory":{"inStock":3}}}],"inventory":{"z":[1,{}],"available":5}}`: "a5",
	} {
		read, err := economic.DecodeProducts([]byte(`{"collection":[` + body + `],"pagination":{"results":1}}`))
		if err != nil || len(read.Items) != 1 {
			t.Errorf("%s: %+v, %v", body, read, err)
			continue
		}
		got := read.Items[0].Number
		if i := read.Items[0].Inventory; i != nil {
			if i.InStock != nil {
				t.Errorf("%s: in stock %v, expected nothing", body, i.InStock)
			}
			got += i.Available.String()
		}
		if got != want {
			t.Errorf("%s: %s, expected %s", body, got, want)
		}
	}
}

// checkDecoded checks that an error about a syntactically valid document names a field,
// and that an invalid one gives an error.
func checkDecoded(t *testing.T, body []byte, err error) {
	t.Helper()
	if err != nil && json.Valid(body) && !economic.IsFieldError(err) && economic.KindOf(err) != economic.KindUnavailable {
		t.Errorf("%q: %v names no field", body, err)
	}
	if err != nil && strings.ContainsAny(err.Error(), "\r\n") {
		t.Errorf("%q: %q is not one line", body, err)
	}
}

// checkUnsound checks that each unsound field is named.
func checkUnsound(t *testing.T, body []byte, list []economic.Unsound) {
	t.Helper()
	for _, u := range list {
		if u.Field == "" || !economic.IsFieldError(u.Err) || !strings.Contains(u.Err.Error(), u.Field+": expected ") || strings.ContainsAny(u.Err.Error(), "\r\n") {
			t.Errorf("%q: field %q: %v", body, u.Field, u.Err)
		}
	}
	if len(list) > 40 {
		t.Errorf("%q: %d unsound fields are kept", body, len(list))
	}
}

func BenchmarkProductsPage(b *testing.B) {
	var page strings.Builder
	io.WriteString(&page, `{"collection":[`)
	for i := range 1000 {
		if i > 0 {
			page.WriteString(",")
		}
		fmt.Fprintf(&page, `{"productNumber":"%06d","name":"Trøje nr. %d","description":"En beskrivelse","costPrice":40.0,"recommendedPrice":90.0,"salesPrice":70.0,"barred":false,"lastUpdated":"2026-06-24T08:25:00Z",
			"productGroup":{"productGroupNumber":1,"name":"Varer m/moms","salesAccounts":"https://e.test/product-groups/1/sales-accounts","products":"https://e.test/product-groups/1/products","inventoryEnabled":true,"self":"https://e.test/product-groups/1"},
			"unit":{"unitNumber":1,"name":"stk.","products":"https://e.test/units/1/products","self":"https://e.test/units/1"},
			"inventory":{"available":%d.0,"inStock":%d.25,"orderedFromSuppliers":0.0,"orderedByCustomers":0.0,"packageVolume":0.00,"recommendedCostPrice":0.00},
			"invoices":{"drafts":"https://e.test/products/%d/invoices/drafts","booked":"https://e.test/products/%d/invoices/booked"},"self":"https://e.test/products/%d"}`, i, i, i, i, i, i, i)
	}
	io.WriteString(&page, `],"pagination":{"results":1000}}`)
	body := []byte(page.String())
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		read, err := economic.DecodeProducts(body)
		if err != nil || len(read.Items) != 1000 {
			b.Fatalf("%d products, %v", len(read.Items), err)
		}
	}
}

// TestPDFObjects: what begins an object, and what does not.
func TestPDFObjects(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"1 0 obj": true, "12 34\nobj<<>>": true, "x1 0 obj": true, "1\x00\r0\fobj\n": true, "obj 1 0 obj": true,
		"": false, "obj": false, " obj": false, "0 obj": false, " 0 obj": false, "1 obj": false, "1 0obj": false, "10 obj": false, "1 0 object": false, "1 0 obj_": false, "a 0 obj": false, "1 x obj": false,
	} {
		if err := economic.CheckPDF([]byte("%PDF-1.4\n" + text + "\n%%EOF")); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzPDF checks that padding never changes whether a document is a PDF.
func FuzzPDF(f *testing.F) {
	f.Add([]byte("%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer<<>>\nstartxref\n9\n%%EOF\n"), uint16(80))
	f.Add([]byte("%PDF-1.4\n1 0 obj\n<<>>\nendobj\nxref\ntrailer<<>>\nstartxref\n29\n%%EOF\n2 0 obj\n<<>>\nendobj\nstartxref\n9\n%%EOF DEBUG"), uint16(2000))
	f.Add([]byte("%PDF-1.4\nstartxref\n9999999999\n%%EOF"+strings.Repeat("x", 1100)), uint16(0))
	f.Fuzz(func(t *testing.T, body []byte, padding uint16) {
		var bare, padded error
		hostiletest.Within(t, body, func() { bare = economic.CheckPDF(body) })
		if bare == nil && !bytes.Contains(body, []byte("%%EOF")) {
			t.Errorf("%q: a PDF without an end", body)
		}
		longer := append(bytes.Clone(body), make([]byte, padding)...)
		hostiletest.Within(t, longer, func() { padded = economic.CheckPDF(longer) })
		if (bare == nil) != (padded == nil) {
			t.Errorf("%q: %v, and %v with %d NULs behind it", body, bare, padded, padding)
		}
		if bare != nil && (!economic.IsFieldError(bare) || strings.ContainsAny(bare.Error(), "\r\n")) {
			t.Errorf("%q: %q", body, bare)
		}
	})
}
