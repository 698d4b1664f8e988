package economic

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
	// largeTime is how long reading the rest of a large answer may take. If an answer
	// takes longer, its agreement's next large answer may take twice as long.
	largeTime = 3 * time.Second
	// maxSingleBytes is the largest answer about one item, or about the agreement.
	maxSingleBytes = 2 << 20
)

// slots limits how many large answers are read at once, and how many more wait for that with
// their first part in memory.
type slots struct{ reading, waiting chan struct{} }

// largeWaiting is how many large answers may wait for a slot.
const largeWaiting = 8

func newSlots(atOnce int) slots {
	return slots{make(chan struct{}, atOnce), make(chan struct{}, atOnce+largeWaiting)}
}

// slot is where one large answer is read and decoded; the zero slot is not acquired yet.
type slot struct{ of slots }

// acquire waits for a slot. It returns an error if too many wait already, or if ctx is done.
func (s *slot) acquire(ctx context.Context, of slots) error {
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

// release gives back an acquired slot.
func (s *slot) release() {
	if s.of.reading != nil {
		<-s.of.reading
		<-s.of.waiting
		s.of = slots{}
	}
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

func (l *timeLimit) String() string { return l.is.String() }

// readBody reads the body of an answer, up to one byte more than most. It acquires held for
// a large answer.
func (a *Agreement) readBody(ctx context.Context, resp *http.Response, c call, most int64, limit *timeLimit, held *slot) ([]byte, error) {
	room := int64(512)
	if resp.ContentLength > 0 {
		room = min(resp.ContentLength, largeBytes) + 1
	}
	body, err := readUpTo(resp.Body, make([]byte, 0, room), min(largeBytes, most+1))
	if err != nil || int64(len(body)) < largeBytes || int64(len(body)) > most {
		return body, err
	}
	if !limit.stop() { // the time spent waiting does not count
		return body, ctx.Err()
	}
	in := a.client.large
	if c.pdf {
		in = a.client.largePDFs
	}
	if err := held.acquire(ctx, in); err != nil {
		return body, err
	}
	limit.restart(min(a.budget.largeTime(), a.client.o.Timeout))
	began := time.Now()
	body, err = readUpTo(resp.Body, body, most+1)
	a.budget.tookLarge(time.Since(began), limit.reached.Load(), a.client.o.Timeout)
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
