package economic

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/shopspring/decimal"
)

// Answers are decoded in two steps: a reader extracts the wanted fields and checks the
// syntax, in one pass; then fields checks the type of each. json.Unmarshal would stop at
// the first invalid field and lose the rest, and its reflection takes twice as long.

// decode reads a whole answer, which must be an object. read reads it and returns the
// kind of value it found.
func decode(name string, got answer, read func(r *reader) value) error {
	r := newReader(withoutBOM(got.body))
	kind := read(r)
	if end := r.d.InputOffset(); r.err == nil {
		if _, err := r.d.ReadToken(); !errors.Is(err, io.EOF) {
			r.err = fmt.Errorf("at byte %d: unexpected data after the end", end)
		}
	}
	if r.err == nil {
		var f fields
		f.required(name, "an object", kind)
		f.object(name, kind)
		return f.err()
	}
	if _, field := errors.AsType[*fieldError](r.err); field {
		return under(name+".", r.err)
	}
	if isHTML(got.header, got.body) {
		return &Error{Kind: KindUnavailable, Message: excerpt(got.body)}
	}
	if errors.Is(r.err, io.ErrUnexpectedEOF) || errors.Is(r.err, io.EOF) {
		return &Error{Kind: KindUnavailable, Err: fmt.Errorf("the answer is truncated after %d bytes: %w", len(got.body), io.ErrUnexpectedEOF)}
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](r.err); ok {
		return fmt.Errorf("%s: at byte %d: %w", name, syntax.ByteOffset, syntax.Err)
	}
	return fmt.Errorf("%s: %w", name, r.err)
}

// withoutBOM strips a leading byte order mark, which a parser may ignore (RFC 8259, 8.1).
func withoutBOM(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) }

// under prefixes the path of a field error with prefix.
func under(prefix string, err error) error {
	if field, ok := errors.AsType[*fieldError](err); ok {
		field.path = prefix + field.path
	}
	return err
}

// decodePage reads a page of a collection, using one to read each item.
func decodePage[T any](got answer, c call, one func(*reader) (T, error)) (Page[T], error) {
	var page Page[T]
	var collection, pagination, results, next value
	most := c.pageSize()
	err := decode(c.endpoint, got, func(r *reader) value {
		item := func() {
			if !r.atMost(most, "collection", len(page.Items)+len(page.Bad)) {
				return // more than the requested page size
			}
			v, err := one(r)
			if err != nil {
				at := fmt.Sprintf("%s.collection[%d]", c.endpoint, len(page.Items)+len(page.Bad))
				page.Bad = append(page.Bad, BadItem{Err: under(at, err)})
				return
			}
			if cap(page.Items) == 0 {
				page.Items = make([]T, 0, min(len(got.body)/usualItem+1, most))
			}
			page.Items = append(page.Items, v)
		}
		return r.object(func(name []byte) {
			switch string(name) {
			case "collection":
				page.Items, page.Bad = []T{}, nil
				collection = r.list(item)
			case "pagination":
				results, next = nil, nil
				pagination = r.object(func(name []byte) {
					switch string(name) {
					case "results":
						results = r.value()
					case "nextPage":
						next = r.value()
					}
				})
			}
		})
	})
	if err != nil {
		return Page[T]{}, err
	}
	var f fields
	// A page without a collection is not an empty page, and one without pagination is
	// not the last page.
	f.required("collection", "a list", collection)
	f.required("pagination", "an object", pagination)
	f.list("collection", collection)
	f.object("pagination", pagination)
	f.required("pagination.results", "a whole number", results)
	page.Results = int(f.whole("pagination.results", results, 0))
	page.Next = f.text("pagination.nextPage", next)
	if page.Next != "" && (len(page.Items)+len(page.Bad) == 0 || !advances(c.url, page.Next)) {
		f.fail("pagination.nextPage", "a later page", next)
	}
	if err := f.err(); err != nil {
		return Page[T]{}, under(c.endpoint+".", err)
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

// isObject returns an error if an item of a collection is not an object.
func isObject(kind value) error {
	var f fields
	f.required("", "an object", kind)
	f.object("", kind)
	return f.err()
}

// decodeProduct reads the answer about one product.
func decodeProduct(got answer) (Product, error) {
	var raw rawProduct
	if err := decode("product", got, func(r *reader) value { raw = readProduct(r); return raw.kind }); err != nil {
		return Product{}, err
	}
	product, err := raw.product()
	return product, under("product.", err)
}

// productOf reads a product of a page.
func productOf(r *reader) (Product, error) {
	raw := readProduct(r)
	if err := isObject(raw.kind); err != nil {
		return Product{}, err
	}
	product, err := raw.product()
	return product, under(".", err)
}

// rawProduct is a product as sent, before its types are checked.
type rawProduct struct {
	kind                                       value
	number, name, barCode, barred, lastUpdated value
	group, groupNumber, inventoryEnabled       value
	inventory                                  rawInventory
}

func readProduct(r *reader) (raw rawProduct) {
	raw.kind = r.object(func(name []byte) {
		switch string(name) {
		case "productNumber":
			raw.number = r.value()
		case "name":
			raw.name = r.value()
		case "barCode":
			raw.barCode = r.value()
		case "barred":
			raw.barred = r.value()
		case "lastUpdated":
			raw.lastUpdated = r.value()
		case "productGroup":
			raw.groupNumber, raw.inventoryEnabled = nil, nil
			raw.group = r.object(func(name []byte) {
				switch string(name) {
				case "productGroupNumber":
					raw.groupNumber = r.value()
				case "inventoryEnabled":
					raw.inventoryEnabled = r.value()
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
	var f fields
	p := Product{Number: f.text("productNumber", raw.number)}
	if p.Number == "" {
		f.fail("productNumber", "an item number", raw.number)
		return Product{}, f.err()
	}
	p.Name = f.text("name", raw.name)
	p.BarCode = f.text("barCode", raw.barCode)
	barred := f.yes("barred", raw.barred)
	p.Barred = barred != nil && *barred
	p.LastUpdated = f.moment("lastUpdated", raw.lastUpdated)
	f.object("productGroup", raw.group)
	p.GroupNumber = int(f.whole("productGroup.productGroupNumber", raw.groupNumber, 0))
	p.InventoryEnabled = f.yes("productGroup.inventoryEnabled", raw.inventoryEnabled)
	p.Inventory = f.inventory(&raw.inventory)
	p.Unsound = f.unsound()
	return p, nil
}

// rawInventory is an inventory block as sent, before its types are checked.
type rawInventory struct {
	kind                                                                      value
	inStock, available, orderedByCustomers, orderedFromSuppliers, lastUpdated value
}

func readInventory(r *reader) (raw rawInventory) {
	raw.kind = r.object(func(name []byte) {
		switch string(name) {
		case "inStock":
			raw.inStock = r.value()
		case "available":
			raw.available = r.value()
		case "orderedByCustomers":
			raw.orderedByCustomers = r.value()
		case "orderedFromSuppliers":
			raw.orderedFromSuppliers = r.value()
		case "inventoryLastUpdated":
			raw.lastUpdated = r.value()
		}
	})
	return raw
}

// inventory reads an inventory block, nil if absent.
func (f *fields) inventory(raw *rawInventory) *Inventory {
	f.object("inventory", raw.kind)
	if absent(raw.kind) || raw.kind[0] != '{' {
		return nil
	}
	// No recorded answer has this time and its published pattern is broken. A time
	// of another form is not worth losing the figures for.
	var lenient fields
	var block struct { // one allocation: a page has 1,000
		Inventory
		figures [4]decimal.Decimal
	}
	block.Inventory = Inventory{
		InStock:              f.figureIn(&block.figures[0], "inventory.inStock", raw.inStock),
		Available:            f.figureIn(&block.figures[1], "inventory.available", raw.available),
		OrderedByCustomers:   f.figureIn(&block.figures[2], "inventory.orderedByCustomers", raw.orderedByCustomers),
		OrderedFromSuppliers: f.figureIn(&block.figures[3], "inventory.orderedFromSuppliers", raw.orderedFromSuppliers),
		LastUpdated:          lenient.moment("", raw.lastUpdated),
	}
	return &block.Inventory
}

// decodeInvoice reads the answer about one invoice.
func decodeInvoice(got answer) (Invoice, error) {
	var raw rawInvoice
	if err := decode("invoice", got, func(r *reader) value { raw = readInvoice(r); return raw.kind }); err != nil {
		return Invoice{}, err
	}
	invoice, err := raw.invoice()
	return invoice, under("invoice.", err)
}

// invoiceOf reads an invoice of a page.
func invoiceOf(r *reader) (Invoice, error) {
	raw := readInvoice(r)
	if err := isObject(raw.kind); err != nil {
		return Invoice{}, err
	}
	invoice, err := raw.invoice()
	return invoice, under(".", err)
}

// rawInvoice is an invoice as sent, before its types are checked.
type rawInvoice struct {
	kind                                                     value
	number, date, dueDate, currency, exchangeRate            value
	net, gross, vat, rounding, netBase, grossBase, remainder value
	orderNumber                                              value
	customer, customerNumber                                 value
	recipient, recipientName                                 value
	notes, heading, textLine1, textLine2                     value
	references, otherReference                               value
	pdf, pdfDownload, pdfSelf                                value
	lines                                                    value
	each                                                     []Line        // only lines with a product
	ill                                                      []*fieldError // errors in the lines
}

func readInvoice(r *reader) (raw rawInvoice) { //nolint:funlen,gocyclo // one case per field
	raw.kind = r.object(func(name []byte) {
		switch string(name) {
		case "bookedInvoiceNumber":
			raw.number = r.value()
		case "date":
			raw.date = r.value()
		case "dueDate":
			raw.dueDate = r.value()
		case "currency":
			raw.currency = r.value()
		case "exchangeRate":
			raw.exchangeRate = r.value()
		case "netAmount":
			raw.net = r.value()
		case "grossAmount":
			raw.gross = r.value()
		case "vatAmount":
			raw.vat = r.value()
		case "roundingAmount":
			raw.rounding = r.value()
		case "netAmountInBaseCurrency":
			raw.netBase = r.value()
		case "grossAmountInBaseCurrency":
			raw.grossBase = r.value()
		case "remainder":
			raw.remainder = r.value()
		case "orderNumber":
			raw.orderNumber = r.value()
		case "customer":
			raw.customer, raw.customerNumber = r.member("customerNumber")
		case "recipient":
			raw.recipient, raw.recipientName = r.member("name")
		case "notes":
			raw.heading, raw.textLine1, raw.textLine2 = nil, nil, nil
			raw.notes = r.object(func(name []byte) {
				switch string(name) {
				case "heading":
					raw.heading = r.value()
				case "textLine1":
					raw.textLine1 = r.value()
				case "textLine2":
					raw.textLine2 = r.value()
				}
			})
		case "references":
			raw.references, raw.otherReference = r.member("other")
		case "pdf":
			// The published schema has download, older documentation self.
			raw.pdfDownload, raw.pdfSelf = nil, nil
			raw.pdf = r.object(func(name []byte) {
				switch string(name) {
				case "download":
					raw.pdfDownload = r.value()
				case "self":
					raw.pdfSelf = r.value()
				}
			})
		case "lines":
			raw.each, raw.ill = nil, nil
			index := 0
			raw.lines = r.list(func() {
				if r.atMost(mostLines, "lines", index) {
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
	var f fields
	f.required("bookedInvoiceNumber", "a whole number from 1", raw.number)
	number := f.whole("bookedInvoiceNumber", raw.number, 1)
	if err := f.err(); err != nil {
		return Invoice{}, err
	}
	f.object("customer", raw.customer)
	f.object("recipient", raw.recipient)
	f.object("notes", raw.notes)
	f.object("references", raw.references)
	f.object("pdf", raw.pdf)
	f.list("lines", raw.lines)
	inv := Invoice{
		Number:         number,
		Date:           f.date("date", raw.date),
		DueDate:        f.date("dueDate", raw.dueDate),
		Currency:       f.text("currency", raw.currency),
		ExchangeRate:   f.figure("exchangeRate", raw.exchangeRate),
		Net:            f.figure("netAmount", raw.net),
		Gross:          f.figure("grossAmount", raw.gross),
		VAT:            f.figure("vatAmount", raw.vat),
		Rounding:       f.figure("roundingAmount", raw.rounding),
		NetBase:        f.figure("netAmountInBaseCurrency", raw.netBase),
		GrossBase:      f.figure("grossAmountInBaseCurrency", raw.grossBase),
		Remainder:      f.figure("remainder", raw.remainder),
		CustomerNumber: f.whole("customer.customerNumber", raw.customerNumber, 0),
		RecipientName:  f.text("recipient.name", raw.recipientName),
		Heading:        f.text("notes.heading", raw.heading),
		TextLine1:      f.text("notes.textLine1", raw.textLine1),
		TextLine2:      f.text("notes.textLine2", raw.textLine2),
		OtherReference: f.text("references.other", raw.otherReference),
		OrderNumber:    f.whole("orderNumber", raw.orderNumber, 0),
		PDF:            f.text("pdf.download", raw.pdfDownload),
	}
	if inv.PDF == "" {
		inv.PDF = f.text("pdf.self", raw.pdfSelf)
	}
	inv.Lines = raw.each
	f.failed = append(f.failed, raw.ill[:min(len(raw.ill), max(0, mostFailed-len(f.failed)))]...)
	inv.Unsound = f.unsound()
	return inv, nil
}

// mostLines is the maximum number of lines of an invoice: far more than people read.
const mostLines = 100_000

// line reads an invoice line. It keeps the parsed line, not the raw text: an answer of 32 MiB
// can have ten million lines.
func (raw *rawInvoice) line(r *reader, index int) {
	var quantity, product, productNumber value
	kind := r.object(func(name []byte) {
		switch string(name) {
		case "quantity":
			quantity = r.value()
		case "product":
			product, productNumber = r.member("productNumber")
		}
	})
	if r.err != nil {
		return
	}
	var f fields
	f.object("", kind)
	f.object(".product", product)
	l := Line{ProductNumber: f.text(".product.productNumber", productNumber)}
	if q := f.figure(".quantity", quantity); q != nil {
		l.Quantity = *q
	}
	if l.ProductNumber != "" {
		raw.each = append(raw.each, l)
	}
	for _, failed := range f.failed {
		if len(raw.ill) < mostFailed {
			failed.path = fmt.Sprintf("lines[%d]%s", index, failed.path)
			raw.ill = append(raw.ill, failed)
		}
	}
}

// decodeSelf reads the answer about the agreement.
func decodeSelf(got answer) (Self, error) {
	var raw rawSelf
	if err := decode("self", got, func(r *reader) value { raw = readSelf(r); return raw.kind }); err != nil {
		return Self{}, err
	}
	self, err := raw.self()
	return self, under("self.", err)
}

// rawSelf is an agreement as sent, before its types are checked.
type rawSelf struct {
	kind                   value
	agreementNumber        value
	company, companyName   value
	settings, baseCurrency value
	modules                value
	eachModule             []rawModule
	application, roles     value
	eachRole               []rawRole
}

type (
	rawModule struct{ kind, number, name value }
	rawRole   struct{ kind, name value }
)

// mostOfSelf limits the modules and roles of an agreement. e-conomic has a few dozen.
const mostOfSelf = 1000

func readSelf(r *reader) (raw rawSelf) {
	raw.kind = r.object(func(name []byte) {
		switch string(name) {
		case "agreementNumber":
			raw.agreementNumber = r.value()
		case "company":
			raw.company, raw.companyName = r.member("name")
		case "settings":
			raw.settings, raw.baseCurrency = r.member("baseCurrency")
		case "modules":
			raw.eachModule = nil
			raw.modules = r.list(func() {
				if r.atMost(mostOfSelf, "modules", len(raw.eachModule)) {
					raw.eachModule = append(raw.eachModule, readModule(r))
				}
			})
		case "application":
			raw.roles, raw.eachRole = nil, nil
			raw.application = r.object(func(name []byte) {
				if string(name) == "requiredRoles" {
					raw.eachRole = nil
					raw.roles = r.list(func() {
						if !r.atMost(mostOfSelf, "application.requiredRoles", len(raw.eachRole)) {
							return
						}
						var role rawRole
						role.kind, role.name = r.member("name")
						raw.eachRole = append(raw.eachRole, role)
					})
				}
			})
		}
	})
	return raw
}

func readModule(r *reader) (raw rawModule) {
	raw.kind = r.object(func(name []byte) {
		switch string(name) {
		case "moduleNumber":
			raw.number = r.value()
		case "name":
			raw.name = r.value()
		}
	})
	return raw
}

func (raw *rawSelf) self() (Self, error) {
	var f fields
	f.required("agreementNumber", "a whole number from 1", raw.agreementNumber)
	f.object("company", raw.company)
	f.list("modules", raw.modules)
	f.object("settings", raw.settings)
	f.object("application", raw.application)
	f.list("application.requiredRoles", raw.roles)
	self := Self{
		AgreementNumber: f.whole("agreementNumber", raw.agreementNumber, 1),
		CompanyName:     f.text("company.name", raw.companyName),
		BaseCurrency:    f.text("settings.baseCurrency", raw.baseCurrency),
	}
	for i, module := range raw.eachModule {
		path := fmt.Sprintf("modules[%d]", i)
		f.object(path, module.kind)
		self.Modules = append(self.Modules, Module{
			Number: int(f.whole(path+".moduleNumber", module.number, 0)),
			Name:   f.text(path+".name", module.name),
		})
	}
	for i, role := range raw.eachRole {
		path := fmt.Sprintf("application.requiredRoles[%d]", i)
		f.object(path, role.kind)
		self.RequiredRoles = append(self.RequiredRoles, f.text(path+".name", role.name))
	}
	return self, f.err()
}
