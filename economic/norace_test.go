//go:build !race

package economic_test

const (
	slower  = 1
	largest = 32 * mib // the largest answer accepted
)
