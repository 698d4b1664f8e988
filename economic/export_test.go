package economic

import (
	"errors"
	"net/http"
	"testing"
)

// HTTP returns an http.Client on the client's own transport, to test requests that send
// never makes.
func (c *Client) HTTP() *http.Client { return &http.Client{Transport: c.transport} }

// Decoders for fuzzing: each decodes an answer's body.

func DecodeProducts(body []byte) (Page[Product], error) {
	return decodePage(answer{header: http.Header{}, body: body}, call{endpoint: "products", url: "https://e.test/products?pagesize=1000"}, productOf)
}

func DecodeInvoices(body []byte) (Page[Invoice], error) {
	return decodePage(answer{header: http.Header{}, body: body}, call{endpoint: "invoices", url: "https://e.test/invoices/booked"}, invoiceOf)
}

func DecodeInvoice(body []byte) (Invoice, error) {
	return decodeInvoice(answer{header: http.Header{}, body: body})
}

// CheckPDF checks a PDF.
func CheckPDF(body []byte) error { return checkPDF(answer{body: body}) }

// IsFieldError reports whether an error names a field.
func IsFieldError(err error) bool {
	f, ok := errors.AsType[*fieldError](err)
	return ok && f.path != "" && f.want != "" && f.got != ""
}

// Acquire and Release do what ask does around a request.
func (b *Budget) Acquire(t *testing.T, p Priority) error { return b.acquire(t.Context(), p) }

func (b *Budget) Release(status int, header http.Header) { b.release(status, header) }

func DecodeSelf(body []byte) (Self, error) {
	return decodeSelf(answer{header: http.Header{}, body: body})
}
