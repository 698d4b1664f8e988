// Package chaos tests lagerd while everything around it breaks: real lagerd
// processes on a real database against the sandbox as e-conomic, which are
// killed, stopped, cut off, slowed down and filled up while shops trade.
//
//	go test ./test/chaos -run TestChaos -count=1 -v -timeout 0 -chaos.for=10m
//
// It owns what is asserted after such a storm: every shop is equal to what
// e-conomic says, no acknowledged webhook is lost, nothing older was written
// over something newer, and nobody wrote who had lost the lease. It tests
// nothing that a test of one part can show, and never touches a process that it
// did not start.
package chaos
