package economic

import (
	"context"
	"io"
	"net/http"
	"slices"
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

// slots limits how many large answers are read at once, by its capacity.
type slots chan struct{}

// slot is an acquired slot.
type slot struct{ of slots }

// acquire waits for a slot.
func (s slots) acquire(ctx context.Context) (*slot, error) {
	select {
	case s <- struct{}{}:
		return &slot{s}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// release releases a slot once. It does nothing if s is nil.
func (s *slot) release() {
	if s != nil && s.of != nil {
		<-s.of
		s.of = nil
	}
}

// timeLimit cancels a request that takes too long.
type timeLimit struct {
	timer *time.Timer
	is    time.Duration
}

func newTimeLimit(d time.Duration, end func()) *timeLimit {
	return &timeLimit{time.AfterFunc(d, end), d}
}

func (l *timeLimit) stop() { l.timer.Stop() }

// restart sets the limit to d from now.
func (l *timeLimit) restart(d time.Duration) {
	l.is = d
	l.timer.Reset(d)
}

func (l *timeLimit) String() string { return l.is.String() }

// readBody reads the body of an answer, up to one byte more than most. For a large answer it
// also returns the slot, which the caller must release once the answer has been decoded.
func (a *Agreement) readBody(ctx context.Context, resp *http.Response, c call, most int64, limit *timeLimit) ([]byte, *slot, error) {
	room := int64(512)
	if resp.ContentLength > 0 {
		room = min(resp.ContentLength, largeBytes) + 1
	}
	body, err := readUpTo(resp.Body, make([]byte, 0, room), min(largeBytes, most+1))
	if err != nil || int64(len(body)) < largeBytes || int64(len(body)) > most {
		return body, nil, err
	}
	limit.stop() // the time spent waiting does not count
	in := a.client.large
	if c.pdf {
		in = a.client.largePDFs
	}
	taken, err := in.acquire(ctx)
	if err != nil {
		return body, nil, err
	}
	limit.restart(min(a.budget.largeTime(), a.client.o.Timeout))
	body, err = readUpTo(resp.Body, body, most+1)
	a.budget.tookLarge(err == nil, a.client.o.Timeout)
	return body, taken, err
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
