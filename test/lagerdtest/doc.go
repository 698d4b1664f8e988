// Package lagerdtest runs the real binary in tests: it builds it, starts it, keeps
// what it says and ends it. What a test has it do is the test's own.
package lagerdtest
