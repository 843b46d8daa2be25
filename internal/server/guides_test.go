package server_test

import (
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"turkey/docs"
)

var (
	linkTo = regexp.MustCompile(`(?:href|src)="([^"]+)"`)
	idOf   = regexp.MustCompile(` id="([^"]+)"`)
)

// Every page is served, and every link of it leads to a page that is served, and to a heading that is there.
func TestGuides(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	files, err := fs.Glob(docs.Pages, "*.md")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	bodies, ids := map[string]string{}, map[string]bool{}
	for _, file := range files {
		path := "/docs/" + strings.TrimSuffix(file, ".md")
		a := b.get(path)
		if a.status != 200 || a.header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(a.body, "<h1") {
			t.Errorf("%s: %d", path, a.status)
		}
		for _, unwanted := range []string{"<script", "style=", "<!--", "raw HTML omitted"} {
			if strings.Contains(a.body, unwanted) {
				t.Errorf("%s contains %q", path, unwanted)
			}
		}
		bodies[path], ids[path] = a.body, true
		for _, m := range idOf.FindAllStringSubmatch(a.body, -1) {
			ids[path+"#"+m[1]] = true
		}
	}
	for path, body := range bodies {
		for _, m := range linkTo.FindAllStringSubmatch(body, -1) {
			to := m[1]
			if strings.HasPrefix(to, "#") {
				to = path + to
			}
			switch {
			case strings.Contains(to, "://"), ids[to], strings.HasPrefix(to, "mailto:"):
			case !strings.HasPrefix(to, "/"):
				to = "/docs/" + to // a picture
				fallthrough
			default:
				if strings.Contains(to, "#") || b.get(to).status != http.StatusOK {
					t.Errorf("%s: the link %s leads nowhere", path, m[1])
				}
			}
		}
	}
	if a := b.get("/docs/images/data---light.webp"); a.status != 200 || a.header.Get("Content-Type") != "image/webp" {
		t.Errorf("a picture: %d %v", a.status, a.header)
	}
	for _, path := range []string{"/docs/images/nothing.webp", "/docs/images/", "/docs/images/..%2fdocs.go"} {
		if a := b.get(path); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a := b.get("/docs/nothing"); a.status != 404 {
		t.Errorf("a page that is not there: %d", a.status)
	}
}

var fileLink = regexp.MustCompile(`\]\(([^):#]+)(?:#[^)]*)?\)`)

// On a host of repositories the same pages link to files.
func TestGuidesLinkToFiles(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(docs.Pages, "*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := docs.Pages.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fileLink.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat("../../docs/" + m[1]); err != nil {
				t.Errorf("docs/%s links to %s, which is not there", file, m[1])
			}
		}
	}
}
