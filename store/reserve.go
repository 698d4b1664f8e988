package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// ErrInUse is returned when another lagerd is running on the embedded database.
	ErrInUse = errors.New("another lagerd is running on this embedded database, or moving it: stop it, or configure MySQL or MariaDB (database.dsn) to run several")
	// ErrMoving is returned while a move keeps every lagerd from the embedded database.
	ErrMoving = errors.New("`lagerd move` is at work on this embedded database, or waits for it: no lagerd runs on it until that command has ended; systemd tries again every few seconds, and calls wait in its socket")
)

// Reservation is the embedded database, locked for one process that works on it for long. Of a
// database on a server, and with Options.Embedded, it is nil: there is nothing to lock.
//
// There are two locks on one file, whose end ends both. Whoever works on the database holds the
// first (flock). A move holds the second as well (fcntl), which can be looked at without being taken:
// with --stop it takes that first, so that a daemon sees it and gives the database up.
type Reservation struct{ file *os.File }

// Reserve locks the embedded database for one running daemon, since several do not work on SQLite.
// It returns ErrInUse if it is locked, and ErrMoving if a move is at work or waits. Commands such as
// `lagerd shops` need no reservation.
func (s *Store) Reserve() (*Reservation, error) {
	r, err := s.reservation()
	if r == nil || err != nil {
		return nil, err
	}
	if err = tryLock(r.file); err == nil || errors.Is(err, ErrInUse) {
		// Only now: a move looks for a daemon after it has said that it is there.
		if wanted := r.Wanted(); wanted != nil {
			err = wanted
		}
	}
	return r.unless(err)
}

// ReserveForMove locks the embedded database for a move. If a daemon runs on it, it returns
// ErrInUse, unless there is instead: it then calls that and waits, until ctx is done, for the daemon
// to give the database up. It returns ErrMoving if another move is at work or waits.
func (s *Store) ReserveForMove(ctx context.Context, instead func()) (*Reservation, error) {
	if instead == nil {
		r, err := s.Reserve()
		if err != nil {
			return nil, err
		}
		return r.unless(r.want())
	}
	r, err := s.reservation()
	if r == nil || err != nil {
		return nil, err
	}
	if err = r.want(); err == nil {
		if err = tryLock(r.file); errors.Is(err, ErrInUse) {
			instead()
			err = waitLock(ctx, r.file)
		}
	}
	return r.unless(err)
}

// unless returns the reservation or, if something is wrong with it, releases it and returns that.
func (r *Reservation) unless(err error) (*Reservation, error) {
	if err != nil {
		r.Release()
		return nil, err
	}
	return r, nil
}

func (s *Store) reservation() (*Reservation, error) {
	if s.handedIn() || !s.dialect.isSQLite() {
		return nil, nil //nolint:nilnil // see Reservation
	}
	f, err := openLock(s.path, reservedFile)
	if err != nil {
		return nil, err
	}
	return &Reservation{f}, nil
}

// want takes the second lock.
func (r *Reservation) want() error {
	if r == nil {
		return nil
	}
	err := unix.FcntlFlock(r.file.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Len: 1})
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES):
		return ErrMoving
	case err != nil:
		return fmt.Errorf("lock %s for a move: %w", r.file.Name(), err)
	}
	return nil
}

// Wanted returns ErrMoving if a move waits for the database: whoever has it is to give it up.
func (r *Reservation) Wanted() error {
	if r == nil {
		return nil
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Len: 1}
	if err := unix.FcntlFlock(r.file.Fd(), unix.F_OFD_GETLK, &lock); err != nil {
		return fmt.Errorf("look whether a move waits for %s: %w", r.file.Name(), err)
	}
	if lock.Type != unix.F_UNLCK {
		return ErrMoving
	}
	return nil
}

// Release unlocks the database.
func (r *Reservation) Release() {
	if r != nil {
		_ = r.file.Close()
	}
}

// The endings of the files that are locked beside the embedded database.
const (
	reservedFile = ".daemon"
	migrateFile  = ".migrate"
)

// openLock opens a file to be locked, and makes it if there is none. It belongs to whom the database
// belongs to, also if root makes it: lagerd's user must be able to lock it, too. The directory is that
// user's, so root follows no link there, and gives away only what it has just made.
func openLock(database, ending string) (*os.File, error) {
	path := database + ending
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	made := err == nil
	if errors.Is(err, fs.ErrExist) {
		f, err = os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if !made || os.Geteuid() != 0 {
		return f, nil
	}
	if info, err := os.Stat(database); err == nil {
		if of, ok := info.Sys().(*syscall.Stat_t); ok {
			err = f.Chown(int(of.Uid), int(of.Gid))
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("give %s to the owner of %s: %w", path, database, err), f.Close())
		}
	}
	return f, nil
}

// tryLock locks a file, or returns ErrInUse.
func tryLock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return ErrInUse
	case err != nil:
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
}

// waitLock locks a file once nobody else does.
func waitLock(ctx context.Context, f *os.File) error {
	for {
		if err := tryLock(f); !errors.Is(err, ErrInUse) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock %s: %w", f.Name(), ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
