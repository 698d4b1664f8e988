// Package sim shows that lagerd's invariants hold under every fault it can
// think of. From a seed it makes an e-conomic that trades, a database and
// several lagerd that share it, and a run of faults; it checks safety after
// each step, and once the faults stop that everything becomes true.
//
//	             ┌ webhooks: lost, doubled, late, reordered
//	e-conomic ───┤
//	(sandbox)    └ HTTP: 4xx, 5xx, cut, garbled, half pages, lies, hanging ─┐
//	                                                                        ▼
//	clock: skewed, jumping ──▶ lagerd ×1–3: committer, engine (keeper, scheduler,
//	                           worker, planner, client), store: the real ones
//	                                                                        │
//	database: deadlocks, lost at commit, down ◀─────────────────────────────┘
//	processes: crashed between any two calls, paused beyond their lease
//
// It runs in a synctest bubble. Everything that leaves a lagerd (an HTTP
// request, a statement) stops at a seam and waits; the simulation lets all
// others come to rest, picks one by the seed, and carries it out. So one thing
// happens at a time, in an order that the seed alone decides: the same seed is
// the same run.
//
// Nothing of lagerd is replaced but the SQL driver's connection, the HTTP
// transport, the clock and the jitter. It runs on SQLite in memory; that
// MariaDB behaves as the driver's faults say is for the real thing to show
// (package chaos).
package sim
