package schedule

import "time"

const (
	// So many hints for one shop within a window or two are a flood: an import,
	// a stocktaking. So many for all shops are one for each that has at least
	// floodPart of them: many import at once, none of them fast. Read at once, they
	// would slow down the webhooks to where none of them looks like a flood, and be
	// read ever again.
	floodHints  = 100
	floodPart   = 5
	floodWindow = 250 * time.Millisecond
	// floodQuiet is how long no hint may have come for a flood to be over. Read
	// sooner, the same pages would be read again for the hints that come meanwhile,
	// and webhooks would wait for the processor.
	floodQuiet = 300 * time.Millisecond
	// floodMaxWait is how long a shop's hints wait in a flood that does not end.
	floodMaxWait = 30 * time.Second
	// From so many hints of all shops within a window or two on, each shop's wait for
	// more of its own: a millisecond for each of those, and never longer than floodQuiet.
	// What comes meanwhile is read with them, and the reading does not take the processor
	// from the webhooks that are to be answered.
	busyHints = 10
	busyWait  = time.Millisecond
)

// flood counts how fast hints come.
type flood struct {
	began         time.Time // of the window
	hints, before int       // in this window, and in the one before
}

// hintsWait returns how long a shop's hints wait, after the last of them (quiet) and
// altogether (maxWait), by how many have come of its own and of all shops.
func hintsWait(own, all int) (quiet, maxWait time.Duration) {
	switch {
	case own >= floodHints, all >= floodHints && own >= floodPart:
		return floodQuiet, floodMaxWait
	case all >= busyHints:
		return min(floodQuiet, time.Duration(all)*busyWait), floodQuiet
	}
	return 0, 0
}

// add counts hints and returns how many have come in this window and the one
// before.
func (f *flood) add(now time.Time, hints int) int {
	switch since := now.Sub(f.began); {
	case since >= 2*floodWindow || since < 0:
		f.began, f.hints, f.before = now, 0, 0
	case since >= floodWindow:
		f.began, f.hints, f.before = now, 0, f.hints
	}
	f.hints += hints
	return f.hints + f.before
}
