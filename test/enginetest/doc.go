// Package enginetest runs an engine, with a database and an e-conomic of its own, in a
// testing/synctest bubble: an hour of ticks takes a moment, and what happens when is
// the test's to say. Only tests import it.
package enginetest
