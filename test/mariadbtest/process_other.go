//go:build !linux

package mariadbtest

import "syscall"

// processAttributes returns nothing outside Linux: there a killed test process leaves its
// server running.
func processAttributes() *syscall.SysProcAttr { return nil }
