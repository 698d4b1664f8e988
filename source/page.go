package source

import (
	"iter"
	"time"

	"lagerd/plan"
)

// Link identifies a page of a listing. "" is the first page; as a page's Next it means
// that there is none. Its content is opaque outside the source.
type Link string

// Page is one page of a listing.
type Page[T any] struct {
	Observed   []T
	Unreadable []plan.Unreadable
	Announced  int  // total of the whole listing, as the source reports it
	Next       Link // "": the last page
	Began      time.Time
	ServerDate time.Time // by the source's clock; zero if not reported
}

// Size returns how many entries the page had, readable or not.
func (p Page[T]) Size() int { return len(p.Observed) + len(p.Unreadable) }

// Pages reads a listing page by page. It stops at the first error. If fewer entries came
// than were announced, it yields the last page together with a *plan.ShortError, in which
// what names the entries.
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
