package reconcile

import "time"

const (
	// So many hints within a window or two are a flood: an import, a stocktaking.
	floodHints  = 100
	floodWindow = 250 * time.Millisecond
	// floodPasses is how long no hint may have come for a flood to be over. Read
	// sooner, the same pages would be read again for the hints that come meanwhile,
	// and webhooks would wait for the processor.
	floodPasses = 300 * time.Millisecond
	// floodLasts is how long a shop's hints wait in a flood that does not end.
	floodLasts = 5 * time.Second
)

// flood tells when a shop's hints come faster than it is worth reading them.
type flood struct {
	began         time.Time // of the window
	hints, before int       // in this window, and in the one before
}

// add counts hints and reports whether they are part of a flood.
func (f *flood) add(now time.Time, hints int) bool {
	switch since := now.Sub(f.began); {
	case since >= 2*floodWindow || since < 0:
		f.began, f.hints, f.before = now, 0, 0
	case since >= floodWindow:
		f.began, f.hints, f.before = now, 0, f.hints
	}
	f.hints += hints
	return f.hints+f.before >= floodHints
}
