package reconcile_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// TestHeldLossesReadAgain: losses that a listing has shown still count when they
// are read again by webhooks of the items, while the listing goes on.
func TestHeldLossesReadAgain(t *testing.T) {
	const items, pageSize, lost = 400, 10, 150
	f := newFixture(t)
	number := func(n int) string { return fmt.Sprintf("n%04d", n) }
	show := func(n int) string {
		if n%8 < 3 {
			return product(number(n), "0")
		}
		return product(number(n), "5")
	}
	var hints []store.HintRecord
	for n := range items {
		f.has(number(n), "5")
		if n%8 < 2 && n < items/2 {
			hints = append(hints, store.HintRecord{Shop: "shop1234", Kind: plan.KindStock, Number: number(n), Cause: plan.CauseWebhook, At: time.Now()})
		}
	}
	old := store.At(time.Now().Add(-48 * time.Hour))
	f.exec("INSERT INTO holds (shop, scope, reason, since) VALUES ('shop1234', 'stock', 'losses', ?)", store.At(time.Now()))
	f.exec("UPDATE progress SET swept_at = ?, items_cursor = ?, items = ? WHERE shop = 'shop1234'", old, old, items)

	var pages []string
	for at := 0; at < items; at += pageSize {
		var list []string
		for n := at; n < at+pageSize; n++ {
			list = append(list, show(n))
		}
		pages = append(pages, strings.Join(list, ","))
	}
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		filter := r.URL.Query().Get("filter")
		switch {
		case r.URL.Path == "/self":
			fmt.Fprint(w, `{"agreementNumber":7,"company":{"name":"x"}}`)
		case r.URL.Path != "/products":
			fmt.Fprint(w, `{"collection":[],"pagination":{"results":0}}`)
		case filter != "":
			var list []string
			for n := range items {
				if strings.Contains(filter, number(n)) {
					list = append(list, show(n))
				}
			}
			page, _ := strconv.Atoi(r.URL.Query().Get("skippages"))
			next := ""
			if rest := list[page*pageSize:]; len(rest) > pageSize {
				next = fmt.Sprintf(`,"nextPage":"http://%s/products?skippages=%d&pagesize=%d&filter=%s"`, r.Host, page+1, pageSize, url.QueryEscape(filter))
			}
			fmt.Fprintf(w, `{"collection":[%s],"pagination":{"results":%d%s}}`, strings.Join(list[page*pageSize:min((page+1)*pageSize, len(list))], ","), len(list), next)
		default:
			page, _ := strconv.Atoi(r.URL.Query().Get("skippages"))
			next := ""
			if page+1 < len(pages) {
				next = fmt.Sprintf(`,"nextPage":"http://%s/products?skippages=%d&pagesize=%d"`, r.Host, page+1, pageSize)
			}
			if page == len(pages)*3/4-1 {
				if err := f.Store.RecordHints(r.Context(), hints); err != nil {
					t.Error(err)
				}
			}
			fmt.Fprintf(w, `{"collection":[%s],"pagination":{"results":%d%s}}`, pages[page], items, next)
		}
	})
	done := scheduled(t, f, server, pageSize)
	var held, detail string
	for began := time.Now(); detail == "" && held != "none"; {
		if time.Since(began) > 20*time.Second {
			t.Fatal("the listing does not end")
		}
		if err := done.next(t); err != nil {
			t.Fatal(err)
		}
		must(t, f.db.QueryRow("SELECT COALESCE(MAX(reason), 'none'), COALESCE(MAX(detail), '') FROM holds").Scan(&held, &detail))
	}
	if want := fmt.Sprintf("the stock of %d of %d items", lost, items); held != "losses" || !strings.Contains(detail, want) {
		t.Errorf("held %s: %q, expected losses: %q", held, detail, want)
	}
	var zeroes int
	must(t, f.db.QueryRow("SELECT COUNT(*) FROM items WHERE stock IN ('0', 0)").Scan(&zeroes))
	if zeroes != 0 {
		t.Errorf("%d zeroes are stored that nobody has approved", zeroes)
	}
}
