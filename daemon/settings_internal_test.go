package daemon

import (
	"slices"
	"testing"

	"lagerd/secret"
)

// TestNeedsRestart: a reload tells of what it cannot change, and of nothing else.
func TestNeedsRestart(t *testing.T) {
	key := func(text string) Settings { return Settings{MasterKey: secret.NewText(text)} }
	for _, c := range []struct {
		name     string
		old, new Settings
		want     []string
	}{
		{"nothing", key("a"), key("a"), nil},
		{"what a reload changes", Settings{Schedule: "@every 1m"}, Settings{Schedule: "@every 2m"}, nil},
		{"another master key", key("a"), key("b"), []string{"key_file"}},
		{"the master key is gone", key("a"), Settings{}, []string{"key_file"}},
		{"the first start made it", Settings{}, key("a"), nil},
		{"another database", Settings{DSN: "x"}, Settings{DatabasePath: "y"}, []string{"database"}},
	} {
		if got := c.old.needsRestart(c.new); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
