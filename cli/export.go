package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"lagerd/export"
	"lagerd/plan"
	"lagerd/store"
	"lagerd/terminal"
)

type exportCmd struct {
	Shop     exportShopCmd     `cmd:"" help:"Export a shop's items with their stock, as stored."`
	Changes  exportChangesCmd  `cmd:"" help:"Export a shop's history, oldest first."`
	Invoices exportInvoicesCmd `cmd:"" help:"Export a shop's invoices, without the PDFs."`
}

// exportFlags are the flags of every export.
type exportFlags struct {
	Format string `help:"csv or json." enum:"csv,json" default:"csv"`
	Excel  bool   `help:"CSV for a Danish Excel. With semicolons, decimal commas, a byte order mark, and Danish time."`
	Raw    bool   `help:"CSV with texts exactly as stored. Otherwise an apostrophe is put before what a spreadsheet would take for a formula, and control characters are escaped."`
	Output string `help:"File to write, whole or not at all. '-' for standard output." placeholder:"FILE" default:"-"`
}

func (f exportFlags) options() export.Options {
	return export.Options{Format: export.Format(f.Format), Excel: f.Excel, Raw: f.Raw}
}

// Validate implements kong.Validatable.
func (f exportFlags) Validate() error { return f.options().Check() }

// exported is what an export writes: a shop's rows, and what they are called.
type exported[R any] struct {
	what    string // such as items
	columns export.Table[R]
	rows    iter.Seq2[R, error]
	note    string // for people, on standard error; "": none
}

// write opens the database and writes what read returns of the shop. It returns an error, and
// leaves no file, unless everything was written.
func write[R any](c *call, f exportFlags, name string, read func(context.Context, *store.Store, store.Shop) (exported[R], error)) (err error) {
	ctx, stop := c.interruptible(c.ctx)
	defer stop()
	_, s, err := c.openToRead()
	if err != nil {
		return err
	}
	defer s.Close()
	shop, err := s.Shop(ctx, name)
	if err != nil {
		return err
	}
	e, err := read(ctx, s, shop)
	if err != nil {
		return err
	}
	if e.note != "" {
		fmt.Fprintln(c.Stderr, "Note:", e.note)
	}
	out, err := c.output(f.Output)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.discard()) }()
	written, err := export.Write(out, f.options(), e.columns, e.rows)
	if err == nil {
		err = stillThere(ctx, s, shop)
	}
	switch {
	case ctx.Err() != nil:
		err = errors.New("interrupted")
	case err == nil:
		err = out.keep()
	}
	if err != nil {
		return fmt.Errorf("export the %s of %s: %w%s", e.what, name, err, out.incomplete())
	}
	if out.named() {
		_, err = fmt.Fprintf(c.Stdout, "%s: %d %s written to %s\n", name, written, e.what, terminal.Escape(f.Output))
	}
	return err
}

// stillThere returns an error if the shop was removed meanwhile: its rows went with it.
func stillThere(ctx context.Context, s *store.Store, was store.Shop) error {
	is, err := s.Shop(ctx, was.Shop)
	if err == nil && !is.SameAs(was) {
		err = store.ErrNoShop
	}
	if errors.Is(err, store.ErrNoShop) {
		return errors.New("the shop was removed meanwhile")
	}
	return err
}

type exportShopCmd struct {
	Shop string `arg:"" help:"The shop."`
	exportFlags
}

func (exportShopCmd) Help() string {
	return "The columns are those of the view shop_stock, and place_N for each of the places that the shop has chosen at Rackbeat. Every item that is stored at the beginning is exported once, by number, as it is when it is read: a large shop is read in pieces, and may change between them."
}

func (cmd exportShopCmd) Run(c *call) error {
	return write(c, cmd.exportFlags, cmd.Shop, func(ctx context.Context, s *store.Store, shop store.Shop) (e exported[plan.Row], err error) {
		progress, err := s.Progress(ctx, cmd.Shop)
		if err != nil {
			return e, err
		}
		of := export.Shown{Shop: cmd.Shop, Since: progress.ItemsSince.Time, ConfirmedAt: progress.TickAt.Time}
		if of.Places, err = placesOf(ctx, s, cmd.Shop, progress.ItemsDataset); err != nil {
			return e, err
		}
		e = exported[plan.Row]{what: "items", columns: export.Items(of), rows: s.EachItem(ctx, progress.ItemsDataset, len(of.Places) > 0, store.PieceOfStream)}
		if !shop.StockOn {
			e.note = fmt.Sprintf("the stock of %s is switched off: these items are as they were stored last, and its software sees none of them", cmd.Shop)
		}
		return e, nil
	})
}

// placesOf returns the places that were chosen for a dataset of a shop's items, none if it has
// the items' own figures.
func placesOf(ctx context.Context, s *store.Store, shop string, dataset store.Dataset) ([]string, error) {
	accounts, err := s.StockAccounts(ctx, shop)
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		if a.Dataset == dataset {
			return store.Shop{Places: a.Places}.ChosenPlaces(), nil
		}
	}
	return nil, nil
}

type exportChangesCmd struct {
	Shop  string `arg:"" help:"The shop."`
	Since string `help:"Only changes since then. A date (2026-11-01, from midnight UTC), a time (2026-11-01T08:00:00+01:00), or how long ago (720h). Default: all that are kept." placeholder:"DATE|TIME|DURATION"`
	exportFlags
}

func (exportChangesCmd) Help() string {
	return "Exports exactly the changes that are stored at the beginning. delay_seconds is the time from the webhook that led to the change, or without one from e-conomic's own time of it (whole minutes), until it was stored."
}

func (cmd exportChangesCmd) Run(c *call) error {
	since, err := sinceWhen(cmd.Since, now())
	if err != nil {
		return err
	}
	return write(c, cmd.exportFlags, cmd.Shop, func(ctx context.Context, s *store.Store, _ store.Shop) (e exported[store.Change], err error) {
		until, err := s.Position(ctx, cmd.Shop)
		if err != nil {
			return e, err
		}
		return exported[store.Change]{what: "changes", columns: export.Changes(), rows: s.EachChange(ctx, cmd.Shop, since, until, store.PieceOfStream)}, nil
	})
}

// sinceWhen returns the time that --since names, or the zero time for "".
func sinceWhen(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && !strings.HasPrefix(text, "-") {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("--since %q: expected a date such as 2026-11-01, a time such as 2026-11-01T08:00:00+01:00, or a duration such as 720h", text)
}

type exportInvoicesCmd struct {
	Shop string `arg:"" help:"The shop."`
	exportFlags
}

func (exportInvoicesCmd) Help() string {
	return "The columns are those of the view shop_invoices, without the PDF itself: `lagerd invoice SHOP NUMBER --pdf FILE` writes one."
}

func (cmd exportInvoicesCmd) Run(c *call) error {
	return write(c, cmd.exportFlags, cmd.Shop, func(ctx context.Context, s *store.Store, shop store.Shop) (exported[store.Invoice], error) {
		return exported[store.Invoice]{what: "invoices", columns: export.Invoices(cmd.Shop), rows: s.EachInvoice(ctx, shop.Dataset, store.PieceOfStream)}, nil
	})
}
