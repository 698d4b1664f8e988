package economic

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxPageSize = 1000 // a larger pagesize is a 400 (E04810)
	maxInValues = 200  // values in one $in: list; more is a 400
)

// url returns the URL of the first page.
func (q ProductsQuery) url(base string) (string, error) {
	var clauses []string
	if len(q.Numbers) > 0 {
		for _, number := range q.Numbers {
			if !Filterable(number) {
				return "", fmt.Errorf("item number %q cannot be used in a filter: read it on its own", number)
			}
		}
		clauses = append(clauses, anyOf(numberClauses(q.Numbers)))
	}
	sort := "productNumber"
	if !q.UpdatedSince.IsZero() {
		clauses = append(clauses, "lastUpdated$gte:"+q.UpdatedSince.UTC().Truncate(time.Minute).Format(time.RFC3339))
		// Latest first, because updates shift the pages during paging: an item that
		// is updated moves to the front and pushes others to a later page, never
		// past it. The number orders the many items of the same minute.
		sort = "-lastUpdated,productNumber"
	}
	return address(base+"/products", strings.Join(clauses, "$and:"), sort, q.PageSize, q.SkipPages)
}

// numberClauses returns a clause for each number. It cannot use $in:, which finds
// nothing on a string property.
func numberClauses(numbers []string) []string {
	clauses := make([]string, len(numbers))
	for i, number := range numbers {
		clauses[i] = "productNumber$eq:" + escapeFilter(number)
	}
	return clauses
}

// url returns the URL of the first page.
func (q InvoicesQuery) url(base string) (string, error) {
	var wanted, clauses []string
	if q.HasAfter {
		wanted = append(wanted, fmt.Sprintf("bookedInvoiceNumber$gt:%d", q.After))
	}
	ranges, err := rangeClauses(q.Ranges)
	if err != nil {
		return "", err
	}
	if wanted = append(wanted, ranges...); len(wanted) > 0 {
		clauses = append(clauses, anyOf(wanted))
	}
	if q.DateFrom != "" {
		if _, err := time.Parse(time.DateOnly, q.DateFrom); err != nil {
			return "", fmt.Errorf("date %q: expected YYYY-MM-DD", q.DateFrom)
		}
		clauses = append(clauses, "date$gte:"+q.DateFrom)
	}
	sort := "bookedInvoiceNumber"
	if q.Descending {
		sort = "-" + sort
	}
	return address(base+"/invoices/booked", strings.Join(clauses, "$and:"), sort, q.PageSize, q.SkipPages)
}

// rangeClauses returns the filter clauses for ranges: lists of single numbers, and one
// clause for each longer range.
func rangeClauses(ranges []Range) ([]string, error) {
	var clauses, single []string
	for _, r := range ranges {
		switch {
		case r.From < 1 || r.To < r.From:
			return nil, fmt.Errorf("invoice numbers %d to %d: expected a range of numbers from 1", r.From, r.To)
		case r.From == r.To:
			single = append(single, strconv.FormatInt(r.From, 10))
		default:
			clauses = append(clauses, fmt.Sprintf("(bookedInvoiceNumber$gte:%d$and:bookedInvoiceNumber$lte:%d)", r.From, r.To))
		}
	}
	for len(single) > 0 {
		n := min(len(single), maxInValues)
		clauses = append(clauses, "bookedInvoiceNumber$in:["+strings.Join(single[:n], ",")+"]")
		single = single[n:]
	}
	return clauses, nil
}

// anyOf joins clauses with "or", in parentheses so that nothing depends on e-conomic's
// precedence of "and" and "or".
func anyOf(clauses []string) string {
	if len(clauses) == 1 {
		return clauses[0]
	}
	return "(" + strings.Join(clauses, "$or:") + ")"
}

func address(path, filter, sort string, pageSize, skipPages int) (string, error) {
	if pageSize == 0 {
		pageSize = maxPageSize
	}
	if pageSize < 1 || pageSize > maxPageSize {
		return "", fmt.Errorf("page size %d: expected 1 to %d", pageSize, maxPageSize)
	}
	if skipPages < 0 {
		return "", fmt.Errorf("skipped pages %d: expected 0 or more", skipPages)
	}
	var b strings.Builder
	b.WriteString(path + "?")
	if filter != "" {
		b.WriteString("filter=" + queryEscape(filter) + "&")
	}
	fmt.Fprintf(&b, "pagesize=%d&", pageSize)
	if skipPages > 0 {
		fmt.Fprintf(&b, "skippages=%d&", skipPages)
	}
	b.WriteString("sort=" + queryEscape(sort))
	return b.String(), nil
}

// queryEscape is url.QueryEscape with spaces as %20: "+" might be read as a plus sign.
func queryEscape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// FitNumbers returns how many numbers, from the start of the list, fit into one
// ProductsQuery: they must be Filterable and the URL must stay within MaxURLBytes. 0
// means that the first must be read on its own, or that the list is empty.
func (c *Client) FitNumbers(numbers []string) int {
	size := len(c.base) + len("/products?filter=") + len(queryEscape("()")) + urlRest
	for i, number := range numbers {
		if !Filterable(number) {
			return i
		}
		size += len(queryEscape("productNumber$eq:"+escapeFilter(number))) + len(queryEscape("$or:"))
		if size > c.o.MaxURLBytes {
			return i
		}
	}
	return len(numbers)
}

// FitRanges returns how many ranges, from the start of the list, fit into one
// InvoicesQuery, whatever its other fields.
func (c *Client) FitRanges(ranges []Range) int {
	size := len(c.base) + len("/invoices/booked?filter=") + urlRest +
		len(queryEscape("(bookedInvoiceNumber$gt:9223372036854775807$or:)$and:date$gte:2006-01-02"))
	single := 0
	for i, r := range ranges {
		clause := fmt.Sprintf("(bookedInvoiceNumber$gte:%d$and:bookedInvoiceNumber$lte:%d)$or:", r.From, r.To)
		if r.From == r.To {
			clause = fmt.Sprintf("%d,", r.From)
			if single%maxInValues == 0 {
				clause += "bookedInvoiceNumber$in:[]$or:"
			}
			single++
		}
		if size += len(queryEscape(clause)); size > c.o.MaxURLBytes {
			return i
		}
	}
	return len(ranges)
}

// urlRest is the space reserved for the longest parameters after a filter, and for a
// clause on lastUpdated.
const urlRest = len("&pagesize=1000&skippages=9223372036854775807&sort=-lastUpdated%2CproductNumber") +
	len("%24and%3AlastUpdated%24gte%3A2006-01-02T15%3A04%3A05Z")
