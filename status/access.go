package status

import (
	"fmt"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/store"
)

// Access returns where access is granted to the agreement of a shop whose token e-conomic refuses,
// and what then, or "". It needs the app's public token.
func Access(st store.ShopStatus, appPublicToken string) string {
	url := economic.AccessURL(appPublicToken, st.Shop.Lang.Locale())
	if url == "" || st.Shop.Paused() {
		return ""
	}
	holds := st.Shop.InForce(st.Progress.Holds)
	if !holds.Has(plan.ScopeShop, plan.HeldTokenRefused) && !holds.Has(plan.ScopeInvoices, plan.HeldTokenRefused) {
		return "" // of the stock's scope it is Rackbeat's key that is refused
	}
	return fmt.Sprintf("the agreement's super-user opens %s to grant access again; then `lagerd shops set %s --grant-token-file FILE`", url, st.Shop.Shop)
}
