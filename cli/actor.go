package cli

import (
	"os"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"lagerd/act"
	"lagerd/config"
	"lagerd/secret"
	"lagerd/store"
)

// actor returns who runs a command, for the record of what people do. The account is the one
// that sudo was called from, if it was. The environment is believed: this is a note for
// colleagues, not a proof.
func actor(env []string, path []*kong.Path) store.Actor {
	words := []string{"lagerd"}
	for _, p := range path {
		if p.Command != nil {
			words = append(words, p.Command.Name)
		}
	}
	a := store.Actor{Command: strings.Join(words, " ")}
	for _, name := range []string{"SUDO_USER", "USER", "LOGNAME"} {
		for _, entry := range env {
			if value, ok := strings.CutPrefix(entry, name+"="); ok && value != "" {
				a.Account = value
				return a
			}
		}
	}
	a.Account = "uid " + strconv.Itoa(os.Getuid())
	return a
}

// acting returns what carries out what a person asks for. keys are nil if no token is to be opened.
func acting(cfg config.Config, s *store.Store, keys *secret.Keys) act.Act {
	return act.Act{Store: s, Config: cfg, Keys: keys, Version: version(), Now: now}
}
