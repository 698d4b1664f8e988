package e2e_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lagerd/cli"
	"lagerd/test/lagerdtest"
)

// TestBinaryIsOfTheseSources calls lagerd's code, which links all of it into the test.
// Otherwise go test would use a cached result if lagerd has changed and its tests have not. An
// import alone links nothing.
func TestBinaryIsOfTheseSources(t *testing.T) {
	var help strings.Builder
	code := cli.Main(t.Context(), cli.Process{Args: []string{"--help"}, Stdout: &help, Stderr: &help})
	if out, exit := run(t, nil, "", "--help"); exit != code || out != help.String() {
		t.Errorf("the binary: exit %d\n%s\nits sources: exit %d\n%s", exit, out, code, help.String())
	}
}

const (
	trades = 1000
	lossy  = "--lose=0.3 --double=0.1 --late=0.1 --late-by=3s"
)

// trade makes random trades in both shops and waits until they are done.
func trade(s *sandbox, count int) {
	for n := range 2 {
		s.post(first+n, "trade", map[string]int{"count": count / 2})
	}
}

// TestAThousandTrades checks that with 30 % of the webhooks lost, 10 % duplicated and 10 %
// late, everything is equal after the next tick, and missed webhooks are counted.
func TestAThousandTrades(t *testing.T) {
	databases(t, func(t *testing.T, dsn string) {
		s := startSandbox(t, append([]string{"--agreements=2", "--products=300", "--seed=7"}, strings.Fields(lossy)...)...)
		i := install(t, s, dsn, pace)
		i.start()
		i.addShop(s, "shop1234", first, "--invoices-from", "1")
		i.addShop(s, "shop5678", first+1, "--invoices-from", "1", "--figure", "in_stock")
		for n, shop := range []string{"shop1234", "shop5678"} {
			i.equal(s, shop, first+n, time.Minute)
		}
		trade(s, trades)
		began := time.Now()
		for n, shop := range []string{"shop1234", "shop5678"} {
			i.equal(s, shop, first+n, time.Minute)
			t.Logf("%s: equal %s after the last trade", shop, time.Since(began).Round(10*time.Millisecond))
			st := i.status(shop)
			t.Logf("%s: %+v", shop, st)
			if st.MissedWebhooks == 0 {
				t.Errorf("%s: a third of the webhooks were lost, but none is counted as missed", shop)
			}
			if st.Drift != 0 {
				t.Errorf("%s: %d changes were found by a sweep only", shop, st.Drift)
			}
		}
		lagerdtest.Eventually(t, 30*time.Second, "no hint is left open", func() bool { return i.status("shop1234").OpenHints == 0 })
		i.daemon.signal(syscall.SIGTERM)
		if code := i.daemon.wait(20 * time.Second); code != 0 {
			t.Errorf("exit code %d", code)
		}
		noSecrets(t, i, s)
	})
}

// TestKillNine kills lagerd again and again in the middle of the trades.
func TestKillNine(t *testing.T) {
	databases(t, func(t *testing.T, dsn string) {
		s := startSandbox(t, append([]string{"--agreements=2", "--products=300", "--seed=11"}, strings.Fields(lossy)...)...)
		i := install(t, s, dsn, pace+"lease: {beat: 200ms, ttl: 1s}\n")
		i.start()
		i.addShop(s, "shop1234", first, "--invoices-from", "1")
		i.addShop(s, "shop5678", first+1, "--invoices-from", "1")
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 10 {
				trade(s, trades/10)
				time.Sleep(300 * time.Millisecond)
			}
		}()
		for range 4 {
			time.Sleep(time.Duration(300+rand.IntN(700)) * time.Millisecond)
			i.daemon.kill()
			i.start()
		}
		<-done
		for n, shop := range []string{"shop1234", "shop5678"} {
			i.equal(s, shop, first+n, time.Minute)
		}
	})
}

// noSecrets searches everything lagerd leaves behind for the test's secrets.
func noSecrets(t *testing.T, i *installation, s *sandbox) {
	t.Helper()
	places := map[string]string{"the sandbox's log": s.out.String()}
	for n, log := range i.logs {
		places[fmt.Sprintf("log %d", n)] = log.String()
	}
	for _, args := range [][]string{{"status"}, {"status", "shop1234"}, {"status", "--json", "--nodes"}, {"shops", "list", "--json"}, {"shops", "show", "shop1234"},
		{"shops", "show", "shop1234", "--json"}, {"check"}, {"check", "--json"}, {"diff", "shop1234"}, {"approve", "shop1234"}} {
		out, _ := run(t, i.Env, "", args...)
		places[strings.Join(args, " ")] = out
	}
	for _, page := range []string{"/metrics", "/healthz", "/readyz"} {
		if _, body, err := i.Ask(t.Context(), page); err == nil { // otherwise the test has ended lagerd
			places[page] = body
		}
	}
	places["the database"] = i.dump()
	for where, text := range places {
		for _, secret := range i.Secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds the secret %s…", where, secret[:8])
			}
		}
	}
	if !strings.Contains(places["the database"], "shop1234") || !strings.Contains(places["log 0"], "shop1234") {
		t.Error("the search for secrets looks in the wrong places")
	}
}

// dump returns the whole content of the database.
func (i *installation) dump() string {
	i.t.Helper()
	if i.Driver == "sqlite" {
		var all strings.Builder
		files, err := filepath.Glob(filepath.Join(i.dir, "lagerd.db*"))
		if err != nil {
			i.t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				i.t.Fatal(err)
			}
			all.Write(b)
		}
		return all.String()
	}
	db := i.database()
	defer db.Close()
	var all strings.Builder
	tables, err := db.Query("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
	if err != nil {
		i.t.Fatal(err)
	}
	defer tables.Close()
	var names []string
	for tables.Next() {
		var name string
		if err := tables.Scan(&name); err != nil {
			i.t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := tables.Err(); err != nil {
		i.t.Fatal(err)
	}
	for _, name := range names {
		rows, err := db.Query("SELECT * FROM `" + name + "`")
		if err != nil {
			i.t.Fatal(err)
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			i.t.Fatal(err)
		}
		values, into := make([][]byte, len(columns)), make([]any, len(columns))
		for c := range values {
			into[c] = &values[c]
		}
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				i.t.Fatal(err)
			}
			for _, v := range values {
				all.Write(v)
				all.WriteByte(' ')
			}
		}
		if err := rows.Err(); err != nil {
			i.t.Fatal(err)
		}
	}
	return all.String()
}

// TestPagesAndProcessListShowNoSecret checks a running lagerd.
func TestPagesAndProcessListShowNoSecret(t *testing.T) {
	s := startSandbox(t, "--agreements=1", "--products=20")
	i := install(t, s, "", pace)
	i.start()
	code := i.addShop(s, "shop1234", first)
	var pages strings.Builder
	for _, c := range []struct{ shop, code, kind, number string }{
		{"shop1234", code, "stockUpdate", "1"}, {"shop1234", code, "stockUpdate", ""}, {"shop1234", code, "nonsense", "1"},
		{"shop1234", code, "stockUpdate", "[NUMBER]"}, {"shop1234", code + "x", "stockUpdate", "1"},
	} {
		_, body := i.call(c.shop, c.code, c.kind, c.number)
		pages.WriteString(body)
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/nothing?password=" + code} {
		res, err := http.Get("http://" + i.Admin + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		pages.Write(body)
	}
	list := processList(t)
	if !strings.Contains(list, string(binary)) {
		t.Fatal("the process list does not show lagerd")
	}
	pages.WriteString(list)
	pages.WriteString(i.daemon.out.String())
	for _, secret := range i.Secrets {
		if strings.Contains(pages.String(), secret) {
			t.Errorf("a page, the log or the process list shows the secret %s…", secret[:8])
		}
	}
}

// processList returns what `ps` shows of every process, and the environment of
// our own.
func processList(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, name := range []string{"cmdline", "comm", "environ"} {
		files, err := filepath.Glob("/proc/[0-9]*/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil { // otherwise it has ended meanwhile
				all.Write(b)
			}
		}
	}
	return all.String()
}

// TestWebhookAnswers calls the running binary as e-conomic and people do.
func TestWebhookAnswers(t *testing.T) {
	s := startSandbox(t, "--agreements=1", "--products=20")
	i := install(t, s, "", "reconcile: {schedule: \"0 0 1 1 *\"}\n") // no tick
	i.start()
	code := i.addShop(s, "shop1234", first)
	lagerdtest.Eventually(t, 10*time.Second, "the new shop is known", func() bool {
		status, _ := i.call("shop1234", code, "stockUpdate", "x")
		return status == http.StatusOK
	})
	for _, c := range []struct {
		name, shop, code, kind, number string
		status                         int
		begins                         string
	}{
		{"stock", "shop1234", code, "stockUpdate", "0571527051", 200, "Success\n"},
		{"danish letters", "shop1234", code, "stockUpdate", "rød grød/æøå ", 200, "Success\n"},
		{"invoice", "shop1234", code, "orderPdf", "17", 200, "Success\n"},
		{"unknown shop", "shop9999", code, "stockUpdate", "1", 403, ""},
		{"wrong code", "shop1234", "wrong", "stockUpdate", "1", 403, ""},
		{"unknown type", "shop1234", code, "stock", "1", 400, ""},
		{"no number", "shop1234", code, "stockUpdate", "", 400, ""},
		{"merge field", "shop1234", code, "stockUpdate", "[NUMBER]", 400, ""},
		{"too long", "shop1234", code, "stockUpdate", strings.Repeat("x", 26), 400, ""},
		{"not an invoice number", "shop1234", code, "orderPdf", "abc", 400, ""},
	} {
		status, body := i.call(c.shop, c.code, c.kind, c.number)
		if status != c.status || !strings.HasPrefix(body, c.begins) || body == "" {
			t.Errorf("%s: %d %q, expected %d %q…", c.name, status, body, c.status, c.begins)
		}
	}
	_, unknown := i.call("shop9999", code, "stockUpdate", "1")
	_, wrong := i.call("shop1234", "wrong", "stockUpdate", "1")
	if unknown != wrong {
		t.Errorf("an unknown shop and a wrong code are distinguishable: %q, %q", unknown, wrong)
	}
	// Every call is in the shop's log within a second or so.
	lagerdtest.Eventually(t, 5*time.Second, "the webhook log shows the calls", func() bool {
		out := i.command("shops", "show", "shop1234", "--calls", "50")
		return strings.Contains(out, "rød grød/æøå") && strings.Contains(out, "merge_field")
	})
}

func TestSecondDaemonOnSQLiteIsRefused(t *testing.T) {
	s := startSandbox(t, "--agreements=1", "--products=5")
	i := install(t, s, "", pace)
	i.start()
	out, code := run(t, append(i.Env, "LAGERD_WEBHOOK_LISTEN=127.0.0.1:0", "LAGERD_ADMIN_LISTEN="), "", "run")
	if code != 1 || !strings.Contains(out, "another lagerd is running on this embedded database") {
		t.Errorf("exit %d: %s", code, out)
	}
}
