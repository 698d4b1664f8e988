package daemon

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A burst allocates much more than the live heap. GOGC is therefore 40 instead of Go's 100, which
// more than halves the extra memory at the cost of a few percent of the time. But on a heap of a
// few MiB it would make the collector run twenty times a second. Where gcSeldom passes between two
// collections, as with thousands of idle shops, it can run twice as often.
const (
	gcPercent = 40
	gcLeast   = 12 << 20 // minimum bytes allocated between two collections
	gcSeldom  = time.Second
)

// collectorPercent returns the value for debug.SetGCPercent with a live heap of that many
// bytes, in steps of ten, and after such a time since the collection before.
func collectorPercent(live uint64, passed time.Duration) int {
	const most = 200
	if live == 0 {
		return most
	}
	percent := uint64(gcPercent)
	if passed >= gcSeldom {
		percent /= 2
	}
	return int(min(most, max(percent, gcLeast*100/live))) / 10 * 10
}

// paceCollector adjusts the GC percentage after each collection, until ctx is done.
func paceCollector(ctx context.Context) {
	collected := make(chan struct{}, 1)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	last, set := time.Now(), 0
	for {
		metrics.Read(live)
		passed := time.Since(last)
		last = last.Add(passed)
		if percent := collectorPercent(live[0].Value.Uint64(), passed); percent != set {
			debug.SetGCPercent(percent)
			set = percent
		}
		// The next collection cleans up this unreachable object, which signals that it ran.
		runtime.AddCleanup(new([64]byte), func(struct{}) { collected <- struct{}{} }, struct{}{})
		select {
		case <-ctx.Done():
			return
		case <-collected:
		}
	}
}
