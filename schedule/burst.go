package schedule

import "time"

const (
	// So many hints for one shop within a window or two are a burst: an import,
	// a stocktaking. So many for all shops are one for each that has at least
	// burstPart of them: many import at once, none of them fast. Read at once, they
	// would slow down the webhooks to where none of them looks like a burst, and be
	// read ever again.
	burstHints  = 100
	burstPart   = 5
	burstWindow = 250 * time.Millisecond
	// burstQuiet is how long no hint may have come for a burst to be over. Read
	// sooner, the same pages would be read again for the hints that come meanwhile,
	// and webhooks would wait for the processor.
	burstQuiet = 300 * time.Millisecond
	// burstMaxWait is how long a shop's hints wait in a burst that does not end.
	burstMaxWait = 30 * time.Second
	// From so many hints of all shops within a window or two on, each shop's wait for
	// more of its own: a millisecond for each of those, and never longer than burstQuiet.
	// What comes meanwhile is read with them, and the reading does not take the processor
	// from the webhooks that are to be answered.
	busyHints = 10
	busyWait  = time.Millisecond
)

// burst counts how fast hints come.
type burst struct {
	began         time.Time // of the window
	hints, before int       // in this window, and in the one before
}

// hintsWait returns how long a shop's hints wait, after the last of them (quiet) and
// altogether (maxWait), by how many have come of its own and of all shops.
func hintsWait(own, all int) (quiet, maxWait time.Duration) {
	switch {
	case own >= burstHints, all >= burstHints && own >= burstPart:
		return burstQuiet, burstMaxWait
	case all >= busyHints:
		return min(burstQuiet, time.Duration(all)*busyWait), burstQuiet
	}
	return 0, 0
}

// add counts hints and returns how many have come in this window and the one
// before.
func (f *burst) add(now time.Time, hints int) int {
	switch since := now.Sub(f.began); {
	case since >= 2*burstWindow || since < 0:
		f.began, f.hints, f.before = now, 0, 0
	case since >= burstWindow:
		f.began, f.hints, f.before = now, 0, f.hints
	}
	f.hints += hints
	return f.hints + f.before
}
