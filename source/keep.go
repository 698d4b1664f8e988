package source

import (
	"fmt"

	"github.com/shopspring/decimal"

	"lagerd/plan"
)

// Limits of what lagerd keeps exactly.
const (
	LongestNumber  = 64 // characters of an item number
	LongestName    = 300
	LongestCode    = 64  // characters of a bar code
	LongestWarning = 500 // characters of what is said of fields that cannot be understood

	MostDecimals = 4
	MostDigits   = 15 // before them
)

// Exact returns the decimal as it can be kept without loss, absent where d is nil. What
// a source's own computing with floats has left behind the last decimal is rounded.
func Exact(d *decimal.Decimal) (decimal.NullDecimal, error) {
	if d == nil {
		return decimal.NullDecimal{}, nil
	}
	if e := d.Exponent(); -MostDecimals <= e && e <= 0 && d.NumDigits() <= MostDigits {
		return decimal.NewNullDecimal(*d), nil // as nearly all are, and told without computing
	}
	rounded := d.Round(MostDecimals)
	if d.Sub(rounded).Abs().GreaterThan(noise) || rounded.Abs().GreaterThanOrEqual(decimal.New(1, MostDigits)) {
		return decimal.NullDecimal{}, fmt.Errorf("expected a number with at most %d decimals and %d digits before them, got %s", MostDecimals, MostDigits, plan.Clip(d.String(), 40))
	}
	return decimal.NewNullDecimal(rounded), nil
}

// noise is what a number may have behind its last decimal and still leave no doubt which
// number is meant: 6.9999999999999996 is 7. It is a hundred-thousandth of that decimal,
// and a float64 is finer up to some millions.
var noise = decimal.New(1, -9)
