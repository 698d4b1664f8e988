// Package lease decides which shops this lagerd reconciles when several share
// one database, and keeps that right alive.
//
//	every beat:  tell that we live ─▶ who else lives? ─▶ take · keep · give back
//
// A lease is one row to a shop: a holder and a fencing token that only grows.
// It is taken by compare-and-set and renewed by the holder's one beat for all
// its shops together, so ten thousand leases cost one write a beat, not ten
// thousand.
//
// What it keeps:
//
//  1. A holder counts as dead only once its beat has stood still for the TTL
//     on the observer's own monotonic clock: no two clocks are ever compared.
//  2. This lagerd trusts its own leases only until the TTL, less a margin,
//     after it began its last good beat; then it breaks off its passes by
//     itself. Should it be frozen and wake up late, the fence that every
//     transaction writes (package store) refuses it.
//  3. Shops spread evenly over the living, and are given back at once when it
//     stops.
//
// It does not reconcile, and holds no SQL.
package lease
