package notify_test

import (
	"database/sql"
	"io"
	"os"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/notify"
	"lagerd/status"
	"lagerd/store"
	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }

// BenchmarkRound decides for 10,000 shops on MariaDB, each with 100 changes of the last week and 100
// calls in its log: with nothing to look at, with a change missed of so many shops, and as after a
// start, when it looks at as many as it does at once.
func BenchmarkRound(b *testing.B) {
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	dsn := mariadbtest.New(b)
	s, err := store.Open(b.Context(), store.Options{DSN: dsn})
	must(err)
	defer s.Close()
	must(s.Migrate(b.Context()))
	db, err := sql.Open("mysql", dsn)
	must(err)
	defer db.Close()
	lagerdtest.StoreShops(b, db, 10_000)
	now := time.Now().UTC()
	for _, statement := range []string{
		"UPDATE shops SET invoices_on = 1",
		"UPDATE progress SET missed_webhooks = 1",
		"DELETE FROM holds", "DELETE FROM hints",
		"INSERT INTO webhook_calls (shop, slot, called_at, method, remote, kind, number, status, outcome, duration_us) SELECT s.shop, 10 * a.n + b.n, NOW(6) - INTERVAL 10 * a.n + b.n HOUR, 'POST', '192.0.2.7', 'stock', 10 * a.n + b.n, 200, 'recorded', 1 FROM shops s, digits a, digits b",
		"INSERT INTO changes (shop, token, seq, n, kind, number, what, cause, webhook, observed_at, committed_at) SELECT s.shop, 1, 10 * a.n + b.n, 0, IF(b.n = 0, 'invoice', 'stock'), b.n, 'stock', 'webhook', IF(a.n = 3, 'missed', 'came'), NOW(6), NOW(6) - INTERVAL 10 * a.n + b.n HOUR FROM shops s, digits a, digits b",
	} {
		_, err := db.ExecContext(b.Context(), statement)
		must(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	newNotifier := func(now *time.Time) *notify.Notifier {
		return notify.New(notify.Options{
			Store: s, Instance: "me", Living: func() map[string]bool { return map[string]bool{"me": true} },
			Look:     status.Look{Pace: status.Pace{NextTick: func(t time.Time) time.Time { return t.Add(240 * time.Hour) }, SweepEvery: 24 * 365 * time.Hour}, Limits: status.CallLimits{EconomicDaily: 50_000, RackbeatDaily: 50_000, RackbeatPerMinute: 60}},
			Settings: notify.Settings{Operator: []notify.Address{{Channel: store.ChannelMail, Mail: "drift@example.dk"}}, After: 500 * time.Hour, OwnersAfter: 500 * time.Hour, Every: 15 * time.Minute},
			NewID:    newIDs("a"), Now: func() time.Time { return *now }, Log: log, Observe: func(string, notify.Result) {}, Waiting: func(int) {},
		})
	}
	_, err = db.ExecContext(b.Context(), "UPDATE notifying SET holder = 'me', until_at = '2099-01-01 00:00:00'")
	must(err)
	n := newNotifier(&now)
	for range 5 { // it has looked at all
		must(n.Decide(b.Context(), now))
	}
	b.Run("idle", func(b *testing.B) {
		for b.Loop() {
			must(n.Decide(b.Context(), now))
		}
	})
	for name, where := range map[string]string{"100 shops missed one": "%00", "1000 shops missed one": "%0"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				exec(b, db, "UPDATE progress SET missed_webhooks = missed_webhooks + 1 WHERE shop LIKE '"+where+"'")
				b.StartTimer()
				must(n.Decide(b.Context(), now))
			}
		})
	}
	b.Run("after a start", func(b *testing.B) {
		for b.Loop() {
			must(newNotifier(&now).Decide(b.Context(), now))
		}
	})
}

func exec(b *testing.B, db *sql.DB, statement string) {
	b.Helper()
	if _, err := db.ExecContext(b.Context(), statement); err != nil {
		b.Fatal(err)
	}
}
