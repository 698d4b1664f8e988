package plan

// Class is what a failed read is about, as far as it decides what stops.
type Class string

// The classes. A source says of each of its errors which it is.
const (
	ClassNone        Class = ""            // it is no read that failed: the database, or lagerd itself
	ClassNumber      Class = "number"      // what was asked for: it is not there, or cannot be understood or be asked for
	ClassInterrupted Class = "interrupted" // no usable answer: the same read may succeed at once
	ClassHanging     Class = "hanging"     // no answer for as long as one is waited for: so does each further read
	ClassBusy        Class = "busy"        // the source takes no more reads for a while (429)
	ClassPart        Class = "part"        // the token may not read this (403)
	ClassShop        Class = "shop"        // the token is refused (401)
	ClassDay         Class = "day"         // the shop's own budget has no call left for it, for the day or a moment
)

// Read is what was read.
type Read string

// What can be read.
const (
	ReadListing  Read = "listing"  // pages one after another
	ReadItems    Read = "items"    // several by one call
	ReadInvoices Read = "invoices" // several by one call
	ReadNumber   Read = "number"   // one alone
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

// Failure is a read that failed.
type Failure struct {
	Class Class
	Read  Read
	Self  Self

	// InARow is how many numbers failed like this one after another, this one
	// included (of those that were refused see Streak); of a listing, how many of
	// its pages have failed.
	InARow int
}

// Stop is what a failure stops.
type Stop string

// What can be stopped, from the smallest up.
const (
	StopNothing Stop = ""         // it is read in another way
	StopNumber  Stop = "number"   // the other numbers are read
	StopReads   Stop = "reads"    // the part reads no more in this pass
	StopDay     Stop = "day"      // so, and it is no failure: the budget says when it goes on
	StopPart    Stop = "part"     // it is held as forbidden; the other parts go on
	StopPass    Stop = "pass"     // nothing more is read by this pass, and the next begins with the part after this one
	StopShop    Stop = "shop"     // nothing more is read by this pass
	StopToAsk   Stop = "ask self" // /self decides
)

// Again is how what could not be read is read again.
type Again string

// How it is read again.
const (
	AgainDue   Again = "due"   // by the next pass, as if nothing had been
	AgainLater Again = "later" // put off with its error
	AgainAlone Again = "alone" // one by one
	AgainThere Again = "there" // a listing goes on where it was
	AgainAnew  Again = "anew"  // a listing begins anew
)

// RefusedInARow and FailedInARow are how many numbers are refused, or get no usable
// answer, one after another until it is not the numbers' fault. FailedPages is how many
// pages may fail until a listing begins anew.
const (
	RefusedInARow = 3
	FailedInARow  = 3
	FailedPages   = 20
)

// Stops returns what a failed read stops, and how it is read again. A refused token says
// nothing while /self is well: it counts as a refused read then.
//
//	class        /self              a listing       several items   several invoices  a number
//	none         any                reads, anew     reads, due      reads, due        reads, due
//	number       any                reads, anew     reads, due      reads, due        number, later
//	interrupted  any                reads, there*   nothing, alone  reads, due        number, later; reads, due from the third in a row on
//	hanging      any                pass, there*    pass, alone     pass, alone       pass, later
//	busy         any                pass, there*    pass, due       pass, due         pass, later
//	part         any                part, anew      nothing, alone  nothing, alone    number, later; part, later from the third in a row on
//	shop         not asked yet      ask self, anew  ask self, due   ask self, due     ask self, due
//	shop         refused, unknown   shop, anew      shop, due       shop, due         shop, due
//	shop         well               as part
//	day          any                day, there      day, due        day, due          day, due
//
//	* anew from the 20th page on that fails
func Stops(f Failure) (Stop, Again) {
	left := AgainDue
	if f.Read == ReadListing {
		left = AgainAnew
	}
	if f.Class == ClassShop {
		switch f.Self {
		case SelfUnasked:
			return StopToAsk, left
		case SelfRefused, SelfUnknown:
			return StopShop, left
		case SelfWell:
		}
		f.Class = ClassPart
	}
	switch f.Read {
	case ReadListing:
		return f.ofListing()
	case ReadItems, ReadInvoices:
		return f.ofSeveral()
	case ReadNumber:
	}
	return f.ofNumber()
}

func (f Failure) ofListing() (Stop, Again) {
	there := AgainThere
	if f.InARow >= FailedPages {
		there = AgainAnew
	}
	switch f.Class {
	case ClassInterrupted:
		return StopReads, there
	case ClassHanging, ClassBusy:
		return StopPass, there
	case ClassDay:
		return StopDay, AgainThere
	case ClassPart:
		return StopPart, AgainAnew
	case ClassNone, ClassNumber, ClassShop:
	}
	return StopReads, AgainAnew
}

func (f Failure) ofSeveral() (Stop, Again) {
	switch f.Class {
	case ClassInterrupted:
		if f.Read == ReadItems {
			return StopNothing, AgainAlone // one of them may be what it stumbles over
		}
	case ClassPart:
		return StopNothing, AgainAlone
	case ClassHanging:
		return StopPass, AgainAlone
	case ClassBusy:
		return StopPass, AgainDue
	case ClassDay:
		return StopDay, AgainDue
	case ClassNone, ClassNumber, ClassShop:
	}
	return StopReads, AgainDue
}

func (f Failure) ofNumber() (Stop, Again) {
	switch f.Class {
	case ClassNumber:
		return StopNumber, AgainLater
	case ClassInterrupted:
		if f.InARow < FailedInARow {
			return StopNumber, AgainLater
		}
	case ClassHanging, ClassBusy: // should it be this one's alone, it holds up no other
		return StopPass, AgainLater
	case ClassPart:
		if f.InARow >= RefusedInARow {
			return StopPart, AgainLater
		}
		return StopNumber, AgainLater
	case ClassDay:
		return StopDay, AgainDue
	case ClassNone, ClassShop:
	}
	return StopReads, AgainDue
}
