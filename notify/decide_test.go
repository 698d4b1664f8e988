package notify_test

import (
	"encoding/json"
	"fmt"
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
	webhooks  notify.WebhooksOf
	incidents map[store.IncidentKey]store.Incident
	last      map[store.Recipient]time.Time
	told      []string // "12:05 operator mail: began …; over …"
}

func newWorld(t *testing.T, shops ...string) *world {
	w := &world{t: t, now: noon, shops: map[string]store.Shop{}, webhooks: notify.WebhooksOf{}, incidents: map[store.IncidentKey]store.Incident{}, last: map[store.Recipient]time.Time{}}
	for _, name := range shops {
		w.shops[name] = store.Shop{Shop: name, Email: name + "@example.dk", Lang: lang.Danish}
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
	return notify.MattersOf(look, o, w.webhooks)
}

func (w *world) decide() {
	w.t.Helper()
	x := notify.Situation{Now: w.now, Matters: w.matters(), Last: w.last}
	for _, i := range w.incidents {
		x.Incidents = append(x.Incidents, i)
	}
	ids := 0
	told, err := notify.Decide(settings, x, func() string { ids++; return fmt.Sprint(ids) })
	if err != nil {
		w.t.Fatal(err)
	}
	for _, i := range told.Put {
		w.incidents[i.IncidentKey] = i
	}
	for _, k := range told.Delete {
		delete(w.incidents, k)
	}
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

func TestDecide(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(w *world)
		want []string
	}{
		"nothing":               {func(w *world) { w.run(2 * time.Hour) }, nil},
		"what does not last":    {func(w *world) { w.need("a", "shop", "no_good_tick").run(4 * time.Minute).over().run(time.Hour) }, nil},
		"only the operator's":   {func(w *world) { w.need("a", "shop", "no_good_tick").run(3 * time.Hour) }, []string{"12:05 drift@example.dk: +shop/no_good_tick/1"}},
		"the installation":      {func(w *world) { w.need("", "", "node_lost").run(time.Hour).over().run(time.Hour) }, []string{"12:05 drift@example.dk: +/node_lost/0", "13:05 drift@example.dk: -/node_lost/0"}},
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

// TestNoStorm: e-conomic fails for 10,000 shops, which notice it within some minutes, and for more
// than an hour: the operator gets one mail, owners none. Then all go on, and the operator is told once.
func TestNoStorm(t *testing.T) {
	t.Parallel()
	const shops = 10_000
	var names []string
	for n := range shops {
		names = append(names, fmt.Sprintf("shop%05d", n))
	}
	w := newWorld(t, names...)
	for n := range 5 {
		for _, name := range names[n*shops/5 : (n+1)*shops/5] {
			w.need(name, "shop", "no_good_tick")
		}
		w.decide()
		w.now = w.now.Add(time.Minute)
	}
	w.run(time.Hour)
	w.over().run(10 * time.Minute)
	w.has("12:05 drift@example.dk: +shop/no_good_tick/10000", "13:10 drift@example.dk: -shop/no_good_tick/10000")
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
