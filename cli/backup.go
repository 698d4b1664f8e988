package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"lagerd/config"
	"lagerd/store"
	"lagerd/terminal"
)

type backupCmd struct {
	File  string `arg:"" help:"The file to write, whole or not at all."`
	Force bool   `help:"Replace the file if it exists."`
}

func (backupCmd) Help() string {
	return "It may run beside lagerd: the file holds the database as it was at one moment, and is checked before it gets its name. The master key is no part of it: keep a copy apart. The manual says how to restore it (docs/operators.md, Backup). A MySQL or MariaDB server's database is backed up with mariadb-dump, as is written there too."
}

func (cmd backupCmd) Run(c *call) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if !cfg.Database.DSN.IsZero() {
		return errors.New("the database is a server's (database.dsn): back it up with mariadb-dump or mysqldump: the manual has the commands (docs/operators.md, Backup); lagerd backup is for the embedded database")
	}
	ctx, stop := c.interruptible(c.ctx)
	defer stop()
	s, err := openDatabase(ctx, cfg, true, 0)
	if err != nil {
		return err
	}
	defer s.Close()
	schema, err := backupable(ctx, s)
	if err != nil {
		return err
	}
	size, err := cmd.write(ctx, s)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %s was not written", cmd.File)
	}
	if err != nil {
		return fmt.Errorf("%w: %s was not written", err, cmd.File)
	}
	_, err = fmt.Fprintf(c.Stdout, "%s is the embedded database as of now: %s, schema %d, checked. Only its owner can read it: it holds every shop's stock and invoices.\n%s\n",
		terminal.Escape(cmd.File), megabytes(size), schema, keyIsApart(c.config, cfg))
	return err
}

// backupable returns the schema of a database that can be backed up: one of another version can,
// since it is the way back from an upgrade.
func backupable(ctx context.Context, s *store.Store) (schema int64, err error) {
	err = s.CheckSchema(ctx)
	if err != nil && !errors.Is(err, store.ErrOldSchema) && !errors.Is(err, store.ErrNewerSchema) {
		return 0, err
	}
	schema, _, err = s.SchemaVersion(ctx)
	if err == nil && schema == 0 {
		err = fmt.Errorf("%s: there is nothing to back up: it has no tables of lagerd's yet", s.Path())
	}
	return schema, err
}

// write makes the file appear, and returns its size.
func (cmd backupCmd) write(ctx context.Context, s *store.Store) (size int64, err error) {
	if s.Uses(cmd.File) {
		return 0, fmt.Errorf("%s belongs to the embedded database itself: name another file", cmd.File)
	}
	if err := cmd.mayWrite(); err != nil {
		return 0, err
	}
	out, err := outputFile(cmd.File)
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: name a directory that lagerd's user may write to: `install -d -o lagerd -g lagerd -m 700 %s` makes one", err, filepath.Dir(cmd.File))
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.discard()) }()
	if err := s.BackupInto(ctx, out.temp.Name()); err != nil {
		return 0, err
	}
	if err := store.CheckFile(ctx, out.temp.Name()); err != nil {
		return 0, err
	}
	info, err := out.temp.Stat()
	if err != nil {
		return 0, err
	}
	if err := cmd.mayWrite(); err != nil { // another backup may have been faster
		return 0, err
	}
	return info.Size(), out.keep()
}

func (cmd backupCmd) mayWrite() error {
	_, err := os.Lstat(cmd.File)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && cmd.Force:
		return nil
	case err == nil:
		return fmt.Errorf("%s exists: name another file, such as lagerd-%s.db, or replace it with --force", cmd.File, now().UTC().Format(time.DateOnly))
	}
	return err
}

// megabytes writes a size as people read it.
func megabytes(bytes int64) string {
	const mb = 1e6
	return fmt.Sprintf("%.1f MB", float64(bytes)/mb)
}

// keyIsApart says where the master key is, which no backup of a database has.
func keyIsApart(configFile string, cfg config.Config) string {
	return fmt.Sprintf("The master key is not in it, and without the key its tokens and codes are worth nothing: keep a copy of %s, apart from this file.", keyPlace(configFile, cfg))
}

// keyPlace names the master key's file.
func keyPlace(configFile string, cfg config.Config) string {
	if cfg.KeyFile == "" {
		return filepath.Join(filepath.Dir(configFile), config.CredentialKey)
	}
	return cfg.KeyFile
}
