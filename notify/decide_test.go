package notify_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/lang"
	"lagerd/notify"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

var settings = notify.Settings{
	Operator: []notify.Address{{Channel: store.ChannelMail, Mail: "drift@example.dk"}, {Channel: store.ChannelWebhook}}, Mail: true,
	After: 5 * time.Minute, OwnersAfter: time.Hour, Every: 15 * time.Minute,
}

// world keeps what Decide decides, as the database does.
type world struct {
	t         *testing.T
	now       time.Time
	shops     map[string]store.Shop
	there     []status.Need
	nodes     []status.Node
	webhooks  notify.WebhooksOf
	incidents map[store.IncidentKey]store.Incident
	last      map[store.Recipient]time.Time
	told      []string // "12:05 operator mail: began …; over …"
	ids       int
	away      bool // nothing reaches anybody
	waiting   []waiting
}

// waiting is a message that has reached nobody.
type waiting struct {
	store.Message
	line string
}

// back lets what waits arrive.
func (w *world) back() *world {
	w.away = false
	for _, m := range w.waiting {
		w.told = append(w.told, m.line)
	}
	w.waiting = nil
	return w
}

func newWorld(t *testing.T, shops ...string) *world {
	w := &world{t: t, now: noon, shops: map[string]store.Shop{}, webhooks: notify.WebhooksOf{}, incidents: map[store.IncidentKey]store.Incident{}, last: map[store.Recipient]time.Time{}}
	for _, name := range shops {
		w.shops[name] = store.Shop{Shop: name, Email: name + "@example.dk", Lang: lang.Danish, StockOn: true, InvoicesOn: true, StockSource: store.SourceEconomic}
		w.webhooks[name] = nil
	}
	return w
}

// run decides each half minute for a time.
func (w *world) run(d time.Duration) *world {
	w.t.Helper()
	step := 30 * time.Second
	if len(w.shops) > 1000 { // as if each round took that long
		step = 5 * time.Minute
	}
	for end := w.now.Add(d); w.now.Before(end); w.now = w.now.Add(step) {
		w.decide()
	}
	return w
}

func (w *world) matters() notify.Matters {
	var look status.Look
	var o status.Overview
	o.Needs = w.there
	of := map[string][]status.Need{}
	for _, n := range w.there {
		of[n.Shop] = append(of[n.Shop], n)
	}
	for name, shop := range w.shops {
		look.Shops = append(look.Shops, store.ShopStatus{Shop: shop})
		o.Shops = append(o.Shops, status.Shop{Shop: name, State: status.StateRunning, Needs: of[name]})
	}
	o.Nodes = w.nodes
	return notify.MattersOf(look, o, w.webhooks, slices.Collect(maps.Values(w.incidents)))
}

func (w *world) decide() {
	w.t.Helper()
	x := notify.Situation{Now: w.now, Matters: w.matters(), Last: w.last}
	for _, i := range w.incidents {
		x.Incidents = append(x.Incidents, i)
	}
	for _, m := range w.waiting {
		x.Unsent = append(x.Unsent, m.Message)
	}
	told, err := notify.Decide(settings, x, func() string { w.ids++; return fmt.Sprint(w.ids) })
	if err != nil {
		w.t.Fatal(err)
	}
	for _, i := range told.Put {
		w.incidents[i.IncidentKey] = i
	}
	for _, k := range told.Delete {
		delete(w.incidents, k)
	}
	w.waiting = slices.DeleteFunc(w.waiting, func(m waiting) bool { return slices.Contains(told.Withdraw, m.ID) })
	for _, m := range told.Messages {
		w.last[store.Recipient{Audience: m.Audience, Shop: m.Shop}] = w.now
		to := m.Address
		switch {
		case m.Channel == store.ChannelWebhook && m.Audience == store.AudienceOperator:
			continue // says the same
		case m.Channel == store.ChannelWebhook:
			to = "webhook of " + m.Shop
		}
		if strings.Contains(string(m.Content), "null") {
			w.t.Errorf("null in %s", m.Content)
		}
		var c notify.Content
		if err := json.Unmarshal(m.Content, &c); err != nil {
			w.t.Fatal(err)
		}
		line := w.now.Format("15:04 ") + to + ":"
		for _, e := range c.Began {
			line += fmt.Sprintf(" +%s/%s/%d", e.Scope, e.Reason, e.Count)
		}
		for _, e := range c.Over {
			line += fmt.Sprintf(" -%s/%s/%d", e.Scope, e.Reason, e.Count)
		}
		if w.away {
			w.waiting = append(w.waiting, waiting{m, line})
			continue
		}
		w.told = append(w.told, line)
	}
}

func (w *world) has(want ...string) {
	w.t.Helper()
	if got := strings.Join(w.told, "\n"); got != strings.Join(want, "\n") {
		w.t.Errorf("told at %s:\n%s\nexpected:\n%s", w.now.Format("15:04"), got, strings.Join(want, "\n"))
	}
}

// need adds something that needs a person; over takes everything away.
func (w *world) need(shop string, scope plan.Scope, reason string) *world {
	w.there = append(w.there, status.Need{Shop: shop, Scope: scope, Reason: status.NeedReason(reason), Detail: "why", Do: "do", Advice: "do"})
	return w
}

func (w *world) over() *world { w.there = nil; return w }

// set changes a shop's settings.
func (w *world) set(name string, change func(shop *store.Shop)) *world {
	shop := w.shops[name]
	change(&shop)
	w.shops[name] = shop
	return w
}

func paused(at time.Time) func(shop *store.Shop) {
	return func(shop *store.Shop) { shop.PausedAt = store.At(at) }
}

// lost adds a lagerd that has stopped without saying so.
func (w *world) lost(host string) *world {
	w.there = append(w.there, status.Need{Reason: status.NeedNodeLost, Host: host, Detail: "why", Do: "do", Advice: "do"})
	return w
}

// unwell lets the webhooks of shops stop.
func (w *world) unwell(shops ...string) *world {
	for _, name := range shops {
		w.webhooks[name] = []status.WebhookHealth{{Type: status.WebhookStock, State: status.WebhooksStopped}}
	}
	return w
}

func TestDecide(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(w *world)
		want []string
	}{
		"nothing":             {func(w *world) { w.run(2 * time.Hour) }, nil},
		"what does not last":  {func(w *world) { w.need("a", "shop", "no_good_tick").run(4 * time.Minute).over().run(time.Hour) }, nil},
		"only the operator's": {func(w *world) { w.need("a", "shop", "no_good_tick").run(3 * time.Hour) }, []string{"12:05 drift@example.dk: +shop/no_good_tick/1"}},
		"the installation":    {func(w *world) { w.need("", "", "app_token_refused").run(time.Hour).over().run(time.Hour) }, []string{"12:05 drift@example.dk: +/app_token_refused/0", "13:05 drift@example.dk: -/app_token_refused/0"}},
		"a lost node is forgotten": {func(w *world) {
			w.lost("web1").run(time.Hour).over().run(time.Hour)
			if len(w.incidents) > 0 {
				w.t.Errorf("left: %v", w.incidents)
			}
		}, []string{"12:05 drift@example.dk: +/node_lost/0"}},
		"a lost node is replaced": {func(w *world) {
			w.lost("web1").lost("web2").run(30 * time.Minute)
			w.over().lost("web2").nodes = []status.Node{{Host: "web1", State: status.NodeReplaced}}
			w.run(3 * time.Minute).nodes = nil // its row is deleted
			w.run(time.Hour)
		}, []string{"12:05 drift@example.dk: +/node_lost/0 +/node_lost/0", "12:35 drift@example.dk: -/node_lost/0"}},
		"a shop is paused and goes on": {func(w *world) {
			w.need("a", "stock", "losses").run(2*time.Hour).set("a", paused(noon)).over().run(2*time.Hour).set("a", paused(time.Time{})).run(time.Hour)
		}, []string{"12:05 drift@example.dk: +stock/losses/1", "13:00 a@example.dk: +stock/losses/1", "14:05 drift@example.dk: -stock/losses/1", "16:05 a@example.dk: -stock/losses/1"}},
		"a shop is paused before its owner is told": {func(w *world) {
			w.need("a", "stock", "losses").run(50*time.Minute).set("a", paused(noon)).over().run(2*time.Hour).set("a", paused(time.Time{})).need("a", "stock", "losses").run(59 * time.Minute)
		}, []string{"12:05 drift@example.dk: +stock/losses/1", "12:55 drift@example.dk: -stock/losses/1", "14:55 drift@example.dk: +stock/losses/1"}},
		"stock is switched off": {func(w *world) {
			w.need("a", "stock", "losses").need("a", "invoices", "unread").unwell("a").run(2*time.Hour).over().need("a", "invoices", "unread").webhooks["a"] = nil
			w.set("a", func(shop *store.Shop) { shop.StockOn = false }).run(time.Hour)
		}, []string{"12:05 drift@example.dk: +stock/losses/1 +invoices/unread/1 +shop/webhooks/1", "13:00 a@example.dk: +stock/losses/1 +invoices/unread/1 +shop/webhooks/1", "14:05 drift@example.dk: -stock/losses/1 -shop/webhooks/1"}},
		"invoices are switched off": {func(w *world) {
			w.need("a", "invoices", "unread").run(2*time.Hour).over().set("a", func(shop *store.Shop) { shop.InvoicesOn = false }).run(time.Hour)
		}, []string{"12:05 drift@example.dk: +invoices/unread/1", "13:00 a@example.dk: +invoices/unread/1", "14:05 drift@example.dk: -invoices/unread/1"}},
		"an owner gets another address": {func(w *world) {
			w.need("a", "stock", "losses").run(2*time.Hour).set("a", func(shop *store.Shop) { shop.Email = "new@example.dk" }).run(time.Hour).over().run(time.Hour)
		}, []string{"12:05 drift@example.dk: +stock/losses/1", "13:00 a@example.dk: +stock/losses/1", "14:00 new@example.dk: +stock/losses/1", "15:05 drift@example.dk: -stock/losses/1", "15:05 new@example.dk: -stock/losses/1"}},
		"an owner gets another address when it is over": {func(w *world) {
			w.need("a", "stock", "losses").run(2*time.Hour).over().set("a", func(shop *store.Shop) { shop.Email = "new@example.dk" }).run(time.Hour)
		}, []string{"12:05 drift@example.dk: +stock/losses/1", "13:00 a@example.dk: +stock/losses/1", "14:05 drift@example.dk: -stock/losses/1"}},
		"an owner gets a webhook too": {func(w *world) {
			w.need("a", "stock", "losses").run(2*time.Hour).set("a", func(shop *store.Shop) {
				shop.NotifyOrigin, shop.NotifyHook = "https://hooks.example.dk", []byte("one")
			}).run(time.Hour).set("a", func(shop *store.Shop) { shop.NotifyHook = []byte("two") }).run(time.Hour)
		}, []string{"12:05 drift@example.dk: +stock/losses/1", "13:00 a@example.dk: +stock/losses/1", "14:00 webhook of a: +stock/losses/1", "15:00 webhook of a: +stock/losses/1"}},
		"over before anybody could be told": {func(w *world) {
			w.away = true
			w.need("a", "shop", "no_good_tick").run(30 * time.Minute).over().run(30 * time.Minute).back().run(time.Hour)
		}, nil},
		"one of two over before anybody could be told": {func(w *world) {
			w.away = true
			w.need("a", "shop", "no_good_tick").need("b", "stock", "no_sweep").run(30*time.Minute).over().need("b", "stock", "no_sweep").run(30 * time.Minute).back().run(time.Hour)
		}, []string{"12:35 drift@example.dk: +stock/no_sweep/1"}},
		"what says that something is over is not withdrawn": {func(w *world) {
			w.need("a", "shop", "no_good_tick").run(30 * time.Minute).away = true
			w.over().need("b", "stock", "no_sweep").run(30 * time.Minute).over().run(30 * time.Minute).back().run(time.Hour)
		}, []string{"12:05 drift@example.dk: +shop/no_good_tick/1", "12:35 drift@example.dk: +stock/no_sweep/1 -shop/no_good_tick/1", "13:05 drift@example.dk: -stock/no_sweep/1"}},
		"the owner's too":       {func(w *world) { w.need("a", "shop", "token_refused").run(3 * time.Hour) }, []string{"12:05 drift@example.dk: +shop/token_refused/1", "13:00 a@example.dk: +shop/token_refused/1"}},
		"over before the owner": {func(w *world) { w.need("a", "shop", "token_refused").run(30 * time.Minute).over().run(2 * time.Hour) }, []string{"12:05 drift@example.dk: +shop/token_refused/1", "12:35 drift@example.dk: -shop/token_refused/1"}},
		"over for both": {func(w *world) { w.need("a", "stock", "losses").run(2 * time.Hour).over().run(2 * time.Hour) },
			[]string{"12:05 drift@example.dk: +stock/losses/1", "13:00 a@example.dk: +stock/losses/1", "14:05 drift@example.dk: -stock/losses/1", "14:05 a@example.dk: -stock/losses/1"}},
		"over for a moment": {func(w *world) {
			w.need("a", "stock", "losses").run(30*time.Minute).over().run(3*time.Minute).need("a", "stock", "losses").run(20 * time.Minute)
		}, []string{"12:05 drift@example.dk: +stock/losses/1"}},
		"over for a moment twice": {func(w *world) {
			w.need("b", "stock", "no_sweep").run(30 * time.Minute)
			for range 2 {
				w.over().run(3*time.Minute).need("b", "stock", "no_sweep").run(20 * time.Minute)
			}
		}, []string{"12:05 drift@example.dk: +stock/no_sweep/1"}},
		"over while another begins": {func(w *world) {
			w.need("a", "stock", "no_sweep").run(30*time.Minute).over().need("b", "pdf", "pdf_fails").run(time.Hour)
		}, []string{"12:05 drift@example.dk: +stock/no_sweep/1", "12:35 drift@example.dk: +pdf/pdf_fails/1 -stock/no_sweep/1"}},
		"one of two is over": {func(w *world) {
			w.need("a", "stock", "losses").need("b", "stock", "losses").run(2 * time.Hour)
			w.over().need("b", "stock", "losses").run(time.Hour)
		}, []string{"12:05 drift@example.dk: +stock/losses/2", "13:00 a@example.dk: +stock/losses/1", "13:00 b@example.dk: +stock/losses/1",
			"14:05 drift@example.dk: -stock/losses/1", "14:05 a@example.dk: -stock/losses/1"}},
		"a shop is removed while others are told": {func(w *world) {
			w.need("a", "stock", "losses").need("b", "stock", "losses").run(30 * time.Minute)
			delete(w.shops, "a")
			w.over().need("b", "stock", "losses").run(time.Hour)
		}, []string{"12:05 drift@example.dk: +stock/losses/2", "13:00 b@example.dk: +stock/losses/1"}},
		"again": {func(w *world) {
			w.need("b", "shop", "no_good_tick").run(30*time.Minute).over().run(30*time.Minute).need("b", "shop", "no_good_tick").run(30 * time.Minute)
		}, []string{"12:05 drift@example.dk: +shop/no_good_tick/1", "12:35 drift@example.dk: -shop/no_good_tick/1", "13:05 drift@example.dk: +shop/no_good_tick/1"}},
		"another while the first waits": {func(w *world) {
			w.need("a", "shop", "no_good_tick").run(4*time.Minute).need("b", "shop", "no_good_tick").run(time.Hour)
		}, []string{"12:05 drift@example.dk: +shop/no_good_tick/2"}},
		"another right after": {func(w *world) {
			w.need("a", "shop", "no_good_tick").run(6*time.Minute).need("b", "pdf", "pdf_fails").run(time.Hour)
		}, []string{"12:05 drift@example.dk: +shop/no_good_tick/1", "12:20 drift@example.dk: +pdf/pdf_fails/1"}},
		"what follows from being stopped": {func(w *world) {
			w.need("a", "shop", "no_good_tick").need("a", "stock", "no_sweep").need("a", "shop", "hint_waits").run(3 * time.Hour)
		}, []string{"12:05 drift@example.dk: +shop/no_good_tick/1"}},
		"what was told is not over while the shop is stopped": {func(w *world) {
			w.need("a", "stock", "no_sweep").run(30*time.Minute).need("a", "shop", "no_good_tick").run(time.Hour)
		}, []string{"12:05 drift@example.dk: +stock/no_sweep/1", "12:35 drift@example.dk: +shop/no_good_tick/1"}},
		"the app's token": {func(w *world) {
			w.need("", "", "app_token_refused").need("a", "shop", "token_refused").need("b", "shop", "token_refused").run(3 * time.Hour)
		}, []string{"12:05 drift@example.dk: +/app_token_refused/0"}},
		"an owner without address": {func(w *world) {
			shop := w.shops["a"]
			shop.Email = ""
			w.shops["a"] = shop
			w.need("a", "shop", "token_refused").run(3 * time.Hour)
		}, []string{"12:05 drift@example.dk: +shop/token_refused/1"}},
		"an owner with a webhook alone": {func(w *world) {
			shop := w.shops["a"]
			shop.Email, shop.NotifyOrigin = "", "https://hooks.example.dk"
			w.shops["a"] = shop
			w.need("a", "shop", "token_refused").run(3 * time.Hour)
		}, []string{"12:05 drift@example.dk: +shop/token_refused/1", "13:00 webhook of a: +shop/token_refused/1"}},
		"an owner with both": {func(w *world) {
			shop := w.shops["a"]
			shop.NotifyOrigin = "https://hooks.example.dk"
			w.shops["a"] = shop
			w.need("a", "shop", "token_refused").run(3 * time.Hour)
		}, []string{"12:05 drift@example.dk: +shop/token_refused/1", "13:00 a@example.dk: +shop/token_refused/1", "13:00 webhook of a: +shop/token_refused/1"}},
		"a webhook is taken away": {func(w *world) {
			shop := w.shops["a"]
			shop.Email, shop.NotifyOrigin = "", "https://hooks.example.dk"
			w.shops["a"] = shop
			w.need("a", "shop", "token_refused").run(2 * time.Hour)
			shop.NotifyOrigin = ""
			w.shops["a"] = shop
			w.over().run(2 * time.Hour)
		}, []string{"12:05 drift@example.dk: +shop/token_refused/1", "13:00 webhook of a: +shop/token_refused/1", "14:05 drift@example.dk: -shop/token_refused/1"}},
		"a shop is removed": {func(w *world) {
			w.need("a", "shop", "token_refused").run(2 * time.Hour)
			delete(w.shops, "a")
			w.over().run(2 * time.Hour)
			if len(w.incidents) > 0 {
				w.t.Errorf("left: %v", w.incidents)
			}
		}, []string{"12:05 drift@example.dk: +shop/token_refused/1", "13:00 a@example.dk: +shop/token_refused/1"}},
		"webhooks stopped": {func(w *world) {
			w.webhooks["a"] = []status.WebhookHealth{{Type: status.WebhookStock, State: status.WebhooksStopped}}
			w.run(2 * time.Hour)
			w.webhooks["a"] = []status.WebhookHealth{{Type: status.WebhookStock, State: status.WebhooksArrive}}
			w.run(time.Hour)
		}, []string{"12:05 drift@example.dk: +shop/webhooks/1", "13:00 a@example.dk: +shop/webhooks/1", "14:05 drift@example.dk: -shop/webhooks/1", "14:05 a@example.dk: -shop/webhooks/1"}},
		"another lagerd has not looked at the webhooks yet": {func(w *world) {
			w.webhooks["a"] = []status.WebhookHealth{{Type: status.WebhookStock, State: status.WebhooksStopped}}
			w.run(30 * time.Minute)
			delete(w.webhooks, "a")
			w.run(time.Hour)
		}, []string{"12:05 drift@example.dk: +shop/webhooks/1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "a", "b")
			c.do(w)
			w.has(c.want...)
		})
	}
}

// many returns a world of so many shops, and their names.
func many(t *testing.T, shops int) (*world, []string) {
	t.Helper()
	names := make([]string, shops)
	for n := range names {
		names[n] = fmt.Sprintf("shop%05d", n)
	}
	return newWorld(t, names...), names
}

// owners returns how many messages owners got.
func (w *world) owners() (messages int) {
	for _, line := range w.told {
		if !strings.Contains(line, " drift@example.dk:") {
			messages++
		}
	}
	return messages
}

// TestNoStorm: something that owners could set right, had one shop alone it, befalls 2,000 shops within
// some minutes, for two hours. At first fewer than half have it, and at last again, when it ends over ten
// minutes. The operator is told at once, owners nothing.
func TestNoStorm(t *testing.T) {
	t.Parallel()
	const shops, parts = 2000, 5
	w, names := many(t, shops)
	step := func(n int) []string { return names[n*shops/parts : (n+1)*shops/parts] }
	for n := range parts {
		for _, name := range step(n) {
			w.need(name, "shop", "forbidden")
		}
		w.decide()
		w.now = w.now.Add(time.Minute)
	}
	w.run(2 * time.Hour)
	for n := range parts {
		w.there = w.there[len(step(n)):]
		w.decide()
		w.now = w.now.Add(2 * time.Minute)
	}
	w.run(2 * time.Hour)
	if got := w.owners(); got > 0 {
		t.Errorf("owners got %d messages", got)
	}
	if len(w.told) != 3 || w.told[0] != "12:05 drift@example.dk: +shop/forbidden/2000" || !strings.Contains(w.told[1], " -") || !strings.Contains(w.told[2], " -") {
		t.Errorf("told: %q", w.told)
	}
}

// TestNoStormOfWebhooks: what carries the webhooks of all shops fails. Only busy shops show it: their
// owners are not told to switch on what they have not switched off. A few owners are, and so is everyone
// else who has known before.
func TestNoStormOfWebhooks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ shops, before, unwell, owners int }{
		"busy ones of many": {10_000, 0, 4000, 0}, "more than one in a hundred": {2000, 0, 21, 0}, "one in a hundred": {2000, 0, 20, 20},
		"ten of few": {40, 0, 10, 10}, "eleven of few": {40, 0, 11, 0}, "those who know already do not count": {40, 10, 10, 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, names := many(t, c.shops)
			w.unwell(names[:c.before]...).run(2 * time.Hour)
			w.unwell(names[c.before : c.before+c.unwell]...).run(3 * time.Hour)
			if got := w.owners(); got != c.owners {
				t.Errorf("owners got %d messages, expected %d", got, c.owners)
			}
		})
	}
}

// TestWhatMostShopsHaveIsTheOperators: even if an owner could do something about it alone. A few
// owners are told, whatever share of the shops is theirs.
func TestWhatMostShopsHaveIsTheOperators(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shops, have int
		owners      bool
	}{{40, 30, false}, {40, 21, false}, {40, 20, true}, {40, 11, true}, {10, 10, true}, {11, 11, false}, {21, 11, false}, {22, 11, true}} {
		var names []string
		for n := range c.shops {
			names = append(names, fmt.Sprintf("shop%02d", n))
		}
		w := newWorld(t, names...)
		for _, name := range names[:c.have] {
			w.need(name, "shop", "forbidden")
		}
		w.run(3 * time.Hour)
		want := []string{fmt.Sprintf("12:05 drift@example.dk: +shop/forbidden/%d", c.have)}
		if c.owners {
			for _, name := range names[:c.have] {
				want = append(want, "13:00 "+name+"@example.dk: +shop/forbidden/1")
			}
		}
		w.has(want...)
	}
}
