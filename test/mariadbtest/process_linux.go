package mariadbtest

import "syscall"

// processAttributes ties mariadbd's life to ours, so that a test process that is
// killed or times out leaves no server behind, and keeps Ctrl-C from reaching it
// before the tests have ended. The death signal follows the thread that started
// the process, which therefore has to live on (see Server.launch).
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
