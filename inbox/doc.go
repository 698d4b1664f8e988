// Package inbox keeps one shop's open hints: what is to be looked at, and what has
// become of it.
//
// A hint is in one of two places in the database. Its row counts generations, so that
// a read answers no hint that came after it. A burst's webhooks may stay in the batches
// in which they were recorded until a listing has answered them: a row for each would
// cost the database as much as the items that they tell of. Outside of this package a
// hint has one form, plan.Hint, wherever it is kept:
//
//	batches ── Unpack ──▶ rows ── Due, All ──▶ Hints ─▶ a read ─▶ plan ─▶ Writes ─▶ Wrote
//	   └────── Claim ──────┴──────────────────▶ Claim ─▶ a listing, over many passes
//
// Invariants:
//
//  1. Hints are loaded before the reads that answer them, and answered by generation:
//     one that comes during a read stays open.
//  2. A hint that a listing has claimed is not handed to another read, unless it has
//     been hinted at again since.
//  3. A claim's batches are deleted only after the listing has been stored in full and
//     what it did not answer has rows. A claim that is released, or a lagerd that dies,
//     leaves them to be unpacked.
//  4. Loading never writes. What a transaction is to write is returned (by Writes, Claim
//     and Left, and by what loads hints where a row is to count webhooks first), and
//     Wrote or Counted tells that it has been committed.
//
// It never decides what differs (package plan does), holds no SQL (package store does)
// and knows nothing of e-conomic.
package inbox
