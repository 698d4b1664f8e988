package source_test

import (
	"slices"
	"testing"

	"lagerd/source"
)

// TestWaiting: what is to be run is run by whoever waits, and by nobody who reads ahead.
func TestWaiting(t *testing.T) {
	t.Parallel()
	var told []string
	ctx := source.OnWait(t.Context(), func() func() {
		told = append(told, "waits")
		return func() { told = append(told, "has waited") }
	})
	waited := source.Waiting(ctx)
	told = append(told, "meanwhile")
	waited()
	source.Waiting(source.OnWait(ctx, nil))()
	source.Waiting(t.Context())()
	if want := []string{"waits", "meanwhile", "has waited"}; !slices.Equal(told, want) {
		t.Errorf("told %q, expected %q", told, want)
	}
}
