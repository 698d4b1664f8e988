package terminal_test

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lagerd/terminal"
)

func TestWidth(t *testing.T) {
	t.Parallel()
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, w := range []io.Writer{io.Discard, file} {
		if got := terminal.Width(w); got != 80 {
			t.Errorf("%T has %d columns", w, got)
		}
	}
}

func TestCellsAndClip(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    string
		cells   int
		columns int
		clipped string
	}{
		{"", 0, 3, ""}, {"vare", 4, 4, "vare"}, {"vare", 4, 3, "va…"}, {"rødgrød", 7, 5, "rødg…"},
		{"ＡＢＣＤ", 8, 8, "ＡＢＣＤ"}, {"ＡＢＣＤ", 8, 7, "ＡＢＣ…"}, {"ＡＢＣＤ", 8, 6, "ＡＢ…"}, {"e\u0301te\u0301", 3, 3, "e\u0301te\u0301"}, {"🤬 ok", 5, 2, "…"},
	} {
		if got := terminal.Cells(c.text); got != c.cells {
			t.Errorf("%q takes %d columns, want %d", c.text, got, c.cells)
		}
		if got := terminal.Clip(c.text, c.columns); got != c.clipped {
			t.Errorf("%q in %d columns is %q, want %q", c.text, c.columns, got, c.clipped)
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    string
		columns int
		want    []string
	}{
		{"", 20, nil},
		{"one", 20, []string{"one"}},
		{"exactly twenty chars", 20, []string{"exactly twenty chars"}},
		{"exactly twenty chars.", 20, []string{"exactly twenty", "chars."}},
		{"a line\nand\x1b[2J another", 40, []string{`a line; and\u001b[2J another`}},
		{"https://restapi.e-conomic.com/x no", 20, []string{"https://restapi.e-conomic.com/x", "no"}},
		{"a https://restapi.e-conomic.com/x", 20, []string{"a", "https://restapi.e-conomic.com/x"}},
		{"a restapi.e-conomic.com/products", 20, []string{"a", "restapi.e-conomic.co", "m/products"}},
		{"https://" + strings.Repeat("x", 200), 200, []string{"https://" + strings.Repeat("x", 192), "xxxxxxxx"}},
		{"run `lagerd approve s`; then wait", 20, []string{"run", "`lagerd approve s`;", "then wait"}},
		{"run `lagerd approve shop1234` now", 20, []string{"run `lagerd approve", "shop1234` now"}},
		{"an odd ` is nothing to wait for", 20, []string{"an odd ` is nothing", "to wait for"}},
		{"too narrow", 3, []string{"too", "nar", "row"}},
		{"ＡＢ", 1, []string{"Ａ", "Ｂ"}},
	} {
		if diff := cmp.Diff(c.want, terminal.Wrap(c.text, c.columns)); diff != "" {
			t.Errorf("%q in %d columns (-want +got):\n%s", c.text, c.columns, diff)
		}
	}
}

func TestWriteFields(t *testing.T) {
	t.Parallel()
	fields := []terminal.Field{{"shop", "shop1234"}, {"lager på", "en lang tekst, som fortsætter"}, {"none", ""}}
	for columns, want := range map[int]string{
		30: "shop:      shop1234\nlager på:  en lang tekst, som\n           fortsætter\nnone:\n",
		20: "shop:      shop1234\nlager på:\n    en lang tekst,\n    som fortsætter\nnone:\n",
	} {
		var out strings.Builder
		if err := terminal.WriteFields(&out, fields, columns); err != nil || out.String() != want {
			t.Errorf("in %d columns: %v\n%s", columns, err, cmp.Diff(want, out.String()))
		}
	}
}

// TestTable: a narrow table has fewer columns, then shorter cells, and never a longer line.
func TestTable(t *testing.T) {
	t.Parallel()
	table := terminal.NewTable(terminal.Column{Name: "SHOP"}, terminal.Column{Name: "ITEMS", Right: true, Rank: 1}, terminal.Column{Name: "STATE"}, terminal.Column{Name: "DRIFT", Right: true, Rank: 2})
	table.Row("shop1234", "12", "running", "3")
	table.Row("a-shop-with-a-name-that-is-long", "12345678", "held\n", "0")
	table.Note("150 of 300 items would lose their stock, which is too many")
	table.Note("another note")
	for _, c := range []struct {
		columns int
		want    string
	}{
		{80, `
SHOP                                ITEMS  STATE    DRIFT
shop1234                               12  running      3
a-shop-with-a-name-that-is-long  12345678  held\n       0
  150 of 300 items would lose their stock, which is too many
  another note
`},
		{50, `
SHOP                                ITEMS  STATE
shop1234                               12  running
a-shop-with-a-name-that-is-long  12345678  held\n
  150 of 300 items would lose their stock, which
    is too many
  another note
`},
		{40, `
SHOP                             STATE
shop1234                         running
a-shop-with-a-name-that-is-long  held\n
  150 of 300 items would lose their
    stock, which is too many
  another note
`},
		{25, `
SHOP              STATE
shop1234          running
a-shop-with-a-n…  held\n
  150 of 300 items
    would lose their
    stock, which is too
    many
  another note
`},
	} {
		var out strings.Builder
		if err := table.Write(&out, c.columns); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), out.String()); diff != "" {
			t.Errorf("in %d columns (-want +got):\n%s", c.columns, diff)
		}
	}
	for columns := range 120 {
		var out strings.Builder
		if err := table.Write(&out, columns); err != nil {
			t.Fatal(err)
		}
		longest := slices.MaxFunc(strings.Split(out.String(), "\n"), func(a, b string) int { return terminal.Cells(a) - terminal.Cells(b) })
		if terminal.Cells(longest) > max(columns, 20) {
			t.Errorf("a line of %d columns in %d: %q", terminal.Cells(longest), columns, longest)
		}
	}
}
