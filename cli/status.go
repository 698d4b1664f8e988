package cli

import (
	"fmt"
	"time"

	"lagerd/reconcile/plan"
	"lagerd/status"
)

type statusCmd struct {
	Shop string `arg:"" optional:"" help:"Only this shop."`
	JSON bool   `help:"As JSON."`
}

func (cmd statusCmd) Run(c *call) error {
	_, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	if cmd.Shop != "" {
		if _, err := s.Shop(c.ctx, cmd.Shop); err != nil {
			return err
		}
	}
	list, err := s.Status(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	shops := make([]status.Shop, len(list))
	for i, st := range list {
		shops[i] = status.Of(st)
	}
	if cmd.JSON {
		return status.WriteJSON(c.Stdout, shops)
	}
	if len(shops) == 0 {
		_, err := fmt.Fprintln(c.Stdout, "There is no shop yet: `lagerd shops add` adds one.")
		return err
	}
	return status.WriteTable(c.Stdout, shops, now())
}

type whyCmd struct {
	Shop    string        `arg:"" help:"The shop."`
	Number  string        `arg:"" help:"The item number, or the invoice number with --invoice."`
	Invoice bool          `help:"The number is an invoice's."`
	Since   time.Duration `help:"How far back to look." default:"720h"`
}

func (cmd whyCmd) Run(c *call) error {
	_, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	list, err := s.Status(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		_, err := s.Shop(c.ctx, cmd.Shop)
		return err
	}
	kind := plan.KindStock
	if cmd.Invoice {
		kind = plan.KindInvoice
	}
	numbers := []string{cmd.Number}
	w := status.Why{Shop: status.Of(list[0]), Kind: kind, Number: cmd.Number, Figure: list[0].Shop.StockFigure}
	if w.Items, err = s.Items(c.ctx, list[0].Progress.ItemsDataset, numbers); err != nil {
		return err
	}
	if w.Invoices, err = s.Invoices(c.ctx, list[0].Shop.Dataset, numbers); err != nil {
		return err
	}
	packed, err := s.Packed(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	w.Received = packed.Hints[kind][cmd.Number].FirstAt
	if w.Hints, err = s.Hints(c.ctx, cmd.Shop, kind, numbers); err != nil {
		return err
	}
	if w.Changes, err = s.Changes(c.ctx, cmd.Shop, kind, numbers, now().Add(-cmd.Since), 1000); err != nil {
		return err
	}
	return w.Write(c.Stdout, now())
}
