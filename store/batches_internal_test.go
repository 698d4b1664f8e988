package store

import (
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
