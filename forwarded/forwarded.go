// Package forwarded tells from which address a request comes that proxies have forwarded. It decides
// from what it is given: which proxies are to be believed, its caller says. It imports nothing of
// lagerd.
package forwarded

import (
	"net/http"
	"net/netip"
	"strings"
)

// The headers in which proxies name the address that they were called from. Both append it.
const (
	For      = "X-Forwarded-For"
	Standard = "Forwarded" // RFC 7239
)

// Caller returns the address, without a port, that a request comes from: peer's, or as long as that
// is a trusted proxy's, the one that the proxy names in the header. Each proxy appends the address
// that it was called from, so what stands before the last one that is not trusted may be made up. A
// proxy that names none, or none that can be read, is the caller itself.
func Caller(peer string, h http.Header, header string, trusted func(address string) bool) string {
	address := peer
	hops := strings.Split(strings.Join(h.Values(header), ","), ",")
	for n := len(hops) - 1; n >= 0 && trusted(address); n-- {
		hop, ok := parse(hops[n], header)
		if !ok {
			break
		}
		address = hop
	}
	return address
}

// parse returns the address of one hop.
func parse(hop, header string) (address string, ok bool) {
	text := strings.TrimSpace(hop)
	if header == Standard {
		if text, ok = forOf(text); !ok {
			return "", false
		}
	}
	if parsed, err := netip.ParseAddr(text); err == nil {
		return parsed.Unmap().WithZone("").String(), true
	}
	// With a port, or in brackets: both are allowed in Forwarded, and some proxies do so elsewhere.
	if parsed, err := netip.ParseAddrPort(text); err == nil {
		return parsed.Addr().Unmap().WithZone("").String(), true
	}
	if inner, bracketed := strings.CutPrefix(text, "["); bracketed {
		if inner, bracketed = strings.CutSuffix(inner, "]"); bracketed {
			if parsed, err := netip.ParseAddr(inner); err == nil && parsed.Is6() {
				return parsed.Unmap().WithZone("").String(), true
			}
		}
	}
	return "", false
}

// forOf returns the value of the parameter "for" of one element of Forwarded. An element whose quoted
// texts hold commas or semicolons cannot be an address's, and is not read.
func forOf(element string) (node string, ok bool) {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "for") {
			return strings.Trim(value, `"`), true
		}
	}
	return "", false
}
