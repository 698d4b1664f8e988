package status_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
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
