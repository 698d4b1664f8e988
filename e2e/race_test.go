//go:build race

package e2e_test

// buildFlags has the binary watched by the race detector where the tests are.
var buildFlags = []string{"-race"}
