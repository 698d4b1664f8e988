package store_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lagerd/plan"
	"lagerd/store"
)

// capped is a shop that hints can overflow.
type capped struct {
	*testing.T
	*store.Store
	fence store.Fence
	caps  store.Caps
}

// onEachCapped runs a test on a shop with the stored items s1 to s5, whose invoices begin with 100.
func onEachCapped(t *testing.T, test func(c *capped)) {
	t.Helper()
	onEach(t, func(t *testing.T, s *store.Store) {
		c := &capped{t, s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: addShop(t, s, "shop1")}, store.Caps{
			HintCaps: plan.HintCaps{Unknown: 3, Invoices: 4, OldInvoices: 2}, FirstInvoice: 100, Marked: map[plan.Kind]bool{},
		}}
		var items []plan.Row
		for n := range 5 {
			items = append(items, plan.Row{Item: plan.Item{Number: fmt.Sprint("s", n+1)}, State: plan.StateOK, Version: plan.Version{Token: 1, At: noon}, FirstSeenAt: noon, ChangedAt: noon})
		}
		c.apply(store.Applied{Items: items})
		test(c)
	})
}

func (c *capped) next() store.Fence {
	c.fence.Seq++
	return c.fence
}

func (c *capped) apply(a store.Applied) {
	c.Helper()
	must(c.T, commit(c.Context(), c.Store, c.next(), a, noon))
}

// webhooks records webhooks, one batch for all, a second apart.
func (c *capped) webhooks(kind plan.Kind, numbers ...string) {
	c.Helper()
	var hints []store.HintRecord
	for n, number := range numbers {
		hints = append(hints, store.HintRecord{Shop: "shop1", Kind: kind, Number: number, Cause: plan.CauseWebhook, At: noon.Add(time.Duration(n) * time.Second)})
	}
	must(c.T, c.RecordWebhooks(c.Context(), hints))
}

func (c *capped) unpack() store.Unpacked {
	c.Helper()
	u, err := c.Unpack(c.Context(), c.next(), 0, 1000, c.caps)
	must(c.T, err)
	return u
}

// open compares the open hints of a kind.
func (c *capped) open(kind plan.Kind, want ...string) {
	c.Helper()
	hints, err := c.OpenHints(c.Context(), "shop1", kind, due(noon.Add(time.Hour)))
	must(c.T, err)
	var got []string
	for number := range hints {
		got = append(got, number)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		c.Errorf("open hints of %s: %v, expected %v", kind, got, want)
	}
}

// marked compares what the shop is marked for.
func (c *capped) marked(want ...store.Mark) {
	c.Helper()
	var total, everything int64
	for _, m := range want {
		total, everything = total+m.Hints-m.Everything, everything+m.Everything
	}
	status, err := c.Status(c.Context(), "shop1")
	must(c.T, err)
	if got := status[0]; got.Marked != total || got.Everything != everything || got.MarkedSince.IsZero() != (total == 0) || got.EverythingSince.IsZero() != (everything == 0) {
		c.Errorf("marked for %d webhooks since %s and %d without a number since %s, expected %d and %d", got.Marked, got.MarkedSince, got.Everything, got.EverythingSince, total, everything)
	}
	p, err := c.Progress(c.Context(), "shop1")
	must(c.T, err)
	has := func(kind plan.Kind) bool {
		return slices.ContainsFunc(want, func(m store.Mark) bool { return m.Kind == kind })
	}
	if p.MarkedStock != has(plan.KindStock) || p.MarkedInvoices != has(plan.KindInvoice) {
		c.Errorf("items are marked: %t, invoices: %t; expected %+v", p.MarkedStock, p.MarkedInvoices, want)
	}
}

// TestUnpackCaps: stored numbers always get rows, others until the cap, and then a mark, which is
// committed with the deletion of the batch.
func TestUnpackCaps(t *testing.T) {
	t.Parallel()
	onEachCapped(t, func(c *capped) {
		c.webhooks(plan.KindStock, "u1", "u2", "s1", "u3", "u1", "s2", "u4", "u5", "u4", "s3", "s4", "s5")
		u := c.unpack()
		c.open(plan.KindStock, "s1", "s2", "s3", "s4", "s5", "u1", "u2", "u3")
		mark := store.Mark{Kind: plan.KindStock, Hints: 3, FirstAt: noon.Add(6 * time.Second), LastAt: noon.Add(8 * time.Second)}
		want := store.Unpacked{Hints: 8, Overflow: store.Overflow{Marks: []store.Mark{mark}}}
		if diff := cmp.Diff(want, u, cmpopts.IgnoreUnexported(store.Mark{}), cmpopts.EquateApproxTime(time.Microsecond)); diff != "" {
			c.Error(diff)
		}
		c.marked(mark)

		// An open number takes no more room, and a person's hint is never held back.
		c.webhooks(plan.KindStock, "u2", "u9", "s1")
		must(c.T, c.RecordHints(c.Context(), []store.HintRecord{hint("shop1", "asked", plan.CauseOperator, noon)}))
		if u = c.unpack(); u.Hints != 2 || u.Overflow.Marks[0].Hints != 1 {
			c.Errorf("%+v", u)
		}
		c.open(plan.KindStock, "asked", "s1", "s2", "s3", "s4", "s5", "u1", "u2", "u3")
		c.marked(mark, store.Mark{Kind: plan.KindStock, Hints: 1})

		// Answered ones make room: the person's counted too.
		hints := openHints(c.T, c.Store, "shop1", noon.Add(time.Hour))
		c.apply(store.Applied{Answered: []plan.Answer{hints["u1"].Answer(plan.HintUnknown, ""), hints["u3"].Answer(plan.HintUnknown, "")}})
		c.webhooks(plan.KindStock, "u6", "u7")
		if u = c.unpack(); u.Hints != 1 || u.Overflow.Marks[0].Hints != 1 {
			c.Errorf("%+v", u)
		}
		c.open(plan.KindStock, "asked", "s1", "s2", "s3", "s4", "s5", "u2", "u6")
	})
}

// TestInvoiceCaps: invoices before the shop's start have a cap of their own, beyond which they
// are only counted.
func TestInvoiceCaps(t *testing.T) {
	t.Parallel()
	onEachCapped(t, func(c *capped) {
		c.webhooks(plan.KindInvoice, "1", "2", "3", "99", "100", "101", "102", "x", "103", "104")
		u := c.unpack()
		c.open(plan.KindInvoice, "1", "100", "101", "102", "2", "x")
		if u.Hints != 6 || u.Overflow.TooOld != 2 || len(u.Overflow.Marks) != 1 || u.Overflow.Marks[0].Hints != 2 {
			c.Errorf("%+v", u)
		}
		c.marked(store.Mark{Kind: plan.KindInvoice, Hints: 2})
		c.webhooks(plan.KindInvoice, "4", "5")
		c.unpack()
		if p, err := c.Progress(c.Context(), "shop1"); err != nil || p.OldInvoiceHints != 4 {
			c.Errorf("%d hints of old invoices, %v", p.OldInvoiceHints, err)
		}
	})
}

// TestFirstInvoiceByDate: a shop that starts at a date begins with its first stored invoice from
// that date on; before there is one, no invoice is too old.
func TestFirstInvoiceByDate(t *testing.T) {
	t.Parallel()
	onEachCapped(t, func(c *capped) {
		c.caps.FirstInvoice, c.caps.InvoicesFrom = 0, "2026-11-01"
		c.webhooks(plan.KindInvoice, "1", "2", "3", "4", "5")
		if u := c.unpack(); u.Overflow.TooOld != 0 || len(u.Overflow.Marks) != 1 || u.Overflow.Marks[0].Hints != 1 {
			c.Errorf("none is stored: %+v", u)
		}
		c.apply(store.Applied{Answered: answers(c, "1", "2", "3", "4"), Invoices: []plan.InvoiceRow{
			{Invoice: plan.Invoice{Number: 40, Date: "2026-10-31", Currency: "DKK"}, FoundAt: noon},
			{Invoice: plan.Invoice{Number: 50, Date: "2026-11-01", Currency: "DKK"}, FoundAt: noon},
			{Invoice: plan.Invoice{Number: 60, Date: "2026-11-02", Currency: "DKK"}, FoundAt: noon},
		}})
		c.webhooks(plan.KindInvoice, "40", "48", "49", "50", "51")
		if u := c.unpack(); u.Hints != 4 || u.Overflow.TooOld != 1 || len(u.Overflow.Marks) != 0 {
			c.Errorf("%+v", u)
		}
		c.open(plan.KindInvoice, "40", "48", "50", "51")
	})
}

// answers answers open hints of invoices.
func answers(c *capped, numbers ...string) (list []plan.Answer) {
	for _, number := range numbers {
		list = append(list, plan.Hint{Kind: plan.KindInvoice, Number: number, Gen: 1000}.Answer(plan.HintUnknown, ""))
	}
	return list
}

// TestMarks: a mark stands for further webhooks until a sweep has begun; what comes after that
// makes another one, which the sweep's end leaves.
func TestMarks(t *testing.T) {
	t.Parallel()
	onEachCapped(t, func(c *capped) {
		c.caps.Unknown = 0
		ids := func() []int64 {
			c.Helper()
			ids, err := c.Marks(c.Context(), "shop1", plan.KindStock)
			must(c.T, err)
			return ids
		}
		c.webhooks(plan.KindStock, "a")
		c.unpack()
		c.caps.Marked[plan.KindStock] = true
		c.webhooks(plan.KindStock, "b", "c")
		c.unpack()
		claimed := ids()
		if len(claimed) != 1 {
			c.Fatalf("%d marks", len(claimed))
		}
		c.marked(store.Mark{Kind: plan.KindStock, Hints: 3})
		c.caps.Marked[plan.KindStock] = false // a sweep begins
		c.webhooks(plan.KindStock, "d")
		c.unpack()
		if all := ids(); len(all) != 2 {
			c.Fatalf("%d marks", len(all))
		}
		c.apply(store.Applied{Unmark: claimed})
		c.marked(store.Mark{Kind: plan.KindStock, Hints: 1})
		must(c.T, c.Forget(c.Context(), c.next(), nil, ids()))
		c.marked()
		// If there is none after all, one is made.
		c.caps.Marked[plan.KindStock] = true
		c.webhooks(plan.KindStock, "e")
		c.unpack()
		c.marked(store.Mark{Kind: plan.KindStock, Hints: 1})
		must(c.T, c.RemoveShop(c.Context(), "shop1"))
		if left := ids(); len(left) != 0 {
			c.Errorf("the removed shop has marks: %v", left)
		}
	})
}

// TestUnreadableBatchIsMarked: a batch that cannot be read marks the shop for everything.
func TestUnreadableBatchIsMarked(t *testing.T) {
	t.Parallel()
	onEachCapped(t, func(c *capped) {
		c.webhooks(plan.KindStock, "a", "b")
		must(c.T, c.Exec(c.Context(), "UPDATE hint_batches SET data = '[{'"))
		if u := c.unpack(); len(u.Unreadable) != 1 || u.Hints != 0 || len(u.Overflow.Marks) != 2 {
			c.Errorf("%+v", u)
		}
		c.marked(store.Mark{Kind: plan.KindStock, Hints: 2}, store.Mark{Kind: plan.KindInvoice, Hints: 2})
	})
}

// TestCountedOnce: a series of calls that counts what is open once keeps to the cap all the same, and
// one that counts nothing, since all numbers are stored, forgets nothing.
func TestCountedOnce(t *testing.T) {
	t.Parallel()
	onEachCapped(t, func(c *capped) {
		c.caps.Counted = &store.Counted{}
		admitted := func(want int, numbers ...string) {
			c.Helper()
			var list []store.HintRecord
			for _, n := range numbers {
				list = append(list, hint("shop1", n, plan.CauseWebhook, noon))
			}
			a, err := c.Admit(c.Context(), "shop1", store.Datasets{Items: "shop1", Invoices: "shop1"}, c.caps, list)
			must(c.T, err)
			if len(a.Hints) != want {
				c.Errorf("of %v, %d are admitted, expected %d", numbers, len(a.Hints), want)
			}
			must(c.T, c.RecordHints(c.Context(), a.Hints))
		}
		admitted(5, "s1", "s2", "s3", "a", "b")
		admitted(2, "s4", "s5")
		admitted(1, "c", "d", "e")
		admitted(1, "a", "f")
		// What is answered counts until the series ends.
		must(c.T, c.Exec(c.Context(), "UPDATE hints SET open = 0"))
		c.caps.HintCaps.OldInvoices = 0 // so that a count is needed
		admitted(0, "g")
		c.caps.Counted = &store.Counted{}
		admitted(1, "g")
	})
}

// TestCompactBatches: while nobody unpacks them, a shop's oldest batches are replaced by a mark,
// until no more webhooks wait than may.
func TestCompactBatches(t *testing.T) {
	t.Parallel()
	onEachCapped(t, func(c *capped) {
		addShop(c.T, c.Store, "shop2")
		must(c.T, c.RecordWebhooks(c.Context(), []store.HintRecord{hint("shop2", "a", plan.CauseWebhook, noon), hint("shop2", "b", plan.CauseWebhook, noon)}))
		for n := range 5 {
			c.webhooks(plan.KindStock, strconv.Itoa(n), "x")
		}
		for most, compacted := range map[int64]int64{10: 0, 11: 0} {
			if n, err := c.CompactBatches(c.Context(), most); n != compacted || err != nil {
				c.Errorf("compacted %d, %v", n, err)
			}
		}
		if n, err := c.CompactBatches(c.Context(), 5); n != 6 || err != nil {
			c.Errorf("compacted %d, %v", n, err)
		}
		c.marked(store.Mark{Kind: plan.KindStock, Hints: 6})
		p, err := c.Packed(c.Context(), "shop1", 1000)
		must(c.T, err)
		if got := len(p.Hints[plan.KindStock]); got != 3 || !p.Compacted || p.Hints[plan.KindStock]["4"].Number == "" {
			c.Errorf("left are %v", p.Hints)
		}
		c.webhooks(plan.KindStock, "newer")
		if p, err = c.Packed(c.Context(), "shop1", 1000); !p.Compacted || p.More || err != nil {
			c.Errorf("with a newer batch: %+v, %v", p, err)
		}
		if u := c.unpack(); !u.Compacted || u.More {
			c.Errorf("%+v", u)
		}
		if p, err = c.Packed(c.Context(), "shop2", 1000); len(p.Batches) != 1 || p.Compacted || err != nil {
			c.Errorf("the other shop has %d batches, %v", len(p.Batches), err)
		}
	})
}

// TestCompactedAgainAndAgain: however often a shop's batches are compacted while nobody sweeps, its
// marks stay few, and stand for all webhooks. A sweep that claimed the former ones does not end the
// new one.
func TestCompactedAgainAndAgain(t *testing.T) {
	t.Parallel()
	onEachCapped(t, func(c *capped) {
		var claimed []int64
		for n := range 5 {
			c.webhooks(plan.KindStock, strconv.Itoa(n), "x")
			c.webhooks(plan.KindInvoice, strconv.Itoa(n+1))
			if _, err := c.CompactBatches(c.Context(), 0); err != nil {
				c.Fatal(err)
			}
			if n == 3 {
				var err error
				claimed, err = c.Marks(c.Context(), "shop1", plan.KindStock)
				must(c.T, err)
			}
		}
		c.marked(store.Mark{Kind: plan.KindStock, Hints: 10}, store.Mark{Kind: plan.KindInvoice, Hints: 5})
		c.apply(store.Applied{Unmark: claimed})
		c.marked(store.Mark{Kind: plan.KindStock, Hints: 10}, store.Mark{Kind: plan.KindInvoice, Hints: 5})
	})
}

// TestCompactedKinds: only the kinds of the webhooks in the batches are marked, and both for a batch
// that cannot be read.
func TestCompactedKinds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		record func(c *capped)
		marks  []store.Mark
	}{
		"of both": {func(c *capped) {
			c.webhooks(plan.KindInvoice, "1", "2")
			c.webhooks(plan.KindStock, "a")
		}, []store.Mark{{Kind: plan.KindStock, Hints: 1}, {Kind: plan.KindInvoice, Hints: 2}}},
		"of invoices": {func(c *capped) { c.webhooks(plan.KindInvoice, "1", "2") }, []store.Mark{{Kind: plan.KindInvoice, Hints: 2}}},
		"unreadable": {func(c *capped) {
			c.webhooks(plan.KindStock, "a", "b")
			must(c.T, c.Exec(c.Context(), "UPDATE hint_batches SET data = '{'"))
		}, []store.Mark{{Kind: plan.KindStock, Hints: 2}, {Kind: plan.KindInvoice, Hints: 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEachCapped(t, func(s *capped) {
				c.record(s)
				if _, err := s.CompactBatches(s.Context(), 0); err != nil {
					s.Fatal(err)
				}
				s.marked(c.marks...)
				// What is left is no webhook: there is nothing to mark, and it is not written anew.
				before, err := s.Packed(s.Context(), "shop1", 1000)
				must(s.T, err)
				if n, err := s.CompactBatches(s.Context(), -1); n != 0 || err != nil {
					s.Errorf("compacted %d, %v", n, err)
				}
				after, err := s.Packed(s.Context(), "shop1", 1000)
				must(s.T, err)
				if len(before.Batches) != 1 || !slices.Equal(after.Batches, before.Batches) {
					s.Errorf("the batches were %v, and are %v", before.Batches, after.Batches)
				}
				s.marked(c.marks...)
			})
		})
	}
}

// TestPackedMost: Packed stops with whole batches once it has enough numbers.
func TestPackedMost(t *testing.T) {
	t.Parallel()
	onEachCapped(t, func(c *capped) {
		c.webhooks(plan.KindStock, "a", "b")
		c.webhooks(plan.KindInvoice, "1", "2")
		c.webhooks(plan.KindStock, "c")
		for most, batches := range map[int]int{1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3} {
			p, err := c.Packed(c.Context(), "shop1", most)
			must(c.T, err)
			if len(p.Batches) != batches || p.More != (batches < 3) {
				c.Errorf("of at least %d numbers: %d batches, more: %t", most, len(p.Batches), p.More)
			}
		}
		since, err := c.PackedSince(c.Context(), "shop1", plan.KindInvoice, "2")
		if must(c.T, err); !since.Equal(noon.Add(time.Second).Truncate(time.Microsecond)) {
			c.Errorf("since %s", since)
		}
		if since, err = c.PackedSince(c.Context(), "shop1", plan.KindStock, "2"); err != nil || !since.IsZero() {
			c.Errorf("since %s, %v", since, err)
		}
	})
}

// TestPruneUnknown: answered hints of numbers that do not exist may go sooner than others.
func TestPruneUnknown(t *testing.T) {
	t.Parallel()
	onEachCapped(t, func(c *capped) {
		for _, number := range []string{"unknown", "known", "open", "again"} {
			must(c.T, c.RecordHints(c.Context(), []store.HintRecord{hint("shop1", number, plan.CauseWebhook, noon)}))
		}
		of := func(number string) plan.Hint { return plan.Hint{Kind: plan.KindStock, Number: number, Gen: 1} }
		c.apply(store.Applied{Answered: []plan.Answer{of("unknown").Answer(plan.HintUnknown, ""), of("known").Answer("", "")},
			Rereads: []plan.Reread{{Kind: plan.KindStock, Number: "again", Gen: 1, DueAt: noon.Add(time.Hour), Tries: 1, Reason: plan.HintUnknown}}}) // it is read again: it may come
		for _, step := range []struct {
			old  store.Ages
			left int
		}{{store.Ages{Unknown: noon}, 4}, {store.Ages{Unknown: noon.Add(time.Second)}, 3}, {store.Ages{Hints: noon.Add(time.Second)}, 2}} {
			_, err := c.Prune(c.Context(), c.next(), step.old)
			if must(c.T, err); c.Count(c.Context(), "hints", "shop1") != step.left {
				c.Errorf("%+v leaves %d, expected %d", step.old, c.Count(c.Context(), "hints", "shop1"), step.left)
			}
		}
	})
}

// TestEverything: webhooks that name no number get no row, but share one mark, which is told
// apart from what the caps did not admit.
func TestEverything(t *testing.T) {
	t.Parallel()
	onEachCapped(t, func(c *capped) {
		c.webhooks(plan.KindStock, "", "s1", "")
		c.webhooks(plan.KindStock, "")
		since, err := c.PackedSince(c.Context(), "shop1", plan.KindStock, "any")
		if must(c.T, err); !since.Equal(noon.Truncate(time.Microsecond)) {
			c.Errorf("of all items since %s", since)
		}
		if since, err = c.PackedSince(c.Context(), "shop1", plan.KindInvoice, "any"); err != nil || !since.IsZero() {
			c.Errorf("of invoices since %s, %v", since, err)
		}
		p, err := c.Packed(c.Context(), "shop1", 1000)
		if must(c.T, err); !p.Everything || len(p.Hints[plan.KindStock]) != 1 || len(p.Batches) != 2 {
			c.Errorf("packed: %+v", p)
		}
		u := c.unpack()
		mark := store.Mark{Kind: plan.KindStock, Hints: 3, Everything: 3, FirstAt: noon, LastAt: noon.Add(2 * time.Second)}
		want := store.Unpacked{Hints: 1, Overflow: store.Overflow{Marks: []store.Mark{mark}}}
		if diff := cmp.Diff(want, u, cmpopts.IgnoreUnexported(store.Mark{}), cmpopts.EquateApproxTime(time.Microsecond)); diff != "" {
			c.Error(diff)
		}
		c.open(plan.KindStock, "s1")
		c.marked(mark)

		// Later ones, and what the caps do not admit, join the mark.
		c.caps.Unknown, c.caps.Marked[plan.KindStock] = 0, true
		c.webhooks(plan.KindStock, "", "u1", "u2")
		c.unpack()
		c.marked(store.Mark{Kind: plan.KindStock, Hints: 6, Everything: 4})
		ids, err := c.Marks(c.Context(), "shop1", plan.KindStock)
		if must(c.T, err); len(ids) != 1 {
			c.Errorf("%d marks", len(ids))
		}
		if p, err = c.Packed(c.Context(), "shop1", 1000); err != nil || p.Everything {
			c.Errorf("packed: %+v, %v", p, err)
		}
		must(c.T, c.Forget(c.Context(), c.next(), nil, ids))
		c.marked()
		// There are no such webhooks of invoices.
		c.webhooks(plan.KindInvoice, "")
		if u := c.unpack(); len(u.Unreadable) != 1 {
			c.Errorf("%+v", u)
		}
	})
}
