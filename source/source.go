package source

import (
	"context"
	"time"

	"lagerd/budget"
	"lagerd/plan"
)

// Priority is what a read is for. It decides which goes first when an account's calls run
// short, and which calls are kept for others.
type Priority = budget.Priority

// The priorities, by the names that readers use.
const (
	PrioritySweep   = budget.PrioritySweep
	PriorityPDF     = budget.PriorityPDF
	PriorityUnknown = budget.PriorityUnknown
	PriorityInvoice = budget.PriorityInvoice
	PriorityHint    = budget.PriorityHint
	PriorityTick    = budget.PriorityTick
	PriorityPerson  = budget.PriorityPerson
)

// StockAccount is what a shop's token for a source of stock gives access to.
type StockAccount interface {
	// Self reads who the account belongs to.
	Self(ctx context.Context, p Priority) (Self, error)

	// Stock returns a reader of items. An item whose figure cannot be read is
	// unreadable; "" requires no figure. places are the numbers of the warehouse
	// places whose stock counts, where the source has them (Capabilities.Places);
	// none: an item's own figure.
	Stock(figure plan.Figure, places ...string) Stock
}

// Account is what a shop's token gives access to.
type Account interface {
	StockAccount

	// Invoices returns a reader of invoices. An invoice whose order field cannot be
	// read is unreadable.
	Invoices(order plan.OrderField) Invoices
}

// Self is who an account belongs to.
type Self struct {
	AgreementNumber int64
	CompanyName     string
}

// Stock reads a shop's stock figures. Every read reports when it began.
type Stock interface {
	// Can returns the source's capabilities.
	Can() Capabilities

	// Item reads one item. An item that does not exist is an observation with
	// Found false, not an error.
	Item(ctx context.Context, p Priority, number string) (plan.Observation, error)

	// Items reads one page of the items that match q, or a part of it
	// (Page.Unfinished). link is "" for the first page, then the Next of the page
	// before.
	Items(ctx context.Context, p Priority, q ItemsQuery, link Link) (Page[plan.Observation], error)

	// Together returns how many numbers, from the start of the list, fit in one
	// ItemsQuery; 0 if the first must be read on its own.
	Together(numbers []string) int

	// Cursor returns the next cursor after a complete read of everything, or of all
	// changes since the cursor was (zero: none). A change query looks back from the
	// cursor by overlap. Call it only if Capabilities.Changes is true.
	Cursor(was time.Time, read Times, overlap time.Duration) time.Time
}

// Times are the times that a complete read reported.
type Times struct {
	Latest     time.Time // the latest change; zero if none was reported
	Began      time.Time // when the read began
	ServerDate time.Time // the same by the source's clock; zero if not reported
}

// Capabilities are what a source can do beyond reading one item or all of them.
type Capabilities struct {
	Name string // of the service, for people

	// Changes reports whether the source can list what has changed since a time.
	// Change times are rounded to Resolution. Without it, each tick reads
	// everything.
	Changes    bool
	Resolution time.Duration

	// Figures maps the figures that the source has to its own names for them.
	Figures map[plan.Figure]string

	// Places reports whether a shop can choose the warehouse places that count.
	Places bool
}

// ItemsQuery selects items to list. The zero value lists all of them, by number.
type ItemsQuery struct {
	// Since selects the items that changed at or after this time, latest change
	// first. An item that changes during paging then moves to the front: it pushes
	// others onto the next page, never past it. Requires Capabilities.Changes.
	Since time.Time

	// Numbers selects these items, at most as many as Together allows. The answer
	// may hold other items too, and omits those that do not exist.
	Numbers []string
}

// Invoices reads a shop's booked invoices and credit notes.
type Invoices interface {
	// List reads one page of the invoices that match q. link is "" for the first
	// page, then the Next of the page before.
	List(ctx context.Context, p Priority, q InvoicesQuery, link Link) (Page[plan.Invoice], error)

	// Invoice reads one invoice, as a page of one, and the item numbers on its
	// lines. If it does not exist, the page is empty.
	Invoice(ctx context.Context, p Priority, number int64) (Page[plan.Invoice], []string, error)

	// Lines reads the item numbers on an invoice's lines, even if the rest of the
	// invoice is unreadable.
	Lines(ctx context.Context, p Priority, number int64) ([]string, error)

	// PDF reads an invoice's PDF and checks that it is complete. link is the
	// invoice's link to it, "" if unknown. A PDF that does not exist is an error:
	// it may not have been generated yet.
	PDF(ctx context.Context, p Priority, number int64, link string) ([]byte, error)

	// Together returns how many ranges, from the start of the list, fit in one
	// InvoicesQuery.
	Together(ranges []plan.Range) int
}

// InvoicesQuery selects invoices to list. The zero value lists all of them, by number.
type InvoicesQuery struct {
	HasAfter bool
	After    int64        // with HasAfter: numbers above this one
	Ranges   []plan.Range // in addition to After; at most as many as Together allows

	DateFrom   string // only those dated YYYY-MM-DD or later; "": all
	Descending bool   // highest number first, in pages as large as the source allows
}

// Asked returns which invoices the query asks for.
func (q InvoicesQuery) Asked() plan.Asked {
	return plan.Asked{HasAfter: q.HasAfter, After: q.After, Ranges: q.Ranges, DateFrom: q.DateFrom}
}
