package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"lagerd/export"
)

// table has a column for each of so many cells.
func table(columns int) export.Table[[]export.Cell] {
	var t export.Table[[]export.Cell]
	for n := range columns {
		t = append(t, export.Column[[]export.Cell]{Name: fmt.Sprintf("c%d", n), Cell: func(row []export.Cell) export.Cell { return row[n] }})
	}
	return t
}

// rows yields rows, and then the error if there is one.
func rows[R any](list []R, err error) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		for _, row := range list {
			if !yield(row, nil) {
				return
			}
		}
		if err != nil {
			var none R
			yield(none, err)
		}
	}
}

func write(t interface{ Fatal(args ...any) }, o export.Options, list ...[]export.Cell) string {
	var b bytes.Buffer
	n, err := export.Write(&b, o, table(len(list[0])), rows(list, nil))
	if err != nil || n != int64(len(list)) {
		t.Fatal(n, err)
	}
	return b.String()
}

// parse reads RFC 4180 to the letter: unlike encoding/csv it keeps a carriage return in a quoted
// cell, skips no line and allows no stray quote.
func parse(text string, comma rune) (list [][]string, err error) {
	row, cell, quoted, was := []string(nil), strings.Builder{}, false, false
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		raw := text[:size]
		text = text[size:]
		switch {
		case quoted && raw == `"` && strings.HasPrefix(text, `"`):
			text = text[1:]
			cell.WriteString(raw)
		case quoted && raw == `"`:
			quoted = false
		case quoted:
			cell.WriteString(raw)
		case raw == `"` && (cell.Len() > 0 || was):
			return nil, fmt.Errorf("a quote in the cell %q", cell.String())
		case raw == `"`:
			quoted, was = true, true
		case r == comma || raw == "\n":
			row = append(row, cell.String())
			cell, was = strings.Builder{}, false
			if raw == "\n" {
				list, row = append(list, row), nil
			}
		case was || raw == "\r":
			return nil, fmt.Errorf("%q outside the quotes of a cell", raw)
		default:
			cell.WriteString(raw)
		}
	}
	if quoted || row != nil || cell.Len() > 0 {
		return nil, errors.New("the last line has no end")
	}
	return list, nil
}

func figure(s string) export.Cell {
	return export.Figure(decimal.NewNullDecimal(decimal.RequireFromString(s)))
}

// TestWrite: each kind of cell, in each format.
func TestWrite(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 23, 30, 0, 123456000, time.UTC)
	kinds := []export.Cell{
		export.Text(`Ærlig "vare"; 1, stk`), export.Text(""), figure("-12.5000"), figure("900719925474099.1234"), export.Figure(decimal.NullDecimal{}), figure("0"),
		export.Whole(-7), export.Flag(true), export.Moment(at), export.Moment(time.Time{}), export.Day("2026-11-23"), export.Day(""), {},
	}
	formulas := []export.Cell{export.Text("=1+1"), export.Text("+45"), export.Text("-12"), export.Text("@SUM(A1)"), export.Text("\t=1"), export.Text("\r-1"), export.Text(" \u00a0=1"), export.Text("＝1"),
		export.Text("1-2"), export.Text("a\x1b[2J\u202e\nb"), figure("-1"), export.Whole(-1), export.Text("")}
	for _, c := range []struct {
		o    export.Options
		want string
	}{
		{export.Options{Format: export.CSV}, `c0,c1,c2,c3,c4,c5,c6,c7,c8,c9,c10,c11,c12
"Ærlig ""vare""; 1, stk",,-12.5,900719925474099.1234,,0,-7,true,2026-11-23T23:30:00.123456Z,,2026-11-23,,
'=1+1,'+45,'-12,'@SUM(A1),\t=1,\r-1,'  =1,'＝1,1-2,a\u001b[2J\u202e\nb,-1,-1,
`},
		{export.Options{Format: export.CSV, Excel: true}, "\ufeff" + `c0;c1;c2;c3;c4;c5;c6;c7;c8;c9;c10;c11;c12
"Ærlig ""vare""; 1, stk";;-12,5;900719925474099,1234;;0;-7;true;2026-11-24 00:30:00;;2026-11-23;;
'=1+1;'+45;'-12;'@SUM(A1);\t=1;\r-1;'  =1;'＝1;1-2;a\u001b[2J\u202e\nb;-1;-1;
`},
		{export.Options{Format: export.CSV, Raw: true}, `c0,c1,c2,c3,c4,c5,c6,c7,c8,c9,c10,c11,c12
"Ærlig ""vare""; 1, stk",,-12.5,900719925474099.1234,,0,-7,true,2026-11-23T23:30:00.123456Z,,2026-11-23,,
=1+1,+45,-12,@SUM(A1),"` + "\t=1\",\"\r-1\",\" \u00a0=1\",＝1,1-2,\"a\x1b[2J\u202e\nb\"" + `,-1,-1,
`},
		{export.Options{Format: export.JSON}, `[
{"c0": "Ærlig \"vare\"; 1, stk", "c1": "", "c2": "-12.5", "c3": "900719925474099.1234", "c4": null, "c5": "0", "c6": -7, "c7": true, "c8": "2026-11-23T23:30:00.123456Z", "c9": null, "c10": "2026-11-23", "c11": null, "c12": null},
{"c0": "=1+1", "c1": "+45", "c2": "-12", "c3": "@SUM(A1)", "c4": "\t=1", "c5": "\r-1", "c6": "  =1", "c7": "＝1", "c8": "1-2", "c9": "a\u001b[2J\u202e\nb", "c10": "-1", "c11": -1, "c12": ""}
]
`},
	} {
		// The blank before the formula is followed by a no-break space.
		want := strings.ReplaceAll(c.want, "  =1", " \u00a0=1")
		if diff := cmp.Diff(want, write(t, c.o, kinds, formulas)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.o, diff)
		}
	}
	for format, want := range map[export.Format]string{export.CSV: "c0,c1\n", export.JSON: "[]\n"} {
		var b bytes.Buffer
		if n, err := export.Write(&b, export.Options{Format: format}, table(2), rows[[]export.Cell](nil, nil)); n != 0 || err != nil || b.String() != want {
			t.Errorf("no rows as %s: %q, %d, %v", format, b.String(), n, err)
		}
	}
}

// TestDanishTime: a spreadsheet's times are those of a clock in Denmark, in summer and winter.
func TestDanishTime(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{"2026-07-01T12:00:00Z": "2026-07-01 14:00:00", "2026-12-31T23:30:59.999999Z": "2027-01-01 00:30:59", "2026-10-25T00:30:00Z": "2026-10-25 02:30:00", "2026-10-25T01:30:00Z": "2026-10-25 02:30:00"} {
		moment, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := write(t, export.Options{Format: export.CSV, Excel: true}, []export.Cell{export.Moment(moment), export.Text("")}); !strings.HasSuffix(got, "\n"+want+";\n") {
			t.Errorf("%s is written as %q, expected %s", at, got, want)
		}
	}
}

// cells draws a row of texts: any, and such as spreadsheets, terminals and CSV do something with.
func cells(t *rapid.T, columns int) []string {
	text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("=+-@＝＋－＠'\";,\\ \u00a0\u3000\t\r\n\x00\x1b\u200b\ufeff\u202ea1,."))))
	return rapid.SliceOfN(text, columns, columns).Draw(t, "row")
}

func texts(row []string) []export.Cell {
	list := make([]export.Cell, len(row))
	for n, s := range row {
		list[n] = export.Text(s)
	}
	return list
}

// TestCSVReadsBack: what is written as CSV parses to the same cells, by this package's strict
// parser and by encoding/csv.
func TestCSVReadsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		columns := rapid.IntRange(2, 4).Draw(t, "columns")
		o := export.Options{Format: export.CSV, Raw: true, Excel: rapid.Bool().Draw(t, "excel")}
		var want [][]string
		var list [][]export.Cell
		for range rapid.IntRange(1, 4).Draw(t, "rows") {
			row := cells(t, columns)
			want, list = append(want, row), append(list, texts(row))
		}
		readsBack(t, o, write(t, o, list...), want)
	})
}

// readsBack checks that a CSV parses to the wanted rows after its header.
func readsBack(t interface {
	Fatalf(format string, args ...any)
}, o export.Options, text string, want [][]string) {
	comma := ','
	if o.Excel {
		rest, marked := strings.CutPrefix(text, "\ufeff")
		if !marked {
			t.Fatalf("no byte order mark: %q", text)
		}
		text, comma = rest, ';'
	}
	got, err := parse(text, comma)
	if err != nil || len(got) == 0 || !slices.EqualFunc(got[1:], want, slices.Equal) {
		t.Fatalf("%q parses to %q, %v; expected %q", text, got, err, want)
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = comma
	read, err := r.ReadAll()
	if err != nil {
		t.Fatalf("encoding/csv: %v", err)
	}
	for n, row := range want {
		for i, cell := range row {
			// It reads a carriage return before a line feed as part of the line's end.
			if cell = strings.ReplaceAll(cell, "\r\n", "\n"); read[n+1][i] != cell {
				t.Fatalf("encoding/csv reads %q, expected %q", read[n+1][i], cell)
			}
		}
	}
}

// harmless checks a defused text: no spreadsheet takes it for a formula and no terminal for a
// command, and nothing of it that can be seen is gone.
func harmless(t interface {
	Fatalf(format string, args ...any)
}, cell, was string) {
	first, _ := utf8.DecodeRuneInString(strings.TrimSpace(cell))
	if cell != "" && (strings.ContainsRune("=+-@＝＋－＠\t\r\n", rune(cell[0])) || strings.ContainsRune("=+-@＝＋－＠", first)) {
		t.Fatalf("%q is written as the formula %q", was, cell)
	}
	for _, r := range cell {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			t.Fatalf("%q is written with %U: %q", was, r, cell)
		}
	}
	if plain := !strings.ContainsFunc(was, func(r rune) bool {
		return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) || r == utf8.RuneError
	}); plain && strings.TrimPrefix(cell, "'") != strings.TrimPrefix(was, "'") {
		t.Fatalf("%q is written as %q", was, cell)
	}
}

// TestTextsAreDefused: no text is a formula or a command, whatever it begins with, and numbers
// stay numbers.
func TestTextsAreDefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		row := cells(t, 3)
		number := decimal.New(rapid.Int64().Draw(t, "digits"), -4)
		o := export.Options{Format: export.CSV, Excel: rapid.Bool().Draw(t, "excel")}
		text := write(t, o, append(texts(row), export.Figure(decimal.NewNullDecimal(number))))
		comma, point := ',', "."
		if o.Excel {
			text, comma, point = strings.TrimPrefix(text, "\ufeff"), ';', ","
		}
		got, err := parse(text, comma)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		for n, was := range row {
			harmless(t, got[1][n], was)
		}
		if read, err := decimal.NewFromString(strings.Replace(got[1][3], point, ".", 1)); err != nil || !read.Equal(number) {
			t.Fatalf("%s is written as %s", number, got[1][3])
		}
	})
}

// TestJSONReadsBack: JSON has every text and every digit.
func TestJSONReadsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		row := cells(t, 2)
		number := decimal.New(rapid.Int64().Draw(t, "digits"), -4)
		text := write(t, export.Options{Format: export.JSON}, append(texts(row), export.Figure(decimal.NewNullDecimal(number))))
		var got []map[string]string
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want := []map[string]string{{"c0": strings.ToValidUTF8(row[0], "\ufffd"), "c1": strings.ToValidUTF8(row[1], "\ufffd"), "c2": number.String()}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// FuzzCSV: no two texts, valid UTF-8 or not, break the lines, read back as others, or survive as a
// formula.
func FuzzCSV(f *testing.F) {
	for _, text := range []string{"", "=1+1", "a\"b", "a;b,c", "\r\n", "\t=cmd", "\ufeff=1", "\xff=1", `\.`, " +1", "'=1"} {
		f.Add(text, "x")
		f.Add("x", text)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		row := []string{a, b}
		for _, excel := range []bool{false, true} {
			o := export.Options{Format: export.CSV, Excel: excel, Raw: true}
			readsBack(t, o, write(t, o, texts(row)), [][]string{row})
			o.Raw = false
			comma := map[bool]rune{false: ',', true: ';'}[excel]
			got, err := parse(strings.TrimPrefix(write(t, o, texts(row)), "\ufeff"), comma)
			if err != nil || len(got) != 2 || len(got[1]) != 2 {
				t.Fatalf("%q parses to %q, %v", row, got, err)
			}
			harmless(t, got[1][0], a)
			harmless(t, got[1][1], b)
		}
	})
}

// TestIncomplete: an error of the rows or of the writer is returned, and JSON that ends there is
// no document.
func TestIncomplete(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection lost")
	row := []export.Cell{export.Text("a"), export.Text("b")}
	for _, format := range []export.Format{export.CSV, export.JSON} {
		var b bytes.Buffer
		n, err := export.Write(&b, export.Options{Format: format}, table(2), rows([][]export.Cell{row, row}, lost))
		if n != 2 || !errors.Is(err, lost) || !strings.Contains(b.String(), "a") {
			t.Errorf("%s: %d rows, %v: %q", format, n, err, b.String())
		}
		if format == export.JSON && json.Valid(b.Bytes()) {
			t.Errorf("an incomplete export is a JSON document: %s", b.String())
		}
		endless := func(yield func([]export.Cell, error) bool) {
			for yield(row, nil) {
			}
		}
		if _, err := export.Write(full{lost}, export.Options{Format: format}, table(2), endless); !errors.Is(err, lost) {
			t.Errorf("%s to a full disk: %v", format, err)
		}
	}
}

// full is a writer that has no room.
type full struct{ err error }

func (f full) Write([]byte) (int, error) { return 0, f.err }

// TestOptions: options that contradict each other are refused.
func TestOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		o    export.Options
		want string
	}{
		{export.Options{Format: export.CSV, Excel: true, Raw: true}, ""},
		{export.Options{Format: export.JSON}, ""},
		{export.Options{Format: export.JSON, Excel: true}, "excel is a form of csv: expected the format csv, got json"},
		{export.Options{Format: export.JSON, Raw: true}, "raw is for csv, since json has every text"},
		{export.Options{Format: "xml"}, `format "xml": expected csv or json`},
	} {
		err := c.o.Check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%+v: %v, expected %q", c.o, err, c.want)
		}
		if _, written := export.Write(&bytes.Buffer{}, c.o, table(2), rows[[]export.Cell](nil, nil)); fmt.Sprint(written) != fmt.Sprint(err) {
			t.Errorf("%+v is written: %v", c.o, written)
		}
	}
}
