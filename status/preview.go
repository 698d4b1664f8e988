package status

import (
	"fmt"
	"io"

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
// about it, in lines of so many columns. from names where the stock would be read, and with what
// would be different: "the stock from there".
func WritePreview(w io.Writer, p reconcile.Preview, from, with string, columns int) error {
	write := func(text string) error { return terminal.WriteWrapped(w, "", text, columns) }
	if err := write(fmt.Sprintf("%s shows %s; %s lists %d. With %s:", p.Shop, counted(p.Stored, "item"), from, p.Listed, with)); err != nil {
		return err
	}
	if err := terminal.WriteFields(w, previewCounts(p), columns); err != nil {
		return err
	}
	if err := writePreviewed(w, p.Items, columns); err != nil {
		return err
	}
	for _, u := range p.Unreadable[:min(len(p.Unreadable), unreadShown)] {
		if err := write(fmt.Sprintf("Not understood: item %q: %s", u.Number, u.Reason)); err != nil {
			return err
		}
	}
	if more := len(p.Unreadable) - unreadShown; more > 0 {
		if err := write(fmt.Sprintf("and %d more that are not understood", more)); err != nil {
			return err
		}
	}
	return write(guardText(p))
}

// writePreviewed writes the first items that would change.
func writePreviewed(w io.Writer, items []plan.Difference, columns int) error {
	if len(items) == 0 {
		return nil
	}
	t := terminal.NewTable(terminal.Column{Name: "ITEM"}, terminal.Column{Name: "NAME"}, terminal.Column{Name: "NOW"}, terminal.Column{Name: "THEN"})
	for _, d := range items[:min(len(items), previewShown)] {
		t.Row(cell(d.Number), orDash(plain(d.Name, 30)), side(d.Stored), then(d))
	}
	if err := t.Write(w, columns); err != nil {
		return err
	}
	if more := len(items) - previewShown; more > 0 {
		return terminal.WriteWrapped(w, "", fmt.Sprintf("and %d more", more), columns)
	}
	return nil
}

// previewCounts returns the counts that are worth a line.
func previewCounts(p reconcile.Preview) []terminal.Field {
	unread := "not understood there, stays as it is"
	if p.Over {
		unread = "not understood there, without a figure"
	}
	const indent = "  "
	counts := []terminal.Field{{Name: indent + "the same", Value: counted(p.Same, "item")}}
	for _, c := range []struct {
		what string
		n    int
	}{
		{"changed", p.Other}, {"without a figure there", p.NoFigure}, {"not there", p.Gone}, {unread, p.Unread}, {"new", p.New},
	} {
		if c.n > 0 {
			counts = append(counts, terminal.Field{Name: indent + c.what, Value: counted(c.n, "item")})
		}
	}
	return counts
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
