package mail

import (
	"cmp"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"net/url"
	"strings"
	texttemplate "text/template"
	"unicode"
)

// Templates are the texts of all kinds, for all apps and for those that have their own. They do not change.
type Templates struct {
	shared letters
	apps   map[string]letters

	sources    files // what they were read from: that of Source, and the layout of an Own
	appSources map[string]files
}

// letters is one text for each kind.
type letters map[Kind]*letter

// letter is the text of one kind.
type letter struct {
	subject, text *texttemplate.Template
	html          *htmltemplate.Template
}

// Render writes the message of a kind in the words of the app, or the shared ones. An error means that d cannot be told
// to anybody: a field with a line break, a link that is none, a kind that needs a link and has none. It is permanent.
func (t *Templates) Render(appID string, kind Kind, d Data) (subject, text, html string, err error) {
	set, ok := t.apps[appID]
	if !ok {
		set = t.shared
	}
	l := set[kind]
	if l == nil {
		return "", "", "", permanentf("mail: no message of the kind %q", kind)
	}
	return l.write(kind, d)
}

// write is a message to somebody.
func (l *letter) write(kind Kind, d Data) (subject, text, html string, err error) {
	if d, err = d.clean(kind); err != nil {
		return "", "", "", err
	}
	if subject, text, html, err = l.render(d); err != nil {
		return "", "", "", permanentf("mail: %w", err)
	}
	return subject, text, html, nil
}

// clean fills in the default name and refuses what no message can hold.
func (d Data) clean(kind Kind) (Data, error) {
	d.AppName = cmp.Or(d.AppName, DefaultName)
	// The fields that strangers write and nobody has checked are made one line; in the others a line break is an attack.
	d.UserAgent = oneLine(d.UserAgent, 200)
	d.Service, d.Name, d.Detail = oneLine(d.Service, 100), oneLine(d.Name, 255), oneLine(d.Detail, 500)
	for _, field := range []struct{ name, value string }{
		{"app name", d.AppName}, {"app address", d.AppURL}, {"e-mail address", d.Email}, {"new e-mail address", d.NewEmail},
		{"link", d.Link}, {"code", d.Code}, {"IP address", d.IP}, {"time", d.When}, {"end", d.Until},
	} {
		if hasControl(field.value) {
			return d, permanentf("mail: the %s holds a line break or another control character", field.name)
		}
	}
	if !webAddress(d.Link) || !webAddress(d.AppURL) {
		return d, permanentf("mail: link and app address must begin with https:// or http://")
	}
	if kind.carriesToken() && d.Link == "" && d.Code == "" {
		return d, permanentf("mail: %s needs a link or a code", kind)
	}
	return d, nil
}

func oneLine(s string, limit int) string {
	words := strings.FieldsFunc(strings.ToValidUTF8(s, ""), func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	r := []rune(strings.Join(words, " "))
	return string(r[:min(len(r), limit)])
}

func webAddress(s string) bool {
	if s == "" {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && !strings.ContainsAny(s, " <>\"")
}

// render executes the three templates on data that is clean.
func (l *letter) render(d Data) (subject, text, html string, err error) {
	var s, t, h bounded
	if err := errors.Join(l.subject.Execute(&s, d), l.text.Execute(&t, d), l.html.Execute(&h, d)); err != nil {
		return "", "", "", err
	}
	if subject = s.String(); strings.TrimSpace(subject) == "" || hasControl(subject) {
		return "", "", "", fmt.Errorf("%s: a subject is one line", l.subject.Name())
	}
	return subject, tidy(t.String()), strings.TrimSpace(h.String()) + "\n", nil
}

// tidy takes out the blank lines that conditions leave behind.
func tidy(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for strings.Contains(text, "\n\n\n") {
		text = strings.ReplaceAll(text, "\n\n\n", "\n\n")
	}
	return strings.TrimSpace(text) + "\n"
}
