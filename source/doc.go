// Package source is what is read: a shop's stock figures and its invoices,
// wherever they are kept. It has the interfaces that a source implements, what
// their answers look like, and the loop that turns the pages of a listing.
//
//	Service ──▶ Budget ──▶ Account ──▶ Stock     ──▶ Page of plan.Observation ─┐
//	   ▲     an agreement's calls  └──▶ Invoices ──▶ Page of plan.Invoice     ─┴▶ plan
//	   └─ source/economic
//
// A source makes one call for each read, retries nothing and stores nothing. What
// it cannot understand of an answer it leaves out and says so (plan.Unreadable,
// plan.Observation.Unknown); a figure that it does not know is absent, never zero.
//
// Package source does no I/O and decides nothing about stock (package plan does).
package source
