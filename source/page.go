package source

import (
	"fmt"
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

	// Unfinished says that the page takes more calls than were made: it has no entries yet, and
	// Next, which is set, goes on with it. The caller can do what is more urgent in between.
	Unfinished bool
}

// Size returns how many entries the page had, readable or not.
func (p Page[T]) Size() int { return len(p.Observed) + len(p.Unreadable) }

// Pages reads a listing page by page, each until it is finished. It stops at the first error. If fewer entries came
// than were announced, it yields the last page together with a *plan.ShortError, in which
// what names the entries. A listing that goes on after a page that came when all had come
// already is an error: it might never end.
func Pages[T any](what string, read func(Link) (Page[T], error)) iter.Seq2[Page[T], error] {
	return func(yield func(Page[T], error) bool) {
		came := 0
		for link := Link(""); ; {
			p, err := read(link)
			if err != nil {
				yield(Page[T]{}, err)
				return
			}
			if p.Unfinished {
				link = p.Next
				continue
			}
			switch all := came >= p.Announced; {
			case p.Next == "":
				err = plan.Complete(what, p.Announced, came+p.Size())
			case all:
				yield(Page[T]{}, fmt.Errorf("the listing does not end: %d %s of %d had come, and there are more pages", came, what, p.Announced))
				return
			}
			came += p.Size()
			if !yield(p, err) || p.Next == "" {
				return
			}
			link = p.Next
		}
	}
}
