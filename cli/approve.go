package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/term"

	"lagerd/config"
	"lagerd/reconcile"
	"lagerd/status"
	"lagerd/store"
)

type approveCmd struct {
	Shop    string        `arg:"" help:"The shop."`
	Yes     bool          `help:"Do not ask."`
	Wait    bool          `help:"Wait until the shop has been swept, and fail if that failed."`
	Timeout time.Duration `help:"Longest time to wait." default:"5m"`
}

func (approveCmd) Help() string {
	return "For a shop that lagerd holds because a reconciliation would take away the stock of too many items: reads e-conomic anew, shows what would be lost, and asks. An approval is good for a day, and for what was shown (and reconcile.loss_min more, for what sells out meanwhile)."
}

func (cmd approveCmd) Run(c *call) error {
	cfg, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	if err := cmd.held(c.ctx, s); err != nil {
		return err
	}
	found, err := diffCmd{Shop: cmd.Shop}.read(c.ctx, c)
	if err != nil {
		return fmt.Errorf("see what would be lost: %w", err)
	}
	losses := lossesOf(found)
	if len(losses.Stock) > 0 {
		if err := losses.WriteTable(c.Stdout); err != nil {
			return fmt.Errorf("write what would be lost: %w", err)
		}
		if err := cmd.ask(c); err != nil {
			return err
		}
	}
	return cmd.approve(c, cfg, s, len(losses.Stock))
}

// held returns an error where there is nothing to approve.
func (cmd approveCmd) held(ctx context.Context, s *store.Store) error {
	if _, err := s.Shop(ctx, cmd.Shop); err != nil {
		return err
	}
	list, err := s.Status(ctx, cmd.Shop)
	if err != nil {
		return err
	}
	for _, st := range list {
		if st.Progress.Held == reconcile.HeldLosses {
			return nil
		}
		if v := status.Of(st); v.State != status.StateRunning {
			return fmt.Errorf("%s is %s, but not for its losses: %s", cmd.Shop, v.State, v.Reason)
		}
	}
	return fmt.Errorf("%s is not held: there is nothing to approve (`lagerd diff %s` shows what differs)", cmd.Shop, cmd.Shop)
}

// lossesOf leaves only what the shop would lose.
func lossesOf(found reconcile.Differences) status.Diff {
	d := status.DiffOf(found)
	d.Stock = slices.DeleteFunc(d.Stock, func(s status.StockDiff) bool { return !s.Loss })
	d.Invoices, d.InvoicesAtEconomic, d.InvoicesStored = nil, nil, nil
	return d
}

func (cmd approveCmd) ask(c *call) error {
	if cmd.Yes {
		return nil
	}
	if c.Stdin == nil || !term.IsTerminal(int(c.Stdin.Fd())) {
		return fmt.Errorf("not approved: there is no terminal to ask on; if this is right, say `lagerd approve %s --yes`", cmd.Shop)
	}
	fmt.Fprintf(c.Stderr, "Is it right that %s loses these? [y/N] ", cmd.Shop)
	answer, err := bufio.NewReader(c.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("not approved: nothing was changed")
	}
	return nil
}

// approve stores the approval and has the shop swept. Where nothing would be
// lost any more the sweep alone ends the hold.
func (cmd approveCmd) approve(c *call, cfg config.Config, s *store.Store, losses int) error {
	ctx, cancel := context.WithTimeout(c.ctx, cmd.Timeout)
	defer cancel()
	w := waiter{store: s}
	var err error
	if w.beats, err = beats(ctx, s); err != nil {
		return err
	}
	if losses > 0 {
		if err := s.Approve(ctx, cmd.Shop, losses+cfg.Reconcile.LossMin, now()); err != nil {
			return err
		}
	}
	order := store.Request{Request: uuid.NewString(), Shop: cmd.Shop, What: store.WantSweep, RequestedAt: store.At(now())}
	if err := s.AddRequests(ctx, []store.Request{order}); err != nil {
		return err
	}
	said := fmt.Sprintf("approved: %s may lose the stock of %d items", cmd.Shop, losses)
	if losses == 0 {
		said = fmt.Sprintf("asked anew, e-conomic takes nothing away from %s: nothing was approved, and the next listing that says so too ends the hold", cmd.Shop)
	}
	if !cmd.Wait {
		_, err := fmt.Fprintln(c.Stdout, said+"; a sweep is under way")
		return err
	}
	fmt.Fprintln(c.Stdout, said)
	var done []store.Request
	if err := w.until(ctx, func() (bool, error) {
		done, err = s.Requests(ctx, []string{order.Request})
		return len(done) == 1 && !done[0].DoneAt.IsZero(), err
	}); err != nil {
		return err
	}
	if done[0].Failure != "" {
		return fmt.Errorf("%s: the sweep failed: %s", cmd.Shop, done[0].Failure)
	}
	_, err = fmt.Fprintln(c.Stdout, "swept; each item is read once more before its stock goes")
	return err
}
