package bench_test

import (
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

var (
	rounds  = flag.Int("bench.rounds", 5, "how often each benchmark runs both sides of its comparison")
	dataDir = flag.String("bench.data", "", "directory in which each benchmark writes its figures as CSV")
	pgo     = flag.String("bench.pgo", "off", "the profile with which lagerd is built, as go build's -pgo; give go test the same")
)

// binary is the lagerd being measured.
var binary lagerdtest.Binary

func TestMain(m *testing.M) {
	if os.Getenv(plainVariable) != "" {
		if err := servePlain(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// The driver logs every connection that ends with its server.
	if err := mysql.SetLogger(log.New(io.Discard, "", 0)); err != nil {
		fmt.Fprintln(os.Stderr, "quiet the driver:", err)
		os.Exit(1)
	}
	flag.Parse()
	dir, err := os.MkdirTemp("", "lagerd-bench")
	if err == nil {
		binary, err = lagerdtest.Build(dir, "-trimpath", "-pgo="+*pgo)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := mariadbtest.Main(m)
	if code == 0 {
		if err := writeProfile(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// once runs a benchmark's rounds in its first iteration: a round takes seconds, and their
// number must not depend on the clock.
func once(b *testing.B, do func()) {
	b.Helper()
	if b.N != 1 {
		b.Fatalf("%s: run it with -benchtime=1x: it has its own rounds", b.Name())
	}
	do()
	b.ReportMetric(0, "ns/op")
}

// row is a round's figures: lagerd's and those it is compared with.
type row struct{ ours, theirs float64 }

// report prints and records the results of the rounds. reach is the target, as text for people.
func report(b *testing.B, what, unit string, list []row, reach string) {
	b.Helper()
	ratios := make([]float64, len(list))
	ours, theirs := make([]float64, len(list)), make([]float64, len(list))
	for i, r := range list {
		ours[i], theirs[i], ratios[i] = r.ours, r.theirs, r.ours/r.theirs
	}
	b.Logf("%s: ratio %s (reach: %s); lagerd %s %s, compared with %s", what, spread(ratios, "%.2f"), reach, spread(ours, "%.4g"), unit, spread(theirs, "%.4g"))
	b.ReportMetric(median(ratios), "ratio")
	recordIn(b, "bench.csv", []string{"what", "round", "lagerd", "compared", "unit"}, func(put func(...string)) {
		for i, r := range list {
			put(what, strconv.Itoa(i+1), number(r.ours), number(r.theirs), unit)
		}
	})
}

// note prints figures that are compared only with their target.
func note(b *testing.B, what, unit string, values []float64, reach string) {
	b.Helper()
	b.Logf("%s: %s %s (reach: %s)", what, spread(values, "%.4g"), unit, reach)
	recordIn(b, "bench.csv", []string{"what", "round", "lagerd", "compared", "unit"}, func(put func(...string)) {
		for i, v := range values {
			put(what, strconv.Itoa(i+1), number(v), "", unit)
		}
	})
}

// recordIn adds rows to a file, if files are requested.
func recordIn(b *testing.B, file string, head []string, fill func(put func(...string))) {
	b.Helper()
	if *dataDir == "" {
		return
	}
	if err := record(file, head, fill); err != nil {
		b.Fatalf("keep the figures of %s: %v", b.Name(), err)
	}
}

// record adds rows to a file in dataDir, and creates either if missing.
func record(file string, head []string, fill func(put func(...string))) error {
	if err := os.MkdirAll(*dataDir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(*dataDir, file)
	_, missing := os.Stat(path)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	if missing != nil {
		err = w.Write(head)
	}
	fill(func(values ...string) { err = errors.Join(err, w.Write(values)) })
	w.Flush()
	return errors.Join(err, w.Error(), f.Close())
}

// recordSamples adds a benchmark's individual measurements to their own file: how long each
// took, and the share of all that took no longer.
func recordSamples(b *testing.B, what string, samples []time.Duration) {
	b.Helper()
	recordIn(b, what+".csv", []string{"ms", "share"}, func(put func(...string)) {
		for i, d := range slices.Sorted(slices.Values(samples)) {
			put(number(milliseconds(d)), number(float64(i+1)/float64(len(samples))))
		}
	})
}

// growth tracks how a time grows with size.
type growth struct {
	what, reach string
	size        int     // the smallest, measured first
	time        float64 // and its median
}

func (g *growth) add(b *testing.B, size int, times []float64) {
	b.Helper()
	if g.size == 0 {
		g.size, g.time = size, median(times)
	}
	factor, relative := float64(size)/float64(g.size), median(times)/g.time
	if factor > 1 {
		b.Logf("%s, %g times as much: %.2f times the time (reach: %s)", g.what, factor, relative, g.reach)
	}
	recordIn(b, "growth.csv", []string{"what", "times", "time"}, func(put func(...string)) {
		put(g.what, number(factor), number(relative))
	})
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// spread returns minimum, median and maximum.
func spread(values []float64, format string) string {
	s := slices.Sorted(slices.Values(values))
	if len(s) == 1 {
		return fmt.Sprintf(format, s[0])
	}
	return fmt.Sprintf(format+"/"+format+"/"+format, s[0], median(s), s[len(s)-1])
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	if len(s) == 0 {
		return 0
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// quantile returns the duration below which the share lies, in milliseconds.
func quantile(durations []time.Duration, share float64) float64 {
	s := slices.Sorted(slices.Values(durations))
	if len(s) == 0 {
		return 0
	}
	return milliseconds(s[min(len(s)-1, int(share*float64(len(s))))])
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
