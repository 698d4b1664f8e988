package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/store"
)

func take(t *testing.T, s *store.Store, instance string, at time.Time) bool {
	t.Helper()
	taken, err := s.TakeNotifying(t.Context(), instance, at, at.Add(time.Minute))
	must(t, err)
	return taken
}

// TestOneNotifies: until its time is over, or it releases; whoever lost it stores nothing.
func TestOneNotifies(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		if !take(t, s, "a", noon) || take(t, s, "b", noon.Add(59*time.Second)) || !take(t, s, "a", noon.Add(59*time.Second)) {
			t.Fatal("a does not have it alone")
		}
		if take(t, s, "b", noon.Add(time.Minute)) || !take(t, s, "b", noon.Add(2*time.Minute)) || take(t, s, "a", noon.Add(2*time.Minute)) {
			t.Error("b does not take it when a's time is over, or sooner")
		}
		told := store.Told{Messages: []store.Message{{ID: "1", Audience: store.AudienceOperator, Channel: store.ChannelMail, Content: []byte("{}"), DecidedAt: noon, DueAt: noon}}}
		if err := s.Tell(t.Context(), "a", told); !errors.Is(err, store.ErrNotNotifying) {
			t.Errorf("a tells: %v", err)
		}
		must(t, s.ReleaseNotifying(t.Context(), "a", noon.Add(2*time.Minute))) // has no effect
		if take(t, s, "a", noon.Add(2*time.Minute)) {
			t.Error("a released what b has")
		}
		must(t, s.ReleaseNotifying(t.Context(), "b", noon.Add(2*time.Minute)))
		if !take(t, s, "a", noon.Add(2*time.Minute)) {
			t.Error("b did not release it")
		}
		must(t, s.Tell(t.Context(), "a", told))
		must(t, s.Tell(t.Context(), "a", told)) // as after an answer that was lost
		if n, err := s.CountWaitingMessages(t.Context()); err != nil || n != 1 {
			t.Errorf("%d messages: %v", n, err)
		}
	})
}

// TestIncidents: they are stored, changed and deleted, thousands at once.
func TestIncidents(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		take(t, s, "a", noon)
		var told store.Told
		for n := range 1234 {
			told.Put = append(told.Put, store.Incident{IncidentKey: store.IncidentKey{Audience: store.AudienceOperator, Shop: fmt.Sprint("shop", n), What: "shop: no_good_tick"}, SeenAt: noon})
		}
		must(t, s.Tell(t.Context(), "a", told))
		kept := told.Put[7]
		kept.ToldAt, kept.GoneAt = noon.Add(time.Minute), noon.Add(time.Hour)
		told = store.Told{Put: []store.Incident{kept}}
		for n := range 1234 {
			if n != 7 {
				told.Delete = append(told.Delete, store.IncidentKey{Audience: store.AudienceOperator, Shop: fmt.Sprint("shop", n), What: "shop: no_good_tick"})
			}
		}
		must(t, s.Tell(t.Context(), "a", told))
		got, err := s.Incidents(t.Context())
		must(t, err)
		if diff := cmp.Diff([]store.Incident{kept}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestMessages: a claim is exclusive and ends by its time, and what is sent is sent no more.
func TestMessages(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		take(t, s, "a", noon)
		one := store.Message{ID: "1", Audience: store.AudienceOwner, Shop: "shop1", Channel: store.ChannelMail, Address: "mette@example.dk", Content: []byte(`{"at":1}`), State: store.MessageWaiting, DecidedAt: noon, DueAt: noon}
		hook := store.Message{ID: "2", Audience: store.AudienceOperator, Channel: store.ChannelWebhook, Content: []byte(`{}`), State: store.MessageWaiting, DecidedAt: noon.Add(time.Second), DueAt: noon.Add(time.Second)}
		must(t, s.Tell(ctx, "a", store.Told{Messages: []store.Message{one, hook}}))
		due := func(at time.Time) []store.Message {
			t.Helper()
			list, err := s.DueMessages(ctx, store.ChannelMail, []store.Audience{store.AudienceOperator, store.AudienceOwner}, at, 10)
			must(t, err)
			return list
		}
		if diff := cmp.Diff([]store.Message{one}, due(noon)); diff != "" {
			t.Fatal(diff)
		}
		for _, want := range []bool{true, false} {
			if claimed, err := s.ClaimMessage(ctx, one, noon.Add(time.Minute)); err != nil || claimed != want {
				t.Errorf("claimed: %t, expected %t: %v", claimed, want, err)
			}
		}
		if len(due(noon.Add(59*time.Second))) != 0 || len(due(noon.Add(time.Minute))) != 1 {
			t.Error("a claimed message is due, or never again")
		}
		must(t, s.PostponeMessage(ctx, "1", noon.Add(time.Hour), "421 later"))
		list := due(noon.Add(time.Hour))
		if len(due(noon.Add(59*time.Minute))) != 0 || len(list) != 1 || list[0].Error != "421 later" || list[0].Claims != 1 || !list[0].ClaimedUntil.IsZero() {
			t.Errorf("postponed: %+v", list)
		}
		must(t, s.EndMessage(ctx, "1", store.MessageSent, noon.Add(time.Hour), ""))
		must(t, s.PostponeMessage(ctx, "1", noon, "a late failure"))
		if claimed, err := s.ClaimMessage(ctx, list[0], noon.Add(2*time.Hour)); err != nil || claimed || len(due(noon.Add(2*time.Hour))) != 0 {
			t.Errorf("what was sent is claimed: %t: %v", claimed, err)
		}
		last, err := s.LastMessages(ctx)
		must(t, err)
		if diff := cmp.Diff(map[store.Recipient]time.Time{{Audience: store.AudienceOwner, Shop: "shop1"}: noon, {Audience: store.AudienceOperator}: noon.Add(time.Second)}, last); diff != "" {
			t.Error(diff)
		}
		must(t, s.PruneMessages(ctx, noon.Add(2*time.Hour)))
		if all, err := s.Messages(ctx, "", 10); err != nil || len(all) != 1 || all[0].ID != "2" {
			t.Errorf("after pruning: %+v: %v", all, err)
		}
	})
}

// TestHooksOfOwners: webhooks to owners are apart from the operator's; those of one that is away are
// postponed together, without those that another lagerd is sending.
func TestHooksOfOwners(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		take(t, s, "a", noon)
		addShop(t, s, "shop1")
		if has, err := s.HasNotifyHooks(ctx); err != nil || has {
			t.Errorf("there are hooks: %t: %v", has, err)
		}
		must(t, s.SetShop(ctx, "shop1", noon, func(shop *store.Shop) error {
			shop.NotifyOrigin, shop.NotifyHook = "https://hooks.example.dk", []byte("sealed")
			return nil
		}))
		if has, err := s.HasNotifyHooks(ctx); err != nil || !has {
			t.Errorf("there are hooks: %t: %v", has, err)
		}
		list, err := s.Shops(ctx)
		must(t, err)
		if len(list) != 1 || list[0].NotifyOrigin != "https://hooks.example.dk" || string(list[0].NotifyHook) != "sealed" {
			t.Errorf("stored: %+v", list)
		}
		message := func(id string, to store.Audience, shop string, channel store.Channel) store.Message {
			return store.Message{ID: id, Audience: to, Shop: shop, Channel: channel, Content: []byte("{}"), DecidedAt: noon, DueAt: noon}
		}
		claimed := message("3", store.AudienceOwner, "shop1", store.ChannelWebhook)
		must(t, s.Tell(ctx, "a", store.Told{Messages: []store.Message{
			message("1", store.AudienceOwner, "shop1", store.ChannelWebhook), message("2", store.AudienceOwner, "shop1", store.ChannelWebhook), claimed,
			message("4", store.AudienceOwner, "shop2", store.ChannelWebhook), message("5", store.AudienceOwner, "shop1", store.ChannelMail), message("6", store.AudienceOperator, "", store.ChannelWebhook),
		}}))
		if ok, err := s.ClaimMessage(ctx, claimed, noon.Add(time.Minute)); !ok || err != nil {
			t.Fatalf("claimed: %t: %v", ok, err)
		}
		due := func(to store.Audience, channel store.Channel, at time.Time) (ids string) {
			t.Helper()
			list, err := s.DueMessages(ctx, channel, []store.Audience{to}, at, 10)
			must(t, err)
			for _, m := range list {
				ids += m.ID
			}
			return ids
		}
		if got := due(store.AudienceOwner, store.ChannelWebhook, noon) + " " + due(store.AudienceOperator, store.ChannelWebhook, noon) + " " + due(store.AudienceOwner, store.ChannelMail, noon); got != "124 6 5" {
			t.Errorf("due: %s", got)
		}
		must(t, s.PostponeHook(ctx, "shop1", noon, noon.Add(5*time.Minute), "away"))
		if got := due(store.AudienceOwner, store.ChannelWebhook, noon) + " " + due(store.AudienceOwner, store.ChannelWebhook, noon.Add(2*time.Minute)) + " " + due(store.AudienceOwner, store.ChannelMail, noon); got != "4 34 5" {
			t.Errorf("due while shop1 is away: %s", got)
		}
		if got := due(store.AudienceOwner, store.ChannelWebhook, noon.Add(5*time.Minute)); len(got) != 4 {
			t.Errorf("due later: %s", got)
		}
	})
}
