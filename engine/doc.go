// Package engine reconciles the shops whose lease this lagerd holds. It puts
// together what does so and keeps it going: the lease keeper, the scheduler,
// the tick's cron, and the poll that looks every second for what others have
// left in the database. A daemon runs one; a reload replaces it.
//
// It owns none of the decisions (packages lease and reconcile do), no HTTP
// server and no signal (package daemon does), and reads no configuration.
package engine
