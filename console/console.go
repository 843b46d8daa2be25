// Package console serves the web console: a single page with its assets, built by `make build` from web/ into dist/ and
// embedded. It holds no data and asks only the public API, so it needs no route of its own in the API.
//
// Without a build the package still compiles, and serves a page that says how to make one.
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

// Path is where the console lives. The page's own routes are below it.
const Path = "/console/"

//go:embed all:dist
var built embed.FS

//go:embed unbuilt.html
var unbuilt []byte

// nonceMark stands in index.html where each answer puts its own nonce (for the two style elements that the component
// library adds at run time).
const nonceMark = "__CSP_NONCE__"

// sandboxMark stands in index.html where the page reads whether there are samples.
const sandboxMark = "__SANDBOX__"

// Console answers everything below Path.
type Console struct {
	// Samples answers POST Path+"sandbox/{service}" with a credential of a fake provider; nil: the providers are real.
	Samples http.Handler

	index  []byte
	assets map[string]func() (asset, error) // read when they are first asked for: a server that nobody looks at does without
}

type asset struct {
	plain      []byte
	gzipped    func() []byte // made when it is first asked for; of nil: no smaller than the plain one
	mime, etag string
}

// zip is one writer for all assets: each takes a megabyte.
var zip struct {
	sync.Mutex
	*gzip.Writer
}

// compressed is nil where that is not smaller.
func compressed(body []byte) []byte {
	zip.Lock()
	defer zip.Unlock()
	var small bytes.Buffer
	if zip.Writer == nil {
		zip.Writer, _ = gzip.NewWriterLevel(&small, gzip.BestCompression) // the level exists
	}
	zip.Reset(&small)
	if _, err := zip.Write(body); err != nil || zip.Close() != nil || small.Len() >= len(body) {
		return nil
	}
	return small.Bytes()
}

// New reads what is in the build; each file is read and compressed once, when it is first asked for.
func New() (*Console, error) {
	dist, err := fs.Sub(built, "dist")
	if err != nil {
		return nil, fmt.Errorf("read the console's build: %w", err)
	}
	return load(dist)
}

func load(dist fs.FS) (*Console, error) {
	c := &Console{index: unbuilt, assets: map[string]func() (asset, error){}}
	index, err := fs.ReadFile(dist, "index.html")
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the console's build: %w", err)
	}
	c.index = index
	err = fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == "index.html" || strings.HasPrefix(path.Base(name), ".") {
			return err
		}
		c.assets[name] = sync.OnceValues(func() (asset, error) { return newAsset(dist, name) })
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the console's build: %w", err)
	}
	return c, nil
}

func newAsset(dist fs.FS, name string) (asset, error) {
	body, err := fs.ReadFile(dist, name)
	if err != nil {
		return asset{}, err
	}
	sum := sha256.Sum256(body)
	a := asset{plain: body, mime: mime.TypeByExtension(path.Ext(name)), etag: `"` + hex.EncodeToString(sum[:8]) + `"`}
	if a.mime == "" {
		a.mime = "application/octet-stream"
	}
	a.gzipped = sync.OnceValue(func() []byte { return compressed(body) })
	return a, nil
}

// zipped is the asset for a browser that takes it compressed, nil for others.
func (a asset) zipped(r *http.Request) []byte {
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		return nil
	}
	return a.gzipped()
}

// Pages is where the console is mounted: the server.
type Pages interface {
	Handle(pattern string, h http.Handler)
}

// Mount serves the console below Path.
func (c *Console) Mount(p Pages) {
	p.Handle("GET "+Path, c)
	if c.Samples != nil {
		p.Handle("POST "+Path+"sandbox/{service}", c.Samples)
	}
	p.Handle("GET "+strings.TrimSuffix(Path, "/"), http.RedirectHandler(Path, http.StatusFound))
}

// Built says whether the console was built into this program.
func (c *Console) Built() bool { return len(c.assets) > 0 }

// ServeHTTP answers an asset, or the page for every other path: its router knows what the path means.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, Path)
	if read, ok := c.assets[name]; ok {
		a, err := read()
		if err != nil {
			http.Error(w, "the file cannot be read", http.StatusInternalServerError)
			return
		}
		a.serve(w, r, strings.HasPrefix(name, "assets/"))
		return
	}
	if strings.HasPrefix(name, "assets/") { // of an older build
		http.Error(w, "no such file in this version: reload the page", http.StatusNotFound)
		return
	}
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-"+nonce+"'; img-src 'self' data:; font-src 'self'; "+
		"connect-src 'self'; manifest-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'")
	h.Set("X-Frame-Options", "DENY")
	sandbox := "off"
	if c.Samples != nil {
		sandbox = "on"
	}
	page := bytes.ReplaceAll(c.index, []byte(nonceMark), []byte(nonce))
	_, _ = io.Copy(w, bytes.NewReader(bytes.ReplaceAll(page, []byte(sandboxMark), []byte(sandbox))))
}

// serve sends the bytes; a file whose name holds a hash of its content never changes.
func (a asset) serve(w http.ResponseWriter, r *http.Request, hashed bool) {
	h := w.Header()
	h.Set("Content-Type", a.mime)
	h.Set("ETag", a.etag)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	if hashed {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if r.Header.Get("If-None-Match") == a.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := a.plain
	if small := a.zipped(r); small != nil {
		h.Set("Content-Encoding", "gzip")
		body = small
	}
	_, _ = w.Write(body)
}
