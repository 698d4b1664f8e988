package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"lagerd/forwarded"
	"lagerd/lang"
)

// policy is the Content-Security-Policy of all pages: only the page's own files, no script or style
// within a page, forms to itself, and no frame of another site.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// headers are on every answer. A handler may replace Cache-Control.
var headers = [][2]string{
	{"Content-Security-Policy", policy},
	{"X-Frame-Options", "DENY"}, // for browsers that do not know frame-ancestors
	{"X-Content-Type-Options", "nosniff"},
	{"Referrer-Policy", "no-referrer"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()"},
	{"X-Robots-Tag", "noindex"},
	{"Cache-Control", "no-store"},
}

// mostForm is how large a form may be, in bytes.
const mostForm = 16 << 10

// guard lets requests through that name this page as their host and, if they change something, come
// from it.
func (p *Page) guard(h http.Handler) (http.Handler, error) {
	protection := http.NewCrossOriginProtection()
	if err := protection.AddTrustedOrigin(p.own.Scheme + "://" + p.own.Host); err != nil {
		return nil, err
	}
	protection.SetDenyHandler(p.serve(func(*visit) error {
		return refusal{http.StatusForbidden, lang.Text{Danish: "Afvist", English: "Refused"},
			lang.Text{Danish: "Anmodningen kom fra et andet websted. Åbn siden her, og prøv igen.", English: "The request came from another site. Open the page here, and try again."}}
	}))
	h = protection.Handler(h)
	elsewhere := p.serve(func(*visit) error {
		return refusal{http.StatusMisdirectedRequest, lang.Text{Danish: "Forkert adresse", English: "Wrong address"},
			lang.Text{Danish: "Siden har en anden adresse.", English: "The page has another address: web.public_url names it."}}
	})
	return p.recovering(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, header := range headers {
			w.Header().Set(header[0], header[1])
		}
		r.Body = http.MaxBytesReader(w, r.Body, mostForm)
		if !p.isOurs(r.Host) {
			elsewhere.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})), nil
}

// isOurs reports whether a request's host is the page's, or this machine as a proxy names it: a page
// in a browser on this machine can have its own name resolve to a loopback address, and would send
// requests with it (DNS rebinding).
func (p *Page) isOurs(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	if strings.EqualFold(name, p.own.Hostname()) || strings.EqualFold(name, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(name)
	return err == nil && address.IsLoopback()
}

// remote returns the address of a request's peer, without a port; over a Unix socket it is none.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// caller returns the address that a request comes from: the peer's, or what a trusted proxy says.
func (p *Page) caller(r *http.Request) string {
	return forwarded.Caller(remote(r), r.Header, p.ProxyHeader, p.Trusts)
}
