package config_test

import (
	"strings"
	"testing"

	"lagerd/config"
)

// TestWeb: where the page may be, and whom it may believe.
func TestWeb(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ yaml, want string }{ // want: part of the problem; "": none
		{"web: {listen: 127.0.0.1:8482}", ""},
		{"web: {listen: \"localhost:8482\"}", ""},
		{"web: {listen: 127.0.0.1:8482, public_url: https://lager.example.dk}", ""},
		{"web: {listen: 127.0.0.1:8482, public_url: https://lager.example.dk/}", ""},
		{"web: {listen: \"unix:/run/lagerd/web.sock\", public_url: https://lager.example.dk, user_header: X-Remote-User}", ""},
		{"web: {listen: 127.0.0.1:8482, user_header: X-Remote-User, trusted_proxies: [127.0.0.1, 10.0.0.0/8]}", ""},
		{"web: {listen: 10.0.0.1:8482, public_url: https://lager.example.dk}", ""},
		{"web: {listen: \"unix:/run/lagerd/web.sock\"}", "web.public_url: expected the address at which browsers reach the page: they cannot open a socket"},
		{"web: {listen: \"unix:web.sock\", public_url: https://lager.example.dk}", "web.listen: expected an absolute path"},
		{"web: {listen: 0.0.0.0:8482}", "web.public_url: expected the address at which browsers reach the page, https://"},
		{"web: {listen: 127.0.0.1:8482, public_url: http://lager.example.dk}", "web.public_url: expected https://"},
		{"web: {listen: 127.0.0.1:8482, public_url: https://example.dk/lager}", "web.public_url: expected an address without a path"},
		{"web: {public_url: https://lager.example.dk}", "web.listen: expected where the page is served"},
		{"web: {listen: 127.0.0.1:8480}", "web.listen: \"127.0.0.1:8480\" is also webhook.listen"},
		{"web: {listen: 127.0.0.1:8481}", "web.listen: \"127.0.0.1:8481\" is also admin.listen"},
		{"web: {listen: 127.0.0.1:8482, user_header: X-Remote-User}", "web.trusted_proxies: expected the addresses of the proxies"},
		{"web: {listen: 127.0.0.1:8482, user_header: \"X Remote\", trusted_proxies: [127.0.0.1]}", "web.user_header: expected a header's name"},
		{"web: {listen: 127.0.0.1:8482, trusted_proxies: [everybody]}", "web.trusted_proxies[0]: expected an address"},
		{"web: {listen: \"\"}", "web.listen: expected a value, got none"},
	} {
		t.Run(c.yaml, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(write(t, "lagerd.yaml", c.yaml+"\n", 0o600), []string{"STATE_DIRECTORY=" + t.TempDir()})
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("expected …%s…, got %v", c.want, err)
			}
		})
	}
}

// TestWebTrusts: only named addresses are trusted, whatever the form they come in; over a socket,
// callers have none.
func TestWebTrusts(t *testing.T) {
	t.Parallel()
	tcp := config.Web{Listen: "127.0.0.1:8482", TrustedProxies: []string{"127.0.0.1", "10.1.0.0/16", "2001:db8::7"}}
	for remote, want := range map[string]bool{
		"127.0.0.1": true, "::ffff:127.0.0.1": true, "10.1.2.3": true, "2001:db8::7": true,
		"127.0.0.2": false, "10.2.0.1": false, "192.168.0.1": false, "::1": false, "2001:db8::8": false, "": false, "@": false, "localhost": false,
	} {
		if got := tcp.Trusts(remote); got != want {
			t.Errorf("%q: %v", remote, got)
		}
	}
	if (config.Web{Listen: "127.0.0.1:8482"}).Trusts("127.0.0.1") {
		t.Error("an address that nobody named is trusted")
	}
	if socket := (config.Web{Listen: "unix:/run/lagerd/web.sock"}); !socket.Trusts("") || !socket.Trusts("@") || socket.Trusts("192.0.2.1") {
		t.Error("a caller over the socket is not trusted")
	}
}

// TestWebAddress: the page's address is given, or where it listens.
func TestWebAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		web  config.Web
		want string
	}{
		{config.Web{}, ""},
		{config.Web{Listen: "127.0.0.1:8482"}, "http://127.0.0.1:8482"},
		{config.Web{Listen: "127.0.0.1:8482", PublicURL: "https://lager.example.dk/"}, "https://lager.example.dk"},
		{config.Web{Listen: "unix:/run/lagerd/web.sock", PublicURL: "https://lager.example.dk"}, "https://lager.example.dk"},
	} {
		if got := c.web.Address(); got != c.want {
			t.Errorf("%+v: %s", c.web, got)
		}
	}
}
