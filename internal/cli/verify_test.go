package cli_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	_ "github.com/coreos/go-oidc/v3/oidc" // a program of docs/verify.md uses it

	"turkey/client/api"
)

// verifyBlock is a program of docs/verify.md, or a command.
var verifyBlock = regexp.MustCompile("(?s)<!-- (verify|introspect|feed) -->\n+```(\\w+)\n(.*?)```")

// foreign runs a program of the page in a language of its own.
func foreign(t *testing.T, language, program string, env []string) (string, error) {
	t.Helper()
	root, err := filepath.Abs("../..")
	must(t, err)
	dir := t.TempDir()
	var cmd *exec.Cmd
	switch language {
	case "python":
		python := "/usr/bin/python3" // Debian's, which has Debian's packages
		if exec.Command(python, "-c", "import jwt, cryptography").Run() != nil {
			t.Fatal("Debian's python3-jwt is missing: apt-get install python3-jwt python3-cryptography (make setup does it)")
		}
		cmd = exec.Command(python, "-c", program)
		cmd.Dir = dir
	case "js":
		if _, err := os.Stat(root + "/sdk/typescript/node_modules/jose"); err != nil {
			t.Fatal("jose is missing: cd sdk/typescript && npm ci (make sdk does it)")
		}
		cmd = exec.Command("node", "--input-type=module", "-e", program)
		cmd.Dir = root + "/sdk/typescript" // jose is found from there
	case "go":
		file := filepath.Join(dir, "main.go")
		must(t, os.WriteFile(file, []byte(program), 0o600))
		cmd = exec.Command("go", "run", file)
		cmd.Dir = root
		cmd.Env = os.Environ()
	case "bash":
		cmd = exec.Command("bash", "-euo", "pipefail", "-c", program)
		cmd.Dir = dir
	default:
		t.Fatalf("nobody runs %s", language)
	}
	cmd.Env = append(append(cmd.Env, "PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME")), env...)
	var said, complaints strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &complaints
	if err = cmd.Run(); err != nil {
		err = fmt.Errorf("%w: %s", err, complaints.String())
	}
	return strings.TrimSpace(said.String()), err
}

// Libraries of other people take our tokens, and refuse what is none of ours or of another app.
func TestVerifyPage(t *testing.T) {
	t.Parallel()
	const key = "service-key-of-the-page-0123"
	s := setup(t, "TURKEY_SERVICE_API_KEY="+key)
	s.secret(key)
	u := s.user("shop")
	token := u.Tokens().AccessToken
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, err)
	promoted := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(payload), `"role":"user"`, `"role":"admin"`, 1)))
	text, err := os.ReadFile("../../docs/verify.md")
	must(t, err)
	languages := map[string]int{}
	for _, block := range verifyBlock.FindAllStringSubmatch(string(text), -1) {
		kind, language, program := block[1], block[2], block[3]
		languages[language]++
		env := func(app, token string) []string {
			return []string{"TURKEY=" + s.base, "APP=" + app, "TOKEN=" + token, "SERVICE_KEY=" + key}
		}
		out, err := foreign(t, language, program, env("shop", token))
		if err != nil {
			t.Errorf("%s %s: %v", language, kind, err)
			continue
		}
		switch kind {
		case "verify":
			if out != u.User.ID {
				t.Errorf("%s: %q; want %s", language, out, u.User.ID)
			}
			for name, e := range map[string][]string{
				"another app":     env("blog", token),
				"another payload": env("shop", parts[0]+"."+promoted+"."+parts[2]),
			} {
				if out, err := foreign(t, language, program, e); err == nil {
					t.Errorf("%s takes %s: %s", language, name, out)
				}
			}
		case "introspect":
			var answer struct {
				Data struct {
					Active bool
					UserID string
				}
			}
			if json.Unmarshal([]byte(out), &answer) != nil || !answer.Data.Active || answer.Data.UserID != u.User.ID {
				t.Errorf("introspection: %s", out)
			}
			must(t, u.Logout(t.Context()))
			if out, err := foreign(t, language, program, env("shop", token)); err != nil || !strings.Contains(out, `"active":false`) {
				t.Errorf("after the logout: %s, %v", out, err)
			}
		case "feed":
			if !strings.Contains(out, `"kind":"session"`) {
				t.Errorf("the feed: %s", out)
			}
		}
	}
	if languages["python"] != 1 || languages["js"] != 1 || languages["go"] != 2 || languages["bash"] != 2 {
		t.Errorf("programs on the page: %v", languages)
	}
}

// The Go SDK watches a run to its end.
func TestWatchRun(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, g := s.user("shop"), s.google()
	g.ready(u)
	id, err := u.Sync(t.Context(), "ga4", berlin(t, 3))
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var seen []string
	must(t, u.WatchRun(ctx, id, func(r api.Run) error {
		seen = append(seen, r.Status)
		return nil
	}))
	if len(seen) == 0 || seen[len(seen)-1] != "completed" {
		t.Errorf("states: %v", seen)
	}
}
