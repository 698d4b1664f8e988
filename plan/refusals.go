package plan

// Streak counts the numbers of a part that were refused for the first time, with no successful
// read in between. The zero value is ready to use; a nil *Streak can be read.
type Streak struct {
	known map[string]struct{} // numbers refused before
	fresh int
}

// mostKnown limits how many refused numbers are remembered.
const mostKnown = 10_000

// Refused counts a refused number and returns the length of the streak. before says that,
// according to the database, the last read of the number was refused too.
func (r *Streak) Refused(number string, before bool) int {
	if _, known := r.known[number]; !known && !before {
		r.fresh++
	}
	if r.known == nil || len(r.known) >= mostKnown {
		r.known = map[string]struct{}{}
	}
	r.known[number] = struct{}{}
	return r.fresh
}

// Known reports whether the last read of the number was refused.
func (r *Streak) Known(number string) bool {
	if r == nil {
		return false
	}
	_, known := r.known[number]
	return known
}

// Read ends the streak: a number was read, or a listing if it is "".
func (r *Streak) Read(number string) {
	if r == nil {
		return
	}
	r.fresh = 0
	delete(r.known, number)
}

// Probes returns the numbers by which to try a part held as forbidden. newest are the waiting
// numbers, the newest first. It picks the newest, then those whose last read was not refused,
// as many in total as it takes to hold the part.
func Probes[N comparable](newest []N, refused func(N) bool) []N {
	var probes []N
	for n, number := range newest {
		if len(probes) < RefusedInARow && (n == 0 || !refused(number)) {
			probes = append(probes, number)
		}
	}
	return probes
}
