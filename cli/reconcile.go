package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"lagerd/act"
	"lagerd/config"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
	"lagerd/terminal"
)

type reconcileCmd struct {
	Shop    []string      `help:"Only this shop. May be repeated." placeholder:"SHOP"`
	Item    []string      `help:"Only this item number. May be repeated." placeholder:"NUMBER" xor:"what" sep:"none"`
	Invoice []string      `help:"Only this invoice number. May be repeated." placeholder:"NUMBER" xor:"what" sep:"none"`
	Sweep   bool          `help:"Read everything, not only what changed." xor:"what"`
	Wait    bool          `help:"Wait until it is done, print the changes, and fail if anything failed."`
	Timeout time.Duration `help:"Longest time to wait." default:"5m"`
}

func (reconcileCmd) Help() string {
	return "Stores a request in the database. The lagerd that holds the shop's lease, on this machine or another, carries it out within about a second."
}

func (cmd reconcileCmd) Run(c *call) error {
	cfg, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	shops, err := cmd.shops(c.ctx, s)
	if err != nil {
		return err
	}
	for _, n := range cmd.Invoice {
		if i, err := strconv.ParseInt(n, 10, 64); err != nil || i < 1 {
			return fmt.Errorf("--invoice %q: expected a whole number from 1", n)
		}
	}
	for _, n := range cmd.Item {
		if l := len([]rune(n)); l < 1 || l > 64 {
			return fmt.Errorf("--item %q: expected 1 to 64 characters", n)
		}
	}
	ctx, cancel := context.WithTimeout(c.ctx, cmd.Timeout)
	defer cancel()
	ctx, stop := c.interruptibleIf(ctx, cmd.Wait)
	defer stop()
	err = cmd.request(ctx, c, &waiter{act: acting(cfg, s, nil), store: s, meter: c.meter(), before: map[string]store.Position{}}, shops)
	switch {
	case errors.Is(err, context.Canceled) && cmd.Wait:
		return errors.New("interrupted: perhaps not everything was requested: run it again")
	case err != nil || cmd.Wait:
		return err
	}
	return c.warnIfNoneRuns(s, cfg)
}

// request stores the requests, and waits if it is to.
func (cmd reconcileCmd) request(ctx context.Context, c *call, w *waiter, shops []string) (err error) {
	if w.beats, err = beats(ctx, w.store); err != nil {
		return err
	}
	for _, shop := range shops {
		if w.before[shop], err = w.store.Position(ctx, shop); err != nil {
			return err
		}
	}
	kind, numbers := plan.KindStock, cmd.Item
	if len(cmd.Invoice) > 0 {
		kind, numbers = plan.KindInvoice, cmd.Invoice
	}
	if len(numbers) == 0 {
		return cmd.whole(ctx, c, w, shops)
	}
	return cmd.numbers(ctx, c, w, shops, kind, slices.Compact(slices.Sorted(slices.Values(numbers))))
}

// warnIfNoneRuns notes that no lagerd is running to carry out a stored request.
func (c *call) warnIfNoneRuns(s *store.Store, cfg config.Config) error {
	alive, err := living(c.ctx, s, cfg)
	if err == nil && len(alive) == 0 {
		_, err = fmt.Fprintf(c.Stderr, "Note: %s on this database: the request is stored and carried out once one starts.\n", status.NoLagerd)
	}
	return err
}

func (cmd reconcileCmd) shops(ctx context.Context, s *store.Store) ([]string, error) {
	if len(cmd.Shop) == 0 && len(cmd.Item)+len(cmd.Invoice) > 0 {
		return nil, errors.New("--item and --invoice need --shop")
	}
	all, err := s.Shops(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, shop := range all {
		if len(cmd.Shop) == 0 || slices.Contains(cmd.Shop, shop.Shop) {
			names = append(names, shop.Shop)
		}
	}
	for _, name := range cmd.Shop {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%s: %w", name, store.ErrNoShop)
		}
	}
	if len(names) == 0 {
		return nil, errors.New("no shops yet: add one with `lagerd shops add`")
	}
	return names, nil
}

// whole requests a tick or a sweep of each shop.
func (cmd reconcileCmd) whole(ctx context.Context, c *call, w *waiter, shops []string) error {
	what := store.WantTick
	if cmd.Sweep {
		what = store.WantSweep
	}
	ids, err := w.act.Ask(ctx, what, shops...)
	if err != nil {
		return err
	}
	if !cmd.Wait {
		_, err := fmt.Fprintf(c.Stdout, "requested a %s of %d shop(s)\n", what, len(shops))
		return err
	}
	done, err := w.requests(ctx, ids, what)
	if err != nil {
		return err
	}
	var failed error
	slices.SortFunc(done, func(a, b store.Request) int { return strings.Compare(a.Shop, b.Shop) })
	for _, r := range done {
		if r.Failure != "" {
			fmt.Fprintf(c.Stdout, "%s: failed: %s\n", r.Shop, terminal.Line(r.Failure))
			failed = errors.New("some shops were not reconciled")
			continue
		}
		fmt.Fprintf(c.Stdout, "%s: %d change(s)\n", r.Shop, r.Changes)
		if r.Changes > 0 {
			changes, err := w.store.ChangesAfter(ctx, r.Shop, w.before[r.Shop], "", nil, 1000)
			if err != nil {
				return err
			}
			if err := status.WriteChanges(c.Stdout, changes, c.columns); err != nil {
				return err
			}
		}
	}
	return failed
}

// numbers records hints for items or invoices of each shop.
func (cmd reconcileCmd) numbers(ctx context.Context, c *call, w *waiter, shops []string, kind plan.Kind, numbers []string) error {
	if err := w.act.Read(ctx, kind, numbers, shops...); err != nil {
		return err
	}
	for _, shop := range shops {
		if err := w.prod(ctx, shop, kind, cmd.Wait); err != nil {
			return err
		}
	}
	if !cmd.Wait {
		_, err := fmt.Fprintf(c.Stdout, "requested %d number(s) of %d shop(s)\n", len(numbers), len(shops))
		return err
	}
	var failed error
	for _, shop := range shops {
		bad, err := w.numbers(ctx, c, shop, kind, numbers)
		if err != nil {
			return err
		}
		if bad {
			failed = errors.New("some numbers could not be read")
		}
	}
	return failed
}

// waiter waits for a running lagerd to carry out requests.
type waiter struct {
	act    act.Act
	store  *store.Store
	meter  *terminal.Meter
	before map[string]store.Position // of each shop's history, before the first request
	beats  map[string]int64
	lives  bool
}

// requests waits until the requests for ticks or sweeps are done, and returns them.
func (w *waiter) requests(ctx context.Context, ids []string, what string) ([]store.Request, error) {
	var list []store.Request
	open := func(r store.Request) bool { return r.DoneAt.IsZero() }
	show := func(ctx context.Context) {
		if len(list) == 1 {
			w.showShop(ctx, list[0].Shop, what)
			return
		}
		left := slices.DeleteFunc(slices.Clone(list), func(r store.Request) bool { return !open(r) })
		w.meter.Show("shops reconciled", len(list)-len(left), len(ids))
	}
	err := w.until(ctx, show, func(ctx context.Context) (ok bool, err error) {
		list, err = w.store.Requests(ctx, ids)
		return len(list) == len(ids) && !slices.ContainsFunc(list, open), err
	})
	return list, err
}

// showShop shows how far the first sweep of a shop is, by the items that are stored, and of how many if
// the source has said so. Of anything else the database shows only whether it is done.
func (w *waiter) showShop(ctx context.Context, shop, what string) {
	if list, err := w.store.Status(ctx, shop); err == nil && len(list) == 1 {
		st := list[0]
		if status.Of(st).FirstSweep() && st.Progress.ItemsDataset == st.Shop.StockDataset {
			w.meter.Show(fmt.Sprintf("items of %s stored in its first sweep", shop), int(st.ItemsStored), int(st.Progress.ItemsAnnounced))
			return
		}
	}
	w.showWaiting(shop, what)
}

func (w *waiter) showWaiting(shop, what string) {
	w.meter.Show(fmt.Sprintf("waiting for a %s of %s", what, shop), 0, 0)
}

// prod requests a tick of a shop whose hints would otherwise wait for the next retry.
func (w *waiter) prod(ctx context.Context, shop string, kind plan.Kind, wait bool) error {
	request, err := w.act.Prod(ctx, shop, kind)
	if err != nil || request == "" || !wait {
		return err
	}
	_, err = w.requests(ctx, []string{request}, store.WantTick)
	return err
}

// numbers waits until the shop's hints have been read once and shows the result of each.
// A webhook may keep a hint open longer, for rereads.
func (w *waiter) numbers(ctx context.Context, c *call, shop string, kind plan.Kind, numbers []string) (failed bool, err error) { //nolint:gocyclo // one case per answer that may come
	var hints []store.Hint
	asked, err := w.store.Hints(ctx, shop, kind, numbers)
	if err != nil {
		return false, err
	}
	generation := make(map[string]int64, len(asked))
	for _, h := range asked {
		generation[h.Number] = h.SeenGen
	}
	unread := func(h store.Hint) bool {
		return h.DoneGen < generation[h.Number] && h.Tries == 0 && h.Failures == 0
	}
	show := func(context.Context) {
		left := slices.DeleteFunc(slices.Clone(hints), func(h store.Hint) bool { return !unread(h) })
		w.meter.Show(fmt.Sprintf("numbers of %s read", shop), len(hints)-len(left), len(numbers))
	}
	err = w.until(ctx, show, func(ctx context.Context) (bool, error) {
		if hints, err = w.store.Hints(ctx, shop, kind, numbers); err != nil {
			return false, err
		}
		if i := slices.IndexFunc(hints, unread); i >= 0 {
			return w.givenUp(ctx, shop, kind, hints[i].DueAt.After(now()))
		}
		return w.fetched(ctx, shop, kind, numbers)
	})
	if err != nil {
		return false, err
	}
	changes, err := w.store.ChangesAfter(ctx, shop, w.before[shop], kind, numbers, 1000)
	if err != nil {
		return false, err
	}
	if err := status.WriteChanges(c.Stdout, changes, c.columns); err != nil {
		return false, err
	}
	for _, h := range hints {
		switch {
		case h.Failures > 0:
			failed = true
			fmt.Fprintf(c.Stdout, "%s %s: failed: %s\n", shop, terminal.Escape(h.Number), terminal.Line(h.Note))
		case h.Reason != "":
			failed = true
			fmt.Fprintf(c.Stdout, "%s %s: %s\n", shop, terminal.Escape(h.Number), terminal.Line(h.Note))
		case !slices.ContainsFunc(changes, func(ch store.Change) bool { return ch.Number == h.Number }):
			fmt.Fprintf(c.Stdout, "%s %s: nothing has changed\n", shop, terminal.Escape(h.Number))
		}
	}
	if kind == plan.KindInvoice {
		invoices, err := w.invoices(ctx, shop, numbers)
		if err != nil {
			return failed, err
		}
		for _, i := range invoices {
			if i.Failing() {
				failed = true
				fmt.Fprintf(c.Stdout, "%s invoice %d: failed: %s\n", shop, i.Number, terminal.Line(i.WorkError))
			}
		}
	}
	return failed, nil
}

// invoices returns the stored invoices of the shop's current agreement with these numbers.
func (w *waiter) invoices(ctx context.Context, shop string, numbers []string) ([]store.Invoice, error) {
	s, err := w.store.Shop(ctx, shop)
	if err != nil {
		return nil, err
	}
	return w.store.Invoices(ctx, s.Dataset, numbers)
}

// fetched reports whether the PDFs of the invoices are stored or have been tried.
func (w *waiter) fetched(ctx context.Context, shop string, kind plan.Kind, numbers []string) (bool, error) {
	if kind != plan.KindInvoice {
		return true, nil
	}
	invoices, err := w.invoices(ctx, shop, numbers)
	for _, i := range invoices {
		if i.PDFState != "stored" && i.WorkTries == 0 {
			return false, err
		}
	}
	return true, err
}

// givenUp returns an error if waiting is useless: the shop is paused or held, or its last
// pass failed.
func (w *waiter) givenUp(ctx context.Context, shop string, kind plan.Kind, postponed bool) (bool, error) {
	list, err := w.store.Status(ctx, shop)
	if err != nil {
		return false, err
	}
	for _, st := range list {
		v := status.Of(st)
		if v.State == status.StatePaused || v.ReadsNo(kind, postponed) {
			return false, fmt.Errorf("%s is %s: %s", shop, v.State, v.Reason)
		}
		if v.Failures > 0 {
			return false, fmt.Errorf("reconciling %s failed: %s", shop, v.Failure)
		}
	}
	return false, nil
}

const (
	lookEvery  = 100 * time.Millisecond
	silentFor  = 15 * time.Second
	beatsEvery = 20 // looks
	showEvery  = 20 // looks
)

// until polls done until it returns true, and calls show now and then. It gives up if no lagerd is
// running, and at the end of ctx, which ends only the waiting.
func (w *waiter) until(ctx context.Context, show func(context.Context), done func(context.Context) (bool, error)) error {
	defer w.meter.End()
	began := time.Now()
	for n := 1; ; n++ {
		ok, err := done(ctx)
		switch {
		case ok && err == nil:
			return nil
		case ctx.Err() != nil:
			return ended(ctx)
		case err != nil:
			return err
		}
		if n%showEvery == 0 {
			show(ctx)
		}
		if !w.lives && n%beatsEvery == 0 {
			if err := w.look(ctx); err != nil && ctx.Err() == nil {
				return err
			}
			if !w.lives && time.Since(began) > silentFor {
				return errors.New("no lagerd is running on this database: start one with `lagerd run` (the request is stored and carried out then)")
			}
		}
		select {
		case <-ctx.Done():
			return ended(ctx)
		case <-time.After(lookEvery):
		}
	}
}

// ended says what goes on after a wait that was ended.
func ended(wait context.Context) error {
	if errors.Is(wait.Err(), context.DeadlineExceeded) {
		return errors.New("not done within --timeout; the request is stored and still carried out: see `lagerd status`")
	}
	return errors.New("interrupted: only the waiting has ended; the request is stored and still carried out: see `lagerd status`")
}

// look checks whether any lagerd's beat has changed since the command began.
func (w *waiter) look(ctx context.Context) error {
	current, err := beats(ctx, w.store)
	for instance, beat := range current {
		if w.beats[instance] != beat {
			w.lives = true
		}
	}
	return err
}

func beats(ctx context.Context, s *store.Store) (map[string]int64, error) {
	list, err := s.Instances(ctx)
	at := make(map[string]int64, len(list))
	for _, i := range list {
		at[i.Instance] = i.Beat
	}
	return at, err
}
