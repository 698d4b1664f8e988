package cli

import (
	"os"
	"strings"
	"testing"

	"lagerd/store"
)

// TestGrantsAreDocumented: docs/operators.md has what `lagerd check --grants` prints, word by word.
func TestGrantsAreDocumented(t *testing.T) {
	t.Parallel()
	grants, err := store.GrantsFor(t.Context(), grantsOfEmbedded, nil)
	if err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../docs/operators.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for line := range strings.Lines(grantsText(grants)) {
		want.WriteString("    " + line)
	}
	if !strings.Contains(string(docs), "\n\n"+want.String()+"\n") {
		t.Errorf("docs/operators.md does not have:\n%s", want.String())
	}
}
