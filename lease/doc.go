// Package lease decides which shops this instance reconciles when several share one
// database, and keeps their leases alive.
//
//	every beat:  write heartbeat ─▶ which instances are alive? ─▶ take · keep · release
//
// A lease is one row per shop: a holder and a fencing token that only grows. It is
// taken by compare-and-set. The holder's heartbeat renews all its leases at once, so
// ten thousand leases cost one write per beat, not ten thousand.
//
// Guarantees:
//
//  1. A holder counts as dead only when its beat has not changed for the TTL on the
//     observer's own monotonic clock: no two clocks are ever compared.
//     Only an instance that holds the lock of the same state directory, on the same
//     machine since the same boot, need not wait: the lock is free because its former
//     holder has died.
//  2. An instance trusts its own leases only for the TTL, less a margin, from the
//     start of its last successful beat. Then it cancels its passes. If it is frozen
//     and wakes up late, the fence in every transaction (package store) rejects its
//     writes.
//  3. Shops are spread evenly over the live instances, and an instance that stops
//     releases them at once.
//  4. The shops of one agreement, or of one account at Rackbeat, go to one instance: whichever
//     holds one of them takes the others, and they move together. That none of two instances
//     makes an account's calls at once is up to package store (Store.BookCalls).
//
// It does not reconcile, and holds no SQL.
package lease
