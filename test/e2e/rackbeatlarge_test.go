package e2e_test

import (
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

var (
	largeItems = flag.Int("large.items", 50_000, "items of an account in TestLargeRackbeat")
	largeFor   = flag.Duration("large.for", 0, "how long TestLargeRackbeat measures without webhooks, and as long with; 0: it is skipped")
)

const (
	largeCalls  = 60 // a minute
	largeOldest = 100 * time.Second
	largeFresh  = 2 * time.Second
	largeMemory = 80.0 // MiB
	largeAnswer = "250ms"

	largeSilent  = time.Second     // between two trades without a webhook, in each account
	largeHinted  = 6 * time.Second // between two with one, on average
	largeAllRead = 5 * time.Minute
)

// TestLargeRackbeat measures how old a figure of a large account becomes at the default pace,
// without webhooks and then with ten a minute at random moments, each service answering in 250 ms.
// Four accounts in one lagerd give four times the webhooks for their p99; what one needs is
// measured by itself. With places a listing takes twice the calls, and the report is read whole for the
// first page of items, since it comes the other way round.
func TestLargeRackbeat(t *testing.T) { //nolint:tparallel // beside others it would measure them
	if *largeFor == 0 {
		t.Skip("NOT TESTED: a large account at Rackbeat: -large.for is not set (`make rackbeat-large` sets it)")
	}
	for _, c := range []struct {
		name     string
		accounts int
		embedded bool
		places   string
	}{{"one on MariaDB", 1, false, ""}, {"one on SQLite", 1, true, ""}, {"four on MariaDB", 4, false, ""}, {"one with places on SQLite", 1, true, "4,1"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dsn := ""
			if !c.embedded {
				dsn = mariadbtest.New(t)
			}
			measureLarge(t, c.accounts, dsn, c.places)
		})
	}
}

func measureLarge(t *testing.T, accounts int, dsn, places string) {
	t.Helper()
	s := atRackbeat(t, accounts, fmt.Sprint("--products=", *largeItems), "--seed=3")
	i := &installation{Installation: lagerdtest.Install(t, lagerdtest.Setup{DSN: dsn, REST: s.URL, RackbeatCalls: largeCalls}), t: t}
	i.Lagerd, i.dir = binary.Command(t), i.Dir
	i.start()
	l := &large{t: t, s: s, i: i, numbers: make([][]string, accounts), oldest: largeOldest}
	for n := range accounts {
		at, err := s.RackbeatTruth(first + n)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range at.Items {
			if item.Enabled {
				l.numbers[n] = append(l.numbers[n], item.Number)
			}
		}
		rand.Shuffle(len(l.numbers[n]), func(a, b int) { l.numbers[n][a], l.numbers[n][b] = l.numbers[n][b], l.numbers[n][a] })
	}
	slow := map[string]any{"slow": largeAnswer, "slowProbability": 1}
	s.send(http.MethodPut, "/sandbox/faults", slow, nil)
	add := []string{"--invoices-from", "1"}
	if places != "" {
		slow["checkingOrder"] = "backwards"
		add = append(add, "--places", places)
		l.oldest *= 3 // twice the calls; a figure on the last page is as old as the report, read first
	}
	s.send(http.MethodPut, "/sandbox/rackbeat/faults", slow, nil)
	began := time.Now()
	for n := range accounts {
		i.addRackbeatShop(s, shopOf(n), first+n, add...)
	}
	db := i.database()
	defer db.Close()
	lagerdtest.Eventually(t, largeAllRead, "all items are read", func() bool {
		var read int
		return db.QueryRow("SELECT COUNT(*) FROM progress WHERE swept_at IS NOT NULL").Scan(&read) == nil && read == accounts
	})
	t.Logf("all items were read within %s", time.Since(began).Round(time.Second))
	l.judge(db, "without webhooks", l.trade(false))
	l.judge(db, "with webhooks", l.trade(true))
	for _, of := range s.stats() {
		t.Logf("agreement %d: at most %d calls within 60 s; in all %v", of.Agreement, of.Rackbeat.Busiest, of.Rackbeat.Calls)
		if of.Rackbeat.Busiest > largeCalls || of.Rackbeat.Limited > 0 {
			t.Errorf("expected at most %d", largeCalls)
		}
	}
	if accounts == 1 {
		(&flood{t: t, i: i, most: largeMemory}).peak("of one large account")
	}
	for n := range accounts {
		i.equalAtRackbeat(s, shopOf(n), first+n, places, l.oldest)
	}
	readOnly(t, s)
}

// large are the accounts of a measurement.
type large struct {
	t       *testing.T
	s       *sandbox
	i       *installation
	numbers [][]string   // of each account's items that are not traded yet, in random order
	made    atomic.Int64 // trades so far
	since   time.Time    // when the last trade began
	oldest  time.Duration
}

// trade changes random items of all accounts for a while, one after the other without their
// webhooks and, if hints is true, others with theirs.
func (l *large) trade(hints bool) (all []traded) {
	l.t.Helper()
	began := time.Now()
	l.since = began
	end := began.Add(*largeFor)
	var mu sync.Mutex
	var trading sync.WaitGroup
	for n := range l.numbers {
		trading.Go(func() {
			silent, hinted := began.Add(time.Duration(rand.Int64N(int64(largeSilent)))), end.Add(time.Hour)
			if hints {
				hinted = began.Add(randomly(largeHinted))
			}
			for silent.Before(end) && !l.t.Failed() {
				var made traded
				if hinted.Before(silent) {
					time.Sleep(time.Until(hinted))
					made, hinted = l.change(n, true), hinted.Add(randomly(largeHinted))
				} else {
					time.Sleep(time.Until(silent))
					made, silent = l.change(n, false), silent.Add(largeSilent)
				}
				mu.Lock()
				all = append(all, made)
				mu.Unlock()
			}
		})
	}
	trading.Wait()
	return all
}

// change changes an item of an account.
func (l *large) change(n int, hinted bool) traded {
	suppress := 1
	if hinted {
		suppress = 0
	}
	err := l.s.Send(http.MethodPut, fmt.Sprintf("/sandbox/agreements/%d/rackbeat/faults", first+n), map[string]any{"suppress": suppress}, nil)
	made := traded{shop: shopOf(n), number: l.numbers[n][0], stock: 10_000 + l.made.Add(1), hinted: hinted, at: time.Now()}
	l.numbers[n] = l.numbers[n][1:] // another trade of it could hide this one
	if err == nil {
		err = l.s.Post(first+n, "rackbeat/adjust", map[string]any{"number": made.number, "inStock": made.stock}, nil)
	}
	if err != nil {
		l.t.Error(err)
	}
	return made
}

// judge compares how old the figures became with what is expected.
func (l *large) judge(db *sql.DB, when string, trades []traded) {
	l.t.Helper()
	if l.t.Failed() {
		l.t.FailNow()
	}
	var silent, hinted []time.Duration
	var slowest traded
	ages := awaitAges(l.t, db, trades, l.since, 3*l.oldest)
	for made, age := range ages {
		if made.hinted {
			hinted = append(hinted, age)
			if age > ages[slowest] {
				slowest = made
			}
		} else {
			silent = append(silent, age)
		}
	}
	l.t.Logf("%s, %d accounts: those without a webhook %s; those with one %s", when, len(l.numbers), tails(silent), tails(hinted))
	if oldest := quantileOf(silent, 1); oldest > l.oldest {
		l.t.Errorf("%s: a figure was %s old, expected at most %s", when, oldest, l.oldest)
	}
	if p99 := quantileOf(hinted, 0.99); p99 >= largeFresh {
		l.t.Errorf("%s: figures with a webhook were stored within %s (p99), expected less than %s; the slowest:\n%s", when, p99, largeFresh, l.i.command("why", slowest.shop, slowest.number))
	}
}
