package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lagerd/plan"
)

// Progress is a shop's cursors, counters and current failure.
type Progress struct {
	Shop            string `gorm:"primaryKey"`
	AgreementNumber int64  // 0: not known yet
	Suspicion       string
	Items           int64
	ItemsCursor     Time
	SweptAt         Time
	InvoiceCursor   int64
	InvoicesBegun   bool
	InvoicesSweptAt Time
	TickAt          Time
	Failures        int
	Failure         string
	MissedWebhooks  int64
	LateWebhooks    int64
	Drift           int64
	Lags            int64
	LagLastUS       int64 `gorm:"column:lag_last_us"`
	LagMaxUS        int64 `gorm:"column:lag_max_us"`
	CallsDay        string
	Calls           int64 // made by lagerd on CallsDay, see CallsOf
	CommandCallsDay string
	CommandCalls    int64   // made by commands on CommandCallsDay
	ItemsDataset    Dataset // whose items the view shows; differs from the shop's StockDataset during a changeover
	ItemsSince      Time    // time of the last changeover; zero: none yet
	OldInvoiceHints int64   // webhooks of invoices before the shop's start that no hint was kept for
	StockAccount    int64   // the account at the stock source, unless that is e-conomic; 0: not known yet
	StockCallsDay   string  // UTC date of StockCalls
	StockCalls      int64   // to that stock source
	ItemsAnnounced  int64   // how many items there are, as the source said in the first sweep; 0: it has not

	MarkedStock    bool       `gorm:"->"` // webhooks of items have no hint, only a mark; not a column
	MarkedInvoices bool       `gorm:"->"` // the same for invoices
	Gaps           []plan.Gap `gorm:"-"`
	Holds          plan.Holds `gorm:"-"`
}

// CallsOf returns the latest day (UTC, YYYY-MM-DD) with calls to e-conomic for the shop,
// the number of calls, and how many of them commands made.
func (p Progress) CallsOf() (day string, calls, byCommands int) {
	day = max(p.CallsDay, p.CommandCallsDay)
	if p.CommandCallsDay == day {
		byCommands = int(p.CommandCalls)
	}
	calls = byCommands
	if p.CallsDay == day {
		calls += int(p.Calls)
	}
	return day, calls, byCommands
}

// Window returns the invoice numbers to query: above the cursor, and in the gaps.
func (p Progress) Window() plan.Window { return plan.Window{Cursor: p.InvoiceCursor, Gaps: p.Gaps} }

// TableName returns the table's name, for gorm.
func (Progress) TableName() string { return "progress" }

// Progress returns a shop's progress with its invoice gaps and holds.
func (s *Store) Progress(ctx context.Context, shop string) (Progress, error) {
	var p Progress
	const marked = "EXISTS (SELECT 1 FROM hint_marks WHERE hint_marks.shop = progress.shop AND kind = '"
	query := s.db.WithContext(ctx).Select("*, " + marked + string(plan.KindStock) + "') AS marked_stock, " + marked + string(plan.KindInvoice) + "') AS marked_invoices")
	if err := query.Where("shop = ?", shop).Take(&p).Error; err != nil {
		return p, fmt.Errorf("read the progress of %s: %w", shop, err)
	}
	holds, err := s.holds(ctx, selected(shop))
	if err != nil {
		return p, fmt.Errorf("read the progress of %s: %w", shop, err)
	}
	p.Holds = holds[shop]
	p.Gaps, err = s.gaps(ctx, shop)
	return p, err
}

// Patch is a change to a shop's progress. Nil fields stay unchanged.
type Patch struct {
	AgreementNumber *int64
	Suspicion       *string
	Items           *int64
	ItemsCursor     *Time
	SweptAt         *Time
	InvoicesBegun   *bool
	InvoicesSweptAt *Time
	ItemsDataset    *Dataset
	ItemsSince      *Time
	StockAccount    *int64
	StockCallsDay   *string
	StockCalls      *int64
	ItemsAnnounced  *int64
}

// on applies the patch to p and returns assignments for the columns that differ.
func (c Patch) on(p *Progress) assignments {
	var set assignments
	assign(&set, "agreement_number", &p.AgreementNumber, c.AgreementNumber)
	assign(&set, "suspicion", &p.Suspicion, c.Suspicion)
	assign(&set, "items", &p.Items, c.Items)
	assignTime(&set, "items_cursor", &p.ItemsCursor, c.ItemsCursor)
	assignTime(&set, "swept_at", &p.SweptAt, c.SweptAt)
	assign(&set, "invoices_begun", &p.InvoicesBegun, c.InvoicesBegun)
	assignTime(&set, "invoices_swept_at", &p.InvoicesSweptAt, c.InvoicesSweptAt)
	assign(&set, "items_dataset", &p.ItemsDataset, c.ItemsDataset)
	assignTime(&set, "items_since", &p.ItemsSince, c.ItemsSince)
	assign(&set, "stock_account", &p.StockAccount, c.StockAccount)
	assign(&set, "stock_calls_day", &p.StockCallsDay, c.StockCallsDay)
	assign(&set, "stock_calls", &p.StockCalls, c.StockCalls)
	assign(&set, "items_announced", &p.ItemsAnnounced, c.ItemsAnnounced)
	return set
}

// changes reports whether the patch would change p.
func (c Patch) changes(p Progress) bool { return len(c.on(&p).columns) > 0 }

// assignments is the SET list of an UPDATE.
type assignments struct {
	columns []string // "items = ?"
	args    []any
}

func (s *assignments) put(assignment string, args ...any) {
	s.columns, s.args = append(s.columns, assignment), append(s.args, args...)
}

func assign[T comparable](set *assignments, column string, field, value *T) {
	if value != nil && *field != *value {
		*field = *value
		set.put(column+" = ?", *value)
	}
}

func assignTime(set *assignments, column string, field, value *Time) {
	if value != nil && !field.Equal(value.Time) {
		*field = *value
		set.put(column+" = ?", *value)
	}
}

// moves reports whether w differs from the window of p.
func moves(w *plan.Window, p Progress) bool {
	return w != nil && (w.Cursor != p.InvoiceCursor || !slices.Equal(w.Gaps, p.Gaps))
}

// progress writes a transaction's changes to its shop's progress, including the webhook
// counters, and returns the progress after it.
func (t *tx) progress(shop string, a Applied, late int64, now time.Time) Progress {
	p := a.Known
	set := a.Progress.on(&p)
	if moves(a.Window, p) {
		if a.Window.Cursor != p.InvoiceCursor {
			set.put("invoice_cursor = ?", a.Window.Cursor)
		}
		t.putGaps(shop, a.Window.Gaps)
		p.InvoiceCursor, p.Gaps = a.Window.Cursor, a.Window.Gaps
	}
	t.endHolds(shop, a.EndHolds, now)
	p.Holds = t.putHolds(shop, a.Holds, p.Holds.Without(a.EndHolds...))
	count(&set, &p, a.Changes, late)
	if len(set.columns) > 0 {
		t.exec("UPDATE progress SET "+strings.Join(set.columns, ", ")+" WHERE shop = ?", append(set.args, shop)...)
	}
	return p
}

// count adds the missed and late webhooks, drift and lag of the changes to the counters.
// late is how many missed webhooks have arrived after all. The columns are incremented
// from their stored values.
func count(set *assignments, p *Progress, changes []plan.Change, late int64) {
	var missed, drift, lags int64
	var lag, longest time.Duration
	for _, c := range changes {
		if c.Webhook == plan.WebhookMissed {
			missed++
			if c.Cause == plan.CauseSweep {
				drift++
			}
		}
		if c.Lagged {
			lags++
			lag = c.ObservedAt.Sub(c.HintedAt)
			longest = max(longest, lag)
		}
	}
	if missed != late {
		set.put("missed_webhooks = missed_webhooks + ?", missed-late)
		p.MissedWebhooks += missed - late
	}
	if late > 0 {
		set.put("late_webhooks = late_webhooks + ?", late)
		p.LateWebhooks += late
	}
	if drift > 0 {
		set.put("drift = drift + ?", drift)
		p.Drift += drift
	}
	if lags > 0 {
		set.put("lags = lags + ?", lags)
		set.put("lag_last_us = ?", lag.Microseconds())
		set.put("lag_max_us = CASE WHEN lag_max_us < ? THEN ? ELSE lag_max_us END", longest.Microseconds(), longest.Microseconds())
		p.Lags, p.LagLastUS, p.LagMaxUS = p.Lags+lags, lag.Microseconds(), max(p.LagMaxUS, longest.Microseconds())
	}
}
