package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// Diff compares e-conomic with the database, for a person who wants to know what a
// reconciliation would change. It writes no row and no hint, and needs no lease.
type Diff struct {
	Store    *store.Store
	Account  source.Account
	Stock    source.StockAccount // where the stock is read; nil: Account
	Shop     store.Shop
	Progress store.Progress

	LossWindow time.Duration // as in Options

	// Tell is called now and then with how much of what has been read, "items at Rackbeat" for
	// instance; nil: nobody waits. It must be safe for concurrent use.
	Tell func(what string, done, of int)
}

func (d Diff) tell(what string, done, of int) {
	if d.Tell != nil {
		d.Tell(what, done, of)
	}
}

func (d Diff) stock() source.Stock {
	if d.Stock != nil {
		return d.Stock.Stock(d.Shop.StockFigure, d.Shop.ChosenPlaces()...)
	}
	return d.Account.Stock(d.Shop.StockFigure)
}

func (d Diff) invoices() source.Invoices { return d.Account.Invoices(d.Shop.OrderField) }

// Differences is the result of a Diff.
type Differences struct {
	Shop       string
	ReadAt     time.Time // when the reads began
	Stock      *StockDiff
	Invoices   *InvoicesDiff
	Unreadable []Unreadable
	Notes      []string // what a person must know to read the rest

	fieldNotes int
}

// StockDiff compares items; nil if they were not compared.
type StockDiff struct {
	Source     string // whose items they are: the service's name; "": e-conomic
	AtEconomic int    // items compared: at Source
	Stored     int    // of those, items that are not gone
	Items      []ItemDifference
}

// ItemDifference is an item that differs.
type ItemDifference struct {
	plan.Difference
	HintSince time.Time // when its open hint came, which means it is being worked on; zero: it has none
	Twice     bool      // a second read of the item alone confirmed it
}

// InvoicesDiff compares invoices; nil if they were not compared.
type InvoicesDiff struct {
	AtEconomic int // invoices compared
	Stored     int // of those
	Invoices   []InvoiceDifference
}

// WhatNoPDF marks an invoice that is stored without its PDF so far.
const WhatNoPDF plan.What = "no_pdf"

// InvoiceDifference is an invoice that differs: booked but not stored, stored without its PDF,
// or stored but gone.
type InvoiceDifference struct {
	Number    int64
	What      plan.What
	Date      string // YYYY-MM-DD; "": unknown
	Tries     int    // failed attempts to fetch its PDF
	Error     string // of the last attempt
	Note      string
	HintSince time.Time
}

// Unreadable is an item or invoice that cannot be compared because e-conomic's answer could not
// be understood. A reconciliation does not touch it.
type Unreadable struct {
	Kind   plan.Kind
	Number string // "" if unreadable too
	Reason string
}

// Equal reports whether everything that was compared is equal.
func (d Differences) Equal() bool { return d.Count() == 0 && len(d.Unreadable) == 0 }

// Count returns how many items and invoices differ.
func (d Differences) Count() int {
	n := 0
	if d.Stock != nil {
		n += len(d.Stock.Items)
	}
	if d.Invoices != nil {
		n += len(d.Invoices.Invoices)
	}
	return n
}

// Losses returns how many differing items would lose stock that the shop sells by: a stock that
// becomes zero or absent, or an item that is gone.
func (d Differences) Losses() int {
	n := 0
	if d.Stock != nil {
		for _, i := range d.Stock.Items {
			if i.Loss {
				n++
			}
		}
	}
	return n
}

func (d *Differences) note(format string, args ...any) {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
}

func (d *Differences) unreadable(kind plan.Kind, bad ...plan.Unreadable) {
	for _, b := range bad {
		d.Unreadable = append(d.Unreadable, Unreadable{kind, b.Number, b.Err.Error()})
	}
}

func (d *Differences) isUnreadable(number string) bool {
	return slices.ContainsFunc(d.Unreadable, func(u Unreadable) bool { return u.Kind == plan.KindStock && u.Number == number })
}

// partial reports an item that could only be compared in part, and notes fields of an item or
// invoice that are never compared.
func (d *Differences) partial(kind plan.Kind, number, warning string, unknown plan.Fields) {
	switch {
	case warning == "":
	case unknown.Has(plan.FieldBarred | plan.FieldsOfInventory):
		d.unreadable(kind, plan.Unreadable{Number: number, Err: fmt.Errorf("only in part: %s", warning)})
	default:
		if d.fieldNotes++; d.fieldNotes <= maxFieldNotes {
			d.note("%s %q has unreadable fields, which are not compared: %s", thing(kind), number, warning)
		}
	}
}

// maxFieldNotes is how many notes about unreadable fields a person gets.
const maxFieldNotes = 5

func thing(kind plan.Kind) string {
	if kind == plan.KindInvoice {
		return "invoice"
	}
	return "item"
}

// Read compares the given items and invoices, or all of the shop's if none are given.
func (d Diff) Read(ctx context.Context, items []string, invoices []int64) (Differences, error) {
	whole := len(items)+len(invoices) == 0
	out := Differences{Shop: d.Shop.Shop, ReadAt: time.Now()}
	wantStock, wantInvoices, err := d.wanted(&out, whole, len(items) > 0, len(invoices) > 0)
	if err != nil {
		return out, err
	}
	if err := d.identify(ctx, &out); err != nil {
		return out, err
	}
	if wantStock {
		if err := d.compareStock(ctx, &out, distinct(items)); err != nil {
			return out, err
		}
	}
	if wantStock && whole {
		if err := d.noteRecentLosses(ctx, &out); err != nil {
			return out, err
		}
	}
	if wantInvoices {
		if err := d.compareInvoices(ctx, &out, distinct(invoices)); err != nil {
			return out, err
		}
	}
	if more := out.fieldNotes - maxFieldNotes; more > 0 {
		out.note("and %d more have unreadable fields, which are not compared", more)
	}
	return out, nil
}

// recentLossesNamed is how many recent losses a note lists.
const recentLossesNamed = 20

// noteRecentLosses notes the recent losses of a shop whose losses are held back: they count
// towards the limit, but are no longer differences.
func (d Diff) noteRecentLosses(ctx context.Context, out *Differences) error {
	hold, _ := d.Progress.Holds.Of(plan.ScopeStock)
	if hold.Reason != plan.HeldLosses {
		return nil
	}
	m, err := d.Store.LossMemory(ctx, d.Shop.Shop, d.Shop.StockDataset, time.Time{})
	if err != nil {
		return err
	}
	var numbers []string
	for _, l := range m.Losses {
		if d.Progress.Holds.StockStoodFrom(hold.Since).Sub(l.At.Add(m.Held)) < d.LossWindow {
			numbers = append(numbers, strconv.Quote(l.Number))
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	slices.Sort(numbers)
	more := ""
	if rest := len(numbers) - recentLossesNamed; rest > 0 {
		more = fmt.Sprintf(" and %d more", rest)
	}
	out.note("%d items had lost their stock within %s when the shop was held, without a webhook: they count too (`lagerd why %s NUMBER` shows when and how): %s%s",
		len(numbers), plan.ShortDuration(d.LossWindow), d.Shop.Shop, strings.Join(numbers[:min(len(numbers), recentLossesNamed)], ", "), more)
	return nil
}

func distinct[T cmp.Ordered](list []T) []T {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

// wanted returns what to compare: what was requested, unless it is off. A number requested of a
// part that is off is an error, since there would be no answer.
func (d Diff) wanted(out *Differences, whole, items, invoices bool) (stock, invoice bool, err error) {
	stockOff, invoicesOff := d.stockOff(), d.invoicesOff()
	switch {
	case items && stockOff != "":
		return false, false, fmt.Errorf("--item: %s", stockOff)
	case invoices && invoicesOff != "":
		return false, false, fmt.Errorf("--invoice: %s", invoicesOff)
	case whole && stockOff != "" && invoicesOff != "":
		return false, false, fmt.Errorf("there is nothing to compare: %s; %s", stockOff, invoicesOff)
	}
	if whole {
		for _, off := range []string{stockOff, invoicesOff} {
			if off != "" {
				out.note("%s", off)
			}
		}
	}
	return (whole || items) && stockOff == "", (whole || invoices) && invoicesOff == "", nil
}

// stockOff returns why items are not compared, or "".
func (d Diff) stockOff() string {
	switch {
	case !d.Shop.StockOn:
		return fmt.Sprintf("stock is off for %s (`lagerd shops set %s --stock on`): its items are not compared", d.Shop.Shop, d.Shop.Shop)
	case !d.Shop.ReadsStock():
		return fmt.Sprintf("the stock of %[1]s is kept in Rackbeat, whose key is not stored (`lagerd shops set %[1]s --rackbeat-key-file …`): its items are not compared", d.Shop.Shop)
	}
	return ""
}

// invoicesOff returns why invoices are not compared, or "".
func (d Diff) invoicesOff() string {
	if d.Shop.InvoicesOn {
		return ""
	}
	return fmt.Sprintf("invoices are off for %s (`lagerd shops set %s --invoices on`): its invoices are not compared", d.Shop.Shop, d.Shop.Shop)
}

// identify notes that the token belongs to another agreement than the shop's. The comparison
// goes on: it shows which of the two is intended.
func (d Diff) identify(ctx context.Context, out *Differences) error {
	self, err := withRetry(ctx, func() (source.Self, error) { return d.Account.Self(ctx, source.PriorityPerson) })
	if err != nil {
		return err
	}
	if known := d.Progress.AgreementNumber; known != 0 && known != self.AgreementNumber {
		out.note("the token answers for agreement %[1]d, %[2]s; %[3]s is agreement %[4]d. This is the difference to agreement %[1]d, and nothing of it is stored until you run `lagerd shops set %[3]s --accept-agreement`; if the change is not intended, store the token of agreement %[4]d with `lagerd shops set %[3]s --grant-token-file …`",
			self.AgreementNumber, self.CompanyName, d.Shop.Shop, known)
	}
	return d.identifyStock(ctx, out)
}

// identifyStock is identify for the stock's own source.
func (d Diff) identifyStock(ctx context.Context, out *Differences) error {
	if d.Stock == nil {
		return nil
	}
	self, err := withRetry(ctx, func() (source.Self, error) { return d.Stock.Self(ctx, source.PriorityPerson) })
	if err != nil {
		return err
	}
	if known := d.Progress.StockAccount; known != 0 && known != self.AgreementNumber {
		out.note("the key answers for Rackbeat's account %d, %s; the stock of %s is read from account %d. Nothing of this difference is stored; if the change is intended, run `lagerd shops set %[3]s --rackbeat-key-file … --accept-account %[1]d`",
			self.AgreementNumber, self.CompanyName, d.Shop.Shop, known)
	}
	return nil
}

const (
	maxRechecks        = 200             // maximum number of differing items read a second time
	recheckConcurrency = 2               // of them concurrently
	maxAttempts        = 3               // attempts at one read
	retryDelay         = 2 * time.Second // after the first attempt; twice as long after the second
)

// withRetry retries a read that a gateway or an exhausted token bucket may have refused:
// otherwise a listing of many pages would seldom complete.
func withRetry[T any](ctx context.Context, read func() (T, error)) (T, error) {
	for n := 1; ; n++ {
		v, err := read()
		stop, again := plan.Stops(plan.Failure{Class: source.ClassOf(err), Read: plan.ReadListing})
		if err == nil || stop == plan.StopDay || again != plan.AgainResume || n == maxAttempts {
			return v, err
		}
		select {
		case <-ctx.Done():
			return v, err
		case <-time.After(time.Duration(n) * retryDelay):
		}
	}
}

func (d Diff) compareStock(ctx context.Context, out *Differences, numbers []string) error {
	out.Stock = &StockDiff{Source: d.stock().Can().Name}
	var err error
	if len(numbers) > 0 {
		out.Stock.Items, err = d.namedItems(ctx, out, numbers)
	} else {
		out.Stock.Items, err = d.allItems(ctx, out)
	}
	if err != nil {
		return err
	}
	hints, err := d.openHints(ctx, plan.KindStock)
	if err != nil {
		return err
	}
	for n := range out.Stock.Items {
		out.Stock.Items[n].HintSince = hints[out.Stock.Items[n].Number].FirstAt
	}
	return nil
}

// openHints returns all open hints, due or not, and the webhooks that no pass has seen yet.
func (d Diff) openHints(ctx context.Context, kind plan.Kind) (map[string]plan.Hint, error) {
	return inbox.Peek(ctx, d.Store, d.Shop.Shop, kind)
}

func (d Diff) namedItems(ctx context.Context, out *Differences, numbers []string) ([]ItemDifference, error) {
	var all []plan.Difference
	for _, number := range numbers {
		obs, row, err := d.item(ctx, number)
		if bad, ok := errors.AsType[contentError](err); ok {
			out.unreadable(plan.KindStock, plan.Unreadable{Number: number, Err: bad.error})
			continue
		}
		if err != nil {
			return nil, err
		}
		if obs.Found {
			out.Stock.AtEconomic++
		}
		out.partial(plan.KindStock, number, obs.Warning, obs.Unknown)
		stored, known := row[number]
		if known && stored.State != plan.StateGone {
			out.Stock.Stored++
		}
		if !obs.Found && !known {
			out.note("item %q is neither at %s nor stored: is the number exactly right?", number, out.Stock.Source)
		}
		all = append(all, plan.Diff([]plan.Observation{obs}, row, d.Shop.StockFigure)...)
	}
	return d.recheck(ctx, out, all)
}

// item reads one item, and immediately after it the stored row.
func (d Diff) item(ctx context.Context, number string) (plan.Observation, map[string]plan.Row, error) {
	obs, err := withRetry(ctx, func() (plan.Observation, error) { return d.stock().Item(ctx, source.PriorityPerson, number) })
	if err != nil {
		return obs, nil, content(err)
	}
	row, err := d.rows(ctx, []string{number})
	return obs, row, err
}

// rows reads the stored rows of items, with what is in the places that a shop at Rackbeat has chosen.
func (d Diff) rows(ctx context.Context, numbers []string) (map[string]plan.Row, error) {
	rows, err := d.Store.Items(ctx, d.Progress.ItemsDataset, numbers)
	if err == nil && d.Shop.ReadsRackbeat() {
		err = d.Store.AddPlaces(ctx, d.Progress.ItemsDataset, rows, false)
	}
	return rows, err
}

// contentError says that one item or invoice cannot be compared; the others can.
type contentError struct{ error }

// content marks the error of a single read as a contentError, if it is one.
func content(err error) error {
	if source.ClassOf(err) == plan.ClassNumber {
		return contentError{err}
	}
	return err
}

// cutShort adds to the error of a short listing who sent it, and what to do. It returns any
// other error unchanged.
func cutShort(from string, err error) error {
	if !plan.IsShort(err) {
		return err
	}
	return fmt.Errorf("%s %w: nothing can be concluded from that, try again", from, err)
}

// recheck reads differing items once more, one by one, and their stored rows: a change
// between the first read of e-conomic and that of the database is no difference. If there are
// too many, losses go first.
func (d Diff) recheck(ctx context.Context, out *Differences, suspects []plan.Difference) ([]ItemDifference, error) {
	slices.SortFunc(suspects, lossesFirst)
	twice := min(len(suspects), maxRechecks)
	if rest := len(suspects) - twice; rest > 0 {
		out.note("%d of the %d differences were read only once: lagerd may be storing them now", rest, len(suspects))
	}
	var mu sync.Mutex
	again := 0
	var all []ItemDifference
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(recheckConcurrency)
	for _, suspect := range suspects[:twice] {
		group.Go(func() error {
			obs, row, err := d.item(ctx, suspect.Number)
			mu.Lock()
			defer mu.Unlock()
			again++
			d.tell("differences read once more at "+out.Stock.Source, again, twice)
			if bad, ok := errors.AsType[contentError](err); ok {
				out.unreadable(plan.KindStock, plan.Unreadable{Number: suspect.Number, Err: bad.error})
				return nil
			}
			if err != nil {
				return err
			}
			for _, difference := range plan.Diff([]plan.Observation{obs}, row, d.Shop.StockFigure) {
				all = append(all, ItemDifference{Difference: difference, Twice: true})
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, suspect := range suspects[twice:] {
		all = append(all, ItemDifference{Difference: suspect})
	}
	slices.SortFunc(all, byNumber)
	return all, nil
}

func byNumber(a, b ItemDifference) int { return strings.Compare(a.Number, b.Number) }

func (d Diff) compareInvoices(ctx context.Context, out *Differences, numbers []int64) error {
	out.Invoices = &InvoicesDiff{}
	dates := map[int64]string{} // of those at e-conomic
	var gone []int64
	var err error
	if len(numbers) > 0 {
		gone, err = d.namedInvoices(ctx, out, numbers, dates)
	} else {
		err = d.allInvoices(ctx, out, dates)
	}
	if err != nil {
		return err
	}
	// After e-conomic, so that invoices stored in between are no difference: a booked invoice
	// never changes.
	stored, err := d.Store.StoredInvoices(ctx, d.Shop.Dataset, slices.Concat(slices.Collect(maps.Keys(dates)), gone))
	if err != nil {
		return err
	}
	waiting, err := d.Store.InvoicesWithoutPDF(ctx, d.Shop.Dataset)
	if err != nil {
		return err
	}
	hints, err := d.openHints(ctx, plan.KindInvoice)
	if err != nil {
		return err
	}
	add := func(i InvoiceDifference) {
		i.HintSince = hints[strconv.FormatInt(i.Number, 10)].FirstAt
		out.Invoices.Invoices = append(out.Invoices.Invoices, i)
	}
	out.Invoices.AtEconomic = len(dates)
	for number, date := range dates {
		if stored[number] {
			out.Invoices.Stored++
			continue
		}
		add(InvoiceDifference{Number: number, What: plan.WhatBooked, Date: date, Note: d.beforeStart(number, date)})
	}
	for _, number := range gone {
		if stored[number] {
			out.Invoices.Stored++
			add(InvoiceDifference{Number: number, What: plan.WhatGone, Note: "e-conomic has no booked invoice of this number; what is stored stays"})
		} else {
			out.note("invoice %d is neither booked at e-conomic nor stored", number)
		}
	}
	for _, i := range waiting {
		if len(numbers) > 0 && !slices.Contains(numbers, i.Number) || slices.Contains(gone, i.Number) {
			continue
		}
		add(InvoiceDifference{Number: i.Number, What: WhatNoPDF, Date: string(i.InvoiceDate), Tries: i.WorkTries, Error: i.WorkError})
	}
	slices.SortFunc(out.Invoices.Invoices, func(a, b InvoiceDifference) int { return cmp.Compare(a.Number, b.Number) })
	return nil
}

// beforeStart notes that a reconciliation does not look for the invoice.
func (d Diff) beforeStart(number int64, date string) string {
	if d.Progress.InvoicesBegun && number > d.Progress.InvoiceCursor {
		return ""
	}
	if date == "" && d.Shop.InvoicesFrom != "" {
		return "" // its date could not be understood
	}
	if d.Shop.InvoicesFrom != "" && date < d.Shop.InvoicesFrom || d.Shop.InvoicesFrom == "" && number < d.Shop.InvoicesFromNumber {
		return fmt.Sprintf("before the shop's start: `lagerd reconcile --shop %s --invoice %d` fetches it", d.Shop.Shop, number)
	}
	return ""
}

func (d Diff) namedInvoices(ctx context.Context, out *Differences, numbers []int64, dates map[int64]string) (gone []int64, err error) {
	for _, n := range numbers {
		number := strconv.FormatInt(n, 10)
		page, err := withRetry(ctx, func() (invoicesPage, error) {
			page, _, err := d.invoices().Invoice(ctx, source.PriorityPerson, n)
			return page, err
		})
		err = content(err)
		if bad, ok := errors.AsType[contentError](err); ok {
			out.unreadable(plan.KindInvoice, plan.Unreadable{Number: number, Err: bad.error})
			continue
		}
		if err != nil {
			return nil, err
		}
		if page.Size() == 0 {
			gone = append(gone, n)
		}
		out.unreadable(plan.KindInvoice, page.Unreadable...)
		for _, inv := range page.Observed {
			out.partial(plan.KindInvoice, number, inv.Warning, 0)
			dates[n] = inv.Date
		}
	}
	return gone, nil
}

// allInvoices reads all invoices since the shop's start, as a sweep does, and those booked
// above the highest number read so far, as a tick does: an invoice may be booked with a date
// before the start.
func (d Diff) allInvoices(ctx context.Context, out *Differences, dates map[int64]string) error {
	queries := []source.InvoicesQuery{{DateFrom: d.Shop.InvoicesFrom}}
	if d.Shop.InvoicesFrom == "" {
		queries[0] = source.InvoicesQuery{HasAfter: true, After: max(0, d.Shop.InvoicesFromNumber-1)}
	} else if d.Progress.InvoicesBegun {
		queries = append(queries, source.InvoicesQuery{HasAfter: true, After: d.Progress.InvoiceCursor})
	}
	bad := map[string]bool{}
	for _, q := range queries {
		if err := d.listInvoices(ctx, out, q, dates, bad); err != nil {
			return err
		}
	}
	return nil
}

func (d Diff) listInvoices(ctx context.Context, out *Differences, q source.InvoicesQuery, dates map[int64]string, bad map[string]bool) error {
	unreadable := func(b plan.Unreadable) {
		if b.Number == "" || !bad[b.Number] { // both queries may show it
			bad[b.Number] = true
			out.unreadable(plan.KindInvoice, b)
		}
	}
	came := 0
	for p, err := range source.Pages("invoices", func(link source.Link) (invoicesPage, error) {
		return withRetry(ctx, func() (invoicesPage, error) { return d.invoices().List(ctx, source.PriorityPerson, q, link) })
	}) {
		if err != nil {
			return cutShort("e-conomic", err)
		}
		came += p.Size()
		d.tell("invoices read at e-conomic", came, p.Announced)
		for _, b := range p.Unreadable {
			unreadable(b)
		}
		for _, inv := range p.Observed {
			number := strconv.FormatInt(inv.Number, 10)
			if inv.Warning != "" && !bad[number] {
				bad[number] = true
				out.partial(plan.KindInvoice, number, inv.Warning, 0)
			}
			dates[inv.Number] = inv.Date
		}
	}
	return nil
}
