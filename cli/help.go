package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"lagerd/terminal"
)

// screen is how many lines of help a terminal of 24 lines shows above the next prompt.
const screen = 23

func helpOptions() kong.HelpOptions {
	return kong.HelpOptions{Compact: true, ValueFormatter: kong.DefaultHelpValueFormatter}
}

// printHelp prints `--help`, which fits a screen of 80 columns: of lagerd itself the commands, of a
// command the whole of its help if that fits, else a line for each flag.
func printHelp(o kong.HelpOptions, k *kong.Context) error {
	at := k.Selected()
	if at == nil {
		_, err := fmt.Fprint(k.Stdout, overview(k.Model))
		return err
	}
	out, whole := k.Stdout, new(strings.Builder)
	k.Stdout = whole // which is 80 columns wide
	err := wholeHelp(o, k)
	k.Stdout = out
	if err != nil {
		return err
	}
	switch {
	case strings.Count(whole.String(), "\n") <= screen:
		return wholeHelp(o, k)
	case at.Leaf():
		_, err = fmt.Fprint(k.Stdout, brief(at))
	default:
		_, err = fmt.Fprint(k.Stdout, group(at))
	}
	return err
}

// helpAllFlag is --help-all: all that there is to say of a command, however long.
type helpAllFlag bool

// BeforeReset prints the help and ends the parsing, before kong misses an argument.
func (helpAllFlag) BeforeReset(k *kong.Context) error {
	err := wholeHelp(helpOptions(), k)
	k.Exit(exitOK)
	return err
}

// wholeHelp prints kong's help, with an example.
func wholeHelp(o kong.HelpOptions, k *kong.Context) error {
	if err := kong.DefaultHelpPrinter(o, k); err != nil {
		return err
	}
	at := k.Selected()
	if at == nil {
		return nil
	}
	text := "\nExample:\n  " + examples()[pathOf(at)]
	if !at.Leaf() {
		text = "\n" + explainsOne(at)
	}
	_, err := fmt.Fprintln(k.Stdout, text)
	return err
}

// brief is the help of a command of which there is more to say than fits a screen: what it does, and
// a line for each flag, with the first sentence of its help. A flag tagged rare is only named.
func brief(n *kong.Node) string {
	path := pathOf(n)
	head := []string{"Usage: lagerd " + n.Summary(), n.Help, ""}
	var flags, rare []string
	for _, f := range n.Flags {
		switch {
		case !isListed(f) || f.Name == "help":
		case f.Tag.Has("rare"):
			rare = append(rare, "--"+f.Name)
		default:
			sentence, _, _ := strings.Cut(f.Help, ". ")
			flags = append(flags, fmt.Sprintf("  %-27s %s", f, strings.TrimSuffix(sentence, ".")))
		}
	}
	flags = append(flags, "")
	if len(rare) > 0 {
		flags = append(flags, terminal.Wrap("Less often used: "+strings.Join(rare, " "), 80)...)
	}
	flags = append(flags, fmt.Sprintf("`lagerd %s --help-all` and `man lagerd` say more.", path), "Example: "+examples()[path])
	detail := append(terminal.Wrap(n.Detail, 80), "")
	if len(head)+len(detail)+len(flags) <= screen {
		head = append(head, detail...)
	}
	return strings.Join(append(head, flags...), "\n") + "\n"
}

// group is the help of a command whose own commands fill a screen.
func group(n *kong.Node) string {
	text := []string{"Usage: lagerd " + pathOf(n) + " COMMAND", n.Help, ""}
	for _, c := range shown(n) {
		text = append(text, fmt.Sprintf("  %-20s%s", pathOf(c), c.Help))
	}
	return strings.Join(append(text, "", explainsOne(n)), "\n") + "\n"
}

func explainsOne(n *kong.Node) string {
	return fmt.Sprintf("`lagerd %s COMMAND --help` explains one, with an example.", pathOf(n))
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

// isListed reports whether a flag is in the manual and the completions. --version and --help-all are
// hidden from the help of each command alone.
func isListed(f *kong.Flag) bool {
	return !f.Hidden || f.Name == "version" || f.Name == "help-all"
}

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
