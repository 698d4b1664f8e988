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

// Page is a page of a listing of everything that an agreement holds.
type Page struct {
	Observed   []Observation
	Unreadable []Unreadable
	Announced  int  // items in the whole listing, as the source counts them now
	Last       bool // no page follows
	Began      time.Time
	ServerDate time.Time // by the source's clock; zero if it did not say
}

func (p Page) size() int { return len(p.Observed) + len(p.Unreadable) }

// Step is what to do with a page.
type Step string

// The possible steps.
const (
	StepStore    Step = "store"     // it counts
	StepTurnBack Step = "turn_back" // earlier pages are read again first, then this one
)

// Listing makes the decisions about a listing of everything, page by page. It does no I/O: the
// caller adds each page in order, and at the end the stored items. It is used by one goroutine
// at a time.
type Listing struct {
	cause    Cause
	pageSize int

	pages     []int // sizes of the pages that count
	read      int   // items on them
	announced int
	overrun   error // see Overrun

	began, serverDate time.Time           // of the first page
	seen              map[string]struct{} // numbers that a page has shown
	gone              map[string]struct{} // of those, the ones shown as deleted
	unreadable        map[string]struct{} // of those, the ones that could not be understood
	nameless          int                 // items without a readable number
	namelessErr       error               // error of the last of them
	latest            time.Time           // latest update of an item
	timeless          bool                // for some items it is unknown
	assessment        Assessment
	digest            hash.Hash // content of the only page; nil if there are several

	missing []string            // stored numbers that no page has shown
	stored  map[string]struct{} // hinted numbers that are stored

	suspects map[string]Suspect  // of a dry run: what it would take away
	back     map[string]struct{} // of a dry run: remembered losses that are in stock again
}

// NewListing returns a listing without pages.
func NewListing(cause Cause, pageSize int) *Listing {
	return &Listing{cause: cause, pageSize: pageSize, stored: map[string]struct{}{}, suspects: map[string]Suspect{}, back: map[string]struct{}{}}
}

// Cause returns what led to the listing.
func (l *Listing) Cause() Cause { return l.cause }

// Began returns when the read of the first page began, also by the source's clock if it sent
// one.
func (l *Listing) Began() (at, serverDate time.Time) { return l.began, l.serverDate }

// Next returns the number of the next page to read, counting from 0.
func (l *Listing) Next() int { return len(l.pages) }

const (
	// mostBelieved limits the room made for announced items before they come.
	mostBelieved = 250_000

	// mostListed is how many items a listing may show: each takes memory until it ends.
	mostListed = 500_000
)

// Add adds page Next and returns what to do with it. If the listing has become shorter since
// the previous page, the items behind a deleted one have moved up onto pages already read: as
// many pages as the deleted items may span are read again.
//
//	announced, since the previous page   step
//	as many, or more                     store
//	fewer, by up to a page               turn back by one page
//	fewer, by n pages                    turn back by n pages, or to the first
//	fewer, and this is the first         store
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
	if l.read >= p.Announced && len(l.pages) > 0 && !p.Last {
		l.overrun = fmt.Errorf("the listing does not end: %d items of %d had come, and there are more pages", l.read, p.Announced)
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
	if len(l.seen) > mostListed && !p.Last {
		l.overrun = fmt.Errorf("the listing has shown %d items, and there are more: lagerd reads %d at most", len(l.seen), mostListed)
	}
	return StepStore
}

// Overrun returns why the listing is given up after a page: it goes on although everything has come,
// or shows more items than lagerd reads. nil: it goes on.
func (l *Listing) Overrun() error { return l.overrun }

func (l *Listing) observe(o *Observation) {
	i := &o.Item
	l.seen[i.Number] = struct{}{}
	delete(l.unreadable, i.Number) // a page may be read again
	delete(l.gone, i.Number)
	if o.Found {
		l.assessment.Add(*i)
	} else {
		if l.gone == nil {
			l.gone = map[string]struct{}{}
		}
		l.gone[i.Number] = struct{}{}
	}
	if i.UpdatedAt.After(l.latest) {
		l.latest = i.UpdatedAt
	}
	l.timeless = l.timeless || o.Unknown.Has(FieldUpdatedAt)
	if l.digest == nil {
		return
	}
	fmt.Fprintf(l.digest, "%t %q %q %q %t %t %v %d\n", o.Found, i.Number, i.Name, i.BarCode, i.Barred, i.InventoryEnabled, i.Figures, i.UpdatedAt.Unix())
	if o.Warning != "" {
		fmt.Fprintf(l.digest, "%x %q\n", o.Unknown, o.Warning)
	}
	for _, in := range o.Places {
		fmt.Fprintf(l.digest, "%q: %s\n", in.Place, in.InStock)
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

// Says returns a digest of the exact content of the listing's only page; "" if it has several,
// or showed fewer items than it announced. The digest includes items with an unreadable number.
func (l *Listing) Says() string {
	if l.digest == nil || l.Complete() != nil {
		return ""
	}
	return hex.EncodeToString(l.digest.Sum(nil))
}

// Complete returns a *ShortError if the listing was cut short: nothing may be concluded from
// what it did not show.
func (l *Listing) Complete() error { return Complete("items", l.announced, l.read) }

// Look adds what a page of a dry run would take away.
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

// Refute drops what the dry run would have taken away but a read during it does not.
func (l *Listing) Refute(read LossRead) {
	for i := range read.Seen {
		number := read.Seen[i].Item.Number
		if _, still := read.Suspects[number]; !still {
			delete(l.suspects, number)
		}
	}
}

// Stored adds an item that is stored and not gone. hinted says that it has an open hint.
func (l *Listing) Stored(number string, hinted bool) {
	if hinted {
		l.stored[number] = struct{}{}
	}
	if _, shown := l.seen[number]; !shown {
		l.missing = append(l.missing, number)
	}
}

// ListingEnd is the shop's state when a listing has been read to its end.
type ListingEnd struct {
	Began     time.Time          // Listing.Began, by the clock that orders observations
	Cursor    bool               // change queries have a cursor
	Swept     bool               // an earlier listing was stored
	Coarse    time.Duration      // resolution of the items' update times
	Suspected map[string]Suspect // by number: existing suspects
}

// CursorStep is what a listing does to the cursor of the change queries.
type CursorStep string

// The possible cursor steps.
const (
	CursorStays   CursorStep = "stays"   // it is left to the change queries, or to the next listing
	CursorFollows CursorStep = "follows" // it moves with the listing as with a change query
)

// Suspicion is a code for what is odd about an agreement's stock without preventing anything
// from being stored.
type Suspicion string

// The suspicions.
const (
	SuspicionNone    Suspicion = ""
	SuspicionAllZero Suspicion = "all_zero" // every figure is zero
)

// Listed is the result of a listing of everything.
type Listed struct {
	Items     int  // shown, without those shown as deleted
	Empty     bool // it showed none, not even an unreadable one
	Missing   map[string]Suspect
	Cursor    CursorStep
	Latest    time.Time // latest update of an item, as far as known
	Suspicion Suspicion
	Says      string // Listing.Says; "" if an item has no readable number

	Nameless    int   // items without a readable number: any number may be one of them
	NamelessErr error // error of the last of them
	Unreadable  map[string]struct{}

	Takes map[string]Suspect  // what storing it would take away, including Missing
	Back  map[string]struct{} // remembered losses that are in stock again

	seen, stored map[string]struct{}
}

// End returns the result of the listing. All pages and all stored items must have been added.
// It returns a *ShortError if the listing was cut short.
//
// A stored item that the listing did not show is a suspect and read alone: pages shift while
// the data change.
func (l *Listing) End(in ListingEnd) (Listed, error) {
	if err := l.Complete(); err != nil {
		return Listed{}, err
	}
	out := Listed{Items: len(l.seen) - len(l.gone), Empty: l.read == 0, Missing: make(map[string]Suspect, len(l.missing)), Cursor: l.cursor(in), Latest: l.latest,
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

// cursor decides what happens to the cursor. A listing of several pages may have missed an
// item: a deletion is invisible in the count if an item was created between the same pages
// (Add). So such a listing sets only a first cursor, and only if nothing changed while it was
// read; otherwise a second listing does.
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

// MissingAtOnce limits how many items missing from a listing are read after it.
const MissingAtOnce = 100

// Ask returns the missing items to read now, the first ones by number, without those that have
// a hint already. all is false if there are more than MissingAtOnce.
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

// Absent returns the hinted numbers that do not exist, sorted: they are neither stored nor
// listed. An item without a readable number may be any of them.
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
