package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"lagerd/plan"
	"lagerd/store"
)

// TestHandedInDatabaseLeavesNoFile: an embedded database that was handed in has
// no path, and a lock beside it would lie in whatever directory the process is in.
func TestHandedInDatabaseLeavesNoFile(t *testing.T) {
	t.Chdir(t.TempDir())
	conn, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "handed-in.db"))
	must(t, err)
	s := open(t, store.Options{Embedded: conn})
	for range 2 {
		must(t, s.Migrate(t.Context()))
		release, err := s.Reserve()
		must(t, err)
		release()
	}
	must(t, s.CheckSchema(t.Context()))
	files, err := os.ReadDir(".")
	must(t, err)
	for _, f := range files {
		t.Errorf("left %s behind", f.Name())
	}
}

// TestHoldsCarriedOver: what was held before holds had scopes is held still; a
// second run of the migration, as by another node, brings back nothing that has
// ended since.
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
