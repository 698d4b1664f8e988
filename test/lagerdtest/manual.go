package lagerdtest

import (
	"os"
	"strings"
	"testing"
)

// Commands returns the first block of commands in a document after a text, a line each.
func Commands(t testing.TB, document, after string) (lines []string) {
	t.Helper()
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(raw), after)
	if !found {
		t.Fatalf("%s does not say %q", document, after)
	}
	for line := range strings.Lines(rest) {
		command, is := strings.CutPrefix(line, "    ")
		switch {
		case is:
			lines = append(lines, strings.TrimSpace(command))
		case len(lines) > 0:
			return lines
		}
	}
	t.Fatalf("%s has no commands after %q", document, after)
	return nil
}
