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
		kept.ToldAt, kept.GoneAt, kept.ToldTo = noon.Add(time.Minute), noon.Add(time.Hour), "0123456789abcdef"
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
		must(t, s.PostponeMessage(ctx, store.Message{ID: "1", DueAt: noon.Add(time.Hour), Error: "421 later", Unsure: 1, Refused: true}))
		list := due(noon.Add(time.Hour))
		if len(due(noon.Add(59*time.Minute))) != 0 || len(list) != 1 || list[0].Error != "421 later" || list[0].Claims != 1 || list[0].Unsure != 1 || !list[0].Refused || !list[0].ClaimedUntil.IsZero() {
			t.Errorf("postponed: %+v", list)
		}
		must(t, s.EndMessage(ctx, "1", store.MessageSent, noon.Add(time.Hour), ""))
		must(t, s.PostponeMessage(ctx, store.Message{ID: "1", DueAt: noon, Error: "a late failure"}))
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

// TestHooksOfOwners: webhooks to owners are apart from the operator's, and from those that another lagerd
// is sending.
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
	})
}

// TestInTurn: to an address messages go in the order in which they were decided, whenever each was due,
// but for one that it refused; other addresses do not wait.
func TestInTurn(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		take(t, s, "a", noon)
		message := func(id, shop string, channel store.Channel, address string, minute int) store.Message {
			at := noon.Add(time.Duration(minute) * time.Minute)
			return store.Message{ID: id, Audience: store.AudienceOwner, Shop: shop, Channel: channel, Address: address, Content: []byte("{}"), State: store.MessageWaiting, DecidedAt: at, DueAt: at}
		}
		first := message("1", "shop1", store.ChannelMail, "mette@example.dk", 0)
		must(t, s.Tell(ctx, "a", store.Told{Messages: []store.Message{
			first, message("2", "shop1", store.ChannelMail, "mette@example.dk", 1), message("3", "shop1", store.ChannelMail, "mette@example.dk", 2),
			message("4", "shop1", store.ChannelMail, "ole@example.dk", 3), message("5", "shop2", store.ChannelMail, "mette@example.dk", 4), message("6", "shop1", store.ChannelWebhook, "", 5),
		}}))
		due := func() (ids string) {
			t.Helper()
			for _, channel := range []store.Channel{store.ChannelMail, store.ChannelWebhook} {
				list, err := s.DueMessages(ctx, channel, []store.Audience{store.AudienceOwner}, noon.Add(time.Hour), 10)
				must(t, err)
				for _, m := range list {
					ids += m.ID
				}
			}
			return ids
		}
		is := func(want, when string) {
			t.Helper()
			if got := due(); got != want {
				t.Errorf("%s: %s are due, expected %s", when, got, want)
			}
		}
		is("1456", "at first")
		if claimed, err := s.ClaimMessage(ctx, first, noon.Add(2*time.Hour)); err != nil || !claimed {
			t.Fatal(claimed, err)
		}
		is("456", "while the first is sent")
		first.DueAt, first.Error = noon.Add(2*time.Hour), "connection refused"
		must(t, s.PostponeMessage(ctx, first))
		is("456", "while the first waits for its next try")
		first.Refused = true
		must(t, s.PostponeMessage(ctx, first))
		is("2456", "when the first was refused")
		must(t, s.EndMessage(ctx, "2", store.MessageSent, noon, ""))
		is("3456", "when the second was sent")
	})
}

// TestUnsentAndWithdrawn: what no address of a recipient can have got is found, and withdrawn; what is
// being sent, or was perhaps, is not.
func TestUnsentAndWithdrawn(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		take(t, s, "a", noon)
		message := func(id, address string, minute int) store.Message {
			at := noon.Add(time.Duration(minute) * time.Minute)
			return store.Message{ID: id, Audience: store.AudienceOperator, Channel: store.ChannelMail, Address: address, Content: []byte("{}"), State: store.MessageWaiting, DecidedAt: at, DueAt: at}
		}
		list := []store.Message{message("1", "a@example.dk", 0), message("2", "b@example.dk", 0), message("3", "a@example.dk", 1), message("4", "b@example.dk", 1), message("5", "a@example.dk", 2), message("6", "a@example.dk", 3)}
		must(t, s.Tell(ctx, "a", store.Told{Messages: list}))
		must(t, s.EndMessage(ctx, "1", store.MessageSent, noon, ""))
		for _, m := range []store.Message{list[2], list[4]} {
			if claimed, err := s.ClaimMessage(ctx, m, noon.Add(time.Minute)); err != nil || !claimed {
				t.Fatal(claimed, err)
			}
		}
		unsent := func(at time.Time) (ids string) {
			t.Helper()
			found, err := s.UnsentMessages(ctx, at)
			must(t, err)
			for _, m := range found {
				ids += m.ID
			}
			return ids
		}
		if got := unsent(noon); got != "6" {
			t.Errorf("while two are sent: %s", got)
		}
		if got := unsent(noon.Add(time.Minute)); got != "3456" {
			t.Errorf("when their lagerd has died: %s", got)
		}
		if ours, err := s.StartMessage(ctx, list[2], noon.Add(time.Minute)); err != nil || !ours {
			t.Fatal(ours, err)
		}
		if got := unsent(noon.Add(time.Hour)); got != "56" {
			t.Errorf("when one of two may have arrived: %s", got)
		}
		if err := s.Tell(ctx, "a", store.Told{At: noon.Add(time.Hour), Withdraw: []string{"6", "3"}}); !errors.Is(err, store.ErrMessageTaken) {
			t.Errorf("withdrew what may have arrived: %v", err)
		}
		if err := s.Tell(ctx, "a", store.Told{At: noon, Withdraw: []string{"5"}}); !errors.Is(err, store.ErrMessageTaken) {
			t.Errorf("withdrew what is being sent: %v", err)
		}
		must(t, s.Tell(ctx, "a", store.Told{At: noon.Add(time.Hour), Withdraw: []string{"6", "5"}}))
		all, err := s.Messages(ctx, "", 10)
		must(t, err)
		dropped := ""
		for _, m := range all {
			if m.State == store.MessageDropped && m.Error != "" {
				dropped += m.ID
			}
		}
		if dropped != "65" {
			t.Errorf("withdrawn: %s", dropped)
		}
	})
}

// TestStartMessage: only whoever has the claim starts, and what was started is known to the next.
func TestStartMessage(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		take(t, s, "a", noon)
		m := store.Message{ID: "1", Audience: store.AudienceOperator, Channel: store.ChannelMail, Address: "a@example.dk", Content: []byte("{}"), State: store.MessageWaiting, DecidedAt: noon, DueAt: noon}
		must(t, s.Tell(ctx, "a", store.Told{Messages: []store.Message{m}}))
		if ours, err := s.StartMessage(ctx, m, noon.Add(time.Hour)); err != nil || ours {
			t.Errorf("started without a claim: %t, %v", ours, err)
		}
		if claimed, err := s.ClaimMessage(ctx, m, noon.Add(time.Minute)); err != nil || !claimed {
			t.Fatal(claimed, err)
		}
		if ours, err := s.StartMessage(ctx, m, noon.Add(time.Hour)); err != nil || !ours {
			t.Errorf("not started: %t, %v", ours, err)
		}
		at := func(at time.Time) []store.Message {
			t.Helper()
			list, err := s.DueMessages(ctx, store.ChannelMail, []store.Audience{store.AudienceOperator}, at, 10)
			must(t, err)
			return list
		}
		if len(at(noon.Add(59*time.Minute))) != 0 {
			t.Error("due while its answer is awaited")
		}
		list := at(noon.Add(time.Hour))
		if len(list) != 1 || list[0].Unsure != 1 || list[0].Claims != 1 {
			t.Fatalf("%+v", list)
		}
		if claimed, err := s.ClaimMessage(ctx, list[0], noon.Add(2*time.Hour)); err != nil || !claimed {
			t.Fatal(claimed, err)
		}
		if ours, err := s.StartMessage(ctx, m, noon.Add(3*time.Hour)); err != nil || ours {
			t.Errorf("the first started again: %t, %v", ours, err)
		}
	})
}
