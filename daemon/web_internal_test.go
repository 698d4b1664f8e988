package daemon

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"lagerd/config"
	"lagerd/secret"
	"lagerd/store"
)

// TestPage: the page is served on its own listener; whoever watches it keeps no stop waiting; a link
// made for mail opens it.
func TestPage(t *testing.T) {
	t.Parallel()
	log, hook := test.NewNullLogger()
	c := config.Default()
	c.Database.Path = filepath.Join(t.TempDir(), "lagerd.db")
	c.Webhook.Listen, c.Admin.Listen, c.Web.Listen = "127.0.0.1:0", "127.0.0.1:0", "unix:"+filepath.Join(t.TempDir(), "web.sock")
	c.Web.PublicURL, c.Web.UserHeader = "http://localhost", "X-Remote-User"
	c.Economic.AppSecretToken = secret.NewText("token")
	keys, err := secret.Load([]byte(secret.Generate()))
	must(t, err)
	var db *store.Store
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{Config: c, Log: log, Version: "1.2.3", Now: time.Now, Notifier: &manager{},
			Keys: func(_ context.Context, _ config.Config, s *store.Store) (*secret.Keys, error) {
				db = s
				return keys, nil
			},
			Reload: func() (config.Config, error) { return config.Config{}, errors.New("not now") }})
	}()
	isReady := func(e *logrus.Entry) bool { return e.Message == "lagerd is ready" }
	for end := time.Now().Add(60 * time.Second); !hasEntry(hook, isReady); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("lagerd is not ready")
		}
	}
	path, _ := config.UnixSocket(c.Web.Listen)
	jar, err := cookiejar.New(nil)
	must(t, err)
	client := &http.Client{Jar: jar, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	get := func(path, operator string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, http.NoBody)
		must(t, err)
		if operator != "" {
			r.Header.Set("X-Remote-User", operator)
		}
		got, err := client.Do(r)
		must(t, err)
		t.Cleanup(func() { _ = got.Body.Close() })
		return got
	}
	read := func(r *http.Response) string {
		t.Helper()
		text, err := io.ReadAll(r.Body)
		must(t, err)
		return string(text)
	}
	must(t, db.AddShop(t.Context(), store.Shop{Shop: "shop1", GrantToken: []byte{1}, StockOn: true, StockSource: store.SourceEconomic, InvoicesOn: true, InvoicesFromNumber: 1}, []byte("01234567890123456789012345678901"), time.Now()))
	if text := read(get("/", "mette")); !strings.Contains(text, "mette") || !strings.Contains(text, "shop1") {
		t.Errorf("an operator sees\n%s", text)
	}
	if text := read(get("/", "")); !strings.Contains(text, "/sign-in") {
		t.Errorf("a stranger sees\n%s", text)
	}
	mailed := &daemon{Options: Options{Config: c}, store: db, keys: keys, now: time.Now}
	mailed.config.Store(&c)
	link, err := mailed.pageOf()(t.Context(), "shop1")
	must(t, err)
	u, err := url.Parse(link.URL)
	must(t, err)
	if text := read(get(u.Path, "")); !strings.Contains(text, "shop1") || time.Until(link.Expires) < 6*24*time.Hour {
		t.Errorf("a link in a mail, good until %s, shows\n%s", link.Expires, text)
	}
	events := get("/events", "mette")
	if kind := events.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatalf("the events are %s", kind)
	}
	began := time.Now()
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not stop while somebody watches")
	}
	_, _ = io.Copy(io.Discard, events.Body)
	t.Logf("stopped within %s", time.Since(began))
	if hasEntry(hook, func(e *logrus.Entry) bool { return strings.Contains(e.Message, "cannot notify") }) {
		t.Error("the shutdown failed")
	}
}

func hasEntry(hook *test.Hook, is func(*logrus.Entry) bool) bool {
	return slices.ContainsFunc(hook.AllEntries(), is)
}
