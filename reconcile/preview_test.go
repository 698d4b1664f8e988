package reconcile_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/source"
	"lagerd/store"
)

// TestPreview: a listing beside what is stored, and what the guard will decide about it.
func TestPreview(t *testing.T) {
	now := time.Now()
	policy := plan.Policy{LossPercent: 25, LossMin: 2, LossWindow: time.Hour, LossWindowPercent: 50, LossWindowMin: 3}
	usual := func(f *fixture) {
		for _, number := range []string{"equal", "less", "zero", "without", "bad", "not there"} {
			f.has(number, "5")
			f.stock[number] = "5"
		}
		f.stock["less"], f.stock["zero"], f.stock["without"], f.stock["bad"], f.stock["new"] = "4", "0", "", `"x"`, "1"
		delete(f.stock, "not there")
		f.Progress.Items = 6
	}
	few := func(f *fixture) {
		usual(f)
		f.stock["without"], f.stock["not there"], f.stock["bad"] = "5", "5", "5"
	}
	for name, c := range map[string]struct {
		set   func(f *fixture)
		over  bool
		want  plan.Preview
		guard plan.LossDecision
		items []string
	}{
		"over": {usual, true, plan.Preview{Same: 1, Other: 2, NoFigure: 1, Gone: 1, New: 1, Unread: 1, Losses: 3},
			plan.LossDecision{Reason: plan.LossesOfAgreement, Losses: 4, Items: 6, To: "e-conomic"}, []string{"not there", "without", "zero", "less"}},
		"page by page": {usual, false, plan.Preview{Same: 1, Other: 2, NoFigure: 1, Gone: 1, New: 1, Unread: 1, Losses: 3},
			plan.LossDecision{Reason: plan.LossesAtOnce, Losses: 3, Items: 7}, []string{"not there", "without", "zero", "less"}},
		"few, over":         {few, true, plan.Preview{Same: 4, Other: 2, New: 1, Losses: 1}, plan.LossDecision{Losses: 1, Items: 6, To: "e-conomic"}, []string{"zero", "less"}},
		"few, page by page": {few, false, plan.Preview{Same: 4, Other: 2, New: 1, Losses: 1}, plan.LossDecision{Losses: 1, Items: 6}, []string{"zero", "less"}},
		"with the recent losses": {func(f *fixture) {
			few(f)
			for _, number := range []string{"x", "y", "z"} {
				f.exec("INSERT INTO recent_losses (shop, number, lost_us, gone) VALUES ('shop1234', ?, ?, 0)", number, now.Add(-time.Minute).UnixMicro())
			}
		}, false, plan.Preview{Same: 4, Other: 2, New: 1, Losses: 1}, plan.LossDecision{Reason: plan.LossesWithin, Losses: 1, Taken: 3, Items: 6, Within: time.Hour}, []string{"zero", "less"}},
		"approved": {func(f *fixture) {
			usual(f)
			f.exec("INSERT INTO approvals (shop, losses, approved_at) VALUES ('shop1234', 3, ?)", store.At(now.Add(-time.Hour)))
		}, false, plan.Preview{Same: 1, Other: 2, NoFigure: 1, Gone: 1, New: 1, Unread: 1, Losses: 3}, plan.LossDecision{Losses: 3, Items: 7}, []string{"not there", "without", "zero", "less"}},
		"nothing there": {func(f *fixture) { f.has("a", "5"); f.Progress.Items = 1 }, true, plan.Preview{Gone: 1, Losses: 1},
			plan.LossDecision{Reason: plan.LossesOfAgreement, Losses: 1, Items: 1, To: "e-conomic"}, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			c.set(f)
			got, err := f.Preview(t.Context(), &policy, c.over, now)
			must(t, err)
			if diff := cmp.Diff([]any{c.want, c.guard, c.items, c.over, len(f.stock)}, []any{got.Preview, got.Guard, numbersOf(got), got.Over, got.Listed}); diff != "" {
				t.Error(diff)
			}
			if len(f.asked) != 1 || f.asked[0] != "/products" {
				t.Errorf("one listing suffices, got %q", f.asked)
			}
		})
	}
	f := newFixture(t)
	f.stock, f.results = map[string]string{"a": "5"}, 1
	if _, err := f.Preview(t.Context(), &policy, true, now); !plan.IsShort(err) {
		t.Errorf("a listing that is cut short concludes nothing, got %v", err)
	}
}

func numbersOf(p reconcile.Preview) []string {
	var numbers []string
	for _, i := range p.Items {
		numbers = append(numbers, i.Number)
	}
	return numbers
}

// pagesOfItem is a stock account that shows one item on each page of its listing: with a stock, with
// a text in its place, or another item.
type pagesOfItem struct {
	desktop
	shows []string
}

func (p pagesOfItem) Stock(plan.Figure, ...string) source.Stock {
	return stockOfPages{deskStock(p.desktop), p.shows}
}

type stockOfPages struct {
	deskStock
	shows []string
}

func (s stockOfPages) Items(_ context.Context, _ source.Priority, _ source.ItemsQuery, link source.Link) (source.Page[plan.Observation], error) {
	at, _ := strconv.Atoi(string(link))
	page := source.Page[plan.Observation]{Announced: len(s.shows)}
	if at+1 < len(s.shows) {
		page.Next = source.Link(strconv.Itoa(at + 1))
	}
	number, stock := "a", s.shows[at]
	switch stock {
	case "text":
		page.Unreadable = []plan.Unreadable{{Number: number, Err: errors.New("its figure is a text")}}
		return page, nil
	case "another":
		number, stock = "b", "1"
	}
	s.sells(number, stock)
	page.Observed = []plan.Observation{s.items[number]}
	return page, nil
}

// TestPreviewOfShiftedPages: of an item that a listing shows on two pages, the second one counts.
func TestPreviewOfShiftedPages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		shows []string
		want  plan.Preview // of the item, which has a stock of 5
	}{
		"it differs, then it is equal":      {[]string{"6", "5"}, plan.Preview{Same: 1}},
		"it is equal, then it differs":      {[]string{"5", "6"}, plan.Preview{Other: 1}},
		"it differs, then it is a text":     {[]string{"0", "text"}, plan.Preview{Unread: 1}},
		"it is a text, then it is equal":    {[]string{"text", "5"}, plan.Preview{Same: 1}},
		"it is a text, then it differs":     {[]string{"text", "0"}, plan.Preview{Other: 1, Losses: 1}},
		"it is a text, then another is new": {[]string{"text", "another"}, plan.Preview{Unread: 1, New: 1}},
		"it is not there":                   {[]string{"another"}, plan.Preview{Gone: 1, New: 1, Losses: 1}},
	} {
		d := newDesk(t)
		d.has("a", "5")
		diff := reconcile.Diff{Store: d.fixture.Store, Account: desktop{d}, Stock: pagesOfItem{desktop{d}, c.shows}, Shop: d.fixture.Shop, Progress: d.Progress}
		got, err := diff.Preview(t.Context(), &d.Policy, true, d.now())
		must(t, err)
		if got.Preview != c.want {
			t.Errorf("%s: %+v, expected %+v", name, got.Preview, c.want)
		}
	}
}
