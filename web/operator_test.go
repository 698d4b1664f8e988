package web_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/config"
	"lagerd/plan"
	"lagerd/sandbox"
	"lagerd/secret"
	"lagerd/store"
	"lagerd/test/sandboxtest"
	"lagerd/web"
)

// exec changes the site's database behind lagerd's back.
func (s *site) exec(statements ...string) {
	s.t.Helper()
	db, err := sql.Open("sqlite", s.store.Path())
	must(s.t, err)
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.ExecContext(s.t.Context(), statement); err != nil {
			s.t.Fatalf("%s: %v", statement, err)
		}
	}
}

var shopRow = regexp.MustCompile(`<th scope="row"><a href="/shops/([^"]+)">`)

// shopsOn returns the shops that a page lists, in order.
func shopsOn(a answer) []string {
	var names []string
	for _, found := range shopRow.FindAllStringSubmatch(a.body, -1) {
		names = append(names, found[1])
	}
	return names
}

// living makes a lagerd live that has all shops, each with a tick just now.
func (s *site) living() {
	s.t.Helper()
	s.exec("INSERT INTO instances (instance, host, pid, version, started_at, beat_at, beat) VALUES ('me', 'stock1', 17, 'v1', '2026-11-23 11:00:00.000000', '2026-11-23 11:59:59.000000', 1)",
		"UPDATE leases SET holder = 'me'", "UPDATE progress SET tick_at = '2026-11-23 11:59:30.000000', swept_at = '2026-11-23 11:59:30.000000'")
}

// TestShops: shops that need a person come first, the most urgent of them first, also those of which
// only an incident tells; filters and names select; and each number of shops is right.
func TestShops(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, name := range []string{"alfa", "bravo", "charlie", "delta", "echo", "foxtrot"} {
		s.addShop(name)
	}
	s.living()
	s.exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('delta', 'stock', 'losses', '60 of 100 items', '2026-11-23 11:00:00.000000'), ('echo', 'shop', 'token_refused', 'status 401', '2026-11-23 11:00:00.000000')",
		"UPDATE progress SET failures = 2, failure = 'status 500' WHERE shop = 'charlie'",
		"INSERT INTO incidents (audience, shop, what, seen_at) VALUES ('operator', 'foxtrot', 'unread', '2026-11-23 11:00:00.000000')",
		"UPDATE shops SET paused_at = '2026-11-23 11:00:00.000000', pause_reason = 'stocktaking' WHERE shop = 'alfa'")
	s.addOperator("mette")
	b := s.signedIn("mette")
	for path, want := range map[string]string{
		"/": "echo delta foxtrot charlie alfa bravo", "/?show=needs": "echo delta foxtrot", "/?show=held": "echo delta", "/?show=paused": "alfa", "/?show=failing": "charlie",
		"/?find=LTA": "delta", "/?find=a&show=held": "delta", "/?show=nonsense": "echo delta foxtrot charlie alfa bravo", "/?find=zulu": "", "/?page=9": "", "/?page=-1": "echo delta foxtrot charlie alfa bravo", "/?show=unattended": "",
	} {
		got := b.get(path)
		if names := strings.Join(shopsOn(got), " "); got.status != http.StatusOK || names != want {
			t.Errorf("%s: %d, %q; expected %q", path, got.status, names, want)
		}
	}
	b.expect("counts", b.get("/"), http.StatusOK, "/", "all (6)", "need a person (3)", "held (2)", "failing (1)", "paused (1)", "running (3)", "stock: losses", "60 of 100 items", "stocktaking", "stock1")
	s.exec("DELETE FROM instances")
	b.expect("nobody lives", b.get("/"), http.StatusOK, "/", "Needs a person", "NO LAGERD IS RUNNING")
}

// TestShopsArePaged: a page has fifty shops, all pages together have each once, and a page weighs
// less than 100 KB, also if everything is wrong with every shop.
func TestShopsArePaged(t *testing.T) {
	t.Parallel()
	s := open(t)
	manyShops(t, s.store.Path(), 130)
	long := strings.Repeat("x", 500)
	s.exec("UPDATE progress SET failures = 3, failure = '"+long+"', tick_at = '2026-11-20 12:00:00.000000'", "INSERT OR REPLACE INTO holds (shop, scope, reason, detail, since) SELECT shop, 'stock', 'losses', '"+long+"', '2026-11-23 11:00:00.000000' FROM shops",
		"INSERT OR REPLACE INTO holds (shop, scope, reason, detail, since) SELECT shop, 'invoices', 'forbidden', '"+long+"', '2026-11-23 11:00:00.000000' FROM shops")
	s.addOperator("mette")
	b := s.signedIn("mette")
	var all []string
	path := "/"
	for n, want := range []int{50, 50, 30} {
		got := b.get(path)
		names := shopsOn(got)
		if len(names) != want || len(got.body) > 100_000 {
			t.Errorf("page %d has %d shops in %d bytes", n+1, len(names), len(got.body))
		}
		all = append(all, names...)
		path = "/"
		if next := regexp.MustCompile(`<a href="([^"]+)" rel="next">`).FindStringSubmatch(got.body); next != nil {
			path = next[1]
		}
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) != 130 || path != "/" {
		t.Errorf("the pages have %d shops, then comes %s", len(all), path)
	}
}

// TestShopsTakeSoManyStatements: the number of statements does not depend on how many shops there
// are, and none reads the items, hints or history of a shop that is not shown.
func TestShopsTakeSoManyStatements(t *testing.T) {
	t.Parallel()
	var counts []int
	for _, shops := range []int{60, 600} {
		s, w := openWatched(t)
		manyShops(t, w.path, shops)
		s.addOperator("mette")
		b := s.signedIn("mette")
		w.statements()
		if got := b.get("/"); got.status != http.StatusOK || len(shopsOn(got)) != 50 {
			t.Fatalf("%d, %d shops", got.status, len(shopsOn(got)))
		}
		list := w.statements()
		counts = append(counts, len(list))
		for _, statement := range list {
			ofShown := strings.Contains(statement, "shop IN (") || strings.Contains(statement, "s.shop IN (")
			for _, table := range []string{"items", "hints", "hint_batches", "hint_marks", "changes", "invoices", "warnings", "webhook_calls", "actions", "requests"} {
				if regexp.MustCompile(`(FROM|JOIN)\s+`+table+`\b`).MatchString(statement) && !ofShown {
					t.Errorf("this reads %s of all shops: %s", table, statement)
				}
			}
		}
	}
	if counts[0] != counts[1] || counts[0] > 30 {
		t.Errorf("the page takes %d statements with 60 shops and %d with 600", counts[0], counts[1])
	}
}

// TestShop: one shop in full, what has been done to it and by whom, and no shop that does not exist.
func TestShop(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	s.living()
	s.addOperator("mette")
	b := s.signedIn("mette")
	b.expect("in good health", b.get("/shops/shop1"), http.StatusOK, "/shops/shop1", "Nothing needs a person.", "running", "last good tick", "None yet.")
	b.expect("another", b.get("/shops/shop2"), http.StatusNotFound, "/shops/shop2", "Page not found")

	got := b.post("/shops/shop1/pause", "reason", "stocktaking <b>")
	b.expect("paused", got, http.StatusOK, "/shops/shop1?done=paused", "The shop is paused.", "stocktaking &lt;b&gt;", "mette", "page")
	b.expect("resumed", b.post("/shops/shop1/resume"), http.StatusOK, "/shops/shop1?done=resumed", "The shop goes on.")
	b.expect("checked", b.post("/shops/shop1/reconcile"), http.StatusOK, "/shops/shop1?done=tick", "A check of the shop is requested.")
	b.expect("swept", b.post("/shops/shop1/sweep"), http.StatusOK, "/shops/shop1?done=sweep", "A full listing of the shop is requested.")
	b.expect("read", b.post("/shops/shop1/read", "number", "A 17/ø", "kind", "stock"), http.StatusOK, "/shops/shop1/why?kind=stock&number=A+17%2F%C3%B8&done=read", "The number is read now.", "mette")
	b.expect("no number", b.post("/shops/shop1/read", "number", " ", "kind", "stock"), http.StatusBadRequest, "/shops/shop1/read")
	b.expect("an invoice", b.post("/shops/shop1/read", "number", "x", "kind", "invoice"), http.StatusBadRequest, "/shops/shop1/read")
	b.expect("too long a reason", b.post("/shops/shop1/pause", "reason", strings.Repeat("x", 256)), http.StatusBadRequest, "/shops/shop1/pause")
	b.expect("nothing to approve", b.post("/shops/shop1/losses"), http.StatusConflict, "/shops/shop1/losses", "there is nothing to approve")
	b.expect("losses that were not shown", b.post("/shops/shop1/approve", "task", ""), http.StatusConflict, "/shops/shop1/approve", "Nothing was approved")
	b.expect("webhooks not allowed", b.post("/shops/shop1/webhooks"), http.StatusConflict, "/shops/shop1/webhooks", "does not allow lagerd to change its webhooks")
	for _, what := range []string{"pause", "resume", "reconcile", "sweep", "losses", "approve", "webhooks"} {
		if got := b.post("/shops/shop2/" + what); got.status != http.StatusNotFound && !(what == "approve" && got.status == http.StatusConflict) {
			t.Errorf("%s of no shop: %d", what, got.status)
		}
	}
	var did []string
	actions, err := s.store.Actions(t.Context(), "shop1", store.AnyAction(), noon.Add(-time.Hour), 100)
	must(t, err)
	for _, a := range actions {
		did = append(did, fmt.Sprintf("%s %s%s by %s with %s", a.What, a.Number, a.Detail, a.Account, a.Command))
	}
	want := []string{"paused stocktaking <b> by mette with page", "resumed  by mette with page", "asked tick by mette with page", "asked sweep by mette with page", "asked A 17/ø by mette with page"}
	if !slices.Equal(did, want) {
		t.Errorf("people did\n%q, expected\n%q", did, want)
	}
}

// TestOnlyOperatorsAct: neither a stranger nor an owner reaches an operator's page or does anything.
func TestOnlyOperatorsAct(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	s.addShop("shop2")
	for name, b := range map[string]*browser{"a stranger": s.browser(), "an owner": s.ownerOf("shop1")} {
		for _, path := range []string{"/shops/shop1", "/shops/shop2", "/shops/shop1/why?number=1", "/shops/shop1/task", "/shops/shop1/events", "/events"} {
			if got := b.get(path); !strings.HasPrefix(got.path, "/sign-in?to=") || strings.Contains(got.body, "shop2<") {
				t.Errorf("%s gets %s: %d at %s", name, path, got.status, got.path)
			}
		}
		for _, what := range []string{"pause", "resume", "reconcile", "sweep", "read", "losses", "approve", "webhooks"} {
			if got := b.post("/shops/shop1/"+what, "number", "1"); got.status != http.StatusForbidden {
				t.Errorf("%s: %s is answered %d", name, what, got.status)
			}
		}
	}
	for _, shop := range []string{"shop1", "shop2"} {
		actions, err := s.store.Actions(t.Context(), shop, store.AnyAction(), noon.Add(-time.Hour), 100)
		must(t, err)
		if len(actions) > 0 {
			t.Errorf("something was done to %s: %+v", shop, actions)
		}
	}
}

// TestHostileNames: names of items, shops in addresses and what callers send are text on every page.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	const hostile = `<script>alert(1)</script>{{.Shop}}"' onmouseover=alert(1)`
	s := open(t)
	s.addShop("shop1")
	s.living()
	s.exec("INSERT INTO webhook_calls (shop, slot, called_at, method, remote, kind, number, status, outcome, duration_us) VALUES ('shop1', 1, '2026-11-23 11:00:00.000000', 'POST', '192.0.2.1', 'stock', '"+strings.ReplaceAll(hostile, "'", "''")+"', 200, 'recorded', 1)",
		"INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1', 'invoices', 'forbidden', '"+strings.ReplaceAll(hostile, "'", "''")+"', '2026-11-23 11:00:00.000000')")
	s.addOperator("mette")
	b := s.signedIn("mette")
	for _, path := range []string{"/", "/shops/shop1", whyOf(hostile), "/?find=" + urlOf(hostile), "/shops/" + urlOf(hostile), "/shops/shop1?done=" + urlOf(hostile)} {
		got := b.get(path)
		if strings.Contains(got.body, "<script>alert") || strings.Contains(got.body, `"' onmouseover`) {
			t.Errorf("%s:\n%s", path, got.body)
		}
	}
	b.expect("shown as text", b.get("/shops/shop1"), http.StatusOK, "/shops/shop1", "&lt;script&gt;alert(1)&lt;/script&gt;{{.Shop}}&#34;&#39; onmouseover=alert(1)")
	for _, path := range []string{"/shops/..%2f..%2fetc%2fpasswd", "/shops/%00", "/shops/shop1%2fpause"} {
		if got := b.get(path); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

// atSandbox lets a page act at a simulated e-conomic, with a grant token stored for shop1.
func atSandbox(t *testing.T, items int) *site {
	t.Helper()
	box := sandboxtest.Start(t, sandbox.Options{Agreements: 1, Products: items, Seed: 1})
	s := open(t, func(o *web.Options) {
		o.Config = func() config.Config {
			c := config.Default()
			c.Economic.RESTURL, c.Economic.WebhooksURL, c.Economic.AppSecretToken = box.URL, box.URL+"/webhooksapi/v1.0.0", secret.NewText("sandbox-app-token")
			c.Webhook.PublicURL = "https://hooks.example.dk/webhooks.php"
			return c
		}
	})
	s.addShop("shop1")
	sealed, err := s.keys.Seal(secret.GrantToken, "shop1", "sandbox-grant-1")
	must(t, err)
	must(t, s.store.SetShop(t.Context(), "shop1", s.now(), func(x *store.Shop) error { x.GrantToken, x.WebhookSetup = sealed, true; return nil }))
	s.living()
	s.addOperator("mette")
	return s
}

// finished returns the page of a shop's task once it has ended.
func (b *browser) finished(shop string) answer {
	b.t.Helper()
	for range 600 {
		got := b.get("/shops/" + shop + "/task")
		if got.status != http.StatusOK || !strings.Contains(got.body, "Look again") {
			return got
		}
		select {
		case <-b.t.Context().Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	b.t.Fatal("the task does not end")
	return answer{}
}

// TestApprove: an operator sees the losses first, and approves those that were shown.
func TestApprove(t *testing.T) {
	t.Parallel()
	s := atSandbox(t, 3)
	s.exec("INSERT INTO items (shop, number, name, barred, inventory_enabled, in_stock, stock, state, observed_token, observed_at, first_seen_at, changed_at)"+
		" VALUES ('shop1', 'gone<1>', 'Et bord', 0, 1, 7, 7, 'ok', 1, '2026-11-23 11:00:00.000000', '2026-11-23 11:00:00.000000', '2026-11-23 11:00:00.000000')",
		"INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1', 'stock', 'losses', '1 of 1 items', '2026-11-23 11:00:00.000000')")
	b := s.signedIn("mette")
	b.expect("the shop", b.get("/shops/shop1"), http.StatusOK, "/shops/shop1", "Show what it would lose")
	if got := b.post("/shops/shop1/losses"); got.path != "/shops/shop1/task" {
		t.Fatalf("%d at %s\n%s", got.status, got.path, got.body)
	}
	got := b.finished("shop1")
	b.expect("the losses", got, http.StatusOK, "/shops/shop1/task", "would lose the stock of 1 item.", "gone&lt;1&gt;", "Et bord", "gone")
	task := regexp.MustCompile(`name="task" value="([^"]+)"`).FindStringSubmatch(got.body)
	if task == nil {
		t.Fatalf("nothing to approve:\n%s", got.body)
	}
	b.expect("another task", b.post("/shops/shop1/approve", "task", "x"), http.StatusConflict, "/shops/shop1/approve", "Nothing was approved")
	b.expect("approved", b.post("/shops/shop1/approve", "task", task[1]), http.StatusOK, "/shops/shop1?done=approved", "The losses are approved")
	b.expect("twice", b.post("/shops/shop1/approve", "task", task[1]), http.StatusConflict, "/shops/shop1/approve", "Nothing was approved")
	approved, err := s.store.Approved(t.Context(), "shop1", noon.Add(-time.Hour))
	must(t, err)
	if want := 1 + config.Default().Reconcile.LossMin; approved.Losses != want {
		t.Errorf("%d losses are approved, expected %d", approved.Losses, want)
	}
	requests, err := s.store.OpenRequests(t.Context(), "shop1")
	must(t, err)
	if len(requests) != 1 || requests[0].What != store.WantSweep {
		t.Errorf("requests %+v", requests)
	}
}

// TestLossesChangeMeanwhile: losses are not approved if the shop's settings have changed since they
// were shown.
func TestLossesChangeMeanwhile(t *testing.T) {
	t.Parallel()
	s := atSandbox(t, 3)
	s.exec("INSERT INTO items (shop, number, name, barred, inventory_enabled, in_stock, stock, state, observed_token, observed_at, first_seen_at, changed_at)"+
		" VALUES ('shop1', 'x', 'Et bord', 0, 1, 7, 7, 'ok', 1, '2026-11-23 11:00:00.000000', '2026-11-23 11:00:00.000000', '2026-11-23 11:00:00.000000')",
		"INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1', 'stock', 'losses', '1 of 1 items', '2026-11-23 11:00:00.000000')")
	b := s.signedIn("mette")
	b.post("/shops/shop1/losses")
	task := regexp.MustCompile(`name="task" value="([^"]+)"`).FindStringSubmatch(b.finished("shop1").body)
	must(t, s.store.SetShop(t.Context(), "shop1", s.now(), func(x *store.Shop) error { x.StockFigure = plan.FigureAvailable; return nil }))
	b.expect("after a change", b.post("/shops/shop1/approve", "task", task[1]), http.StatusConflict, "/shops/shop1/approve", "look again")
}

// TestSetUpWebhooks: the page says what became of each webhook, and of a token that is refused.
func TestSetUpWebhooks(t *testing.T) {
	t.Parallel()
	s := atSandbox(t, 3)
	b := s.signedIn("mette")
	if got := b.post("/shops/shop1/webhooks"); got.path != "/shops/shop1/task" {
		t.Fatalf("%d at %s\n%s", got.status, got.path, got.body)
	}
	b.expect("set up", b.finished("shop1"), http.StatusOK, "/shops/shop1/task", "stockUpdate: set up at e-conomic", "orderPdf: set up at e-conomic", "Done.")
	sealed, err := s.keys.Seal(secret.GrantToken, "shop1", "nobody's")
	must(t, err)
	must(t, s.store.SetShop(t.Context(), "shop1", s.now(), func(x *store.Shop) error { x.GrantToken = sealed; return nil }))
	b.post("/shops/shop1/webhooks")
	b.expect("refused", b.finished("shop1"), http.StatusOK, "/shops/shop1/task", "nothing was changed", "grant the app access again")
}

// TestEvents: whoever watches is told when something has happened, and the stream ends at once when
// the page stops.
func TestEvents(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	s.living()
	s.addOperator("mette")
	for _, path := range []string{"/events", "/shops/shop1/events"} {
		b := s.signedIn("mette")
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+path, http.NoBody)
		must(t, err)
		got, err := b.client.Do(r)
		must(t, err)
		defer got.Body.Close()
		if kind := got.Header.Get("Content-Type"); got.StatusCode != http.StatusOK || kind != "text/event-stream" {
			t.Fatalf("%s: %d, %s", path, got.StatusCode, kind)
		}
		lines := make(chan string)
		go func() {
			defer close(lines)
			for scan := bufio.NewScanner(got.Body); scan.Scan(); {
				if text := scan.Text(); strings.HasPrefix(text, "event: ") {
					lines <- text
				}
			}
		}()
		next := func(what string) {
			t.Helper()
			select {
			case line := <-lines:
				if line != "event: changed" {
					t.Errorf("%s, %s: %q", path, what, line)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%s: nothing is said: %s", path, what)
			}
		}
		next("at the beginning")
		select {
		case line := <-lines:
			t.Errorf("%s: nothing has happened, and it says %q", path, line)
		case <-time.After(200 * time.Millisecond):
		}
		if got := b.post("/shops/shop1/pause", "reason", path); got.status != http.StatusOK {
			t.Fatal(got.status)
		}
		next("after a pause")
		if path == "/events" {
			continue
		}
		s.page.Stop()
		select {
		case line, goesOn := <-lines:
			if goesOn {
				t.Errorf("after the stop: %q", line)
			}
		case <-time.After(2 * time.Second):
			t.Error("the stream goes on after the stop")
		}
	}
}
