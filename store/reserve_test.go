package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"lagerd/store"
	"lagerd/test/storetest"
)

func TestOneDaemonOnSQLite(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		r, err := s.Reserve()
		must(t, err)
		second, err := s.Reserve()
		if s.Embedded() != errors.Is(err, store.ErrInUse) {
			t.Errorf("reserved a second time: %v", err)
		}
		second.Release()
		r.Release()
		r, err = s.Reserve()
		must(t, err)
		r.Release()
	})
}

// TestReserveForMove: a move waits for the daemon, which sees that, and keeps others from starting
// until it has ended. One that must not stop a daemon is refused, and the daemon sees nothing of it.
func TestReserveForMove(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		daemon, err := s.Reserve()
		must(t, err)
		waits := make(chan struct{}, 1)
		instead := func() { waits <- struct{}{} }
		if !s.Embedded() {
			r, err := s.ReserveForMove(t.Context(), instead)
			must(t, errors.Join(err, daemon.Wanted()))
			r.Release()
			daemon.Release()
			return
		}
		if _, err := s.ReserveForMove(t.Context(), nil); !errors.Is(err, store.ErrInUse) {
			t.Errorf("a move that stops nobody: %v", err)
		}
		must(t, daemon.Wanted())
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := s.ReserveForMove(short, instead); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while the daemon goes on: %v", err)
		}
		<-waits
		must(t, daemon.Wanted())

		refused := func(when string) {
			t.Helper()
			for what, try := range map[string]func() (*store.Reservation, error){
				"a daemon":      s.Reserve,
				"a move":        func() (*store.Reservation, error) { return s.ReserveForMove(t.Context(), nil) },
				"a second move": func() (*store.Reservation, error) { return s.ReserveForMove(t.Context(), instead) },
			} {
				if _, err := try(); !errors.Is(err, store.ErrMoving) {
					t.Errorf("%s %s: %v", what, when, err)
				}
			}
		}
		type reserved struct {
			*store.Reservation
			error
		}
		moved := make(chan reserved, 1)
		go func() {
			r, err := s.ReserveForMove(t.Context(), instead)
			moved <- reserved{r, err}
		}()
		<-waits
		if err := daemon.Wanted(); !errors.Is(err, store.ErrMoving) {
			t.Errorf("the daemon is told %v", err)
		}
		refused("beside one that waits")
		daemon.Release()
		move := <-moved
		must(t, move.error)
		refused("beside one at work")
		move.Release()

		if move.Reservation, err = s.ReserveForMove(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		refused("beside one that stopped nobody")
		move.Release()
		daemon, err = s.Reserve()
		must(t, err)
		daemon.Release()
	})
}

// TestMoveIsSeenWithoutALock: to look for a move disturbs nobody, however often it is done.
func TestMoveIsSeenWithoutALock(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{Path: storetest.New(t)})
	daemon, err := s.Reserve()
	must(t, err)
	defer daemon.Release()
	var looks sync.WaitGroup
	for range 4 {
		looks.Go(func() {
			for range 2000 {
				if _, err := s.Reserve(); !errors.Is(err, store.ErrInUse) {
					t.Errorf("a second lagerd: %v", err)
					return
				}
				if err := daemon.Wanted(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	looks.Wait()
}

// TestLockOfRoot: what root locks, the database's owner can lock afterwards.
func TestLockOfRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: to whom a lock that root makes belongs: only root can give a file away")
	}
	const nobody = 65534
	path := filepath.Join(t.TempDir(), "lagerd.db")
	must(t, os.WriteFile(path, nil, 0o600))
	must(t, os.Chown(path, nobody, nobody))
	s := open(t, store.Options{Path: path})
	r, err := s.ReserveForMove(t.Context(), nil)
	must(t, err)
	r.Release()
	must(t, s.Migrate(t.Context()))
	elsewhere := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(elsewhere, nil, 0o600))
	must(t, os.Symlink(elsewhere, path+".other.daemon"))
	must(t, os.WriteFile(path+".other", nil, 0o600))
	must(t, os.Chown(path+".other", nobody, nobody))
	if _, err := open(t, store.Options{Path: path + ".other"}).Reserve(); err == nil {
		t.Error("a link to another file is followed")
	}
	if info, err := os.Stat(elsewhere); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("a file that a link names was given away: %v", err)
	}
	for _, ending := range []string{".daemon", ".migrate"} {
		info, err := os.Stat(path + ending)
		must(t, err)
		if of, ok := info.Sys().(*syscall.Stat_t); !ok || of.Uid != nobody || of.Gid != nobody || info.Mode().Perm() != 0o600 {
			t.Errorf("%s belongs to %+v, mode %s", ending, of, info.Mode())
		}
	}
}
