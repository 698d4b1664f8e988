package status_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

func TestWriteCalls(t *testing.T) {
	at := store.At(time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC))
	toDo := func(outcome string) string {
		if outcome == "recorded" {
			return ""
		}
		return "mend " + outcome
	}
	calls := []store.WebhookCall{
		{CalledAt: at, Remote: "192.0.2.7", Method: "POST", Kind: "stock", Number: "A\u202e\n1", Status: 200, Outcome: "recorded"},
		{CalledAt: at, Remote: "2001:db8:85a3::8a2e:370:7334", Method: "POST", Kind: "stock", Number: "[ORDERNO]", Status: 400, Outcome: "merge_field"},
		{CalledAt: at, Remote: "192.0.2.7\x1b[2J", Method: "POST", Kind: "stock", Number: "[ORDERNO]", Status: 400, Outcome: "merge_field"},
	}
	for columns, want := range map[int]string{
		96: `
Latest webhook calls:
CALLED (UTC)         FROM                          KIND   NUMBER        STATUS  OUTCOME
2026-11-28 12:00:00  192.0.2.7                     stock  "A\u202e\n1"     200  recorded
2026-11-28 12:00:00  2001:db8:85a3::8a2e:370:7334  stock  "[ORDERNO]"      400  merge_field
2026-11-28 12:00:00  192.0.2.7\u001b[2J            stock  "[ORDERNO]"      400  merge_field
merge_field: mend merge_field
`,
		110: `
Latest webhook calls:
CALLED (UTC)         FROM                          METHOD  KIND   NUMBER        STATUS  OUTCOME
2026-11-28 12:00:00  192.0.2.7                     POST    stock  "A\u202e\n1"     200  recorded
2026-11-28 12:00:00  2001:db8:85a3::8a2e:370:7334  POST    stock  "[ORDERNO]"      400  merge_field
2026-11-28 12:00:00  192.0.2.7\u001b[2J            POST    stock  "[ORDERNO]"      400  merge_field
merge_field: mend merge_field
`,
		60: `
Latest webhook calls:
CALLED (UTC)        KIND   NUMBER        STATUS  OUTCOME
2026-11-28 12:00:…  stock  "A\u202e\n1"     200  recorded
2026-11-28 12:00:…  stock  "[ORDERNO]"      400  merge_field
2026-11-28 12:00:…  stock  "[ORDERNO]"      400  merge_field
merge_field: mend merge_field
`,
	} {
		var out strings.Builder
		if err := status.WriteCalls(&out, calls, toDo, columns); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%d columns (-want +got):\n%s", columns, diff)
		}
	}
}

func TestWriteChanges(t *testing.T) {
	t.Parallel()
	at := store.At(time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC))
	stock := func(text string) *string { return &text }
	changes := []store.Change{
		{CommittedAt: at, Shop: "shop1234", Kind: plan.KindStock, Number: "A 1", What: plan.WhatStock, OldStock: stock("7.50"), NewStock: stock("0"), Cause: plan.CauseTick, Webhook: plan.WebhookMissed},
		{CommittedAt: at, Shop: "shop1234", Kind: plan.KindStock, Number: "B\x1b[2J ", What: plan.WhatGone, OldState: plan.StateOK, NewState: plan.StateGone, RenumberedTo: "B-2", Cause: plan.CauseSweep, Webhook: plan.WebhookNone},
	}
	for columns, want := range map[int]string{
		110: `CHANGED (UTC)        SHOP      NUMBER       WHAT   CHANGE                       CAUSE  WEBHOOK
2026-11-28 12:00:00  shop1234  A 1          stock  7.5 → 0                      tick   missed
2026-11-28 12:00:00  shop1234  "B\x1b[2J "  gone   ok → gone, now probably B-2  sweep  none
`,
		80: `CHANGED (UTC)        NUMBER       WHAT   CHANGE                       CAUSE
2026-11-28 12:00:00  A 1          stock  7.5 → 0                      tick
2026-11-28 12:00:00  "B\x1b[2J "  gone   ok → gone, now probably B-2  sweep
`,
	} {
		var out strings.Builder
		if err := status.WriteChanges(&out, changes, columns); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%d columns (-want +got):\n%s", columns, diff)
		}
	}
	if err := status.WriteChanges(&fullDisk{}, nil, 80); err != nil {
		t.Errorf("no changes: %v", err)
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
	if err := status.WriteCalls(&out, nil, nil, 80); err != nil || out.String() != "\nNo webhook calls yet.\n" {
		t.Errorf("no calls: %v, %q", err, out.String())
	}
}
