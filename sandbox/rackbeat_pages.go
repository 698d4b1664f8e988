package sandbox

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// listPage is the page of a list that was asked for.
type listPage struct {
	number, limit int
	order         string
	descending    bool
	fields        []string // nil: all
}

// mostPages keeps the number of a page's first row within an int.
const mostPages = 1_000_000_000

// refuse answers a 422 about a parameter.
func (q request) refuse(field, message string) *answer {
	q.account.violate("%s: %s=%s", strings.Join(q.path, "/"), field, q.query.Get(field))
	ans := q.invalid(field, message)
	return &ans
}

// known refuses parameters of other names, and returns the fields that were asked for.
func (q request) known(names ...string) ([]string, *answer) {
	for name := range q.query {
		if !slices.Contains(names, name) {
			return nil, q.refuse(name, "The "+name+" field is not allowed.")
		}
	}
	return parseFields(q.query.Get("fields")), nil
}

// page parses the parameters of a list, which can be ordered by the given properties and
// takes further parameters.
func (q request) page(orders []string, more ...string) (p listPage, bad *answer) {
	p = listPage{number: 1, limit: 20, order: q.query.Get("order_by")}
	if p.fields, bad = q.known(append(more, "page", "limit", "fields", "order_by", "order_direction", "sort")...); bad != nil {
		return p, bad
	}
	for name, into := range map[string]*int{"page": &p.number, "limit": &p.limit} {
		text := q.query.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > mostPages {
			return p, q.refuse(name, "The "+name+" must be between 1 and 1000000000.")
		}
		*into = n
	}
	p.limit = min(p.limit, cmp.Or(q.f.MaxLimit, 1000))
	direction := q.query.Get("order_direction")
	if sort := q.query.Get("sort"); sort != "" { // of newer clients
		p.order = strings.TrimPrefix(sort, "-")
		p.descending = p.order != sort
	}
	if p.order != "" && !slices.Contains(orders, p.order) {
		return p, q.refuse("order_by", "The selected order_by is invalid.")
	}
	if !slices.Contains([]string{"", "asc", "desc"}, strings.ToLower(direction)) {
		return p, q.refuse("order_direction", "The selected order_direction is invalid.")
	}
	p.descending = p.descending || strings.EqualFold(direction, "desc")
	return p, nil
}

// rowRange is a range of a list's rows.
type rowRange struct{ from, to int }

// rows returns the rows of a page, with the faults that leave some out.
func (c *account) rows(p listPage, all int, f *RackbeatFaults) rowRange {
	number := p.number
	if f.Endless > 0 && c.strikes(f.Endless, "endless") {
		number = 1
	}
	from := min((number-1)*p.limit, all)
	to := min(from+p.limit, all)
	switch {
	case c.strikes(f.EmptyPage, "emptyPage"):
		to = from
	case c.strikes(f.HalfPage, "halfPage"):
		to = from + (to-from)/2
	}
	return rowRange{from, to}
}

// pages returns how many pages a list has.
func (p listPage) pages(all int, f *RackbeatFaults) int {
	n := max(1, (all+p.limit-1)/p.limit)
	if f.Endless > 0 {
		return max(n, p.number+1)
	}
	return n
}

// list answers a page of a list. Whether its status is 200 or 206 is not known.
func (q request) list(p listPage, name string, rows []object, all int) answer {
	pages := p.pages(all, q.f)
	return q.answer(q.partial(pages), object{{name, rows}, {"total", all}, {"pages", pages}, {"limit", p.limit}, {"page", p.number}})
}

func (q request) partial(pages int) int {
	if q.f.Partial == "always" || q.f.Partial != "never" && pages > 1 {
		return http.StatusPartialContent
	}
	return http.StatusOK
}

// shift creates or deletes an item before a later page is answered, as faults: the rows of
// that page are no longer those that followed the page before.
func (c *account) shift(p listPage) {
	if p.number < 2 {
		return
	}
	f := c.faults()
	if c.strikes(f.CreatePaging, "createPaging") {
		c.mu.Lock()
		c.shifted++
		number := fmt.Sprintf("!%d", c.shifted)
		c.mu.Unlock()
		_ = c.agreement.create(number, "Vare "+number, 100)
	}
	if c.strikes(f.DeletePaging, "deletePaging") {
		c.mu.Lock()
		rows := c.sorted(p, "item", f)
		at := slices.IndexFunc(rows, func(i shownItem) bool { return i.truth().deleted.IsZero() })
		c.mu.Unlock()
		if at >= 0 {
			_, _ = c.agreement.remove("delete", rows[at].number)
		}
	}
}
