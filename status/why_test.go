package status_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

// TestWhyOfSeveralAgreements: a number's history is separate for each agreement that the
// shop has had.
func TestWhyOfSeveralAgreements(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	change := func(hours int) store.Change {
		return store.Change{Shop: "s", Number: "1", What: plan.WhatBooked, CommittedAt: store.At(noon.Add(time.Duration(hours) * time.Hour)), Cause: plan.CauseTick, Webhook: plan.WebhookNone}
	}
	accepted := func(number int64, hours int) store.Agreement {
		return store.Agreement{AgreementNumber: number, AcceptedAt: store.At(noon.Add(time.Duration(hours) * time.Hour))}
	}
	for name, c := range map[string]struct {
		agreements []store.Agreement
		want       string
	}{
		"one agreement": {nil, "History (UTC): 13 14 15"},
		"another since": {[]store.Agreement{accepted(6, 0), accepted(7, 2)}, "History of previous agreement 6 (UTC): 13 History of agreement 7, accepted 2026-11-23 14:00:00 (UTC): 14 15"},
		"back again":    {[]store.Agreement{accepted(7, 2), accepted(6, 3)}, "History of an earlier agreement (UTC): 13 History of previous agreement 7 (UTC): 14 History of agreement 6, accepted 2026-11-23 15:00:00 (UTC): 15"},
		"nothing since": {[]store.Agreement{accepted(6, 0), accepted(7, 9)}, "History of previous agreement 6 (UTC): 13 14 15"},
	} {
		var b strings.Builder
		w := status.Why{Kind: plan.KindInvoice, Number: "1", Changes: []store.Change{change(1), change(2), change(3)}, Agreements: c.agreements}
		if err := w.Write(&b, noon); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(b.String()) {
			switch {
			case strings.HasPrefix(line, "History"):
				got = append(got, strings.TrimSpace(line))
			case strings.HasPrefix(line, "2026"):
				got = append(got, line[11:13])
			}
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
