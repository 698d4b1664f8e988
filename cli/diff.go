package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"lagerd/act"
	"lagerd/config"
	"lagerd/reconcile"
	"lagerd/status"
	"lagerd/terminal"
)

type diffCmd struct {
	Shop    string   `arg:"" help:"The shop."`
	Item    []string `help:"Only this item number. May be repeated." placeholder:"NUMBER" sep:"none"`
	Invoice []string `help:"Only this invoice number. May be repeated." placeholder:"NUMBER" sep:"none"`
	Format  string   `help:"table, csv or json." enum:"table,csv,json" default:"table"`
}

func (diffCmd) Help() string {
	return "Reads e-conomic and the database and shows what a reconciliation would change. Writes only the count of the day's calls. Exits with 0 if they are equal, 1 if they differ, 2 if they could not be compared."
}

// The exit codes of diff are those of diff(1).
const (
	exitDiffers = 1
	exitTrouble = 2
)

// Run returns an exitError if the two differ or cannot be compared: for every other
// command 1 is a failure.
func (cmd diffCmd) Run(c *call) error {
	code, err := cmd.compare(c)
	if bad := (*config.Errors)(nil); errors.As(err, &bad) {
		return err
	}
	if err != nil {
		fmt.Fprintln(c.Stderr, "lagerd:", terminal.Line(err.Error()))
	}
	if code != exitOK {
		return exitError(code)
	}
	return nil
}

func (cmd diffCmd) compare(c *call) (code int, err error) {
	ctx, stop := c.interruptible(c.ctx)
	defer stop()
	found, shop, err := cmd.read(ctx, c)
	if ctx.Err() != nil {
		return exitTrouble, errors.New("interrupted: nothing was changed, and a partial read has no result")
	}
	if err != nil {
		return exitTrouble, err
	}
	if shop.State != status.StateRunning {
		found.Notes = append(found.Notes, fmt.Sprintf("%s is %s: %s", cmd.Shop, shop.State, shop.Reason))
	}
	tell(c.Stderr, found)
	shown := status.DiffOf(found)
	write := func(w io.Writer) error { return shown.WriteTable(w, c.columns) }
	switch cmd.Format {
	case "csv":
		write = shown.WriteCSV
	case "json":
		write = shown.WriteJSON
	}
	if err := write(c.Stdout); err != nil {
		return exitTrouble, fmt.Errorf("write the differences: %w", err)
	}
	switch {
	case len(found.Unreadable) > 0:
		return exitTrouble, errors.New("not everything could be compared, see above; lagerd leaves those unchanged until e-conomic's answer can be read")
	case !found.Equal():
		return exitDiffers, nil
	}
	return exitOK, nil
}

// tell writes notes that a person needs to interpret the differences.
func tell(w io.Writer, found reconcile.Differences) {
	for _, note := range found.Notes {
		fmt.Fprintln(w, "lagerd: note:", terminal.Escape(note))
	}
	for _, u := range found.Unreadable {
		fmt.Fprintf(w, "lagerd: not compared: %s %q: %s\n", u.Kind, u.Number, terminal.Line(u.Reason))
	}
}

// read returns the differences, and the shop's state before the read.
func (cmd diffCmd) read(ctx context.Context, c *call) (found reconcile.Differences, shop status.Shop, err error) {
	invoices, err := cmd.numbers()
	if err != nil {
		return found, shop, err
	}
	cfg, err := c.load()
	if err != nil {
		return found, shop, err
	}
	s, err := openToRead(ctx, cfg)
	if err != nil {
		return found, shop, err
	}
	defer s.Close()
	if _, err := s.Shop(ctx, cmd.Shop); err != nil {
		return found, shop, err
	}
	keys, err := loadKey(cfg, "token")
	if err != nil {
		return found, shop, err
	}
	meter := c.meter()
	defer meter.End()
	return acting(cfg, s, keys).Compare(ctx, act.Comparison{Shop: cmd.Shop, Items: cmd.Item, Invoices: invoices, Tell: meter.Show})
}

// numbers validates the flags and returns the invoice numbers.
func (cmd diffCmd) numbers() ([]int64, error) {
	for _, n := range cmd.Item {
		if l := len([]rune(n)); l < 1 || l > 64 {
			return nil, fmt.Errorf("--item %q: expected 1 to 64 characters", n)
		}
	}
	var invoices []int64
	for _, text := range cmd.Invoice {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("--invoice %q: expected a whole number from 1", text)
		}
		invoices = append(invoices, n)
	}
	return invoices, nil
}
