package economic

import (
	"time"

	"lagerd/source"
)

// resolution is that of e-conomic's lastUpdated: whole minutes.
const resolution = time.Minute

// Cursor returns from when on changes are wanted after a read that went to its end.
//
// It is the latest change that e-conomic showed, and never beyond either clock at the
// read's begin: one wrong answer must not put it into the future. Once e-conomic's clock
// is so far ahead that every change query looks back far enough, everything before it,
// less the overlap, has been read to its end: the cursor follows, or one import of
// 100,000 items would be read every minute until something else changes.
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
