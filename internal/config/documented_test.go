package config

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// settings are the names of all variables, with whether each is a secret. The private PostgreSQL asks for one by itself.
func settings() map[string]bool {
	names := map[string]bool{"TURKEY_POSTGRES_BIN": false}
	for f := range reflect.TypeFor[Config]().Fields() {
		names[f.Tag.Get("env")] = f.Type == reflect.TypeFor[Secret]()
	}
	return names
}

func page(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("../..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

var inCode = regexp.MustCompile("`([A-Z][A-Z0-9_]+)`( \\(`file`\\))?")

// TestEveryVariableIsInTheReference, under its name, as a secret if it is one, and no other is.
func TestEveryVariableIsInTheReference(t *testing.T) {
	t.Parallel()
	text, names, listed := page(t, "docs/configuration.md"), settings(), map[string]bool{}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		first, rest, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		for _, m := range inCode.FindAllStringSubmatch(first, -1) {
			secret, known := names[m[1]]
			if !known {
				t.Errorf("docs/configuration.md lists %s, which nothing reads", m[1])
			} else if secret != (m[2] != "") {
				t.Errorf("docs/configuration.md: %s is a secret: %v", m[1], secret)
			}
			listed[m[1]] = true
		}
		for _, alias := range regexp.MustCompile("Alias(?:es)? ((?:`[A-Z_]+`(?:, )?)+)").FindAllStringSubmatch(rest, -1) {
			for _, m := range inCode.FindAllStringSubmatch(alias[1], -1) {
				if aliases[m[1]] == "" {
					t.Errorf("docs/configuration.md: %s is no alias", m[1])
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !listed[name] {
			t.Errorf("docs/configuration.md does not list %s", name)
		}
	}
	for _, alias := range slices.Sorted(maps.Keys(aliases)) {
		if !strings.Contains(text, "`"+alias+"`") {
			t.Errorf("docs/configuration.md does not name %s, an alias of %s", alias, aliases[alias])
		}
	}
}

// foreign are variables in the deployment's files that others read.
var foreign = map[string]string{
	"POSTGRES_DB": "PostgreSQL's image", "POSTGRES_PASSWORD": "PostgreSQL's image", "PGDATA": "PostgreSQL's image", "POSTGRES_USER": "PostgreSQL's image",
	"COMPOSE_PROFILES": "Compose", "TURKEY_VERSION": "compose.yaml", "TURKEY_PORT": "compose.yaml", "SERVER_WORKERS": "compose.yaml",
	"GO_VERSION": "the Dockerfile", "NODE_VERSION": "the Dockerfile", "POSTGRES_VERSION": "the Dockerfile", "VERSION": "the Dockerfile", "COMMIT": "the Dockerfile",
	"DATE": "the Dockerfile", "TARGETOS": "BuildKit", "TARGETARCH": "BuildKit", "BUILDPLATFORM": "BuildKit", "PATH": "everybody", "CGO_ENABLED": "Go", "GOOS": "Go", "GOARCH": "Go", "OUT": "make",
}

// setsVariable finds NAME=value, NAME: value, ${NAME and { name: NAME, in what is no comment.
var setsVariable = regexp.MustCompile(`(?:^|[\s"',={$])\{?([A-Z][A-Z0-9_]+)(?:[=]|: |:-|\}|, value)`)

// TestDeploymentNamesVariablesThatExist: a misspelt variable would be ignored.
func TestDeploymentNamesVariablesThatExist(t *testing.T) {
	t.Parallel()
	files := []string{"Dockerfile", "compose.yaml", "deploy/testdata/guide-compose.yml"}
	for _, dir := range []string{"systemd", "kubernetes"} {
		err := filepath.WalkDir("../../deploy/"+dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && filepath.Ext(path) != ".md" && filepath.Base(filepath.Dir(path)) != "secrets" {
				files = append(files, strings.TrimPrefix(path, "../../"))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	names, found := settings(), map[string]bool{}
	for _, file := range files {
		for line := range strings.Lines(page(t, file)) {
			if strings.HasPrefix(strings.TrimSpace(line), "# ") {
				continue
			}
			for _, m := range setsVariable.FindAllStringSubmatch(line, -1) {
				name := m[1]
				found[name] = true
				base, fromFile := strings.CutSuffix(name, "_FILE")
				secret, known := names[base]
				if _, itself := names[name]; itself {
					continue
				}
				if foreign[name] == "" && foreign[base] == "" && (!known || !fromFile || !secret) {
					t.Errorf("%s sets %s, which nothing reads", file, name)
				}
			}
		}
	}
	for _, name := range []string{"NODE_ENV", "DATABASE_URL_FILE", "DATABASE_ADMIN_URL_FILE", "TURKEY_DATA_DIR", "DB_RETRY_ATTEMPTS", "CLERK_PUBLIC_KEY", "WORKER_HEALTH_ADDR", "AUTO_MIGRATE"} {
		if !found[name] {
			t.Errorf("%s is set nowhere: does this test read the files?", name)
		}
	}
}
