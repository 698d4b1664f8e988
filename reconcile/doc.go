// Package reconcile is lagerd's heart: it makes a shop's rows equal to what its source
// says, along one road for every cause.
//
//	Shop.RunOnce ── one pass of one shop, under its lease (shop.go)
//	    │  unpack     webhooks that have come get their rows (hints.go)
//	    │  identity   is the token good, is it still the same agreement (identity.go)
//	    │  invoices   newly booked ones, by number; gaps; hinted ones (invoices.go)
//	    │  stock      PlanReads → listing | change query | filters | singles (stock.go)
//	    │  PDFs       what stored invoices lack: their lines' items, their PDFs (pdf.go)
//	    │  requests   people are told what came of what they asked for (requests.go)
//	    ▼
//	read the source ─▶ observations ─▶ plan (pure) ─▶ guard ─▶ Shop.apply (one transaction)
//
// A part (stock, invoices, PDFs) is a shop with state of its own and a gate: its hints,
// and whether the source lets it read (gate.go). Of stock, reader reads by number, sweep
// reads everything over many passes, losses stands before what takes stock away, and
// changeover moves the shop to another agreement's items.
//
// Invariants it keeps:
//
//  1. Hints are loaded before the reads that answer them, and answered by
//     generation: one that arrives during a read stays open.
//  2. A cursor moves only in the transaction that stores the end of its
//     window, after the window was read to its end.
//  3. A shop is worked on by one goroutine at a time and only under its lease;
//     every write carries the fence.
//  4. One part of a pass that fails, or that the source refuses, does not keep the
//     others from their work: stock does not wait for invoices, nor a shop for
//     another. A part that hangs ends its pass, and the next pass begins with the
//     part after it. What an error stops is decided by plan.Stops alone.
//  5. What takes stock away is read twice, and held back where it is too much
//     at once or within a while (plan.LossGuard).
//  6. What is known of a shop is what the last transaction returned: nothing else
//     changes it, and after a transaction that failed it is loaded anew.
//
// Diff is the same comparison for people: it reads and writes nothing.
//
// It knows no API: what it reads comes from a source (package source). It never answers
// webhooks, never decides what differs (package plan does), and holds no SQL (package
// store does).
package reconcile
