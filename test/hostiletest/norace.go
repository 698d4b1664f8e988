//go:build !race

package hostiletest

const (
	slower  = 1
	larger  = 1
	largest = 32 * mib // the largest answer accepted
)
