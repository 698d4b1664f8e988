package e2e_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
)

// proxy is one of the examples in docs/proxies, in front of a lagerd.
type proxy struct {
	t       *testing.T
	address string // where it terminates TLS
	dir     string // of its files and logs
	process *process
}

// get calls the proxy from a local address, with what another proxy may have said before.
func (p *proxy) get(host, from, forwarded, path string, body string) (status int, text string) {
	p.t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	client := &http.Client{Timeout: 20 * time.Second, Jar: jar, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ServerName: host},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", p.address)
		},
	}}
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, "https://"+host+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if forwarded != "" {
		req.Header.Set("X-Forwarded-For", forwarded)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	read, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(read)
}

// example returns a file of docs/proxies with what a test has to change: each change must be there.
func example(t *testing.T, name string, changes ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "proxies", name))
	if err != nil {
		t.Fatal(err)
	}
	config := string(text)
	for change := range slices.Chunk(changes, 2) {
		if !strings.Contains(config, change[0]) {
			t.Fatalf("docs/proxies/%s does not have %q", name, change[0])
		}
		config = strings.ReplaceAll(config, change[0], change[1])
	}
	return config
}

func program(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Skipf("NOT TESTED: %s is not installed", name)
	return ""
}

// nginx runs docs/proxies/nginx.conf.
func nginx(t *testing.T, webhooks, page string) *proxy {
	t.Helper()
	path, dir := program(t, "nginx"), t.TempDir()
	p := &proxy{t: t, address: lagerdtest.FreeAddress(t), dir: dir}
	cert, key := filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	if out, err := exec.CommandContext(t.Context(), program(t, "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=example.dk",
		"-keyout", key, "-out", cert).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lagerdtest.Write(t, filepath.Join(dir, "lagerd.conf"), example(t, "nginx.conf", "listen 443 ssl", "listen "+p.address+" ssl",
		"/etc/ssl/hooks.example.dk.crt", cert, "/etc/ssl/hooks.example.dk.key", key, "/etc/ssl/lager.example.dk.crt", cert, "/etc/ssl/lager.example.dk.key", key,
		"/var/log/nginx/", dir+"/", "127.0.0.1:8480", webhooks, "127.0.0.1:8482", page, "proxy_read_timeout 60s", "proxy_read_timeout 2s"))
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;\n"
	}
	lagerdtest.Write(t, filepath.Join(dir, "nginx.conf"), user+"daemon off;\npid "+dir+"/pid;\nerror_log "+dir+"/error.log info;\nevents {}\nhttp {\n"+
		"access_log "+dir+"/access.log;\nclient_body_temp_path "+dir+"/body;\nproxy_temp_path "+dir+"/proxy;\nfastcgi_temp_path "+dir+"/fastcgi;\nuwsgi_temp_path "+dir+"/uwsgi;\nscgi_temp_path "+dir+"/scgi;\n"+
		"include "+dir+"/lagerd.conf;\n}\n")
	p.process = startCommand(t, exec.Command(path, "-p", dir, "-c", filepath.Join(dir, "nginx.conf")))
	return p
}

// caddy runs docs/proxies/Caddyfile.
func caddy(t *testing.T, webhooks, page string) *proxy {
	t.Helper()
	path, dir := program(t, "caddy"), t.TempDir()
	p := &proxy{t: t, address: lagerdtest.FreeAddress(t), dir: dir}
	_, port, _ := net.SplitHostPort(p.address)
	file := filepath.Join(dir, "Caddyfile")
	lagerdtest.Write(t, file, example(t, "Caddyfile", "\n{\n\tlog default", "\n{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n\tlog default",
		"\nhooks.example.dk {", "\nhttps://hooks.example.dk:"+port+" {\n\ttls internal\n\tbind 127.0.0.1", "\nlager.example.dk {", "\nhttps://lager.example.dk:"+port+" {\n\ttls internal\n\tbind 127.0.0.1",
		"/var/log/caddy/", dir+"/", "127.0.0.1:8480", webhooks, "127.0.0.1:8482", page))
	cmd := exec.Command(path, "run", "--config", file, "--adapter", "caddyfile")
	cmd.Env = []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}
	p.process = startCommand(t, cmd)
	return p
}

// logged returns everything that a proxy has written.
func (p *proxy) logged() string {
	p.t.Helper()
	text := p.process.out.String()
	err := filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.HasSuffix(path, ".log") {
			return err
		}
		read, err := os.ReadFile(path)
		text += string(read)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

// TestBehindProxies: behind the proxies of docs/proxies webhooks and the page work, calls are
// recorded and limited with the address that they come from, and neither a code nor a link is in any
// log, whatever goes wrong.
func TestBehindProxies(t *testing.T) {
	t.Parallel()
	for name, runs := range map[string]func(t *testing.T, webhooks, page string) *proxy{"nginx": nginx, "Caddy": caddy} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSandbox(t, "--agreements=1", "--products=20")
			i := install(t, s, "", pace)
			page := lagerdtest.FreeAddress(t)
			i.Env = append(i.Env, "LAGERD_WEBHOOK_PROXIES=127.0.0.1,127.0.0.2", "LAGERD_WEB_LISTEN="+page, "LAGERD_WEB_PUBLIC_URL=https://lager.example.dk", "LAGERD_WEB_TRUSTED_PROXIES=127.0.0.1")
			i.start()
			code := i.addShop(s, "shop1234", first)
			i.equal(s, "shop1234", first, 20*time.Second)
			link := regexp.MustCompile(`https://lager\.example\.dk(/link/\S+)`).FindStringSubmatch(i.command("web", "link", "shop1234"))
			if link == nil {
				t.Fatal("there is no link")
			}
			p := runs(t, i.Webhook, page)
			webhook := func(from, forwarded, shop, code, number, body string) (int, string) {
				return p.get("hooks.example.dk", from, forwarded, "/webhooks.php?"+url.Values{"type": {"stockUpdate"}, "username": {shop}, "password": {code}, "number": {number}}.Encode(), body)
			}
			lagerdtest.Eventually(t, 20*time.Second, "the proxy answers", func() bool {
				status, _ := webhook("127.0.0.2", "", "shop1234", code, "00001", "")
				return status == http.StatusOK
			})
			remote := func(number string) (address string) {
				db := i.Database()
				defer db.Close()
				lagerdtest.Eventually(t, 10*time.Second, "the call is recorded", func() bool {
					return db.QueryRow("SELECT remote FROM webhook_calls WHERE number = ? ORDER BY called_at DESC LIMIT 1", number).Scan(&address) == nil
				})
				return address
			}
			for number, c := range map[string]struct{ from, forwarded, nginx, caddy string }{
				"00002": {"127.0.0.3", "", "127.0.0.3", "127.0.0.3"},
				"00003": {"127.0.0.3", "198.51.100.9", "127.0.0.3", "127.0.0.3"},               // made up
				"00004": {"127.0.0.2", "192.0.2.1, 198.51.100.7", "198.51.100.7", "127.0.0.2"}, // 127.0.0.2 is a proxy before this one; Caddy does not believe it
			} {
				if status, body := webhook(c.from, c.forwarded, "shop1234", code, number, ""); status != http.StatusOK || !strings.HasPrefix(body, "Success") {
					t.Fatalf("%s: %d %s", number, status, body)
				}
				want := c.nginx
				if name == "Caddy" {
					want = c.caddy
				}
				if got := remote(number); got != want {
					t.Errorf("a call from %s (%s) is recorded as from %s, expected %s", c.from, c.forwarded, got, want)
				}
			}
			if name == "nginx" {
				limited := 0
				for n := range 80 {
					if status, _ := webhook("127.0.0.2", "198.51.100.7", fmt.Sprintf("shop%d", n), "secret-guess", "1", ""); status == http.StatusTooManyRequests {
						limited++
					}
				}
				if status, _ := webhook("127.0.0.2", "198.51.100.77", "shop9999", "secret-guess", "1", ""); limited < 10 || status != http.StatusForbidden {
					t.Errorf("of 80 guesses from one address %d are refused for their number, and one from another is answered %d", limited, status)
				}
			}
			if status, body := p.get("lager.example.dk", "127.0.0.2", "", link[1], ""); status != http.StatusOK || !strings.Contains(body, "shop1234") {
				t.Errorf("the link is answered %d %.200s", status, body)
			}

			// What goes wrong.
			webhook("127.0.0.2", "", "shop1234", code, "00001", strings.Repeat("x", 200<<10))
			webhook("127.0.0.2", "", "shop1234", code, strings.Repeat("9", 20<<10), "")
			p.get("hooks.example.dk", "127.0.0.2", "", "/elsewhere?password="+code, "")
			p.get("unknown.example.dk", "127.0.0.2", "", "/webhooks.php?password="+code, "")
			p.get("lager.example.dk", "127.0.0.2", "", link[1]+"x", "")
			i.daemon.signal(syscall.SIGSTOP)
			webhook("127.0.0.2", "", "shop1234", code, "00001", "")
			i.daemon.kill()
			if status, _ := webhook("127.0.0.2", "", "shop1234", code, "00001", ""); status != http.StatusBadGateway {
				t.Errorf("without lagerd the proxy answers %d", status)
			}
			p.get("lager.example.dk", "127.0.0.2", "", link[1], "")
			p.process.signal(syscall.SIGTERM)
			p.process.wait(20 * time.Second)
			logged := p.logged()
			for what, secret := range map[string]string{"the code": code, "a guessed code": "secret-guess", "the link": strings.TrimPrefix(link[1], "/link/")} {
				if at := strings.Index(logged, secret); at >= 0 {
					t.Errorf("%s is in a log: %s", what, logged[max(0, at-300):min(len(logged), at+100)])
				}
			}
			if !strings.Contains(logged, "127.0.0.2") || !strings.Contains(logged, "502") {
				t.Errorf("the logs do not tell of the calls:\n%s", logged)
			}
		})
	}
}
