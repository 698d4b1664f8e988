package e2e_test

import (
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
)

// fillHistory gives the embedded database rows that take a while to move.
func (i *installation) fillHistory(rows int) {
	i.t.Helper()
	db := i.database()
	defer db.Close()
	_, err := db.ExecContext(i.t.Context(), "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"+
		" INSERT INTO items (shop, number, name, barred, inventory_enabled, stock, state, observed_token, observed_at, first_seen_at, changed_at)"+
		" SELECT 'removed', printf('%010d', i), 'Rød grød 🛒 ' || i, 0, 1, '5', 'ok', 1, ?2, ?2, ?2 FROM n", rows, "2026-11-23 12:00:00.000000")
	if err != nil {
		i.t.Fatal(err)
	}
}

// TestMoveToAServer: the manual's way from the embedded database to a server. The move is refused
// beside a lagerd or ends it, is killed in the middle, and ends when it is run again, although the embedded
// database was used in between. Then the shop's webhooks, its token, invoices and PDFs work with
// nothing entered anew, and every command refuses the embedded database.
func TestMoveToAServer(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=20", "--lose=1")
	cfg, root := ownServer(t)
	dsn := accountOf(cfg, "stock_app", "lagerd")
	i, code, invoices := tradingShop(t, s, "", func(*installation) {})
	i.fillHistory(30_000)
	i.write("dsn", dsn+"\n")
	i.Secrets = append(i.Secrets, "pw-of-stock_app")
	administer(t, root, strings.ReplaceAll(i.command("check", "--grants"), "'lagerd'@", "'stock_app'@"), "pw-of-stock_app")
	move := []string{"move", "--to-dsn-file", i.Path("dsn")}
	if out, code := run(t, i.Env, "", move...); code != 1 || !lagerdtest.Says(out, "another lagerd is running on this embedded database") {
		t.Errorf("beside a lagerd: exit %d\n%s", code, out)
	}
	if out := i.command(append(move, "--dry-run")...); !lagerdtest.Says(out, "Nothing has been changed") || !lagerdtest.Says(out, "the move takes --stop") {
		t.Errorf("the dry run says\n%s", out)
	}

	// What will be refused stops no lagerd.
	if out, code := run(t, i.Env, "", "move", "--undo", "--stop"); code != 1 || !lagerdtest.Says(out, "nothing to undo") {
		t.Errorf("undo before a move: exit %d\n%s", code, out)
	}
	exec1(t, root, "CREATE TABLE lagerd.orders (id INT)")
	if out, code := run(t, i.Env, "", append(move, "--stop")...); code != 1 || !lagerdtest.Says(out, "it is not empty: it has the table orders") {
		t.Errorf("a move into a database in use: exit %d\n%s", code, out)
	}
	exec1(t, root, "DROP TABLE lagerd.orders")
	time.Sleep(6 * time.Second) // it looks every five
	if status, text := i.call("shop1234", code, "stockUpdate", "00001"); status != http.StatusOK {
		t.Errorf("a webhook after moves were refused: %d %s", status, text)
	}

	there := 0
	count := func() bool {
		return root.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM lagerd.items").Scan(&there) == nil
	}
	moving := func(flags ...string) *process {
		count()
		p, before := start(t, i.Env, append(move, flags...)...), there
		lagerdtest.Eventually(t, 60*time.Second, "more items are on the server", func() bool { return count() && there > before })
		return p
	}
	p := moving("--stop")
	const moves = "`lagerd move` is at work on this embedded database"
	if code := i.daemon.wait(time.Second); code != 1 || !lagerdtest.Says(i.daemon.out.String(), moves) || !strings.Contains(i.daemon.out.String(), "lagerd has stopped") {
		t.Errorf("the lagerd that a move stops: exit %d\n%s", code, i.daemon.out.String())
	}
	if out, code := run(t, i.Env, "", "run"); code != 1 || !lagerdtest.Says(out, moves) {
		t.Errorf("a start beside a move: exit %d\n%s", code, out)
	}
	p.signal(syscall.SIGINT)
	if code := p.wait(20 * time.Second); code != 1 || !lagerdtest.Says(p.out.String(), "interrupted: nothing is marked as moved") {
		t.Errorf("interrupted: exit %d\n%s", code, p.out.String())
	}
	moving().kill()
	if there >= 30_000 {
		t.Fatalf("the move was not killed in the middle: %d items", there)
	}
	old, err := os.ReadFile(i.Config)
	if err != nil {
		t.Fatal(err)
	}
	onServer := strings.Replace(string(old), "path: "+i.Path("lagerd.db"), "dsn_file: "+i.Path("dsn"), 1)
	i.write("server.yaml", onServer)
	for _, command := range []string{"run", "status", "migrate"} {
		if out, code := run(t, []string{"LAGERD_CONFIG=" + i.Path("server.yaml")}, "", command); code != 78 || !lagerdtest.Says(out, "a move of an embedded database into this one has not ended") {
			t.Errorf("%s on half of a database: exit %d\n%s", command, code, out)
		}
	}
	i.start()
	if status, text := i.call("shop1234", code, "stockUpdate", "00001"); status != http.StatusOK {
		t.Errorf("a webhook after the move was killed: %d %s", status, text)
	}

	out := i.follow(commandsOf(t, "**Move it.**"), nil, nil)
	i.daemon.wait(time.Second)
	for _, part := range []string{"and compared each", "Nothing has been changed", "dsn_file: " + i.Path("dsn"), "key_file: " + i.Path("key"), "lagerd shops grant"} {
		if !lagerdtest.Says(out, part) {
			t.Errorf("the move does not say %q:\n%s", part, out)
		}
	}
	for _, args := range [][]string{{"run"}, {"status"}, {"shops", "list"}, {"migrate"}, {"backup", i.Path("b.db")}, {"reconcile"}, {"export", "shop", "shop1234"}, {"why", "shop1234", "00001"}, {"keygen", "--replace-lost"}} {
		out, code := run(t, i.Env, "", args...)
		if code != 78 || !lagerdtest.Says(out, "this embedded database has been moved") || !lagerdtest.Says(out, "lagerd move --undo") || strings.Contains(out, "pw-of") {
			t.Errorf("%v on the database that was moved: exit %d\n%s", args, code, out)
		}
	}
	if out, code := run(t, i.Env, "", "check"); code == 0 || !lagerdtest.Says(out, "this embedded database has been moved") {
		t.Errorf("check on the database that was moved: exit %d\n%s", code, out)
	}

	i.write(filepath.Base(i.Config), onServer)
	i.Driver, i.DSN = "mysql", dsn
	i.start()
	i.ReadAll()
	s.post(first, "trade", map[string]int{"count": 5})
	i.equal(s, "shop1234", first, 30*time.Second)
	db := i.database()
	defer db.Close()
	if n := pdfs(t, db, "shop1234"); n < invoices {
		t.Errorf("%d PDFs are there, of %d", n, invoices)
	}
	i.works(code, pdfs(t, db, "shop1234"))
	administer(t, root, i.command("shops", "grant", "shop1234", "--account", "shop1234", "--host", "127.0.0.%"), "pw-of-shop1234")
	reader, err := sql.Open("mysql", accountOf(cfg, "shop1234", "lagerd"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if n := pdfs(t, reader, "shop1234"); n < invoices {
		t.Errorf("the shop's software sees %d PDFs", n)
	}
	i.stop()

	i.write(filepath.Base(i.Config), string(old))
	i.command("move", "--undo")
	i.command("shops", "show", "shop1234")
}

// stop ends the daemon as systemd does.
func (i *installation) stop() {
	i.t.Helper()
	i.daemon.signal(syscall.SIGTERM)
	i.daemon.wait(20 * time.Second)
}
