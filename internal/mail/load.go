package mail

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	texttemplate "text/template"
	"time"
)

//go:embed templates
var embedded embed.FS

// layout holds the blocks top, bottom, button, code and origin that the HTML of every kind may use.
const layout = "layout.html"

// source is one template file.
type source struct{ path, text string }

// files are sources by their name in the folder.
type files map[string]source

var appFolder = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,100}$`) // an app id, contract auth-api.md §3

// LoadTemplates reads the texts that come with the program, those in dir that replace them for all apps, and those in dir/<appID>
// that replace them for one. Files are <kind>.subject.txt, <kind>.txt, <kind>.html and layout.html, each for itself; hidden files
// are ignored. Every template is tried out with sample data; the error names file and line of all that fail.
func LoadTemplates(dir string) (*Templates, error) {
	own, err := fs.Sub(embedded, "templates")
	if err != nil {
		return nil, fmt.Errorf("mail templates: %w", err)
	}
	shared, _, err := readFolder(own, "built-in")
	if err != nil {
		return nil, err
	}
	t := &Templates{apps: map[string]letters{}, sources: shared, appSources: map[string]files{}}
	if dir == "" {
		t.shared, err = compile(shared)
		return t, err
	}
	overrides, apps, err := readFolder(os.DirFS(dir), dir)
	if err != nil {
		return nil, err
	}
	maps.Copy(shared, overrides)
	if t.shared, err = compile(shared); err != nil { // every app would repeat it
		return nil, err
	}
	var problems []error
	for _, app := range apps {
		sources, problem := loadApp(dir, app, shared)
		if problem == nil {
			t.appSources[app] = sources
			t.apps[app], problem = compile(sources)
		}
		if problem != nil {
			problems = append(problems, problem)
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return t, nil
}

// loadApp reads the sources of one app: its own, and the shared ones for the rest.
func loadApp(dir, app string, shared files) (files, error) {
	path := filepath.Join(dir, app)
	if !appFolder.MatchString(app) {
		return nil, fmt.Errorf("mail templates: %s: the name of the folder is no app id", path)
	}
	overrides, folders, err := readFolder(os.DirFS(path), path)
	if err != nil {
		return nil, err
	}
	if len(folders) > 0 {
		return nil, fmt.Errorf("mail templates: %s: folders of apps hold no folders", filepath.Join(path, folders[0]))
	}
	all := maps.Clone(shared)
	maps.Copy(all, overrides)
	return all, nil
}

// readFolder reads the templates of one folder and names its folders. A template that no message would ever use is an error:
// it is a misspelt one.
func readFolder(folder fs.FS, path string) (found files, folders []string, err error) {
	entries, err := fs.ReadDir(folder, ".")
	if err != nil {
		return nil, nil, fmt.Errorf("mail templates: %s: %w", path, err)
	}
	found = files{}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		info, err := fs.Stat(folder, name) // not the entry's: Kubernetes mounts links
		if err != nil {
			return nil, nil, fmt.Errorf("mail templates: %s: %w", path, err)
		}
		if info.IsDir() {
			folders = append(folders, name)
			continue
		}
		if ext := filepath.Ext(name); ext != ".txt" && ext != ".html" {
			continue
		}
		if !slices.Contains(fileNames(), name) {
			return nil, nil, fmt.Errorf("mail templates: %s: no such template; there are %s", filepath.Join(path, name), strings.Join(fileNames(), ", "))
		}
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, nil, fmt.Errorf("mail templates: %s: %w", path, err)
		}
		found[name] = source{path: filepath.Join(path, name), text: strings.TrimPrefix(string(text), "\ufeff")}
	}
	return found, folders, nil
}

func fileNames() []string {
	names := []string{layout}
	for _, k := range kinds {
		names = append(names, string(k)+".subject.txt", string(k)+".txt", string(k)+".html")
	}
	return names
}

// compile parses and tries out one full set of sources.
func compile(f files) (letters, error) {
	set := letters{}
	var problems []error
	for _, k := range kinds {
		l, err := f.parse(k)
		if err == nil {
			err = l.tryOut(k)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("mail templates: %w", err))
			continue
		}
		set[k] = l
	}
	return set, errors.Join(problems...)
}

func (f files) parse(k Kind) (*letter, error) {
	l := &letter{}
	text := func(name string) (*texttemplate.Template, error) {
		s := f[name]
		return texttemplate.New(s.path).Funcs(functions).Parse(strings.TrimRight(s.text, "\r\n"))
	}
	var subject, body, page error
	l.subject, subject = text(string(k) + ".subject.txt")
	l.text, body = text(string(k) + ".txt")
	html, blocks := f[string(k)+".html"], f[layout]
	l.html, page = htmltemplate.New(blocks.path).Funcs(functions).Parse(blocks.text)
	if page == nil {
		l.html, page = l.html.New(html.path).Parse(html.text)
	}
	return l, errors.Join(subject, body, page)
}

// sample is what templates are tried out with.
var sample = Data{
	AppName: "Sample & Sons", AppURL: "https://app.example", Email: "old@example.com", NewEmail: "new@example.com",
	Link: "https://app.example/auth/sample?token=0123456789abcdef", Code: "314159", ExpiresIn: time.Hour, IP: "192.0.2.1",
	UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", When: "2026-01-02 03:04 UTC",
	Service: "ga4", Name: "Sample credential", Detail: "The key was revoked: make a new one", Until: "9 January 2026, 03:04 UTC",
}

// tryOut renders samples that take the branches of a template: with everything, without a link, without a code, with nothing.
func (l *letter) tryOut(k Kind) error {
	full := sample
	noLink, noCode := full, full
	noLink.Link, noCode.Code = "", ""
	for _, d := range []Data{full, noLink, noCode, {AppName: full.AppName}} {
		subject, text, html, err := l.render(d)
		if err != nil {
			return err
		}
		if d.Link != "" && strings.Contains(subject, d.Link) || d.Code != "" && strings.Contains(subject, d.Code) {
			return fmt.Errorf("%s: a subject is seen and logged on the way; .Link and .Code do not belong there", l.subject.Name())
		}
		if !k.carriesToken() {
			continue
		}
		for _, body := range []struct{ name, text string }{{l.text.Name(), text}, {l.html.Name(), html}} {
			if !strings.Contains(body.text, d.Link) || !strings.Contains(body.text, d.Code) {
				return fmt.Errorf("%s: a %s message must show .Link and .Code, whichever is there", body.name, k)
			}
		}
	}
	return nil
}
