package mail_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"turkey/internal/mail"
)

func TestAnOwnTextIsUsedAndTheLayoutStays(t *testing.T) {
	t.Parallel()
	templates := load(t, folder(t, "shop/layout.html", `{{define "top"}}<b>SHOP</b>{{end}}{{define "bottom"}}{{end}}{{define "button"}}<a href="{{.Link}}">{{.Label}}</a>{{end}}{{define "code"}}{{.}}{{end}}{{define "origin"}}{{end}}`))
	own := mail.Own{Subject: "Hi from {{.AppName}}", Text: "Go: {{.Link}}", HTML: `{{template "top" .}}<p>{{.Email}}</p>{{template "button" button .Link "Go"}}{{template "bottom" .}}`}
	d := data()
	d.Email = `"<script>alert(1)</script>"@example.com`
	subject, text, html, err := templates.RenderOwn("shop", mail.VerifyEmail, own, d)
	if err != nil {
		t.Fatal(err)
	}
	if subject != "Hi from "+d.AppName || text != "Go: "+secretLink+"\n" || !strings.Contains(html, "<b>SHOP</b>") || !strings.Contains(html, `href="`+secretLink+`"`) {
		t.Errorf("%s\n%s\n%s", subject, text, html)
	}
	if strings.Contains(html, "<script") {
		t.Errorf("what a stranger wrote is markup: %s", html)
	}
	if _, _, html, err := templates.RenderOwn("other", mail.VerifyEmail, own, d); err != nil || strings.Contains(html, "SHOP") {
		t.Errorf("another app has this layout: %v", err)
	}
}

// TestEverySourceIsAnOwn: the editor begins with the text that is in force, and saving it changes nothing.
func TestEverySourceIsAnOwn(t *testing.T) {
	t.Parallel()
	templates := load(t, "")
	for _, kind := range kinds {
		own := templates.Source("shop", kind)
		if _, _, _, err := templates.Preview("shop", "Shop", kind, own); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		s1, t1, h1, err1 := templates.Render("shop", kind, data())
		s2, t2, h2, err2 := templates.RenderOwn("shop", kind, own, data())
		if err1 != nil || err2 != nil || s1 != s2 || t1 != t2 || h1 != h2 {
			t.Errorf("%s differs: %v %v", kind, err1, err2)
		}
	}
}

func TestWrongOwnTextsAreNamed(t *testing.T) {
	t.Parallel()
	templates := load(t, "")
	good := mail.Own{Subject: "S", Text: "{{.Link}}", HTML: `<a href="{{.Link}}">go</a>`}
	if _, _, _, err := templates.Preview("shop", "", mail.ResetPassword, good); err != nil {
		t.Fatal(err)
	}
	deep := strings.Repeat(`{{template "top" .}}`, 1500)
	for name, c := range map[string]struct {
		own        mail.Own
		part, says string
	}{
		"no subject":          {mail.Own{Text: good.Text, HTML: good.HTML}, "subject", "empty"},
		"two lines":           {mail.Own{Subject: "a\nb", Text: good.Text, HTML: good.HTML}, "subject", "one line"},
		"link in the subject": {mail.Own{Subject: "{{.Link}}", Text: good.Text, HTML: good.HTML}, "subject", "does not belong"},
		"no link, text":       {mail.Own{Subject: "S", Text: "hello", HTML: good.HTML}, "text", "{{.Link}} is missing"},
		"no link, html":       {mail.Own{Subject: "S", Text: good.Text, HTML: "<p>{{.Link}}</p>"}, "html", "{{.Link}} is missing"},
		"link in a picture":   {mail.Own{Subject: "S", Text: good.Text, HTML: good.HTML + `<img src="https://evil.example/?{{.Link}}">`}, "html", "another address"},
		"link behind another": {mail.Own{Subject: "S", Text: good.Text, HTML: good.HTML + `<a href="https://evil.example/?to={{.Link}}">x</a>`}, "html", "another address"},
		"script":              {mail.Own{Subject: "S", Text: good.Text, HTML: good.HTML + "<ScRipt>alert(1)</script>"}, "html", "drop scripts"},
		"handler":             {mail.Own{Subject: "S", Text: good.Text, HTML: good.HTML + `<p onclick="alert(1)">`}, "html", "drop scripts"},
		"script address":      {mail.Own{Subject: "S", Text: good.Text, HTML: good.HTML + `<a href="javascript:alert(1)">x</a>`}, "html", "drop scripts"},
		"frame":               {mail.Own{Subject: "S", Text: good.Text, HTML: good.HTML + "<iframe>"}, "html", "drop scripts"},
		"form":                {mail.Own{Subject: "S", Text: good.Text, HTML: good.HTML + "<form>"}, "html", "drop scripts"},
		"syntax":              {mail.Own{Subject: "S", Text: "{{.Link", HTML: good.HTML}, "text", "unclosed action"},
		"unknown field":       {mail.Own{Subject: "S", Text: "{{.Link}} {{.Password}}", HTML: good.HTML}, "text", "Password"},
		"unknown function":    {mail.Own{Subject: "S", Text: `{{.Link}}{{exec "ls"}}`, HTML: good.HTML}, "text", "exec cannot be used"},
		"printf":              {mail.Own{Subject: "S", Text: `{{.Link}}{{printf "%999999999d" 1}}`, HTML: good.HTML}, "text", "printf cannot be used"},
		"printf in a pipe":    {mail.Own{Subject: "S", Text: `{{.Link}}{{if (1 | printf "%999999999d")}}{{end}}`, HTML: good.HTML}, "text", "printf cannot be used"},
		"loop":                {mail.Own{Subject: "S", Text: `{{.Link}}{{range 999999999}}x{{end}}`, HTML: good.HTML}, "text", "cannot be used"},
		"loop in an else":     {mail.Own{Subject: "S", Text: `{{.Link}}{{with .Code}}{{else}}{{range 9}}x{{end}}{{end}}`, HTML: good.HTML}, "text", "cannot be used"},
		"own block":           {mail.Own{Subject: "S", Text: good.Text, HTML: good.HTML + `{{define "x"}}{{template "x"}}{{end}}`}, "html", "define"},
		"the layout's block":  {mail.Own{Subject: "S", Text: good.Text, HTML: good.HTML + `{{define "top"}}{{template "top"}}{{end}}`}, "html", "define"},
		"no such block":       {mail.Own{Subject: "S", Text: good.Text, HTML: good.HTML + `{{template "nope"}}`}, "html", `no block "nope"`},
		"a block of itself":   {mail.Own{Subject: "S", Text: good.Text, HTML: good.HTML + `{{template "html"}}`}, "html", `no block "html"`},
		"half a tag":          {mail.Own{Subject: "S", Text: good.Text, HTML: good.HTML + `<a href="{{if .Code}}">x</a>{{end}}`}, "html", "end in different contexts"},
		"no text":             {mail.Own{Subject: "S", Text: good.Text + "\x00", HTML: good.HTML}, "text", "control character"},
		"long subject":        {mail.Own{Subject: strings.Repeat("x", 501), Text: good.Text, HTML: good.HTML}, "subject", "longer than"},
		"long text":           {mail.Own{Subject: "S", Text: good.Text + strings.Repeat("x", 16<<10), HTML: good.HTML}, "text", "longer than"},
		"long html":           {mail.Own{Subject: "S", Text: good.Text, HTML: good.HTML + strings.Repeat("x", 64<<10)}, "html", "longer than"},
		"much out of little":  {mail.Own{Subject: "S", Text: good.Text, HTML: good.HTML + deep}, "html", "longer than 1 MiB"},
	} {
		began := time.Now()
		_, _, _, err := templates.Preview("shop", "", mail.ResetPassword, c.own)
		wrong, ok := errors.AsType[*mail.OwnError](err)
		if !ok || wrong.Part != c.part || !strings.Contains(wrong.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
	if _, _, _, err := templates.Preview("shop", "", "nothing", good); err == nil {
		t.Error("an unknown kind is taken")
	}
}

func TestAPreviewHoldsSampleData(t *testing.T) {
	t.Parallel()
	templates := load(t, "")
	subject, text, html, err := templates.Preview("shop", "The Shop", mail.ResetPassword, templates.Source("shop", mail.ResetPassword))
	if err != nil || subject != "Reset Your Password - The Shop" || !strings.Contains(text, "https://app.example/auth/sample?token=") || !strings.Contains(html, "The Shop") || strings.Contains(text, "Your code") {
		t.Errorf("%v %s\n%s", err, subject, text)
	}
}
