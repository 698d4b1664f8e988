package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/term"

	"lagerd/config"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
	"lagerd/terminal"
)

type approveCmd struct {
	Shop    string        `arg:"" help:"The shop."`
	Yes     bool          `help:"Do not prompt."`
	Wait    bool          `help:"Wait for the sweep, and fail if it fails."`
	Timeout time.Duration `help:"Longest time to wait." default:"5m"`
}

func (approveCmd) Help() string {
	return "For a shop held because a reconciliation would take away the stock of too many items, at once or together with those lost within reconcile.loss_window. Reads e-conomic again, shows what the shop would lose, and prompts. An approval is valid for a day and covers the number of losses shown, plus reconcile.loss_min for items that sell out meanwhile; earlier losses no longer count."
}

func (cmd approveCmd) Run(c *call) error {
	cfg, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	shop, err := acting(cfg, s, nil).HeldForLosses(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	losses, err := cmd.show(c)
	if err != nil {
		return err
	}
	if losses > 0 {
		if err := cmd.ask(c); err != nil {
			return err
		}
	}
	return cmd.approve(c, cfg, s, shop, losses)
}

// show reads e-conomic again, shows what the shop would lose, and returns the number of
// losses.
func (cmd approveCmd) show(c *call) (int, error) {
	ctx, stop := c.interruptible(c.ctx)
	defer stop()
	found, _, err := diffCmd{Shop: cmd.Shop}.read(ctx, c)
	if ctx.Err() != nil {
		return 0, fmt.Errorf("interrupted: nothing was approved for %s, and nothing was changed", cmd.Shop)
	}
	if err != nil {
		return 0, fmt.Errorf("read the losses of %s: %w", cmd.Shop, err)
	}
	tell(c.Stderr, found)
	losses := found.Losses()
	if losses == 0 {
		return 0, nil
	}
	if err := status.DiffOf(found).WriteLosses(c.Stdout, c.columns); err != nil {
		return 0, fmt.Errorf("write the losses of %s: %w", cmd.Shop, err)
	}
	return losses, nil
}

func (cmd approveCmd) ask(c *call) error {
	if cmd.Yes {
		return nil
	}
	return c.confirm(fmt.Sprintf("Is it right that %s loses these?", cmd.Shop), "not approved",
		fmt.Sprintf("if this is right, run `lagerd approve %s --yes`", cmd.Shop))
}

// confirm asks a person on the terminal and returns nil for yes. Any other answer is the error
// that says what was refused; without a terminal it also says what to run instead.
func (c *call) confirm(question, refused, instead string) error {
	if c.Stdin == nil || !term.IsTerminal(int(c.Stdin.Fd())) {
		return fmt.Errorf("%s: no terminal to ask on: %s", refused, instead)
	}
	fmt.Fprint(c.Stderr, question+" [y/N] ")
	answer, err := bufio.NewReader(c.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return fmt.Errorf("%s: nothing was changed", refused)
	}
	return nil
}

// approve stores the approval and requests a sweep. If nothing would be lost any more,
// it stores no approval: the sweep alone ends the hold.
func (cmd approveCmd) approve(c *call, cfg config.Config, s *store.Store, shop store.Shop, losses int) error {
	ctx, cancel := context.WithTimeout(c.ctx, cmd.Timeout)
	defer cancel()
	ctx, stop := c.interruptibleIf(ctx, cmd.Wait)
	defer stop()
	w := waiter{store: s, meter: c.meter()}
	var request string
	var err error
	if w.beats, err = beats(ctx, s); err == nil {
		request, err = acting(cfg, s, nil).Approve(ctx, shop, losses)
	}
	switch {
	case errors.Is(err, context.Canceled) && cmd.Wait:
		return fmt.Errorf("interrupted: perhaps nothing was approved for %s: run it again", cmd.Shop)
	case err != nil:
		return err
	}
	said, then := fmt.Sprintf("approved: %s may lose the stock of %d items (and of %d more that sell out meanwhile) within a day", cmd.Shop, losses, cfg.Reconcile.LossMin),
		"swept: each item is read once more before its stock goes"
	if losses == 0 {
		said = fmt.Sprintf("%s would no longer lose anything: nothing was approved, and the next listing that confirms it ends the hold", cmd.Shop)
		then = "swept: the hold has ended"
	}
	if !cmd.Wait {
		_, err := fmt.Fprintln(c.Stdout, said+"; requested a sweep")
		return errors.Join(err, c.warnIfNoneRuns(s, cfg))
	}
	fmt.Fprintln(c.Stdout, said)
	if err := cmd.wait(ctx, c.Stderr, &w, request); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.Stdout, then)
	return err
}

// wait waits for the sweep, and fails if it failed or if the shop is held after it: the
// shop would lose more than was approved.
func (cmd approveCmd) wait(ctx context.Context, stderr io.Writer, w *waiter, request string) error {
	done, err := w.requests(ctx, []string{request}, store.WantSweep)
	if err != nil {
		return err
	}
	failed := fmt.Errorf("%s: the sweep failed: %s", cmd.Shop, done[0].Failure)
	switch {
	case done[0].Failure == "":
		return nil
	case !strings.HasPrefix(done[0].Failure, "held: "):
		return failed
	}
	list, err := w.store.Status(ctx, cmd.Shop)
	if err != nil {
		return err
	}
	for _, st := range list {
		// A hold of another part does not make the sweep of the stock fail.
		if v := status.Of(st); !v.ReadsNo(plan.KindStock, true) {
			fmt.Fprintf(stderr, "Note: %s\n", terminal.Line(v.Reason))
			return nil
		}
	}
	return failed
}
