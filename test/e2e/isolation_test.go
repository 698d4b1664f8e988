package e2e_test

import (
	"database/sql"
	"flag"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

var (
	isolationShops = flag.Int("isolation.shops", 60, "healthy shops of TestIsolation")
	isolationTicks = flag.Int("isolation.ticks", 7, "ticks of TestIsolation with a hung shop, and as many without")
)

const (
	hangs    = 60 * time.Second // how long a hung agreement's answer takes
	workers  = 16
	manyHung = 20      // more than the workers
	changing = "00001" // the item whose stock changes before each tick
)

// TestIsolation checks that shops are not stopped by an agreement that hangs on every call, nor
// by more of them than there are workers. The duration of the ticks is logged, not asserted.
func TestIsolation(t *testing.T) {
	shops := *isolationShops
	s := startSandbox(t, fmt.Sprintf("--agreements=%d", shops+manyHung), "--products=50")
	// Only signals cause work.
	i := install(t, s, mariadbtest.New(t), fmt.Sprintf("reconcile: {schedule: \"0 0 1 1 *\", workers: %d, retry_min: 200ms, retry_max: 1s}\n", workers))
	i.Env = append(i.Env, fmt.Sprint("LAGERD_ECONOMIC_TIMEOUT=", hangs+30*time.Second), "LAGERD_LOG_LEVEL=warn")
	i.start()
	began := time.Now()
	i.addShops(shops + manyHung)
	t.Logf("%d shops were added in %s", shops+manyHung, time.Since(began).Round(time.Millisecond))
	db := i.database()
	defer db.Close()
	lagerdtest.Eventually(t, 5*time.Minute, "the first tick of every shop", func() bool {
		var n int
		err := db.QueryRow("SELECT COUNT(*) FROM progress WHERE tick_at IS NOT NULL").Scan(&n)
		return err == nil && n == shops+manyHung
	})
	t.Logf("all were first read within %s", time.Since(began).Round(time.Millisecond))

	tick := func(what string, healthy int) time.Duration {
		t.Helper()
		time.Sleep(300 * time.Millisecond) // lets the last one finish its work
		took := i.tickOf(s, db, healthy)
		if took == 0 {
			t.Fatalf("%s: a tick of the healthy shops did not finish before the hung ones gave up", what)
		}
		return took
	}
	var without, with []time.Duration
	for range *isolationTicks {
		without = append(without, tick("none hangs", shops))
		s.hang(first+shops, true)
		with = append(with, tick("one hangs", shops))
		s.hang(first+shops, false)
	}
	t.Logf("%d healthy shops, %d others answer:               %s", shops, manyHung, spread(without))
	t.Logf("%d healthy shops, %d others answer and one hangs: %s", shops, manyHung-1, spread(with))
	t.Logf("ratio of the medians: %.3f", float64(median(with))/float64(median(without)))

	for n := range manyHung {
		s.hang(first+shops+n, true)
		s.post(first+shops+n, "restock", map[string]any{"number": changing, "quantity": 1000})
	}
	var many []time.Duration
	for range 3 {
		many = append(many, tick("20 hang", shops))
	}
	t.Logf("%d healthy shops, %d others hang, %d workers: %s one after the other", shops, manyHung, workers, many)
	for n := range manyHung {
		if len(i.differences(s, shopOf(shops+n), first+shops+n)) != 1 {
			t.Errorf("%s does not hang", shopOf(shops+n))
		}
	}

	// The hung ones recover as soon as they answer.
	for n := range manyHung {
		s.hang(first+shops+n, false)
	}
	t.Logf("all %d answer again: %s", shops+manyHung, tick("all answer again", shops+manyHung))
	for _, n := range []int{0, shops - 1, shops, shops + manyHung - 1} {
		i.equal(s, shopOf(n), first+n, 10*time.Second)
	}
}

func shopOf(n int) string { return fmt.Sprintf("shop%04d", n) }

// addShops adds shops for the first agreements, without webhooks. A command
// takes a process, so several run at once.
func (i *installation) addShops(count int) {
	i.t.Helper()
	next := make(chan int)
	var adding sync.WaitGroup
	for range 8 {
		adding.Go(func() {
			for n := range next {
				if out, code := run(i.t, i.Env, "", "shops", "add", shopOf(n), "--offline", "--grant-token-file", filepath.Join(i.dir, shopOf(n))); code != 0 {
					i.t.Errorf("shops add %s: exit %d\n%s", shopOf(n), code, out)
				}
			}
		})
	}
	for n := range count {
		i.write(shopOf(n), grant(first+n))
		next <- n
	}
	close(next)
	adding.Wait()
	if i.t.Failed() {
		i.t.FailNow()
	}
	i.ReadAll()
}

func (s *sandbox) hang(agreement int, on bool) {
	s.t.Helper()
	howLong := "0s"
	if on {
		howLong = hangs.String()
	}
	s.fault(agreement, map[string]any{"hang": howLong})
}

// fault sets faults of one agreement; nil removes them all.
func (s *sandbox) fault(agreement int, faults map[string]any) {
	s.t.Helper()
	method := http.MethodPut
	if faults == nil {
		method = http.MethodDelete
	}
	s.send(method, fmt.Sprintf("/sandbox/agreements/%d/faults", agreement), faults, nil)
}

// tickOf changes an item of each of the first shops, requests a tick, and returns the time
// until the last change was stored; 0 if the hanging shops gave up first.
func (i *installation) tickOf(s *sandbox, db *sql.DB, shops int) time.Duration {
	i.t.Helper()
	for n := range shops {
		s.post(first+n, "restock", map[string]any{"number": changing, "quantity": 1000})
	}
	began := time.Now().UTC()
	i.daemon.signal(syscall.SIGUSR1)
	for time.Since(began) < hangs-10*time.Second {
		var stored int
		var last sql.NullTime
		err := db.QueryRow("SELECT COUNT(DISTINCT shop), MAX(committed_at) FROM changes WHERE number = ? AND shop < ? AND committed_at >= ?",
			changing, shopOf(shops), began.Format("2006-01-02 15:04:05.000000")).Scan(&stored, &last)
		if err != nil {
			i.t.Fatal(err)
		}
		if stored == shops {
			return last.Time.Sub(began)
		}
		time.Sleep(50 * time.Millisecond) // rarely, so as not to slow down what is measured
	}
	return 0
}

func median(list []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

func spread(list []time.Duration) string {
	return fmt.Sprintf("min %s, median %s, max %s", slices.Min(list).Round(time.Millisecond), median(list).Round(time.Millisecond), slices.Max(list).Round(time.Millisecond))
}

// TestIsolationOfAnItem checks that an unreadable item becomes a failing hint with its error,
// and that all other items of its shop are up to date.
func TestIsolationOfAnItem(t *testing.T) {
	databases(t, func(t *testing.T, dsn string) {
		s := startSandbox(t, "--agreements=1", "--products=60")
		i := install(t, s, dsn, pace)
		i.start()
		i.addShop(s, "shop1234", first, "--invoices-from", "1")
		settled(t, i, s, "shop1234", first)
		s.fault(first, map[string]any{"poison": []string{changing}})
		for range 3 {
			s.post(first, "trade", map[string]int{"count": 20})
			s.post(first, "restock", map[string]any{"number": changing, "quantity": 1000})
		}
		began := time.Now()
		lagerdtest.Eventually(t, 20*time.Second, "all other items are true", func() bool {
			diff := i.differences(s, "shop1234", first)
			return len(diff) == 1 && strings.HasPrefix(diff[0], fmt.Sprintf("item %q: stock", changing))
		})
		t.Logf("all others were equal after %s", time.Since(began).Round(10*time.Millisecond))
		db := i.database()
		defer db.Close()
		lagerdtest.Eventually(t, 10*time.Second, "the item is an open hint that fails", func() bool {
			var open bool
			var failures int
			var note string
			err := db.QueryRow("SELECT open, failures, note FROM hints WHERE shop = 'shop1234' AND kind = 'stock' AND number = ?", changing).Scan(&open, &failures, &note)
			return err == nil && open && failures > 0 && note != ""
		})
		if st := i.status("shop1234"); st.FailingHints != 1 || st.State == "held" {
			t.Errorf("status: %+v", st)
		}
		if why := i.command("why", "shop1234", changing); !strings.Contains(why, "500") {
			t.Errorf("why does not show the error:\n%s", why)
		}
		s.fault(first, nil)
		i.equal(s, "shop1234", first, 10*time.Second)
		lagerdtest.Eventually(t, 10*time.Second, "no hint is left open", func() bool { return i.status("shop1234").OpenHints == 0 })
	})
}

// TestIsolationOfARefusedShop checks that a shop whose grant is refused affects no other, and
// resumes automatically when the grant works again.
func TestIsolationOfARefusedShop(t *testing.T) {
	databases(t, func(t *testing.T, dsn string) {
		s := startSandbox(t, "--agreements=2", "--products=30", "--lose=1")
		i := install(t, s, dsn, pace)
		i.start()
		for n := range 2 {
			i.addShop(s, shopOf(n), first+n, "--invoices-from", "1")
			settled(t, i, s, shopOf(n), first+n)
		}
		s.post(first, "tokens", map[string]any{"refuse": true})
		lagerdtest.Eventually(t, 10*time.Second, "the shop is held", func() bool { return i.status(shopOf(0)).Held == "token_refused" })
		for n := range 2 {
			s.post(first+n, "trade", map[string]int{"count": 20})
		}
		i.equal(s, shopOf(1), first+1, 10*time.Second)
		if st := i.status(shopOf(0)); st.Held != "token_refused" {
			t.Errorf("the refused shop: %+v", st)
		}
		s.post(first, "tokens", map[string]any{"refuse": false})
		i.equal(s, shopOf(0), first, 15*time.Second)
		lagerdtest.Eventually(t, 10*time.Second, "the shop runs", func() bool { return i.status(shopOf(0)).State == "running" })
	})
}
