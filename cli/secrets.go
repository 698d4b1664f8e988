package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lagerd/config"
	"lagerd/secret"
)

// dsn returns the DSN of the configured database, "" for the embedded one.
func dsn(cfg config.Config) string { return cfg.Database.DSN }

// loadKeys returns the keys made from the master key. Beside the embedded
// database the master key is made where there is none yet, so that the first
// command on a new machine works.
func loadKeys(cfg config.Config) (*secret.Keys, error) {
	if !cfg.Key.IsZero() {
		return secret.Load([]byte(cfg.Key.Reveal()))
	}
	if cfg.Database.DSN != "" {
		return nil, errors.New("key_file: no master key: `lagerd keygen` makes one")
	}
	if err := os.MkdirAll(filepath.Dir(cfg.KeyFile), 0o700); err != nil {
		return nil, fmt.Errorf("make the master key: %w", err)
	}
	key := secret.Generate()
	f, err := os.OpenFile(cfg.KeyFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) { // another command was faster
		raw, err := os.ReadFile(cfg.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the master key: %w", err)
		}
		return secret.Load(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("make the master key: %w", err)
	}
	_, err = f.WriteString(key + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("make the master key %s: %w", cfg.KeyFile, err)
	}
	return secret.Load([]byte(key))
}
