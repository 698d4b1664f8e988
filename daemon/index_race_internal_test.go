package daemon

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"modernc.org/sqlite"

	"lagerd/secret"
	"lagerd/store"
	"lagerd/test/storetest"
)

// watched is an embedded database that calls the test before each query, for one at a time.
type watched struct {
	path   string
	mu     sync.Mutex
	before func()
}

// Connect implements driver.Connector.
func (w *watched) Connect(context.Context) (driver.Conn, error) {
	c, err := w.Driver().Open("file:" + w.path + "?_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, err
	}
	return watchedConn{c.(conn), w}, nil
}

// Driver implements driver.Connector.
func (w *watched) Driver() driver.Driver { return &sqlite.Driver{} }

// conn is what SQLite's connections can do.
type conn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

type watchedConn struct {
	conn
	w *watched
}

// QueryContext implements driver.QueryerContext.
func (c watchedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.w.mu.Lock()
	c.w.before()
	c.w.mu.Unlock()
	return c.conn.QueryContext(ctx, query, args)
}

// TestRefreshMissesNoChange: a change between any two statements of a refresh is known
// after the next refresh.
func TestRefreshMissesNoChange(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := &watched{path: storetest.New(t), before: func() {}}
	others, err := store.Open(ctx, store.Options{Path: w.path})
	must(t, err)
	t.Cleanup(func() { _ = others.Close() })
	own, err := store.Open(ctx, store.Options{Embedded: sql.OpenDB(w)})
	must(t, err)
	t.Cleanup(func() { _ = own.Close() })
	keys, err := secret.Load([]byte(secret.Generate()))
	must(t, err)
	hash := func(shop, code string) []byte { h := keys.HashCode(shop, code); return h[:] }

	x := newIndex(own, keys)
	for n := 0; ; n++ {
		// There is a shop with a code. In the middle of the refresh another shop is added,
		// and the first one's code is replaced.
		old, fresh := fmt.Sprint("old", n), fmt.Sprint("fresh", n)
		must(t, others.AddShop(ctx, store.Shop{Shop: old, GrantToken: []byte{1}}, hash(old, "first"), time.Now()))
		queries := 0
		w.before = func() {
			if queries++; queries != n+1 {
				return
			}
			added := others.AddShop(ctx, store.Shop{Shop: fresh, GrantToken: []byte{1}}, hash(fresh, "first"), time.Now())
			replaced := others.AddCode(ctx, old, hash(old, "second"), time.Now())
			_, retired := others.RetireOldCodes(ctx, old, true, time.Now())
			if err := errors.Join(added, replaced, retired); err != nil {
				t.Error(err)
			}
		}
		must(t, x.Refresh(ctx))
		w.before = func() {}
		if queries <= n {
			if n < 3 {
				t.Fatalf("a refresh makes %d queries: the test sees too few of them", queries)
			}
			return
		}
		must(t, x.Refresh(ctx))
		good := func(shop, code string) bool {
			_, ok := x.Authenticate(shop, code, false)
			return ok
		}
		if _, known := x.Shop(fresh); !known || !good(fresh, "first") {
			t.Errorf("a shop that was added before query %d of a refresh is not known after the next", n+1)
		}
		if good(old, "first") || !good(old, "second") {
			t.Errorf("a code that was retired before query %d of a refresh is good after the next, or the new one is not", n+1)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
