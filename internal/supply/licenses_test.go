package supply

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/licenses.md")

// licences are told by words that each has and the others have not. The first that fits counts.
var licences = []struct {
	name  string
	words []string
}{
	{"MPL-2.0", []string{"mozilla public license", "2.0"}}, // which names the others
	{"AGPL", []string{"gnu affero general public license"}},
	{"LGPL", []string{"gnu lesser general public license"}},
	{"GPL", []string{"gnu general public license"}},
	{"Apache-2.0", []string{"apache license", "version 2.0"}},
	{"ISC", []string{"permission to use, copy, modify, and/or distribute this software for any purpose"}},
	{"ISC", []string{"permission to use, copy, modify, and distribute this software for any purpose"}},
	{"BSD-3-Clause", []string{"redistribution and use in source and binary forms", "neither the name"}},
	{"BSD-2-Clause", []string{"redistribution and use in source and binary forms"}},
	{"MIT", []string{"permission is hereby granted, free of charge"}},
}

// allowed may be in the binary, and what each asks for.
var allowed = map[string]string{
	"MIT": "the notice", "ISC": "the notice", "0BSD": "nothing", "BSD-2-Clause": "the notice", "BSD-3-Clause": "the notice", "Apache-2.0": "the notice, and a note of changes",
	"MPL-2.0": "that changed files of the module itself stay under it; none is changed, and it does not reach other files",
}

var space = regexp.MustCompile(`\s+`)

// licenceOf recognises the licence file of a module, "" if it is none that is known.
func licenceOf(dir string) (name, copyright string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return "", "", err
	}
	for _, file := range files {
		base := strings.ToUpper(filepath.Base(file))
		if !strings.HasPrefix(base, "LICEN") && !strings.HasPrefix(base, "COPYING") && !strings.HasPrefix(base, "UNLICENSE") {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // a directory
		}
		text := strings.ToLower(space.ReplaceAllString(string(raw), " "))
		for _, l := range licences {
			if slices.IndexFunc(l.words, func(w string) bool { return !strings.Contains(text, w) }) < 0 {
				return l.name, holder(string(raw)), nil
			}
		}
	}
	return "", "", nil
}

var copyrighted = regexp.MustCompile(`(?mi)^\s*(?://|#)?\s*(copyright (?:\(c\)|©|\d{4}).*)$`)

func holder(text string) string {
	m := copyrighted.FindStringSubmatch(text)
	if m == nil || strings.Contains(m[1], "[yyyy]") || strings.Contains(m[1], "{yyyy}") {
		return ""
	}
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimSpace(m[1]), "\r"), "|", "/")
}

// TestLicences: everything in the binary is under a licence that is known and asks for no more than a notice of whoever uses the
// program. With -update it writes the list.
func TestLicences(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	b.WriteString("# Licences\n\nWhat is in the binary, by the licence files of the modules themselves, and in the console, by its lock file. Written by\n" +
		"`go test ./internal/supply -run TestLicences -update`. The program itself is under the [Apache License 2.0](../LICENSE).\n\n")
	used := map[string]int{}
	row := func(path, version, name, copyright string) {
		if _, ok := allowed[name]; !ok {
			t.Errorf("%s %s is under %q, which allowed does not have", path, version, name)
		}
		used[name]++
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", path, version, name, copyright)
	}
	b.WriteString("## Go\n\n| module | version | licence | |\n|---|---|---|---|\n")
	stdlib, copyright, err := licenceOf(runtime.GOROOT()) //nolint:staticcheck // the one that runs the tests is the one that builds
	if err != nil || stdlib == "" {
		stdlib, copyright = "BSD-3-Clause", "Copyright 2009 The Go Authors." // some distributions leave the file out
	}
	row("the standard library", "", stdlib, copyright)
	all := modules(t)
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.path, b.path) })
	for _, m := range all {
		name, copyright, err := licenceOf(m.dir)
		if err != nil {
			t.Fatal(err)
		}
		row(m.path, m.version, name, copyright)
	}
	b.WriteString("\n## The console\n\n| package | version | licence | |\n|---|---|---|---|\n")
	var lock struct {
		Packages map[string]struct {
			Version, License string
			Dev, DevOptional bool
			Optional         bool
		}
	}
	if err := json.Unmarshal([]byte(read(t, "console/web/package-lock.json")), &lock); err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(lock.Packages)) {
		p := lock.Packages[path]
		if path == "" || p.Dev || p.DevOptional || p.Optional {
			continue
		}
		row(path[strings.LastIndex(path, "node_modules/")+len("node_modules/"):], p.Version, p.License, "")
	}
	b.WriteString("\n## What they ask for\n\n| licence | of | asks for |\n|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(used)) {
		fmt.Fprintf(&b, "| %s | %d | %s |\n", name, used[name], allowed[name])
	}
	b.WriteString("\nNone is under a licence that reaches the program it is in (GPL, LGPL, AGPL, SSPL). The list of common passwords is from zxcvbn (MIT).\n")
	const name = "docs/licenses.md"
	if *update {
		if err := os.WriteFile(filepath.Join(root, name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, name) != b.String() {
		t.Errorf("%s is not what is in the binary: go test ./internal/supply -run TestLicences -update", name)
	}
}

// TestLicencesAreTold: the recognition itself.
func TestLicencesAreTold(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"MIT License\n\nCopyright (c) 2020 A\n\nPermission is hereby granted, free of charge, to any person": "MIT",
		"GNU GENERAL PUBLIC LICENSE\n   Version 3":                                                           "GPL", "GNU AFFERO GENERAL PUBLIC\n LICENSE": "AGPL", "Mozilla Public License\nVersion 2.0": "MPL-2.0", "All rights reserved.": "",
		"Redistribution and use in source and binary forms, with or without": "BSD-2-Clause",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "LICENSE.md"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _, err := licenceOf(dir); got != want || err != nil {
			t.Errorf("%q is told as %q, %v", text, got, err)
		}
	}
}
