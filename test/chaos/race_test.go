//go:build race

package chaos_test

import "time"

const (
	underRace = true
	// slack is what a busy machine may add to an asserted time.
	slack = time.Second
)
