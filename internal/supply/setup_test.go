package supply

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// root is where the module begins.
const root = "../.."

// built lies in the tree and is not part of the sources.
var built = map[string]bool{".git": true, "node_modules": true, ".next": true, ".turkey": true, ".cache": true, "logs": true}

// sources are the files of the tree, by their names from root: all that is not ignored. Outside of git it is everything but
// what is built.
func sources(t *testing.T) (names []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	if out, err := cmd.Output(); err == nil {
		for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
			if info, err := os.Lstat(filepath.Join(root, name)); err == nil && info.Mode().IsRegular() {
				names = append(names, name)
			}
		}
	} else {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			name, _ := filepath.Rel(root, path)
			switch {
			case err != nil:
				return err
			case d.IsDir() && (built[d.Name()] || name == "bin" || name == "dist" || name == "logs"):
				return filepath.SkipDir
			case d.Type().IsRegular() && !strings.HasPrefix(d.Name(), ".env.") && d.Name() != ".env":
				names = append(names, filepath.ToSlash(name))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(names) < 300 {
		t.Fatalf("only %d files", len(names))
	}
	return names
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// module is one that is in the binary.
type module struct{ path, version, dir string }

// goList asks the go command about everything that is in the binary.
func goList(t *testing.T, format string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", format, ".")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

var listing sync.Mutex // go list is slow, and two at once no faster

// modules are all of the binary but our own, by path.
func modules(t *testing.T) []module {
	t.Helper()
	listing.Lock()
	defer listing.Unlock()
	seen := map[string]bool{}
	var all []module
	for _, line := range goList(t, "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}") {
		parts := strings.Split(line, "\t")
		if len(parts) == 3 && !seen[parts[0]] {
			seen[parts[0]] = true
			all = append(all, module{parts[0], parts[1], parts[2]})
		}
	}
	if len(all) < 20 {
		t.Fatalf("only %d modules", len(all))
	}
	return all
}
