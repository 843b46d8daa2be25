package console

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func answer(t *testing.T, c *Console, path string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header = header
	w := httptest.NewRecorder()
	mux := http.NewServeMux()
	c.Mount(mux)
	mux.ServeHTTP(w, r)
	return w
}

func body(t *testing.T, r *httptest.ResponseRecorder) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestConsole(t *testing.T) {
	t.Parallel()
	script := strings.Repeat("console.log('a');\n", 100)
	c, err := load(fstest.MapFS{
		"index.html":         {Data: []byte(`<meta property="csp-nonce" nonce="` + nonceMark + `"><div id="root"></div>`)},
		"assets/main-abc.js": {Data: []byte(script)},
		"icon.svg":           {Data: []byte("<svg/>")},
		".gitkeep":           {},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !c.Built() {
		t.Error("it does not know its build")
	}
	var nonces []string
	for _, path := range []string{"/console/", "/console/a/shop/credentials/7", "/console/.gitkeep"} { // the page's router knows
		r := answer(t, c, path, nil)
		page, policy := body(t, r), r.Header().Get("Content-Security-Policy")
		_, nonce, _ := strings.Cut(page, `nonce="`)
		nonce, _, _ = strings.Cut(nonce, `"`)
		nonces = append(nonces, nonce)
		if r.Code != 200 || len(nonce) < 20 || !strings.Contains(policy, "style-src 'self' 'nonce-"+nonce+"'") || !strings.Contains(policy, "script-src 'self';") ||
			strings.Contains(policy, "unsafe") || r.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %q %s", path, r.Code, policy, page)
		}
	}
	if nonces[0] == nonces[1] {
		t.Error("a nonce is used twice")
	}

	plain := answer(t, c, "/console/assets/main-abc.js", nil)
	if body(t, plain) != script || plain.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" || !strings.Contains(plain.Header().Get("Content-Type"), "javascript") {
		t.Errorf("%v", plain.Header())
	}
	small := answer(t, c, "/console/assets/main-abc.js", http.Header{"Accept-Encoding": {"br, gzip"}})
	z, err := gzip.NewReader(small.Body)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || string(b) != script || small.Header().Get("Vary") != "Accept-Encoding" {
		t.Errorf("%v %v", err, small.Header())
	}
	if r := answer(t, c, "/console/icon.svg", http.Header{"If-None-Match": {answer(t, c, "/console/icon.svg", nil).Header().Get("ETag")}}); r.Code != 304 {
		t.Errorf("the same again: %d", r.Code)
	}
	if r := answer(t, c, "/console/assets/gone.js", nil); r.Code != 404 {
		t.Errorf("a file of an older build: %d", r.Code)
	}
	if r := answer(t, c, "/console", nil); r.Code != 302 || r.Header().Get("Location") != Path {
		t.Errorf("%d to %q", r.Code, r.Header().Get("Location"))
	}
}

func TestSamplesAreThereWithTheSandboxAlone(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"index.html": {Data: []byte(`<meta name="turkey-sandbox" content="` + sandboxMark + `">`)}}
	for state, samples := range map[string]http.Handler{"off": nil, "on": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.PathValue("service")))
	})} {
		c, err := load(files)
		if err != nil {
			t.Fatal(err)
		}
		c.Samples = samples
		if page := body(t, answer(t, c, "/console/", nil)); !strings.Contains(page, `content="`+state+`"`) {
			t.Errorf("%s: %s", state, page)
		}
		mux, w := http.NewServeMux(), httptest.NewRecorder()
		c.Mount(mux)
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/console/sandbox/ga4", nil))
		if answered := w.Code == 200 && w.Body.String() == "ga4"; answered != (state == "on") {
			t.Errorf("%s: %d %s", state, w.Code, w.Body)
		}
	}
}

func TestWithoutABuild(t *testing.T) {
	t.Parallel()
	c, err := load(fstest.MapFS{".gitkeep": {}})
	if err != nil {
		t.Fatal(err)
	}
	if page := body(t, answer(t, c, "/console/", nil)); c.Built() || !strings.Contains(page, "make build") {
		t.Errorf("%s", page)
	}
}
