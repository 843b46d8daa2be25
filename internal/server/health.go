package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/caller"
)

// probe runs at most one Ping at a time; whoever asks meanwhile waits for the same answer. An answer is never kept.
type probe struct {
	ping    func(ctx context.Context) error
	timeout time.Duration

	mu      sync.Mutex
	running *probeRun
}

type probeRun struct {
	done chan struct{}
	err  error // read after done
}

var errProbeTimeout = errors.New("database did not answer in time")

// check returns nil when the database answered. It takes at most timeout, even when Ping ignores its context.
func (p *probe) check(ctx context.Context) error {
	if p.ping == nil {
		return errors.New("no database")
	}
	run := p.join(ctx)
	timer := time.NewTimer(p.timeout)
	defer timer.Stop()
	select {
	case <-run.done:
		return run.err
	case <-timer.C:
		return errProbeTimeout
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *probe) join(ctx context.Context) *probeRun {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		return p.running
	}
	run := &probeRun{done: make(chan struct{}), err: errors.New("ping panicked")}
	p.running = run
	// The ping belongs to all who wait, so it does not end with the request that began it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timeout)
	go func() {
		defer func() {
			cancel()
			_ = recover() // run.err says so already
			p.mu.Lock()
			p.running = nil
			p.mu.Unlock()
			close(run.done)
		}()
		run.err = p.ping(ctx)
	}()
	return run
}

type healthBody struct {
	Status   string `json:"status" enum:"healthy,unhealthy"`
	Database string `json:"database" enum:"connected,disconnected"`
	Uptime   string `json:"uptime" doc:"Days, hours and minutes since the start." example:"5d 12h 34m"`
	Version  string `json:"version" example:"1.0.0"`
}

type apiHealthBody struct {
	Status   string     `json:"status" enum:"healthy,unhealthy"`
	Version  string     `json:"version" example:"1.0.0"`
	Uptime   int64      `json:"uptime" doc:"Whole seconds since the start."`
	Redis    connection `json:"redis" doc:"Optional; false without Redis, which is well."`
	Database connection `json:"database"`
	Auth     clerkBody  `json:"auth"`
}

type connection struct {
	Connected bool `json:"connected"`
}

type clerkBody struct {
	Clerk string `json:"clerk" enum:"ok,stale,off" doc:"State of the keys for Clerk session tokens."`
}

type probeBody struct {
	Status string `json:"status" enum:"ok,unavailable"`
}

// statusAnswer is an answer with a status of its own.
type statusAnswer[T any] struct {
	Status int
	Body   T
}

func (s *Server) mountHealth() {
	const down = "The database does not answer."
	huma.Register(s.api, huma.Operation{
		OperationID: "health", Method: http.MethodGet, Path: "/health", Tags: []string{"System"}, Responses: unwell[healthBody](s.api, down),
		Summary: "Health", Description: "Runs one round trip to the database.",
	}, s.health)
	huma.Register(s.api, huma.Operation{
		OperationID: "apiHealth", Method: http.MethodGet, Path: "/api/health", Tags: []string{"System"}, Responses: unwell[apiHealthBody](s.api, down),
		Summary: "Health of the vault and the pipeline", Description: "Runs one round trip to the database.",
	}, s.apiHealth)
	huma.Register(s.api, huma.Operation{
		OperationID: "livez", Method: http.MethodGet, Path: "/livez", Tags: []string{"System"},
		Summary: "Is the process alive", Description: "Answers as long as the process answers at all.",
	}, func(context.Context, *struct{}) (*statusAnswer[probeBody], error) {
		return &statusAnswer[probeBody]{http.StatusOK, probeBody{"ok"}}, nil
	})
	huma.Register(s.api, huma.Operation{
		OperationID: "readyz", Method: http.MethodGet, Path: "/readyz", Tags: []string{"System"}, Responses: unwell[probeBody](s.api, "Send it elsewhere."),
		Summary: "May traffic be sent here", Description: "False while starting, while shutting down and without a database.",
	}, s.ready)
}

// unwell documents a 503 that has the shape of the 200.
func unwell[T any](api huma.API, why string) map[string]*huma.Response {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
	return map[string]*huma.Response{"503": {Description: why, Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}}
}

func (s *Server) health(ctx context.Context, _ *struct{}) (*statusAnswer[healthBody], error) {
	answer := &statusAnswer[healthBody]{http.StatusOK, healthBody{"healthy", "connected", uptime(time.Since(s.cfg.Started)), s.cfg.Version}}
	if !s.databaseAnswers(ctx) {
		answer.Status, answer.Body.Status, answer.Body.Database = http.StatusServiceUnavailable, "unhealthy", "disconnected"
	}
	return answer, nil
}

func (s *Server) apiHealth(ctx context.Context, _ *struct{}) (*statusAnswer[apiHealthBody], error) {
	answer := &statusAnswer[apiHealthBody]{http.StatusOK, apiHealthBody{
		Status:  "healthy",
		Version: s.cfg.Version,
		Uptime:  int64(time.Since(s.cfg.Started) / time.Second),
		Auth:    clerkBody{"off"},
	}}
	answer.Body.Redis.Connected = s.cfg.Redis != nil && s.cfg.Redis()
	if s.cfg.Clerk != nil {
		answer.Body.Auth.Clerk = s.cfg.Clerk()
	}
	answer.Body.Database.Connected = s.databaseAnswers(ctx)
	if !answer.Body.Database.Connected {
		answer.Status, answer.Body.Status = http.StatusServiceUnavailable, "unhealthy"
	}
	return answer, nil
}

func (s *Server) ready(ctx context.Context, _ *struct{}) (*statusAnswer[probeBody], error) {
	if s.isDraining() || !s.saysReady(ctx) || !s.databaseAnswers(ctx) {
		return &statusAnswer[probeBody]{http.StatusServiceUnavailable, probeBody{"unavailable"}}, nil
	}
	return &statusAnswer[probeBody]{http.StatusOK, probeBody{"ok"}}, nil
}

func (s *Server) saysReady(ctx context.Context) bool {
	if s.cfg.Ready == nil {
		return true
	}
	if err := s.cfg.Ready(); err != nil {
		s.cfg.Log.InfoContext(ctx, "not ready", "error", err)
		return false
	}
	return true
}

func (s *Server) databaseAnswers(ctx context.Context) bool {
	err := s.probe.check(ctx)
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.WarnContext(ctx, "health check failed", "error", err, "request_id", caller.RequestFrom(ctx).ID)
	}
	return err == nil
}

func (s *Server) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// uptime always names the three units: "0d 0h 3m".
func uptime(d time.Duration) string {
	minutes := int64(d / time.Minute)
	return fmt.Sprintf("%dd %dh %dm", minutes/(24*60), minutes/60%24, minutes%60)
}
