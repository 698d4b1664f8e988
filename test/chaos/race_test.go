//go:build race

package chaos_test

import "time"

// buildFlags has the binary watched by the race detector where the tests are. To
// compile it with its profile (default.pgo) takes a minute more.
var buildFlags = []string{"-race", "-pgo=off"}

const (
	underRace = true
	// slack is what a busy machine may add to a time that is asserted.
	slack = time.Second
)
