package forwarded_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"lagerd/forwarded"
)

func trusted(address string) bool {
	return strings.HasPrefix(address, "10.") || address == "127.0.0.1" || address == "2001:db8::1" || address == "@"
}

func TestCaller(t *testing.T) {
	t.Parallel()
	const xff, std = forwarded.For, forwarded.Standard
	for _, c := range []struct {
		what, peer, header string
		values             []string
		want               string
	}{
		{"nobody forwards", "192.0.2.1", xff, nil, "192.0.2.1"},
		{"a stranger says so", "192.0.2.1", xff, []string{"198.51.100.1"}, "192.0.2.1"},
		{"a proxy", "127.0.0.1", xff, []string{"198.51.100.1"}, "198.51.100.1"},
		{"over a Unix socket", "@", xff, []string{"198.51.100.1"}, "198.51.100.1"},
		{"a proxy that says nothing", "127.0.0.1", xff, nil, "127.0.0.1"},
		{"a proxy, and what the caller made up", "127.0.0.1", xff, []string{"10.0.0.9, 198.51.100.9, 198.51.100.1"}, "198.51.100.1"},
		{"two headers", "127.0.0.1", xff, []string{"198.51.100.9", "198.51.100.1"}, "198.51.100.1"},
		{"two proxies", "127.0.0.1", xff, []string{"198.51.100.9, 198.51.100.1, 10.0.0.1"}, "198.51.100.1"},
		{"proxies alone", "127.0.0.1", xff, []string{"10.0.0.1"}, "10.0.0.1"},
		{"garbage at the end", "127.0.0.1", xff, []string{"198.51.100.1, nonsense"}, "127.0.0.1"},
		{"garbage before", "127.0.0.1", xff, []string{"nonsense, 198.51.100.1"}, "198.51.100.1"},
		{"empty", "127.0.0.1", xff, []string{""}, "127.0.0.1"},
		{"IPv6", "127.0.0.1", xff, []string{"2001:db8::7"}, "2001:db8::7"},
		{"IPv4 in IPv6, a zone, spaces", "127.0.0.1", xff, []string{" ::ffff:198.51.100.1 "}, "198.51.100.1"},
		{"with a port", "127.0.0.1", xff, []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"the other header", "127.0.0.1", xff, nil, "127.0.0.1"},
		{"Forwarded", "127.0.0.1", std, []string{`for=198.51.100.1;proto=https;by=203.0.113.43`}, "198.51.100.1"},
		{"Forwarded, quoted", "127.0.0.1", std, []string{`Proto=https; For="[2001:db8:cafe::17]:4711"`}, "2001:db8:cafe::17"},
		{"Forwarded, brackets alone", "127.0.0.1", std, []string{`for="[2001:db8:cafe::17]"`}, "2001:db8:cafe::17"},
		{"Forwarded, two proxies", "127.0.0.1", std, []string{`for=198.51.100.9, for=198.51.100.1`, `for="[2001:db8::1]"`}, "198.51.100.1"},
		{"Forwarded, hidden", "127.0.0.1", std, []string{"for=_hidden"}, "127.0.0.1"},
		{"Forwarded, unknown", "127.0.0.1", std, []string{"for=unknown"}, "127.0.0.1"},
		{"Forwarded, without for", "127.0.0.1", std, []string{"proto=https"}, "127.0.0.1"},
		{"Forwarded, a comma in quotes", "127.0.0.1", std, []string{`for="198.51.100.1,198.51.100.2"`}, "127.0.0.1"},
	} {
		h := http.Header{}
		for _, v := range c.values {
			h.Add(c.header, v)
		}
		if got := forwarded.Caller(c.peer, h, c.header, trusted); got != c.want {
			t.Errorf("%s: %q, expected %q", c.what, got, c.want)
		}
	}
	h := http.Header{"Forwarded": {"for=198.51.100.9"}, "X-Forwarded-For": {"198.51.100.1"}}
	if got := forwarded.Caller("127.0.0.1", h, xff, trusted); got != "198.51.100.1" {
		t.Errorf("the header that no proxy sets counts: %q", got)
	}
}

// FuzzCaller: the result is the peer's address, or another's that can be parsed.
func FuzzCaller(f *testing.F) {
	f.Add("198.51.100.1, 10.0.0.1", false)
	f.Add(`for="[2001:db8::1]:4711";proto=https, for=_x`, true)
	f.Fuzz(func(t *testing.T, value string, standard bool) {
		header := forwarded.For
		if standard {
			header = forwarded.Standard
		}
		got := forwarded.Caller("127.0.0.1", http.Header{header: {value}}, header, trusted)
		if a, err := netip.ParseAddr(got); err != nil || a.Zone() != "" {
			t.Errorf("%q", got)
		}
	})
}
