//go:build race

package hostiletest

// Under the race detector code takes some 15 times as long, and allocates up to twice as much:
// sync.Pool forgets at random, and less is inlined. `make test` runs these tests without it too.
const (
	slower  = 15
	larger  = 2
	largest = 8 * mib
)
