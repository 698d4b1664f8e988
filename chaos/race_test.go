//go:build race

package chaos_test

import "time"

// buildFlags has the binary watched by the race detector where the tests are.
var buildFlags = []string{"-race"}

const (
	underRace = true
	// slack is what a busy machine may add to a time that is asserted.
	slack = time.Second
)
