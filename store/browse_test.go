package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// TestFindItems: by number and by name, in any case, with whatever characters, page by page, and
// of one shop.
func TestFindItems(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		var a store.Applied
		token := addShop(t, s, "shop1")
		for _, i := range [][2]string{{"0571", "Ærteskål, BLÅ"}, {"A 17", "100 % uld"}, {"A-2", "<script>alert(1)</script>"}, {"a-17", "50_50!"}, {"Z", "ærtesuppe"}, {"Ø1", ""}} {
			row := itemRow(i[0], "1", token)
			row.Name = i[1]
			a.Items = append(a.Items, row)
		}
		must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}, a, noon))
		other := addShop(t, s, "shop2")
		must(t, commit(t.Context(), s, store.Fence{Shop: "shop2", Dataset: "shop2", StockDataset: "shop2", Generation: 2, Token: other, Seq: 1}, store.Applied{Items: []plan.Row{itemRow("0572", "1", other)}}, noon))
		for _, c := range []struct {
			text, after string
			limit       int
			want        string
		}{
			{"", "", 9, "0571|A 17|A-2|a-17|Z|Ø1"},
			{"", "", 2, "0571|A 17"}, {"", "A 17", 2, "A-2|Z"}, {"", "Ø1", 2, ""},
			{"571", "", 9, "0571"}, {"57", "", 9, "0571"},
			{"a-", "", 9, "A-2|a-17"}, {"A-", "", 9, "A-2|a-17"},
			{"a17", "", 9, "A 17"}, {"a 17", "", 9, "A 17"},
			{"ærte", "", 9, "0571|Z"}, {"ÆRTE", "", 9, "0571|Z"}, {"ærte", "0571", 9, "Z"}, {"blå", "", 9, "0571"},
			{"%", "", 9, "A 17"}, {"_", "", 9, "a-17"}, {"!", "", 9, "a-17"}, {"50!", "", 9, "a-17"},
			{"<script>", "", 9, "A-2"}, {"' OR 1 = 1 --", "", 9, ""}, {"ø1", "", 9, "Ø1"}, {"0572", "", 9, ""},
		} {
			list, err := s.FindItems(t.Context(), "shop1", c.text, c.after, c.limit)
			must(t, err)
			var got []string
			for _, r := range list {
				got = append(got, r.Number)
			}
			want := strings.Split(c.want, "|")
			if slices.Sort(want); c.want == "" { // in byte order
				want = nil
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q after %q: %q, expected %q", c.text, c.after, got, want)
			}
		}
	})
}

// TestLatestInvoices: the highest numbers first, page by page, or by order number; and a PDF piece by
// piece.
func TestLatestInvoices(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		var a store.Applied
		for n := int64(1); n <= 5; n++ {
			a.Invoices = append(a.Invoices, plan.InvoiceRow{Invoice: plan.Invoice{Number: n, Date: "2026-11-20", Currency: "DKK"}, ShopOrder: fmt.Sprint(1000 + n%2), FoundAt: noon})
		}
		pdf := bytes.Repeat([]byte("%PDF\x00\xff'\n"), 100)
		a.PDFs = []store.PDF{{Number: 3, Data: pdf, SHA256: strings.Repeat("0", 64)}}
		must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}, a, noon))
		for _, c := range []struct {
			order string
			below int64
			limit int
			want  string
		}{{"", 0, 9, "[5 4 3 2 1]"}, {"", 0, 2, "[5 4]"}, {"", 4, 2, "[3 2]"}, {"", 1, 2, "[]"}, {"1001", 0, 9, "[5 3 1]"}, {"1001", 5, 1, "[3]"}, {"100", 0, 9, "[]"}} {
			list, err := s.LatestInvoices(t.Context(), "shop1", c.order, c.below, c.limit)
			must(t, err)
			got := []int64{}
			for _, i := range list {
				got = append(got, i.Number)
			}
			if fmt.Sprint(got) != c.want {
				t.Errorf("%+v: %v", c, got)
			}
		}
		var got []byte
		for len(got) < len(pdf) {
			piece, err := s.PieceOfPDF(t.Context(), "shop1", 3, len(got), 333)
			must(t, err)
			if len(piece) != min(333, len(pdf)-len(got)) {
				t.Fatalf("a piece of %d bytes", len(piece))
			}
			got = append(got, piece...)
		}
		if !bytes.Equal(got, pdf) {
			t.Error("the pieces are not the PDF")
		}
		if piece, err := s.PieceOfPDF(t.Context(), "shop1", 3, len(pdf), 333); err != nil || len(piece) != 0 {
			t.Errorf("after the end: %d bytes, %v", len(piece), err)
		}
		for dataset, number := range map[store.Dataset]int64{"shop1": 4, "shop2": 3} {
			if _, err := s.PieceOfPDF(t.Context(), dataset, number, 0, 333); !errors.Is(err, store.ErrNoPDF) {
				t.Errorf("invoice %d of %s: %v", number, dataset, err)
			}
		}
	})
}

// TestLatestChanges: newest first, page by page, none twice and none left out though many have the
// same time.
func TestLatestChanges(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		for seq := range int64(6) {
			var a store.Applied
			for n := range 3 {
				a.Changes = append(a.Changes, plan.Change{Kind: plan.KindStock, Number: fmt.Sprintf("%d.%d", seq, n), What: plan.WhatStock, Cause: plan.CauseTick, Webhook: plan.WebhookNone, ObservedAt: noon})
			}
			must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: seq + 1}, a, minute(int(seq/2))))
		}
		var got []string
		var before *store.Change
		for {
			list, err := s.LatestChanges(t.Context(), "shop1", before, 4)
			must(t, err)
			for _, c := range list {
				got = append(got, c.Number)
			}
			if len(list) < 4 {
				break
			}
			before = &store.Change{CommittedAt: list[3].CommittedAt, Token: list[3].Token, Seq: list[3].Seq, N: list[3].N}
		}
		const want = "5.2 5.1 5.0 4.2 4.1 4.0 3.2 3.1 3.0 2.2 2.1 2.0 1.2 1.1 1.0 0.2 0.1 0.0"
		if strings.Join(got, " ") != want {
			t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
		}
	})
}

// TestChangesByHour: counts and delays, from the webhook or else from the time at the source, of the
// latest changes alone.
func TestChangesByHour(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		seq := int64(0)
		change := func(at time.Time, webhook plan.Webhook, hinted, economic time.Time) {
			seq++
			c := plan.Change{Kind: plan.KindStock, Number: "1", What: plan.WhatStock, Cause: plan.CauseTick, Webhook: webhook, HintedAt: hinted, EconomicAt: economic, ObservedAt: at}
			must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: seq}, store.Applied{Changes: []plan.Change{c}}, at))
		}
		none := time.Time{}
		change(minute(-120), plan.WebhookCame, minute(-121), none)
		change(minute(0), plan.WebhookCame, noon.Add(-1500*time.Millisecond), minute(-30))
		change(minute(1), plan.WebhookMissed, none, minute(-1))
		change(minute(2), plan.WebhookLate, none, minute(3))         // e-conomic's minutes may be ahead
		change(minute(61), plan.WebhookNone, none, minute(-500_000)) // found first
		hour := func(n int) time.Time { return noon.Truncate(time.Hour).Add(time.Duration(n) * time.Hour) }
		want := []store.HourOfChanges{
			{Hour: hour(0), Changes: 3, Missed: 1, Late: 1, Delays: 2, Delay: 121500 * time.Millisecond, Longest: 2 * time.Minute},
			{Hour: hour(1), Changes: 1},
		}
		check := func(what string, since time.Time, most int, want []store.HourOfChanges) {
			got, err := s.ChangesByHour(t.Context(), "shop1", since, most)
			must(t, err)
			for i := range got { // SQLite's days are floating-point numbers, exact to the millisecond
				got[i].Delay, got[i].Longest = got[i].Delay.Round(time.Millisecond), got[i].Longest.Round(time.Millisecond)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s:\n%+v, expected\n%+v", what, got, want)
			}
		}
		check("two hours", minute(-60), 100, want)
		check("all", minute(-200), 100, append([]store.HourOfChanges{{Hour: hour(-2), Changes: 1, Delays: 1, Delay: time.Minute, Longest: time.Minute}}, want...))
		check("the latest", minute(-200), 1, want[1:])
		check("none", minute(100), 100, nil)
	})
}

// TestAskedSince: of one shop, of those accounts, of numbers alone; and when the latest call came.
func TestAskedSince(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		addShop(t, s, "shop1")
		addShop(t, s, "shop2")
		ask := func(shop, account, number string, at time.Time) {
			ctx := store.By(t.Context(), store.Actor{Account: account, Command: "page"})
			must(t, s.RecordHints(ctx, []store.HintRecord{{Shop: shop, Kind: plan.KindStock, Number: number, Cause: plan.CauseOperator, At: at}}))
		}
		for n, account := range []string{"link a", "link a", "link b", "linker", "mette"} {
			ask("shop1", account, fmt.Sprint(n), minute(n))
		}
		ask("shop2", "link a", "1", minute(5))
		must(t, s.AddRequests(store.By(t.Context(), store.Actor{Account: "link a"}), []store.Request{{Request: "r", Shop: "shop1", What: store.WantTick, RequestedAt: store.At(minute(6))}}))
		for since, want := range map[time.Time]store.Asked{minute(-1): {Count: 3, First: minute(0)}, minute(0): {Count: 2, First: minute(1)}, minute(2): {}} {
			got, err := s.AskedSince(t.Context(), "shop1", "link ", since)
			must(t, err)
			if got.Count != want.Count || !got.First.Equal(want.First) {
				t.Errorf("since %s: %+v, expected %+v", since, got, want)
			}
		}

		latest := func() time.Time {
			at, err := s.LatestCall(t.Context(), "shop1")
			must(t, err)
			return at
		}
		if at := latest(); !at.IsZero() {
			t.Errorf("without a call: %s", at)
		}
		must(t, s.PutWebhookCalls(t.Context(), []store.WebhookCall{{Shop: "shop1", Slot: 1, CalledAt: store.At(minute(2))}, {Shop: "shop1", Slot: 2, CalledAt: store.At(minute(1))}, {Shop: "shop2", Slot: 1, CalledAt: store.At(minute(9))}}))
		if at := latest(); !at.Equal(minute(2)) {
			t.Errorf("the latest call came %s", at)
		}
	})
}
