package rest

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Slowness remembers, for the account that answers, how long the rest of a large answer may
// take. It must be safe for concurrent use.
type Slowness interface {
	// LargeTime returns how long reading the rest of a large answer may take: 3 s, and longer if
	// the last one was late.
	LargeTime() time.Duration
	// TookLarge records how long it took; late reports that it took too long. most is the
	// longest that it may ever take.
	TookLarge(took time.Duration, late bool, most time.Duration)
}

// timeLimit cancels a request that takes too long.
type timeLimit struct {
	timer            *time.Timer
	is               time.Duration
	ends             time.Time
	end              func()
	reached, evicted atomic.Bool
}

func newTimeLimit(d time.Duration, end func()) *timeLimit {
	l := &timeLimit{is: d, ends: time.Now().Add(d), end: end}
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
	l.resume(d)
}

// resume lets a stopped limit go on, with what was left of it.
func (l *timeLimit) resume(left time.Duration) {
	l.ends = time.Now().Add(left)
	l.timer.Reset(left)
}

// left returns how long it is until the limit.
func (l *timeLimit) left() time.Duration { return time.Until(l.ends) }

// evict cancels the request because others need its room.
func (l *timeLimit) evict() {
	l.evicted.Store(true)
	l.end()
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

// String returns how long the request might take.
func (l *timeLimit) String() string {
	if l.evicted.Load() {
		return readTime.String() + ", for which others wait"
	}
	return l.is.String()
}

// bodyReader reads the body of one answer into as much room as its bytes need.
type bodyReader struct {
	in      Limits
	limit   *timeLimit
	timeout time.Duration
	length  int64 // as announced; less than 0: it was not
	usual   int64 // see Getter.usual
	body    []byte

	largeSince time.Time // when it had its turn as a large one; zero: it had none
}

// readBody reads the body of an answer, up to one byte more than most.
func (g *Getter) readBody(ctx context.Context, resp *http.Response, in Limits, limit *timeLimit) ([]byte, error) {
	b := bodyReader{in: in, limit: limit, timeout: g.timeout, length: resp.ContentLength, usual: g.usual.Load()}
	err := b.read(ctx, resp.Body)
	in.Held.isRead()
	if late := limit.evicted.Load(); late || !b.largeSince.IsZero() {
		took := readTime
		if !late {
			took = time.Since(b.largeSince)
		}
		in.Slowness.TookLarge(took, late || limit.reached.Load(), g.timeout)
	}
	if n := int64(len(b.body)); err == nil && n > freeBytes && n <= smallBytes {
		g.usual.Store(n)
	}
	return b.body, err
}

// read reads until the end of the answer, or until it is too large.
func (b *bodyReader) read(ctx context.Context, r io.Reader) error {
	most := b.in.Most + 1
	for int64(len(b.body)) < most {
		if len(b.body) == cap(b.body) {
			if err := b.grow(ctx); err != nil {
				return err
			}
		}
		n, err := r.Read(b.body[len(b.body):min(int64(cap(b.body)), most)])
		b.body = b.body[:len(b.body)+n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// grow enlarges the body, up to what it may need.
func (b *bodyReader) grow(ctx context.Context) error {
	larger := b.larger(int64(cap(b.body)))
	if err := b.room(ctx, larger); err != nil {
		return err
	}
	b.body = append(make([]byte, 0, larger), b.body...)
	return nil
}

// larger returns how many bytes a body gets that has outgrown is. The larger steps are those that cost
// least: in all they copy as much as the body has at the most. Pages of a listing are of much the
// same size, and most are no large answers: they get what the one before needed, and an eighth more.
func (b *bodyReader) larger(is int64) int64 {
	most := b.in.Most + 1
	if b.length >= is {
		most = min(most, b.length+1)
	}
	switch usual := b.usual + b.usual/8; {
	case is >= largeBytes:
		return min(3*is, most)
	case is >= smallBytes:
		return min(4*is, largeBytes, most)
	case is >= freeBytes && usual > is:
		return min(usual, smallBytes, most)
	default:
		return min(max(4*is, 1<<10), smallBytes, most)
	}
}

// room waits until the body may have so many bytes.
func (b *bodyReader) room(ctx context.Context, bytes int64) error {
	of := small
	switch {
	case bytes <= freeBytes:
		return nil
	case bytes > largeBytes && b.in.PDF:
		of = largePDF
	case bytes > largeBytes:
		of = largePage
	case bytes > smallBytes:
		of = medium
	}
	s := b.in.Held
	if s.room == nil {
		*s = Slot{room: b.in.Room, late: b.in.Slowness.LargeTime() > readTime, evict: b.limit.evict}
	}
	if s.placed && s.size >= of {
		return nil
	}
	left := b.limit.left()
	if !b.limit.stop() { // the time spent waiting does not count
		return ctx.Err()
	}
	if err := b.in.Room.place(ctx, s, of); err != nil {
		return err
	}
	if of < largePage {
		b.limit.resume(left)
		return nil
	}
	b.largeSince = time.Now()
	b.limit.restart(min(b.in.Slowness.LargeTime(), b.timeout))
	return nil
}
