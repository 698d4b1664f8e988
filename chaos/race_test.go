//go:build race

package chaos_test

import "time"

// buildFlags has the binary watched by the race detector where the tests are. What
// its compiler knows of its profile (default.pgo) would take a minute more.
var buildFlags = []string{"-race", "-pgo=off"}

const (
	underRace = true
	// slack is what a busy machine may add to a time that is asserted.
	slack = time.Second
)
