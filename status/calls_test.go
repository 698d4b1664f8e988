package status_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/status"
	"lagerd/store"
)

func TestWriteCalls(t *testing.T) {
	at := store.At(time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC))
	var out strings.Builder
	toDo := func(outcome string) string {
		if outcome == "recorded" {
			return ""
		}
		return "mend " + outcome
	}
	err := status.WriteCalls(&out, []store.WebhookCall{
		{CalledAt: at, Remote: "192.0.2.7", Method: "POST", Kind: "stock", Number: "A\u202e\n1", Status: 200, Outcome: "recorded"},
		{CalledAt: at, Remote: "192.0.2.7", Method: "POST", Kind: "stock", Number: "[ORDERNO]", Status: 400, Outcome: "merge_field"},
		{CalledAt: at, Remote: "192.0.2.7\x1b[2J", Method: "POST", Kind: "stock", Number: "[ORDERNO]", Status: 400, Outcome: "merge_field"},
	}, toDo)
	want := []string{"", "Latest webhook calls (UTC):",
		`2026-11-28 12:00:00  192.0.2.7           POST  stock  "A\u202e\n1"  200  recorded`,
		`2026-11-28 12:00:00  192.0.2.7           POST  stock  "[ORDERNO]"   400  merge_field`,
		`2026-11-28 12:00:00  192.0.2.7\u001b[2J  POST  stock  "[ORDERNO]"   400  merge_field`,
		"merge_field: mend merge_field", ""}
	if got := strings.Split(out.String(), "\n"); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestCodes(t *testing.T) {
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	got := status.Codes([]store.ShopCode{{CreatedAt: store.At(at), UsedAt: store.At(at.Add(time.Hour))}, {CreatedAt: store.At(at.Add(time.Minute))}})
	want := []string{"made 2026-11-28 12:00:00, used 2026-11-28 13:00:00", "made 2026-11-28 12:01:00, never used"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	var out strings.Builder
	if err := status.WriteCodes(&out, []store.ShopCode{{CreatedAt: store.At(at), UsedAt: store.At(at.Add(time.Hour))}, {CreatedAt: store.At(at)}}); err != nil {
		t.Error(err)
	}
	if text := "integration code: made 2026-11-28 12:00:00, used 2026-11-28 13:00:00 (UTC)\nintegration code: made 2026-11-28 12:00:00, never used (UTC)\n"; out.String() != text {
		t.Errorf("%q, want %q", out.String(), text)
	}
	out.Reset()
	if err := status.WriteCalls(&out, nil, nil); err != nil || out.String() != "\nNo webhook calls yet.\n" {
		t.Errorf("no calls: %v, %q", err, out.String())
	}
}
