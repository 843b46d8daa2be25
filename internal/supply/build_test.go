package supply

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var fresh = flag.Bool("fresh", false, "build twice from nothing: each build has a cache of its own")

// TestTwoBuildsAreOne builds the sources in two directories, as the Makefile does, and compares the bytes.
func TestTwoBuildsAreOne(t *testing.T) {
	t.Parallel()
	names := sources(t)
	var hashes []string
	from := root
	for _, dir := range []string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "another", "and a deeper directory", "b")} {
		for _, name := range names {
			if strings.HasPrefix(name, "examples/") || strings.HasPrefix(name, "deploy/lint/") || strings.HasPrefix(name, "sdk/") {
				continue // nothing of the binary
			}
			copyFile(t, filepath.Join(from, name), filepath.Join(dir, name))
		}
		from = dir // the same sources, whoever changes the tree meanwhile
		out := filepath.Join(dir, "turkey")
		cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X turkey/internal/cli.version=1.2.3", "-o", out, ".")
		cmd.Dir = dir
		if *fresh {
			cmd.Env = append(os.Environ(), "GOCACHE="+t.TempDir())
		}
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), dir) {
			t.Errorf("the binary names the directory it was built in")
		}
		sum := sha256.Sum256(text)
		hashes = append(hashes, hex.EncodeToString(sum[:]))
	}
	if hashes[0] != hashes[1] {
		t.Errorf("two builds differ: %v", hashes)
	}
	t.Logf("%s", hashes[0])
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		return // gone meanwhile
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = io.Copy(out, in); err == nil {
		err = out.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
