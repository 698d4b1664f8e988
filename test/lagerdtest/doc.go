// Package lagerdtest runs the real binary in tests: it builds it, starts it, keeps
// what it says and ends it. An Installation is a lagerd with its configuration and its
// database, whatever a test runs its commands with. What a test has it do is the
// test's own.
package lagerdtest
