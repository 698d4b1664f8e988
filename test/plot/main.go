package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run(args []string, usage io.Writer) (err error) {
	var c chart
	flags := flag.NewFlagSet("plot", flag.ContinueOnError)
	flags.SetOutput(usage)
	in := flags.String("in", "", "the CSV file to read")
	out := flags.String("out", "", "the SVG file to write")
	flags.StringVar(&c.title, "title", "", "what stands above")
	x := flags.String("x", "seconds", "column/scale:label of the x axis")
	flags.StringVar(&c.series, "series", "", "the column with what each row is of; empty: the file is one series")
	flags.BoolVar(&c.logX, "logx", false, "a logarithmic x axis")
	flags.Func("panel", "title:unit:column/scale,column@series/scale,… May be repeated.", func(text string) error {
		p, err := parsePanel(text)
		c.panels = append(c.panels, p)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *in == "" || *out == "" || len(c.panels) == 0 || flags.NArg() > 0 {
		return fmt.Errorf("expected --in, --out and a --panel at least, and nothing else")
	}
	if c.x, c.xLabel, err = parseX(*x); err != nil {
		return err
	}
	file, err := os.Open(*in)
	if err != nil {
		return fmt.Errorf("open the curves: %w", err)
	}
	defer file.Close()
	t, err := readTable(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", *in, err)
	}
	svg, err := c.draw(t)
	if err != nil {
		return fmt.Errorf("draw %s: %w", *in, err)
	}
	if err := os.WriteFile(*out, svg, 0o644); err != nil {
		return fmt.Errorf("write the drawing: %w", err)
	}
	return nil
}
