package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrFull says that too many hints wait to be recorded.
	ErrFull = errors.New("too many hints wait to be recorded")
	// ErrStopped says that lagerd stops and records no more.
	ErrStopped = errors.New("hints are no longer recorded: lagerd is stopping")
	// ErrSlow says that a hint was not committed within CommitterOptions.Patience.
	ErrSlow = errors.New("the database has not committed the hint in time")
)

const (
	defaultQueue        = 20_000
	defaultBatch        = 500
	defaultPatience     = 10 * time.Second
	defaultDrainTimeout = 10 * time.Second
)

// CommitterOptions are what a Committer works with. Only Write is required.
type CommitterOptions struct {
	// Write commits the hints, all or none, and returns nil only when they are
	// committed. No two of them have the same shop, kind and number, and they come
	// sorted by these, so that a shop's hints follow each other.
	// The slice is the Committer's again when Write returns. Write has to bound its
	// own time: nothing else is recorded by that writer meanwhile.
	Write func(ctx context.Context, hints []Hint) error
	// Queue is how many hints may wait; one more gets ErrFull: 20,000.
	Queue int
	// Batch is how many waiting hints one Write takes at most: 500.
	Batch int
	// Writers is how many Writes may run at once: 1. With 2, one batch gathers and
	// is written while another waits for the disk, and batches are half as large.
	Writers int
	// Patience is how long a call waits for its commit: 10 s.
	Patience time.Duration
	// DrainTimeout bounds what Run does after it was told to stop: 10 s.
	DrainTimeout time.Duration
	// Wake is told, after a commit has been acknowledged, of each shop with new hints,
	// and of how many. It must not block.
	Wake func(shop string, hints int)
	// Observe is told of every Write: how many calls it answered, how many hints
	// these were, how long it took. It must not block.
	Observe func(calls, hints int, d time.Duration, err error)
}

// Committer is the Recorder that lagerd uses: it turns many calls into few
// commits. A writer takes whatever waits, without ever waiting for more: alone, a
// hint is committed at once; in a burst, batches grow to what one commit takes.
type Committer struct {
	o     CommitterOptions
	queue chan *waiting
	spare sync.Pool // of *waiting whose call has been answered

	mu      sync.RWMutex // held for writing to close queue, for reading to send to it
	stopped bool

	refused atomic.Int64 // calls that waited when the time to drain was up
}

// waiting is a call that waits for its commit.
type waiting struct {
	hint Hint
	done chan error // of capacity 1: a writer never waits for a call
	slow *time.Timer
}

// NewCommitter returns a Committer that takes hints at once and writes them
// while Run runs.
func NewCommitter(o CommitterOptions) *Committer {
	o.Queue = cmp.Or(o.Queue, defaultQueue)
	o.Batch = cmp.Or(o.Batch, defaultBatch)
	o.Writers = cmp.Or(o.Writers, 1)
	o.Patience = cmp.Or(o.Patience, defaultPatience)
	o.DrainTimeout = cmp.Or(o.DrainTimeout, defaultDrainTimeout)
	if o.Wake == nil {
		o.Wake = func(string, int) {}
	}
	if o.Observe == nil {
		o.Observe = func(int, int, time.Duration, error) {}
	}
	return &Committer{
		o:     o,
		queue: make(chan *waiting, o.Queue),
		spare: sync.Pool{New: func() any { return newWaiting() }},
	}
}

// Queued returns how many hints wait to be written.
func (c *Committer) Queued() int { return len(c.queue) }

func newWaiting() *waiting {
	w := &waiting{done: make(chan error, 1), slow: time.NewTimer(0)}
	w.slow.Stop()
	return w
}

// Record implements Recorder: it returns nil after the commit that carries h. It
// returns ErrFull at once when the queue is full, ErrStopped when Run has been told
// to stop, Write's error when that failed, and ctx's, or ErrSlow, when ctx or
// Patience ended first; h may then still be committed.
func (c *Committer) Record(ctx context.Context, h Hint) error {
	w := c.spare.Get().(*waiting)
	w.hint = h
	if err := c.enqueue(w); err != nil {
		c.spare.Put(w)
		return err
	}
	w.slow.Reset(c.o.Patience)
	tooLate := ErrSlow
	select {
	case err := <-w.done:
		return c.reuse(w, err)
	case <-w.slow.C:
	case <-ctx.Done():
		tooLate = ctx.Err()
	}
	// What has been committed by now is a success, whichever case was chosen.
	select {
	case err := <-w.done:
		return c.reuse(w, err)
	default:
		// A writer still holds w, so it is not reused.
		w.slow.Stop()
		return fmt.Errorf("wait for the hint to be committed: %w", tooLate)
	}
}

// reuse keeps what an answered call has waited in for another one.
func (c *Committer) reuse(w *waiting, err error) error {
	w.slow.Stop()
	c.spare.Put(w)
	return err
}

func (c *Committer) enqueue(w *waiting) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.stopped {
		return ErrStopped
	}
	select {
	case c.queue <- w:
		return nil
	default:
		return ErrFull
	}
}

// Run writes hints until ctx ends. It then refuses new ones, writes those that
// wait, and returns: nil, or, when DrainTimeout did not suffice, an error that says
// how many were not recorded (their callers were told so). It is called once.
func (c *Committer) Run(ctx context.Context) error {
	writeCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var writers sync.WaitGroup
	for range c.o.Writers {
		writers.Go(func() { c.write(writeCtx) })
	}
	<-ctx.Done()

	c.mu.Lock()
	c.stopped = true
	close(c.queue)
	c.mu.Unlock()

	timer := time.AfterFunc(c.o.DrainTimeout, cancel)
	defer timer.Stop()
	writers.Wait()
	if n := c.refused.Load(); n > 0 {
		return fmt.Errorf("stop recording hints: %d calls waited for longer than %s and were answered that their hint is not recorded: "+
			"is the database slow? e-conomic calls again, and the next tick finds what it does not repeat", n, c.o.DrainTimeout)
	}
	return nil
}

// write commits batches until the queue is closed and empty.
func (c *Committer) write(ctx context.Context) {
	batch := make([]*waiting, 0, c.o.Batch)
	hints := make([]Hint, 0, c.o.Batch)
	for first := range c.queue {
		// Calls that have come in already get to queue first: each commit that is
		// saved is worth more than the moment it takes.
		runtime.Gosched()
		batch = c.fill(append(batch[:0], first))
		hints = hints[:0]
		for _, w := range batch {
			hints = append(hints, w.hint)
		}
		told := distinct(hints)
		err := c.commit(ctx, len(batch), told)
		for _, w := range batch {
			w.done <- err
		}
		if err == nil {
			c.wake(told) // after the answers, for which somebody waits
		}
		// Nothing in them may keep a call's memory alive, or be mistaken for ours.
		clear(batch)
		clear(hints)
	}
}

// fill adds to batch whatever waits, up to its capacity.
func (c *Committer) fill(batch []*waiting) []*waiting {
	for len(batch) < c.o.Batch {
		select {
		case w, open := <-c.queue:
			if !open {
				return batch
			}
			batch = append(batch, w)
		default:
			return batch
		}
	}
	return batch
}

func (c *Committer) commit(ctx context.Context, calls int, hints []Hint) error {
	if ctx.Err() != nil {
		c.refused.Add(int64(calls))
		return ErrStopped
	}
	start := time.Now()
	err := c.o.Write(ctx, hints)
	c.o.Observe(calls, len(hints), time.Since(start), err)
	if err != nil {
		if ctx.Err() != nil {
			c.refused.Add(int64(calls))
		}
		return fmt.Errorf("record %d hints: %w", len(hints), err)
	}
	return nil
}

// distinct sorts hints and keeps, of those that say the same, the one that came
// last: an observation that began between the two must not seem to answer both.
func distinct(hints []Hint) []Hint {
	slices.SortFunc(hints, func(a, b Hint) int {
		if a.Shop != b.Shop {
			return cmp.Compare(a.Shop, b.Shop)
		}
		if a.Kind != b.Kind {
			return cmp.Compare(a.Kind, b.Kind)
		}
		if a.Number != b.Number {
			return cmp.Compare(a.Number, b.Number)
		}
		return b.ReceivedAt.Compare(a.ReceivedAt)
	})
	return slices.CompactFunc(hints, func(a, b Hint) bool {
		return a.Shop == b.Shop && a.Kind == b.Kind && a.Number == b.Number
	})
}

// wake tells of each shop's hints, which come sorted.
func (c *Committer) wake(hints []Hint) {
	for from := 0; from < len(hints); {
		to := from + 1
		for to < len(hints) && hints[to].Shop == hints[from].Shop {
			to++
		}
		c.o.Wake(hints[from].Shop, to-from)
		from = to
	}
}
