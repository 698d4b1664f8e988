package status_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lagerd/status"
)

// TestMetricsAreDocumented: the table of metrics in docs/operators.md has every metric.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../docs/operators.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := ""
	for line := range strings.Lines(string(docs)) {
		if strings.HasPrefix(line, "| `lagerd_") {
			rows += strings.SplitN(line, "|", 3)[1]
		}
	}
	found := 0
	for _, file := range []string{"metrics.go", "../daemon/daemon.go"} {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`"lagerd_[a-z_]+"`).FindAllString(string(code), -1) {
			found++
			if !strings.Contains(rows, "`"+strings.Trim(name, `"`)+"`") {
				t.Errorf("%s has %s, and the table of metrics in docs/operators.md does not", file, name)
			}
		}
	}
	if found == 0 {
		t.Error("no metrics found")
	}
}

// TestJSONIsDocumented: docs/operators.md has the fields of each document, and no others; in the
// table of a shop's, those that may be absent are marked.
func TestJSONIsDocumented(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("../docs/operators.md")
	if err != nil {
		t.Fatal(err)
	}
	docs := string(file)
	_, table, _ := strings.Cut(docs, "\n| field of a shop | is |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var documented []string
	for line := range strings.Lines(table) {
		for _, field := range regexp.MustCompile("`[a-z_]+`( †)?").FindAllString(strings.Split(line, "|")[1], -1) {
			documented = append(documented, strings.ReplaceAll(field, "`", ""))
		}
	}
	fields := jsonFields(reflect.TypeFor[status.Shop](), " †")
	slices.Sort(documented)
	slices.Sort(fields)
	if !slices.Equal(documented, fields) {
		t.Errorf("the table of a shop's fields has\n%q, and the document\n%q", documented, fields)
	}
	for row, parts := range map[string][]reflect.Type{
		"| `holds` † |":                    {reflect.TypeFor[status.Hold]()},
		"| `unread` † |":                   {reflect.TypeFor[status.Notice]()},
		"| `needs` † |":                    {reflect.TypeFor[status.Need]()},
		"| `status [SHOP] --json --nodes`": {reflect.TypeFor[status.Overview](), reflect.TypeFor[status.Node]()},
		"| `shops list --json` |":          {reflect.TypeFor[status.Settings]()},
		"| `shops show SHOP --json` |":     {reflect.TypeFor[status.Shown](), reflect.TypeFor[status.Code](), reflect.TypeFor[status.Call]()},
	} {
		_, text, found := strings.Cut(docs, "\n"+row)
		if !found {
			t.Errorf("no row %q in docs/operators.md", row)
		}
		text, _, _ = strings.Cut(text, "\n")
		for _, part := range parts {
			for _, field := range jsonFields(part, "") {
				if !strings.Contains(text, "`"+field+"`") {
					t.Errorf("the row %q does not have `%s`", row, field)
				}
			}
		}
	}
}

// jsonFields returns the names of a struct's fields in JSON, marked if they may be absent.
func jsonFields(of reflect.Type, mark string) []string {
	var list []string
	for field := range of.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		if options == "omitempty" {
			name += mark
		}
		list = append(list, name)
	}
	return list
}
