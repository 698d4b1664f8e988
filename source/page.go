package source

import (
	"iter"
	"time"

	"lagerd/plan"
)

// Link leads to a page of a listing; "" leads to the first one and, as a page's
// Next, nowhere. What it says is the source's own affair.
type Link string

// Page is one page of a listing.
type Page[T any] struct {
	Observed   []T
	Unreadable []plan.Unreadable
	Announced  int  // how many the whole listing has, as the source counts them
	Next       Link // "": the last page
	Began      time.Time
	ServerDate time.Time // by the source's clock; zero if it did not say
}

// Size returns how many the page carried, understood or not.
func (p Page[T]) Size() int { return len(p.Observed) + len(p.Unreadable) }

// Pages reads a listing page by page to its end. It ends with the first error; and
// where fewer came than were announced, the last page is yielded together with a
// *plan.ShortError, which calls them what.
func Pages[T any](what string, read func(Link) (Page[T], error)) iter.Seq2[Page[T], error] {
	return func(yield func(Page[T], error) bool) {
		came := 0
		for link := Link(""); ; {
			p, err := read(link)
			if err != nil {
				yield(Page[T]{}, err)
				return
			}
			if came += p.Size(); p.Next == "" {
				err = plan.Complete(what, p.Announced, came)
			}
			if !yield(p, err) || p.Next == "" {
				return
			}
			link = p.Next
		}
	}
}
