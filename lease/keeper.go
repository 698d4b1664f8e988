package lease

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/store"
)

// Leases is the part of the store that a Keeper needs.
type Leases interface {
	// Beat writes the instance's heartbeat.
	Beat(ctx context.Context, i store.Instance) error
	// Instances returns all instances that have a heartbeat and were not forgotten.
	Instances(ctx context.Context) ([]store.Instance, error)
	// Leases returns the lease of every shop.
	Leases(ctx context.Context) ([]store.Lease, error)
	// SharedAccounts returns the shops that share an account with others, by service, account
	// and shop.
	SharedAccounts(ctx context.Context) ([]store.SharedAccount, error)
	// TakeLeases takes the leases of those shops that from still holds ("": nobody),
	// each with a greater token.
	TakeLeases(ctx context.Context, shops []string, from, instance string, now time.Time) error
	// ReleaseLeases releases those of the shops' leases that the instance holds.
	ReleaseLeases(ctx context.Context, shops []string, instance string) error
	// AnyFree reports whether any lease is free.
	AnyFree(ctx context.Context) (bool, error)
	// ForgetInstance releases all leases of an instance and deletes it.
	ForgetInstance(ctx context.Context, instance string) error
}

// Holder reconciles the shops whose lease is held.
type Holder interface {
	// Taken is called when a shop's lease has been taken. It returns false if it
	// cannot start work on the shop; it is then called again.
	Taken(lease store.Lease) bool
	// Holds reports whether the holder still works on the shop. It stops on its own
	// when a transaction finds that the lease was lost.
	Holds(shop string) bool
	// Dropped ends the work on the shop before it returns.
	Dropped(shop string)
	// Releasing is called before the leases of dropped shops are released. Before it
	// returns it must write whatever requires the leases.
	Releasing(ctx context.Context)
}

// Options are a Keeper's dependencies and settings. All are required.
type Options struct {
	Leases   Leases
	Holder   Holder
	Instance store.Instance // its Instance must be unique to each start
	Beat     time.Duration  // interval of heartbeats
	TTL      time.Duration  // a holder without a beat for this long loses its shops

	// LookForFree is the interval, between two beats, of checks for shops that
	// another instance has released.
	LookForFree time.Duration

	// Living is told with each beat which instances are alive, this one among them. It keeps the
	// map and does not change it.
	Living func(instances map[string]bool)

	Log logrus.FieldLogger
	Now func() time.Time // must carry a monotonic reading
}

// Keeper takes, keeps and releases leases. It is not safe for concurrent use.
type Keeper struct {
	Options
	held    map[string]int64    // shop → token
	seen    map[string]lastBeat // other instances
	trusted time.Time           // until then our leases are surely ours
	alone   bool                // no other instance was alive at the last beat
	leaves  bool                // at the last beat there were free shops that another instance is to take
}

// lastBeat is an instance's last beat and when we first saw it.
type lastBeat struct {
	beat  int64
	since time.Time
	told  bool // that it does not beat
}

// New returns a Keeper that holds nothing yet.
func New(o Options) *Keeper {
	return &Keeper{Options: o, held: map[string]int64{}, seen: map[string]lastBeat{}}
}

// Run takes and keeps leases until ctx is done. Then it drops every shop and releases
// the leases, so that others can take them at once.
func (k *Keeper) Run(ctx context.Context) {
	failing := false
	for {
		beatAt := k.Now().Add(k.Beat)
		err := k.round(ctx)
		switch {
		case err != nil && ctx.Err() == nil && !failing:
			k.Log.WithError(err).Error("leases: database unavailable")
		case err == nil && failing:
			k.Log.Info("leases: database available again")
		}
		failing = err != nil
		// If another instance dies, its shops should not wait for our next beat.
		if expiry := k.Now().Add(k.nextExpiry()); expiry.Before(beatAt) {
			beatAt = expiry
		}
		k.wait(ctx, beatAt, failing)
		if ctx.Err() != nil {
			k.stop(ctx)
			return
		}
	}
}

// wait waits until the next beat, or until another instance releases shops, as one that
// stops does: those should not wait. If no other instance is alive, none can, and a new
// shop waits for the beat.
func (k *Keeper) wait(ctx context.Context, beatAt time.Time, failing bool) {
	for ctx.Err() == nil {
		left := beatAt.Sub(k.Now())
		if left <= 0 {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(left, k.LookForFree)):
			if left > k.LookForFree && !failing && !k.alone && !k.leaves && k.anyFree(ctx) {
				return
			}
		}
	}
}

func (k *Keeper) anyFree(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, k.Beat)
	defer cancel()
	free, err := k.Leases.AnyFree(ctx)
	return err == nil && free // the next beat reports the error
}

func (k *Keeper) stop(ctx context.Context) {
	k.dropAll()
	ctx = context.WithoutCancel(ctx)
	k.Holder.Releasing(ctx)
	// If this fails, the others take the shops after the TTL.
	ctx, cancel := context.WithTimeout(ctx, k.Beat)
	defer cancel()
	if err := k.Leases.ForgetInstance(ctx, k.Instance.Instance); err != nil {
		k.Log.WithError(err).Warn("leases: release failed: other instances take the shops after lease.ttl")
	}
}

func (k *Keeper) dropAll() {
	for _, shop := range slices.Sorted(maps.Keys(k.held)) {
		k.drop(shop)
	}
}

func (k *Keeper) drop(shop string) {
	k.Holder.Dropped(shop)
	delete(k.held, shop)
}

// round does one beat: it renews the held leases and takes or releases shops.
func (k *Keeper) round(ctx context.Context) error {
	// A hanging statement must not outlast our trust in the leases.
	round, cancel := context.WithTimeout(ctx, k.TTL/3)
	defer cancel()
	began := k.Now()
	if err := k.renew(round, began); err != nil {
		return err
	}
	instances, err := k.Leases.Instances(round)
	if err != nil {
		return err
	}
	leases, err := k.Leases.Leases(round)
	if err != nil {
		return err
	}
	k.tell(instances, leases, began)
	living := k.living(instances, began)
	k.Living(living)
	k.alone = len(living) == 1
	var shared groups
	if !k.alone { // otherwise all shops are ours
		list, err := k.Leases.SharedAccounts(round)
		if err != nil {
			return err
		}
		shared = groupsOf(list, leases, living)
	}
	k.reconcile(leases)
	k.dropStrays(shared)
	k.dropSurplus(round, leases, living, shared)
	return errors.Join(k.release(round, leases), k.take(round, leases, living, shared), k.forget(round, instances, began))
}

// renew writes this instance's heartbeat. If that fails for longer than our leases can
// be trusted, it drops every shop.
func (k *Keeper) renew(ctx context.Context, began time.Time) error {
	i := k.Instance
	i.BeatAt = store.At(began)
	if err := k.Leases.Beat(ctx, i); err != nil {
		if k.Now().After(k.trusted) && len(k.held) > 0 {
			k.Log.WithError(err).Error("leases: heartbeat overdue: dropping every shop until the database answers")
			k.dropAll()
		}
		return err
	}
	k.trusted = began.Add(k.TTL - k.TTL/4)
	return nil
}

// living returns the live instances, including this one. One that has died for certain is not
// seen any more, and is forgotten.
func (k *Keeper) living(instances []store.Instance, now time.Time) map[string]bool {
	living := map[string]bool{k.Instance.Instance: true}
	seen := make(map[string]lastBeat, len(instances))
	for _, i := range instances {
		if dead, _ := died(k.Instance, i); dead {
			continue
		}
		last, known := k.seen[i.Instance]
		if !known || last.beat != i.Beat {
			last = lastBeat{beat: i.Beat, since: now}
		}
		seen[i.Instance] = last
		if now.Sub(last.since) < k.TTL {
			living[i.Instance] = true
		}
	}
	k.seen = seen
	return living
}

// tell logs which instances with shops have died for certain, and which do not beat and are
// waited for, with the reason.
func (k *Keeper) tell(instances []store.Instance, leases []store.Lease, now time.Time) {
	for _, i := range instances {
		dead, why := died(k.Instance, i)
		last, known := k.seen[i.Instance]
		silent := known && last.beat == i.Beat && now.Sub(last.since) >= 2*k.Beat && !last.told
		if i.Instance == k.Instance.Instance || !dead && !silent {
			continue // as nearly always: the leases are not gone through then
		}
		shops := holds(leases, i.Instance)
		log := k.Log.WithFields(logrus.Fields{"host": i.Host, "pid": i.PID, "shops": shops})
		switch {
		case shops == 0:
		case dead:
			log.Info("leases: the lagerd that had this state directory has died: its shops are free at once")
		default:
			last.told = true
			k.seen[i.Instance] = last
			log.WithField("because", why).Warn("leases: a lagerd does not beat: its shops wait for lease.ttl, since it may not have died")
		}
	}
}

// holds returns how many of the leases an instance holds.
func holds(leases []store.Lease, instance string) (shops int) {
	for _, l := range leases {
		if l.Holder == instance {
			shops++
		}
	}
	return shops
}

// nextExpiry returns the time until the first live instance counts as dead, unless it
// beats before.
func (k *Keeper) nextExpiry() time.Duration {
	next := k.TTL
	for _, last := range k.seen {
		if left := k.TTL - k.Now().Sub(last.since); left > 0 {
			next = min(next, left)
		}
	}
	return next
}

// reconcile drops the shops that another instance took, that were removed, or that the
// holder gave up.
func (k *Keeper) reconcile(leases []store.Lease) {
	ours := make(map[string]int64, len(k.held))
	for _, l := range leases {
		if l.Holder == k.Instance.Instance {
			ours[l.Shop] = l.Token
		}
	}
	for _, shop := range slices.Sorted(maps.Keys(k.held)) {
		if ours[shop] != k.held[shop] || !k.Holder.Holds(shop) {
			k.drop(shop)
		}
	}
}

// share returns how many shops each live instance has when they are spread evenly.
func share(shops, living int) int { return (shops + living - 1) / living }

// take takes shops that no live instance holds, up to our share, and beyond it those of a
// group of which we hold a shop. It skips leases that are ours only in the table, which are
// released first (see release): work on a lease must never resume with an old token.
func (k *Keeper) take(ctx context.Context, leases []store.Lease, living map[string]bool, shared groups) error {
	free, wanted := k.wants(leases, living, shared)
	if len(free) == 0 {
		return nil
	}
	var errs []error
	for _, from := range slices.Sorted(maps.Keys(free)) {
		errs = append(errs, k.Leases.TakeLeases(ctx, free[from], from, k.Instance.Instance, k.Now()))
	}
	leases, err := k.Leases.Leases(ctx)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	taken := 0
	for _, l := range leases {
		seen, ok := wanted[l.Shop]
		if ok && l.Holder == k.Instance.Instance && l.Token > seen && k.Holder.Taken(l) {
			k.held[l.Shop] = l.Token
			taken++
		}
	}
	if taken > 0 {
		k.Log.WithFields(logrus.Fields{"taken": taken, "held": len(k.held)}).Info("leases: shops taken")
	}
	return errors.Join(errs...)
}

// wants returns the shops to take, by the holder that they are taken from, and their tokens.
func (k *Keeper) wants(leases []store.Lease, living map[string]bool, shared groups) (free map[string][]string, tokens map[string]int64) {
	room := share(len(leases), len(living)) - len(k.held)
	free, tokens = map[string][]string{}, map[string]int64{}
	k.leaves = false
	for _, l := range leases {
		if living[l.Holder] {
			continue
		}
		take := room > 0
		if g := shared[l.Shop]; g != nil {
			take = g.ours(k.Instance.Instance, room > 0)
			k.leaves = k.leaves || !take && !g.free()
		}
		if take {
			free[l.Holder] = append(free[l.Holder], l.Shop)
			tokens[l.Shop] = l.Token
			room--
		}
	}
	return free, tokens
}

// dropStrays drops the shops whose accounts another instance works on. It would refuse them a
// booking, too, but of two accounts of a group each of two instances could have one.
func (k *Keeper) dropStrays(shared groups) {
	for _, shop := range slices.Sorted(maps.Keys(k.held)) {
		if g := shared[shop]; g != nil && g.strays(k.Instance.Instance) {
			k.drop(shop)
			k.Log.WithField("shop", shop).Info("leases: shop released: another lagerd works on its agreement or Rackbeat account")
		}
	}
}

// dropSurplus drops the shops beyond our share, for others to take. The shops of a group go
// together, or stay.
func (k *Keeper) dropSurplus(ctx context.Context, leases []store.Lease, living map[string]bool, shared groups) {
	surplus := len(k.held) - share(len(leases), len(living))
	if surplus <= 0 || len(living) < 2 {
		return
	}
	before := len(k.held)
	for _, l := range leases {
		together := []string{l.Shop}
		if g := shared[l.Shop]; g != nil {
			together = g.shops
		}
		together = slices.DeleteFunc(slices.Clone(together), func(shop string) bool {
			_, held := k.held[shop]
			return !held
		})
		if len(together) > surplus || ctx.Err() != nil {
			continue
		}
		for _, shop := range together {
			k.drop(shop)
			surplus--
		}
	}
	if len(k.held) < before {
		k.Log.WithField("held", len(k.held)).Info("leases: shops released")
	}
}

// release releases every lease that is ours in the table but not held here: dropped
// shops, and those taken by a statement whose answer was lost. If it fails, the next
// round retries.
func (k *Keeper) release(ctx context.Context, leases []store.Lease) error {
	var idle []string
	for _, l := range leases {
		if _, held := k.held[l.Shop]; !held && l.Holder == k.Instance.Instance {
			idle = append(idle, l.Shop)
		}
	}
	if len(idle) == 0 {
		return nil
	}
	k.Holder.Releasing(ctx)
	return k.Leases.ReleaseLeases(ctx, idle, k.Instance.Instance)
}

// forgetAfter is how long a dead instance stays listed, for people to see. One that has died for
// certain does not: the others would still count it among the living, and give it a share.
const forgetAfter = time.Hour

func (k *Keeper) forget(ctx context.Context, instances []store.Instance, now time.Time) error {
	var errs []error
	for _, i := range instances {
		dead, _ := died(k.Instance, i)
		if dead || i.Instance != k.Instance.Instance && now.Sub(k.seen[i.Instance].since) > forgetAfter {
			errs = append(errs, k.Leases.ForgetInstance(ctx, i.Instance))
		}
	}
	return errors.Join(errs...)
}
