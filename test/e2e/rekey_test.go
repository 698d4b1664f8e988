package e2e_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lagerd/secret"
	"lagerd/test/lagerdtest"
)

// bulk is how many paused shops make a rekeying take long enough to be killed in the middle.
const bulk = 3000

// addBulk stores paused shops whose grant tokens are sealed with the installation's key.
func (i *installation) addBulk() {
	i.t.Helper()
	keys, err := secret.Load([]byte(lagerdtest.Key))
	if err != nil {
		i.t.Fatal(err)
	}
	db := i.database()
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		i.t.Fatal(err)
	}
	const at = "'2026-11-23 12:00:00.000000'"
	exec := func(statement string, args ...any) {
		i.t.Helper()
		if _, err := tx.Exec(statement, args...); err != nil {
			i.t.Fatalf("%.60s…: %v", statement, err)
		}
	}
	for n := range bulk {
		name := fmt.Sprintf("bulk%04d", n)
		sealed, err := keys.Seal(secret.GrantToken, name, "no token")
		if err != nil {
			i.t.Fatal(err)
		}
		exec("INSERT INTO shops (shop, grant_token, dataset, stock_dataset, paused_at, created_at, updated_at) VALUES (?, ?, ?, ?, "+at+", "+at+", "+at+")", name, sealed, name, name)
	}
	exec("INSERT INTO progress (shop, items_dataset) SELECT shop, shop FROM shops WHERE shop LIKE 'bulk%'")
	exec("INSERT INTO leases (shop) SELECT shop FROM shops WHERE shop LIKE 'bulk%'")
	if err := tx.Commit(); err != nil {
		i.t.Fatal(err)
	}
}

// sealedWith returns how many secrets a key opens, and how many there are.
func (i *installation) sealedWith(key string) (opened, all int) {
	i.t.Helper()
	keys, err := secret.Load([]byte(key))
	if err != nil {
		i.t.Fatal(err)
	}
	db := i.database()
	defer db.Close()
	for kind, column := range map[secret.Kind]string{secret.GrantToken: "grant_token", secret.RackbeatKey: "rackbeat_key", secret.NotifyHook: "notify_hook"} {
		for shop, text := range i.texts(db, column) {
			all++
			if _, err := keys.Open(kind, shop, text); err == nil {
				opened++
			}
		}
	}
	return opened, all
}

// texts returns a column of sealed texts, by shop.
func (i *installation) texts(db *sql.DB, column string) map[string][]byte {
	i.t.Helper()
	rows, err := db.Query("SELECT shop, " + column + " FROM shops WHERE " + column + " IS NOT NULL")
	if err != nil {
		i.t.Fatal(err)
	}
	defer rows.Close()
	texts := map[string][]byte{}
	for rows.Next() {
		var shop string
		var text []byte
		if err := rows.Scan(&shop, &text); err != nil {
			i.t.Fatal(err)
		}
		texts[shop] = text
	}
	if err := rows.Err(); err != nil {
		i.t.Fatal(err)
	}
	return texts
}

// callers call a webhook all the time and count the answers that are not Success.
type callers struct {
	stop chan struct{}
	done sync.WaitGroup

	mu    sync.Mutex
	good  int
	wrong []string
}

func (i *installation) callAllTheTime(codes map[string]string) *callers {
	c := &callers{stop: make(chan struct{})}
	for shop, code := range codes {
		c.done.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-c.stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				status, text, err := i.Call(http.DefaultClient, shop, code, "stockUpdate", fmt.Sprintf("%05d", 1+n%20))
				c.mu.Lock()
				if err != nil || status != http.StatusOK || !strings.HasPrefix(text, "Success") {
					c.wrong = append(c.wrong, fmt.Sprintf("%s: %d %s %v", shop, status, text, err))
				} else {
					c.good++
				}
				c.mu.Unlock()
			}
		})
	}
	return c
}

// end ends the calls, all of which must have been answered Success.
func (c *callers) end(t *testing.T) {
	t.Helper()
	close(c.stop)
	c.done.Wait()
	if len(c.wrong) > 0 || c.good == 0 {
		t.Errorf("%d webhooks were answered Success, and %d were not: %s", c.good, len(c.wrong), strings.Join(c.wrong[:min(3, len(c.wrong))], "\n"))
	}
	t.Logf("%d webhooks were answered Success", c.good)
}

// killInTheMiddle starts a rekeying and kills it once it has sealed some secrets and not all, with
// kill -9.
func (i *installation) killInTheMiddle() {
	i.t.Helper()
	db := i.database()
	defer db.Close()
	tokens := func() (one []byte) {
		if err := db.QueryRow("SELECT grant_token FROM shops WHERE shop = 'bulk0010'").Scan(&one); err != nil {
			i.t.Fatal(err)
		}
		return one
	}
	before := tokens()
	p := start(i.t, i.Env, "rekey")
	// Often: all of it takes less than a second.
	for until := time.Now().Add(lagerdtest.Slack * 30 * time.Second); string(tokens()) == string(before); time.Sleep(time.Millisecond) {
		if !p.Running() || time.Now().After(until) {
			i.t.Fatalf("no secret is sealed anew:\n%s", p.out.Tail(20))
		}
	}
	p.kill()
}

// TestRekeyUnderTrade changes the master key of a running lagerd, as docs/operators.md says, while
// webhooks come, and kills the command in the middle: nothing is pasted anew.
func TestRekeyUnderTrade(t *testing.T) { //nolint:tparallel // its parts follow one another
	t.Parallel()
	databases(t, func(t *testing.T, dsn string) {
		s := startSandbox(t, append([]string{"--agreements=2", "--rackbeat=1", "--products=50", "--seed=3"}, strings.Fields(lossy)...)...)
		i := install(t, s, dsn, pace+"lease: {beat: 200ms, ttl: 2s}\n")
		codes := map[string]string{"shop1234": i.addShop(s, "shop1234", first, "--invoices-from", "1", "--notify-url", "https://127.0.0.1:9/hook")}
		codes["shop5678"] = i.AddRackbeatShop(s.Client, "shop5678", first+1, "--invoices-from", "1")
		i.addBulk()
		i.start()
		i.equal(s, "shop1234", first, time.Minute)
		old, next := lagerdtest.Key, strings.TrimSpace(i.command("keygen"))
		i.Secrets = append(i.Secrets, next)
		i.says(0, []string{"rekey"}, "are sealed with the first key of the key file, 0 of them anew", "It is the only key there")

		calls := i.callAllTheTime(codes)
		trading := make(chan struct{})
		go func() {
			defer close(trading)
			for range 20 {
				s.post(first, "trade", map[string]int{"count": 10})
				time.Sleep(200 * time.Millisecond)
			}
		}()

		// Distribute: the running lagerd has not heard of it.
		i.write("key", next+"\n"+old+"\n")
		const ignorant = "does not know the first key of this key file"
		i.says(1, []string{"rekey"}, "nothing was changed: the lagerd on", fmt.Sprintf("process %d", i.daemon.Cmd.Process.Pid), ignorant, "systemctl reload lagerd")
		i.says(1, []string{"rekey", "--dry-run"}, "would be sealed anew", ignorant)
		i.says(0, []string{"check"}, "secrets are still sealed with an older key", ignorant)

		// Reload, rekey, and kill that.
		i.reloads()
		i.says(0, []string{"rekey", "--dry-run"}, "would be sealed anew", "Every lagerd that runs knows this key")
		if opened, _ := i.sealedWith(next); opened != 0 {
			t.Fatalf("%d secrets are sealed with the new key before the rekeying", opened)
		}
		i.killInTheMiddle()
		opened, all := i.sealedWith(next)
		if opened == 0 || opened == all {
			t.Fatalf("killed after %d of %d secrets: not in the middle", opened, all)
		}
		t.Logf("killed after %d of %d secrets", opened, all)
		i.says(0, []string{"check"}, "its change has begun and not ended")
		i.says(0, []string{"shops", "set", "shop1234", "--grant-token-file", i.Path("shop1234.grant")}, "shop1234 is changed")

		// Half of it is in each key's hands: neither will do alone, and a reload to one changes nothing.
		i.write("key", old)
		if dsn != "" { // an embedded database is in use by the other one
			i.says(78, []string{"run"}, "lacks the new key")
		}
		i.says(78, []string{"shops", "rotate-code", "shop1234"}, "lacks the new key")
		i.write("key", next)
		if dsn != "" {
			i.says(78, []string{"run"}, "lacks the old key")
		}
		i.daemon.signal(syscall.SIGHUP)
		lagerdtest.Eventually(t, 10*time.Second, "the reload is refused", func() bool {
			return strings.Contains(i.daemon.out.String(), "lacks the old key") && strings.Contains(i.daemon.out.String(), "the old configuration stays in force")
		})
		i.write("key", old+"\n"+next+"\n")
		i.says(1, []string{"rekey"}, "put that key first, and run `lagerd rekey` again")
		i.write("key", next+"\n"+old+"\n")

		// Resume.
		i.says(0, []string{"rekey"}, fmt.Sprintf("%d secret(s) of %d shop(s) are sealed with the first key", all, bulk+2), "The old key can be dropped now")
		if opened, _ := i.sealedWith(next); opened != all {
			t.Errorf("%d of %d secrets are sealed with the new key", opened, all)
		}
		i.says(0, []string{"check"}, fmt.Sprintf("all %d secrets are sealed with the first of 2 keys: the others can be dropped", all))
		i.says(0, []string{"rekey"}, "0 of them anew")

		// Drop the old key.
		i.write("key", next)
		i.reloads()
		<-trading
		calls.end(t)
		i.equal(s, "shop1234", first, time.Minute)
		i.daemon.kill()
		i.start()
		calls = i.callAllTheTime(codes)
		trade(s, 40)
		for n, shop := range []string{"shop1234", "shop5678"} {
			i.equal(s, shop, first+n, time.Minute)
			if held := i.status(shop).Held; held != "" {
				t.Errorf("%s is held: %s", shop, held)
			}
		}
		calls.end(t)
		i.command("check", "--shop", "shop1234", "--shop", "shop5678")
		i.daemon.signal(syscall.SIGTERM)
		i.daemon.wait(20 * time.Second)
		i.write("key", old)
		i.says(78, []string{"run"}, "this master key is not the one")
		i.write("key", next)
		noSecrets(t, i, s)
	})
}

// reloads has the running lagerd reload its configuration.
func (i *installation) reloads() {
	i.t.Helper()
	const words = "configuration reloaded"
	before := strings.Count(i.daemon.out.String(), words)
	i.daemon.signal(syscall.SIGHUP)
	lagerdtest.Eventually(i.t, 20*time.Second, "it has reloaded", func() bool { return strings.Count(i.daemon.out.String(), words) > before })
}
