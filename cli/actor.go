package cli

import (
	"os"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

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
