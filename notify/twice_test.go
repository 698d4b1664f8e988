package notify_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lagerd/notify"
	"lagerd/store"
	"lagerd/test/mailtest"
)

// beside lets all lagerd take their rounds at the same time, for a time.
func (s *stage) beside(d time.Duration) {
	s.t.Helper()
	for end := s.now.Load() + int64(d); s.now.Load() < end; s.now.Add(int64(30 * time.Second)) {
		failed := make([]error, len(s.nodes))
		var all sync.WaitGroup
		for i, n := range s.nodes {
			all.Go(func() { failed[i] = n.Round(s.t.Context()) })
		}
		all.Wait()
		s.must(errors.Join(failed...))
	}
}

// apart gives the second lagerd a connection of its own to the database, as another process has.
func (s *stage) apart() {
	s.t.Helper()
	other, err := store.Open(s.t.Context(), store.Options{Path: s.path})
	s.must(err)
	s.t.Cleanup(func() { s.must(other.Close()) })
	s.nodes[1].Store = other
}

// TestSideBySide: two lagerd that take each round at the same moment tell each once.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.apart()
	s.addHeld("shop1")
	h := s.newHook(hookKey)
	s.setHook("shop1", h.URL)
	s.must(s.store.SetShop(t.Context(), "shop1", s.clock(), func(x *store.Shop) error { x.Email = "shop1@example.dk"; return nil }))
	s.beside(70 * time.Minute)
	if got := h.all(); len(got) != 1 || s.got() != toOperator+"\n"+toOwner {
		t.Errorf("%d webhooks, and the mails:\n%s", len(got), s.got())
	}
}

// TestToldAtMostTwice: whatever becomes of the answer, and however many lagerd there are, nobody gets a
// message more than twice, and both have the same number. What is refused is tried for three days.
func TestToldAtMostTwice(t *testing.T) {
	t.Parallel()
	const answer = 100 * time.Millisecond
	for name, c := range map[string]struct {
		answer func() string
		state  store.MessageState
		copies int // 0: more than two tries
	}{
		"no answer":           {func() string { time.Sleep(3 * answer); return "250 taken" }, store.MessageUnsure, 2},
		"the connection ends": {func() string { return "" }, store.MessageUnsure, 2},
		"refused":             {func() string { return "554 spam" }, store.MessageDropped, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.apart()
			s.mail.Answer = func(mailtest.Mail) string { return c.answer() }
			for _, n := range s.nodes {
				s.must(n.SetAnswer(answer))
			}
			s.addHeld("shop1")
			s.beside(45 * time.Minute)
			s.now.Add(int64(72 * time.Hour))
			s.exec("DELETE FROM holds")
			s.beside(time.Minute)
			list, err := s.store.Messages(t.Context(), "", 10)
			s.must(err)
			first := list[len(list)-1]
			if first.State != c.state || c.state == store.MessageUnsure && (first.Unsure != 2 || first.Claims != 2) {
				t.Errorf("%s, tried %d times, of which %d may have arrived: %s", first.State, first.Claims, first.Unsure, first.Error)
			}
			copies := 0
			for _, m := range s.mail.Mails() {
				if m.ID == "<"+first.ID+"@lagerd>" {
					copies++
				}
			}
			if c.copies > 0 && copies != c.copies || c.copies == 0 && copies <= 2 {
				t.Errorf("%d copies", copies)
			}
		})
	}
}

// TestHookThatBreaksOff: a webhook whose answer is lost is sent twice.
func TestHookThatBreaksOff(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.addHeld("shop1")
	h := s.newHook(hookKey)
	h.cuts = true
	s.setHook("shop1", h.URL)
	s.run(2*time.Hour, s.nodes...)
	got := h.all()
	if len(got) != 2 || got[0].id != got[1].id {
		t.Errorf("%d webhooks: %+v", len(got), got)
	}
	list, err := s.store.Messages(t.Context(), "shop1", 10)
	s.must(err)
	if len(list) != 1 || list[0].State != store.MessageUnsure || !strings.Contains(list[0].Error, "may have arrived") {
		t.Errorf("%+v", list)
	}
}

// TestKilledTwice: two lagerd die while a message is being sent. Then it is not sent again.
func TestKilledTwice(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.addHeld("shop1")
	s.mail.Stop()
	s.run(6*time.Minute, s.nodes[0]) // it decides
	s.mail.Start()
	for range 2 {
		list, err := s.store.Messages(t.Context(), "", 10)
		s.must(err)
		if claimed, err := s.store.ClaimMessage(t.Context(), list[0], s.clock()); err != nil || !claimed {
			t.Fatal(claimed, err)
		}
		s.must(s.nodes[0].Out.Send(t.Context(), list[0], store.Shop{}, s.clock(), s.starts(list[0])))
		s.now.Add(int64(12 * time.Minute))
	}
	s.run(time.Hour, s.nodes[1])
	list, err := s.store.Messages(t.Context(), "", 10)
	s.must(err)
	if first := list[len(list)-1]; s.got() != toOperator+"\n"+toOperator+"\n"+toOwner || first.State != store.MessageUnsure {
		t.Errorf("%+v, and the mails:\n%s", first, s.got())
	}
}

// TestRoundsGoOn: while the answer to a mail is awaited for long, rounds go on, and the heartbeat and
// webhooks with them.
func TestRoundsGoOn(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	answer := make(chan struct{})
	s.mail.Answer = func(mailtest.Mail) string { <-answer; return "250 taken" }
	n := s.nodes[0]
	s.must(n.SetAnswer(time.Minute))
	s.addHeld("shop1")
	h := s.newHook(hookKey)
	s.setHook("shop1", h.URL)
	s.run(62*time.Minute, n)
	if got := h.all(); len(got) != 1 || len(s.mail.Mails()) != 1 {
		t.Errorf("%d webhooks and %d mails while the answer is awaited", len(got), len(s.mail.Mails()))
	}
	close(answer)
	n.Settle()
	list, err := s.store.Messages(t.Context(), "", 10)
	s.must(err)
	if slices.ContainsFunc(list, func(m store.Message) bool { return m.State != store.MessageSent }) || len(list) != 2 {
		t.Errorf("%+v", list)
	}
}

// TestOldAddress: what was decided for an owner's address goes nowhere once the owner has another, or
// none; the other is told what goes on.
func TestOldAddress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ email, want string }{
		"another": {"new@example.dk", "new@example.dk shop1: e-conomic afviser adgangen"}, "none": {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.nodes[0].Settings.Operator, s.nodes[1].Settings.Operator = nil, nil
			s.addHeld("shop1")
			s.mail.Stop()
			s.run(62*time.Minute, s.nodes...)
			s.must(s.store.SetShop(t.Context(), "shop1", s.clock(), func(x *store.Shop) error { x.Email = c.email; return nil }))
			s.mail.Start()
			s.run(time.Hour, s.nodes...)
			if got := s.got(); got != c.want {
				t.Errorf("got:\n%s", got)
			}
			list, err := s.store.Messages(t.Context(), "shop1", 10)
			s.must(err)
			if last := list[len(list)-1]; last.State != store.MessageDropped || !strings.Contains(last.Error, "changed") {
				t.Errorf("%+v", last)
			}
		})
	}
}

// TestOverWhileAway: the mail server is away; what began and is over meanwhile is told no mail.
func TestOverWhileAway(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.addHeld("shop1")
	s.mail.Stop()
	s.run(62*time.Minute, s.nodes...)
	s.exec("DELETE FROM holds")
	s.run(30*time.Minute, s.nodes...)
	s.mail.Start()
	s.run(time.Hour, s.nodes...)
	if got := s.got(); strings.Contains(got, "refused") || strings.Contains(got, "afviser") {
		t.Errorf("got:\n%s", got)
	}
}

// TestOneAddressAway: one of two addresses gets what began, and both get what began before what is over.
func TestOneAddressAway(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, n := range s.nodes {
		n.Settings.Operator = append(n.Settings.Operator, notify.Address{Channel: store.ChannelMail, Mail: "vagt@example.dk"})
	}
	s.addHeld("shop1")
	s.mail.Refuse = func(to string) string {
		if to == "vagt@example.dk" && s.clock().Before(noon.Add(25*time.Minute)) {
			return "451 later"
		}
		return ""
	}
	s.run(10*time.Minute, s.nodes[0])
	s.exec("DELETE FROM holds")
	s.run(25*time.Minute, s.nodes[0])
	var got []string
	for _, m := range s.mail.Mails() {
		if m.To == "vagt@example.dk" {
			got = append(got, m.Subject)
		}
	}
	if want := []string{"lagerd: shop1: held: the token is refused", "lagerd: over: shop1: held: the token is refused"}; !slices.Equal(got, want) {
		t.Errorf("got: %q", got)
	}
}
