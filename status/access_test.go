package status_test

import (
	"testing"
	"time"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

// TestAccess: where access is granted is told of a shop whose token e-conomic refuses, in the
// language of its owner, who is to open the page.
func TestAccess(t *testing.T) {
	t.Parallel()
	refused := func(scope plan.Scope) plan.Holds {
		return plan.Holds{{Scope: scope, Reason: plan.HeldTokenRefused, Detail: "status 401", Since: ago(time.Hour).Time}}
	}
	of := func(st store.ShopStatus, holds plan.Holds) store.ShopStatus { st.Progress.Holds = holds; return st }
	danish, paused := busy(), of(busy(), refused(plan.ScopeShop))
	danish.Shop.Lang, paused.Shop.PausedAt = lang.Danish, ago(time.Hour)
	const page = "the agreement's super-user opens https://secure.e-conomic.com/secure/api1/requestaccess.aspx?appPublicToken=Sb7kPq2xWz94&locale="
	const then = " to grant access again; then `lagerd shops set shop1234 --grant-token-file FILE`"
	for _, c := range []struct {
		name  string
		st    store.ShopStatus
		token string
		want  string
	}{
		{"refused", of(busy(), refused(plan.ScopeShop)), "Sb7kPq2xWz94", page + "en-GB" + then},
		{"refused, of a Danish owner", of(danish, refused(plan.ScopeShop)), "Sb7kPq2xWz94", page + "da-DK" + then},
		{"refused, and stock is at Rackbeat", of(atRackbeat(), refused(plan.ScopeInvoices)), "Sb7kPq2xWz94", page + "en-GB" + then},
		{"Rackbeat's key is refused", of(atRackbeat(), refused(plan.ScopeStock)), "Sb7kPq2xWz94", ""},
		{"refused, and the app's public token is not known", of(busy(), refused(plan.ScopeShop)), "", ""},
		{"refused and paused", paused, "Sb7kPq2xWz94", ""},
		{"held for something else", of(busy(), plan.Holds{{Scope: plan.ScopeShop, Reason: plan.HeldForbidden}}), "Sb7kPq2xWz94", ""},
		{"not held", busy(), "Sb7kPq2xWz94", ""},
	} {
		if got := status.Access(c.st, c.token); got != c.want {
			t.Errorf("%s: %q, expected %q", c.name, got, c.want)
		}
	}
}
