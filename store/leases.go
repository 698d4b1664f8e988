package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrFenced is returned when a shop's lease is no longer held under the token: another
// lagerd has taken the shop, and nothing was written.
var ErrFenced = errors.New("the shop's lease has been lost")

// ErrSettingsChanged is returned when a shop's settings are no longer those the pass
// began with, or the shop has been removed: the pass may have read another agreement,
// and nothing was written.
var ErrSettingsChanged = errors.New("the shop's settings have been changed since they were read")

// Instance is a running lagerd.
type Instance struct {
	Instance  string `gorm:"primaryKey"`
	Beat      int64  // incremented while it runs
	BeatAt    Time   // by its own clock, for people
	Host      string
	PID       int `gorm:"column:pid"`
	Version   string
	StartedAt Time

	// Where it runs; "": not known. It has an identity only while it holds the lock of a state
	// directory, whose name that is. Machine and Boot are hashes of its machine's ids.
	Identity, Machine, Boot string

	// MasterKeys are the check values of the keys in its key file, one after the other.
	MasterKeys []byte
}

// Knows reports whether the instance has the master key with a check value.
func (i Instance) Knows(check []byte) bool {
	for own := range slices.Chunk(i.MasterKeys, max(1, len(check))) {
		if bytes.Equal(own, check) {
			return true
		}
	}
	return false
}

// Lease is the right of one lagerd to reconcile one shop.
type Lease struct {
	Shop   string
	Holder string // an instance, or "" if it is free
	Token  int64  // grows with every holder, even across removal of the shop

	Generation int64 // of the shop's settings, see Fence
	TakenAt    Time  // by the holder's clock; set by Lease alone
}

// Beat records that the instance is alive; its first beat registers it. One statement
// renews all its leases: a beat per shop would be thousands of writes every few
// seconds.
func (s *Store) Beat(ctx context.Context, i Instance) error {
	if i.MasterKeys == nil {
		i.MasterKeys = []byte{} // the column takes no NULL
	}
	_, err := s.exec(ctx, "INSERT INTO instances (instance, beat, beat_at, host, pid, version, started_at, identity, machine, boot, master_keys) VALUES "+placeholders(1, 11)+
		s.dialect.onConflict("instance", "beat = beat + 1", "beat_at = new.beat_at"),
		i.Instance, 1, i.BeatAt, i.Host, i.PID, i.Version, i.StartedAt, i.Identity, i.Machine, i.Boot, i.MasterKeys)
	if err != nil {
		return fmt.Errorf("beat: %w", err)
	}
	return nil
}

// Instances returns the registered lagerd instances, including those that died.
func (s *Store) Instances(ctx context.Context) ([]Instance, error) {
	var list []Instance
	if err := s.db.WithContext(ctx).Order("instance").Find(&list).Error; err != nil {
		return nil, fmt.Errorf("read the instances: %w", err)
	}
	return list, nil
}

// ForgetInstances is ForgetInstance for all instances: of an embedded database that nobody else
// runs on, where they have died.
func (s *Store) ForgetInstances(ctx context.Context) error {
	instances, err := s.Instances(ctx)
	if err != nil {
		return err
	}
	for _, i := range instances {
		if err := s.ForgetInstance(ctx, i.Instance); err != nil {
			return err
		}
	}
	return nil
}

// ForgetInstance removes an instance that has stopped or died and frees the leases it
// still held.
func (s *Store) ForgetInstance(ctx context.Context, instance string) error {
	if _, err := s.exec(ctx, "UPDATE leases SET holder = '' WHERE holder = ?", instance); err != nil {
		return fmt.Errorf("free the leases of %s: %w", instance, err)
	}
	for _, table := range []string{"instance_secrets", "instances"} {
		if _, err := s.exec(ctx, "DELETE FROM "+table+" WHERE instance = ?", instance); err != nil {
			return fmt.Errorf("remove the instance %s: %w", instance, err)
		}
	}
	return nil
}

// Leases returns the lease of every shop.
func (s *Store) Leases(ctx context.Context) ([]Lease, error) {
	fail := func(err error) ([]Lease, error) { return nil, fmt.Errorf("read the leases: %w", err) }
	// Not with gorm: this reads the leases of thousands of shops every few seconds.
	rows, err := s.conn.QueryContext(ctx, "SELECT shop, holder, token, generation FROM leases ORDER BY shop")
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	var list []Lease
	for rows.Next() {
		var l Lease
		if err := rows.Scan(&l.Shop, &l.Holder, &l.Token, &l.Generation); err != nil {
			return fail(err)
		}
		list = append(list, l)
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return list, nil
}

// Lease returns the lease of a shop, with when it was taken.
func (s *Store) Lease(ctx context.Context, shop string) (Lease, error) {
	l := Lease{Shop: shop}
	err := s.conn.QueryRowContext(ctx, "SELECT holder, token, generation, taken_at FROM leases WHERE shop = ?", shop).Scan(&l.Holder, &l.Token, &l.Generation, &l.TakenAt)
	if err != nil {
		return l, fmt.Errorf("read the lease of %s: %w", shop, err)
	}
	return l, nil
}

// Holdings returns how many shops each holder has the lease of; "": of how many nobody has it.
func (s *Store) Holdings(ctx context.Context) (map[string]int, error) {
	fail := func(err error) (map[string]int, error) { return nil, fmt.Errorf("count the leases: %w", err) }
	rows, err := s.conn.QueryContext(ctx, "SELECT holder, COUNT(*) FROM leases GROUP BY holder")
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	held := map[string]int{}
	for rows.Next() {
		var holder string
		var shops int
		if err := rows.Scan(&holder, &shops); err != nil {
			return fail(err)
		}
		held[holder] = shops
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return held, nil
}

// AnyFree reports whether any lease is free.
func (s *Store) AnyFree(ctx context.Context) (bool, error) {
	var free bool
	err := s.conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM leases WHERE holder = '')").Scan(&free)
	if err != nil {
		return false, fmt.Errorf("look for free leases: %w", err)
	}
	return free, nil
}

// TakeLeases takes the leases of those of the shops that from still holds ("": that are
// free), each with a greater token. Leases then shows which were taken, and their
// tokens.
func (s *Store) TakeLeases(ctx context.Context, shops []string, from, instance string, now time.Time) error {
	for chunk := range slices.Chunk(shops, rowsPerStatement) {
		args := []any{instance, At(now), from}
		for _, shop := range chunk {
			args = append(args, shop)
		}
		_, err := s.exec(ctx, "UPDATE leases SET holder = ?, token = token + 1, applied_seq = 0, taken_at = ? WHERE holder = ? AND shop IN "+placeholders(1, len(chunk)), args...)
		if err != nil {
			return fmt.Errorf("take the leases of %d shops: %w", len(chunk), err)
		}
	}
	return nil
}

// ReleaseLeases frees the leases of those of the shops that the instance holds, so that
// another lagerd can take them immediately.
func (s *Store) ReleaseLeases(ctx context.Context, shops []string, instance string) error {
	for chunk := range slices.Chunk(shops, rowsPerStatement) {
		args := []any{instance}
		for _, shop := range chunk {
			args = append(args, shop)
		}
		if _, err := s.exec(ctx, "UPDATE leases SET holder = '' WHERE holder = ? AND shop IN "+placeholders(1, len(chunk)), args...); err != nil {
			return fmt.Errorf("release the leases of %d shops: %w", len(chunk), err)
		}
	}
	return nil
}
