package hostiletest

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"lagerd/rest"
)

const mib = 1 << 20

// Read reads each answer from a service, decodes it by the decoder of its kind, and checks the error,
// and that whatever an answer contains, it costs no more than it may. No test may run in parallel with
// it, because it measures. answers makes the answers of a size.
func Read(t *testing.T, answers func(largest int) []Answer, decoders map[Kind]func([]byte) error) {
	t.Helper()
	for _, test := range answers(largest) {
		t.Run(test.Name, func(t *testing.T) {
			sent := test.Body()
			var err error
			cost := measure(t, func() { err = decoders[test.Kind](received(t, sent)) })
			switch {
			case test.Err == "" && err != nil, test.Err != "" && (err == nil || !strings.Contains(err.Error(), test.Err)):
				t.Errorf("got %.200v, want %q", err, test.Err)
			case err != nil && len(err.Error()) > 1000:
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			cost.check(t, len(sent))
			t.Logf("%d MiB in %s: %.100v", cost.allocated/mib, cost.took.Round(time.Millisecond), err)
		})
	}
}

// Within checks that decoding an answer costs no more than it may, for fuzzing. The answer itself is
// in memory already.
func Within(t *testing.T, answer []byte, decode func()) {
	t.Helper()
	measure(t, decode).check(t, len(answer))
}

// cost is what something has cost.
type cost struct {
	allocated int
	took      time.Duration // of processor time, which a busy machine lengthens less than the time
}

// measure returns what a function costs.
func measure(t *testing.T, do func()) cost {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := cpuTime(t)
	do()
	took := cpuTime(t) - began
	runtime.ReadMemStats(&after)
	return cost{int(after.TotalAlloc - before.TotalAlloc), took}
}

// check reports a cost of more than three times the size of an answer, which for the largest is less
// than 100 MiB, or of two seconds. What was allocated on the way counts as if it were held.
func (c cost) check(t *testing.T, size int) {
	t.Helper()
	const least = 16 * mib // of a small answer, errors about its fields are the largest part
	if most := max(3*size, least) * larger; c.allocated > most {
		t.Errorf("%d MiB allocated for an answer of %d bytes, expected at most %d", c.allocated/mib, size, most/mib)
	}
	if most := 2 * time.Second * slower; c.took > most {
		t.Errorf("it took %s, expected at most %s", c.took, most)
	}
}

// patient is an account whose answers may take long.
type patient struct{}

func (patient) LargeTime() time.Duration                     { return time.Hour }
func (patient) TookLarge(time.Duration, bool, time.Duration) {}

// received returns the body of an answer as it is read from a service that does not say how long it is.
func received(t *testing.T, body []byte) []byte {
	t.Helper()
	host := &url.URL{Scheme: "http", Host: "api.test"}
	getter := rest.NewGetter(rest.GetterOptions{Service: "the API", Secret: "tokens", Host: host, Transport: sends(body), Timeout: time.Hour})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, host.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var held rest.Slot
	defer held.Release()
	got, err := getter.Get(r, rest.Limits{Most: int64(max(largest, len(body))), Room: rest.NewRoom(), Held: &held, Slowness: patient{}})
	if err != nil {
		t.Fatal(err)
	}
	return got.Body
}

// sends is a service that sends this body.
type sends []byte

func (s sends) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(bytes.NewReader(s)), Request: r}, nil
}

// cpuTime is what the process has used.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
