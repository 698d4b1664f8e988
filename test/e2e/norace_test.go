//go:build !race

package e2e_test

// patience is by how much more time and memory may be taken than without the race detector.
const patience = 1
