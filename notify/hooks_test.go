package notify_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lagerd/notify"
	"lagerd/plan"
	"lagerd/secret"
	"lagerd/store"
)

// hook is an address that takes the webhooks of a shop's owner.
type hook struct {
	*httptest.Server
	mu   sync.Mutex
	got  []received
	away bool // it is not reached
	cuts bool // it takes what comes, and breaks off
}

type received struct {
	id      string
	content notify.Content
	raw     string
}

// newHook starts a hook. Each webhook must be signed with the key.
func (s *stage) newHook(key string) *hook {
	t := s.t
	t.Helper()
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		body, err := io.ReadAll(r.Body)
		if sign := "sha256=" + notify.Sign(secret.NewText(key), r.Header.Get("Lagerd-Timestamp"), body); err != nil || r.Header.Get("Lagerd-Signature") != sign {
			t.Errorf("signed %s, expected %s: %v", r.Header.Get("Lagerd-Signature"), sign, err)
		}
		one := received{id: r.Header.Get("Lagerd-Id"), raw: string(body)}
		if err := json.Unmarshal(body, &one.content); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		h.got = append(h.got, one)
		if h.cuts {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(h.Close)
	s.hooks = append(s.hooks, h)
	return h
}

// RoundTrip reaches the hooks that are not away.
func (s *stage) RoundTrip(r *http.Request) (*http.Response, error) {
	for _, h := range s.hooks {
		h.mu.Lock()
		away := h.away
		h.mu.Unlock()
		if away && strings.HasPrefix(r.URL.String(), h.URL) {
			return nil, errors.New("connection refused")
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (h *hook) setAway(is bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = is
}

func (h *hook) all() []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got)
}

const hookKey = "an-owners-secret"

// setHook gives the owner of a shop a webhook, and takes the mail address away.
func (s *stage) setHook(shop, url string) {
	s.t.Helper()
	s.must(s.store.SetShop(s.t.Context(), shop, s.clock(), func(x *store.Shop) error {
		x.Email, x.NotifyOrigin = "", url
		x.NotifyHook = []byte(notify.Hook{URL: url + "/the-secret-path", Secret: secret.NewText(hookKey)}.Sealable())
		if url == "" {
			x.NotifyHook = nil
		}
		return nil
	}))
}

// TestOwnersWebhook: an owner is told by a signed webhook what mail would say, in the owner's language
// and with nothing for operators, and that it is over. Two lagerd tell it once.
func TestOwnersWebhook(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.addHeld("shop1")
	h := s.newHook(hookKey)
	s.setHook("shop1", h.URL)
	s.run(70*time.Minute, s.nodes...)
	got := h.all()
	if len(got) != 1 || s.got() != toOperator {
		t.Fatalf("%d webhooks, and the mails:\n%s", len(got), s.got())
	}
	c := got[0].content
	if c.Audience != store.AudienceOwner || c.Shop != "shop1" || c.Lang != "da" || len(c.Began) != 1 || len(c.Over) != 0 {
		t.Fatalf("%s", got[0].raw)
	}
	e := c.Began[0]
	if e.Title != "e-conomic afviser adgangen" || !strings.HasPrefix(e.Means, "Lager og fakturaer") || !strings.HasPrefix(e.Do, "Giv adgang igen") || e.Detail != "" || string(e.Reason) != string(plan.HeldTokenRefused) {
		t.Errorf("%s", got[0].raw)
	}
	s.must(s.store.SetShop(t.Context(), "shop1", s.clock(), func(x *store.Shop) error { x.Lang = "en"; return nil }))
	s.exec("DELETE FROM holds")
	s.run(30*time.Minute, s.nodes...)
	got = h.all()
	if len(got) != 2 || len(got[1].content.Over) != 1 || got[1].content.Over[0].Title != "e-conomic refuses access" || got[1].content.Over[0].Do != "" {
		t.Errorf("%d webhooks: %+v", len(got), got)
	}
	list, err := s.store.Messages(t.Context(), "shop1", 10)
	s.must(err)
	for _, m := range list {
		if m.State != store.MessageSent || m.Channel != store.ChannelWebhook || len(m.Address) != 16 || strings.Contains(string(m.Content), "secret") {
			t.Errorf("%+v", m)
		}
	}
}

// TestMailAndWebhook: an owner with both gets both.
func TestMailAndWebhook(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.addHeld("shop1")
	h := s.newHook(hookKey)
	s.setHook("shop1", h.URL)
	s.must(s.store.SetShop(t.Context(), "shop1", s.clock(), func(x *store.Shop) error { x.Email = "shop1@example.dk"; return nil }))
	s.run(70*time.Minute, s.nodes...)
	if got := h.all(); len(got) != 1 || s.got() != toOperator+"\n"+toOwner {
		t.Errorf("%d webhooks, and the mails:\n%s", len(got), s.got())
	}
}

// TestWebhookOfAKilled: a lagerd dies between claiming and sending, or between sending and marking a
// webhook. Another sends it, in the latter case for the second time, with the same id.
func TestWebhookOfAKilled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sent bool
		want int
	}{"before": {false, 1}, "after": {true, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.addHeld("shop1")
			h := s.newHook(hookKey)
			s.setHook("shop1", h.URL)
			h.setAway(true)
			s.run(62*time.Minute, s.nodes[0]) // it decides, and does not reach the hook
			h.setAway(false)
			list, err := s.store.Messages(t.Context(), "shop1", 10)
			s.must(err)
			if len(list) != 1 || list[0].Claims == 0 {
				t.Fatalf("%+v", list)
			}
			claimed, err := s.store.ClaimMessage(t.Context(), list[0], s.clock().Add(time.Minute))
			s.must(err)
			if !claimed {
				t.Fatal("not claimed")
			}
			if c.sent {
				shop, err := s.store.Shop(t.Context(), "shop1")
				s.must(err)
				s.must(s.nodes[0].Out.Send(t.Context(), list[0], shop, s.clock(), s.starts(list[0])))
			}
			s.run(30*time.Minute, s.nodes[1]) // the other never does anything again
			got := h.all()
			if len(got) != c.want {
				t.Fatalf("%d webhooks, expected %d", len(got), c.want)
			}
			for _, one := range got {
				if one.id != list[0].ID {
					t.Errorf("ids %s and %s", one.id, list[0].ID)
				}
			}
		})
	}
}

// TestHooksThatHang: the webhooks of many owners are not answered. In the same round those of all others
// are sent, and whoever is away is tried once.
func TestHooksThatHang(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	good := s.newHook(hookKey)
	hang := make(chan struct{})
	tried := map[string]int{}
	var mu sync.Mutex
	bad := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		tried[r.Header.Get("Lagerd-Id")]++
		mu.Unlock()
		<-hang
	}))
	stop := sync.OnceFunc(func() { close(hang); bad.Close() })
	t.Cleanup(stop)
	var messages []store.Message
	for n := range 12 {
		name, url := fmt.Sprintf("shop%02d", n), bad.URL
		if n >= 10 {
			url = good.URL
		}
		shop := store.Shop{Shop: name, GrantToken: []byte("sealed"), StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceEconomic, InvoicesFrom: "2026-11-01"}
		s.must(s.store.AddShop(t.Context(), shop, []byte("0123456789012345678901234567"+name), noon))
		s.setHook(name, url)
		for nth, id := range []string{"a", "b", "c"} {
			messages = append(messages, store.Message{ID: name + id, Audience: store.AudienceOwner, Shop: name, Channel: store.ChannelWebhook, Content: []byte(`{"began":[],"over":[]}`), DecidedAt: s.clock().Add(time.Duration(nth-3) * time.Minute), DueAt: s.clock()})
		}
	}
	taken, err := s.store.TakeNotifying(t.Context(), "a", s.clock(), s.clock().Add(time.Second))
	s.must(err)
	if !taken {
		t.Fatal("not taken")
	}
	s.must(s.store.Tell(t.Context(), "a", store.Told{Messages: messages}))
	began := time.Now()
	s.must(s.nodes[0].Round(t.Context()))
	if got := good.all(); len(got) != 6 {
		t.Errorf("%d webhooks arrived of 6, after %s", len(got), time.Since(began))
	}
	mu.Lock()
	defer mu.Unlock()
	if len(tried) != 10 {
		t.Errorf("of 10 shops that are away, %d messages were tried", len(tried))
	}
	waiting, err := s.store.DueMessages(t.Context(), store.ChannelWebhook, []store.Audience{store.AudienceOwner}, s.clock().Add(5*time.Minute), 100)
	s.must(err)
	if len(waiting) > 0 {
		t.Errorf("%d messages are due again within five minutes", len(waiting))
	}
}

// TestHookThatCannotBeUsed: what was decided is dropped if the webhook was taken away, and waits with
// what to do if it cannot be decrypted.
func TestHookThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(s *stage)
		state store.MessageState
		says  string
	}{
		"taken away": {func(s *stage) { s.setHook("shop1", "") }, store.MessageDropped, "taken away"},
		"another key": {func(s *stage) {
			for _, n := range s.nodes {
				n.Out.OpenHook = func(string, []byte) (string, error) { return "no-blank", nil }
			}
		}, store.MessageWaiting, "shops set shop1 --notify-url"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.addHeld("shop1")
			h := s.newHook(hookKey)
			s.setHook("shop1", h.URL)
			h.setAway(true)
			s.run(62*time.Minute, s.nodes...)
			c.spoil(s)
			s.run(20*time.Minute, s.nodes...)
			list, err := s.store.Messages(t.Context(), "shop1", 10)
			s.must(err)
			if len(list) != 1 || list[0].State != c.state || !strings.Contains(list[0].Error, c.says) {
				t.Errorf("%+v", list)
			}
			for _, m := range list {
				if strings.Contains(m.Error, "secret") || strings.Contains(m.Error, "no-blank") {
					t.Errorf("a secret is in %q", m.Error)
				}
			}
		})
	}
}

// TestNobodyToTell: without anybody to tell, and without webhooks of owners, a round does nothing; with
// one it does.
func TestNobodyToTell(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	n := s.nodes[0]
	n.Settings.Operator, n.Settings.Mail = nil, false
	s.addHeld("shop1")
	s.run(2*time.Hour, n)
	list, err := s.store.Incidents(t.Context())
	s.must(err)
	if len(list) > 0 {
		t.Errorf("noticed for nobody: %+v", list)
	}
	h := s.newHook(hookKey)
	s.setHook("shop1", h.URL)
	s.run(70*time.Minute, n)
	if got := h.all(); len(got) != 1 {
		t.Errorf("%d webhooks", len(got))
	}
}
