package terminal

import (
	"io"
	"os"
	"unicode"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// NoTerminal is the width for output that goes to no terminal.
const NoTerminal = 80

// Width returns how many columns the terminal w has, NoTerminal if w is none.
func Width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return NoTerminal
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 {
		return NoTerminal
	}
	return columns
}

// Cells returns how many columns a text takes: two for a wide character, none for one that is
// drawn over another.
func Cells(s string) int {
	n := 0
	for _, r := range s {
		n += cells(r)
	}
	return n
}

func cells(r rune) int {
	if r < unicode.MaxLatin1 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}

// Clip shortens a text to that many columns: "…" stands for its end.
func Clip(s string, columns int) string {
	if Cells(s) <= columns {
		return s
	}
	head, _ := split(s, columns-1)
	return head + "…"
}

// split divides a text after as much of it as those columns hold.
func split(s string, columns int) (head, rest string) {
	for i, r := range s {
		if columns -= cells(r); columns < 0 {
			return s[:i], s[i:]
		}
	}
	return s, ""
}
