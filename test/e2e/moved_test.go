package e2e_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestMovedShop checks that a shop that is removed and added again within a second, or changes
// over, with another company's token, never shows the former company's figures, invoices or
// PDFs, even with two lagerd.
func TestMovedShop(t *testing.T) { //nolint:tparallel // its parts follow one another
	t.Parallel()
	databases(t, func(t *testing.T, dsn string) {
		s := startSandbox(t, "--agreements=2", "--products=150", "--seed=5")
		for n := range 2 {
			s.post(first+n, "trade", map[string]int{"count": 60})
		}
		// The same invoice numbers exist in both agreements, and the same item numbers.
		fast := pace + "lease: {beat: 200ms, ttl: 2s}\n"
		i := install(t, s, dsn, fast)
		i.start()
		if dsn != "" {
			other := install(t, s, dsn, fast)
			other.start()
			i.logs = append(i.logs, other.daemon.out)
		}
		none := func(agreement int) {
			t.Helper()
			db := i.database()
			defer db.Close()
			var wrong int
			err := db.QueryRowContext(t.Context(), fmt.Sprintf("SELECT COUNT(*) FROM shop_invoices WHERE shop = 's1' AND pdf LIKE '%%Aftale %d %%'", agreement)).Scan(&wrong)
			if err != nil || wrong != 0 {
				t.Fatalf("the shop sees %d PDFs of agreement %d, which is not its own: %v", wrong, agreement, err)
			}
		}
		now, then := first, first+1
		i.addShop(s, "s1", now, "--invoices-from", "1")
		i.equal(s, "s1", now, time.Minute)
		for range 4 {
			now, then = then, now
			i.command("shops", "remove", "s1", "--yes")
			i.addShop(s, "s1", now, "--invoices-from", "1")
			i.equal(s, "s1", now, time.Minute)
			none(then)
		}
		for range 2 {
			now, then = then, now
			i.write("new.grant", grant(now))
			i.command("shops", "set", "s1", "--grant-token-file", filepath.Join(i.dir, "new.grant"), "--accept-agreement", "--yes", "--agreement", strconv.Itoa(now))
			none(then) // from now on
			i.equal(s, "s1", now, time.Minute)
			none(then)
		}
	})
}
