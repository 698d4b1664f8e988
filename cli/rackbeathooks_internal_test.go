package cli

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"lagerd/plan"
	"lagerd/rackbeat"
	"lagerd/secret"
	"lagerd/store"
)

// hook is an active webhook for inventory.changed.
func hook(id int64, address string, change ...func(*rackbeat.Webhook)) rackbeat.Webhook {
	on := true
	w := rackbeat.Webhook{ID: id, Event: "inventory.changed", URL: secret.NewText(address), Active: &on}
	for _, c := range change {
		c(&w)
	}
	return w
}

func event(name string) func(*rackbeat.Webhook) {
	return func(w *rackbeat.Webhook) { w.Event = name }
}

func plugin(name string) func(*rackbeat.Webhook) {
	return func(w *rackbeat.Webhook) { w.Plugin = name }
}

func off(w *rackbeat.Webhook) { w.Active = new(bool) }

func TestHookWarnings(t *testing.T) {
	t.Parallel()
	const (
		at   = "https://drift.example.dk/webhooks.php?type=rackbeatStock&username=shop1234&password=THECODE"
		none = "no webhook at Rackbeat calls lagerd for inventory.changed, so that such changes come with the next tick: make one for it there, with the URL https://drift.example.dk/webhooks.php?type=rackbeatStock&username=shop1234&password=CODE, or `lagerd shops instructions shop1234 --new-code` prints it with a new code"
	)
	of := func(name, needle string) string { return strings.Replace(at, "shop1234", name, 1) + needle }
	for _, c := range []struct {
		name   string
		list   []rackbeat.Webhook
		figure plan.Figure
		says   []string // how each warning begins
	}{
		{"right", []rackbeat.Webhook{hook(1, at)}, "", nil},
		{"it may not say that it is on", []rackbeat.Webhook{hook(1, at, func(w *rackbeat.Webhook) { w.Active = nil })}, "", nil},
		{"another code", []rackbeat.Webhook{hook(1, strings.Replace(at, "THECODE", "FORMER", 1))}, "", nil},
		{"the same URL, written differently", []rackbeat.Webhook{hook(1, "HTTPS://Drift.example.dk:443/webhooks.php?password=THECODE&amp;Username=shop1234&amp;TYPE=rackbeatstock")}, "", nil},
		{"none", nil, "", []string{none}},
		{"of other events", []rackbeat.Webhook{hook(1, at, event("product.created"))}, "", []string{none}},
		{"what is available changes with orders", []rackbeat.Webhook{hook(1, at)}, plan.FigureAvailable, []string{"no webhook at Rackbeat calls lagerd for order.created"}},
		{"off", []rackbeat.Webhook{hook(1, at, off)}, "", []string{"webhook 1 at Rackbeat, for inventory.changed, is off: switch it on there"}},
		{"one of two is off", []rackbeat.Webhook{hook(1, at, off), hook(2, at)}, "", nil},
		{"another event is off", []rackbeat.Webhook{hook(1, at), hook(2, at, event("product.updated"), off)}, "", []string{"webhook 2 at Rackbeat, for product.updated, is off"}},
		{"failing", []rackbeat.Webhook{hook(7, at, func(w *rackbeat.Webhook) { w.Failures = 3 })}, "", []string{"webhook 7 at Rackbeat, for inventory.changed, has failed 3 times since it last succeeded: open its URL in a browser"}},
		{"off and failing", []rackbeat.Webhook{hook(7, at, off, func(w *rackbeat.Webhook) { w.Failures = 3 })}, "", []string{"webhook 7 at Rackbeat, for inventory.changed, is off"}},
		{"another lagerd", []rackbeat.Webhook{hook(1, at), hook(2, "https://old.example.dk:8443/webhooks.php?type=rackbeatStock&username=shop1234&password=THECODE")}, "",
			[]string{"webhooks at Rackbeat like lagerd's call https://old.example.dk:8443, and this lagerd's address is https://drift.example.dk/webhooks.php: correct them"}},
		{"another scheme", []rackbeat.Webhook{hook(1, strings.Replace(at, "https", "http", 1))}, "", []string{none, "webhooks at Rackbeat like lagerd's call http://drift.example.dk, and"}},
		{"another path", []rackbeat.Webhook{hook(1, strings.Replace(at, "webhooks.php", "THECODE", 1))}, "", []string{none, "webhooks at Rackbeat like lagerd's call https://drift.example.dk, and"}},
		{"another lagerd, off", []rackbeat.Webhook{hook(1, at), hook(2, strings.Replace(at, "drift", "old", 1), off)}, "", nil},
		{"another shop", []rackbeat.Webhook{hook(1, at), hook(2, of("other", "")), hook(3, of("other", ""), event("product.created"))}, "",
			[]string{"webhooks at Rackbeat call this lagerd, and not with type=rackbeatStock&username=shop1234 but for the shop other: correct"}},
		{"another shop of the account", []rackbeat.Webhook{hook(1, at), hook(2, of("sibling", ""))}, "", nil},
		{"no shop", []rackbeat.Webhook{hook(1, of("THECODE", ""))}, "", []string{none, "webhooks at Rackbeat call this lagerd, and not with type=rackbeatStock&username=shop1234 but for a name that no shop has"}},
		{"another type", []rackbeat.Webhook{hook(1, strings.Replace(at, "rackbeatStock", "stockUpdate", 1))}, "", []string{none, "webhooks at Rackbeat call this lagerd, and not with type=rackbeatStock&username=shop1234 but for another type"}},
		{"a second writer", []rackbeat.Webhook{hook(1, at), hook(2, "https://user:THECODE@shopify.example.com/hooks/THECODE?token=THECODE"), hook(3, "https://shopify.example.com/x"), hook(4, "%THECODE"), hook(5, "https://off.example.com", off)}, "",
			[]string{"Rackbeat also calls an address that cannot be read, shopify.example.com: if something there writes the shop's stock, the shop has two writers: switch Rackbeat's own link to the shop off"}},
		{"links of plugins", []rackbeat.Webhook{hook(1, at, plugin("mine")), hook(2, "https://shopify.example.com/x", plugin("shop\nlink "+strings.Repeat("x", 60))), hook(3, "%THECODE", plugin("woo"))}, "",
			[]string{`Rackbeat also calls an address that cannot be read (plugin "woo"), shopify.example.com (plugin "shop\nlink xxxxxxx`}},
		{"many", []rackbeat.Webhook{hook(1, at), hook(2, "https://a.dk"), hook(3, "https://b.dk"), hook(4, "https://c.dk"), hook(5, "https://d.dk"), hook(6, "https://e.dk"), hook(7, "https://f.dk")}, "",
			[]string{"Rackbeat also calls a.dk, b.dk, c.dk, d.dk, e.dk and 1 more: "}},
	} {
		public, err := url.Parse("https://drift.example.dk/webhooks.php")
		if err != nil {
			t.Fatal(err)
		}
		shop := func(name string, account int64) store.ShopStatus {
			return store.ShopStatus{Shop: store.Shop{Shop: name, StockSource: store.SourceRackbeat, RackbeatKey: []byte("k")}, Progress: store.Progress{StockAccount: account}}
		}
		h := hookCheck{shop: store.Shop{Shop: "shop1234", StockFigure: c.figure}, public: public, at: 7,
			shops: []store.ShopStatus{shop("shop1234", 7), shop("other", 8), shop("sibling", 7)}}
		said := h.warnings(c.list)
		if !slices.EqualFunc(said, c.says, strings.HasPrefix) {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(said, "\n"), strings.Join(c.says, "\n"))
		}
		if strings.Contains(strings.Join(said, ""), "THECODE") {
			t.Errorf("%s: a code is shown: %s", c.name, said)
		}
	}
}

// TestHooksRefused: a key that may not list webhooks is no failure, and a Rackbeat that does not
// answer is one.
func TestHooksRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		failed int
		says   string
	}{
		{&rackbeat.Error{Op: "list the webhooks", Kind: rackbeat.KindForbidden}, 0, "WARNING shop s: the webhooks at Rackbeat are not checked: "},
		{&rackbeat.Error{Op: "list the webhooks", Kind: rackbeat.KindNotFound}, 0, "WARNING shop s: the webhooks at Rackbeat are not checked: "},
		{&rackbeat.Error{Op: "list the webhooks", Kind: rackbeat.KindUnavailable}, 1, "FAILED  shop s: "},
		{errors.New("broken"), 1, "FAILED  shop s: broken"},
	} {
		var out strings.Builder
		r := report{w: &out}
		checkHooks(&r, "shop s", hookCheck{}, nil, c.err)
		if r.failed != c.failed || !strings.HasPrefix(out.String(), c.says) || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%v: %d failed, %s", c.err, r.failed, out.String())
		}
	}
}

func TestAssessedAtRackbeat(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]plan.Assessment{
		"2 of the first 3 items at Rackbeat carry a stock figure":      {Items: 3, Enabled: 3, WithFigures: 2, NonZero: 1},
		"the account has no items yet":                                 {},
		"every stock figure on the first page at Rackbeat is zero":     {Items: 3, WithFigures: 3},
		"none of the first 3 items at Rackbeat carries a stock figure": {Items: 3},
	} {
		said, err := assessedAtRackbeat(a, store.Shop{Shop: "s"})
		if err != nil {
			said = err.Error()
		}
		if !strings.HasPrefix(said, want) || (err != nil) != strings.HasPrefix(want, "none") {
			t.Errorf("%+v: %q, %v, want %q", a, said, err, want)
		}
	}
}
