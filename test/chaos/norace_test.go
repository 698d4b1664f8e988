//go:build !race

package chaos_test

import "time"

// buildFlags: see race_test.go.
var buildFlags []string

const (
	underRace = false
	slack     = 500 * time.Millisecond
)
