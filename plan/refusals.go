package plan

// Streak counts the numbers of a part that were refused for the first time, with none
// read between. The zero value is ready to use; to read from, nil is as good.
type Streak struct {
	known map[string]struct{} // numbers refused before
	fresh int
}

// mostKnown bounds how many refused numbers are remembered.
const mostKnown = 10_000

// Refused counts a number. before says that it is stored as one that was refused
// when it was last read. It returns how many there are one after another.
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

// Known reports whether the number was refused when it was last read.
func (r *Streak) Known(number string) bool {
	if r == nil {
		return false
	}
	_, known := r.known[number]
	return known
}

// Read ends the streak: a number has been read, or a listing where it is "".
func (r *Streak) Read(number string) {
	if r == nil {
		return
	}
	r.fresh = 0
	delete(r.known, number)
}

// Probes returns by which numbers a part that is held as forbidden is tried, of those
// that wait, the newest first: by the newest, and then by those that were not refused
// when they were last read. As many are tried as hold it.
func Probes[N comparable](newest []N, refused func(N) bool) []N {
	var probes []N
	for n, number := range newest {
		if len(probes) < RefusedInARow && (n == 0 || !refused(number)) {
			probes = append(probes, number)
		}
	}
	return probes
}
