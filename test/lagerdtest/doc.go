// Package lagerdtest runs the real binary in tests: it builds it, starts it, keeps its output
// and ends it. An Installation is a lagerd with its configuration and its database, however a
// test runs its commands. What the binary does is up to the test.
package lagerdtest
