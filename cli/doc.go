// Package cli is lagerd's command line: it reads arguments, files and the
// configuration, calls one of the other packages and prints the result.
//
// Secrets come from files, standard input or a prompt, never from an argument,
// and only `shops add`, `shops instructions` and `shops rotate-code` ever print one: the new
// integration code, once, for the shop owner to paste into e-conomic.
//
// Only `run` and a first `shops add` create an embedded database and the master key
// beside it, and both say so. A read-only command changes nothing. A command that leaves
// a request says so if no lagerd is running to carry it out.
//
// Exit codes: 0 done; 1 failed; 2 wrong arguments; 3 `status` shows something that needs a
// person; 78 invalid configuration
// (EX_CONFIG), so that systemd does not restart the service. `diff` has those of
// diff(1): 0 equal, 1 different, 2 trouble.
package cli
