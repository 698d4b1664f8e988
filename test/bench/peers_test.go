//go:build linux

package bench_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"lagerd/test/lagerdtest"
)

// peerLoads are the numbers of requests for each peer by connections: what it answers in half a
// second to a second, but at least one per connection.
var peerLoads = []struct{ connections, ours, stripe, webhook int }{
	{1, 500, 500, 40},
	{16, 5000, 1200, 80},
	{64, 10_000, 1200, 80},
	{256, 10_000, 1200, 256},
}

const (
	peerCalls  = 10_000 // the maximum of ours
	peerWarmUp = 2000
	peerItems  = 20_000
)

// BenchmarkPeers compares lagerd with other software for the same purpose. The requests differ:
// Stripe's event carries its object, e-conomic's call only a number that lagerd has yet to
// read. The promise is the same: success means on disk, and both databases flush their logs
// before a commit returns.
func BenchmarkPeers(b *testing.B) {
	b.Run("ingest", func(b *testing.B) { once(b, func() { peersIngest(b) }) })
	b.Run("backfill", func(b *testing.B) { once(b, func() { peersBackfill(b) }) })
}

func peersIngest(b *testing.B) {
	needStripe(b)
	program := need(b, "webhook", "webhook")
	need(b, "mariadb", "mariadb-client")
	s := binary.Sandbox(b, fmt.Sprint("--agreements=", burstShops), fmt.Sprint("--products=", peerCalls/burstShops*5/4), noLimit)
	figure := 1000
	importAll(b, s, figure)
	l := install(b, false, s.URL, burstShops, never)
	l.start()
	l.read(burstShops)
	requests := webhookCalls(burstShops, stocked(b, l, peerCalls)) // each number once per shop
	stripe, webhook := startStripe(b, fakeStripe(b, 0)), l.startWebhook(program)
	// A new process answers its first requests at half its later rate.
	send(b, stripe.address, 64, stripeCalls(b, peerWarmUp))
	besideStripe, besideWebhook := make([][]row, len(peerLoads)), make([][]row, len(peerLoads))
	for range *rounds {
		for i, n := range peerLoads {
			figure++
			importAll(b, s, figure)
			l.exec("TRUNCATE TABLE hints")
			l.flushed()
			ours := send(b, l.Webhook, n.connections, requests[:n.ours])
			l.allStored("lagerd", ours, storedWebhooks)
			// lagerd's reads after the webhooks must not slow down the others. An
			// item read before its webhook arrived has to change once more.
			figure++
			importAll(b, s, figure)
			l.settled()

			stripe.clear()
			stripe.flushed()
			theirs := send(b, stripe.address, n.connections, stripeCalls(b, n.stripe))
			allStored(b, "stripe-sync-engine", theirs, stripe.count())
			besideStripe[i] = append(besideStripe[i], row{ours.perSecond(), theirs.perSecond()})

			l.exec("TRUNCATE TABLE bench_calls")
			// The numbers at either end are unusual, and its script does not quote
			// them.
			theirs = send(b, webhook, n.connections, requests[peerCalls/2:][:n.webhook])
			l.allStored("webhook", theirs, "SELECT COUNT(*) FROM bench_calls")
			besideWebhook[i] = append(besideWebhook[i], row{ours.perSecond(), theirs.perSecond()})
		}
	}
	recordIn(b, "burst.csv", rateColumns, func(put func(...string)) {
		for i, n := range peerLoads {
			put("lagerd", strconv.Itoa(n.connections), number(median(rates(besideStripe[i], true))))
		}
		for i, n := range peerLoads {
			put("stripe-sync-engine", strconv.Itoa(n.connections), number(median(rates(besideStripe[i], false))))
		}
		for i, n := range peerLoads {
			put("webhook", strconv.Itoa(n.connections), number(median(rates(besideWebhook[i], false))))
		}
	})
	for i, n := range peerLoads {
		where := fmt.Sprintf("%d connections", n.connections)
		reach := "≥ 5"
		if n.connections == 1 {
			where, reach = "1 connection", "≥ 1"
		}
		report(b, "ingest beside webhook, "+where, "requests/s", besideWebhook[i], "for comparison")
		report(b, "ingest beside stripe-sync-engine, "+where, "requests/s", besideStripe[i], reach)
	}
}

// allStored checks that every request was answered with success and has its row.
func allStored(b *testing.B, who string, sent load, stored int) {
	b.Helper()
	if count := len(sent.latencies); sent.refused > 0 || stored != count {
		b.Errorf("%s refused %d of %d requests and stored %d", who, sent.refused, count, stored)
	}
}

func (l *lagerd) allStored(who string, sent load, query string) {
	l.b.Helper()
	stored, err := l.count(query)
	must(l.b, err)
	allStored(l.b, who, sent, stored)
}

// startWebhook runs Debian's webhook on lagerd's database for the same calls; each starts a
// script that inserts a row.
func (l *lagerd) startWebhook(program string) (address string) {
	l.b.Helper()
	l.exec("CREATE TABLE bench_calls (shop VARCHAR(190), number VARCHAR(190), PRIMARY KEY (shop, number))")
	cfg, err := mysql.ParseDSN(l.DSN)
	must(l.b, err)
	dbHost, dbPort, err := net.SplitHostPort(cfg.Addr)
	must(l.b, err)
	defaults := filepath.Join(l.Dir, "mariadb.cnf")
	lagerdtest.Write(l.b, defaults, fmt.Sprintf("[client]\nhost=%s\nport=%s\nuser=%s\npassword=%s\n[mysql]\ndatabase=%s\n", dbHost, dbPort, cfg.User, cfg.Passwd, cfg.DBName))
	hook, err := filepath.Abs("peers/hook.sh")
	must(l.b, err)
	address = lagerdtest.FreeAddress(l.b)
	host, port, err := net.SplitHostPort(address)
	must(l.b, err)
	cmd := exec.Command(program, "-hooks", "peers/hooks.json.tmpl", "-template", "-urlprefix", "", "-http-methods", "GET", "-ip", host, "-port", port)
	cmd.Env = append(os.Environ(), "PEER_HOOK="+hook, "PEER_CODE="+code, "PEER_MARIADB="+defaults)
	startPeer(l.b, cmd, syscall.SIGTERM).await(l.b, "webhook listens", func() bool { return listening(address) })
	return address
}

func peersBackfill(b *testing.B) {
	needStripe(b)
	stripe := startStripe(b, fakeStripe(b, peerItems))
	s := binary.Sandbox(b, "--agreements=1", fmt.Sprint("--products=", peerItems), noLimit)
	var firsts, again []row
	for range *rounds {
		stripe.clear()
		stripe.flushed()
		theirFirst := stripe.backfill(peerItems)
		theirSecond := stripe.backfill(peerItems)

		l := install(b, false, s.URL, 1, never)
		l.flushed()
		l.start()
		began := time.Now()
		l.awaitEvery(listingPoll, 2*time.Minute, 1, "SELECT COUNT(*) FROM progress WHERE swept_at IS NOT NULL")
		ourFirst := time.Since(began)
		l.read(1)
		if n, err := l.count("SELECT COUNT(*) FROM items"); err != nil || n != peerItems {
			b.Errorf("%d items are stored, expected %d (%v)", n, peerItems, err)
		}
		ourSecond := l.sweepAgain()
		l.stop()
		must(b, l.store.Close())
		firsts = append(firsts, row{perSecond(peerItems, ourFirst), perSecond(peerItems, theirFirst)})
		again = append(again, row{perSecond(peerItems, ourSecond), perSecond(peerItems, theirSecond)})
	}
	what := fmt.Sprintf(" backfill of %d beside stripe-sync-engine", peerItems)
	report(b, "first"+what, "objects/s", firsts, "≥ 15")
	report(b, "unchanged"+what, "objects/s", again, "≥ 20")
}

// need finds a program, and skips the benchmark if it is missing.
func need(b *testing.B, program, debian string) string {
	b.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		b.Skipf("%s is missing: run scripts/bench-deps, or install %s", program, debian)
	}
	return path
}

// peer is a running process that lagerd is compared with.
type peer struct {
	cmd    *exec.Cmd
	out    *lagerdtest.Output
	exited chan struct{}
}

// startPeer runs a process until the benchmark ends; then it sends this signal and kills the
// rest of its group.
func startPeer(b *testing.B, cmd *exec.Cmd, end syscall.Signal) *peer {
	b.Helper()
	p := &peer{cmd: cmd, out: lagerdtest.NewOutput(), exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = p.out, p.out, time.Second
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// A test binary that is killed or times out runs no cleanup.
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, end
	started := make(chan error, 1)
	go func() {
		// The death signal is sent when the thread ends that started the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // its exit status does not matter
		}
	}()
	must(b, <-started)
	b.Cleanup(func() {
		if b.Failed() {
			b.Logf("last output of %s:\n%s", filepath.Base(cmd.Path), p.out.Tail(30))
		}
		_ = cmd.Process.Signal(end)
		select {
		case <-p.exited:
		case <-time.After(10 * time.Second):
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-p.exited
	})
	return p
}

// await waits until the process works, and fails if it exits.
func (p *peer) await(b *testing.B, what string, ok func() bool) {
	b.Helper()
	lagerdtest.Eventually(b, 30*time.Second, what, func() bool {
		select {
		case <-p.exited:
			b.Fatalf("%s exited unexpectedly:\n%s", filepath.Base(p.cmd.Path), p.out.Tail(30))
		default:
		}
		return ok()
	})
}

func listening(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}
