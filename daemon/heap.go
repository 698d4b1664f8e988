package daemon

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// A burst allocates much more than the live heap. GOGC is therefore 50 instead of Go's
// 100, which halves the extra memory at the cost of a few percent of the time. But on a heap
// of a few MiB it would make the collector run twenty times a second.
const (
	gcPercent = 50
	gcLeast   = 12 << 20 // minimum bytes allocated between two collections
)

// collectorPercent returns the value for debug.SetGCPercent with a live heap of that many
// bytes, in steps of ten.
func collectorPercent(live uint64) int {
	const most = 200
	if live == 0 {
		return most
	}
	return int(min(most, max(gcPercent, gcLeast*100/live))) / 10 * 10
}

// paceCollector adjusts the GC percentage after each collection, until ctx is done.
func paceCollector(ctx context.Context) {
	collected := make(chan struct{}, 1)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for set := 0; ; {
		metrics.Read(live)
		if percent := collectorPercent(live[0].Value.Uint64()); percent != set {
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
