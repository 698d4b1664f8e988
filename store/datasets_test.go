package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/store"
)

// fenceOf returns a fence with a shop's current settings.
func fenceOf(t *testing.T, s *store.Store, name string, token, seq int64) store.Fence {
	t.Helper()
	shop, err := s.Shop(t.Context(), name)
	must(t, err)
	return store.Fence{Shop: name, Dataset: shop.Dataset, StockDataset: shop.StockDataset, StockSource: shop.StockSource, Generation: shop.Generation, Token: token, Seq: seq}
}

// TestSettingsChanged: any change of a shop's settings fences a pass that began with
// others, with an error distinct from that of a lost lease.
func TestSettingsChanged(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx, token := t.Context(), addShop(t, s, "shop1")
		other := addShop(t, s, "shop2")
		changes := map[string]func() error{
			"set":    func() error { return s.SetShop(ctx, "shop1", noon, func(*store.Shop) error { return nil }) },
			"accept": func() error { return s.AcceptAgreement(ctx, "shop1", 4711, noon) },
		}
		for what, change := range changes {
			f := fenceOf(t, s, "shop1", token, 1000)
			must(t, change())
			writes := map[string]error{
				"apply": commit(ctx, s, f, store.Applied{Items: []plan.Row{itemRow("a", "3", token)}}, noon),
				"hold":  commit(ctx, s, f, store.Applied{Holds: []plan.Hold{{Scope: plan.ScopeShop, Reason: plan.HeldTokenRefused, Since: noon}}}, noon), "failure": s.MarkFailure(ctx, f, "x", store.DayCalls{}, noon),
				"over":   commit(ctx, s, f, changedOver(f, noon), noon),
				"finish": s.FinishRequests(ctx, f, []store.Request{{Request: "r1"}}, noon, 0, ""),
				"forget": s.Forget(ctx, f, []int64{1}, []int64{1}),
			}
			for write, err := range writes {
				if !errors.Is(err, store.ErrSettingsChanged) || errors.Is(err, store.ErrFenced) {
					t.Errorf("%s after %s: %v", write, what, err)
				}
			}
			must(t, s.MarkTicks(ctx, "me", []store.TickMark{{Shop: "shop1", Generation: f.Generation, DayCalls: store.DayCalls{CallsDay: "2026-11-23", Calls: 7}}}, noon))
			if p, err := s.Progress(ctx, "shop1"); err != nil || p.Failures != 0 || len(p.Holds) != 0 || !p.TickAt.IsZero() {
				t.Errorf("after %s an outdated pass wrote the state: %+v, %v", what, p, err)
			}
		}
		if n := s.Count(ctx, "items", "shop1"); n != 0 {
			t.Errorf("%d items were written by outdated passes", n)
		}
		// A transaction committed before the change stays recognized as committed.
		f := fenceOf(t, s, "shop1", token, 2000)
		a := store.Applied{Items: []plan.Row{itemRow("a", "3", token)}}
		must(t, commit(ctx, s, f, a, noon))
		must(t, changes["set"]())
		must(t, commit(ctx, s, f, a, noon))
		// Another shop's settings are its own.
		must(t, commit(ctx, s, fenceOf(t, s, "shop2", other, 1), a, noon))
	})
}

// TestTokensSurviveRemoval: no fencing token is issued twice, even if a shop is removed
// and added again, so that an earlier holder can never write.
func TestTokensSurviveRemoval(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		last := int64(0)
		addShop(t, s, "older") // whose token stays small
		for n := range 4 {
			if n == 3 {
				must(t, s.RemoveShop(t.Context(), "older"))
			}
			token := addShop(t, s, "shop1")
			if token <= last {
				t.Fatalf("token %d after %d", token, last)
			}
			for range 3 {
				must(t, s.ReleaseLeases(t.Context(), []string{"shop1"}, "me"))
				must(t, s.TakeLeases(t.Context(), []string{"shop1"}, "", "me", noon))
				token++
			}
			old := fenceOf(t, s, "shop1", token, 1)
			must(t, s.RemoveShop(t.Context(), "shop1"))
			if err := commit(t.Context(), s, old, store.Applied{Items: []plan.Row{itemRow("a", "3", token)}}, noon); !errors.Is(err, store.ErrSettingsChanged) {
				t.Errorf("written for a removed shop: %v", err)
			}
			last = token
		}
	})
}

// shown returns what the view shows of a shop's items: number, stock, state.
func shown(t *testing.T, s *store.Store) []string {
	t.Helper()
	var list []string
	for _, row := range s.Rows(t.Context(), "SELECT item_number, stock, state FROM shop_stock WHERE shop = 'shop1' ORDER BY item_number") {
		stock := "none"
		if row[1] != "" {
			d, err := decimal.NewFromString(row[1])
			must(t, err)
			stock = d.String()
		}
		list = append(list, row[0]+" "+stock+" "+row[2])
	}
	return list
}

// TestAcceptAgreement: rows of one agreement are never shown as another's, in whatever
// order the shop moves between them.
func TestAcceptAgreement(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx, token, seq := t.Context(), addShop(t, s, "shop1"), int64(0)
		apply := func(a store.Applied) {
			t.Helper()
			seq++
			must(t, commit(ctx, s, fenceOf(t, s, "shop1", token, seq), a, noon))
		}
		invoice := func(number int64, order string) {
			apply(store.Applied{Invoices: []plan.InvoiceRow{{Invoice: plan.Invoice{Number: number, Date: "2026-11-20", Currency: "DKK"}, ShopOrder: order, FoundAt: noon}}})
			apply(store.Applied{PDFs: []store.PDF{{Number: number, Data: []byte("%PDF-" + order)}}, Lines: []int64{number}})
		}
		expect := func(what string, items, invoices []string) {
			t.Helper()
			if got := shown(t, s); !slices.Equal(got, items) {
				t.Errorf("%s: the items shown are %q, expected %q", what, got, items)
			}
			var got []string
			for _, row := range s.Rows(ctx, "SELECT invoice_number, order_number, pdf FROM shop_invoices WHERE shop = 'shop1' ORDER BY invoice_number") {
				got = append(got, row[0]+" "+row[1]+" "+row[2])
			}
			if !slices.Equal(got, invoices) {
				t.Errorf("%s: the invoices shown are %q, expected %q", what, got, invoices)
			}
		}
		apply(store.Applied{Progress: store.Patch{AgreementNumber: new(int64(1)), ItemsCursor: new(store.At(noon))}, Window: &plan.Window{Cursor: 9}})
		apply(store.Applied{Items: []plan.Row{itemRow("a", "1", token), itemRow("b", "2", token), itemRow("zero", "0", token)}})
		invoice(1, "of-1")
		expect("before", []string{"a 1 ok", "b 2 ok", "zero 0 ok"}, []string{"1 of-1 %PDF-of-1"})

		seq++
		must(t, s.MarkFailure(ctx, fenceOf(t, s, "shop1", token, seq), "the token answers for another agreement", store.DayCalls{}, noon))
		must(t, s.AcceptAgreement(ctx, "shop1", 2, noon.Add(time.Hour)))
		expect("accepted", []string{"a 1 ok", "b 2 ok", "zero 0 ok"}, nil)
		if p, err := s.Progress(ctx, "shop1"); err != nil || p.AgreementNumber != 2 || !p.ItemsCursor.IsZero() || p.InvoiceCursor != 0 || p.InvoicesBegun || p.Failures != 0 || p.Failure != "" {
			t.Errorf("progress after acceptance: %+v, %v", p, err)
		}
		apply(store.Applied{Items: []plan.Row{itemRow("a", "7", token), itemRow("c", "8", token)}})
		invoice(1, "of-2")
		expect("reading", []string{"a 1 ok", "b 2 ok", "zero 0 ok"}, []string{"1 of-2 %PDF-of-2"})
		shop, err := s.Shop(ctx, "shop1")
		must(t, err)
		losses, present, err := s.Losses(ctx, "shop1", shop.Dataset)
		if losses != 2 || present != 3 || err != nil { // b, and zero, whose figure would be gone
			t.Errorf("%d losses of %d, %v", losses, present, err)
		}
		for _, of := range []string{"shop1", string(shop.Dataset)} {
			must(t, s.Exec(ctx, "INSERT INTO items (shop, number, name, barred, inventory_enabled, state, stock, observed_token, observed_at, first_seen_at, changed_at)"+
				" SELECT '"+of+"', 'zero in both', name, barred, inventory_enabled, state, '0', observed_token, observed_at, first_seen_at, changed_at FROM items WHERE shop = 'shop1' AND number = 'a'"))
		}
		if losses, present, err = s.Losses(ctx, "shop1", shop.Dataset); losses != 2 || present != 4 || err != nil {
			t.Errorf("with one that had no stock before: %d losses of %d, %v", losses, present, err)
		}
		must(t, s.Exec(ctx, "DELETE FROM items WHERE number = 'zero in both'"))
		seq++
		lacking, err := s.MissingItems(ctx, shop.Dataset, "shop1")
		if len(lacking) != 2 || lacking[0].Number != "b" || lacking[1].Number != "zero" || err != nil {
			t.Errorf("lacking: %+v, %v", lacking, err)
		}
		for i := range lacking {
			lacking[i] = plan.Lacking(lacking[i], lacking[i].Number == "zero", plan.Version{Token: token, At: noon})
		}
		must(t, commit(ctx, s, fenceOf(t, s, "shop1", token, seq), store.Applied{Items: lacking}, noon))
		if lacking, err = s.MissingItems(ctx, shop.Dataset, "shop1"); len(lacking) > 0 || err != nil {
			t.Errorf("lacking still: %+v, %v", lacking, err)
		}
		expect("staged", []string{"a 1 ok", "b 2 ok", "zero 0 ok"}, []string{"1 of-2 %PDF-of-2"})
		seq++
		over := fenceOf(t, s, "shop1", token, seq)
		must(t, commit(ctx, s, over, changedOver(over, noon.Add(2*time.Hour)), noon))
		of2 := []string{"a 7 ok", "b none gone", "c 8 ok", "zero none no_inventory"}
		expect("changed over", of2, []string{"1 of-2 %PDF-of-2"})
		// A query for changes since the last one returns all items.
		if n := len(s.Rows(ctx, fmt.Sprintf("SELECT item_number FROM shop_stock WHERE shop = 'shop1' AND changed_at >= '%s'", "2026-11-23 14:00:00"))); n != 4 {
			t.Errorf("%d items count as changed", n)
		}

		former, err := s.FormerInvoices(ctx, shop, "1")
		if err != nil || len(former) != 1 || former[1].OrderNumber != "of-1" {
			t.Errorf("former invoices: %+v, %v", former, err)
		}
		if st, err := s.Status(ctx, "shop1"); err != nil || st[0].ItemsStored != 4 || st[0].InvoicesStored != 1 {
			t.Errorf("status: %+v, %v", st, err)
		}

		// Back to the first: its rows are shown, and none of the second.
		must(t, s.AcceptAgreement(ctx, "shop1", 1, noon.Add(3*time.Hour)))
		expect("back", of2, []string{"1 of-1 %PDF-of-1"})
		invoice(2, "of-1")
		seq++
		over = fenceOf(t, s, "shop1", token, seq)
		must(t, commit(ctx, s, over, changedOver(over, noon.Add(4*time.Hour)), noon))
		expect("back and changed over", []string{"a 1 ok", "b 2 ok", "zero 0 ok"}, []string{"1 of-1 %PDF-of-1", "2 of-1 %PDF-of-1"})

		// Accepting the current agreement only ends a hold.
		apply(store.Applied{Holds: []plan.Hold{{Scope: plan.ScopeShop, Reason: plan.HeldAgreementChanged, Since: noon}}})
		must(t, s.AcceptAgreement(ctx, "shop1", 1, noon))
		if p, err := s.Progress(ctx, "shop1"); err != nil || len(p.Holds) != 0 {
			t.Errorf("holds %v, %v", p.Holds, err)
		}
		agreements, err := s.Agreements(ctx, "shop1")
		if err != nil || len(agreements) != 2 {
			t.Errorf("agreements: %+v, %v", agreements, err)
		}

		// Removing the shop deletes the rows of both.
		must(t, s.RemoveShop(ctx, "shop1"))
		for _, table := range []string{"items", "invoices", "invoice_pdfs", "agreements", "mixed_invoices"} {
			if n := len(s.Rows(ctx, "SELECT shop FROM "+table)); n != 0 {
				t.Errorf("%d rows are left in %s", n, table)
			}
		}
		addShop(t, s, "shop1")
		expect("added again", nil, nil)
	})
}

// TestAcceptBeforeAnythingWasRead: a shop whose agreement is accepted before its first
// read keeps its own dataset.
func TestAcceptBeforeAnythingWasRead(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		addShop(t, s, "shop1")
		must(t, s.AcceptAgreement(t.Context(), "shop1", 5, noon))
		shop, err := s.Shop(t.Context(), "shop1")
		must(t, err)
		p, err := s.Progress(t.Context(), "shop1")
		must(t, err)
		if shop.Dataset != "shop1" || p.ItemsDataset != "shop1" || p.AgreementNumber != 5 {
			t.Errorf("dataset %q, items %q, agreement %d", shop.Dataset, p.ItemsDataset, p.AgreementNumber)
		}
		if err := s.AcceptAgreement(t.Context(), "shop1", 0, noon); err == nil {
			t.Error("agreement 0 was accepted")
		}
		if err := s.AcceptAgreement(t.Context(), "none", 5, noon); !errors.Is(err, store.ErrNoShop) {
			t.Errorf("of no shop: %v", err)
		}
	})
}

// approve holds a shop for losses, in transaction seq, and approves that many.
func approve(t *testing.T, s *store.Store, name string, token, seq int64, losses int, at time.Time) {
	t.Helper()
	must(t, commit(t.Context(), s, fenceOf(t, s, name, token, seq), store.Applied{Holds: []plan.Hold{{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Since: at}}}, at))
	shop, err := s.Shop(t.Context(), name)
	must(t, err)
	must(t, s.Approve(t.Context(), shop, losses, at))
}

// TestApprove: an approval covers only the losses that a person was shown.
func TestApprove(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx, token := t.Context(), addShop(t, s, "shop1")
		approved := func() store.Approval {
			t.Helper()
			a, err := s.Approved(ctx, "shop1", noon.Add(-time.Hour))
			must(t, err)
			m, err := s.LossMemory(ctx, "shop1", "shop1", noon.Add(-time.Hour))
			must(t, err)
			if a != m.Approved {
				t.Errorf("approved %+v, LossMemory has %+v", a, m.Approved)
			}
			return a
		}
		seen, err := s.Shop(ctx, "shop1")
		must(t, err)
		if err := s.Approve(ctx, seen, 60, noon); !errors.Is(err, store.ErrNotApproved) || approved().Losses != 0 {
			t.Errorf("of a shop that is not held: %v", err)
		}
		// Other holds are not approved, nor does another shop's count.
		other := addShop(t, s, "shop2")
		must(t, commit(ctx, s, fenceOf(t, s, "shop2", other, 1), store.Applied{Holds: []plan.Hold{{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Since: noon}}}, noon))
		for n, scope := range []plan.Scope{plan.ScopeStock, plan.ScopeShop} {
			held := store.Applied{Holds: []plan.Hold{{Scope: scope, Reason: plan.HeldForbidden, Since: noon}}}
			must(t, commit(ctx, s, fenceOf(t, s, "shop1", token, int64(n+1)), held, noon))
			if err := s.Approve(ctx, seen, 60, noon); !errors.Is(err, store.ErrNotApproved) || approved().Losses != 0 {
				t.Errorf("of a shop with a hold of %s for another reason: %v", scope, err)
			}
		}
		must(t, commit(ctx, s, fenceOf(t, s, "shop1", token, 3), store.Applied{EndHolds: []plan.Scope{plan.ScopeStock, plan.ScopeShop}}, noon))
		approve(t, s, "shop1", token, 4, 60, noon)
		if got := approved(); got.Losses != 60 || !got.At.Equal(noon) {
			t.Errorf("approved %+v", got)
		}
		for since, want := range map[time.Time]int{noon: 60, noon.Add(time.Microsecond): 0} {
			a, err := s.Approved(ctx, "shop1", since)
			must(t, err)
			m, err := s.LossMemory(ctx, "shop1", "shop1", since)
			must(t, err)
			if a.Losses != want || m.Approved != a {
				t.Errorf("approved since %s: %+v, LossMemory has %+v", since, a, m.Approved)
			}
		}
		// The settings' generation changes: a running pass is fenced.
		if err := commit(ctx, s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: seen.Generation, Token: token, Seq: 5}, store.Applied{EndApproval: true}, noon); !errors.Is(err, store.ErrSettingsChanged) {
			t.Errorf("a pass that began before the approval: %v", err)
		}
		// The approval does not cover another agreement's losses, even if it is given
		// after the change.
		if seen, err = s.Shop(ctx, "shop1"); err != nil {
			t.Fatal(err)
		}
		must(t, s.AcceptAgreement(ctx, "shop1", 7, noon))
		if got := approved(); got.Losses != 0 {
			t.Errorf("approved for another agreement: %+v", got)
		}
		must(t, commit(ctx, s, fenceOf(t, s, "shop1", token, 6), store.Applied{Holds: []plan.Hold{{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Since: noon}}}, noon))
		if err := s.Approve(ctx, seen, 60, noon); !errors.Is(err, store.ErrNotApproved) || approved().Losses != 0 {
			t.Errorf("for what was shown of another agreement: %v", err)
		}
		must(t, s.RemoveShop(ctx, "shop1"))
		if err := s.Approve(ctx, seen, 60, noon); !errors.Is(err, store.ErrNoShop) || s.Count(ctx, "approvals", "shop1") != 0 {
			t.Errorf("of a removed shop: %v", err)
		}
	})
}

// changedOver makes the view show the items of the fence's dataset.
func changedOver(f store.Fence, at time.Time) store.Applied {
	return store.Applied{Progress: store.Patch{ItemsDataset: &f.StockDataset, ItemsSince: new(store.At(at))}, EndApproval: true}
}
