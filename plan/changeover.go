package plan

// ChangeOverInput is what decides whether the items of a newly accepted agreement
// may be shown in place of those of the agreement that the shop had before.
type ChangeOverInput struct {
	Listings int // of the new agreement, stored whole
	Suspects int // its zeroes and missing figures that no second read has confirmed
}

// ChangeOverStep is what is to be done next.
type ChangeOverStep string

// The steps of a change to another agreement.
const (
	ChangeOverList  ChangeOverStep = "list"  // read everything once more
	ChangeOverWait  ChangeOverStep = "wait"  // until what is doubtful has been read again
	ChangeOverJudge ChangeOverStep = "judge" // see what it would take away, and show the new items
)

const (
	// confirmingListings is how many whole listings must say the same of what takes stock
	// away: like a single item's zero, what an agreement lacks is believed at its second
	// read.
	confirmingListings = 2
	// patientListings is how many listings what is suspected has time to be read again:
	// one item that never can be does not hold up the others.
	patientListings = 4
)

// ChangeOver decides the next step:
//
//	listings   suspects  step
//	0 or 1     any       list
//	2 or 3     some      wait
//	2 or 3     none      judge
//	4 or more  any       judge: of what is suspected still, nothing is known
func ChangeOver(in ChangeOverInput) ChangeOverStep {
	switch {
	case in.Listings < confirmingListings:
		return ChangeOverList
	case in.Suspects > 0 && in.Listings < patientListings:
		return ChangeOverWait
	}
	return ChangeOverJudge
}

// Lacking returns the row by which a new agreement's items tell of one that the former
// had and they lack: it is gone, or nothing is known of it and it has no figure.
func Lacking(former Row, unknown bool, v Version) Row {
	row := Row{State: StateGone, Version: v, FirstSeenAt: former.FirstSeenAt, ChangedAt: v.At}
	row.Number, row.Name = former.Number, former.Name
	if unknown {
		row.State, row.Name = StateNoInventory, ""
	}
	return row
}
