package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/fault"
)

// Config is everything the server needs to know. Only Ping is required.
type Config struct {
	Version        string
	Log            *slog.Logger
	Origins        []string                        // exact allowed CORS origins
	AllowOrigin    func(origin string) bool        // more origins (those of the apps); nil = Origins alone
	TrustProxy     TrustProxy                      // see ParseTrustProxy
	Ping           func(ctx context.Context) error // one real database round trip
	HealthTimeout  time.Duration                   // bound of one Ping, default 5s
	Ready          func() error                    // nil = ready; asked by /readyz, besides Ping
	RequestTimeout time.Duration                   // deadline of /api and /v1 requests, default 30s
	WriteTimeout   time.Duration                   // until the whole answer of anything but a stream is sent, default 2m
	Linger         time.Duration                   // how long a stop goes on taking requests, so that whoever sends them notices
	Started        time.Time                       // for uptime, default now
	Redis          func() bool                     // is Redis connected; nil = not configured
	Clerk          func() string                   // "ok", "stale" or "off"; nil = "off"
	Front          string                          // where "/" leads; "" = a page of the server's own

	// Observed hears of each answer, by the pattern of its route ("": none). took is negative of a stream, status 0 of an
	// answer that was cut. Begin hears of each request and gives it a context. nil = nobody looks on.
	Observed func(method, pattern string, status int, took time.Duration)
	Begin    func(r *http.Request) (ctx context.Context, end func(pattern string, status int))
}

// Server is the HTTP side of the program. Mount everything before the first request.
type Server struct {
	cfg      Config
	mux      *http.ServeMux
	api      huma.API
	schemas  *schemaNames
	streams  map[string]bool // mux patterns of streaming operations
	layers   []func(http.Handler) http.Handler
	probe    *probe
	draining chan struct{} // closed when the shutdown begins
	drain    func()
	openapi  func() ([]byte, error)
	docs     func() ([]byte, error)
	inFlight atomic.Int64
}

// New makes a server with its own routes (health, docs, front page) and no domain.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.HealthTimeout <= 0 {
		cfg.HealthTimeout = 5 * time.Second
	}
	if cfg.RequestTimeout <= 0 {
		cfg.RequestTimeout = 30 * time.Second
	}
	if cfg.WriteTimeout <= 0 {
		cfg.WriteTimeout = 2 * time.Minute
	}
	if cfg.Started.IsZero() {
		cfg.Started = time.Now()
	}
	s := &Server{
		cfg:      cfg,
		mux:      http.NewServeMux(),
		schemas:  newSchemaNames(),
		streams:  map[string]bool{},
		probe:    &probe{ping: cfg.Ping, timeout: cfg.HealthTimeout},
		draining: make(chan struct{}),
	}
	s.drain = sync.OnceFunc(func() { close(s.draining) })
	s.api = newAPI(cfg.Version, s)
	s.openapi = sync.OnceValues(s.marshalOpenAPI)
	s.docs = sync.OnceValues(s.renderDocs)
	s.mountHealth()
	s.mountPages()
	s.mux.HandleFunc("/", s.notFound)
	return s
}

// API is where domains mount their operations.
func (s *Server) API() huma.API { return s.api }

// OpenAPI is the document of everything that is mounted, as served at /openapi.json. Nothing may be mounted after it.
func (s *Server) OpenAPI() ([]byte, error) { return s.openapi() }

// Refuse is an operation middleware that answers 503 in place of a part of the API that is switched off.
func Refuse(api huma.API, message string) func(huma.Context, func(huma.Context)) {
	off := fault.New(fault.Unavailable, "SERVICE_ERROR", message)
	return func(ctx huma.Context, _ func(huma.Context)) {
		_ = huma.WriteErr(api, ctx, 0, "", off) // a client that is gone hears nothing
	}
}

// Handle mounts a plain handler, for pages that are not part of the API (the console, the pages behind links in mails).
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// Use adds a layer (rate limits) around everything that is routed. It runs after the caller's address and the request id
// are in the context and after preflights have been answered, before any body is looked at. Layers run in the order of
// Use; call it before Handler.
func (s *Server) Use(layer func(http.Handler) http.Handler) { s.layers = append(s.layers, layer) }

// Handler is the whole server: every route behind every middleware.
func (s *Server) Handler() http.Handler {
	h := s.bodies(s.routed())
	for i := len(s.layers) - 1; i >= 0; i-- {
		h = s.layers[i](h)
	}
	return s.identify(s.observe(s.accessLog(s.recoverPanic(securityHeaders(s.cors(s.cleanPath(h)))))))
}

// Serve answers requests on ln until ctx is done. Then it is not ready, tells streams to end, and for Linger goes on taking
// requests, whose answers close their connections. After that it stops accepting, lets requests in flight finish for at most
// shutdown, closes what is left and returns nil. An error means that serving failed.
func (s *Server) Serve(ctx context.Context, ln net.Listener, shutdown time.Duration) error {
	srv := &http.Server{
		Handler:                      s.Handler(),
		ReadHeaderTimeout:            10 * time.Second,
		WriteTimeout:                 s.cfg.WriteTimeout, // who does not read holds nothing for long; streams lift it
		IdleTimeout:                  120 * time.Second,
		MaxHeaderBytes:               32 << 10,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn),
		// Requests outlive ctx: they are drained, not cut.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.drain()
	select {
	case err := <-failed:
		return err
	case <-time.After(s.cfg.Linger):
	}
	takeLast(srv, ln)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdown)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		s.cfg.Log.Warn("closing what did not finish in time", "after", shutdown, "error", err)
		_ = srv.Close() // the connections are gone either way
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
