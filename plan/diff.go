package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// Difference is one item that e-conomic and the database do not say the same
// of: what a reconciliation would change.
type Difference struct {
	Number     string
	Name       string
	What       What
	Stored     Side
	Economic   Side
	EconomicAt time.Time // when e-conomic says it changed; zero if it does not say
	Loss       bool      // it would take away what the shop sells by, as the guard counts it
}

// Side is what one of the two says of an item. An item that it does not have
// has neither a state nor a stock; one that e-conomic has no more is gone.
type Side struct {
	State   State
	Stock   decimal.NullDecimal
	Figures Figures
}

// Diff compares what was read with what is stored, by the same decision as a
// reconciliation, and writes nothing down: no hint, version or guard plays a
// part. The differences come in the order of their numbers.
func Diff(observations []Observation, rows map[string]Row, figure Figure) []Difference {
	var all []Difference
	for _, obs := range observations {
		row, stored := rows[obs.Item.Number]
		next, change := decide(obs, row, stored, figure)
		if change == nil {
			continue
		}
		all = append(all, Difference{
			Number: next.Number, Name: next.Name, What: change.What,
			Stored:     Side{row.State, row.Stock, row.Figures},
			Economic:   Side{next.State, next.Stock, next.Figures},
			EconomicAt: obs.Item.UpdatedAt,
			Loss:       stored && next.loses(row),
		})
	}
	slices.SortFunc(all, func(a, b Difference) int { return strings.Compare(a.Number, b.Number) })
	return all
}
