package terminal

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// drawn returns what a terminal of so many columns shows while a meter is used, each line once, and
// fails if a line is longer, or if anything is left at the end.
func drawn(t *testing.T, columns int, use func(m *Meter)) (lines []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var screen bytes.Buffer
		m := &Meter{screen: &screen, columns: func() int { return columns }, lines: &screen, last: time.Now()}
		use(m)
		m.End()
		for frame := range strings.SplitSeq(screen.String(), "\r") {
			if strings.ContainsFunc(frame, obeyed) {
				t.Errorf("%q has a control character", frame)
			}
			if n := Cells(frame); n >= columns {
				t.Errorf("%q has %d columns of %d", frame, n, columns)
			}
			if frame = strings.TrimRight(frame, " "); frame != "" && (len(lines) == 0 || lines[len(lines)-1] != frame) {
				lines = append(lines, frame)
			}
		}
		if !strings.HasSuffix(strings.TrimRight(screen.String(), " "), "\r") || !strings.HasSuffix(strings.TrimRight(strings.TrimSuffix(screen.String(), "\r"), " "), "\r") {
			t.Errorf("the line is not wiped: %q", screen.String())
		}
	})
	return lines
}

func TestMeterDraws(t *testing.T) {
	t.Parallel()
	pages := func(what string, of int) func(m *Meter) {
		return func(m *Meter) {
			for page := range 3 {
				m.Show(what, (page+1)*1000, of)
				time.Sleep(1100 * time.Millisecond)
			}
		}
	}
	for _, c := range []struct {
		name    string
		columns int
		use     func(m *Meter)
		want    []string
	}{
		{"known", 80, pages("items read at e-conomic", 10_000), []string{
			"1000 of 10000 items read at e-conomic [===>                                   ]",
			"2000 of 10000 items read at e-conomic [====>                   ] 909/s, 9s left",
			"3000 of 10000 items read at e-conomic [=======>                ] 909/s, 8s left",
		}},
		{"known, wide", 120, pages("items read at e-conomic", 10_000), []string{
			"1000 of 10000 items read at e-conomic [=======>                                                                       ]",
			"2000 of 10000 items read at e-conomic [============>                                                   ] 909/s, 9s left",
			"3000 of 10000 items read at e-conomic [===================>                                            ] 909/s, 8s left",
		}},
		{"known, narrow", 40, pages("items read at e-conomic", 10_000), []string{
			"1000 of 10000 ite… [=>                ]",
			"2000 of 10000 ite… [>  ] 909/s, 9s left",
			"3000 of 10000 ite… [>  ] 909/s, 8s left",
		}},
		{"of how many is not known", 80, pages("items of shop1234 stored in its first sweep", 0), []string{
			"1000 items of shop1234 stored in its first sweep, 1s",
			"2000 items of shop1234 stored in its first sweep, 2s, 909/s",
			"3000 items of shop1234 stored in its first sweep, 3s, 909/s",
		}},
		{"a long name", 60, pages("items of "+strings.Repeat("x", 64)+"\x1b[2J stored", 0), []string{
			"1000 items of xxxxxxxxxxxxx…, 1s",
			"2000 items of xxxxxxxxxxxxx…, 2s, 909/s",
			"3000 items of xxxxxxxxxxxxx…, 3s, 909/s",
		}},
		{"few", 80, func(m *Meter) {
			for n := range 3 {
				m.Show("shops reconciled", n, 3)
				time.Sleep(2100 * time.Millisecond)
			}
		}, []string{
			"0 of 3 shops reconciled [                                                     ]",
			"1 of 3 shops reconciled [==============>                              ] 4s left",
			"2 of 3 shops reconciled [=============================>               ] 2s left",
		}},
		{"nothing to count", 80, func(m *Meter) {
			m.Show("waiting for the sweep of shop1234", 0, 0)
			time.Sleep(1600 * time.Millisecond)
		}, []string{
			"waiting for the sweep of shop1234, 1s",
			"waiting for the sweep of shop1234, 2s",
		}},
		{"one after the other", 80, func(m *Meter) {
			m.Show("a", 0, 0)
			time.Sleep(600 * time.Millisecond)
			m.Show("b", 0, 0)
			time.Sleep(600 * time.Millisecond)
		}, []string{
			"a, 1s",
			"b, 1s",
		}},
		{"over at once", 80, func(m *Meter) { m.Show("items", 1, 2) }, nil},
	} {
		if diff := cmp.Diff(c.want, drawn(t, c.columns, c.use)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestMeterWritesLines: where there is no terminal, one plain line every few seconds, and none of
// what is short.
func TestMeterWritesLines(t *testing.T) {
	t.Parallel()
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		m := NewMeter(file, &lines)
		for page := range 10 {
			m.Show("items read at\nRackbeat", (page+1)*1000, 10_000)
			time.Sleep(2 * time.Second)
		}
		for range 4 {
			m.Show("items stored", 7, 0)
			m.Show("waiting", 0, 0)
			time.Sleep(2 * time.Second)
		}
		m.End()
		const want = "lagerd: 4000 of 10000 items read at\\nRackbeat\nlagerd: 7000 of 10000 items read at\\nRackbeat\nlagerd: 7 items stored\nlagerd: 7 items stored\n"
		if lines.String() != want {
			t.Errorf("got %q, want %q", lines.String(), want)
		}
	})
	if info, err := file.Stat(); err != nil || info.Size() > 0 {
		t.Errorf("something is drawn into a file: %v, %v", info, err)
	}
}
