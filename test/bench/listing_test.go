package bench_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"lagerd/budget"
	"lagerd/economic"
	"lagerd/test/lagerdtest"
	"lagerd/test/sandboxtest"
)

const (
	importItems = 100_000
	sweepItems  = 200_000
	noLimit     = "--bucket=100000000"

	// Interval of checks whether a listing is stored: 20,000 items take 0.2 s.
	listingPoll = 4 * time.Millisecond
)

// BenchmarkImport changes 100,000 items of one agreement, each with its webhook. It compares
// the time from the last webhook's answer until everything is up to date with downloading and
// decoding the same pages; for an e-conomic that answers at once, and one that takes a while
// for 1,000 items.
func BenchmarkImport(b *testing.B) {
	for _, latency := range []time.Duration{0, 50 * time.Millisecond} {
		b.Run(latency.String(), func(b *testing.B) { once(b, func() { importing(b, latency) }) })
	}
}

func importing(b *testing.B, latency time.Duration) {
	s := binary.Sandbox(b, "--agreements=1", fmt.Sprint("--products=", importItems*7/5), "--latency="+latency.String(), noLimit) // three of four carry a figure
	l := install(b, false, s.URL, 1, never)
	l.start()
	l.read(1)
	requests := webhookCalls(1, stocked(b, l, importItems))
	var times []row
	var called, alone, peaks []float64
	for n := range *rounds {
		downloading := download(b, s.URL)
		figure := 1000 + n
		must(b, s.Post(first, "import", map[string]int{"inStock": figure}, nil))
		calls, single := callsOf(b, s)
		with := send(b, l.Webhook, 64, requests)
		began := time.Now()
		if with.refused > 0 {
			b.Errorf("%d webhooks were refused", with.refused)
		}
		l.awaitEvery(10*time.Millisecond, 2*time.Minute, 0, openHints)
		took := time.Since(began)
		if wrong, err := l.count("SELECT COUNT(*) FROM items WHERE stock <> ?", figure); err != nil || wrong != 0 {
			b.Errorf("%d items are wrong when all hints are answered (%v)", wrong, err)
		}
		if right, err := l.count("SELECT COUNT(*) FROM items WHERE stock = ?", figure); err != nil || right < importItems {
			b.Errorf("%d items are right when all hints are answered, expected %d at least (%v)", right, importItems, err)
		}
		callsAfter, singleAfter := callsOf(b, s)
		called = append(called, float64(callsAfter-calls))
		alone = append(alone, float64(singleAfter-single))
		times = append(times, row{took.Seconds(), downloading.Seconds()})
		peaks = append(peaks, l.peak())
	}
	what := "after the burst"
	if latency > 0 {
		what += ", e-conomic answering in " + latency.String()
	}
	report(b, what+": until all is true", "s", times, "≤ 1.5")
	note(b, what+": requests to e-conomic", "requests", called, "≤ 150")
	note(b, what+": items read alone", "requests", alone, "0")
	note(b, what+": peak memory", "MiB", peaks, "for comparison")
}

// download reads and decodes all items, page after page.
func download(b *testing.B, url string) time.Duration {
	b.Helper()
	client, err := economic.New(economic.Options{RESTURL: url, AppSecretToken: lagerdtest.AppToken, Timeout: time.Minute})
	must(b, err)
	defer client.Close()
	a := client.Agreement("sandbox-grant-1", nil)
	began := time.Now()
	page, err := a.Products(b.Context(), budget.PriorityHint, economic.ProductsQuery{})
	must(b, err)
	for page.Next != "" {
		page, err = a.NextProducts(b.Context(), budget.PriorityHint, page.Next)
		must(b, err)
	}
	return time.Since(began)
}

// BenchmarkSweep compares a first and a second sweep with the same rows written by upserts of
// 500 without fetching anything.
func BenchmarkSweep(b *testing.B) {
	grows := [2]growth{{what: "first sweep, by items", reach: "≤ 11"}, {what: "second sweep, by items", reach: "≤ 11"}}
	for _, items := range []int{sweepItems / 10, sweepItems} {
		b.Run(fmt.Sprint(items), func(b *testing.B) { once(b, func() { sweep(b, items, &grows) }) })
	}
}

func sweep(b *testing.B, items int, grows *[2]growth) {
	s := binary.Sandbox(b, "--agreements=1", fmt.Sprint("--products=", items), noLimit)
	var firsts, seconds []row
	var peaks, downloads []float64
	var times [2][]float64
	for range *rounds {
		l := install(b, false, s.URL, 1, never)
		l.flushed()
		l.start()
		began := time.Now()
		l.awaitEvery(listingPoll, 5*time.Minute, 1, "SELECT COUNT(*) FROM progress WHERE swept_at IS NOT NULL")
		sweeping := time.Since(began)
		l.read(1)
		if n, err := l.count("SELECT COUNT(*) FROM items"); err != nil || n != items {
			b.Errorf("%d items are stored, expected %d (%v)", n, items, err)
		}
		writing := l.writeRows(items)
		downloads = append(downloads, perSecond(items, download(b, s.URL)))
		again := l.sweepAgain()
		firsts = append(firsts, row{perSecond(items, sweeping), perSecond(items, writing)})
		seconds = append(seconds, row{perSecond(items, again), perSecond(items, sweeping)})
		times[0], times[1] = append(times[0], sweeping.Seconds()), append(times[1], again.Seconds())
		peaks = append(peaks, l.peak())
		l.stop()
		must(b, l.store.Close())
	}
	what := fmt.Sprintf(" sweep of %d items", items)
	report(b, "first"+what, "rows/s", firsts, "≥ 0.7")
	report(b, "second, unchanged"+what, "rows/s", seconds, "≥ 2")
	note(b, "downloading and decoding for a"+what, "rows/s", downloads, "for comparison")
	note(b, "peak memory of a"+what, "MiB", peaks, "≤ 80")
	for i := range grows {
		grows[i].add(b, items, times[i])
	}
}

// sweepAgain sweeps the one shop and returns how long that took.
func (l *lagerd) sweepAgain() time.Duration {
	l.b.Helper()
	swept := l.sweptAt()
	l.sweep()
	began := time.Now()
	for l.sweptAt() == swept {
		if time.Since(began) > 5*time.Minute {
			l.b.Fatal("the second sweep does not end")
		}
		time.Sleep(listingPoll)
	}
	return time.Since(began)
}

func perSecond(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }

func (l *lagerd) sweptAt() (at string) {
	l.b.Helper()
	must(l.b, l.db.QueryRowContext(l.b.Context(), "SELECT COALESCE(CAST(swept_at AS CHAR), '') FROM progress").Scan(&at))
	return at
}

// writeRows copies the stored items into a table like theirs by upserts of 500
// rows and returns how long the upserts took.
func (l *lagerd) writeRows(count int) time.Duration {
	l.b.Helper()
	rows, err := l.db.QueryContext(l.b.Context(), "SELECT * FROM items")
	must(l.b, err)
	defer rows.Close()
	columns, err := rows.Columns()
	must(l.b, err)
	args := make([]any, 0, count*len(columns))
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		must(l.b, rows.Scan(into...))
		args = append(args, values...)
	}
	must(l.b, rows.Err())
	l.exec("CREATE TABLE bench_items LIKE items")
	l.flushed()
	var set []string
	for _, c := range columns[2:] {
		set = append(set, c+" = VALUES("+c+")")
	}
	one := "(" + strings.TrimSuffix(strings.Repeat("?,", len(columns)), ",") + ")"
	const most = 500
	began := time.Now()
	for len(args) > 0 {
		n := min(most, len(args)/len(columns))
		_, err := l.db.ExecContext(l.b.Context(), "INSERT INTO bench_items VALUES "+strings.TrimSuffix(strings.Repeat(one+",", n), ",")+
			" ON DUPLICATE KEY UPDATE "+strings.Join(set, ", "), args[:n*len(columns)]...)
		must(l.b, err)
		args = args[n*len(columns):]
	}
	return time.Since(began)
}

// callsOf returns how many requests the sandbox has answered, and how many of
// them were for one item.
func callsOf(b *testing.B, s sandboxtest.Client) (all, single int) {
	b.Helper()
	var stats []struct{ Calls map[string]int }
	must(b, s.Send(http.MethodGet, "/sandbox/stats", nil, &stats))
	for _, agreement := range stats {
		for endpoint, n := range agreement.Calls {
			all += n
			if endpoint == "product" {
				single += n
			}
		}
	}
	return all, single
}
