package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Service is a service whose calls are booked.
type Service string

// The services, each of which numbers its accounts itself.
const (
	ServiceEconomic Service = "e-conomic" // its accounts are agreements
	ServiceRackbeat Service = "Rackbeat"
)

var services = []Service{ServiceEconomic, ServiceRackbeat}

// ledger is where the calls to a service's accounts are booked.
type ledger struct {
	table   string
	account string // its column with the number of the account
	ofShop  string // the column of progress with the account of a shop; 0: it has none
}

func (s Service) ledger() ledger {
	if s == ServiceRackbeat {
		return ledger{"rackbeat_calls", "account", "stock_account"}
	}
	return ledger{"agreement_calls", "agreement_number", "agreement_number"}
}

// ErrAccountHeld is returned when another lagerd works on the agreement of a shop, or on its
// account at Rackbeat: it is to take the shop, too, since it knows what that still allows.
var ErrAccountHeld = errors.New("another lagerd works on the shop's agreement or Rackbeat account")

// CallBooking books calls for an account before they are made.
type CallBooking struct {
	Account int64
	Day     string // UTC date of the calls
	Calls   int    // how many
	Most    int    // on Day: no more are granted
	Made    int    // made on Day before, if none were ever booked
}

// BookedCalls is the result of a CallBooking.
type BookedCalls struct {
	Day     string        // UTC date of the calls: later than requested if another clock is ahead
	Calls   int           // booked on Day so far, by anybody
	Granted int           // of those, by this booking
	Blocked time.Duration // until when the service takes no calls, from now
	Held    bool          // another lagerd works on the account: nothing was booked

	BlockedUntil time.Time // as it is stored; zero: the service takes calls
}

// BookCalls books calls to a service for the instance, at most one booking per account, and
// returns the result by account. The instance becomes the one that works on the accounts, except
// where another one does that and holds the lease of any of the account's shops. With no
// instance, as for a command, it books in any case. After a crash, or a commit whose answer was
// lost, calls may be booked that nobody makes.
func (s *Store) BookCalls(ctx context.Context, to Service, instance string, list []CallBooking, now time.Time) (map[int64]BookedCalls, error) {
	list = slices.SortedFunc(slices.Values(list), byAccount)
	all := make(map[int64]BookedCalls, len(list))
	for chunk := range slices.Chunk(list, rowsPerStatement) {
		if err := s.bookCalls(ctx, to, instance, chunk, now, all); err != nil {
			return nil, fmt.Errorf("book calls of %d accounts to %s: %w", len(chunk), to, err)
		}
	}
	return all, nil
}

func byAccount(a, b CallBooking) int { return cmp.Compare(a.Account, b.Account) }

func (s *Store) bookCalls(ctx context.Context, to Service, instance string, list []CallBooking, now time.Time, all map[int64]BookedCalls) error {
	in := to.ledger()
	var rows, calls, numbers []any
	latest := "" // a later day was booked by a clock that was wrong: it would stop all calls until then
	for _, b := range list {
		latest = max(latest, dayAfter(b.Day))
		rows = append(rows, b.Account, b.Day, b.Made)
		calls = append(calls, b.Account, b.Calls)
		numbers = append(numbers, b.Account)
	}
	_, err := s.exec(ctx, "INSERT INTO "+in.table+" ("+in.account+", calls_day, calls) VALUES "+placeholders(len(list), 3)+
		s.dialect.onConflict(in.account,
			"calls = CASE WHEN calls_day < new.calls_day OR calls_day > ? THEN 0 ELSE calls END",
			"calls_day = CASE WHEN calls_day < new.calls_day OR calls_day > ? THEN new.calls_day ELSE calls_day END"), append(rows, latest, latest)...)
	if err != nil {
		return err
	}
	set, where, args := "", "", slices.Concat(calls, numbers)
	if instance != "" {
		set = ", holder = ?"
		where = " AND (holder = ? OR NOT EXISTS (SELECT 1 FROM progress p JOIN leases l ON l.shop = p.shop" +
			" WHERE p." + in.ofShop + " = " + in.table + "." + in.account + " AND l.holder <> '' AND l.holder = " + in.table + ".holder))"
		args = slices.Concat(calls, []any{instance}, numbers, []any{instance})
	}
	_, err = s.exec(ctx, "UPDATE "+in.table+" SET calls = calls + CASE "+in.account+strings.Repeat(" WHEN ? THEN ?", len(list))+" ELSE 0 END"+set+
		" WHERE "+in.account+" IN "+placeholders(1, len(list))+where, args...)
	if err != nil {
		return err
	}
	if err := s.readBooked(ctx, in, instance, list, now, all); err != nil {
		return err
	}
	var beyond []CallBooking // what was booked and not granted
	for _, b := range list {
		got := all[b.Account]
		if more := b.Calls - got.Granted; more > 0 && !got.Held {
			got.Calls -= more
			all[b.Account] = got
			beyond = append(beyond, CallBooking{Account: b.Account, Day: got.Day, Calls: more})
		}
	}
	if len(beyond) > 0 {
		_ = s.ReturnCalls(ctx, to, beyond) // otherwise they count as made
	}
	return nil
}

// dayAfter returns the day (YYYY-MM-DD) after a day.
func dayAfter(day string) string {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return at.AddDate(0, 0, 1).Format(time.DateOnly)
}

// readBooked reads the results of bookings that have been written.
func (s *Store) readBooked(ctx context.Context, in ledger, instance string, list []CallBooking, now time.Time, all map[int64]BookedCalls) error {
	wanted, numbers := map[int64]CallBooking{}, []any(nil)
	for _, b := range list {
		wanted[b.Account], numbers = b, append(numbers, b.Account)
	}
	clock, args := s.clock(now)
	rows, err := s.conn.QueryContext(ctx, "SELECT "+in.account+", holder, calls_day, calls, blocked_until, blocked_for_us, "+clock+
		" FROM "+in.table+" WHERE "+in.account+" IN "+placeholders(1, len(list)), append(args, numbers...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var account int64
		var holder string
		var b BookedCalls
		var block block
		if err := rows.Scan(&account, &holder, &b.Day, &b.Calls, &block.until, &block.forUS, &block.now); err != nil {
			return err
		}
		b.Blocked, b.BlockedUntil = block.left(), block.until.Time
		if b.Held = instance != "" && holder != instance; !b.Held {
			w := wanted[account]
			b.Granted = w.Calls - min(max(b.Calls-w.Most, 0), w.Calls)
		}
		all[account] = b
	}
	return rows.Err()
}

// CallsBooked returns what is booked for an account, and until when the service takes no calls to
// it, without booking any.
func (s *Store) CallsBooked(ctx context.Context, to Service, account int64, now time.Time) (BookedCalls, error) {
	all := map[int64]BookedCalls{}
	if err := s.readBooked(ctx, to.ledger(), "", []CallBooking{{Account: account}}, now, all); err != nil {
		return BookedCalls{}, fmt.Errorf("read the calls booked to %s for account %d: %w", to, account, err)
	}
	return all[account], nil
}

// ReturnCalls returns booked calls that were not made on their day; below 0, it adds those that
// were made and not booked. It has at most one entry per account. It is tried once: if its
// answer was lost, and it were repeated, calls that were made would count as returned.
func (s *Store) ReturnCalls(ctx context.Context, to Service, list []CallBooking) error {
	in := to.ledger()
	list = slices.SortedFunc(slices.Values(list), byAccount)
	for chunk := range slices.Chunk(list, rowsPerStatement) {
		var calls, days, numbers []any
		for _, b := range chunk {
			calls = append(calls, b.Account, b.Calls)
			days = append(days, b.Account, b.Day)
			numbers = append(numbers, b.Account)
		}
		cases := strings.Repeat(" WHEN ? THEN ?", len(chunk)) + " END"
		_, err := s.conn.ExecContext(ctx, "UPDATE "+in.table+" SET calls = calls - CASE "+in.account+cases+
			" WHERE "+in.account+" IN "+placeholders(1, len(chunk))+" AND calls_day = CASE "+in.account+cases, slices.Concat(calls, numbers, days)...)
		if err != nil {
			return fmt.Errorf("return calls of %d accounts to %s: %w", len(chunk), to, err)
		}
	}
	return nil
}

// clock returns an expression for the time by the database's clock. For the embedded database
// that is now: one machine uses it.
func (s *Store) clock(now time.Time) (expression string, args []any) {
	if s.dialect.isSQLite() {
		return "?", []any{At(now)}
	}
	return "UTC_TIMESTAMP(6)", nil
}

// block is until when a service takes no calls to an account.
type block struct {
	until, now Time
	forUS      int64
}

// left returns how long it still lasts: no longer than the service said, wherever a clock is set
// to.
func (b block) left() time.Duration {
	if b.until.IsZero() {
		return 0
	}
	return min(max(b.until.Sub(b.now.Time), 0), time.Duration(b.forUS)*time.Microsecond)
}

// BlockCalls stores that a service takes no calls to an account for some time. at is until when,
// as it is read again; zero if it is by the database's clock.
func (s *Store) BlockCalls(ctx context.Context, to Service, account int64, lasts time.Duration, now time.Time) (at time.Time, err error) {
	in, us := to.ledger(), lasts.Microseconds()
	until, args := "UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND", []any{us}
	if s.dialect.isSQLite() {
		at = now.Add(lasts).UTC().Truncate(time.Microsecond)
		until, args = "?", []any{At(at)}
	}
	_, err = s.exec(ctx, "INSERT INTO "+in.table+" ("+in.account+", blocked_until, blocked_for_us) VALUES (?, "+until+", ?)"+
		s.dialect.onConflict(in.account,
			"blocked_for_us = CASE WHEN blocked_until IS NULL OR blocked_until < new.blocked_until THEN new.blocked_for_us ELSE blocked_for_us END",
			"blocked_until = CASE WHEN blocked_until IS NULL OR blocked_until < new.blocked_until THEN new.blocked_until ELSE blocked_until END"),
		slices.Concat([]any{account}, args, []any{us})...)
	if err != nil {
		return time.Time{}, fmt.Errorf("store until when %s takes no calls to account %d: %w", to, account, err)
	}
	return at, nil
}

// SharedAccount is a shop with an account that other shops have, too.
type SharedAccount struct {
	Service Service
	Account int64
	Shop    string
	Holder  string // the lagerd that works on the account, or last did; "": none yet
}

// SharedAccounts returns the shops that share an account with others, once for each such account,
// by service, account and shop.
func (s *Store) SharedAccounts(ctx context.Context) ([]SharedAccount, error) {
	fail := func(err error) ([]SharedAccount, error) {
		return nil, fmt.Errorf("read which shops share an agreement or account: %w", err)
	}
	var parts []string
	for n, to := range services {
		in := to.ledger()
		parts = append(parts, fmt.Sprintf("SELECT %d AS service, p.%[2]s AS account, p.shop AS shop, COALESCE(a.holder, '') AS holder FROM progress p"+
			" JOIN (SELECT %[2]s FROM progress WHERE %[2]s > 0 GROUP BY %[2]s HAVING COUNT(*) > 1) AS shared ON shared.%[2]s = p.%[2]s"+
			" LEFT JOIN %[3]s a ON a.%[4]s = p.%[2]s", n, in.ofShop, in.table, in.account))
	}
	rows, err := s.conn.QueryContext(ctx, strings.Join(parts, " UNION ALL ")+" ORDER BY service, account, shop")
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	var list []SharedAccount
	for rows.Next() {
		var a SharedAccount
		var n int
		if err := rows.Scan(&n, &a.Account, &a.Shop, &a.Holder); err != nil {
			return fail(err)
		}
		a.Service = services[n]
		list = append(list, a)
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return list, nil
}
