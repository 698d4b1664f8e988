//go:build race

package hostiletest

// Under the race detector code takes some 15 times as long.
const (
	slower  = 15
	largest = 8 * mib
)
