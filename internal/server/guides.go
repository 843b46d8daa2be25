package server

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	marktext "github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"turkey/docs"
	"turkey/internal/fault"
)

// guide is a page of the documentation.
type guide struct {
	Name, Title string
	Body        template.HTML
}

// guides are rendered once, at the first request for one.
var guides = sync.OnceValues(readGuides)

// markdown renders as GitHub does, without raw HTML and without style attributes, which the content policy refuses.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)), extension.Linkify),
	goldmark.WithParserOptions(parser.WithAutoHeadingID(), parser.WithASTTransformers(util.Prioritized(links{}, 100))))

func readGuides() (map[string]guide, error) {
	files, err := fs.Glob(docs.Pages, "*.md")
	if err != nil {
		return nil, fmt.Errorf("list the documentation: %w", err)
	}
	all := map[string]guide{}
	for _, file := range files {
		source, err := docs.Pages.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the documentation: %w", err)
		}
		source = comments.ReplaceAll(source, nil)
		g := guide{Name: strings.TrimSuffix(file, ".md")}
		g.Title, _, _ = strings.Cut(strings.TrimPrefix(string(source), "# "), "\n")
		var body bytes.Buffer
		if err := markdown.Convert(source, &body, parser.WithContext(parser.NewContext(parser.WithIDs(headings{})))); err != nil {
			return nil, fmt.Errorf("render %s: %w", file, err)
		}
		g.Body = template.HTML(body.String()) //nolint:gosec // our own pages, without raw HTML
		all[g.Name] = g
	}
	return all, nil
}

// headings are named as GitHub names them, since the pages are read there too.
type headings map[string]int

// Generate is for goldmark.
func (h headings) Generate(heading []byte, _ ast.NodeKind) []byte {
	id := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(string(heading)))
	n := h[id]
	h[id]++
	if n > 0 {
		id += "-" + strconv.Itoa(n)
	}
	return []byte(id)
}

// Put is for goldmark.
func (h headings) Put(id []byte) { h[string(id)]++ }

// comments are marks for tests.
var comments = regexp.MustCompile(`(?s)<!--.*?-->\n*`)

// links leads links between pages to where they are served. What else the repository holds is not served: it becomes text.
type links struct{}

// Transform is for goldmark.
func (links) Transform(doc *ast.Document, _ marktext.Reader, _ parser.Context) {
	var away []ast.Node
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the function below has no error
		link, ok := n.(*ast.Link)
		if !ok || !entering {
			return ast.WalkContinue, nil
		}
		page, fragment, inside := strings.Cut(string(link.Destination), "#")
		switch name, isPage := strings.CutSuffix(page, ".md"); {
		case strings.Contains(page, "://") || page == "" || strings.HasPrefix(page, "/"):
		case isPage && !strings.Contains(name, "/"):
			to := "/docs/" + name
			if inside {
				to += "#" + fragment
			}
			link.Destination = []byte(to)
		default:
			away = append(away, link)
		}
		return ast.WalkContinue, nil
	})
	for _, link := range away {
		parent := link.Parent()
		for child := link.FirstChild(); child != nil; child = link.FirstChild() {
			parent.InsertBefore(parent, link, child)
		}
		parent.RemoveChild(parent, link)
	}
}

// servePicture answers a picture of the pages.
func (s *Server) servePicture(w http.ResponseWriter, r *http.Request) {
	name := "images/" + r.PathValue("file")
	if _, err := fs.Stat(docs.Pages, name); err != nil || !strings.HasSuffix(name, ".webp") {
		s.WriteError(w, r, fault.New(fault.NotFound, "not_found", "There is no such picture"))
		return
	}
	http.ServeFileFS(w, r, docs.Pages, name)
}

func (s *Server) serveGuide(w http.ResponseWriter, r *http.Request) {
	all, err := guides()
	if err != nil {
		s.WriteError(w, r, err)
		return
	}
	name := r.PathValue("page")
	if strings.HasSuffix(name, ".svg") {
		if _, err := fs.Stat(docs.Pages, name); err == nil {
			http.ServeFileFS(w, r, docs.Pages, name)
			return
		}
	}
	g, ok := all[name]
	if !ok {
		s.WriteError(w, r, fault.New(fault.NotFound, "not_found", "There is no such page"))
		return
	}
	var page bytes.Buffer
	if err := templates.ExecuteTemplate(&page, "guide.html", g); err != nil {
		s.WriteError(w, r, err)
		return
	}
	writePage(w, page.Bytes())
}
