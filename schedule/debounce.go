package schedule

import "time"

const (
	// So many hints for one shop within a window or two are a burst: an import, a stocktaking.
	// So many for all shops together are a burst for each shop that has at least burstPart of
	// them: many import at the same time, none of them fast. Read immediately, they would slow
	// down the webhooks until none of them looks like a burst, and the same items would be read
	// again and again. Of another shop's only burstPart within a window count, so that it takes
	// several shops, not one that is flooded. One with burstShare of its own is itself importing:
	// twenty shops that are read every second would take so much processor time that none of
	// them gets burstHints.
	burstHints  = 100
	burstShare  = 20
	burstPart   = 5
	burstWindow = 250 * time.Millisecond
	// burstQuiet is how long no hint may come before a burst counts as ended. Reading earlier
	// would read the same pages again for later hints, and take CPU time from the webhooks.
	burstQuiet = 300 * time.Millisecond
	// burstMaxWait limits how long a shop's hints wait in a burst of its own that does not end,
	// and othersMaxWait how long for one that is a burst only with those of other shops.
	burstMaxWait  = 30 * time.Second
	othersMaxWait = time.Second
	// From busyHints hints of all shops within a window or two on, each shop waits for more of
	// its own: busyWait for each of those hints, at most burstQuiet. Hints that come meanwhile
	// share a read, and reading leaves CPU time for answering webhooks.
	busyHints = 10
	busyWait  = time.Millisecond
)

// burst measures how fast hints come.
type burst struct {
	began         time.Time // start of the window
	hints, before int       // in this window, in the previous one
}

// debounceFor returns for how long to debounce a shop's hints: after the last of them (quiet) and
// in total (maxWait), given how many have come recently for the shop and, as part returns them, for
// all shops.
func debounceFor(own, all int) (quiet, maxWait time.Duration) {
	all = max(own, all)
	switch {
	case own >= burstHints, all >= burstHints && own >= burstShare:
		return burstQuiet, burstMaxWait
	case all >= burstHints && own >= burstPart:
		return burstQuiet, othersMaxWait
	case all >= busyHints:
		return min(burstQuiet, time.Duration(all)*busyWait), burstQuiet
	}
	return 0, 0
}

// add counts hints and returns how many have come in this window and the previous one.
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

// part returns how many of the hints just added count among those of all shops.
func (f *burst) part(hints int) int {
	return min(f.hints, burstPart) - min(f.hints-hints, burstPart)
}
