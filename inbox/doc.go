// Package inbox keeps one shop's open hints: what is to be read, and what became of it.
//
// A hint is in one of two places in the database. Its row counts generations, so that
// a read answers no hint that came after it. The webhooks of a burst may stay in the
// batches in which they were recorded until a listing has answered them: a row for each
// would cost the database as much as the items themselves. Outside of this package a
// hint always has the same form, plan.Hint:
//
//	batches ── Unpack ──▶ rows ── Due, All ──▶ Hints ─▶ a read ─▶ plan ─▶ Writes ─▶ Wrote
//	   └────── Claim ──────┴──────────────────▶ Claim ─▶ a listing, over many passes
//
// Invariants:
//
//  1. Hints are loaded before the reads that answer them, and answered by generation:
//     one that comes during a read stays open.
//  2. A hint that a listing has claimed is not given to another read, unless it was
//     hinted again since.
//  3. A claim's batches are deleted only after the listing has been stored in full and
//     everything it did not answer has rows. A claim that is released, or a lagerd that
//     dies, leaves them to be unpacked.
//  4. Loading never writes. Writes, Claim and Left return what a transaction has to write,
//     and so do Due, All and Claimed if rows must count webhooks first. Wrote and Counted
//     report that it has been committed.
//
// It never decides what differs (package plan does), contains no SQL (package store does) and
// knows nothing of e-conomic.
package inbox
