package kpi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"turkey/internal/caller"
	"turkey/internal/fault"
)

const (
	watchEvery = 500 * time.Millisecond
	// keepAlive is how often a silent stream says that it lives.
	keepAlive = 15 * time.Second
	// longestWatch bounds a stream; a client that still wants to know connects anew.
	longestWatch = 30 * time.Minute
	// mostWatches is how many streams one user may have open at a process: each looks at the database twice a second.
	mostWatches = 20
)

var errWatches = fault.New(fault.Limited, "RATE_LIMITED", fmt.Sprintf("%d streams of events are open already: close some", mostWatches)).WithRetryAfter(time.Second)

// watchers counts open streams by user.
type watchers struct {
	mu sync.Mutex
	by map[uuid.UUID]int
}

// enter counts a stream, unless the user has too many.
func (w *watchers) enter(user uuid.UUID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by == nil {
		w.by = map[uuid.UUID]int{}
	}
	if w.by[user] == mostWatches {
		return false
	}
	w.by[user]++
	return true
}

func (w *watchers) leave(user uuid.UUID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by[user]--; w.by[user] == 0 {
		delete(w.by, user)
	}
}

func (s *Service) handleEvents(ctx context.Context, in *runPath) (*huma.StreamResponse, error) {
	v, err := s.run(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	user, _ := caller.UserFrom(ctx)
	if !s.watchers.enter(user.ID) {
		return nil, errWatches
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer s.watchers.leave(user.ID)
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
