package source

import (
	"context"
	"time"

	"lagerd/plan"
)

// Priority says which read goes first where an agreement's calls are short.
type Priority int

// The priorities, from the last to the first.
const (
	PrioritySweep Priority = iota
	PriorityTick
	PriorityInvoice
	PriorityHint
)

// Account is what a shop's token gives access to.
type Account interface {
	// Self reads whose account it is.
	Self(ctx context.Context, p Priority) (Self, error)

	// Stock reads items. One that does not tell the figure cannot be understood;
	// "": whatever it tells.
	Stock(figure plan.Figure) Stock

	// Invoices reads invoices. One whose field with the shop's order number
	// cannot be read cannot be understood.
	Invoices(order plan.OrderField) Invoices
}

// Self is whose account it is.
type Self struct {
	AgreementNumber int64
	CompanyName     string
}

// Stock is where a shop's stock figures are read. Every read says when it began.
type Stock interface {
	// Can returns what the source can do.
	Can() Capabilities

	// Item reads one item. An item that does not exist is an observation
	// with Found false, not an error.
	Item(ctx context.Context, p Priority, number string) (plan.Observation, error)

	// Items reads one page of the items that q asks for; link is "" for the
	// first page, else the Next of the page before.
	Items(ctx context.Context, p Priority, q ItemsQuery, link Link) (Page[plan.Observation], error)

	// Together returns how many of the numbers, counted from the first, fit in
	// one ItemsQuery; 0 where the first must be read alone.
	Together(numbers []string) int

	// Cursor returns from when on changes are wanted next after a read of
	// everything, or of what has changed since the cursor that was, which went to
	// its end; was is zero where there is none. A change query looks back from it
	// by overlap. Only where Capabilities.Changes is true.
	Cursor(was time.Time, read Times, overlap time.Duration) time.Time
}

// Times is what a read that went to its end has shown of times.
type Times struct {
	Latest     time.Time // the latest change; zero if none was told
	Began      time.Time // when the read began
	ServerDate time.Time // and when by the source's clock; zero if it did not say
}

// Capabilities is what a source can do beside reading one item, or all of them.
type Capabilities struct {
	Name string // of the service, for people

	// Changes says that it can be asked for what has changed since a time; those
	// times are rounded to Resolution. Of one that cannot, each tick reads
	// everything.
	Changes    bool
	Resolution time.Duration

	// Figures are the figures that it tells, each with its name for it.
	Figures map[plan.Figure]string
}

// ItemsQuery says which items are listed. The zero value lists all of them, by number.
type ItemsQuery struct {
	// Since asks for the items that changed at or after the given time, the
	// latest change first: what changes while the pages are turned moves to the
	// front, so it pushes others onto the next page, never past it. Only where
	// Capabilities.Changes is true.
	Since time.Time

	// Numbers asks for these items, as many as Together allows. Others may come
	// too, and those that do not exist do not come.
	Numbers []string
}

// Invoices is where a shop's booked invoices and credit notes are read.
type Invoices interface {
	// List reads one page of the invoices that q asks for; link is "" for the
	// first page, else the Next of the page before.
	List(ctx context.Context, p Priority, q InvoicesQuery, link Link) (Page[plan.Invoice], error)

	// Invoice reads one invoice, and the numbers of the items on its lines. It
	// is a page by itself; one that does not exist is a page without any.
	Invoice(ctx context.Context, p Priority, number int64) (Page[plan.Invoice], []string, error)

	// Lines reads the numbers of the items on an invoice's lines, whatever else
	// of it can be understood.
	Lines(ctx context.Context, p Priority, number int64) ([]string, error)

	// PDF reads an invoice's PDF and checks that it is a whole one. link is what
	// the invoice said of it, "" if that is not known. That it does not exist is
	// an error: it may not be made yet.
	PDF(ctx context.Context, p Priority, number int64, link string) ([]byte, error)

	// Together returns how many of the ranges, counted from the first, fit in one
	// InvoicesQuery.
	Together(ranges []plan.Range) int
}

// InvoicesQuery says which invoices are listed. The zero value lists all of them, by
// number.
type InvoicesQuery struct {
	HasAfter bool
	After    int64        // with HasAfter: numbers above this one
	Ranges   []plan.Range // and these, whatever After says: as many as Together allows

	DateFrom   string // of the above only those of this date (YYYY-MM-DD) or later; "": all
	Descending bool   // highest number first, as many on a page as the source allows
}
