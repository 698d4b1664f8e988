package source_test

import (
	"slices"
	"testing"

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
