package cli

import (
	"context"
	"fmt"
	"time"

	"lagerd/store"
)

type migrateCmd struct{}

func (migrateCmd) Run(c *call) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	s, err := openDatabase(c.ctx, cfg, true, 0)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := c.migrate(s); err != nil {
		return err
	}
	_, at, err := s.SchemaVersion(c.ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Stdout, "the database schema is at version %d\n", at)
	return err
}

// migrate migrates the database. If a signal interrupts it, the error says what state the schema is
// in.
func (c *call) migrate(s *store.Store) error {
	ctx, stop := c.interruptible(c.ctx)
	defer stop()
	meter := c.meter()
	defer meter.End()
	err := s.MigrateTelling(ctx, func(done, of int) { meter.Show("statements of the migration", done, of) })
	if ctx.Err() == nil {
		return err
	}
	const patience = 5 * time.Second
	reading, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return interruptedMigration(s.SchemaVersion(reading))
}

// interruptedMigration says what is left of a migration.
func interruptedMigration(have, want int64, err error) error {
	if err == nil && have == want {
		return fmt.Errorf("interrupted: the schema is at version %d, as this lagerd needs it, and nothing else was done: run the command again", have)
	}
	at := fmt.Sprintf("the schema is at version %d of %d", have, want)
	if err != nil {
		at = fmt.Sprintf("the schema's version is not known (%v)", err)
	}
	return fmt.Errorf("the migration was interrupted: %s; what was done stays, and the server may still end the statement that it was at. `lagerd migrate` goes on from there; until then no lagerd of this version works on this database", at)
}
