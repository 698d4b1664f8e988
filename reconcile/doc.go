// Package reconcile makes a shop's rows equal to what its source says. Ticks, hints, signals
// and commands all take the same path:
//
//	Shop.RunOnce ── one pass of one shop, under its lease (shop.go)
//	    │  unpack     gives recorded webhooks their rows (unpacker.go)
//	    │  identity   is the token valid, is it still the same agreement (identity.go)
//	    │  invoices   newly booked ones, by number; gaps; hinted ones (invoices.go)
//	    │  stock      PlanReads → listing | change query | filters | singles (stock.go)
//	    │  PDFs       what stored invoices lack: their lines' items, their PDFs (pdf.go)
//	    │  requests   reports the outcome to whoever requested a run (requests.go)
//	    ▼
//	read the source ─▶ observations ─▶ plan (pure) ─▶ guard ─▶ Shop.apply (one transaction)
//
// A part (stock, invoices, PDFs) embeds the shop and adds its own state and a gate: its hints,
// and whether the source lets it read (gate.go). Each job within a part has a type of its own,
// which embeds the part. Of stock: agenda decides what a pass reads, allowance which hinted
// numbers are asked for alone, changes reads the change query, reader reads numbers, sweep reads
// everything over many passes, conclusion stores its pages and what its end shows, unreadItems
// deals with what cannot be understood, losses guards against taking stock away, and changeover
// moves the shop to another agreement's items. Of invoices, invoiceReader reads numbers; of PDFs,
// fetcher fetches. unpacker gives hints their rows, and accounts opens what the tokens give
// access to.
//
// Invariants:
//
//  1. Hints are loaded before the reads that answer them, and answered by
//     generation: one that arrives during a read stays open.
//  2. A cursor moves only in the transaction that stores the end of its
//     window, after the window was read to its end.
//  3. One goroutine at a time works on a shop, and only under its lease;
//     every write carries the fence.
//  4. Parts fail independently: a failure of invoices does not keep stock from being read,
//     nor one shop another. A part that hangs ends its pass, and the next pass starts with the
//     part after it. plan.Stops alone decides what an error stops.
//  5. A read that takes stock away is confirmed by a second one, and held back if it
//     takes too much at once or within a window (plan.LossGuard).
//  6. A shop's progress in memory is what the last transaction returned. Nothing else
//     changes it, and after a failed transaction it is reloaded.
//
// Diff makes the same comparison for people. It writes nothing.
//
// The package knows no API: it reads from a source (package source). It never answers webhooks,
// never decides what differs (package plan does), and contains no SQL (package store does).
package reconcile
