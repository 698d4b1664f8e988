package rackbeat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"lagerd/plan"
	"lagerd/rackbeat"
	"lagerd/source"
)

// chosen are the places that a shop has chosen, and what a listing has read of the report of
// stock by place. That report is a listing of its own, beside that of the items: mostly its pages
// show the same items, but its order and what it leaves out are not documented. So for each page of
// items as many of its pages are read as it takes to show them all, at most each once.
type chosen struct {
	places []string

	mu     sync.Mutex
	served int                           // page of items that was listed last
	waits  *rackbeat.Page[rackbeat.Item] // the page after that, until the report has shown its items; nil: none
	report *report                       // nil: no listing runs
}

// report is what a listing has read of the report of stock by place and not used yet.
type report struct {
	rows map[string]*row // by item number
	kept int             // bytes that these take, about

	size       int  // of its pages
	next       int  // page to read next
	left       int  // pages that have not been read; below 0: not known
	incomplete bool // an entry was unreadable
	full       bool // a row was left out, since so many waited
}

// mostKept limits the bytes of the rows that wait for their page of items: those of a hundred
// thousand items. Only a report in another order than the listing, or one that leaves out items, comes
// near that. rowBytes is what a row takes beside its text.
const (
	mostKept = 32 << 20
	rowBytes = 300
)

// itemsByPlace reads a page of items, or as much more of the report as one call shows, and returns the
// page once the report has shown its items. Hints get their calls in between: the report may take many.
func (s *stock) itemsByPlace(ctx context.Context, p source.Priority, number int, goesOn bool) (source.Page[plan.Observation], error) {
	c := s.chosen
	c.mu.Lock()
	defer c.mu.Unlock()
	if goesOn && c.waits != nil && number == c.served+1 {
		if err := s.readReport(ctx, p); err != nil {
			return source.Page[plan.Observation]{}, failed(err)
		}
	} else {
		read, err := s.list(ctx, p, number)
		if err != nil {
			return source.Page[plan.Observation]{}, failed(err)
		}
		if c.report == nil || number == 1 || number != c.served+1 {
			size := rackbeat.ReportSize(len(s.known.tree()))
			// It begins where the same items are, if both have the same order.
			c.report = &report{rows: map[string]*row{}, size: size, next: (number-1)*rackbeat.PageSize/size + 1, left: -1}
		}
		c.served, c.waits = number-1, &read
	}
	items := c.waits
	if c.report.lacks(items) {
		return source.Page[plan.Observation]{Unfinished: true, Announced: items.Total, Began: items.Began, ServerDate: items.ServerDate,
			Next: source.Link(strconv.Itoa(number) + goOn)}, nil
	}
	rows := c.report.take(c, s.known.tree(), items)
	c.served, c.waits = number, nil
	if number >= items.Pages {
		c.report = nil
	}
	return s.page(items, number, rows), nil
}

// lacks reports whether the rest of the report may show more of a page of items.
func (r *report) lacks(items *rackbeat.Page[rackbeat.Item]) bool {
	return r.left != 0 && slices.ContainsFunc(items.Items, func(i rackbeat.Item) bool {
		return i.InStock != nil && !i.Deleted && r.rows[i.Number] == nil
	})
}

// take removes the rows of a page of items, and returns them. A report that leaves out items without
// stock shows nothing of an item whose own figure is zero.
func (r *report) take(c *chosen, tree places, items *rackbeat.Page[rackbeat.Item]) map[string]*row {
	found := make(map[string]*row, len(items.Items))
	for i := range items.Items {
		item := &items.Items[i]
		shown := r.rows[item.Number]
		if shown != nil {
			r.drop(item.Number, shown)
		}
		switch {
		case item.InStock == nil || found[item.Number] != nil:
			continue
		case shown != nil:
		case r.full:
			shown = &row{err: errNotKept}
		case r.incomplete || !item.InStock.IsZero():
			shown = &row{err: errUnlisted}
		default:
			empty := c.rowOf(tree, &placed{})
			shown = &empty
		}
		if shown.began.IsZero() {
			shown.began = items.Began
		}
		if shown.own == nil {
			shown.own = item.InStock
		}
		found[item.Number] = shown
	}
	return found
}

func (r *report) keep(number string, shown *row) {
	r.rows[number] = shown
	r.kept += rowBytes + len(number) + len(shown.each)
}

func (r *report) drop(number string, shown *row) {
	delete(r.rows, number)
	r.kept -= rowBytes + len(number) + len(shown.each)
}

// readReport reads the next page of the report, the first after the last.
func (s *stock) readReport(ctx context.Context, p source.Priority) error {
	r := s.chosen.report
	read, err := s.reportPage(ctx, p, rackbeat.ReportQuery{Page: r.next, Size: r.size})
	if err != nil {
		return err
	}
	if r.left < 0 {
		r.left = read.Pages
	}
	if r.next > read.Pages { // it has fewer than the items
		r.next, r.left = 1, min(r.left, read.Pages)
		return nil
	}
	r.left--
	r.next = r.next%read.Pages + 1
	r.incomplete = r.incomplete || len(read.Bad) > 0
	tree := s.known.tree()
	for i := range read.Items {
		item := &read.Items[i]
		shown := s.chosen.rowOf(tree, s.known.placed(item.Places, true))
		shown.own, shown.began = item.InStock, read.Began
		if shown.own != nil && shown.own.Equal(shown.all) {
			shown.own = &shown.all // keeps one of the two
		}
		if len(item.Unsound) > 0 {
			shown = row{err: fmt.Errorf("stock by place: %w", item.Unsound[0].Err), began: read.Began}
		}
		if first := r.rows[item.Number]; first != nil {
			r.drop(item.Number, first)
			shown = row{err: fmt.Errorf("the report of stock by place shows item %q more than once", item.Number), began: read.Began}
		}
		if r.kept >= mostKept {
			r.full = true
			continue
		}
		r.keep(item.Number, &shown)
	}
	return nil
}

// reportPage reads a page of the report, ordered by number if Rackbeat orders it by that. What it
// answers if it does not is not known: as long as no order has been accepted, an error that may be
// about the order is tried without one.
func (s *stock) reportPage(ctx context.Context, p source.Priority, q rackbeat.ReportQuery) (rackbeat.Page[rackbeat.StockByPlace], error) {
	accepted, refused := s.known.ordersReport()
	q.Unordered = refused
	read, err := s.account.StockByPlace(ctx, p, q)
	if q.Unordered {
		return read, err
	}
	if err == nil {
		s.known.setReportOrder(true)
		return read, nil
	}
	e, ok := errors.AsType[*rackbeat.Error](err)
	if !ok || e.Status != http.StatusUnprocessableEntity && (accepted || e.Status != http.StatusBadRequest && e.Status < http.StatusInternalServerError) {
		return read, err
	}
	q.Unordered = true
	unordered, again := s.account.StockByPlace(ctx, p, q)
	if again != nil {
		return read, err
	}
	s.known.setReportOrder(false)
	return unordered, nil
}

// ordersReport returns whether Rackbeat was seen to order the report by number, or to refuse that. A
// listing without order needs none of the report.
func (k *known) ordersReport() (accepted, refused bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.reportOrder == orderAccepted, k.reportOrder == orderRefused || k.unordered
}

func (k *known) setReportOrder(accepted bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reportOrder = orderRefused; accepted {
		k.reportOrder = orderAccepted
	}
}

// reportOrder is whether Rackbeat orders the report of stock by place by number.
type reportOrder int

const (
	orderUntried reportOrder = iota
	orderAccepted
	orderRefused
)
