package source

import (
	"fmt"

	"github.com/shopspring/decimal"

	"lagerd/plan"
)

// Limits on what lagerd can store exactly.
const (
	LongestNumber  = 64 // characters of an item number
	LongestName    = 300
	LongestCode    = 64  // characters of a bar code
	LongestWarning = 500 // characters of a warning about unreadable fields

	MostDecimals = 4
	MostDigits   = 15 // before the decimal point
)

// Exact returns d as a decimal that can be stored exactly, invalid if d is nil. It rounds
// away the noise that a source's floating-point arithmetic leaves beyond MostDecimals.
func Exact(d *decimal.Decimal) (decimal.NullDecimal, error) {
	if d == nil {
		return decimal.NullDecimal{}, nil
	}
	if e := d.Exponent(); -MostDecimals <= e && e <= 0 && d.NumDigits() <= MostDigits {
		return decimal.NewNullDecimal(*d), nil // the usual case, without arithmetic
	}
	rounded := d.Round(MostDecimals)
	if d.Sub(rounded).Abs().GreaterThan(noise) || rounded.Abs().GreaterThanOrEqual(decimal.New(1, MostDigits)) {
		return decimal.NullDecimal{}, fmt.Errorf("expected a number with at most %d decimals and %d digits before them, got %s", MostDecimals, MostDigits, plan.Clip(d.String(), 40))
	}
	return decimal.NewNullDecimal(rounded), nil
}

// noise is how far a number may be from its rounded value and still clearly mean it:
// 6.9999999999999996 is 7. It is a hundred-thousandth of the last decimal; float64 is
// finer than that up to some millions.
var noise = decimal.New(1, -9)
