package bench_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	idleShops = 10_000
	afterTick = 3 * time.Second // in which is written what comes of a tick
)

// BenchmarkIdle: a tick of shops in which nothing has changed.
func BenchmarkIdle(b *testing.B) {
	grows := growth{what: "idle tick, by shops", reach: "≤ 11"}
	for _, of := range []struct {
		shops int
		every time.Duration
	}{{idleShops / 10, 15 * time.Second}, {idleShops, 45 * time.Second}} {
		b.Run(fmt.Sprint(of.shops), func(b *testing.B) { once(b, func() { idle(b, of.shops, of.every, &grows) }) })
	}
}

func idle(b *testing.B, shops int, every time.Duration, grows *growth) {
	s := binary.Sandbox(b, fmt.Sprint("--agreements=", shops), "--products=20", "--latency=20ms", noLimit)
	l := install(b, false, s.URL, shops, fmt.Sprintf("reconcile: {schedule: \"@every %s\"}\n", every))
	var starts []float64
	for range *rounds {
		starts = append(starts, milliseconds(l.start()))
		if len(starts) < *rounds {
			l.stop()
		}
	}
	l.read(shops)
	var times, requests, statements, beside, peaks []float64
	for tick := l.metric("lagerd_last_tick_timestamp_seconds"); l.metric("lagerd_last_tick_timestamp_seconds") == tick; {
		time.Sleep(50 * time.Millisecond)
	}
	for passes := -1.0; l.metric("lagerd_passes_total") != passes; time.Sleep(afterTick) {
		passes = l.metric("lagerd_passes_total")
	}
	for range *rounds {
		tick := l.metric("lagerd_last_tick_timestamp_seconds")
		passes := l.metric("lagerd_passes_total")
		calls, _ := callsOf(b, s)
		questions := l.questions()
		for waiting := true; waiting; {
			before := l.questions() // which is itself one
			time.Sleep(20 * time.Millisecond)
			if waiting = l.metric("lagerd_last_tick_timestamp_seconds") == tick; waiting {
				questions = before
			}
		}
		began := time.Now()
		for l.metric("lagerd_passes_total") < passes+float64(shops) {
			time.Sleep(20 * time.Millisecond)
			if time.Since(began) > 2*time.Minute {
				b.Fatalf("a tick of %d shops does not end: %.0f passes", shops, l.metric("lagerd_passes_total")-passes)
			}
		}
		times = append(times, time.Since(began).Seconds())
		time.Sleep(afterTick)
		now := l.questions()
		statements = append(statements, now-questions-2)
		after, _ := callsOf(b, s)
		time.Sleep(time.Since(began))
		beside = append(beside, l.questions()-now-1)
		requests = append(requests, float64(after-calls)/float64(shops))
		peaks = append(peaks, l.peak())
	}
	what := fmt.Sprintf("idle tick of %d shops", shops)
	note(b, what, "s", times, "< 20 with 10,000")
	note(b, what+": requests to e-conomic a shop", "requests", requests, "≤ 2")
	note(b, what+": SQL statements until 3 s after it", "statements", statements, "≤ 50")
	note(b, what+": SQL statements in as long a time without a tick", "statements", beside, "for comparison")
	note(b, what+": peak memory", "MiB", peaks, "≤ 150 with 10,000")
	note(b, fmt.Sprintf("start with %d shops, exec to ready", shops), "ms", starts, "≤ 1000 with 10,000")
	grows.add(b, shops, times)
}

// questions returns how many statements the database has been sent.
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
