//go:build race

package economic_test

// slower is how much longer code takes under the race detector.
const slower = 15
