package economic

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"lagerd/budget"
	"lagerd/rest"
)

// Agreement reads from one agreement. Every method waits for the agreement's
// Budget, makes one HTTP request, retries nothing, and returns errors of type
// *Error. It is safe for concurrent use.
type Agreement struct {
	client *Client
	grant  string
	budget *budget.Budget
	by     *budget.Caller // the shop that reads; nil: it is not known
}

// Agreement returns the agreement that the grant token belongs to. All readers of
// one agreement must share its budget; nil means a new one with default limits.
func (c *Client) Agreement(grantToken string, b *budget.Budget) *Agreement {
	if b == nil {
		b = budget.New(budget.Options{Now: c.o.Now})
	}
	return &Agreement{client: c, grant: grantToken, budget: b}
}

// AgreementOf returns the agreement for one of the shops that share its budget.
func (c *Client) AgreementOf(grantToken string, by *budget.Caller) *Agreement {
	return &Agreement{client: c, grant: grantToken, budget: by.Budget(), by: by}
}

// Self returns who the agreement is.
func (a *Agreement) Self(ctx context.Context, p budget.Priority) (Self, error) {
	var self Self
	got, err := a.do(ctx, p, call{endpoint: "self", op: "read who the agreement is", url: a.client.base + "/self", single: true}, func(got answer) (err error) {
		self, err = decodeSelf(got)
		return err
	})
	self.ServerDate = got.serverDate
	return self, err
}

// Product returns the product with exactly this number. The error is KindNotFound
// if it does not exist, or if e-conomic, which ignores case, answers with a number
// that differs only in case. An answer for any other number is KindMalformed.
func (a *Agreement) Product(ctx context.Context, p budget.Priority, number string) (Read[Product], error) {
	c := call{endpoint: "product", op: fmt.Sprintf("read product %q", number), url: a.client.base + "/products/" + EscapeNumber(number), single: true}
	if number == "" {
		// The URL would be that of all products.
		return Read[Product]{}, &Error{Op: c.op, Kind: KindBadRequest, Message: "the item number is empty"}
	}
	var product Product
	got, err := a.do(ctx, p, c, func(got answer) (err error) {
		if product, err = decodeProduct(got); err != nil {
			return err
		}
		a.hideUnsound(product.Unsound)
		switch is := product.Number; {
		case is == number:
			return nil
		case strings.EqualFold(is, number):
			err = &Error{Kind: KindNotFound, Message: fmt.Sprintf("e-conomic answered with product %q", rest.OneLine(a.redact(is), 64))}
		default:
			err = &rest.FieldError{Path: "product.productNumber", Want: fmt.Sprintf("%.64q", number), Got: fmt.Sprintf("%.64q", is), Quotes: []byte(is)}
		}
		product = Product{}
		return err
	})
	return Read[Product]{Value: product, Began: got.began, ServerDate: got.serverDate}, err
}

// Products returns the first page of the products that match q.
func (a *Agreement) Products(ctx context.Context, p budget.Priority, q ProductsQuery) (Page[Product], error) {
	const op = "list products"
	address, err := q.url(a.client.base)
	if err := a.client.usable(op, address, err); err != nil {
		return Page[Product]{}, err
	}
	return page(ctx, a, p, call{endpoint: "products", op: op, url: address}, productOf)
}

// NextProducts returns the page of products at link, a Page's Next. A link to
// another scheme or host is KindMalformed, and no request is sent.
func (a *Agreement) NextProducts(ctx context.Context, p budget.Priority, link string) (Page[Product], error) {
	const op = "list more products"
	address, err := a.client.own(link)
	if err != nil {
		rest.NewQuoted(a.secrets()).Hide(err)
		return Page[Product]{}, failed(op, err)
	}
	return page(ctx, a, p, call{endpoint: "products", op: op, url: address}, productOf)
}

// Invoices returns the first page of the booked invoices that match q, without
// their lines.
func (a *Agreement) Invoices(ctx context.Context, p budget.Priority, q InvoicesQuery) (Page[Invoice], error) {
	const op = "list booked invoices"
	address, err := q.url(a.client.base)
	if err := a.client.usable(op, address, err); err != nil {
		return Page[Invoice]{}, err
	}
	return page(ctx, a, p, call{endpoint: "invoices", op: op, url: address}, invoiceOf)
}

// NextInvoices returns the page of invoices at link, a Page's Next. A link to
// another scheme or host is KindMalformed, and no request is sent.
func (a *Agreement) NextInvoices(ctx context.Context, p budget.Priority, link string) (Page[Invoice], error) {
	const op = "list more booked invoices"
	address, err := a.client.own(link)
	if err != nil {
		rest.NewQuoted(a.secrets()).Hide(err)
		return Page[Invoice]{}, failed(op, err)
	}
	return page(ctx, a, p, call{endpoint: "invoices", op: op, url: address}, invoiceOf)
}

// Invoice returns one booked invoice with its lines.
func (a *Agreement) Invoice(ctx context.Context, p budget.Priority, number int64) (Read[Invoice], error) {
	c := call{endpoint: "invoice", op: fmt.Sprintf("read invoice %d", number), url: fmt.Sprintf("%s/invoices/booked/%d", a.client.base, number)}
	var invoice Invoice
	got, err := a.do(ctx, p, c, func(got answer) (err error) {
		if invoice, err = decodeInvoice(got); err != nil {
			return err
		}
		a.hideUnsound(invoice.Unsound)
		secrets := a.secrets()
		invoice.Lines = slices.DeleteFunc(invoice.Lines, func(l Line) bool { return secrets.Found([]byte(l.ProductNumber)) })
		if is := invoice.Number; is != number {
			invoice = Invoice{}
			return &rest.FieldError{Path: "invoice.bookedInvoiceNumber", Want: strconv.FormatInt(number, 10), Got: strconv.FormatInt(is, 10)}
		}
		return nil
	})
	return Read[Invoice]{Value: invoice, Began: got.began, ServerDate: got.serverDate}, err
}

// InvoicePDF returns the invoice's PDF and checks that it is complete. It uses the
// invoice's own link if that leads to e-conomic, else the documented address.
// KindNotFound may mean that the PDF has not been generated yet.
func (a *Agreement) InvoicePDF(ctx context.Context, p budget.Priority, inv Invoice) (Read[[]byte], error) {
	c := call{endpoint: "pdf", op: fmt.Sprintf("read the PDF of invoice %d", inv.Number), url: a.client.pdfURL(inv), pdf: true}
	got, err := a.do(ctx, p, c, checkPDF)
	if err != nil {
		got.Body = nil
	}
	return Read[[]byte]{Value: got.Body, Began: got.began, ServerDate: got.serverDate}, err
}

func (c *Client) pdfURL(inv Invoice) string {
	if inv.PDF != "" {
		if own, err := c.own(inv.PDF); err == nil {
			u, _ := url.Parse(own) // cannot fail: own has parsed it
			// Old answers repeated the listing's filter in the link.
			u.RawQuery, u.Fragment, u.RawFragment = "", "", ""
			return u.String()
		}
	}
	return fmt.Sprintf("%s/invoices/booked/%d/pdf", c.base, inv.Number)
}

// own resolves a link from an answer. It returns an error if the link leads to
// another host, to which the tokens would be sent.
func (c *Client) own(link string) (string, error) {
	u, err := c.host.Parse(link)
	if err != nil || link == "" {
		return "", &rest.FieldError{Path: "link", Want: "a URL", Got: fmt.Sprintf("%q", rest.OneLine(link, 100)), Quotes: []byte(link)}
	}
	if !rest.SameHost(u, c.host) {
		return "", &rest.FieldError{Path: "link", Want: "one to " + c.host.Scheme + "://" + c.host.Host, Got: rest.OneLine(u.Scheme+"://"+u.Host, 100), Quotes: []byte(link)}
	}
	return u.String(), nil
}

// usable returns an error if a query gave no URL, or one that is too long.
func (c *Client) usable(op, address string, err error) error {
	if err == nil && len(address) > c.o.MaxURLBytes {
		err = fmt.Errorf("the URL has %d bytes, the limit is %d: request fewer at a time", len(address), c.o.MaxURLBytes)
	}
	if err != nil {
		return &Error{Op: op, Kind: KindBadRequest, Err: err}
	}
	return nil
}

// page reads one page of a collection, using one to read each item.
func page[T any, P interface {
	*T
	unsound() []Unsound
	named() string
}](ctx context.Context, a *Agreement, p budget.Priority, c call, one func(*rest.Reader) (T, error)) (Page[T], error) {
	var items Page[T]
	got, err := a.do(ctx, p, c, func(got answer) (err error) {
		items, err = decodePage(got, c, one)
		// A number is stored, logged and shown: one that holds a token is none.
		secrets := a.secrets()
		items.Items = slices.DeleteFunc(items.Items, func(item T) bool {
			hide := secrets.Found([]byte(P(&item).named()))
			if hide {
				items.Bad = append(items.Bad, BadItem{Err: &rest.FieldError{Path: c.endpoint + ".collection", Want: "a number", Got: "a token"}})
			}
			return hide
		})
		var odd []Unsound
		for _, bad := range items.Bad {
			odd = append(odd, Unsound{Err: bad.Err})
		}
		for i := range items.Items {
			odd = append(odd, P(&items.Items[i]).unsound()...)
		}
		a.hideUnsound(odd)
		return err
	})
	items.Began, items.ServerDate = got.began, got.serverDate
	return items, err
}
