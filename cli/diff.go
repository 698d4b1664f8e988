package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"lagerd/config"
	"lagerd/economic"
	"lagerd/reconcile"
	economicsource "lagerd/source/economic"
	"lagerd/status"
	"lagerd/store"
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
	ctx, stop := interruptible(c.ctx)
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
	s, st, err := cmd.open(ctx, cfg)
	if err != nil {
		return found, shop, err
	}
	defer s.Close()
	asked, agreement, err := cmd.agreement(cfg, s, st)
	if err != nil {
		return found, shop, err
	}
	defer func() {
		if err := asked.book(ctx, s, cmd.Shop); err != nil {
			found.Notes = append(found.Notes, "the calls to e-conomic were not added to the day's count: "+err.Error())
		}
	}()
	meter := c.meter()
	defer meter.End()
	d := reconcile.Diff{Store: s, Account: economicsource.Account{Client: asked.client, Agreement: agreement}, Shop: st.Shop, Progress: st.Progress,
		LossWindow: cfg.Reconcile.LossWindow, Tell: meter.Show}
	if st.Shop.ReadsRackbeat() {
		at, err := openRackbeat(cfg, s, st.Shop, st.Progress)
		if err != nil {
			return found, shop, err
		}
		defer func() {
			if err := at.close(ctx); err != nil {
				found.Notes = append(found.Notes, "calls to Rackbeat that were booked and not made count as made: "+err.Error())
			}
		}()
		d.Stock = at.account
	}
	found, err = d.Read(ctx, cmd.Item, invoices)
	return found, status.Of(st), advised(err, cfg, st.Shop)
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

func (cmd diffCmd) open(ctx context.Context, cfg config.Config) (*store.Store, store.ShopStatus, error) {
	var none store.ShopStatus
	s, err := openToRead(ctx, cfg)
	if err != nil {
		return nil, none, err
	}
	st, err := cmd.shop(ctx, s)
	if err != nil {
		return nil, none, errors.Join(err, s.Close())
	}
	return s, st, nil
}

func (cmd diffCmd) shop(ctx context.Context, s *store.Store) (store.ShopStatus, error) {
	if _, err := s.Shop(ctx, cmd.Shop); err != nil {
		return store.ShopStatus{}, err
	}
	list, err := s.Status(ctx, cmd.Shop)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%s: %w", cmd.Shop, store.ErrNoShop)
	}
	if err != nil {
		return store.ShopStatus{}, err
	}
	return list[0], nil
}

// agreement returns a client for the shop's agreement, with what is left of the day's
// calls.
func (cmd diffCmd) agreement(cfg config.Config, s *store.Store, st store.ShopStatus) (*asking, *economic.Agreement, error) {
	keys, err := loadKey(cfg, "token")
	if err != nil {
		return nil, nil, err
	}
	grant, err := keys.OpenGrant(cmd.Shop, st.Shop.GrantToken)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: store its grant token again with `lagerd shops set %s --grant-token-file …`", err, cmd.Shop)
	}
	asked, err := newAsking(cfg, s)
	if err != nil {
		return nil, nil, err
	}
	return asked, asked.client.Agreement(grant, asked.agreement(st.Progress)), nil
}
