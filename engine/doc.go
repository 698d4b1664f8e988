// Package engine is lagerd without the process around it: it records webhooks' hints and
// reconciles the shops whose lease it holds, as configured. The daemon runs one engine,
// the simulation several.
//
//	Engine
//	├─ webhook.Committer ─▶ store        lives as long as the engine
//	└─ instance                          replaced by a reload
//	   ├─ economic.Client, and the shops' source on top of it
//	   ├─ schedule.Scheduler: ticks, passes ─▶ reconcile
//	   ├─ lease.Keeper
//	   └─ poll: what other processes have left in the database
//
// It makes no decisions (packages lease and reconcile do) and has no HTTP server, signals
// or files (package daemon has).
package engine
