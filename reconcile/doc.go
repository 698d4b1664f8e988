// Package reconcile is lagerd's heart: it makes a shop's rows equal to what
// e-conomic says, along one road for every cause.
//
//	Scheduler ── which shop is next: ticks, hints, requests; fair, one pass a shop
//	    │
//	    ▼
//	worker.pass ── one shop, under its lease
//	    │  1 unpack    the webhooks that have come become hints; a flood's rest stays
//	    │              in its batches for a listing (package inbox)
//	    │  2 check     is the token good, is it still the same agreement
//	    │  3 invoices  newly booked ones, by number; gaps; hinted ones
//	    │  4 stock     PlanReads → listing | change query | filters | singles
//	    │  5 fetch     invoices' lines (they become hints) and PDFs
//	    ▼
//	read the source ─▶ observations ─▶ plan (pure) ─▶ guard ─▶ store.Apply (one transaction)
//
// Invariants it keeps:
//
//  1. Hints are loaded before the reads that answer them, and answered by
//     generation: one that arrives during a read stays open.
//  2. A cursor moves only in the transaction that stores the end of its
//     window, after the window was read to its end.
//  3. A shop is worked on by one goroutine at a time and only under its lease;
//     every write carries the fence.
//  4. One part of a pass that fails, or that e-conomic refuses (holds.go), does not
//     keep the others from their work: stock does not wait for invoices, nor a shop
//     for another. A part that hangs ends its pass, and the next pass begins with
//     the part after it. What an error stops is decided by plan.Stops alone
//     (failures.go).
//  5. What takes stock away is read twice, and held back where it is too much
//     at once or within a while (losses.go, plan.LossGuard).
//
// Diff is the same comparison for people: it reads and writes nothing.
//
// It knows no API: what it reads comes from a source (package source). It never answers
// webhooks, never decides what differs (package plan does),
// and holds no SQL (package store does).
package reconcile
