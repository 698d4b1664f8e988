package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lagerd/config"
	"lagerd/move"
	"lagerd/store"
	"lagerd/terminal"
)

type moveCmd struct {
	ToDSNFile string `name:"to-dsn-file" help:"File with the DSN of the server's empty database. '-' for standard input." placeholder:"FILE" xor:"what"`
	DryRun    bool   `help:"Say what would be moved, and change nothing. It says what a server would refuse, too." xor:"dry,undo"`
	Stop      bool   `help:"Stop the lagerd that runs on the embedded database. It stays stopped meanwhile; calls wait in its socket, under systemd." xor:"dry"`
	Undo      bool   `help:"Use the embedded database again. What happened on the server since is not in it." xor:"what,undo"`
}

func (moveCmd) Help() string {
	return "With --stop a running lagerd ends, and none starts until the move has ended or is interrupted. Every row is copied and then compared, and the embedded database is refused afterwards. Codes, tokens and the master key stay as they are: no owner enters anything anew. Interrupted or killed, the same command goes on from there. The manual has it step by step (docs/operators.md, From the embedded database to a server)."
}

func (cmd moveCmd) Run(c *call) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if !cfg.Database.DSN.IsZero() {
		return errors.New("the configuration names a server (database.dsn) and no embedded database to move: comment that out until the move is done; a file database-dsn beside the configuration counts too: give it another name until then")
	}
	if cmd.ToDSNFile == "" && !cmd.Undo {
		return errors.New("expected --to-dsn-file FILE: a file that only lagerd's user can read (chmod 600), with the DSN of an empty database: lagerd:PASSWORD@tcp(HOST:3306)/lagerd")
	}
	from, err := openDatabase(c.ctx, cfg, true, 0)
	if err != nil {
		return err
	}
	defer from.Close()
	if cmd.Undo {
		return cmd.undo(c, cfg, from)
	}
	to, err := cmd.openTarget(c, cfg)
	if err != nil {
		return err
	}
	defer to.Close()
	if cmd.DryRun {
		return cmd.preview(c, from, to)
	}
	if cmd.Stop {
		if err := canMove(c, cfg, from, to); err != nil {
			return err
		}
	}
	reserved, err := cmd.reserve(c, cfg, from)
	if err != nil {
		return err
	}
	defer reserved.Release()
	return cmd.move(c, cfg, from, to)
}

// canMove returns an error if the move would be refused: before it stops a lagerd for nothing.
func canMove(c *call, cfg config.Config, from, to *store.Store) error {
	if from.CheckSchema(c.ctx) != nil {
		return nil //nolint:nilerr // the move itself brings it up to date, or says what is wrong
	}
	if err := opensTokens(c, cfg, from); err != nil {
		return err
	}
	summary, err := lookAt(c, from, to)
	if err == nil && len(summary.Problems) > 0 {
		err = move.Refused(summary.Problems)
	}
	return err
}

// lookAt returns what a move would do.
func lookAt(c *call, from, to *store.Store) (move.Summary, error) {
	ctx, stop := c.interruptible(c.ctx)
	defer stop()
	meter := c.meter()
	defer meter.End()
	summary, err := move.Preview(ctx, move.Options{From: from, To: to, FromPlace: movedFrom(from), Now: now, Tell: meter.Show})
	if ctx.Err() != nil {
		err = errors.New("interrupted: nothing was changed")
	}
	return summary, err
}

// reserve keeps every lagerd from the embedded database until the release.
func (cmd moveCmd) reserve(c *call, cfg config.Config, from *store.Store) (*store.Reservation, error) {
	if !cmd.Stop {
		reserved, err := from.ReserveForMove(c.ctx, nil)
		if errors.Is(err, store.ErrInUse) {
			err = fmt.Errorf("%w (--stop stops it, and calls wait in its socket; or run `systemctl stop lagerd.socket lagerd.service`)", err)
		}
		return reserved, err
	}
	patience := cfg.ShutdownTimeout + stopsWithin
	ctx, stop := c.interruptible(c.ctx)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	reserved, err := from.ReserveForMove(ctx, func() {
		fmt.Fprintln(c.Stderr, "The running lagerd ends within seconds, and none starts until this command has ended.")
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("the running lagerd has not ended within %s: perhaps it is migrating the database, or of a version that does not know --stop: see `systemctl status lagerd`, and run the same command again", patience)
	case errors.Is(err, context.Canceled):
		return nil, errors.New("interrupted: nothing was changed, and a lagerd that has ended is started again by systemd")
	}
	return reserved, err
}

// stopsWithin is how long a daemon takes to see that it is to end, with room to spare.
const stopsWithin = 15 * time.Second

// move moves the database, which nobody else runs on.
func (cmd moveCmd) move(c *call, cfg config.Config, from, to *store.Store) error {
	if err := readyToMove(c, cfg, from); err != nil {
		return err
	}
	ctx, stop := c.interruptible(c.ctx)
	defer stop()
	meter := c.meter()
	defer meter.End()
	summary, err := move.Run(ctx, move.Options{
		From: from, To: to, FromPlace: movedFrom(from), Now: now, Tell: meter.Show,
		Migrate: func(s *store.Store) error {
			return s.MigrateForMove(ctx, func(done, of int) { meter.Show("statements of the migration", done, of) })
		},
	})
	meter.End()
	switch {
	case err != nil && ctx.Err() != nil && !errors.Is(from.CheckSchema(c.ctx), store.ErrMovedAway):
		return errors.New("interrupted: nothing is marked as moved, and the embedded database can be used as before. Run the same command again to go on: what is copied is only compared. No lagerd uses the server's database until then")
	case err != nil:
		return err
	case summary.Marked:
		fmt.Fprintln(c.Stdout, "The embedded database was marked as moved already; now the server's is open.")
	default:
		fmt.Fprintf(c.Stdout, "Moved %d rows of %d tables to %s, and compared each.\n", summary.Rows, len(summary.Tables), to.Place())
	}
	return cmd.next(c, cfg, from)
}

// readyToMove brings the embedded database to this lagerd's schema, forgets lagerd that have died,
// and returns an error unless the configured master key opens what is stored.
func readyToMove(c *call, cfg config.Config, from *store.Store) error {
	err := c.migrate(from)
	if errors.Is(err, store.ErrMovedAway) {
		return nil // only the end may be missing
	}
	if err != nil {
		return err
	}
	if err := opensTokens(c, cfg, from); err != nil {
		return err
	}
	return from.ForgetInstances(c.ctx) // nobody else runs here: they have died
}

// opensTokens returns an error unless the configured master key opens what is stored.
func opensTokens(c *call, cfg config.Config, from *store.Store) error {
	keys, err := masterKey(c.ctx, cfg, from, false)
	if err != nil {
		return err
	}
	known, err := from.MasterKey(c.ctx)
	if err != nil {
		return err
	}
	shops, err := from.Shops(c.ctx)
	if err != nil {
		return err
	}
	if verdict, _ := judge(known, keys, shops); len(shops) > 0 && verdict == keyIsUnproved {
		return badKey("the configured master key opens no token of the database: put the key back that they were sealed with")
	}
	return nil
}

func (cmd moveCmd) openTarget(c *call, cfg config.Config) (*store.Store, error) {
	raw, err := c.readSecret("", cmd.ToDSNFile)
	if err != nil {
		return nil, fmt.Errorf("--to-dsn-file: %w", err)
	}
	address := strings.TrimSpace(string(raw))
	if address == "" {
		return nil, errors.New("--to-dsn-file: the file is empty: expected a DSN such as lagerd:PASSWORD@tcp(HOST:3306)/lagerd")
	}
	to, err := store.Open(c.ctx, store.Options{DSN: address, MaxConnections: cfg.Database.MaxConnections, ConnectTimeout: waitsFor})
	if err != nil {
		return nil, fmt.Errorf("--to-dsn-file: %w", err)
	}
	return to, nil
}

// movedFrom names the embedded database to whoever looks at the server's.
func movedFrom(from *store.Store) string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	path, err := filepath.Abs(from.Path())
	if err != nil {
		path = from.Path()
	}
	return host + ":" + path
}

// next says what to do after the move.
func (cmd moveCmd) next(c *call, cfg config.Config, from *store.Store) error {
	fmt.Fprintf(c.Stdout, "\n%s is marked as moved: every lagerd refuses it from now on. Keep it until the next backup of the server; `lagerd move --undo` opens it again.\n\nPut into lagerd.yaml, in place of what is there:\n\n", from.Path())
	file := cmd.ToDSNFile
	if file == "-" {
		file = "FILE   # with the DSN, readable by lagerd's user alone"
	} else if path, err := filepath.Abs(file); err == nil {
		file = path
	}
	fmt.Fprintf(c.Stdout, "  database:\n    dsn_file: %s\n", file)
	if cfg.KeyFile != "" {
		fmt.Fprintf(c.Stdout, "  key_file: %s   # the same master key as before; it is no part of the database\n", cfg.KeyFile)
	}
	_, err := fmt.Fprint(c.Stdout, `
Under systemd lagerd takes that up within seconds. If you have stopped it, and to see that all is well, run:

  systemctl start lagerd.socket lagerd.service
  sudo -u lagerd lagerd check

The shops' software reads the server's views from now on, each shop with an account of its own:

  sudo -u lagerd lagerd shops grant SHOP --account NAME
`)
	return err
}

// preview says what a move would do.
func (cmd moveCmd) preview(c *call, from, to *store.Store) error {
	err := from.CheckSchema(c.ctx)
	if errors.Is(err, store.ErrMovedAway) {
		err = nil
	}
	if err != nil {
		return err
	}
	summary, err := lookAt(c, from, to)
	if err != nil {
		return err
	}
	if summary.Marked {
		_, err := fmt.Fprintf(c.Stdout, "The embedded database is marked as moved to %s: `lagerd move` would only open that.\n", to.Place())
		return err
	}
	table := terminal.NewTable(terminal.Column{Name: "TABLE"}, terminal.Column{Name: "ROWS"})
	for _, t := range summary.Tables {
		if t.Rows > 0 {
			table.Row(t.Table, fmt.Sprint(t.Rows))
		}
	}
	if err := table.Write(c.Stdout, c.columns); err != nil {
		return err
	}
	if len(summary.Problems) > 0 {
		return move.Refused(summary.Problems)
	}
	how := "is empty: all of these rows would be copied"
	if summary.Resumed {
		how = "holds a part of them: the rest would be copied"
	}
	_, err = fmt.Fprintf(c.Stdout, "%s (%s) %s, and each compared. Nothing has been changed.\n", to.Place(), to.Server(), how)
	return errors.Join(err, sayIfRunning(c, from))
}

// sayIfRunning says that a lagerd has to be stopped before the move.
func sayIfRunning(c *call, from *store.Store) error {
	reserved, err := from.Reserve()
	if errors.Is(err, store.ErrInUse) {
		fmt.Fprintln(c.Stderr, "Note: a lagerd is running on the embedded database: the move takes --stop, which ends it, or stop it before.")
		return nil
	}
	reserved.Release()
	return err
}

// undo opens the embedded database again.
func (cmd moveCmd) undo(c *call, cfg config.Config, from *store.Store) error {
	nothing := errors.New("there is nothing to undo: this embedded database has not been moved")
	if m, err := from.Moved(c.ctx); err == nil && (m == nil || m.Ended.IsZero()) {
		return nothing // before a lagerd is stopped
	}
	reserved, err := cmd.reserve(c, cfg, from)
	if err != nil {
		return err
	}
	defer reserved.Release()
	m, err := from.UndoMove(context.WithoutCancel(c.ctx))
	if err != nil {
		return err
	}
	if m == nil {
		return nothing
	}
	_, err = fmt.Fprintf(c.Stdout, "%s can be used again. What happened in %s since %s UTC is not in it; ticks and sweeps read it from e-conomic anew. Let no lagerd run there any more, and drop that database before another move into it.\n",
		from.Path(), m.Other, m.Ended.Format("2006-01-02 15:04"))
	return err
}
