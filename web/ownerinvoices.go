package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/store"
)

// ownersInvoices is a page of a shop's invoices, the highest numbers first.
type ownersInvoices struct {
	Search   string
	Invoices []invoiceLine
	First    bool
	Next     string // path of the next page; "": it is the last
}

// invoiceLine is an invoice as it is listed.
type invoiceLine struct {
	Number     int64
	Path       string // of its story
	CreditNote bool
	Date       string
	Order      string
	Customer   string
	Amount     string
	PDF        string // path; "": not stored yet
}

func pdfPath(number int64) string { return fmt.Sprintf("%s/%d/pdf", ownerInvoices, number) }

func invoiceLineOf(i store.Invoice, l lang.Lang) invoiceLine {
	line := invoiceLine{Number: i.Number, Path: storyPath(strconv.FormatInt(i.Number, 10), plan.KindInvoice), CreditNote: i.CreditNote,
		Date: dateOf(l, i.InvoiceDate), Order: i.OrderNumber, Customer: i.RecipientName, Amount: amountOf(l, i.Gross, i.Currency)}
	if i.PDFState == store.PDFStored {
		line.PDF = pdfPath(i.Number)
	}
	return line
}

// dateOf returns a business date: 20. november 2026 or 20 Nov 2026.
func dateOf(l lang.Lang, d store.Date) string {
	t, err := time.Parse(time.DateOnly, string(d))
	switch {
	case err != nil:
		return string(d)
	case l == lang.English:
		return t.Format("2 Jan 2006")
	}
	return lang.DanishDate(t) + t.Format(" 2006")
}

// amountOf returns an amount with its currency: 1.234,50 DKK or 1,234.50 DKK.
func amountOf(l lang.Lang, d decimal.NullDecimal, currency string) string {
	if !d.Valid {
		return ""
	}
	const decimals = 2
	text := d.Decimal.StringFixed(decimals)
	if !d.Decimal.Round(decimals).Equal(d.Decimal) {
		text = d.Decimal.String()
	}
	whole, part, _ := strings.Cut(text, ".")
	return numberOf(l, whole) + lang.Text{Danish: ",", English: "."}.In(l) + part + " " + currency
}

// ownersInvoicesOf returns a page of invoices. list has one more than is shown if there are others.
func ownersInvoicesOf(search string, below int64, list []store.Invoice, l lang.Lang) ownersInvoices {
	page := ownersInvoices{Search: search, First: below == 0}
	if len(list) > rowsShown {
		list = list[:rowsShown]
		page.Next = ownerInvoices + "?" + url.Values{"search": {search}, "below": {strconv.FormatInt(list[rowsShown-1].Number, 10)}}.Encode()
	}
	for _, i := range list {
		page.Invoices = append(page.Invoices, invoiceLineOf(i, l))
	}
	return page
}

// ownerInvoices lists invoices: all, or those of an invoice number or an order number.
func (p *Page) ownerInvoices(v *visit) error {
	search, ok := searchOf(v)
	below, err := strconv.ParseInt("0"+v.r.FormValue("below"), 10, 64)
	if !ok || err != nil {
		return errNotFound
	}
	shop, err := p.Store.Shop(v.r.Context(), v.owner.Shop)
	if err != nil {
		return err
	}
	var exact []store.Invoice
	if search != "" && below == 0 {
		if exact, err = p.Store.Invoices(v.r.Context(), shop.Dataset, []string{search}); err != nil {
			return err
		}
	}
	list, err := p.Store.LatestInvoices(v.r.Context(), shop.Dataset, search, below, rowsShown+1)
	if err != nil {
		return err
	}
	page := ownersInvoicesOf(search, below, list, v.lang)
	for _, i := range exact {
		if i.OrderNumber != search { // else it is listed
			page.Invoices = append([]invoiceLine{invoiceLineOf(i, v.lang)}, page.Invoices...)
		}
	}
	return p.show(v, sheet{Name: "owner-invoices", Title: lang.Text{Danish: "Fakturaer", English: "Invoices"}, Data: page})
}

const (
	pdfPolicy = "default-src 'none'; frame-ancestors 'none'; sandbox" // whatever a PDF holds runs nowhere
	pdfPiece  = 1 << 20                                               // bytes that are read, and held, at once
)

// ownerPDF sends an invoice's PDF. It is sent as a file, not shown within the page: a browser shows no
// PDF in a sandbox.
func (p *Page) ownerPDF(v *visit) error {
	number, err := strconv.ParseInt(v.r.PathValue("number"), 10, 64)
	if err != nil {
		return errNotFound
	}
	shop, err := p.Store.Shop(v.r.Context(), v.owner.Shop)
	if err != nil {
		return err
	}
	list, err := p.Store.Invoices(v.r.Context(), shop.Dataset, []string{strconv.FormatInt(number, 10)})
	if err != nil {
		return err
	}
	if len(list) != 1 || list[0].PDFState != store.PDFStored {
		return errNotFound
	}
	first, err := p.Store.PieceOfPDF(v.r.Context(), shop.Dataset, number, 0, pdfPiece)
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/pdf")
	v.w.Header().Set("Content-Length", strconv.Itoa(list[0].PDFSize))
	v.w.Header().Set("Content-Security-Policy", pdfPolicy)
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+fileName(shop.Shop, list[0])+`"`)
	p.sendPDF(v.r.Context(), v.w, shop.Dataset, list[0], first)
	return nil
}

// sendPDF sends the pieces of a PDF. Once the first is sent nobody can be told of an error: the
// connection is cut, so that no browser takes a part for the whole.
func (p *Page) sendPDF(ctx context.Context, w http.ResponseWriter, dataset store.Dataset, i store.Invoice, piece []byte) {
	for sent := 0; ; {
		if len(piece) > i.PDFSize-sent {
			panic(http.ErrAbortHandler) // it was stored anew meanwhile
		}
		if _, err := w.Write(piece); err != nil {
			return // nobody is there any more
		}
		if sent += len(piece); sent == i.PDFSize {
			return
		}
		var err error
		if piece, err = p.Store.PieceOfPDF(ctx, dataset, i.Number, sent, pdfPiece); err != nil || len(piece) == 0 {
			p.Log.WithError(err).WithField("invoice", i.Number).Error("a PDF was sent in part only")
			panic(http.ErrAbortHandler)
		}
	}
}

// fileName returns a name that is good on every system: the shop's and the number.
func fileName(shop string, i store.Invoice) string {
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, shop)
	what := "faktura"
	if i.CreditNote {
		what = "kreditnota"
	}
	return fmt.Sprintf("%s-%s-%d.pdf", safe, what, i.Number)
}
