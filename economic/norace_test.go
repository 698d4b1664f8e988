//go:build !race

package economic_test

// slower is how much longer code takes than without the race detector.
const slower = 1
