//go:build race

package lagerdtest

// raceFlags are go build's under the race detector, the same as the Makefile's RACE. The
// detector does not watch SQLite itself, which has no data of lagerd's: whatever uses the
// embedded database would take several times as long. default.pgo would take a minute more.
var raceFlags = []string{"-race", "-pgo=off", "-gcflags=modernc.org/sqlite/lib=-race=false"}
