package cli

import (
	"context"
	"slices"
	"time"

	"lagerd/config"
	"lagerd/store"
)

// living returns the lagerd instances running on the database, by name. It waits only
// for an instance whose last beat is old, or in the future, by this machine's clock: its
// next beat shows whether it has died or only its clock differs.
func living(ctx context.Context, s *store.Store, cfg config.Config) (map[string]store.Instance, error) {
	const often = 100 * time.Millisecond
	beat := cfg.Lease.Beat
	first, err := s.Instances(ctx)
	if err != nil {
		return nil, err
	}
	began := now()
	alive, doubted := beating(nil, first, began, beat)
	if len(alive) > 0 && len(doubted) > 0 {
		// A dead instance is listed for an hour; it no longer matters once others hold its leases.
		leases, err := s.Leases(ctx)
		if err != nil {
			return nil, err
		}
		doubted = holding(doubted, leases)
	}
	for len(doubted) > 0 && now().Sub(began) < beat+beat/2 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(often):
		}
		again, err := s.Instances(ctx)
		if err != nil {
			return nil, err
		}
		alive, doubted = beating(first, again, now(), beat)
	}
	return alive, nil
}

// holding returns the instances that hold a shop's lease.
func holding(instances []store.Instance, leases []store.Lease) []store.Instance {
	holders := map[string]bool{}
	for _, l := range leases {
		holders[l.Holder] = true
	}
	return slices.DeleteFunc(instances, func(i store.Instance) bool { return !holders[i.Instance] })
}

// beating splits the instances into those that are alive and those in doubt: one is
// alive if its beat has changed since before was read, or is at most two beats old.
func beating(before, current []store.Instance, at time.Time, beat time.Duration) (alive map[string]store.Instance, doubted []store.Instance) {
	const skew = time.Second // clock difference to tolerate
	was := map[string]int64{}
	for _, i := range before {
		was[i.Instance] = i.Beat
	}
	alive = map[string]store.Instance{}
	for _, i := range current {
		age := at.Sub(i.BeatAt.Time)
		last, known := was[i.Instance]
		if before != nil && (!known || last != i.Beat) || age > -skew && age < 2*beat+skew {
			alive[i.Instance] = i
			continue
		}
		doubted = append(doubted, i)
	}
	return alive, doubted
}
