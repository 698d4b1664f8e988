// Package plan decides. From what one read of e-conomic said (observations),
// the rows stored for the same numbers and the open hints, it computes what to
// write, which hints are answered by it and which must be read again, and why.
//
// It owns every decision of the road hint → plan → apply:
//
//	observations ─┐
//	stored rows  ─┼─▶ Items    ─▶ rows, changes, answered and re-read hints
//	open hints   ─┘
//	invoices     ───▶ Invoices ─▶ rows, changes, gaps, the new cursor
//	situation    ───▶ Reads    ─▶ which reads of e-conomic are cheapest
//	losses       ───▶ LossGuard ─▶ whether a read may be stored, and why not
//
// It never does I/O, reads no clock and starts no goroutine: everything it
// needs is an argument, so every rule is tested with a table. It must not
// import the store, the client, or anything that talks to a network or a disk.
//
// Rules that hold whatever the input:
//
//  1. An observation that is older than the stored row changes nothing and
//     answers no hint.
//  2. A figure is written only from a figure that e-conomic sent; absent is
//     absent, never zero.
//  3. A hint is answered only by an observation of its own number.
//  4. Planning the same observation twice yields nothing the second time.
package plan
