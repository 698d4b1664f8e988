package status_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
	"lagerd/terminal"
)

var update = flag.Bool("update", false, "write the golden files of testdata/overview anew")

// paper is what the overviews are written for, unless a test says so.
var paper = status.Paper{Columns: 80, Now: noon}

// at returns a shop in good health, with some things changed.
func at(name string, changes ...func(*store.ShopStatus)) store.ShopStatus {
	st := busy()
	st.Shop.Shop = name
	for _, change := range changes {
		change(&st)
	}
	return st
}

// node returns a lagerd whose last beat was some time ago.
func node(instance, host string, pid int, started, beat time.Duration) store.Instance {
	return store.Instance{Instance: instance, Host: host, PID: pid, Version: "v1.4.0", StartedAt: ago(started), BeatAt: ago(beat)}
}

// looking returns what is seen of shops, all of them held by one lagerd that lives.
func looking(shops ...store.ShopStatus) status.Look {
	n := node("a lagerd", "stock1.example.dk", 4711, 72*time.Hour, 2*time.Second)
	return status.Look{
		Shops: shops, Instances: []store.Instance{n}, Living: map[string]store.Instance{n.Instance: n}, Holdings: map[string]int{n.Instance: len(shops)},
		Pace:   status.Pace{SweepEvery: 24 * time.Hour, NextTick: func(at time.Time) time.Time { return at.Truncate(time.Minute).Add(time.Minute) }},
		Limits: status.CallLimits{EconomicDaily: 50_000, RackbeatDaily: 50_000, RackbeatPerMinute: 60}, Now: noon,
	}
}

func holding(scope plan.Scope, reason plan.Reason, detail string, since time.Duration) func(*store.ShopStatus) {
	return func(st *store.ShopStatus) {
		st.Progress.Holds, _ = st.Progress.Holds.With(plan.Hold{Scope: scope, Reason: reason, Detail: detail, Since: ago(since).Time})
	}
}

func inRackbeat(st *store.ShopStatus) {
	st.Shop.StockSource, st.Shop.RackbeatKey, st.Progress.StockAccount = store.SourceRackbeat, []byte("sealed-key"), 4711
}

// allHeld has a shop for each reason for which one can be held, one that is held twice, and one that
// goes on.
func allHeld() status.Look {
	losses := plan.LossDecision{Losses: 150, Items: 300, Reason: plan.LossesAtOnce}
	return looking(
		at("accounts", inRackbeat, holding(plan.ScopeStock, plan.HeldAccountChanged, "the key answers for Rackbeat's account 8, the shop's is 4711", 3*time.Hour)),
		at("agreement", holding(plan.ScopeShop, plan.HeldAgreementChanged, "the token answers for agreement 6, the shop is agreement 100001", 26*time.Hour)),
		at("forbidden", holding(plan.ScopeShop, plan.HeldForbidden, "self: status 403", time.Minute)),
		at("key", inRackbeat, holding(plan.ScopeStock, plan.HeldTokenRefused, "Rackbeat: status 401", 2*time.Hour)),
		at("losses", holding(plan.ScopeStock, plan.HeldLosses, losses.Detail("losses"), time.Hour), holding(plan.ScopePDFs, plan.HeldForbidden, "GET invoices/booked/7/pdf: status 403", 90*time.Minute)),
		at("nofigures", holding(plan.ScopeStock, plan.HeldNoInventory, "none of 300 items carries a stock figure (0 claim to keep stock): the agreement has no inventory module, or keeps its stock elsewhere (Rackbeat?)", 72*time.Hour)),
		at("places", inRackbeat, holding(plan.ScopeStock, plan.HeldPlacesChanged, "stock by place: place \"4\": the warehouse has no place of this number", 2*time.Hour)),
		at("token", holding(plan.ScopeShop, plan.HeldTokenRefused, "self: status 401: E0\x1b[2J", 5*time.Minute), func(st *store.ShopStatus) {
			st.Progress.Failures, st.Progress.Failure = 9, "self: status 401, which the hold says already"
		}),
		at("unreadable", holding(plan.ScopeStock, plan.HeldUnreadable, "300 of 300 items cannot be read: inventory.inStock: expected a number, got string \"7\"", 30*time.Minute)),
		at("unsealed", holding(plan.ScopeShop, plan.HeldTokenUnreadable, "the token cannot be decrypted with this master key", 10*time.Second)),
		at("well"),
	)
}

// troubled has a shop for each other reason.
func troubled() status.Look {
	l := looking(
		at("batches", func(st *store.ShopStatus) { st.SetAside, st.SetAsideSince = 2, ago(50*time.Minute).Time }),
		at("hint", func(st *store.ShopStatus) { st.OldestHint = ago(61 * time.Minute).Time }),
		at("left", func(st *store.ShopStatus) { st.Holder, st.Progress.TickAt = "", ago(20*time.Minute) }),
		at("listing", func(st *store.ShopStatus) { st.Progress.Items, st.Progress.SweptAt = 5000, ago(50*time.Hour) }),
		at("nokey", func(st *store.ShopStatus) { st.Shop.StockSource = store.SourceRackbeat }),
		at("pdfs", func(st *store.ShopStatus) {
			st.FailingPDFs = []store.Notice{{Kind: plan.KindInvoice, Count: 2, Number: "17", Text: "GET invoices/booked/17/pdf: status 500"}}
		}),
		at("ticks", func(st *store.ShopStatus) {
			st.Progress.TickAt, st.Progress.Failures, st.Progress.Failure = ago(45*time.Minute), 44, "GET self: dial tcp 192.0.2.7:443: connect: connection refused"
		}),
		at("unread", func(st *store.ShopStatus) {
			st.FailingHints = 23
			st.Failing = []store.Notice{{Kind: plan.KindInvoice, Count: 22, Number: "14", Text: "references.other: expected a string, got number 7", Since: ago(3 * time.Hour).Time},
				{Kind: plan.KindStock, Count: 1, Number: "A 1", Text: "inventory.inStock: expected a number, got bool", Since: ago(11 * time.Minute).Time}}
		}),
	)
	return l
}

// noted has shops of which something is to be said that needs nobody.
func noted() status.Look {
	return looking(
		at("failing", func(st *store.ShopStatus) {
			st.Progress.Failures, st.Progress.Failure = 1, "GET products: status 500"
			st.Failing, st.FailingHints = []store.Notice{{Kind: plan.KindStock, Count: 1, Number: "7", Text: "status 500", Since: ago(time.Minute).Time}}, 1
		}),
		at("handover", func(st *store.ShopStatus) { st.Holder = "" }),
		at("paused", func(st *store.ShopStatus) {
			st.Shop.PausedAt, st.Shop.PauseReason = ago(time.Hour), "stock\ntaking"
			st.Progress.Holds = plan.Holds{{Scope: plan.ScopeStock, Reason: plan.HeldLosses}}
		}),
		at("refused", func(st *store.ShopStatus) {
			st.Refused = store.RefusedCalls{Day: "2026-11-23", Calls: 12, LastAt: ago(5 * time.Minute), LastRemote: "192.0.2.7"}
		}),
		at("warned", func(st *store.ShopStatus) {
			st.Warnings = []store.Notice{{Kind: plan.KindStock, Count: 3, Number: "A-1", Text: "barCode: expected a string, got number 123"}}
			st.AwaitingHints, st.Marked = 5, 6
		}),
		at("zero", func(st *store.ShopStatus) { st.Progress.Suspicion = string(plan.SuspicionAllZero) }),
	)
}

// nodes has three lagerds: one that was killed and started again, and one that died for good.
func nodes() status.Look {
	l := looking(at("shop1"), at("shop2", func(st *store.ShopStatus) { st.Holder = "c" }), at("shop3", func(st *store.ShopStatus) { st.Holder = "dead" }))
	b, c := node("b", "stock2.example.dk", 812, 10*time.Minute, time.Second), node("c", "a-host-with-a-rather-long-name.stock.example.dk", 3, 26*time.Hour, 3*time.Second)
	l.Instances = append(l.Instances, node("dead", "stock3.example.dk", 99, 100*time.Hour, 40*time.Second), node("killed", "stock2.example.dk", 4, 100*time.Hour, 11*time.Minute), b, c)
	l.Living["b"], l.Living["c"] = b, c
	l.Holdings = map[string]int{"a lagerd": 1, "c": 1, "dead": 1}
	return l
}

// manyShops has 10,000 shops, of which 2,345 have a refused token.
func manyShops() status.Look {
	var shops []store.ShopStatus
	for n := range 10_000 {
		st := at(fmt.Sprintf("shop%04d", n))
		if n%4 == 0 && n < 9380 {
			holding(plan.ScopeShop, plan.HeldTokenRefused, "GET self: status 401", time.Duration(10_000-n)*time.Second)(&st)
		}
		if n%5000 == 1 {
			holding(plan.ScopeStock, plan.HeldLosses, plan.LossDecision{Losses: 6 + n/5000, Items: 10, Reason: plan.LossesAtOnce}.Detail(st.Shop.Shop), time.Hour)(&st)
		}
		if n%1000 == 2 {
			st.Progress.SweptAt, st.Shop.CreatedAt = store.Time{}, ago(10*time.Minute)
		}
		shops = append(shops, st)
	}
	return looking(shops...)
}

// readOnly is an installation whose database accepts no writes, so that heartbeats stopped.
func readOnly() status.Look {
	l := looking(at("shop1"))
	l.Living, l.Instances[0].BeatAt = nil, ago(10*time.Minute)
	l.ReadOnly = "store webhooks: Error 1290 (HY000): The MariaDB server is running with the --read-only option so it cannot execute this statement: the server is read-only: make it writable, or point database.dsn at the primary"
	return l
}

// tokenless has a lagerd without the app's token, and shops whose stock is at e-conomic and at
// Rackbeat.
func tokenless() status.Look {
	const do = "put your e-conomic app's secret token into /etc/lagerd/economic-app-secret-token, then run `systemctl restart lagerd`"
	const detail = "lagerd has no app secret token, so nothing is read from e-conomic: " + do
	l := looking(
		at("shop1", holding(plan.ScopeShop, plan.HeldNoAppToken, detail, 5*time.Minute)),
		at("shop2", inRackbeat, holding(plan.ScopeInvoices, plan.HeldNoAppToken, detail, time.Minute)),
	)
	l.NoAppToken = do
	return l
}

// TestOverviewText compares what `lagerd status` shows with testdata/overview. The files are
// written anew with -update, and are to be read then.
func TestOverviewText(t *testing.T) {
	t.Parallel()
	none := looking(at("shop1"), at("paused", func(st *store.ShopStatus) { st.Shop.PausedAt, st.Shop.PauseReason = ago(time.Hour), "stocktaking" }))
	none.Living, none.Instances[0].BeatAt = nil, ago(42*time.Minute)
	never := looking(at("shop1"))
	never.Living, never.Instances, never.Holdings = nil, nil, nil
	unwell := looking(at("shop1"), at("paused", func(st *store.ShopStatus) { st.Shop.PausedAt = ago(time.Hour) }), at("off", func(st *store.ShopStatus) { st.Shop.StockOn = false }))
	for _, st := range unwell.Shops {
		unwell.Incidents = append(unwell.Incidents, incident(st.Shop.Shop, status.WebhookStock, time.Hour), incident(st.Shop.Shop, status.WebhookRackbeat, time.Hour))
	}
	short := looking(at("shop1", func(st *store.ShopStatus) {
		st.AgreementCalls = store.AccountCalls{Day: "2026-11-23", Calls: 42_030}
	}), at("shop2"))
	first := looking(at("old"), at("new", func(st *store.ShopStatus) {
		st.Progress.SweptAt, st.Progress.TickAt, st.Shop.CreatedAt = store.Time{}, store.Time{}, ago(time.Minute)
	}))
	write := func(l status.Look, columns int, listed bool) string {
		var out strings.Builder
		if err := l.Overview().Write(&out, status.Paper{Columns: columns, Now: noon}, listed); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	one := func(l status.Look, shop string) string {
		var out strings.Builder
		if err := l.Overview().Only(shop).WriteOne(&out, paper); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	var document strings.Builder
	if err := status.WriteJSON(&document, nodes().Overview()); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"nodes-json": document.String(),
		"running":    write(looking(at("shop1"), at("shop2")), 80, true), "first-sweep": write(first, 80, true), "held": write(allHeld(), 80, true), "held-wide": write(allHeld(), 140, true),
		"held-narrow": write(allHeld(), 40, true), "troubled": write(troubled(), 80, true), "noted": write(noted(), 80, true), "no-lagerd": write(none, 80, true),
		"never-a-lagerd": write(never, 80, true), "short-of-calls": write(short, 80, true), "nodes": write(nodes(), 80, true), "read-only": write(readOnly(), 80, true), "no-app-token": write(tokenless(), 80, true), "many": write(manyShops(), 80, false),
		"one": one(looking(at("well")), "well"), "one-held": one(allHeld(), "losses"), "one-noted": one(noted(), "warned"), "one-in-rackbeat": one(looking(atRackbeat()), "shop1234"),
		"one-of-a-lost-node": one(nodes(), "shop3"), "one-of-many": one(manyShops(), "shop0004"), "one-without-a-lagerd": one(none, "shop1"),
	} {
		file := filepath.Join("testdata", "overview", name+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, l := range []status.Look{allHeld(), troubled(), noted(), nodes(), none} {
		for columns := 20; columns < 200; columns++ {
			for line := range strings.Lines(write(l, columns, true)) {
				if n := terminal.Cells(strings.TrimSuffix(line, "\n")); n > columns {
					t.Fatalf("a line of %d in %d columns: %q", n, columns, line)
				}
			}
		}
	}
}

// TestEveryNeed: each reason is documented, has a place in the order and is shown by an overview of
// these tests, with what to do.
func TestEveryNeed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/operators.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[status.NeedReason]bool{}
	alone := looking(at("shop1"))
	alone.Living = nil
	unwell := looking(at("shop1"), at("paused", func(st *store.ShopStatus) { st.Shop.PausedAt = ago(time.Hour) }), at("off", func(st *store.ShopStatus) { st.Shop.StockOn = false }))
	for _, st := range unwell.Shops {
		unwell.Incidents = append(unwell.Incidents, incident(st.Shop.Shop, status.WebhookStock, time.Hour), incident(st.Shop.Shop, status.WebhookRackbeat, time.Hour))
	}
	short := looking(at("shop1", func(st *store.ShopStatus) { st.AgreementCalls = store.AccountCalls{Day: "2026-11-23", Calls: 49_000} }))
	refused := looking(at("one", holding(plan.ScopeShop, plan.HeldTokenRefused, "401", time.Minute)), at("two", func(st *store.ShopStatus) { st.Progress.AgreementNumber = 2 }, holding(plan.ScopeShop, plan.HeldTokenRefused, "401", time.Minute)))
	for _, l := range []status.Look{alone, refused, allHeld(), troubled(), nodes(), short, unwell, readOnly(), tokenless()} {
		for _, n := range l.Overview().Needs {
			shown[n.Reason] = true
			if n.Do == "" || n.Advice == "" || n.Detail == "" || strings.Contains(n.Do, "SHOP") || strings.Contains(n.Text(), "%!") || (n.Shop == "") != (n.Scope == "") {
				t.Errorf("%+v", n)
			}
		}
	}
	for _, reason := range status.NeedReasons() {
		if !shown[reason] {
			t.Errorf("%s is not shown", reason)
		}
		if !strings.Contains(string(text), "`"+string(reason)+"`") {
			t.Errorf("%s is not in docs/operators.md", reason)
		}
		delete(shown, reason)
	}
	for _, reason := range plan.Reasons() {
		if !slices.Contains(status.NeedReasons(), status.NeedReason(reason)) {
			t.Errorf("the hold %s has no place in the order", reason)
		}
	}
	if len(shown) > 0 {
		t.Errorf("%v are not among the reasons", shown)
	}
}

// TestNeedsOfOthers: a shop's own overview has what stops it, and nothing else.
func TestNeedsOfOthers(t *testing.T) {
	t.Parallel()
	refused := holding(plan.ScopeShop, plan.HeldTokenRefused, "401", time.Minute)
	l := looking(at("one", refused), at("two", refused, func(st *store.ShopStatus) { st.Progress.AgreementNumber = 2 }), at("well", func(st *store.ShopStatus) { st.Progress.TickAt = ago(2 * time.Minute) }))
	l.Instances = append(l.Instances, node("dead", "stock3.example.dk", 99, 100*time.Hour, time.Minute))
	if o := tokenless().Overview().Only("shop2"); len(o.Needs) != 2 || o.Needs[0].Reason != status.NeedAppTokenMissing || o.Needs[1].Reason != status.NeedReason(plan.HeldNoAppToken) {
		t.Errorf("a shop without the app's token needs %+v", o.Needs)
	}
	o := l.Overview()
	for shop, want := range map[string][]status.NeedReason{
		"one": {status.NeedAppTokenRefused, status.NeedReason(plan.HeldTokenRefused)}, "well": nil,
		"": {status.NeedAppTokenRefused, status.NeedNodeLost, status.NeedReason(plan.HeldTokenRefused), status.NeedReason(plan.HeldTokenRefused)},
	} {
		of := o
		if shop != "" {
			of = o.Only(shop)
		}
		var got []status.NeedReason
		for _, n := range of.Needs {
			got = append(got, n.Reason)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", shop, diff)
		}
	}
	if n := o.Only("one").Needs[1]; !strings.HasPrefix(n.Do, "check the app's token first") {
		t.Errorf("%+v", n)
	}
	if len(o.Shops) != 3 || len(o.Needs) != 4 {
		t.Errorf("Only has changed the overview: %+v", o)
	}
	// A paused shop needs nobody, not even a lagerd.
	paused := looking(at("paused", func(st *store.ShopStatus) { st.Shop.PausedAt = ago(time.Hour) }, refused))
	paused.Living = nil
	if o := paused.Overview().Only("paused"); len(o.Needs) > 0 {
		t.Errorf("%+v", o.Needs)
	}
}

// TestFill: an overview in which shops are looked at more closely afterwards is that of everything,
// also while the app's token is suspected and where no lagerd lives.
func TestFill(t *testing.T) {
	t.Parallel()
	refused := holding(plan.ScopeShop, plan.HeldTokenRefused, "status 401", time.Hour)
	for name, shops := range map[string][]store.ShopStatus{
		"in good health": {at("a"), at("b")},
		"the app's token is refused": {at("a", refused, func(st *store.ShopStatus) { st.Progress.AgreementNumber = 1 }), at("b", refused, func(st *store.ShopStatus) { st.Progress.AgreementNumber = 2 }),
			at("c", refused, func(st *store.ShopStatus) { st.Progress.AgreementNumber = 3 })},
		"not taken": {at("a", func(st *store.ShopStatus) { st.Holder = "a dead one" }), at("b")},
		"hints wait": {at("a", func(st *store.ShopStatus) {
			st.OpenHints, st.AwaitingHints, st.ShortHints, st.AgreementCalls = 9, 3, 2, store.AccountCalls{Day: "2026-11-23", Calls: 9, Shops: 2}
		}), at("b")},
	} {
		l := looking(shops...)
		want := l.Overview()
		standing := l
		standing.Shops = slices.Clone(shops)
		for i := range standing.Shops { // what store.Standings does not return
			st := &standing.Shops[i]
			st.AwaitingHints, st.ShortHints = 0, 0
			st.OpenHints, st.OldestHint, st.FailingHints, st.Failing, st.Warnings, st.FailingPDFs, st.Refused = 0, time.Time{}, 0, nil, nil, nil, store.RefusedCalls{}
			st.ItemsStored, st.InvoicesStored, st.WaitForPDF, st.WithoutOrder = 0, 0, 0, 0
		}
		got := l.Fill(standing.Overview(), shops)
		if diff := cmp.Diff(want.Needs, got.Needs); diff != "" {
			t.Errorf("%s: needs (-everything +filled):\n%s", name, diff)
		}
		for i := range want.Shops {
			if diff := cmp.Diff(fmt.Sprintf("%+v", want.Shops[i].Notes), fmt.Sprintf("%+v", got.Shops[i].Notes)); diff != "" || want.Shops[i].Reason != got.Shops[i].Reason || want.Shops[i].State != got.Shops[i].State || want.Shops[i].OpenHints != got.Shops[i].OpenHints {
				t.Errorf("%s: %s is\n%+v, expected\n%+v", name, want.Shops[i].Shop, got.Shops[i], want.Shops[i])
			}
		}
	}
}
