package plan

import (
	"math/big"
	"testing"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

// TestSameDecimal: decimals that are told apart as integers are so as decimals.
func TestSameDecimal(t *testing.T) {
	t.Parallel()
	anyDecimal := rapid.Custom(func(t *rapid.T) decimal.Decimal {
		return decimal.NewFromBigInt(big.NewInt(rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1000, 1000)).Draw(t, "coefficient")), rapid.Int32Range(-6, 3).Draw(t, "exponent"))
	})
	rapid.Check(t, func(t *rapid.T) {
		a := anyDecimal.Draw(t, "a")
		b := rapid.OneOf(anyDecimal, rapid.Custom(func(t *rapid.T) decimal.Decimal {
			// The same, or nearly, written otherwise.
			more := rapid.Int32Range(0, 5).Draw(t, "more")
			coefficient := new(big.Int).Mul(a.Coefficient(), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(more)), nil))
			coefficient.Add(coefficient, big.NewInt(rapid.Int64Range(-1, 1).Draw(t, "off")))
			return decimal.NewFromBigInt(coefficient, a.Exponent()-more)
		})).Draw(t, "b")
		if got, want := sameDecimal(decimal.NewNullDecimal(a), decimal.NewNullDecimal(b)), a.Equal(b); got != want {
			t.Fatalf("%s (%d) and %s (%d) are the same: %t, expected %t", a, a.Exponent(), b, b.Exponent(), got, want)
		}
	})
	absent := decimal.NullDecimal{}
	zero := decimal.NewNullDecimal(decimal.Decimal{})
	if !sameDecimal(absent, absent) || sameDecimal(absent, zero) || sameDecimal(zero, absent) || !sameDecimal(zero, decimal.NewNullDecimal(decimal.New(0, -4))) {
		t.Error("an absent figure is the same as another, or not as itself")
	}
	// Too large for an integer of ten thousandths: only exactly they are told apart.
	large := decimal.RequireFromString("1844674407370955.1616") // times 10,000, 2^64
	if !sameDecimal(decimal.NewNullDecimal(large), decimal.NewNullDecimal(large)) || sameDecimal(decimal.NewNullDecimal(large), zero) {
		t.Error("a large figure is not the same as itself, or as nothing")
	}
}
