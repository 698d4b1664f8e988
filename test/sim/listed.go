package sim

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
)

// listed is a listing of everything that an instance reads page by page, as far as
// its requests tell: what it showed, and whether it has been read to its end.
type listed struct {
	began   int64               // its first page, at the step
	shown   map[string]sighting // by number
	results []int               // how many items it has, as each page said that was turned
	again   int                 // the page that is read again next, since it has become shorter; -1: none
	shorter int                 // and how many items it has then
}

// sighting is what a listing showed of an item last.
type sighting struct {
	began int64 // the read of that page, at the step
	less  bool  // without a figure, or with zero
}

// listedPage is a page of a listing.
type listedPage struct {
	began                int64
	index, size, results int
	last                 bool
	items                []product
	unread               string // the number of the item that cannot be understood; "": none
}

// turn adds a page. It returns the listing that the page is of, which is a new one where
// it begins with that page, and whether that has been read to its end.
//
// A page by which the listing turns out to be shorter than before counts for nothing: as
// many pages before it are read again as may show now what was on the next one. What
// these showed at first counts as long as no later page shows something else.
//
// Where the first page is among them, a listing that is given up and begun anew looks the
// same. So what was shown before stays known, and by its step it can be told apart.
func (l *listed) turn(p listedPage) (of *listed, whole bool) {
	again := l != nil && p.index == l.again
	switch {
	case l == nil || p.index == 0 && !again:
		l = &listed{began: p.began, shown: map[string]sighting{}}
	case p.index == 0:
		l.began = p.began
	case again:
		l.results[p.index-1] = l.shorter
	}
	l.again, l.results = -1, l.results[:min(p.index, len(l.results))]
	if n := len(l.results); n > 0 && p.results < l.results[n-1] {
		gone := l.results[n-1] - p.results
		l.again, l.shorter = max(0, p.index-(gone+p.size-1)/p.size), p.results
		return l, false
	}
	l.results = append(l.results, p.results)
	for _, item := range p.items {
		// What cannot be understood is there, and nothing else is said of it.
		_, known := l.showed(item.ProductNumber, l.began)
		if unread := item.ProductNumber == p.unread; !unread || !known {
			l.shown[item.ProductNumber] = sighting{p.began, !unread && item.less()}
		}
	}
	return l, p.last
}

// showed returns what the listing showed of an item by pages that were read since.
func (l *listed) showed(number string, since int64) (s sighting, shown bool) {
	s, shown = l.shown[number]
	return s, shown && s.began >= since
}

// readListing follows a listing of everything to its end: it answers for every
// number, also for those that it does not show.
func (o *oracle) readListing(i *instance, x *shop, req *http.Request, p listedPage) {
	query := req.URL.Query()
	if query.Get("filter") != "" {
		return
	}
	p.index, _ = strconv.Atoi(query.Get("skippages"))
	p.size, _ = strconv.Atoi(query.Get("pagesize"))
	k := listingKey{i.id, x.name}
	l, over := o.listings[k].turn(p)
	o.listings[k] = l
	if !over {
		return
	}
	o.wholes[k] = &listed{began: l.began, shown: maps.Clone(l.shown)} // it may be gone on with
	for number := range o.sim.world.everything(x) {
		if _, shown := l.showed(number, l.began); !shown {
			r := readKey{i.id, x.name, "stock", number}
			o.reads[r] = max(o.reads[r], l.began)
			o.showedLess(r, l.began)
		}
	}
}

// takes counts what a listing would take away of what is stored, by pages that were read
// since: what none of them shows, and what they show without a figure or with zero, less
// what a later read has refuted.
func (o *oracle) takes(i *instance, x *shop, l *listed, since int64) (losses int) {
	for _, row := range o.sim.db.mustQuery("SELECT number, stock, state FROM items WHERE shop = ?", x.name) {
		number, stock := row[0].(string), figure(row[1])
		s, shown := l.showed(number, since)
		less := s.less && o.shown[readKey{i.id, x.name, "stock", number}] <= s.began
		if !shown && row[2] != "gone" || shown && less && stock != "" && stock != "0" {
			losses++
		}
	}
	return losses
}

// productPage is a page of items as e-conomic sends it.
type productPage struct {
	Collection []product
	Pagination struct {
		Results  int
		NextPage string
	}
}

type product struct {
	ProductNumber string
	Inventory     *struct{ InStock json.Number }
}

func (p product) less() bool {
	if p.Inventory == nil {
		return true
	}
	f, err := p.Inventory.InStock.Float64()
	return err != nil || f == 0
}
