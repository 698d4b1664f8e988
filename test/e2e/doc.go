// Package e2e tests the built binary as its users run it: lagerd as a process,
// with real signals, against the sandbox as another process, on SQLite and on
// a private MariaDB.
package e2e
