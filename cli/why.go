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
	"lagerd/engine"
	"lagerd/plan"
	"lagerd/reconcile"
	economicsource "lagerd/source/economic"
	"lagerd/status/story"
	"lagerd/store"
	"lagerd/terminal"
)

type whyCmd struct {
	Shop    string        `arg:"" help:"The shop."`
	Number  string        `arg:"" help:"The item number, or the invoice number with --invoice."`
	Invoice bool          `help:"The number is an invoice's."`
	Since   time.Duration `help:"How far back to look." default:"720h"`
	Lang    string        `help:"Language of the text: en or da." enum:"en,da" default:"en"`
	JSON    bool          `help:"As JSON."`
	Offline bool          `help:"Do not ask e-conomic or Rackbeat what it says now."`
}

func (whyCmd) Help() string {
	return "Tells what is stored, what e-conomic (or Rackbeat) says now, whether they agree, what happens next, and everything that happened to the number: webhook calls, changes with their cause and delay, and what people did. Asking takes one call (two for a shop that chose places); Ctrl-C while it waits leaves the answer out. Writes only the count of the day's calls."
}

// answersWithin is how long why waits for the source.
const answersWithin = 20 * time.Second

func (cmd whyCmd) Run(c *call) error {
	cfg, s, err := c.openToRead()
	if err != nil {
		return err
	}
	defer s.Close()
	about, err := cmd.subject(c.ctx, s, cfg)
	if err != nil {
		return err
	}
	answer := cmd.ask(c, cfg, s, about)
	about.Now = now()
	facts, err := story.Read(c.ctx, s, about, answer, engine.PaceOf(cfg))
	if err != nil {
		return err
	}
	told := story.Tell(facts)
	if cmd.JSON {
		return told.WriteJSON(c.Stdout)
	}
	language, _ := story.LanguageOf(cmd.Lang) // kong has checked it
	return told.Text(language).Write(c.Stdout)
}

// subject returns whose life is told.
func (cmd whyCmd) subject(ctx context.Context, s *store.Store, cfg config.Config) (story.Subject, error) {
	about := story.Subject{Kind: plan.KindStock, Number: cmd.Number, Since: now().Add(-cmd.Since), KeptCalls: cfg.Webhook.LogPerShop}
	if cmd.Invoice {
		n, err := strconv.ParseInt(strings.TrimSpace(cmd.Number), 10, 64)
		if err != nil || n < 1 {
			return about, fmt.Errorf("invoice number %q: expected a whole number from 1", cmd.Number)
		}
		about.Kind, about.Number = plan.KindInvoice, strconv.FormatInt(n, 10)
	}
	l, err := look(ctx, s, cfg, cmd.Shop)
	if err != nil {
		return about, err
	}
	if about.Shop, err = named(ctx, s, l, cmd.Shop); err != nil {
		return about, err
	}
	at := slices.IndexFunc(l.Shops, func(st store.ShopStatus) bool { return st.Shop.Shop == cmd.Shop })
	about.Status, about.Living = l.Shops[at], len(l.Living)
	return about, nil
}

// ask asks the number's source, unless the answer would be no answer. What keeps it from being
// asked is part of the answer.
func (cmd whyCmd) ask(c *call, cfg config.Config, s *store.Store, about story.Subject) story.Answer {
	a := story.Ask(about.Kind, about.Status.Shop, now())
	if why := cmd.unasked(about); why != "" {
		return a.Unasked(why)
	}
	ctx, stop := c.interruptible(c.ctx)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	asked, book, err := cmd.source(ctx, cfg, s, about.Status)
	if err != nil {
		return a.Unasked(terminal.Line(err.Error()))
	}
	defer func() {
		if err := book(); err != nil {
			fmt.Fprintf(c.Stderr, "Note: the call was not added to the day's count: %s\n", terminal.Line(err.Error()))
		}
	}()
	if about.Kind == plan.KindStock {
		obs, err := asked.AskItem(ctx, about.Number)
		return a.Item(obs, answerError(ctx, err, cfg, about.Status.Shop))
	}
	number, err := strconv.ParseInt(about.Number, 10, 64)
	if err != nil {
		return a.Unasked(err.Error())
	}
	inv, order, err := asked.AskInvoice(ctx, number)
	return a.Invoice(inv, order, answerError(ctx, err, cfg, about.Status.Shop))
}

// answerError explains why there is no answer.
func answerError(ctx context.Context, err error, cfg config.Config, shop store.Shop) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("no answer within %s", plan.ShortDuration(answersWithin))
	case ctx.Err() != nil:
		return errors.New("interrupted")
	}
	return act.Advised(err, cfg, shop)
}

// unasked returns why the source is not asked; "" if it is.
func (cmd whyCmd) unasked(about story.Subject) string {
	shop := about.Status.Shop
	switch {
	case cmd.Offline:
		return "--offline"
	case about.Kind == plan.KindStock && !shop.StockOn:
		return "stock is off for the shop"
	case about.Kind == plan.KindStock && !shop.ReadsStock():
		return "the shop's key for Rackbeat is not stored"
	case about.Kind == plan.KindInvoice && !shop.InvoicesOn:
		return "invoices are off for the shop"
	}
	for _, h := range about.Shop.Holds {
		if h.Reason == plan.HeldAgreementChanged || h.Reason == plan.HeldAccountChanged {
			return "the token belongs to another account than what is stored"
		}
	}
	return ""
}

// source returns what asks the number's source within the budget of the shop's account. book
// books the calls.
func (cmd whyCmd) source(ctx context.Context, cfg config.Config, s *store.Store, st store.ShopStatus) (asked reconcile.Diff, book func() error, err error) {
	d := reconcile.Diff{Store: s, Shop: st.Shop, Progress: st.Progress}
	if !cmd.Invoice && st.Shop.ReadsRackbeat() {
		at, err := openRackbeat(cfg, s, st.Shop, st.Progress)
		if err != nil {
			return d, nil, err
		}
		d.Stock = at.Account
		return d, func() error { return at.Close(ctx) }, nil
	}
	keys, err := loadKey(cfg, "token")
	if err != nil {
		return d, nil, err
	}
	client, agreement, err := acting(cfg, s, keys).Agreement(st)
	if err != nil {
		return d, nil, err
	}
	d.Account = economicsource.Account{Client: client.Client, Agreement: agreement}
	return d, func() error { return client.AddAllCalls(ctx, cmd.Shop) }, nil
}
