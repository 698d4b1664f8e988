package source_test

import (
	"testing"

	"github.com/shopspring/decimal"

	"lagerd/source"
)

func number(text string) *decimal.Decimal {
	d := decimal.RequireFromString(text)
	return &d
}

// TestFloatNoise: floating-point noise beyond the last decimal is rounded away, and
// nothing that could be intended.
func TestFloatNoise(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"5": "5", "5.00": "5", "-0.25": "-0.25", "1.2345": "1.2345", "1e3": "1000", "5.00000000000000000000": "5",
		"6.9999999999999996": "7", "7.000000000000001": "7", "-6.9999999999999996": "-7", "0.30000000000000004": "0.3", "80.7300000000001": "80.73",
		"1.2345000000000002": "1.2345", "1e-15": "0", "-5.551115123125783e-17": "0", "5e-324": "0", "1234567.8900000001304": "1234567.89",
		"999999999999999.9999": "999999999999999.9999",
		"1.00001":              "", "7.00000001": "", "0.00005": "", "1.23456": "", "6.99999": "", "-7.0001000012": "",
		"999999999999999.9999999999": "", "1000000000000000": "", "1e16": "",
	} {
		got, err := source.Exact(number(text))
		switch {
		case want == "" && err == nil:
			t.Errorf("%s: expected an error, got %s", text, got.Decimal)
		case want != "" && (err != nil || !got.Valid || got.Decimal.String() != want):
			t.Errorf("%s: %s, %v, expected %s", text, got.Decimal, err, want)
		case want != "" && got.Decimal.Exponent() < -source.MostDecimals && got.Decimal.NumDigits() > source.MostDigits:
			t.Errorf("%s: %s has too many decimals to be stored", text, got.Decimal)
		}
	}
}
