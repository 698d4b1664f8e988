//go:build !race

package chaos_test

import "time"

const (
	underRace = false
	slack     = 500 * time.Millisecond
)
