// Package enginetest runs an engine with its own database and e-conomic in a testing/synctest
// bubble: an hour of ticks takes a moment, and the test controls what happens when. Only tests
// import it.
package enginetest
