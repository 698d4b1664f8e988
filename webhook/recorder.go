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
	// ErrFull means that the queue of hints is full.
	ErrFull = errors.New("too many hints wait to be recorded")
	// ErrStopped means that lagerd is stopping and records no more hints.
	ErrStopped = errors.New("hints are no longer recorded: lagerd is stopping")
	// ErrSlow means that a hint was not committed within CommitterOptions.Patience.
	ErrSlow = errors.New("the database did not commit the hint in time")
)

const (
	defaultQueue        = 20_000
	defaultBatch        = 500
	defaultPatience     = 10 * time.Second
	defaultDrainTimeout = 10 * time.Second

	// share is how many calls of one shop a commit takes. Each call that is answered soon
	// brings another one, if a shop has many connections: then the others' calls would wait
	// for a processor behind hundreds of them.
	share = 128

	// crowd is how many waiting calls of one shop are more than a usual burst; in a short queue, a
	// quarter of the queue is. Of all such shops together, 128 calls are taken every 25 ms. They
	// could be recorded sooner, but a caller that calls again upon each answer would then leave
	// the others neither processor time nor connections.
	crowd      = 1000
	crowdQuota = share
	crowdEvery = 25 * time.Millisecond
)

// CommitterOptions are a Committer's settings. Only Write is required.
type CommitterOptions struct {
	// Write commits the hints, all or none, and returns nil only after the commit.
	// The hints are unique by shop, kind and number, and sorted by these, so that a
	// shop's hints are adjacent. Write must not retain the slice, and must limit its
	// own duration: its writer records nothing else meanwhile.
	Write func(ctx context.Context, hints []Hint) error
	// Queue is how many hints may wait, those that are being written included. Of more, the
	// newest of the shop that has the most in the queue gets ErrFull. Default 20,000.
	Queue int
	// Batch is the maximum number of hints per Write. Default 500.
	Batch int
	// Writers is how many Writes may run at once. Default 1. With 2, one batch is
	// collected and written while another waits for the disk, and batches are half as
	// large.
	Writers int
	// Patience is how long a call waits for its commit. Default 10 s.
	Patience time.Duration
	// DrainTimeout limits how long Run drains the queue on a stop. Default 10 s.
	DrainTimeout time.Duration
	// Wake is called for each shop with new hints, with their number, after their
	// commit has been acknowledged. It must not block.
	Wake func(shop string, hints int)
	// Observe is called after every Write, with the number of calls it answered, the
	// number of distinct hints, its duration and its error. It must not block.
	Observe func(calls, hints int, d time.Duration, err error)
}

// Committer is a Recorder that groups many calls into few commits. A writer takes
// whatever is queued and never waits for more: a lone hint is committed at once; in a
// burst, batches grow to what one commit can take. The shops share the queue and each
// batch: one shop's burst delays no other's hints by more than the commits under way.
// Only the calls of shops with very many of them wait for longer.
type Committer struct {
	o     CommitterOptions
	spare sync.Pool // of *waiting whose call has been answered

	mu      sync.Mutex // for the fields up to the next blank line
	queue   *queue
	arrived *sync.Cond // a hint, the next quota of crowds, or the stop
	due     bool       // the next quota will come
	stopped bool

	refused atomic.Int64 // calls still waiting when DrainTimeout ended
}

// waiting is a call that waits for its commit.
type waiting struct {
	hint Hint
	done chan error // capacity 1: a writer never blocks on a call
	slow *time.Timer

	older, newer *waiting // of the same shop, in the queue
}

// NewCommitter returns a Committer. It queues hints at once and writes them while Run
// runs.
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
	c := &Committer{o: o, queue: newQueue(o.Queue, min(crowd, max(share, o.Queue/4))), spare: sync.Pool{New: func() any { return newWaiting() }}}
	c.arrived = sync.NewCond(&c.mu)
	c.queue.refill(crowdQuota)
	return c
}

// Queued returns how many hints wait to be written.
func (c *Committer) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.size
}

func newWaiting() *waiting {
	w := &waiting{done: make(chan error, 1), slow: time.NewTimer(0)}
	w.slow.Stop()
	return w
}

// Record implements Recorder: it returns nil after the commit that contains h. It
// returns ErrFull if the queue is full and h's shop has the most in it, at once or when
// another shop needs the place; h is then not committed. It returns ErrStopped if Run is
// stopping, Write's error if it failed, and ctx's error or ErrSlow if ctx or Patience
// ended first; h may then still be committed.
func (c *Committer) Record(ctx context.Context, h Hint) error {
	w := c.spare.Get().(*waiting) //nolint:forcetypeassert // the pool holds nothing else
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
	// If the commit has happened by now it is a success, whichever case was selected.
	select {
	case err := <-w.done:
		return c.reuse(w, err)
	default:
		// A writer still holds w, so it is not reused.
		w.slow.Stop()
		return fmt.Errorf("wait for the hint to be committed: %w", tooLate)
	}
}

// reuse returns an answered call's waiting to the pool.
func (c *Committer) reuse(w *waiting, err error) error {
	w.slow.Stop()
	c.spare.Put(w)
	return err
}

func (c *Committer) enqueue(w *waiting) error {
	c.mu.Lock()
	if c.stopped {
		c.mu.Unlock()
		return ErrStopped
	}
	refused := c.queue.add(w)
	c.mu.Unlock()
	if refused == w {
		return ErrFull
	}
	c.arrived.Signal()
	if refused != nil {
		refused.done <- ErrFull
	}
	return nil
}

// Run writes hints until ctx is done. It then refuses new ones and drains the queue. If
// that takes longer than DrainTimeout, it returns an error with the number of calls not
// recorded, whose callers got an error too. It must be called once.
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
	c.mu.Unlock()
	c.arrived.Broadcast()

	timer := time.AfterFunc(c.o.DrainTimeout, cancel)
	defer timer.Stop()
	writers.Wait()
	if n := c.refused.Load(); n > 0 {
		return fmt.Errorf("stop recording hints: %d calls were not recorded within %s, and their callers got an error: "+
			"is the database slow? e-conomic calls again, and the next tick finds what it does not repeat", n, c.o.DrainTimeout)
	}
	return nil
}

// write commits batches until Run is stopping and the queue is empty.
func (c *Committer) write(ctx context.Context) {
	batch := make([]*waiting, 0, c.o.Batch)
	hints := make([]Hint, 0, c.o.Batch)
	for c.await() {
		// Let calls that have already arrived queue first: each commit saved is worth
		// more than the moment this takes.
		runtime.Gosched()
		batch = c.take(batch[:0])
		if len(batch) == 0 {
			continue // the other writer has them, or they have to wait for their quota
		}
		hints = hints[:0]
		for _, w := range batch {
			hints = append(hints, w.hint)
		}
		unique := distinct(hints)
		err := c.commit(ctx, len(batch), unique)
		for _, w := range batch {
			w.done <- err
		}
		if err == nil {
			c.wake(unique) // after the answers, which callers wait for
		}
		// Release the calls' memory.
		clear(batch)
		clear(hints)
	}
}

// await returns true once a hint may be taken, and false if none will be queued.
func (c *Committer) await() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.queue.ready() && !c.stopped {
		c.arrived.Wait()
	}
	return c.queue.size > 0
}

// take moves the next calls to batch.
func (c *Committer) take(batch []*waiting) []*waiting {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		c.queue.refill(c.o.Batch) // nobody calls again
	}
	batch = c.queue.take(batch, c.o.Batch, share)
	if c.queue.quota < crowdQuota && !c.due {
		c.due = true
		time.AfterFunc(crowdEvery, c.nextQuota)
	}
	return batch
}

// written makes room in the queue for calls that are answered now.
func (c *Committer) written(calls int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue.answered(calls)
}

// nextQuota lets calls of crowds be taken again.
func (c *Committer) nextQuota() {
	c.mu.Lock()
	c.due = false
	c.queue.refill(crowdQuota)
	c.mu.Unlock()
	c.arrived.Signal()
}

func (c *Committer) commit(ctx context.Context, calls int, hints []Hint) error {
	defer c.written(calls)
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

// distinct sorts hints and removes duplicates, keeping the latest: an observation that
// began between two of them must not seem to answer both.
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

// wake calls Wake once per shop. hints must be sorted.
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
