package engine_test

import (
	"testing"
	"time"

	"lagerd/engine"
)

func TestGoing(t *testing.T) {
	t.Parallel()
	away := time.Date(2026, 11, 30, 12, 0, 3, 0, time.UTC)
	for want, g := range map[string]engine.Going{
		"reconciling 0 shops":             {},
		"reconciling 1 shop":              {Shops: 1},
		"reconciling 12 shops (2 held)":   {Shops: 12, Held: 2},
		"reconciling 12 shops (1 paused)": {Shops: 12, Paused: 1},
		"reconciling 9 shops (2 held, 3 paused); the database has not answered since 12:00:03": {Shops: 9, Held: 2, Paused: 3, Away: away},
	} {
		if got := g.String(); got != want {
			t.Errorf("%+v: %q, expected %q", g, got, want)
		}
	}
}
