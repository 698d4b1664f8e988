package sim

import (
	"context"
	"net/http"
	"runtime"
	"slices"
	"strings"
)

// An item whose number cannot be in a path is read at Rackbeat by its URL-friendly number. To
// learn that, lagerd may search the pages of all items for it. A search is no listing: it ends
// when the item is found, and says nothing about the other items. On the wire the two are the same.

// oddAtRackbeat are numbers of items at Rackbeat, where a number has at most 25 characters.
var oddAtRackbeat = []string{"a/b", "0571527051", "x?y=1#z", "1/2/3", "12", "..", "æ/ø", "007", "A B", "%2F", `q"'`, "a+b", "50% off", "a", "A", "items/1", "$eq:1", "1e5"}

func (p profile) numbersAtRackbeat() []string {
	numbers := slices.Clone(oddAtRackbeat)
	if !p.slashes {
		for n, number := range numbers {
			numbers[n] = strings.NewReplacer("/", "-", "..", "...").Replace(number)
		}
	}
	return numbers
}

// dividesPath reports whether a number cannot be in a path.
func dividesPath(number string) bool { return strings.Contains(number, "/") || number == ".." }

// numbered returns the number of the item that is read by a number in a path.
func (x *shop) numbered(inPath string) string {
	for _, number := range x.numbers {
		if dividesPath(number) && strings.ReplaceAll(number, "/", "_") == inPath { // as the sandbox makes them
			return number
		}
	}
	return inPath
}

// search marks the context of a request that is part of a search.
type search struct{}

// ofSearch returns the request, marked if its caller searches for an item: that cannot be seen on the
// wire. It must be called by the requesting goroutine.
func ofSearch(req *http.Request) *http.Request {
	if !ofRackbeat(req) || !listsItems(req) || !searches() {
		return req
	}
	return req.WithContext(context.WithValue(req.Context(), search{}, true))
}

func searches() bool {
	callers := make([]uintptr, 60)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	for more := true; more; {
		var f runtime.Frame
		if f, more = frames.Next(); strings.HasSuffix(f.Function, "source/rackbeat.(*stock).find") {
			return true
		}
	}
	return false
}

// readSearch records a page of a search: it tells of the items that it is made for, whichever of
// those it seeks.
func (o *oracle) readSearch(i *instance, x *shop, index int, began int64, page *rackbeatPage, saw func(kind, number string, less bool)) {
	o.sim.counts["page of a search"]++
	k := listingKey{i.id, x.name}
	if index == 0 {
		o.searches[k] = &listed{began: began, shown: map[string]sighting{}}
	}
	l := o.searches[k]
	for _, item := range page.Items {
		l.shown[item.number()] = sighting{began: began}
		if dividesPath(item.number()) {
			saw("stock", item.number(), item.product().less())
		}
	}
	if index+1 < page.Pages {
		return
	}
	for number := range x.items {
		if _, shown := l.shown[number]; !shown && dividesPath(number) {
			r := readKey{i.id, x.reader(true), "stock", number}
			o.reads[r] = max(o.reads[r], l.began)
			o.showedLess(r, l.began)
		}
	}
}
