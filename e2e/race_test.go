//go:build race

package e2e_test

// buildFlags has the binary watched by the race detector where the tests are. What
// its compiler knows of its profile (default.pgo) would take a minute more.
var buildFlags = []string{"-race", "-pgo=off"}
