package notify_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"modernc.org/sqlite"

	"lagerd/notify"
	"lagerd/status"
	"lagerd/store"
	"lagerd/test/storetest"
)

// counting is a driver that counts the statements that reach the database.
type counting struct {
	path       string
	statements *atomic.Int64
}

func (c counting) Connect(context.Context) (driver.Conn, error) {
	conn, err := (&sqlite.Driver{}).Open(c.path)
	return countingConn{conn, c.statements}, err
}

func (c counting) Driver() driver.Driver { return &sqlite.Driver{} }

type countingConn struct {
	driver.Conn
	statements *atomic.Int64
}

func (c countingConn) Prepare(query string) (driver.Stmt, error) {
	c.statements.Add(1)
	return c.Conn.Prepare(query)
}

// installation is a database with many shops and one lagerd that notifies.
type installation struct {
	t          testing.TB
	db         *sql.DB
	store      *store.Store
	notifier   *notify.Notifier
	statements atomic.Int64
	now        time.Time
}

// newInstallation adds shops whose webhooks came until eleven, and of which one change was missed
// since.
func newInstallation(t testing.TB, shops int) *installation {
	t.Helper()
	i := &installation{t: t, now: noon}
	i.db = sql.OpenDB(counting{storetest.New(t), &i.statements})
	i.db.SetMaxOpenConns(1)
	var err error
	i.store, err = store.Open(t.Context(), store.Options{Embedded: i.db})
	i.must(err)
	t.Cleanup(func() { _ = i.store.Close() })
	at := func(clock string) string { return "'2026-11-30 " + clock + ":00.000000'" }
	i.exec("CREATE TABLE digits (n INTEGER)", "INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
		"INSERT INTO shops (shop, grant_token, dataset, stock_dataset, stock_on, invoices_on, created_at, updated_at) SELECT 'shop' || d.n || c.n || b.n || a.n, 'sealed', 'shop' || d.n || c.n || b.n || a.n, 'shop' || d.n || c.n || b.n || a.n, 1, 1, "+at("10:00")+", "+at("10:00")+
			" FROM digits a, digits b, digits c, digits d WHERE a.n + 10 * b.n + 100 * c.n + 1000 * d.n < "+fmt.Sprint(shops),
		"INSERT INTO progress (shop, items_dataset, items, agreement_number, tick_at, swept_at, missed_webhooks) SELECT shop, shop, 100, 1, "+at("11:59")+", "+at("11:59")+", 1 FROM shops",
		"INSERT INTO leases (shop, holder, token) SELECT shop, 'a', 1 FROM shops",
		"INSERT INTO webhook_calls (shop, slot, called_at, method, remote, kind, number, status, outcome, duration_us) SELECT shop, n, '2026-11-30 10:5' || n || ':00.000000', 'POST', '192.0.2.7', 'stock', n, 200, 'recorded', 1 FROM shops, digits",
		"INSERT INTO changes (shop, token, seq, n, kind, number, what, cause, webhook, observed_at, committed_at) SELECT shop, 1, n, 0, 'stock', n, 'stock', 'webhook', 'came', '2026-11-30 10:5' || n || ':00.000000', '2026-11-30 10:5' || n || ':00.000000' FROM shops, digits")
	i.miss("shop", 10, "11:00")
	log := logrus.New()
	log.SetOutput(io.Discard)
	i.must(i.store.Beat(t.Context(), store.Instance{Instance: "a", Host: "a", BeatAt: store.At(noon), StartedAt: store.At(noon)}))
	i.notifier = notify.New(notify.Options{
		Store: i.store, Instance: "a", Living: func() map[string]bool { return map[string]bool{"a": true} },
		Look:     status.Look{Pace: status.Pace{NextTick: func(t time.Time) time.Time { return t.Add(24 * time.Hour) }, SweepEvery: 24 * time.Hour}, Limits: status.CallLimits{EconomicDaily: 50_000, RackbeatDaily: 50_000, RackbeatPerMinute: 60}},
		Settings: notify.Settings{Operator: []notify.Address{{Channel: store.ChannelMail, Mail: "drift@example.dk"}}, After: 5 * time.Minute, OwnersAfter: time.Hour, Every: 15 * time.Minute},
		Out:      notify.Out{Caller: notify.NewCaller(notify.CallerOptions{})},
		NewID:    newIDs("a"), Now: func() time.Time { return i.now }, Log: log, Observe: func(string, notify.Result) {}, Waiting: func(int) {},
	})
	return i
}

func (i *installation) must(err error) {
	i.t.Helper()
	if err != nil {
		i.t.Fatal(err)
	}
}

func (i *installation) exec(statements ...string) {
	i.t.Helper()
	for _, statement := range statements {
		if _, err := i.db.ExecContext(i.t.Context(), statement); err != nil {
			i.t.Fatalf("%.80s…: %v", statement, err)
		}
	}
}

// miss adds a change without its webhook to the shops whose names begin so.
func (i *installation) miss(shops string, seq int, clock string) {
	i.t.Helper()
	at := "'2026-11-30 " + clock + ":00.000000'"
	i.exec(fmt.Sprintf("INSERT INTO changes (shop, token, seq, n, kind, number, what, cause, webhook, observed_at, committed_at) SELECT shop, 1, %d, 0, 'stock', '1', 'stock', 'tick', 'missed', %s, %s FROM shops WHERE shop LIKE '%s%%'", seq, at, at, shops),
		"UPDATE progress SET missed_webhooks = missed_webhooks + 1 WHERE shop LIKE '"+shops+"%'")
}

// round takes a round half a minute after the last, and returns how many statements it took.
func (i *installation) round() int64 {
	i.t.Helper()
	i.now = i.now.Add(30 * time.Second)
	before := i.statements.Load()
	i.must(i.notifier.Round(i.t.Context()))
	return i.statements.Load() - before
}

// noticed returns the shops whose webhooks were noticed, and have not been told of as over.
func (i *installation) noticed() string {
	i.t.Helper()
	list, err := i.store.Incidents(i.t.Context())
	i.must(err)
	var shops []string
	for _, one := range list {
		if strings.Contains(one.What, "webhooks") && one.GoneAt.IsZero() {
			shops = append(shops, one.Shop)
		}
	}
	return strings.Join(shops, " ")
}

// TestStatementsOfARound: as many with 1,000 shops as with 10, when all are looked at, when nothing has
// moved, when some have stopped, and when what stopped goes on.
func TestStatementsOfARound(t *testing.T) {
	t.Parallel()
	count := func(shops int) string {
		i := newInstallation(t, shops)
		first := i.round()
		if is := i.noticed(); is != "" {
			t.Errorf("with %d shops: %s was noticed, and nothing has stopped", shops, is)
		}
		idle := i.round()
		i.miss("shop0003", 11, "12:01")
		i.miss("shop0003", 12, "12:01")
		stopped := i.round()
		if is := i.noticed(); is != "shop0003" {
			t.Errorf("with %d shops: %q was noticed, expected shop0003 at once", shops, is)
		}
		return fmt.Sprintf("first %d, idle %d, stopped %d, then %d", first, idle, stopped, i.round())
	}
	few, many := count(10), count(1000)
	if few != many {
		t.Errorf("statements with 10 shops: %s; with 1,000: %s", few, many)
	}
	t.Log(few)
}

// TestWebhooksAreNoticed: that they stopped, in the next decision; that they come again, within two
// minutes. A shop whose webhooks never came is left alone.
func TestWebhooksAreNoticed(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, 30)
	i.exec("DELETE FROM webhook_calls WHERE shop IN ('shop0007', 'shop0008')", "DELETE FROM changes WHERE shop = 'shop0007' AND webhook = 'came'",
		"UPDATE changes SET committed_at = '2026-11-01 10:00:00.000000' WHERE shop = 'shop0008' AND webhook = 'came'") // its log and the latest changes have none
	i.round()
	for seq := 11; seq < 14; seq++ {
		i.miss("shop000", seq, "12:00")
	}
	i.round()
	const stopped = "shop0000 shop0001 shop0002 shop0003 shop0004 shop0005 shop0006 shop0008 shop0009"
	if is := i.noticed(); is != stopped {
		t.Errorf("noticed %s", is)
	}
	i.exec("INSERT INTO webhook_calls (shop, slot, called_at, method, remote, kind, number, status, outcome, duration_us) VALUES ('shop0003', 20, '2026-11-30 12:01:30.000000', 'POST', '192.0.2.7', 'stock', '1', 200, 'recorded', 1)",
		"INSERT INTO webhook_calls (shop, slot, called_at, method, remote, kind, number, status, outcome, duration_us) VALUES ('shop0015', 20, '2026-11-30 12:01:30.000000', 'POST', '192.0.2.7', 'stock', '[NUMBER]', 400, 'merge_field', 1)")
	for range 4 {
		i.round()
	}
	if is := i.noticed(); is != strings.Replace(stopped, "shop0003 ", "", 1)+" shop0015" {
		t.Errorf("two minutes later: %s", is)
	}
}

// TestRoundThatFails: what was not looked at, because the database failed, is looked at in the next
// round.
func TestRoundThatFails(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, 10)
	i.round()
	i.miss("shop0003", 11, "12:00")
	i.miss("shop0003", 12, "12:00")
	i.exec("ALTER TABLE changes RENAME TO away")
	i.now = i.now.Add(30 * time.Second)
	if err := i.notifier.Round(t.Context()); err == nil || errors.Is(err, store.ErrNotNotifying) {
		t.Errorf("a round without the changes: %v", err)
	}
	i.exec("ALTER TABLE away RENAME TO changes")
	i.round()
	if is := i.noticed(); is != "shop0003" {
		t.Errorf("noticed %q", is)
	}
}

// TestStrangersTellNobody: anybody can call with a wrong code, and name a shop: nobody is told of that,
// unless a good call came before. Then it is told, until no such call has come for a week.
func TestStrangersTellNobody(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, 10)
	wrong := func(shop, clock string) {
		i.exec("INSERT INTO webhook_calls (shop, slot, called_at, method, remote, kind, number, status, outcome, duration_us) VALUES ('" + shop + "', 20, '2026-11-30 " + clock + ":00.000000', 'POST', '192.0.2.7', 'stock', '', 403, 'refused', 1)")
	}
	i.exec("DELETE FROM webhook_calls WHERE shop = 'shop0004'", "UPDATE changes SET webhook = 'missed' WHERE shop = 'shop0004'")
	for _, shop := range []string{"shop0004", "shop0005"} {
		wrong(shop, "12:00")
	}
	for range 5 {
		i.round()
	}
	if is := i.noticed(); is != "shop0005" {
		t.Errorf("noticed %q, expected the shop alone whose webhooks came before", is)
	}
	i.exec("INSERT INTO changes (shop, token, seq, n, kind, number, what, cause, webhook, observed_at, committed_at) SELECT shop, 1, 30, 0, 'stock', '1', 'stock', 'tick', 'missed', '2026-12-03 12:00:00.000000', '2026-12-03 12:00:00.000000' FROM shops WHERE shop IN ('shop0004', 'shop0005')")
	i.exec("UPDATE progress SET tick_at = '2026-12-07 11:58:00.000000', swept_at = '2026-12-07 11:58:00.000000'")
	i.now = i.now.Add(7*24*time.Hour - 5*time.Minute)
	i.round()
	if is := i.noticed(); is != "shop0005" {
		t.Errorf("after almost a week: noticed %q", is)
	}
	i.now = i.now.Add(5 * time.Minute)
	i.round()
	if is := i.noticed(); is != "" {
		t.Errorf("a week later: noticed %q", is)
	}
}
