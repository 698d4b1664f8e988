package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// Difference is an item that differs between e-conomic and the database: what a reconciliation
// would change.
type Difference struct {
	Number     string
	Name       string
	What       What
	Stored     Side
	Economic   Side
	EconomicAt time.Time // when e-conomic says it changed; zero if it does not say
	Loss       bool      // it would take away stock that the shop sells by, as the guard counts it
}

// Side is one side's values for an item. An item that the side does not have has neither a
// state nor a stock; one that e-conomic no longer has is gone.
type Side struct {
	State   State
	Stock   decimal.NullDecimal
	Figures Figures
	Places  []PlaceStock // as in Row
}

// Diff compares observations with stored rows by the same decision as a reconciliation, without
// regard to hints, versions or the guard. It returns the differences sorted by number.
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
			Stored:     Side{row.State, row.Stock, row.Figures, row.Places},
			Economic:   Side{next.State, next.Stock, next.Figures, next.Places},
			EconomicAt: obs.Item.UpdatedAt,
			Loss:       stored && next.loses(row),
		})
	}
	slices.SortFunc(all, func(a, b Difference) int { return strings.Compare(a.Number, b.Number) })
	return all
}
