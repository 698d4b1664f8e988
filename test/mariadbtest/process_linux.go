package mariadbtest

import "syscall"

// processAttributes makes mariadbd die with us, so that a test process that is killed or times
// out leaves no server behind, and keeps Ctrl-C from reaching it before the tests have ended.
// The death signal depends on the thread that started the process, which therefore must stay
// alive (see Server.launch).
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
