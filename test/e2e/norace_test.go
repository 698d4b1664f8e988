//go:build !race

package e2e_test

// buildFlags: see race_test.go.
var buildFlags []string

// patience is by how much more time and memory may be taken than without the race detector.
const patience = 1
