package lang_test

import (
	"testing"
	"time"

	"lagerd/lang"
)

// TestDenmark: dates are those of Danish clocks, in winter and in summer, with their Danish names.
func TestDenmark(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"2025-12-31T23:00:00Z": "1. januar 00:00 CET",
		"2026-03-01T12:00:00Z": "1. marts 13:00 CET",
		"2026-06-30T22:00:00Z": "1. juli 00:00 CEST",
		"2026-10-25T01:00:00Z": "25. oktober 02:00 CET",
		"2026-12-24T17:30:00Z": "24. december 18:30 CET",
	} {
		moment, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		there := moment.In(lang.Denmark())
		if got := lang.DanishDate(there) + there.Format(" 15:04 MST"); got != want {
			t.Errorf("%s: %s, expected %s", at, got, want)
		}
	}
}
