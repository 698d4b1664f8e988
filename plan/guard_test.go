package plan_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
)

var lossPolicy = &plan.Policy{LossPercent: 25, LossMin: 20, LossWindow: time.Hour, LossWindowPercent: 50, LossWindowMin: 50}

// guarding returns a guard that remembers losses and suspects others.
func guarding(recent map[string]plan.Loss, suspects map[string]plan.Suspect, approved int) *plan.LossGuard {
	var stored []plan.StoredLoss
	for number, l := range recent {
		stored = append(stored, plan.StoredLoss{Number: number, At: l.At, Gone: l.Gone})
	}
	g := plan.NewLossGuard(lossPolicy, stored, 0, noon)
	g.Suspect(plan.LossRead{Suspects: suspects})
	g.Approve(approved, noon.Add(time.Hour))
	return &g
}

// takes returns a read that would take away so much.
func takes(suspects map[string]plan.Suspect) plan.LossRead { return plan.LossRead{Suspects: suspects} }

func emptyListing(suspects map[string]plan.Suspect) plan.LossRead {
	return plan.LossRead{Suspects: suspects, Empty: true}
}

// confirms returns a read that confirms so many losses.
func confirms(from, to int) plan.LossRead {
	var read plan.LossRead
	for _, number := range slices.Sorted(maps.Keys(numbers(from, to))) {
		read.Seen = append(read.Seen, seen(item(number, "0")))
		read.Lost = append(read.Lost, plan.Lost{Number: number})
	}
	return read
}

// TestJudgeLosses is the table in the comment of Judge.
func TestJudgeLosses(t *testing.T) {
	t.Parallel()
	loss := plan.Suspect{Loss: true}
	announced := plan.Suspect{Loss: true, Announced: true}
	unlisted := plan.Suspect{Loss: true, Unlisted: true}
	lately := lost(200, 350, time.Minute, false)
	for _, c := range []struct {
		name     string
		items    int
		recent   map[string]plan.Loss
		suspects map[string]plan.Suspect // by earlier reads
		read     plan.LossRead
		approved int
		want     plan.LossDecision
	}{
		{"nothing", 100, nil, nil, takes(nil), 0, plan.LossDecision{Items: 100}},
		{"the share", 100, nil, nil, takes(coming(0, 25, loss)), 0, plan.LossDecision{Losses: 25, Items: 100}},
		{"one more than the share", 100, nil, nil, takes(coming(0, 26, loss)), 0, plan.LossDecision{Reason: plan.LossesAtOnce, Losses: 26, Items: 100}},
		{"all of a small shop", 20, nil, nil, takes(coming(0, 20, loss)), 0, plan.LossDecision{Losses: 20, Items: 20}},
		{"together with what is suspected", 100, nil, coming(0, 25, loss), takes(coming(20, 26, loss)), 0, plan.LossDecision{Reason: plan.LossesAtOnce, Losses: 26, Items: 100}},
		{"what is confirmed is suspected still", 100, nil, coming(0, 26, loss), confirms(0, 1), 0, plan.LossDecision{Reason: plan.LossesAtOnce, Losses: 26, Items: 100}},
		{"announced by webhooks", 100, nil, nil, takes(coming(0, 26, announced)), 0, plan.LossDecision{Reason: plan.LossesAtOnce, Losses: 26, Items: 100}},
		{"zeroes of new items", 100, nil, nil, takes(coming(0, 90, plan.Suspect{})), 0, plan.LossDecision{Items: 100}},
		{"approved", 100, nil, nil, takes(coming(0, 90, loss)), 90, plan.LossDecision{Losses: 90, Items: 100}},
		{"one more than approved", 100, nil, nil, takes(coming(0, 91, loss)), 90, plan.LossDecision{Reason: plan.LossesAtOnce, Losses: 91, Items: 100}},
		{"items that the last listing did not show are the shop's", 80, nil, coming(0, 20, unlisted), takes(coming(20, 25, loss)), 0, plan.LossDecision{Losses: 25, Items: 100}},
		{"an empty listing of a shop without items", 0, nil, nil, emptyListing(nil), 0, plan.LossDecision{}},
		{"an empty listing", 15, nil, nil, emptyListing(coming(0, 15, loss)), 0, plan.LossDecision{Reason: plan.LossesEmpty, Losses: 15, Items: 15}},
		{"an empty listing that is approved", 15, nil, nil, emptyListing(coming(0, 15, loss)), 15, plan.LossDecision{Losses: 15, Items: 15}},
		{"an empty listing of a large shop", 100, nil, nil, emptyListing(coming(0, 100, loss)), 99, plan.LossDecision{Reason: plan.LossesAtOnce, Losses: 100, Items: 100}},
		{"half of the items within the hour", 300, lost(200, 320, time.Minute, false), nil, takes(coming(0, 30, loss)), 0, plan.LossDecision{Losses: 30, Items: 300}},
		{"more than half", 300, lately, nil, takes(coming(0, 1, loss)), 0, plan.LossDecision{Reason: plan.LossesWithin, Losses: 1, Taken: 150, Items: 300, Within: time.Hour}},
		{"more than half, by what is confirmed", 300, lately, coming(0, 1, loss), confirms(0, 1), 0, plan.LossDecision{Reason: plan.LossesWithin, Losses: 1, Taken: 150, Items: 300, Within: time.Hour}},
		{"what is confirmed was not listed", 226, lost(200, 290, time.Minute, false), coming(0, 74, unlisted), confirms(0, 74), 0, plan.LossDecision{Reason: plan.LossesWithin, Losses: 74, Taken: 90, Items: 300, Within: time.Hour}},
		{"more than half, with what is suspected", 300, lost(200, 320, time.Minute, false), coming(0, 30, loss), takes(coming(30, 31, loss)), 0, plan.LossDecision{Reason: plan.LossesWithin, Losses: 31, Taken: 120, Items: 300, Within: time.Hour}},
		{"more than so many, only with what is suspected", 100, lost(200, 240, time.Minute, false), coming(0, 19, loss), takes(coming(19, 20, loss)), 0, plan.LossDecision{Reason: plan.LossesWithin, Losses: 20, Taken: 40, Items: 100, Within: time.Hour}},
		{"more than so many, only with what is confirmed", 100, lost(200, 245, time.Minute, false), coming(0, 10, loss), confirms(0, 10), 0, plan.LossDecision{Reason: plan.LossesWithin, Losses: 10, Taken: 45, Items: 100, Within: time.Hour}},
		{"a read that takes nothing is not judged by the window", 300, lately, coming(0, 30, loss), takes(nil), 0, plan.LossDecision{Losses: 30, Items: 300}},
		{"longer ago", 300, lost(200, 350, 2*time.Hour, false), nil, takes(coming(0, 30, loss)), 0, plan.LossDecision{Losses: 30, Items: 300}},
		{"in stock again", 300, lately, nil, plan.LossRead{Suspects: coming(0, 30, loss), Restored: slices.Collect(maps.Keys(numbers(200, 230)))}, 0, plan.LossDecision{Losses: 30, Items: 300}},
		{"what a read refutes does not trickle", 300, lately, coming(0, 2, loss), plan.LossRead{Seen: items("5", "n000", "n001"), Suspects: coming(2, 3, plan.Suspect{})}, 0, plan.LossDecision{Losses: 2, Items: 300}},
		{"gone items were the shop's", 180, lost(200, 320, time.Minute, true), nil, takes(coming(0, 30, loss)), 0, plan.LossDecision{Losses: 30, Items: 180}},
		{"what is confirmed need not be suspected", 100, lost(200, 245, time.Minute, false), nil, confirms(0, 10), 0, plan.LossDecision{Reason: plan.LossesWithin, Losses: 10, Taken: 45, Items: 100, Within: time.Hour}},
		{"too many for the window alone", 60, nil, coming(0, 20, loss), takes(coming(20, 60, plan.Suspect{})), 60, plan.LossDecision{Losses: 20, Items: 60}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := guarding(c.recent, c.suspects, c.approved)
			if diff := cmp.Diff(c.want, g.Judge(plan.LossState{Now: noon, Items: c.items}, c.read)); diff != "" {
				t.Error(diff)
			}
			if !maps.Equal(g.Suspects(), orEmpty(c.suspects)) {
				t.Errorf("to judge has changed what is suspected: %v", g.Suspects())
			}
		})
	}
}

func orEmpty[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}

// TestWindowIsNarrower: where the window allows less than one reconciliation may take,
// too many are too many at once.
func TestWindowIsNarrower(t *testing.T) {
	t.Parallel()
	narrow := *lossPolicy
	narrow.LossWindowPercent, narrow.LossWindowMin = 10, 5
	g := plan.NewLossGuard(&narrow, nil, 0, noon)
	want := plan.LossDecision{Reason: plan.LossesAtOnce, Losses: 11, Items: 100}
	if diff := cmp.Diff(want, g.Judge(plan.LossState{Now: noon, Items: 100}, takes(coming(0, 11, plan.Suspect{Loss: true})))); diff != "" {
		t.Error(diff)
	}
	g = plan.NewLossGuard(&narrow, []plan.StoredLoss{{Number: "n100", At: noon}}, 0, noon)
	want = plan.LossDecision{Reason: plan.LossesWithin, Losses: 10, Taken: 1, Items: 100, Within: time.Hour}
	if diff := cmp.Diff(want, g.Judge(plan.LossState{Now: noon, Items: 100}, takes(coming(0, 10, plan.Suspect{Loss: true})))); diff != "" {
		t.Error(diff)
	}
}

// TestLook: a listing that is only looked at is judged by all that it shows, and by nothing
// else; what it shows is suspected then. What it shows in stock again counts no more, until
// the next listing has stored it, or a read shows otherwise.
func TestLook(t *testing.T) {
	t.Parallel()
	loss := plan.Suspect{Loss: true}
	at := plan.LossState{Now: noon, Items: 300}
	g := guarding(lost(200, 350, time.Minute, false), coming(0, 100, loss), 0)
	if d := g.Look(at, coming(0, 76, loss), nil, numbers(200, 201), false); d.Reason != plan.LossesWithin || d.Losses != 76 || d.Taken != 149 {
		t.Errorf("more than may be, and one is back: %+v", d)
	}
	if d := g.Judge(at, takes(coming(0, 76, loss))); d.Taken != 150 {
		t.Errorf("what a listing that is held back has shown is not stored: %+v", d)
	}
	if d := g.Look(at, coming(0, 76, loss), nil, nil, false); d.Reason != plan.LossesWithin || d.Losses != 76 || d.Taken != 150 {
		t.Errorf("more than may be: %+v", d)
	}
	if len(g.Suspects()) != 76 {
		t.Errorf("%d are suspected", len(g.Suspects()))
	}
	if d := g.Look(at, coming(0, 30, loss), nil, numbers(200, 230), false); !d.Stored() {
		t.Errorf("thirty, and thirty are back: %+v", d)
	}
	if d := g.Judge(at, takes(coming(0, 30, loss))); !d.Stored() {
		t.Errorf("stored by the next listing: %+v", d)
	}
	if d := g.Judge(at, plan.LossRead{Seen: items("0", "n200", "n201"), Suspects: coming(0, 30, loss)}); d.Reason != plan.LossesWithin || d.Taken != 122 {
		t.Errorf("two of them are not back: %+v", d)
	}
	g.Listed(nil)
	if d := g.Judge(at, takes(coming(0, 30, loss))); d.Taken != 150 {
		t.Errorf("after the next listing: %+v", d)
	}
	if d := guarding(nil, nil, 0).Look(plan.LossState{Now: noon, Items: 3}, coming(0, 3, loss), nil, nil, true); d.Reason != plan.LossesEmpty {
		t.Errorf("an empty listing: %+v", d)
	}
}

// TestLookUnread: what a listing shows and could not be understood is suspected as it was,
// and counts as that.
func TestLookUnread(t *testing.T) {
	t.Parallel()
	loss := plan.Suspect{Loss: true}
	unlisted := plan.Suspect{Loss: true, Unlisted: true}
	for name, c := range map[string]struct {
		suspected, shown map[string]plan.Suspect
		unread           map[string]struct{}
		want             map[string]plan.Suspect
		reason           plan.LossReason
	}{
		"everything can be read":           {coming(0, 30, loss), coming(0, 20, loss), nil, coming(0, 20, loss), plan.LossesFew},
		"what is suspected cannot be read": {coming(0, 30, loss), coming(0, 20, loss), numbers(20, 30), coming(0, 30, loss), plan.LossesAtOnce},
		"some of it has come back":         {coming(0, 30, loss), coming(0, 20, loss), numbers(20, 25), coming(0, 25, loss), plan.LossesFew},
		"nothing was suspected of it":      {coming(0, 30, loss), coming(0, 20, loss), numbers(30, 60), coming(0, 20, loss), plan.LossesFew},
		"an earlier page has shown it":     {coming(0, 20, unlisted), coming(0, 20, loss), numbers(0, 20), coming(0, 20, loss), plan.LossesFew},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := guarding(nil, c.suspected, 0)
			if d := g.Look(plan.LossState{Now: noon, Items: 100}, c.shown, c.unread, nil, false); d.Reason != c.reason {
				t.Errorf("%+v, expected %q", d, c.reason)
			}
			if diff := cmp.Diff(c.want, g.Suspects()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestJudgeAgreement: what another agreement lacks is judged by what the shop shows, and
// one without items is approved by a person.
func TestJudgeAgreement(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		losses, present, items, approved int
		want                             plan.LossReason
	}{
		{25, 100, 75, 0, plan.LossesFew},
		{26, 100, 75, 0, plan.LossesOfAgreement},
		{20, 20, 5, 0, plan.LossesFew},
		{26, 100, 75, 26, plan.LossesFew},
		{5, 5, 0, 0, plan.LossesOfAgreement},
		{5, 5, 0, 4, plan.LossesOfAgreement},
		{5, 5, 0, 5, plan.LossesFew},
		{0, 0, 0, 0, plan.LossesFew},
	} {
		d := guarding(nil, nil, c.approved).JudgeAgreement("agreement 7", c.losses, c.present, c.items)
		if want := (plan.LossDecision{Reason: c.want, Losses: c.losses, Items: c.present, To: "agreement 7"}); d != want {
			t.Errorf("%+v: %+v", c, d)
		}
	}
}

// TestLossesAreTold: each reason has its text, and only one of a read that is stored has
// none.
func TestLossesAreTold(t *testing.T) {
	t.Parallel()
	const advice = ": check `lagerd diff shop1`; if that is right, run `lagerd approve shop1`"
	for _, c := range []struct {
		d    plan.LossDecision
		want string
	}{
		{plan.LossDecision{Losses: 3, Items: 9}, ""},
		{plan.LossDecision{Reason: plan.LossesAtOnce, Losses: 26, Items: 100}, "a reconciliation would take away the stock of 26 of 100 items" + advice},
		{plan.LossDecision{Reason: plan.LossesEmpty, Losses: 9, Items: 9}, "a reconciliation would take away the stock of 9 of 9 items" + advice},
		{plan.LossDecision{Reason: plan.LossesWithin, Losses: 1, Taken: 150, Items: 300, Within: 90 * time.Minute},
			"a reconciliation would take away the stock of 1 more items: with the 150 lost within 1h30m without a webhook, 151 of 300 items" + advice},
		{plan.LossDecision{Reason: plan.LossesOfAgreement, Losses: 9, Items: 12, To: "agreement 7"}, "changing over to agreement 7 would take away the stock of 9 of 12 items" + advice},
	} {
		if got := c.d.Detail("shop1"); got != c.want {
			t.Errorf("%q, expected %q", got, c.want)
		}
	}
	for d, want := range map[time.Duration]string{time.Hour: "1h", 90 * time.Minute: "1h30m", 90 * time.Second: "1m30s", time.Minute: "1m", 10 * time.Second: "10s"} {
		if got := plan.ShortDuration(d); got != want {
			t.Errorf("%q, expected %q", got, want)
		}
	}
}

// TestApproval: an approval covers so many losses, is used up by those that are stored,
// and ends after a while or with the last loss that it could be for.
func TestApproval(t *testing.T) {
	t.Parallel()
	loss := plan.Suspect{Loss: true}
	at := plan.LossState{Now: noon, Items: 300}
	for approved, want := range map[int]bool{0: false, 9: false, 10: true, 11: true} {
		if got := guarding(nil, both(coming(0, 10, loss), coming(10, 20, plan.Suspect{})), approved).Approves(); got != want {
			t.Errorf("%d approved of 10: %t", approved, got)
		}
	}
	if guarding(nil, nil, 0).Approves() {
		t.Error("nothing is approved, and nothing suspected")
	}
	one := guarding(nil, coming(0, 1, loss), 1)
	if !one.Approves() || one.ApprovalSpent(nil) || !guarding(nil, nil, 1).ApprovalSpent(nil) {
		t.Error("an approval of one loss does not count")
	}
	if one.ExpireApproval(noon.Add(time.Hour)); one.Approved() != 0 {
		t.Error("an approval of one loss does not end")
	}
	g := guarding(lost(0, 1, time.Minute, false), coming(0, 4, loss), 2)
	c := g.Remember(at, confirms(0, 4), 10)
	// The first counts since it was lost before, two are approved, the last is remembered.
	want := plan.LossChange{Lost: []plan.StoredLoss{{Number: "n000", At: noon.Add(-time.Minute)}, {Number: "n003", At: noon}}, Approved: 2}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	if g.Approved() != 2 || g.ApprovalSpent(nil) {
		t.Errorf("before it is stored: %d approved, spent %t", g.Approved(), g.ApprovalSpent(nil))
	}
	g.Stored(c, noon)
	if g.Approved() != 0 || len(g.Recent()) != 2 {
		t.Errorf("stored: %d approved, remembered %v", g.Approved(), g.Recent())
	}
	g.Approve(5, noon.Add(time.Hour))
	g.ExpireApproval(noon.Add(time.Hour - 1))
	if g.Approved() != 5 {
		t.Error("it ended too early")
	}
	g.Suspect(plan.LossRead{Seen: confirms(0, 4).Seen})
	if !g.ApprovalSpent(nil) || g.ApprovalSpent(coming(7, 8, loss)) {
		t.Error("it is spent where nothing is suspected and nothing missing, and not else")
	}
	g.ExpireApproval(noon.Add(time.Hour))
	if g.Approved() != 0 || g.ApprovalSpent(nil) {
		t.Errorf("a day later: %d approved, spent %t", g.Approved(), g.ApprovalSpent(nil))
	}
}

// TestRememberedLosses: losses are forgotten when they are over or in stock again, and are
// no older for the time that the stock was not read.
func TestLossChangeEmpty(t *testing.T) {
	t.Parallel()
	one := []plan.StoredLoss{{Number: "n000", At: noon}}
	for _, c := range []struct {
		change plan.LossChange
		want   bool
	}{
		{plan.LossChange{}, true},
		{plan.LossChange{Lost: one}, false},
		{plan.LossChange{Forgotten: []string{"n001"}}, false},
		{plan.LossChange{Approved: 1}, false},
		{plan.LossChange{Held: time.Minute}, false},
		{plan.LossChange{Lost: one, Forgotten: []string{"n001"}}, false},
		{plan.LossChange{Lost: one, Approved: 1}, false},
		{plan.LossChange{Forgotten: []string{"n001"}, Approved: 1}, false},
	} {
		if got := c.change.Empty(); got != c.want {
			t.Errorf("%+v is empty: %t", c.change, got)
		}
	}
}

func TestRememberedLosses(t *testing.T) {
	t.Parallel()
	held := plan.Holds{{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Since: noon}}
	recent := both(lost(0, 3, 59*time.Minute, false), lost(3, 6, time.Hour, true))
	g := guarding(recent, nil, 0)
	at := plan.LossState{Now: noon, Items: 300}
	if got := g.Over(at, 2); fmt.Sprint(got) != "[n003 n004]" {
		t.Errorf("over are %v", got)
	}
	if got := g.All(4); fmt.Sprint(got) != "[n000 n001 n002 n003]" {
		t.Errorf("all are %v", got)
	}
	read := confirms(7, 8)
	read.Restored = []string{"n000"}
	c := g.Remember(at, read, 10)
	if diff := cmp.Diff(plan.LossChange{Lost: []plan.StoredLoss{{Number: "n007", At: noon}}, Forgotten: []string{"n000", "n003", "n004", "n005"}}, c); diff != "" {
		t.Error(diff)
	}
	back := plan.LossRead{Restored: []string{"n000"}}
	if diff := cmp.Diff(plan.LossChange{Forgotten: []string{"n000"}}, g.Remember(at, back, 10)); diff != "" {
		t.Errorf("a read that takes nothing away: %s", diff)
	}
	// What is over counts from now on when it is lost again, and is gone if it is now.
	lost := plan.LossRead{Lost: []plan.Lost{{Number: "n003"}, {Number: "n000", Gone: true}}}
	relost := plan.LossChange{Lost: []plan.StoredLoss{{Number: "n003", At: noon}, {Number: "n000", At: noon.Add(-59 * time.Minute), Gone: true, Counted: true}}, Forgotten: []string{"n003"}}
	if diff := cmp.Diff(relost, g.Remember(at, lost, 1)); diff != "" {
		t.Errorf("lost again: %s", diff)
	}
	again := guarding(recent, nil, 0)
	again.Stored(relost, noon)
	if got := again.Recent(); got["n003"] != (plan.Loss{At: noon}) || got["n000"] != (plan.Loss{At: noon.Add(-59 * time.Minute), Gone: true, Counted: true}) || len(got) != 6 {
		t.Errorf("lost again, and remembered: %v", got)
	}
	g.Stored(c, noon)
	if got := g.All(9); fmt.Sprint(got) != "[n001 n002 n007]" {
		t.Errorf("remembered are %v", got)
	}
	// Held for half an hour: what was 59 minutes old is so still.
	later := noon.Add(30 * time.Minute)
	if got := held.StockStoodFrom(later); !got.Equal(noon) {
		t.Errorf("the stock has stood since %s", got)
	}
	if c := g.StandStill(held, held, later); !c.Empty() {
		t.Errorf("a hold that goes on: %+v", c)
	}
	c = g.StandStill(held, nil, later)
	if diff := cmp.Diff(plan.LossChange{Held: 30 * time.Minute}, c); diff != "" {
		t.Error(diff)
	}
	g.Stored(c, later)
	at.Now = later
	if got := g.Over(at, 9); len(got) > 0 {
		t.Errorf("over are %v", got)
	}
	if got := g.Over(plan.LossState{Now: later.Add(time.Minute)}, 9); fmt.Sprint(got) != "[n001 n002]" {
		t.Errorf("a minute later over are %v", got)
	}
	// Whoever takes the shop over knows the same.
	stored := []plan.StoredLoss{{Number: "n001", At: noon.Add(-59 * time.Minute)}, {Number: "n007", At: noon.Add(time.Hour)}}
	next := plan.NewLossGuard(lossPolicy, stored, 30*time.Minute, later)
	want := map[string]plan.Loss{"n001": {At: later.Add(-59 * time.Minute)}, "n007": {At: later}}
	if diff := cmp.Diff(want, next.Recent()); diff != "" {
		t.Error(diff)
	}
	c = next.Remember(at, confirms(8, 9), 10)
	if diff := cmp.Diff([]plan.StoredLoss{{Number: "n008", At: noon}}, c.Lost); diff != "" {
		t.Error(diff)
	}
	next.Stored(c, later)
	if l := next.Recent()["n008"]; !l.At.Equal(later) {
		t.Errorf("stored now, and remembered as of %s", l.At)
	}
	// A second hold adds to the first; nothing gets into the future by it.
	held[0].Since = later.Add(-10 * time.Minute)
	c = next.StandStill(held, nil, later)
	if diff := cmp.Diff(plan.LossChange{Held: 40 * time.Minute}, c); diff != "" {
		t.Error(diff)
	}
	next.Stored(c, later)
	want = map[string]plan.Loss{"n001": {At: later.Add(-49 * time.Minute)}, "n007": {At: later}, "n008": {At: later}}
	if diff := cmp.Diff(want, next.Recent()); diff != "" {
		t.Error(diff)
	}
	c = next.Remember(at, confirms(9, 10), 10)
	if diff := cmp.Diff([]plan.StoredLoss{{Number: "n009", At: later.Add(-40 * time.Minute)}}, c.Lost); diff != "" {
		t.Error(diff)
	}
	if c := next.StandStill(held, held, later); !c.Empty() {
		t.Errorf("a hold that goes on, after another: %+v", c)
	}
	if c := next.StandStill(nil, held, later); !c.Empty() {
		t.Errorf("a hold that begins: %+v", c)
	}
	if empty := guarding(nil, nil, 0); !empty.StandStill(held, nil, later).Empty() {
		t.Error("a shop that has lost nothing has something to store")
	}
}

// TestGoneItemsCountOnce: an item that is gone is still one of those of the last listing, until the next
// one no longer shows it.
func TestGoneItemsCountOnce(t *testing.T) {
	t.Parallel()
	g := guarding(nil, coming(3, 4, plan.Suspect{Loss: true, Unlisted: true}), 0)
	at := plan.LossState{Now: noon, Items: 100}
	goes := func(from, to int) plan.LossRead {
		var read plan.LossRead
		for n := from; n < to; n++ {
			read.Lost = append(read.Lost, plan.Lost{Number: fmt.Sprintf("n%03d", n), Gone: true})
		}
		return read
	}
	items := func(step string, want int) {
		t.Helper()
		d := g.Judge(at, goes(200, 400))
		if d.Reason == plan.LossesFew || d.Items != want {
			t.Errorf("%s: %d items (%s), expected %d", step, d.Items, d.Reason, want)
		}
	}
	for n := range 4 { // the last is the suspect that the listing did not show
		read := goes(n, n+1)
		g.Stored(g.Remember(at, read, 10), noon)
		if n == 3 {
			read.Seen = []plan.Observation{{Item: plan.Item{Number: "n003"}}}
			g.Suspect(read)
		}
	}
	items("since the listing", 101)
	if again := g.Remember(at, goes(0, 1), 10).Lost; !again[0].Counted {
		t.Error("one that is read once more is not among the listed")
	}
	g.Listed(nil)
	at.Items = 97
	items("after the next one", 101)
	if again := g.Remember(at, goes(0, 1), 10).Lost; again[0].Counted {
		t.Error("one that is read once more is among the listed again")
	}
}

// TestTakes: what a listing does not show is taken away like what it shows, and what it
// shows says more of a number.
func TestTakes(t *testing.T) {
	t.Parallel()
	p := plan.ItemsPlan{Suspected: map[string]plan.Suspect{"a": {Loss: true, Announced: true}}, Lost: []plan.Lost{{Number: "b"}}, Restored: []string{"c"}}
	missing := map[string]plan.Suspect{"a": {Loss: true}, "d": {Loss: true, Unlisted: true}}
	read := p.Takes([]plan.Observation{seen(item("a", "0"))}, missing)
	if !read.Suspects["a"].Announced || !read.Suspects["d"].Unlisted || len(read.Suspects) != 2 || len(read.Lost)+len(read.Restored)+len(read.Seen) != 3 {
		t.Errorf("%+v", read)
	}
	if len(missing) != 2 || missing["a"].Announced || len(p.Suspected) != 1 {
		t.Errorf("what was given has been changed: %+v, %+v", missing, p.Suspected)
	}
	if read := p.Takes(nil, nil); len(read.Suspects) != 1 {
		t.Errorf("%+v", read)
	}
	if read := p.Takes(nil, map[string]plan.Suspect{"d": {Loss: true}}); len(read.Suspects) != 2 {
		t.Errorf("one is missing: %+v", read)
	}
}

// TestSuspicions: of a number that is suspected which the latest read says.
func TestSuspicions(t *testing.T) {
	t.Parallel()
	loss := plan.Suspect{Loss: true}
	g := guarding(nil, coming(0, 3, loss), 0)
	g.Suspect(plan.LossRead{Seen: []plan.Observation{seen(item("n000", "5")), seen(item("n001", "0"))}, Suspects: coming(1, 2, loss)})
	if got := g.Suspects(); !maps.Equal(got, coming(1, 3, loss)) || g.Suspected("n000") || !g.Suspected("n001") {
		t.Errorf("suspected are %v", got)
	}
	g.Listed(coming(2, 5, loss))
	if got := g.Suspects(); got["n001"].Unlisted || !got["n002"].Unlisted || len(got) != 2 {
		t.Errorf("after a listing: %v", got)
	}
	g.HoldBack(plan.LossRead{Seen: []plan.Observation{seen(item("n001", "5"))}, Suspects: coming(7, 8, loss)})
	if !g.Suspected("n001") || !g.Suspected("n007") {
		t.Errorf("a read that is not stored refutes nothing: %v", g.Suspects())
	}
}
