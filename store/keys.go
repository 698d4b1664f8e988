package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// KeyCheck returns the check value of the master key that seals the shops' tokens, or
// nil if none is stored yet.
func (s *Store) KeyCheck(ctx context.Context) ([]byte, error) {
	var value []byte
	err := s.conn.QueryRowContext(ctx, "SELECT value FROM key_check WHERE id = 1").Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("read the master key's check value: %w", err)
	}
	return value, nil
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
// accepted.
func (s *Store) DeleteKeyCheck(ctx context.Context) error {
	if _, err := s.exec(ctx, "DELETE FROM key_check WHERE id = 1"); err != nil {
		return fmt.Errorf("delete the lost master key's check value: %w", err)
	}
	return nil
}

// NoAppToken is stored in place of a hash for an instance that has no app secret token.
const NoAppToken = ""

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
