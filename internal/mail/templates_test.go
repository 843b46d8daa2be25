package mail_test

import (
	"flag"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"turkey/internal/mail"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var kinds = []mail.Kind{mail.VerifyEmail, mail.ResetPassword, mail.Welcome, mail.EmailChangedNotice, mail.PasswordChangedNotice, mail.SessionRevokedNotice,
	mail.CredentialExpiring, mail.CredentialBroken, mail.CredentialRecovered, mail.RunFailed, mail.RunRecovered, mail.NotificationTest}

func data() mail.Data {
	return mail.Data{
		Service: "ga4", Name: "Ann's <key>", Detail: "The account has no access: share the property with it", Until: "9 January 2026, 03:04 UTC",
		AppName: "Shop & Söhne", AppURL: "https://shop.example", Email: "ann@example.com", NewEmail: "new@example.com",
		Link: secretLink, ExpiresIn: 48 * time.Hour, IP: "192.0.2.7", When: "2 January 2026, 03:04 UTC",
		UserAgent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
	}
}

func load(t *testing.T, dir string) *mail.Templates {
	t.Helper()
	templates, err := mail.LoadTemplates(dir)
	if err != nil {
		t.Fatal(err)
	}
	return templates
}

// folder makes a folder of the files given as path, content, path, content.
func folder(t *testing.T, content ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(content); i += 2 {
		path := filepath.Join(dir, content[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestGolden(t *testing.T) {
	t.Parallel()
	templates := load(t, "")
	for _, kind := range kinds {
		d := data()
		if kind == mail.Welcome || kind == mail.SessionRevokedNotice {
			d.Link = ""
		}
		subject, text, page, err := templates.Render("shop", kind, d)
		if err != nil {
			t.Fatal(err)
		}
		for suffix, got := range map[string]string{".subject.txt": subject + "\n", ".txt": text, ".html": page} {
			path := filepath.Join("testdata", string(kind)+suffix)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(path); err != nil || string(want) != got {
				t.Errorf("%s differs (go test ./internal/mail -update rewrites it): %v\n%s", path, err, got)
			}
		}
	}
}

func TestSubjectsOfTheContract(t *testing.T) {
	t.Parallel()
	templates := load(t, "")
	for kind, want := range map[mail.Kind]string{
		mail.VerifyEmail:   "Verify Your Email Address - %s",
		mail.ResetPassword: "Reset Your Password - %s",
		mail.Welcome:       "Welcome to %s! 🎉",
	} {
		for in, name := range map[string]string{"": "TurKey Auth", "Shop & Söhne": "Shop & Söhne"} {
			d := data()
			d.AppName = in
			if got, _, _, err := templates.Render("", kind, d); err != nil || got != fmt.Sprintf(want, name) {
				t.Errorf("%q, %v", got, err)
			}
		}
	}
}

// What every message must be, whatever data it has: nothing loaded from elsewhere, readable as text, the link in both bodies.
func TestEveryMessage(t *testing.T) {
	t.Parallel()
	templates := load(t, "")
	remote := regexp.MustCompile(`(?i)<img|<script|<link|@import|url\(|\ssrc=|background=`)
	for _, kind := range kinds {
		full := data()
		full.Code = "271828"
		for _, d := range []mail.Data{full, {Email: "ann@example.com", Code: "271828"}, {Email: "ann@example.com", Link: secretLink}} {
			subject, text, page, err := templates.Render("", kind, d)
			if err != nil {
				t.Fatal(err)
			}
			if remote.MatchString(page) || strings.Contains(page, "ZgotmplZ") || strings.Contains(text+page, "<no value>") {
				t.Errorf("%s: %s", kind, page)
			}
			for _, want := range []string{"color-scheme", `role="presentation"`, "prefers-color-scheme: dark", "<!DOCTYPE html>", "</html>"} {
				if !strings.Contains(page, want) {
					t.Errorf("%s: no %s", kind, want)
				}
			}
			if strings.Contains(text, "{{") || strings.Contains(text, "<p") || strings.Contains(text, "\n\n\n") {
				t.Errorf("%s: %s", kind, text)
			}
			noSecret(t, subject)
			token := kind == mail.VerifyEmail || kind == mail.ResetPassword
			if d.Link != "" && token && (strings.Count(page, `href="`+d.Link+`"`) != 2 || !strings.Contains(text, "\n"+d.Link+"\n")) {
				t.Errorf("%s: the link is missing", kind)
			}
			if d.Code != "" && token && (!strings.Contains(page, ">"+d.Code+"<") || !strings.Contains(text, d.Code)) {
				t.Errorf("%s: the code is missing", kind)
			}
		}
	}
}

func TestStrangersWordsStayWords(t *testing.T) {
	t.Parallel()
	templates := load(t, "")
	const markup = `<script>alert(1)</script><a href="https://evil.example">"'&`
	for _, kind := range kinds {
		d := mail.Data{AppName: markup, Email: markup + "@x.example", NewEmail: markup, IP: markup, When: markup, Code: markup,
			UserAgent: "evil.example\r\nclick https://evil.example " + markup + "\xff\x00"}
		_, text, page, err := templates.Render("", kind, d)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(page, "<script") || strings.Contains(page, `href="https://evil`) || !strings.Contains(page, html.EscapeString(markup)[:20]) {
			t.Errorf("%s: %s", kind, page)
		}
		if strings.Contains(text+page, "click") {
			t.Errorf("%s repeats the user agent", kind)
		}
	}
}

func TestUserAgentIsOneLine(t *testing.T) {
	t.Parallel()
	d := data()
	d.UserAgent = " a\tb\r\nc\x00\xffd\u2028e" + strings.Repeat("ü", 500)
	_, text, _, err := load(t, folder(t, "welcome.txt", "{{.UserAgent}}")).Render("", mail.Welcome, d)
	if want := "a b c d e" + strings.Repeat("ü", 191) + "\n"; err != nil || text != want {
		t.Errorf("%q, %v", text, err)
	}
}

func TestDataThatNoMessageCanHold(t *testing.T) {
	t.Parallel()
	templates := load(t, "")
	const injection = "x\r\nBcc: everybody@example.com"
	for name, change := range map[string]func(*mail.Data){
		"app name":         func(d *mail.Data) { d.AppName = injection },
		"app name, return": func(d *mail.Data) { d.AppName = "x\r" },
		"email":            func(d *mail.Data) { d.Email = injection },
		"new email":        func(d *mail.Data) { d.NewEmail = injection },
		"link":             func(d *mail.Data) { d.Link += "\r\n" },
		"code":             func(d *mail.Data) { d.Code = "1\n2" },
		"IP":               func(d *mail.Data) { d.IP = injection },
		"when":             func(d *mail.Data) { d.When = injection },
		"script":           func(d *mail.Data) { d.Link = "javascript:alert('" + secretToken + "')" },
		"relative link":    func(d *mail.Data) { d.Link = "/auth/verify-email?token=" + secretToken },
		"words in a link":  func(d *mail.Data) { d.Link += " and more" },
		"app address":      func(d *mail.Data) { d.AppURL = "shop.example" },
		"neither":          func(d *mail.Data) { d.Link, d.Code = "", "" },
	} {
		d := data()
		change(&d)
		if _, text, page, err := templates.Render("", mail.VerifyEmail, d); !mail.IsPermanent(err) || text+page != "" {
			t.Errorf("%s: %v", name, err)
		} else {
			noSecret(t, err.Error())
		}
	}
	if _, _, _, err := templates.Render("", "newsletter", data()); !mail.IsPermanent(err) {
		t.Error(err)
	}
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	dir := folder(t,
		"welcome.subject.txt", "\ufeffHello from {{.AppName}}\r\n",
		"welcome.html", "<p>{{.Email}} {{template \"button\" button .AppURL \"Go\"}}</p>",
		"shop/welcome.subject.txt", "Shop!",
		"shop/verify_email.txt", "{{.Link}}{{.Code}} for {{duration .ExpiresIn}} from {{device .UserAgent}}",
		"brand/layout.html", `{{define "top"}}<b>BRAND</b>{{end}}{{define "button"}}{{.Link}} {{.Label}}{{end}}{{define "code"}}{{.}}{{end}}{{define "origin"}}{{end}}{{define "bottom"}}{{end}}`,
		"README.md", "not a template {{", ".git/config", "hidden", ".welcome.txt.swp", "{{",
	)
	templates := load(t, dir)
	render := func(app string, kind mail.Kind) (string, string, string) {
		subject, text, page, err := templates.Render(app, kind, data())
		if err != nil {
			t.Fatal(err)
		}
		return subject, text, page
	}
	_, builtin, _, err := load(t, "").Render("", mail.Welcome, data())
	if err != nil {
		t.Fatal(err)
	}
	for _, app := range []string{"", "other", "../shop"} {
		if subject, text, page := render(app, mail.Welcome); subject != "Hello from Shop & Söhne" || text != builtin || !strings.HasPrefix(page, "<p>ann@example.com <table") {
			t.Errorf("%s: %q %q %q", app, subject, text, page)
		}
	}
	if subject, _, page := render("shop", mail.Welcome); subject != "Shop!" || !strings.HasPrefix(page, "<p>ann@") {
		t.Errorf("shop: %q %q", subject, page)
	}
	if _, text, page := render("shop", mail.VerifyEmail); text != secretLink+" for 2 days from Safari on iPhone\n" || !strings.HasPrefix(page, "<!DOCTYPE") {
		t.Errorf("shop: %q %q", text, page)
	}
	if _, _, page := render("brand", mail.ResetPassword); !strings.HasPrefix(page, "<b>BRAND</b><h1") || !strings.Contains(page, secretLink+" Choose a new password") {
		t.Errorf("brand: %q", page)
	}
}

// Kubernetes mounts a ConfigMap as links into a hidden folder.
func TestOverridesBehindLinks(t *testing.T) {
	t.Parallel()
	dir := folder(t, "..2026_01_02/welcome.txt", "linked", "..2026_01_02/shop/welcome.txt", "linked shop")
	for name, target := range map[string]string{"..data": "..2026_01_02", "welcome.txt": "..data/welcome.txt", "shop": "..data/shop"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	templates := load(t, dir)
	for app, want := range map[string]string{"": "linked\n", "shop": "linked shop\n"} {
		if _, text, _, err := templates.Render(app, mail.Welcome, data()); err != nil || text != want {
			t.Errorf("%q, %v", text, err)
		}
	}
}

func TestOverridesThatFailAtLoad(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, content, want string }{
		"syntax":               {"welcome.txt", "ok\nok\n{{if}}", "welcome.txt:3:"},
		"syntax, html":         {"welcome.html", "ok\n{{.Email", "welcome.html:2:"},
		"syntax, layout":       {"layout.html", "\n\n{{define}}", "layout.html:3:"},
		"unknown field":        {"welcome.txt", "ok\n{{.Password}}", "welcome.txt:2:2: executing"},
		"unknown field, html":  {"welcome.html", "ok\n<p>{{.Username}}</p>", "welcome.html:2:5: executing"},
		"unknown in subject":   {"welcome.subject.txt", "{{.Subject}}", "welcome.subject.txt:1:2:"},
		"unknown in a branch":  {"verify_email.txt", "{{.Link}}{{.Code}}{{if not .Link}}{{.Nope}}{{end}}", "verify_email.txt:1:"},
		"unknown without data": {"welcome.txt", "hello\n{{if not .When}}{{.Nope}}{{end}}", "welcome.txt:2:"},
		"unknown function":     {"welcome.txt", "{{env \"HOME\"}}", "welcome.txt:1:"},
		"unknown block":        {"welcome.html", "{{template \"nope\"}}", "nope"},
		"broken html":          {"welcome.html", "<a href=\"{{if .Link}}\">{{end}}", "welcome.html:1:"},
		"two-line subject":     {"welcome.subject.txt", "one\ntwo", "welcome.subject.txt: a subject is one line"},
		"empty subject":        {"welcome.subject.txt", "\n", "welcome.subject.txt: a subject is one line"},
		"link in the subject":  {"verify_email.subject.txt", "Open {{.Link}}", "verify_email.subject.txt: a subject is seen"},
		"code in the subject":  {"verify_email.subject.txt", "Use {{.Code}}", "verify_email.subject.txt: a subject is seen"},
		"no link":              {"reset_password.txt", "Code: {{.Code}}", "reset_password.txt: a reset_password message must show"},
		"no code, html":        {"reset_password.html", "<a href=\"{{.Link}}\">go</a>", "reset_password.html: a reset_password message must show"},
		"misspelt":             {"verify-email.txt", "x", "verify-email.txt: no such template; there are layout.html, verify_email.subject.txt"},
		"of an app":            {"shop/welcome.txt", "{{.Nope}}", "shop/welcome.txt:1:2"},
		"misspelt, of an app":  {"shop/wellcome.txt", "x", "shop/wellcome.txt: no such template"},
		"no app":               {"my shop/welcome.txt", "x", "my shop: the name of the folder is no app id"},
		"folder in a folder":   {"shop/en/welcome.txt", "x", "shop/en: folders of apps hold no folders"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, c.file, c.content)
			if _, err := mail.LoadTemplates(dir); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "mail templates: ") {
				t.Errorf("error %v", err)
			}
		})
	}
	if _, err := mail.LoadTemplates("/nowhere/at/all"); err == nil || !strings.Contains(err.Error(), "/nowhere/at/all") {
		t.Error(err)
	}
	dir := folder(t, "a/welcome.txt", "{{.A}}", "b/welcome.txt", "{{.B}}", "b/verify_email.txt", "{{.C}}")
	if _, err := mail.LoadTemplates(dir); err == nil || strings.Count(err.Error(), "executing") != 3 {
		t.Errorf("not all problems at once: %v", err)
	}
}

func TestRenderAtOnce(t *testing.T) {
	t.Parallel()
	templates := load(t, folder(t, "shop/welcome.txt", "hi"))
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			if _, _, _, err := templates.Render([]string{"", "shop"}[i%2], kinds[i%len(kinds)], data()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "", -time.Hour: "", time.Millisecond: "", time.Second: "1 second", 90 * time.Second: "90 seconds", time.Minute: "1 minute",
		15 * time.Minute: "15 minutes", 90 * time.Minute: "90 minutes", time.Hour: "1 hour", 24 * time.Hour: "24 hours",
		36 * time.Hour: "36 hours", 48 * time.Hour: "2 days", time.Hour + time.Millisecond: "1 hour",
	} {
		if got := mail.DurationText(d); got != want {
			t.Errorf("%v: %q", d, got)
		}
	}
	const webkit = "AppleWebKit/537.36 (KHTML, like Gecko) "
	for agent, want := range map[string]string{
		"": "", "something else entirely https://evil.example": "", "curl/8.9.1": "curl", "Mozilla/5.0 (Windows NT 10.0)": "Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + webkit + "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0": "Edge on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) " + webkit + "Chrome/140.0.0.0 Safari/537.36":         "Chrome on macOS",
		"Mozilla/5.0 (Linux; Android 15; Pixel 9) " + webkit + "Chrome/140.0.0.0 Mobile Safari/537.36":         "Chrome on Android",
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                               "Firefox on Linux",
	} {
		if got := mail.DeviceName(agent); got != want {
			t.Errorf("%s: %q", agent, got)
		}
	}
}
