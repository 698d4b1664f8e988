package economic

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/shopspring/decimal"
)

// Answers are decoded in two steps: json finds the fields that are wanted and
// checks the syntax, all in one pass, fields checks each one's type. json's own
// conversion would end at the first field that is wrong and lose the rest.

// decoding is how answers are read: e-conomic promises neither that no name comes
// twice nor that every text is clean, and what is good of an answer is taken.
func decoding() json.Options {
	return json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// value is a value of an answer as it stands there, empty if it is absent.
type value = jsontext.Value

// block is an object of an answer.
type block[T any] struct {
	in  T
	raw value // "{" for an object, or what stands in its place
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (b *block[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*b = block[T]{}
	return decodeKind(d, '{', &b.in, &b.raw)
}

// list is a list of an answer.
type list[T any] struct {
	in  []T
	raw value // "[" for a list, or what stands in its place
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (l *list[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*l = list[T]{}
	return decodeKind(d, '[', &l.in, &l.raw)
}

// collection is a list of which each item is handed on as soon as it has been read:
// a page of 1,000 is not kept twice.
type collection[T any] struct {
	begin func()     // a list begins
	item  func(in T) // one of its items
	raw   value      // as list.raw
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (c *collection[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '[' {
		return json.UnmarshalDecode(d, &c.raw)
	}
	c.raw = value{'['}
	c.begin()
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		var in T
		if err := json.UnmarshalDecode(d, &in); err != nil {
			return err
		}
		c.item(in)
	}
	_, err := d.ReadToken()
	return err
}

// decodeKind reads a value of the wanted kind into in, one of another kind as it
// stands. raw tells which.
func decodeKind(d *jsontext.Decoder, want jsontext.Kind, in any, raw *value) error {
	if d.PeekKind() != want {
		return json.UnmarshalDecode(d, raw)
	}
	*raw = value{byte(want)}
	return json.UnmarshalDecode(d, in)
}

// fields reads fields of an answer and keeps the first error.
type fields struct{ err error }

// absent reports whether a field is not there. A null, which e-conomic says it
// never sends, counts as absent too.
func absent(raw value) bool { return len(raw) == 0 || raw[0] == 'n' }

func (f *fields) fail(path, want string, raw value) {
	if f.err == nil {
		f.err = &fieldError{path, want, describe(raw)}
	}
}

// object notes an error if a block is neither an object nor absent.
func (f *fields) object(path string, raw value) {
	if !absent(raw) && raw[0] != '{' {
		f.fail(path, "an object", raw)
	}
}

// list notes an error if a list is neither a list nor absent.
func (f *fields) list(path string, raw value) {
	if !absent(raw) && raw[0] != '[' {
		f.fail(path, "a list", raw)
	}
}

// text reads a string, "" if absent.
func (f *fields) text(path string, raw value) string {
	if absent(raw) {
		return ""
	}
	if raw[0] != '"' {
		f.fail(path, "a string", raw)
		return ""
	}
	return text(raw)
}

// yes reads a boolean, nil if absent.
func (f *fields) yes(path string, raw value) *bool {
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
func (f *fields) figure(path string, raw value) *decimal.Decimal {
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
func (f *fields) whole(path string, raw value, least int64) int64 {
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
func (f *fields) date(path string, raw value) string {
	s := f.text(path, raw)
	if _, err := time.Parse(time.DateOnly, s); s != "" && err != nil {
		f.fail(path, "a date (YYYY-MM-DD)", raw)
		return ""
	}
	return s
}

// moment reads a time with its zone and returns it in UTC, zero if absent.
func (f *fields) moment(path string, raw value) time.Time {
	s := f.text(path, raw)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		f.fail(path, "a time (RFC 3339)", raw)
	}
	return t.UTC()
}

// required notes an error if a field is absent.
func (f *fields) required(path, want string, raw value) {
	if absent(raw) {
		f.fail(path, want, raw)
	}
}

// describe says what a JSON value is, in few words.
func describe(raw value) string {
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

// decodeJSON reads a whole answer, which is an object.
func decodeJSON[T any](name string, got answer) (in T, err error) {
	err = decodeInto(name, got, &in)
	return in, err
}

// whole is an answer, of which in holds what is to be read.
type whole[T any] struct {
	in  *T
	raw value // as block.raw
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (w *whole[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	return decodeKind(d, '{', w.in, &w.raw)
}

func decodeInto[T any](name string, got answer, in *T) error {
	w := whole[T]{in: in}
	err := json.Unmarshal(got.body, &w, decoding())
	if err == nil {
		var f fields
		f.required(name, "an object", w.raw)
		f.object(name, w.raw)
		return f.err
	}
	if isHTML(got.header, got.body) {
		return &Error{Kind: KindUnavailable, Message: excerpt(got.body)}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return &Error{Kind: KindUnavailable, Err: fmt.Errorf("the answer is cut after %d bytes: %w", len(got.body), io.ErrUnexpectedEOF)}
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("%s: at byte %d: %w", name, syntax.ByteOffset, syntax.Err)
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
func decodePage[R, T any](got answer, c call, one func(R) (T, string, error)) (Page[T], error) {
	var page Page[T]
	var raw struct {
		Collection collection[block[R]] `json:"collection"`
		Pagination block[struct {
			Results  value `json:"results"`
			NextPage value `json:"nextPage"`
		}] `json:"pagination"`
	}
	raw.Collection.begin = func() { page.Items, page.Bad = make([]T, 0, len(got.body)/usualItem+1), nil }
	raw.Collection.item = func(item block[R]) {
		var f fields
		f.required("", "an object", item.raw)
		f.object("", item.raw)
		v, number, err := *new(T), "", f.err
		if err == nil {
			v, number, err = one(item.in)
			err = under(".", err)
		}
		if err != nil {
			at := fmt.Sprintf("%s.collection[%d]", c.endpoint, len(page.Items)+len(page.Bad))
			page.Bad = append(page.Bad, BadItem{Number: number, Err: under(at, err)})
			return
		}
		page.Items = append(page.Items, v)
	}
	if err := decodeInto(c.endpoint, got, &raw); err != nil {
		return Page[T]{}, err
	}
	pagination := raw.Pagination.in
	var f fields
	// A page without a collection is no empty page, and one that does not say
	// how it goes on is not the last one.
	f.required("collection", "a list", raw.Collection.raw)
	f.required("pagination", "an object", raw.Pagination.raw)
	f.list("collection", raw.Collection.raw)
	f.object("pagination", raw.Pagination.raw)
	f.required("pagination.results", "a whole number", pagination.Results)
	page.Results = int(f.whole("pagination.results", pagination.Results, 0))
	page.Next = f.text("pagination.nextPage", pagination.NextPage)
	if page.Next != "" && (len(page.Items)+len(page.Bad) == 0 || !advances(c.url, page.Next)) {
		f.fail("pagination.nextPage", "a page further on", pagination.NextPage)
	}
	if f.err != nil {
		return Page[T]{}, under(c.endpoint+".", f.err)
	}
	return page, nil
}

// usualItem is how many bytes an item mostly takes: a page's list seldom has to grow.
const usualItem = 900

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
	raw, err := decodeJSON[rawProduct]("product", got)
	if err != nil {
		return Product{}, err
	}
	product, _, err := raw.product()
	return product, under("product.", err)
}

type rawProduct struct {
	ProductNumber value `json:"productNumber"`
	Name          value `json:"name"`
	BarCode       value `json:"barCode"`
	Barred        value `json:"barred"`
	LastUpdated   value `json:"lastUpdated"`
	ProductGroup  block[struct {
		Number           value `json:"productGroupNumber"`
		InventoryEnabled value `json:"inventoryEnabled"`
	}] `json:"productGroup"`
	Inventory block[rawInventory] `json:"inventory"`
}

// product returns the product and its number, which is set also with an error if
// it could be read.
func (raw rawProduct) product() (Product, string, error) {
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
	group := raw.ProductGroup.in
	f.object("productGroup", raw.ProductGroup.raw)
	p.GroupNumber = int(f.whole("productGroup.productGroupNumber", group.Number, 0))
	p.InventoryEnabled = f.yes("productGroup.inventoryEnabled", group.InventoryEnabled)
	f.object("inventory", raw.Inventory.raw)
	if !absent(raw.Inventory.raw) {
		p.Inventory = f.inventory(raw.Inventory.in)
	}
	return p, p.Number, f.err
}

type rawInventory struct {
	InStock              value `json:"inStock"`
	Available            value `json:"available"`
	OrderedByCustomers   value `json:"orderedByCustomers"`
	OrderedFromSuppliers value `json:"orderedFromSuppliers"`
	LastUpdated          value `json:"inventoryLastUpdated"`
}

func (f *fields) inventory(raw rawInventory) *Inventory {
	// No recorded answer has this time and its published pattern is broken:
	// one of another form is not worth losing the figures for.
	var lenient fields
	return &Inventory{
		InStock:              f.figure("inventory.inStock", raw.InStock),
		Available:            f.figure("inventory.available", raw.Available),
		OrderedByCustomers:   f.figure("inventory.orderedByCustomers", raw.OrderedByCustomers),
		OrderedFromSuppliers: f.figure("inventory.orderedFromSuppliers", raw.OrderedFromSuppliers),
		LastUpdated:          lenient.moment("", raw.LastUpdated),
	}
}

// decodeInvoice reads the answer about one invoice.
func decodeInvoice(got answer) (Invoice, error) {
	raw, err := decodeJSON[rawInvoice]("invoice", got)
	if err != nil {
		return Invoice{}, err
	}
	invoice, _, err := raw.invoice()
	return invoice, under("invoice.", err)
}

type rawInvoice struct {
	Number       value `json:"bookedInvoiceNumber"`
	Date         value `json:"date"`
	DueDate      value `json:"dueDate"`
	Currency     value `json:"currency"`
	ExchangeRate value `json:"exchangeRate"`
	Net          value `json:"netAmount"`
	Gross        value `json:"grossAmount"`
	VAT          value `json:"vatAmount"`
	Rounding     value `json:"roundingAmount"`
	NetBase      value `json:"netAmountInBaseCurrency"`
	GrossBase    value `json:"grossAmountInBaseCurrency"`
	Remainder    value `json:"remainder"`
	OrderNumber  value `json:"orderNumber"`
	Customer     block[struct {
		Number value `json:"customerNumber"`
	}] `json:"customer"`
	Recipient block[struct {
		Name value `json:"name"`
	}] `json:"recipient"`
	Notes block[struct {
		Heading   value `json:"heading"`
		TextLine1 value `json:"textLine1"`
		TextLine2 value `json:"textLine2"`
	}] `json:"notes"`
	References block[struct {
		Other value `json:"other"`
	}] `json:"references"`
	// The published schema says download, older documentation self.
	PDF block[struct {
		Download value `json:"download"`
		Self     value `json:"self"`
	}] `json:"pdf"`
	Lines list[block[rawLine]] `json:"lines"`
}

// invoice returns the invoice and its number, which is set also with an error if
// it could be read.
func (raw rawInvoice) invoice() (Invoice, string, error) {
	var f fields
	f.required("bookedInvoiceNumber", "a whole number from 1", raw.Number)
	number := f.whole("bookedInvoiceNumber", raw.Number, 1)
	f.object("customer", raw.Customer.raw)
	f.object("recipient", raw.Recipient.raw)
	f.object("notes", raw.Notes.raw)
	f.object("references", raw.References.raw)
	f.object("pdf", raw.PDF.raw)
	f.list("lines", raw.Lines.raw)
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
		CustomerNumber: f.whole("customer.customerNumber", raw.Customer.in.Number, 0),
		RecipientName:  f.text("recipient.name", raw.Recipient.in.Name),
		Heading:        f.text("notes.heading", raw.Notes.in.Heading),
		TextLine1:      f.text("notes.textLine1", raw.Notes.in.TextLine1),
		TextLine2:      f.text("notes.textLine2", raw.Notes.in.TextLine2),
		OtherReference: f.text("references.other", raw.References.in.Other),
		OrderNumber:    f.whole("orderNumber", raw.OrderNumber, 0),
		PDF:            f.text("pdf.download", raw.PDF.in.Download),
	}
	if inv.PDF == "" {
		inv.PDF = f.text("pdf.self", raw.PDF.in.Self)
	}
	for i, line := range raw.Lines.in {
		l, err := lineOf(line)
		if err != nil && f.err == nil {
			f.err = under(fmt.Sprintf("lines[%d]", i), err)
		}
		if l.ProductNumber != "" {
			inv.Lines = append(inv.Lines, l)
		}
	}
	if inv.Number == 0 {
		return inv, "", f.err
	}
	return inv, strconv.FormatInt(inv.Number, 10), f.err
}

type rawLine struct {
	Quantity value `json:"quantity"`
	Product  block[struct {
		Number value `json:"productNumber"`
	}] `json:"product"`
}

func lineOf(raw block[rawLine]) (Line, error) {
	var f fields
	f.object("", raw.raw)
	f.object(".product", raw.in.Product.raw)
	l := Line{ProductNumber: f.text(".product.productNumber", raw.in.Product.in.Number)}
	if quantity := f.figure(".quantity", raw.in.Quantity); quantity != nil {
		l.Quantity = *quantity
	}
	return l, f.err
}

// decodeSelf reads the answer about the agreement.
func decodeSelf(got answer) (Self, error) {
	raw, err := decodeJSON[struct {
		AgreementNumber value `json:"agreementNumber"`
		Company         block[struct {
			Name value `json:"name"`
		}] `json:"company"`
		Modules list[block[struct {
			Number value `json:"moduleNumber"`
			Name   value `json:"name"`
		}]] `json:"modules"`
		Settings block[struct {
			BaseCurrency value `json:"baseCurrency"`
		}] `json:"settings"`
		Application block[struct {
			RequiredRoles list[block[struct {
				Name value `json:"name"`
			}]] `json:"requiredRoles"`
		}] `json:"application"`
	}]("self", got)
	if err != nil {
		return Self{}, err
	}
	roles := raw.Application.in.RequiredRoles
	var f fields
	f.required("agreementNumber", "a whole number from 1", raw.AgreementNumber)
	f.object("company", raw.Company.raw)
	f.list("modules", raw.Modules.raw)
	f.object("settings", raw.Settings.raw)
	f.object("application", raw.Application.raw)
	f.list("application.requiredRoles", roles.raw)
	self := Self{
		AgreementNumber: f.whole("agreementNumber", raw.AgreementNumber, 1),
		CompanyName:     f.text("company.name", raw.Company.in.Name),
		BaseCurrency:    f.text("settings.baseCurrency", raw.Settings.in.BaseCurrency),
	}
	for i, module := range raw.Modules.in {
		path := fmt.Sprintf("modules[%d]", i)
		f.object(path, module.raw)
		self.Modules = append(self.Modules, Module{
			Number: int(f.whole(path+".moduleNumber", module.in.Number, 0)),
			Name:   f.text(path+".name", module.in.Name),
		})
	}
	for i, role := range roles.in {
		path := fmt.Sprintf("application.requiredRoles[%d]", i)
		f.object(path, role.raw)
		self.RequiredRoles = append(self.RequiredRoles, f.text(path+".name", role.in.Name))
	}
	return self, under("self.", f.err)
}
