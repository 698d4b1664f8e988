package engine_test

import (
	"testing"
	"time"

	"lagerd/config"
	"lagerd/engine"
)

// TestPaceOf: the next tick that people are told of is the one that a lagerd runs, in whatever zone
// they ask.
func TestPaceOf(t *testing.T) {
	t.Parallel()
	asked := time.Date(2026, 11, 30, 13, 1, 30, 0, time.FixedZone("CET", 3600))
	for schedule, want := range map[string]string{"*/5 * * * *": "12:05:00", "30 12 * * *": "12:30:00", "@every 5m": "12:05:00", "@every 90s": "12:03:00"} {
		cfg := config.Default()
		cfg.Reconcile.Schedule = schedule
		if got := engine.PaceOf(cfg).NextTick(asked).UTC().Format(time.TimeOnly); got != want {
			t.Errorf("%s: %s, expected %s", schedule, got, want)
		}
	}
}
