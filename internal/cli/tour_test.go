package cli_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// tourBlock is a block of shell in a page that belongs to the tour.
var tourBlock = regexp.MustCompile("(?s)<!-- tour -->\n+```(?:bash|sh)\n(.*?)```")

// tour runs the pages' own commands, as somebody who pastes them would, and returns what they print.
func tour(t *testing.T, env []string, pages ...string) string {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash on this machine")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl on this machine")
	}
	var script strings.Builder
	for _, page := range pages {
		text, err := os.ReadFile("../../" + page)
		must(t, err)
		blocks := tourBlock.FindAllStringSubmatch(string(text), -1)
		if len(blocks) == 0 {
			t.Fatalf("%s has no block of the tour", page)
		}
		for _, b := range blocks {
			script.WriteString(b[1] + "\n")
		}
	}
	s := serve(t, env, "serve", "--demo")
	cmd := exec.Command(bash, "-euo", "pipefail", "-c", script.String())
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "TURKEY=" + s.base, "SANDBOX=" + s.sandbox}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestREADMETour(t *testing.T) {
	t.Parallel()
	text := tour(t, nil, "README.md")
	for _, want := range []string{`"accessToken"`, `"verified":true`, `"status":"completed"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the output has no %s:\n%s", want, text)
		}
	}
	rows := text[max(strings.LastIndex(text, `"completed"`), 0):]
	if !strings.Contains(rows, "bounce_rate") || !strings.Contains(rows, berlin(t, 1)) || !strings.Contains(rows, berlin(t, 3)) {
		t.Errorf("no rows at the end:\n%s", text)
	}
}

func TestTourOfAnOwnAPI(t *testing.T) {
	t.Parallel()
	text := tour(t, []string{"HTTP_JSON_SOURCE=true"}, "README.md", "docs/connectors.md")
	if i := strings.LastIndex(text, `"completed"`); i < 0 || !strings.Contains(text[i:], "date,days,provisional,currency,orders,revenue,visitors") ||
		!strings.Contains(text[i:], berlin(t, 7)+",1,true,EUR,") {
		t.Errorf("no figures at the end:\n%s", text)
	}
}

func TestGuides(t *testing.T) {
	t.Parallel()
	text := tour(t, nil, "README.md", "docs/guides.md")
	for _, want := range []string{`"keys":[`, `"current":true`, "\n1\n", `"status":"completed"`, `"provisional"`, "date,days,provisional", `"versions":[`, `"secret":"whsec_`, `"deleted`} {
		if !strings.Contains(text, want) {
			t.Errorf("the output has no %s:\n%s", want, text)
		}
	}
}
