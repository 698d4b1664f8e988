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

// TestEverything: webhooks that named no number are told of with the shop and with each of its
// items, and are no reason to act.
func TestEverything(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const want = "3 webhooks that named no number since 2026-11-23 12:00:00 UTC: the next sweep covers them"
	shop := store.Shop{Shop: "shop1", StockSource: store.SourceEconomic}
	v := status.Of(store.ShopStatus{Shop: shop, Holder: "me", Everything: 3, EverythingSince: noon})
	if v.Reason != "" || v.Everything != 3 || !v.EverythingSince.Equal(noon) || v.Marked != 0 {
		t.Errorf("%+v", v)
	}
	told := func(write func(b *strings.Builder) error) bool {
		var b strings.Builder
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(b.String(), want)
	}
	why := func(kind plan.Kind, v status.Shop) func(b *strings.Builder) error {
		return func(b *strings.Builder) error { return status.Why{Shop: v, Kind: kind, Number: "1"}.Write(b, noon) }
	}
	for what, c := range map[string]struct {
		write func(b *strings.Builder) error
		told  bool
	}{
		"the shop":        {func(b *strings.Builder) error { return status.WriteShop(b, shop, v, "url", 1000) }, true},
		"an item":         {why(plan.KindStock, v), true},
		"an invoice":      {why(plan.KindInvoice, v), false},
		"after the sweep": {why(plan.KindStock, status.Of(store.ShopStatus{Shop: shop})), false},
		"beyond the cap":  {why(plan.KindStock, status.Of(store.ShopStatus{Shop: shop, Marked: 3, MarkedSince: noon})), false},
	} {
		if told(c.write) != c.told {
			t.Errorf("%s: told %t, expected %t", what, !c.told, c.told)
		}
	}
}
