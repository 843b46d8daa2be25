package lint

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

const root = "../.."

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	must(t, err)
	return content
}

// noRegistry answers for every base image, as there is no registry to ask.
type noRegistry struct{}

func (noRegistry) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return ref, "", []byte(`{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/usr/local/bin:/usr/bin:/bin"]}}`), nil
}

// check is `docker build --check`: the names of the rules that are broken.
func check(t *testing.T, dockerfile []byte) (broken []string, problem string) {
	t.Helper()
	platform := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	source := llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", dockerfile)
	source.Definition = &llb.Definition{}
	results, err := dockerfile2llb.DockerfileLint(t.Context(), dockerfile, dockerfile2llb.ConvertOpt{
		Config:         dockerui.Config{BuildPlatforms: []ocispecs.Platform{platform}, TargetPlatforms: []ocispecs.Platform{platform}},
		SourceMap:      source,
		TargetPlatform: &platform, MetaResolver: noRegistry{},
	})
	must(t, err)
	if results.Error != nil {
		problem = results.Error.Message
	}
	for _, w := range results.Warnings {
		broken = append(broken, w.RuleName+": "+w.Detail)
	}
	return broken, problem
}

func TestDockerfilePassesBuildKitsChecks(t *testing.T) {
	t.Parallel()
	text := read(t, "Dockerfile")
	if broken, problem := check(t, text); problem != "" || len(broken) > 0 {
		t.Errorf("%s %q", problem, broken)
	}
	// The checks do find something.
	if broken, _ := check(t, append(slices.Clone(text), "\nENV DB_PASSWORD=x\n"...)); len(broken) != 1 || !strings.HasPrefix(broken[0], "SecretsUsedInArgOrEnv") {
		t.Errorf("%q", broken)
	}
	if _, problem := check(t, bytes.Replace(text, []byte("FROM scratch"), []byte("FORM scratch"), 1)); problem == "" {
		t.Error("a misspelt instruction passes")
	}
}

func TestFinalImage(t *testing.T) {
	t.Parallel()
	parsed, err := parser.Parse(bytes.NewReader(read(t, "Dockerfile")))
	must(t, err)
	stages, _, err := instructions.Parse(parsed.AST, nil)
	must(t, err)
	last := stages[len(stages)-1]
	if last.Name != "server" || last.BaseName != "scratch" {
		t.Errorf("the image that is built by default is %s from %s", last.Name, last.BaseName)
	}
	for _, s := range []instructions.Stage{last, stages[len(stages)-2]} {
		user := ""
		for _, c := range s.Commands {
			switch c := c.(type) {
			case *instructions.UserCommand:
				user = c.User
			case *instructions.RunCommand:
				if s.Name == "server" {
					t.Error("an empty image runs nothing")
				}
			case *instructions.HealthCheckCommand:
				if want := []string{"CMD", "/usr/local/bin/turkey", "healthcheck"}; !slices.Equal(c.Health.Test, want) {
					t.Errorf("%q", c.Health.Test)
				}
			}
		}
		if user != "65532:65532" {
			t.Errorf("%s runs as %q", s.Name, user)
		}
	}
}

// TestBuildContext: what .dockerignore leaves is enough to build the program, and holds no secret and no data.
func TestBuildContext(t *testing.T) {
	t.Parallel()
	patterns, err := ignorefile.ReadAll(bytes.NewReader(read(t, ".dockerignore")))
	must(t, err)
	matcher, err := patternmatcher.New(patterns)
	must(t, err)
	for path, ignored := range map[string]bool{".env": true, ".env.local": true, "console/web/.env": true, ".git/config": true, "secrets/jwt_secret": true, ".turkey/jwt_secret": true,
		"bin/turkey": true, "console/dist/index.html": true, "console/web/node_modules/vite/package.json": true, "internal/db/db_test.go": true, "bench/main.go": true, "sdk/typescript/test/run.mjs": true,
		"main.go": false, "internal/db/migrations/00001.sql": false, "console/web/src/main.tsx": false, "sdk/typescript/package-lock.json": false, "go.sum": false} {
		if got, err := matcher.MatchesOrParentMatches(path); err != nil || got != ignored {
			t.Errorf("%s: ignored %v, want %v (%v)", path, got, ignored, err)
		}
	}
	dir := t.TempDir()
	must(t, fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == ".turkey"):
			return fs.SkipDir
		case d.IsDir() || !d.Type().IsRegular():
			return nil
		}
		if ignored, err := matcher.MatchesOrParentMatches(path); err != nil || ignored {
			return err
		}
		content, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return err
		}
		to := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, content, 0o644)
	}))
	// Every package of the program is there, with what it embeds, and the Makefile works without git.
	for _, words := range [][]string{{"go", "list", "-deps", "-mod=readonly", "."}, {"make", "--dry-run", "binary", "VERSION=9.8.7-test", "OUT=/out"}} {
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", words, err, out)
		}
		if words[0] == "make" && (!strings.Contains(string(out), "/internal/cli.version=9.8.7-test") || !strings.Contains(string(out), "-o /out/turkey")) {
			t.Errorf("%s", out)
		}
		if words[0] == "go" && !strings.Contains(string(out), "turkey/internal/auth\n") {
			t.Errorf("%s", out)
		}
	}
}
