package e2e_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"lagerd/test/lagerdtest"
)

// commandsOf returns the first block of commands in docs/operators.md after a text.
func commandsOf(t *testing.T, after string) []string {
	t.Helper()
	return lagerdtest.Commands(t, "../../docs/operators.md", after)
}

// follow runs commands of the manual as they are written, by a shell, as root on the machine where
// the service runs. What is not there stands in for: the service's user and its directories, and
// systemd, which starts and stops the test's daemon. On MySQL the programs are those that the manual
// names for it. Between the start and what follows it, what is at e-conomic has to arrive, and the
// lagerd of the backup to be forgotten.
func (i *installation) follow(commands []string, client *mysql.Config, settled func()) (said string) {
	i.t.Helper()
	tools, home := i.t.TempDir(), i.t.TempDir()
	scripts := map[string]string{
		"sudo":    "#!/bin/sh\n[ \"$1 $2\" = '-u lagerd' ] || exit 9\nshift 2\nexec \"$@\"\n",
		"lagerd":  "#!/bin/sh\nexec '" + string(binary) + "' \"$@\"\n",
		"install": "#!/bin/bash\nargs=()\nwhile [ $# -gt 0 ]; do case $1 in -o|-g) shift ;; *) args+=(\"$1\") ;; esac; shift; done\nexec /usr/bin/install \"${args[@]}\"\n",
	}
	if client != nil && isMySQL(i.t, client) {
		scripts["mariadb"] = "#!/bin/sh\nexec mysql \"$@\"\n"
		scripts["mariadb-dump"] = "#!/bin/sh\nexec mysqldump --no-tablespaces --set-gtid-purged=OFF \"$@\"\n"
	}
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(tools, name), []byte(script), 0o700); err != nil {
			i.t.Fatal(err)
		}
	}
	if client != nil {
		host, port, _ := strings.Cut(client.Addr, ":")
		settings := fmt.Sprintf("[client]\nuser=%s\npassword=%s\nhost=%s\nport=%s\n", client.User, client.Passwd, host, port)
		if client.Net == "unix" {
			settings = fmt.Sprintf("[client]\nuser=%s\npassword=%s\nsocket=%s\n", client.User, client.Passwd, client.Addr)
		}
		if err := os.WriteFile(filepath.Join(home, ".my.cnf"), []byte(settings), 0o600); err != nil {
			i.t.Fatal(err)
		}
	}
	here := strings.NewReplacer("/var/backups/lagerd", filepath.Join(i.dir, "backups"), "/var/lib/lagerd", i.dir, "/etc/lagerd", i.dir)
	for _, command := range commands {
		switch command {
		case "systemctl stop lagerd.socket lagerd.service":
			i.stop()
			continue
		case "systemctl start lagerd.socket lagerd.service":
			i.start()
			settled()
			lagerdtest.Eventually(i.t, 20*time.Second, "it has taken its shops over", func() bool {
				_, code := run(i.t, i.Env, "", "check")
				return code == 0
			})
			continue
		}
		cmd := exec.CommandContext(i.t.Context(), "bash", "-euc", here.Replace(command))
		cmd.Env = append(lagerdtest.Environment(i.Env...), "PATH="+tools+":"+os.Getenv("PATH"), "HOME="+home)
		out, err := cmd.CombinedOutput()
		if err != nil {
			i.t.Fatalf("%s: %v\n%s", command, err, out)
		}
		said += string(out)
	}
	return said
}

// isMySQL reports whether a server is MySQL rather than MariaDB.
func isMySQL(t *testing.T, cfg *mysql.Config) bool {
	t.Helper()
	db, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	return !strings.Contains(column[string](t, db, "SELECT VERSION()")[0], "MariaDB")
}

// pdfs returns how many invoices of a shop the views show with their PDF.
func pdfs(t *testing.T, db *sql.DB, shop string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(pdf) FROM shop_invoices WHERE shop = '"+shop+"'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// tradingShop returns an installation with a shop, its code, and as many invoices as it returns, all with
// their PDFs.
func tradingShop(t *testing.T, s *sandbox, dsn string, ready func(i *installation)) (i *installation, code string, invoices int) {
	t.Helper()
	s.post(first, "trade", map[string]int{"count": 20})
	i = install(t, s, dsn, pace+"lease: {beat: 200ms, ttl: 2s}\n")
	ready(i)
	i.start()
	code = i.addShop(s, "shop1234", first, "--invoices-from", "1")
	i.equal(s, "shop1234", first, 30*time.Second)
	db := i.database()
	defer db.Close()
	if invoices = pdfs(t, db, "shop1234"); invoices == 0 {
		t.Fatal("there are no invoices to lose")
	}
	return i, code, invoices
}

// works checks that a shop's old code is answered Success, and that its invoices are there.
func (i *installation) works(code string, invoices int) {
	i.t.Helper()
	if status, text := i.call("shop1234", code, "stockUpdate", "00001"); status != http.StatusOK || !strings.HasPrefix(text, "Success") {
		i.t.Errorf("the old code is answered %d %s", status, text)
	}
	db := i.database()
	defer db.Close()
	if n := pdfs(i.t, db, "shop1234"); n != invoices {
		i.t.Errorf("%d PDFs are there, expected %d", n, invoices)
	}
}

// TestBackupOfTheEmbeddedDatabase: the manual's commands, word by word: a backup is written beside a
// running lagerd, and restored after the shop was lost.
func TestBackupOfTheEmbeddedDatabase(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=20", "--lose=1")
	i, code, invoices := tradingShop(t, s, "", func(*installation) {})
	i.follow(commandsOf(t, "**Back up the embedded database**"), nil, nil)
	i.command("shops", "remove", "shop1234", "--yes")
	i.follow(commandsOf(t, "**Restore the embedded database.**"), nil, func() { i.equal(s, "shop1234", first, 30*time.Second) })
	i.works(code, invoices)
}

// TestBackupOfAServer: likewise with mariadb-dump. The shop's software, with its own account, sees
// its shop and nothing else afterwards. On a server that has not the account that made the views,
// `lagerd migrate` makes them anew.
func TestBackupOfAServer(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=2", "--products=20", "--lose=1")
	cfg, root := ownServer(t)
	i, code, invoices := tradingShop(t, s, accountOf(cfg, "stock_app", "lagerd"), func(i *installation) { i.made(root) })
	i.addShop(s, "other", first+1)
	i.equal(s, "other", first+1, 30*time.Second)
	administer(t, root, i.command("shops", "grant", "shop1234", "--account", "shop1234", "--host", "127.0.0.%"), "pw-of-shop1234")
	reads := func() {
		t.Helper()
		reader, err := sql.Open("mysql", accountOf(cfg, "shop1234", "lagerd"))
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		var mine, others int
		err = reader.QueryRowContext(t.Context(), "SELECT COALESCE(SUM(shop = 'shop1234'), 0), COALESCE(SUM(shop <> 'shop1234'), 0) FROM shop_stock").Scan(&mine, &others)
		if n := pdfs(t, reader, "shop1234"); err != nil || mine != 20 || others != 0 || n != invoices {
			t.Errorf("the shop's software sees %d items of its own, %d of others, %d PDFs: %v", mine, others, n, err)
		}
	}
	reads()
	settled := func() {
		i.equal(s, "shop1234", first, 30*time.Second)
		i.equal(s, "other", first+1, 30*time.Second)
	}
	exec1(t, root, "INSERT INTO lagerd.invoice_pdfs (shop, number, pdf) VALUES ('removed', 1, REPEAT(0xFF, 10485760))") // as large as pdf.max_bytes allows
	i.follow(commandsOf(t, "**Back up a server's database**"), cfg, nil)
	i.command("shops", "remove", "shop1234", "--yes")
	restore := commandsOf(t, "**Restore a server's database.**")
	i.follow(restore, cfg, settled)
	i.works(code, invoices)
	reads()

	i.stop()
	exec1(t, root, "DROP USER 'stock_app'@'%'")
	other := install(t, s, accountOf(cfg, "another", "lagerd"), pace)
	other.made(root)
	for _, command := range restore {
		if strings.HasPrefix(command, "mariadb") {
			other.follow([]string{strings.ReplaceAll(command, "/var/backups/lagerd", filepath.Join(i.dir, "backups"))}, cfg, nil)
		}
	}
	if out, code := run(t, other.Env, "", "check"); code == 0 || !lagerdtest.Says(out, "`lagerd migrate` recreates them") {
		t.Errorf("check of views whose definer is gone: exit %d\n%s", code, out)
	}
	other.command("migrate")
	reads()
}
