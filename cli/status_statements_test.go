package cli_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"lagerd/cli"
	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

// TestStatusStatements: `lagerd status` takes as many statements with 1,000 shops as with ten. Those
// that count what is stored of each are left out where the shops are not listed.
func TestStatusStatements(t *testing.T) { //nolint:paralleltest // it counts the statements of the whole server
	few, many := statementsOfStatus(t, 10), statementsOfStatus(t, 1000)
	if few.all != many.all || few.plain != few.all {
		t.Errorf("with ten shops, which are listed anyway: %+v; with 1,000: %+v", few, many)
	}
	if many.plain < 10 || many.plain >= many.all {
		t.Errorf("with 1,000 shops, which are not listed: %d statements, and %d with --all", many.plain, many.all)
	}
}

// statements is how many `lagerd status` takes, and `lagerd status --all`.
type statements struct{ plain, all int }

// statementsOfStatus returns how many statements `lagerd status` takes with that many shops.
func statementsOfStatus(t *testing.T, shops int) statements {
	t.Helper()
	i := lagerdtest.Install(t, lagerdtest.Setup{DSN: mariadbtest.New(t), REST: "http://127.0.0.1:9", Extra: "lease: {beat: 1m, ttl: 10m}\n"})
	run := func(args ...string) (string, int) {
		var out strings.Builder
		code := cli.Main(context.WithoutCancel(t.Context()), cli.Process{Args: append([]string{"--config", i.Config}, args...), Env: i.Env, Stdin: os.Stdin, Stdout: &out, Stderr: &out})
		return out.String(), code
	}
	if out, code := run("migrate"); code != 0 {
		t.Fatal(out)
	}
	db := i.Database()
	defer db.Close()
	lagerdtest.StoreShops(t, db, shops)
	at := time.Now().UTC().Format("2006-01-02 15:04:05.000000")
	if _, err := db.ExecContext(t.Context(), "INSERT INTO instances (instance, beat, beat_at, host, pid, version, started_at) VALUES ('me', 1, '"+at+"', 'here', 1, 'v1', '"+at+"')"); err != nil {
		t.Fatal(err)
	}
	count := func(args ...string) int {
		before := selects(t, db)
		out, _ := run(args...)
		took := selects(t, db) - before
		if !strings.Contains(out, fmt.Sprintf("%d shops: ", shops)) {
			t.Fatal(out)
		}
		return took
	}
	return statements{plain: count("status"), all: count("status", "--all")}
}

// selects returns how many statements that read the server has carried out so far. It counts the end
// of a connection as a statement too, whenever it notices it, but not among these.
func selects(t *testing.T, db *sql.DB) (count int) {
	t.Helper()
	var name string
	if err := db.QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Com_select'").Scan(&name, &count); err != nil {
		t.Fatal(err)
	}
	return count
}
