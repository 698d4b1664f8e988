package terminal

import (
	"io"
	"slices"
	"strings"
)

// narrowest is the width below which nothing gets narrower.
const narrowest = 20

// Wrap returns a text, escaped like Line, in lines of at most so many columns. It is divided
// between words; what stands in backquotes, such as a command, and a word, only if it is longer
// than a line. A longer address is left whole, to be opened or copied: the terminal itself divides
// it.
func Wrap(text string, columns int) []string {
	columns = max(columns, 2) // of the widest character
	var lines []string
	line := ""
	add := func(word string) {
		switch {
		case line == "":
			line = word
		case Cells(line)+1+Cells(word) <= columns:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
		for Cells(line) > columns && !isAddress(line) {
			head, rest := split(line, columns)
			lines, line = append(lines, head), rest
		}
	}
	for _, words := range quoted(strings.Fields(Line(text))) {
		if whole := strings.Join(words, " "); Cells(whole) <= columns {
			add(whole)
			continue
		}
		for _, word := range words {
			add(word)
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// longestAddress is longer than any of lagerd's own.
const longestAddress = 200

func isAddress(word string) bool {
	return strings.HasPrefix(word, "https://") && len(word) <= longestAddress
}

// quoted groups words: those that stand in backquotes together, and each other one.
func quoted(words []string) [][]string {
	var groups [][]string
	open := false
	for _, word := range words {
		if open {
			last := &groups[len(groups)-1]
			*last = append(*last, word)
		} else {
			groups = append(groups, []string{word})
		}
		open = open != (strings.Count(word, "`")%2 == 1)
	}
	return groups
}

// WriteWrapped writes a text after first, in lines of at most so many columns, and at least 20.
// Further lines begin below the text's beginning, unless first takes half of the width, and at
// least four columns from the left: no line of lagerd's own begins there, for which a foreign text
// could pass.
func WriteWrapped(w io.Writer, first, text string, columns int) error {
	columns = max(columns, narrowest)
	left := strings.Repeat(" ", max(Cells(first), len(continued)))
	var lines []string
	if Cells(first) > columns/2 && Cells(first)+Cells(text) > columns {
		left = continued
		lines = append(lines, Clip(strings.TrimRight(first, " "), columns))
		first = continued
	}
	for _, line := range Wrap(text, columns-Cells(left)) {
		lines = append(lines, first+line)
		first = left
	}
	if len(lines) == 0 {
		lines = append(lines, strings.TrimRight(first, " "))
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// Field is a name and its value.
type Field struct{ Name, Value string }

// WriteFields writes each field on a line of its own, the values below each other. A value that is
// longer than the line continues below itself.
func WriteFields(w io.Writer, fields []Field, columns int) error {
	longest := 0
	for _, f := range fields {
		longest = max(longest, Cells(f.Name))
	}
	longest += len(":  ")
	for _, f := range fields {
		name := f.Name + ":"
		if err := WriteWrapped(w, name+strings.Repeat(" ", longest-Cells(name)), f.Value, columns); err != nil {
			return err
		}
	}
	return nil
}

// Column is a column of a Table.
type Column struct {
	Name  string
	Right bool // its cells end below each other
	Rank  int  // 0: it is always shown; of the others the highest rank leaves first if the width does not hold all
}

// Table lays rows out in columns. A row takes one line, whatever the width; texts of any length
// stand below it.
type Table struct {
	columns []Column
	rows    []row
}

type row struct {
	cells []string
	notes []string // below it
}

// NewTable returns a table without rows.
func NewTable(columns ...Column) *Table { return &Table{columns: columns} }

// Row adds a row with a cell for each column, escaped.
func (t *Table) Row(cells ...string) {
	escaped := make([]string, len(cells))
	for i, cell := range cells {
		escaped[i] = Escape(cell)
	}
	t.rows = append(t.rows, row{cells: escaped})
}

// Note adds a text below the last row.
func (t *Table) Note(text string) {
	last := &t.rows[len(t.rows)-1]
	last.notes = append(last.notes, text)
}

const (
	gap    = "  " // between columns
	indent = "  " // before what stands below a row

	continued = "    " // at least, before a line that continues a text
)

// Write writes the table, with its header, so that no line has more than so many columns, or 20.
func (t *Table) Write(w io.Writer, columns int) error {
	columns = max(columns, narrowest)
	shown, widths := t.fit(columns)
	header := make([]string, len(t.columns))
	for i, c := range t.columns {
		header[i] = c.Name
	}
	if err := t.line(w, header, shown, widths); err != nil {
		return err
	}
	for _, r := range t.rows {
		if err := t.line(w, r.cells, shown, widths); err != nil {
			return err
		}
		for _, note := range r.notes {
			if err := WriteWrapped(w, indent, note, columns); err != nil {
				return err
			}
		}
	}
	return nil
}

// fit returns which columns are shown, in their order, and how wide each is.
func (t *Table) fit(columns int) (shown []int, widths map[int]int) {
	widths = map[int]int{}
	for i, c := range t.columns {
		shown = append(shown, i)
		widths[i] = Cells(c.Name)
		for _, r := range t.rows {
			widths[i] = max(widths[i], Cells(r.cells[i]))
		}
	}
	excess := func() int {
		sum := len(gap) * (len(shown) - 1)
		for _, i := range shown {
			sum += widths[i]
		}
		return sum - columns
	}
	for excess() > 0 {
		least := slices.MaxFunc(shown, func(a, b int) int { return t.columns[a].Rank - t.columns[b].Rank })
		if t.columns[least].Rank == 0 {
			break
		}
		shown = slices.DeleteFunc(shown, func(i int) bool { return i == least })
	}
	for excess() > 0 {
		widest := slices.MaxFunc(shown, func(a, b int) int { return widths[a] - widths[b] })
		if widths[widest]--; widths[widest] == 0 {
			shown = slices.DeleteFunc(shown, func(i int) bool { return i == widest })
		}
	}
	return shown, widths
}

func (t *Table) line(w io.Writer, cells []string, shown []int, widths map[int]int) error {
	var b strings.Builder
	for n, i := range shown {
		if n > 0 {
			b.WriteString(gap)
		}
		cell := Clip(cells[i], widths[i])
		blanks := strings.Repeat(" ", widths[i]-Cells(cell))
		if t.columns[i].Right {
			b.WriteString(blanks + cell)
		} else {
			b.WriteString(cell + blanks)
		}
	}
	_, err := io.WriteString(w, strings.TrimRight(b.String(), " ")+"\n")
	return err
}
