package supply

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var required = regexp.MustCompile(`(?m)^\s*(?:require )?([a-z0-9.-]+\.[a-z]+/\S+) v\S+$`) // a line without // indirect

// TestEachDependencyWasWeighed: docs/dependencies.md names every module of every go.mod that is asked for by name, and every
// package of every package.json.
func TestEachDependencyWasWeighed(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/dependencies.md")
	modules, packages := 0, 0
	for _, name := range sources(t) {
		switch {
		case strings.HasSuffix(name, "go.mod"):
			for _, m := range required.FindAllStringSubmatch(read(t, name), -1) {
				modules++
				if !weighed(page, m[1]) {
					t.Errorf("%s needs %s, which docs/dependencies.md does not weigh", name, m[1])
				}
			}
		case strings.HasSuffix(name, "package.json"):
			var p struct{ Dependencies, DevDependencies, PeerDependencies, OptionalDependencies map[string]string }
			if err := json.Unmarshal([]byte(read(t, name)), &p); err != nil {
				t.Fatal(err)
			}
			for _, list := range []map[string]string{p.Dependencies, p.DevDependencies, p.PeerDependencies, p.OptionalDependencies} {
				for _, dep := range slices.Sorted(maps.Keys(list)) {
					packages++
					if !strings.HasPrefix(list[dep], "file:") && !strings.Contains(page, "["+dep+"]") {
						t.Errorf("%s needs %s, which docs/dependencies.md does not weigh", name, dep)
					}
				}
			}
		}
	}
	if modules < 30 || packages < 20 {
		t.Errorf("only %d modules and %d packages", modules, packages)
	}
}

var major = regexp.MustCompile(`/v\d+$`)

// weighed looks for a module by its address, its repository, or the repository it is a part of.
func weighed(page, module string) bool {
	for path := major.ReplaceAllString(module, ""); strings.Contains(path, "/"); path = path[:strings.LastIndex(path, "/")] {
		if path == "github.com" || strings.Count(path, "/") < 2 && strings.HasPrefix(path, "github.com/") {
			break
		}
		if strings.Contains(page, path+"]") || strings.Contains(page, path+")") || strings.Contains(page, strings.TrimPrefix(path, "github.com/")+"]") || strings.Contains(page, "`"+path+"`") {
			return true
		}
	}
	return false
}

// withoutHash are compilers of Next.js for macOS and Windows, which only the TypeScript SDK's tests install, there: the lock file
// was written without them at hand.
var withoutHash = []string{"node_modules/@next/swc-darwin-arm64", "node_modules/@next/swc-darwin-x64", "node_modules/@next/swc-win32-arm64-msvc", "node_modules/@next/swc-win32-x64-msvc"}

// TestEveryDownloadHasAHash: what is installed is what was looked at.
func TestEveryDownloadHasAHash(t *testing.T) {
	t.Parallel()
	locks := 0
	for _, name := range sources(t) {
		if !strings.HasSuffix(name, "package-lock.json") {
			continue
		}
		locks++
		var lock struct {
			Packages map[string]struct {
				Version, Resolved, Integrity string
				Link, InBundle               bool
			}
		}
		if err := json.Unmarshal([]byte(read(t, name)), &lock); err != nil {
			t.Fatal(err)
		}
		for path, p := range lock.Packages {
			if strings.Contains(path, "node_modules/") && !p.Link && !p.InBundle && !slices.Contains(withoutHash, path) && p.Integrity == "" && !strings.HasPrefix(p.Resolved, "file:") && !strings.HasPrefix(p.Resolved, "../") {
				t.Errorf("%s: %s has no hash", name, path)
			}
			if strings.HasPrefix(p.Resolved, "git") || strings.HasPrefix(p.Resolved, "http://") {
				t.Errorf("%s: %s comes from %s", name, path, p.Resolved)
			}
		}
	}
	if locks < 3 {
		t.Errorf("only %d lock files", locks)
	}
	if sums := read(t, "go.sum"); !strings.Contains(sums, " h1:") {
		t.Error("go.sum has no hashes")
	}
}
