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
	// Beat tells the others that the instance lives.
	Beat(ctx context.Context, i store.Instance) error
	// Instances returns all that have told so and were not forgotten.
	Instances(ctx context.Context) ([]store.Instance, error)
	// Leases returns the lease of every shop.
	Leases(ctx context.Context) ([]store.Lease, error)
	// TakeLeases takes those of the shops that are still held by the given
	// holder ("": by nobody), each with a greater token.
	TakeLeases(ctx context.Context, shops []string, from, instance string, now time.Time) error
	// ReleaseLeases gives back those of the shops that the instance holds.
	ReleaseLeases(ctx context.Context, shops []string, instance string) error
	// AnyFree reports whether nobody holds some lease.
	AnyFree(ctx context.Context) (bool, error)
	// ForgetInstance frees all leases of an instance and removes it.
	ForgetInstance(ctx context.Context, instance string) error
}

// Holder works on the shops whose lease is held.
type Holder interface {
	// Taken is told that this lease of a shop is held. It returns false if it cannot
	// begin to work on the shop; it is then asked again.
	Taken(lease store.Lease) bool
	// Holds reports whether the shop is still being worked on: the work ends by
	// itself where a transaction finds that the lease was lost.
	Holds(shop string) bool
	// Dropped must end the work on the shop before it returns.
	Dropped(shop string)
	// Releasing is told that the leases of shops that were dropped are about to be given
	// back. What can be written only while they are held has been when it returns.
	Releasing(ctx context.Context)
}

// Options is what a Keeper needs. All of it is required.
type Options struct {
	Leases   Leases
	Holder   Holder
	Instance store.Instance // its Instance must be new with every start
	Beat     time.Duration  // between two beats
	TTL      time.Duration  // a holder silent for so long has lost its shops

	// LookForFree is how often it looks, between two beats, for shops that
	// another has given back.
	LookForFree time.Duration

	Log logrus.FieldLogger
	Now func() time.Time // must carry a monotonic reading
}

// Keeper holds leases. It is used by one goroutine.
type Keeper struct {
	Options
	held    map[string]int64    // shop → token
	seen    map[string]lastBeat // other instances
	trusted time.Time           // until then our leases are surely ours
	alone   bool                // no other lives, by the last beat
}

// lastBeat is when an instance's beat was last seen to move.
type lastBeat struct {
	beat  int64
	since time.Time
}

// New returns a Keeper that holds nothing yet.
func New(o Options) *Keeper {
	return &Keeper{Options: o, held: map[string]int64{}, seen: map[string]lastBeat{}}
}

// Run takes and keeps leases until ctx is done; then it drops every shop and
// gives the leases back, so that others may take them at once.
func (k *Keeper) Run(ctx context.Context) {
	failing := false
	for {
		beatAt := k.Now().Add(k.Beat)
		err := k.round(ctx)
		switch {
		case err != nil && ctx.Err() == nil && !failing:
			k.Log.WithError(err).Error("leases: the database does not answer")
		case err == nil && failing:
			k.Log.Info("leases: the database answers again")
		}
		failing = err != nil
		// Another lagerd may die: its shops should not wait for our beat.
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

// wait waits until the next beat, or until somebody gives shops back: whoever
// stops does, and they should not wait. Where no other lives, nobody can; a
// new shop waits for the beat.
func (k *Keeper) wait(ctx context.Context, beatAt time.Time, failing bool) {
	for ctx.Err() == nil {
		left := beatAt.Sub(k.Now())
		if left <= 0 {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(left, k.LookForFree)):
			if left > k.LookForFree && !failing && !k.alone && k.anyFree(ctx) {
				return
			}
		}
	}
}

func (k *Keeper) anyFree(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, k.Beat)
	defer cancel()
	free, err := k.Leases.AnyFree(ctx)
	return err == nil && free // an error is for the next beat to report
}

func (k *Keeper) stop(ctx context.Context) {
	k.dropAll()
	ctx = context.WithoutCancel(ctx)
	k.Holder.Releasing(ctx)
	// Should this fail, the others take the shops once the TTL has passed.
	ctx, cancel := context.WithTimeout(ctx, k.Beat)
	defer cancel()
	if err := k.Leases.ForgetInstance(ctx, k.Instance.Instance); err != nil {
		k.Log.WithError(err).Warn("leases: could not be given back: others take the shops after the lease's ttl")
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

// round is one beat: it renews what is held and takes or gives back shops.
func (k *Keeper) round(ctx context.Context) error {
	// A statement that hangs must not outlast the trust in our leases.
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
	living := k.living(instances, began)
	k.alone = len(living) == 1
	k.reconcile(leases)
	k.dropSurplus(round, leases, living)
	return errors.Join(k.release(round, leases), k.take(round, leases, living), k.forget(round, instances, began))
}

// renew tells that this instance lives. If that fails for longer than our
// leases can be trusted, every shop is dropped.
func (k *Keeper) renew(ctx context.Context, began time.Time) error {
	i := k.Instance
	i.BeatAt = store.At(began)
	if err := k.Leases.Beat(ctx, i); err != nil {
		if k.Now().After(k.trusted) && len(k.held) > 0 {
			k.Log.WithError(err).Error("leases: no beat for too long: every shop is dropped until the database answers")
			k.dropAll()
		}
		return err
	}
	k.trusted = began.Add(k.TTL - k.TTL/4)
	return nil
}

// living returns the instances that live, this one included.
func (k *Keeper) living(instances []store.Instance, now time.Time) map[string]bool {
	living := map[string]bool{k.Instance.Instance: true}
	seen := make(map[string]lastBeat, len(instances))
	for _, i := range instances {
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

// nextExpiry returns how long until the next of the living counts as dead, if it
// is not seen to beat before.
func (k *Keeper) nextExpiry() time.Duration {
	next := k.TTL
	for _, last := range k.seen {
		if left := k.TTL - k.Now().Sub(last.since); left > 0 {
			next = min(next, left)
		}
	}
	return next
}

// reconcile drops the shops that were taken from us, removed or given up.
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

// share is how many shops each of the living has when they are spread evenly.
func share(shops, living int) int { return (shops + living - 1) / living }

// take takes shops that nobody living holds, up to our share. What is ours by
// the table only is not taken but given back first (see release): a lease must
// never be worked under again with the token it had.
func (k *Keeper) take(ctx context.Context, leases []store.Lease, living map[string]bool) error {
	want := share(len(leases), len(living)) - len(k.held)
	free := map[string][]string{}
	asked := map[string]int64{}
	for _, l := range leases {
		if want <= 0 {
			break
		}
		if living[l.Holder] {
			continue
		}
		free[l.Holder] = append(free[l.Holder], l.Shop)
		asked[l.Shop] = l.Token
		want--
	}
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
		seen, ok := asked[l.Shop]
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

// dropSurplus ends the work on what is above our share, for others to take.
func (k *Keeper) dropSurplus(ctx context.Context, leases []store.Lease, living map[string]bool) {
	surplus := len(k.held) - share(len(leases), len(living))
	if surplus <= 0 || len(living) < 2 {
		return
	}
	for _, l := range leases {
		if _, held := k.held[l.Shop]; held && surplus > 0 && ctx.Err() == nil {
			k.drop(l.Shop)
			surplus--
		}
	}
	k.Log.WithField("held", len(k.held)).Info("leases: shops given back")
}

// release gives back every lease that is ours by the table and not worked
// under: what was dropped, and what was taken by a statement whose answer was
// lost. What cannot be given back now is in the next round.
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

// forgetAfter is how long a dead instance is still listed, for people to see.
const forgetAfter = time.Hour

func (k *Keeper) forget(ctx context.Context, instances []store.Instance, now time.Time) error {
	var errs []error
	for _, i := range instances {
		if i.Instance != k.Instance.Instance && now.Sub(k.seen[i.Instance].since) > forgetAfter {
			errs = append(errs, k.Leases.ForgetInstance(ctx, i.Instance))
		}
	}
	return errors.Join(errs...)
}
