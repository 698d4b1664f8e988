// Package daemon is lagerd as one running process: it wires the packages
// together, owns every goroutine, and turns signals, time and systemd's
// protocol into calls.
//
//	Run
//	├─ webhook server ─▶ Committer ─▶ store        lives as long as the process
//	├─ admin server: /healthz /readyz /metrics
//	├─ index: shops and codes in memory, kept right within a second
//	└─ engine: client, Scheduler, leases, cron      made anew by a reload
//
// A reload (SIGHUP) reads the configuration again and replaces the engine;
// webhooks go on meanwhile. What only a restart can change (listeners, the
// database) is said in the log. A stop ends in the opposite order: no more
// webhooks, what is queued is committed, passes are broken off (their
// transactions roll back), leases are given back, the database is closed.
//
// It decides nothing about stock and holds no SQL.
package daemon
