package store

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"lagerd/plan"
)

// TestAppendBatched: hand-written JSON equals that of package json.
func TestAppendBatched(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var data []byte
		var batch []batched
		for range rapid.IntRange(1, 5).Draw(t, "hints") {
			h := HintRecord{Kind: rapid.SampledFrom([]plan.Kind{plan.KindStock, plan.KindInvoice}).Draw(t, "kind"),
				Number: rapid.String().Draw(t, "number"), At: time.UnixMicro(rapid.Int64().Draw(t, "at"))}
			batch = append(batch, batched{h.Kind, h.Number, h.At.UnixMicro()})
			var err error
			if data, err = appendBatched(data, h); err != nil {
				t.Fatal(err)
			}
		}
		want, err := json.Marshal(batch)
		if got := string(append(data, ']')); err != nil || got != string(want) {
			t.Fatalf("%s, expected %s (%v)", got, want, err)
		}
	})
	if _, err := appendBatched(nil, HintRecord{Kind: plan.KindStock, Number: "\xff"}); err == nil {
		t.Error("a number that is not valid UTF-8 is accepted")
	}
}

// TestHostileBatches: a batch that something else wrote is refused quickly, with little memory and
// a short error, whatever its size.
func TestHostileBatches(t *testing.T) { //nolint:paralleltest // it measures memory
	const column = 16 << 20
	fill := func(before, part, after string, size int) []byte {
		return []byte(before + strings.Repeat(part, (size-len(before)-len(after))/len(part)) + after)
	}
	for _, size := range []int{longestBatch, column} {
		for name, data := range map[string][]byte{
			"empty hints": fill("[", "{},", "{}]", size), "lists": fill("[", "[],", "[]]", size), "numbers": fill("[", "1,", "1]", size),
			"deep":          fill("", "[", "", size),
			"a long number": fill(`[{"kind":"stock","number":"`, "9", `","at_us":1}]`, size), "an escaped number": fill(`[{"kind":"stock","number":"`, `\u0041`, `","at_us":1}]`, size),
			"a long kind": fill(`[{"kind":"`, "k", `"}]`, size), "a long name": fill(`[{"`, "k", `":1}]`, size), "a long time": fill(`[{"kind":"stock","number":"1","at_us":`, "9", `}]`, size),
			"one field often": fill(`[{"kind":"stock"`, `,"number":"1"`, `}]`, size), "spaces": fill("[", " ", "", size), "zeroes": make([]byte, size),
		} {
			withinBudget(t, name, data)
		}
	}
	good := fill("[", `{"kind":"stock","number":"12345678901234567890123","at_us":1763899200000000},`, `{"kind":"invoice","number":"7","at_us":1}]`, 500*80)
	if batch, err := readBatch(good); err != nil || len(batch) < 500 {
		t.Errorf("a batch of lagerd's: %d hints, %v", len(batch), err)
	}
}

// withinBudget reads a batch within 100 MiB and 2 s; its error must be short.
func withinBudget(t *testing.T, name string, data []byte) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	batch, err := readBatch(data)
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 100 || took > 2*time.Second {
		t.Errorf("%s, %d bytes: %d MiB in %s", name, len(data), used, took)
	}
	if err != nil && len(err.Error()) > 1000 {
		t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
	}
	if err == nil {
		for _, b := range batch {
			if b.Number == "" || len(b.Number) > longestNumber {
				t.Errorf("%s: read %+v", name, b)
			}
		}
	}
}

// FuzzBatch: what is in hint_batches is read or refused, within a budget.
func FuzzBatch(f *testing.F) {
	for _, data := range []string{`[{"kind":"stock","number":"A-1","at_us":1763899200000000}]`, `[]`, `[{}]`, `{`, `[{"kind":"stock","number":"\ud800"}]`, `[{"at_us":1e99}]`, "null"} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) { withinBudget(t, "fuzzed", data) })
}
