package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// printHelp prints `--help`: of lagerd itself on one screen, of a command with an example.
func printHelp(o kong.HelpOptions, k *kong.Context) error {
	at := k.Selected()
	if at == nil {
		_, err := fmt.Fprint(k.Stdout, overview(k.Model))
		return err
	}
	if err := kong.DefaultHelpPrinter(o, k); err != nil {
		return err
	}
	text := "\nExample:\n  " + examples()[pathOf(at)] + "\n"
	if !at.Leaf() {
		text = fmt.Sprintf("\n`%s COMMAND --help` explains one, with an example.\n", at.FullPath())
	}
	_, err := fmt.Fprint(k.Stdout, text)
	return err
}

// overview is `lagerd --help`, which fits a screen of 80 columns and 24 lines.
func overview(app *kong.Application) string {
	var b strings.Builder
	b.WriteString("lagerd: Keeps a webshop's stock and invoice PDFs in MySQL equal to e-conomic's.\nUsage: lagerd COMMAND [--config=FILE] (or $LAGERD_CONFIG), or lagerd --version\n")
	for _, n := range shown(app.Node) {
		if n.Name == "version" { // --version says the same
			continue
		}
		fmt.Fprintf(&b, "  %-11s%s\n", n.Name, n.Help)
	}
	b.WriteString("`lagerd COMMAND --help` explains one, with an example: lagerd status --help\n")
	return b.String()
}

// shown returns a command's own commands, without those that are hidden.
func shown(n *kong.Node) []*kong.Node {
	return slices.DeleteFunc(slices.Clone(n.Children), func(n *kong.Node) bool { return n.Hidden })
}

// leaves returns all commands that do something.
func leaves(n *kong.Node) []*kong.Node {
	return slices.DeleteFunc(n.Leaves(true), func(n *kong.Node) bool { return n.Hidden || n.Parent == nil })
}

// pathOf returns a command's path without its arguments: "shops add".
func pathOf(n *kong.Node) string {
	var words []string
	for ; n != nil && n.Parent != nil; n = n.Parent {
		words = append([]string{n.Name}, words...)
	}
	return strings.Join(words, " ")
}

// isListed reports whether a flag is in the manual and the completions. --version is hidden from the
// help of each command alone.
func isListed(f *kong.Flag) bool { return !f.Hidden || f.Name == "version" }

// flagsOf returns the flags that a command takes, its own first.
func flagsOf(n *kong.Node) []*kong.Flag {
	var list []*kong.Flag
	for ; n != nil; n = n.Parent {
		for _, f := range n.Flags {
			if isListed(f) {
				list = append(list, f)
			}
		}
	}
	return list
}

// exitCodes are lagerd's exit codes, as the manual and docs/operators.md list them.
func exitCodes() []struct {
	code  int
	means string
} {
	return []struct {
		code  int
		means string
	}{
		{exitOK, "it worked; `status`: nothing needs a person"},
		{exitFailed, "it failed, and says why; `check`: something is FAILED; `diff`: there are differences"},
		{exitUsage, "the command line is wrong; `diff`: something could not be compared"},
		{exitNeeds, "`status`: something needs a person"},
		{exitConfig, "the configuration or a secret is invalid or missing; nothing was started"},
		{exitAborted, "`run`: it was aborted (SIGABRT), as systemd's watchdog does"},
	}
}
