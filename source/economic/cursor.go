package economic

import (
	"time"

	"lagerd/source"
)

// resolution of e-conomic's lastUpdated: whole minutes.
const resolution = time.Minute

// Cursor returns the next cursor after a complete read.
//
// It is the latest change that e-conomic reported, capped by both clocks at the start of
// the read: one wrong answer must not move it into the future. If e-conomic's clock is
// known, the cursor also advances to that cap less the overlap, since everything older
// has been read in full. Without that, one import of 100,000 items would be read every
// minute until something else changes.
func (s products) Cursor(was time.Time, read source.Times, overlap time.Duration) time.Time {
	limit := read.Began
	if !read.ServerDate.IsZero() && read.ServerDate.Before(read.Began) {
		limit = read.ServerDate
	}
	cursor := read.Latest
	if cursor.After(limit) {
		cursor = limit
	}
	if settled := limit.Add(-overlap); !read.ServerDate.IsZero() && settled.After(cursor) {
		cursor = settled
	}
	if cursor.Before(was) {
		return was
	}
	return cursor
}
