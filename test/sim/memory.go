package sim

import (
	"math"
	"runtime"
	"slices"
	"strings"
)

// ofLagerd returns how many bytes of the heap lagerd's own code has allocated and are in
// use, as the memory profile has it. What the simulated world remembers grows with its
// trade, and would hide what lagerd does not let go.
func ofLagerd() (bytes uint64) {
	runtime.GC() // the profile is as of the last collection but one
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

// isLagerds reports whether the innermost function of this module is of what is run, and
// not of what simulates or tests it.
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

// scaled is what a record of sampled allocations stands for, as package pprof has it.
func scaled(r *runtime.MemProfileRecord) uint64 {
	bytes, rate := float64(r.InUseBytes()), float64(runtime.MemProfileRate)
	if rate > 1 {
		bytes /= 1 - math.Exp(-bytes/float64(r.InUseObjects())/rate)
	}
	return uint64(bytes)
}
