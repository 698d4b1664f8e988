//go:build !race

package lagerdtest

// raceFlags: see race.go.
var raceFlags []string
