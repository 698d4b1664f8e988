package webhook

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

// Calls without a valid code are limited by the shop that they name and, unless it is a
// proxy's, by the address that they come from. Every call's code is checked, whatever the
// limits: one with a valid code is never refused for the calls of others. The limits say when
// others are answered 429 instead of 403, and are neither recorded nor reported one by one.
const (
	refusedWindow = time.Minute
	mostRefused   = 30 // per shop and window
	mostFrom      = 60 // per address and window
)

// limiter limits events by key, to about most in any window. It takes the same memory for any
// number of keys: they share its buckets by their hash, so a key may be limited for others'
// events, and whether a shop exists makes no difference.
type limiter struct {
	seed    maphash.Seed
	window  time.Duration
	each    time.Duration // how much of the window an event takes
	buckets [4096]atomic.Int64
}

func newLimiter(most int, window time.Duration) *limiter {
	return &limiter{seed: maphash.MakeSeed(), window: window, each: window / time.Duration(most)}
}

// allow counts an event and reports whether it is within the limit.
func (l *limiter) allow(key string, now time.Time) bool {
	bucket := &l.buckets[maphash.String(l.seed, key)%uint64(len(l.buckets))]
	for {
		// A bucket is the time until which its events have used up the window.
		used := bucket.Load()
		next := max(used, now.UnixNano()) + int64(l.each)
		if next > now.Add(l.window).UnixNano() {
			return false
		}
		if bucket.CompareAndSwap(used, next) {
			return true
		}
	}
}

// limits are a handler's limiters of refused calls.
type limits struct{ shops, addresses *limiter }

func newLimits() limits {
	return limits{newLimiter(mostRefused, refusedWindow), newLimiter(mostFrom, refusedWindow)}
}

// allow reports whether a refused call is within the limits. proxied means that the address is
// a proxy's, from which anybody's calls come.
func (l limits) allow(shop, remote string, proxied bool, now time.Time) bool {
	ofShop := l.shops.allow(shop, now)
	ofAddress := proxied || l.addresses.allow(network(remote), now)
	return ofShop && ofAddress
}

// network returns what of an address one caller usually has: all of an IPv4 address, the first
// 64 bits of an IPv6 address.
func network(remote string) string {
	address, err := netip.ParseAddr(remote)
	if err != nil {
		return remote
	}
	const ours = 64
	if address = address.Unmap().WithZone(""); address.Is6() {
		prefix, _ := address.Prefix(ours) // cannot fail: an address has 128 bits
		return prefix.String()
	}
	return address.String()
}
