package economic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/shopspring/decimal"
)

// Answers are decoded in two steps: encoding/json finds the fields that are
// wanted and checks the syntax, fields checks each one's type. encoding/json's
// own conversion takes the string "5" for a json.Number and loses the path.

// fields reads fields of an answer and keeps the first error.
type fields struct{ err error }

// absent reports whether a field is not there. A null, which e-conomic says it
// never sends, counts as absent too.
func absent(raw json.RawMessage) bool { return len(raw) == 0 || raw[0] == 'n' }

func (f *fields) fail(path, want string, raw json.RawMessage) {
	if f.err == nil {
		f.err = &fieldError{path, want, describe(raw)}
	}
}

// object reads an object into a struct of raw fields.
func (f *fields) object(path string, raw json.RawMessage, into any) {
	if absent(raw) {
		return
	}
	if raw[0] != '{' || json.Unmarshal(raw, into) != nil {
		f.fail(path, "an object", raw)
	}
}

// list reads a list.
func (f *fields) list(path string, raw json.RawMessage) []json.RawMessage {
	var items []json.RawMessage
	if !absent(raw) && (raw[0] != '[' || json.Unmarshal(raw, &items) != nil) {
		f.fail(path, "a list", raw)
	}
	return items
}

// text reads a string, "" if absent.
func (f *fields) text(path string, raw json.RawMessage) string {
	var s string
	if !absent(raw) && (raw[0] != '"' || json.Unmarshal(raw, &s) != nil) {
		f.fail(path, "a string", raw)
	}
	return s
}

// yes reads a boolean, nil if absent.
func (f *fields) yes(path string, raw json.RawMessage) *bool {
	if absent(raw) {
		return nil
	}
	is := raw[0] == 't'
	if !is && raw[0] != 'f' {
		f.fail(path, "true or false", raw)
		return nil
	}
	return &is
}

// figure reads a number exactly, nil if absent.
func (f *fields) figure(path string, raw json.RawMessage) *decimal.Decimal {
	if absent(raw) {
		return nil
	}
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		f.fail(path, "a number", raw)
		return nil
	}
	// A number like 1e999999999 is valid JSON; computing with it would never end.
	const digits, exponent = 40, 20
	d, err := decimal.NewFromString(string(raw[:min(len(raw), 2*digits)]))
	if err != nil || len(raw) > 2*digits || d.NumDigits() > digits || d.Exponent() > exponent || d.Exponent() < -exponent {
		f.fail(path, "a number of ordinary size", raw)
		return nil
	}
	return &d
}

// whole reads an integer of at least least, 0 if absent.
func (f *fields) whole(path string, raw json.RawMessage, least int64) int64 {
	if absent(raw) {
		return 0
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil && n >= least {
		return n
	}
	d := f.figure(path, raw) // 10.0 is an integer as well
	if d == nil {
		return 0
	}
	n := d.IntPart()
	if !d.Equal(decimal.NewFromInt(n)) || n < least {
		f.fail(path, fmt.Sprintf("a whole number from %d", least), raw)
		return 0
	}
	return n
}

// date reads a business date (YYYY-MM-DD), "" if absent.
func (f *fields) date(path string, raw json.RawMessage) string {
	s := f.text(path, raw)
	if _, err := time.Parse(time.DateOnly, s); s != "" && err != nil {
		f.fail(path, "a date (YYYY-MM-DD)", raw)
		return ""
	}
	return s
}

// moment reads a time with its zone and returns it in UTC, zero if absent.
func (f *fields) moment(path string, raw json.RawMessage) time.Time {
	s := f.text(path, raw)
	t, err := time.Parse(time.RFC3339, s)
	if s != "" && err != nil {
		f.fail(path, "a time (RFC 3339)", raw)
	}
	return t.UTC()
}

// required notes an error if a field is absent.
func (f *fields) required(path, want string, raw json.RawMessage) {
	if absent(raw) {
		f.fail(path, want, raw)
	}
}

// describe says what a JSON value is, in few words.
func describe(raw json.RawMessage) string {
	if absent(raw) {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return fmt.Sprintf("string %q", oneLine(text(raw), 40))
	case 't', 'f':
		return string(raw)
	}
	return "number " + oneLine(string(raw[:min(len(raw), 100)]), 40)
}

// decodeJSON reads a whole answer, an object, into a struct of raw fields.
func decodeJSON(name string, got answer, into any) error {
	err := json.Unmarshal(got.body, into)
	if err == nil {
		return nil
	}
	if isHTML(got.header, got.body) {
		return &Error{Kind: KindUnavailable, Message: excerpt(got.body)}
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		// Only a Decoder tells an end that came too soon from any other mistake.
		var value json.RawMessage
		if end := json.NewDecoder(bytes.NewReader(got.body)).Decode(&value); end == io.EOF || end == io.ErrUnexpectedEOF {
			return &Error{Kind: KindUnavailable, Err: fmt.Errorf("the answer is cut after %d bytes: %w", len(got.body), io.ErrUnexpectedEOF)}
		}
		return fmt.Errorf("%s: at byte %d: %w", name, syntax.Offset, err)
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &fieldError{name, "an object", "a JSON " + kind.Value}
	}
	return fmt.Errorf("%s: %w", name, err)
}

// under puts the place of an item before the path of an error in it.
func under(prefix string, err error) error {
	if field, ok := errors.AsType[*fieldError](err); ok {
		field.path = prefix + field.path
	}
	return err
}

// decodePage reads a page of a collection, its items with one, which returns
// an item's number also where it cannot be decoded.
func decodePage[T any](got answer, c call, one func(json.RawMessage) (T, string, error)) (Page[T], error) {
	var raw struct {
		Collection json.RawMessage `json:"collection"`
		Pagination json.RawMessage `json:"pagination"`
	}
	if err := decodeJSON(c.endpoint, got, &raw); err != nil {
		return Page[T]{}, err
	}
	var pagination struct {
		Results  json.RawMessage `json:"results"`
		NextPage json.RawMessage `json:"nextPage"`
	}
	var f fields
	// A page without a collection is no empty page, and one that does not say
	// how it goes on is not the last one.
	f.required("collection", "a list", raw.Collection)
	f.required("pagination", "an object", raw.Pagination)
	items := f.list("collection", raw.Collection)
	f.object("pagination", raw.Pagination, &pagination)
	f.required("pagination.results", "a whole number", pagination.Results)
	page := Page[T]{
		Results: int(f.whole("pagination.results", pagination.Results, 0)),
		Next:    f.text("pagination.nextPage", pagination.NextPage),
		Items:   make([]T, 0, len(items)),
	}
	if page.Next != "" && (len(items) == 0 || !advances(c.url, page.Next)) {
		f.fail("pagination.nextPage", "a page further on", pagination.NextPage)
	}
	if f.err != nil {
		return Page[T]{}, under(c.endpoint+".", f.err)
	}
	for i, item := range items {
		v, number, err := one(item)
		if err != nil {
			page.Bad = append(page.Bad, BadItem{Number: number, Err: under(fmt.Sprintf("%s.collection[%d]", c.endpoint, i), err)})
			continue
		}
		page.Items = append(page.Items, v)
	}
	return page, nil
}

// advances reports whether a link leads further on than the page it stands on,
// so that following links ends.
func advances(from, to string) bool {
	a, err1 := url.Parse(from)
	b, err2 := url.Parse(to)
	if err1 != nil || err2 != nil || from == to {
		return false
	}
	was, _ := strconv.Atoi(a.Query().Get("skippages"))
	is, err := strconv.Atoi(b.Query().Get("skippages"))
	return err != nil || is > was // a link of another form is followed
}

// decodeProduct reads the answer about one product.
func decodeProduct(got answer) (Product, error) {
	var raw rawProduct
	if err := decodeJSON("product", got, &raw); err != nil {
		return Product{}, err
	}
	product, err := raw.product()
	return product, under("product.", err)
}

// productOf reads a product of a collection.
func productOf(item json.RawMessage) (Product, string, error) {
	var raw rawProduct
	var f fields
	f.object("", item, &raw)
	f.required("", "an object", item)
	if f.err != nil {
		return Product{}, "", f.err
	}
	product, err := raw.product()
	return product, product.Number, under(".", err)
}

type rawProduct struct {
	ProductNumber json.RawMessage `json:"productNumber"`
	Name          json.RawMessage `json:"name"`
	BarCode       json.RawMessage `json:"barCode"`
	Barred        json.RawMessage `json:"barred"`
	LastUpdated   json.RawMessage `json:"lastUpdated"`
	ProductGroup  json.RawMessage `json:"productGroup"`
	Inventory     json.RawMessage `json:"inventory"`
}

// product returns the product. Its number is set also with an error, if it
// could be read.
func (raw rawProduct) product() (Product, error) {
	var group struct {
		Number           json.RawMessage `json:"productGroupNumber"`
		InventoryEnabled json.RawMessage `json:"inventoryEnabled"`
	}
	var f fields
	p := Product{Number: f.text("productNumber", raw.ProductNumber)}
	if p.Number == "" {
		f.fail("productNumber", "an item number", raw.ProductNumber)
	}
	p.Name = f.text("name", raw.Name)
	p.BarCode = f.text("barCode", raw.BarCode)
	barred := f.yes("barred", raw.Barred)
	p.Barred = barred != nil && *barred
	p.LastUpdated = f.moment("lastUpdated", raw.LastUpdated)
	f.object("productGroup", raw.ProductGroup, &group)
	p.GroupNumber = int(f.whole("productGroup.productGroupNumber", group.Number, 0))
	p.InventoryEnabled = f.yes("productGroup.inventoryEnabled", group.InventoryEnabled)
	p.Inventory = f.inventory(raw.Inventory)
	return p, f.err
}

func (f *fields) inventory(raw json.RawMessage) *Inventory {
	if absent(raw) {
		return nil
	}
	var inventory struct {
		InStock              json.RawMessage `json:"inStock"`
		Available            json.RawMessage `json:"available"`
		OrderedByCustomers   json.RawMessage `json:"orderedByCustomers"`
		OrderedFromSuppliers json.RawMessage `json:"orderedFromSuppliers"`
		LastUpdated          json.RawMessage `json:"inventoryLastUpdated"`
	}
	f.object("inventory", raw, &inventory)
	// No recorded answer has this time and its published pattern is broken:
	// one of another form is not worth losing the figures for.
	var lenient fields
	return &Inventory{
		InStock:              f.figure("inventory.inStock", inventory.InStock),
		Available:            f.figure("inventory.available", inventory.Available),
		OrderedByCustomers:   f.figure("inventory.orderedByCustomers", inventory.OrderedByCustomers),
		OrderedFromSuppliers: f.figure("inventory.orderedFromSuppliers", inventory.OrderedFromSuppliers),
		LastUpdated:          lenient.moment("", inventory.LastUpdated),
	}
}

// decodeInvoice reads the answer about one invoice.
func decodeInvoice(got answer) (Invoice, error) {
	var raw rawInvoice
	if err := decodeJSON("invoice", got, &raw); err != nil {
		return Invoice{}, err
	}
	invoice, err := raw.invoice()
	return invoice, under("invoice.", err)
}

// invoiceOf reads an invoice of a collection.
func invoiceOf(item json.RawMessage) (Invoice, string, error) {
	var raw rawInvoice
	var f fields
	f.object("", item, &raw)
	f.required("", "an object", item)
	if f.err != nil {
		return Invoice{}, "", f.err
	}
	invoice, err := raw.invoice()
	number := ""
	if invoice.Number != 0 {
		number = strconv.FormatInt(invoice.Number, 10)
	}
	return invoice, number, under(".", err)
}

type rawInvoice struct {
	Number       json.RawMessage `json:"bookedInvoiceNumber"`
	Date         json.RawMessage `json:"date"`
	DueDate      json.RawMessage `json:"dueDate"`
	Currency     json.RawMessage `json:"currency"`
	ExchangeRate json.RawMessage `json:"exchangeRate"`
	Net          json.RawMessage `json:"netAmount"`
	Gross        json.RawMessage `json:"grossAmount"`
	VAT          json.RawMessage `json:"vatAmount"`
	Rounding     json.RawMessage `json:"roundingAmount"`
	NetBase      json.RawMessage `json:"netAmountInBaseCurrency"`
	GrossBase    json.RawMessage `json:"grossAmountInBaseCurrency"`
	Remainder    json.RawMessage `json:"remainder"`
	OrderNumber  json.RawMessage `json:"orderNumber"`
	Customer     json.RawMessage `json:"customer"`
	Recipient    json.RawMessage `json:"recipient"`
	Notes        json.RawMessage `json:"notes"`
	References   json.RawMessage `json:"references"`
	PDF          json.RawMessage `json:"pdf"`
	Lines        json.RawMessage `json:"lines"`
}

// invoice returns the invoice. Its number is set also with an error, if it
// could be read.
func (raw rawInvoice) invoice() (Invoice, error) {
	var customer struct {
		Number json.RawMessage `json:"customerNumber"`
	}
	var recipient struct {
		Name json.RawMessage `json:"name"`
	}
	var notes struct {
		Heading   json.RawMessage `json:"heading"`
		TextLine1 json.RawMessage `json:"textLine1"`
		TextLine2 json.RawMessage `json:"textLine2"`
	}
	var references struct {
		Other json.RawMessage `json:"other"`
	}
	// The published schema says download, older documentation self.
	var pdf struct {
		Download json.RawMessage `json:"download"`
		Self     json.RawMessage `json:"self"`
	}
	var f fields
	f.required("bookedInvoiceNumber", "a whole number from 1", raw.Number)
	number := f.whole("bookedInvoiceNumber", raw.Number, 1)
	f.object("customer", raw.Customer, &customer)
	f.object("recipient", raw.Recipient, &recipient)
	f.object("notes", raw.Notes, &notes)
	f.object("references", raw.References, &references)
	f.object("pdf", raw.PDF, &pdf)
	inv := Invoice{
		Number:         number,
		Date:           f.date("date", raw.Date),
		DueDate:        f.date("dueDate", raw.DueDate),
		Currency:       f.text("currency", raw.Currency),
		ExchangeRate:   f.figure("exchangeRate", raw.ExchangeRate),
		Net:            f.figure("netAmount", raw.Net),
		Gross:          f.figure("grossAmount", raw.Gross),
		VAT:            f.figure("vatAmount", raw.VAT),
		Rounding:       f.figure("roundingAmount", raw.Rounding),
		NetBase:        f.figure("netAmountInBaseCurrency", raw.NetBase),
		GrossBase:      f.figure("grossAmountInBaseCurrency", raw.GrossBase),
		Remainder:      f.figure("remainder", raw.Remainder),
		CustomerNumber: f.whole("customer.customerNumber", customer.Number, 0),
		RecipientName:  f.text("recipient.name", recipient.Name),
		Heading:        f.text("notes.heading", notes.Heading),
		TextLine1:      f.text("notes.textLine1", notes.TextLine1),
		TextLine2:      f.text("notes.textLine2", notes.TextLine2),
		OtherReference: f.text("references.other", references.Other),
		OrderNumber:    f.whole("orderNumber", raw.OrderNumber, 0),
		PDF:            f.text("pdf.download", pdf.Download),
	}
	if inv.PDF == "" {
		inv.PDF = f.text("pdf.self", pdf.Self)
	}
	for i, line := range f.list("lines", raw.Lines) {
		l, err := lineOf(line)
		if err != nil && f.err == nil {
			f.err = under(fmt.Sprintf("lines[%d]", i), err)
		}
		if l.ProductNumber != "" {
			inv.Lines = append(inv.Lines, l)
		}
	}
	return inv, f.err
}

func lineOf(item json.RawMessage) (Line, error) {
	var line struct {
		Quantity json.RawMessage `json:"quantity"`
		Product  json.RawMessage `json:"product"`
	}
	var product struct {
		Number json.RawMessage `json:"productNumber"`
	}
	var f fields
	f.object("", item, &line)
	f.object(".product", line.Product, &product)
	l := Line{ProductNumber: f.text(".product.productNumber", product.Number)}
	if quantity := f.figure(".quantity", line.Quantity); quantity != nil {
		l.Quantity = *quantity
	}
	return l, f.err
}

// decodeSelf reads the answer about the agreement.
func decodeSelf(got answer) (Self, error) {
	var raw struct {
		AgreementNumber json.RawMessage `json:"agreementNumber"`
		Company         json.RawMessage `json:"company"`
		Modules         json.RawMessage `json:"modules"`
		Settings        json.RawMessage `json:"settings"`
		Application     json.RawMessage `json:"application"`
	}
	if err := decodeJSON("self", got, &raw); err != nil {
		return Self{}, err
	}
	var company struct {
		Name json.RawMessage `json:"name"`
	}
	var settings struct {
		BaseCurrency json.RawMessage `json:"baseCurrency"`
	}
	var application struct {
		RequiredRoles json.RawMessage `json:"requiredRoles"`
	}
	var f fields
	f.required("agreementNumber", "a whole number from 1", raw.AgreementNumber)
	f.object("company", raw.Company, &company)
	f.object("settings", raw.Settings, &settings)
	f.object("application", raw.Application, &application)
	self := Self{
		AgreementNumber: f.whole("agreementNumber", raw.AgreementNumber, 1),
		CompanyName:     f.text("company.name", company.Name),
		BaseCurrency:    f.text("settings.baseCurrency", settings.BaseCurrency),
	}
	for i, item := range f.list("modules", raw.Modules) {
		var module struct {
			Number json.RawMessage `json:"moduleNumber"`
			Name   json.RawMessage `json:"name"`
		}
		path := fmt.Sprintf("modules[%d]", i)
		f.object(path, item, &module)
		self.Modules = append(self.Modules, Module{
			Number: int(f.whole(path+".moduleNumber", module.Number, 0)),
			Name:   f.text(path+".name", module.Name),
		})
	}
	for i, item := range f.list("application.requiredRoles", application.RequiredRoles) {
		var role struct {
			Name json.RawMessage `json:"name"`
		}
		path := fmt.Sprintf("application.requiredRoles[%d]", i)
		f.object(path, item, &role)
		self.RequiredRoles = append(self.RequiredRoles, f.text(path+".name", role.Name))
	}
	return self, under("self.", f.err)
}
