// Package bench compares the running binary with the minimum cost of the same work: each
// benchmark alternates between both, in one run on one machine, and reports the ratio. It
// contains only tests and asserts no target: docs/performance.md explains the figures.
package bench
