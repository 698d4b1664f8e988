// Package source defines where a shop's stock figures and invoices are read: the
// interfaces that a source implements, the types of its answers, and the loop that
// pages through a listing.
//
//	Service ──▶ Budget ──▶ Account ──▶ Stock     ──▶ Page of plan.Observation ─┐
//	   ▲     an agreement's calls  └──▶ Invoices ──▶ Page of plan.Invoice     ─┴▶ plan
//	   └─ source/economic
//
// A source makes one call per read, retries nothing and stores nothing. It leaves out
// what it cannot parse and reports it (plan.Unreadable, plan.Observation.Unknown); an
// unknown figure is absent, never zero.
//
// Package source does no I/O and decides nothing about stock (package plan does).
package source
