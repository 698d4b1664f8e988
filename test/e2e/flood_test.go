package e2e_test

import (
	"bufio"
	"database/sql"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
)

var (
	floodWebhooks = flag.Int("flood.webhooks", 30_000, "webhooks of unknown numbers in TestFlood")
	floodItems    = flag.Int("flood.items", 3_000, "items of the shop of TestFloodOfStored")
	floodWidth    = flag.Int("flood.connections", 64, "connections that send them; in TestFloodOfConnections 1500 at least")
	floodDay      = flag.Duration("flood.day", 15*time.Second, "how long TestFloodOfADay lasts")
	floodFor      = flag.Duration("flood.for", 10*time.Second, "how long TestFloodOfConnections lasts")
)

const (
	floodMemory    = 256.0 // MiB, the most that lagerd may take
	floodAnswered  = 250 * time.Millisecond
	floodFresh     = 2 * time.Second
	floodNeighbors = 3
)

// TestFlood sends webhooks of numbers that do not exist with one shop's good code, in the middle
// of which the process is killed, under a limit on its memory where the machine enforces one. The other shops' webhooks are answered, and their changes
// stored, as fast as ever; what was real in the flood is stored in the end.
func TestFlood(t *testing.T) {
	databases(t, func(t *testing.T, dsn string) {
		s := startSandbox(t, fmt.Sprint("--agreements=", 1+floodNeighbors), "--products=60")
		i := install(t, s, dsn, pace+floodLease)
		limit := limitMemory(t, floodMemory*patience)
		i.start()
		limit.hold(t, i.daemon.Pid())
		codes := floodedShops(t, i, s)
		s.send(http.MethodPut, fmt.Sprintf("/sandbox/agreements/%d/faults", first), map[string]any{"lose": 1}, nil) // the flooded shop's own webhooks
		f := &flood{t: t, i: i, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: *floodWidth}, Timeout: 30 * time.Second}, most: floodMemory, restarts: true}
		db := i.database()
		defer db.Close()
		began := time.Now().UTC()
		neighbors := f.neighbors(s, codes, numbersOf(t, db, shopOf(1)))
		for half := range 2 {
			// One item in the middle is real.
			number := fmt.Sprint("real", half)
			s.post(first, "create", map[string]any{"number": number, "name": number, "inStock": 7 + half})
			f.send(codes[0], half**floodWebhooks/2, (half+1)**floodWebhooks/2, number)
			f.peak("while it lasts")
			if half == 0 {
				f.died = time.Now().UTC()
				i.daemon.kill()
				i.start()
				limit.hold(t, i.daemon.Pid())
				lagerdtest.Eventually(t, time.Minute, "the leases of the killed process have run out", func() bool { return i.Metric(t.Context(), "lagerd_leases") == 1+floodNeighbors })
				f.back = time.Now().UTC()
			}
		}
		latencies := neighbors()
		f.peak("after the restart")
		t.Logf("%d webhooks of unknown numbers in %s, %d answered with success", *floodWebhooks, time.Since(began).Round(time.Millisecond), f.accepted.Load())

		answered, fresh := quantileOf(latencies, 0.99), quantileOf(f.freshness(db, began), 0.99)
		t.Logf("the others' %d webhooks were answered within %s (p99), their changes stored within %s (p99)", len(latencies), answered, fresh)
		if len(latencies) == 0 || answered > floodAnswered*patience || fresh > floodFresh*patience {
			t.Errorf("expected at most %s and %s", floodAnswered*patience, floodFresh*patience)
		}
		var batches, marks, open int
		for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(time.Second) {
			err := db.QueryRow("SELECT (SELECT COUNT(*) FROM hint_batches), (SELECT COUNT(*) FROM hint_marks), (SELECT COUNT(*) FROM hints WHERE open = 1)").Scan(&batches, &marks, &open)
			if err == nil && batches+marks+open == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d batches, %d marks and %d open hints are left of the flood, %v", batches, marks, open, err)
			}
		}
		for n := range codes {
			i.equal(s, shopOf(n), first+n, 20*time.Second)
		}
		f.peak("at the end")
	})
}

// TestFloodOfADay sends thirty webhooks of unknown numbers a second, which would soon spend a day's
// calls if each number was asked for: within a minute or two, scaled to 2,000 calls. Few are, and
// ticks still find what has changed, and new invoices with their PDFs.
func TestFloodOfADay(t *testing.T) {
	const dailyCalls, a = 2000, 30
	databases(t, func(t *testing.T, dsn string) {
		s := startSandbox(t, "--products=60")
		i := &installation{Installation: lagerdtest.Install(t, lagerdtest.Setup{DSN: dsn, REST: s.URL, Timeout: 5 * time.Second, DailyCalls: dailyCalls, Extra: pace}), t: t}
		i.Lagerd, i.dir = binary.Command(t), i.Dir
		i.start()
		code := i.addShop(s, shopOf(0), first, "--invoices-from", "1")
		settled(t, i, s, shopOf(0), first)
		db := i.database()
		defer db.Close()
		item := numbersOf(t, db, shopOf(0))[0]
		s.send(http.MethodPut, fmt.Sprintf("/sandbox/agreements/%d/faults", first), map[string]any{"lose": 1}, nil)
		f := &flood{t: t, i: i, client: &http.Client{Timeout: 10 * time.Second}}
		before := i.status(shopOf(0)).CallsToday
		sent, began, trade := 0, time.Now(), 0
		for every := time.NewTicker(time.Second / a); time.Since(began) < *floodDay; <-every.C {
			if status, err := f.call(shopOf(0), code, fmt.Sprint("unknown-", sent)); err != nil || status != http.StatusOK {
				t.Fatalf("webhook %d: status %d, %v", sent, status, err)
			}
			if sent++; sent%(5*a) == 0 {
				trade++
				s.post(first, "adjust", map[string]any{"number": item, "inStock": 5000 + trade})
				s.post(first, "book", map[string]any{"orderRef": fmt.Sprint(10_000 + trade), "lines": []map[string]any{{"number": item, "quantity": 1, "price": 10}}})
			}
		}
		i.equal(s, shopOf(0), first, 30*time.Second)
		made, ticks := i.status(shopOf(0)).CallsToday-before, int(time.Since(began)/time.Second)
		t.Logf("%d webhooks of unknown numbers in %s, with %d changes and invoices: %d calls of %d a day", sent, time.Since(began).Round(time.Second), trade, made, dailyCalls)
		if most := 2*ticks + 5*trade + 60; trade == 0 || made > most {
			t.Errorf("%d calls, expected at most %d", made, most)
		}
	})
}

// TestFloodOfConnections calls the webhook with one shop's good code over very many connections,
// on the same processors as everything else. The other shops' webhooks are answered at once, over
// connections that stay and over new ones; none is refused, and their changes are stored as fast
// as ever.
func TestFloodOfConnections(t *testing.T) {
	databases(t, func(t *testing.T, dsn string) { floodOfConnections(t, dsn, 0) })
}

// TestFloodOfTooManyConnections: so they are where it calls over more connections than the listener
// holds.
func TestFloodOfTooManyConnections(t *testing.T) {
	databases(t, func(t *testing.T, dsn string) { floodOfConnections(t, dsn, floodedConnections()*4/3) })
}

// floodedShops adds the shop that is flooded and its neighbors, and returns their codes.
func floodedShops(t *testing.T, i *installation, s *sandbox) (codes []string) {
	t.Helper()
	for n := range 1 + floodNeighbors {
		codes = append(codes, i.addShop(s, shopOf(n), first+n, "--invoices-from", "1"))
		settled(t, i, s, shopOf(n), first+n)
	}
	return codes
}

func floodedConnections() int { return max(*floodWidth, 1500) }

// floodOfConnections floods a lagerd that may open so many files, 0 for as many as this process.
func floodOfConnections(t *testing.T, dsn string, files int) {
	t.Helper()
	s := startSandbox(t, fmt.Sprint("--agreements=", 1+floodNeighbors), "--products=60")
	i := install(t, s, dsn, pace)
	if files == 0 {
		i.start()
	} else {
		i.startWithFiles(files)
	}
	codes := floodedShops(t, i, s)
	connections := floodedConnections()
	// A connection with a call takes 32 KiB.
	f := &flood{t: t, i: i, most: floodMemory + float64(connections)/32}
	db := i.database()
	defer db.Close()
	items := numbersOf(t, db, shopOf(1))
	began := time.Now().UTC()
	end := startFlood(t, i, codes[0], connections)
	time.Sleep(time.Second)
	kept := f.neighbors(s, codes, items)
	fresh := f.answers(codes, items, &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}})
	time.Sleep(*floodFor)
	open := i.Metric(t.Context(), "lagerd_webhook_connections")
	if refused := i.Metric(t.Context(), `lagerd_webhook_calls_total{outcome="full"}`); files > 0 && (refused == 0 || open >= float64(connections)) {
		t.Errorf("%.0f connections are open and %.0f webhooks were refused: the listener holds all", open, refused)
	}
	latencies, anew := kept(), fresh()
	t.Logf("%d connections, %.0f open at the end, for %s: %s", connections, open, time.Since(began).Round(time.Millisecond), end())
	f.peak("while it lasted")
	lagerdtest.Eventually(t, time.Minute, "the others' changes are stored", func() bool {
		for n := 1; n <= floodNeighbors; n++ {
			if i.status(shopOf(n)).OpenHints > 0 {
				return false
			}
		}
		return true
	})
	answered, afresh, stored := quantileOf(latencies, 0.99), quantileOf(anew, 0.99), quantileOf(f.freshness(db, began), 0.99)
	t.Logf("the others' %d webhooks were answered within %s (p99), %d over new connections within %s, their changes stored within %s",
		len(latencies), answered, len(anew), afresh, stored)
	if len(latencies) == 0 || len(anew) == 0 || answered > floodAnswered*patience || afresh > floodAnswered*patience || stored > floodFresh*patience {
		t.Errorf("expected at most %s and %s", floodAnswered*patience, floodFresh*patience)
	}
	for n := 1; n <= floodNeighbors; n++ {
		i.equal(s, shopOf(n), first+n, 20*time.Second)
	}
}

// floodVariables make this test binary call the webhook until its input ends: a process of its
// own, so that what the others' calls take is not what this one does to their client.
const (
	floodVariable            = "LAGERD_E2E_FLOOD" // the address, and what is asked for
	floodConnectionsVariable = "LAGERD_E2E_FLOOD_CONNECTIONS"
)

// startFlood starts such a process. The returned function ends it, and returns what it says.
func startFlood(t *testing.T, i *installation, code string, connections int) (end func() string) {
	t.Helper()
	q := url.Values{"type": {"stockUpdate"}, "username": {shopOf(0)}, "password": {code}}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), floodVariable+"="+i.Webhook+" /webhooks.php?"+q.Encode()+"&number=unknown-", fmt.Sprint(floodConnectionsVariable, "=", connections))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() string {
		if ended {
			return ""
		}
		ended = true
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the flood: %v", err)
		}
		return strings.TrimSpace(out.String())
	}
	t.Cleanup(func() { end() })
	return end
}

// floods is the process of startFlood, and reports whether this is one.
func floods() bool {
	address, request, found := strings.Cut(os.Getenv(floodVariable), " ")
	if !found {
		return false
	}
	connections, _ := strconv.Atoi(os.Getenv(floodConnectionsVariable))
	over := make(chan struct{})
	var sent, accepted, full, ended, other atomic.Int64
	// call sends one webhook over a connection after the other, until it ends.
	call := func() error {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		for {
			_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
			if _, err := fmt.Fprintf(conn, "GET %s%d HTTP/1.1\r\nHost: lagerd\r\n\r\n", request, sent.Add(1)); err != nil {
				return err
			}
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			switch res.StatusCode {
			case http.StatusOK:
				accepted.Add(1)
			case http.StatusServiceUnavailable:
				full.Add(1)
			default:
				other.Add(1)
			}
			if err != nil || res.Close {
				return err
			}
		}
	}
	for range connections {
		go func() {
			for {
				if call() != nil {
					ended.Add(1)
				}
				time.Sleep(time.Second) // there are more connections than the listener holds: Retry-After asks for longer
			}
		}()
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(over)
	}()
	<-over
	fmt.Printf("%d webhooks answered with success, %d with 503, %d otherwise; %d connections cut off\n", accepted.Load(), full.Load(), other.Load(), ended.Load())
	return true
}

// answers calls the webhook for the other shops, without a change, until the returned function is
// called. That returns how long the answers took.
func (f *flood) answers(codes, items []string, client *http.Client) (stop func() []time.Duration) {
	done := make(chan struct{})
	var latencies []time.Duration
	var calling sync.WaitGroup
	calling.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case <-time.After(100 * time.Millisecond):
			}
			shop, began := 1+n%floodNeighbors, time.Now()
			status, _, err := f.i.Call(client, shopOf(shop), codes[shop], "stockUpdate", items[n%len(items)])
			if err != nil || status != http.StatusOK {
				f.t.Errorf("a webhook of %s is answered %d, %v", shopOf(shop), status, err)
				continue
			}
			latencies = append(latencies, time.Since(began))
		}
	})
	return func() []time.Duration {
		close(done)
		calling.Wait()
		return latencies
	}
}

// flood sends webhooks with one shop's code.
type flood struct {
	t        *testing.T
	i        *installation
	client   *http.Client
	accepted atomic.Int64
	numbers  []string // to send; nil: unknown ones
	most     float64  // memory that lagerd may take, in MiB
	restarts bool     // the process is restarted meanwhile: calls may get no answer

	died, back time.Time // when the process was killed, and when it was ready again
}

// send sends webhooks of unknown numbers, and a real one in their middle.
func (f *flood) send(code string, from, to int, exists string) {
	f.t.Helper()
	var next atomic.Int64
	next.Store(int64(from))
	var sending sync.WaitGroup
	for range *floodWidth {
		sending.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= to {
					return
				}
				number := fmt.Sprint("unknown-", n)
				switch {
				case f.numbers != nil:
					number = f.numbers[n]
				case n == (from+to)/2:
					number = exists
				}
				status, err := f.call(shopOf(0), code, number)
				if err != nil || status != http.StatusOK && status != http.StatusServiceUnavailable {
					f.t.Errorf("webhook %s: status %d, %v", number, status, err)
					return
				}
				if status == http.StatusOK {
					f.accepted.Add(1)
				} else if number == exists {
					next.Add(-1) // e-conomic's call was refused: it is sent again
				}
			}
		})
	}
	sending.Wait()
}

func (f *flood) call(shop, code, number string) (status int, err error) {
	q := url.Values{"type": {"stockUpdate"}, "username": {shop}, "password": {code}, "number": {number}}
	res, err := f.client.Get("http://" + f.i.Webhook + "/webhooks.php?" + q.Encode())
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// neighbors changes items of the other shops, each with its webhook, until the
// returned function is called. That returns how long the webhooks' answers took.
func (f *flood) neighbors(s *sandbox, codes, items []string) (stop func() []time.Duration) {
	done := make(chan struct{})
	var latencies []time.Duration
	var trading sync.WaitGroup
	trading.Go(func() {
		client := &http.Client{Timeout: 10 * time.Second}
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case <-time.After(100 * time.Millisecond):
			}
			// A number that is hinted at again and again counts from its first webhook.
			shop, number := 1+n%floodNeighbors, items[n/floodNeighbors%len(items)]
			if err := s.Post(first+shop, "adjust", map[string]any{"number": number, "inStock": 1000 + n}, nil); err != nil {
				f.t.Error(err)
				return
			}
			began := time.Now()
			status, _, err := f.i.Call(client, shopOf(shop), codes[shop], "stockUpdate", number)
			switch {
			case err != nil && f.restarts:
			case err != nil:
				f.t.Errorf("a webhook of %s: %v", shopOf(shop), err)
			case status != http.StatusOK:
				f.t.Errorf("a webhook of %s is answered %d", shopOf(shop), status)
			default:
				latencies = append(latencies, time.Since(began))
			}
		}
	})
	return func() []time.Duration {
		close(done)
		trading.Wait()
		return latencies
	}
}

// peak checks the process's largest resident set so far.
func (f *flood) peak(when string) {
	f.t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.i.daemon.Pid()))
	if err != nil {
		f.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "VmHWM:")
	kB, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Logf("peak memory %s: %.1f MiB", when, kB/1024)
	if most := f.most * patience; kB/1024 > most {
		f.t.Errorf("expected at most %.0f MiB", most)
	}
}

// freshness returns how long after their webhooks the other shops' changes were stored, without
// those that were under way while the process was killed.
func (f *flood) freshness(db *sql.DB, since time.Time) (list []time.Duration) {
	t := f.t
	t.Helper()
	rows, err := db.Query("SELECT hinted_at, committed_at FROM changes WHERE shop <> ? AND webhook = 'came' AND committed_at >= ?", shopOf(0), since.Format("2006-01-02 15:04:05.000000"))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var hinted, committed sql.NullTime
		if err := rows.Scan(&hinted, &committed); err != nil {
			t.Fatal(err)
		}
		if hinted.Time.Before(f.back) && committed.Time.After(f.died) {
			continue
		}
		list = append(list, committed.Time.Sub(hinted.Time))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func quantileOf(list []time.Duration, q float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(list))[int(q*float64(len(list)-1))]
}

// floodLease shortens the wait for the leases of a killed process.
const floodLease = "lease: {beat: 300ms, ttl: 2s}\n"

const largeShopMemory = 150.0 // MiB

// TestFloodOfStored sends a webhook of each item of a large shop while e-conomic fails, restarts
// the process while they are all open, and lets e-conomic answer again.
func TestFloodOfStored(t *testing.T) {
	databases(t, func(t *testing.T, dsn string) {
		s := startSandbox(t, "--agreements=1", fmt.Sprint("--products=", *floodItems))
		i := install(t, s, dsn, pace+floodLease)
		i.start()
		code := i.addShop(s, shopOf(0), first, "--invoices-from", "1")
		db := i.database()
		defer db.Close()
		lagerdtest.Eventually(t, 5*time.Minute, "the shop is read", func() bool {
			var swept bool
			return db.QueryRow("SELECT swept_at IS NOT NULL FROM progress").Scan(&swept) == nil && swept
		})
		f := &flood{t: t, i: i, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: *floodWidth}, Timeout: 30 * time.Second}, most: largeShopMemory}
		f.peak("after the first sweep")
		s.fault(first, map[string]any{"serverError": 1})
		s.post(first, "import", map[string]int{"inStock": 321})
		f.numbers = numbersOf(t, db, shopOf(0))
		f.send(code, 0, len(f.numbers), "")
		lagerdtest.Eventually(t, 5*time.Minute, "all are recorded", func() bool { return f.open(db) > len(f.numbers)*9/10 })
		f.peak("while they are open")
		i.daemon.kill()
		i.start()
		time.Sleep(5 * time.Second) // passes that fail
		f.peak("after a restart")
		s.fault(first, nil)
		lagerdtest.Eventually(t, 10*time.Minute, "all are answered", func() bool { return f.open(db) == 0 })
		f.peak("at the end")
		i.equal(s, shopOf(0), first, time.Minute)
	})
}

// open returns how many hints are open.
func (f *flood) open(db *sql.DB) (open int) {
	f.t.Helper()
	err := db.QueryRow("SELECT (SELECT COUNT(*) FROM hints WHERE open = 1) + (SELECT COALESCE(SUM(hints), 0) FROM hint_batches)").Scan(&open)
	if err != nil {
		return -1 // the database is busy
	}
	return open
}

// numbersOf returns the numbers of a shop's items that have stock.
func numbersOf(t *testing.T, db *sql.DB, shop string) []string {
	t.Helper()
	return column[string](t, db, "SELECT number FROM items WHERE shop = ? AND stock > 0 AND number NOT LIKE '\"%' ORDER BY number", shop)
}
