package notify

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

// TestNext: the webhooks of all shops are looked at in turn, some in each round; shops come and go.
func TestNext(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		names, after string
		most         int
		want         string
	}{
		{"", "", 2, ""}, {"a", "", 2, "a"}, {"a", "a", 2, "a"},
		{"a b c d e", "", 2, "a b"}, {"a b c d e", "b", 2, "c d"}, {"a b c d e", "d", 2, "e a"}, {"a b c d e", "e", 2, "a b"},
		{"a c d e", "b", 2, "c d"}, // it has been removed
		{"a b", "z", 5, "a b"}, {"a b c", "a", 3, "b c a"}, {"a b c", "b", 9, "c a b"},
	} {
		if got := strings.Join(next(strings.Fields(c.names), c.after, c.most), " "); got != c.want {
			t.Errorf("%d of %q after %q: %q, expected %q", c.most, c.names, c.after, got, c.want)
		}
	}
}

// TestBackoff: a message is tried again after half a minute, then after twice as long, and in the end
// every ten minutes.
func TestBackoff(t *testing.T) {
	t.Parallel()
	want := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute}
	for tries, wait := range want {
		if got := backoff(tries); got != wait {
			t.Errorf("after %d tries: %s, expected %s", tries+1, got, wait)
		}
	}
	if got := backoff(1_000_000); got != longestRetry {
		t.Errorf("after a million: %s", got)
	}
}

// TestWhat: what an incident is stored as says again what has ended.
func TestWhat(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 30, 13, 0, 0, 0, time.FixedZone("", 3600))
	for what, e := range map[string]Event{
		"no_lagerd":                  {Reason: status.NeedNoLagerd},
		"node_lost: web1.example.dk": {Reason: status.NeedNodeLost, Host: "web1.example.dk", Since: &since},
		"node_lost":                  {Reason: status.NeedNodeLost},
		"shop: no_good_tick":         {Reason: status.NeedNoGoodTick, Scope: plan.ScopeShop, Since: &since},
		"stock: losses":              {Reason: status.NeedReason(plan.HeldLosses), Scope: plan.ScopeStock},
		"invoices: unread":           {Reason: status.NeedUnread, Scope: plan.ScopeInvoices},
		"pdf: pdf_fails":             {Reason: status.NeedPDFFails, Scope: plan.ScopePDFs},
		"shop: webhooks: orderPdf":   {Reason: status.NeedWebhooks, Scope: plan.ScopeShop, Webhooks: status.WebhookInvoice},
	} {
		if got := e.what(); got != what {
			t.Errorf("%+v is stored as %q, expected %q", e, got, what)
		}
		for _, shop := range []string{"", "shop1"} {
			told := eventOf(store.Incident{IncidentKey: store.IncidentKey{Shop: shop, What: what}, SeenAt: since})
			if told.Reason != e.Reason || told.Scope != e.Scope || told.Webhooks != e.Webhooks || told.Host != e.Host || told.Since == nil || !told.Since.Equal(since) || told.Since.Location() != time.UTC {
				t.Errorf("%q is told as %+v", what, told)
			}
			if want := min(len(shop), 1); told.Count != want || len(told.Shops) != want || want > 0 && told.Shops[0] != shop {
				t.Errorf("%q of %q is told of %d: %q", what, shop, told.Count, told.Shops)
			}
		}
	}
}

// TestGather: what is alike is told once, with how many shops have it, the first of them, and since
// when the first has had it; the most urgent comes first.
func TestGather(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	event := func(shop string, reason status.NeedReason, minutes int, advice string) Event {
		e := Event{Reason: reason, Scope: plan.ScopeShop, Do: advice + " of " + shop, advice: advice, Count: 1, Shops: []string{shop}}
		if minutes > 0 {
			e.Since = new(noon.Add(time.Duration(minutes) * time.Minute))
		}
		return e
	}
	told := func(list []Event) (texts []string) {
		for _, e := range list {
			text := string(e.Reason) + " " + strings.Join(e.Shops, ",") + " " + e.Do
			if e.Since != nil {
				text += e.Since.Format(" 15:04")
			}
			texts = append(texts, text)
		}
		return texts
	}
	got := gather([]Event{
		event("d", status.NeedSetAside, 0, "look"), event("c", status.NeedNoGoodTick, 7, "see"), event("b", status.NeedNoGoodTick, 5, "see"),
		event("a", status.NeedNoGoodTick, 9, "see"), event("e", status.NeedNoGoodTick, 1, "ask"), {Reason: status.NeedNodeLost, Do: "start it"}, {Reason: status.NeedNodeLost, Do: "start it"},
	})
	want := []string{"node_lost  start it", "node_lost  start it", "no_good_tick e ask of e 12:01", "no_good_tick a,b,c see 12:05", "set_aside d look of d"}
	if texts := told(got); !slices.Equal(texts, want) {
		t.Errorf("gathered %q\nexpected %q", texts, want)
	}
	if got[3].Count != 3 || got[4].Count != 1 {
		t.Errorf("of %d and %d shops", got[3].Count, got[4].Count)
	}
	if empty := gather(nil); empty == nil || len(empty) != 0 {
		t.Errorf("nothing is %#v: it would be null in JSON", empty)
	}
	var many []Event
	for n := range 2 * namesShown {
		many = append(many, event(string(rune('A'+n)), status.NeedNoGoodTick, 0, "see"))
	}
	if one := gather(many); len(one) != 1 || one[0].Count != 2*namesShown || len(one[0].Shops) != namesShown {
		t.Errorf("%d shops are told as %+v", len(many), one)
	}
}

// TestIgnoreTaken: that another lagerd has taken the notifications over is no failure of a round.
func TestIgnoreTaken(t *testing.T) {
	t.Parallel()
	other := errors.New("the disk is full")
	if err := ignoreTaken(errors.Join(store.ErrNotNotifying)); err != nil {
		t.Errorf("taken over: %v", err)
	}
	if err := ignoreTaken(errors.Join(store.ErrMessageTaken)); err != nil {
		t.Errorf("a message is being sent: %v", err)
	}
	if err := ignoreTaken(other); !errors.Is(err, other) {
		t.Errorf("another error: %v", err)
	}
}
