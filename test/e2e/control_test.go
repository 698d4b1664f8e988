package e2e_test

import (
	"database/sql"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
	"lagerd/test/sandboxtest"
)

// still is a configuration without ticks: everything that happens was requested.
const still = "reconcile: {schedule: \"0 0 1 1 *\", rereads: [300ms], retry_min: 200ms, retry_max: 1s, held_retry: 1s}\n"

// settled waits until a new shop's first sweep is done.
func settled(t *testing.T, i *installation, s *sandbox, shop string, agreement int) {
	t.Helper()
	i.equal(s, shop, agreement, 30*time.Second)
	lagerdtest.Eventually(t, 10*time.Second, "the first tick is noted", func() bool { return i.status(shop).LastGoodTick != "" })
}

func TestSignals(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=50", "--lose=1")
	i := install(t, s, "", still)
	i.start()
	i.addShop(s, "shop1234", first, "--invoices-from", "1")
	settled(t, i, s, "shop1234", first)

	s.post(first, "trade", map[string]int{"count": 20})
	time.Sleep(1500 * time.Millisecond)
	if len(i.differences(s, "shop1234", first)) == 0 {
		t.Fatal("something was found without a tick or a webhook")
	}
	i.daemon.signal(syscall.SIGUSR1)
	i.equal(s, "shop1234", first, 20*time.Second)

	s.post(first, "trade", map[string]int{"count": 20})
	i.daemon.signal(syscall.SIGUSR2)
	i.equal(s, "shop1234", first, 20*time.Second)

	// A bad configuration changes nothing; a good one takes effect.
	good, err := os.ReadFile(i.Config)
	if err != nil {
		t.Fatal(err)
	}
	i.write("lagerd.yaml", string(good)+"nonsense: true\n")
	i.daemon.signal(syscall.SIGHUP)
	lagerdtest.Eventually(t, 5*time.Second, "the bad configuration is refused", func() bool {
		return strings.Contains(i.daemon.out.String(), "the old configuration stays in force")
	})
	i.write("lagerd.yaml", strings.Replace(string(good), "0 0 1 1 *", "@every 1s", 1))
	i.daemon.signal(syscall.SIGHUP)
	lagerdtest.Eventually(t, 5*time.Second, "the good configuration is taken", func() bool {
		return strings.Contains(i.daemon.out.String(), "configuration reloaded")
	})
	s.post(first, "trade", map[string]int{"count": 20})
	i.equal(s, "shop1234", first, 20*time.Second)

	i.daemon.signal(syscall.SIGTERM)
	if code := i.daemon.wait(10 * time.Second); code != 0 {
		t.Errorf("SIGTERM: exit code %d", code)
	}
}

// TestStopsWhileEconomicHangs checks that a stop cancels what waits for e-conomic.
func TestStopsWhileEconomicHangs(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=50")
	i := install(t, s, "", pace)
	i.start()
	i.addShop(s, "shop1234", first)
	settled(t, i, s, "shop1234", first)
	s.send(http.MethodPut, "/sandbox/faults", map[string]any{"slow": "1h", "slowProbability": 1}, nil)
	i.daemon.signal(syscall.SIGUSR1)
	time.Sleep(500 * time.Millisecond)
	began := time.Now()
	i.daemon.signal(syscall.SIGTERM)
	if code := i.daemon.wait(10 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	t.Logf("stopped in %s", time.Since(began).Round(time.Millisecond))
}

func TestReconcileCommand(t *testing.T) { //nolint:tparallel // its parts follow one another
	t.Parallel()
	databases(t, func(t *testing.T, dsn string) {
		s := startSandbox(t, "--agreements=1", "--products=50", "--lose=1")
		i := install(t, s, dsn, still)
		i.start()
		i.addShop(s, "shop1234", first, "--invoices-from", "1")
		settled(t, i, s, "shop1234", first)
		item := sellable(s.truth(first))

		s.post(first, "sell", map[string]any{"number": item, "quantity": "2.5"})
		out := i.command("reconcile", "--shop", "shop1234", "--item", item, "--wait")
		if !strings.Contains(out, item) || !strings.Contains(out, "operator") || !strings.Contains(out, "missed") {
			t.Errorf("reconcile --item --wait says\n%s", out)
		}
		i.equal(s, "shop1234", first, 0)

		out = i.command("reconcile", "--shop", "shop1234", "--item", item, "--wait")
		if !strings.Contains(out, "nothing has changed") {
			t.Errorf("a second time it says\n%s", out)
		}
		s.post(first, "create", map[string]any{"number": "1,5 l", "name": "Bottle", "inStock": "3"})
		i.says(0, []string{"reconcile", "--shop", "shop1234", "--item", "1,5 l", "--wait"}, "1,5 l", "created")
		out, code := run(t, i.Env, "", "reconcile", "--shop", "shop1234", "--item", "no such item", "--wait")
		if code != 1 || !strings.Contains(out, "there is no item with this number") {
			t.Errorf("an unknown item: exit %d\n%s", code, out)
		}

		var booked struct {
			Number int64 `json:"number"`
		}
		s.send(http.MethodPost, fmt.Sprintf("/sandbox/agreements/%d/book", first), map[string]any{
			"orderRef": "10042", "lines": []map[string]any{{"number": item, "quantity": "1"}}}, &booked)
		out = i.command("reconcile", "--shop", "shop1234", "--invoice", fmt.Sprint(booked.Number), "--wait")
		if !strings.Contains(out, "booked") {
			t.Errorf("reconcile --invoice --wait says\n%s", out)
		}
		why := i.command("why", "shop1234", fmt.Sprint(booked.Number), "--invoice")
		if !strings.Contains(why, "10042") || !pdfStored.MatchString(why) {
			t.Errorf("why --invoice says\n%s", why)
		}
		// The item of its line is reconciled too.
		i.equal(s, "shop1234", first, 10*time.Second)

		s.post(first, "trade", map[string]int{"count": 30})
		out = i.command("reconcile", "--wait")
		told, listed := 0, strings.Count(out, "\n")-2 // below the count and the header
		if _, err := fmt.Sscanf(out, "shop1234: %d change(s)\n", &told); err != nil || told == 0 || listed < told {
			t.Errorf("reconcile --wait reports %d changes and lists %d (%v):\n%s", told, listed, err, out)
		}
		i.equal(s, "shop1234", first, 5*time.Second)

		if why := i.command("why", "shop1234", item); !strings.Contains(why, "in stock") || !strings.Contains(why, "The stock went from ") {
			t.Errorf("why says\n%s", why)
		}

		// What cannot be done is reported at once.
		s.post(first, "tokens", map[string]any{"grant": grant(first), "refuse": true})
		out, code = run(t, i.Env, "", "reconcile", "--shop", "shop1234", "--wait")
		if code != 1 || !strings.Contains(out, "refuses the token") {
			t.Errorf("with a refused token: exit %d\n%s", code, out)
		}
		lagerdtest.Eventually(t, 5*time.Second, "the shop is held", func() bool {
			st := i.status("shop1234")
			return st.State == "held" && st.Held == "token_refused"
		})
		i.says(1, []string{"approve", "shop1234", "--yes"}, "held, but not for losses", "lagerd check --shop shop1234")
		s.post(first, "tokens", map[string]any{"grant": grant(first), "refuse": false})
		i.command("reconcile", "--shop", "shop1234", "--wait")
		if st := i.status("shop1234"); st.State != "running" {
			t.Errorf("after the token works again: %+v", st)
		}

		i.command("shops", "pause", "shop1234", "--reason", "stock-taking")
		out, code = run(t, i.Env, "", "reconcile", "--shop", "shop1234", "--wait")
		if code != 1 || !strings.Contains(out, "paused") {
			t.Errorf("while paused: exit %d\n%s", code, out)
		}
		s.post(first, "trade", map[string]int{"count": 10})
		i.command("shops", "resume", "shop1234")
		i.equal(s, "shop1234", first, 10*time.Second)

		i.daemon.signal(syscall.SIGTERM)
		i.daemon.wait(10 * time.Second)
	})
}

// pdfStored is what `why` prints for an invoice whose PDF is stored.
var pdfStored = regexp.MustCompile(`The PDF \([1-9]\d* (kB|bytes)\) was stored `)

// sellable returns an item that has stock.
func sellable(is sandboxtest.Truth) string {
	for _, p := range is.Products {
		if p.Inventory && !p.Barred && p.InStock.IsPositive() {
			return p.Number
		}
	}
	return ""
}

// TestItemsThatGo checks that deleted, renumbered and barred items stay visible, but not with
// their last stock.
func TestItemsThatGo(t *testing.T) { //nolint:tparallel // its parts follow one another
	t.Parallel()
	databases(t, func(t *testing.T, dsn string) {
		s := startSandbox(t, "--agreements=1", "--products=30", "--lose=1")
		i := install(t, s, dsn, pace)
		i.start()
		i.addShop(s, "shop1234", first)
		settled(t, i, s, "shop1234", first)
		var numbers []string
		for _, p := range s.truth(first).Products {
			if p.Inventory && !p.Barred {
				numbers = append(numbers, p.Number)
			}
		}
		s.post(first, "delete", map[string]string{"number": numbers[0]})
		s.post(first, "rename", map[string]string{"from": numbers[1], "to": "renumbered 1"})
		s.post(first, "bar", map[string]string{"number": numbers[2]})
		i.equal(s, "shop1234", first, 20*time.Second)
		db := i.database()
		defer db.Close()
		var to string
		if err := db.QueryRow("SELECT renumbered_to FROM shop_stock WHERE shop = ? AND item_number = ?", "shop1234", numbers[1]).Scan(&to); err != nil || to != "renumbered 1" {
			t.Errorf("the renumbered item points to %q: %v", to, err)
		}
	})
}

// TestNoInventory checks that an agreement without stock figures holds its shop's stock with
// that reason, never writes a zero, and continues with invoices.
func TestNoInventory(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=30", "--no-inventory")
	i := install(t, s, "", pace)
	i.start()
	i.write("grant", grant(first))
	if out, code := run(t, i.Env, "", "shops", "add", "shop1234", "--grant-token-file", i.dir+"/grant"); code != 1 || !strings.Contains(out, "--stock-source rackbeat") || !strings.Contains(out, "--offline") {
		t.Errorf("shops add: exit %d\n%s", code, out)
	}
	i.addShop(s, "shop1234", first, "--invoices-from", "1", "--offline")
	lagerdtest.Eventually(t, 10*time.Second, "the shop is held", func() bool { return i.status("shop1234").Held == "no_inventory" })
	db := i.database()
	defer db.Close()
	var written int
	if err := db.QueryRow("SELECT COUNT(*) FROM shop_stock WHERE stock IS NOT NULL").Scan(&written); err != nil || written != 0 {
		t.Errorf("%d stock figures were written: %v", written, err)
	}
	var booked struct {
		Number int64 `json:"number"`
	}
	s.send(http.MethodPost, fmt.Sprintf("/sandbox/agreements/%d/book", first), map[string]any{"orderRef": "7",
		"lines": []map[string]any{{"number": s.truth(first).Products[0].Number, "quantity": "1"}}}, &booked)
	lagerdtest.Eventually(t, 10*time.Second, "the invoice's PDF is stored", func() bool {
		var state string
		err := db.QueryRow("SELECT pdf_state FROM shop_invoices WHERE invoice_number = ?", booked.Number).Scan(&state)
		return err == nil && state == "stored"
	})
	out, code := run(t, i.Env, "", "check")
	if code != 1 || !strings.Contains(out, "--stock-source rackbeat") {
		t.Errorf("check: exit %d\n%s", code, out)
	}
	s.post(first, "inventory", map[string]bool{"enabled": true})
	i.equal(s, "shop1234", first, 20*time.Second)
	if st := i.status("shop1234"); st.State != "running" {
		t.Errorf("after the figures arrived: %+v", st)
	}
}

// TestAnotherAgreement checks that a token that answers for another agreement holds its shop
// until a person accepts it.
func TestAnotherAgreement(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=10")
	i := install(t, s, "", still)
	i.start()
	i.addShop(s, "shop1234", first)
	settled(t, i, s, "shop1234", first)
	s.post(first, "agreement", map[string]int{"agreementNumber": 999})
	i.daemon.kill()
	i.start() // calls /self again
	lagerdtest.Eventually(t, 15*time.Second, "the shop is held", func() bool { return i.status("shop1234").Held == "agreement_changed" })
	for args, want := range map[string]string{
		"": "--yes --agreement 999", "--yes": "--yes requires --agreement", "--yes --agreement 998": "not accepted: the token answers for agreement 999",
		"--offline": "remove one",
	} {
		out, code := run(t, i.Env, "y\n", append(strings.Fields("shops set shop1234 --accept-agreement"), strings.Fields(args)...)...)
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("--accept-agreement %s: exit %d\n%s", args, code, out)
		}
	}
	if st := i.status("shop1234"); st.Held != "agreement_changed" {
		t.Errorf("after refused acceptances: %+v", st)
	}
	if out := i.command("shops", "set", "shop1234", "--accept-agreement", "--yes", "--agreement", "999"); !strings.Contains(out, "agreement 999, ") {
		t.Errorf("accepted without showing the agreement: %s", out)
	}
	lagerdtest.Eventually(t, 10*time.Second, "the shop goes on", func() bool { return i.status("shop1234").State == "running" })
}

func TestShopsCommands(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=10")
	i := install(t, s, "", pace)
	i.start()
	code := i.addShop(s, "shop1234", first)
	out, exit := run(t, i.Env, grant(first)+"\n", "shops", "add", "shop5678", "--grant-token-file", "-")
	if exit != 0 || strings.Contains(out, grant(first)) {
		t.Fatalf("exit %d\n%s", exit, out)
	}
	for _, want := range []string{"e-conomic says: agreement 100001, ", "9 of the first 10 items carry a stock figure", "counted from ", "agreement 100001 is also used by shop1234"} {
		if !strings.Contains(out, want) {
			t.Errorf("shops add does not say %q:\n%s", want, out)
		}
	}
	for _, want := range []string{"Varelager opdateret", "Faktura bogført", "&number=VARENUMMER", "&number=FAKTURANUMMER",
		"type=stockUpdate&username=shop5678&password=", "&number=[NUMBER]", "type=orderPdf&username=shop5678&password=", "&number=[INVOICENO]",
		"http://" + i.Webhook + "/webhooks.php?"} {
		if !strings.Contains(out, want) {
			t.Errorf("shops add does not print %q:\n%s", want, out)
		}
	}
	// What cannot work is refused before anything is stored, unless --offline.
	for raw, want := range map[string]string{
		"to\tken": "character 3 is a blank", "to\u200bken": "invisible", "no-such-grant": "refuses the token", appToken: "the app's secret token",
		"X-AppSecretToken: x": "another token", "https://shop.example.dk/?token=" + grant(first): "token=",
	} {
		i.write("bad.grant", raw)
		out, exit := run(t, i.Env, "", "shops", "add", "refused", "--grant-token-file", i.dir+"/bad.grant")
		if exit != 1 || !strings.Contains(out, want) || strings.Contains(out, "is added") {
			t.Errorf("a grant token %q: exit %d: %s", raw, exit, out)
		}
	}
	if out, exit := run(t, append(i.Env, "LAGERD_ECONOMIC_REST_URL=http://127.0.0.1:1"), "", "shops", "add", "refused", "--grant-token-file", i.dir+"/shop1234.grant"); exit != 1 || !strings.Contains(out, "--offline") {
		t.Errorf("without e-conomic: exit %d: %s", exit, out)
	}
	i.write("odd.grant", "\ufeffX-AgreementGrantToken: "+grant(first)+"\u200b\u00a0\r\n")
	i.command("shops", "add", "pasted", "--grant-token-file", i.dir+"/odd.grant")
	i.write("bad.grant", "no-such-grant")
	if out, exit := run(t, i.Env, "", "shops", "set", "pasted", "--grant-token-file", i.dir+"/bad.grant"); exit != 1 || !strings.Contains(out, "nothing was changed") {
		t.Errorf("set a grant token that is refused: exit %d: %s", exit, out)
	}
	i.command("shops", "set", "pasted", "--offline", "--grant-token-file", i.dir+"/bad.grant")
	if out, exit := run(t, i.Env, "", "check", "--shop", "pasted"); exit != 1 || !strings.Contains(out, "refuses the token") {
		t.Errorf("check of a token stored --offline: exit %d: %s", exit, out)
	}
	if out, _ := run(t, i.Env, "", "check", "--shop", "shop1234"); !strings.Contains(out, "agreement 100001 is also used by pasted, shop5678") {
		t.Errorf("check does not report that three shops have one agreement: %s", out)
	}
	i.command("shops", "remove", "pasted", "--yes")
	if list := i.command("shops", "list"); list != "shop1234\nshop5678\n" {
		t.Errorf("shops list: %q", list)
	}
	for args, want := range map[string]string{
		"shops add shop1234 --grant-token-file x": "already exists",
		"shops add a/b": "expected 1 to 64 letters",
		"shops add new --invoices-from yesterday --grant-token-file " + "none": "expected a date",
		"shops add new --invoices-from 20261101 --grant-token-file none":       "Use 2026-11-01 for the date, or number:20261101 for the invoice",
		"shops add new --invoices-from 01112026 --grant-token-file none":       "Use 2026-11-01",
		"shops add new --invoices-from number:x --grant-token-file none":       "expected a date",
		"shops set shop1234 --yes":                 "--yes is for a change that is asked about",
		"shops rotate-code shop1234 --yes":         "--retire-old",
		"shops rotate-code shop1234 --replace-new": "there is only one code",
		"shops show nobody":                        "no such shop",
		"shops set shop1234 --order-pattern (":     "--order-pattern",
		"shops remove nobody --yes":                "no such shop",
		"reconcile --shop nobody":                  "no such shop",
		"reconcile --item 1":                       "need --shop",
		"reconcile --shop shop1234 --invoice 1,2":  "expected a whole number",
	} {
		out, exit := run(t, i.Env, "", strings.Fields(args)...)
		if exit != 1 || !strings.Contains(out, want) {
			t.Errorf("%s: exit %d: %s", args, exit, out)
		}
	}
	if out, exit := run(t, i.Env, "", "reconcile", "--nonsense"); exit != 2 {
		t.Errorf("wrong arguments: exit %d: %s", exit, out)
	}

	// Two codes are valid until the old one is retired.
	accepted := func(code string) bool {
		status, _ := i.call("shop1234", code, "stockUpdate", "1")
		return status == 200
	}
	lagerdtest.Eventually(t, 5*time.Second, "the first code is known", func() bool { return accepted(code) })
	rotate := func(args ...string) string {
		_, rest, _ := strings.Cut(i.command(append([]string{"shops", "rotate-code", "shop1234"}, args...)...), "password=")
		code, _, _ := strings.Cut(rest, "&")
		return code
	}
	refused := func(want string, args ...string) {
		t.Helper()
		if out, exit := run(t, i.Env, "", append([]string{"shops", "rotate-code", "shop1234"}, args...)...); exit != 1 || !strings.Contains(out, want) || strings.Contains(out, "password=") {
			t.Errorf("rotate-code %v: exit %d: %s", args, exit, out)
		}
	}
	// What cannot be shown is not stored.
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	unshown := exec.Command(string(binary), "shops", "rotate-code", "shop1234")
	unshown.Env, unshown.Stdout = i.Env, full
	if err := unshown.Run(); err == nil {
		t.Error("success for a code that could not be shown")
	}
	refused("there is only one code", "--replace-new")
	// The output of the first is lost. Only a person's yes retires the code that works.
	lost := rotate()
	refused("--replace-new")
	refused("no webhook call has used the newest code yet", "--retire-old")
	second := rotate("--replace-new")
	lagerdtest.Eventually(t, 5*time.Second, "the new code is known", func() bool { return accepted(second) })
	if accepted(lost) {
		t.Error("the lost code is valid")
	}
	if !accepted(code) {
		t.Error("the old code stopped too early")
	}
	lagerdtest.Eventually(t, 5*time.Second, "the use of both is shown", func() bool {
		show := i.command("shops", "show", "shop1234")
		return strings.Count(show, "integration code: ") == 2 && strings.Count(show, ", used ") == 2
	})
	refused("webhook calls use the newest code", "--replace-new")
	refused("retire the older with `lagerd shops rotate-code shop1234 --retire-old`")
	i.command("shops", "rotate-code", "shop1234", "--retire-old")
	lagerdtest.Eventually(t, 5*time.Second, "the old code is refused", func() bool { return !accepted(code) })
	if !accepted(second) {
		t.Error("the new code is refused too")
	}

	// A command's calls stay counted while the daemon counts its own.
	calls := func() int { return i.status("shop1234").CallsToday }
	before := calls()
	for range 15 {
		i.command("check", "--shop", "shop1234")
	}
	i.command("diff", "shop1234")
	tick := i.status("shop1234").LastGoodTick
	lagerdtest.Eventually(t, 15*time.Second, "a later tick is noted", func() bool { return i.status("shop1234").LastGoodTick != tick })
	if after := calls(); after < before+15*2+2 {
		t.Errorf("%d calls before and %d after commands that made 32", before, after)
	}
	i.command("shops", "set", "shop1234", "--figure", "available", "--yes", "--order-pattern", `#(\d+)`)
	if after := calls(); after < before+15*2+2 {
		t.Errorf("%d calls after the settings were reloaded, %d before", after, before)
	}
	if show := i.command("shops", "show", "shop1234"); !strings.Contains(show, "available") || !strings.Contains(show, `#(\d+)`) {
		t.Errorf("shops show:\n%s", show)
	}
	is := s.truth(first)
	lagerdtest.Eventually(t, 10*time.Second, "the stock is the available figure", func() bool {
		db := i.database()
		defer db.Close()
		for _, p := range is.Products {
			var stock sql.NullString
			if err := db.QueryRow("SELECT stock FROM shop_stock WHERE shop = 'shop1234' AND item_number = ?", p.Number).Scan(&stock); err != nil {
				return false
			}
			if p.Inventory && stock.String != p.Available.String() {
				return false
			}
		}
		return true
	})
	i.command("shops", "remove", "shop1234", "--yes")
	lagerdtest.Eventually(t, 5*time.Second, "the removed shop's code is refused", func() bool { return !accepted(second) })
	if i.command("shops", "list") != "shop5678\n" {
		t.Error("the shop is still listed")
	}
}

func TestBadConfigurationStartsNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lagerd.yaml")
	if err := os.WriteFile(path, []byte("databse: {}\nwebhook:\n  listen: nowhere\nreconcile:\n  schedule: sometimes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"run", "check", "status"} {
		out, code := run(t, nil, "", command, "--config", path)
		if code != 78 {
			t.Errorf("%s: exit %d", command, code)
		}
		for _, want := range []string{path + ":1:1: databse", path + ":3:11: webhook.listen", path + ":5:13: reconcile.schedule"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s does not say %q:\n%s", command, want, out)
			}
		}
	}
}

// TestDatabaseAway checks that without its database lagerd answers 503 with Retry-After, and
// that once it is back everything continues and nothing was lost.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "l")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	server, err := mariadbtest.Start(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	dsn, err := server.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := startSandbox(t, "--agreements=1", "--products=50")
	i := install(t, s, dsn, pace)
	i.start()
	code := i.addShop(s, "shop1234", first, "--invoices-from", "1")
	settled(t, i, s, "shop1234", first)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	res, err := http.Get("http://" + i.Webhook + "/webhooks.php?type=stockUpdate&username=shop1234&number=1&password=" + code)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("without a database: %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
	}
	if res, err := http.Get("http://" + i.Admin + "/readyz"); err != nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("readyz without a database: %v %v", res, err)
	}
	s.post(first, "trade", map[string]int{"count": 50})
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	i.equal(s, "shop1234", first, 40*time.Second)
	i.daemon.signal(syscall.SIGTERM)
	i.daemon.wait(10 * time.Second)
	noSecrets(t, i, s)
}

// TestManyItemsVanish loses more items than allowed without approval, and more than are read
// after one listing. A person approves.
func TestManyItemsVanish(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=300", "--lose=1")
	i := install(t, s, "", pace)
	i.start()
	i.addShop(s, "shop1234", first)
	settled(t, i, s, "shop1234", first)
	i.says(1, []string{"approve", "shop1234", "--yes"}, "shop1234 is not held: there is nothing to approve")
	before := i.stockOf("shop1234")
	for n, p := range s.truth(first).Products {
		if n%2 == 0 {
			s.post(first, "delete", map[string]string{"number": p.Number})
		}
	}
	lagerdtest.Eventually(t, 20*time.Second, "the losses are held back", func() bool { return i.status("shop1234").Held == "losses" })
	// A tick during the deletions has reported fewer.
	lagerdtest.Eventually(t, 20*time.Second, "all losses are told of", func() bool {
		reason := i.status("shop1234").Reason
		return strings.Contains(reason, "150 of 300 items") && strings.Contains(reason, "lagerd approve shop1234")
	})
	if after := i.stockOf("shop1234"); !maps.Equal(before, after) {
		t.Error("stock was changed before approval")
	}
	i.says(1, []string{"check", "--shop", "shop1234"}, "FAILED  shop shop1234: held: stock: losses since", "a reconciliation would take away the stock of 150 of 300 items", "lagerd approve shop1234")
	i.says(1, []string{"diff", "shop1234"}, "150 of them losses")
	i.says(1, []string{"approve", "shop1234"}, "shop1234 would lose the stock of 150 items: 150 gone", "and 140 more",
		"no terminal to ask on", "lagerd approve shop1234 --yes")
	noSecrets(t, i, s)
	i.goesOnBesideItsLosses(s)

	i.command("shops", "pause", "shop1234", "--reason", "stocktaking")
	i.says(1, []string{"approve", "shop1234", "--yes"}, "shop1234 is paused (stocktaking)", "lagerd shops resume shop1234")
	i.command("shops", "resume", "shop1234")

	// Losses beyond the approval are held back again.
	before = i.stockOf("shop1234")
	i.daemon.kill()
	i.says(0, []string{"approve", "shop1234", "--yes"}, "approved: shop1234 may lose the stock of 150 items (and of 20 more")
	for _, p := range s.truth(first).Products[:60] {
		s.post(first, "delete", map[string]string{"number": p.Number})
	}
	i.start()
	lagerdtest.Eventually(t, 20*time.Second, "the further losses are held back", func() bool { return strings.Contains(i.status("shop1234").Reason, "210 of 300 items") })
	if after := i.stockOf("shop1234"); !maps.Equal(before, after) {
		t.Error("more stock was changed than approved")
	}
	i.says(0, []string{"approve", "shop1234", "--yes", "--wait"}, "approved: shop1234 may lose the stock of 210 items", "swept")
	i.equal(s, "shop1234", first, 40*time.Second)
	lagerdtest.Eventually(t, 10*time.Second, "the shop runs again", func() bool { return i.status("shop1234").State == "running" })
	i.says(0, []string{"check", "--shop", "shop1234"}, "ok      shop shop1234")
}

// goesOnBesideItsLosses fails unless invoices and gains are stored while the shop's losses are
// held back.
func (i *installation) goesOnBesideItsLosses(s *sandbox) {
	i.t.Helper()
	item := sellable(s.truth(first))
	s.post(first, "restock", map[string]any{"number": item, "quantity": "1000"})
	lagerdtest.Eventually(i.t, 10*time.Second, "an item that gains is read", func() bool { // an earlier tick defers it
		_, code := run(i.t, i.Env, "", "reconcile", "--shop", "shop1234", "--item", item, "--wait")
		return code == 0 && strings.HasPrefix(i.stockOf("shop1234")[item], "ok 1")
	})
	s.post(first, "book", map[string]any{"orderRef": "10042", "lines": []map[string]any{{"number": item, "quantity": "1"}}})
	db := i.database()
	defer db.Close()
	lagerdtest.Eventually(i.t, 10*time.Second, "the invoice's PDF is stored", func() bool {
		var stored int
		err := db.QueryRow("SELECT COUNT(*) FROM shop_invoices WHERE order_number = '10042' AND pdf_state = 'stored'").Scan(&stored)
		return err == nil && stored == 1
	})
	if st := i.status("shop1234"); st.Held != "losses" {
		i.t.Errorf("meanwhile the shop is %+v", st)
	}
}

// says fails unless a command exits with the code and prints the parts.
func (i *installation) says(code int, args []string, parts ...string) {
	i.t.Helper()
	out, got := run(i.t, i.Env, "", args...)
	if got != code {
		i.t.Errorf("lagerd %q: exit %d, expected %d\n%s", args, got, code, out)
	}
	for _, part := range parts {
		if !lagerdtest.Says(out, part) {
			i.t.Errorf("lagerd %q does not say %q:\n%s", args, part, out)
		}
	}
}

// stockOf returns what the shop's own software reads.
func (i *installation) stockOf(shop string) map[string]string {
	i.t.Helper()
	db := i.database()
	defer db.Close()
	rows, err := db.Query("SELECT item_number, state, COALESCE(stock, 'absent') FROM shop_stock WHERE shop = ?", shop)
	if err != nil {
		i.t.Fatal(err)
	}
	defer rows.Close()
	stock := map[string]string{}
	for rows.Next() {
		var number, state, figure string
		if err := rows.Scan(&number, &state, &figure); err != nil {
			i.t.Fatal(err)
		}
		stock[number] = state + " " + figure
	}
	if err := rows.Err(); err != nil {
		i.t.Fatal(err)
	}
	return stock
}

// TestListingCutShort checks that a listing that omits half of the items while claiming to be
// complete takes nothing away, and needs no approval.
func TestListingCutShort(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=300", "--lose=1")
	i := install(t, s, "", pace)
	i.start()
	i.addShop(s, "shop1234", first)
	settled(t, i, s, "shop1234", first)
	before := i.stockOf("shop1234")
	s.fault(first, map[string]any{"truncate": 0.5})
	lagerdtest.Eventually(t, 20*time.Second, "the losses are held back", func() bool { return i.status("shop1234").Held == "losses" })
	i.says(0, []string{"approve", "shop1234", "--yes"}, "nothing was approved")
	i.says(1, []string{"approve", "shop1234", "--yes", "--wait"}, "nothing was approved", "the sweep failed", "150 of 300 items")
	if after := i.stockOf("shop1234"); !maps.Equal(before, after) {
		t.Error("items are gone that a listing only left out")
	}
	s.fault(first, map[string]any{"truncate": 0})
	lagerdtest.Eventually(t, 20*time.Second, "a later listing ends the hold", func() bool { return i.status("shop1234").Held == "" })
	if after := i.stockOf("shop1234"); !maps.Equal(before, after) {
		t.Error("items are gone that a listing only left out")
	}
}

// TestWhereInvoicesBegin checks that nothing older is downloaded without a request, not even
// after a restart, and that an agreement that once used a much higher number is followed below
// it.
func TestWhereInvoicesBegin(t *testing.T) { //nolint:tparallel // its parts follow one another
	t.Parallel()
	databases(t, func(t *testing.T, dsn string) {
		s := startSandbox(t, "--agreements=2", "--products=30", "--lose=1")
		book := func(agreement int, more map[string]any) {
			b := map[string]any{"orderRef": "1", "lines": []map[string]any{{"number": sellable(s.truth(agreement)), "quantity": 1}}}
			maps.Copy(b, more)
			s.post(agreement, "book", b)
		}
		for range 5 {
			book(first, nil)
			book(first+1, map[string]any{"date": "2020-01-01"})
		}
		book(first+1, map[string]any{"withNumber": 900000, "date": "2020-01-01"})
		i := install(t, s, dsn, pace+"lease: {beat: 200ms, ttl: 1s}\n")
		i.start()
		i.addShop(s, "by-number", first, "--invoices-from", "100")
		i.addShop(s, "by-date", first+1)
		stored := func(shop string) (numbers string) {
			db := i.database()
			defer db.Close()
			for _, n := range column[int64](t, db, "SELECT invoice_number FROM shop_invoices WHERE shop = ? ORDER BY invoice_number", shop) {
				numbers += fmt.Sprint(n, " ")
			}
			return numbers
		}
		for _, shop := range []string{"by-number", "by-date"} {
			lagerdtest.Eventually(t, 15*time.Second, "the first tick of "+shop, func() bool { return i.status(shop).LastGoodTick != "" })
		}
		i.daemon.kill()
		i.start()
		before := i.status("by-number").LastGoodTick
		lagerdtest.Eventually(t, 15*time.Second, "a tick after the restart", func() bool { return i.status("by-number").LastGoodTick != before })
		if got := stored("by-number") + stored("by-date"); got != "" {
			t.Errorf("stored without a request: %s", got)
		}
		book(first, map[string]any{"withNumber": 100})
		book(first+1, map[string]any{"date": "2020-01-01"}) // number 6, back-dated, below 900000
		lagerdtest.Eventually(t, 15*time.Second, "what is new is found", func() bool { return stored("by-number") == "100 " && stored("by-date") == "6 " })
		// An older one is fetched on request.
		i.command("reconcile", "--shop", "by-date", "--invoice", "2", "--wait")
		if got := stored("by-date"); got != "2 6 " {
			t.Errorf("after the request: %s", got)
		}
	})
}

// TestTwoDaemons checks that two lagerd share the shops of one database, that one takes over
// when the other is killed, and that either accepts webhooks.
func TestTwoDaemons(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, append([]string{"--agreements=4", "--products=40"}, strings.Fields(lossy)...)...)
	i := install(t, s, mariadbtest.New(t), pace+"lease: {beat: 200ms, ttl: 1s}\n")
	i.start()
	for n := range 4 {
		i.addShop(s, fmt.Sprint("shop", n), first+n, "--invoices-from", "1")
	}
	second := start(t, append(i.Env, "LAGERD_WEBHOOK_LISTEN="+lagerdtest.FreeAddress(t), "LAGERD_ADMIN_LISTEN="), "run")
	db := i.database()
	defer db.Close()
	shares := func() []int {
		return column[int](t, db, "SELECT COUNT(*) FROM leases WHERE holder <> '' GROUP BY holder ORDER BY 1")
	}
	lagerdtest.Eventually(t, 10*time.Second, "each has two shops", func() bool { return fmt.Sprint(shares()) == "[2 2]" })
	for n := range 4 {
		s.post(first+n, "trade", map[string]int{"count": 40})
	}
	second.kill()
	began := time.Now()
	lagerdtest.Eventually(t, 10*time.Second, "the other has all four", func() bool { return fmt.Sprint(shares()) == "[4]" })
	t.Logf("taken over %s after the kill (ttl 1s, beat 200ms)", time.Since(began).Round(10*time.Millisecond))
	for n := range 4 {
		s.post(first+n, "trade", map[string]int{"count": 20})
	}
	for n := range 4 {
		i.equal(s, fmt.Sprint("shop", n), first+n, 30*time.Second)
	}
}
