package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lagerd/plan"
)

// TickMark is a shop's successful tick.
type TickMark struct {
	Shop string
	DayCalls

	Generation int64 // of the settings it ran with
}

// DayCalls counts the calls to e-conomic for a shop.
type DayCalls struct {
	CallsDay string // UTC date of Calls; "": Calls is not known
	Calls    int    // on that day so far, excluding those of commands
}

// MarksPerStatement is how many shops' ticks one statement records.
const MarksPerStatement = 1000

// MarkTicks records successful ticks, in one statement per MarksPerStatement shops. It
// skips shops whose lease the instance no longer holds or whose settings have changed,
// and shops with more calls recorded already: a retry must not undo a newer record.
func (s *Store) MarkTicks(ctx context.Context, instance string, marks []TickMark, at time.Time) error {
	return s.mark(ctx, instance, marks, "tick_at = ?, failures = 0, failure = '', ", At(at))
}

// MarkCalls records only the calls of ticks that neither succeeded nor failed, because
// something is held or not read yet. It skips shops as MarkTicks does.
func (s *Store) MarkCalls(ctx context.Context, instance string, marks []TickMark) error {
	return s.mark(ctx, instance, marks, "")
}

func (s *Store) mark(ctx context.Context, instance string, marks []TickMark, also string, its ...any) error {
	for chunk := range slices.Chunk(marks, MarksPerStatement) {
		var calls, generations, shops []any
		for _, m := range chunk {
			calls = append(calls, m.Shop, m.Calls)
			generations = append(generations, m.Shop, m.Generation)
			shops = append(shops, m.Shop)
		}
		cases := strings.Repeat(" WHEN ? THEN ?", len(chunk))
		day := []any{chunk[0].CallsDay}
		args := slices.Concat(its, day, calls, shops, day, calls, []any{instance}, generations)
		_, err := s.exec(ctx, "UPDATE progress SET "+also+"calls_day = ?, calls = CASE shop"+cases+" ELSE calls END"+
			" WHERE shop IN "+placeholders(1, len(chunk))+" AND (calls_day <> ? OR calls <= CASE shop"+cases+" END)"+
			" AND EXISTS (SELECT 1 FROM leases WHERE leases.shop = progress.shop AND leases.holder = ? AND leases.generation = CASE leases.shop"+cases+" END)", args...)
		if err != nil {
			return fmt.Errorf("save ticks of %d shops: %w", len(chunk), err)
		}
	}
	return nil
}

// MarkFailure records a pass's failure at the given time, and the calls so far.
func (s *Store) MarkFailure(ctx context.Context, f Fence, failure string, calls DayCalls, now time.Time) error {
	set, args := "failures = failures + 1, failure = ?", []any{shorten(failure, 500)}
	if calls.CallsDay != "" {
		set, args = set+", calls_day = ?, calls = ?", append(args, calls.CallsDay, calls.Calls)
	}
	err := s.inFencedTx(ctx, f, func(t *tx) error {
		t.exec("UPDATE progress SET "+set+" WHERE shop = ?", append(args, f.Shop)...)
		t.keepFailedPass(f.Shop, failure, now)
		return nil
	})
	if err != nil {
		return fmt.Errorf("save the failure of %s: %w", f.Shop, err)
	}
	return nil
}

// ShopStatus is what an operator sees of a shop: its settings, its progress, and what is
// still open.
type ShopStatus struct {
	Shop           Shop
	Progress       Progress
	Holder         string // the instance that holds the lease; "" if none
	OpenHints      int64
	OldestHint     time.Time // zero if there is none, except those that wait for a listing
	AwaitingHints  int64     // open hints that wait for a listing, or in turn
	ShortHints     int64     // open hints that wait for calls
	FailingHints   int64     // open hints whose number could not be read
	WaitForPDF     int64     // invoices without a PDF yet
	WithoutOrder   int64     // invoices without an order number
	ItemsStored    int64
	InvoicesStored int64
	Failing        []Notice     // open hints whose number could not be read, by kind
	Warnings       []Notice     // what is stored although some of its fields could not be parsed, by kind
	FailingPDFs    []Notice     // invoices whose lines or PDF have failed repeatedly
	SetAside       int64        // batches of webhooks that could not be read
	SetAsideSince  time.Time    // when the first of their webhooks came
	Refused        RefusedCalls // of its latest day with any
	Marked         int64        // webhooks that no hint was kept for: the next sweep covers them
	MarkedSince    time.Time    // when the first of them came

	AgreementCalls    AccountCalls // to its agreement
	StockAccountCalls AccountCalls // to its account at Rackbeat

	Everything      int64     // webhooks that named no number: the next sweep covers them
	EverythingSince time.Time // when the first of them came
}

// AccountCalls are the calls to an account on the last day on which any were booked.
type AccountCalls struct {
	Day   string // UTC date; "": none were made
	Calls int64  // booked on that day, by anybody
	Shops int    // that share the account
}

// selection is the shops that statements are about.
type selection struct {
	in   func(column string) string // the condition on a column that holds a shop
	args []any
}

// selected returns the named shops.
func selected(names ...string) selection {
	return selection{func(column string) string { return column + " IN " + placeholders(1, len(names)) }, values(names)}
}

// everyShop are all shops.
func everyShop() selection { return selection{in: func(string) string { return "1 = 1" }} }

// Status returns the status of the named shop, or of all shops if name is "".
func (s *Store) Status(ctx context.Context, name string) ([]ShopStatus, error) {
	of := everyShop()
	if name != "" {
		of = selected(name)
	}
	list, err := s.status(ctx, of)
	if err != nil {
		return nil, err
	}
	return list, s.addStored(ctx, of, list)
}

// StatusOf is Overview for the named shops.
func (s *Store) StatusOf(ctx context.Context, names ...string) ([]ShopStatus, error) {
	if len(names) == 0 {
		return nil, nil
	}
	return s.status(ctx, selected(names...))
}

// Overview returns the status of all shops without what AddStored adds: in as many statements as
// for one shop, none of which reads what is stored.
func (s *Store) Overview(ctx context.Context) ([]ShopStatus, error) {
	return s.status(ctx, everyShop())
}

// AddStored adds to the status of all shops what is stored of each: WaitForPDF, WithoutOrder,
// ItemsStored and InvoicesStored. It takes as long as there are items and invoices.
func (s *Store) AddStored(ctx context.Context, all []ShopStatus) error {
	return s.addStored(ctx, everyShop(), all)
}

func (s *Store) addStored(ctx context.Context, of selection, list []ShopStatus) error {
	at := make(map[string]*ShopStatus, len(list))
	for i := range list {
		at[list[i].Shop.Shop] = &list[i]
	}
	for _, c := range storedCounts(of.in("s.shop")) {
		if err := s.count(ctx, c.query, of.args, at, c.put); err != nil {
			return fmt.Errorf("count what is stored: %w", err)
		}
	}
	return nil
}

func (s *Store) status(ctx context.Context, of selection) ([]ShopStatus, error) { //nolint:funlen,gocyclo // a sequence of reads
	db := s.db.WithContext(ctx)
	var progress []Progress
	where, ofShop, args := of.in("shop"), of.in("s.shop"), of.args
	shops, err := s.shopsWhere(ctx, where, args...)
	if err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	if err := db.Where(where, args...).Find(&progress).Error; err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	list := make([]ShopStatus, len(shops))
	at := make(map[string]*ShopStatus, len(shops))
	for i, shop := range shops {
		list[i].Shop = shop
		at[shop.Shop] = &list[i]
	}
	holds, err := s.holds(ctx, of)
	if err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	for _, p := range progress {
		if st := at[p.Shop]; st != nil {
			st.Progress = p
			st.Progress.Holds = holds[p.Shop]
		}
	}
	if err := s.holders(ctx, where, args, at); err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	var refused []RefusedCalls
	if err := db.Table("refused_calls").Where(where, args...).Find(&refused).Error; err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	for _, r := range refused {
		if st := at[r.Shop]; st != nil {
			st.Refused = r
		}
	}
	for _, c := range openCounts(where) {
		if err := s.count(ctx, c.query, args, at, c.put); err != nil {
			return nil, fmt.Errorf("read the status: %w", err)
		}
	}
	for _, to := range services {
		if err := s.accountCalls(ctx, to, of, at); err != nil {
			return nil, fmt.Errorf("read the status: %w", err)
		}
	}
	err = s.notices(ctx, "hints", "note", "open = 1 AND failures > 0", where, args, func(shop string, n Notice) {
		if st := at[shop]; st != nil {
			st.Failing = append(st.Failing, n)
		}
	})
	if err == nil {
		err = s.notices(ctx, "warnings", "warning", "1 = 1", where, args, func(shop string, n Notice) {
			if st := at[shop]; st != nil {
				st.Warnings = append(st.Warnings, n)
			}
		})
	}
	if err == nil {
		err = s.failingPDFs(ctx, ofShop, args, func(shop string, n Notice) {
			if st := at[shop]; st != nil {
				st.FailingPDFs = append(st.FailingPDFs, n)
			}
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	return list, nil
}

// holders sets the holder of each shop's lease.
func (s *Store) holders(ctx context.Context, where string, args []any, at map[string]*ShopStatus) error {
	rows, err := s.conn.QueryContext(ctx, "SELECT shop, holder FROM leases WHERE "+where, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var shop, holder string
		if err := rows.Scan(&shop, &holder); err != nil {
			return err
		}
		if st := at[shop]; st != nil {
			st.Holder = holder
		}
	}
	return rows.Err()
}

// shopCount is a statement that returns two numbers and a time of each shop, and where they go.
type shopCount struct {
	query string
	put   func(st *ShopStatus, n, failing int64, oldest time.Time)
}

// openCounts counts what is open of the shops that the condition selects.
func openCounts(where string) []shopCount {
	return []shopCount{
		// The batches first: a hint unpacked in between then counts twice and is not missed.
		{"SELECT shop, SUM(hints), 0, MIN(first_at) FROM hint_batches WHERE set_aside = 0 AND " + where + " GROUP BY shop",
			func(st *ShopStatus, n, _ int64, oldest time.Time) { st.OpenHints, st.OldestHint = n, oldest }},
		{"SELECT shop, COUNT(*), SUM(CASE WHEN failures > 0 THEN 1 ELSE 0 END), MIN(" + firstUnlessAwaiting + ") FROM hints WHERE open = 1 AND " + where + " GROUP BY shop",
			func(st *ShopStatus, n, failing int64, oldest time.Time) {
				st.OpenHints, st.FailingHints = st.OpenHints+n, failing
				if st.OldestHint.IsZero() || !oldest.IsZero() && oldest.Before(st.OldestHint) {
					st.OldestHint = oldest
				}
			}},
		{"SELECT shop, SUM(CASE WHEN reason = '" + string(plan.HintShort) + "' THEN 0 ELSE 1 END), SUM(CASE WHEN reason = '" + string(plan.HintShort) + "' THEN 1 ELSE 0 END), NULL" +
			" FROM hints WHERE open = 1 AND reason IN ('" + string(plan.HintAwaitsListing) + "', '" + string(plan.HintShort) + "') AND " + where + " GROUP BY shop",
			func(st *ShopStatus, awaiting, short int64, _ time.Time) {
				st.AwaitingHints, st.ShortHints = awaiting, short
			}},
		{"SELECT shop, COUNT(*), 0, MIN(first_at) FROM hint_batches WHERE set_aside = 1 AND " + where + " GROUP BY shop",
			func(st *ShopStatus, n, _ int64, first time.Time) { st.SetAside, st.SetAsideSince = n, first }},
		{"SELECT shop, SUM(hints - everything), 0, MIN(first_at) FROM hint_marks WHERE hints > everything AND " + where + " GROUP BY shop",
			func(st *ShopStatus, n, _ int64, first time.Time) { st.Marked, st.MarkedSince = n, first }},
		{"SELECT shop, SUM(everything), 0, MIN(first_at) FROM hint_marks WHERE everything > 0 AND " + where + " GROUP BY shop",
			func(st *ShopStatus, n, _ int64, first time.Time) { st.Everything, st.EverythingSince = n, first }},
	}
}

// storedCounts counts what is stored for the shops that the condition selects.
func storedCounts(ofShop string) []shopCount {
	return []shopCount{
		{"SELECT s.shop, COUNT(*), 0, NULL FROM shops s JOIN invoices i ON i.shop = s.dataset WHERE i.pdf_state = 'pending' AND i.work_due_at IS NOT NULL AND " + ofShop + " GROUP BY s.shop",
			func(st *ShopStatus, n, _ int64, _ time.Time) { st.WaitForPDF = n }},
		{"SELECT s.shop, COUNT(*), 0, NULL FROM shops s JOIN invoices i ON i.shop = s.dataset WHERE i.order_number = '' AND " + ofShop + " GROUP BY s.shop",
			func(st *ShopStatus, n, _ int64, _ time.Time) { st.WithoutOrder = n }},
		{"SELECT s.shop, COUNT(*), 0, NULL FROM progress s JOIN items i ON i.shop = s.items_dataset WHERE " + ofShop + " GROUP BY s.shop",
			func(st *ShopStatus, n, _ int64, _ time.Time) { st.ItemsStored = n }},
		{"SELECT s.shop, COUNT(*), 0, NULL FROM shops s JOIN invoices i ON i.shop = s.dataset WHERE " + ofShop + " GROUP BY s.shop",
			func(st *ShopStatus, n, _ int64, _ time.Time) { st.InvoicesStored = n }},
	}
}

// accountCalls sets how many calls to a service are booked for the account of each shop.
func (s *Store) accountCalls(ctx context.Context, to Service, of selection, at map[string]*ShopStatus) error {
	in := to.ledger()
	rows, err := s.conn.QueryContext(ctx, "SELECT p.shop, a.calls_day, a.calls, n.shops FROM progress p JOIN "+in.table+" a ON a."+in.account+" = p."+in.ofShop+
		" JOIN (SELECT "+in.ofShop+" AS account, COUNT(*) AS shops FROM progress WHERE "+in.ofShop+" > 0"+
		" AND "+in.ofShop+" IN (SELECT "+in.ofShop+" FROM progress WHERE "+of.in("shop")+") GROUP BY "+in.ofShop+") AS n ON n.account = p."+in.ofShop+
		" WHERE "+of.in("p.shop"), slices.Concat(of.args, of.args)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var shop string
		var c AccountCalls
		if err := rows.Scan(&shop, &c.Day, &c.Calls, &c.Shops); err != nil {
			return err
		}
		switch st := at[shop]; {
		case st == nil:
		case to == ServiceRackbeat:
			st.StockAccountCalls = c
		default:
			st.AgreementCalls = c
		}
	}
	return rows.Err()
}

// persistentTries is the number of failed tries from which the status shows a failure: some
// PDFs are not ready yet when their invoice is found.
const persistentTries = 3

// failingPDFs passes put the number of each shop's invoices whose lines or PDF have
// failed persistently, with the number and error of the first.
func (s *Store) failingPDFs(ctx context.Context, ofShop string, args []any, put func(shop string, n Notice)) error {
	rows, err := s.conn.QueryContext(ctx, "SELECT f.shop, f.failing, i.number, i.work_error FROM ("+
		"SELECT s.shop, s.dataset, COUNT(*) AS failing, MIN(i.number) AS number FROM shops s JOIN invoices i ON i.shop = s.dataset"+
		" WHERE s.invoices_on = 1 AND "+areUnfinished("i")+" AND i.work_due_at IS NOT NULL AND i.work_tries >= ? AND "+ofShop+" GROUP BY s.shop, s.dataset"+
		") AS f JOIN invoices i ON i.shop = f.dataset AND i.number = f.number", append([]any{persistentTries}, args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var shop string
		n := Notice{Kind: plan.KindInvoice}
		if err := rows.Scan(&shop, &n.Count, &n.Number, &n.Text); err != nil {
			return err
		}
		put(shop, n)
	}
	return rows.Err()
}

func (s *Store) count(ctx context.Context, query string, args []any, at map[string]*ShopStatus, put func(st *ShopStatus, n, failing int64, oldest time.Time)) error {
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var shop string
		var n, failing int64
		var oldest Time
		if err := rows.Scan(&shop, &n, &failing, &oldest); err != nil {
			return err
		}
		if st := at[shop]; st != nil {
			put(st, n, failing, oldest.Time)
		}
	}
	return rows.Err()
}

// AddCommandCalls adds calls to e-conomic that a command made for a shop on a day (UTC,
// YYYY-MM-DD). They have their own counter, since the shop's lagerd overwrites the other
// with its own count.
func (s *Store) AddCommandCalls(ctx context.Context, shop, day string, calls int) error {
	_, err := s.exec(ctx, "UPDATE progress SET command_calls = CASE WHEN command_calls_day = ? THEN command_calls + ? WHEN command_calls_day > ? THEN command_calls ELSE ? END,"+
		" command_calls_day = CASE WHEN command_calls_day > ? THEN command_calls_day ELSE ? END WHERE shop = ?", day, calls, day, calls, day, day, shop)
	if err != nil {
		return fmt.Errorf("add %d calls of %s: %w", calls, shop, err)
	}
	return nil
}

// SaveAgreementNumber stores the number of the agreement that a new shop's token is for.
// It keeps a number that is stored already.
func (s *Store) SaveAgreementNumber(ctx context.Context, shop string, agreement int64) error {
	_, err := s.exec(ctx, "UPDATE progress SET agreement_number = ? WHERE shop = ? AND agreement_number = 0", agreement, shop)
	if err != nil {
		return fmt.Errorf("save the agreement of %s: %w", shop, err)
	}
	return nil
}

// ShopsOf returns the names of the shops that have the agreement.
func (s *Store) ShopsOf(ctx context.Context, agreement int64) ([]string, error) {
	var names []string
	err := s.db.WithContext(ctx).Raw("SELECT shop FROM progress WHERE agreement_number = ? ORDER BY shop", agreement).Scan(&names).Error
	if err != nil {
		return nil, fmt.Errorf("read the shops of agreement %d: %w", agreement, err)
	}
	return names, nil
}
