package hostiletest

import (
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const mib = 1 << 20

// Read reads each answer by the decoder of its kind, and checks the error, and that whatever an answer
// of maximum size contains, reading it takes at most three times its size in memory, and two seconds.
// No test may run in parallel with it, because it measures. answers makes the answers of a size.
func Read(t *testing.T, answers func(largest int) []Answer, decoders map[Kind]func([]byte) error) {
	t.Helper()
	for _, test := range answers(largest) {
		t.Run(test.Name, func(t *testing.T) {
			body := test.Body()
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			began := cpuTime(t)
			err := decoders[test.Kind](body)
			took := cpuTime(t) - began
			runtime.ReadMemStats(&after)
			switch {
			case test.Err == "" && err != nil, test.Err != "" && (err == nil || !strings.Contains(err.Error(), test.Err)):
				t.Errorf("got %.200v, want %q", err, test.Err)
			case err != nil && len(err.Error()) > 1000:
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			// This excludes the answer itself, which is also in memory.
			if got, most := int(after.TotalAlloc-before.TotalAlloc), 2*largest+16*mib; got > most {
				t.Errorf("%d MiB allocated, expected at most %d", got/mib, most/mib)
			}
			if most := 2 * time.Second * slower; took > most {
				t.Errorf("it took %s, expected at most %s", took, most)
			}
			t.Logf("%d MiB in %s: %.100v", (after.TotalAlloc-before.TotalAlloc)/mib, took.Round(time.Millisecond), err)
		})
	}
}

// cpuTime is what the process has used, which a busy machine lengthens less than the time.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
