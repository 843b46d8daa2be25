package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

const (
	exportAttempts = 3
	exportTimeout  = 10 * time.Second // of one attempt
	longestPause   = 5 * time.Second
)

// exporter sends spans as OTLP 1.x in JSON over HTTP, which every collector takes
// (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
type exporter struct {
	url     string
	headers [][2]string
	client  *http.Client
	log     *slog.Logger
	failing atomic.Bool
}

func newExporter(url string, headers [][2]string, log *slog.Logger) *exporter {
	return &exporter{url: url, headers: headers, log: log, client: &http.Client{Timeout: exportTimeout, Transport: http.DefaultTransport.(*http.Transport).Clone()}}
}

// ExportSpans is the SDK's. Spans that cannot be sent are lost, which the log says once: nothing waits for a collector.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	body, err := json.Marshal(message(spans))
	if err == nil {
		err = e.send(ctx, body)
	}
	switch {
	case err != nil && !e.failing.Swap(true):
		e.log.Warn("traces cannot be sent; they are dropped until the collector takes them", "error", err)
	case err == nil && e.failing.Swap(false):
		e.log.Info("traces are sent again")
	}
	return nil
}

// Shutdown is the SDK's.
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

func (e *exporter) send(ctx context.Context, body []byte) error {
	for attempt := 1; ; attempt++ {
		pause, err := e.post(ctx, body)
		if err == nil || pause < 0 || attempt == exportAttempts {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(min(max(pause, time.Duration(attempt)*time.Second), longestPause)):
		}
	}
}

// post tries once. A negative pause says that trying again is of no use.
func (e *exporter) post(ctx context.Context, body []byte) (pause time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return -1, errors.New("the address of the collector is not usable")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "turkey-otlp/1")
	for _, h := range e.headers {
		req.Header.Set(h[0], h[1])
	}
	resp, err := e.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the address, which may hold a password
		}
		return 0, err
	}
	defer resp.Body.Close()                                      // the body was only read
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection can be used again
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return time.Duration(max(seconds, 0)) * time.Second, fmt.Errorf("the collector answered %d", resp.StatusCode)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return -1, fmt.Errorf("the collector answered %d", resp.StatusCode)
	}
	return 0, nil
}

// The messages of opentelemetry/proto/collector/trace/v1, as far as they are used. 64-bit numbers are texts in JSON.
type (
	request struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   attributes   `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	attributes struct {
		Attributes []keyValue `json:"attributes"`
	}
	scopeSpans struct {
		Scope scope  `json:"scope"`
		Spans []span `json:"spans"`
	}
	scope struct {
		Name string `json:"name"`
	}
	span struct {
		TraceID    string     `json:"traceId"`
		SpanID     string     `json:"spanId"`
		Parent     string     `json:"parentSpanId,omitempty"`
		TraceState string     `json:"traceState,omitempty"`
		Flags      uint32     `json:"flags"`
		Name       string     `json:"name"`
		Kind       int        `json:"kind"`
		Start      string     `json:"startTimeUnixNano"`
		End        string     `json:"endTimeUnixNano"`
		Attributes []keyValue `json:"attributes,omitempty"`
		Dropped    int        `json:"droppedAttributesCount,omitempty"`
		Status     *status    `json:"status,omitempty"`
	}
	status struct {
		Code int `json:"code"`
	}
	keyValue struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

// message is one request. All spans are of one resource and one scope: ours.
func message(spans []sdk.ReadOnlySpan) request {
	if len(spans) == 0 {
		return request{ResourceSpans: []resourceSpans{}}
	}
	all := make([]span, len(spans))
	for i, s := range spans {
		c := s.SpanContext()
		all[i] = span{TraceID: c.TraceID().String(), SpanID: c.SpanID().String(), TraceState: c.TraceState().String(), Flags: uint32(c.TraceFlags()),
			Name: s.Name(), Kind: int(s.SpanKind()), Start: nanos(s.StartTime()), End: nanos(s.EndTime()), Attributes: keyValues(s.Attributes()),
			Dropped: s.DroppedAttributes()}
		if p := s.Parent(); p.HasSpanID() {
			all[i].Parent = p.SpanID().String()
		}
		if s.Status().Code == codes.Error {
			all[i].Status = &status{Code: 2} // STATUS_CODE_ERROR
		}
	}
	return request{ResourceSpans: []resourceSpans{{Resource: attributes{keyValues(spans[0].Resource().Attributes())},
		ScopeSpans: []scopeSpans{{Scope: scope{spans[0].InstrumentationScope().Name}, Spans: all}}}}}
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

func keyValues(all []attribute.KeyValue) []keyValue {
	out := make([]keyValue, len(all))
	for i, a := range all {
		out[i] = keyValue{Key: string(a.Key), Value: map[string]any{"stringValue": a.Value.String()}}
		switch a.Value.Type() {
		case attribute.INT64:
			out[i].Value = map[string]any{"intValue": strconv.FormatInt(a.Value.AsInt64(), 10)}
		case attribute.BOOL:
			out[i].Value = map[string]any{"boolValue": a.Value.AsBool()}
		}
	}
	return out
}

// unescape reads a value of a list in a variable, which is percent-encoded.
func unescape(s string) (string, error) { return url.PathUnescape(s) }
