// Package daemon is the lagerd process: it wires the packages together and
// handles signals, timers and systemd's protocol.
//
//	Run
//	├─ webhook server ─▶ engine
//	├─ admin server: /healthz /readyz /metrics, /debug/pprof/ (admin.pprof)
//	├─ connections: what callers may hold of the files (files.go)
//	├─ journal, refused: calls recorded, and wrong codes counted
//	├─ identity: the lock of the state directory, and on which machine and boot it runs
//	├─ keys: followed in the database, and taken up from a changed key file
//	├─ index: shops and codes in memory, at most a second old, and what is held
//	└─ engine: hints ─▶ store, and the shops whose lease it holds
//
// A reload (SIGHUP) rereads the configuration and reloads the engine; webhooks
// continue meanwhile. The log names changes that need a restart (listeners, the
// database). A shutdown goes in the opposite order: it stops accepting webhooks,
// commits queued hints, cancels passes (their transactions roll back), releases
// leases and closes the database.
//
// It decides nothing about stock and holds no SQL.
package daemon
