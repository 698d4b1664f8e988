package status

import (
	"fmt"
	"io"
	"text/tabwriter"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/terminal"
)

const (
	// previewShown is how many items of a preview are listed: enough to recognize a wrong account
	// or figure by, few enough that the counts above them stay on the screen.
	previewShown = 20
	// unreadShown is how many items that cannot be understood are listed.
	unreadShown = 5
)

// WritePreview writes what would change for a shop's software, and what the loss guard will do
// about it. from names where the stock would be read, and with what would be different: "the stock
// from there".
func WritePreview(w io.Writer, p reconcile.Preview, from, with string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s shows %s; %s lists %d. With %s:\n", p.Shop, counted(p.Stored, "item"), from, p.Listed, with)
	for _, line := range previewCounts(p) {
		fmt.Fprintf(t, "  %s\t%s\n", line.what, counted(line.n, "item"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(p.Items) > 0 {
		fmt.Fprintln(t, "ITEM\tNAME\tNOW\tTHEN")
	}
	for _, d := range p.Items[:min(len(p.Items), previewShown)] {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", cell(d.Number), orDash(plain(d.Name, 30)), side(d.Stored), then(d))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if more := len(p.Items) - previewShown; more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
	for _, u := range p.Unreadable[:min(len(p.Unreadable), unreadShown)] {
		fmt.Fprintf(w, "Not understood: item %q: %s\n", u.Number, terminal.Line(u.Reason))
	}
	if more := len(p.Unreadable) - unreadShown; more > 0 {
		fmt.Fprintf(w, "and %d more that are not understood\n", more)
	}
	_, err := fmt.Fprintln(w, guardText(p))
	return err
}

type previewCount struct {
	what string
	n    int
}

// previewCounts returns the counts that are worth a line.
func previewCounts(p reconcile.Preview) []previewCount {
	unread := "not understood there, stays as it is:"
	if p.Over {
		unread = "not understood there, without a figure:"
	}
	lines := []previewCount{{"the same:", p.Same}}
	for _, line := range []previewCount{
		{"changed:", p.Other}, {"without a figure there:", p.NoFigure}, {"not there:", p.Gone}, {unread, p.Unread}, {"new:", p.New},
	} {
		if line.n > 0 {
			lines = append(lines, line)
		}
	}
	return lines
}

// side formats one side of an item that changes.
func side(s plan.Side) string {
	if s.State == plan.StateBarred {
		return dash(s.Stock) + ", barred"
	}
	return dash(s.Stock)
}

func then(d plan.Difference) string {
	switch d.Fate() {
	case plan.FateGone:
		return "not there"
	case plan.FateNoFigure:
		return "no figure"
	case plan.FateSame, plan.FateOther, plan.FateNew:
	}
	return side(d.Economic)
}

// guardText says what will become of a preview's losses.
func guardText(p reconcile.Preview) string {
	if p.Stock == plan.VerdictNoInventory {
		return fmt.Sprintf("No item there carries a figure: stock will be held (no_inventory), and the shop's software goes on with what it has. Is the stock really kept at %s?", p.Source)
	}
	text := lossesText(p)
	if !p.Guard.Stored() {
		text += fmt.Sprintf(" It will be held back (losses): the shop's software goes on with what it has until you run `lagerd approve %s`.", p.Shop)
	}
	if p.Stock == plan.VerdictAllZero {
		text += fmt.Sprintf(" Every figure there is zero: is the stock really kept at %s?", p.Source)
	}
	return text
}

func lossesText(p reconcile.Preview) string {
	of, limit := counted(p.Guard.Items, "item"), fmt.Sprintf("up to %d may at once (reconcile.loss_percent, loss_min)", p.Limit)
	switch p.Guard.Reason {
	case plan.LossesAtOnce, plan.LossesOfAgreement, plan.LossesEmpty:
		if p.Stock == plan.VerdictEmpty || p.Guard.Reason == plan.LossesEmpty {
			return fmt.Sprintf("%d of %s would lose their stock: there is no item at all.", p.Guard.Losses, of)
		}
		return fmt.Sprintf("%d of %s would lose their stock; %s.", p.Guard.Losses, of, limit)
	case plan.LossesWithin:
		return fmt.Sprintf("%d more of %s would lose their stock, after %d within %s; together these are too many (reconcile.loss_window_percent, loss_window_min).",
			p.Guard.Losses, of, p.Guard.Taken, plan.ShortDuration(p.Guard.Within))
	case plan.LossesFew:
	}
	if p.Guard.Losses == 0 {
		return "No item would lose its stock."
	}
	return fmt.Sprintf("%d of %s would lose their stock, which is not held back: %s.", p.Guard.Losses, of, limit)
}
