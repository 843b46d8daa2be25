package server_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"turkey/internal/server"
)

// reply is an answer whose body was read.
type reply struct {
	status int
	header http.Header
}

// talk writes bytes to a server and reads answers until it closes the connection or leaves it silent.
func talk(t *testing.T, address, bytes string) (answers []reply) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, bytes); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).CloseWrite() // no more will come: the server need not wait for it, and may have closed already
	r := bufio.NewReader(conn)
	for {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return answers
		}
		_, _ = io.Copy(io.Discard, res.Body) // the length is enough
		res.Body.Close()
		answers = append(answers, reply{res.StatusCode, res.Header})
	}
}

// TestSmuggling: bytes that a proxy and this server could take for different requests. Whatever is ambiguous is refused, or
// answered and the connection closed, so nothing behind it is read as a request.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	s := server.New(quiet())
	var smuggled, handled atomic.Int64
	s.Handle("/smuggled", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { smuggled.Add(1) }))
	s.Handle("POST /api/in", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		handled.Add(1)
		_, _ = io.Copy(io.Discard, r.Body) // an error is the test's point
	}))
	url, _, _ := serve(t, s, time.Second)
	address := strings.TrimPrefix(url, "http://")
	const next = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	post := func(rest string) string { return "POST /api/in HTTP/1.1\r\nHost: x\r\n" + rest }
	for name, c := range map[string]struct {
		bytes string
		first int  // status of the first answer; 0: none
		sent  bool // next is a request of its own here, by every reading
	}{
		"two requests, one after the other": {post("Content-Length: 0\r\n\r\n") + next, 200, true},
		"CL and TE":                         {post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next), 200, false},
		"TE and CL":                         {post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + next), 200, false},
		"CL too short, and TE":              {post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n" + next), 200, false},
		"two different CL":                  {post("Content-Length: 0\r\nContent-Length: 35\r\n\r\n" + next), 400, false},
		"a list of CL":                      {post("Content-Length: 0, 35\r\n\r\n" + next), 400, false},
		"CL with a sign":                    {post("Content-Length: +0\r\n\r\n" + next), 400, false},
		"a negative CL":                     {post("Content-Length: -1\r\n\r\n" + next), 400, false},
		"CL in hex":                         {post("Content-Length: 0x0\r\n\r\n" + next), 400, false},
		"CL that overflows":                 {post("Content-Length: 18446744073709551616\r\n\r\n" + next), 400, false},
		"an empty CL":                       {post("Content-Length: \r\n\r\n" + next), 400, false},
		"a space before the colon of CL":    {post("Content-Length : 0\r\n\r\n" + next), 400, false},
		"TE that is none":                   {post("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + next), 501, false},
		"TE identity":                       {post("Transfer-Encoding: identity\r\n\r\n" + next), 501, false},
		"TE twice":                          {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + next), 501, false},
		"TE list":                           {post("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + next), 501, false},
		"TE with a vertical tab":            {post("Transfer-Encoding: \vchunked\r\nContent-Length: 0\r\n\r\n" + next), 400, false},
		"a folded TE":                       {post("Transfer-Encoding:\r\n chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n" + next), 200, false},
		"a folded line":                     {post("X-A: b\r\n\tTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n") + next, 200, true}, // one header, by every reading
		"a name with a space":               {post("X A: b\r\nContent-Length: 0\r\n\r\n") + next, 400, false},
		"a line without a colon":            {post("Content-Length\r\n\r\n") + next, 400, false},
		"a null in a value":                 {post("X-A: a\x00b\r\nContent-Length: 0\r\n\r\n") + next, 400, false},
		"CR alone ends no line":             {post("X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n") + next, 400, false},
		"a chunk of a negative size":        {post("Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + next), 200, false},
		"a chunk without an end":            {post("Transfer-Encoding: chunked\r\n\r\n4\r\nabcd" + next), 200, false},
		"a chunk size that overflows":       {post("Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n" + next), 200, false},
		"a chunk size with LF alone":        {post("Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n0\r\n\r\n" + next), 200, false},
		"a long chunk extension":            {post("Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", 70_000) + "\r\na\r\n0\r\n\r\n" + next), 200, false},
		"two hosts":                         {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + next, 400, false},
		"no host":                           {"GET / HTTP/1.1\r\n\r\n" + next, 400, false},
		"a host with a path":                {"GET / HTTP/1.1\r\nHost: a/smuggled\r\n\r\n" + next, 400, false},
		"a null in the path":                {"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n" + next, 400, false},
		"a space in the path":               {"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n" + next, 400, false},
		"HTTP/1.9":                          {"GET / HTTP/1.9\r\nHost: x\r\n\r\n" + next, 200, true},
		"HTTP/0.9":                          {"GET /smuggled\r\n\r\n", 400, false},
		"an escape that is none":            {"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n" + next, 400, false},
		"a body of a GET":                   {"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 35\r\n\r\n" + next, 200, false},
		"CONNECT":                           {"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\n\r\n", 404, false},
		"an upgrade to HTTP/2":              {"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n", 200, false},
		"HTTP/2 at once":                    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404, false},
	} {
		smuggled.Store(0)
		answers := talk(t, address, c.bytes)
		first := 0
		if len(answers) > 0 {
			first = answers[0].status
		}
		if first != c.first {
			t.Errorf("%s: got %d, want %d", name, first, c.first)
		}
		if (smuggled.Load() > 0) != c.sent {
			t.Errorf("%s: the request behind it was answered %d times", name, smuggled.Load())
		}
		if !c.sent && len(answers) > 1 && first != 404 {
			t.Errorf("%s: %d answers", name, len(answers))
		}
	}
	if handled.Load() == 0 {
		t.Error("no request was one")
	}
}

// TestPathTricks: a path that is written in another way names the same route, with the same walls, or none.
func TestPathTricks(t *testing.T) {
	t.Parallel()
	s := server.New(quiet())
	var reached atomic.Pointer[string]
	guarded := func(next http.Handler) http.Handler { // as the limits and walls of cli's layers see it
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/admin/secret" {
				w.WriteHeader(http.StatusTeapot)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	s.Use(guarded)
	s.Handle("GET /v1/admin/secret", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { p := r.URL.Path; reached.Store(&p) }))
	s.Handle("GET /v1/things/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.PathValue("id")) }))
	url, _, _ := serve(t, s, time.Second)
	address := strings.TrimPrefix(url, "http://")
	for _, p := range []string{
		"/v1/admin/secret", "//v1/admin/secret", "/v1//admin/secret", "/v1/./admin/secret", "/v1/things/../admin/secret", "/v1/admin/secret/", "/v1/admin/secret/.", "/v1/admin/secret//",
		"/v1/%61dmin/secret", "/v1/admin%2fsecret", "/v1/admin%2Fsecret", "/v1%2fadmin/secret", "/v1/%2e/admin/secret", "/v1/things/%2e%2e/admin/secret", "/v1/things/..%2fadmin/secret",
		"/v1/admin/secret;x=1", "/v1;x/admin/secret", "/v1/admin;/secret", "/V1/ADMIN/SECRET", "/v1/Admin/secret", "/v1/admin/secret%00", "/v1/admin/secret%20", "/v1/admin/secret.json",
		"/v1/admin/secret%3f", "/v1/admin/secret%23", "/v1/admin\\secret", "/v1\\admin\\secret", "/v1/admin/%73ecret", "/v1/%2561dmin/secret", "/%2e%2e/v1/admin/secret", "/./v1/admin/secret",
		"/v1/admin/secret%252f", "/v1/ａdmin/secret", "http://other.example/v1/admin/secret", "http://x//v1/admin/secret", "/v1/admin/secret?x=/../..", "*", "v1/admin/secret",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			reached.Store(nil)
			answers := talk(t, address, method+" "+p+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if got := reached.Load(); got != nil {
				t.Errorf("%s %s passed by the wall, as %q", method, p, *got)
			}
			if method == "HEAD" {
				continue // its answer is GET's without a body, which ReadResponse would wait for
			}
			if len(answers) != 1 || answers[0].status != 418 && answers[0].status != 404 && answers[0].status != 400 {
				t.Errorf("%s: %d answers, %v", p, len(answers), answers)
			} else if location := answers[0].header.Get("Location"); location != "" {
				t.Errorf("%s leads to %s", p, location)
			}
		}
	}
	// What stands in a parameter is a text, whatever it looks like.
	b := serveBundle(t, s)
	for escaped, want := range map[string]string{"..%2f..%2fetc": "../../etc", "a%2fb": "a/b", "%2e": ".", "a;b": "a;b", "a%3fb": "a?b"} {
		a := b.get("/v1/things/" + escaped)
		if a.status == 200 && a.body != want || a.status != 200 && a.status != 404 {
			t.Errorf("%s: %d %q", escaped, a.status, a.body)
		}
	}
}

// TestHeadersAreBounded: many headers, long ones, slow ones.
func TestHeadersAreBounded(t *testing.T) {
	t.Parallel()
	url, _, _ := serve(t, server.New(quiet()), time.Second)
	address := strings.TrimPrefix(url, "http://")
	var many strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&many, "X-%d: y\r\n", i)
	}
	for name, headers := range map[string]string{"a long one": "X-A: " + strings.Repeat("x", 1<<20) + "\r\n", "many": many.String(), "a long name": strings.Repeat("x", 1<<20) + ": y\r\n"} {
		answers := talkUntilCut(t, address, "GET /livez HTTP/1.1\r\nHost: x\r\n"+headers+"\r\n")
		if len(answers) != 1 || answers[0].status != 431 {
			t.Errorf("%s: %v", name, answers)
		}
	}
	if answers := talkUntilCut(t, address, "GET /"+strings.Repeat("x", 1<<20)+" HTTP/1.1\r\nHost: x\r\n\r\n"); len(answers) != 1 || answers[0].status < 400 {
		t.Errorf("a long path: %v", answers)
	}
}

// talkUntilCut is talk with a server that may stop reading.
func talkUntilCut(t *testing.T, address, bytes string) []reply {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(conn, bytes) }() // the rest is refused
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	return []reply{{res.StatusCode, res.Header}}
}

// TestLogLinesAreOneLine: what a client sends makes no line of its own in a log, in either form.
func TestLogLinesAreOneLine(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]func(io.Writer) slog.Handler{
		"json": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
		"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
	} {
		log := &logBuffer{}
		s := server.New(server.Config{Log: slog.New(handler(log))})
		mountDomain(s)
		b := serveBundle(t, s)
		const forged = "%0d%0atime=2026-01-01T00:00:00Z%20level=ERROR%20msg=forged%0a{%22level%22:%22ERROR%22,%22msg%22:%22forged%22}%1b[31m%00%e2%80%a8%c2%85"
		requests := 0
		for _, path := range []string{"/v1/fail/" + forged, "/v1/" + forged, "/api/who?q=" + forged, "/v1/panic"} {
			b.get(path, "User-Agent", "a\tmsg=forged", "X-Request-Id", "x\" level=ERROR msg=\"forged", "Referer", "forged")
			requests++
		}
		lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
		if len(lines) != requests+1 { // and the panic's own
			t.Errorf("%s: %d requests made %d lines:\n%s", name, requests, len(lines), log)
		}
		for _, line := range lines {
			if strings.ContainsAny(line, "\x00\x1b\r\u2028") || strings.HasPrefix(line, "time=2026-01-01") || name == "text" && strings.Contains(line, ` level=ERROR msg=forged`) && !strings.Contains(line, `\n`) {
				t.Errorf("%s: %q", name, line)
			}
		}
	}
}
