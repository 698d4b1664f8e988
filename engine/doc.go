// Package engine is a lagerd but its process: from a configuration it puts together
// what records webhooks' hints and what reconciles the shops whose lease this lagerd
// holds, and keeps it going. A daemon runs one, and the simulation several.
//
//	Engine
//	├─ webhook.Committer ─▶ store        lives as long as the engine
//	└─ instance                          made anew by a reload
//	   ├─ economic.Client, and over it the source of the shops
//	   ├─ schedule.Scheduler: ticks, passes ─▶ reconcile
//	   ├─ lease.Keeper
//	   └─ poll: what others have left in the database
//
// It owns none of the decisions (packages lease and reconcile do), no HTTP server, no
// signal and no file (package daemon does).
package engine
