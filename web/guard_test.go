package web_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"lagerd/web"
)

func stringOf(v any) string { return fmt.Sprintf("%+v", v) }

// TestHeaders: every answer forbids frames, foreign scripts and styles, referrers and caches,
// whatever was asked for.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	s.addOperator("mette")
	stranger, operator, owner := s.browser(), s.signedIn("mette"), s.ownerOf("shop1")
	for _, c := range []struct {
		b      *browser
		method string
		path   string
	}{
		{stranger, "GET", "/sign-in"}, {stranger, "GET", "/nowhere"}, {stranger, "GET", "/link/x"}, {stranger, "GET", s.link("shop1", time.Hour)}, {stranger, "POST", "/sign-in"},
		{stranger, "PUT", "/"}, {stranger, "GET", "/robots.txt"}, {operator, "GET", "/"}, {owner, "GET", "/shop"}, {operator, "POST", "/language"},
	} {
		c.b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		got := c.b.do(c.method, c.path, nil)
		for name, want := range map[string]string{"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"} {
			if is := got.header.Get(name); is != want {
				t.Errorf("%s %s: %s is %q", c.method, c.path, name, is)
			}
		}
		policy := got.header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s %s: the policy %q is without %s", c.method, c.path, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "http") {
			t.Errorf("%s %s: the policy is %q", c.method, c.path, policy)
		}
		if strings.Contains(got.body, " style=") || strings.Contains(got.body, "<style") || strings.Contains(got.body, "onclick") || strings.Contains(got.body, "http://") || strings.Contains(got.body, "https://") {
			t.Errorf("%s %s has what the policy forbids, or names another site:\n%s", c.method, c.path, got.body)
		}
	}
}

// TestCookies: sessions are for this host alone, over HTTPS alone where the page is reached by it,
// and out of scripts' reach.
func TestCookies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		address, name string
		secure        bool
	}{{"https://lager.example.dk", "__Host-lagerd-owner", true}, {"http://127.0.0.1:8482", "lagerd-owner", false}} {
		s := open(t, func(o *web.Options) { o.Address = c.address })
		s.addShop("shop1")
		b := s.browser()
		b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		got := b.get(s.link("shop1", time.Hour))
		set := (&http.Response{Header: got.header}).Cookies()
		if len(set) != 1 || set[0].Name != c.name || set[0].Secure != c.secure || !set[0].HttpOnly || set[0].SameSite != http.SameSiteLaxMode || set[0].Path != "/" || set[0].Domain != "" || set[0].MaxAge != 12*60*60 {
			t.Errorf("at %s: %+v", c.address, got.header)
		}
		if got.status != http.StatusSeeOther || got.header.Get("Location") != "/shop" || strings.Contains(got.body, "/link/") {
			t.Errorf("at %s: %d to %s with\n%s", c.address, got.status, got.header.Get("Location"), got.body)
		}
	}
}

// TestCrossSiteRequests: nothing that another site has a browser send changes anything.
func TestCrossSiteRequests(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	s.addOperator("mette")
	for name, headers := range map[string]map[string]string{
		"another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, "a sister site": {"Sec-Fetch-Site": "same-site", "Origin": "https://evil.example.dk"},
		"an old browser": {"Origin": "https://evil.example"}, "a hidden origin": {"Origin": "null"},
	} {
		b := s.signedIn("mette")
		maps.Copy(b.headers, headers)
		got := b.post("/sign-out", "as", "operator")
		b.expect(name, got, http.StatusForbidden, "/sign-out", "The request came from another site")
		delete(b.headers, "Origin")
		delete(b.headers, "Sec-Fetch-Site")
		b.expect(name+", afterwards", b.get("/"), http.StatusOK, "/")
	}
	b := s.signedIn("mette")
	b.headers["Sec-Fetch-Site"], b.headers["Origin"] = "same-origin", "null" // as browsers send it with no-referrer
	b.expect("the page itself", b.post("/sign-out", "as", "operator"), http.StatusOK, "/sign-in")
}

// TestForeignHosts: the page is shown under its own name, and that of this machine, alone.
func TestForeignHosts(t *testing.T) {
	t.Parallel()
	s := open(t, func(o *web.Options) { o.Address = "https://lager.example.dk" })
	for host, ours := range map[string]bool{"lager.example.dk": true, "LAGER.example.dk:443": true, "localhost:8482": true, "127.0.0.1:8482": true, "[::1]:8482": true,
		"evil.example": false, "lager.example.dk.evil.example": false, "192.0.2.1": false, "evil.example:8482": false} {
		b := s.browser()
		b.headers["Host"] = host
		if got := b.get("/sign-in"); (got.status == http.StatusOK) != ours || !ours && got.status != http.StatusMisdirectedRequest {
			t.Errorf("%s: %d", host, got.status)
		}
	}
}

// TestRedirectsStayHere: no form and no address sends a browser to another site.
func TestRedirectsStayHere(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addOperator("mette")
	for _, to := range []string{"https://evil.example/", "//evil.example/", `/\evil.example/`, `\\evil.example`, "javascript:alert(1)", "evil.example", "/\t/evil.example", "/\n/evil.example", "http:evil", ""} {
		b := s.browser()
		b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		if got := b.post("/language", "language", "da", "to", to); got.status != http.StatusSeeOther || got.header.Get("Location") != "/" {
			t.Errorf("language: %q leads to %s", to, got.header.Get("Location"))
		}
	}
	b := s.browser()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if got := b.post("/sign-in", "name", "mette", "password", password, "to", "//evil.example/"); got.header.Get("Location") != "/" {
		t.Errorf("signing in leads to %s", got.header.Get("Location"))
	}
}

// TestLanguage: the browser's wish counts until the visitor chooses, and everything is in that
// language.
func TestLanguage(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	b := s.ownerOf("shop1")
	b.headers["Accept-Language"] = "da-DK,da;q=0.9,en;q=0.5"
	b.expect("Danish", b.get("/shop"), http.StatusOK, "/shop", `<html lang="da">`, "Butikken shop1", `lang="en">English</button>`)
	b.expect("the choice", b.post("/language", "language", "en", "to", "/shop"), http.StatusOK, "/shop", `<html lang="en">`, "The shop shop1", `lang="da">Dansk</button>`)
	b.expect("kept", b.get("/shop"), http.StatusOK, "/shop", `<html lang="en">`)
	b.expect("another language", b.post("/language", "language", "de", "to", "/shop"), http.StatusNotFound, "/language")
}

// TestForeignTextsAreEscaped: what somebody types comes back as text.
func TestForeignTextsAreEscaped(t *testing.T) {
	t.Parallel()
	const hostile = `"><script>alert(1)</script>{{.}}'`
	b := open(t).browser()
	got := b.post("/sign-in", "name", hostile, "password", "x", "to", "/?q="+hostile)
	if got.status != http.StatusForbidden || strings.Contains(got.body, "<script>alert") || !strings.Contains(got.body, "&lt;script&gt;alert(1)&lt;/script&gt;{{.}}&#39;") {
		t.Errorf("%d\n%s", got.status, got.body)
	}
}

// TestStatic: the page's files are served and kept, and nothing else is.
func TestStatic(t *testing.T) {
	t.Parallel()
	b := open(t).browser()
	page := b.get("/sign-in").body
	for _, kind := range []string{"style.css", "page.js"} {
		_, rest, _ := strings.Cut(page, "/static/"+kind)
		version, _, _ := strings.Cut(rest, `"`)
		if got := b.get("/static/" + kind + version); got.status != http.StatusOK || !strings.Contains(got.header.Get("Cache-Control"), "immutable") || len(got.body) > 20<<10 {
			t.Errorf("%s: %d, %d bytes, %v", kind, got.status, len(got.body), got.header)
		}
		if got := b.get("/static/" + kind + "?old"); got.status != http.StatusOK || strings.Contains(got.header.Get("Cache-Control"), "immutable") {
			t.Errorf("an old %s: %d, %v", kind, got.status, got.header)
		}
	}
	for _, path := range []string{"/static/", "/static/x.css", "/static/..%2ftemplates%2flayout.html", "/static/%2e%2e/templates/layout.html", "/templates/layout.html"} {
		if got := b.get(path); got.status != http.StatusNotFound || strings.Contains(got.body, "define") {
			t.Errorf("%s: %d\n%s", path, got.status, got.body)
		}
	}
}

// TestLargeForms: a form that is too large is not read.
func TestLargeForms(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addOperator("mette")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.server.URL+"/sign-in", io.MultiReader(strings.NewReader("name=mette&password="+password+"&x="), strings.NewReader(strings.Repeat("x", 17<<10))))
	must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got, err := http.DefaultTransport.RoundTrip(r)
	must(t, err)
	defer got.Body.Close()
	if got.StatusCode != http.StatusForbidden {
		t.Errorf("status %d", got.StatusCode)
	}
}
