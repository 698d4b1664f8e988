package lease_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/lease"
	"lagerd/store"
)

const (
	beat = 2 * time.Second
	ttl  = 10 * time.Second
	look = 400 * time.Millisecond
)

// table is an in-memory table of leases.
type table struct {
	mu        sync.Mutex
	leases    map[string]*store.Lease
	instances map[string]store.Instance
	down      map[string]bool // instances that cannot reach the database

	agreements map[string]int64 // by shop, those that are shared
	accounts   map[string]int64 // likewise, at Rackbeat
	callers    map[int64]string // by agreement or account: no two have the same number

	failReleases int // the next releases fail

	slow  map[string]time.Duration // delay before an instance learns that its beat was stored
	begun map[string]time.Time     // when each instance's last stored beat began
}

func newTable(shops int) *table {
	t := &table{leases: map[string]*store.Lease{}, instances: map[string]store.Instance{}, down: map[string]bool{},
		slow: map[string]time.Duration{}, begun: map[string]time.Time{}}
	for i := range shops {
		name := fmt.Sprintf("shop%03d", i)
		t.leases[name] = &store.Lease{Shop: name}
	}
	return t
}

// as is the table as seen by one instance.
type as struct {
	*table
	who string
}

var errDown = errors.New("the database does not answer")

func (a as) enter() (func(), error) {
	a.mu.Lock()
	if a.down[a.who] {
		a.mu.Unlock()
		return nil, errDown
	}
	return a.mu.Unlock, nil
}

func (a as) Beat(_ context.Context, i store.Instance) error {
	leave, err := a.enter()
	if err != nil {
		return err
	}
	i.Beat = a.instances[i.Instance].Beat + 1
	a.instances[i.Instance], a.begun[i.Instance] = i, time.Now()
	late := a.slow[i.Instance]
	leave()
	time.Sleep(late)
	return nil
}

func (a as) Instances(context.Context) (list []store.Instance, err error) {
	leave, err := a.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, i := range a.instances {
		list = append(list, i)
	}
	return list, nil
}

func (a as) Leases(context.Context) (list []store.Lease, err error) {
	leave, err := a.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, l := range a.leases {
		list = append(list, *l)
	}
	return list, nil
}

func (a as) SharedAccounts(context.Context) (list []store.SharedAccount, err error) {
	leave, err := a.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	for service, of := range map[store.Service]map[string]int64{store.ServiceEconomic: a.agreements, store.ServiceRackbeat: a.accounts} {
		for shop, n := range of {
			if a.leases[shop] != nil {
				list = append(list, store.SharedAccount{Service: service, Account: n, Shop: shop, Holder: a.callers[n]})
			}
		}
	}
	slices.SortFunc(list, func(a, b store.SharedAccount) int {
		return cmp.Or(strings.Compare(string(b.Service), string(a.Service)), cmp.Compare(a.Account, b.Account), strings.Compare(a.Shop, b.Shop))
	})
	return list, nil
}

func (a as) AnyFree(context.Context) (bool, error) {
	leave, err := a.enter()
	if err != nil {
		return false, err
	}
	defer leave()
	for _, l := range a.leases {
		if l.Holder == "" {
			return true, nil
		}
	}
	return false, nil
}

func (a as) TakeLeases(_ context.Context, shops []string, from, instance string, _ time.Time) error {
	leave, err := a.enter()
	if err != nil {
		return err
	}
	defer leave()
	for _, s := range shops {
		if l := a.leases[s]; l != nil && l.Holder == from {
			l.Holder = instance
			l.Token++
		}
	}
	return nil
}

func (a as) ReleaseLeases(ctx context.Context, shops []string, instance string) error {
	leave, err := a.enter()
	if err != nil {
		return err
	}
	defer leave()
	if a.failReleases > 0 {
		a.failReleases--
		return errDown
	}
	for _, s := range shops {
		if l := a.leases[s]; l != nil && l.Holder == instance {
			l.Holder = ""
		}
	}
	return ctx.Err()
}

func (a as) ForgetInstance(_ context.Context, instance string) error {
	leave, err := a.enter()
	if err != nil {
		return err
	}
	defer leave()
	delete(a.instances, instance)
	for _, l := range a.leases {
		if l.Holder == instance {
			l.Holder = ""
		}
	}
	return nil
}

// lagerd is a running keeper with the shops it reconciles.
type lagerd struct {
	mu     sync.Mutex
	works  map[string]int64
	tokens map[string]int64 // the last of each shop
	stop   func()
	living atomic.Int64 // instances, as it was last told

	ending    func(shop string) // called when a shop is dropped; the work on it ends when it returns
	releasing func()            // called before leases are released
}

func (l *lagerd) Taken(lease store.Lease) bool {
	shop, token := lease.Shop, lease.Token
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, twice := l.works[shop]; twice {
		panic(shop + " taken twice")
	}
	if last := l.tokens[shop]; token <= last {
		panic(shop + " taken under a token it had before")
	}
	if l.tokens == nil {
		l.tokens = map[string]int64{}
	}
	l.tokens[shop] = token
	l.works[shop] = token
	return true
}

func (l *lagerd) Holds(shop string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.works[shop]
	return ok
}

func (l *lagerd) Dropped(shop string) {
	if l.ending != nil {
		l.ending(shop)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.works, shop)
}

func (l *lagerd) Releasing(context.Context) {
	if l.releasing != nil {
		l.releasing()
	}
}

func (l *lagerd) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.works)
}

func start(t *testing.T, tab *table, name string) *lagerd {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	l := &lagerd{works: map[string]int64{}}
	k := lease.New(lease.Options{Leases: as{tab, name}, Holder: l, Instance: store.Instance{Instance: name}, Beat: beat, TTL: ttl, LookForFree: look, Living: func(living map[string]bool) { l.living.Store(int64(len(living))) }, Log: log, Now: time.Now})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { k.Run(ctx) })
	l.stop = func() { cancel(); running.Wait() }
	return l
}

func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestOneTakesAllAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := newTable(100)
		a := start(t, tab, "a")
		settle(time.Millisecond)
		if a.count() != 100 {
			t.Fatalf("a works on %d shops", a.count())
		}
		tab.mu.Lock()
		tab.leases["new"] = &store.Lease{Shop: "new"}
		delete(tab.leases, "shop000")
		tab.mu.Unlock()
		settle(beat)
		if _, ok := a.works["new"]; !ok || a.count() != 100 {
			t.Error("a shop that was added or removed is not noticed within a beat")
		}
		a.stop()
		if a.count() != 0 {
			t.Error("a stopped lagerd still works on shops")
		}
	})
}

func TestShopsSpreadAndMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := newTable(100)
		a := start(t, tab, "a")
		settle(time.Second)
		b := start(t, tab, "b")
		settle(3 * beat)
		if a.count() != 50 || b.count() != 50 {
			t.Fatalf("two share 100 shops as %d and %d", a.count(), b.count())
		}
		c := start(t, tab, "c")
		settle(4 * beat)
		if a.living.Load() != 3 || b.living.Load() != 3 || c.living.Load() != 3 {
			t.Errorf("they count %d, %d and %d instances, expected 3", a.living.Load(), b.living.Load(), c.living.Load())
		}
		if a.count() > 34 || b.count() > 34 || c.count() < 32 || a.count()+b.count()+c.count() != 100 {
			t.Fatalf("three share 100 shops as %d, %d and %d", a.count(), b.count(), c.count())
		}
		c.stop() // a planned stop hands over at once
		settle(look + time.Millisecond)
		if a.count()+b.count() != 100 {
			t.Fatalf("%s after a planned stop %d shops are worked on", look, a.count()+b.count())
		}
		a.stop()
		b.stop()
	})
}

func TestTheDeadAreReplacedAfterTheTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := newTable(10)
		a := start(t, tab, "a")
		settle(time.Second)
		b := start(t, tab, "b")
		settle(3 * beat)
		before := map[string]int64{}
		for _, l := range tab.leases {
			before[l.Shop] = l.Token
		}
		// a is cut off from the database: it must drop its shops before b takes over.
		tab.mu.Lock()
		tab.down["a"] = true
		tab.mu.Unlock()
		for cut := time.Now(); time.Since(cut) < ttl+beat; settle(100 * time.Millisecond) {
			if a.count() != 0 && b.count() != 5 {
				t.Fatalf("%s after a was cut off it still works on %d shops, and b on %d", time.Since(cut), a.count(), b.count())
			}
		}
		if b.count() != 10 || b.living.Load() != 1 {
			t.Fatalf("a beat after the ttl b works on %d shops, and counts %d instances", b.count(), b.living.Load())
		}
		for shop, token := range b.works {
			if token < before[shop] {
				t.Errorf("%s: the token went from %d to %d", shop, before[shop], token)
			}
		}
		tab.mu.Lock()
		tab.down["a"] = false
		tab.mu.Unlock()
		settle(4 * beat)
		if a.count() != 5 || b.count() != 5 || a.living.Load() != 2 || b.living.Load() != 2 {
			t.Errorf("after a's return they share 10 shops as %d and %d", a.count(), b.count())
		}
		a.stop()
		b.stop()
	})
}

// TestTakeoverTakesTheTTLAndOneBeat: a takeover takes the TTL and at most one beat,
// whenever the other dies and however the two beats are offset.
func TestTakeoverTakesTheTTLAndOneBeat(t *testing.T) {
	t.Parallel()
	for offset := time.Duration(0); offset < beat; offset += 330 * time.Millisecond {
		for dies := time.Duration(0); dies < beat; dies += 370 * time.Millisecond {
			synctest.Test(t, func(t *testing.T) {
				tab := newTable(10)
				a := start(t, tab, "a")
				settle(time.Second + offset)
				b := start(t, tab, "b")
				settle(3*beat + dies)
				tab.mu.Lock()
				tab.down["a"] = true
				tab.mu.Unlock()
				settle(ttl - time.Millisecond - beat)
				if b.count() != 5 {
					t.Fatalf("b took over before the ttl: it works on %d shops", b.count())
				}
				settle(2*beat + time.Millisecond)
				if b.count() != 10 {
					t.Fatalf("a beat after the ttl b works on %d shops (it began %s after a, which died at %s)", b.count(), offset, dies)
				}
				b.stop()
				a.stop()
			})
		}
	}
}

// TestNobodyIsLeftOut: a failed release is retried, and a shop whose work ended on its
// own is taken again under a new token.
func TestNobodyIsLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := newTable(10)
		a := start(t, tab, "a")
		settle(time.Second)
		tab.mu.Lock()
		tab.failReleases = 2
		tab.mu.Unlock()
		b := start(t, tab, "b")
		settle(6 * beat)
		if a.count() != 5 || b.count() != 5 {
			t.Errorf("after failed releases 10 shops are shared as %d and %d", a.count(), b.count())
		}
		for shop := range a.works {
			a.Dropped(shop) // a transaction found the lease lost
			break
		}
		settle(3 * beat)
		if a.count()+b.count() != 10 {
			t.Errorf("a shop given up is not taken up again: %d and %d", a.count(), b.count())
		}
		a.stop()
		b.stop()
	})
}

// TestTrustCountsFromTheBeginOfABeat: others count the TTL from when a beat reached the
// database, so a late answer must not extend the trust in the leases.
func TestTrustCountsFromTheBeginOfABeat(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{0, time.Second, 2 * time.Second, ttl/3 - 10*time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			tab := newTable(10)
			a := start(t, tab, "a")
			settle(time.Millisecond)
			tab.mu.Lock()
			tab.slow["a"] = late
			before := tab.begun["a"]
			tab.mu.Unlock()
			last := func() time.Time {
				tab.mu.Lock()
				defer tab.mu.Unlock()
				return tab.begun["a"]
			}
			for last().Equal(before) {
				settle(10 * time.Millisecond)
			}
			tab.mu.Lock()
			tab.down["a"] = true // the answer to the current beat is the last one it gets
			tab.mu.Unlock()
			settle(ttl - time.Since(last()))
			if n := a.count(); n != 0 {
				t.Errorf("%s after its last beat began, answered %s later, it still works on %d shops: others may have them by now", ttl, late, n)
			}
			a.stop()
		})
	}
}

// TestLeasesAreKeptUntilTheWorkHasEnded: a lease is released only after the work on its
// shop has ended, whether all shops are released or some.
func TestLeasesAreKeptUntilTheWorkHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := newTable(10)
		a := start(t, tab, "a")
		settle(time.Second)
		ended := 0
		a.ending = func(shop string) {
			time.Sleep(50 * time.Millisecond) // a transaction that has to roll back
			tab.mu.Lock()
			defer tab.mu.Unlock()
			if holder := tab.leases[shop].Holder; holder != "a" {
				t.Errorf("a still works on %s, and its lease is held by %q", shop, holder)
			}
			ended++
		}
		writable := 0 // dropped shops whose leases are still held
		a.releasing = func() {
			tab.mu.Lock()
			defer tab.mu.Unlock()
			for shop, l := range tab.leases {
				if l.Holder == "a" && !a.Holds(shop) {
					writable++
				}
			}
		}
		b := start(t, tab, "b")
		settle(3 * beat)
		if ended != 5 || b.count() != 5 {
			t.Errorf("a has ended the work on %d shops for another, and b works on %d, want 5 and 5", ended, b.count())
		}
		if writable != 5 {
			t.Errorf("Releasing ran for %d shops whose leases were still held, want 5", writable)
		}
		a.stop()
		if ended != 10 {
			t.Errorf("a has stopped and ended the work on %d of 10 shops", ended)
		}
		if writable != 10 {
			t.Errorf("Releasing ran for %d shops until a stopped, want 10", writable)
		}
		b.stop()
	})
}
