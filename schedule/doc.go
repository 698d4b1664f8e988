// Package schedule decides which shop is reconciled when. Each pass
// (reconcile.Shop.RunOnce) runs in its own goroutine:
//
//	ticks     ── each shop at its own offset (ticks.go) ──┐
//	hints     ── debounced (debounce.go) ─────────────────┤
//	requests, signals, takeovers ─────────────────────────┼─▶ queue ─▶ limits ─▶ pass
//	failures  ── after their backoff ─────────────────────┘     ▲                 │
//	                                                            └── more to do ───┘
//
// Invariants:
//
//  1. One pass per shop at a time. Whatever becomes due during a pass is merged and
//     done by one pass after it (queue.go).
//  2. Waiting for e-conomic costs a goroutine, not a worker. A pass has a worker while
//     it plans or uses the database, and releases it while it waits for an answer
//     (source.OnWait). Passes whose answer has arrived get a worker before new passes
//     start, so that answers do not pile up in memory.
//  3. An agreement that hangs does not slow down the others. The number of running
//     passes is limited, and so is the number that have waited for one answer for
//     slowAfter; shops whose last call was not answered may use three quarters of
//     the latter (limits.go).
//  4. The load is even. A tick of more shops than there are workers is spread over the
//     time to the next tick, at most a minute. A shop's offset is a hash of its name, so
//     its ticks are one period apart even across a reload or on another lagerd. With
//     fewer shops a tick starts immediately. Hints and requests never wait for an offset.
//  5. Work for every shop at once (a takeover, a signal) yields to ticks and hints.
//
// It never reads e-conomic and never decides what differs. It writes only
// ticks, calls and failures to the database (flush.go, SaveFailure).
package schedule
