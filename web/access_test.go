package web_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"lagerd/store"
	"lagerd/web"
)

// TestSignIn: an operator signs in with name and password, comes to the page that was asked for, and
// is out again after signing out, after the session's time, and when the password is set anew.
func TestSignIn(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	s.addOperator("mette")
	b := s.browser()
	b.expect("a stranger", b.get("/?filter=held"), http.StatusOK, "/sign-in?to=%2F%3Ffilter%3Dheld", `value="/?filter=held"`, "Password")
	b.expect("a wrong password", b.post("/sign-in", "name", "mette", "password", password+"x"), http.StatusForbidden, "/sign-in", "The name or the password is wrong.")
	b.expect("a wrong name", b.post("/sign-in", "name", "jens", "password", password), http.StatusForbidden, "/sign-in", "The name or the password is wrong.")
	b.expect("the right one", b.post("/sign-in", "name", "mette", "password", password, "to", "/?filter=held"), http.StatusOK, "/?filter=held", "mette", "Sign out")
	b.expect("already in", b.get("/sign-in"), http.StatusOK, "/")
	b.expect("signed out", b.post("/sign-out", "as", "operator"), http.StatusOK, "/sign-in")
	b.expect("signed out", b.get("/"), http.StatusOK, "/sign-in")

	b = s.signedIn("mette")
	s.pass(12*time.Hour - time.Second)
	b.expect("just before the end", b.get("/"), http.StatusOK, "/")
	s.pass(2 * time.Second)
	b.expect("after the end", b.get("/"), http.StatusOK, "/sign-in")

	b = s.signedIn("mette")
	must(t, s.store.SetWebOperator(t.Context(), store.WebOperator{Name: "mette", Password: "x", Stamp: "another", ChangedAt: store.At(s.now())}))
	b.expect("with a new password", b.get("/"), http.StatusOK, "/sign-in")
	s.addOperator("jens")
	b = s.signedIn("jens")
	must(t, s.store.RemoveWebOperator(t.Context(), "jens"))
	b.expect("removed", b.get("/"), http.StatusOK, "/sign-in")
}

// TestSignOutHoldsEverywhere: a session that was copied before its owner signed out is over too, at
// every lagerd of the database.
func TestSignOutHoldsEverywhere(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	s.addOperator("mette")
	another := &site{t: t, store: s.store, keys: s.keys}
	another.serve()
	for _, c := range []struct {
		as, path string
		b        *browser
	}{{"operator", "/", s.signedIn("mette")}, {"owner", "/shop", s.ownerOf("shop1")}} {
		u, err := url.Parse(s.server.URL)
		must(t, err)
		cookies := c.b.client.Jar.Cookies(u)
		if len(cookies) != 1 || len(cookies[0].Value) > 600 {
			t.Fatalf("cookies of the %s: %v", c.as, cookies)
		}
		copied := another.browser()
		copied.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		copied.headers["Cookie"] = cookies[0].String()
		if got := copied.get(c.path); got.status != http.StatusOK {
			t.Errorf("the %s's session at another lagerd: %d", c.as, got.status)
		}
		c.b.post("/sign-out", "as", c.as)
		if got := copied.get(c.path); got.status == http.StatusOK {
			t.Errorf("the %s's copied session is still good", c.as)
		}
	}
}

// TestAttemptsAreLimited: one address has ten tries in ten minutes, whatever the names, and others
// have theirs.
func TestAttemptsAreLimited(t *testing.T) {
	t.Parallel()
	s := open(t, func(o *web.Options) { o.Trusts = func(remote string) bool { return remote == "127.0.0.1" } })
	s.addOperator("mette")
	b := s.browser()
	b.headers["X-Forwarded-For"] = "198.51.100.9, 192.0.2.1"
	for n := range 10 {
		if got := b.post("/sign-in", "name", strings.Repeat("x", n+1), "password", "wrong wrong wrong"); got.status != http.StatusForbidden {
			t.Errorf("try %d: %d", n, got.status)
		}
	}
	b.headers["X-Forwarded-For"] = "198.51.100.10, 192.0.2.1" // what a caller makes up does not count
	got := b.post("/sign-in", "name", "mette", "password", password)
	b.expect("one too many", got, http.StatusTooManyRequests, "/sign-in", "There were too many tries.")
	if got.header.Get("Retry-After") == "" {
		t.Error("without Retry-After")
	}
	b.headers["X-Forwarded-For"] = "192.0.2.2"
	b.expect("from elsewhere", b.post("/sign-in", "name", "mette", "password", password), http.StatusOK, "/", "mette")
	for _, e := range s.log.AllEntries() {
		if line, err := e.String(); err != nil || strings.Contains(line, "correct") || strings.Contains(line, "wrong wrong") {
			t.Errorf("logged: %s %v", line, err)
		}
	}
}

// TestUserHeader: the header names an operator only if it comes, once, from a trusted proxy.
func TestUserHeader(t *testing.T) {
	t.Parallel()
	const header = "X-Remote-User"
	trusting := func(which string, name string) func(*web.Options) {
		return func(o *web.Options) {
			o.UserHeader, o.Trusts = name, func(remote string) bool { return remote == which }
		}
	}
	for _, c := range []struct {
		name      string
		options   func(*web.Options)
		sent      string
		signedIn  bool
		forwarded string
	}{
		{"a trusted proxy", trusting("127.0.0.1", header), "mette", true, ""},
		{"an empty name", trusting("127.0.0.1", header), "", false, ""},
		{"a name of blanks", trusting("127.0.0.1", header), "  ", false, ""},
		{"too long a name", trusting("127.0.0.1", header), strings.Repeat("m", 65), false, ""},
		{"a proxy that is not named", trusting("192.0.2.1", header), "mette", false, ""},
		{"a proxy that says it is another", trusting("192.0.2.1", header), "mette", false, "192.0.2.1"},
		{"a header that is not configured", trusting("127.0.0.1", ""), "mette", false, ""},
		{"another header", trusting("127.0.0.1", "X-Other"), "mette", false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := open(t, c.options).browser()
			b.headers[header] = c.sent
			if c.forwarded != "" {
				b.headers["X-Forwarded-For"] = c.forwarded
			}
			if got := b.get("/"); (got.path == "/") != c.signedIn {
				t.Errorf("the page shown is %s", got.path)
			}
		})
	}
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		s := open(t, trusting("127.0.0.1", header))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+"/", http.NoBody)
		must(t, err)
		r.Header[header] = []string{"mallory", "mette"}
		got, err := http.DefaultTransport.RoundTrip(r)
		must(t, err)
		defer got.Body.Close()
		if got.StatusCode != http.StatusSeeOther {
			t.Errorf("status %d", got.StatusCode)
		}
	})
}

// TestLink: a link opens its shop's page as often as it is opened, at an address without it, until it
// expires, is revoked, or its shop is removed; and no other link does.
func TestLink(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	s.addShop("shop2")
	link := s.link("shop1", time.Hour)
	before := s.dump()
	for range 3 {
		b := s.browser()
		b.expect("the link", b.get(link), http.StatusOK, "/shop", "The shop shop1")
	}
	if after := s.dump(); after != before {
		t.Errorf("opening a link changed the database from\n%s to\n%s", before, after)
	}
	opened := s.ownerOf("shop1")
	bad := func(what, path string) {
		t.Helper()
		b := s.browser()
		got := b.get(path)
		b.expect(what, got, http.StatusForbidden, path, "The link no longer works")
		if got := b.get("/shop"); got.status != http.StatusForbidden {
			t.Errorf("%s: afterwards the shop's page is shown: %d", what, got.status)
		}
	}
	body, signature, _ := strings.Cut(strings.TrimPrefix(link, "/link/"), ".")
	content, err := base64.RawURLEncoding.DecodeString(body)
	must(t, err)
	forged := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(content), "shop1", "shop2", 1)))
	_, other, _ := strings.Cut(s.link("shop2", time.Hour), ".")
	flipped := "A"
	if strings.HasPrefix(signature, flipped) {
		flipped = "B"
	}
	bad("guessed", "/link/shop1")
	bad("another shop's name", "/link/"+forged+"."+signature)
	bad("another shop's signature", "/link/"+forged+"."+other)
	bad("an altered signature", "/link/"+body+"."+flipped+signature[1:])
	bad("without a signature", "/link/"+body)
	bad("with an empty signature", "/link/"+body+".")
	bad("cut short", link[:len(link)-1])
	bad("very long", "/link/"+strings.Repeat("A", 5000)+"."+signature)

	late := s.link("shop1", time.Hour)
	s.pass(time.Hour)
	bad("expired", late)
	opened.expect("the session goes on", opened.get("/shop"), http.StatusOK, "/shop")

	link = s.link("shop1", time.Hour)
	theirs := s.ownerOf("shop2")
	must(t, web.Links{Store: s.store, Keys: s.keys, Now: s.now}.Revoke(t.Context(), "shop1"))
	bad("revoked", link)
	opened.expect("its session", opened.get("/shop"), http.StatusForbidden, "/shop")
	theirs.expect("another shop's", theirs.get("/shop"), http.StatusOK, "/shop")
	opened = s.ownerOf("shop1") // a new link is good

	link = s.link("shop1", time.Hour)
	must(t, s.store.RemoveShop(t.Context(), "shop1"))
	bad("of a removed shop", link)
	s.pass(time.Second)
	s.addShop("shop1")
	bad("of a former shop of that name", link)
	opened.expect("the session of a former shop", opened.get("/shop"), http.StatusForbidden, "/shop")
}

// TestKindsOfTickets: a link is no session, an owner's session no operator's, and the other way
// round.
func TestKindsOfTickets(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	s.addOperator("shop1") // a name that both have
	ticket := func(b *browser) string {
		t.Helper()
		u, err := url.Parse(s.server.URL)
		must(t, err)
		return b.client.Jar.Cookies(u)[0].Value
	}
	link := strings.TrimPrefix(s.link("shop1", time.Hour), "/link/")
	operator, owner := ticket(s.signedIn("shop1")), ticket(s.ownerOf("shop1"))
	for cookie, values := range map[string][]string{"lagerd-operator": {link, owner, "", "x", "."}, "lagerd-owner": {link, operator, "", "x", "."}} {
		for _, value := range values {
			b := s.browser()
			b.headers["Cookie"] = cookie + "=" + value
			if got := b.get("/"); got.path != "/sign-in" {
				t.Errorf("%s=%s: the operators' page", cookie, value)
			}
			if got := b.get("/shop"); got.status != http.StatusForbidden {
				t.Errorf("%s=%s: the shop's page", cookie, value)
			}
		}
	}
	b := s.browser()
	for _, value := range []string{operator, owner} {
		if got := b.get("/link/" + value); got.status != http.StatusForbidden {
			t.Errorf("a session as a link: %d", got.status)
		}
	}
}

// TestForeignKeys: links and sessions of another installation are good for nothing.
func TestForeignKeys(t *testing.T) {
	t.Parallel()
	s, other := open(t), open(t)
	s.addShop("shop1")
	other.addShop("shop1")
	link, b := other.link("shop1", time.Hour), s.browser()
	b.expect("another installation's link", b.get(link), http.StatusForbidden, link)
}

// dump returns what the tables of the page hold.
func (s *site) dump() string {
	s.t.Helper()
	operators, err := s.store.WebOperators(s.t.Context())
	must(s.t, err)
	access, err := s.store.ShopAccess(s.t.Context(), "shop1", nil)
	must(s.t, err)
	actions, err := s.store.Actions(s.t.Context(), "shop1", store.AnyAction(), noon.Add(-time.Hour), 100)
	must(s.t, err)
	return strings.Join([]string{access.Stamp, stringOf(operators), stringOf(actions)}, "\n")
}
