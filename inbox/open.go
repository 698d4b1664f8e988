package inbox

import (
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// Open is a shop's open hints of items as they were before a read began. There may be hundreds
// of thousands, so they are kept in less memory than Hints takes: a page of the read takes
// those of its numbers with Of.
type Open struct {
	hints map[string]compact
}

// compact is a plan.Hint without its kind and number.
type compact struct {
	gen, webhooks             int64
	firstAt, webhookAt, dueAt int64 // microseconds since 1970
	cause                     plan.Cause
	tries, failures           int16
	refused                   bool
}

func newOpen() *Open { return &Open{hints: map[string]compact{}} }

// Len returns how many there are.
func (o *Open) Len() int {
	if o == nil {
		return 0
	}
	return len(o.hints)
}

// Has reports whether a number has one.
func (o *Open) Has(number string) bool {
	_, open := o.hints[number]
	return open
}

// Numbers yields their numbers.
func (o *Open) Numbers() iter.Seq[string] {
	if o == nil {
		return func(func(string) bool) {}
	}
	return maps.Keys(o.hints)
}

// Of returns the hints of those of the numbers that have one.
func (o *Open) Of(numbers iter.Seq[string]) Hints {
	of := Hints{}
	for number := range numbers {
		if c, open := o.hints[number]; open {
			of[number] = c.hint(number)
		}
	}
	return of
}

// Keep removes the hints of those of the numbers that are no longer among left, which Of
// returned.
func (o *Open) Keep(numbers iter.Seq[string], left Hints) {
	for number := range numbers {
		if _, open := left[number]; !open {
			delete(o.hints, number)
		}
	}
}

// Pieces yields all hints, in order of their numbers, as many at a time as one transaction writes.
func (o *Open) Pieces() iter.Seq[Hints] {
	return func(yield func(Hints) bool) {
		for piece := range slices.Chunk(slices.Sorted(o.Numbers()), store.RowsPerPiece) {
			if !yield(o.Of(slices.Values(piece))) {
				return
			}
		}
	}
}

func (o *Open) add(h plan.Hint) { o.hints[h.Number] = compacted(h) }

// get returns a number's hint.
func (o *Open) get(number string) (h plan.Hint, open bool) {
	c, open := o.hints[number]
	return c.hint(number), open
}

func compacted(h plan.Hint) compact {
	return compact{
		gen: h.Gen, webhooks: h.Webhooks, firstAt: micro(h.FirstAt), webhookAt: micro(h.WebhookAt), dueAt: micro(h.DueAt),
		cause: known(h.Cause), tries: short(h.Tries), failures: short(h.Failures), refused: h.Refused,
	}
}

func (c compact) hint(number string) plan.Hint {
	return plan.Hint{
		Kind: plan.KindStock, Number: number, Gen: c.gen, Cause: c.cause, FirstAt: at(c.firstAt), WebhookAt: at(c.webhookAt), Webhooks: c.webhooks,
		DueAt: at(c.dueAt), Tries: int(c.tries), Failures: int(c.failures), Refused: c.refused,
	}
}

const never = math.MinInt64

// micro returns a stored time, to the microsecond, without its location.
func micro(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.UnixMicro()
}

func at(micro int64) time.Time {
	if micro == never {
		return time.Time{}
	}
	return time.UnixMicro(micro).UTC()
}

func short(n int) int16 { return int16(min(max(n, 0), math.MaxInt16)) }

// known returns the cause without holding the memory that it was read into.
func known(c plan.Cause) plan.Cause {
	for _, cause := range []plan.Cause{plan.CauseWebhook, plan.CauseTick, plan.CauseInvoice, plan.CauseSweep, plan.CauseOperator} {
		if c == cause {
			return cause
		}
	}
	return c
}
