package plan

// ChangeOverInput is what decides whether the items of a newly accepted agreement
// may be shown in place of those of the agreement that the shop had before.
type ChangeOverInput struct {
	Listings int  // of the new agreement, stored whole
	Suspects int  // its zeroes and missing figures that no second read has confirmed
	Unnamed  bool // its last listing had items whose very number could not be understood
}

// ChangeOverStep is what is to be done next.
type ChangeOverStep string

// The steps of a change to another agreement.
const (
	ChangeOverList  ChangeOverStep = "list"  // read everything once more
	ChangeOverWait  ChangeOverStep = "wait"  // until what is doubtful has been read again
	ChangeOverJudge ChangeOverStep = "judge" // see what it would take away, and show the new items
)

// confirmingListings is how many whole listings must say the same of what takes stock
// away: like a single item's zero, what an agreement lacks is believed at its second
// read.
const confirmingListings = 2

// ChangeOver decides the next step:
//
//	listings   unnamed items  suspects  step
//	0 or 1     any            any       list
//	2 or more  some           any       wait: one of them may be what seems to be lacking
//	2 or more  none           some      wait
//	2 or more  none           none      judge
func ChangeOver(in ChangeOverInput) ChangeOverStep {
	switch {
	case in.Listings < confirmingListings:
		return ChangeOverList
	case in.Unnamed || in.Suspects > 0:
		return ChangeOverWait
	}
	return ChangeOverJudge
}
