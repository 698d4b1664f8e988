package store

import (
	"context"
	"path/filepath"
	"testing"

	"lagerd/test/mariadbtest"
)

// TestPanicInATransaction: a panic releases the connection and rolls back.
func TestPanicInATransaction(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"SQLite":  {Path: filepath.Join(t.TempDir(), "lagerd.db"), MaxConnections: 1},
		"MariaDB": {DSN: mariadbtest.New(t), MaxConnections: 1},
	} {
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		func() {
			defer func() {
				if p := recover(); p != "boom" {
					t.Errorf("%s: recovered %v", name, p)
				}
			}()
			_ = s.inTx(t.Context(), func(*tx) error { panic("boom") })
		}()
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("%s: after a panic: %v", name, err)
		}
	}
}

// TestAsBytesAfterAnError: a transaction that failed before asBytes does not drop its
// connection.
func TestAsBytesAfterAnError(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Options{DSN: mariadbtest.New(t), MaxConnections: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	before := s.Strings(t.Context(), "SELECT CONNECTION_ID()")[0]
	err = s.inTx(context.Background(), func(x *tx) error {
		x.exec("no statement")
		x.asBytes(func() {})
		return nil
	})
	if after := s.Strings(t.Context(), "SELECT CONNECTION_ID()")[0]; err == nil || after != before {
		t.Errorf("the connection was %s and is %s (%v)", before, after, err)
	}
}
