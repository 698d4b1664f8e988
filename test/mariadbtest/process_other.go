//go:build !linux

package mariadbtest

import "syscall"

// processAttributes has nothing to offer outside Linux: there a test process
// that is killed leaves its server running.
func processAttributes() *syscall.SysProcAttr { return nil }
