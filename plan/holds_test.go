package plan_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
)

func hold(scope plan.Scope, reason plan.Reason) plan.Hold {
	return plan.Hold{Scope: scope, Reason: reason, Detail: "why", Since: noon}
}

// everyHold is what can be held at once, one of each kind.
var everyHold = []plan.Hold{
	hold(plan.ScopeShop, plan.HeldTokenRefused), hold(plan.ScopeShop, plan.HeldForbidden), hold(plan.ScopeShop, plan.HeldAgreementChanged),
	hold(plan.ScopeShop, plan.HeldTokenUnreadable), hold(plan.ScopeStock, plan.HeldForbidden), hold(plan.ScopeStock, plan.HeldNoInventory),
	hold(plan.ScopeStock, plan.HeldLosses), hold(plan.ScopeInvoices, plan.HeldForbidden), hold(plan.ScopePDFs, plan.HeldForbidden),
	hold(plan.ScopeStock, plan.HeldUnreadable),
	hold(plan.ScopeInvoices, plan.HeldTokenRefused), hold(plan.ScopeInvoices, plan.HeldAgreementChanged), hold(plan.ScopeInvoices, plan.HeldTokenUnreadable),
	hold(plan.ScopeStock, plan.HeldTokenRefused), hold(plan.ScopeStock, plan.HeldAccountChanged), hold(plan.ScopeStock, plan.HeldTokenUnreadable),
	hold(plan.ScopeStock, plan.HeldPlacesChanged), hold(plan.ScopeShop, plan.HeldNoAppToken), hold(plan.ScopeInvoices, plan.HeldNoAppToken),
}

// TestHoldsEnd: each hold ends by its own condition and by no other.
func TestHoldsEnd(t *testing.T) {
	t.Parallel()
	of := func(numbers ...int) (list []plan.Hold) {
		for _, n := range numbers {
			list = append(list, everyHold[n])
		}
		return list
	}
	for seen, want := range map[plan.Seen][]plan.Hold{
		plan.SeenSelf:           of(0, 1, 2, 3, 10, 11, 12, 17, 18),
		plan.SeenOtherAgreement: of(0, 1, 3, 10, 12, 17, 18),
		plan.SeenSelf401:        of(1, 3, 12, 17, 18),
		plan.SeenSelf403:        of(0, 3, 12, 17, 18),
		plan.SeenNoAppToken:     of(0, 1, 10),
		plan.SeenAccount:        of(13, 14, 15),
		plan.SeenOtherAccount:   of(13, 15),
		plan.SeenAccountRefused: of(15),
		plan.SeenStockRead:      of(4, 16),
		plan.SeenFigures:        of(5),
		plan.SeenFewLosses:      of(6),
		plan.SeenApproval:       of(6),
		plan.SeenInvoicesRead:   of(7),
		plan.SeenPDFRead:        of(8),
		plan.SeenItem:           of(9),
		"":                      nil,
	} {
		var got []plan.Hold
		for _, h := range everyHold {
			other := hold(plan.ScopeShop, plan.HeldAgreementChanged)
			if h.Scope == plan.ScopeShop {
				other = hold(plan.ScopeStock, plan.HeldLosses)
			}
			holds, _ := plan.Holds{h}.With(other)
			left, ended := holds.After(seen)
			if len(left)+len(ended) != 2 {
				t.Errorf("%q and %s: left %v, ended %v", seen, holds, left, ended)
			}
			if slices.Contains(ended, h) {
				got = append(got, h)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q ends %v, expected %v", seen, got, want)
		}
	}
}

// TestHoldsAreDocumented: each kind of hold has a row in the table of a shop's states, and each row is
// of one.
func TestHoldsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/operators.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## A shop's states\n")
	_, table, _ := strings.Cut(section, "| scope | reason |")
	table, _, _ = strings.Cut(table, "\n\n")
	documented := map[string]bool{}
	for _, line := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(line, "|")
		for scope := range strings.SplitSeq(cells[1], ",") {
			for reason := range strings.SplitSeq(cells[2], ",") {
				documented[strings.TrimSpace(scope)+" "+strings.Trim(reason, " `")] = true
			}
		}
	}
	held := map[plan.Reason]bool{}
	for _, h := range everyHold {
		held[h.Reason] = true
		kind := string(h.Scope) + " " + string(h.Reason)
		if !documented[kind] {
			t.Errorf("%s has no row in docs/operators.md", kind)
		}
		delete(documented, kind)
	}
	if len(documented) > 0 {
		t.Errorf("docs/operators.md has rows of %v", slices.Sorted(maps.Keys(documented)))
	}
	for _, reason := range plan.Reasons() {
		if !held[reason] {
			t.Errorf("%s is not among the holds of these tests", reason)
		}
	}
}

// TestHoldsWith: none hides or overwrites another.
func TestHoldsWith(t *testing.T) {
	t.Parallel()
	for _, first := range everyHold {
		for _, second := range everyHold {
			second.Detail, second.Since = "that", noon.Add(time.Hour)
			before := plan.Holds{first}
			got, changed := before.With(second)
			want := plan.Holds{first, second}
			switch {
			case first.Scope == second.Scope && first.Reason == second.Reason:
				want = plan.Holds{{Scope: first.Scope, Reason: first.Reason, Detail: "that", Since: noon}}
			case first.Scope == second.Scope:
				want = before
			}
			if len(want) == 2 && slices.Index(scopes, first.Scope) > slices.Index(scopes, second.Scope) {
				slices.Reverse(want)
			}
			if !slices.Equal(got, want) || changed == slices.Equal(got, before) {
				t.Errorf("%s with %s: %v (changed %t), expected %v", first, second, got, changed, want)
			}
			if before[0] != first {
				t.Errorf("%s with %s changes the holds it began with", first, second)
			}
			if _, changed := got.With(second); changed && first.Scope == second.Scope {
				t.Errorf("%s with %s, twice: changed again", first, second)
			}
		}
	}
}

// TestHoldsOf asks for the holds of each scope and reason, and leaves some out.
func TestHoldsOf(t *testing.T) {
	t.Parallel()
	invoices, pdf := hold(plan.ScopeInvoices, plan.HeldForbidden), hold(plan.ScopePDFs, plan.HeldForbidden)
	stock := hold(plan.ScopeStock, plan.HeldLosses)
	holds := plan.Holds{stock, invoices, pdf}
	for _, want := range holds {
		if got, ok := holds.Of(want.Scope); got != want || !ok {
			t.Errorf("of %s: %v, %t", want.Scope, got, ok)
		}
	}
	if got, ok := holds.Of(plan.ScopeShop); got != (plan.Hold{}) || ok {
		t.Errorf("of the shop: %v, %t", got, ok)
	}
	for _, c := range []struct {
		scope  plan.Scope
		reason plan.Reason
		want   bool
	}{
		{plan.ScopeStock, plan.HeldLosses, true},
		{plan.ScopeStock, plan.HeldForbidden, false},
		{plan.ScopePDFs, plan.HeldForbidden, true},
		{plan.ScopeShop, plan.HeldForbidden, false},
		{plan.ScopeShop, "", false},
	} {
		if got := holds.Has(c.scope, c.reason); got != c.want {
			t.Errorf("%s for %q: %t", c.scope, c.reason, got)
		}
	}
	for _, c := range []struct {
		scopes []plan.Scope
		any    bool
		left   plan.Holds
	}{
		{nil, false, holds},
		{[]plan.Scope{plan.ScopeShop}, false, holds},
		{[]plan.Scope{plan.ScopeShop, plan.ScopeInvoices}, true, plan.Holds{stock, pdf}},
		{[]plan.Scope{plan.ScopePDFs}, true, plan.Holds{stock, invoices}},
		{scopes, true, plan.Holds{}},
	} {
		if got := holds.Any(c.scopes...); got != c.any {
			t.Errorf("any of %s: %t", c.scopes, got)
		}
		if got := holds.Without(c.scopes...); !slices.Equal(got, c.left) {
			t.Errorf("without %s: %v", c.scopes, got)
		}
	}
	if !slices.Equal(holds, plan.Holds{stock, invoices, pdf}) {
		t.Errorf("changed: %v", holds)
	}
	reads := map[plan.Scope]plan.Seen{plan.ScopeShop: "", plan.ScopeStock: plan.SeenStockRead, plan.ScopeInvoices: plan.SeenInvoicesRead, plan.ScopePDFs: plan.SeenPDFRead}
	for scope, want := range reads {
		if got := plan.ReadOf(scope); got != want {
			t.Errorf("a read of %s ends holds as %q", scope, got)
		}
	}
	identity := []plan.Reason{plan.HeldTokenRefused, plan.HeldAgreementChanged, plan.HeldAccountChanged, plan.HeldTokenUnreadable, plan.HeldNoAppToken}
	for _, reason := range plan.Reasons() {
		if got := reason.OfIdentity(); got != slices.Contains(identity, reason) {
			t.Errorf("%s says whose the token is: %t", reason, got)
		}
	}
	for _, h := range everyHold {
		if !slices.Contains(plan.Reasons(), h.Reason) {
			t.Errorf("%s is no reason", h.Reason)
		}
	}
}

var scopes = []plan.Scope{plan.ScopeShop, plan.ScopeStock, plan.ScopeInvoices, plan.ScopePDFs}

// TestStockStoodFrom: only holds of the shop or its stock keep the stock from being read.
func TestStockStoodFrom(t *testing.T) {
	t.Parallel()
	at := func(scope plan.Scope, hour int) plan.Hold {
		return plan.Hold{Scope: scope, Since: noon.Add(time.Duration(hour) * time.Hour)}
	}
	for _, c := range []struct {
		holds plan.Holds
		want  int // hours after noon
	}{
		{nil, 9},
		{plan.Holds{at(plan.ScopeShop, 1)}, 1},
		{plan.Holds{at(plan.ScopeStock, 1)}, 1},
		{plan.Holds{at(plan.ScopeInvoices, 1), at(plan.ScopePDFs, 2)}, 9},
		{plan.Holds{at(plan.ScopeShop, 3), at(plan.ScopeStock, 2), at(plan.ScopeInvoices, 1)}, 2},
		{plan.Holds{at(plan.ScopeStock, 10)}, 9}, // by a clock that was ahead
	} {
		if got := c.holds.StockStoodFrom(noon.Add(9 * time.Hour)); !got.Equal(noon.Add(time.Duration(c.want) * time.Hour)) {
			t.Errorf("%v: %s, expected %d hours after noon", c.holds, got, c.want)
		}
	}
}

func TestHoldsText(t *testing.T) {
	t.Parallel()
	holds := plan.Holds{hold(plan.ScopeShop, plan.HeldTokenRefused), {Scope: plan.ScopePDFs, Reason: plan.HeldForbidden}}
	if got := holds.String(); got != "token_refused: why; pdf: forbidden" {
		t.Errorf("got %q", got)
	}
	if got := holds.Codes(); got != "token_refused; pdf: forbidden" {
		t.Errorf("got %q", got)
	}
}
