package rest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A hostile or broken answer may be as large as the limit allows, or stop in its middle, and hundreds
// may arrive at once. Therefore all answers together have one room of so many places. An answer needs
// one as its bytes come, and a larger one when it outgrows that:
//
//	bytes           places           how many more may wait for one, with what they hold
//	to 64 KiB       as many as calls -
//	to 1 MiB        24               any
//	to 4 MiB        8                8
//	to the limit    1 for pages      3
//	                2 for PDFs       2
//
// More are sent away, first those of an account that was late at the last; which also wait behind the
// others. The time of waiting counts towards no limit. Whoever has read in its place for 3 s loses it
// to one that waits and is not late.

// size is how large the answers are that have a place.
type size int

const (
	small size = iota
	medium
	largePage
	largePDF
	sizes
)

const (
	// freeBytes, smallBytes and largeBytes are how much of an answer is read without a place, in a
	// small one, and in a medium one.
	freeBytes  = 64 << 10
	smallBytes = 1 << 20
	largeBytes = 4 << 20
	// MaxSingleBytes is the largest answer about one item, or about the account.
	MaxSingleBytes = 2 << 20

	// readTime is how long an answer may be read for whose place another waits.
	readTime = 3 * time.Second
)

// ErrCrowded is wrapped by the error of an answer that was not read because too many large ones are
// waiting already. It is nobody's failure: the same call may succeed in a while.
var ErrCrowded = errors.New("too many large answers are being read")

// CrowdedFor is how long to wait after ErrCrowded.
const CrowdedFor = 10 * time.Second

// Room is what all answers may hold while they are read and decoded. It is safe for concurrent use.
type Room struct {
	mu      sync.Mutex
	free    [sizes]int // places
	wait    [sizes]int // how many may wait; less than 0: any
	placed  []*Slot    // that have a place
	waiting []*wait    // in order: those of accounts that are late come last
}

// NewRoom returns a Room with nothing in it.
func NewRoom() *Room {
	return &Room{
		free: [sizes]int{small: 24, medium: 8, largePage: 1, largePDF: 2},
		wait: [sizes]int{small: -1, medium: 8, largePage: 3, largePDF: 2},
	}
}

// Slot is the place of one answer in a Room; the zero Slot is none.
type Slot struct {
	room *Room
	late bool // its account's last such answer was

	placed  bool
	size    size // of its place, or of the first that it waits for
	reading bool // else it waits, or is decoded
	since   time.Time
	evict   func() // ends its reading
}

// wait is for a place.
type wait struct {
	slot *Slot
	size size
	done chan error
}

// Release gives back the place.
func (s *Slot) Release() {
	r := s.room
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leave(s)
	*s = Slot{}
	r.admit()
}

func (r *Room) leave(s *Slot) {
	if s.placed {
		r.free[s.size]++
		r.placed = slices.DeleteFunc(r.placed, func(other *Slot) bool { return other == s })
	}
}

// isRead ends the time in which another may take the slot's place.
func (s *Slot) isRead() {
	if s.room != nil {
		s.room.mu.Lock()
		s.reading = false
		s.room.mu.Unlock()
	}
}

// place waits for a place of a size, in exchange for the smaller one that the slot may have. It
// returns an error that wraps ErrCrowded if too many wait for one, or the error of ctx.
func (r *Room) place(ctx context.Context, s *Slot, of size) error {
	w := &wait{s, of, make(chan error, 1)}
	r.mu.Lock()
	err := r.enter(w)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	for {
		again := time.NewTimer(r.take(w))
		select {
		case err := <-w.done:
			again.Stop()
			return err
		case <-ctx.Done():
			again.Stop()
			r.mu.Lock()
			defer r.mu.Unlock()
			r.waiting = slices.DeleteFunc(r.waiting, func(other *wait) bool { return other == w })
			return ctx.Err()
		case <-again.C:
		}
	}
}

// enter puts a wait in its order and lets in who can be.
func (r *Room) enter(w *wait) error {
	w.slot.reading = false
	if r.free[w.size] == 0 {
		if err := r.crowded(w); err != nil {
			return err
		}
	}
	at := len(r.waiting)
	if first := slices.IndexFunc(r.waiting, func(other *wait) bool { return other.slot.late }); first >= 0 && !w.slot.late {
		at = first
	}
	r.waiting = slices.Insert(r.waiting, at, w)
	r.admit()
	return nil
}

// crowded returns an error if no more may wait for a place. For one that is not late, the last that is
// goes away instead.
func (r *Room) crowded(w *wait) error {
	waiting, last := 0, 0
	for i, other := range r.waiting {
		if other.size == w.size {
			waiting, last = waiting+1, i
		}
	}
	if r.wait[w.size] < 0 || waiting < r.wait[w.size] {
		return nil
	}
	full := fmt.Errorf("%w: %d others wait for their turn", ErrCrowded, waiting)
	if out := r.waiting[last]; out.slot.late && !w.slot.late {
		r.waiting = slices.Delete(r.waiting, last, last+1)
		out.done <- full
		return nil
	}
	return full
}

// admit gives the free places to those who wait, in order, until what they give back is of no use to
// another.
func (r *Room) admit() {
	for {
		at := slices.IndexFunc(r.waiting, func(w *wait) bool { return r.free[w.size] > 0 })
		if at < 0 {
			return
		}
		w := r.waiting[at]
		r.waiting = slices.Delete(r.waiting, at, at+1)
		s := w.slot
		r.leave(s)
		r.free[w.size]--
		r.placed = append(r.placed, s)
		s.placed, s.size, s.reading, s.since = true, w.size, true, time.Now()
		w.done <- nil
	}
}

// take ends the reading of an answer that has had its time, for one that waits for its place and is
// not late. It returns when to look again.
func (r *Room) take(w *wait) time.Duration {
	next := readTime
	if w.slot.late {
		return next
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.waiting, w) {
		return next
	}
	for _, s := range r.placed {
		if s.size != w.size || !s.reading {
			continue
		}
		if left := readTime - time.Since(s.since); left > 0 {
			next = min(next, left)
			continue
		}
		s.reading = false
		s.evict()
	}
	return next
}
