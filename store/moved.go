package store

import (
	"fmt"
	"syscall"
)

// fileID identifies a file, whatever its name.
type fileID struct {
	device, inode uint64
}

func fileAt(path string) (fileID, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return fileID{}, err
	}
	return fileID{uint64(st.Dev), st.Ino}, nil //nolint:unconvert // other systems have another type
}

// watchFile records the embedded database's file identity, once the file exists.
func (s *Store) watchFile() {
	if s.path == "" || s.file.Load() != nil {
		return
	}
	if id, err := fileAt(s.path); err == nil {
		s.file.CompareAndSwap(nil, &id)
	}
}

// moved returns ErrMoved if the embedded database's path now leads to another file, or
// to none. SQLite keeps using the file it has open, and what it stores there is gone
// when the process ends.
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
