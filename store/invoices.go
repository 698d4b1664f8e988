package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
)

// PDF is an invoice's PDF, checked and hashed.
type PDF struct {
	Number int64
	Data   []byte
	SHA256 string // lower-case hex
}

// InvoiceWork is an invoice whose lines or PDF are still to fetch.
type InvoiceWork struct {
	Number    int64
	PDFLink   string
	LinesRead bool
	PDFStored bool
	Tries     int
	Refused   bool // e-conomic refused the last try
}

// WorkResult is the result of a try at an invoice's lines or PDF that left work to do.
type WorkResult struct {
	Number  int64
	DueAt   time.Time
	Tries   int
	Refused bool   // e-conomic refused the try
	Error   string // for people
	Keep    bool   // there was no try: only DueAt changes
}

// StoredInvoices returns which of the given invoice numbers are stored.
func (s *Store) StoredInvoices(ctx context.Context, dataset Dataset, numbers []int64) (map[int64]bool, error) {
	stored := make(map[int64]bool, len(numbers))
	for len(numbers) > 0 {
		n := min(len(numbers), 2*rowsPerStatement)
		var found []int64
		err := s.db.WithContext(ctx).Raw("SELECT number FROM invoices WHERE shop = ? AND number IN ?", dataset, numbers[:n]).Scan(&found).Error
		if err != nil {
			return nil, fmt.Errorf("read the invoices of %s: %w", dataset, err)
		}
		for _, number := range found {
			stored[number] = true
		}
		numbers = numbers[n:]
	}
	return stored, nil
}

// CountInvoices returns how many invoices of a dataset are stored.
func (s *Store) CountInvoices(ctx context.Context, dataset Dataset) (count int, err error) {
	if err = s.conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM invoices WHERE shop = ?", dataset).Scan(&count); err != nil {
		return 0, fmt.Errorf("count the invoices of %s: %w", dataset, err)
	}
	return count, nil
}

const invoiceWork = "SELECT number, pdf_link, lines_read, CASE WHEN pdf_state = 'stored' THEN 1 ELSE 0 END AS pdf_stored, work_tries AS tries, work_refused AS refused"

// invoiceState is a prefix of the index invoices_due, which continues with the dataset
// and the time at which the invoice is due.
type invoiceState struct {
	pdf   string // pdf_state
	lines int    // lines_read
}

// unfinished are the states of invoices whose lines or PDF are still to fetch.
var unfinished = []invoiceState{{"pending", 0}, {"pending", 1}, {"stored", 0}}

// is returns the state as an SQL condition. It has no placeholders, so that the optimizer
// sees the values in a prepared statement too.
func (i invoiceState) is() string {
	return fmt.Sprintf("pdf_state = '%s' AND lines_read = %d", i.pdf, i.lines)
}

// areUnfinished returns the condition that an invoice of the table named so has its lines or its PDF
// still to fetch, in a form for which the index invoices_due serves.
func areUnfinished(table string) string {
	states := make([]string, len(unfinished))
	for i, state := range unfinished {
		states[i] = fmt.Sprintf("%[1]s.pdf_state = '%[2]s' AND %[1]s.lines_read = %[3]d", table, state.pdf, state.lines)
	}
	return "(" + strings.Join(states, " OR ") + ")"
}

// InvoicesToFetch returns invoices whose lines (if lines is set) or PDF (if pdfs is set)
// are due, earliest due first, at most limit. It reads at most a few times limit rows,
// however many are due.
func (s *Store) InvoicesToFetch(ctx context.Context, dataset Dataset, due Due, lines, pdfs bool, limit int) ([]InvoiceWork, error) {
	query, args := invoicesToFetch(dataset, due, lines, pdfs, limit)
	if query == "" {
		return nil, nil
	}
	fail := func(err error) ([]InvoiceWork, error) {
		return nil, fmt.Errorf("read the invoices of %s to fetch: %w", dataset, err)
	}
	// Not with gorm, which formats the statement for its log each time: every webhook's
	// pass runs this.
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	var list []InvoiceWork
	for rows.Next() {
		var i InvoiceWork
		if err := rows.Scan(&i.Number, &i.PDFLink, &i.LinesRead, &i.PDFStored, &i.Tries, &i.Refused); err != nil {
			return fail(err)
		}
		list = append(list, i)
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return list, nil
}

// invoicesToFetch returns the query of InvoicesToFetch, or "" if neither lines nor pdfs
// is set. Each of its parts reads one range of the index in order, only from the index,
// and stops at the limit. For a state shared by many rows of the dataset, MySQL would
// sort those rows instead without the optimizer hint; for MariaDB and SQLite the hint is
// a comment.
func invoicesToFetch(dataset Dataset, due Due, lines, pdfs bool, limit int) (query string, args []any) {
	var parts []string
	for _, state := range unfinished {
		if !(lines && state.lines == 0 || pdfs && state.pdf != "stored") {
			continue
		}
		for _, end := range []struct {
			is string
			at time.Time
		}{{"<= ?", due.By}, {"> ?", due.Beyond}} {
			parts = append(parts, fmt.Sprintf("SELECT * FROM (SELECT /*+ INDEX(invoices invoices_due) */ number AS due_number, work_due_at AS due_at FROM invoices"+
				" WHERE %s AND shop = ? AND work_due_at %s ORDER BY work_due_at, number LIMIT ?) AS i%d", state.is(), end.is, len(parts)))
			args = append(args, dataset, At(end.at), limit)
		}
	}
	if len(parts) == 0 {
		return "", nil
	}
	return invoiceWork + " FROM (" + strings.Join(parts, " UNION ALL ") + " ORDER BY due_at, due_number LIMIT ?) AS due" +
		" JOIN invoices ON shop = ? AND number = due_number ORDER BY due_at, due_number", append(args, limit, dataset)
}

// PDFsToTry returns at most limit invoices without a PDF, due or not: the highest number,
// then those whose last try e-conomic did not refuse, highest number first, then the
// refused ones, earliest due first.
func (s *Store) PDFsToTry(ctx context.Context, dataset Dataset, limit int) ([]InvoiceWork, error) {
	const waits = "shop = ? AND work_due_at IS NOT NULL AND pdf_state <> 'stored'"
	turn := "CASE WHEN number = (SELECT MAX(number) FROM invoices WHERE " + waits + ") THEN 0 WHEN work_refused = 1 THEN 2 ELSE 1 END"
	var list []InvoiceWork
	err := s.db.WithContext(ctx).Raw(invoiceWork+" FROM invoices WHERE "+waits+
		" ORDER BY "+turn+", CASE WHEN work_refused = 1 THEN work_due_at END, number DESC LIMIT ?", dataset, dataset, limit).Scan(&list).Error
	if err != nil {
		return nil, fmt.Errorf("read the invoices of %s to try for a PDF: %w", dataset, err)
	}
	return list, nil
}

func (s *Store) gaps(ctx context.Context, shop string) ([]plan.Gap, error) {
	rows, err := s.conn.QueryContext(ctx, "SELECT from_number, to_number, seen_at FROM invoice_gaps WHERE shop = ? ORDER BY from_number", shop)
	if err != nil {
		return nil, fmt.Errorf("read the invoice gaps of %s: %w", shop, err)
	}
	defer rows.Close()
	var gaps []plan.Gap
	for rows.Next() {
		var g plan.Gap
		var seen Time
		if err := rows.Scan(&g.From, &g.To, &seen); err != nil {
			return nil, fmt.Errorf("read the invoice gaps of %s: %w", shop, err)
		}
		g.SeenAt = seen.Time
		gaps = append(gaps, g)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the invoice gaps of %s: %w", shop, err)
	}
	return gaps, nil
}

// atOnce makes the work on a new invoice due immediately, by every clock: the one that
// stored it may be minutes ahead of the one that checks what is due. afterNew does so after all
// new ones: nobody waits for what a shop had before lagerd came.
var atOnce, afterNew = At(time.Unix(0, 0)), At(time.Unix(0, 0).AddDate(0, 0, 1))

func workDue(r plan.InvoiceRow) Time {
	if r.History {
		return afterNew
	}
	return atOnce
}

// invoiceFields overwrites the fields that come from e-conomic, and nothing else of the row.
var invoiceFields = overwrite("credit_note", "invoice_date", "due_date", "currency", "net", "vat", "gross", "rounding", "net_base", "gross_base",
	"customer_number", "recipient_name", "other_reference", "heading", "text_line1", "economic_order", "order_number")

// putInvoices stores booked invoices, and makes the assignments in again to those that
// are stored already. Usually these change nothing: booked invoices are immutable at
// e-conomic.
func (t *tx) putInvoices(dataset Dataset, rows []plan.InvoiceRow, causes map[int64]plan.Cause, now time.Time, again ...string) {
	const columns = 24
	args := make([]any, 0, len(rows)*columns)
	for _, r := range rows {
		args = append(args, dataset, r.Number, r.IsCreditNote(), Date(r.Date), Date(r.DueDate), r.Currency,
			r.Net, r.VAT, r.Gross, r.Rounding, r.NetBase, r.GrossBase, r.CustomerNumber, clip(r.RecipientName, 255),
			clip(r.OtherReference, 255), clip(r.Heading, 255), clip(r.TextLine1, 1000), r.Invoice.OrderNumber, clip(r.ShopOrder, 255),
			At(r.FoundAt), At(now), causes[r.Number], clip(r.PDFLink, 500), workDue(r))
	}
	t.insertRows("INSERT INTO invoices (shop, number, credit_note, invoice_date, due_date, currency, net, vat, gross, rounding, net_base, gross_base,"+
		" customer_number, recipient_name, other_reference, heading, text_line1, economic_order, order_number, found_at, committed_at, cause, pdf_link, work_due_at)",
		columns, t.dialect.onConflict("shop, number", again...), args)
}

// putPDFs sends PDFs with a prepared statement: in a statement's text each would be
// escaped, copied and parsed.
func (t *tx) putPDFs(dataset Dataset, pdfs []PDF, now time.Time) {
	if len(pdfs) == 0 {
		return
	}
	t.asBytes(func() {
		insert := t.prepare("INSERT INTO invoice_pdfs (shop, number, pdf) VALUES (?, ?, ?)" + t.dialect.onConflict("shop, number", "pdf = new.pdf"))
		defer insert.close()
		for _, pdf := range pdfs {
			insert.exec(dataset, pdf.Number, pdf.Data)
		}
	})
	var numbers []int64
	var sums, sizes []any
	for _, pdf := range pdfs {
		numbers = append(numbers, pdf.Number)
		sums = append(sums, pdf.Number, pdf.SHA256)
		sizes = append(sizes, pdf.Number, len(pdf.Data))
	}
	each := "CASE number" + strings.Repeat(" WHEN ? THEN ?", len(pdfs)) + " END"
	t.exec("UPDATE invoices SET pdf_state = 'stored', pdf_sha256 = "+each+", pdf_size = "+each+", pdf_stored_at = ?, "+doneWhere("lines_read = 1")+
		" WHERE shop = ? AND number IN "+placeholders(1, len(pdfs)), slices.Concat(sums, sizes, []any{At(now)}, invoiceArgs(dataset, numbers))...)
}

func (t *tx) linesRead(dataset Dataset, numbers []int64) {
	if len(numbers) > 0 {
		t.exec("UPDATE invoices SET lines_read = 1, "+doneWhere("pdf_state = 'stored'")+" WHERE shop = ? AND number IN "+placeholders(1, len(numbers)), invoiceArgs(dataset, numbers)...)
	}
}

// doneWhere returns assignments that end the work on an invoice if the condition other
// holds: its other part, lines or PDF, is stored.
func doneWhere(other string) string {
	return "work_due_at = CASE WHEN " + other + " THEN NULL ELSE work_due_at END, work_error = CASE WHEN " + other + " THEN '' ELSE work_error END, work_refused = CASE WHEN " + other + " THEN 0 ELSE work_refused END"
}

func invoiceArgs(dataset Dataset, numbers []int64) []any {
	args := []any{dataset}
	for _, n := range numbers {
		args = append(args, n)
	}
	return args
}

func (t *tx) putGaps(shop string, gaps []plan.Gap) {
	t.exec("DELETE FROM invoice_gaps WHERE shop = ?", shop)
	args := make([]any, 0, len(gaps)*4)
	for _, g := range gaps {
		args = append(args, shop, g.From, g.To, At(g.SeenAt))
	}
	t.insertRows("INSERT INTO invoice_gaps (shop, from_number, to_number, seen_at)", 4, "", args)
}

// clip truncates a text to that many characters: e-conomic's published lengths have
// changed before, and one long text must not block its shop.
func clip(s string, characters int) string {
	n := 0
	for i := range s {
		if n == characters {
			return s[:i]
		}
		n++
	}
	return s
}

// Invoice is an invoice's row as commands show it.
type Invoice struct {
	Dataset        Dataset `gorm:"primaryKey;column:shop"`
	Number         int64   `gorm:"primaryKey"`
	CreditNote     bool
	InvoiceDate    Date
	DueDate        Date
	Currency       string
	Net            decimal.NullDecimal
	VAT            decimal.NullDecimal `gorm:"column:vat"`
	Gross          decimal.NullDecimal
	Rounding       decimal.NullDecimal
	NetBase        decimal.NullDecimal
	GrossBase      decimal.NullDecimal
	CustomerNumber int64
	RecipientName  string
	OrderNumber    string
	PDFState       string // PDFPending or PDFStored
	PDFSHA256      string `gorm:"column:pdf_sha256"`
	PDFSize        int    // bytes
	PDFStoredAt    Time   `gorm:"column:pdf_stored_at"`
	WorkDueAt      Time
	WorkTries      int
	WorkError      string
	FoundAt        Time
	Cause          plan.Cause

	// The fields that may hold the shop's order number.
	OtherReference string
	Heading        string
	TextLine1      string `gorm:"column:text_line1"`
	EconomicOrder  int64
}

// The states of an invoice's PDF.
const (
	PDFPending = "pending"
	PDFStored  = "stored"
)

// Kind returns invoice or credit_note, as the view shop_invoices has it.
func (i Invoice) Kind() string {
	if i.CreditNote {
		return "credit_note"
	}
	return "invoice"
}

// OrderText returns what is stored of the field that holds the shop's order number.
func (i Invoice) OrderText(field plan.OrderField) string {
	switch field {
	case plan.OrderInHeading:
		return i.Heading
	case plan.OrderInTextLine1:
		return i.TextLine1
	case plan.OrderInOrderNumber:
		if i.EconomicOrder == 0 {
			return ""
		}
		return strconv.FormatInt(i.EconomicOrder, 10)
	case plan.OrderInOtherReference:
	}
	return i.OtherReference
}

// Failing reports whether the last try to fetch its lines or PDF failed.
func (i Invoice) Failing() bool { return i.WorkTries > 0 && !i.WorkDueAt.IsZero() }

// Invoices returns the rows of those of the given numbers that are stored.
func (s *Store) Invoices(ctx context.Context, dataset Dataset, numbers []string) ([]Invoice, error) {
	ints := make([]int64, 0, len(numbers))
	for _, n := range numbers {
		if i, err := strconv.ParseInt(n, 10, 64); err == nil {
			ints = append(ints, i)
		}
	}
	var list []Invoice
	if err := s.db.WithContext(ctx).Where("shop = ? AND number IN ?", dataset, ints).Order("number").Find(&list).Error; err != nil {
		return nil, fmt.Errorf("read invoices of %s: %w", dataset, err)
	}
	return list, nil
}
