package browser

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/sirupsen/logrus/hooks/test"

	"lagerd/config"
	"lagerd/lang"
	"lagerd/plan"
	"lagerd/sandbox"
	"lagerd/secret"
	"lagerd/store"
	"lagerd/test/sandboxtest"
	"lagerd/test/storetest"
	"lagerd/web"
)

var (
	chromium    = flag.String("browser.chromium", "", "the browser; without it nothing is tried")
	axe         = flag.String("browser.axe", "", "axe-core's axe.min.js")
	screenshots = flag.String("browser.screenshots", "", "a directory for pictures of the pages")
)

// size is a screen.
type size struct {
	name          string
	width, height int64
}

var sizes = []size{{"desktop", 1280, 900}, {"phone", 360, 740}}

const password = "correct horse battery"

// site is a page over a simulated e-conomic.
type site struct {
	*testing.T
	store  *store.Store
	server *httptest.Server
	links  web.Links
}

// open serves a page with shop1234, whose losses are held back, and others.
func open(t *testing.T) *site {
	t.Helper()
	if *chromium == "" || *axe == "" {
		t.Skip("NOT TESTED: the page in a browser: run `make browser-test`")
	}
	box := sandboxtest.Start(t, sandbox.Options{Agreements: 1, Products: 3, Seed: 1})
	keys, err := secret.Load([]byte(secret.Generate()))
	must(t, err)
	s := &site{T: t, store: storetest.Open(t)}
	for _, name := range []string{"shop1234", "shop2345", "shop3456"} {
		hash := keys.HashCode(name, "01234567890123456789012345")
		sealed, err := keys.Seal(secret.GrantToken, name, "sandbox-grant-1")
		must(t, err)
		must(t, s.store.AddShop(t.Context(), store.Shop{Shop: name, GrantToken: sealed, StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceEconomic,
			InvoicesOn: true, InvoicesFrom: "2026-11-01", OrderField: plan.OrderInOtherReference, Lang: lang.Danish}, hash[:], time.Now()))
	}
	now := time.Now().UTC().Format("2006-01-02 15:04:05.000000")
	earlier := time.Now().UTC().Add(-time.Hour).Format("2006-01-02 15:04:05.000000")
	s.exec("INSERT INTO instances (instance, host, pid, version, started_at, beat_at, beat) VALUES ('me', 'stock1.example.dk', 17, 'v1.4.0', '"+now+"', '"+now+"', 1)",
		"UPDATE leases SET holder = 'me'", "UPDATE progress SET tick_at = '"+now+"', swept_at = '"+now+"'",
		"INSERT INTO items (shop, number, name, barred, inventory_enabled, in_stock, stock, state, observed_token, observed_at, first_seen_at, changed_at) VALUES ('shop1234', '0571527099', 'Bord, rundt', 0, 1, 7, 7, 'ok', 1, '"+earlier+"', '"+earlier+"', '"+earlier+"')",
		"INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1234', 'stock', 'losses', 'a reconciliation would take away the stock of 1 of 1 items', '"+now+"')")
	hash, err := secret.HashPassword(password)
	must(t, err)
	must(t, s.store.SetWebOperator(t.Context(), store.WebOperator{Name: "mette", Password: hash, Stamp: "a", ChangedAt: store.At(time.Now())}))
	c := config.Default()
	c.Economic.RESTURL, c.Economic.AppSecretToken = box.URL, secret.NewText("sandbox-app-token")
	log, _ := test.NewNullLogger()
	var page *web.Page
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { page.ServeHTTP(w, r) }))
	page, err = web.New(web.Options{Store: s.store, Keys: keys, Address: s.server.URL, Session: time.Hour, Version: "test", Now: time.Now, Log: log,
		Config: func() config.Config { return c }, Living: func() map[string]bool { return nil }})
	must(t, err)
	t.Cleanup(func() { page.Stop(); s.server.Close(); page.Wait() })
	s.links = web.Links{Store: s.store, Keys: keys, Address: s.server.URL, Lasts: time.Hour, Now: time.Now}
	return s
}

func (s *site) exec(statements ...string) {
	s.Helper()
	db, err := sql.Open("sqlite", s.store.Path())
	must(s.T, err)
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.ExecContext(s.Context(), statement); err != nil {
			s.Fatalf("%s: %v", statement, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tab is a browser's tab.
type tab struct {
	*site
	size size
	ctx  context.Context
}

// browse opens a browser of a size, whose user wants a language.
func (s *site) browse(z size, wishes string) *tab {
	s.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(*chromium), chromedp.NoSandbox, chromedp.Flag("lang", wishes), chromedp.Flag("accept-lang", wishes),
		chromedp.Flag("force-prefers-reduced-motion", true), // while a page scrolls smoothly, clicks miss
		chromedp.WindowSize(int(z.width), int(z.height)), chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(s.Context(), options...)
	s.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	s.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	s.Cleanup(cancel)
	must(s.T, chromedp.Do(ctx, chromedp.EmulateViewport(z.width, z.height)))
	return &tab{s, z, ctx}
}

func (b *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.Fatalf("%s, %s: %v\n%s", b.size.name, what, err, b.text())
	}
}

// text returns what the page says.
func (b *tab) text() string {
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body ? document.body.innerText : ''"))
	if err != nil {
		return err.Error()
	}
	return text
}

// value returns what an expression is on the page, also what a promise comes to.
func value[T any](b *tab, expression string) T {
	b.Helper()
	is, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", b.size.name, err)
	}
	return is
}

// press presses the button with a text, and waits for a page that has another one. The page with the
// button may have that, too.
func (b *tab) press(button, then string) {
	b.Helper()
	value[bool](b, "window.left = true")
	b.do("press "+button, chromedp.Click(fmt.Sprintf(`//button[contains(., %q)]`, button)))
	b.sees(then)
}

// sees waits until a text is on the page, over any number of pages.
func (b *tab) sees(text string) {
	b.Helper()
	const patience = time.Minute
	loaded := fmt.Sprintf("document.readyState === 'complete' && !window.left && document.body.innerText.includes(%q)", text)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](loaded)); err == nil && is {
			return
		}
		select {
		case <-b.ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	b.Fatalf("%s: the page does not say %q:\n%s", b.size.name, text, b.text())
}

// check fails the test if axe-core finds anything on the page, in either colour scheme, if the page is
// wider than the screen, or if it has loaded anything from elsewhere.
func (b *tab) check(name string) {
	b.Helper()
	script, err := os.ReadFile(*axe)
	must(b.T, err)
	value[string](b, string(script)+"; 'loaded'")
	for _, scheme := range []string{"light", "dark"} {
		b.do("prefer "+scheme, prefer(scheme))
		for _, v := range value[[]string](b, `axe.run(document).then(r => r.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.map(n => n.html).slice(0, 3).join(" | ")))`) {
			b.Errorf("%s, %s, %s: %s", name, b.size.name, scheme, v)
		}
	}
	b.do("prefer light", prefer("light"))
	if value[bool](b, "document.documentElement.scrollWidth > innerWidth + 1") {
		b.Errorf("%s is wider than a %s", name, b.size.name)
	}
	if elsewhere := value[[]string](b, "performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith(location.origin))"); len(elsewhere) > 0 {
		b.Errorf("%s loads %v", name, elsewhere)
	}
	if *screenshots != "" {
		const best = 100
		picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(best))
		must(b.T, err)
		must(b.T, os.WriteFile(filepath.Join(*screenshots, name+"-"+b.size.name+".png"), picture, 0o600))
	}
}

// prefer makes the browser's user prefer light or dark pages.
func prefer(scheme string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return none, err
	}
}

// TestOperator: an operator signs in, pauses a shop, lets it go on, sees its losses and approves them,
// and finds an item's life, on a desktop and on a phone.
func TestOperator(t *testing.T) {
	for _, z := range sizes {
		t.Run(z.name, func(t *testing.T) {
			s := open(t)
			b := s.browse(z, "en-GB")
			b.do("open the page", chromedp.Navigate(s.server.URL+"/"), chromedp.WaitVisible("#password"))
			b.check("sign-in")
			b.do("type name and password", chromedp.SendKeys("#name", "mette"), chromedp.SendKeys("#password", password))
			b.press("Sign in", "those that need a person first")
			b.check("shops")
			b.do("open a shop", chromedp.Click(`//a[.="shop1234"]`), chromedp.WaitVisible("#reason"))
			b.check("shop")
			b.do("give a reason", chromedp.SendKeys("#reason", "stocktaking"))
			b.press("Pause", "The shop is paused.")
			b.check("shop-paused")
			b.press("Resume", "The shop goes on.")
			b.press("Show what it would lose", "Bord, rundt") // it comes by itself when e-conomic has been read
			b.check("losses")
			b.press("Approve that shop1234 loses these", "The losses are approved")
			b.do("ask for an item", chromedp.SendKeys("#number", "0571527099"))
			b.press("Show its life", "Read it again now")
			b.check("why")
			b.press("Sign out", "Password")
			approved, err := s.store.Approved(t.Context(), "shop1234", time.Now().Add(-time.Hour))
			must(t, err)
			actions, err := s.store.Actions(t.Context(), "shop1234", store.AnyAction(), time.Now().Add(-time.Hour), 10)
			must(t, err)
			var did []string
			for _, a := range actions {
				did = append(did, string(a.What)+" by "+a.Account)
			}
			if got := strings.Join(did, ", "); approved.Losses == 0 || got != "paused by mette, resumed by mette, approved by mette" {
				t.Errorf("%d losses are approved; people did: %s", approved.Losses, got)
			}
		})
	}
}

// TestLive: what happens is shown to whoever watches, without the page being loaded again.
func TestLive(t *testing.T) {
	s := open(t)
	b := s.browse(sizes[0], "en-GB")
	b.do("sign in", chromedp.Navigate(s.server.URL+"/sign-in?to=%2Fshops%2Fshop2345"), chromedp.SendKeys("#name", "mette"), chromedp.SendKeys("#password", password))
	b.press("Sign in", "None yet.")
	value[bool](b, "window.sameDocument = true")
	s.exec("INSERT INTO webhook_calls (shop, slot, called_at, method, remote, kind, number, status, outcome, duration_us) VALUES ('shop2345', 1, '2026-11-23 11:00:00.000000', 'POST', '192.0.2.1', 'stock', 'A-17', 200, 'recorded', 1)")
	b.sees("A-17")
	if !value[bool](b, "window.sameDocument === true") {
		t.Error("the page was loaded again")
	}
}
