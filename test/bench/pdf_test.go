package bench_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	pdfInvoices = 2000
	pdfSize     = 100 << 10
	pdfAtOnce   = 4
)

// BenchmarkPDF measures invoices with their PDFs, from the first request to the last row,
// compared with a loop that only downloads and inserts the PDFs.
func BenchmarkPDF(b *testing.B) {
	once(b, func() {
		s := binary.Sandbox(b, "--agreements=1", "--products=20", fmt.Sprint("--pdf-size=", pdfSize), noLimit)
		for n := range pdfInvoices {
			must(b, s.Post(first, "book", map[string]any{"orderRef": fmt.Sprint(10_000 + n)}, nil))
		}
		var rates []row
		var peaks []float64
		for range *rounds {
			l := install(b, false, s.URL, 1, never)
			l.exec("CREATE TABLE bench_pdfs LIKE invoice_pdfs")
			l.flushed()
			loop := l.bareLoop(s.URL)
			l.flushed()
			l.start()
			began := time.Now()
			l.awaitEvery(10*time.Millisecond, 5*time.Minute, pdfInvoices, "SELECT COUNT(*) FROM invoices WHERE pdf_state = 'stored'")
			rates = append(rates, row{perSecond(pdfInvoices, time.Since(began)), perSecond(pdfInvoices, loop)})
			peaks = append(peaks, l.peak())
			l.stop()
			must(b, l.store.Close())
		}
		report(b, "invoices with their PDFs", "PDFs/s", rates, "≥ 0.8")
		note(b, "peak memory with PDFs", "MiB", peaks, "")
	})
}

// bareLoop downloads and inserts the PDFs with the given concurrency.
func (l *lagerd) bareLoop(url string) time.Duration {
	l.b.Helper()
	l.db.SetMaxIdleConns(pdfAtOnce)
	insert, err := l.db.PrepareContext(l.b.Context(), "INSERT INTO bench_pdfs (shop, number, pdf) VALUES (?,?,?)")
	must(l.b, err)
	defer insert.Close()
	var next atomic.Int64
	errs := make([]error, pdfAtOnce)
	var working sync.WaitGroup
	began := time.Now()
	for i := range pdfAtOnce {
		working.Go(func() {
			for n := next.Add(1); n <= pdfInvoices; n = next.Add(1) {
				pdf, err := fetch(fmt.Sprintf("%s/invoices/booked/%d/pdf", url, n), 1)
				if err == nil {
					_, err = insert.ExecContext(l.b.Context(), shopName(0), n, pdf)
				}
				if err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	working.Wait()
	must(l.b, errors.Join(errs...))
	return time.Since(began)
}
