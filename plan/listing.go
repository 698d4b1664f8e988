package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"iter"
	"maps"
	"slices"
	"time"
)

// Page is a page of a listing of everything that an account holds.
type Page struct {
	Observed   []Observation
	Unreadable []Unreadable
	Announced  int  // how many items the whole listing has, as the source counts them now
	Last       bool // no page follows
	Began      time.Time
	ServerDate time.Time // by the source's clock; zero if it did not say
}

func (p Page) size() int { return len(p.Observed) + len(p.Unreadable) }

// Step is what is to be done with a page.
type Step string

// The steps.
const (
	StepStore    Step = "store"     // what it shows counts
	StepTurnBack Step = "turn_back" // pages before it are read again first, and this one after them
)

// Listing decides about a listing of everything, page by page. It does no I/O: whoever
// reads and stores tells it of each page, in their order, and at the end of what is
// stored. It is used by one goroutine at a time.
type Listing struct {
	cause    Cause
	pageSize int

	pages     []int // the sizes of those that count
	read      int   // items on them
	announced int

	began, serverDate time.Time           // of the first page
	seen              map[string]struct{} // numbers that a page has shown
	unreadable        map[string]struct{} // those among them that could not be understood
	nameless          int                 // items without a readable number
	namelessErr       error               // what was wrong with the last of them
	latest            time.Time           // that an item was updated
	timeless          bool                // of some items it is not known when
	assessment        Assessment
	digest            hash.Hash // of what the only page says; nil where there are several

	missing []string            // stored numbers that no page has shown
	stored  map[string]struct{} // hinted numbers that are stored

	suspects map[string]Suspect  // of one that is only looked at: what it would take away
	back     map[string]struct{} // and remembered losses that it shows in stock again
}

// NewListing returns a listing of which no page has been read.
func NewListing(cause Cause, pageSize int) *Listing {
	return &Listing{cause: cause, pageSize: pageSize, stored: map[string]struct{}{}, suspects: map[string]Suspect{}, back: map[string]struct{}{}}
}

// Cause is what led to the listing.
func (l *Listing) Cause() Cause { return l.cause }

// Began is when the read of the first page began, and by the source's clock, if it said.
func (l *Listing) Began() (at, serverDate time.Time) { return l.began, l.serverDate }

// Next is the number of the page that is to be read next, counted from 0.
func (l *Listing) Next() int { return len(l.pages) }

// mostBelieved is for how many items room is made before they come.
const mostBelieved = 250_000

// Add counts a page, the one that Next told, and says what is to be done with it. Where
// the listing has become shorter since the page before, what followed a deleted item has
// moved up, onto pages that have been read: as many of those as the deleted items may
// span are read again.
//
//	announced, since the page before   step
//	as many, or more                   store
//	fewer, by up to a page             turn back by one page
//	fewer, by n pages                  turn back by n pages, or to the first
//	fewer, and this is the first       store
func (l *Listing) Add(p Page) Step {
	if l.began.IsZero() {
		l.began, l.serverDate = p.Began, p.ServerDate
	}
	if gone := l.announced - p.Announced; gone > 0 && len(l.pages) > 0 {
		back := max(0, len(l.pages)-pagesOf(gone, l.pageSize))
		for _, size := range l.pages[back:] {
			l.read -= size
		}
		l.pages, l.announced = l.pages[:back], p.Announced
		return StepTurnBack
	}
	l.pages = append(l.pages, p.size())
	l.read += p.size()
	l.announced = p.Announced
	if len(l.pages) == 1 && p.Last {
		l.digest = sha256.New()
	}
	if l.seen == nil {
		l.seen = make(map[string]struct{}, min(p.Announced, mostBelieved))
	}
	for i := range p.Observed {
		l.observe(&p.Observed[i])
	}
	for _, u := range p.Unreadable {
		l.leaveOut(u)
	}
	return StepStore
}

func (l *Listing) observe(o *Observation) {
	i := &o.Item
	l.seen[i.Number] = struct{}{}
	delete(l.unreadable, i.Number) // a page may be read again
	l.assessment.Add(*i)
	if i.UpdatedAt.After(l.latest) {
		l.latest = i.UpdatedAt
	}
	l.timeless = l.timeless || o.Unknown.Has(FieldUpdatedAt)
	if l.digest == nil {
		return
	}
	fmt.Fprintf(l.digest, "%q %q %q %t %t %v %d\n", i.Number, i.Name, i.BarCode, i.Barred, i.InventoryEnabled, i.Figures, i.UpdatedAt.Unix())
	if o.Warning != "" {
		fmt.Fprintf(l.digest, "%x %q\n", o.Unknown, o.Warning)
	}
}

func (l *Listing) leaveOut(u Unreadable) {
	if l.digest != nil {
		fmt.Fprintf(l.digest, "%q %q\n", u.Number, u.Err)
	}
	if u.Number == "" {
		l.nameless, l.namelessErr = l.nameless+1, u.Err
	}
	if l.unreadable == nil {
		l.unreadable = map[string]struct{}{}
	}
	l.unreadable[u.Number] = struct{}{}
	l.seen[u.Number] = struct{}{}
}

// Says returns a digest of what the listing's only page says, to the letter; "" where it
// has several, or showed fewer items than it announced. An item whose number cannot be
// read is part of it.
func (l *Listing) Says() string {
	if l.digest == nil || l.Complete() != nil {
		return ""
	}
	return hex.EncodeToString(l.digest.Sum(nil))
}

// Complete returns a *ShortError where the listing was cut short: nothing is concluded
// from what it did not show.
func (l *Listing) Complete() error { return Complete("items", l.announced, l.read) }

// Look takes note of what a page would take away, of a listing of which nothing is stored.
func (l *Listing) Look(seen []Observation, p ItemsPlan) {
	for i := range seen {
		delete(l.suspects, seen[i].Item.Number) // a page may be read again
		delete(l.back, seen[i].Item.Number)
	}
	maps.Copy(l.suspects, p.Suspected)
	for _, number := range p.Restored {
		l.back[number] = struct{}{}
	}
}

// Refute takes note of a read beside the listing: what a page would have taken away, and
// the read does not, counts no more.
func (l *Listing) Refute(read LossRead) {
	for i := range read.Seen {
		number := read.Seen[i].Item.Number
		if _, still := read.Suspects[number]; !still {
			delete(l.suspects, number)
		}
	}
}

// Stored takes note of an item that is stored and not gone. hinted says that an open hint
// asks for it.
func (l *Listing) Stored(number string, hinted bool) {
	if hinted {
		l.stored[number] = struct{}{}
	}
	if _, shown := l.seen[number]; !shown {
		l.missing = append(l.missing, number)
	}
}

// ListingEnd is what is known of the shop when a listing has been read to its end.
type ListingEnd struct {
	Began     time.Time          // Listing.Began, by the clock that orders observations
	Cursor    bool               // change queries have a cursor
	Swept     bool               // an earlier listing has been stored
	Coarse    time.Duration      // how coarse the times are at which items were updated
	Suspected map[string]Suspect // by number: what is suspected already
}

// CursorStep is what a listing does to the cursor of the change queries.
type CursorStep string

// The steps of a cursor.
const (
	CursorStays   CursorStep = "stays"   // it is left to the change queries, or to the next listing
	CursorFollows CursorStep = "follows" // it follows the listing, as it follows a change query
)

// Suspicion is what is odd about an agreement's stock and keeps nothing from being
// stored, as a code.
type Suspicion string

// The suspicions.
const (
	SuspicionNone    Suspicion = ""
	SuspicionAllZero Suspicion = "all_zero" // every figure is zero
)

// Listed is what a listing of everything came to.
type Listed struct {
	Items     int  // that it has shown
	Empty     bool // there was none, not even one that could not be understood
	Missing   map[string]Suspect
	Cursor    CursorStep
	Latest    time.Time // that an item was updated, as far as that is known
	Suspicion Suspicion
	Says      string // Listing.Says, where nothing else can be among it: "" else

	Nameless    int   // items without a readable number: any number may be one of them
	NamelessErr error // what was wrong with the last of them
	Unreadable  map[string]struct{}

	Takes map[string]Suspect  // what storing it would take away, Missing among it
	Back  map[string]struct{} // remembered losses that it shows in stock again

	seen, stored map[string]struct{}
}

// End returns what the listing came to when its last page has been added, and Stored has
// been told of all that is stored. It returns a *ShortError where it was cut short.
//
// A stored item that it did not show is suspected to be gone, and asked for alone: pages
// shift while the data change.
func (l *Listing) End(in ListingEnd) (Listed, error) {
	if err := l.Complete(); err != nil {
		return Listed{}, err
	}
	out := Listed{Items: len(l.seen), Empty: l.read == 0, Missing: make(map[string]Suspect, len(l.missing)), Cursor: l.cursor(in), Latest: l.latest,
		Nameless: l.nameless, NamelessErr: l.namelessErr, Unreadable: l.unreadable, Takes: l.suspects, Back: l.back, seen: l.seen, stored: l.stored}
	for _, number := range l.missing {
		out.Missing[number] = Suspect{Began: in.Began, Loss: true, Cause: l.cause, Unlisted: in.Suspected[number].Unlisted}
	}
	maps.Copy(out.Takes, out.Missing)
	if l.assessment.Verdict() == VerdictAllZero {
		out.Suspicion = SuspicionAllZero
	}
	if l.nameless == 0 {
		out.Says = l.Says()
	}
	return out, nil
}

// cursor decides what becomes of the cursor. A listing of several pages may have passed
// over an item: a deletion that a creation between the same pages makes up for shows in
// no count (Add). So it sets no cursor but a first one, and that only where nothing has
// changed while it was read; where something has, a second listing does.
//
//	pages    cursor  earlier listing  changed meanwhile  cursor
//	one      any     any              any                follows
//	several  there   any              any                stays
//	several  none    none             yes, or not known  stays
//	several  none    none             no                 follows
//	several  none    stored           any                follows
func (l *Listing) cursor(in ListingEnd) CursorStep {
	began := l.began
	if !l.serverDate.IsZero() {
		began = l.serverDate
	}
	restless := l.timeless || l.latest.After(began.Add(-in.Coarse))
	if len(l.pages) > 1 && (in.Cursor || restless && !in.Swept) {
		return CursorStays
	}
	return CursorFollows
}

// MissingAtOnce bounds how many items that a listing did not show are asked for after it.
const MissingAtOnce = 100

// Ask returns which missing items are asked for now, the first ones by number: no hint
// asks for them already. all is false where there are more than are asked for at once.
func (l *Listed) Ask(hinted func(number string) bool) (numbers []string, all bool) {
	for _, number := range slices.Sorted(maps.Keys(l.Missing)) {
		if hinted(number) {
			continue
		}
		if len(numbers) == MissingAtOnce {
			return numbers, false
		}
		numbers = append(numbers, number)
	}
	return numbers, true
}

// Absent returns those of the hinted numbers that do not exist, in their order: they are
// neither stored nor listed. An item without a readable number may be any of them.
func (l *Listed) Absent(hinted iter.Seq[string]) []string {
	if l.Nameless > 0 {
		return nil
	}
	var absent []string
	for _, number := range slices.Sorted(hinted) {
		_, stored := l.stored[number]
		_, shown := l.seen[number] // but it could not be understood
		if !stored && !shown {
			absent = append(absent, number)
		}
	}
	return absent
}
