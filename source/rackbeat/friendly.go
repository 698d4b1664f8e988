package rackbeat

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"lagerd/plan"
	"lagerd/rackbeat"
	"lagerd/source"
)

// known is what earlier answers of an account have shown and later reads need. It is safe for
// concurrent use.
type known struct {
	mu        sync.Mutex
	friendly  map[string]string // URL-friendly number by number, for the items that need it
	unordered bool              // Rackbeat refuses to order items by number

	shown  map[string]struct{} // numbers that the last search showed
	search time.Time           // when that search began; zero: there was none

	reportOrder reportOrder

	places   places
	placesAt time.Time // when they were read; zero: not yet, or they are outdated

	innerAlone, innerInReport bool // an item's places, alone and in the report, were seen to show those inside others
}

// mostFriendly is how many URL-friendly numbers are kept: those of an account whose items all
// have a slash in their numbers, in some megabytes.
const mostFriendly = 60_000

func (k *known) friendlyOf(number string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.friendly[number]
}

func (k *known) forget(number string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.friendly, number)
}

// learn keeps the URL-friendly numbers of items that cannot be read without. If there are too
// many, those that make room are found in a listing when they are needed.
func (k *known) learn(items []rackbeat.Item, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dropSearch(now)
	for i := range items {
		item := &items[i]
		if item.URLFriendly == "" || !rackbeat.NeedsFriendly(item.Number) {
			continue
		}
		if rackbeat.NeedsFriendly(item.URLFriendly) { // ".." may well be its own: it is of no use
			delete(k.friendly, item.Number)
			continue
		}
		if k.friendly == nil {
			k.friendly = map[string]string{}
		}
		if _, there := k.friendly[item.Number]; !there && len(k.friendly) >= mostFriendly {
			for other := range k.friendly {
				delete(k.friendly, other)
				break
			}
		}
		k.friendly[item.Number] = item.URLFriendly
	}
}

func (k *known) isUnordered() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.unordered
}

func (k *known) setUnordered() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.unordered = true
}

// mostSearched is how many pages a search reads: a million items.
const mostSearched = 1000

// searchedFor is how long a search that found an item nowhere is believed at most: so many items
// that are gone at once cost one search, not one each. One that began before the hints were loaded
// does not answer them, see source.Since.
const searchedFor = time.Minute

// lacking returns when the last search began, if that is not long ago and it did not show the number.
func (k *known) lacking(number string, now time.Time) (began time.Time, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dropSearch(now)
	_, shown := k.shown[number]
	return k.search, !k.search.IsZero() && !shown
}

// dropSearch forgets a search that is not believed any more. k.mu is held.
func (k *known) dropSearch(now time.Time) {
	if age := now.Sub(k.search); !k.search.IsZero() && (age < 0 || age >= searchedFor) {
		k.search, k.shown = time.Time{}, nil
	}
}

func (k *known) searched(began time.Time, shown map[string]struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.search, k.shown = began, shown
}

// find looks for an item that cannot be read alone, since its URL-friendly number is not known, or
// since Rackbeat answers with another item: other says so.
//
//	number                                    outcome
//	hinted, not stored                        an error: the next listing shows it, or that it is not there
//	stored, on a page of all items            as that page shows it; with places and other: an error,
//	                                          since its places cannot be read alone either
//	stored, on none, and nothing has moved    it does not exist
//	stored, on none, but something moved      an error: it may have been missed
//
// Anybody with a shop's code can invent numbers: those get no listing of their own.
func (s *stock) find(ctx context.Context, p source.Priority, number string, other error) (plan.Observation, error) {
	if p == source.PriorityUnknown {
		return plan.Observation{}, failed(cmp.Or(other, fmt.Errorf("item %q can be read alone only by its urlfriendly_number, which no listing has shown: the next one tells", plan.Clip(number, source.LongestNumber))))
	}
	if began, ok := s.known.lacking(number, s.account.Now()); ok && source.IsSince(ctx, began) {
		return absent(number, began), nil
	}
	all := search{seen: map[string]struct{}{}}
	for page, more := 1, true; more; page++ {
		if page > mostSearched {
			return plan.Observation{}, failed(fmt.Errorf("look for item %q in the listing: it has more than %d pages", number, mostSearched))
		}
		read, err := s.list(ctx, p, page)
		if err != nil {
			return plan.Observation{}, failed(err)
		}
		if item := all.add(&read, number); item != nil {
			return s.found(ctx, p, item, read.Began, other)
		}
		more = page < read.Pages
	}
	if all.moved || len(all.seen) != all.announced {
		err := fmt.Errorf("look for item %q in the listing: %d of %d items came, and it is not among them", number, len(all.seen), all.announced)
		return plan.Observation{}, &source.Error{Class: plan.ClassInterrupted, Err: err}
	}
	s.known.searched(all.began, all.seen)
	return absent(number, all.began), nil
}

// found returns an item that a search has found as an observation. other is that of find.
func (s *stock) found(ctx context.Context, p source.Priority, item *rackbeat.Item, began time.Time, other error) (plan.Observation, error) {
	switch {
	case item.Deleted:
		return absent(item.Number, began), nil
	case other != nil && s.chosen != nil:
		return plan.Observation{}, failed(other)
	}
	return s.alone(ctx, p, item, began)
}

// search is a listing of everything in search of one item.
type search struct {
	began     time.Time // of the first page; zero: none yet
	announced int
	moved     bool // something on it changed, or could not be read: it may have missed the item
	seen      map[string]struct{}
}

// add adds a page, and returns the item if it is there.
func (s *search) add(read *rackbeat.Page[rackbeat.Item], number string) *rackbeat.Item {
	if s.began.IsZero() {
		s.began, s.announced = read.Began, read.Total
	}
	for i := range read.Items {
		item := &read.Items[i]
		if item.Number == number {
			return item
		}
		s.seen[item.Number] = struct{}{}
	}
	s.moved = s.moved || len(read.Bad) > 0 || read.Total != s.announced
	return nil
}
