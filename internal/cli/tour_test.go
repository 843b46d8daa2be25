package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	cmd.Env = append([]string{"PATH=" + gravyBeside(t, s) + ":" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "TURKEY=" + s.base, "SANDBOX=" + s.sandbox}, env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// gravyBeside is a directory with the command gravy as it is beside a server.
func gravyBeside(t *testing.T, s *server) string {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	dir := t.TempDir()
	text := fmt.Sprintf("#!/bin/sh\nTURKEY_TEST_MAIN=1 TURKEY_DATA_DIR='%s' PORT='%s' exec '%s' \"$@\" </dev/null\n", s.dir, s.base[strings.LastIndex(s.base, ":")+1:], self)
	must(t, os.WriteFile(filepath.Join(dir, "gravy"), []byte(text), 0o700))
	return dir
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
		!strings.Contains(text[i:], berlin(t, 7)+",1,false,EUR,") || !strings.Contains(text[i:], berlin(t, 6)+",1,true,EUR,") {
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

// The concepts and the questions go on where the tour ended, too.
func TestConcepts(t *testing.T) {
	t.Parallel()
	said := tour(t, nil, "README.md", "docs/concepts.md")
	for _, want := range []string{`"appId":"marketing-site"`, `"current":true`, `"uses":[`, `"services":[`, `"sheetName":"Google"`, `"runs":[{`} {
		if !strings.Contains(said, want) {
			t.Errorf("the output has no %s:\n%s", want, said)
		}
	}
}

func TestQuestions(t *testing.T) {
	t.Parallel()
	said := tour(t, []string{"OLD=" + predecessor(t, "turkey.sql")}, "README.md", "docs/faq.md")
	for _, want := range []string{"\n1\n", `"error":"token_revoked"`, "users", "signs", "Access-Control-Allow-Origin: https://shop.example.com", `"aud":"marketing-site"`} {
		if !strings.Contains(said, want) {
			t.Errorf("the output has no %s:\n%s", want, said)
		}
	}
}

var (
	fence = regexp.MustCompile("(?m)^```(\\w*)\n(?s:.*?)^```$")
	mark  = regexp.MustCompile(`<!-- \w+ -->\s*$`)
)

// TestEveryBlockIsRun: what stands on these pages as code has a mark by which a test takes it. A diagram is no code.
func TestEveryBlockIsRun(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"README.md", "docs/README.md", "docs/concepts.md", "docs/faq.md", "docs/guides.md", "docs/verify.md"} {
		text, err := os.ReadFile("../../" + page)
		must(t, err)
		for _, at := range fence.FindAllSubmatchIndex(text, -1) {
			if language := string(text[at[2]:at[3]]); language != "mermaid" && !mark.Match(text[:at[0]]) {
				t.Errorf("%s:%d: a block that no test runs", page, 1+strings.Count(string(text[:at[0]]), "\n"))
			}
		}
	}
}
