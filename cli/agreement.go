package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/term"

	"lagerd/act"
	"lagerd/budget"
	"lagerd/config"
	"lagerd/economic"
	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/source"
	economicsource "lagerd/source/economic"
	"lagerd/store"
	"lagerd/terminal"
)

// found is what e-conomic reports for a grant token.
type found struct {
	self      economic.Self
	inventory string // "": the shop's stock is not read from e-conomic
	invoices  string // "": the shop's invoices are off
}

// askAgreement queries whose token it is, whether the agreement has stock figures, and how many
// invoices it has since the shop's start: three calls. An error says why the shop cannot
// work with the token, and what to do.
func askAgreement(ctx context.Context, a *act.Economic, cfg config.Config, shop store.Shop, grant string) (found, error) {
	unknown := a.Unknown()
	agreement := a.Client.Agreement(grant, unknown)
	var f found
	var err error
	if f.self, err = agreement.Self(ctx, budget.PriorityPerson); err != nil {
		return f, fmt.Errorf("%w: %s", err, whyRefused(err, cfg, shop))
	}
	agreement = a.Client.Agreement(grant, a.Learned(f.self.AgreementNumber, unknown))
	if shop.StockOn && shop.StockSource == store.SourceEconomic {
		assessment, err := reconcile.AssessPage(ctx, economicsource.Account{Client: a.Client, Agreement: agreement}.Stock(""))
		if err != nil {
			return f, fmt.Errorf("%w: %s (or leave stock out with --stock off)", err, act.WhatToDo(err, cfg, shop))
		}
		if f.inventory, _, err = assessed(assessment, "--stock-source rackbeat", "--stock off"); err != nil {
			return f, err
		}
	}
	if shop.InvoicesOn {
		query := source.InvoicesQuery{DateFrom: shop.InvoicesFrom}
		from := shop.InvoicesFrom
		if from == "" {
			query.HasAfter, query.After = true, shop.InvoicesFromNumber-1
			from = fmt.Sprintf("number %d", shop.InvoicesFromNumber)
		}
		page, err := economicsource.Account{Client: a.Client, Agreement: agreement, PageSize: 1}.Invoices("").List(ctx, source.PriorityPerson, query, "")
		if err != nil {
			return f, fmt.Errorf("%w: %s (or leave invoices out with --invoices off)", err, act.WhatToDo(err, cfg, shop))
		}
		f.invoices = fmt.Sprintf("counted from %s on: %d at e-conomic so far", from, page.Announced)
	}
	return f, nil
}

// whyRefused returns what to do about an error that e-conomic answers to a new token.
func whyRefused(err error, cfg config.Config, shop store.Shop) string {
	if economic.KindOf(err) == economic.KindUnauthorized {
		return "check that this is the complete grant token, and for this app, and that the app's own token (economic.app_secret_token_file) is right; otherwise " + act.GrantAgain(cfg, shop)
	}
	return act.WhatToDo(err, cfg, shop)
}

// assessed describes what an agreement's first page of items shows, and reports whether that
// makes it doubtful that the stock is kept there. It returns an error if no stock can be read
// there, naming the flags to use instead.
func assessed(a plan.Assessment, rackbeat, off string) (said string, doubtful bool, err error) {
	switch a.Verdict() {
	case plan.VerdictOK:
	case plan.VerdictEmpty:
		return "the agreement has no items yet", false, nil
	case plan.VerdictNoInventory:
		return "", true, fmt.Errorf("none of the first %d items carries a stock figure: the agreement has no inventory module, or its stock is kept elsewhere: use `%s` for Rackbeat, otherwise `%s`; invoices work either way", a.Items, rackbeat, off)
	case plan.VerdictAllZero:
		return fmt.Sprintf("every stock figure on the first page is zero: check that the stock is kept at e-conomic; if it is kept in Rackbeat: `%s`", rackbeat), true, nil
	}
	return fmt.Sprintf("%d of the first %d items carry a stock figure", a.WithFigures, a.Items), false, nil
}

// show writes what e-conomic reported.
func (f found) show(w io.Writer) {
	fmt.Fprintf(w, "e-conomic says: agreement %d, %s\n", f.self.AgreementNumber, companyName(f.self))
	if f.inventory != "" {
		fmt.Fprintf(w, "  inventory: %s\n", f.inventory)
	}
	if f.invoices != "" {
		fmt.Fprintf(w, "  invoices:  %s\n", f.invoices)
	}
}

func companyName(self economic.Self) string {
	if self.CompanyName == "" {
		return "a company without a name"
	}
	return terminal.Escape(self.CompanyName)
}

// alsoOf returns a note that other shops have the agreement too, or "" if none does.
func alsoOf(ctx context.Context, s *store.Store, shop string, agreement int64) (string, error) {
	names, err := s.ShopsOf(ctx, agreement)
	if err != nil {
		return "", err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == shop })
	if len(names) == 0 {
		return "", nil
	}
	const shown = 5
	list := strings.Join(names[:min(shown, len(names))], ", ")
	if more := len(names) - shown; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("agreement %d is also used by %s: if that is intended, note that they share its calls of the day", agreement, list), nil
}

// consent are the flags with which a script accepts another agreement.
type consent struct {
	Yes       bool  `help:"Do not ask for confirmation. With --accept-agreement it requires --agreement."`
	Agreement int64 `help:"With --accept-agreement: the only agreement number to accept." placeholder:"NUMBER" rare:""`
}

// check returns an error if there is nothing to consent to: neither another agreement nor other
// items or stock.
func (y consent) check(accept, items bool) error {
	switch {
	case !accept && y.Agreement != 0:
		return errors.New("--agreement requires --accept-agreement")
	case !accept && !items && y.Yes:
		return errors.New("--yes is for a change that is asked about: --stock-source, --figure, --places, --rackbeat-key-file or --accept-agreement")
	case accept && y.Yes && y.Agreement == 0:
		return errors.New("with --accept-agreement, --yes requires --agreement NUMBER")
	}
	return nil
}

// ask returns nil if a person, or a script that names it, accepts the agreement, which
// has been shown before.
func (y consent) ask(c *call, shop string, was int64, self economic.Self) error {
	if y.Agreement != 0 && y.Agreement != self.AgreementNumber {
		return fmt.Errorf("not accepted: the token answers for agreement %d, %s, not for --agreement %d", self.AgreementNumber, companyName(self), y.Agreement)
	}
	if y.Yes {
		return nil
	}
	if c.Stdin == nil || !term.IsTerminal(int(c.Stdin.Fd())) {
		return fmt.Errorf("not accepted: no terminal to ask on: if agreement %[1]d, %[2]s, is right, run `lagerd shops set %[3]s --accept-agreement --yes --agreement %[1]d`", self.AgreementNumber, companyName(self), shop)
	}
	fmt.Fprintf(c.Stderr, "%s has agreement %d. Switch it to the stock and invoices of agreement %d, %s? [y/N] ", shop, was, self.AgreementNumber, companyName(self))
	answer, err := bufio.NewReader(c.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("not accepted: nothing was changed")
	}
	return nil
}
