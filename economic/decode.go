package economic

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/shopspring/decimal"

	"lagerd/rest"
)

// decode reads a whole answer, which must be an object. read reads it and returns the
// kind of value it found.
func decode(name string, got answer, read func(r *rest.Reader) rest.Value) error {
	return unavailable(rest.Decode(name, got.Content, read))
}

// decodePage reads a page of a collection, using one to read each item.
func decodePage[T any](got answer, c call, one func(*rest.Reader) (T, error)) (Page[T], error) {
	var page Page[T]
	var collection, pagination, results, next rest.Value
	most := c.pageSize()
	err := decode(c.endpoint, got, func(r *rest.Reader) rest.Value {
		item := func() {
			if !r.AtMost(most, "collection", len(page.Items)+len(page.Bad)) {
				return // more than the requested page size
			}
			v, err := one(r)
			if err != nil {
				at := fmt.Sprintf("%s.collection[%d]", c.endpoint, len(page.Items)+len(page.Bad))
				page.Bad = append(page.Bad, BadItem{Err: rest.Under(at, err)})
				return
			}
			if cap(page.Items) == 0 {
				page.Items = make([]T, 0, min(len(got.Body)/usualItem+1, most))
			}
			page.Items = append(page.Items, v)
		}
		return r.Object(func(name []byte) {
			switch string(name) {
			case "collection":
				page.Items, page.Bad = []T{}, nil
				collection = r.List(item)
			case "pagination":
				results, next = nil, nil
				pagination = r.Object(func(name []byte) {
					switch string(name) {
					case "results":
						results = r.Value()
					case "nextPage":
						next = r.Value()
					}
				})
			}
		})
	})
	if err != nil {
		return Page[T]{}, err
	}
	var f rest.Fields
	// A page without a collection is not an empty page, and one without pagination is
	// not the last page.
	f.Required("collection", "a list", collection)
	f.Required("pagination", "an object", pagination)
	f.List("collection", collection)
	f.Object("pagination", pagination)
	f.Required("pagination.results", "a whole number", results)
	page.Results = int(f.Whole("pagination.results", results, 0))
	page.Next = f.Text("pagination.nextPage", next)
	if page.Next != "" && (len(page.Items)+len(page.Bad) == 0 || !advances(c.url, page.Next)) {
		f.Fail("pagination.nextPage", "a later page", next)
	}
	if err := f.Err(); err != nil {
		return Page[T]{}, rest.Under(c.endpoint+".", err)
	}
	return page, nil
}

// pageSize returns the maximum number of items in the requested page.
func (c call) pageSize() int {
	u, err := url.Parse(c.url)
	if err != nil {
		return maxPageSize
	}
	n, err := strconv.Atoi(u.Query().Get("pagesize"))
	if err != nil || n < 1 {
		return maxPageSize
	}
	return min(n, maxPageSize)
}

// usualItem is the usual size of an item in bytes. With it a page's slice seldom grows.
const usualItem = 900

// advances reports whether the link to leads to a later page than from, which makes
// following links terminate.
func advances(from, to string) bool {
	a, err1 := url.Parse(from)
	b, err2 := url.Parse(to)
	if err1 != nil || err2 != nil || from == to {
		return false
	}
	was, _ := strconv.Atoi(a.Query().Get("skippages"))
	is, err := strconv.Atoi(b.Query().Get("skippages"))
	return err != nil || is > was // links of another form are followed
}

// decodeProduct reads the answer about one product.
func decodeProduct(got answer) (Product, error) {
	var raw rawProduct
	if err := decode("product", got, func(r *rest.Reader) rest.Value { raw = readProduct(r); return raw.kind }); err != nil {
		return Product{}, err
	}
	product, err := raw.product()
	return product, rest.Under("product.", err)
}

// productOf reads a product of a page.
func productOf(r *rest.Reader) (Product, error) {
	raw := readProduct(r)
	if err := rest.IsObject(raw.kind); err != nil {
		return Product{}, err
	}
	product, err := raw.product()
	return product, rest.Under(".", err)
}

// rawProduct is a product as sent, before its types are checked.
type rawProduct struct {
	kind                                       rest.Value
	number, name, barCode, barred, lastUpdated rest.Value
	group, groupNumber, inventoryEnabled       rest.Value
	inventory                                  rawInventory
}

func readProduct(r *rest.Reader) (raw rawProduct) {
	raw.kind = r.Object(func(name []byte) {
		switch string(name) {
		case "productNumber":
			raw.number = r.Value()
		case "name":
			raw.name = r.Value()
		case "barCode":
			raw.barCode = r.Value()
		case "barred":
			raw.barred = r.Value()
		case "lastUpdated":
			raw.lastUpdated = r.Value()
		case "productGroup":
			raw.groupNumber, raw.inventoryEnabled = nil, nil
			raw.group = r.Object(func(name []byte) {
				switch string(name) {
				case "productGroupNumber":
					raw.groupNumber = r.Value()
				case "inventoryEnabled":
					raw.inventoryEnabled = r.Value()
				}
			})
		case "inventory":
			raw.inventory = readInventory(r)
		}
	})
	return raw
}

// product returns the product, or an error if its number is unreadable. Other unreadable
// fields are in its Unsound.
func (raw *rawProduct) product() (Product, error) {
	var f rest.Fields
	p := Product{Number: f.Text("productNumber", raw.number)}
	if p.Number == "" {
		f.Fail("productNumber", "an item number", raw.number)
		return Product{}, f.Err()
	}
	p.Name = f.Text("name", raw.name)
	p.BarCode = f.Text("barCode", raw.barCode)
	barred := f.Yes("barred", raw.barred)
	p.Barred = barred != nil && *barred
	p.LastUpdated = f.Moment("lastUpdated", raw.lastUpdated)
	f.Object("productGroup", raw.group)
	p.GroupNumber = int(f.Whole("productGroup.productGroupNumber", raw.groupNumber, 0))
	p.InventoryEnabled = f.Yes("productGroup.inventoryEnabled", raw.inventoryEnabled)
	p.Inventory = inventoryOf(&f, &raw.inventory)
	p.Unsound = f.Unsound()
	return p, nil
}

// rawInventory is an inventory block as sent, before its types are checked.
type rawInventory struct {
	kind                                                                      rest.Value
	inStock, available, orderedByCustomers, orderedFromSuppliers, lastUpdated rest.Value
}

func readInventory(r *rest.Reader) (raw rawInventory) {
	raw.kind = r.Object(func(name []byte) {
		switch string(name) {
		case "inStock":
			raw.inStock = r.Value()
		case "available":
			raw.available = r.Value()
		case "orderedByCustomers":
			raw.orderedByCustomers = r.Value()
		case "orderedFromSuppliers":
			raw.orderedFromSuppliers = r.Value()
		case "inventoryLastUpdated":
			raw.lastUpdated = r.Value()
		}
	})
	return raw
}

// inventoryOf returns an inventory block, nil if absent.
func inventoryOf(f *rest.Fields, raw *rawInventory) *Inventory {
	f.Object("inventory", raw.kind)
	if rest.Absent(raw.kind) || raw.kind[0] != '{' {
		return nil
	}
	// No recorded answer has this time and its published pattern is broken. A time
	// of another form is not worth losing the figures for.
	var lenient rest.Fields
	var block struct { // one allocation: a page has 1,000
		Inventory
		figures [4]decimal.Decimal
	}
	block.Inventory = Inventory{
		InStock:              f.FigureIn(&block.figures[0], "inventory.inStock", raw.inStock),
		Available:            f.FigureIn(&block.figures[1], "inventory.available", raw.available),
		OrderedByCustomers:   f.FigureIn(&block.figures[2], "inventory.orderedByCustomers", raw.orderedByCustomers),
		OrderedFromSuppliers: f.FigureIn(&block.figures[3], "inventory.orderedFromSuppliers", raw.orderedFromSuppliers),
		LastUpdated:          lenient.Moment("", raw.lastUpdated),
	}
	return &block.Inventory
}

// decodeInvoice reads the answer about one invoice.
func decodeInvoice(got answer) (Invoice, error) {
	var raw rawInvoice
	if err := decode("invoice", got, func(r *rest.Reader) rest.Value { raw = readInvoice(r); return raw.kind }); err != nil {
		return Invoice{}, err
	}
	invoice, err := raw.invoice()
	return invoice, rest.Under("invoice.", err)
}

// invoiceOf reads an invoice of a page.
func invoiceOf(r *rest.Reader) (Invoice, error) {
	raw := readInvoice(r)
	if err := rest.IsObject(raw.kind); err != nil {
		return Invoice{}, err
	}
	invoice, err := raw.invoice()
	return invoice, rest.Under(".", err)
}

// rawInvoice is an invoice as sent, before its types are checked.
type rawInvoice struct {
	kind                                                     rest.Value
	number, date, dueDate, currency, exchangeRate            rest.Value
	net, gross, vat, rounding, netBase, grossBase, remainder rest.Value
	orderNumber                                              rest.Value
	customer, customerNumber                                 rest.Value
	recipient, recipientName                                 rest.Value
	notes, heading, textLine1, textLine2                     rest.Value
	references, otherReference                               rest.Value
	pdf, pdfDownload, pdfSelf                                rest.Value
	lines                                                    rest.Value
	each                                                     []Line      // only lines with a product
	ill                                                      rest.Fields // errors in the lines
}

func readInvoice(r *rest.Reader) (raw rawInvoice) { //nolint:funlen,gocyclo // one case per field
	raw.kind = r.Object(func(name []byte) {
		switch string(name) {
		case "bookedInvoiceNumber":
			raw.number = r.Value()
		case "date":
			raw.date = r.Value()
		case "dueDate":
			raw.dueDate = r.Value()
		case "currency":
			raw.currency = r.Value()
		case "exchangeRate":
			raw.exchangeRate = r.Value()
		case "netAmount":
			raw.net = r.Value()
		case "grossAmount":
			raw.gross = r.Value()
		case "vatAmount":
			raw.vat = r.Value()
		case "roundingAmount":
			raw.rounding = r.Value()
		case "netAmountInBaseCurrency":
			raw.netBase = r.Value()
		case "grossAmountInBaseCurrency":
			raw.grossBase = r.Value()
		case "remainder":
			raw.remainder = r.Value()
		case "orderNumber":
			raw.orderNumber = r.Value()
		case "customer":
			raw.customer, raw.customerNumber = r.Member("customerNumber")
		case "recipient":
			raw.recipient, raw.recipientName = r.Member("name")
		case "notes":
			raw.heading, raw.textLine1, raw.textLine2 = nil, nil, nil
			raw.notes = r.Object(func(name []byte) {
				switch string(name) {
				case "heading":
					raw.heading = r.Value()
				case "textLine1":
					raw.textLine1 = r.Value()
				case "textLine2":
					raw.textLine2 = r.Value()
				}
			})
		case "references":
			raw.references, raw.otherReference = r.Member("other")
		case "pdf":
			// The published schema has download, older documentation self.
			raw.pdfDownload, raw.pdfSelf = nil, nil
			raw.pdf = r.Object(func(name []byte) {
				switch string(name) {
				case "download":
					raw.pdfDownload = r.Value()
				case "self":
					raw.pdfSelf = r.Value()
				}
			})
		case "lines":
			raw.each, raw.ill = nil, rest.Fields{}
			index := 0
			raw.lines = r.List(func() {
				if r.AtMost(mostLines, "lines", index) {
					raw.line(r, index)
					index++
				}
			})
		}
	})
	return raw
}

// invoice returns the invoice, or an error if its number is unreadable. Other unreadable
// fields are in its Unsound.
func (raw *rawInvoice) invoice() (Invoice, error) {
	var f rest.Fields
	f.Required("bookedInvoiceNumber", "a whole number from 1", raw.number)
	number := f.Whole("bookedInvoiceNumber", raw.number, 1)
	if err := f.Err(); err != nil {
		return Invoice{}, err
	}
	f.Object("customer", raw.customer)
	f.Object("recipient", raw.recipient)
	f.Object("notes", raw.notes)
	f.Object("references", raw.references)
	f.Object("pdf", raw.pdf)
	f.List("lines", raw.lines)
	inv := Invoice{
		Number:         number,
		Date:           f.Date("date", raw.date),
		DueDate:        f.Date("dueDate", raw.dueDate),
		Currency:       f.Text("currency", raw.currency),
		ExchangeRate:   f.Figure("exchangeRate", raw.exchangeRate),
		Net:            f.Figure("netAmount", raw.net),
		Gross:          f.Figure("grossAmount", raw.gross),
		VAT:            f.Figure("vatAmount", raw.vat),
		Rounding:       f.Figure("roundingAmount", raw.rounding),
		NetBase:        f.Figure("netAmountInBaseCurrency", raw.netBase),
		GrossBase:      f.Figure("grossAmountInBaseCurrency", raw.grossBase),
		Remainder:      f.Figure("remainder", raw.remainder),
		CustomerNumber: f.Whole("customer.customerNumber", raw.customerNumber, 0),
		RecipientName:  f.Text("recipient.name", raw.recipientName),
		Heading:        f.Text("notes.heading", raw.heading),
		TextLine1:      f.Text("notes.textLine1", raw.textLine1),
		TextLine2:      f.Text("notes.textLine2", raw.textLine2),
		OtherReference: f.Text("references.other", raw.otherReference),
		OrderNumber:    f.Whole("orderNumber", raw.orderNumber, 0),
		PDF:            f.Text("pdf.download", raw.pdfDownload),
	}
	if inv.PDF == "" {
		inv.PDF = f.Text("pdf.self", raw.pdfSelf)
	}
	inv.Lines = raw.each
	f.Add("", raw.ill.Failed()...)
	inv.Unsound = f.Unsound()
	return inv, nil
}

// mostLines is the maximum number of lines of an invoice: far more than people read.
const mostLines = 100_000

// line reads an invoice line. It keeps the parsed line, not the raw text: an answer of 32 MiB
// can have ten million lines.
func (raw *rawInvoice) line(r *rest.Reader, index int) {
	var quantity, product, productNumber rest.Value
	kind := r.Object(func(name []byte) {
		switch string(name) {
		case "quantity":
			quantity = r.Value()
		case "product":
			product, productNumber = r.Member("productNumber")
		}
	})
	if r.Failed() {
		return
	}
	var f rest.Fields
	f.Object("", kind)
	f.Object(".product", product)
	l := Line{ProductNumber: f.Text(".product.productNumber", productNumber)}
	if q := f.Figure(".quantity", quantity); q != nil {
		l.Quantity = *q
	}
	if l.ProductNumber != "" {
		raw.each = append(raw.each, l)
	}
	if failed := f.Failed(); len(failed) > 0 {
		raw.ill.Add(fmt.Sprintf("lines[%d]", index), failed...)
	}
}

// decodeSelf reads the answer about the agreement.
func decodeSelf(got answer) (Self, error) {
	var raw rawSelf
	if err := decode("self", got, func(r *rest.Reader) rest.Value { raw = readSelf(r); return raw.kind }); err != nil {
		return Self{}, err
	}
	self, err := raw.self()
	return self, rest.Under("self.", err)
}

// rawSelf is an agreement as sent, before its types are checked.
type rawSelf struct {
	kind                   rest.Value
	agreementNumber        rest.Value
	company, companyName   rest.Value
	settings, baseCurrency rest.Value
	modules                rest.Value
	eachModule             []rawModule
	application, roles     rest.Value
	eachRole               []rawRole
}

type (
	rawModule struct{ kind, number, name rest.Value }
	rawRole   struct{ kind, name rest.Value }
)

// mostOfSelf limits the modules and roles of an agreement. e-conomic has a few dozen.
const mostOfSelf = 1000

func readSelf(r *rest.Reader) (raw rawSelf) {
	raw.kind = r.Object(func(name []byte) {
		switch string(name) {
		case "agreementNumber":
			raw.agreementNumber = r.Value()
		case "company":
			raw.company, raw.companyName = r.Member("name")
		case "settings":
			raw.settings, raw.baseCurrency = r.Member("baseCurrency")
		case "modules":
			raw.eachModule = nil
			raw.modules = r.List(func() {
				if r.AtMost(mostOfSelf, "modules", len(raw.eachModule)) {
					raw.eachModule = append(raw.eachModule, readModule(r))
				}
			})
		case "application":
			raw.roles, raw.eachRole = nil, nil
			raw.application = r.Object(func(name []byte) {
				if string(name) == "requiredRoles" {
					raw.eachRole = nil
					raw.roles = r.List(func() {
						if !r.AtMost(mostOfSelf, "application.requiredRoles", len(raw.eachRole)) {
							return
						}
						var role rawRole
						role.kind, role.name = r.Member("name")
						raw.eachRole = append(raw.eachRole, role)
					})
				}
			})
		}
	})
	return raw
}

func readModule(r *rest.Reader) (raw rawModule) {
	raw.kind = r.Object(func(name []byte) {
		switch string(name) {
		case "moduleNumber":
			raw.number = r.Value()
		case "name":
			raw.name = r.Value()
		}
	})
	return raw
}

func (raw *rawSelf) self() (Self, error) {
	var f rest.Fields
	f.Required("agreementNumber", "a whole number from 1", raw.agreementNumber)
	f.Object("company", raw.company)
	f.List("modules", raw.modules)
	f.Object("settings", raw.settings)
	f.Object("application", raw.application)
	f.List("application.requiredRoles", raw.roles)
	self := Self{
		AgreementNumber: f.Whole("agreementNumber", raw.agreementNumber, 1),
		CompanyName:     f.Text("company.name", raw.companyName),
		BaseCurrency:    f.Text("settings.baseCurrency", raw.baseCurrency),
	}
	for i, module := range raw.eachModule {
		path := fmt.Sprintf("modules[%d]", i)
		f.Object(path, module.kind)
		self.Modules = append(self.Modules, Module{
			Number: int(f.Whole(path+".moduleNumber", module.number, 0)),
			Name:   f.Text(path+".name", module.name),
		})
	}
	for i, role := range raw.eachRole {
		path := fmt.Sprintf("application.requiredRoles[%d]", i)
		f.Object(path, role.kind)
		self.RequiredRoles = append(self.RequiredRoles, f.Text(path+".name", role.name))
	}
	return self, f.Err()
}
