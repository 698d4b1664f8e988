package limit

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

// Limiter limits events by key, to about most in any window. It takes the same memory for any
// number of keys: they share its buckets by their hash, so a key may be limited for others'
// events. It is safe for concurrent use.
type Limiter struct {
	seed    maphash.Seed
	window  time.Duration
	each    time.Duration // how much of the window an event takes
	buckets [4096]atomic.Int64
}

// New returns a Limiter.
func New(most int, window time.Duration) *Limiter {
	return &Limiter{seed: maphash.MakeSeed(), window: window, each: window / time.Duration(most)}
}

// Allow counts an event and reports whether it is within the limit.
func (l *Limiter) Allow(key string, now time.Time) bool {
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

// Network returns what of an address one caller usually has: all of an IPv4 address, the first
// 64 bits of an IPv6 address.
func Network(remote string) string {
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
