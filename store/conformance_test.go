package store_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/test/mariadbtest"
)

// TestHintGenerations: a hint that arrives while its number is being read stays open,
// whatever the read returns.
func TestHintGenerations(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		must(t, s.RecordHints(t.Context(), []store.HintRecord{hint("shop1", "a", plan.CauseWebhook, noon)}))
		before := openHints(t, s, "shop1", noon)["a"]
		// … the read begins; the item is sold once more …
		must(t, s.RecordHints(t.Context(), []store.HintRecord{hint("shop1", "a", plan.CauseWebhook, noon.Add(time.Second))}))
		must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1},
			store.Applied{Answered: []plan.Answer{{Kind: plan.KindStock, Number: "a", Gen: before.Gen}}}, noon))
		after, open := openHints(t, s, "shop1", noon.Add(time.Minute))["a"]
		if !open || after.Gen <= before.Gen || !after.FirstAt.Equal(noon) || !after.WebhookAt.Equal(noon.Add(time.Second)) {
			t.Fatalf("before %+v, after %+v, open %t", before, after, open)
		}
		must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 2},
			store.Applied{Answered: []plan.Answer{{Kind: plan.KindStock, Number: "a", Gen: after.Gen, Reason: plan.HintUnknown, Note: "done"}}}, noon))
		expect := func(step string, refused bool, reason plan.HintReason, note string) {
			t.Helper()
			rows, err := s.Hints(t.Context(), "shop1", plan.KindStock, []string{"a"})
			must(t, err)
			if len(rows) != 1 || rows[0].Refused != refused || rows[0].Reason != reason || rows[0].Note != note {
				t.Errorf("%s: %+v, expected refused %t, reason %q, note %q", step, rows, refused, reason, note)
			}
		}
		expect("answered", false, plan.HintUnknown, "done")
		if left := openHints(t, s, "shop1", noon.Add(time.Hour)); len(left) != 0 {
			t.Fatalf("still open: %+v", left)
		}
		// An older answer that is stored late does not reopen it.
		must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 3},
			store.Applied{Answered: []plan.Answer{{Kind: plan.KindStock, Number: "a", Gen: before.Gen}}}, noon))
		if left := openHints(t, s, "shop1", noon.Add(time.Hour)); len(left) != 0 {
			t.Fatalf("opened by an older answer: %+v", left)
		}
		// A hint reopens an answered number.
		must(t, s.RecordHints(t.Context(), []store.HintRecord{hint("shop1", "a", plan.CauseOperator, noon.Add(time.Hour))}))
		again := openHints(t, s, "shop1", noon.Add(time.Hour))["a"]
		if again.Gen <= after.Gen || !again.FirstAt.Equal(noon.Add(time.Hour)) || !again.WebhookAt.IsZero() || again.Cause != plan.CauseOperator {
			t.Fatalf("reopened as %+v", again)
		}
		// A reread postpones the hint, unless a newer one has arrived.
		reread := store.Applied{Rereads: []plan.Reread{{Kind: plan.KindStock, Number: "a", Gen: again.Gen, DueAt: noon.Add(3 * time.Hour), Tries: 1, Failures: 2, Refused: true, Reason: plan.HintForbidden, Note: "x"}}}
		must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 4}, reread, noon))
		if due := openHints(t, s, "shop1", noon.Add(2*time.Hour)); len(due) != 0 {
			t.Fatalf("due although postponed: %+v", due)
		}
		put := openHints(t, s, "shop1", noon.Add(3*time.Hour))["a"]
		if put.Tries != 1 || put.Failures != 2 {
			t.Fatalf("postponed as %+v", put)
		}
		expect("postponed", true, plan.HintForbidden, "x")
		must(t, s.RecordHints(t.Context(), []store.HintRecord{hint("shop1", "a", plan.CauseWebhook, noon.Add(2*time.Hour))}))
		must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 5}, reread, noon))
		newer, open := openHints(t, s, "shop1", noon.Add(2*time.Hour))["a"]
		if !open || newer.Gen != again.Gen+1 || newer.Tries != 0 || newer.Failures != 0 {
			t.Fatalf("a hint newer than the postponed one is %+v, due: %t", newer, open)
		}
		expect("hinted again", false, "", "")
	})
}

func TestManyHintsAndOddNumbers(t *testing.T) {
	t.Parallel()
	odd := []string{"a", "A", "a ", "a  ", "a\t", "a\x01", "a!", " a", "0571527051", "571527051", "æøå", "ÆØÅ", "e\u0301", "é", `q"'\%_`, "😀", strings.Repeat("x", 25)}
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		var hints []store.HintRecord
		for _, n := range odd {
			hints = append(hints, hint("shop1", n, plan.CauseWebhook, noon), hint("shop1", n, plan.CauseWebhook, noon))
		}
		for i := range 1200 {
			hints = append(hints, hint("shop1", fmt.Sprintf("n%04d", i), plan.CauseWebhook, noon))
		}
		must(t, s.RecordHints(t.Context(), hints))
		open := openHints(t, s, "shop1", noon)
		if len(open) != len(odd)+1200 {
			t.Errorf("%d hints are open, expected %d", len(open), len(odd)+1200)
		}
		if count, err := s.CountOpenHints(t.Context(), "shop1", due(noon)); err != nil || count != len(open) {
			t.Errorf("CountOpenHints: %d, expected %d (%v)", count, len(open), err)
		}
		var a store.Applied
		for _, n := range odd {
			if _, ok := open[n]; !ok {
				t.Errorf("%q is not stored under its own number", n)
			}
			a.Items = append(a.Items, itemRow(n, "1", token))
		}
		must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}, a, noon))
		items, err := s.Items(t.Context(), "shop1", odd)
		must(t, err)
		if len(items) != len(odd) {
			t.Errorf("%d items are stored, expected %d", len(items), len(odd))
		}
		for _, first := range odd {
			for _, last := range odd {
				var want []string
				for _, n := range odd {
					if first <= n && n <= last {
						want = append(want, n)
					}
				}
				between, all, err := s.ItemsBetween(t.Context(), "shop1", first, last, len(odd))
				must(t, err)
				got := slices.Collect(maps.Keys(between))
				slices.Sort(got)
				rest, prefix := strings.CutPrefix(last, first)
				may := !prefix || rest == "" || rest[0] > ' '
				if slices.Sort(want); !all && may || all && !slices.Equal(got, want) {
					t.Errorf("from %q to %q: %q (all: %t), expected %q", first, last, got, all, want)
				}
				if few, all, err := s.ItemsBetween(t.Context(), "shop1", first, last, len(want)-1); len(want) > 0 && (err != nil || all || len(few) > 0) {
					t.Errorf("from %q to %q, at most %d: %d items (all: %t), %v", first, last, len(want)-1, len(few), all, err)
				}
			}
		}
		if shops := withWork(t, s, noon); !slices.Equal(shops, []string{"shop1"}) {
			t.Errorf("shops with work: %v", shops)
		}
		if shops := withWork(t, s, noon.Add(-time.Hour)); len(shops) != 1 {
			t.Errorf("by a clock that is behind, shops with work: %v", shops)
		}
	})
}

func nullable(s string) decimal.NullDecimal {
	if s == "" {
		return decimal.NullDecimal{}
	}
	return decimal.NewNullDecimal(decimal.RequireFromString(s))
}

func itemRow(number, stock string, token int64) plan.Row {
	return plan.Row{Item: plan.Item{Number: number, Name: "Ærlig " + number, BarCode: "57", InventoryEnabled: true,
		Figures: plan.Figures{InStock: nullable(stock), Available: nullable("-0.0001")}, UpdatedAt: noon.Truncate(time.Minute)},
		State: plan.StateOK, Stock: nullable(stock), Version: plan.Version{Token: token, At: noon}, FirstSeenAt: noon, ChangedAt: noon}
}

var exactly = cmp.Options{
	cmp.Comparer(func(a, b decimal.NullDecimal) bool {
		return a.Valid == b.Valid && (!a.Valid || a.Decimal.Equal(b.Decimal))
	}),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
}

// TestHintReadAgain: a hint that was read before it got its row is due at its own time,
// unless its number is due earlier.
func TestHintReadAgain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		addShop(t, s, "shop1")
		again := hint("shop1", "a", plan.CauseWebhook, noon)
		again.FirstAt, again.DueAt, again.Tries, again.Note = noon.Add(-time.Minute), noon.Add(time.Hour), 1, strings.Repeat("ø", 600)
		record := func(h store.HintRecord) {
			t.Helper()
			must(t, s.RecordHints(t.Context(), []store.HintRecord{h}))
		}
		record(again)
		if open := openHints(t, s, "shop1", noon); len(open) != 0 {
			t.Errorf("due before its time: %v", open)
		}
		h := openHints(t, s, "shop1", noon.Add(time.Hour))["a"]
		if h.Gen != 1 || h.Tries != 1 || !h.FirstAt.Equal(again.FirstAt) || !h.WebhookAt.Equal(noon) || !h.DueAt.Equal(again.DueAt) {
			t.Errorf("when it is due: %+v", h)
		}
		if rows, err := s.Hints(t.Context(), "shop1", plan.KindStock, []string{"a"}); err != nil || rows[0].Note != strings.Repeat("ø", 125)+" … "+strings.Repeat("ø", 372) {
			t.Errorf("its note: %v, %v", rows, err)
		}
		record(hint("shop1", "a", plan.CauseWebhook, noon.Add(time.Second)))
		if h := openHints(t, s, "shop1", noon)["a"]; h.Gen != 2 || h.Tries != 0 {
			t.Errorf("after another webhook: %+v", h)
		}
		record(again)
		if h := openHints(t, s, "shop1", noon)["a"]; h.Gen != 3 {
			t.Errorf("no longer due: %+v", h)
		}
	})
}

// TestItemsRoundTrip: decimals are exact, absent stays absent, times keep
// their microseconds.
func TestItemsRoundTrip(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		want := map[string]plan.Row{}
		for i, stock := range []string{"0", "-0.01", "12.5", "999999999999999.9999", "-999999999999999.9999", ""} {
			r := itemRow(fmt.Sprint("n", i), stock, token)
			want[r.Number] = r
		}
		gone := itemRow("gone", "", token)
		gone.State, gone.RenumberedTo, gone.UpdatedAt = plan.StateGone, "n1", time.Time{}
		want["gone"] = gone
		var a store.Applied
		for _, r := range want {
			a.Items = append(a.Items, r)
		}
		must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}, a, noon))
		numbers := []string{"absent"}
		for n := range want {
			numbers = append(numbers, n)
		}
		got, err := s.Items(t.Context(), "shop1", numbers)
		must(t, err)
		if diff := cmp.Diff(want, got, exactly, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("stored and read (-want +got):\n%s", diff)
		}
		var present []string
		for number, err := range s.PresentNumbers(t.Context(), "shop1") {
			must(t, err)
			present = append(present, number)
		}
		if len(present) != len(want)-1 || slices.Contains(present, "gone") {
			t.Errorf("present: %v", present)
		}
	})
}

// TestManyRows: more rows than fit one statement are all stored unchanged.
func TestManyRows(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		for seq, count := range []int{1, 199, 200, 201, 1234} {
			var a store.Applied
			var numbers []string
			for n := range count {
				row := itemRow(fmt.Sprintf("%d-%d", seq, n), fmt.Sprint(n), token)
				numbers = append(numbers, row.Number)
				a.Items = append(a.Items, row)
				a.Changes = append(a.Changes, plan.Change{Kind: plan.KindStock, Number: row.Number, What: plan.WhatCreated, NewStock: row.Stock, ObservedAt: noon})
			}
			must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: int64(seq) + 1}, a, noon))
			stored, err := s.Items(t.Context(), "shop1", numbers)
			must(t, err)
			changes, err := s.Changes(t.Context(), "shop1", plan.KindStock, numbers, noon, 2*count)
			must(t, err)
			if len(stored) != count || len(changes) != count {
				t.Errorf("%d items and %d changes are stored, expected %d", len(stored), len(changes), count)
			}
			for n, number := range numbers {
				if !stored[number].Stock.Decimal.Equal(decimal.NewFromInt(int64(n))) {
					t.Errorf("%s is %v, expected %d", number, stored[number].Stock, n)
				}
			}
		}
	})
}

// TestFence: a holder that lost its lease writes nothing, and a transaction whose
// commit's answer was lost is not applied twice.
func TestFence(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		change := plan.Change{Kind: plan.KindStock, Number: "a", What: plan.WhatStock, NewStock: nullable("3"), Cause: plan.CauseTick, Webhook: plan.WebhookMissed, ObservedAt: noon}
		a := store.Applied{Items: []plan.Row{itemRow("a", "3", token)}, Changes: []plan.Change{change}}
		fence := store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}
		must(t, commit(t.Context(), s, fence, a, noon))
		must(t, commit(t.Context(), s, fence, a, noon)) // the same once more
		history := func() int {
			changes, err := s.Changes(t.Context(), "shop1", plan.KindStock, nil, noon.Add(-time.Hour), 100)
			must(t, err)
			return len(changes)
		}
		if n := history(); n != 1 {
			t.Errorf("%d changes after the same transaction twice", n)
		}
		must(t, s.TakeLeases(t.Context(), []string{"shop1"}, "me", "you", noon))
		a.Items = []plan.Row{itemRow("a", "99", token)}
		for seq := range int64(4) {
			err := commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: seq + 1}, a, noon)
			if !errors.Is(err, store.ErrFenced) {
				t.Errorf("the old holder, seq %d: %v", seq+1, err)
			}
		}
		if _, err := s.Prune(t.Context(), store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 9}, store.Ages{History: noon.Add(time.Hour), Hints: noon.Add(time.Hour)}); !errors.Is(err, store.ErrFenced) {
			t.Errorf("the old holder prunes: %v", err)
		}
		items, err := s.Items(t.Context(), "shop1", []string{"a"})
		must(t, err)
		if !items["a"].Stock.Decimal.Equal(decimal.New(3, 0)) || history() != 1 {
			t.Errorf("the old holder has written: %+v", items["a"])
		}
		// Nor can it write the shop's state.
		old := store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 9}
		if err := s.MarkFailure(t.Context(), old, "x", store.DayCalls{}, noon); !errors.Is(err, store.ErrFenced) {
			t.Errorf("a failure: %v", err)
		}
		must(t, s.MarkTicks(t.Context(), "me", []store.TickMark{{Shop: "shop1", Generation: 1, DayCalls: store.DayCalls{CallsDay: "2026-11-23", Calls: 7}}}, noon))
		p, err := s.Progress(t.Context(), "shop1")
		must(t, err)
		if p.Failures != 0 || !p.TickAt.IsZero() || p.Calls != 0 {
			t.Errorf("the old holder wrote the state: %+v", p)
		}
		must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token + 1, Seq: 1}, store.Applied{Items: []plan.Row{itemRow("a", "4", token+1)}}, noon))
		must(t, s.MarkTicks(t.Context(), "you", []store.TickMark{{Shop: "shop1", Generation: 1, DayCalls: store.DayCalls{CallsDay: "2026-11-23", Calls: 7}}}, noon))
		if p, err = s.Progress(t.Context(), "shop1"); err != nil || !p.TickAt.Equal(noon) || p.Calls != 7 {
			t.Errorf("the new holder could not write the state: %+v, %v", p, err)
		}
	})
}

// TestHolds: there is one hold per scope, written under the fence, independent of the
// others.
func TestHolds(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		_ = addShop(t, s, "shop2")
		hold := func(scope plan.Scope, reason plan.Reason, detail string) plan.Hold {
			return plan.Hold{Scope: scope, Reason: reason, Detail: detail, Since: noon}
		}
		seq := int64(0)
		expect := func(step string, a store.Applied, want ...plan.Hold) {
			t.Helper()
			seq++
			must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: seq}, a, noon))
			p, err := s.Progress(t.Context(), "shop1")
			must(t, err)
			st, err := s.Status(t.Context(), "")
			must(t, err)
			for where, got := range map[string]plan.Holds{"progress": p.Holds, "status": st[0].Progress.Holds} {
				if !slices.Equal(got, want) {
					t.Errorf("%s: %s: %+v, expected %+v", step, where, got, want)
				}
			}
			if len(st[1].Progress.Holds) > 0 {
				t.Errorf("%s: another shop is held: %+v", step, st[1].Progress.Holds)
			}
			held, err := s.Held(t.Context())
			must(t, err)
			brief := map[string]plan.Holds{}
			for _, h := range want {
				brief["shop1"] = append(brief["shop1"], plan.Hold{Scope: h.Scope, Reason: h.Reason})
			}
			if diff := cmp.Diff(brief, held); diff != "" {
				t.Errorf("%s: of all shops (-want +got):\n%s", step, diff)
			}
		}
		losses, forbidden := hold(plan.ScopeStock, plan.HeldLosses, "150 of 300"), hold(plan.ScopePDFs, plan.HeldForbidden, "403")
		refused := hold(plan.ScopeShop, plan.HeldTokenRefused, strings.Repeat("æ", 125)+" … "+strings.Repeat("æ", 361)+": the cause")
		expect("one", store.Applied{Holds: []plan.Hold{losses}}, losses)
		expect("another", store.Applied{Holds: []plan.Hold{forbidden}}, losses, forbidden)
		long := refused
		long.Detail = strings.Repeat("æ", 600) + ": the cause"
		expect("the shop", store.Applied{Holds: []plan.Hold{long}}, refused, losses, forbidden)
		losses.Detail = "160 of 300"
		expect("a detail", store.Applied{Holds: []plan.Hold{losses}}, refused, losses, forbidden)
		expect("one ends", store.Applied{EndHolds: []plan.Scope{plan.ScopeShop}}, losses, forbidden)
		changed := hold(plan.ScopeShop, plan.HeldAgreementChanged, "")
		expect("two end, one begins", store.Applied{EndHolds: []plan.Scope{plan.ScopePDFs, plan.ScopeShop}, Holds: []plan.Hold{changed}}, changed, losses)
		err := commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token + 1, Seq: 1}, store.Applied{EndHolds: []plan.Scope{plan.ScopeStock}}, noon)
		if !errors.Is(err, store.ErrFenced) {
			t.Errorf("without the lease: %v", err)
		}
		expect("nothing", store.Applied{}, changed, losses)
		must(t, s.RemoveShop(t.Context(), "shop1"))
		must(t, s.AddShop(t.Context(), store.Shop{Shop: "shop1", GrantToken: []byte("x")}, []byte("hash"), noon))
		if p, err := s.Progress(t.Context(), "shop1"); err != nil || len(p.Holds) > 0 {
			t.Errorf("a removed shop's holds are left: %+v, %v", p.Holds, err)
		}
	})
}

// TestHintOfWebhooks: a hint has the number of its webhooks, whatever other hints its
// number got, and whether e-conomic refused its last read.
func TestHintOfWebhooks(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		seq := int64(0)
		apply := func(a store.Applied) {
			t.Helper()
			seq++
			must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: seq}, a, noon))
		}
		expect := func(step string, webhooks int64, refused bool) {
			t.Helper()
			h := openHints(t, s, "shop1", noon.Add(time.Hour))["a"]
			if h.Webhooks != webhooks || h.Refused != refused {
				t.Errorf("%s: %d webhooks, refused %t, expected %d, %t", step, h.Webhooks, h.Refused, webhooks, refused)
			}
		}
		webhook := func(at time.Time) {
			t.Helper()
			must(t, s.RecordHints(t.Context(), []store.HintRecord{hint("shop1", "a", plan.CauseWebhook, at)}))
		}
		must(t, s.RecordHints(t.Context(), []store.HintRecord{hint("shop1", "a", plan.CauseInvoice, noon)}))
		expect("an invoice", 0, false)
		webhook(noon)
		expect("a webhook", 1, false)
		must(t, s.RecordHints(t.Context(), []store.HintRecord{hint("shop1", "a", plan.CauseOperator, noon)}))
		expect("a person", 1, false)
		webhook(noon.Add(time.Second))
		expect("another webhook", 2, false)
		again := plan.Reread{Kind: plan.KindStock, Number: "a", Gen: 4, DueAt: noon, Tries: 1, Failures: 1, Refused: true, Note: "status 403"}
		apply(store.Applied{Rereads: []plan.Reread{again}})
		expect("refused", 2, true)
		apply(store.Applied{Rereads: []plan.Reread{{Kind: plan.KindStock, Number: "a", Gen: 4, DueAt: noon, Tries: 2}}})
		expect("read", 2, false)
		apply(store.Applied{Rereads: []plan.Reread{again}, Answered: []plan.Answer{{Kind: plan.KindStock, Number: "a", Gen: 3}}})
		expect("refused, while what it told of before is answered", 2, true)
		packed := hint("shop1", "a", plan.CauseWebhook, noon.Add(time.Second))
		packed.More = 2
		apply(store.Applied{Hints: []store.HintRecord{packed}})
		expect("three that had been packed", 5, false)
		apply(store.Applied{Answered: []plan.Answer{{Kind: plan.KindStock, Number: "a", Gen: 7}}})
		webhook(noon.Add(time.Minute))
		expect("one after all were answered", 1, false)
		must(t, s.RecordWebhooks(t.Context(), []store.HintRecord{hint("shop1", "b", plan.CauseWebhook, noon), hint("shop1", "b", plan.CauseWebhook, noon)}))
		p, err := s.Packed(t.Context(), "shop1", 1000)
		must(t, err)
		if n := p.Hints[plan.KindStock]["b"].Webhooks; n != 2 {
			t.Errorf("two packed webhooks count as %d", n)
		}
	})
}

// TestHeldInvoices: held work on invoices wakes no shop, the rest does, and a held PDF is
// tried with the newest invoice.
func TestHeldInvoices(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		seq := int64(0)
		apply := func(a store.Applied) {
			t.Helper()
			seq++
			must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: seq}, a, noon))
		}
		var rows []plan.InvoiceRow
		for n := range int64(6) {
			rows = append(rows, plan.InvoiceRow{Invoice: plan.Invoice{Number: n + 1, Date: "2026-11-20", Currency: "DKK"}, FoundAt: noon})
		}
		apply(store.Applied{Invoices: rows, Lines: []int64{1, 2, 3, 4, 6}, PDFs: []store.PDF{{Number: 1, Data: []byte("x"), SHA256: strings.Repeat("0", 64)}, {Number: 5, Data: []byte("x"), SHA256: strings.Repeat("0", 64)}}})
		numbers := func(list []store.InvoiceWork, err error) string {
			t.Helper()
			must(t, err)
			var texts []string
			for _, w := range list {
				texts = append(texts, fmt.Sprint(w.Number))
			}
			return strings.Join(texts, " ")
		}
		fetch := func(lines, pdfs bool) string {
			return numbers(s.InvoicesToFetch(t.Context(), "shop1", due(noon.Add(time.Minute)), lines, pdfs, 10))
		}
		try := func() string { return numbers(s.PDFsToTry(t.Context(), "shop1", 3)) }
		for _, c := range []struct{ what, got, want string }{
			{"all", fetch(true, true), "2 3 4 5 6"}, {"lines", fetch(true, false), "5"}, {"PDFs", fetch(false, true), "2 3 4 6"}, {"to try", try(), "6 4 3"},
		} {
			if c.got != c.want {
				t.Errorf("%s: %q, expected %q", c.what, c.got, c.want)
			}
		}
		refuse := func(n int64, after time.Duration) store.WorkResult {
			return store.WorkResult{Number: n, DueAt: noon.Add(after), Tries: 1, Refused: true, Error: "status 403"}
		}
		apply(store.Applied{Work: []store.WorkResult{refuse(6, 0), refuse(4, time.Second)}})
		if got := try(); got != "6 3 2" {
			t.Errorf("to try, with two refused: %q", got)
		}
		apply(store.Applied{Work: []store.WorkResult{refuse(2, 2*time.Second), refuse(3, 3*time.Second)}})
		if got := try(); got != "6 4 2" {
			t.Errorf("to try, all refused: %q", got)
		}
		for _, c := range []struct {
			holds []plan.Scope
			want  int
		}{{nil, 1}, {[]plan.Scope{plan.ScopePDFs}, 1}, {[]plan.Scope{plan.ScopeInvoices}, 1}, {[]plan.Scope{plan.ScopePDFs, plan.ScopeInvoices}, 0}, {[]plan.Scope{plan.ScopeStock}, 1}} {
			a := store.Applied{EndHolds: []plan.Scope{plan.ScopeStock, plan.ScopeInvoices, plan.ScopePDFs}}
			for _, scope := range c.holds {
				a.Holds = append(a.Holds, plan.Hold{Scope: scope, Reason: plan.HeldForbidden, Since: noon})
			}
			apply(a)
			if got := withWork(t, s, noon.Add(time.Minute)); len(got) != c.want {
				t.Errorf("held %v: work for %v", c.holds, got)
			}
		}
	})
}

// TestOneWinner: of several that take a lease at once, one gets it.
func TestOneWinner(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		var racing sync.WaitGroup
		for i := range 12 {
			racing.Go(func() {
				if err := s.TakeLeases(t.Context(), []string{"shop1"}, "me", fmt.Sprint("rival", i), noon); err != nil {
					t.Error(err)
				}
			})
		}
		racing.Wait()
		leases, err := s.Leases(t.Context())
		must(t, err)
		if l := leases[0]; l.Token != token+1 || !strings.HasPrefix(l.Holder, "rival") {
			t.Errorf("the lease is now %+v, expected token %d", l, token+1)
		}
		must(t, s.ReleaseLeases(t.Context(), []string{"shop1"}, "me")) // lost: no effect
		if leases, err = s.Leases(t.Context()); err != nil || leases[0].Holder == "" {
			t.Errorf("somebody else's lease was released: %+v, %v", leases, err)
		}
		must(t, s.ReleaseLeases(t.Context(), []string{"shop1"}, leases[0].Holder))
		if leases, err = s.Leases(t.Context()); err != nil || leases[0].Holder != "" || leases[0].Token != token+1 {
			t.Errorf("after its release: %+v, %v", leases, err)
		}
	})
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		var racing sync.WaitGroup
		for range 4 {
			racing.Go(func() {
				if err := s.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		racing.Wait()
		must(t, s.CheckSchema(t.Context()))
		must(t, s.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)"))
		for what, err := range map[string]error{"check": s.CheckSchema(t.Context()), "migrate": s.Migrate(t.Context())} {
			if !errors.Is(err, store.ErrNewerSchema) {
				t.Errorf("%s on a newer schema: %v", what, err)
			}
		}
	})
}

func TestShops(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		token := addShop(t, s, "shop1")
		before, err := s.ShopsGeneration(ctx)
		must(t, err)
		if err := s.AddShop(ctx, store.Shop{Shop: "shop1", GrantToken: []byte("x")}, []byte("x"), noon); !errors.Is(err, store.ErrShopExists) {
			t.Errorf("adding a shop twice: %v", err)
		}
		must(t, s.SetShop(ctx, "shop1", noon.Add(time.Hour), func(shop *store.Shop) error {
			shop.StockOn, shop.InvoicesFrom, shop.InvoicesFromNumber, shop.PausedAt = false, "", 77, store.At(noon)
			return nil
		}))
		shop, err := s.Shop(ctx, "shop1")
		must(t, err)
		if shop.StockOn || shop.InvoicesFromNumber != 77 || !shop.Paused() || !shop.UpdatedAt.Equal(noon.Add(time.Hour)) || !shop.CreatedAt.Equal(noon) || shop.Generation <= before {
			t.Errorf("set: %+v", shop)
		}
		// Two codes are live; the one in use is retired only with force.
		second, third := hashOf("second"), hashOf("third")
		if err := s.ReplaceNewCode(ctx, "shop1", third, noon); !errors.Is(err, store.ErrOneCode) {
			t.Errorf("the only code was replaced: %v", err)
		}
		must(t, s.AddCode(ctx, "shop1", hashOf("lost"), noon.Add(time.Minute)))
		if err := s.AddCode(ctx, "shop1", third, noon); !errors.Is(err, store.ErrTwoCodes) {
			t.Errorf("a third code: %v", err)
		}
		if n, err := s.RetireOldCodes(ctx, "shop1", false, noon); !errors.Is(err, store.ErrCodeNotInUse) {
			t.Errorf("%d codes retired for an unused one: %v", n, err)
		}
		must(t, s.ReplaceNewCode(ctx, "shop1", second, noon.Add(2*time.Minute)))
		must(t, s.RecordCodeUses(ctx, []store.CodeUse{{Shop: "shop1", CodeHash: second}, {Shop: "shop1", CodeHash: hashOf("unknown")}}, noon))
		must(t, s.RecordCodeUses(ctx, []store.CodeUse{{Shop: "shop1", CodeHash: second}}, noon.Add(time.Hour)))
		if err := s.ReplaceNewCode(ctx, "shop1", third, noon); !errors.Is(err, store.ErrCodeInUse) {
			t.Errorf("a code that is in use was replaced: %v", err)
		}
		if live, err := s.CodesOf(ctx, "shop1"); err != nil || len(live) != 2 || !live[0].UsedAt.IsZero() || !live[1].UsedAt.Equal(noon.Add(time.Hour)) || string(live[1].CodeHash) != string(second) {
			t.Errorf("codes %+v: %v", live, err)
		}
		first := []byte("01234567890123456789012345678901")
		must(t, s.RecordCodeUses(ctx, []store.CodeUse{{Shop: "shop1", CodeHash: first}}, noon.Add(2*time.Hour)))
		if n, err := s.RetireOldCodes(ctx, "shop1", false, noon); !errors.Is(err, store.ErrOldCodeInUse) {
			t.Errorf("%d codes retired that are in use: %v", n, err)
		}
		must(t, s.RecordCodeUses(ctx, []store.CodeUse{{Shop: "shop1", CodeHash: second}}, noon.Add(3*time.Hour)))
		if n, err := s.RetireOldCodes(ctx, "shop1", false, noon); n != 1 || err != nil {
			t.Errorf("%d codes retired: %v", n, err)
		}
		news, err := s.News(ctx, due(noon), due(noon))
		must(t, err)
		if after, err := s.ShopsGeneration(ctx); err != nil || after <= before || news.ShopsGeneration != after {
			t.Errorf("generation %d after %d, and %d by News: %v", after, before, news.ShopsGeneration, err)
		}
		codes, err := s.Codes(ctx)
		must(t, err)
		if len(codes) != 1 || string(codes[0].CodeHash) != string(second) || codes[0].UsedAt.IsZero() {
			t.Errorf("left: %+v", codes)
		}
		for what, err := range map[string]error{
			"set": s.SetShop(ctx, "none", noon, func(*store.Shop) error { return nil }), "remove": s.RemoveShop(ctx, "none"), "code": s.AddCode(ctx, "none", nil, noon),
		} {
			if !errors.Is(err, store.ErrNoShop) {
				t.Errorf("%s of a shop that does not exist: %v", what, err)
			}
		}
		// Removing a shop deletes all its rows and no other shop's.
		addShop(t, s, "shop2")
		for _, name := range []string{"shop1", "shop2"} {
			must(t, s.RecordHints(ctx, []store.HintRecord{hint(name, "a", plan.CauseWebhook, noon)}))
			must(t, s.PutWebhookCalls(ctx, []store.WebhookCall{{Shop: name, CalledAt: store.At(noon)}}))
			must(t, s.AddRequests(ctx, []store.Request{{Request: name, Shop: name, What: store.WantTick, RequestedAt: store.At(noon)}}))
		}
		must(t, commit(ctx, s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: shop.Generation, Token: token, Seq: 1}, store.Applied{Items: []plan.Row{itemRow("a", "1", token)},
			Changes: []plan.Change{{Kind: plan.KindStock, Number: "a", ObservedAt: noon}}, Invoices: []plan.InvoiceRow{{Invoice: plan.Invoice{Number: 1}, FoundAt: noon}},
			PDFs: []store.PDF{{Number: 1, Data: []byte("%PDF-")}}, Window: &plan.Window{Cursor: 5, Gaps: []plan.Gap{{Range: plan.Range{From: 1, To: 2}, SeenAt: noon}}}}, noon))
		must(t, s.RemoveShop(ctx, "shop1"))
		for _, table := range []string{"shops", "shop_codes", "code_uses", "leases", "progress", "hints", "items", "changes", "invoices", "invoice_pdfs", "invoice_gaps", "requests", "webhook_calls"} {
			if n := s.Count(ctx, table, "shop1"); n != 0 {
				t.Errorf("%d rows of the removed shop remain in %s", n, table)
			}
		}
		if s.Count(ctx, "hints", "shop2") != 1 || s.Count(ctx, "requests", "shop2") != 1 {
			t.Error("the other shop was touched")
		}
	})
}

// TestCallsOfCommands: commands' calls to e-conomic count towards the day's calls, and
// ShopsOf finds the shops of an agreement.
func TestCallsOfCommands(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		token := addShop(t, s, "shop1")
		for _, name := range []string{"shop2", "shop3"} {
			addShop(t, s, name)
		}
		today := func(wantDay string, want, wantOfCommands int) {
			t.Helper()
			p, err := s.Progress(ctx, "shop1")
			if day, calls, commands := p.CallsOf(); err != nil || day != wantDay || calls != want || commands != wantOfCommands {
				t.Errorf("%d calls on %q, %d of commands, want %d on %q, %d: %v", calls, day, commands, want, wantDay, wantOfCommands, err)
			}
		}
		tick := func(day string, calls int) {
			t.Helper()
			p, err := s.Shop(ctx, "shop1")
			must(t, err)
			must(t, s.MarkTicks(ctx, "me", []store.TickMark{{Shop: "shop1", Generation: p.Generation, DayCalls: store.DayCalls{CallsDay: day, Calls: calls}}}, noon))
		}
		today("", 0, 0)
		must(t, s.AddCommandCalls(ctx, "shop1", "2026-11-28", 3))
		today("2026-11-28", 3, 3)
		must(t, s.AddCommandCalls(ctx, "shop1", "2026-11-28", 4))
		tick("2026-11-28", 10)
		today("2026-11-28", 17, 7) // a tick does not reset them
		tick("2026-11-29", 2)
		today("2026-11-29", 2, 0)
		must(t, s.AddCommandCalls(ctx, "shop1", "2026-11-29", 5))
		must(t, s.AddCommandCalls(ctx, "shop1", "2026-11-28", 9)) // by a command that ran past midnight
		today("2026-11-29", 7, 5)
		// A failed pass, and a tick that neither failed nor succeeded, record their calls too.
		f := fenceOf(t, s, "shop1", token, 1)
		must(t, s.MarkFailure(ctx, f, "x", store.DayCalls{CallsDay: "2026-11-29", Calls: 6}, noon))
		today("2026-11-29", 11, 5)
		f.Seq = 2
		must(t, s.MarkFailure(ctx, f, "y", store.DayCalls{}, noon)) // its calls are not known yet
		today("2026-11-29", 11, 5)
		must(t, s.MarkCalls(ctx, "me", []store.TickMark{{Shop: "shop1", Generation: f.Generation, DayCalls: store.DayCalls{CallsDay: "2026-11-29", Calls: 8}}}))
		must(t, s.MarkCalls(ctx, "you", []store.TickMark{{Shop: "shop1", Generation: f.Generation, DayCalls: store.DayCalls{CallsDay: "2026-11-29", Calls: 80}}}))
		today("2026-11-29", 13, 5)
		if p, err := s.Progress(ctx, "shop1"); err != nil || p.Failures != 2 || p.Failure != "y" || !p.TickAt.Equal(noon) {
			t.Errorf("calls recorded by MarkCalls: %+v, %v", p, err)
		}
		// A late statement, retried after a newer one, does not undo the newer.
		tick("2026-11-29", 7)
		today("2026-11-29", 13, 5)
		if p, err := s.Progress(ctx, "shop1"); err != nil || p.Failures != 2 {
			t.Errorf("after a late tick: %d failures, want 2: %v", p.Failures, err)
		}
		must(t, s.AddCommandCalls(ctx, "shop1", "2026-11-30", 1))
		today("2026-11-30", 1, 1)
		if p, err := s.Progress(ctx, "shop2"); err != nil || p.CommandCalls != 0 {
			t.Errorf("another shop's calls: %d: %v", p.CommandCalls, err)
		}
		must(t, s.SaveAgreementNumber(ctx, "shop1", 4711))
		must(t, s.SaveAgreementNumber(ctx, "shop3", 4711))
		must(t, s.SaveAgreementNumber(ctx, "shop1", 4712)) // already stored
		if names, err := s.ShopsOf(ctx, 4711); err != nil || !slices.Equal(names, []string{"shop1", "shop3"}) {
			t.Errorf("shops of the agreement: %v: %v", names, err)
		}
	})
}

func hashOf(code string) []byte {
	hash := sha256.Sum256([]byte(code))
	return hash[:]
}

// TestPDFs: several PDFs of one transaction are each stored byte for byte.
func TestPDFs(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		var a, again store.Applied
		for n := int64(1); n <= 3; n++ {
			a.Invoices = append(a.Invoices, plan.InvoiceRow{Invoice: plan.Invoice{Number: n, Date: "2026-11-20", Currency: "DKK"}, FoundAt: noon})
			pdf := store.PDF{Number: n, SHA256: strings.Repeat(strconv.FormatInt(n, 16), 64)}
			for i := range 256 * int(n) {
				pdf.Data = append(pdf.Data, byte(i*int(n)))
			}
			a.PDFs = append(a.PDFs, pdf)
			again.PDFs = append([]store.PDF{{Number: n, Data: append([]byte("'\\\x00ø\xff"), pdf.Data...), SHA256: pdf.SHA256}}, again.PDFs...)
		}
		for seq, a := range []store.Applied{a, again} {
			must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: int64(seq) + 1}, a, noon))
			for _, pdf := range a.PDFs {
				got := s.Strings(t.Context(), fmt.Sprintf("SELECT HEX(p.pdf), i.pdf_sha256, i.pdf_size, i.pdf_state FROM invoice_pdfs p JOIN invoices i ON i.shop = p.shop AND i.number = p.number WHERE p.shop = 'shop1' AND p.number = %d", pdf.Number))
				if want := []string{fmt.Sprintf("%X", pdf.Data), pdf.SHA256, strconv.Itoa(len(pdf.Data)), "stored"}; !slices.Equal(got, want) {
					t.Errorf("PDF %d is stored as\n%q, expected\n%q", pdf.Number, got, want)
				}
			}
		}
	})
}

// TestInvoices: an invoice is stored once, its work ends with lines and PDF, and the
// view shows it to the shop's software.
func TestInvoices(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		token := addShop(t, s, "shop1")
		seq := int64(0)
		apply := func(a store.Applied) {
			t.Helper()
			seq++
			must(t, commit(ctx, s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: seq}, a, noon))
		}
		inv := plan.InvoiceRow{Invoice: plan.Invoice{Number: 7, Date: "2026-11-20", DueDate: "2026-12-04", Currency: "DKK", Net: nullable("-100"), Gross: nullable("-125.50"),
			RecipientName: strings.Repeat("å", 400), OtherReference: "10042"}, ShopOrder: "10042", FoundAt: noon}
		apply(store.Applied{Invoices: []plan.InvoiceRow{inv}, Changes: []plan.Change{{Kind: plan.KindInvoice, Number: "7", What: plan.WhatBooked, Cause: plan.CauseWebhook, Webhook: plan.WebhookCame, ObservedAt: noon}}})
		other := inv
		other.ShopOrder = "changed"
		apply(store.Applied{Invoices: []plan.InvoiceRow{other}})
		stored, err := s.StoredInvoices(ctx, "shop1", []int64{7, 8})
		must(t, err)
		if len(stored) != 1 || !stored[7] {
			t.Errorf("stored: %v", stored)
		}
		due := func() int {
			list, err := s.InvoicesToFetch(ctx, "shop1", due(noon.Add(time.Minute)), true, true, 10)
			must(t, err)
			return len(list)
		}
		if due() != 1 {
			t.Error("the new invoice is not due to be fetched")
		}
		apply(store.Applied{Work: []store.WorkResult{{Number: 7, DueAt: noon.Add(time.Hour), Tries: 1, Error: "404"}}})
		if due() != 0 {
			t.Error("the postponed invoice is due")
		}
		pdf := []byte("%PDF-" + strings.Repeat("x", 3<<20))
		apply(store.Applied{PDFs: []store.PDF{{Number: 7, Data: pdf, SHA256: strings.Repeat("ab", 32)}}})
		list, err := s.Invoices(ctx, "shop1", []string{"7", "nonsense"})
		must(t, err)
		if i := list[0]; i.PDFState != "stored" || i.PDFSize != len(pdf) || i.OrderNumber != "10042" || !i.CreditNote || i.InvoiceDate != "2026-11-20" || i.WorkDueAt.IsZero() || i.Cause != plan.CauseWebhook {
			t.Errorf("stored as %+v", i)
		}
		apply(store.Applied{Lines: []int64{7}, Hints: []store.HintRecord{hint("shop1", "a", plan.CauseInvoice, noon)}})
		if list, err = s.Invoices(ctx, "shop1", []string{"7"}); err != nil || !list[0].WorkDueAt.IsZero() || list[0].WorkError != "" {
			t.Errorf("with lines and PDF, work remains: %+v, %v", list[0], err)
		}
		if len(openHints(t, s, "shop1", noon)) != 1 {
			t.Error("no hint for the line's item")
		}
		got := s.Strings(ctx, "SELECT kind, order_number, gross, pdf_state, pdf_size FROM shop_invoices WHERE shop = 'shop1' AND invoice_number = 7")
		gross := decimal.RequireFromString(got[2])
		if got[0] != "credit_note" || got[1] != "10042" || gross.String() != "-125.5" || got[3] != "stored" || got[4] != fmt.Sprint(len(pdf)) {
			t.Errorf("the view shows %q", got)
		}

		window := plan.Window{Cursor: 9, Gaps: []plan.Gap{{Range: plan.Range{From: 1, To: 6}, SeenAt: noon}, {Range: plan.Range{From: 8, To: 8}, SeenAt: noon.Add(time.Second)}}}
		apply(store.Applied{Window: &window})
		p, err := s.Progress(ctx, "shop1")
		must(t, err)
		if diff := cmp.Diff(window.Gaps, p.Gaps, exactly); diff != "" || p.InvoiceCursor != 9 {
			t.Errorf("cursor %d, gaps\n%s", p.InvoiceCursor, diff)
		}
	})
}

// TestViewOfStock reads the view as the shop's software does.
func TestViewOfStock(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		token := addShop(t, s, "shop1")
		gone := itemRow("gone", "", token)
		gone.State = plan.StateGone
		must(t, commit(ctx, s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}, store.Applied{Items: []plan.Row{itemRow("0571", "12.5", token), itemRow("zero", "0", token), gone}}, noon))
		for number, want := range map[string]string{"0571": "12.5 ok", "zero": "0 ok", "gone": "NULL gone"} {
			got := s.Strings(ctx, "SELECT COALESCE(stock, 'NULL'), state FROM shop_stock WHERE shop = 'shop1' AND item_number = '"+number+"'")
			if d, err := decimal.NewFromString(got[0]); err == nil {
				got[0] = d.String()
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s: %q, expected %q", number, got, want)
			}
		}
		if got := s.Strings(ctx, "SELECT COUNT(*) FROM shop_stock WHERE item_number = '571'"); got[0] != "0" {
			t.Error("0571 is found as 571")
		}
		must(t, s.SetShop(ctx, "shop1", noon, func(shop *store.Shop) error { shop.StockOn = false; return nil }))
		if got := s.Strings(ctx, "SELECT COUNT(*) FROM shop_stock"); got[0] != "0" {
			t.Error("a shop whose stock is off is shown")
		}
	})
}

func TestCountsOfMissedLateAndLag(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		token := addShop(t, s, "shop1")
		change := func(number string, cause plan.Cause, webhook plan.Webhook, lag time.Duration) plan.Change {
			c := plan.Change{Kind: plan.KindStock, Number: number, What: plan.WhatStock, Cause: cause, Webhook: webhook, ObservedAt: noon}
			if lag > 0 {
				c.Lagged, c.HintedAt = true, noon.Add(-lag)
			}
			return c
		}
		must(t, commit(ctx, s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}, store.Applied{Changes: []plan.Change{
			change("a", plan.CauseTick, plan.WebhookMissed, 0), change("b", plan.CauseSweep, plan.WebhookMissed, 0),
			change("c", plan.CauseWebhook, plan.WebhookCame, 3*time.Second), change("d", plan.CauseWebhook, plan.WebhookCame, 2*time.Second),
		}}, noon))
		must(t, commit(ctx, s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 2}, store.Applied{
			Late: map[plan.Kind][]string{plan.KindStock: {"a", "c", "x"}}, LateFrom: noon.Add(-time.Minute)}, noon.Add(time.Minute)))
		must(t, commit(ctx, s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 3}, store.Applied{ // too long ago
			Late: map[plan.Kind][]string{plan.KindStock: {"b"}}, LateFrom: noon.Add(time.Second)}, noon.Add(time.Hour)))
		p, err := s.Progress(ctx, "shop1")
		must(t, err)
		if p.MissedWebhooks != 1 || p.LateWebhooks != 1 || p.Drift != 1 || p.Lags != 2 || p.LagLastUS != 2_000_000 || p.LagMaxUS != 3_000_000 {
			t.Errorf("%+v", p)
		}
		after, err := s.ChangesAfter(ctx, "shop1", store.Position{Token: token, Seq: 0}, plan.KindStock, []string{"a"}, 10)
		must(t, err)
		if len(after) != 1 || after[0].Webhook != plan.WebhookLate {
			t.Errorf("history: %+v", after)
		}
	})
}

func TestStatusRequestsAndLog(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		token := addShop(t, s, "shop1")
		addShop(t, s, "shop2")
		must(t, s.RecordHints(ctx, []store.HintRecord{hint("shop1", "a", plan.CauseWebhook, noon), hint("shop1", "b", plan.CauseWebhook, noon.Add(time.Second))}))
		b := openHints(t, s, "shop1", noon.Add(time.Hour))["b"]
		must(t, commit(ctx, s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}, store.Applied{
			Rereads:  []plan.Reread{{Kind: plan.KindStock, Number: "b", Gen: b.Gen, DueAt: noon, Failures: 1}},
			Items:    []plan.Row{itemRow("a", "1", token)},
			Invoices: []plan.InvoiceRow{{Invoice: plan.Invoice{Number: 1}, FoundAt: noon}, {Invoice: plan.Invoice{Number: 2}, ShopOrder: "x", FoundAt: noon}},
		}, noon))
		list, err := s.Status(ctx, "")
		must(t, err)
		if st := list[0]; len(list) != 2 || st.OpenHints != 2 || st.FailingHints != 1 || !st.OldestHint.Equal(noon) || st.WaitForPDF != 2 || st.WithoutOrder != 1 || st.ItemsStored != 1 || st.InvoicesStored != 2 || st.Holder != "me" {
			t.Errorf("status: %+v", st)
		}
		if list, err = s.Status(ctx, "shop2"); err != nil || len(list) != 1 || list[0].OpenHints != 0 {
			t.Errorf("status of one: %+v, %v", list, err)
		}

		must(t, s.AddRequests(ctx, []store.Request{{Request: "r1", Shop: "shop1", What: store.WantSweep, RequestedAt: store.At(noon)}}))
		open, err := s.OpenRequests(ctx, "shop1")
		must(t, err)
		news, err := s.News(ctx, due(noon), due(noon))
		must(t, err)
		if len(open) != 1 || open[0].What != store.WantSweep || !slices.Equal(news.Requests, []store.Request{{Request: "r1", Shop: "shop1"}}) {
			t.Errorf("open requests %+v of %v", open, news.Requests)
		}
		f := store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token - 1, Seq: 100}
		if err := s.FinishRequests(ctx, f, open, noon, 9, "by an old holder"); !errors.Is(err, store.ErrFenced) {
			t.Errorf("an old holder finishes: %v", err)
		}
		f.Token, f.Seq = token, 2
		must(t, s.FinishRequests(ctx, f, open, noon, 3, strings.Repeat("ø", 900)))
		done, err := s.Requests(ctx, []string{"r1", "none"})
		must(t, err)
		if len(done) != 1 || done[0].Changes != 3 || !done[0].DoneAt.Equal(noon) || len([]rune(done[0].Failure)) != 500 {
			t.Errorf("done: %+v", done)
		}
		must(t, s.PruneRequests(ctx, noon.Add(time.Second)))
		if n := s.Count(ctx, "requests", "shop1"); n != 0 {
			t.Errorf("%d requests after pruning", n)
		}

		for round := range 3 { // a ring of 10 slots
			for slot := range 10 {
				must(t, s.PutWebhookCalls(ctx, []store.WebhookCall{{Shop: "shop1", Slot: slot, CalledAt: store.At(noon.Add(time.Duration(round*10+slot) * time.Second)), Number: fmt.Sprint(round)}}))
			}
		}
		calls, err := s.WebhookCalls(ctx, "shop1", 100)
		must(t, err)
		if len(calls) != 10 || calls[0].Number != "2" || calls[9].Number != "2" {
			t.Errorf("the log holds %+v", calls)
		}

		must(t, commit(ctx, s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 3}, store.Applied{Answered: []plan.Answer{{Kind: plan.KindStock, Number: "a", Gen: 99}},
			Changes: []plan.Change{{Kind: plan.KindStock, Number: "a", ObservedAt: noon}}}, noon))
		more, err := s.Prune(ctx, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 4}, store.Ages{})
		must(t, err)
		if more || s.Count(ctx, "changes", "shop1") != 1 || s.Count(ctx, "hints", "shop1") != 2 {
			t.Error("pruned although retention is unlimited")
		}
		more, err = s.Prune(ctx, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 4}, store.Ages{History: noon.Add(time.Hour), Hints: noon.Add(time.Hour)})
		must(t, err)
		if more || s.Count(ctx, "changes", "shop1") != 0 || s.Count(ctx, "hints", "shop1") != 1 {
			t.Error("pruning keeps old history, or deletes an open hint")
		}
		changes := make([]plan.Change, store.RowsPerPiece+1)
		for n := range changes {
			changes[n] = plan.Change{Kind: plan.KindStock, Number: "a", ObservedAt: noon}
		}
		must(t, commit(ctx, s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 5}, store.Applied{Changes: changes}, noon))
		for piece, left := range []int{1, 0} {
			more, err = s.Prune(ctx, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: int64(6 + piece)}, store.Ages{History: noon.Add(time.Hour), Hints: noon.Add(time.Hour)})
			must(t, err)
			if n := s.Count(ctx, "changes", "shop1"); n != left || more != (left > 0) {
				t.Errorf("%d changes are left, expected %d; more: %t", n, left, more)
			}
		}
	})
}

func TestManyTicksAreFewStatements(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		var marks []store.TickMark
		for i := range 1100 {
			name := fmt.Sprintf("shop%04d", i)
			must(t, s.Exec(t.Context(), "INSERT INTO progress (shop) VALUES ('"+name+"')"))
			if i != 7 {
				must(t, s.Exec(t.Context(), "INSERT INTO leases (shop, holder) VALUES ('"+name+"', 'me')"))
			}
			marks = append(marks, store.TickMark{Shop: name, DayCalls: store.DayCalls{CallsDay: "2026-11-23", Calls: i}})
		}
		must(t, s.MarkTicks(t.Context(), "me", marks, noon))
		for i, want := range map[int]int64{3: 3, 1099: 1099, 7: 0} {
			p, err := s.Progress(t.Context(), fmt.Sprintf("shop%04d", i))
			must(t, err)
			if p.Calls != want || p.TickAt.IsZero() != (i == 7) {
				t.Errorf("shop %d: %+v", i, p)
			}
		}
	})
}

// TestStoppedInATransaction: a lagerd stopped between two statements does not prevent a
// takeover of its shop.
func TestStoppedInATransaction(t *testing.T) {
	t.Parallel()
	dsn := mariadbtest.New(t)
	stopped, other := open(t, store.Options{DSN: dsn}), open(t, store.Options{DSN: dsn})
	must(t, stopped.Migrate(t.Context()))
	must(t, stopped.Exec(t.Context(), "INSERT INTO leases (shop, holder, token) VALUES ('shop1', 'stopped', 1)"))
	tx, err := stopped.Conn().BeginTx(t.Context(), nil)
	must(t, err)
	_, err = tx.ExecContext(t.Context(), "UPDATE leases SET applied_seq = 1 WHERE shop = 'shop1'")
	must(t, err)
	began := time.Now()
	must(t, other.TakeLeases(t.Context(), []string{"shop1"}, "stopped", "other", time.Now()))
	if took := time.Since(began); took < time.Second || took > 15*time.Second {
		t.Errorf("its lock ended after %s, expected about 5 s", took)
	}
	if err := tx.Commit(); err == nil {
		t.Error("its open transaction was committed")
	}
	leases, err := other.Leases(t.Context())
	must(t, err)
	if len(leases) != 1 || leases[0].Holder != "other" || leases[0].Token != 2 {
		t.Errorf("leases %+v", leases)
	}
}
