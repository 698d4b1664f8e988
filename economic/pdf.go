package economic

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"lagerd/rest"
)

// checkPDF returns an error unless an answer is a complete PDF. Readers accept a PDF
// whose header is within the first KiB and whose end mark is within the last; some
// generators add more padding than that.
func checkPDF(got answer) error {
	const within = 1 << 10
	body := got.Body
	header := bytes.Index(body[:min(len(body), within)], []byte("%PDF-"))
	// An error page may quote a PDF's markers.
	if header < 0 || strings.HasPrefix(http.DetectContentType(body), "text/html") {
		began := rest.Excerpt(body, got.Secrets)
		if began == "" {
			began = "nothing"
		}
		return &rest.FieldError{Path: "pdf", Want: "%PDF- at the start", Got: began}
	}
	end := bytes.LastIndex(body, []byte("%%EOF"))
	if end < 0 {
		return &rest.FieldError{Path: "pdf", Want: "%%EOF at the end", Got: fmt.Sprintf("%d bytes without it: truncated", len(body))}
	}
	if !hasPDFObject(body[min(header+len("%PDF-1.7"), end):end]) {
		return &rest.FieldError{Path: "pdf", Want: "at least one object", Got: "none"}
	}
	after := bytes.Trim(body[end+len("%%EOF"):], pdfSpace)
	if len(after) == 0 {
		return nil
	}
	// An updated or web-optimized file has several end marks. Objects follow every one
	// but the last.
	if hasPDFObject(after) || len(after) > within && !leadsToTable(body, header, end) {
		return &rest.FieldError{Path: "pdf", Want: "%%EOF at the end", Got: fmt.Sprintf("%d bytes after it: truncated", len(body)-end-len("%%EOF"))}
	}
	return nil
}

var (
	pdfTable = regexp.MustCompile(`^[\x00\t\n\f\r ]*(xref|\d+[\x00\t\n\f\r ]+\d+[\x00\t\n\f\r ]+obj)\b`)
	pdfStart = regexp.MustCompile(`startxref[\x00\t\n\f\r ]+(\d{1,10})[\x00\t\n\f\r ]+$`)
)

// hasPDFObject reports whether an indirect object begins in b: "1 0 obj". A regular expression
// would take a second for 10 MiB.
func hasPDFObject(b []byte) bool {
	for at := 0; ; at += len("obj") {
		found := bytes.Index(b[at:], []byte("obj"))
		if found < 0 {
			return false
		}
		at += found
		rest, spaced := cutRight(b[max(0, at-64):at], pdfSpace)
		rest, generation := cutRight(rest, digits)
		rest, gap := cutRight(rest, pdfSpace)
		_, number := cutRight(rest, digits)
		next := at + len("obj")
		if spaced && generation && gap && number && (next == len(b) || !wordByte(b[next])) {
			return true
		}
	}
}

// cutRight cuts off the bytes of cutset at the end of b, and reports whether there are any.
func cutRight(b []byte, cutset string) (rest []byte, found bool) {
	rest = bytes.TrimRight(b, cutset)
	return rest, len(rest) < len(b)
}

const (
	pdfSpace = "\x00\t\n\f\r "
	digits   = "0123456789"
)

func wordByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// leadsToTable reports whether the offset before the end mark at end points to a
// cross-reference table or stream, counted from the start of the file or its header,
// which is where readers of a PDF begin (ISO 32000-1, 7.5.5).
func leadsToTable(body []byte, header, end int) bool {
	start := pdfStart.FindSubmatch(body[max(0, end-64):end])
	if start == nil {
		return false
	}
	offset, err := strconv.Atoi(string(start[1]))
	if err != nil {
		return false
	}
	for _, at := range []int{offset, header + offset} {
		if at < end && pdfTable.Match(body[at:min(at+64, end)]) {
			return true
		}
	}
	return false
}
