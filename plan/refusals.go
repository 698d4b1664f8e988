package plan

// Refusal is how e-conomic refused a read, as far as it decides what stops.
type Refusal string

// The refusals.
const (
	Refused401 Refusal = "401" // a wrong token, by its number
	Refused403 Refusal = "403" // a missing role or module
	Refused429 Refusal = "429" // the agreement's token bucket is empty
)

// Self is what /self has said in a pass of whether the token is good.
type Self string

// What /self has said.
const (
	SelfUnasked Self = ""        // it has not been asked
	SelfWell    Self = "well"    // it answered, for the shop's agreement
	SelfRefused Self = "refused" // it did not: the shop is held
	SelfUnknown Self = "unknown" // it could not be asked
)

// Stop is what a refusal stops.
type Stop string

// What can be stopped, from the smallest up.
const (
	StopNumber Stop = "number"   // it is put off with its error; the others are read
	StopPart   Stop = "part"     // it is held as forbidden; the other parts go on
	StopPass   Stop = "pass"     // nothing more is read by this pass
	StopToAsk  Stop = "ask self" // /self decides
)

// RefusedInARow is how many numbers e-conomic refuses one after another until it is
// not the numbers' fault.
const RefusedInARow = 3

// Stops returns what a refusal stops. A 401 says nothing of the token while /self is
// well, and counts as a 403 then. streak is how many numbers have been refused one after
// another, this one included (Streak); of a listing it does not matter.
//
//	refusal   /self              of a listing   of a number
//	401       not asked yet      ask /self      ask /self
//	401       refused, unknown   pass           pass
//	401       well               part           number; part from the third in a row on
//	403       any                part           number; part from the third in a row on
//	429       any                pass           pass; the number is read last
func Stops(r Refusal, self Self, listing bool, streak int) Stop {
	switch {
	case r == Refused429:
		return StopPass
	case r == Refused401 && self == SelfUnasked:
		return StopToAsk
	case r == Refused401 && self != SelfWell:
		return StopPass
	case listing || streak >= RefusedInARow:
		return StopPart
	}
	return StopNumber
}

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
