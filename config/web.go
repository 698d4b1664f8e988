package config

import (
	"net"
	"net/url"
	"regexp"
	"strings"

	"lagerd/forwarded"
)

// headerName is the form of a header's name: RFC 9110, 5.6.2, without the characters that no header
// in use has.
var headerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// web checks where the page is, and whom it believes.
func (l *loader) web(c Web) {
	l.listener("web.listen", c.Listen, "web")
	l.networks("web.trusted_proxies", c.TrustedProxies)
	l.proxyHeader("web.proxy_header", c.ProxyHeader)
	l.url("web.public_url", c.PublicURL, false)
	l.encrypted("web.public_url", c.PublicURL, "passwords and sessions")
	if u, err := url.Parse(c.PublicURL); err == nil && strings.Trim(u.Path, "/") != "" {
		l.badKey("web.public_url", "expected an address without a path, such as https://lager.example.dk: the page needs a host of its own, since cookies do not tell paths apart")
	}
	if c.UserHeader != "" && !headerName.MatchString(c.UserHeader) {
		l.badKey("web.user_header", "expected a header's name such as X-Remote-User, got %q", shown("", c.UserHeader))
	}
	if c.On() {
		l.webListener(c)
		return
	}
	for _, needs := range []struct {
		key string
		set bool
	}{{"web.public_url", c.PublicURL != ""}, {"web.user_header", c.UserHeader != ""}, {"web.trusted_proxies", len(c.TrustedProxies) > 0}} {
		if needs.set {
			l.badPair("web.listen", needs.key, "expected where the page is served, such as 127.0.0.1:8482, since %s is set", needs.key)
			return
		}
	}
}

// proxyHeader checks the name of a header that proxies append callers' addresses to.
func (l *loader) proxyHeader(key, is string) {
	if is != forwarded.For && is != forwarded.Standard {
		l.badKey(key, "expected %s or %s, whichever the proxy sets, got %q", forwarded.For, forwarded.Standard, shown("", is))
	}
}

// webListener checks what depends on where the page is served.
func (l *loader) webListener(c Web) {
	_, socket := UnixSocket(c.Listen)
	host, _, err := net.SplitHostPort(c.Listen)
	switch beyond := err == nil && !loopback(host); {
	case c.PublicURL == "" && socket:
		l.badPair("web.public_url", "web.listen", "expected the address at which browsers reach the page: they cannot open a socket")
	case c.PublicURL == "" && beyond:
		l.badPair("web.public_url", "web.listen", "expected the address at which browsers reach the page, https://…: %s is not this machine alone", c.Listen)
	case beyond:
		l.warnings = append(l.warnings, Problem{Where: l.where["web.listen"], Key: "web.listen",
			What: "it is reached from other machines in plain HTTP: let only the proxy that terminates TLS reach it"})
	}
	if c.UserHeader != "" && !socket && len(c.TrustedProxies) == 0 {
		l.badPair("web.trusted_proxies", "web.user_header", "expected the addresses of the proxies that set web.user_header: from anybody else it does not count")
	}
}

// apart checks that listeners have addresses of their own: what one serves is not for those who
// reach another.
func (l *loader) apart(c *Config) {
	same := func(a, b string) bool { return a != "" && a == b && !strings.HasSuffix(a, ":0") }
	if same(c.Admin.Listen, c.Webhook.Listen) {
		l.badPair("admin.listen", "webhook.listen", "%q is also webhook.listen: expected a separate address, since it must not be public", c.Admin.Listen)
	}
	if same(c.Web.Listen, c.Webhook.Listen) {
		l.badPair("web.listen", "webhook.listen", "%q is also webhook.listen: expected a separate address", c.Web.Listen)
	}
	if same(c.Web.Listen, c.Admin.Listen) {
		l.badPair("web.listen", "admin.listen", "%q is also admin.listen: expected a separate address, since that must not be public", c.Web.Listen)
	}
}
