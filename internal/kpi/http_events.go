package kpi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

const (
	watchEvery = 500 * time.Millisecond
	// keepAlive is how often a silent stream says that it lives.
	keepAlive = 15 * time.Second
	// longestWatch bounds a stream; a client that still wants to know connects anew.
	longestWatch = 30 * time.Minute
)

func (s *Service) handleEvents(ctx context.Context, in *runPath) (*huma.StreamResponse, error) {
	v, err := s.run(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "text/event-stream")
		hc.SetHeader("Cache-Control", "no-store")
		hc.SetHeader("X-Accel-Buffering", "no") // nginx would hold the events back
		ctx, cancel := context.WithTimeout(hc.Context(), longestWatch)
		defer cancel()
		s.watch(ctx, hc.BodyWriter(), v)
	}}, nil
}

// watch writes a run after each change until it has ended, or its owner may not see it any more.
func (s *Service) watch(ctx context.Context, w io.Writer, v Run) {
	var last []byte
	quiet := time.Now()
	for {
		body, err := json.Marshal(v)
		if err != nil {
			return
		}
		switch {
		case !bytes.Equal(body, last):
			_, err = fmt.Fprintf(w, "event: run\ndata: %s\n\n", body)
			last, quiet = body, time.Now()
		case time.Since(quiet) > keepAlive:
			_, err = io.WriteString(w, ":\n\n")
			quiet = time.Now()
		}
		if f, ok := w.(http.Flusher); ok && err == nil {
			f.Flush()
		}
		if err != nil || final(v.Status) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(watchEvery):
		}
		if v, err = s.run(ctx, v.ID); err != nil {
			return
		}
	}
}
