package plan

// Class is what a failed read is about, as far as it matters for what stops.
type Class string

// The classes. A source gives each of its errors one.
const (
	ClassNone        Class = ""            // no read failed: the database, or lagerd itself
	ClassNumber      Class = "number"      // the requested number: it does not exist, or cannot be understood or requested
	ClassInterrupted Class = "interrupted" // no usable answer: the same read may succeed immediately
	ClassHanging     Class = "hanging"     // no answer within the timeout: further reads would hang too
	ClassSilent      Class = "silent"      // no answer that the pass would wait for: it may come yet
	ClassBusy        Class = "busy"        // the source takes no more reads for a while (429)
	ClassPart        Class = "part"        // the token may not read this (403)
	ClassChoice      Class = "choice"      // the shop's own choice of places cannot be read, whichever number is asked for
	ClassShop        Class = "shop"        // the token is refused (401)
	ClassDay         Class = "day"         // the shop's own budget has no call left, for the day or for now
)

// Read is the kind of read that failed.
type Read string

// The kinds of reads.
const (
	ReadListing  Read = "listing"  // pages one after another
	ReadItems    Read = "items"    // several in one call
	ReadInvoices Read = "invoices" // several in one call
	ReadNumber   Read = "number"   // a single one
)

// Self is what /self answered in a pass.
type Self string

// The answers of /self.
const (
	SelfUnasked Self = ""        // it was not read
	SelfWell    Self = "well"    // it answered, for the shop's agreement
	SelfRefused Self = "refused" // it refused, or for another agreement: the shop is held
	SelfUnknown Self = "unknown" // it could not be read
)

// Failure is a read that failed.
type Failure struct {
	Class Class
	Read  Read
	Self  Self

	// InARow is how many numbers in a row failed like this one, including it (see Streak for
	// refused ones); for a listing, how many of its pages have failed.
	InARow int
}

// Stop is what a failure stops.
type Stop string

// What a failure can stop, the smallest first.
const (
	StopNothing Stop = ""         // it is read in another way
	StopNumber  Stop = "number"   // the other numbers are still read
	StopReads   Stop = "reads"    // the part reads no more in this pass
	StopDay     Stop = "day"      // likewise, but it is no failure: the budget says when to continue
	StopPart    Stop = "part"     // it is held; the other parts continue
	StopPass    Stop = "pass"     // the rest of the pass; the next one starts with the part after this one
	StopShop    Stop = "shop"     // the rest of the pass
	StopToAsk   Stop = "ask self" // /self decides
)

// Again is how to repeat a failed read.
type Again string

// How to repeat a read.
const (
	AgainDue     Again = "due"     // by the next pass, as if nothing had happened
	AgainLater   Again = "later"   // postponed, with its error
	AgainAlone   Again = "alone"   // one by one
	AgainResume  Again = "resume"  // the listing resumes where it stopped
	AgainRestart Again = "restart" // the listing starts from the beginning
)

// RefusedInARow and FailedInARow are how many numbers in a row must be refused, or get no
// usable answer, before the cause is not the numbers. FailedPages is how many pages may fail
// before a listing starts from the beginning.
const (
	RefusedInARow = 3
	FailedInARow  = 3
	FailedPages   = 20
)

// Stops returns what a failed read stops, and how to repeat it. While /self is well, a refused
// token counts as a refused read.
//
//	class        /self              a listing          several items   several invoices  a number
//	none         any                reads, restart     reads, due      reads, due        reads, due
//	number       any                reads, restart     reads, due      reads, due        number, later
//	interrupted  any                reads, resume*     nothing, alone  reads, due        number, later; reads, due from the third in a row on
//	hanging      any                pass, resume*      pass, alone     pass, alone       pass, later
//	silent       any                pass, resume*      pass, due       pass, due         pass, due
//	busy         any                pass, resume*      pass, due       pass, due         pass, later
//	part         any                part, restart      nothing, alone  nothing, alone    number, later; part, later from the third in a row on
//	choice       any                part, restart      part, due        part, due         part, due
//	shop         not asked yet      ask self, restart  ask self, due   ask self, due     ask self, due
//	shop         refused, unknown   shop, restart      shop, due       shop, due         shop, due
//	shop         well               as part
//	day          any                day, resume        day, due        day, due          day, due
//
//	* restart from the 20th failed page on
func Stops(f Failure) (Stop, Again) {
	left := AgainDue
	if f.Read == ReadListing {
		left = AgainRestart
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
	if f.Class == ClassChoice {
		return StopPart, left
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
	there := AgainResume
	if f.InARow >= FailedPages {
		there = AgainRestart
	}
	switch f.Class {
	case ClassInterrupted:
		return StopReads, there
	case ClassHanging, ClassSilent, ClassBusy:
		return StopPass, there
	case ClassDay:
		return StopDay, AgainResume
	case ClassPart:
		return StopPart, AgainRestart
	case ClassNone, ClassNumber, ClassChoice, ClassShop:
	}
	return StopReads, AgainRestart
}

func (f Failure) ofSeveral() (Stop, Again) {
	switch f.Class {
	case ClassInterrupted:
		if f.Read == ReadItems {
			return StopNothing, AgainAlone // one of them may be the cause
		}
	case ClassPart:
		return StopNothing, AgainAlone
	case ClassHanging:
		return StopPass, AgainAlone
	case ClassSilent, ClassBusy:
		return StopPass, AgainDue
	case ClassDay:
		return StopDay, AgainDue
	case ClassNone, ClassNumber, ClassChoice, ClassShop:
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
	case ClassHanging, ClassBusy: // in case the number itself is the cause, it must not block the others
		return StopPass, AgainLater
	case ClassSilent:
		return StopPass, AgainDue
	case ClassPart:
		if f.InARow >= RefusedInARow {
			return StopPart, AgainLater
		}
		return StopNumber, AgainLater
	case ClassDay:
		return StopDay, AgainDue
	case ClassNone, ClassChoice, ClassShop:
	}
	return StopReads, AgainDue
}
