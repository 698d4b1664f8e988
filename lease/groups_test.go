package lease_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lagerd/store"
)

// shares makes shops share an agreement ("1: shop000 shop001") or an account at Rackbeat ("R2: …").
func (t *table) shares(groups ...string) {
	t.agreements, t.accounts, t.callers = map[string]int64{}, map[string]int64{}, map[int64]string{}
	for _, text := range groups {
		number, shops, _ := strings.Cut(text, ": ")
		of := t.agreements
		if digits, rackbeat := strings.CutPrefix(number, "R"); rackbeat {
			of, number = t.accounts, digits
		}
		n := int64(0)
		_, _ = fmt.Sscan(number, &n)
		for shop := range strings.FieldsSeq(shops) {
			of[shop] = n
		}
	}
}

// TestAgreementsGoTogether: which shops an instance takes, and which it releases, when another
// lives. Leases are "shop=holder"; "a" is the instance, "b" the other, and "dead" has died. The
// callers are those of agreement 1, account 2 and so on.
func TestAgreementsGoTogether(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		leases, groups, callers string
		want                    []string // holders by shop, after some rounds in which the other does nothing
	}{
		"no groups":                         {"= = = =", "", "", []string{"a", "a", "", ""}},
		"a free group, taken whole":         {"= = = =", "1: shop000 shop002 shop003", "", []string{"a", "", "a", "a"}},
		"the second of two groups":          {"=b =b = =", "1: shop000 shop001;2: shop002 shop003", "", []string{"b", "b", "a", "a"}},
		"of a dead one, and free":           {"=dead = =b =b", "1: shop000 shop001", "", []string{"a", "a", "b", "b"}},
		"the other has one of it":           {"= =b = =", "1: shop000 shop001", "", []string{"", "b", "a", "a"}},
		"we have one of it, and no room":    {"= =a =b =a", "1: shop000 shop001", "", []string{"a", "a", "b", ""}},
		"both have some, and nobody calls":  {"=a =b = =", "1: shop000 shop001 shop002", "", []string{"a", "b", "", "a"}},
		"both have some, and we call":       {"=a =b = =", "1: shop000 shop001 shop002", "a", []string{"a", "b", "a", ""}},
		"both have some, and the other is":  {"=a =b = =", "1: shop000 shop001 shop002", "b", []string{"", "b", "", "a"}},
		"the caller has none of it left":    {"=b = = =", "1: shop000 shop001", "a", []string{"b", "", "a", "a"}},
		"the caller is dead":                {"=dead = = =b", "1: shop000 shop001", "dead", []string{"a", "a", "", "b"}},
		"a surplus that is a group":         {"=a =a =a =a", "1: shop000 shop001", "a", []string{"", "", "a", "a"}},
		"a surplus smaller than a group":    {"=a =a =a =a", "1: shop000 shop001 shop002", "a", []string{"a", "a", "a", ""}},
		"a group larger than any surplus":   {"=a =a =a =a", "1: shop000 shop001 shop002 shop003", "a", []string{"a", "a", "a", "a"}},
		"groups that are moved one by one":  {"=a =a =a =a =a =a", "1: shop000 shop001;2: shop002 shop003;3: shop004 shop005", "", []string{"", "", "a", "a", "a", "a"}},
		"a group with a shop of the other":  {"=a =a =a =a =b", "1: shop000 shop004", "a", []string{"", "a", "a", "a", "b"}},
		"an account at Rackbeat":            {"= =b = =", "R1: shop000 shop001", "", []string{"", "b", "a", "a"}},
		"joined by an account, free":        {"= = = =", "1: shop000 shop001;R2: shop001 shop003", "", []string{"a", "a", "", "a"}},
		"joined by an account, the other's": {"=b = = =", "1: shop000 shop001;R2: shop001 shop003", "", []string{"b", "", "a", ""}},
		"joined by two accounts":            {"= =b = =", "1: shop000 shop002;2: shop001 shop003;R3: shop002 shop003", "", []string{"", "b", "", ""}},
		"joined by two, the other calls":    {"=a =b = =", "1: shop000 shop002;2: shop001 shop003;R3: shop002 shop003", "nobody b nobody", []string{"", "b", "", ""}},
		"joined by two, and we call":        {"=b =a = =", "1: shop000 shop002;2: shop001 shop003;R3: shop002 shop003", "nobody a nobody", []string{"b", "a", "a", "a"}},
		"joined twice":                      {"= =b = =", "1: shop000 shop001;R2: shop000 shop001", "", []string{"", "b", "a", "a"}},
		"each calls one, we the first":      {"=a = =b =", "1: shop000 shop001;R2: shop001 shop002", "a b", []string{"a", "a", "b", ""}},
		"each calls one, the other first":   {"=a = =b =", "1: shop000 shop001;R2: shop001 shop002", "b a", []string{"", "", "b", "a"}},
		"one has the agreement's number":    {"=b = = =", "1: shop000 shop001;R1: shop002 shop003", "", []string{"b", "", "a", "a"}},
		"a group that is more than a share": {"= = = =", "1: shop000 shop001 shop002 shop003", "", []string{"a", "a", "a", "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				holders := map[string]string{}
				tab := newTable(0)
				for n, text := range strings.Fields(c.leases) {
					shop := fmt.Sprintf("shop%03d", n)
					holders[shop] = strings.TrimPrefix(text, "=")
					if holders[shop] == "a" {
						tab.leases[shop] = &store.Lease{Shop: shop}
					}
				}
				j := watch(t, tab, ttl)
				tab.mu.Lock()
				tab.shares(strings.Split(c.groups, ";")...)
				for n, caller := range strings.Fields(c.callers) {
					tab.callers[int64(n+1)] = caller
				}
				tab.instances["b"] = store.Instance{Instance: "b", Beat: 1}
				for shop, holder := range holders {
					if holder != "a" {
						tab.leases[shop] = &store.Lease{Shop: shop, Holder: holder}
					}
				}
				tab.mu.Unlock()
				go tab.beats(t.Context(), "b", 5*beat)
				j.settle(3 * beat)
				var got []string
				for _, shop := range slices.Sorted(maps.Keys(holders)) {
					got = append(got, tab.leases[shop].Holder)
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("held by %q, expected %q", got, c.want)
				}
			})
		})
	}
}

// TestTwoShareAgreements: two instances that start at once divide the shops, each agreement's to
// one of them, and hand them over without leaving any out; nothing moves once that is so.
func TestTwoShareAgreements(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := newTable(60)
		var groups []string
		for n := range 4 {
			text := fmt.Sprintf("%d:", n+1)
			for i := range 12 {
				text += fmt.Sprintf(" shop%03d", n+4*i)
			}
			groups = append(groups, text)
		}
		tab.shares(groups...)
		parts := func() map[string]int {
			tab.mu.Lock()
			defer tab.mu.Unlock()
			counts, holders := map[string]int{}, map[int64]string{}
			for shop, l := range tab.leases {
				counts[l.Holder]++
				if n := tab.agreements[shop]; n != 0 {
					if was, known := holders[n]; known && was != l.Holder {
						t.Errorf("agreement %d is %q's and %q's", n, was, l.Holder)
					}
					holders[n] = l.Holder
				}
			}
			return counts
		}
		a, b := start(t, tab, "a"), start(t, tab, "b")
		settle(6 * beat)
		if got := parts(); got["a"] != 30 || got["b"] != 30 {
			t.Errorf("they share 60 shops as %v", got)
		}
		tokens := func() (sum int64) {
			tab.mu.Lock()
			defer tab.mu.Unlock()
			for _, l := range tab.leases {
				sum += l.Token
			}
			return sum
		}
		before := tokens()
		settle(20 * beat)
		if after := tokens(); after != before {
			t.Errorf("%d leases have moved without a reason", after-before)
		}
		tab.mu.Lock()
		var of string
		for shop := range tab.agreements {
			of = shop
			break
		}
		tab.leases["new"], tab.agreements["new"] = &store.Lease{Shop: "new"}, tab.agreements[of]
		tab.mu.Unlock()
		settle(4 * beat)
		tab.mu.Lock()
		if is, want := tab.leases["new"].Holder, tab.leases[of].Holder; is != want {
			t.Errorf("a new shop is held by %q, the others of its agreement by %q", is, want)
		}
		tab.mu.Unlock()
		b.stop()
		settle(look + time.Millisecond)
		if a.count() != 61 {
			t.Errorf("%s after a planned stop %d shops are worked on", look, a.count())
		}
		b = start(t, tab, "b")
		settle(6 * beat)
		if got := parts(); got["b"] < 24 || got["a"]+got["b"] != 61 {
			t.Errorf("after its return they share them as %v", got)
		}
		a.stop()
		b.stop()
	})
}
