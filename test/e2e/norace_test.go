//go:build !race

package e2e_test

// buildFlags: see race_test.go.
var buildFlags []string
