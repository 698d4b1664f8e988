//go:build race

package e2e_test

// buildFlags are go build's: the race detector if the tests use it, and then no default.pgo,
// which would take a minute more.
var buildFlags = []string{"-race", "-pgo=off"}

// patience is by how much more time and memory may be taken than without the race detector.
const patience = 8
