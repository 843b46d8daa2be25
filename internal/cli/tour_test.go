package cli_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// tourBlock is a block of shell in README.md that belongs to the tour.
var tourBlock = regexp.MustCompile("(?s)<!-- tour -->\n+```(?:bash|sh)\n(.*?)```")

// TestREADMETour runs the README's own commands, as somebody who pastes them would.
func TestREADMETour(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash on this machine")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl on this machine")
	}
	readme, err := os.ReadFile("../../README.md")
	must(t, err)
	blocks := tourBlock.FindAllStringSubmatch(string(readme), -1)
	if len(blocks) < 3 {
		t.Fatalf("README.md has %d blocks of the tour", len(blocks))
	}
	s := serve(t, nil, "serve", "--demo")
	var script strings.Builder
	for _, b := range blocks {
		script.WriteString(b[1] + "\n")
	}
	cmd := exec.Command(bash, "-euo", "pipefail", "-c", script.String())
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "TURKEY=" + s.base, "SANDBOX=" + s.sandbox}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := string(out)
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
