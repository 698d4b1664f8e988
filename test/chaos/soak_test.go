package chaos_test

import (
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	soak   = flag.Duration("chaos.soak", 0, "how long TestSoak trades; 0: skip it")
	curves = flag.String("chaos.curves", "", "the CSV file to which TestSoak writes its curves")
)

// shortMemory sets retention to a minute, so that an hour shows what a year does.
const shortMemory = `
retention: {history: 1m, hints: 1m, requests: 1m}
`

// sampled lists the columns of a curve. Those that must be flat show what could pile up, the
// others the work done.
var sampled = []struct {
	column string
	flat   bool
}{
	{"rss_bytes", true}, {"heap_bytes", true}, {"goroutines", true}, {"open_files", true}, {"database_connections", true},
	{"hints", true}, {"hint_batches", true}, {"changes", true}, {"requests", true}, {"webhook_calls", true}, {"instances", true}, {"invoice_gaps", true},
	{"items", false}, {"invoices", false}, {"trades", false}, {"acknowledged_webhooks", false},
}

const (
	soakShops    = 30
	soakProducts = 300
	// grown is the factor from which an increase counts as growth.
	grown = 1.25
)

// TestSoak trades for a long time with two lagerd with short retention, and records their
// resource use. It is not part of the other tests; run an hour of it with
//
//	make soak FOR=1h
func TestSoak(t *testing.T) {
	if *soak == 0 {
		t.Skip("NOT TESTED: a long trade: -chaos.soak is not set (`make soak FOR=1h` sets it)")
	}
	f := prepare(t, soakShops, soakProducts, shortMemory, "--lose", "0.3", "--double", "0.1", "--late", "0.1", "--late-by", "5s", "--read-lag", "200ms")
	must(t, f.sandbox.Faults(map[string]any{"rateLimit": 0.002, "serverError": 0.01, "cut": 0.01}))
	ctx, stop := context.WithTimeout(t.Context(), *soak)
	defer stop()
	began := time.Now()
	wait := f.trade(ctx, soakShops*50*time.Millisecond, rand.New(rand.NewPCG(1, 2)))
	c := newCurve(t, *curves)
	every := max(*soak/360, time.Second)
	for ctx.Err() == nil {
		pause(ctx, every)
		for _, l := range f.lagerds {
			if s, err := f.sample(l); err != nil {
				t.Errorf("%s after the start: %v", time.Since(began).Round(time.Second), err)
			} else {
				c.add(t, time.Since(began), l.name, s)
			}
		}
		if int(time.Since(began)/every)%60 == 0 { // as an operator sometimes does
			f.lagerds[0].Command("reconcile", "--shop", f.shops[0].name)
		}
	}
	wait()
	f.sent.running.Wait()
	must(t, f.sandbox.Faults(map[string]any{"rateLimit": 0, "serverError": 0, "cut": 0}))
	took, _ := f.settle(equalWithin) // answered hints are deleted, so lost ones cannot be identified
	c.judge(t)
	if !t.Failed() {
		t.Logf("equal %s after %s of trade", took.Round(100*time.Millisecond), time.Since(began).Round(time.Second))
	}
}

// sample reads what a lagerd uses.
func (f *field) sample(l *lagerd) (map[string]float64, error) {
	s := map[string]float64{"acknowledged_webhooks": float64(f.sent.counts()[200])}
	for _, trader := range f.traders {
		s["trades"] += float64(trader.traded())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, page, err := l.Ask(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	for column, metric := range map[string]string{"heap_bytes": "go_memstats_heap_inuse_bytes", "goroutines": "go_goroutines"} {
		if s[column], err = metricValue(page, metric); err != nil {
			return nil, err
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.pid()))
	if err != nil {
		return nil, fmt.Errorf("read what memory lagerd %s uses: %w", l.name, err)
	}
	_, rss, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rss + " 0")[0])
	if err != nil {
		return nil, fmt.Errorf("read what memory lagerd %s uses: %w", l.name, err)
	}
	s["rss_bytes"] = float64(kib) * 1024
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", l.pid()))
	if err != nil {
		return nil, fmt.Errorf("count the files lagerd %s has open: %w", l.name, err)
	}
	s["open_files"] = float64(len(files))
	s["database_connections"] = float64(l.database.open())
	for _, table := range []string{"hints", "hint_batches", "changes", "requests", "webhook_calls", "instances", "invoice_gaps", "items", "invoices"} {
		var rows float64
		if err := f.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&rows); err != nil {
			return nil, fmt.Errorf("count the rows of %s: %w", table, err)
		}
		s[table] = rows
	}
	return s, nil
}

func metricValue(page, name string) (float64, error) {
	found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(page)
	if found == nil {
		return 0, fmt.Errorf("there is no metric %s", name)
	}
	return strconv.ParseFloat(found[1], 64)
}

// curve holds the samples in memory and appends them to a file.
type curve struct {
	file    *csv.Writer
	samples map[string]map[string][]float64 // by lagerd and column
}

func newCurve(t *testing.T, path string) *curve {
	c := &curve{samples: map[string]map[string][]float64{}}
	if path == "" {
		path = filepath.Join(t.TempDir(), "soak.csv")
	}
	file, err := os.Create(path)
	must(t, err)
	t.Cleanup(func() { must(t, file.Close()) })
	c.file = csv.NewWriter(file)
	header := []string{"seconds", "lagerd"}
	for _, s := range sampled {
		header = append(header, s.column)
	}
	must(t, c.file.Write(header))
	return c
}

func (c *curve) add(t *testing.T, at time.Duration, name string, sample map[string]float64) {
	row := []string{strconv.Itoa(int(at.Seconds())), name}
	if c.samples[name] == nil {
		c.samples[name] = map[string][]float64{}
	}
	for _, s := range sampled {
		row = append(row, strconv.FormatFloat(sample[s.column], 'f', -1, 64))
		c.samples[name][s.column] = append(c.samples[name][s.column], sample[s.column])
	}
	must(t, c.file.Write(row))
	c.file.Flush()
	must(t, c.file.Error())
}

// judge compares the second sixth of the time with the last one; by the second, everything has
// filled up.
func (c *curve) judge(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, "%-8s %-24s %16s %16s %8s\n", "lagerd", "", "second sixth", "last sixth", "ratio")
	for name, columns := range c.samples {
		for _, s := range sampled {
			values := columns[s.column]
			sixth := len(values) / 6
			if sixth == 0 {
				t.Fatalf("only %d samples", len(values))
			}
			early, late := median(values[sixth:2*sixth]), median(values[len(values)-sixth:])
			fmt.Fprintf(&b, "%-8s %-24s %16.0f %16.0f %8.2f\n", name, s.column, early, late, late/max(early, 1))
			if s.flat && late > early*grown+8 {
				t.Errorf("lagerd %s: %s grew from %.0f to %.0f", name, s.column, early, late)
			}
		}
	}
	t.Log(b.String())
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
