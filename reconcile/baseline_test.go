package reconcile_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"lagerd/reconcile/plan"
	"lagerd/store"
)

// TestFirstSweepBesideHints: what a hint has stored while a shop's first listing is
// under way is known when the listing comes to it, although that does not ask the
// database for items that nobody can have stored.
func TestFirstSweepBesideHints(t *testing.T) {
	const items = 13 // more pages than are turned in one pass
	f := newFixture(t)
	number := func(n int) string { return fmt.Sprintf("n%02d", n) }
	last := number(items - 1)
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch page, _ := strconv.Atoi(r.URL.Query().Get("skippages")); {
		case r.URL.Path == "/self":
			fmt.Fprint(w, `{"agreementNumber":7,"company":{"name":"x"}}`)
		case r.URL.Path == "/products/"+last:
			fmt.Fprint(w, product(last, "5"))
		case r.URL.Path != "/products":
			fmt.Fprint(w, `{"collection":[],"pagination":{"results":0}}`)
		case page+1 == items:
			fmt.Fprintf(w, `{"collection":[%s],"pagination":{"results":%d}}`, product(last, "7"), items)
		default:
			if page == 2 {
				hint := store.HintRecord{Shop: "shop1234", Kind: plan.KindStock, Number: last, Cause: plan.CauseWebhook, At: time.Now()}
				if err := f.Store.RecordWebhooks(r.Context(), []store.HintRecord{hint}); err != nil {
					t.Error(err)
				}
			}
			fmt.Fprintf(w, `{"collection":[%s],"pagination":{"results":%d,"nextPage":"http://%s/products?skippages=%d&pagesize=1"}}`, product(number(page), "5"), items, r.Host, page+1)
		}
	})
	done := schedule(t, f, server, 1)
	f.counted(done, "shops that have been swept", 1, "SELECT COUNT(*) FROM progress WHERE swept_at IS NOT NULL")
	changes, err := f.Store.Changes(t.Context(), "shop1234", plan.KindStock, []string{last}, time.Now().Add(-time.Hour), 10)
	must(t, err)
	if len(changes) != 2 || changes[0].What != plan.WhatCreated || changes[1].What != plan.WhatStock || *changes[1].OldStock != "5" || *changes[1].NewStock != "7" {
		t.Errorf("the history of %s: %+v, expected that it was created with 5 and became 7", last, changes)
	}
	if n, err := f.Store.NoItems(t.Context(), "shop1234"); n || err != nil {
		t.Errorf("no items: %t, %v", n, err)
	}
}
