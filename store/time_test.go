package store_test

import (
	"testing"
	"time"

	"lagerd/store"
)

// TestTimes: what lagerd writes is read to the microsecond, and what somebody else wrote in a usual form
// is read too; anything else is an error.
func TestTimes(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 12, 0, 5, 123456000, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-11-23 12:00:05.123456": at, "2026-11-23 12:00:05": at.Truncate(time.Second), "2026-11-23 12:00:05.1": at.Truncate(100 * time.Millisecond),
		"2026-11-23T13:00:05.123456+01:00": at, "2026-11-23T12:00:05Z": at.Truncate(time.Second),
	} {
		for _, src := range []any{text, []byte(text)} {
			var got store.Time
			if err := got.Scan(src); err != nil || !got.Equal(want) || got.Location() != time.UTC {
				t.Errorf("%T %s: %s, %v", src, text, got.Time, err)
			}
		}
	}
	for _, text := range []string{"", "never", "2026-11-23", "2026-13-23 12:00:05.123456", "2026-11-23 24:00:05.123456", "2026-11-23X12:00:05.123456", "2026-11-23 12:00:05.12345x", "2026-02-30 12:00:05.123456"} {
		var got store.Time
		if err := got.Scan(text); err == nil {
			t.Errorf("%q is read as %s", text, got.Time)
		}
	}
}
