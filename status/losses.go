package status

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"lagerd/plan"
	"lagerd/terminal"
)

// lossesShown is how many losses are listed for a person: enough to see what they
// are, few enough not to push the summary line off the screen.
const lossesShown = 10

// WriteLosses writes what a shop would lose: how many items, what becomes of them, and
// the first few. No line has more than so many columns.
func (d Diff) WriteLosses(w io.Writer, columns int) error {
	losses := slices.DeleteFunc(slices.Clone(d.Stock), func(s StockDiff) bool { return !s.Loss })
	if err := terminal.WriteWrapped(w, "", fmt.Sprintf("%s would lose the stock of %s: %s", d.Shop, counted(len(losses), "item"), waysOf(losses)), columns); err != nil {
		return err
	}
	t := terminal.NewTable(terminal.Column{Name: "ITEM"}, terminal.Column{Name: "NAME"}, terminal.Column{Name: "STORED", Right: true}, terminal.Column{Name: "BECOMES"})
	for _, s := range losses[:min(len(losses), lossesShown)] {
		t.Row(cell(s.Number), orDash(plain(s.Name, 30)), dash(s.StockStored), s.Becomes())
	}
	if err := t.Write(w, columns); err != nil {
		return err
	}
	if more := len(losses) - lossesShown; more > 0 {
		return terminal.WriteWrapped(w, "", fmt.Sprintf("and %d more: `lagerd diff %s` shows them all", more, d.Shop), columns)
	}
	return nil
}

// Becomes describes an item's stock after the loss.
func (s StockDiff) Becomes() string {
	switch {
	case s.What == plan.WhatGone:
		return "gone"
	case !s.StockAtEconomic.Valid:
		return "no figure"
	}
	return "zero"
}

// waysOf counts losses by what becomes of the stock, most frequent first.
func waysOf(losses []StockDiff) string {
	count := map[string]int{}
	var ways []string
	for _, s := range losses {
		way := s.Becomes()
		if count[way] == 0 {
			ways = append(ways, way)
		}
		count[way]++
	}
	slices.SortStableFunc(ways, func(a, b string) int { return count[b] - count[a] })
	for n, way := range ways {
		ways[n] = fmt.Sprintf("%d %s", count[way], way)
	}
	return strings.Join(ways, ", ")
}
