package budget

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// gather is how long calls that come at the same time wait for each other.
const gather = 10 * time.Microsecond

// line is where the calls of several shops wait to be judged one by one, so that it does not
// depend on chance which of them gets the last call, or the last request that may be in flight.
type line struct {
	calls  []place
	served bool // a timer is running, or the calls of an earlier one are being judged
}

// place is a call's place in the line.
type place struct {
	p     Priority
	by    *Caller
	made  int           // by the shop, today
	turn  chan struct{} // closed when it may be judged
	leave chan struct{} // closed when it has been
}

// wait waits for a call's turn to be judged, and returns what ends it. Among the calls that come
// at the same time the higher priority goes first, then the shop that has made fewer calls today.
// A shop that is alone does not wait.
func (b *Budget) wait(p Priority, by *Caller) (leave func()) {
	b.mu.Lock()
	if by == nil || len(b.callers) < 2 {
		b.mu.Unlock()
		return func() {}
	}
	by.today()
	at := place{p, by, by.calls, make(chan struct{}), make(chan struct{})}
	b.line.calls = append(b.line.calls, at)
	if !b.line.served {
		b.line.served = true
		time.AfterFunc(gather, b.serve)
	}
	b.mu.Unlock()
	<-at.turn
	return func() { close(at.leave) }
}

// serve has the calls judged that have come.
func (b *Budget) serve() {
	b.mu.Lock()
	calls := b.line.calls
	b.line.calls = nil
	b.mu.Unlock()
	slices.SortStableFunc(calls, func(a, c place) int {
		return cmp.Or(cmp.Compare(c.p, a.p), cmp.Compare(a.made, c.made), cmp.Compare(a.by.shop, c.by.shop))
	})
	for _, at := range calls {
		close(at.turn)
		<-at.leave
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.line.served = len(b.line.calls) > 0; b.line.served {
		time.AfterFunc(gather, b.serve)
	}
}

// tryInTurn is try when it is the turn of the call, and counts it for its shop.
func (b *Budget) tryInTurn(ctx context.Context, p Priority, by *Caller, queued bool) (verdict, error) {
	defer b.wait(p, by)()
	err := by.turn(isHint(p))
	if err != nil && queued {
		b.leaveQueue(p)
	}
	if err != nil {
		return verdict{}, err
	}
	v, err := b.try(ctx, p, queued)
	if v.granted {
		by.count(isHint(p))
	}
	return v, err
}

// leaveQueue ends a call's wait for one in flight to end.
func (b *Budget) leaveQueue(p Priority) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting[p]--
	b.wake()
}
