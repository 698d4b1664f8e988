// Package chaos tests lagerd while everything around it fails: real lagerd processes on a real
// database, against the sandbox as e-conomic, are killed, paused, disconnected, slowed down and
// run out of disk while shops trade.
//
//	go test ./test/chaos -run TestChaos -count=1 -v -timeout 0 -chaos.for=10m
//
// It owns the assertions after such a storm: every shop equals e-conomic, no acknowledged
// webhook is lost, nothing older overwrote anything newer, and nobody wrote after losing the
// lease. It leaves out what a test of one part can show, and never touches a process that it
// did not start.
package chaos
