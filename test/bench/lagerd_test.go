package bench_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/secret"
	"lagerd/store"
	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

const (
	first = lagerdtest.FirstAgreement
	code  = "code-of-the-benchmark-0123456789"
)

// never is a tick schedule for benchmarks without ticks.
const never = "reconcile: {schedule: \"0 0 29 2 *\"}\n"

// Counts of webhooks: those stored, each with another number, and those not answered yet.
const (
	storedWebhooks = "SELECT (SELECT COUNT(*) FROM hints) + (SELECT COALESCE(SUM(hints), 0) FROM hint_batches)"
	openHints      = "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM hints WHERE open = 1 LIMIT 1) AS h) + (SELECT COUNT(*) FROM hint_batches)"
)

// lagerd is a running daemon with its own database.
type lagerd struct {
	*lagerdtest.Installation
	b     *testing.B
	store *store.Store
	db    *sql.DB
	dsn   string // "" if the database is embedded
	keys  *secret.Keys
	out   *lagerdtest.Output
	proc  *lagerdtest.Process
}

// install prepares a lagerd without starting it: its database is migrated, and has shops for
// the given number of agreements.
func install(b *testing.B, embedded bool, sandbox string, shops int, extra string) *lagerd {
	b.Helper()
	setup := lagerdtest.Setup{REST: sandbox, Extra: "log: {level: warn}\n" + extra}
	if !embedded {
		setup.DSN = mariadbtest.New(b)
	}
	l := &lagerd{Installation: lagerdtest.Install(b, setup), b: b, dsn: setup.DSN, out: lagerdtest.NewOutput()}
	o := store.Options{DSN: setup.DSN}
	if embedded {
		o.Path = l.Path("lagerd.db")
	}
	var err error
	l.keys, err = secret.Load([]byte(lagerdtest.Key))
	must(b, err)
	l.store, err = store.Open(b.Context(), o)
	must(b, err)
	b.Cleanup(func() { _ = l.store.Close() })
	must(b, l.store.Migrate(b.Context()))
	l.db = l.Database()
	b.Cleanup(func() { _ = l.db.Close() })
	l.addShops(shops)
	return l
}

func shopName(n int) string { return fmt.Sprintf("shop%05d", n) }

// addShops adds shops for the first agreements, several at once.
func (l *lagerd) addShops(count int) {
	l.b.Helper()
	now := time.Now()
	next, failed := make(chan int), make(chan error, count)
	var adding sync.WaitGroup
	for range 4 {
		adding.Go(func() {
			for n := range next {
				grant, err := l.keys.Seal(secret.GrantToken, shopName(n), fmt.Sprint("sandbox-grant-", n+1))
				if err == nil {
					hash := l.keys.HashCode(shopName(n), code)
					err = l.store.AddShop(l.b.Context(), store.Shop{Shop: shopName(n), GrantToken: grant, StockOn: true, StockFigure: plan.FigureInStock,
						StockSource: store.SourceEconomic, InvoicesOn: true, InvoicesFromNumber: 1, OrderField: plan.OrderInOtherReference}, hash[:], now)
				}
				if err != nil {
					failed <- err
				}
			}
		})
	}
	for n := range count {
		next <- n
	}
	close(next)
	adding.Wait()
	close(failed)
	must(l.b, <-failed)
}

// start runs the daemon until it is ready and returns how long that took. It ends with the benchmark.
func (l *lagerd) start() time.Duration {
	l.b.Helper()
	began := time.Now()
	var err error
	l.proc, err = binary.Start(l.out, append(slices.Clone(l.Env), "LAGERD_ADMIN_PPROF=true"), "run")
	must(l.b, err)
	p := l.proc
	l.b.Cleanup(func() {
		if p.Running() {
			must(l.b, p.Kill())
		}
		if l.b.Failed() {
			l.b.Logf("last output of lagerd:\n%s", l.out.Tail(30))
		}
	})
	for {
		if l.Ready(l.b.Context()) {
			took := time.Since(began)
			l.profiled(p)
			return took
		}
		if !p.Running() {
			l.b.Fatalf("lagerd does not start:\n%s", l.out.Tail(30))
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// stop ends the daemon as an operator does.
func (l *lagerd) stop() {
	l.b.Helper()
	l.proc.Ordered.Store(true)
	must(l.b, l.proc.Signal(syscall.SIGTERM))
	<-l.proc.Exited
}

// sweep sweeps every shop now.
func (l *lagerd) sweep() { must(l.b, l.proc.Signal(syscall.SIGUSR2)) }

// await waits until a query returns this number.
func (l *lagerd) await(within time.Duration, want int, query string, args ...any) {
	l.b.Helper()
	l.awaitEvery(20*time.Millisecond, within, want, query, args...)
}

func (l *lagerd) awaitEvery(pause, within time.Duration, want int, query string, args ...any) {
	l.b.Helper()
	deadline := time.Now().Add(within)
	for {
		got, err := l.count(query, args...)
		if err == nil && got == want {
			return
		}
		if time.Now().After(deadline) {
			l.b.Fatalf("not within %s: %s %v is %d (%v), expected %d", within, query, args, got, err, want)
		}
		time.Sleep(pause)
	}
}

func (l *lagerd) count(query string, args ...any) (n int, err error) {
	ctx, cancel := context.WithTimeout(l.b.Context(), 10*time.Second)
	defer cancel()
	err = l.db.QueryRowContext(ctx, query, args...).Scan(&n)
	return n, err
}

// settled waits until no hint is open.
func (l *lagerd) settled() {
	l.b.Helper()
	l.await(2*time.Minute, 0, openHints)
}

// read waits until every shop has been read in full for the first time.
func (l *lagerd) read(shops int) {
	l.b.Helper()
	l.await(3*time.Minute, shops, "SELECT COUNT(*) FROM progress WHERE swept_at IS NOT NULL AND invoices_begun = 1")
	l.settled()
}

// exec runs the benchmark's own statement.
func (l *lagerd) exec(statement string, args ...any) {
	l.b.Helper()
	_, err := l.db.ExecContext(l.b.Context(), statement, args...)
	must(l.b, err)
}

// flushed waits until the database has written its dirty pages, so that the next measurement
// does not pay for earlier writes.
func (l *lagerd) flushed() {
	l.b.Helper()
	server, err := sql.Open("mysql", mariadbtest.Admin(l.b, l.dsn))
	must(l.b, err)
	defer server.Close()
	set := func(variable, to string) {
		l.b.Helper()
		_, err := server.ExecContext(l.b.Context(), "SET GLOBAL "+variable+" = "+to)
		must(l.b, err)
	}
	// In this order, since the server lowers a capacity above its maximum.
	for _, to := range [][2]string{{"innodb_io_capacity_max", "40000"}, {"innodb_io_capacity", "20000"}, {"innodb_max_dirty_pages_pct", "0"}} {
		var before string
		must(l.b, server.QueryRowContext(l.b.Context(), "SELECT @@GLOBAL."+to[0]).Scan(&before))
		set(to[0], to[1])
		defer set(to[0], before)
	}
	lagerdtest.Eventually(l.b, time.Minute, "the database has written its pages", func() bool {
		var name string
		var dirty int
		must(l.b, l.db.QueryRowContext(l.b.Context(), "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'").Scan(&name, &dirty))
		return dirty < 50
	})
}

// peak returns the process's largest resident set so far, in MiB.
func (l *lagerd) peak() float64 {
	l.b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.proc.Pid()))
	must(l.b, err)
	for line := range strings.Lines(string(raw)) {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			kB, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
			must(l.b, err)
			return kB / 1024
		}
	}
	l.b.Fatal("the process has no VmHWM")
	return 0
}
