// Package plan makes the decisions. From the observations of one read of e-conomic, the rows
// stored for the same numbers and the open hints, it computes what to write, which hints are
// answered, which must be reread, and why.
//
// It makes every decision on the path hint → plan → apply:
//
//	observations ─┐
//	stored rows  ─┼─▶ Items    ─▶ rows, changes, answered hints and hints to reread
//	open hints   ─┘
//	invoices     ───▶ Invoices ─▶ rows, changes, gaps, the new cursor
//	situation    ───▶ PlanReads ─▶ which reads of e-conomic are cheapest
//	losses       ───▶ LossGuard ─▶ whether a read may be stored, and why not
//
// It does no I/O, reads no clock and starts no goroutine: everything it needs is an argument,
// so every rule is tested with a table. It must not import the store, the client, or anything
// else that uses a network or a disk.
//
// Rules that hold for any input:
//
//  1. An observation older than the stored row changes nothing and answers no hint.
//  2. A figure is written only if e-conomic sent it; absent is absent, never zero.
//  3. A hint is answered by an observation of its own number, or with a HintReason.
//  4. Planning the same observation a second time yields nothing.
package plan
