package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"turkey/internal/caller"
	"turkey/internal/fault"
)

// The limits of one body, in bytes.
const (
	authBodyLimit = 102_400 // /v1 and everything that is not /api
	apiBodyLimit  = 1 << 20 // /api
)

// maxUserAgent bounds what is kept of the User-Agent header, in bytes; maxInboundID what is logged of X-Request-Id.
const (
	maxUserAgent = 512
	maxInboundID = 128
)

// errRequestTimeout is the cause of a context that ran into RequestTimeout, which tells it from an upstream's timeout.
var errRequestTimeout = errors.New("request timeout")

type logKey struct{}

// under reports whether the path lies in the half of the API that starts with root.
func under(root, p string) bool {
	rest, ok := strings.CutPrefix(p, root)
	return ok && (rest == "" || rest[0] == '/')
}

// identify gives the request its id and its caller. An inbound id is never used as ours.
func (s *Server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := newRequestID()
		w.Header().Set("X-Request-Id", id)
		if s.isDraining() { // whoever keeps connections open must not find this one closed by the time it sends the next request
			w.Header().Set("Connection", "close")
		}
		// net/http takes a length beside chunks for no length, and does not tell of it. A proxy that goes by the length would take
		// for a part of this request what follows it, so nothing may (RFC 9112, 6.1).
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		ctx := context.WithValue(r.Context(), logKey{}, s.cfg.Log)
		ctx = caller.WithRequest(ctx, caller.Request{
			ID:        id,
			IP:        s.cfg.TrustProxy.clientIP(r),
			UserAgent: cut(r.UserAgent(), maxUserAgent),
		})
		ctx, cancel := s.deadline(ctx, w, r)
		defer cancel()
		next.ServeHTTP(recorded(w), r.WithContext(ctx)) // the one copy of a request
	})
}

// newRequestID prefers ids that sort by time.
func newRequestID() string {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.NewString()
	}
	return id.String()
}

// cut shortens s to at most n bytes of valid UTF-8.
func cut(s string, n int) string {
	return strings.ToValidUTF8(s[:min(len(s), n)], "")
}

// accessLog writes one line per request. Query strings are left out: links in mails carry tokens there.
func (s *Server) accessLog(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		res := recorded(w)
		defer func() {
			res.commit()
			level := accessLevel(r.URL.Path, res.status)
			if !s.cfg.Log.Enabled(r.Context(), level) {
				return
			}
			from := caller.RequestFrom(r.Context())
			attrs := []slog.Attr{
				slog.String("method", r.Method),
				slog.String("path", r.URL.Path),
				slog.Int("status", res.status),
				slog.Float64("duration_ms", float64(time.Since(start).Microseconds())/1000),
				slog.Int64("bytes", res.bytes),
				slog.String("request_id", from.ID),
				slog.String("ip", from.IP),
			}
			if inbound := r.Header.Get("X-Request-Id"); inbound != "" {
				attrs = append(attrs, slog.String("inbound_request_id", cut(inbound, maxInboundID)))
			}
			s.cfg.Log.LogAttrs(r.Context(), level, "request", attrs...)
		}()
		next.ServeHTTP(res, r)
	})
}

func accessLevel(p string, status int) slog.Level {
	switch {
	case p == "/livez" || p == "/readyz":
		return slog.LevelDebug
	case status >= http.StatusInternalServerError:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// recoverPanic answers for a handler that panicked. When part of the answer is already out, the connection is cut, so that
// the client does not take half an answer for a whole one.
func (s *Server) recoverPanic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			res := recorded(w)
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				res.abort()
				panic(p)
			}
			s.cfg.Log.ErrorContext(r.Context(), "panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()),
				"request_id", caller.RequestFrom(r.Context()).ID, "method", r.Method, "path", r.URL.Path)
			if !res.reset() {
				panic(http.ErrAbortHandler)
			}
			s.WriteError(w, r, fault.New(fault.Internal, "", ""))
		}()
		next.ServeHTTP(w, r)
	})
}

// securityHeaders sets the row of auth-api.md §1 and forbids caching of both halves.
func securityHeaders(next http.Handler) http.Handler {
	// The values are shared by all answers: Set and Add leave a slice without spare capacity alone.
	fixed := []struct {
		name  string
		value []string
	}{
		{"Content-Security-Policy", []string{"default-src 'self'; object-src 'none'; base-uri 'self'; frame-ancestors 'self'; form-action 'self'"}},
		{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
		{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
		{"Origin-Agent-Cluster", []string{"?1"}},
		{"Referrer-Policy", []string{"no-referrer"}},
		{"Strict-Transport-Security", []string{"max-age=15552000; includeSubDomains"}},
		{"X-Content-Type-Options", []string{"nosniff"}},
		{"X-Dns-Prefetch-Control", []string{"off"}},
		{"X-Download-Options", []string{"noopen"}},
		{"X-Frame-Options", []string{"SAMEORIGIN"}},
		{"X-Permitted-Cross-Domain-Policies", []string{"none"}},
		{"X-Xss-Protection", []string{"0"}},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for _, f := range fixed {
			h[f.name] = f.value
		}
		if under("/v1", r.URL.Path) || under("/api", r.URL.Path) || r.URL.Path == "/health" {
			h.Set("Cache-Control", "no-store")
		}
		next.ServeHTTP(w, r)
	})
}

// cleanPath refuses paths that ServeMux would redirect with an HTML page ("//", "/a/../b"): they name no route.
func (s *Server) cleanPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.URL.EscapedPath()
		if clean := path.Clean(p); !strings.HasPrefix(p, "/") || clean != p && (clean == "/" || clean+"/" != p) {
			s.notFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// notFound answers unknown routes, and known paths with a wrong method: there is no 405 in the contract.
func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	if under("/api", r.URL.Path) {
		s.WriteError(w, r, fault.New(fault.NotFound, "NOT_FOUND", "Not found"))
		return
	}
	s.WriteError(w, r, fault.New(fault.NotFound, "not_found", "Route "+r.Method+" "+r.URL.Path+" not found"))
}

// bodies holds requests to the size and type of their half. Slow bodies are cut by a read deadline, which is lifted with
// the last byte: net/http takes a deadline that expires later for a client that went away.
func (s *Server) bodies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if under("/v1", r.URL.Path) && (r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch) {
			if !isJSON(r.Header.Get("Content-Type")) {
				s.WriteError(w, r, fault.New(fault.UnsupportedMedia, "", ""))
				return
			}
			r.Header.Set("Content-Type", "application/json") // huma compares letter by letter
		}
		limit := int64(authBodyLimit)
		if under("/api", r.URL.Path) {
			limit = apiBodyLimit
		}
		if r.ContentLength > limit {
			if r.ContentLength > limit+mostDrained || !drain(w, r) {
				w.Header().Set("Connection", "close") // the rest is not worth reading
			}
			s.WriteError(w, r, fault.New(fault.TooLarge, "", ""))
			return
		}
		if r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody {
			conn := http.NewResponseController(w)
			_ = conn.SetReadDeadline(time.Now().Add(s.cfg.RequestTimeout)) // recorders in tests have none
			r.Body = &timedBody{ReadCloser: http.MaxBytesReader(w, r.Body, limit), conn: conn}
		}
		next.ServeHTTP(w, r)
	})
}

// mostDrained is how much more than it takes the server reads, in drainTime, only to be heard: a proxy that is still sending when
// the connection ends tells its client 502 instead of 413.
const (
	mostDrained = 4 << 20
	drainTime   = 5 * time.Second
)

func drain(w http.ResponseWriter, r *http.Request) bool {
	conn := http.NewResponseController(w)
	if conn.SetReadDeadline(time.Now().Add(drainTime)) != nil { // recorders in tests have none
		return false
	}
	_, err := io.Copy(io.Discard, r.Body)
	return err == nil && conn.SetReadDeadline(time.Time{}) == nil
}

// isJSON accepts application/json with any parameters, in any case.
func isJSON(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), "application/json")
}

type timedBody struct {
	io.ReadCloser
	conn *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}

// deadline bounds the work for one request of the API. Streams run until the client leaves or the server drains.
func (s *Server) deadline(ctx context.Context, w http.ResponseWriter, r *http.Request) (context.Context, context.CancelFunc) {
	if !under("/v1", r.URL.Path) && !under("/api", r.URL.Path) {
		return ctx, func() {}
	}
	if _, pattern := s.mux.Handler(r); !s.streams[pattern] {
		return context.WithTimeoutCause(ctx, s.cfg.RequestTimeout, errRequestTimeout)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // recorders in tests have none
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-s.draining:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
