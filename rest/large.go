package rest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// A hostile or broken answer may be as large as the limit allows, and hundreds may arrive
// at once. Therefore only the first 4 MiB are read immediately. The rest waits for one of a
// few slots, which the answer holds until it has been decoded.

const (
	// largeBytes is how much of an answer is read without a slot.
	largeBytes = 4 << 20
	// MaxSingleBytes is the largest answer about one item, or about the account.
	MaxSingleBytes = 2 << 20
)

// Slots limits how many large answers are read at once, and how many more wait for that with
// their first part in memory.
type Slots struct{ reading, waiting chan struct{} }

// largeWaiting is how many large answers may wait for a slot.
const largeWaiting = 8

// NewSlots returns Slots for that many answers at once.
func NewSlots(atOnce int) Slots {
	return Slots{make(chan struct{}, atOnce), make(chan struct{}, atOnce+largeWaiting)}
}

// Slot is where one large answer is read and decoded; the zero Slot is not acquired yet.
type Slot struct{ of Slots }

// acquire waits for a slot. It returns an error if too many wait already, or if ctx is done.
func (s *Slot) acquire(ctx context.Context, of Slots) error {
	select {
	case of.waiting <- struct{}{}:
	default:
		return fmt.Errorf("%d answers of more than %d MiB are being read: try again", cap(of.waiting), largeBytes>>20)
	}
	select {
	case of.reading <- struct{}{}:
		s.of = of
		return nil
	case <-ctx.Done():
		<-of.waiting
		return ctx.Err()
	}
}

// Release gives back the slot, if it was acquired.
func (s *Slot) Release() {
	if s.of.reading != nil {
		<-s.of.reading
		<-s.of.waiting
		s.of = Slots{}
	}
}

// Slowness remembers, for the account that answers, how long the rest of a large answer may
// take. It must be safe for concurrent use.
type Slowness interface {
	// LargeTime returns how long reading the rest of a large answer may take.
	LargeTime() time.Duration
	// TookLarge records how long it took; late reports that it took too long. most is the
	// longest that it may ever take.
	TookLarge(took time.Duration, late bool, most time.Duration)
}

// timeLimit cancels a request that takes too long.
type timeLimit struct {
	timer   *time.Timer
	is      time.Duration
	reached atomic.Bool
}

func newTimeLimit(d time.Duration, end func()) *timeLimit {
	l := &timeLimit{is: d}
	l.timer = time.AfterFunc(d, func() {
		l.reached.Store(true)
		end()
	})
	return l
}

// stop stops the limit until it is restarted. It returns false if it has been reached.
func (l *timeLimit) stop() bool { return l.timer.Stop() }

// restart sets the limit to d from now.
func (l *timeLimit) restart(d time.Duration) {
	l.is = d
	l.timer.Reset(d)
}

// begun extends a limit that was shorter than timeout to that, as the answer has begun. It returns
// false if there is nothing to extend.
func (l *timeLimit) begun(timeout time.Duration) bool {
	if l.is >= timeout || !l.stop() {
		return false
	}
	l.restart(timeout)
	return true
}

func (l *timeLimit) String() string { return l.is.String() }

// readBody reads the body of an answer, up to one byte more than most. It acquires the slot
// for a large answer.
func (g *Getter) readBody(ctx context.Context, resp *http.Response, in Limits, limit *timeLimit) ([]byte, error) {
	room := int64(512)
	if resp.ContentLength > 0 {
		room = min(resp.ContentLength, largeBytes) + 1
	}
	body, err := readUpTo(resp.Body, make([]byte, 0, room), min(largeBytes, in.Most+1))
	if err != nil || int64(len(body)) < largeBytes || int64(len(body)) > in.Most {
		return body, err
	}
	if !limit.stop() { // the time spent waiting does not count
		return body, ctx.Err()
	}
	if err := in.Held.acquire(ctx, in.Large); err != nil {
		return body, err
	}
	limit.restart(min(in.Slowness.LargeTime(), g.timeout))
	began := time.Now()
	body, err = readUpTo(resp.Body, body, in.Most+1)
	in.Slowness.TookLarge(time.Since(began), limit.reached.Load(), g.timeout)
	return body, err
}

// readUpTo appends to body what it reads from r, until body has most bytes.
func readUpTo(r io.Reader, body []byte, most int64) ([]byte, error) {
	for int64(len(body)) < most {
		if len(body) == cap(body) {
			// Double the capacity, up to most.
			body = slices.Grow(body, int(min(int64(max(len(body), 512)), most-int64(len(body)))))
		}
		n, err := r.Read(body[len(body):min(int64(cap(body)), most)])
		body = body[:len(body)+n]
		if err == io.EOF {
			return body, nil
		}
		if err != nil {
			return body, err
		}
	}
	return body, nil
}
