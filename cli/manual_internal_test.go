package cli

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// model returns kong's model of the command line.
func model(t *testing.T) *kong.Kong {
	t.Helper()
	app, err := kong.New(new(commands), kong.Name("lagerd"), kong.Exit(func(int) {}), kong.Writers(io.Discard, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// TestExamples: each command has an example, which is a command line of it.
func TestExamples(t *testing.T) {
	t.Parallel()
	all := examples()
	for _, n := range leaves(model(t).Model.Node) {
		path := pathOf(n)
		example, ok := all[path]
		if !ok {
			t.Errorf("lagerd %s has no example", path)
			continue
		}
		delete(all, path)
		words := strings.Fields(strings.TrimPrefix(example, "lagerd "))
		if end := slices.IndexFunc(words, func(word string) bool { return word == ">" || word == "||" || word == "<" }); end >= 0 {
			words = words[:end]
		}
		k, err := model(t).Parse(words)
		if err != nil || pathOf(k.Selected()) != path {
			t.Errorf("%s: %v", example, err)
		}
	}
	if len(all) > 0 {
		t.Errorf("examples of no command: %v", all)
	}
}

// TestHelpFits: the help of lagerd and of each command fits a screen of 80 columns and 24 lines, the
// prompt among them, and has an example. What does not fit is in --help-all.
func TestHelpFits(t *testing.T) {
	t.Parallel()
	app := model(t).Model
	helps := func(args ...string) string {
		var out strings.Builder
		if code := Main(t.Context(), Process{Args: args, Stdout: &out, Stderr: &out}); code != exitOK {
			t.Errorf("lagerd %q exits with %d: %s", args, code, out.String())
		}
		return out.String()
	}
	nodes := []*kong.Node{app.Node}
	for _, n := range shown(app.Node) {
		nodes = append(append(nodes, n), shown(n)...)
	}
	brief := 0
	for _, n := range nodes {
		path := pathOf(n)
		out := helps(append(strings.Fields(path), "--help")...)
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if len(lines) > 23 {
			t.Errorf("lagerd %s --help has %d lines:\n%s", path, len(lines), out)
		}
		for _, line := range lines {
			if isExample := strings.HasPrefix(line, "  lagerd ") || strings.HasPrefix(line, "Example: "); len([]rune(line)) > 80 && !isExample {
				t.Errorf("lagerd %s --help has a line of %d characters: %s", path, len([]rune(line)), line)
			}
			if strings.HasPrefix(line, "  --") && len(strings.Fields(line)) < 2 {
				t.Errorf("lagerd %s --help does not say what a flag does: %s", path, line)
			}
		}
		if !strings.Contains(out, "xample") || !strings.Contains(out, "sage: lagerd "+path) {
			t.Errorf("lagerd %s --help has no example, or no usage:\n%s", path, out)
		}
		if strings.Contains(out, "--help-all") {
			brief++
		}
		whole := helps(append(strings.Fields(path), "--help-all")...)
		for _, f := range n.Flags {
			if !f.Hidden && (!strings.Contains(whole, "--"+f.Name) || n.Leaf() && f.Name != "help" && !strings.Contains(out, "--"+f.Name)) {
				t.Errorf("lagerd %s --help or --help-all names no --%s", path, f.Name)
			}
		}
	}
	if brief == 0 {
		t.Error("no command's help is shortened")
	}
}

// TestManual: the man page has every command, flag and exit code.
func TestManual(t *testing.T) {
	t.Parallel()
	app := model(t).Model
	page := manual(app, build{version: "v1.4.0", date: "2026-11-30T21:27:28Z"})
	for _, n := range leaves(app.Node) {
		_, entry, found := strings.Cut(page, ".SS \"lagerd "+roff(pathOf(n)))
		entry, _, _ = strings.Cut(entry, "\n.S")
		if !found || !strings.Contains(entry, roff(examples()[pathOf(n)])) {
			t.Errorf("lagerd %s is not in the manual, or without its example", pathOf(n))
		}
		for _, f := range n.Flags {
			if !f.Hidden && !strings.Contains(entry, roff("--"+f.Name)+"\\fR") {
				t.Errorf("lagerd %s --%s is not in the manual", pathOf(n), f.Name)
			}
		}
	}
	if !strings.HasPrefix(page, `.TH LAGERD 1 "2026\-11\-30" "lagerd v1.4.0"`) || strings.Contains(page, "lagerd manual") {
		t.Error("the manual has another head, or a hidden command")
	}
	rendered(t, page)
}

// TestConfigManual: the man page has every key of the example.
func TestConfigManual(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	page := configManual(string(raw), build{version: "v1.4.0"})
	var keys map[string]any
	if err := yaml.Unmarshal(raw, &keys); err != nil {
		t.Fatal(err)
	}
	n := 0
	for section, value := range keys {
		of, is := value.(map[string]any)
		if !is {
			of = map[string]any{"": nil}
		}
		for key := range of {
			n++
			if name := strings.TrimSuffix(section+"."+key, "."); !strings.Contains(page, ".TP\n.B "+roff(name)+"\n") {
				t.Errorf("%s is not in the manual", name)
			}
		}
	}
	for _, key := range []string{"database.dsn", "economic.app_secret_token_file", "key_file"} { // which are commented out
		if !strings.Contains(page, ".TP\n.B "+roff(key)+"\n") {
			t.Errorf("%s is not in the manual", key)
		}
	}
	if n < 40 {
		t.Errorf("%d keys are in the example", n)
	}
	rendered(t, page)
}

// rendered lets man read a page, which must find nothing wrong with it.
func rendered(t *testing.T, page string) {
	t.Helper()
	program(t, "man")
	file := filepath.Join(t.TempDir(), "page.1")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", file)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil || said.Len() > 0 {
		t.Errorf("man: %v: %s", err, said.String())
	}
}

func program(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("NOT TESTED: %s is not installed", name)
	}
}

// TestExitCodesAreDocumented: docs/operators.md has the table.
func TestExitCodesAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/operators.md")
	if err != nil {
		t.Fatal(err)
	}
	table := "| code | means |\n|---|---|\n"
	for _, e := range exitCodes() {
		table += fmt.Sprintf("| %d | %s |\n", e.code, e.means)
	}
	if !strings.Contains(string(text), table+"\n") {
		t.Errorf("docs/operators.md lacks this table:\n%s", table)
	}
}

// TestCompletion: real shells complete commands, flags and their values.
func TestCompletion(t *testing.T) {
	t.Parallel()
	ways := map[string]string{
		"bash": `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lagerd; printf '%s\n' "${COMPREPLY[@]}"`,
		// zsh offers what it is told to match: these stand in for what its line editor does with it.
		"zsh": `compdef() {}; source "$1"; shift; words=("$@"); CURRENT=$#; _describe() { print -l -- ${(P)4} }; compadd() { shift; print -l -- $@ }; _files() { print FILES }
_lagerd | sed 's/:.*//' | grep -e "^${words[-1]}"`,
		"fish": `source $argv[1]; complete -C (string join ' ' -- $argv[2..-1]) | cut -f1`,
	}
	for shell, way := range ways {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			program(t, shell)
			file := filepath.Join(t.TempDir(), shell)
			if err := os.WriteFile(file, []byte(completion(model(t).Model, shell)), 0o600); err != nil {
				t.Fatal(err)
			}
			for line, want := range map[string]string{
				"lagerd st":                               "status",
				"lagerd shops re":                         "readers remove resume revoke",
				"lagerd shops set shop1234 --lang d":      "da",
				"lagerd --config x shops set y --stock-s": "--stock-source",
				"lagerd shops pause x --rea":              "--reason",
				"lagerd man":                              "",
			} {
				args := []string{"-c", way}
				switch shell {
				case "bash":
					args = append([]string{"--norc"}, append(args, "_")...)
				case "zsh":
					args = append([]string{"-f"}, append(args, "_")...)
				case "fish":
					args = append([]string{"--no-config"}, args...)
				}
				cmd := exec.Command(shell, append(append(args, file), strings.Fields(line)...)...)
				cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
				out, _ := cmd.CombinedOutput() // grep fails if nothing is offered
				got := strings.Fields(string(out))
				slices.Sort(got)
				if strings.Join(got, " ") != want {
					t.Errorf("%s: %q completes to %q, expected %q", shell, line, got, want)
				}
			}
		})
	}
}
