package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layout says what each package may import of lagerd: imports point down, from the
// process to the decisions. "" is the command itself. Packages under test/ import what
// they like, and only tests import them.
var layout = map[string]string{
	"":    "cli",
	"cli": "config daemon economic engine plan reconcile sandbox secret source source/economic status store systemd terminal webhook",

	"daemon":    "config engine plan secret status store systemd terminal webhook",
	"engine":    "config economic lease plan reconcile schedule source source/economic status store webhook",
	"schedule":  "plan reconcile source store",
	"reconcile": "inbox plan source store",
	"inbox":     "plan store",
	"status":    "economic plan reconcile store terminal",
	"lease":     "store",
	"store":     "plan store/dsn",
	"webhook":   "terminal",
	"config":    "plan secret store/dsn",

	"source/economic": "economic plan source",
	"source":          "plan",

	"plan":      "",
	"economic":  "",
	"sandbox":   "",
	"secret":    "",
	"store/dsn": "",
	"systemd":   "",
	"terminal":  "",
}

// pure are the packages that do no input or output, and impure what they must not import.
var (
	pure   = []string{"plan", "source"}
	impure = []string{"net", "os", "syscall", "database/sql", "log", "io/ioutil", "gorm.io", "github.com/sirupsen/logrus"}
)

// TestLayout holds the arrows of the map in docs/engineers.md.
func TestLayout(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (file == "test" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && file != "."):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := strings.TrimPrefix(path.Dir(filepath.ToSlash(file)), ".")
		allowed, known := layout[pkg]
		if !known && !found[pkg] {
			t.Errorf("package %s has no place in the layout: say in layout_test.go what it may import", pkg)
		}
		found[pkg] = true
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			own, ok := strings.CutPrefix(imported, "lagerd/")
			if ok && known && !slices.Contains(strings.Fields(allowed), own) {
				t.Errorf("%s imports %s, but %s may only import: %s", file, imported, pkg, orNothing(allowed))
			}
			if slices.Contains(pure, pkg) && slices.ContainsFunc(impure, func(no string) bool { return imported == no || strings.HasPrefix(imported, no+"/") }) {
				t.Errorf("%s imports %s, but %s does no input or output", file, imported, pkg)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range layout {
		if !found[pkg] {
			t.Errorf("package %s of the layout does not exist", pkg)
		}
	}
}

func orNothing(allowed string) string {
	if allowed == "" {
		return "nothing of lagerd"
	}
	return strings.ReplaceAll(allowed, " ", ", ")
}
