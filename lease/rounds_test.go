package lease_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"lagerd/lease"
	"lagerd/store"
)

// journal is a table whose calls by one keeper, and what they lead to, are written down.
type journal struct {
	as
	t       *testing.T
	calls   []string
	fail    string           // the call that fails
	hang    string           // the call that has no answer
	refuses map[string]bool  // shops that the holder cannot start to work on
	works   map[string]int64 // shops that it works on
	logged  *test.Hook
	looked  int                      // calls of AnyFree
	free    func() (bool, error)     // their answer; nil: that of the table
	taken   func()                   // called after leases were taken
	waits   map[string]time.Duration // the time limit of each call

	turn sync.Mutex // handed over by settle, so that the keeper sees what the test has written
}

// settle lets the keeper run for d.
func (j *journal) settle(d time.Duration) {
	j.handOver()
	settle(d)
}

// handOver orders what the test has written before what the keeper reads. The race detector
// does not know that the keeper was asleep.
func (j *journal) handOver() {
	j.turn.Lock()
	defer j.turn.Unlock()
}

// watch starts a keeper in the bubble of a test, and stops it at its end.
func watch(t *testing.T, tab *table, ttl time.Duration) *journal {
	t.Helper()
	return watchAs(t, tab, ttl, store.Instance{Instance: "a", Host: "host"})
}

// silent is logged of an instance that does not beat and has shops.
const silent = "a lagerd does not beat: its shops wait for lease.ttl, since it may not have died"

// watchAs is watch for a keeper of this instance.
func watchAs(t *testing.T, tab *table, ttl time.Duration, mine store.Instance) *journal {
	t.Helper()
	log, hook := test.NewNullLogger()
	log.SetLevel(logrus.InfoLevel)
	log.SetOutput(io.Discard)
	j := &journal{as: as{tab, "a"}, t: t, refuses: map[string]bool{}, works: map[string]int64{}, logged: hook, waits: map[string]time.Duration{}}
	k := lease.New(lease.Options{Leases: j, Holder: j, Instance: mine, Beat: beat, TTL: ttl, LookForFree: look, Living: func(map[string]bool) {}, Log: log, Now: time.Now})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { k.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	settle(time.Millisecond)
	return j
}

// did returns the calls since the last call of did.
func (j *journal) did() string {
	did := strings.Join(j.calls, "; ")
	j.calls = nil
	return did
}

// messages returns what was logged since the last call of messages.
func (j *journal) messages() (list []string) {
	for _, e := range j.logged.AllEntries() {
		list = append(list, strings.TrimPrefix(e.Message, "leases: "))
	}
	j.logged.Reset()
	return list
}

func (j *journal) expect(when, did string, messages ...string) {
	j.t.Helper()
	if got := j.did(); got != did {
		j.t.Errorf("%s: it did\n%s, expected\n%s", when, got, did)
	}
	if got := j.messages(); !slices.Equal(got, messages) {
		j.t.Errorf("%s: it logged %q, expected %q", when, got, messages)
	}
}

func (j *journal) call(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		j.t.Errorf("%s with an ended context: %v", name, err)
	}
	if end, ok := ctx.Deadline(); ok {
		j.waits[name] = time.Until(end)
	}
	if j.fail == name {
		return errDown
	}
	if j.hang == name {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (j *journal) Beat(ctx context.Context, i store.Instance) error {
	j.handOver()
	if !i.BeatAt.Equal(time.Now()) || i.Host != "host" {
		j.t.Errorf("it beats as %+v", i)
	}
	return errors.Join(j.call(ctx, "beat"), j.as.Beat(ctx, i))
}

func (j *journal) Instances(ctx context.Context) ([]store.Instance, error) {
	j.handOver()
	if err := j.call(ctx, "instances"); err != nil {
		return nil, err
	}
	return j.as.Instances(ctx)
}

func (j *journal) Leases(ctx context.Context) ([]store.Lease, error) {
	j.handOver()
	if err := j.call(ctx, "leases"); err != nil {
		return nil, err
	}
	list, err := j.as.Leases(ctx)
	slices.SortFunc(list, func(a, b store.Lease) int { return strings.Compare(a.Shop, b.Shop) })
	return list, err
}

func (j *journal) SharedAccounts(ctx context.Context) ([]store.SharedAccount, error) {
	j.handOver()
	if err := j.call(ctx, "shared"); err != nil {
		return nil, err
	}
	return j.as.SharedAccounts(ctx)
}

func (j *journal) AnyFree(ctx context.Context) (bool, error) {
	j.handOver()
	j.looked++
	err := j.call(ctx, "any free")
	if j.free != nil {
		return j.free()
	}
	free, failed := j.as.AnyFree(ctx)
	return free, errors.Join(err, failed)
}

func (j *journal) TakeLeases(ctx context.Context, shops []string, from, instance string, now time.Time) error {
	j.handOver()
	j.calls = append(j.calls, fmt.Sprintf("take %v from %q for %s", shops, from, instance))
	if !now.Equal(time.Now()) {
		j.t.Errorf("taken at %s", now)
	}
	if err := j.call(ctx, "take"); err != nil {
		return err
	}
	if j.taken != nil {
		defer j.taken()
	}
	return j.as.TakeLeases(ctx, shops, from, instance, now)
}

func (j *journal) ReleaseLeases(ctx context.Context, shops []string, instance string) error {
	j.handOver()
	j.calls = append(j.calls, fmt.Sprintf("release %v of %s", shops, instance))
	if err := j.call(ctx, "release"); err != nil {
		return err
	}
	return j.as.ReleaseLeases(ctx, shops, instance)
}

func (j *journal) ForgetInstance(ctx context.Context, instance string) error {
	j.handOver()
	j.calls = append(j.calls, "forget "+instance)
	if err := j.call(ctx, "forget"); err != nil {
		return err
	}
	return j.as.ForgetInstance(ctx, instance)
}

func (j *journal) Taken(l store.Lease) bool {
	j.handOver()
	if j.refuses[l.Shop] {
		return false
	}
	j.calls = append(j.calls, fmt.Sprintf("start %s/%d", l.Shop, l.Token))
	j.works[l.Shop] = l.Token
	return true
}

func (j *journal) Holds(shop string) bool {
	j.handOver()
	return j.works[shop] > 0
}

func (j *journal) Dropped(shop string) {
	j.handOver()
	j.calls = append(j.calls, "end "+shop)
	delete(j.works, shop)
}

func (j *journal) Releasing(ctx context.Context) {
	j.handOver()
	_ = j.call(ctx, "releasing")
}

// beats makes another instance beat for some time.
func (t *table) beats(ctx context.Context, name string, lasts time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, lasts)
	defer cancel()
	for ctx.Err() == nil {
		t.mu.Lock()
		i := t.instances[name]
		i.Instance = name
		i.Beat++
		t.instances[name] = i
		t.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// TestFailedBeats: a few failed beats change nothing, and it is logged once that the database is
// unavailable, and once that it is available again. Too many end the work on every shop, in
// time, and it is logged why.
func TestFailedBeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := watch(t, newTable(2), ttl)
		const both = "take [shop000 shop001] from \"\" for a; start shop000/%d; start shop001/%[1]d"
		j.expect("at first", fmt.Sprintf(both, 1), "shops taken")
		j.fail = "beat"
		j.settle(7 * time.Second) // the last one was less than the trusted time ago
		j.expect("for three beats", "", "database unavailable")
		j.fail = ""
		j.settle(beat)
		j.expect("then", "", "database available again")
		j.fail = "beat"
		j.settle(ttl - ttl/4 + beat)
		j.expect("for more", "end shop000; end shop001", "database unavailable", "heartbeat overdue: dropping every shop until the database answers")
		j.settle(time.Minute)
		j.expect("for long", "")
		j.fail = ""
		j.settle(beat)
		j.expect("at last", "release [shop000 shop001] of a", "database available again")
		j.settle(beat)
		j.expect("a beat later", fmt.Sprintf(both, 2), "shops taken")
		if j.waits["beat"] != ttl/3 || j.waits["take"] > ttl/3 {
			t.Errorf("the calls of a round may take %v", j.waits)
		}
	})
}

// TestEveryFailureIsReported: whichever call of a round fails, it is logged, and retried.
func TestEveryFailureIsReported(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"beat", "instances", "leases", "take", "release", "forget"} {
		synctest.Test(t, func(t *testing.T) {
			tab := newTable(1)
			tab.instances["dead"] = store.Instance{Instance: "dead"}
			j := watch(t, tab, ttl)
			j.settle(time.Hour)
			j.did()
			j.messages()
			j.fail = name
			delete(j.works, "shop000") // it must be released and taken again
			tab.mu.Lock()
			tab.leases["new"] = &store.Lease{Shop: "new"}
			tab.mu.Unlock()
			j.settle(time.Minute)
			if got := j.messages(); !slices.Contains(got, "database unavailable") {
				t.Errorf("%s: it logged %q", name, got)
			}
			j.fail = ""
			j.settle(3 * beat)
			if got := j.messages(); !slices.Contains(got, "database available again") || len(j.works) != 2 {
				t.Errorf("%s: then it logged %q, and works on %v", name, got, j.works)
			}
		})
	}
}

// TestTakesNoMoreThanItsShare: of free shops it takes its share at once, and the others when
// their holder counts as dead, between two beats; after an hour that is forgotten.
func TestTakesNoMoreThanItsShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const ttl = 9 * time.Second // so that no beat begins when it has passed
		tab := newTable(4)
		tab.instances["b"] = store.Instance{Instance: "b", Beat: 7}
		tab.leases["shop001"].Holder, tab.leases["shop001"].Token = "b", 5
		tab.leases["shop003"].Holder = "gone" // no such instance
		j := watch(t, tab, ttl)
		j.expect("at first", `take [shop000 shop002] from "" for a; start shop000/1; start shop002/1`, "shops taken")
		j.settle(ttl - 2*time.Millisecond)
		j.expect("before the ttl", "", silent)
		j.settle(2 * time.Millisecond)
		j.expect("after the ttl", `take [shop001] from "b" for a; take [shop003] from "gone" for a; start shop001/6; start shop003/1`, "shops taken")
		j.settle(time.Hour - 2*ttl)
		j.expect("within an hour", "")
		j.settle(2 * ttl)
		j.expect("after an hour", "forget b")
		j.settle(2 * time.Hour)
		j.expect("later", "")
	})
}

// TestReleasesItsSurplus: shops beyond the share are dropped, only its own, as many as are too
// many, and their leases are released.
func TestReleasesItsSurplus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := newTable(5)
		j := watch(t, tab, ttl)
		j.did()
		j.messages()
		tab.mu.Lock()
		tab.leases["new"] = &store.Lease{Shop: "new", Holder: "b", Token: 3}
		tab.mu.Unlock()
		go tab.beats(t.Context(), "b", 10*beat)
		j.settle(beat)
		j.expect("another has come", "end shop000; end shop001; release [shop000 shop001] of a", "shops released")
		j.settle(3 * beat)
		j.expect("with its share", "")
		j.settle(10*beat + ttl + beat)
		j.expect("the other has died", `take [shop000 shop001] from "" for a; take [new] from "b" for a; start new/4; start shop000/2; start shop001/2`, silent, "shops taken")
	})
}

// TestTakesFromTheDeadAtOnce checks that the shops of an instance which has died for certain are taken
// in the first round, with greater tokens, and that it is forgotten then, so that nobody counts it
// among the living; and that of the others each waits out the ttl, with the reason.
func TestTakesFromTheDeadAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := newTable(3)
		former := store.Instance{Instance: "former", Host: "host", Beat: 7, Identity: "x", Machine: "m", Boot: "b"}
		copied := store.Instance{Instance: "copy", Host: "web2", PID: 8, Beat: 7, Identity: "x", Machine: "n", Boot: "b"}
		tab.instances["former"], tab.instances["copy"] = former, copied
		tab.leases["shop000"].Holder, tab.leases["shop000"].Token = "former", 5
		tab.leases["shop001"].Holder, tab.leases["shop001"].Token = "former", 6
		tab.leases["shop002"].Holder, tab.leases["shop002"].Token = "copy", 7
		j := watchAs(t, tab, ttl, store.Instance{Instance: "a", Host: "host", Identity: "x", Machine: "m", Boot: "b"})
		j.expect("at once", `take [shop000 shop001] from "former" for a; start shop000/6; start shop001/7; forget former`,
			"the lagerd that had this state directory has died: its shops are free at once", "shops taken")
		j.settle(2*beat + time.Millisecond)
		if e := j.logged.LastEntry(); e == nil || e.Data["because"] != "it ran on another machine" || e.Data["host"] != "web2" || e.Data["pid"] != 8 || e.Data["shops"] != 1 {
			t.Errorf("it does not say why it waits: %+v", e)
		}
		j.expect("before the ttl", "", silent)
		j.settle(ttl)
		j.expect("after the ttl", `take [shop002] from "copy" for a; start shop002/8`, "shops taken")
	})
}

// TestCannotStart: a shop that the holder cannot start to work on is released, and tried again
// under a new token.
func TestCannotStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := newTable(1)
		j := watch(t, tab, ttl)
		j.refuses["new"] = true
		tab.mu.Lock()
		tab.leases["new"] = &store.Lease{Shop: "new"}
		tab.mu.Unlock()
		j.did()
		j.messages()
		j.settle(beat)
		j.expect("it cannot", `take [new] from "" for a`)
		j.settle(beat)
		j.expect("then", "release [new] of a")
		j.refuses["new"] = false
		j.settle(beat)
		j.expect("it can", `take [new] from "" for a; start new/2`, "shops taken")
	})
}

// TestAnotherIsFaster: a lease that another instance took at the same time is not worked on, and
// neither is one of which it is unknown who has it.
func TestAnotherIsFaster(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := newTable(0)
		j := watch(t, tab, ttl)
		tab.mu.Lock()
		tab.leases["new"], tab.leases["other"] = &store.Lease{Shop: "new"}, &store.Lease{Shop: "other"}
		tab.mu.Unlock()
		j.taken = func() {
			tab.leases["new"].Holder = "b"
			tab.leases["other"].Token++
			j.fail = "leases"
		}
		j.settle(beat)
		j.expect("no answer", `take [new other] from "" for a`, "database unavailable")
		j.fail = ""
		j.taken = func() { tab.leases["new"].Holder = "b" }
		tab.leases["new"].Holder = ""
		j.settle(beat)
		j.expect("it holds one without a known token", `release [other] of a; take [new] from "" for a`, "database available again")
		j.taken = nil
		j.settle(beat)
		j.expect("the other is dead", `take [other] from "" for a; take [new] from "b" for a; start new/3; start other/3`, "shops taken")
	})
}

// TestLooksForFree: between two beats it looks for free shops if another instance may release
// some, and takes them at once.
func TestLooksForFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := newTable(2)
		j := watch(t, tab, ttl)
		looks := func(when string, want int) {
			t.Helper()
			j.looked = 0
			j.settle(beat)
			if j.looked != want {
				t.Errorf("%s: it looked %d times within a beat, expected %d", when, j.looked, want)
			}
		}
		looks("alone", 0)
		go tab.beats(t.Context(), "b", time.Hour)
		j.settle(beat)
		tab.mu.Lock()
		for _, l := range tab.leases {
			if l.Holder == "" {
				l.Holder = "b"
			}
		}
		tab.mu.Unlock()
		j.did()
		looks("with another", int(beat/look)-1)
		if j.waits["any free"] != beat {
			t.Errorf("it may take %s", j.waits["any free"])
		}
		j.free = func() (bool, error) { return true, errDown }
		looks("without an answer", int(beat/look)-1)
		j.free = nil
		j.fail = "instances"
		j.settle(beat)
		looks("while the database is unavailable", 0)
		j.fail = ""
		j.settle(beat)
		j.did()
		tab.mu.Lock()
		for _, l := range tab.leases { // another has come and gone
			if l.Holder == "b" {
				l.Holder = ""
			}
		}
		tab.leases["shop002"] = &store.Lease{Shop: "shop002", Holder: "b"}
		tab.leases["shop003"] = &store.Lease{Shop: "shop003", Holder: "b"}
		tab.mu.Unlock()
		j.settle(look)
		if got := j.did(); !strings.HasPrefix(got, "take [shop00") {
			t.Errorf("%s after a shop was released it did %q", look, got)
		}
	})
}

// TestBeatsWithoutAnswer: the work on every shop ends before another instance may take them, also
// where each failed beat takes as long as a round may.
func TestBeatsWithoutAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := watch(t, newTable(2), ttl)
		j.did()
		j.hang = "beat"
		j.settle(ttl - ttl/4 - 2*time.Millisecond)
		if len(j.works) != 2 {
			t.Errorf("it works on %v while its leases are surely its own", j.works)
		}
		j.settle(ttl / 4)
		j.expect("when the leases may be another's", "end shop000; end shop001", "shops taken", "database unavailable", "heartbeat overdue: dropping every shop until the database answers")
	})
}

// TestOnlyTheDeadAreLeft: an instance that has died and is not forgotten yet costs no calls: nobody is
// there to release shops, or to share accounts with.
func TestOnlyTheDeadAreLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := newTable(2)
		tab.instances["b"] = store.Instance{Instance: "b", Beat: 7}
		j := watch(t, tab, ttl)
		if j.settle(beat); j.looked == 0 || j.waits["shared"] == 0 {
			t.Errorf("while the other may live it looked %d times for free shops, and for shared accounts within %s", j.looked, j.waits["shared"])
		}
		j.settle(ttl)
		j.looked = 0
		delete(j.waits, "shared")
		if j.settle(5 * beat); j.looked != 0 || j.waits["shared"] != 0 {
			t.Errorf("when it has died it looked %d times for free shops, and for shared accounts within %s", j.looked, j.waits["shared"])
		}
	})
}

// TestWithoutSharedAccounts: without knowing which shops share accounts, none is taken or released.
func TestWithoutSharedAccounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := newTable(1)
		j := watch(t, tab, ttl)
		go tab.beats(t.Context(), "b", time.Hour)
		j.settle(beat)
		j.did()
		j.messages()
		j.fail = "shared"
		tab.mu.Lock()
		tab.leases["new"] = &store.Lease{Shop: "new"}
		tab.mu.Unlock()
		j.settle(3 * beat)
		j.expect("it fails", "", "database unavailable")
	})
}

// TestWaitsForTheHome: a free shop that another instance is to take is not looked for between beats;
// once that has taken it, others are again.
func TestWaitsForTheHome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := newTable(4)
		tab.shares("1: shop000 shop001")
		tab.instances["b"] = store.Instance{Instance: "b", Beat: 1}
		tab.leases["shop000"].Holder = "b"
		go tab.beats(t.Context(), "b", time.Hour)
		j := watch(t, tab, ttl)
		j.expect("at first", `take [shop002 shop003] from "" for a; start shop002/1; start shop003/1`, "shops taken")
		for _, step := range []struct {
			when, holder string
			looks        int
		}{{"it is free", "", 0}, {"the other has it", "b", int(beat/look) - 1}, {"it is free again", "", 0}} {
			tab.mu.Lock()
			tab.leases["shop001"].Holder = step.holder
			tab.mu.Unlock()
			j.settle(beat)
			j.looked = 0
			if j.settle(beat); j.looked != step.looks {
				t.Errorf("%s: it looked %d times within a beat, expected %d", step.when, j.looked, step.looks)
			}
			j.expect(step.when, "")
		}
	})
}

// TestStopWithoutDatabase: if the leases cannot be released when it stops, it is logged what
// follows, and it does not wait for long.
func TestStopWithoutDatabase(t *testing.T) {
	t.Parallel()
	for fail, want := range map[string][]string{"": nil, "forget": {"release failed: other instances take the shops after lease.ttl"}} {
		synctest.Test(t, func(t *testing.T) {
			log, hook := test.NewNullLogger()
			j := &journal{as: as{newTable(1), "a"}, t: t, fail: fail, refuses: map[string]bool{}, works: map[string]int64{}, logged: hook, waits: map[string]time.Duration{}}
			k := lease.New(lease.Options{Leases: j, Holder: j, Instance: store.Instance{Instance: "a", Host: "host"}, Beat: beat, TTL: ttl, LookForFree: look, Living: func(map[string]bool) {}, Log: log, Now: time.Now})
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			k.Run(ctx)
			j.expect(fail, `take [shop000] from "" for a; start shop000/1; end shop000; forget a`, append([]string{"shops taken"}, want...)...)
			if j.waits["forget"] != beat {
				t.Errorf("it may take %s", j.waits["forget"])
			}
		})
	}
}

// TestStopDuringARound: a stop ends a round that waits for the database, which is no reason to
// report that as unavailable.
func TestStopDuringARound(t *testing.T) {
	t.Parallel()
	for _, hang := range []string{"beat", "instances", "leases"} {
		synctest.Test(t, func(t *testing.T) {
			log, hook := test.NewNullLogger()
			j := &journal{as: as{newTable(1), "a"}, t: t, hang: hang, refuses: map[string]bool{}, works: map[string]int64{}, logged: hook, waits: map[string]time.Duration{}}
			k := lease.New(lease.Options{Leases: j, Holder: j, Instance: store.Instance{Instance: "a", Host: "host"}, Beat: beat, TTL: ttl, LookForFree: look, Living: func(map[string]bool) {}, Log: log, Now: time.Now})
			ctx, cancel := context.WithCancel(t.Context())
			began := time.Now()
			time.AfterFunc(time.Second, cancel)
			k.Run(ctx)
			j.expect(hang, "forget a")
			if took := time.Since(began); took != time.Second {
				t.Errorf("%s: it stopped after %s", hang, took)
			}
		})
	}
}
