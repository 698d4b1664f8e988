// Package sim checks lagerd's invariants under simulated faults. From a seed it creates an
// e-conomic with trade, a database, several lagerd that share it, and a sequence of faults. It
// checks safety after each step and, once the faults stop, that the database converges.
//
//	             ┌ webhooks: lost, duplicated, late, reordered
//	e-conomic ───┤
//	(sandbox)    └ HTTP: 4xx, 5xx, cut, garbled, half pages, lies, hanging ─┐
//	                                                                        ▼
//	clock: skewed, jumping ──▶ lagerd ×1–3: committer, engine (keeper, scheduler,
//	                           worker, planner, client), store: the real ones
//	                                                                        │
//	database: deadlocks, lost at commit, down ◀─────────────────────────────┘
//	processes: crashed between any two calls, paused beyond their lease
//
// It runs in a synctest bubble. Everything that leaves a lagerd (an HTTP request, a statement)
// waits at a seam. The simulation waits until all goroutines are blocked, picks one call by the
// seed, and carries it out. So one thing happens at a time, in an order decided by the seed
// alone: the same seed gives the same run.
//
// In some seeds the stock of some shops is at Rackbeat, whose answers take the same way as
// e-conomic's. Its webhooks call the handler, with the bodies and tokens that the real ones have
// (webhooks.go). In some of these seeds a person moves the stock between the two services
// (stockmoves.go), and either service is out at times.
//
// Only the SQL driver's connection, the HTTP transport, the clock and the jitter of lagerd are
// replaced. The database is an in-memory SQLite; package chaos tests a real MariaDB.
package sim
