package mail

import (
	"errors"
	"fmt"
	htmltemplate "html/template"
	"regexp"
	"slices"
	"strings"
	texttemplate "text/template"
	"text/template/parse"
	"unicode"
	"unicode/utf8"
)

// Own is the text of one kind as an app's operator wrote it while the server ran. It may do less than a file: what is in a
// file, whoever runs the machine put there.
type Own struct {
	Subject, Text, HTML string
}

// Bounds of an Own, in bytes.
const (
	MaxOwnSubject = 500
	MaxOwnText    = 16 << 10
	MaxOwnHTML    = 64 << 10
)

// OwnError says what is wrong with one of the three: "subject", "text" or "html".
type OwnError struct {
	Part string
	Err  error
}

func (e *OwnError) Error() string { return e.Part + ": " + e.Err.Error() }

// Unwrap is the cause.
func (e *OwnError) Unwrap() error { return e.Err }

// Source is the text that an app's messages of a kind have without an Own.
func (t *Templates) Source(appID string, kind Kind) Own {
	f, ok := t.appSources[appID]
	if !ok {
		f = t.sources
	}
	k := string(kind)
	return Own{Subject: strings.TrimRight(f[k+".subject.txt"].text, "\r\n"), Text: f[k+".txt"].text, HTML: f[k+".html"].text}
}

// RenderOwn writes a message in the words of an Own.
func (t *Templates) RenderOwn(appID string, kind Kind, o Own, d Data) (subject, text, html string, err error) {
	l, err := t.compileOwn(appID, kind, o)
	if err != nil {
		return "", "", "", permanentf("mail: own template of %s: %w", kind, err)
	}
	return l.write(kind, d)
}

// Preview tries an Own out and shows it with sample data, in the name of the app. Every error is an *OwnError, or several joined.
func (t *Templates) Preview(appID, appName string, kind Kind, o Own) (subject, text, html string, err error) {
	l, err := t.compileOwn(appID, kind, o)
	if err != nil {
		return "", "", "", err
	}
	if err := l.tryOutOwn(kind); err != nil {
		return "", "", "", err
	}
	d := kind.sample()
	d.AppName = appName
	if subject, text, html, err = l.write(kind, d); err != nil {
		return "", "", "", ownError(err)
	}
	return subject, text, html, nil
}

// sample is what messages of the kind really have: none has a code today, few have a link.
func (k Kind) sample() Data {
	d := sample
	d.Code = ""
	if !k.carriesToken() {
		d.Link = ""
	}
	return d
}

func (t *Templates) compileOwn(appID string, kind Kind, o Own) (*letter, error) {
	if !slices.Contains(kinds, kind) {
		return nil, fmt.Errorf("no message of the kind %q", kind)
	}
	shared, ok := t.appSources[appID]
	if !ok {
		shared = t.sources
	}
	subject := strings.TrimRight(o.Subject, "\r\n")
	f := files{layout: shared[layout], string(kind) + ".subject.txt": {"subject", subject}, string(kind) + ".txt": {"text", o.Text}, string(kind) + ".html": {"html", o.HTML}}
	blocks := layoutBlocks(shared[layout].text)
	for _, part := range []struct {
		name, text string
		most       int
		blocks     []string
	}{{"subject", subject, MaxOwnSubject, nil}, {"text", o.Text, MaxOwnText, nil}, {"html", o.HTML, MaxOwnHTML, blocks}} {
		if err := checkOwn(part.name, part.text, part.most, part.blocks); err != nil {
			return nil, &OwnError{part.name, err}
		}
	}
	l, err := f.parse(kind)
	if err != nil {
		return nil, ownError(err)
	}
	return l, nil
}

// layoutBlocks are the names that a layout defines.
func layoutBlocks(text string) (names []string) {
	l, err := htmltemplate.New("").Funcs(functions).Parse(text)
	if err != nil { // it was tried out at the start
		return nil
	}
	for _, t := range l.Templates() {
		names = append(names, t.Name())
	}
	return names
}

// callable is what an Own may call. None of it makes much out of little, as printf does with a width.
var callable = []string{"duration", "device", "button", "and", "or", "not", "eq", "ne"}

var (
	active = regexp.MustCompile(`(?i)<\s*(script|iframe|object|embed|form|input|base|meta)\b`)
	handed = regexp.MustCompile(`(?i)\son[a-z]+\s*=|javascript:`)
)

func checkOwn(name, text string, most int, blocks []string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("must not be empty")
	}
	if len(text) > most {
		return fmt.Errorf("is longer than %d bytes", most)
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\n\r\t", r) }) {
		return errors.New("holds a control character")
	}
	if tag := active.FindString(text); name == "html" && tag != "" {
		return fmt.Errorf("%s: mail programs drop scripts, forms and frames", tag)
	}
	if act := handed.FindString(text); name == "html" && act != "" {
		return fmt.Errorf("%s: mail programs drop scripts", strings.TrimSpace(act))
	}
	tree := parse.New(name)
	tree.Mode = parse.SkipFuncCheck
	set := map[string]*parse.Tree{}
	if _, err := tree.Parse(text, "", "", set); err != nil {
		return plain(err)
	}
	for defined := range set {
		if defined != name {
			return fmt.Errorf("define %q: blocks are made in the layout", defined)
		}
	}
	return checkNode(tree.Root, blocks)
}

// checkNode refuses what could keep a server busy: loops, blocks that call themselves, functions that print at will.
func checkNode(node parse.Node, blocks []string) error {
	branch := func(b *parse.BranchNode) error {
		if b.ElseList == nil {
			return errors.Join(checkNode(b.Pipe, blocks), checkNode(b.List, blocks))
		}
		return errors.Join(checkNode(b.Pipe, blocks), checkNode(b.List, blocks), checkNode(b.ElseList, blocks))
	}
	all := func(nodes []parse.Node) (err error) {
		for _, n := range nodes {
			err = errors.Join(err, checkNode(n, blocks))
		}
		return err
	}
	switch n := node.(type) {
	case *parse.ListNode:
		return all(n.Nodes)
	case *parse.ActionNode:
		return checkNode(n.Pipe, blocks)
	case *parse.IfNode:
		return branch(&n.BranchNode)
	case *parse.WithNode:
		return branch(&n.BranchNode)
	case *parse.PipeNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Cmds {
			if err := all(c.Args); err != nil {
				return err
			}
		}
		return nil
	case *parse.ChainNode:
		return checkNode(n.Node, blocks)
	case *parse.TemplateNode:
		if !slices.Contains(blocks, n.Name) {
			return fmt.Errorf("line %d: there is no block %q", n.Line, n.Name)
		}
		return checkNode(n.Pipe, blocks)
	case *parse.IdentifierNode:
		if !slices.Contains(callable, n.Ident) {
			return fmt.Errorf("%s cannot be used; there are %s", n.Ident, strings.Join(callable, ", "))
		}
		return nil
	case *parse.TextNode, *parse.CommentNode, *parse.FieldNode, *parse.VariableNode, *parse.DotNode, *parse.NilNode, *parse.BoolNode, *parse.NumberNode, *parse.StringNode:
		return nil
	default:
		return fmt.Errorf("%.40s: cannot be used", node)
	}
}

// tryOutOwn renders with everything there is, and with nothing. A link may be read and followed, and go nowhere else: an
// address that holds it would tell it to others.
func (l *letter) tryOutOwn(k Kind) error {
	full := k.sample()
	for _, d := range []Data{full, {AppName: full.AppName, Link: full.Link}} {
		subject, text, html, err := l.render(d)
		if err != nil {
			return ownError(err)
		}
		if d.Link == "" {
			continue
		}
		if strings.Contains(subject, d.Link) {
			return &OwnError{"subject", errors.New("a subject is seen and logged on the way; {{.Link}} does not belong there")}
		}
		if !strings.Contains(text, d.Link) {
			return &OwnError{"text", errors.New("{{.Link}} is missing: without it nobody can go on")}
		}
		if !strings.Contains(html, `href="`+d.Link+`"`) {
			return &OwnError{"html", errors.New(`{{.Link}} is missing: it has to be followed, as in {{template "button" button .Link "Go on"}} or <a href="{{.Link}}">`)}
		}
		if rest := strings.ReplaceAll(html, `href="`+d.Link+`"`, ""); inTag.MatchString(rest) {
			return &OwnError{"html", errors.New(`{{.Link}} is part of another address, which would learn the secret in it: use href="{{.Link}}"`)}
		}
	}
	return nil
}

// inTag finds the sample's token within a tag or a style.
var inTag = regexp.MustCompile(`<[^>]*0123456789abcdef|url\([^)]*0123456789abcdef`)

// ownError puts an error of the template packages down to the part that they name.
func ownError(err error) error {
	if _, ok := errors.AsType[*OwnError](err); ok {
		return err
	}
	message := plain(err)
	for _, part := range []string{"subject", "text", "html"} {
		if rest, ok := strings.CutPrefix(message.Error(), part+":"); ok {
			return &OwnError{part, errors.New(strings.TrimSpace(rest))}
		}
	}
	return &OwnError{"html", message}
}

// plain is an error without what the template packages put before it.
func plain(err error) error {
	if e, ok := errors.AsType[*htmltemplate.Error](err); ok {
		message, _, _ := strings.Cut(e.Description, ": {state")
		return fmt.Errorf("html:%s", message)
	}
	if e, ok := errors.AsType[texttemplate.ExecError](err); ok {
		err = e
	}
	message, _, _ := strings.Cut(err.Error(), "\n")
	message = strings.TrimPrefix(strings.TrimPrefix(message, "mail: "), "html/template:")
	return errors.New(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(message), "template: ")))
}

// bounded is what a template writes to. Blocks that are called a thousand times make no endless mail.
type bounded struct{ strings.Builder }

const maxRendered = 1 << 20

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxRendered {
		return 0, errors.New("the message is longer than 1 MiB")
	}
	return b.Builder.Write(p)
}
