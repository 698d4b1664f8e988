package bench_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const idleShops = 10_000

// BenchmarkIdle reconciles shops in which nothing has changed, all at once.
func BenchmarkIdle(b *testing.B) {
	grows := growth{what: "idle shops at once", reach: "≤ 11"}
	for _, shops := range []int{idleShops / 10, idleShops} {
		b.Run(fmt.Sprint(shops), func(b *testing.B) { once(b, func() { idle(b, shops, &grows) }) })
	}
}

func idle(b *testing.B, shops int, grows *growth) {
	s := binary.Sandbox(b, fmt.Sprint("--agreements=", shops), "--products=20", "--latency=20ms", noLimit)
	l := install(b, false, s.URL, shops, never)
	l.Env = append(l.Env, "LAGERD_ECONOMIC_CALLS_PER_SECOND=100000") // to measure lagerd, not its rate limit
	var starts []float64
	for range *rounds {
		starts = append(starts, milliseconds(l.start()))
		if len(starts) < *rounds {
			l.stop()
		}
	}
	l.read(shops)
	l.quiet()
	var times, requests, peaks []float64
	for range *rounds {
		passes, calls := l.metric("lagerd_passes_total"), l.metric("lagerd_economic_calls_total")
		began := time.Now()
		must(b, l.proc.Signal(syscall.SIGUSR1))
		for l.metric("lagerd_passes_total") < passes+float64(shops) {
			time.Sleep(20 * time.Millisecond)
			if time.Since(began) > 2*time.Minute {
				b.Fatalf("%d shops are not reconciled: %.0f passes", shops, l.metric("lagerd_passes_total")-passes)
			}
		}
		times = append(times, time.Since(began).Seconds())
		l.quiet()
		requests = append(requests, (l.metric("lagerd_economic_calls_total")-calls)/float64(shops))
		peaks = append(peaks, l.peak())
	}
	what := fmt.Sprintf("%d idle shops reconciled at once", shops)
	note(b, what, "s", times, "< 20 with 10,000")
	note(b, what+": requests to e-conomic a shop", "requests", requests, "≤ 2")
	note(b, what+": peak memory", "MiB", peaks, "≤ 150 with 10,000")
	note(b, fmt.Sprintf("start with %d shops, exec to ready", shops), "ms", starts, "≤ 1000 with 10,000")
	grows.add(b, shops, times)
}

// quiet waits until no pass ends for a while.
func (l *lagerd) quiet() {
	l.b.Helper()
	for passes := -1.0; l.metric("lagerd_passes_total") != passes; time.Sleep(3 * time.Second) {
		passes = l.metric("lagerd_passes_total")
	}
}

// questions returns how many statements the database has received.
func (l *lagerd) questions() float64 {
	l.b.Helper()
	var name string
	var n float64
	must(l.b, l.db.QueryRowContext(l.b.Context(), "SHOW GLOBAL STATUS LIKE 'Questions'").Scan(&name, &n))
	return n
}

// metric returns the sum of a metric's series.
func (l *lagerd) metric(name string) (sum float64) {
	l.b.Helper()
	res, err := http.Get("http://" + l.Admin + "/metrics")
	must(l.b, err)
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		line := lines.Text()
		series, value, _ := strings.Cut(line, " ")
		if series == name || strings.HasPrefix(series, name+"{") {
			v, err := strconv.ParseFloat(value[strings.LastIndexByte(value, ' ')+1:], 64)
			must(l.b, err)
			sum += v
		}
	}
	must(l.b, lines.Err())
	return sum
}
