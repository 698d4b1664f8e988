//go:build race

package e2e_test

// buildFlags has the binary watched by the race detector where the tests are. To
// compile it with its profile (default.pgo) takes a minute more.
var buildFlags = []string{"-race", "-pgo=off"}
