package schedule

import (
	"context"
	"sync"

	"lagerd/reconcile"
)

// asksAtOnce is how many calls are made beside the passes at once: each takes memory until the
// client's timeout.
const asksAtOnce = slowAtOnce / 2

// beside are the calls of a shop that are made beside its passes.
type beside struct {
	ctx  context.Context
	stop context.CancelFunc
	made *sync.WaitGroup
}

func newBeside(ctx context.Context) beside {
	ctx, stop := context.WithCancel(ctx)
	return beside{ctx, stop, &sync.WaitGroup{}}
}

// ask makes calls beside the passes of a shop. When one has ended the shop is due.
func (s *Scheduler) ask(name string, e *entry, calls *reconcile.Beside) {
	if calls == nil {
		return
	}
	for _, call := range calls.Calls {
		e.beside.made.Go(func() {
			select {
			case s.asks <- struct{}{}:
				defer func() { <-s.asks }()
			case <-e.beside.ctx.Done():
			}
			call(e.beside.ctx)
			if e.beside.ctx.Err() == nil {
				s.queue.add(name, reconcile.Due{Work: true}, false)
			}
		})
	}
}

// close ends the work on the shop, once its last pass has ended.
func (e *entry) close() {
	e.beside.stop()
	e.beside.made.Wait()
	e.shop.Close()
}
