package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
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
	"cli": "act budget config daemon economic engine export lang move notify plan rackbeat reconcile reload sandbox secret source source/economic source/rackbeat status status/story store systemd terminal web webhook",

	"act":          "budget config economic economic/webhooksapi engine lang plan rackbeat reconcile secret source/economic source/rackbeat status store webhook",
	"daemon":       "config engine forwarded notify plan reload secret status store systemd terminal web webhook",
	"export":       "lang plan store terminal",
	"engine":       "budget config economic lease notify plan rackbeat reconcile rest schedule source source/economic source/rackbeat source/remote status store webhook",
	"schedule":     "plan reconcile source store",
	"reconcile":    "inbox plan source store",
	"inbox":        "plan store",
	"status":       "budget economic economic/webhooksapi lang plan rackbeat reconcile store terminal webhook",
	"status/story": "lang plan status store terminal webhook",
	"lease":        "store",
	"move":         "store",
	"notify":       "economic lang plan secret status store terminal",
	"store":        "lang plan store/dsn store/rights",
	"web":          "act config engine forwarded lang limit plan secret status status/story store terminal webhook",
	"webhook":      "lang limit terminal",
	"config":       "forwarded plan secret store/dsn",

	"economic/webhooksapi": "budget rest secret",

	"source/economic": "budget economic plan source source/remote",
	"source/rackbeat": "budget plan rackbeat source source/remote",
	"source/remote":   "budget plan rest source",
	"source":          "budget plan",

	"budget":    "",
	"lang":      "",
	"limit":     "",
	"plan":      "",
	"economic":  "budget rest secret",
	"rackbeat":  "budget rest secret",
	"rest":      "budget secret",
	"sandbox":   "",
	"secret":    "",
	"store/dsn": "",

	"monitoring": "",

	"packaging/copyright": "",

	"store/rights": "",
	"reload":       "systemd",
	"forwarded":    "",
	"systemd":      "terminal",
	"terminal":     "",
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

// mostMethods and mostFields limit what a reader of package reconcile has to keep in mind of one type.
const (
	mostMethods = 15
	mostFields  = 12
)

// TestTypesAreSmall holds mostMethods and mostFields.
func TestTypesAreSmall(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("reconcile/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files of reconcile: %v", len(files), err)
	}
	methods, fields := map[string]int{}, map[string]int{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv != nil {
					methods[typeName(n.Recv.List[0].Type)]++
				}
			case *ast.TypeSpec:
				if of, ok := n.Type.(*ast.StructType); ok {
					fields[n.Name.Name] = of.Fields.NumFields()
				}
			}
			return true
		})
	}
	if methods["Shop"] == 0 || fields["Shop"] == 0 {
		t.Fatal("type Shop of reconcile has no methods or no fields: does this test still find them?")
	}
	for name, n := range methods {
		if n > mostMethods {
			t.Errorf("type %s of reconcile has %d methods, expected %d at most: give one of its jobs to a type of its own", name, n, mostMethods)
		}
	}
	for name, n := range fields {
		if n > mostFields {
			t.Errorf("type %s of reconcile has %d fields, expected %d at most: group those that change together", name, n, mostFields)
		}
	}
}

func typeName(receiver ast.Expr) string {
	if pointer, ok := receiver.(*ast.StarExpr); ok {
		receiver = pointer.X
	}
	if name, ok := receiver.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}

func orNothing(allowed string) string {
	if allowed == "" {
		return "nothing of lagerd"
	}
	return strings.ReplaceAll(allowed, " ", ", ")
}

// TestMigrationsAreNumbered: both dialects have the same migrations, numbered without gaps, so
// that two that were written side by side are noticed before they land.
func TestMigrationsAreNumbered(t *testing.T) {
	t.Parallel()
	var lists [2][]string
	for i, dialect := range []string{"mysql", "sqlite"} {
		files, err := filepath.Glob("store/migrations/" + dialect + "/*.sql")
		if err != nil || len(files) == 0 {
			t.Fatalf("%d migrations of %s: %v", len(files), dialect, err)
		}
		for n, file := range files {
			name := filepath.Base(file)
			if number, err := strconv.Atoi(strings.SplitN(name, "_", 2)[0]); err != nil || number != n+1 {
				t.Errorf("%s: %s is not number %d", dialect, name, n+1)
			}
			lists[i] = append(lists[i], name)
		}
	}
	if !slices.Equal(lists[0], lists[1]) {
		t.Errorf("the dialects have different migrations: %q and %q", lists[0], lists[1])
	}
}

// TestSecurityIsTested: the tests that docs/security.md names exist.
func TestSecurityIsTested(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	exist := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err = filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		code, err := os.ReadFile(file)
		for _, found := range declared.FindAllSubmatch(code, -1) {
			exist[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(text, -1)
	for _, name := range named {
		if !exist[string(name[1])] {
			t.Errorf("docs/security.md names %s, which does not exist", name[1])
		}
	}
	if len(named) < 40 {
		t.Errorf("docs/security.md names %d tests", len(named))
	}
}
