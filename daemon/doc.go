// Package daemon is lagerd as one running process: it wires the packages
// together, owns every goroutine, and turns signals, time and systemd's
// protocol into calls.
//
//	Run
//	├─ webhook server ─▶ engine
//	├─ admin server: /healthz /readyz /metrics
//	├─ index: shops and codes in memory, kept right within a second
//	└─ engine: hints ─▶ store, and the shops whose lease it holds
//
// A reload (SIGHUP) reads the configuration again and has the engine take it over;
// webhooks go on meanwhile. What only a restart can change (listeners, the
// database) is said in the log. A stop ends in the opposite order: no more
// webhooks, what is queued is committed, passes are broken off (their
// transactions roll back), leases are given back, the database is closed.
//
// It decides nothing about stock and holds no SQL.
package daemon
