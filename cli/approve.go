package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/term"

	"lagerd/config"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
	"lagerd/terminal"
)

type approveCmd struct {
	Shop    string        `arg:"" help:"The shop."`
	Yes     bool          `help:"Do not ask."`
	Wait    bool          `help:"Wait until the shop has been swept, and fail if that failed."`
	Timeout time.Duration `help:"Longest time to wait." default:"5m"`
}

func (approveCmd) Help() string {
	return "For a shop that lagerd holds because a reconciliation would take away the stock of too many items, at once or together with those lost within reconcile.loss_window: reads e-conomic anew, shows what it would lose, and asks. An approval is good for a day, and for what was shown (and reconcile.loss_min more, for what sells out meanwhile); the losses before it count no more."
}

func (cmd approveCmd) Run(c *call) error {
	cfg, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	shop, err := cmd.held(c.ctx, s)
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

// held returns the shop as it is held, or an error where there is nothing to approve,
// with what to do instead.
func (cmd approveCmd) held(ctx context.Context, s *store.Store) (store.Shop, error) {
	st, err := diffCmd{Shop: cmd.Shop}.shop(ctx, s)
	if err != nil {
		return store.Shop{}, err
	}
	v := status.Of(st)
	switch {
	case v.State == status.StatePaused:
		return st.Shop, fmt.Errorf("%[1]s is paused (%[2]s): say `lagerd shops resume %[1]s` first; if it loses too much then, it is held, and you can approve that", cmd.Shop, v.Reason)
	case v.HeldFor(plan.ScopeStock, plan.HeldLosses):
		return st.Shop, nil
	case v.State == status.StateHeld:
		return st.Shop, fmt.Errorf("%[1]s is held, but not for its losses: %[2]s: `lagerd check --shop %[1]s` says what to do", cmd.Shop, v.Reason)
	}
	return st.Shop, fmt.Errorf("%[1]s is not held: there is nothing to approve (`lagerd diff %[1]s` shows what differs)", cmd.Shop)
}

// show reads anew what the shop would lose, shows it, and returns how many
// items that are.
func (cmd approveCmd) show(c *call) (int, error) {
	found, _, err := diffCmd{Shop: cmd.Shop}.read(c.ctx, c)
	if err != nil {
		return 0, fmt.Errorf("see what %s would lose: %w", cmd.Shop, err)
	}
	tell(c.Stderr, found)
	losses := found.Losses()
	if losses == 0 {
		return 0, nil
	}
	if err := status.DiffOf(found).WriteLosses(c.Stdout); err != nil {
		return 0, fmt.Errorf("write what %s would lose: %w", cmd.Shop, err)
	}
	return losses, nil
}

func (cmd approveCmd) ask(c *call) error {
	if cmd.Yes {
		return nil
	}
	if c.Stdin == nil || !term.IsTerminal(int(c.Stdin.Fd())) {
		return fmt.Errorf("not approved: there is no terminal to ask on: if this is right, say `lagerd approve %s --yes`", cmd.Shop)
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
func (cmd approveCmd) approve(c *call, cfg config.Config, s *store.Store, shop store.Shop, losses int) error {
	ctx, cancel := context.WithTimeout(c.ctx, cmd.Timeout)
	defer cancel()
	w := waiter{store: s}
	var err error
	if w.beats, err = beats(ctx, s); err != nil {
		return err
	}
	if losses > 0 {
		if err := s.Approve(ctx, shop, losses+cfg.Reconcile.LossMin, now()); err != nil {
			return err
		}
	}
	order := store.Request{Request: uuid.NewString(), Shop: cmd.Shop, What: store.WantSweep, RequestedAt: store.At(now())}
	if err := s.AddRequests(ctx, []store.Request{order}); err != nil {
		return err
	}
	said, then := fmt.Sprintf("approved: %s may lose the stock of %d items (and of %d more that sell out meanwhile) within a day", cmd.Shop, losses, cfg.Reconcile.LossMin),
		"swept: each item is read once more before its stock goes"
	if losses == 0 {
		said = fmt.Sprintf("asked anew, e-conomic takes nothing away from %s: nothing was approved, and the next listing that says so too ends the hold", cmd.Shop)
		then = "swept: the hold has ended"
	}
	if !cmd.Wait {
		_, err := fmt.Fprintln(c.Stdout, said+"; a sweep has been asked for")
		return errors.Join(err, c.noteIfNoneRuns(s, cfg))
	}
	fmt.Fprintln(c.Stdout, said)
	if err := cmd.wait(ctx, c.Stderr, &w, order.Request); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.Stdout, then)
	return err
}

// wait waits for the sweep, and fails if that failed or if the shop is held after
// it: it would lose more than was approved.
func (cmd approveCmd) wait(ctx context.Context, stderr io.Writer, w *waiter, request string) error {
	var done []store.Request
	err := w.until(ctx, func() (ok bool, err error) {
		done, err = w.store.Requests(ctx, []string{request})
		return len(done) == 1 && !done[0].DoneAt.IsZero(), err
	})
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
		// What is held beside the stock does not make the sweep of the stock fail.
		if v := status.Of(st); !stopped(v, plan.KindStock, true) {
			fmt.Fprintf(stderr, "Note: %s\n", terminal.Line(v.Reason))
			return nil
		}
	}
	return failed
}
