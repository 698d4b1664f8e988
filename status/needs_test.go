package status_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

// TestRefusedAtBoth: where e-conomic refuses the token and Rackbeat the key, each has its own remedy.
func TestRefusedAtBoth(t *testing.T) {
	t.Parallel()
	l := looking(at("shop1", inRackbeat, holding(plan.ScopeInvoices, plan.HeldTokenRefused, "401", time.Hour), holding(plan.ScopeStock, plan.HeldTokenRefused, "401", time.Hour)))
	l.AppPublicToken = "public-token"
	for _, n := range l.Overview().Needs {
		access, key := strings.Contains(n.Do, "public-token"), strings.Contains(n.Do, "--rackbeat-key-file")
		if stock := n.Scope == plan.ScopeStock; access == stock || key != stock {
			t.Errorf("%s: %s", n.Scope, n.Do)
		}
	}
}

// TestUnreadNumbers: a number that cannot be read is tried again for a while before it needs a person,
// until then it is a note. One that has been so for longer than anybody knows needs one at once.
func TestUnreadNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind  plan.Kind
		since time.Duration // 0: not known
		needs bool
	}{{plan.KindStock, time.Minute, false}, {plan.KindStock, 10 * time.Minute, false}, {plan.KindStock, 10*time.Minute + time.Second, true}, {plan.KindStock, 0, true},
		{plan.KindInvoice, time.Minute, false}, {plan.KindInvoice, time.Hour, true}, {plan.KindInvoice, 0, true}} {
		n := store.Notice{Kind: c.kind, Count: 2, Number: "41", Text: "status 500"}
		if c.since > 0 {
			n.Since = noon.Add(-c.since)
		}
		o := looking(at("shop1", func(st *store.ShopStatus) { st.Failing, st.FailingHints = []store.Notice{n}, 2 })).Overview()
		noted := slices.ContainsFunc(o.Shops[0].Notes, func(text string) bool { return strings.Contains(text, "cannot be read, e.g.") })
		if len(o.Needs) > 0 != c.needs || noted == c.needs {
			t.Errorf("%+v: needs %+v, notes %q", c, o.Needs, o.Shops[0].Notes)
			continue
		}
		if !c.needs {
			continue
		}
		scope, why, again := plan.ScopeStock, "`lagerd why shop1 \"41\"`", "`lagerd reconcile --shop shop1 --item \"41\"`"
		if c.kind == plan.KindInvoice {
			scope, why, again = plan.ScopeInvoices, "`lagerd why shop1 41 --invoice`", "`lagerd reconcile --shop shop1 --invoice 41`"
		}
		need := o.Needs[0]
		if need.Scope != scope || need.Reason != status.NeedUnread || !strings.Contains(need.Do, why) || !strings.Contains(need.Do, again) || !strings.Contains(need.Advice, "SHOP") || !strings.Contains(need.Advice, "NUMBER") || (need.Since == nil) != (c.since == 0) {
			t.Errorf("%+v: %+v", c, need)
		}
	}
}

// TestReplaced: a lagerd that has died is replaced by one that was started on its host since its last
// beat, not by one elsewhere, nor by one that ran beside it.
func TestReplaced(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		host    string
		started time.Duration // ago; the dead one's last beat was an hour ago
		want    string
	}{
		"on its host, since":         {"stock2.example.dk", 59 * time.Minute, status.NodeReplaced},
		"on its host, at its beat":   {"stock2.example.dk", time.Hour, status.NodeLost},
		"on its host, before":        {"stock2.example.dk", 2 * time.Hour, status.NodeLost},
		"on another host, since":     {"stock3.example.dk", 59 * time.Minute, status.NodeLost},
		"on another host, long runs": {"stock3.example.dk", 100 * time.Hour, status.NodeLost},
	} {
		l := looking(at("shop1"))
		dead, other := node("dead", "stock2.example.dk", 99, 100*time.Hour, time.Hour), node("other", c.host, 100, c.started, time.Second)
		l.Instances = append(l.Instances, dead, other)
		l.Living[other.Instance] = other
		o := l.Overview()
		n := slices.IndexFunc(o.Nodes, func(n status.Node) bool { return n.Instance == "dead" })
		if n < 0 || o.Nodes[n].State != c.want || (len(o.Needs) > 0) != (c.want == status.NodeLost) {
			t.Errorf("%s: %+v, needs %+v", name, o.Nodes, o.Needs)
		}
	}
}

// TestCounts: of each state, the reasons that most shops have come first, then by name; a shop with two
// counts with each, and once with what it has twice.
func TestCounts(t *testing.T) {
	t.Parallel()
	failing := func(st *store.ShopStatus) { st.Progress.Failures, st.Progress.Failure = 2, "oops" }
	unread := func(st *store.ShopStatus) {
		st.Failing, st.FailingHints = []store.Notice{{Kind: plan.KindStock, Count: 1, Number: "7", Text: "x"}, {Kind: plan.KindInvoice, Count: 1, Number: "8", Text: "x"}}, 2
	}
	unswept := func(st *store.ShopStatus) { st.Progress.SweptAt, st.Shop.CreatedAt = store.Time{}, ago(time.Minute) }
	paused := func(st *store.ShopStatus) { st.Shop.PausedAt = ago(time.Hour) }
	losses := holding(plan.ScopeStock, plan.HeldLosses, "many", time.Hour)
	l := looking(at("a"), at("b", failing), at("c", failing, unread), at("d", unread), at("e", unread), at("f", unswept), at("g", paused, failing), at("h", losses), at("i", losses, holding(plan.ScopePDFs, plan.HeldForbidden, "403", time.Hour)))
	got := fmt.Sprint(l.Overview().Counts())
	if want := "[{running 6 [{unread 3} {failing 2} {first_sweep 1}]} {held 2 [{stock: losses 2} {pdf: forbidden 1}]} {paused 1 []}]"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
