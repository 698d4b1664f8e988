package e2e_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shopspring/decimal"
)

// traded is a change of an item's stock at its source. No other one of the item has the same stock.
type traded struct {
	shop, number string
	stock        int64
	hinted       bool // its webhook is sent
	at           time.Time
}

// agesOf returns how long after each trade its figure was committed, as the history tells, and the
// trades that are not in it. since is a time before all of them.
func agesOf(t *testing.T, db *sql.DB, trades []traded, since time.Time) (ages map[traded]time.Duration, missing []traded) {
	t.Helper()
	type figure struct{ shop, number, stock string }
	committed := map[figure]time.Time{}
	rows, err := db.Query("SELECT shop, number, new_stock, committed_at FROM changes WHERE kind = 'stock' AND new_stock IS NOT NULL AND committed_at >= ?", since.UTC().Format("2006-01-02 15:04:05.000000"))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var f figure
		var stock decimal.Decimal
		var at sql.NullTime
		if err := rows.Scan(&f.shop, &f.number, &stock, &at); err != nil {
			t.Fatal(err)
		}
		f.stock = stock.String()
		committed[f] = at.Time
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	ages = map[traded]time.Duration{}
	for _, made := range trades {
		if at, ok := committed[figure{made.shop, made.number, fmt.Sprint(made.stock)}]; ok {
			ages[made] = at.Sub(made.at)
		} else {
			missing = append(missing, made)
		}
	}
	return ages, missing
}

// awaitAges is agesOf once no trade is missing.
func awaitAges(t *testing.T, db *sql.DB, trades []traded, since time.Time, within time.Duration) map[traded]time.Duration {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(5 * time.Second) { // rarely, so as not to slow down what is measured
		ages, missing := agesOf(t, db, trades, since)
		if len(missing) == 0 {
			return ages
		}
		if time.Now().After(deadline) {
			t.Fatalf("within %s: %d of %d trades are not stored, such as %+v", within, len(missing), len(trades), missing[0])
		}
	}
}

// tails says how long something took.
func tails(list []time.Duration) string {
	round := func(q float64) time.Duration { return quantileOf(list, q).Round(time.Millisecond) }
	return fmt.Sprintf("%d figures: median %s, p95 %s, p99 %s, max %s", len(list), round(0.5), round(0.95), round(0.99), round(1))
}

// randomly returns a random time with this mean: between moments that come at that rate.
func randomly(mean time.Duration) time.Duration {
	return time.Duration(rand.ExpFloat64() * float64(mean))
}
