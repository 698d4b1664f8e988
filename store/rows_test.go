package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
	"lagerd/store"
)

// minutes after noon.
func minute(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }

// hintText is a hint's row in one line, with times in minutes after noon.
func hintText(h store.Hint) string {
	at := func(t store.Time) string {
		switch {
		case t.IsZero():
			return "-"
		case t.Before(noon.Add(-time.Hour)):
			return "0"
		}
		return fmt.Sprint(int(t.Sub(noon).Minutes()))
	}
	return fmt.Sprintf("%s gen %d/%d open %t %s first %s last %s webhooks %d at %s due %s tries %d failures %d refused %t %q %q",
		h.Number, h.SeenGen, h.DoneGen, h.Open, h.Cause, at(h.FirstAt), at(h.LastAt), h.Webhooks, at(h.WebhookAt), at(h.DueAt), h.Tries, h.Failures, h.Refused, h.Reason, h.Note)
}

// TestHintRow follows one hint through everything that changes its row.
func TestHintRow(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		token := addShop(t, s, "shop1")
		addShop(t, s, "shop2")
		others := []store.HintRecord{hint("shop2", "a", plan.CauseOperator, noon), hint("shop1", "b", plan.CauseOperator, noon),
			{Shop: "shop1", Kind: plan.KindInvoice, Number: "a", Cause: plan.CauseOperator, At: noon}}
		must(t, s.RecordHints(ctx, others))
		other := `a gen 1/0 open true operator first 0 last 0 webhooks 0 at - due 0 tries 0 failures 0 refused false "" ""`
		seq := int64(0)
		record := func(cause plan.Cause, at int, change func(h *store.HintRecord)) func() {
			return func() {
				h := hint("shop1", "a", cause, minute(at))
				if change != nil {
					change(&h)
				}
				must(t, s.RecordHints(ctx, []store.HintRecord{h}))
			}
		}
		apply := func(a store.Applied) func() {
			return func() {
				seq++
				must(t, commit(ctx, s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: seq}, a, noon))
			}
		}
		reread := func(gen int64, due int, change func(r *plan.Reread)) func() {
			r := plan.Reread{Kind: plan.KindStock, Number: "a", Gen: gen, DueAt: minute(due)}
			if change != nil {
				change(&r)
			}
			return apply(store.Applied{Rereads: []plan.Reread{r}})
		}
		answer := func(gen int64, reason plan.HintReason, note string) func() {
			return apply(store.Applied{Answered: []plan.Answer{{Kind: plan.KindStock, Number: "a", Gen: gen, Reason: reason, Note: note}}})
		}
		for _, c := range []struct {
			step string
			do   func()
			want string
		}{
			{"a person", record(plan.CauseOperator, 1, nil), `gen 1/0 open true operator first 1 last 1 webhooks 0 at - due 0 tries 0 failures 0 refused false "" ""`},
			{"failed", reread(1, 30, func(r *plan.Reread) { r.Failures, r.Tries, r.Refused, r.Reason, r.Note = 2, 1, true, "why", "x" }),
				`gen 1/0 open true operator first 1 last 1 webhooks 0 at - due 30 tries 1 failures 2 refused true "why" "x"`},
			{"a webhook, due later", record(plan.CauseWebhook, 2, func(h *store.HintRecord) { h.DueAt, h.Tries, h.Reason, h.Note = minute(40), 3, "later", "y" }),
				`gen 2/0 open true operator first 1 last 2 webhooks 1 at 2 due 30 tries 3 failures 0 refused false "later" "y"`},
			{"a person again", record(plan.CauseOperator, 3, func(h *store.HintRecord) { h.DueAt = minute(20) }),
				`gen 3/0 open true operator first 1 last 3 webhooks 1 at 2 due 20 tries 0 failures 0 refused false "" ""`},
			{"an older read fails", reread(2, 50, func(r *plan.Reread) { r.Failures, r.Tries, r.Refused, r.Reason, r.Note = 2, 1, true, "why", "x" }),
				`gen 3/0 open true operator first 1 last 3 webhooks 1 at 2 due 20 tries 0 failures 0 refused false "" ""`},
			{"refused", reread(3, 25, func(r *plan.Reread) { r.Refused, r.Note = true, "403" }),
				`gen 3/0 open true operator first 1 last 3 webhooks 1 at 2 due 25 tries 0 failures 0 refused true "" "403"`},
			{"an older read answers", answer(2, "old", "z"),
				`gen 3/2 open true operator first 1 last 3 webhooks 1 at 2 due 25 tries 0 failures 0 refused true "" "403"`},
			{"a still older read answers", answer(1, "older", "z"),
				`gen 3/2 open true operator first 1 last 3 webhooks 1 at 2 due 25 tries 0 failures 0 refused true "" "403"`},
			{"answered", answer(3, "done", "seen"),
				`gen 3/3 open false operator first 1 last 3 webhooks 1 at 2 due 25 tries 0 failures 0 refused false "done" "seen"`},
			{"an older read answers, again", answer(2, "old", "z"),
				`gen 3/3 open false operator first 1 last 3 webhooks 1 at 2 due 25 tries 0 failures 0 refused false "done" "seen"`},
			{"answered again", answer(3, "again", ""),
				`gen 3/3 open false operator first 1 last 3 webhooks 1 at 2 due 25 tries 0 failures 0 refused false "again" ""`},
			{"an invoice, due later", record(plan.CauseInvoice, 4, func(h *store.HintRecord) { h.DueAt = minute(60) }),
				`gen 4/3 open true invoice first 4 last 4 webhooks 0 at - due 60 tries 0 failures 0 refused false "" ""`},
			{"three webhooks", record(plan.CauseWebhook, 6, func(h *store.HintRecord) { h.FirstAt, h.More, h.Failures = minute(5), 2, 1 }),
				`gen 7/3 open true webhook first 4 last 6 webhooks 3 at 6 due 0 tries 0 failures 1 refused false "" ""`},
			{"answered, up to one that has not come", answer(9, "", ""),
				`gen 7/9 open false webhook first 4 last 6 webhooks 3 at 6 due 0 tries 0 failures 1 refused false "" ""`},
		} {
			c.do()
			rows, err := s.Hints(ctx, "shop1", plan.KindStock, []string{"a"})
			must(t, err)
			if len(rows) != 1 || hintText(rows[0]) != "a "+c.want {
				t.Errorf("%s:\n%s, expected\na %s", c.step, hintText(rows[0]), c.want)
			}
		}
		for n, h := range others {
			rows, err := s.Hints(ctx, h.Shop, h.Kind, []string{h.Number})
			must(t, err)
			if len(rows) != 1 || hintText(rows[0]) != h.Number+other[1:] {
				t.Errorf("hint %d of others: %+v", n, rows)
			}
		}
	})
}

// TestOpenHintInFull: what a pass loads of a hint is what its row says.
func TestOpenHintInFull(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		addShop(t, s, "shop1")
		h := store.HintRecord{Shop: "shop1", Kind: plan.KindStock, Number: "a", Cause: plan.CauseWebhook, At: minute(2), FirstAt: minute(1), DueAt: minute(3), Tries: 4, Failures: 5, More: 1}
		must(t, s.RecordHints(t.Context(), []store.HintRecord{h, hint("shop1", "later", plan.CauseOperator, noon)}))
		must(t, s.Exec(t.Context(), "UPDATE hints SET refused = 1 WHERE number = 'a'"))
		want := plan.Hint{Kind: plan.KindStock, Number: "a", Gen: 2, Webhooks: 2, Cause: plan.CauseWebhook, FirstAt: minute(1), WebhookAt: minute(2), DueAt: minute(3), Tries: 4, Failures: 5, Refused: true}
		if diff := cmp.Diff(want, openHints(t, s, "shop1", minute(3))["a"], exactly); diff != "" {
			t.Error(diff)
		}
		// Due at exactly By, not a moment before; beyond Beyond, not at it.
		for _, c := range []struct {
			due  store.Due
			want int
		}{
			{store.Due{By: minute(3), Beyond: minute(60)}, 2},
			{store.Due{By: minute(3).Add(-time.Microsecond), Beyond: minute(60)}, 1},
			{store.Due{By: noon, Beyond: minute(3)}, 1},
			{store.Due{By: noon, Beyond: minute(3).Add(-time.Microsecond)}, 2},
		} {
			hints, err := s.OpenHints(t.Context(), "shop1", plan.KindStock, c.due)
			must(t, err)
			count, err := s.CountOpenHints(t.Context(), "shop1", c.due)
			must(t, err)
			if len(hints) != c.want || count != c.want || c.due.Includes(minute(3)) != (c.want == 2) {
				t.Errorf("%v: %d hints, %d by count, expected %d", c.due, len(hints), count, c.want)
			}
		}
	})
}

// TestBatchesOutOfOrder: webhooks of a batch that came in another order have their first and
// last time, wherever they are read.
func TestBatchesOutOfOrder(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		token := addShop(t, s, "shop1")
		for _, at := range [][]int{{5, 3, 7}, {6, 2, 4}} {
			var hints []store.HintRecord
			for _, n := range at {
				hints = append(hints, hint("shop1", "a", plan.CauseWebhook, minute(n)))
			}
			must(t, s.RecordWebhooks(ctx, hints))
		}
		want := plan.Hint{Kind: plan.KindStock, Number: "a", Cause: plan.CauseWebhook, FirstAt: minute(2), WebhookAt: minute(7), Webhooks: 6}
		p, err := s.Packed(ctx, "shop1", 1000)
		must(t, err)
		if diff := cmp.Diff(map[string]plan.Hint{"a": want}, p.Hints[plan.KindStock], exactly); diff != "" {
			t.Error(diff)
		}
		total, err := s.Totals(ctx)
		list, failed := s.Status(ctx, "shop1")
		must(t, errors.Join(err, failed))
		if total.OpenHints != 6 || !total.OldestHint.Equal(minute(2)) || list[0].OpenHints != 6 || !list[0].OldestHint.Equal(minute(2)) {
			t.Errorf("%d open since %s; status %+v", total.OpenHints, total.OldestHint, list[0])
		}
		u, err := s.Unpack(ctx, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}, 0, 1, roomy)
		if err != nil || u.Hints != 1 || !u.More {
			t.Errorf("unpacked %+v, %v", u, err)
		}
		list, err = s.Status(ctx, "shop1") // a row and a batch
		must(t, err)
		if list[0].OpenHints != 4 || !list[0].OldestHint.Equal(minute(2)) {
			t.Errorf("status with a row: %+v", list[0])
		}
		must(t, commit(ctx, s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 2}, store.Applied{}, noon))
		u, err = s.Unpack(ctx, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 3}, 0, 100, roomy)
		if err != nil || u.Hints != 1 || u.More {
			t.Errorf("unpacked %+v, %v", u, err)
		}
		want.Gen = 6
		want.DueAt, want.FirstAt = time.Unix(0, 0), minute(3) // of the first batch
		want.WebhookAt = minute(6)                            // of the last
		if diff := cmp.Diff(want, openHints(t, s, "shop1", noon)["a"], exactly); diff != "" {
			t.Error(diff)
		}
	})
}

// TestStatusInFull: each count of a shop's status counts its own rows only, and not what is
// answered, stored or switched off.
func TestStatusInFull(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for n, name := range []string{"shop1", "shop2"} {
			token := addShop(t, s, name)
			fence := store.Fence{Shop: name, Dataset: store.Dataset(name), StockDataset: store.Dataset(name), Generation: int64(n + 1), Token: token, Seq: 1}
			must(t, s.RecordHints(ctx, []store.HintRecord{hint(name, "answered", plan.CauseWebhook, minute(-9)), hint(name, "open", plan.CauseWebhook, minute(2)),
				hint(name, "failing", plan.CauseWebhook, minute(3)), hint(name, "another", plan.CauseWebhook, minute(4))}))
			must(t, s.RecordWebhooks(ctx, []store.HintRecord{hint(name, "bad", plan.CauseWebhook, minute(-8))}))
			must(t, s.Exec(ctx, "UPDATE hint_batches SET set_aside = 1 WHERE shop = '"+name+"'"))
			must(t, s.RecordWebhooks(ctx, []store.HintRecord{hint(name, "packed", plan.CauseWebhook, minute(1)), hint(name, "packed", plan.CauseWebhook, minute(1))}))
			a := store.Applied{
				Items:    []plan.Row{itemRow("a", "1", token), itemRow("b", "1", token)},
				Rereads:  []plan.Reread{{Kind: plan.KindStock, Number: "answered", Gen: 1, DueAt: noon, Failures: 1}, {Kind: plan.KindStock, Number: "failing", Gen: 1, DueAt: noon, Failures: 1, Note: "first"}, {Kind: plan.KindStock, Number: "another", Gen: 1, DueAt: noon, Failures: 2, Note: "second"}, {Kind: plan.KindStock, Number: "open", Gen: 1, DueAt: noon, Tries: 2, Note: "nothing new"}},
				Answered: []plan.Answer{{Kind: plan.KindStock, Number: "answered", Gen: 1}},
			}
			for n := range int64(6) {
				row := plan.InvoiceRow{Invoice: plan.Invoice{Number: n + 1, Date: "2026-11-20", Currency: "DKK"}, FoundAt: noon}
				if n < 2 {
					row.ShopOrder = "x"
				}
				a.Invoices = append(a.Invoices, row)
			}
			a.PDFs = []store.PDF{{Number: 1, Data: []byte("x"), SHA256: strings.Repeat("0", 64)}, {Number: 2, Data: []byte("x"), SHA256: strings.Repeat("0", 64)}}
			a.Lines = []int64{1}
			for number, tries := range map[int64]int{2: 4, 3: 2, 4: 3, 5: 5} {
				a.Work = append(a.Work, store.WorkResult{Number: number, DueAt: noon, Tries: tries, Error: fmt.Sprint("error ", number)})
			}
			must(t, commit(ctx, s, fence, a, noon))
		}
		must(t, s.ReleaseLeases(ctx, []string{"shop2"}, "me"))
		want := store.ShopStatus{Holder: "me", OpenHints: 5, OldestHint: minute(1), FailingHints: 2, WaitForPDF: 4, WithoutOrder: 4, ItemsStored: 2, InvoicesStored: 6,
			FailingPDFs: []store.Notice{{Kind: plan.KindInvoice, Count: 3, Number: "2", Text: "error 2"}}, SetAside: 1, SetAsideSince: minute(-8)}
		same := func(name string, want store.ShopStatus) {
			t.Helper()
			for _, query := range []string{name, ""} {
				list, err := s.Status(ctx, query)
				must(t, err)
				got := list[slices.IndexFunc(list, func(st store.ShopStatus) bool { return st.Shop.Shop == name })]
				if len(got.Failing) != 1 || got.Failing[0].Count != 2 || got.Failing[0].Number != "another" || got.Failing[0].Text != "second" || !got.Failing[0].Since.Equal(minute(3)) || got.Progress.Shop != name {
					t.Errorf("%s: failing are %+v, progress %+v", name, got.Failing, got.Progress)
				}
				got.Shop, got.Progress, got.Failing = store.Shop{}, store.Progress{}, nil
				if diff := cmp.Diff(want, got, exactly); diff != "" {
					t.Errorf("%s of %q:\n%s", name, query, diff)
				}
			}
		}
		same("shop1", want)
		must(t, s.SetShop(ctx, "shop2", noon, func(shop *store.Shop) error { shop.InvoicesOn = false; return nil }))
		want.Holder, want.FailingPDFs = "", nil
		same("shop2", want)
	})
}

// TestPruneBounds: only what is older than the time is pruned, of this shop only, and each kind
// by its own time.
func TestPruneBounds(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		fences := map[string]*store.Fence{}
		for n, name := range []string{"shop1", "shop2"} {
			fences[name] = &store.Fence{Shop: name, Dataset: store.Dataset(name), StockDataset: store.Dataset(name), Generation: int64(n + 1), Token: addShop(t, s, name)}
			for at := range 3 {
				number := fmt.Sprint(at)
				must(t, s.RecordHints(ctx, []store.HintRecord{hint(name, number, plan.CauseWebhook, minute(at)), hint(name, "open "+number, plan.CauseWebhook, minute(at))}))
				fences[name].Seq++
				must(t, commit(ctx, s, *fences[name], store.Applied{Answered: []plan.Answer{{Kind: plan.KindStock, Number: number, Gen: 1}},
					Changes: []plan.Change{{Kind: plan.KindStock, Number: number, ObservedAt: minute(9)}}}, minute(at)))
			}
		}
		left := func(what, hints, changes string) {
			t.Helper()
			for query, want := range map[string]string{"SELECT number FROM hints WHERE shop = 'shop1' AND open = 0 ORDER BY number": hints,
				"SELECT number FROM changes WHERE shop = 'shop1' ORDER BY number": changes} {
				var got []string
				for _, row := range s.Rows(ctx, query) {
					got = append(got, row[0])
				}
				if strings.Join(got, " ") != want {
					t.Errorf("%s: %s: %v, expected %s", what, query, got, want)
				}
			}
			if s.Count(ctx, "hints", "shop2") != 6 || s.Count(ctx, "changes", "shop2") != 3 || s.Count(ctx, "hints", "shop1") != 3+len(strings.Fields(hints)) {
				t.Errorf("%s: others were pruned", what)
			}
		}
		prune := func(what string, history, hints time.Time, leftHints, leftChanges string) {
			t.Helper()
			fences["shop1"].Seq++
			more, err := s.Prune(ctx, *fences["shop1"], store.Ages{History: history, Hints: hints})
			if err != nil || more {
				t.Errorf("%s: more %t, %v", what, more, err)
			}
			left(what, leftHints, leftChanges)
		}
		prune("nothing is older", noon, noon, "0 1 2", "0 1 2")
		prune("history", minute(1), time.Time{}, "0 1 2", "1 2")
		prune("hints", time.Time{}, minute(1), "1 2", "1 2")
		prune("both", minute(2), minute(2), "2", "2")
		// That transaction was committed: nothing is deleted, and there may be more.
		if more, err := s.Prune(ctx, *fences["shop1"], store.Ages{History: minute(9), Hints: minute(9)}); err != nil || !more {
			t.Errorf("an old transaction: more %t, %v", more, err)
		}
		left("an old transaction", "2", "2")
	})
}

// TestPruneLeftovers: old requests are deleted, and of hints only those of shops that no longer
// exist.
func TestPruneLeftovers(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		addShop(t, s, "shop1")
		for _, name := range []string{"shop1", "gone"} {
			for at := range 2 {
				must(t, s.RecordHints(ctx, []store.HintRecord{hint(name, fmt.Sprint(at), plan.CauseWebhook, minute(at))}))
				must(t, s.RecordWebhooks(ctx, []store.HintRecord{hint(name, fmt.Sprint(at), plan.CauseWebhook, minute(at))}))
				must(t, s.AddRequests(ctx, []store.Request{{Request: fmt.Sprint(name, at), Shop: name, What: store.WantTick, RequestedAt: store.At(minute(at))}}))
			}
		}
		must(t, s.PruneRequests(ctx, minute(1)))
		for table, want := range map[string][2]int{"hints": {2, 1}, "hint_batches": {2, 1}, "requests": {1, 1}} {
			if got := [2]int{s.Count(ctx, table, "shop1"), s.Count(ctx, table, "gone")}; got != want {
				t.Errorf("%s: %v are left, expected %v", table, got, want)
			}
		}
		if total, err := s.Totals(ctx); err != nil || total.OpenHints != 4 || !total.OldestHint.Equal(noon) {
			t.Errorf("%d are open since %s, of shops that exist; %v", total.OpenHints, total.OldestHint, err)
		}
	})
}

// TestTickEndsFailures: a tick ends the failures of its shop, if it ran with the present settings
// and the lease is held.
func TestTickEndsFailures(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for _, c := range []struct {
			name       string
			instance   string
			generation int64 // in addition to the shop's
			day        string
			calls      int
			want       string
		}{
			{"saved", "me", 0, "2026-11-23", 8, "0  2026-11-23 8 true"},
			{"as-many-calls", "me", 0, "2026-11-23", 7, "0  2026-11-23 7 true"},
			{"fewer-calls", "me", 0, "2026-11-23", 6, "2 again 2026-11-23 7 false"},
			{"next-day", "me", 0, "2026-11-24", 1, "0  2026-11-24 1 true"},
			{"older-settings", "me", -1, "2026-11-23", 8, "2 again 2026-11-23 7 false"},
			{"newer-settings", "me", 1, "2026-11-23", 8, "2 again 2026-11-23 7 false"},
			{"lost-lease", "you", 0, "2026-11-23", 8, "2 again 2026-11-23 7 false"},
		} {
			token := addShop(t, s, c.name)
			shop, err := s.Shop(ctx, c.name)
			must(t, err)
			f := store.Fence{Shop: c.name, Dataset: shop.Dataset, StockDataset: shop.StockDataset, Generation: shop.Generation, Token: token}
			for _, failure := range []string{"first", "again"} {
				f.Seq++
				must(t, s.MarkFailure(ctx, f, failure, store.DayCalls{CallsDay: "2026-11-23", Calls: 7}, noon))
			}
			must(t, s.MarkTicks(ctx, c.instance, []store.TickMark{{Shop: c.name, Generation: shop.Generation + c.generation, DayCalls: store.DayCalls{CallsDay: c.day, Calls: c.calls}}}, noon))
			p, err := s.Progress(ctx, c.name)
			must(t, err)
			if got := fmt.Sprintf("%d %s %s %d %t", p.Failures, p.Failure, p.CallsDay, p.Calls, p.TickAt.Equal(noon)); got != c.want {
				t.Errorf("%s: %s, expected %s", c.name, got, c.want)
			}
		}
	})
}

// TestInstances: a beat registers an instance once, later ones change its time only, and it is
// forgotten with its leases, and only with its own.
func TestInstances(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		addShop(t, s, "shop1")
		addShop(t, s, "shop2")
		must(t, s.TakeLeases(ctx, []string{"shop1", "shop2"}, "you", "other", noon)) // not theirs
		must(t, s.TakeLeases(ctx, []string{"shop2"}, "me", "you", minute(1)))
		first := store.Instance{Instance: "me", BeatAt: store.At(noon), Host: "host", PID: 7, Version: "1.0", StartedAt: store.At(minute(-5)),
			Identity: "id 1:2", Machine: "machine", Boot: "boot", MasterKeys: []byte{0, 1, 0xff}}
		must(t, s.Beat(ctx, first))
		must(t, s.Beat(ctx, store.Instance{Instance: "you", BeatAt: store.At(noon), StartedAt: store.At(noon)}))
		none := []byte{}
		if s.Embedded() {
			none = nil
		}
		again := first
		again.BeatAt, again.Host, again.PID, again.StartedAt, again.Identity = store.At(minute(1)), "x", 8, store.At(minute(9)), "y"
		must(t, s.Beat(ctx, again))
		list, err := s.Instances(ctx)
		must(t, err)
		first.Beat, first.BeatAt = 2, store.At(minute(1))
		if diff := cmp.Diff([]store.Instance{first, {Instance: "you", Beat: 1, BeatAt: store.At(noon), StartedAt: store.At(noon), MasterKeys: none}}, list, exactly); diff != "" {
			t.Error(diff)
		}
		if free, err := s.AnyFree(ctx); err != nil || free {
			t.Errorf("a lease is free: %t, %v", free, err)
		}
		must(t, s.ForgetInstance(ctx, "me"))
		leases, err := s.Leases(ctx)
		must(t, err)
		want := []store.Lease{{Shop: "shop1", Token: 2, Generation: 1}, {Shop: "shop2", Holder: "you", Token: 3, Generation: 2}}
		if diff := cmp.Diff(want, leases); diff != "" {
			t.Error(diff)
		}
		if free, err := s.AnyFree(ctx); err != nil || !free {
			t.Errorf("no lease is free: %t, %v", free, err)
		}
		if list, err = s.Instances(ctx); err != nil || len(list) != 1 || list[0].Instance != "you" {
			t.Errorf("instances %+v: %v", list, err)
		}
		if taken := s.Strings(ctx, "SELECT applied_seq, taken_at FROM leases WHERE shop = 'shop2'"); taken[0] != "0" || !strings.Contains(taken[1], "12:01:00") {
			t.Errorf("the lease: %q", taken)
		}
	})
}

// TestInvoicesBeginAgain: invoices start again when their first date or number changes, and only
// then; and the shop's passes with older settings end.
func TestInvoicesBeginAgain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for _, c := range []struct {
			name   string
			change func(shop *store.Shop)
			begun  bool
		}{
			{"date", func(shop *store.Shop) { shop.InvoicesFrom = "2026-10-01" }, false},
			{"number", func(shop *store.Shop) { shop.InvoicesFromNumber = 7 }, false},
			{"other", func(shop *store.Shop) { shop.InvoicesOn, shop.OrderPattern = false, "x" }, true},
		} {
			token := addShop(t, s, c.name)
			shop, err := s.Shop(ctx, c.name)
			must(t, err)
			f := store.Fence{Shop: c.name, Dataset: shop.Dataset, StockDataset: shop.StockDataset, Generation: shop.Generation, Token: token, Seq: 1}
			begun := true
			must(t, commit(ctx, s, f, store.Applied{Progress: store.Patch{InvoicesBegun: &begun}}, noon))
			must(t, s.SetShop(ctx, c.name, noon, func(shop *store.Shop) error { c.change(shop); return nil }))
			p, err := s.Progress(ctx, c.name)
			must(t, err)
			if p.InvoicesBegun != c.begun {
				t.Errorf("%s: invoices have begun: %t", c.name, p.InvoicesBegun)
			}
			f.Seq++
			if err := commit(ctx, s, f, store.Applied{}, noon); !errors.Is(err, store.ErrSettingsChanged) {
				t.Errorf("%s: a pass with the old settings writes: %v", c.name, err)
			}
			if shop, err = s.Shop(ctx, c.name); err != nil {
				t.Error(err)
			}
			f.Generation = shop.Generation
			must(t, commit(ctx, s, f, store.Applied{}, noon))
			failed := errors.New("no")
			if err := s.SetShop(ctx, c.name, noon, func(shop *store.Shop) error { shop.PauseReason = "x"; return failed }); !errors.Is(err, failed) {
				t.Errorf("%s: a change that fails: %v", c.name, err)
			}
			after, err := s.Shop(ctx, c.name)
			must(t, err)
			if diff := cmp.Diff(shop, after); diff != "" {
				t.Errorf("%s: it has changed:\n%s", c.name, diff)
			}
		}
	})
}
