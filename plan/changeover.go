package plan

// ChangeOverInput is the input of ChangeOver: whether the items of a newly accepted agreement
// may replace those of the shop's previous one.
type ChangeOverInput struct {
	Listings int // of the new agreement, stored in full
	Suspects int // the new agreement's zeroes and missing figures that no second read has confirmed
}

// ChangeOverStep is the next step of a changeover.
type ChangeOverStep string

// The steps of a changeover to another agreement.
const (
	ChangeOverList  ChangeOverStep = "list"  // read everything again
	ChangeOverWait  ChangeOverStep = "wait"  // until the suspects have been reread
	ChangeOverJudge ChangeOverStep = "judge" // judge the losses, then show the new items
)

const (
	// confirmingListings is how many complete listings must agree on losses: like a single
	// item's zero, what an agreement lacks is believed at its second read.
	confirmingListings = 2
	// patientListings is how many listings suspects have to be reread: one item that can never
	// be read does not block the others.
	patientListings = 4
)

// ChangeOver returns the next step:
//
//	listings   suspects  step
//	0 or 1     any       list
//	2 or 3     some      wait
//	2 or 3     none      judge
//	4 or more  any       judge: the remaining suspects count as unknown
func ChangeOver(in ChangeOverInput) ChangeOverStep {
	switch {
	case in.Listings < confirmingListings:
		return ChangeOverList
	case in.Suspects > 0 && in.Listings < patientListings:
		return ChangeOverWait
	}
	return ChangeOverJudge
}

// Lacking returns the row, among a new agreement's items, for an item that the former agreement
// had and the new one lacks: it is gone, or if unknown, has no figure.
func Lacking(former Row, unknown bool, v Version) Row {
	row := Row{State: StateGone, Version: v, FirstSeenAt: former.FirstSeenAt, ChangedAt: v.At}
	row.Number, row.Name = former.Number, former.Name
	if unknown {
		row.State, row.Name = StateNoInventory, ""
	}
	return row
}
