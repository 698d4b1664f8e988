package plan_test

import (
	"slices"
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
}

// TestHoldsEnd: each hold ends by its own condition and by no other.
func TestHoldsEnd(t *testing.T) {
	t.Parallel()
	for seen, want := range map[plan.Seen][]plan.Hold{
		plan.SeenSelf:           {everyHold[0], everyHold[1], everyHold[2], everyHold[3]},
		plan.SeenOtherAgreement: {everyHold[0], everyHold[1], everyHold[3]},
		plan.SeenSelf401:        {everyHold[1], everyHold[3]},
		plan.SeenSelf403:        {everyHold[0], everyHold[3]},
		plan.SeenStockRead:      {everyHold[4]},
		plan.SeenFigures:        {everyHold[5]},
		plan.SeenFewLosses:      {everyHold[6]},
		plan.SeenApproval:       {everyHold[6]},
		plan.SeenInvoicesRead:   {everyHold[7]},
		plan.SeenPDFRead:        {everyHold[8]},
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
