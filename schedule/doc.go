// Package schedule decides which shop is reconciled when. A pass
// (reconcile.Shop.RunOnce) runs in a goroutine of its own:
//
//	ticks     ── each shop at its own moment (ticks.go) ──┐
//	hints     ── debounced (burst.go) ────────────────────┤
//	requests, signals, takeovers ─────────────────────────┼─▶ queue ─▶ limits ─▶ pass
//	failures  ── after their backoff ─────────────────────┘     ▲                 │
//	                                                            └── what is left ─┘
//
// What it holds to:
//
//  1. One pass of a shop at a time. What becomes due during a pass is merged and done
//     in one pass after it (queue.go).
//  2. Waiting for e-conomic costs a goroutine, not a worker. A pass has one of the
//     workers while it plans or uses the database, and gives it back while it waits for
//     an answer (source.OnWait). Passes whose answer has come get theirs before
//     further passes begin, so that answers do not pile up in memory.
//  3. An agreement that hangs costs the others nothing. The passes under way are bounded,
//     and so are those among them that have waited for one answer for slowAfter; a shop
//     whose last call was not answered may use three quarters of that (limits.go).
//  4. The load is even. A tick of more shops than there are workers is spread over the
//     time to the next tick, a minute at most. A shop's moment follows from its name, so
//     that its ticks are one period apart, also across a reload or on another lagerd. Of
//     fewer shops a tick begins at once, and hints and requests never wait for a moment.
//  5. What concerns every shop at once (a takeover, a signal) lets ticks and hints
//     overtake it.
//
// It never reads e-conomic and never decides what differs. Of the database it writes
// only which ticks were good, with the calls they made (marks.go).
package schedule
