package economic

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// checkPDF returns an error unless an answer is a complete PDF. Readers accept a PDF
// whose header is within the first KiB and whose end mark is within the last; some
// generators add more padding than that.
func checkPDF(got answer) error {
	const within = 1 << 10
	body := got.body
	header := bytes.Index(body[:min(len(body), within)], []byte("%PDF-"))
	if header < 0 {
		began := excerpt(body[:min(len(body), 4*within)])
		if began == "" {
			began = "nothing"
		}
		return &fieldError{"pdf", "%PDF- at the start", began}
	}
	// An error page may quote a PDF's markers, but only a PDF has objects.
	if sniffed := http.DetectContentType(body); strings.HasPrefix(sniffed, "text/html") {
		return &fieldError{"pdf", "%PDF- at its beginning", excerpt(body[:min(len(body), 4*within)])}
	}
	end := bytes.LastIndex(body, []byte("%%EOF"))
	if end >= 0 && !pdfObject.Match(body[header:max(header, end)]) {
		return &fieldError{"pdf", "at least one object", "none"}
	}
	if end < 0 {
		return &fieldError{"pdf", "%%EOF at the end", fmt.Sprintf("%d bytes without it: truncated", len(body))}
	}
	after := bytes.Trim(body[end+len("%%EOF"):], "\x00\t\n\f\r ")
	if len(after) == 0 {
		return nil
	}
	// An updated or web-optimized file has several end marks. Objects follow every one
	// but the last.
	if pdfObject.Match(after) || len(after) > within && !leadsToTable(body, header, end) {
		return &fieldError{"pdf", "%%EOF at the end", fmt.Sprintf("%d bytes after it: truncated", len(body)-end-len("%%EOF"))}
	}
	return nil
}

var (
	pdfObject = regexp.MustCompile(`\d[\x00\t\n\f\r ]+\d+[\x00\t\n\f\r ]+obj\b`)
	pdfTable  = regexp.MustCompile(`^[\x00\t\n\f\r ]*(xref|\d+[\x00\t\n\f\r ]+\d+[\x00\t\n\f\r ]+obj)\b`)
	pdfStart  = regexp.MustCompile(`startxref[\x00\t\n\f\r ]+(\d{1,10})[\x00\t\n\f\r ]+$`)
)

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
