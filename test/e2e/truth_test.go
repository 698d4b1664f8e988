package e2e_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
)

// TestWithoutALagerd checks that without a running lagerd nothing looks healthy, however it
// ended.
func TestWithoutALagerd(t *testing.T) { //nolint:tparallel // its parts follow one another
	t.Parallel()
	databases(t, func(t *testing.T, dsn string) {
		s := startSandbox(t, "--agreements=2", "--products=10")
		i := install(t, s, dsn, pace+"lease: {beat: 200ms, ttl: 1s}\n")
		i.addShop(s, "shop1234", first)
		i.addShop(s, "asleep", first+1)
		i.says(0, []string{"shops", "pause", "asleep", "--reason", "stocktaking"})
		const none = "NO LAGERD IS RUNNING"
		i.says(3, []string{"status"}, "shop1234 "+none, "paused", "stocktaking", "systemctl start lagerd")
		i.says(0, []string{"reconcile"}, "requested a tick of 2 shop(s)", none, "the request is stored")
		i.says(1, []string{"check"}, "FAILED  daemon: "+none, "ok      shop asleep: is paused by a person: stocktaking")
		i.start()
		settled(t, i, s, "shop1234", first)
		i.says(0, []string{"status"}, "shop1234  running")
		if out := i.command("reconcile"); strings.Contains(out, none) {
			t.Errorf("one runs, but reconcile says %s", out)
		}
		i.says(0, []string{"check"}, "ok      daemon: ", "ok      shop shop1234: agreement", "ok      shop asleep: is paused by a person")

		i.daemon.kill() // its lease stays
		lagerdtest.Eventually(t, 10*time.Second, "its end shows", func() bool { return i.status("shop1234").State == "no_lagerd" })
		i.says(1, []string{"check"}, "FAILED  daemon: "+none)
		i.says(0, []string{"why", "shop1234", "1"}, none)
		i.says(0, []string{"shops", "show", "shop1234"}, none)
		i.start()
		lagerdtest.Eventually(t, 10*time.Second, "the next has it", func() bool { return i.status("shop1234").State == "running" })
		i.daemon.signal(syscall.SIGTERM)
		i.daemon.wait(10 * time.Second)
		i.says(3, []string{"status"}, "shop1234 "+none)
	})
}

// TestWrongAppToken checks that several refusing agreements point to the shared app token, that
// a command that reads another token than the service says so, and that all shops resume at
// once when it is corrected.
func TestWrongAppToken(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=2", "--products=10")
	i := install(t, s, "", strings.Replace(pace, "held_retry: 1s", "held_retry: 1h", 1))
	i.start()
	i.addShop(s, "one", first)
	i.addShop(s, "two", first+1)
	settled(t, i, s, "one", first)
	settled(t, i, s, "two", first+1)

	i.write("app-token", "another")
	i.says(1, []string{"check"}, "FAILED  app secret token: the lagerd on ", "uses a different token than this command",
		"FAILED  app secret token: several agreements answer 401 and none succeeds")
	if out := i.command("status"); strings.Contains(out, "401") {
		t.Errorf("the service runs, but status says\n%s", out)
	}
	i.daemon.signal(syscall.SIGHUP)
	for _, shop := range []string{"one", "two"} {
		lagerdtest.Eventually(t, 10*time.Second, shop+" is held", func() bool { return i.status(shop).Held == "token_refused" })
	}
	lagerdtest.Eventually(t, 10*time.Second, "the log points to the app's token", func() bool {
		return strings.Contains(i.daemon.out.String(), "several agreements answer 401 and none succeeds")
	})
	for _, args := range [][]string{{"status"}, {"status", "one"}} {
		i.says(3, args, "app_token_refused, since ", "check the app's token first (economic.app_secret_token_file)")
	}
	i.says(0, []string{"shops", "show", "two"}, "check the app's token first (economic.app_secret_token_file)")
	i.says(1, []string{"check"}, "FAILED  shop one: held: shop: token_refused", "FAILED  app secret token: several agreements")

	i.write("app-token", appToken)
	i.daemon.signal(syscall.SIGHUP)
	for _, shop := range []string{"one", "two"} {
		lagerdtest.Eventually(t, 10*time.Second, shop+" goes on at once", func() bool { return i.status(shop).State == "running" })
	}
	lagerdtest.Eventually(t, 10*time.Second, "check finds nothing", func() bool {
		_, code := run(t, i.Env, "", "check")
		return code == 0
	})
}

// TestCheckLooksAtAnswers checks that clocks far apart and incomplete listings fail the check.
func TestCheckLooksAtAnswers(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=10")
	to, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	var wrongClock, cutShort atomic.Bool
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Header.Del("Accept-Encoding") // otherwise the answer is compressed
	}}
	proxy.ModifyResponse = func(res *http.Response) error {
		if wrongClock.Load() {
			res.Header.Set("Date", time.Now().Add(2*time.Hour).UTC().Format(http.TimeFormat))
		}
		if cutShort.Load() && res.Request.URL.Path == "/products" {
			body, err := io.ReadAll(res.Body)
			if err != nil {
				return err
			}
			body = regexp.MustCompile(`"results":\s*\d+`).ReplaceAll(body, []byte(`"results":300`))
			res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			res.Header.Set("Content-Length", strconv.Itoa(len(body)))
		}
		return nil
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	seen := *s
	seen.URL = server.URL
	i := install(t, &seen, "", pace)
	i.start()
	i.addShop(s, "shop1234", first)
	settled(t, i, s, "shop1234", first)
	i.says(0, []string{"check"}, "ok      shop shop1234: ")

	wrongClock.Store(true)
	i.says(1, []string{"check"}, "FAILED  clock: this machine's is ", "behind e-conomic's", "timedatectl set-ntp true")
	wrongClock.Store(false)

	cutShort.Store(true)
	i.says(1, []string{"check"}, "FAILED  shop shop1234: e-conomic announced 300 items and sent 10: its listing is cut short")
	lagerdtest.Eventually(t, 20*time.Second, "status tells of the listings that fail", func() bool {
		return strings.Contains(i.status("shop1234").Reason, "announced 300 items and sent 10")
	})
	cutShort.Store(false)
	lagerdtest.Eventually(t, 20*time.Second, "check finds nothing", func() bool {
		_, code := run(t, i.Env, "", "check")
		return code == 0
	})
}
