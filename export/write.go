package export

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"lagerd/lang"
	"lagerd/terminal"
)

// Format is what an export is written as.
type Format string

// The formats.
const (
	CSV  Format = "csv"
	JSON Format = "json"
)

// Options say how an export is written.
type Options struct {
	Format Format
	Excel  bool // CSV for a Danish spreadsheet: semicolons, decimal commas, a byte order mark, Danish time
	Raw    bool // CSV with every text as it is stored
}

// Check returns an error if the options contradict each other.
func (o Options) Check() error {
	switch {
	case o.Format != CSV && o.Format != JSON:
		return fmt.Errorf("format %q: expected %s or %s", o.Format, CSV, JSON)
	case o.Format == JSON && o.Excel:
		return errors.New("excel is a form of csv: expected the format csv, got json")
	case o.Format == JSON && o.Raw:
		return errors.New("raw is for csv, since json has every text as it is stored: expected the format csv, got json")
	}
	return nil
}

// Table is the columns of an export, in order.
type Table[R any] []Column[R]

// Column is a column of an export: its name, which is also its key in JSON, and what a row has
// in it.
type Column[R any] struct {
	Name string
	Cell func(R) Cell
}

// Write writes rows to w, one by one, and returns how many it wrote. It returns the first error
// of the rows or of w; then the export is incomplete, and as JSON no valid document.
func Write[R any](w io.Writer, o Options, t Table[R], rows iter.Seq2[R, error]) (written int64, err error) {
	if err := o.Check(); err != nil {
		return 0, err
	}
	buffered := bufio.NewWriterSize(w, 64<<10)
	to, err := newEncoder(buffered, o, t.names())
	if err != nil {
		return 0, err
	}
	cells := make([]Cell, len(t))
	for row, err := range rows {
		if err != nil {
			return written, errors.Join(err, buffered.Flush())
		}
		t.fill(cells, row)
		if err := to.row(cells); err != nil {
			return written, err
		}
		written++
	}
	return written, errors.Join(to.end(), buffered.Flush())
}

// WriteOne writes one row as a JSON object on a line of its own.
func WriteOne[R any](w io.Writer, t Table[R], row R) error {
	keys, err := keysOf(t.names())
	if err != nil {
		return err
	}
	cells := make([]Cell, len(t))
	t.fill(cells, row)
	line, err := appendObject(nil, keys, cells)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

func (t Table[R]) names() []string {
	names := make([]string, len(t))
	for i, column := range t {
		names[i] = column.Name
	}
	return names
}

func (t Table[R]) fill(cells []Cell, row R) {
	for i, column := range t {
		cells[i] = column.Cell(row)
	}
}

// encoder writes rows in one format.
type encoder interface {
	row(cells []Cell) error
	end() error
}

func newEncoder(w *bufio.Writer, o Options, names []string) (encoder, error) {
	if o.Format == JSON {
		return newJSON(w, names)
	}
	return newCSV(w, o, names)
}

// asCSV writes RFC 4180, with line feeds as line ends.
type asCSV struct {
	to     *csv.Writer
	excel  *time.Location // of a spreadsheet's times; nil: not for one
	raw    bool
	fields []string
}

// byteOrderMark tells Excel that a file is UTF-8.
const byteOrderMark = "\ufeff"

func newCSV(w *bufio.Writer, o Options, names []string) (*asCSV, error) {
	c := &asCSV{to: csv.NewWriter(w), raw: o.Raw, fields: make([]string, len(names))}
	if o.Excel {
		c.excel, c.to.Comma = lang.Denmark(), ';'
		if _, err := w.WriteString(byteOrderMark); err != nil {
			return nil, err
		}
	}
	return c, c.to.Write(names)
}

func (c *asCSV) row(cells []Cell) error {
	for i, cell := range cells {
		c.fields[i] = c.field(cell)
	}
	return c.to.Write(c.fields)
}

func (c *asCSV) field(cell Cell) string {
	switch {
	case cell.kind == text && !c.raw:
		return defuse(cell.text)
	case cell.kind == figure && c.excel != nil:
		return strings.Replace(cell.text, ".", ",", 1)
	case cell.kind == moment && c.excel != nil:
		return cell.at.In(c.excel).Format(time.DateTime)
	case cell.kind == moment:
		return rfc3339(cell.at)
	}
	return cell.text
}

func (c *asCSV) end() error {
	c.to.Flush()
	return c.to.Error()
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// formulas are the characters with which a formula begins. East Asian spreadsheets take the wide
// ones for the narrow ones.
const formulas = "=+-@＝＋－＠"

// defuse returns a text that shows the same and that neither a spreadsheet nor a terminal
// interprets: invisible and control characters are escaped, tabs and line ends among them, and an
// apostrophe stands before what would begin a formula, after blanks too.
func defuse(s string) string {
	s = terminal.Escape(s)
	if first := strings.TrimSpace(s); first != "" && strings.ContainsRune(formulas, []rune(first)[0]) {
		return "'" + s
	}
	return s
}

// asJSON writes one array with an object per line.
type asJSON struct {
	to   *bufio.Writer
	keys [][]byte
	rows bool // some are written
	line []byte
}

func newJSON(w *bufio.Writer, names []string) (*asJSON, error) {
	keys, err := keysOf(names)
	if err == nil {
		_, err = w.WriteString("[")
	}
	return &asJSON{to: w, keys: keys}, err
}

// keysOf returns the names as the keys of an object: quoted, with the colon.
func keysOf(names []string) ([][]byte, error) {
	keys := make([][]byte, len(names))
	for i, name := range names {
		key, err := quote(nil, name)
		if err != nil {
			return nil, err
		}
		keys[i] = append(key, ": "...)
	}
	return keys, nil
}

func (j *asJSON) row(cells []Cell) (err error) {
	line := j.line[:0]
	if j.rows {
		line = append(line, ',')
	}
	if j.line, err = appendObject(append(line, '\n'), j.keys, cells); err != nil {
		return err
	}
	j.rows = true
	_, err = j.to.Write(j.line)
	return err
}

func appendObject(line []byte, keys [][]byte, cells []Cell) (_ []byte, err error) {
	line = append(line, '{')
	for i, cell := range cells {
		if i > 0 {
			line = append(line, ", "...)
		}
		if line, err = appendJSON(append(line, keys[i]...), cell); err != nil {
			return nil, err
		}
	}
	return append(line, '}'), nil
}

// appendJSON appends a cell. A figure is a string: most readers of JSON make a float of a number.
func appendJSON(line []byte, cell Cell) ([]byte, error) {
	switch cell.kind {
	case absent:
		return append(line, "null"...), nil
	case whole:
		return append(line, cell.text...), nil
	case moment:
		return quote(line, rfc3339(cell.at))
	case text, figure, day:
	}
	return quote(line, cell.text)
}

// quote appends a text as JSON, with what a terminal would interpret escaped; its meaning is the
// same.
func quote(line []byte, s string) ([]byte, error) {
	quoted, err := jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\ufffd"))
	if err != nil {
		return nil, fmt.Errorf("write %q as JSON: %w", s, err)
	}
	return append(line, terminal.EscapeOutput(quoted)...), nil
}

func (j *asJSON) end() error {
	if j.rows {
		if err := j.to.WriteByte('\n'); err != nil {
			return err
		}
	}
	_, err := j.to.WriteString("]\n")
	return err
}
