package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

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
		if err := (itemsDiff{d}).compare(ctx, &out, distinct(items)); err != nil {
			return out, err
		}
	}
	if wantStock && whole {
		if err := d.noteRecentLosses(ctx, &out); err != nil {
			return out, err
		}
	}
	if wantInvoices {
		if err := (invoicesDiff{d}).compare(ctx, &out, distinct(invoices)); err != nil {
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
	maxAttempts = 3               // attempts at one read
	retryDelay  = 2 * time.Second // after the first attempt; twice as long after the second
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

// openHints returns all open hints, due or not, and the webhooks that no pass has seen yet.
func (d Diff) openHints(ctx context.Context, kind plan.Kind) (map[string]plan.Hint, error) {
	return inbox.Peek(ctx, d.Store, d.Shop.Shop, kind)
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
