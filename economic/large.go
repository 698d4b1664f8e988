package economic

import (
	"context"
	"io"
	"net/http"
	"slices"
	"time"
)

// A hostile or broken answer may be as large as the limit allows, and hundreds may come at
// once. So only the first 4 MiB are read as they come; the rest waits for one of a few
// places, which the answer gives up once it is decoded.

const (
	// largeBytes is what is read of every answer at once.
	largeBytes = 4 << 20
	// largeTime is how long the rest of a large answer may take to come. An agreement
	// whose answer took longer has twice the time at its next turn.
	largeTime = 3 * time.Second
	// maxSingleBytes is the largest answer about one item, or about the agreement.
	maxSingleBytes = 2 << 20
)

// places are where large answers are read; the capacity is how many at once.
type places chan struct{}

// place is one that is taken.
type place struct{ of places }

// take waits for a place.
func (p places) take(ctx context.Context) (*place, error) {
	select {
	case p <- struct{}{}:
		return &place{p}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// leave gives a place back, if it is one and is not given back yet.
func (p *place) leave() {
	if p != nil && p.of != nil {
		<-p.of
		p.of = nil
	}
}

// timeLimit ends a request that takes too long.
type timeLimit struct {
	timer *time.Timer
	is    time.Duration
}

func newTimeLimit(d time.Duration, end func()) *timeLimit {
	return &timeLimit{time.AfterFunc(d, end), d}
}

func (l *timeLimit) stop() { l.timer.Stop() }

// restart has the request end so long from now on.
func (l *timeLimit) restart(d time.Duration) {
	l.is = d
	l.timer.Reset(d)
}

func (l *timeLimit) String() string { return l.is.String() }

// readBody reads the body of an answer, and a byte more than most of one that is larger.
// The place in which it has read a large one is to be left once it has been decoded.
func (a *Agreement) readBody(ctx context.Context, resp *http.Response, c call, most int64, limit *timeLimit) ([]byte, *place, error) {
	room := int64(512)
	if resp.ContentLength > 0 {
		room = min(resp.ContentLength, largeBytes) + 1
	}
	body, err := readUpTo(resp.Body, make([]byte, 0, room), min(largeBytes, most+1))
	if err != nil || int64(len(body)) < largeBytes || int64(len(body)) > most {
		return body, nil, err
	}
	limit.stop() // waiting counts against nobody's time
	in := a.client.large
	if c.pdf {
		in = a.client.largePDFs
	}
	taken, err := in.take(ctx)
	if err != nil {
		return body, nil, err
	}
	limit.restart(min(a.budget.largeTime(), a.client.o.Timeout))
	body, err = readUpTo(resp.Body, body, most+1)
	a.budget.tookLarge(err == nil, a.client.o.Timeout)
	return body, taken, err
}

// readUpTo appends what r has to body, until that has as many bytes as most.
func readUpTo(r io.Reader, body []byte, most int64) ([]byte, error) {
	for int64(len(body)) < most {
		if len(body) == cap(body) {
			// Twice as much, but never more than can be needed.
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
