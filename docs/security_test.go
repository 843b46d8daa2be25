package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"turkey/docs"
)

var (
	goTest   = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)\(\w+ \*testing\.[TF]\)`)
	nameOf   = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	unspaced = strings.NewReplacer(" ", "", "-", "")
)

// tests are all of the tree, by name.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || len(d.Name()) > 2 && strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range goTest.FindAllStringSubmatch(string(text), -1) {
			all[m[1]] = true
		}
		return err
	})
	if err != nil || len(all) < 500 {
		t.Fatalf("%d tests, %v", len(all), err)
	}
	return all
}

// TestEveryPromiseHasATest: no row of a table of promises in security.md without a test, and no test in it, nor in the threat
// model, that is not there.
func TestEveryPromiseHasATest(t *testing.T) {
	t.Parallel()
	known := tests(t)
	for _, name := range []string{"security.md", "threat-model.md"} {
		text, err := docs.Pages.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range nameOf.FindAllStringSubmatch(string(text), -1) {
			if !known[m[1]] {
				t.Errorf("%s names %s, which is no test", name, m[1])
			}
		}
	}
	text, _ := docs.Pages.ReadFile("security.md")
	rows, promises := 0, false
	for line := range strings.Lines(string(text)) {
		switch line = strings.TrimSpace(line); {
		case unspaced.Replace(line) == "|promise|source|tests|":
			promises = true
		case !strings.HasPrefix(line, "|"):
			promises = false
		case promises && unspaced.Replace(line) != "||||":
			rows++
			cells := strings.Split(strings.Trim(line, "|"), "|")
			if len(cells) != 3 || !nameOf.MatchString(cells[2]) {
				t.Errorf("a promise without a test: %s", line)
			}
		}
	}
	if rows < 60 {
		t.Errorf("only %d promises", rows)
	}
}
