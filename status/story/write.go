package story

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"lagerd/terminal"
)

const (
	columns = 80 // how wide a story is written
	wrapped = 12 // indentation of a further line
)

// Language is a language that stories are told in.
type Language interface { //nolint:interfacebloat // a method for each part of a story
	title(s Story) string
	labels(s Story) labels
	stored(s Story) []string
	answer(s Story) []string
	verdict(s Story) string
	step(s Story, next Step) string
	near(s Story, n Near) string
	leftOut(s Story, o LeftOut) string
	state(s Story) string
	event(s Story, e Event) string
	when(t time.Time) (day, clock string)
}

// labels are what stands before the paragraphs of a story's first part.
type labels struct {
	stored, answer, verdict, next, near, state, leftOut string

	nothing string // said if nothing is recorded
}

// LanguageOf returns the language with the code "en" or "da".
func LanguageOf(code string) (l Language, ok bool) {
	switch code {
	case "en":
		return english{time.UTC}, true
	case "da":
		return danish{}, true
	}
	return nil, false
}

// Text is a story in a language, to be laid out.
type Text struct {
	Title   string
	Lines   []Line // what is stored, what its source says, and what follows
	Days    []Day  // what happened
	Nothing string // instead of days, if nothing is recorded
}

// Line is a paragraph, with its label; one without belongs to the line before.
type Line struct{ Label, Text string }

// Day is a day's events, in the language's time zone.
type Day struct {
	Name   string
	Events []Line // labelled with the time
}

// Text tells the story in a language.
func (s Story) Text(l Language) Text {
	t := Text{Title: l.title(s)}
	add := func(label string, texts ...string) {
		for _, text := range texts {
			if text != "" {
				t.Lines = append(t.Lines, Line{label, text})
				label = ""
			}
		}
	}
	is := l.labels(s)
	add(is.stored, l.stored(s)...)
	add(is.answer, l.answer(s)...)
	add(is.verdict, l.verdict(s))
	var next, near []string
	for _, step := range s.Next {
		next = append(next, l.step(s, step))
	}
	for _, n := range s.Near {
		near = append(near, l.near(s, n))
	}
	add(is.next, next...)
	add(is.near, near...)
	add(is.state, l.state(s))
	for n, o := range s.LeftOut {
		if n > 0 {
			is.leftOut = ""
		}
		add(is.leftOut, l.leftOut(s, o))
	}
	for _, e := range s.Events {
		day, clock := l.when(e.At)
		if n := len(t.Days); n == 0 || t.Days[n-1].Name != day {
			t.Days = append(t.Days, Day{Name: day})
		}
		last := &t.Days[len(t.Days)-1]
		last.Events = append(last.Events, Line{clock, l.event(s, e)})
	}
	if len(t.Days) == 0 {
		t.Nothing = is.nothing
	}
	return t
}

// Write writes the text for a terminal. Its lines have at most 80 columns, unless a single word is
// longer.
func (t Text) Write(w io.Writer) error {
	var b strings.Builder
	paragraph(&b, "", t.Title, wrapped)
	b.WriteByte('\n')
	width := 0
	for _, line := range t.Lines {
		width = max(width, utf8.RuneCountInString(line.Label))
	}
	for _, line := range t.Lines {
		paragraph(&b, line.Label+strings.Repeat(" ", width+2-utf8.RuneCountInString(line.Label)), line.Text, width+4)
	}
	for _, day := range t.Days {
		b.WriteByte('\n')
		paragraph(&b, "", day.Name, wrapped)
		for _, e := range day.Events {
			paragraph(&b, "  "+e.Label+"  ", e.Text, wrapped)
		}
	}
	if t.Nothing != "" {
		b.WriteByte('\n')
		paragraph(&b, "", t.Nothing, wrapped)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// paragraph writes a text after its label, and breaks its lines between words. Further lines are
// indented deeper than any line of lagerd's own begins: foreign text cannot pass for one.
func paragraph(b *strings.Builder, label, text string, indent int) {
	b.WriteString(label)
	at, began := utf8.RuneCountInString(label), true
	for _, word := range words(terminal.Line(text), columns-indent) {
		length := utf8.RuneCountInString(word)
		switch {
		case began:
		case at+1+length > columns:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at, began = at+length, false
	}
	b.WriteByte('\n')
}

// words splits a text at its spaces. A command between backticks is one word, if a line has room
// for it.
func words(text string, room int) []string {
	var list []string
	for word := range strings.SplitSeq(text, " ") {
		if n := len(list); n > 0 && strings.Count(list[n-1], "`")%2 == 1 && utf8.RuneCountInString(list[n-1]+" "+word) <= room {
			list[n-1] += " " + word
			continue
		}
		list = append(list, word)
	}
	return list
}

// WriteJSON writes the story as JSON, which is a contract: docs/operators.md has its fields.
func (s Story) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(s)
}

// sentence returns a text with a detail, if there is one, as a sentence.
func sentence(text, detail string) string {
	if detail != "" {
		text += ": " + detail
	}
	return text + "."
}

// units are a language's words for a duration.
type units struct {
	point                       string // of a decimal
	second, minute, hour, day   string
	seconds, minutes, hrs, days string
	less                        string // than
}

// duration returns a duration as a person says it, rounded.
func (u units) duration(d Duration) string {
	t := time.Duration(d)
	count := func(n int, one, more string) string {
		if n == 1 {
			return "1 " + one
		}
		return strconv.Itoa(n) + " " + more
	}
	switch {
	case t < 100*time.Millisecond:
		return u.less + " " + u.decimal(decimal.New(1, -1)) + " " + u.seconds
	case t < 10*time.Second:
		n := t.Round(100 * time.Millisecond).Milliseconds()
		if n == 1000 {
			return "1 " + u.second
		}
		return u.decimal(decimal.New(n, -3)) + " " + u.seconds
	case t < time.Minute:
		return count(int(t/time.Second), u.second, u.seconds)
	case t < time.Hour:
		return count(int(t/time.Minute), u.minute, u.minutes)
	case t < 48*time.Hour:
		return count(int(t/time.Hour), u.hour, u.hrs)
	}
	return count(int(t/(24*time.Hour)), u.day, u.days)
}

func (u units) decimal(d decimal.Decimal) string {
	return strings.Replace(d.String(), ".", u.point, 1)
}

// named returns a number as it is, or in quotes if that would be unclear.
func named(number string) string {
	if number == "" || quoted(number) != number {
		return quote(number)
	}
	return number
}

// quote puts foreign text in quotation marks.
func quote(text string) string { return `"` + terminal.Escape(text) + `"` }

// quoted quotes a number as a shell needs it.
func quoted(number string) string {
	if strings.ContainsFunc(number, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("-_.", r)
	}) {
		return "'" + strings.ReplaceAll(terminal.Escape(number), "'", `'\''`) + "'"
	}
	return number
}

// size returns a number of bytes in kB, or below that in bytes.
func (u units) size(bytes int) string {
	if bytes < 1000 {
		return fmt.Sprint(bytes, " bytes")
	}
	return u.decimal(decimal.New(int64(bytes), -3).Round(0)) + " kB"
}
