package status

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"lagerd/plan"
)

// lossesShown is how many losses are listed for a person: enough to see what they
// are, few enough not to push the summary line off the screen.
const lossesShown = 10

// WriteLosses writes what a shop would lose: how many items, what becomes of them, and
// the first few.
func (d Diff) WriteLosses(w io.Writer) error {
	losses := slices.DeleteFunc(slices.Clone(d.Stock), func(s StockDiff) bool { return !s.Loss })
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s would lose the stock of %s: %s\n", d.Shop, counted(len(losses), "item"), waysOf(losses))
	fmt.Fprintln(t, "ITEM\tNAME\tSTORED\tBECOMES")
	for _, s := range losses[:min(len(losses), lossesShown)] {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", cell(s.Number), orDash(plain(s.Name, 30)), dash(s.StockStored), s.becomes())
	}
	if more := len(losses) - lossesShown; more > 0 {
		fmt.Fprintf(t, "and %d more: `lagerd diff %s` shows them all\n", more, d.Shop)
	}
	return t.Flush()
}

// becomes describes an item's stock after the loss.
func (s StockDiff) becomes() string {
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
		way := s.becomes()
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
