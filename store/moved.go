package store

import (
	"fmt"
	"syscall"
)

// fileID is what a file is, whatever its name.
type fileID struct {
	device, inode uint64
}

func fileAt(path string) (fileID, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return fileID{}, err
	}
	return fileID{uint64(st.Dev), st.Ino}, nil
}

// watchFile remembers which file the embedded database is, once it exists.
func (s *Store) watchFile() {
	if s.path == "" || s.file.Load() != nil {
		return
	}
	if id, err := fileAt(s.path); err == nil {
		s.file.CompareAndSwap(nil, &id)
	}
}

// moved returns ErrMoved where the embedded database's name belongs to another file
// by now, or to none. SQLite goes on in the file that it has open, and what it says
// is stored there is gone when the process ends.
func (s *Store) moved() error {
	opened := s.file.Load()
	if opened == nil {
		return nil
	}
	if id, err := fileAt(s.path); err != nil || id != *opened {
		return fmt.Errorf("%s: %w", s.path, ErrMoved)
	}
	return nil
}
