package web_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"lagerd/config"
	"lagerd/lang"
	"lagerd/plan"
	"lagerd/secret"
	"lagerd/store"
	"lagerd/test/storetest"
	"lagerd/web"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const password = "correct horse battery"

// site is a page with its database, at an address of its own.
type site struct {
	t      *testing.T
	store  *store.Store
	keys   *secret.Keys
	page   *web.Page
	server *httptest.Server
	log    *test.Hook
	after  atomic.Int64 // time since noon
}

// open serves a page. change may change its options.
func open(t *testing.T, change ...func(*web.Options)) *site {
	t.Helper()
	keys, err := secret.Load([]byte(secret.Generate()))
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, store: storetest.Open(t), keys: keys}
	s.serve(change...)
	return s
}

// serve serves a page on the site's database and with its keys.
func (s *site) serve(change ...func(*web.Options)) {
	s.t.Helper()
	log, hook := test.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	s.log = hook
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.page.ServeHTTP(w, r) }))
	o := web.Options{Store: s.store, Keys: s.keys, Address: "http://" + s.server.Listener.Addr().String(), Session: 12 * time.Hour, Version: "test", Now: s.now, Log: log,
		Config: config.Default, Living: func() map[string]bool { return nil }, LookEvery: 20 * time.Millisecond}
	for _, c := range change {
		c(&o)
	}
	var err error
	if s.page, err = web.New(o); err != nil {
		s.t.Fatal(err)
	}
	s.server.Start()
	s.t.Cleanup(func() { s.page.Stop(); s.server.Close(); s.page.Wait() })
}

func (s *site) now() time.Time { return noon.Add(time.Duration(s.after.Load())) }

func (s *site) pass(d time.Duration) { s.after.Add(int64(d)) }

func (s *site) addShop(name string) {
	s.t.Helper()
	hash := s.keys.HashCode(name, "01234567890123456789012345")
	shop := store.Shop{Shop: name, GrantToken: []byte{1, 2}, StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceEconomic,
		InvoicesOn: true, InvoicesFrom: "2026-11-01", OrderField: plan.OrderInOtherReference, Lang: lang.Danish}
	must(s.t, s.store.AddShop(s.t.Context(), shop, hash[:], s.now()))
}

func (s *site) addOperator(name string) {
	s.t.Helper()
	hash, err := secret.HashPassword(password)
	must(s.t, err)
	must(s.t, s.store.SetWebOperator(s.t.Context(), store.WebOperator{Name: name, Password: hash, Stamp: "stamp of " + name, ChangedAt: store.At(s.now())}))
}

// link returns the path of a new link to a shop's page.
func (s *site) link(shop string, lasts time.Duration) string {
	s.t.Helper()
	l, err := web.Links{Store: s.store, Keys: s.keys, Lasts: lasts, Now: s.now}.New(s.t.Context(), shop)
	must(s.t, err)
	return l.URL
}

// browser is somebody who visits a site.
type browser struct {
	*site
	client  *http.Client
	headers map[string]string
}

func (s *site) browser() *browser {
	jar, err := cookiejar.New(nil)
	must(s.t, err)
	return &browser{site: s, client: &http.Client{Jar: jar, Timeout: 10 * time.Second}, headers: map[string]string{"Accept-Language": "en"}}
}

// answer is an answer after redirects.
type answer struct {
	status int
	path   string // of the page that was shown in the end
	body   string
	header http.Header
}

func (b *browser) do(method, path string, form url.Values) answer {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.server.URL+path, body)
	must(b.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range b.headers {
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	got, err := b.client.Do(r)
	must(b.t, err)
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	must(b.t, err)
	return answer{got.StatusCode, got.Request.URL.RequestURI(), string(text), got.Header}
}

func (b *browser) get(path string) answer { b.t.Helper(); return b.do(http.MethodGet, path, nil) }

func (b *browser) post(path string, pairs ...string) answer {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.do(http.MethodPost, path, form)
}

// signedIn returns the browser of an operator who has signed in.
func (s *site) signedIn(name string) *browser {
	s.t.Helper()
	b := s.browser()
	if got := b.post("/sign-in", "name", name, "password", password, "to", "/"); got.status != http.StatusOK || got.path != "/" {
		s.t.Fatalf("sign in: %d at %s\n%s", got.status, got.path, got.body)
	}
	return b
}

// ownerOf returns the browser of somebody who has opened a link to a shop's page.
func (s *site) ownerOf(shop string) *browser {
	s.t.Helper()
	b := s.browser()
	if got := b.get(s.link(shop, time.Hour)); got.status != http.StatusOK || got.path != "/shop" {
		s.t.Fatalf("open a link: %d at %s\n%s", got.status, got.path, got.body)
	}
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// expect fails the test unless a page was shown with a status at a path, and contains texts.
func (b *browser) expect(what string, got answer, status int, path string, texts ...string) {
	b.t.Helper()
	if got.status != status || got.path != path {
		b.t.Errorf("%s: %d at %s, expected %d at %s\n%s", what, got.status, got.path, status, path, got.body)
	}
	for _, text := range texts {
		if !strings.Contains(got.body, text) {
			b.t.Errorf("%s: %q is not on the page:\n%s", what, text, got.body)
		}
	}
}

func urlOf(text string) string { return url.PathEscape(text) }

func whyOf(number string) string {
	return "/shops/shop1/why?" + url.Values{"number": {number}, "kind": {"stock"}}.Encode()
}
