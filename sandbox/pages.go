package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// pageOf is a page of a query's matches.
type pageOf struct {
	skip, size int
	query      url.Values
	endless    int // a fault: this many pages before it were the same; -1: none
}

func (a *agreement) page(r *http.Request) (pageOf, *answer) {
	p := pageOf{size: 20, query: r.URL.Query(), endless: -1}
	for name, into := range map[string]*int{"pagesize": &p.size, "skippages": &p.skip} {
		text := p.query.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > mostPages || name == "pagesize" && (n < 1 || n > 1000) {
			a.violate("%s=%s", name, text)
			bad := a.sandbox.apiError(400, "E04810", name+" must be a positive whole number between 1 and 1000.", "", nil)
			return p, &bad
		}
		*into = n
	}
	f := a.faults()
	if a.sandbox.strikes(a, f.IgnoreFilter, "ignoreFilter") {
		p.query.Del("filter")
	}
	if a.sandbox.strikes(a, f.IgnoreSort, "ignoreSort") {
		p.query.Del("sort")
	}
	if a.sandbox.strikes(a, f.Endless, "endless") {
		p.endless, p.skip = p.skip, 0
	}
	return p, nil
}

// bounds returns the page's range of the matches.
func (p pageOf) bounds(matches int) (from, to int) {
	from = min(p.skip*p.size, matches)
	return from, min(from+p.size, matches)
}

func (p pageOf) link(base, path string, skip int) string {
	q := url.Values{}
	for _, name := range []string{"filter", "sort", "demo"} {
		if v := p.query.Get(name); v != "" {
			q.Set(name, v)
		}
	}
	tail := ""
	if len(q) > 0 {
		tail = "&" + q.Encode()
	}
	return fmt.Sprintf("%s%s?skippages=%d&pagesize=%d%s", base, path, skip, p.size, tail)
}

func (p pageOf) pagination(base, path string, matches, all int) map[string]any {
	last := max(0, (matches-1)/p.size)
	m := map[string]any{
		"maxPageSizeAllowed": 1000, "skipPages": p.skip, "pageSize": p.size, "results": matches, "resultsWithoutFilter": all,
		"firstPage": p.link(base, path, 0), "lastPage": p.link(base, path, last),
	}
	if p.skip < last {
		m["nextPage"] = p.link(base, path, p.skip+1)
	}
	if p.endless >= 0 {
		m["nextPage"] = p.link(base, path, p.endless+1)
	}
	if p.skip > 0 {
		m["previousPage"] = p.link(base, path, min(p.skip-1, last))
	}
	return m
}

func (a *agreement) badFilter(err error) answer {
	var e *filterError
	if !errors.As(err, &e) {
		e = &filterError{message: err.Error(), status: 400}
	}
	a.violate("%s", e.message)
	if e.status == 500 {
		return a.sandbox.apiError(500, "E00500", e.message, "", nil)
	}
	more := map[string]any{"errors": []string{e.message}}
	if e.allowed != nil {
		more["allowedFilteringFields"] = e.allowed
	}
	return a.sandbox.apiError(400, "E04020", e.message, "Check the filter and sort parameters.", more)
}
