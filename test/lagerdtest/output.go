package lagerdtest

import (
	"bytes"
	"slices"
	"strings"
	"sync"
)

// Output keeps the last lines of processes' output, or all of it, and counts lines with given
// texts. A long run prints more than memory should hold.
type Output struct {
	watched []string
	all     bool // keep every line

	mu     sync.Mutex
	rest   []byte // a line that has not ended yet
	last   []string
	counts map[string]int
}

const outputLines = 400

// NewOutput returns an Output that counts the lines with any of these texts.
func NewOutput(watched ...string) *Output {
	return &Output{watched: watched, counts: map[string]int{}}
}

// NewTranscript returns an Output that keeps everything.
func NewTranscript() *Output {
	o := NewOutput()
	o.all = true
	return o
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest = append(o.rest, p...)
	for {
		line, rest, ended := bytes.Cut(o.rest, []byte("\n"))
		if !ended {
			return len(p), nil
		}
		o.line(string(line))
		o.rest = bytes.Clone(rest)
	}
}

func (o *Output) line(line string) {
	for _, what := range o.watched {
		if strings.Contains(line, what) {
			o.counts[what]++
		}
	}
	if o.last = append(o.last, line); len(o.last) > 2*outputLines && !o.all {
		o.last = slices.Clone(o.last[outputLines:])
	}
}

// Count returns how many lines contained the text, one of those watched for.
func (o *Output) Count(what string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts[what]
}

// Tail returns the last lines.
func (o *Output) Tail(lines int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.last[max(0, len(o.last)-lines):], "\n")
}

// String returns what is kept.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(append(slices.Clone(o.last), string(o.rest)), "\n")
}
