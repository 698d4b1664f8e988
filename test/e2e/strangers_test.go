package e2e_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

// binlog returns how many bytes a server's binary log has.
func binlog(t *testing.T, db *sql.DB) (bytes int64) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SHOW BINARY LOGS")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var size int64
		if err := rows.Scan(&name, &size); err != nil {
			t.Fatal(err)
		}
		bytes += size
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return bytes
}

// TestStrangersFillNoDisk: however many calls come without a valid code, what the database keeps
// and logs of them is bounded, while a shop's calls are recorded. Before, a thousand calls a
// second were: 15 GiB of binary log a day.
func TestStrangersFillNoDisk(t *testing.T) {
	t.Parallel()
	server, err := mariadbtest.Start(t.TempDir(), 0, "--log-bin=binlog", "--binlog-format=ROW", "--sync-binlog=0")
	if err != nil {
		t.Skipf("NOT TESTED: the binary log: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	dsn, err := server.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := startSandbox(t, "--agreements=1", "--products=5")
	i := install(t, s, dsn, "reconcile: {schedule: \"0 0 1 1 *\"}\n")
	i.start()
	code := i.addShop(s, "shop1234", first)
	i.equal(s, "shop1234", first, 20*time.Second)
	db := i.database()
	defer db.Close()
	time.Sleep(2 * time.Second)
	before, began := binlog(t, db), time.Now()

	const callers, calls = 8, 1500
	statuses := map[int]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{}}
			for m := range calls {
				shop := []string{"shop1234", "nobody", fmt.Sprint("shop", n*calls+m)}[m%3]
				status, body, err := i.Call(client, shop, "wrong", "stockUpdate", strings.Repeat("9", 20))
				if err != nil || strings.Contains(body, "Success") {
					t.Errorf("a wrong code: %d, %v", status, err)
				}
				mu.Lock()
				statuses[status]++
				mu.Unlock()
				if m%100 == 0 {
					if status, _ := i.call("shop1234", code, "stockUpdate", "1"); status != http.StatusOK {
						t.Errorf("a good code beside them is answered %d", status)
					}
				}
			}
		})
	}
	all.Wait()
	time.Sleep(3 * time.Second) // they are recorded within a second or two
	grown, took := binlog(t, db)-before, time.Since(began)
	var recorded, own int
	if err := db.QueryRow("SELECT COUNT(CASE WHEN shop = '' OR slot < 0 THEN 1 END), COUNT(CASE WHEN shop = 'shop1234' AND slot >= 0 THEN 1 END) FROM webhook_calls").Scan(&recorded, &own); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d calls in %s were answered %v; %d are recorded, and the binary log has grown by %d KiB, with everything else", callers*calls, took.Round(time.Millisecond), statuses, recorded, grown>>10)
	if most := 100 + int(took/(6*time.Second)) + 1; recorded > most || recorded < 50 {
		t.Errorf("%d calls without a valid code are recorded, expected at most %d", recorded, most)
	}
	if own < callers*calls/100 {
		t.Errorf("%d of the shop's own calls are recorded, expected at least %d", own, callers*calls/100)
	}
	if statuses[http.StatusForbidden]+statuses[http.StatusTooManyRequests] != callers*calls || statuses[http.StatusForbidden] == 0 || statuses[http.StatusTooManyRequests] == 0 {
		t.Errorf("answered %v", statuses)
	}
	if skipped := i.Metric(t.Context(), "lagerd_webhook_log_skipped_total"); int(skipped) != callers*calls-recorded {
		t.Errorf("%v calls are counted as not recorded, expected %d", skipped, callers*calls-recorded)
	}
	// The shop's own share of them is counted, shown, and no failure.
	known := i.Metric(t.Context(), `lagerd_refused_calls_total{shop="known"}`)
	unknown := i.Metric(t.Context(), `lagerd_refused_calls_total{shop="unknown"}`)
	if known != callers*calls/3 || unknown != callers*calls*2/3 {
		t.Errorf("%v calls of the shop and %v of others are counted", known, unknown)
	}
	lagerdtest.Eventually(t, 90*time.Second, "status counts the shop's refused calls", func() bool {
		return strings.Contains(i.command("status", "shop1234", "--json"), fmt.Sprintf(`"refused_calls": %d`, callers*calls/3))
	})
	said := fmt.Sprintf("%d webhook calls with a wrong code on ", callers*calls/3)
	if out := i.command("status"); !lagerdtest.Says(out, said) || !lagerdtest.Says(out, "from 127.0.0.1: if e-conomic has an old code") {
		t.Errorf("status does not tell of them:\n%s", out)
	}
	if out := i.command("check"); !strings.Contains(out, "WARNING shop shop1234: "+said) {
		t.Errorf("check does not warn of them:\n%s", out)
	}
	if most := int64(1 << 20); grown > most {
		t.Errorf("the binary log has grown by %d bytes, expected at most %d", grown, most)
	}
}
