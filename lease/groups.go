package lease

import (
	"slices"

	"lagerd/store"
)

// groups are the shops that share accounts, by shop: agreements with e-conomic, or accounts at
// Rackbeat. All shops of a group are to be held by one instance, so that it knows all calls to
// the accounts.
type groups map[string]*group

// group are shops of which each shares an account with another: where two shops of one agreement
// have different accounts at Rackbeat, or the other way round, the shops of all of these.
type group struct {
	shops   []string
	callers []string // the instances that last worked on the accounts, by service and account; "": none yet
	holders []string // the live instances that hold any of the shops
	taken   bool     // it was free, and is being taken
}

// groupsOf returns the groups among the leases. shared is in the order of Store.SharedAccounts.
func groupsOf(shared []store.SharedAccount, leases []store.Lease, living map[string]bool) groups {
	all := groups{}
	var last store.SharedAccount
	for _, a := range shared {
		g := all[a.Shop]
		if g == nil {
			g = &group{shops: []string{a.Shop}}
			all[a.Shop] = g
		}
		if a.Service == last.Service && a.Account == last.Account {
			all.join(all[last.Shop], g)
		} else {
			g.callers = append(g.callers, a.Holder)
		}
		last = a
	}
	for _, l := range leases {
		if g := all[l.Shop]; g != nil && living[l.Holder] && !slices.Contains(g.holders, l.Holder) {
			g.holders = append(g.holders, l.Holder)
		}
	}
	return all
}

// join makes one group of two, which may be the same.
func (all groups) join(g, other *group) {
	if g == other {
		return
	}
	g.shops, g.callers = append(g.shops, other.shops...), append(g.callers, other.callers...)
	for _, shop := range other.shops {
		all[shop] = g
	}
}

// free reports whether no live instance holds any of the shops.
func (g *group) free() bool { return len(g.holders) == 0 }

// home returns the instance that is to hold all of the shops, "" if it is not known:
//
//	live holders of the shops                        home
//	none                                             not known: whoever takes them first
//	one                                              that one
//	several, of which some work on an account        the first of these: the others release their shops
//	several others                                   not known: one will work on an account first
func (g *group) home() string {
	for _, caller := range g.callers {
		if slices.Contains(g.holders, caller) {
			return caller
		}
	}
	if len(g.holders) == 1 {
		return g.holders[0]
	}
	return ""
}

// ours reports whether the instance is to take the free ones of the shops: all of them if it has
// room for one, or if it is their home.
func (g *group) ours(instance string, room bool) bool {
	g.taken = g.taken || g.free() && room
	return g.taken || g.home() == instance
}

// strays reports whether the instance is to release its shops of the group.
func (g *group) strays(instance string) bool {
	home := g.home()
	return home != "" && home != instance
}
