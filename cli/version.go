package cli

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"
)

// stamp is the version, the commit and the commit's date, as scripts/stamp prints them. Only the
// linker sets it, since Go's own stamp lacks in a worktree and without git's files.
var stamp string //nolint:gochecknoglobals // the linker sets nothing else

// build is what a binary says of itself.
type build struct{ version, commit, date string }

// buildOf returns the build of a stamp, else of what Go has stamped.
func buildOf(stamp string, info *debug.BuildInfo) build {
	if f := strings.Fields(stamp); len(f) == 3 {
		return build{f[0], f[1], f[2]}
	}
	if info == nil {
		return build{version: "unknown"}
	}
	b, dirty := build{version: info.Main.Version}, ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.commit = s.Value
		case s.Key == "vcs.time":
			b.date = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if b.version == "" || b.version == "(devel)" {
		b.version = "devel"
		if len(b.commit) >= 12 {
			b.version += "-" + b.commit[:12] + dirty
		}
	}
	return b
}

// String returns the version, with the commit and its date if they are known.
func (b build) String() string {
	if b.commit == "" {
		return "lagerd " + b.version
	}
	return fmt.Sprintf("lagerd %s (commit %s, %s)", b.version, b.commit, cmp.Or(b.date, "of an unknown date"))
}

func thisBuild() build {
	info, _ := debug.ReadBuildInfo()
	return buildOf(stamp, info)
}

// version returns the version of the binary.
func version() string { return thisBuild().version }

type versionCmd struct{}

func (versionCmd) Run(c *call) error {
	_, err := fmt.Fprintln(c.Stdout, thisBuild())
	return err
}

// versionFlag is --version, which does what the command does.
type versionFlag bool

// BeforeReset prints the version and ends the parsing, before kong asks for a command.
func (versionFlag) BeforeReset(app *kong.Kong) error {
	_, err := fmt.Fprintln(app.Stdout, thisBuild())
	app.Exit(exitOK)
	return err
}
