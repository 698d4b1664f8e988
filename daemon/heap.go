package daemon

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The heap is small beside what a burst allocates. So the collector leaves it half as
// much again as is in use, where Go would leave it twice as much: memory is halved
// for some hundredths of the time. But of a heap of a few MiB half is so little that
// it would run twenty times a second.
const (
	gcPercent = 50
	gcLeast   = 16 << 20 // bytes that may be allocated between two collections, at least
)

// collectorPercent returns what debug.SetGCPercent is to be told when so many bytes
// are in use, in steps of ten.
func collectorPercent(live uint64) int {
	const most = 200
	if live == 0 {
		return most
	}
	return int(min(most, max(gcPercent, gcLeast*100/live))) / 10 * 10
}

// paceCollector tells the collector after each of its runs how much it is to leave,
// until ctx is done.
func paceCollector(ctx context.Context) {
	collected := make(chan struct{}, 1)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for told := 0; ; {
		metrics.Read(live)
		if percent := collectorPercent(live[0].Value.Uint64()); percent != told {
			debug.SetGCPercent(percent)
			told = percent
		}
		// What nothing refers to is cleaned up by the next run.
		runtime.AddCleanup(new([64]byte), func(struct{}) { collected <- struct{}{} }, struct{}{})
		select {
		case <-ctx.Done():
			return
		case <-collected:
		}
	}
}
