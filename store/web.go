package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// WebOperator is somebody who signs in on the page as an operator.
type WebOperator struct {
	Name      string
	Password  string // its hash
	Stamp     string // random, in each of the operator's sessions
	ChangedAt Time
}

// ErrNoOperator is returned when no operator of that name may sign in.
var ErrNoOperator = errors.New("no operator of that name signs in with a password: see `lagerd web operators`")

// SetWebOperator stores an operator's password. With it the stamp changes, so that the operator's
// sessions end.
func (s *Store) SetWebOperator(ctx context.Context, o WebOperator) error {
	_, err := s.exec(ctx, "INSERT INTO web_operators (name, password, stamp, changed_at) VALUES (?, ?, ?, ?)"+
		s.dialect.onConflict("name", overwrite("password", "stamp", "changed_at")...), o.Name, o.Password, o.Stamp, o.ChangedAt)
	if err != nil {
		return fmt.Errorf("store the password of %s: %w", o.Name, err)
	}
	return nil
}

// RemoveWebOperator ends an operator's sessions and forgets the password.
func (s *Store) RemoveWebOperator(ctx context.Context, name string) error {
	n, err := s.exec(ctx, "DELETE FROM web_operators WHERE name = ?", name)
	switch {
	case err != nil:
		return fmt.Errorf("remove the password of %s: %w", name, err)
	case n == 0:
		return fmt.Errorf("%s: %w", name, ErrNoOperator)
	}
	return nil
}

// WebOperators returns all operators by name.
func (s *Store) WebOperators(ctx context.Context) ([]WebOperator, error) {
	var list []WebOperator
	if err := s.db.WithContext(ctx).Raw("SELECT name, password, stamp, changed_at FROM web_operators ORDER BY name").Scan(&list).Error; err != nil {
		return nil, fmt.Errorf("read who signs in on the page: %w", err)
	}
	return list, nil
}

// WebOperator returns an operator, or ErrNoOperator.
func (s *Store) WebOperator(ctx context.Context, name string) (WebOperator, error) {
	o := WebOperator{Name: name}
	err := s.conn.QueryRowContext(ctx, "SELECT password, stamp, changed_at FROM web_operators WHERE name = ?", name).Scan(&o.Password, &o.Stamp, &o.ChangedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return o, fmt.Errorf("%q: %w", name, ErrNoOperator)
	}
	if err != nil {
		return o, fmt.Errorf("read who signs in on the page: %w", err)
	}
	return o, nil
}

// WebAccess is what decides whether a link or a session is still good.
type WebAccess struct {
	Stamp   string // the present one of the operator, or of the shop's links; "": its links have none
	Created Time   // when the shop was added; zero for an operator
	Ended   bool   // somebody has signed out of the session
}

// OperatorAccess returns what decides whether an operator's session is good, or ErrNoOperator.
func (s *Store) OperatorAccess(ctx context.Context, name string, session []byte) (WebAccess, error) {
	var a WebAccess
	err := s.conn.QueryRowContext(ctx, "SELECT stamp, EXISTS (SELECT 1 FROM web_ended WHERE session = ?) FROM web_operators WHERE name = ?", session, name).Scan(&a.Stamp, &a.Ended)
	if errors.Is(err, sql.ErrNoRows) {
		return a, fmt.Errorf("%q: %w", name, ErrNoOperator)
	}
	if err != nil {
		return a, fmt.Errorf("check an operator's session: %w", err)
	}
	return a, nil
}

// ShopAccess returns what decides whether a shop's link or session is good, or ErrNoShop. session is
// nil for a link.
func (s *Store) ShopAccess(ctx context.Context, shop string, session []byte) (WebAccess, error) {
	var a WebAccess
	err := s.conn.QueryRowContext(ctx, "SELECT COALESCE(l.stamp, ''), s.created_at, EXISTS (SELECT 1 FROM web_ended WHERE session = ?)"+
		" FROM shops s LEFT JOIN web_links l ON l.shop = s.shop WHERE s.shop = ?", session, shop).Scan(&a.Stamp, &a.Created, &a.Ended)
	if errors.Is(err, sql.ErrNoRows) {
		return a, fmt.Errorf("%s: %w", shop, ErrNoShop)
	}
	if err != nil {
		return a, fmt.Errorf("check access to %s: %w", shop, err)
	}
	return a, nil
}

// RevokeLinks gives a shop's links another stamp: those that have been made, and their sessions, are
// good no longer.
func (s *Store) RevokeLinks(ctx context.Context, shop, stamp string, now time.Time) error {
	if _, err := s.Shop(ctx, shop); err != nil {
		return err
	}
	_, err := s.exec(ctx, "INSERT INTO web_links (shop, stamp, changed_at) VALUES (?, ?, ?)"+s.dialect.onConflict("shop", overwrite("stamp", "changed_at")...), shop, stamp, At(now))
	if err != nil {
		return fmt.Errorf("revoke the links of %s: %w", shop, err)
	}
	return nil
}

// EndSession ends a session before its time, and forgets those whose time has come.
func (s *Store) EndSession(ctx context.Context, session []byte, until, now time.Time) error {
	_, err := s.deleteInPieces(ctx, "web_ended", "until_at < ?", At(now))
	if err == nil {
		_, err = s.exec(ctx, "INSERT INTO web_ended (session, until_at) VALUES (?, ?)"+s.dialect.onConflict("session", overwrite("until_at")...), session, At(until))
	}
	if err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}
