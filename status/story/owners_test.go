package story_test

import (
	"strings"
	"testing"
	"time"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status/story"
	"lagerd/store"
)

// TestOwners: an owner reads no command, no operator's name, no machine and no program's error, and
// every step and every action has a text, in both languages and in Danish time.
func TestOwners(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)
	s := story.Story{Shop: "shop1", Kind: plan.KindStock, Number: "A-1", ToldAt: at, Since: at.Add(-time.Hour), Answer: story.Answer{Source: "e-conomic", Answered: story.NotAsked, Error: "the page does not ask"},
		Verdict: story.Unknown, Stored: story.Stored{Invoice: &story.Invoice{Number: 41, Order: story.Order{Field: plan.OrderInHeading}}}}
	for _, what := range []story.StepWhat{story.StepResume, story.StepStart, story.StepOff, story.StepAsk, story.StepOrder, story.StepTake, story.StepPass, story.StepReread, story.StepConfirm, story.StepRetry,
		story.StepListing, story.StepCalls, story.StepSpare, story.StepShop, story.StepTick, story.StepSweep, story.StepChange, story.StepPDF, story.StepStays, story.StepNothing, story.StepUnknown, story.StepUnread} {
		s.Next = append(s.Next, story.Step{What: what, At: &at, Tries: 3, Detail: "dial tcp: internal error"})
	}
	for _, reason := range plan.Reasons() {
		s.Next = append(s.Next, story.Step{What: story.StepUnhold, At: &at, Scope: plan.ScopeStock, Reason: reason, Detail: "internal error"})
		s.Events = append(s.Events, story.Event{At: at, What: story.EventHold, Hold: &story.Hold{Scope: plan.ScopeStock, Reason: reason, Detail: "internal error"}})
	}
	for _, what := range []store.ActionWhat{store.ActionAdded, store.ActionSet, store.ActionPaused, store.ActionResumed, store.ActionApproved, store.ActionAccepted, store.ActionCodeAdded, store.ActionCodeReplaced, store.ActionCodeRetired, store.ActionAsked} {
		detail := "7"
		if what == store.ActionSet || what == store.ActionPaused {
			detail = "internal error"
		}
		s.Events = append(s.Events, story.Event{At: at, What: story.EventAction, Action: &story.Action{What: what, Account: "root", Command: "shops set", Detail: detail}},
			story.Event{At: at, What: story.EventAction, Action: &story.Action{What: what, Account: "link k3f9x2ma", Command: "page", Detail: "7"}})
	}
	s.Events = append(s.Events, story.Event{At: at, What: story.EventRefused, Refused: &story.Refused{Calls: 2, Remote: "192.0.2.7"}},
		story.Event{At: at, What: story.EventLease, Lease: &story.Lease{Instance: "i", Host: "db17.internal"}})
	ended := at.Add(time.Minute)
	s.Events = append(s.Events, story.Event{At: at, What: story.EventHold, Hold: &story.Hold{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Detail: "internal error", EndedAt: &ended}})
	s.Near = []story.Near{{Kind: plan.KindStock, Number: "A-01"}}
	for l, want := range map[lang.Lang][]string{
		lang.Danish:  {"Din webudbyder satte butikken på pause.", "Nogen med butikkens link lavede en ny integrationskode.", "12:00:00", "dansk sommertid", "koden var forkert", "En anden lagerd overtog butikken.", "lagerd begyndte at holde lageret tilbage, fordi for mange varer ville have mistet deres på én gang. Det endte kl. 12:01:00 CEST."},
		lang.English: {"Your hosting company paused the shop.", "Somebody with the shop's link made a new integration code.", "12:00:00", "(CEST)", "its code was wrong", "Another lagerd took the shop over.", "lagerd began to hold back stock, because too many items would have lost theirs at once. That ended at 12:01:00 CEST."},
	} {
		text := s.Text(story.Owners(l))
		var all []string
		for _, line := range text.Lines {
			all = append(all, line.Label+" "+line.Text)
		}
		for _, day := range text.Days {
			all = append(all, day.Name)
			for _, e := range day.Events {
				all = append(all, e.Label+" "+e.Text)
			}
		}
		joined := strings.Join(all, "\n")
		for _, no := range []string{"`", "root", "shops set", "k3f9x2ma", "db17", "internal error", "not ask", "lease.ttl", "lagerd approve", "UTC", ": .", "{when}", "{n}", "--"} {
			if strings.Contains(joined, no) {
				t.Errorf("%s has %q:\n%s", l, no, joined)
			}
		}
		for _, yes := range want {
			if !strings.Contains(joined, yes) {
				t.Errorf("%s lacks %q:\n%s", l, yes, joined)
			}
		}
		if n := len(text.Lines); n < len(s.Next) {
			t.Errorf("%s has %d lines of %d steps", l, n, len(s.Next))
		}
	}
}
