package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const curves = `seconds,instance,bytes,rows
0,a,1048576,10
0,b,2097152,10
60,a,3145728,4000
60,b,2097152,4000
120,a,1048576,12000
120,b,4194304,12000
`

// element is what a test checks of an SVG.
type element struct {
	name string
	attr map[string]string
	text string
}

// elements parses an SVG and thereby checks that it is well-formed.
func elements(t *testing.T, svg []byte) []element {
	t.Helper()
	var list []element
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("read the SVG: %v\n%s", err, svg)
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := element{name: token.Name.Local, attr: map[string]string{}}
			for _, a := range token.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			list = append(list, e)
		case xml.CharData:
			if len(list) > 0 {
				list[len(list)-1].text += strings.TrimSpace(string(token))
			}
		}
	}
}

func texts(list []element) []string {
	var found []string
	for _, e := range list {
		if e.name == "text" {
			found = append(found, e.text)
		}
	}
	return found
}

// plot runs the command on a file with that content.
func plot(t *testing.T, csv string, args ...string) ([]byte, error) {
	t.Helper()
	in, out := filepath.Join(t.TempDir(), "in.csv"), filepath.Join(t.TempDir(), "out.svg")
	if err := os.WriteFile(in, []byte(csv), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(append([]string{"--in", in, "--out", out}, args...), io.Discard); err != nil {
		return nil, err
	}
	svg, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return svg, nil
}

func TestPlot(t *testing.T) {
	svg, err := plot(t, curves, "--title", "An hour & a half", "--series", "instance", "--x", "seconds/60:minutes",
		"--panel", "Memory:MiB:bytes/1048576", "--panel", "Rows <kept>::rows@a/2")
	if err != nil {
		t.Fatal(err)
	}
	list := elements(t, svg)
	var points []string
	for _, e := range list {
		if e.name == "polyline" {
			points = append(points, strings.TrimSpace(e.attr["points"]))
		}
	}
	if len(points) != 3 {
		t.Fatalf("%d lines, want one for a's bytes, one for b's and one for the rows", len(points))
	}
	// The x axis goes from the first row to the last one, y from 0 to the first
	// tick above everything.
	first := strings.Fields(points[0])
	if len(first) != 3 || !strings.HasPrefix(first[0], "76.0,") || !strings.HasPrefix(first[1], "458.0,") || !strings.HasPrefix(first[2], "840.0,") {
		t.Errorf("a's bytes go through %q, want 3 points from the left edge (76) over the middle to the right one (840)", first)
	}
	if highest := height(t, strings.Fields(points[1])[2]); highest != 98 {
		t.Errorf("4 MiB of 4 are at %v, want the upper edge of the panel (98)", highest)
	}
	found := texts(list)
	for _, want := range []string{"An hour & a half", "Memory (MiB)", "a", "b", "Rows <kept>", "rows", "minutes", "0", "4", "6,000", "2.0"} {
		if !slices.Contains(found, want) {
			t.Errorf("it does not contain %q: %q", want, found)
		}
	}
	if !bytes.Contains(svg, []byte(`fill="#ffffff"`)) {
		t.Error("it has no white background")
	}
}

func height(t *testing.T, point string) float64 {
	t.Helper()
	_, y, _ := strings.Cut(point, ",")
	v, err := strconv.ParseFloat(y, 64)
	if err != nil {
		t.Fatalf("point %q: %v", point, err)
	}
	return v
}

func TestPlotLogX(t *testing.T) {
	svg, err := plot(t, "shops,calls\n1,5\n100,7\n10000,9\n", "--logx", "--x", "shops", "--panel", "Calls:a second:calls")
	if err != nil {
		t.Fatal(err)
	}
	list := elements(t, svg)
	i := slices.IndexFunc(list, func(e element) bool { return e.name == "polyline" })
	if points := strings.Fields(list[i].attr["points"]); !strings.HasPrefix(points[1], "458.0,") {
		t.Errorf("100 is at %s, want half-way between 1 and 10,000 (458)", points[1])
	}
	if found := texts(list); !slices.Contains(found, "1,000") || slices.Contains(found, "20") {
		t.Errorf("the ticks are among %q, want decades only", found)
	}
}

func TestPlotRefuses(t *testing.T) {
	for _, test := range []struct {
		name, csv string
		args      []string
		says      string
	}{
		{"an empty file", "", nil, "nothing to draw"},
		{"a header alone", "seconds,rows\n", nil, "nothing to draw"},
		{"a bad number", "seconds,rows\n1,2\n2,many\n", nil, `line 3, column rows: expected a number, got "many"`},
		{"no number", "seconds,rows\n1,\n", nil, `line 2, column rows: expected a number, got ""`},
		{"NaN", "seconds,rows\nNaN,1\n", nil, "line 2, column seconds"},
		{"a row that is too short", "seconds,rows\n1\n", nil, "line 2"},
		{"an unknown column", "seconds,lines\n1,2\n", nil, `no column "rows"; there are seconds, lines`},
		{"an unknown series", curves, []string{"--series", "instance", "--panel", "Rows::rows@c"}, `no series "c"; there are a, b`},
		{"nothing at 0 of a logarithmic axis", "seconds,rows\n0,1\n", []string{"--logx"}, "line 2, column seconds"},
		{"a panel without columns", curves, []string{"--panel", "Rows"}, "title:unit:columns"},
		{"a scale of 0", curves, []string{"--panel", "Rows::rows/0"}, "above 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := plot(t, test.csv, append([]string{"--panel", "Rows:rows:rows"}, test.args...)...)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want an error that says %q", err, test.says)
			}
		})
	}
	if err := run(nil, io.Discard); err == nil || !strings.Contains(err.Error(), "--in") {
		t.Errorf("without flags: %v, want an error that names them", err)
	}
}

func TestTicks(t *testing.T) {
	for _, test := range []struct {
		axis axis
		want string
	}{
		{axisFromZero(3, 97), "0 20 40 60 80 100"},
		{axisFromZero(0, 0), "0.0 0.2 0.4 0.6 0.8 1.0"},
		{axisFromZero(40, 12_900), "0 5,000 10,000 15,000"},
		{axisFromZero(-3, 3), "-4 -2 0 2 4"},
		{axisFromZero(0, 0.0031), "0.000 0.001 0.002 0.003 0.004"},
		{axisOver(0.5, 60, 10), "10 20 30 40 50 60"},
		{logAxis(1, 100), "1 2 5 10 20 50 100"},
		{logAxis(0.01, 1e4), "0.01 0.1 1 10 100 1,000 10,000"},
		{logAxis(10, 10), "5 10 20"},
	} {
		var labels []string
		for _, tick := range test.axis.ticks() {
			labels = append(labels, tick.label)
		}
		if got := strings.Join(labels, " "); got != test.want {
			t.Errorf("ticks from %v to %v: %s, want %s", test.axis.from, test.axis.to, got, test.want)
		}
	}
}
