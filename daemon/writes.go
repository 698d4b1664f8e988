package daemon

import (
	"context"
	"errors"
	"sync"
	"time"
)

// writes is whether webhooks can be stored: what became of the last write of any or, where that
// failed or is some time ago, of a probe. A database that is full, or whose disk is, answers
// queries.
type writes struct {
	look  func(context.Context) error // cheap, and stores nothing
	probe func(context.Context) error // stores a webhook of no shop, and deletes it

	probing chan struct{} // one probe at a time

	mu     sync.Mutex
	goodAt time.Time // when a write last succeeded; zero if one has failed since
}

func newWrites(look, probe func(context.Context) error) *writes {
	return &writes{look: look, probe: probe, probing: make(chan struct{}, 1)}
}

// goodFor is how long a write says that the next one will succeed.
const goodFor = 10 * time.Second

// recorded notes the result of a write.
func (w *writes) recorded(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.goodAt = time.Time{}
		return
	}
	w.goodAt = time.Now()
}

func (w *writes) good() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.goodAt.IsZero() && time.Since(w.goodAt) < goodFor
}

// possible returns nil if webhooks can be stored, else why not.
func (w *writes) possible(ctx context.Context) error {
	if err := w.look(ctx); err != nil {
		return unanswered(ctx, err)
	}
	if w.good() {
		return nil
	}
	select {
	case w.probing <- struct{}{}:
		defer func() { <-w.probing }()
	case <-ctx.Done():
		return unanswered(ctx, ctx.Err())
	}
	if w.good() { // another request's probe
		return nil
	}
	err := w.probe(ctx)
	w.recorded(err)
	return unanswered(ctx, err)
}

// unanswered returns err, or that the database did not answer in time.
func unanswered(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.New("store webhooks: the database does not answer, or its disk is full")
	}
	return err
}
