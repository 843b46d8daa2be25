package trace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Config is how traces leave, in the words of OpenTelemetry's own variables.
type Config struct {
	Endpoint   string // of /v1/traces, whole
	Headers    string // name=value, separated by commas
	Service    string
	Resource   string // further attributes of this process: name=value, separated by commas
	Sampler    string // always_on, always_off, traceidratio and these with parentbased_ before; "": parentbased_always_on
	SamplerArg string // the ratio
	Version    string
	Log        *slog.Logger
}

// Tracing makes spans. A nil one makes none.
type Tracing struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// Start begins to export.
func Start(cfg Config) (*Tracing, error) {
	headers, err := pairs(cfg.Headers)
	if err != nil {
		return nil, errors.New("OTEL_EXPORTER_OTLP_HEADERS: expected name=value, separated by commas")
	}
	more, err := pairs(cfg.Resource)
	if err != nil {
		return nil, errors.New("OTEL_RESOURCE_ATTRIBUTES: expected name=value, separated by commas")
	}
	sampler, err := sampler(cfg.Sampler, cfg.SamplerArg)
	if err != nil {
		return nil, err
	}
	var about []attribute.KeyValue
	for _, p := range more {
		about = append(about, attribute.String(p[0], p[1]))
	}
	about = append(about, attribute.String("service.name", cfg.Service), attribute.String("service.version", cfg.Version))
	provider := sdk.NewTracerProvider(sdk.WithBatcher(newExporter(cfg.Endpoint, headers, cfg.Log)), sdk.WithSampler(sampler),
		sdk.WithResource(resource.NewSchemaless(about...)))
	return &Tracing{provider: provider, tracer: provider.Tracer("turkey")}, nil
}

// Stop sends what is left, for as long as ctx lasts.
func (t *Tracing) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// CheckSampler says what is wrong with the two variables of sampling.
func CheckSampler(name, arg string) error {
	_, err := sampler(name, arg)
	return err
}

func sampler(name, arg string) (sdk.Sampler, error) {
	ratio := 1.0
	if arg != "" {
		var err error
		if ratio, err = strconv.ParseFloat(arg, 64); err != nil || ratio < 0 || ratio > 1 {
			return nil, errors.New("OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1")
		}
	}
	name, parent := strings.CutPrefix(name, "parentbased_")
	var s sdk.Sampler
	switch name {
	case "":
		s, parent = sdk.AlwaysSample(), true
	case "always_on":
		s = sdk.AlwaysSample()
	case "always_off":
		s = sdk.NeverSample()
	case "traceidratio":
		s = sdk.TraceIDRatioBased(ratio)
	default:
		return nil, errors.New("OTEL_TRACES_SAMPLER: expected always_on, always_off, traceidratio, or one of them after parentbased_")
	}
	if parent {
		s = sdk.ParentBased(s)
	}
	return s, nil
}

// pairs reads the form of OTEL_RESOURCE_ATTRIBUTES and OTEL_EXPORTER_OTLP_HEADERS.
func pairs(text string) (all [][2]string, err error) {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, errors.New("not name=value")
		}
		value, err := unescape(strings.TrimSpace(value))
		if err != nil {
			return nil, err
		}
		all = append(all, [2]string{name, value})
	}
	return all, nil
}

// Request begins the span of a request, within the trace that it names if it does.
func (t *Tracing) Request(r *http.Request) (context.Context, func(pattern string, status int)) {
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.tracer.Start(ctx, method(r.Method), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", method(r.Method))))
	return ctx, func(pattern string, status int) {
		if _, route, ok := strings.Cut(pattern, " "); ok {
			pattern = route
		}
		if pattern != "" {
			span.SetName(method(r.Method) + " " + pattern)
			span.SetAttributes(attribute.String("http.route", pattern))
		}
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// method is one that is known: a client may send any word.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "_OTHER"
}

// Job begins the trace of one attempt of a job.
func (t *Tracing) Job(ctx context.Context, kind string) (context.Context, func(result string)) {
	if t == nil {
		return ctx, func(string) {}
	}
	ctx, span := t.tracer.Start(ctx, "job "+kind, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer))
	return ctx, func(result string) {
		span.SetAttributes(attribute.String("turkey.job.result", result))
		if result != "completed" && result != "snoozed" {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// Run begins the span of one attempt of a run.
func (t *Tracing) Run(ctx context.Context, service string) (context.Context, func(outcome, reason string)) {
	if t == nil {
		return ctx, func(string, string) {}
	}
	ctx, span := t.tracer.Start(ctx, "run "+service)
	return ctx, func(outcome, reason string) {
		span.SetAttributes(attribute.String("turkey.run.outcome", outcome))
		if reason != "" {
			span.SetAttributes(attribute.String("turkey.run.reason", reason))
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// Logs adds the trace to lines that are written within one.
func Logs(next slog.Handler) slog.Handler { return logs{next} }

type logs struct{ slog.Handler }

// Handle is slog's.
func (l logs) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs is slog's.
func (l logs) WithAttrs(attrs []slog.Attr) slog.Handler { return logs{l.Handler.WithAttrs(attrs)} }

// WithGroup is slog's.
func (l logs) WithGroup(name string) slog.Handler { return logs{l.Handler.WithGroup(name)} }

// inside reports whether there is a span that a part belongs to.
func inside(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// String keeps headers from being printed.
func (c Config) String() string { return fmt.Sprintf("traces to %s", c.Endpoint) }
