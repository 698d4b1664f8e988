package main

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

func main() {
	binary := flag.String("binary", "", "the binary")
	flag.Parse()
	if err := run(context.Background(), *binary, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "copyright:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary string, w io.Writer) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("read what is linked into the binary: %w", err)
	}
	parts, err := partsOf(ctx, info.Deps)
	if err != nil {
		return err
	}
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("find Go's own license: %w", err)
	}
	std, err := read("the Go standard library", info.GoVersion, strings.TrimSpace(string(goroot)))
	if err != nil {
		return err
	}
	text, err := format(append([]part{std}, parts...))
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, text)
	return err
}

// part is a module that is linked in, with the texts of its licenses.
type part struct {
	name, version string
	texts         []text
}

type text struct{ file, text string }

// partsOf reads the licenses of modules from the module cache.
func partsOf(ctx context.Context, deps []*debug.Module) ([]part, error) {
	var parts []part
	for _, dep := range deps {
		if dep.Replace != nil {
			dep = dep.Replace
		}
		out, err := exec.CommandContext(ctx, "go", "mod", "download", "-json", dep.Path+"@"+dep.Version).Output() //nolint:gosec // the arguments come from the binary's own build
		if err != nil {
			return nil, fmt.Errorf("find %s in the module cache: %w", dep.Path, err)
		}
		var at struct {
			Dir string `json:"Dir"`
		}
		if err := json.Unmarshal(out, &at); err != nil {
			return nil, fmt.Errorf("find %s in the module cache: %w", dep.Path, err)
		}
		p, err := read(dep.Path, dep.Version, at.Dir)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// isLicense matches the names of files with a license or a notice that goes with it.
var isLicense = regexp.MustCompile(`(?i)^(LICEN[CS]E|COPYING|NOTICE|FTL|GPL)([-.].*)?$`)

// isCode matches files that only look like one.
var isCode = regexp.MustCompile(`(?i)\.(go|s|html)$`)

// read reads the licenses at the root of a module, or of Go.
func read(name, version, dir string) (part, error) {
	p := part{name: name, version: version}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return p, fmt.Errorf("read the licenses of %s: %w", name, err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() == "licenses" { // one file for each that may be chosen
			more, err := read(name, version, filepath.Join(dir, e.Name()))
			if err != nil {
				return p, err
			}
			p.texts = append(p.texts, more.texts...)
		}
		if e.IsDir() || !isLicense.MatchString(e.Name()) || isCode.MatchString(e.Name()) {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return p, fmt.Errorf("read the licenses of %s: %w", name, err)
		}
		p.texts = append(p.texts, text{e.Name(), string(raw)})
	}
	return p, nil
}

// kind is how a license is told from others: its words are in its text.
type kind struct {
	name  string
	words []string
}

// kinds are the licenses that are known; the first that fits is it.
func kinds() []kind {
	return []kind{
		{"FTL", []string{"the freetype project license"}},
		{"Apache-2.0", []string{"apache license", "version 2.0"}},
		{"MPL-2.0", []string{"mozilla public license", "2.0"}},
		{"BSD-3-clause", []string{"redistribution and use in source and binary forms", "neither the name"}},
		{"BSD-3-clause", []string{"redistribution and use in source and binary forms", "may not be used to endorse"}},
		{"BSD-2-clause", []string{"redistribution and use in source and binary forms"}},
		{"Expat", []string{"permission is hereby granted, free of charge", "the above copyright notice"}},
		{"ISC", []string{"permission to use, copy, modify, and/or distribute"}},
		{"ISC", []string{"permission to use, copy, modify, and distribute"}},
		{"public-domain", []string{"public domain"}},
		{"Unlicense", []string{"free and unencumbered software"}},
	}
}

// kindOf returns the short name of a license, "" if it is not known.
func kindOf(text string) string {
	flat := strings.ToLower(strings.Join(strings.Fields(text), " "))
	for _, k := range kinds() {
		if !slices.ContainsFunc(k.words, func(word string) bool { return !strings.Contains(flat, word) }) {
			return k.name
		}
	}
	return ""
}

// licensesOf returns the short names of a part's licenses.
func (p part) licensesOf() []string {
	var names []string
	for _, t := range p.texts {
		if kind := kindOf(t.text); kind != "" && !slices.Contains(names, kind) {
			names = append(names, kind)
		}
	}
	return names
}

var copyrightLine = regexp.MustCompile(`(?im)^[ \t/*#]*(copyright (\(c\)|©|[0-9]{4}).*)$`)

// holders returns the lines of a part that say who has the copyright.
func (p part) holders() []string {
	var lines []string
	for _, t := range p.texts {
		for _, m := range copyrightLine.FindAllStringSubmatch(t.text, -1) {
			if line := strings.TrimSpace(m[1]); !slices.Contains(lines, line) && !strings.Contains(line, "[") {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) == 0 {
		lines = []string{"the authors of " + p.name}
	}
	return lines
}

// format returns the copyright file. It fails if a part has no license that is known.
func format(parts []part) (string, error) {
	var b strings.Builder
	b.WriteString("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: lagerd\n" +
		"Comment:\n The package is built from lagerd's own source, which is all files that no other\n paragraph names. The others are linked into the binary: each paragraph names a\n Go module with its version, as a path, and has its terms in full.\n\n" +
		"Files: *\nCopyright: the authors of lagerd\nLicense: lagerd\n All rights are reserved by the authors of lagerd.\n")
	var unknown []error
	for _, p := range parts {
		names := p.licensesOf()
		if len(names) == 0 {
			unknown = append(unknown, fmt.Errorf("%s %s has no license that is known: look at its files, and add its words to kinds", p.name, p.version))
			continue
		}
		fmt.Fprintf(&b, "\nFiles: %s@%s/*\nCopyright: %s\nLicense: %s\n", strings.ReplaceAll(p.name, " ", "-"), p.version, strings.Join(p.holders(), "\n "), strings.Join(names, " and "))
		for _, t := range p.texts {
			fmt.Fprintf(&b, " --- %s ---\n", t.file)
			for line := range strings.Lines(t.text) {
				line = strings.TrimRight(line, " \t\r\n")
				if line == "" {
					line = "."
				}
				b.WriteString(" " + line + "\n")
			}
		}
	}
	return b.String(), errors.Join(unknown...)
}
