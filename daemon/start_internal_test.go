package daemon

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/config"
	"lagerd/secret"
	"lagerd/store"
)

// TestFailedStartTellsOfTheDatabase: problems with the database are logged even if the
// start fails.
func TestFailedStartTellsOfTheDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lagerd.db")
	s, err := store.Open(t.Context(), store.Options{Path: path})
	if err == nil {
		err = errors.Join(s.Migrate(t.Context()), s.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.Exec("DROP VIEW shop_stock")
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Database.Path, c.Database.Migrate = path, config.MigrateManual
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	noKey := errors.New("no master key")
	err = Run(t.Context(), Options{Config: c, Log: log, Now: time.Now, Keys: func(context.Context, config.Config, *store.Store) (*secret.Keys, error) { return nil, noKey }})
	if !errors.Is(err, noKey) || !strings.Contains(out.String(), "database check failed") || !strings.Contains(out.String(), "shop_stock") {
		t.Errorf("%v, and the log says:\n%s", err, out.String())
	}
}
