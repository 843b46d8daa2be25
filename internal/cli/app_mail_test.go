package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWordsOfMails(t *testing.T) {
	t.Parallel()
	w := administered(t)
	w.gravy(0, "app", "create", "shop", "--name", "The Shop")
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text := file("reset.txt", "Here: {{.Link}}\n")
	if out := w.gravy(0, "app", "mail", "preview", "shop", "reset_password", "--text", text).out; !strings.Contains(out, "Here: https://app.example/") {
		t.Error(out)
	}
	if out := w.gravy(0, "app", "mail", "list", "shop").out; strings.Contains(out, "own") {
		t.Errorf("a preview was kept: %s", out)
	}
	if err := w.gravy(1, "app", "mail", "set", "shop", "reset_password", "--text", file("no.txt", "no link")).err; !strings.Contains(err, "text: {{.Link}} is missing") {
		t.Error(err)
	}
	w.gravy(2, "app", "mail", "set", "shop", "reset_password")
	w.gravy(2, "app", "mail", "set", "shop")
	w.gravy(1, "app", "mail", "show", "shop", "nothing")
	w.gravy(0, "app", "mail", "set", "shop", "reset_password", "--subject", "Key for {{.AppName}}", "--text", text)
	if out := w.gravy(0, "app", "mail", "preview", "shop", "reset_password").out; !strings.Contains(out, "Subject: Key for The Shop") || !strings.Contains(out, "Here: https://") {
		t.Error(out)
	}
	if out := w.gravy(0, "app", "mail", "show", "shop", "reset_password").out; !strings.Contains(out, "Key for {{.AppName}}") {
		t.Error(out)
	}
	w.gravy(0, "app", "mail", "reset", "shop", "reset_password")
	if out := w.gravy(0, "app", "mail", "list", "shop").out; strings.Contains(out, "own") {
		t.Error(out)
	}
}
