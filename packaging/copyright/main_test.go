package main

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryModuleIsListed builds what imports all that lagerd links in, and checks that the file names
// each module with a license.
func TestEveryModuleIsListed(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "lagerd")
	if out, err := exec.Command("go", "build", "-pgo=off", "-o", binary, "lagerd").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var b strings.Builder
	if err := run(t.Context(), binary, &b); err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) < 20 {
		t.Errorf("%d modules are linked in: are they still found?", len(info.Deps))
	}
	for _, dep := range info.Deps {
		_, paragraph, found := strings.Cut(b.String(), "\nFiles: "+dep.Path+"@"+dep.Version+"/*\nCopyright: ")
		_, license, _ := strings.Cut(paragraph, "\nLicense: ")
		if name, _, _ := strings.Cut(license, "\n"); !found || name == "" {
			t.Errorf("%s %s is not listed with a license", dep.Path, dep.Version)
		}
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Apache License\n  Version 2.0, January 2004":                                               "Apache-2.0",
		"Permission is hereby granted, free of\ncharge, to any person … The above copyright notice": "Expat",
		"Redistribution and use in source and binary forms … Neither the name of":                   "BSD-3-clause",
		"Redistribution and use in source and binary forms, with or":                                "BSD-2-clause",
		"Pay me": "",
	} {
		if got := kindOf(text); got != want {
			t.Errorf("%q is %q, expected %q", text, got, want)
		}
	}
	if _, err := format([]part{{name: "example.com/x", version: "v1", texts: []text{{"LICENSE", "Pay me"}}}}); err == nil || !strings.Contains(err.Error(), "example.com/x v1 has no license that is known") {
		t.Errorf("a module without a known license: %v", err)
	}
	if _, err := read("x", "v1", filepath.Join(os.TempDir(), "no-such-directory")); err == nil {
		t.Error("a module that is not there")
	}
}
