package bench_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"lagerd/sandbox"
	"lagerd/test/lagerdtest"
)

const (
	minuteLatency = 250 * time.Millisecond
	minuteHangs   = 2 * time.Minute
)

// BenchmarkMinute ticks unchanged shops every minute, with an e-conomic as slow as the real
// one, which then stops answering.
func BenchmarkMinute(b *testing.B) {
	once(b, func() { minute(b, idleShops) })
}

func minute(b *testing.B, shops int) {
	far := newFarAway(shops)
	server := httptest.NewServer(far)
	b.Cleanup(server.Close)
	l := install(b, false, server.URL, shops, "")
	began := time.Now()
	l.start()
	l.read(shops)
	first := time.Since(began).Seconds()
	l.quietMinute()

	from, questions, used := time.Now(), l.questions(), l.processorTime()
	time.Sleep(time.Duration(*rounds+1) * time.Minute)
	to := time.Now()
	minutes := to.Sub(from).Minutes()
	ticking := (l.questions() - questions - 1) / minutes
	used = (l.processorTime() - used) / minutes
	apart := far.apart(from, to)
	busiest, average := far.busiest(from, to)
	peak := l.peak()

	l.resetPeak()
	far.hang(true)
	stuck := 0.0
	for hung := time.Now(); time.Since(hung) < minuteHangs; time.Sleep(5 * time.Second) {
		stuck = max(stuck, l.metric("lagerd_stuck_workers"))
	}
	hanging, most := l.peak(), far.mostAtOnce()
	far.hang(false)
	began = time.Now()
	l.await(20*time.Minute, 0, "SELECT COUNT(*) FROM progress WHERE tick_at < ?", began.UTC())
	again := time.Since(began).Seconds()
	l.stop()

	l.Env = append(l.Env, "LAGERD_RECONCILE_SCHEDULE=0 0 29 2 *")
	l.start()
	l.quiet()
	questions, began = l.questions(), time.Now()
	time.Sleep(time.Minute)
	without := (l.questions() - questions - 1) / time.Since(began).Minutes()

	what := fmt.Sprintf("%d idle shops, e-conomic answering in %s", shops, minuteLatency)
	note(b, what+": between two ticks of a shop, p99.9", "s", []float64{quantile(apart, 0.999) / 1000}, "≤ 61")
	note(b, what+": the longest time between two", "s", []float64{quantile(apart, 1) / 1000}, "≤ 65")
	note(b, what+": requests in the busiest second", "of the average", []float64{float64(busiest) / average}, "≤ 2")
	note(b, what+": requests a second on average", "requests", []float64{average}, "for comparison")
	note(b, what+": SQL statements a minute beyond those without ticks", "statements", []float64{ticking - without}, "≤ 60")
	note(b, what+": SQL statements a minute without ticks", "statements", []float64{without}, "for comparison")
	note(b, what+": processor time a minute", "s", []float64{used}, "for comparison")
	note(b, what+": peak memory", "MiB", []float64{peak}, "≤ 150")
	note(b, what+": until all are read whole first", "s", []float64{first}, "for comparison")
	note(b, fmt.Sprintf("%d shops, e-conomic answering nothing: peak memory", shops), "MiB", []float64{hanging}, "≤ 150")
	note(b, fmt.Sprintf("%d shops, e-conomic answering nothing: requests at once", shops), "requests", []float64{float64(most)}, "for comparison")
	note(b, fmt.Sprintf("%d shops, e-conomic answering nothing: passes stuck", shops), "passes", []float64{stuck}, "for comparison")
	note(b, fmt.Sprintf("%d shops, e-conomic answering again: until all have had a tick", shops), "s", []float64{again}, "for comparison")
}

// quietMinute waits until the shops' first passes have ended and the next minute begins.
func (l *lagerd) quietMinute() {
	l.b.Helper()
	time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(2 * time.Minute)))
}

// processorTime returns the process's processor time in seconds.
func (l *lagerd) processorTime() float64 {
	l.b.Helper()
	return l.metric("process_cpu_seconds_total")
}

// resetPeak restarts the measurement of peak.
func (l *lagerd) resetPeak() {
	l.b.Helper()
	must(l.b, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", l.proc.Pid()), []byte("5"), 0))
}

// farAway is a slow e-conomic in the benchmark's own process that records when it was called.
type farAway struct {
	sandbox http.Handler

	mu     sync.Mutex
	ticks  map[string][]time.Time // when an agreement's invoices were requested, once per tick
	calls  []time.Time
	hanged chan struct{} // closed to answer hanging requests; nil: none hangs
	atOnce int
	most   int // simultaneous requests while some hang
}

func newFarAway(agreements int) *farAway {
	s := sandbox.New(sandbox.Options{Agreements: agreements, Products: 20, AppToken: lagerdtest.AppToken, Latency: minuteLatency, Bucket: 1_000_000, MaxURL: 4000})
	return &farAway{sandbox: s.Handler(), ticks: map[string][]time.Time{}}
}

func (f *farAway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	f.mu.Lock()
	if r.URL.Path == "/invoices/booked" {
		grant := r.Header.Get("X-AgreementGrantToken")
		f.ticks[grant] = append(f.ticks[grant], now)
	}
	f.calls = append(f.calls, now)
	f.atOnce++
	f.most = max(f.most, f.atOnce)
	hangs := f.hanged
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.atOnce--
		f.mu.Unlock()
	}()
	if hangs != nil {
		select {
		case <-hangs:
		case <-r.Context().Done():
			return
		}
	}
	f.sandbox.ServeHTTP(w, r)
}

// hang makes all requests hang from now on, or answers them.
func (f *farAway) hang(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if on {
		f.hanged, f.most = make(chan struct{}), 0
		return
	}
	close(f.hanged)
	f.hanged = nil
}

func (f *farAway) mostAtOnce() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most
}

// apart returns the times between successive ticks of each agreement, including the time since
// the last one.
func (f *farAway) apart(from, to time.Time) []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []time.Duration
	for _, ticks := range f.ticks {
		last := time.Time{}
		for _, at := range append(slices.Clone(ticks), to) {
			if at.Before(from) || at.After(to) {
				continue
			}
			if !last.IsZero() {
				list = append(list, at.Sub(last))
			}
			last = at
		}
	}
	return list
}

// busiest returns the requests of the busiest second and of an average one.
func (f *farAway) busiest(from, to time.Time) (most int, average float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	seconds, all := map[int64]int{}, 0
	for _, at := range f.calls {
		if !at.Before(from) && at.Before(to) {
			second := int64(at.Sub(from) / time.Second)
			seconds[second]++
			most = max(most, seconds[second])
			all++
		}
	}
	return most, float64(all) / to.Sub(from).Seconds()
}
