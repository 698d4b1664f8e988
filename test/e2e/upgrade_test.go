package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lagerd/store"
	"lagerd/test/lagerdtest"
)

// nextVersion builds the next lagerd: these sources, with one migration more.
func nextVersion(t *testing.T) lagerdtest.Binary {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, "any.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, newest, err := s.SchemaVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	migration := write("next.sql", []byte("ALTER TABLE items ADD COLUMN from_next_version INT NOT NULL DEFAULT 0;\n"))
	replace := map[string]string{}
	for _, dialect := range []string{"mysql", "sqlite"} {
		folder, err := filepath.Abs("../../store/migrations/" + dialect)
		if err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(folder, fmt.Sprintf("%05d_next.sql", newest+1))] = migration
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	next, err := lagerdtest.Build(dir, "-overlay", write("overlay.json", overlay))
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// TestUpgradeAndBack: the next version takes over a database as this one left it. This version then
// refuses it, and works again after the restore of the backup from before, by the manual's commands:
// what happened meanwhile comes from e-conomic.
func TestUpgradeAndBack(t *testing.T) {
	next := nextVersion(t)
	s := startSandbox(t, "--agreements=1", "--products=20", "--lose=1")
	cfg, root := ownServer(t)
	for _, database := range []struct {
		name, dsn, backUp, restore string
	}{
		{"SQLite", "", "**Back up the embedded database**", "**Restore the embedded database.**"},
		{"MariaDB", accountOf(cfg, "stock_app", "lagerd"), "**Back up a server's database**", "**Restore a server's database.**"},
	} {
		t.Run(database.name, func(t *testing.T) {
			i, code, _ := tradingShop(t, s, database.dsn, func(i *installation) {
				if database.dsn != "" {
					i.made(root)
				}
			})
			i.follow(commandsOf(t, database.backUp), cfg, nil)
			i.stop()

			this := binary
			binary = next
			i.start()
			if status, text := i.call("shop1234", code, "stockUpdate", "00001"); status != http.StatusOK {
				t.Errorf("the next version answers the old code %d %s", status, text)
			}
			s.post(first, "trade", map[string]int{"count": 5})
			i.equal(s, "shop1234", first, 30*time.Second)
			db := i.database()
			invoices := pdfs(t, db, "shop1234")
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			i.stop()
			binary = this

			for _, args := range [][]string{{"run"}, {"status"}, {"shops", "pause", "shop1234"}} {
				out, code := run(t, i.Env, "", args...)
				if code == 0 || !lagerdtest.Says(out, "the database's schema is newer than this lagerd: run the newer lagerd, or restore the backup made before the upgrade") {
					t.Errorf("%v on a newer database: exit %d\n%s", args, code, out)
				}
			}
			restore := commandsOf(t, database.restore)
			i.follow(restore[1:], cfg, func() { i.equal(s, "shop1234", first, 30*time.Second) }) // it is stopped already
			i.works(code, invoices)
		})
	}
}
