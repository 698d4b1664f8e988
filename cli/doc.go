// Package cli is lagerd's command line: it reads arguments, files and the
// configuration, calls one of the other packages and prints what came of it.
//
// Secrets come from files, standard input or a prompt, never from an argument,
// and only `shops add` and `shops rotate-code` ever print one: the new
// integration code, once, for the shop owner to paste into e-conomic.
//
// An embedded database, and the master key beside it, are made by `run` and by a
// first `shops add` alone, and both say so. A command that only looks changes
// nothing, and says where no lagerd runs to do what was asked for.
//
// Exit codes: 0 done; 1 it failed; 2 wrong arguments; 78 the configuration is
// bad (EX_CONFIG), so that systemd does not restart the service. `diff` has those
// of diff(1): 0 equal, 1 different, 2 trouble.
package cli
