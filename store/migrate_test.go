package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// TestHandedInDatabaseLeavesNoFile: an embedded database passed in Options has no path,
// and its lock file would end up in the working directory.
func TestHandedInDatabaseLeavesNoFile(t *testing.T) {
	t.Chdir(t.TempDir())
	conn, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "handed-in.db"))
	must(t, err)
	s := open(t, store.Options{Embedded: conn})
	for range 2 {
		must(t, s.Migrate(t.Context()))
		r, err := s.Reserve()
		must(t, err)
		r.Release()
	}
	must(t, s.CheckSchema(t.Context()))
	files, err := os.ReadDir(".")
	must(t, err)
	for _, f := range files {
		t.Errorf("left %s behind", f.Name())
	}
}

// TestMigrationTells: a migration tells how many of its statements are done. If it is interrupted,
// the schema's version says how far it came, and the next one goes on from there.
func TestMigrationTells(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{Path: filepath.Join(t.TempDir(), "lagerd.db")})
	total := 0
	all := func(done, of int) {
		if done != 0 && of != total {
			t.Errorf("%d statements of %d, after %d", done, of, total)
		}
		total = of
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := s.MigrateTelling(ctx, func(done, of int) {
		if all(done, of); done == of/2 {
			cancel()
		}
	})
	if err == nil {
		t.Error("an interrupted migration is no error")
	}
	have, want, err := s.SchemaVersion(t.Context())
	if err != nil || have == 0 || have >= want {
		t.Errorf("interrupted halfway, the schema is at version %d of %d: %v", have, want, err)
	}
	first, last := total, 0
	must(t, s.MigrateTelling(t.Context(), func(done, of int) {
		all(done, of)
		last = done
	}))
	if total >= first || last != total-1 {
		t.Errorf("of %d statements %d were left, and %d the last told of", first, total, last)
	}
	must(t, s.CheckSchema(t.Context()))
	must(t, s.MigrateTelling(t.Context(), func(int, int) { t.Error("nothing is left to do") }))
}

// TestHoldsCarriedOver: the migration keeps holds from before holds had scopes; a second
// run, as by another node, restores none that has ended since.
func TestHoldsCarriedOver(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		for _, shop := range []string{"losses", "none", "refused", "supply"} {
			_ = addShop(t, s, shop)
		}
		again := func() {
			t.Helper()
			must(t, s.Exec(t.Context(), "DELETE FROM goose_db_version WHERE version_id >= 5"))
			must(t, s.Migrate(t.Context()))
		}
		held := func(shop string) plan.Holds {
			p, err := s.Progress(t.Context(), shop)
			must(t, err)
			return p.Holds
		}
		for shop, reason := range map[string]string{"losses": "losses", "refused": "token_refused", "supply": "no_inventory"} {
			must(t, s.Exec(t.Context(), "UPDATE progress SET held = '"+reason+"', held_detail = 'why', held_at = '2026-11-23 12:00:00.123456' WHERE shop = '"+shop+"'"))
		}
		again()
		for shop, want := range map[string]plan.Holds{
			"none":    nil,
			"losses":  {{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Detail: "why", Since: noon}},
			"refused": {{Scope: plan.ScopeShop, Reason: plan.HeldTokenRefused, Detail: "why", Since: noon}},
			"supply":  {{Scope: plan.ScopeStock, Reason: plan.HeldNoInventory, Detail: "why", Since: noon}},
		} {
			if got := held(shop); !slices.Equal(got, want) {
				t.Errorf("%s: %+v, expected %+v", shop, got, want)
			}
		}
		must(t, s.Exec(t.Context(), "DELETE FROM holds WHERE shop = 'losses'"))
		again()
		if got := held("losses"); len(got) > 0 {
			t.Errorf("a hold that had ended is back: %+v", got)
		}
		if got := held("refused"); len(got) != 1 {
			t.Errorf("a hold is gone: %+v", got)
		}
	})
}

// TestRefusalsCarriedOver: the migration marks numbers and invoices as refused if their
// texts say so; a second run changes nothing.
func TestRefusalsCarriedOver(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		var rows []plan.InvoiceRow
		var hints []store.HintRecord
		for n := range int64(4) {
			rows = append(rows, plan.InvoiceRow{Invoice: plan.Invoice{Number: n + 1, Date: "2026-11-20", Currency: "DKK"}, FoundAt: noon})
			hints = append(hints, hint("shop1", strconv.FormatInt(n+1, 10), plan.CauseWebhook, noon))
		}
		must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}, store.Applied{
			Invoices: rows, Hints: hints, Lines: []int64{1, 2}, PDFs: []store.PDF{{Number: 3, Data: []byte("x"), SHA256: strings.Repeat("0", 64)}}}, noon))
		again := func() {
			t.Helper()
			must(t, s.Exec(t.Context(), "DELETE FROM goose_db_version WHERE version_id >= 11"))
			must(t, s.Migrate(t.Context()))
		}
		expect := func(step, want string) {
			t.Helper()
			var got []string
			open := openHints(t, s, "shop1", noon.Add(time.Hour))
			for _, number := range slices.Sorted(maps.Keys(open)) {
				if open[number].Refused {
					got = append(got, "hint "+number)
				}
			}
			list, err := s.InvoicesToFetch(t.Context(), "shop1", due(noon.Add(time.Hour)), true, true, 10)
			must(t, err)
			for _, i := range list {
				if i.Refused {
					got = append(got, fmt.Sprint("invoice ", i.Number))
				}
			}
			if text := strings.Join(got, ", "); text != want {
				t.Errorf("%s: refused are %s, expected %s", step, text, want)
			}
		}
		expect("nothing was refused", "")
		must(t, s.Exec(t.Context(), "UPDATE hints SET note = 'forbidden: read product' WHERE number IN ('1', '2')"))
		must(t, s.Exec(t.Context(), "UPDATE hints SET note = 'it is forbidden: so' WHERE number = '3'"))
		must(t, s.Exec(t.Context(), "UPDATE invoices SET work_error = 'forbidden: read the PDF', work_tries = 1 WHERE number IN (1, 3)"))
		must(t, s.Exec(t.Context(), "UPDATE invoices SET work_error = 'no PDF yet', work_tries = 1 WHERE number = 2"))
		again()
		expect("carried over", "hint 1, hint 2, invoice 1, invoice 3")
		stored, err := s.Hints(t.Context(), "shop1", plan.KindStock, []string{"1"})
		must(t, err)
		if len(stored) != 1 || stored[0].Reason != plan.HintForbidden || stored[0].Note != "forbidden: read product" {
			t.Errorf("carried over as %+v", stored)
		}
		must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 2}, store.Applied{
			Rereads: []plan.Reread{{Kind: plan.KindStock, Number: "2", Gen: 1, DueAt: noon, Reason: plan.HintUnknown, Note: "none"}},
			Work:    []store.WorkResult{{Number: 3, DueAt: noon, Tries: 2, Error: "no lines yet"}}}, noon))
		again()
		expect("after they were read", "hint 1, invoice 1")
	})
}
