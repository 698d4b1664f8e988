package economic_test

import (
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lagerd/economic"
)

// shared is the directory that may hold e-conomic's own schemas and recorded answers.
const shared = "../../shared/economic/"

func TestEscapeNumberRoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(
			rapid.String(),
			rapid.StringOf(rapid.RuneFrom([]rune(`<>*%:&/\_ ?.#+0123456789æøåÆ"'()[]$,;=@!~`))),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		).Draw(t, "number")
		segment := economic.EscapeNumber(number)
		back, err := economic.UnescapeNumber(segment)
		if err != nil || back != number {
			t.Fatalf("%q became %q and came back as %q, %v", number, segment, back, err)
		}
		// It must survive net/url as a single, unchanged path segment.
		u, err := url.Parse("https://e.test/products/" + segment)
		if err != nil || u.EscapedPath() != "/products/"+segment || strings.ContainsAny(segment, `/?#. <>*:&\+`) {
			t.Fatalf("%q became %q, which is not one path segment: %v", number, segment, err)
		}
	})
}

func TestUnescapeNumberRefuses(t *testing.T) {
	t.Parallel()
	for _, segment := range []string{"_", "a_b", "_14_", "_-1_", "__", "_1", "%", "%zz", "_+1_"} {
		if number, err := economic.UnescapeNumber(segment); err == nil {
			t.Errorf("%q was taken as %q", segment, number)
		}
	}
}

// checkLink compares a number with its path segment in e-conomic's self link. e-conomic
// leaves some characters raw that url.PathEscape encodes, which is equivalent.
func checkLink(t *testing.T, number, segment string) {
	t.Helper()
	plain, err := url.PathUnescape(segment)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := url.PathUnescape(economic.EscapeNumber(number))
	if err != nil || ours != plain {
		t.Errorf("%q: escaped as %q, e-conomic has %q (%v)", number, economic.EscapeNumber(number), segment, err)
	}
	if back, err := economic.UnescapeNumber(segment); err != nil || back != number {
		t.Errorf("%q: unescaped as %q, e-conomic means %q (%v)", segment, back, number, err)
	}
}

func TestEscapeNumberAsRecorded(t *testing.T) {
	t.Parallel()
	lines, err := os.ReadFile("testdata/selflinks.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(lines)) {
		if number, segment, ok := strings.Cut(strings.TrimRight(line, "\n"), "\t"); ok && line[0] != '#' {
			checkLink(t, number, segment)
		}
	}

	body, err := os.ReadFile(shared + "samples/products.page.json")
	if err != nil {
		t.Logf("NOT CHECKED against the recorded self links: %v", err)
		return
	}
	var page struct {
		Collection []struct{ ProductNumber, Self string }
	}
	if err := json.Unmarshal(body, &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Collection) < 300 {
		t.Fatalf("expected some 358 recorded products, got %d", len(page.Collection))
	}
	for _, p := range page.Collection {
		_, segment, _ := strings.Cut(p.Self, "/products/")
		checkLink(t, p.ProductNumber, segment)
	}
	read, err := economic.DecodeProducts(body)
	if err != nil || len(read.Bad) > 0 || len(read.Items) != len(page.Collection) {
		t.Fatalf("expected %d good products, got %d and %v, %v", len(page.Collection), len(read.Items), read.Bad, err)
	}
	for i, p := range read.Items {
		if p.Number != page.Collection[i].ProductNumber || p.Inventory == nil || p.Inventory.InStock == nil || p.LastUpdated.IsZero() {
			t.Errorf("product %d was read as %+v", i, p)
		}
	}
}

func TestFilterable(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]bool{
		"1": true, "a b": true, "[1]": true, "$(x),*": true, "rødgrød": true, `a\b`: true,
		"": false, " a": false, "a ": false, "a\nb": false, "a\x00": false, "\xe6": false, "a\uFFFD": false,
	} {
		if got := economic.Filterable(number); got != want {
			t.Errorf("Filterable(%q) = %v", number, got)
		}
	}
}
