package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"
)

// MasterKey is what the database says of its master key. It reveals nothing about any key.
type MasterKey struct {
	Check []byte            // check value of the key that seals the shops' secrets; nil: none is stored yet
	Next  []byte            // check value of the key that takes its place, with which all is sealed from then on; nil: no rekeying has begun
	Kept  map[string][]byte // by the check value of a master key: what does not change with it, sealed with it
}

// MasterKey returns what the database says of its master key.
func (s *Store) MasterKey(ctx context.Context) (MasterKey, error) {
	fail := func(err error) (MasterKey, error) {
		return MasterKey{}, fmt.Errorf("read the master key's check value: %w", err)
	}
	// One statement, so that a rekeying cannot end in the middle of it.
	rows, err := s.conn.QueryContext(ctx, "SELECT 1, value, next_value FROM key_check WHERE id = 1 UNION ALL SELECT 2, check_value, sealed FROM kept_keys")
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	k := MasterKey{Kept: map[string][]byte{}}
	for rows.Next() {
		var what int
		var check, more []byte
		if err := rows.Scan(&what, &check, &more); err != nil {
			return fail(err)
		}
		if what == 1 {
			k.Check, k.Next = check, more
		} else {
			k.Kept[string(check)] = more
		}
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return k, nil
}

// SaveKeyCheck stores the check value of a master key that has decrypted a stored token,
// unless one is stored already.
func (s *Store) SaveKeyCheck(ctx context.Context, value []byte, now time.Time) error {
	_, err := s.exec(ctx, "INSERT INTO key_check (id, value, noted_at) VALUES (1, ?, ?)"+s.dialect.onConflict("id", "noted_at = key_check.noted_at"), value, At(now))
	if err != nil {
		return fmt.Errorf("store the master key's check value: %w", err)
	}
	return nil
}

// DeleteKeyCheck removes the check value of a lost master key, so that another key is
// accepted, and what only lost keys open: all except what one of the keys with these check
// values opens.
func (s *Store) DeleteKeyCheck(ctx context.Context, keep [][]byte) error {
	err := s.changeShops(ctx, func(db *gorm.DB, _ int64) error {
		if err := db.Exec("DELETE FROM key_check WHERE id = 1").Error; err != nil {
			return err
		}
		return deleteKept(db, keep)
	})
	if err != nil {
		return fmt.Errorf("delete the lost master key's check value: %w", err)
	}
	return nil
}

// NoAppToken is stored in place of a hash for an instance that has no app secret token.
const NoAppToken = ""

// deleteKept deletes what other master keys open than those with these check values.
func deleteKept(db *gorm.DB, keep [][]byte) error {
	where, args := " WHERE 1 = 1", []any(nil)
	for _, check := range keep {
		where, args = where+" AND check_value <> ?", append(args, check)
	}
	return db.Exec("DELETE FROM kept_keys"+where, args...).Error
}

// ErrOtherRekeying is returned when the master key is not the one that is to be replaced, or is
// being replaced by another.
var ErrOtherRekeying = errors.New("the master key was changed meanwhile, or another rekeying has begun")

// BeginRekeying stores that the master key with one check value takes the place of another: from
// then on nothing is stored that was not sealed with it. kept is what does not change, by the check
// value of the key that it is sealed with. To begin the same again changes nothing.
func (s *Store) BeginRekeying(ctx context.Context, from, to []byte, kept map[string][]byte, now time.Time) error {
	err := s.changeShops(ctx, func(db *gorm.DB, _ int64) error {
		if err := db.Exec("UPDATE key_check SET next_value = ?, noted_at = ? WHERE id = 1 AND value = ? AND next_value IS NULL", to, At(now), from).Error; err != nil {
			return err
		}
		if err := isMasterKey(db, from, to); err != nil {
			return err
		}
		for _, check := range slices.Sorted(maps.Keys(kept)) {
			// The time first: gorm takes bytes after a parenthesis for a list.
			if err := db.Exec("INSERT INTO kept_keys (noted_at, check_value, sealed) VALUES (?, ?, ?)"+s.dialect.onConflict("check_value", "noted_at = kept_keys.noted_at"),
				At(now), []byte(check), kept[check]).Error; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("begin the rekeying: %w", err)
	}
	return nil
}

// isMasterKey returns ErrOtherRekeying unless these are the check values that are stored.
func isMasterKey(db *gorm.DB, check, next []byte) error {
	var is, becomes []byte
	err := db.Raw("SELECT value, next_value FROM key_check WHERE id = 1").Row().Scan(&is, &becomes)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (!bytes.Equal(is, check) || !bytes.Equal(becomes, next)) {
		return ErrOtherRekeying
	}
	return err
}

// EndRekeying stores that the key that takes the place of another has done so. The caller has
// sealed everything with it.
func (s *Store) EndRekeying(ctx context.Context, to []byte, now time.Time) error {
	err := s.changeShops(ctx, func(db *gorm.DB, _ int64) error {
		if err := db.Exec("UPDATE key_check SET value = next_value, next_value = NULL, noted_at = ? WHERE id = 1 AND next_value = ?", At(now), to).Error; err != nil {
			return err
		}
		if err := isMasterKey(db, to, nil); err != nil {
			return err
		}
		return deleteKept(db, [][]byte{to})
	})
	if err != nil {
		return fmt.Errorf("end the rekeying: %w", err)
	}
	return nil
}

// SecretKind is which of a shop's secrets a text is.
type SecretKind int

// The kinds of a shop's secrets.
const (
	SecretGrant SecretKind = iota
	SecretRackbeat
	SecretHook
)

// column returns the column of shops that holds such a secret.
func (k SecretKind) column() string {
	switch k {
	case SecretRackbeat:
		return "rackbeat_key"
	case SecretHook:
		return "notify_hook"
	default:
		return "grant_token"
	}
}

// Sealed is one of a shop's secrets, as it is stored.
type Sealed struct {
	Shop string
	Kind SecretKind
	Text []byte
}

// same reports whether a shop's secret is the same text.
func (s Sealed) same(o Sealed) bool { return s.Kind == o.Kind && bytes.Equal(s.Text, o.Text) }

// Sealed returns the shop's secrets.
func (s Shop) Sealed() (list []Sealed) {
	for kind, text := range [...][]byte{SecretGrant: s.GrantToken, SecretRackbeat: s.RackbeatKey, SecretHook: s.NotifyHook} {
		if len(text) > 0 {
			list = append(list, Sealed{s.Shop, SecretKind(kind), text})
		}
	}
	return list
}

// SealedTexts returns the secrets of all shops.
func (s *Store) SealedTexts(ctx context.Context) ([]Sealed, error) {
	fail := func(err error) ([]Sealed, error) { return nil, fmt.Errorf("read the shops' secrets: %w", err) }
	rows, err := s.conn.QueryContext(ctx, "SELECT shop, grant_token, rackbeat_key, notify_hook FROM shops ORDER BY shop")
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	var list []Sealed
	for rows.Next() {
		var x Shop
		if err := rows.Scan(&x.Shop, &x.GrantToken, &x.RackbeatKey, &x.NotifyHook); err != nil {
			return fail(err)
		}
		list = append(list, x.Sealed()...)
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return list, nil
}

// Resealed is a secret that takes the place of the same one, sealed with another key.
type Resealed struct {
	Sealed
	Anew []byte
}

// Reseal stores secrets that were sealed anew, in one transaction. One that was changed meanwhile
// keeps what was stored. Passes on the shops go on: their settings have not changed.
func (s *Store) Reseal(ctx context.Context, list []Resealed) error {
	err := s.changeShops(ctx, func(db *gorm.DB, _ int64) error {
		for _, r := range list {
			column := r.Kind.column()
			if err := db.Exec("UPDATE shops SET "+column+" = ? WHERE shop = ? AND "+column+" = ?", r.Anew, r.Shop, r.Text).Error; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store %d secrets that were sealed anew: %w", len(list), err)
	}
	return nil
}

// ErrRekeyed is returned when a secret was sealed with a key that is not the master key any more:
// nothing was stored.
var ErrRekeyed = errors.New("the master key is changed by `lagerd rekey` at this moment: run the command again, with a key file that holds the new key")

// sealedInForce returns ErrRekeyed if a shop gets a secret that was not sealed with the key in force.
func sealedInForce(db *gorm.DB, before, after Shop) error {
	is := before.Sealed()
	anew := slices.ContainsFunc(after.Sealed(), func(s Sealed) bool {
		return !slices.ContainsFunc(is, s.same)
	})
	if !anew {
		return nil
	}
	var inForce []byte
	err := db.Raw("SELECT COALESCE(next_value, value) FROM key_check WHERE id = 1").Row().Scan(&inForce)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // the first secret
	}
	if err == nil && !bytes.Equal(inForce, after.SealedWith) {
		err = fmt.Errorf("nothing was stored for %s: %w", after.Shop, ErrRekeyed)
	}
	return err
}

// SaveAppToken stores the keyed hash of an instance's app secret token, for commands to
// compare with the token they read, or NoAppToken.
func (s *Store) SaveAppToken(ctx context.Context, instance, hash string, now time.Time) error {
	// An instance that died before its first beat is not in instances: ForgetInstance
	// never deletes its row.
	_, err := s.exec(ctx, "DELETE FROM instance_secrets WHERE noted_at < ? AND instance NOT IN (SELECT instance FROM instances)", At(now.Add(-time.Hour)))
	if err == nil {
		_, err = s.exec(ctx, "INSERT INTO instance_secrets (instance, app_token, noted_at) VALUES (?, ?, ?)"+
			s.dialect.onConflict("instance", "app_token = new.app_token", "noted_at = new.noted_at"), instance, hash, At(now))
	}
	if err != nil {
		return fmt.Errorf("save which app secret token %s uses: %w", instance, err)
	}
	return nil
}

// AppTokens returns the hash of each instance's app secret token, as SaveAppToken stored
// it.
func (s *Store) AppTokens(ctx context.Context) (map[string]string, error) {
	fail := func(err error) (map[string]string, error) {
		return nil, fmt.Errorf("read the app secret tokens in use: %w", err)
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT instance, app_token FROM instance_secrets")
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	tokens := map[string]string{}
	for rows.Next() {
		var instance, hash string
		if err := rows.Scan(&instance, &hash); err != nil {
			return fail(err)
		}
		tokens[instance] = hash
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return tokens, nil
}
