package source_test

import (
	"slices"
	"testing"
	"time"

	"lagerd/source"
)

// TestWaiting: the wait function is called by whoever waits, and not by a goroutine that
// reads ahead.
func TestWaiting(t *testing.T) {
	t.Parallel()
	var got []string
	ctx := source.OnWait(t.Context(), func() func() {
		got = append(got, "waits")
		return func() { got = append(got, "has waited") }
	})
	waited := source.Waiting(ctx)
	got = append(got, "meanwhile")
	waited()
	source.Waiting(source.OnWait(ctx, nil))()
	source.Waiting(t.Context())()
	if want := []string{"waits", "meanwhile", "has waited"}; !slices.Equal(got, want) {
		t.Errorf("got %q, expected %q", got, want)
	}
}

// TestPatience: how long an answer is waited for is known to the reads of that context only.
func TestPatience(t *testing.T) {
	t.Parallel()
	if got := source.Patience(t.Context()); got != 0 {
		t.Errorf("%s without any", got)
	}
	if got := source.Patience(source.WithPatience(t.Context(), time.Second)); got != time.Second {
		t.Errorf("got %s, want 1s", got)
	}
}

// TestSince: only a read that began before the hints were loaded does not answer them.
func TestSince(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	ctx := source.Since(t.Context(), noon)
	for began, want := range map[time.Time]bool{noon.Add(-1): false, noon: true, noon.Add(1): true} {
		if got := source.IsSince(ctx, began); got != want {
			t.Errorf("hints of noon, a read at %s: %t, want %t", began, got, want)
		}
		if !source.IsSince(t.Context(), began) {
			t.Errorf("without hints, a read at %s does not count", began)
		}
	}
}
