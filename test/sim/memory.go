package sim

import (
	"math"
	"runtime"
	"slices"
	"strings"
)

// ofLagerd returns the bytes of live heap allocated by lagerd's own code, according to the
// memory profile. The simulated world's memory grows with its trade and would hide a leak of
// lagerd.
func ofLagerd() (bytes uint64) {
	runtime.GC() // the profile dates from the collection before the last
	runtime.GC()
	var records []runtime.MemProfileRecord
	for n, ok := runtime.MemProfile(nil, false); !ok; {
		records = make([]runtime.MemProfileRecord, n+100)
		n, ok = runtime.MemProfile(records, false)
		records = records[:min(n, len(records))]
	}
	for i := range records {
		if r := &records[i]; r.InUseObjects() > 0 && isLagerds(r.Stack()) {
			bytes += scaled(r)
		}
	}
	return bytes
}

// isLagerds reports whether the innermost function of this module belongs to lagerd, not to the
// simulation or a test.
func isLagerds(stack []uintptr) bool {
	frames := runtime.CallersFrames(stack)
	for more := true; more; {
		var f runtime.Frame
		if f, more = frames.Next(); strings.HasPrefix(f.Function, "lagerd/") {
			return !slices.ContainsFunc([]string{"lagerd/test/", "lagerd/sandbox"}, func(of string) bool { return strings.HasPrefix(f.Function, of) })
		}
	}
	return false
}

// scaled estimates the total behind a record of sampled allocations, as package pprof does.
func scaled(r *runtime.MemProfileRecord) uint64 {
	bytes, rate := float64(r.InUseBytes()), float64(runtime.MemProfileRate)
	if rate > 1 {
		bytes /= 1 - math.Exp(-bytes/float64(r.InUseObjects())/rate)
	}
	return uint64(bytes)
}
