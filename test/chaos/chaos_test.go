package chaos_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
	"lagerd/test/sandboxtest"
)

var (
	length = flag.Duration("chaos.for", 20*time.Second, "how long the storm lasts")
	chance = flag.Uint64("chaos.seed", 0, "which faults come when; 0: others each time")
)

// equalWithin is the time after the storm within which every shop must be equal.
const equalWithin = time.Minute

// field is everything that a storm affects.
type field struct {
	t       *testing.T
	server  *mariadbtest.Server
	db      *sql.DB // the test's own connection, without network faults
	sandbox sandboxtest.Client
	lagerds []*lagerd
	shops   []shop
	traders []*trader
	sent    *webhooks
	hold    sync.RWMutex // locked to pause trade
}

// prepare starts a database, e-conomic, the given number of shops and two lagerd, each with its
// own network to both.
func prepare(t *testing.T, shops, products int, extra string, sandboxFlags ...string) *field {
	server, err := mariadbtest.Start(filepath.Join(t.TempDir(), "mariadb"), 0)
	must(t, err)
	t.Cleanup(func() { _ = server.Kill() })
	dsn, err := server.CreateDatabase(t.Context())
	must(t, err)
	f := prepareOn(t, []string{dsn, dsn}, shops, products, extra, sandboxFlags...)
	f.server = server
	return f
}

// prepareOn is prepare on running databases, one per lagerd.
func prepareOn(t *testing.T, dsns []string, shops, products int, extra string, sandboxFlags ...string) *field {
	dir := t.TempDir()
	f := &field{t: t, sent: newWebhooks()}
	var err error
	f.db, err = sql.Open("mysql", dsns[0])
	must(t, err)
	t.Cleanup(func() { _ = f.db.Close() })
	f.sandbox = binary.Sandbox(t, append([]string{"--agreements", fmt.Sprint(shops), "--products", fmt.Sprint(products)}, sandboxFlags...)...)

	for n, dsn := range dsns {
		parsed, err := mysql.ParseDSN(dsn)
		must(t, err)
		database, economic := startProxy(t, parsed.Addr), startProxy(t, host(f.sandbox.URL))
		parsed.Addr = database.address()
		name := string(rune('a' + n))
		l := install(t, name, lagerdtest.Setup{Dir: dir, DSN: parsed.FormatDSN(), REST: "http://" + economic.address(), Extra: extra})
		l.database, l.economic = database, economic
		f.lagerds = append(f.lagerds, l)
	}
	for n := range shops {
		s := addShop(t, f.sandbox, f.lagerds[n%2], fmt.Sprintf("shop%d", 1001+n), first+n)
		f.shops = append(f.shops, s)
		f.traders = append(f.traders, &trader{shop: s, sandbox: f.sandbox, send: f.sent, to: f.lagerds, hold: &f.hold, count: map[string]int{}})
	}
	for _, l := range f.lagerds {
		must(t, l.start(t.Context()))
	}
	return f
}

// trade makes every shop trade until the context ends. The returned function waits for the end.
func (f *field) trade(ctx context.Context, rest time.Duration, rnd *rand.Rand) (wait func()) {
	var trading sync.WaitGroup
	for _, trader := range f.traders {
		trader.rest = rest
		own := rand.New(rand.NewPCG(rnd.Uint64(), rnd.Uint64()))
		trading.Go(func() {
			if err := trader.run(ctx, own); err != nil {
				f.t.Error(err)
			}
		})
	}
	return trading.Wait
}

// settle waits until every shop is equal and no acknowledged webhook waits.
func (f *field) settle(within time.Duration) (took time.Duration, lost []string) {
	f.t.Helper()
	began := time.Now()
	var open []string
	for {
		open = nil
		for _, s := range f.shops {
			is, err := f.sandbox.Truth(s.agreement)
			must(f.t, err)
			differ, err := sandboxtest.Differences(f.t.Context(), f.db, is, s.name)
			must(f.t, err)
			for _, d := range differ {
				open = append(open, s.name+": "+d)
			}
		}
		var waiting []string
		var err error
		lost, waiting, err = f.sent.lost(f.t.Context(), f.db)
		must(f.t, err)
		if open = append(open, waiting...); len(open) == 0 {
			return time.Since(began), lost
		}
		if time.Since(began) > within {
			f.t.Errorf("NOT equal %s after the storm: %d differences, such as\n%s", within, len(open), strings.Join(open[:min(len(open), 10)], "\n"))
			return time.Since(began), lost
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (f *field) counted(name, number string) int {
	i := slices.IndexFunc(f.traders, func(t *trader) bool { return t.shop.name == name })
	if i < 0 || !slices.Contains(f.traders[i].shop.counters, number) {
		return 0
	}
	return f.traders[i].counted(number)
}

// fault is a temporary fault.
type fault struct {
	name  string
	begin func(ctx context.Context, f *field, rnd *rand.Rand) (end func() error, err error)
}

// oneOf makes a fault of one lagerd.
func oneOf(name string, begin func(ctx context.Context, l *lagerd, rnd *rand.Rand) (func() error, error)) fault {
	return fault{name, func(ctx context.Context, f *field, rnd *rand.Rand) (func() error, error) {
		return begin(ctx, f.lagerds[rnd.IntN(len(f.lagerds))], rnd)
	}}
}

// onALine makes a network fault between one lagerd and the database or e-conomic.
func onALine(name string, begin func(p *proxy, rnd *rand.Rand)) fault {
	return oneOf(name, func(_ context.Context, l *lagerd, rnd *rand.Rand) (func() error, error) {
		p := []*proxy{l.database, l.economic}[rnd.IntN(2)]
		begin(p, rnd)
		return func() error { p.heal(); return nil }, nil
	})
}

// misbehaving makes a fault of e-conomic's answers.
func misbehaving(name string, faults map[string]any) fault {
	return fault{name, func(_ context.Context, f *field, _ *rand.Rand) (func() error, error) {
		off := map[string]any{}
		for what, value := range faults {
			if _, isText := value.(string); isText {
				off[what] = "0s"
			} else {
				off[what] = 0
			}
		}
		return func() error { return f.sandbox.Faults(off) }, f.sandbox.Faults(faults)
	}}
}

var faults = []fault{
	oneOf("kill -9 of a lagerd", func(ctx context.Context, l *lagerd, _ *rand.Rand) (func() error, error) {
		return func() error { return l.start(ctx) }, l.kill()
	}),
	oneOf("planned stop of a lagerd", func(ctx context.Context, l *lagerd, _ *rand.Rand) (func() error, error) {
		p, err := l.stop()
		return func() error {
			select {
			case <-p.Exited:
			case <-time.After(30 * time.Second):
				return fmt.Errorf("lagerd %s does not stop\n%s", l.name, l.out.Tail(40))
			}
			return l.start(ctx)
		}, err
	}),
	oneOf(stoppedBeyond, stopInItsTracks),
	oneOf(stoppedAmid, func(ctx context.Context, l *lagerd, rnd *rand.Rand) (func() error, error) {
		// What it sends now is in transit, and the database answers when the process is
		// stopped.
		l.database.slow(2000, 20*time.Millisecond)
		time.Sleep(time.Duration(rnd.IntN(400)) * time.Millisecond)
		end, err := stopInItsTracks(ctx, l, rnd)
		return func() error { l.database.heal(); return end() }, err
	}),
	{"kill -9 of the database", func(_ context.Context, f *field, _ *rand.Rand) (func() error, error) {
		return f.server.Restart, f.server.Kill()
	}},
	onALine("connections cut", func(p *proxy, _ *rand.Rand) { p.cut() }),
	onALine("connections refused", func(p *proxy, _ *rand.Rand) { p.refuse() }),
	onALine("a silent network", func(p *proxy, _ *rand.Rand) { p.silence() }),
	onALine("a slow network", func(p *proxy, rnd *rand.Rand) { p.slow(200+rnd.IntN(2000), 5*time.Millisecond) }),
	misbehaving("e-conomic: 429 and 5xx", map[string]any{"rateLimit": 0.1, "serverError": 0.3}),
	misbehaving("e-conomic: cut and garbled", map[string]any{"cut": 0.3, "garbled": 0.2}),
	misbehaving("e-conomic: half and empty pages", map[string]any{"halfPage": 0.5, "emptyPage": 0.2}),
	misbehaving("e-conomic: its reading side lags", map[string]any{"readLag": "2s", "invoiceLag": "2s", "lateInvoice": 0.5}),
	misbehaving("e-conomic: broken PDFs", map[string]any{"pdfHTML": 0.4, "pdfCut": 0.3}),
	misbehaving("e-conomic: its clock is an hour ahead", map[string]any{"clockSkew": "1h"}),
	misbehaving("e-conomic: its clock is an hour behind", map[string]any{"clockSkew": "-1h"}),
	misbehaving("e-conomic: slow answers", map[string]any{"slow": "2s", "slowProbability": 0.3}),
}

// Faults after which a lagerd may write under a lease that another has taken.
const (
	stoppedBeyond = "SIGSTOP of a lagerd beyond its leases"
	stoppedAmid   = "SIGSTOP of a lagerd in the middle of a transaction"
)

// stopInItsTracks stops a process for longer than its leases last.
func stopInItsTracks(ctx context.Context, l *lagerd, rnd *rand.Rand) (func() error, error) {
	p := l.current()
	stopped := ttl - time.Second + time.Duration(rnd.IntN(3000))*time.Millisecond // drawn here, since several faults may end at once
	return func() error {
		select {
		case <-ctx.Done():
		case <-time.After(stopped):
		}
		return p.Signal(syscall.SIGCONT)
	}, p.Signal(syscall.SIGSTOP)
}

// storm injects one fault after another until the time is up; every third overlaps another. It
// returns the number of each.
func (f *field) storm(ctx context.Context, faults []fault, rnd *rand.Rand) map[string]int {
	counts := map[string]int{}
	// Faults end even after the storm.
	upright, cancel := context.WithTimeout(context.WithoutCancel(ctx), *length+2*time.Minute)
	defer cancel()
	var pending []func() error
	var order []int
	for ctx.Err() == nil && !f.t.Failed() {
		if len(order) == 0 { // each fault once, in random order
			order = rnd.Perm(len(faults))
		}
		fault := faults[order[0]]
		order = order[1:]
		counts[fault.name]++
		end, err := fault.begin(upright, f, rnd)
		if err != nil {
			f.t.Errorf("%s: %v", fault.name, err)
			break
		}
		pending = append(pending, end)
		pause(ctx, 500*time.Millisecond+time.Duration(rnd.IntN(2500))*time.Millisecond)
		if len(pending) == 1 && rnd.IntN(3) == 0 {
			continue
		}
		mend(f.t, pending)
		pending = nil
		pause(ctx, time.Duration(rnd.IntN(1500))*time.Millisecond)
	}
	mend(f.t, pending)
	return counts
}

// mend ends faults concurrently, since a lagerd cannot start before its database.
func mend(t *testing.T, ends []func() error) {
	var mending sync.WaitGroup
	for _, end := range ends {
		mending.Go(func() {
			if err := end(); err != nil {
				t.Errorf("end a fault: %v", err)
			}
		})
	}
	mending.Wait()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// TestChaos subjects two lagerd to a storm of faults while five shops trade, and then checks
// that everything is equal and audits the writes.
func TestChaos(t *testing.T) {
	if *chance == 0 {
		*chance = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", *chance)
	rnd := rand.New(rand.NewPCG(*chance, 3))
	f := prepare(t, 5, 120, "", "--lose", "0.4", "--double", "0.1", "--late", "0.1", "--late-by", "3s", "--reorder", "0.1", "--read-lag", "100ms")
	must(t, startAudit(t.Context(), f.db))

	began := time.Now()
	ctx, stop := context.WithTimeout(t.Context(), *length)
	defer stop()
	wait := f.trade(ctx, 150*time.Millisecond, rnd)
	counts := f.storm(ctx, faults, rnd)
	wait()
	f.sent.running.Wait()
	stormed := time.Since(began)
	if t.Failed() {
		return
	}
	took, lost := f.settle(equalWithin)
	for _, l := range f.lagerds {
		l.note()
	}
	found, err := readAudit(t.Context(), f.db, f.counted)
	must(t, err)
	f.report(report{storm: stormed, settled: took, lost: lost, faults: counts, audited: found})
}

// TestFaultsOfOneLagerd checks that the ends of two faults start one lagerd only once.
func TestFaultsOfOneLagerd(t *testing.T) {
	f := prepare(t, 1, 5, "")
	l := f.lagerds[1]
	var ends []func() error
	for _, name := range []string{"planned stop of a lagerd", "kill -9 of a lagerd"} {
		i := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
		end, err := faults[i].begin(t.Context(), &field{lagerds: []*lagerd{l}}, rand.New(rand.NewPCG(1, 1)))
		must(t, err)
		ends = append(ends, end)
	}
	before := l.starts - l.retries
	mend(t, ends)
	if starts := l.starts - l.retries - before; l.pid() == 0 || starts != 1 {
		t.Errorf("after two faults of one lagerd: running %t after %d starts, want it running after one", l.pid() != 0, starts)
	}
}

// misfenced returns what is wrong with the number of fenced writes, according to the metric
// (killed processes lose their count) and the logs. stopped is how often a lagerd was paused
// for so long that its shops may have been taken: every other time it then writes and is fenced
// off.
func misfenced(stopped, refused, told int) []string {
	const enough = 20
	var bad []string
	if refused > told {
		bad = append(bad, fmt.Sprintf("%d writes were refused by lagerd_fenced_writes_total, and the logs tell of %d", refused, told))
	}
	if stopped >= enough && told == 0 {
		bad = append(bad, fmt.Sprintf("a lagerd was stopped %d times, and none was ever fenced off", stopped))
	}
	if stopped >= enough && told > 0 && refused == 0 {
		bad = append(bad, fmt.Sprintf("the logs tell of %d writes that were refused, and lagerd_fenced_writes_total of none", told))
	}
	return bad
}

func TestMisfenced(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ stopped, refused, told, bad int }{
		{0, 0, 0, 0}, {19, 0, 0, 0}, {2, 0, 1, 0}, {24, 10, 12, 0}, {24, 12, 12, 0}, {0, 1, 0, 1}, {20, 0, 0, 1}, {20, 0, 3, 1}, {24, 13, 12, 1},
	} {
		if bad := misfenced(c.stopped, c.refused, c.told); len(bad) != c.bad {
			t.Errorf("%+v: %q", c, bad)
		}
	}
}

// report is the result of a storm.
type report struct {
	storm, settled time.Duration
	lost           []string
	faults         map[string]int
	audited
}

func (f *field) report(r report) {
	f.t.Helper()
	trades := 0
	for _, trader := range f.traders {
		trades += trader.traded()
	}
	starts, retries, refused, told := 0, 0, 0.0, 0
	for _, l := range f.lagerds {
		starts, retries, refused, told = starts+l.starts, retries+l.retries, refused+l.fenced, told+l.out.Count(saysFenced)
	}
	var b strings.Builder
	line := func(what string, value any) { fmt.Fprintf(&b, "  %-58s %v\n", what, value) }
	fmt.Fprintf(&b, "a storm of %s over %d shops and %d lagerd\n", r.storm.Round(time.Second), len(f.shops), len(f.lagerds))
	for _, fault := range faults {
		line(fault.name, r.faults[fault.name])
	}
	answers := f.sent.counts()
	line("trades", trades)
	line("webhooks of the test: acknowledged (200)", answers[http.StatusOK])
	line("                      refused (503)", answers[http.StatusServiceUnavailable])
	line("                      without an answer", answers[0])
	line("starts of a lagerd, and those that found no database", fmt.Sprint(starts, ", ", retries))
	line("acknowledged webhooks lost", len(r.lost))
	if r.writes > 0 {
		line("rows of stock written", r.writes)
		line("changes of the lease under which a shop is written", r.tokens-len(f.shops))
		line("stale overwrites", len(r.stale))
		line("figures taken away from an item that has one", len(r.audited.lost))
		line("figures that e-conomic never had", len(r.wrong))
		line("writes by a holder that was fenced off", len(r.fenced))
	}
	line("writes attempted by one that was fenced off, and refused", max(int(refused), told))
	line("equal after", r.settled.Round(100*time.Millisecond))
	bad := slices.Concat(r.lost, r.stale, r.audited.lost, r.wrong, r.fenced, misfenced(r.faults[stoppedBeyond]+r.faults[stoppedAmid], int(refused), told))
	for _, what := range bad[:min(len(bad), 20)] {
		f.t.Error(what)
	}
	verdict := "equal"
	if f.t.Failed() {
		verdict = "NOT equal, or not as promised"
	}
	f.t.Logf("%s%s", b.String(), verdict)
}
