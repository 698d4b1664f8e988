// Package bench measures the running binary against the least that the same work
// could cost: each benchmark does both by turns, in one run on one machine, and
// reports the ratio. It holds tests alone and judges nothing: what the figures
// mean is in docs/performance.md.
package bench
