package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// chart describes a requested drawing.
type chart struct {
	title  string
	x      column
	xLabel string
	series string // the column that distinguishes series; empty: one series
	logX   bool
	panels []panel
}

// Sizes are in pixels.
const (
	width       = 860
	left        = 76 // of the plot: room for the labels of y
	right       = 20
	plotWidth   = width - left - right
	plotHeight  = 150
	above       = 62 // of a panel: its title and legend
	below       = 48 // of the last panel: the x axis
	titleHeight = 36
	entryHeight = 16
	entryRoom   = 36  // of a legend's entry: its stroke and padding
	letter      = 6.5 // approximate width of a letter
	pointsUpTo  = 40
)

// colours are distinguishable for the colour-blind (Okabe and Ito).
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#b58900", "#000000", "#7f7f7f"}

// line is one of a panel's curves.
type line struct {
	label string
	x, y  []float64
}

// draw returns the chart as SVG, with a white background.
func (c chart) draw(t table) ([]byte, error) {
	x, err := t.numbers(c.x)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(x, func(v float64) bool { return v <= 0 }); c.logX && i >= 0 {
		return nil, fmt.Errorf("line %d, column %s: a logarithmic axis cannot show %v", t.lines[i], c.x.name, x[i])
	}
	across := axisOver(slices.Min(x), slices.Max(x), 10)
	if c.logX {
		across = logAxis(slices.Min(x), slices.Max(x))
	}
	names, err := t.names(c.series)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	top := 8
	if c.title != "" {
		text(&body, left, 26, `font-size="17" font-weight="600"`, c.title)
		top = titleHeight
	}
	for n, p := range c.panels {
		lines, err := p.lines(t, x, names)
		if err != nil {
			return nil, err
		}
		top += above + entryHeight*((len(lines)-1)/entriesWide(lines))
		p.draw(&body, top, lines, across, n == len(c.panels)-1)
		top += plotHeight
	}
	text(&body, left+plotWidth/2, float64(top+38), `text-anchor="middle"`, c.xLabel)
	height := top + below

	var svg bytes.Buffer
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12" fill="#222222">`+"\n", width, height, width, height)
	fmt.Fprintf(&svg, "<title>%s</title>\n", escaped(c.title))
	fmt.Fprintf(&svg, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	svg.Write(body.Bytes())
	svg.WriteString("</svg>\n")
	return svg.Bytes(), nil
}

// lines returns the panel's curves, each with its points in the order of the file.
func (p panel) lines(t table, x []float64, names []string) ([]line, error) {
	var distinct []string
	for _, name := range names {
		if !slices.Contains(distinct, name) {
			distinct = append(distinct, name)
		}
	}
	var list []line
	for _, c := range p.columns {
		y, err := t.numbers(c)
		if err != nil {
			return nil, err
		}
		if c.only != "" && !slices.Contains(distinct, c.only) {
			return nil, fmt.Errorf("column %s: there is no series %q; there are %s", c.name, c.only, strings.Join(distinct, ", "))
		}
		for _, name := range distinct {
			if c.only != "" && c.only != name {
				continue
			}
			l := line{label: c.name}
			switch {
			case c.only != "" || name == "":
			case len(p.columns) == 1:
				l.label = name
			default:
				l.label = name + " " + c.name
			}
			for n := range x {
				if names[n] == name {
					l.x, l.y = append(l.x, x[n]), append(l.y, y[n])
				}
			}
			list = append(list, l)
		}
	}
	return list, nil
}

// entriesWide returns how many entries of the legend fit beside each other.
func entriesWide(lines []line) int {
	longest := 0
	for _, l := range lines {
		longest = max(longest, utf8.RuneCountInString(l.label))
	}
	return min(4, max(1, int(plotWidth/(entryRoom+letter*float64(longest)))))
}

func (p panel) draw(b *bytes.Buffer, top int, lines []line, across axis, last bool) {
	wide := entriesWide(lines)
	legendTop := top - 14 - entryHeight*((len(lines)-1)/wide)
	title := p.title
	if p.unit != "" {
		title += " (" + p.unit + ")"
	}
	text(b, left, float64(legendTop-18), `font-size="14" font-weight="600"`, title)
	least, most := lines[0].y[0], lines[0].y[0]
	for _, l := range lines {
		least, most = min(least, slices.Min(l.y)), max(most, slices.Max(l.y))
	}
	up := axisFromZero(least, most)
	atX := func(v float64) float64 { return left + plotWidth*across.place(v) }
	atY := func(v float64) float64 { return float64(top) + plotHeight*(1-up.place(v)) }

	for _, t := range up.ticks() {
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#dddddd"/>`+"\n", left, atY(t.at), left+plotWidth, atY(t.at))
		text(b, left-8, atY(t.at)+4, `text-anchor="end"`, t.label)
	}
	for _, t := range across.ticks() {
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#888888"/>`+"\n", atX(t.at), top+plotHeight, atX(t.at), top+plotHeight+5)
		if last {
			text(b, atX(t.at), float64(top+plotHeight+19), `text-anchor="middle"`, t.label)
		}
	}
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#888888"/>`+"\n", left, top, plotWidth, plotHeight)
	for n, l := range lines {
		colour := colours[n%len(colours)]
		b.WriteString(`<polyline fill="none" stroke-width="1.5" stroke-linejoin="round" stroke="` + colour + `" points="`)
		for i := range l.x {
			fmt.Fprintf(b, "%.1f,%.1f ", atX(l.x[i]), atY(l.y[i]))
		}
		b.WriteString("\"/>\n")
		// Few points were measured individually: they are marked, and the line only
		// connects them.
		for i := 0; i < len(l.x) && len(l.x) <= pointsUpTo; i++ {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", atX(l.x[i]), atY(l.y[i]), colour)
		}
		x, y := left+n%wide*(plotWidth/wide), legendTop+n/wide*entryHeight
		fmt.Fprintf(b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke-width="3" stroke="%s"/>`+"\n", x, y, x+18, y, colour)
		text(b, float64(x+24), float64(y+4), "", l.label)
	}
}

func text(b *bytes.Buffer, x, y float64, attributes, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" %s>%s</text>`+"\n", x, y, attributes, escaped(s))
}

// escaped also replaces characters that XML does not allow.
func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder never fails
	return b.String()
}
