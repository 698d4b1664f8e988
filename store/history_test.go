package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/store"
)

// TestNewestChanges: of too many changes the latest are read, oldest first.
func TestNewestChanges(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		for n := range 5 {
			var a store.Applied
			for _, stock := range []string{fmt.Sprint(2 * n), fmt.Sprint(2*n + 1)} {
				a.Changes = append(a.Changes, plan.Change{Kind: plan.KindStock, Number: "a", What: plan.WhatStock, NewStock: nullable(stock), ObservedAt: noon})
			}
			must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: int64(n) + 1}, a, noon.Add(time.Duration(n/2)*time.Minute)))
		}
		changes, err := s.Changes(t.Context(), "shop1", plan.KindStock, []string{"a"}, noon, 4)
		must(t, err)
		var got []string
		for _, c := range changes {
			got = append(got, decimal.RequireFromString(*c.NewStock).String())
		}
		if want := "6 7 8 9"; strings.Join(got, " ") != want {
			t.Errorf("got %v, expected %s", got, want)
		}
	})
}
