package sim

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
)

// listed is an instance's full listing, reconstructed from its requests: what it showed, and
// whether it was read to its end.
type listed struct {
	began   int64               // step of its first page
	shown   map[string]sighting // by number
	results []int               // how many items it has, according to each page read
	again   int                 // the page to reread next because the listing has become shorter; -1: none
	shorter int                 // how many items it has then
}

// sighting is what a listing last showed of an item.
type sighting struct {
	began int64 // step of the page's read
	less  bool  // no figure, or zero
}

// listedPage is a page of a listing.
type listedPage struct {
	began                int64
	index, size, results int
	last                 bool
	items                []product
	unread               string // number of the unreadable item; "": none
	noFigures            bool   // its items have their figures from a report by place, read afterwards, if they have any
}

// turn adds a page. It returns the page's listing, a new one if the page begins it, and whether
// it has been read to its end.
//
// A page that reveals that the listing has become shorter does not count: as many earlier pages
// are reread as may now show what was on the next one. What they first showed counts until a
// later page shows something else.
//
// If the first page is among them, a listing that is abandoned and restarted looks the same. So
// earlier sightings are kept, distinguished by their step.
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
		// An unreadable item is present, and nothing else is known of it.
		_, known := l.showed(item.ProductNumber, l.began)
		if unread := item.ProductNumber == p.unread; !unread || !known {
			less := item.less()
			if p.noFigures {
				less = item.Inventory == nil
			}
			l.shown[item.ProductNumber] = sighting{p.began, !unread && less}
		}
	}
	return l, p.last
}

// showed returns what the listing's pages read since then showed of an item.
func (l *listed) showed(number string, since int64) (s sighting, shown bool) {
	s, shown = l.shown[number]
	return s, shown && s.began >= since
}

// reported adds what a report by place says of an item to the instance's latest listing, which has
// shown it before. If the report lacks its own figure, that of the listing counts.
func (o *oracle) reported(k listingKey, item rackbeatItem) {
	for _, l := range []*listed{o.listings[k], o.wholes[k]} {
		if l == nil {
			continue
		}
		if s, shown := l.shown[item.number()]; shown {
			p := item.product()
			s.less = s.less || p.Inventory != nil && p.less()
			l.shown[item.number()] = s
		}
	}
}

// readListing follows a full listing to its end: it answers every number, including those it
// does not show.
func (o *oracle) readListing(i *instance, x *shop, req *http.Request, p listedPage) {
	query := req.URL.Query()
	if query.Get("filter") != "" {
		return
	}
	p.index, _ = strconv.Atoi(query.Get("skippages"))
	p.size, _ = strconv.Atoi(query.Get("pagesize"))
	o.turnListing(i, x, x.reader(false), p)
}

// turnListing adds a page to the listing that an instance reads.
func (o *oracle) turnListing(i *instance, x *shop, from string, p listedPage) {
	k := listingKey{i.id, from}
	l, over := o.listings[k].turn(p)
	o.listings[k] = l
	if !over {
		return
	}
	o.wholes[k] = &listed{began: l.began, shown: maps.Clone(l.shown)} // the listing may continue
	for number := range o.sim.world.everything(x) {
		if _, shown := l.showed(number, l.began); !shown {
			r := readKey{i.id, from, "stock", number}
			o.reads[r] = max(o.reads[r], l.began)
			o.showedLess(r, l.began)
		}
	}
	for k := range o.told {
		if k.shop == x.name && k.kind == "stock" && isUnknown(k.number) {
			r := readKey{i.id, from, "stock", k.number}
			o.reads[r] = max(o.reads[r], l.began)
		}
	}
}

// takes counts what the listing's pages read since then would take away: stored items that none
// shows, or that they show without a figure or with zero, unless a later read refuted it.
func (o *oracle) takes(i *instance, x *shop, l *listed, since int64) (losses int) {
	for _, row := range o.sim.db.mustQuery("SELECT i.number, i.stock, i.state FROM items i JOIN shops s ON s.stock_dataset = i.shop WHERE s.shop = ?", x.name) {
		number, stock := row[0].(string), figure(row[1])
		s, shown := l.showed(number, since)
		less := s.less && o.shown[readKey{i.id, o.reader(x.name), "stock", number}] <= s.began
		if !shown && row[2] != "gone" || shown && less && stock != "" && stock != "0" {
			losses++
		}
	}
	return losses
}

// productPage is a page of items in e-conomic's format.
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
