package webhook

import (
	"time"

	"lagerd/limit"
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

// limits are a handler's limiters of refused calls. Shops share buckets, so that whether a shop
// exists makes no difference.
type limits struct{ shops, addresses *limit.Limiter }

func newLimits() limits {
	return limits{limit.New(mostRefused, refusedWindow), limit.New(mostFrom, refusedWindow)}
}

// allow reports whether a refused call is within the limits. proxied means that the address is
// a proxy's, from which anybody's calls come.
func (l limits) allow(shop, remote string, proxied bool, now time.Time) bool {
	ofShop := l.shops.Allow(shop, now)
	ofAddress := proxied || l.addresses.Allow(limit.Network(remote), now)
	return ofShop && ofAddress
}
