package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/test/storetest"
	"lagerd/webhook"
)

// nobody knows no shop.
func nobody(string) bool { return false }

// alone is a journal's beside which nobody writes.
func alone() (yes, known bool) { return true, true }

// notAlone is a journal's beside which others write.
func notAlone() (yes, known bool) { return false, true }

// placed returns calls as they are written.
func (j *journal) placed(calls []store.WebhookCall) []store.WebhookCall {
	j.place(context.Background(), calls)
	return calls
}

// TestJournalKeepsTheLatest: if there are more calls than a shop's log has room for, the
// latest wait, each for its own slot, and the oldest of these are written first.
func TestJournalKeepsTheLatest(t *testing.T) {
	t.Parallel()
	const perShop = 5
	j := newJournal(nil, nil, perShop, nobody, notAlone, func(int) { t.Error("a call was dropped") }, func() { t.Error("a call was skipped") })
	add := func(shop string, from, to int) {
		for n := from; n < to; n++ {
			j.Add(webhook.Call{Shop: shop, Number: fmt.Sprint(n), At: time.Unix(int64(n), 0)})
		}
	}
	numbers := func(calls []store.WebhookCall, shop string) (list []string) {
		slots := map[int]bool{}
		for _, c := range calls {
			if c.Shop == shop {
				list = append(list, c.Number)
				slots[c.Slot] = true
			}
		}
		if len(slots) != len(list) {
			t.Errorf("%d calls of %s have %d slots", len(list), shop, len(slots))
		}
		return list
	}
	expect := func(got []string, want ...string) {
		t.Helper()
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("got %v, expected %v", got, want)
		}
	}
	add("a", 10, 23)
	add("b", 10, 12)
	if j.total != perShop+2 {
		t.Errorf("%d wait", j.total)
	}
	some := j.placed(j.take(4)) // two of each
	expect(numbers(some, "a"), "18", "19")
	expect(numbers(some, "b"), "10", "11")
	add("a", 23, 26)
	expect(numbers(j.placed(j.take(100)), "a"), "21", "22", "23", "24", "25")
	if j.total != 0 || len(j.take(100)) != 0 {
		t.Error("something is left")
	}
}

// TestJournalRows: a call becomes a row of its shop's log, in the next slot of a ring, with all
// that is known of the call.
func TestJournalRows(t *testing.T) {
	t.Parallel()
	const perShop = 3
	j := newJournal(nil, nil, perShop, nobody, notAlone, func(int) { t.Error("a call was dropped") }, func() { t.Error("a call was skipped") })
	call := webhook.Call{Shop: "a", At: time.Unix(1, 0), Method: "GET", Remote: "10.0.0.1", Kind: webhook.KindInvoice, Number: "7", Status: 400, Outcome: webhook.OutcomeBadType, Duration: 3 * time.Millisecond}
	slot := -1
	for n := range 2*perShop + 1 {
		j.Add(call)
		got := j.placed(j.take(1))
		want := store.WebhookCall{Shop: "a", CalledAt: store.At(time.Unix(1, 0)), Method: "GET", Remote: "10.0.0.1", Kind: plan.KindInvoice, Source: store.SourceEconomic, Number: "7", Status: 400, Outcome: "bad_type", DurationUS: 3000}
		if n == 0 {
			slot = got[0].Slot
		}
		want.Slot = (slot + n) % perShop
		if slot < 0 || slot >= perShop || len(got) != 1 || got[0] != want {
			t.Errorf("got %+v, expected %+v", got, want)
		}
	}
}

// TestJournalTakesFromEach: what one write cannot take waits, and each shop's log gets some of it.
func TestJournalTakesFromEach(t *testing.T) {
	t.Parallel()
	j := newJournal(nil, nil, 10, nobody, notAlone, func(int) { t.Error("a call was dropped") }, func() { t.Error("a call was skipped") })
	for _, shop := range []string{"a", "b", "c"} {
		j.Add(webhook.Call{Shop: shop})
		j.Add(webhook.Call{Shop: shop})
	}
	for _, c := range []struct{ most, got, left int }{{2, 2, 4}, {3, 3, 1}, {1, 1, 0}, {1, 0, 0}} {
		calls := j.take(c.most)
		shops := map[string]bool{}
		for _, call := range calls {
			shops[call.Shop] = true
		}
		if len(calls) != c.got || len(shops) != c.got || j.total != c.left {
			t.Errorf("take %d: %d calls of %d shops, %d are left", c.most, len(calls), len(shops), j.total)
		}
		for of, waiting := range j.waiting {
			if len(waiting.list) == 0 {
				t.Errorf("take %d: %+v waits without calls", c.most, of)
			}
		}
	}
}

// TestJournalLimit: calls beyond the limit are dropped and counted, except those that replace
// another; when some were written, there is room again.
func TestJournalLimit(t *testing.T) {
	t.Parallel()
	dropped := 0
	j := newJournal(nil, nil, 2, nobody, notAlone, func(n int) { dropped += n }, func() { t.Error("a call was skipped") })
	for n := range journalLimit / 2 {
		j.Add(webhook.Call{Shop: fmt.Sprint(n)})
		j.Add(webhook.Call{Shop: fmt.Sprint(n)})
	}
	add := func(when, shop string, want int) {
		t.Helper()
		j.Add(webhook.Call{Shop: shop})
		if dropped != want {
			t.Errorf("%s: %d calls were dropped, expected %d", when, dropped, want)
		}
	}
	add("it replaces one", "0", 0)
	add("of another shop", "a", 1)
	add("and again", "a", 2)
	j.take(1)
	add("one was written", "a", 2)
	add("it is full again", "a", 3)
	if len(j.take(2*journalLimit)) != journalLimit || j.total != 0 {
		t.Errorf("%d are left", j.total)
	}
}

// TestJournalIsWritten: waiting calls are written to the database, at the stop too; those that
// cannot be written are counted, with a warning.
func TestJournalIsWritten(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	log, hook := test.NewNullLogger()
	dropped := 0
	j := newJournal(s, log, 10, nobody, notAlone, func(n int) { dropped += n }, func() { t.Error("a call was skipped") })
	expect := func(want ...string) {
		t.Helper()
		calls, err := s.WebhookCalls(t.Context(), "a", 10)
		must(t, err)
		var got []string
		for _, c := range calls {
			got = append(got, c.Number)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the log holds %q, expected %q", got, want)
		}
	}
	for n := range 3 {
		j.Add(webhook.Call{Shop: "a", Number: fmt.Sprint(n), At: time.Unix(int64(n), 0)})
	}
	j.flush(t.Context(), 2)
	expect("1", "0")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	j.Run(ctx)
	expect("2", "1", "0")
	if dropped != 0 || len(hook.AllEntries()) != 0 {
		t.Errorf("%d were dropped: %v", dropped, hook.LastEntry())
	}

	must(t, s.Close())
	j.Add(webhook.Call{Shop: "a"})
	j.Add(webhook.Call{Shop: "b"})
	j.flush(t.Context(), 10)
	if e := hook.LastEntry(); dropped != 2 || e == nil || e.Level != logrus.WarnLevel || e.Message != "cannot write webhook log" || e.Data["calls"] != 2 || e.Data["error"] == nil {
		t.Errorf("%d were dropped: %+v", dropped, e)
	}
}

// TestJournalContinues: after a restart the calls take the place of the oldest ones, those with a wrong
// code too, also where the ring was longer. Beside others, which write at places of their own, they go
// anywhere.
func TestJournalContinues(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	log, hook := test.NewNullLogger()
	n := 0
	write := func(perShop, calls int) {
		j := newJournal(s, log, perShop, func(string) bool { return true }, alone, func(int) { t.Error("a call was dropped") }, func() { t.Error("a call was skipped") })
		for range calls {
			for _, shop := range []string{"a", "b"} {
				j.Add(webhook.Call{Shop: shop, Number: fmt.Sprint(n), At: time.Unix(int64(n), 0)})
				j.Add(webhook.Call{Claims: shop, Outcome: webhook.OutcomeRefused, Number: fmt.Sprint("refused ", n), At: time.Unix(int64(n), 0)})
			}
			n++
		}
		j.flush(t.Context(), journalLimit)
	}
	kept := func(shop, prefix string) (numbers []string) {
		calls, err := s.WebhookCalls(t.Context(), shop, 1000)
		must(t, err)
		for _, c := range calls {
			if number, is := strings.CutPrefix(c.Number, prefix); is && !strings.HasPrefix(number, "refused") {
				numbers = append(numbers, number)
			}
		}
		return numbers
	}
	check := func(step string, want ...string) {
		t.Helper()
		for _, shop := range []string{"a", "b"} {
			if got := kept(shop, ""); !slices.Equal(got, want) {
				t.Errorf("%s: the log of %s has %q, expected %q", step, shop, got, want)
			}
		}
	}
	write(5, 3)
	write(5, 1)
	check("before the ring is full", "3", "2", "1", "0")
	write(5, 3)
	write(5, 1)
	check("when it is", "7", "6", "5", "4", "3")
	for range refusedPerShop {
		write(5, 1)
	}
	if got := kept("a", "refused "); len(got) != refusedPerShop || got[0] != fmt.Sprint(n-1) || got[refusedPerShop-1] != fmt.Sprint(n-refusedPerShop) {
		t.Errorf("calls with a wrong code: %q", got)
	}
	write(3, 1)
	if got := kept("a", ""); len(got) != 5 || got[0] != fmt.Sprint(n-1) || got[1] != fmt.Sprint(n-2) {
		t.Errorf("after the ring became shorter: %q", got)
	}
	if len(hook.AllEntries()) > 0 {
		t.Errorf("logged %v", hook.LastEntry())
	}

	// What cannot be looked at goes anywhere, and is looked at again.
	away, cancel := context.WithCancel(t.Context())
	cancel()
	j := newJournal(s, log, 5, nobody, alone, nil, nil)
	j.place(away, []store.WebhookCall{{Shop: "a"}})
	last := kept("a", "")[0]
	j.Add(webhook.Call{Shop: "a", Number: "last", At: time.Unix(int64(n), 0)})
	j.flush(t.Context(), 1)
	if got := kept("a", ""); got[0] != "last" || got[1] != last {
		t.Errorf("after an error: %q, expected the last after %s", got, last)
	}

	// Anywhere: in ten tries of each of two logs not always after the latest call.
	slots := map[string]bool{}
	for range 10 {
		j := newJournal(s, log, 5, nobody, notAlone, nil, nil)
		for _, c := range j.placed([]store.WebhookCall{{Shop: "a"}, {Shop: "b"}}) {
			slots[fmt.Sprint(c.Shop, c.Slot)] = true
		}
	}
	if len(slots) < 4 {
		t.Errorf("beside others the calls are at %v", slots)
	}
}

// TestStrangersAreRecordedInBounds: of calls without a valid code fifty are recorded at once, and
// five a minute, and as many of those that name a shop, ten of them at once; the others are counted.
// None of them takes the place of a shop's call.
func TestStrangersAreRecordedInBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		skipped := 0
		knows := func(shop string) bool { return strings.HasPrefix(shop, "a") }
		j := newJournal(nil, nil, 1000, knows, notAlone, func(int) { t.Error("a call was dropped") }, func() { skipped++ })
		add := func(calls int, c webhook.Call) (recorded int) {
			j.take(journalLimit) // as the database would
			for range calls {
				j.Add(c)
			}
			return j.total
		}
		wrong := func(shop string) webhook.Call {
			return webhook.Call{Outcome: webhook.OutcomeRefused, Claims: shop, Status: 403}
		}
		for _, step := range []struct {
			after         time.Duration
			calls         int
			call          webhook.Call
			recorded, all int // all that were skipped so far
		}{
			{0, 500, wrong("nobody"), 50, 450},
			{0, 5, webhook.Call{Outcome: webhook.OutcomeBadMethod}, 0, 455},
			{0, 300, webhook.Call{Shop: "a", Outcome: webhook.OutcomeRecorded}, 300, 455},
			{0, 30, wrong("a"), 10, 475},
			{time.Minute, 50, wrong("nobody"), 5, 520},
			{3 * time.Minute, 5, wrong("a"), 1, 524},
			{24 * time.Hour, 50, webhook.Call{Outcome: webhook.OutcomeLimited, Claims: "a"}, 0, 574},
			{0, 150, webhook.Call{Outcome: webhook.OutcomeTooLarge}, 50, 674},
			{0, 5, wrong("a"), 5, 674},
		} {
			time.Sleep(step.after)
			if recorded := add(step.calls, step.call); recorded != step.recorded || skipped != step.all {
				t.Errorf("%+v: %d recorded, %d skipped so far", step, recorded, skipped)
			}
		}
		all := 0
		for n := range 500 {
			all += add(1, wrong(fmt.Sprint("a", n)))
		}
		if all != refusedAtOnce-5 {
			t.Errorf("%d calls that name shops are recorded, expected %d", all, refusedAtOnce-5)
		}
	})
}

// TestRefusedCallsHaveTheirOwnRing: a call with a wrong code is in the log of the shop that it
// names, in slots below zero, of which there are a few: it takes the place of no call with a good
// code, and the reverse.
func TestRefusedCallsHaveTheirOwnRing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const perShop = 5
		knows := func(shop string) bool { return shop == "a" }
		j := newJournal(nil, nil, perShop, knows, notAlone, func(int) { t.Error("a call was dropped") }, func() {})
		good, bad := map[int]bool{}, map[int]bool{}
		for range 200 {
			time.Sleep(10 * time.Minute)
			j.Add(webhook.Call{Shop: "a", Outcome: webhook.OutcomeRecorded})
			j.Add(webhook.Call{Claims: "a", Kind: webhook.KindInvoice, Outcome: webhook.OutcomeRefused, Status: 403})
			j.Add(webhook.Call{Claims: "b", Outcome: webhook.OutcomeRefused, Status: 403})
			for _, c := range j.placed(j.take(journalLimit)) {
				switch {
				case c.Shop == "":
				case c.Outcome == webhook.OutcomeRecorded && c.Slot >= 0 && c.Slot < perShop:
					good[c.Slot] = true
				case c.Outcome == webhook.OutcomeRefused && c.Slot < 0 && c.Slot >= -refusedPerShop && c.Kind == plan.KindInvoice:
					bad[c.Slot] = true
				default:
					t.Errorf("recorded %+v", c)
				}
			}
		}
		if len(good) != perShop || len(bad) != refusedPerShop {
			t.Errorf("%d slots of good calls and %d of refused ones, expected %d and %d", len(good), len(bad), perShop, refusedPerShop)
		}
	})
}
