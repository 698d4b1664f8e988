package sandbox

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// amount is a quantity or sum with two decimals, in hundredths.
type amount int64

// String formats it as e-conomic does: 12.0, 12.5, -0.25.
func (a amount) String() string { return string(a.append(nil)) }

func (a amount) append(b []byte) []byte {
	if a < 0 {
		b, a = append(b, '-'), -a
	}
	b = append(strconv.AppendInt(b, int64(a/100), 10), '.', byte('0'+a/10%10))
	if last := a % 10; last != 0 {
		b = append(b, byte('0'+last))
	}
	return b
}

// MarshalJSON returns a JSON number.
func (a amount) MarshalJSON() ([]byte, error) { return a.append(nil), nil }

// UnmarshalJSON accepts a number or a string with at most two decimals.
func (a *amount) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("expected a number, got %s", b)
	}
	hundredths := math.Round(f * 100)
	if math.IsNaN(f) || math.Abs(hundredths-f*100) > 1e-6 || math.Abs(hundredths) > 1e15 {
		return fmt.Errorf("expected a number with at most two decimals, got %s", b)
	}
	*a = amount(hundredths)
	return nil
}

var _ json.Unmarshaler = (*amount)(nil)

// times returns a × b, both in hundredths.
func (a amount) times(b amount) amount { return amount(math.Round(float64(a) * float64(b) / 100)) }
