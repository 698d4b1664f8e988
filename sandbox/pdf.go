package sandbox

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"

	"golang.org/x/text/encoding/charmap"
)

// invoicePDF renders an invoice as a PDF (ISO 32000-1) that opens in any viewer. The same
// invoice gives the same bytes, at least minSize of them.
func invoicePDF(agreement int, i *invoice, minSize int) []byte {
	title := "Faktura"
	if i.creditNote {
		title = "Kreditnota"
	}
	text := []string{
		fmt.Sprintf("%s %d", title, i.number),
		fmt.Sprintf("Aftale %d   Dato %s   Forfald %s", agreement, i.date, i.due),
		"Øvrig ref.: " + i.orderRef, "",
	}
	for _, l := range i.lines {
		text = append(text, fmt.Sprintf("%-28s %12s x %12s", l.number, l.quantity, l.price))
	}
	text = append(text, "", fmt.Sprintf("Netto %s   Moms %s   I alt DKK %s", i.net, i.vat, i.gross()))

	var content bytes.Buffer
	content.WriteString("BT /F1 11 Tf 50 780 Td 16 TL\n")
	for _, t := range text {
		fmt.Fprintf(&content, "(%s) Tj T*\n", pdfText(t))
	}
	content.WriteString("ET\n")

	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%sendstream", content.Len(), content.String()),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>",
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	for rnd := rand.New(rand.NewPCG(uint64(agreement), uint64(i.number))); b.Len() < minSize; { //nolint:gosec // a seed
		fmt.Fprintf(&b, "%% %032x%032x\n", rnd.Uint64(), rnd.Uint64()) // as incompressible as an image
	}
	offsets := make([]int, len(objects))
	for n, o := range objects {
		offsets[n] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", n+1, o)
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, offset := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, xref)
	return b.Bytes()
}

// pdfText escapes a text for a PDF string in WinAnsiEncoding.
func pdfText(s string) string {
	var b strings.Builder
	for _, r := range s {
		c, ok := charmap.Windows1252.EncodeRune(r)
		switch {
		case !ok || c < ' ':
			c = '?'
		case c == '(' || c == ')' || c == '\\':
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}
