package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"lagerd/export"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
	"lagerd/terminal"
)

type invoiceCmd struct {
	Shop   string `arg:"" help:"The shop."`
	Number int64  `arg:"" help:"The invoice number."`
	PDF    string `help:"Also write its PDF to this file, whole or not at all; '-' writes nothing but the PDF, to standard output." placeholder:"FILE"`
	JSON   bool   `help:"As JSON, with the keys of the view shop_invoices." name:"json"`
}

// Validate implements kong.Validatable.
func (cmd invoiceCmd) Validate() error {
	switch {
	case cmd.Number < 1:
		return fmt.Errorf("invoice number %d: expected a whole number from 1", cmd.Number)
	case cmd.PDF == standardOutput && cmd.JSON:
		return errors.New("--json and --pdf - both write to standard output: expected one of them, or a file for the PDF")
	}
	return nil
}

func (cmd invoiceCmd) Run(c *call) error {
	_, s, err := c.openToRead()
	if err != nil {
		return err
	}
	defer s.Close()
	shop, err := s.Shop(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	list, err := s.Invoices(c.ctx, shop.Dataset, []string{strconv.FormatInt(cmd.Number, 10)})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("invoice %[2]d of %[1]s is not stored: `lagerd why %[1]s %[2]d --invoice` says why, and `lagerd reconcile --shop %[1]s --invoice %[2]d --wait` looks for it at e-conomic now", cmd.Shop, cmd.Number)
	}
	invoice := list[0]
	if cmd.PDF != standardOutput {
		if err := cmd.show(c, invoice); err != nil {
			return err
		}
	}
	if cmd.PDF == "" {
		return nil
	}
	if invoice.PDFState != store.PDFStored {
		progress, err := s.Progress(c.ctx, cmd.Shop)
		if err != nil {
			return err
		}
		return noPDF(shop, progress.Holds, invoice)
	}
	return cmd.write(c, s, invoice)
}

func (cmd invoiceCmd) show(c *call, i store.Invoice) error {
	if !cmd.JSON {
		return status.WriteInvoice(c.Stdout, cmd.Shop, i, c.columns)
	}
	return export.WriteOne(c.Stdout, export.Invoices(cmd.Shop), i)
}

// write writes the PDF, if it still is what was stored.
func (cmd invoiceCmd) write(c *call, s *store.Store, i store.Invoice) (err error) {
	if cmd.PDF == standardOutput && c.onTerminal() {
		return errors.New("--pdf -: a PDF is not for a terminal: expected a file name, or output to a file or a program")
	}
	pdf, err := s.PDF(c.ctx, i.Dataset, i.Number)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(pdf); hex.EncodeToString(sum[:]) != i.PDFSHA256 {
		return fmt.Errorf("the PDF of invoice %d of %s is damaged: its SHA-256 is %x, and %s was stored: restore the database's backup", i.Number, cmd.Shop, sum, i.PDFSHA256)
	}
	out, err := c.output(cmd.PDF)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.discard()) }()
	if _, err = out.Write(pdf); err == nil {
		err = out.keep()
	}
	if err != nil {
		return fmt.Errorf("write the PDF of invoice %d of %s: %w", i.Number, cmd.Shop, err)
	}
	if out.named() && !cmd.JSON {
		_, err = fmt.Fprintf(c.Stdout, "The PDF is written to %s.\n", terminal.Escape(cmd.PDF))
	}
	return err
}

// noPDF says why an invoice has no PDF yet, and what to do.
func noPDF(shop store.Shop, holds plan.Holds, i store.Invoice) error {
	why := fmt.Sprintf("invoice %d of %s has no PDF yet: pending since %s UTC, ", i.Number, shop.Shop, i.FoundAt.Format(timeShown))
	switch i.WorkTries {
	case 0:
		why += "not tried yet"
	case 1:
		why += "tried once"
	default:
		why += fmt.Sprintf("tried %d times", i.WorkTries)
	}
	if i.WorkError != "" {
		why += ", last: " + terminal.Line(i.WorkError)
	}
	hold, held := holds.Of(plan.ScopePDFs)
	if !held {
		hold, held = holds.Of(plan.ScopeShop)
	}
	switch {
	case shop.Paused():
		return fmt.Errorf("%s: the shop is paused (%s): `lagerd shops resume %s`", why, shop.PauseReason, shop.Shop)
	case !shop.InvoicesOn:
		return fmt.Errorf("%s: its invoices are switched off: `lagerd shops set %s --invoices on`", why, shop.Shop)
	case held:
		return fmt.Errorf("%s: it is held (%s %s): `lagerd check --shop %s` says what to do", why, hold.Scope, hold.Reason, shop.Shop)
	case i.Failing():
		why += fmt.Sprintf("; the next try is at %s UTC", i.WorkDueAt.Format(timeShown))
	}
	return fmt.Errorf("%s: lagerd keeps trying; to try now, run `lagerd reconcile --shop %s --invoice %d --wait`", why, shop.Shop, i.Number)
}

// timeShown is how times are shown to people.
const timeShown = "2006-01-02 15:04:05"
