//go:build race

package chaos_test

import "time"

// buildFlags are go build's: the race detector if the tests use it, and then no default.pgo,
// which would take a minute more.
var buildFlags = []string{"-race", "-pgo=off"}

const (
	underRace = true
	// slack is what a busy machine may add to an asserted time.
	slack = time.Second
)
