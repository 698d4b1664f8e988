package terminal

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/cheggaaa/pb/v3"
	"golang.org/x/term"
)

const (
	drawEvery = 500 * time.Millisecond // what takes less time is not shown at all
	lineEvery = 5 * time.Second

	// manyParts is from how many parts on it says something how many are done in a second.
	manyParts = 100

	// figures is how many columns all but the name and the bar take at most, and shortest how many
	// are left for the name.
	figures, shortest = 36, 4
)

// Meter tells a person how far something long has come: what, how far of how much, how fast, and
// how long it will take yet. On a terminal that is one line, drawn again and again and wiped at the
// end; elsewhere it is a plain line every few seconds. It is safe for concurrent use.
type Meter struct {
	screen  io.Writer // nil: there is no terminal
	columns func() int
	lines   io.Writer

	mu     sync.Mutex
	what   string
	bar    *pb.ProgressBar // nil: nothing is drawn
	first  mark            // of what is drawn
	latest mark            // when more was done
	last   time.Time       // of the latest line, or of the beginning
}

// mark is how much was done at a time.
type mark struct {
	done int
	at   time.Time
}

// NewMeter returns a meter for a person who reads screen, if that is a terminal, and otherwise
// lines.
func NewMeter(screen, lines io.Writer) *Meter {
	m := &Meter{lines: lines, last: time.Now()}
	if f, ok := screen.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		// Not the file itself: the library would ask it again whether it is a terminal.
		m.screen, m.columns = struct{ io.Writer }{f}, func() int { return Width(f) }
	}
	return m
}

// Show tells that so many parts are done, of so many, such as "items read at e-conomic". With of 0
// it is not known of how many, and with done 0 too nothing is counted: what goes on then is named
// with the time it takes.
func (m *Meter) Show(what string, done, of int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	what = Escape(what)
	if m.screen == nil {
		m.line(what, done, of)
		return
	}
	if m.bar == nil || what != m.what {
		m.end()
		m.what, m.first = what, mark{done, time.Now()}
		m.latest = m.first
		m.bar = pb.New(of).SetRefreshRate(drawEvery).SetWriter(m.screen).Set(pb.Terminal, true).Set(pb.ReturnSymbol, "\r").
			Set(pb.Color, false).Set(pb.CleanOnFinish, true).Set(pb.TimeRound, time.Second)
		defer m.bar.Start()
	}
	if done != m.latest.done {
		m.latest = mark{done, time.Now()}
	}
	width := max(m.columns()-1, narrowest) // some terminals go to the next line once the last column is written
	m.bar.SetWidth(width).SetTemplateString(layout(done, of)).SetTotal(int64(of)).SetCurrent(int64(done)).
		Set("what", Clip(what, max(width-figures, shortest))).Set("pace", m.pace(of))
}

// layout returns the library's template for the line.
func layout(done, of int) string {
	switch {
	case of > 0:
		return `{{counters . "%s of %s"}} {{string . "what"}} {{bar . "[" "=" ">" " " "]"}}{{string . "pace"}}`
	case done > 0:
		return `{{counters . "" "%[1]s"}} {{string . "what"}}, {{etime .}}{{string . "pace"}}`
	default:
		return `{{string . "what"}}, {{etime .}}`
	}
}

// pace says how fast it goes, and how long it will take yet, as far as that is known. The library's
// own speed is that of the last half second: far too high just after a page of a thousand.
func (m *Meter) pace(of int) string {
	took := m.latest.at.Sub(m.first.at).Seconds()
	if took <= 0 || m.latest.done <= m.first.done {
		return ""
	}
	rate := float64(m.latest.done-m.first.done) / took
	if of == 0 {
		return fmt.Sprintf(", %.0f/s", rate)
	}
	left := time.Duration(float64(max(of-m.latest.done, 0)) / rate * float64(time.Second))
	text := left.Round(time.Second).String() + " left"
	if of >= manyParts {
		text = fmt.Sprintf("%.0f/s, ", rate) + text
	}
	return " " + text
}

// line writes a plain line, unless it has just written one, or the end is reached.
func (m *Meter) line(what string, done, of int) {
	now := time.Now()
	if done == 0 || of != 0 && done >= of || now.Sub(m.last) < lineEvery {
		return
	}
	m.last = now
	count := fmt.Sprint(done)
	if of != 0 {
		count += fmt.Sprintf(" of %d", of)
	}
	fmt.Fprintf(m.lines, "lagerd: %s %s\n", count, what)
}

// End wipes what is drawn. Whoever writes to the terminal calls it first.
func (m *Meter) End() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.end()
}

func (m *Meter) end() {
	if m.bar != nil {
		m.bar.Finish()
		m.bar, m.what = nil, ""
	}
}
