package economic

import (
	"errors"
	"net/http"
	"time"

	"lagerd/budget"
	"lagerd/rest"
)

// HTTP returns an http.Client on the client's own transport, to test requests that send
// never makes.
func (c *Client) HTTP() *http.Client { return &http.Client{Transport: c.getter.Transport()} }

// Decoders for fuzzing: each decodes an answer's body.

func answered(body []byte) answer {
	return answer{Content: rest.Content{Header: http.Header{}, Body: body}}
}

func DecodeProducts(body []byte) (Page[Product], error) {
	return decodePage(answered(body), call{endpoint: "products", url: "https://e.test/products?pagesize=1000"}, productOf)
}

func DecodeInvoices(body []byte) (Page[Invoice], error) {
	return decodePage(answered(body), call{endpoint: "invoices", url: "https://e.test/invoices/booked"}, invoiceOf)
}

func DecodeInvoice(body []byte) (Invoice, error) {
	return decodeInvoice(answered(body))
}

// CheckPDF checks a PDF.
func CheckPDF(body []byte) error { return checkPDF(answered(body)) }

// IsFieldError reports whether an error names a field.
func IsFieldError(err error) bool {
	f, ok := errors.AsType[*rest.FieldError](err)
	return ok && f.Path != "" && f.Want != "" && f.Got != ""
}

// Release releases a call as ask does after an answer.
func Release(b *budget.Budget, status int, header http.Header, now time.Time) {
	said, _ := limits(status, header, now)
	b.Release(said)
}

func DecodeSelf(body []byte) (Self, error) {
	return decodeSelf(answered(body))
}
