package server

import (
	"net/http"
	"time"
)

// observe tells who looks on (Config.Observed, Config.Begin) of each request, by the pattern of its route. Nobody looking
// costs nothing.
func (s *Server) observe(next http.Handler) http.Handler {
	if s.cfg.Observed == nil && s.cfg.Begin == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, res := time.Now(), recorded(w)
		s.inFlight.Add(1)
		var end func(pattern string, status int)
		if s.cfg.Begin != nil {
			ctx, e := s.cfg.Begin(r)
			r, end = r.WithContext(ctx), e
		}
		defer func() {
			s.inFlight.Add(-1)
			pattern := s.patternOf(res, r)
			took := time.Since(start)
			if s.streams[pattern] {
				took = -1
			}
			if s.cfg.Observed != nil {
				s.cfg.Observed(r.Method, pattern, res.status, took)
			}
			if end != nil {
				end(pattern, res.status)
			}
		}()
		next.ServeHTTP(res, r)
	})
}

// patternOf is the route's, also of a request that was refused on its way there. What has no route is "". ServeMux would
// give the path itself of a CONNECT.
func (s *Server) patternOf(res *response, r *http.Request) string {
	pattern := res.pattern
	if pattern == "" && r.Method != http.MethodConnect {
		_, pattern = s.mux.Handler(r)
	}
	if pattern == "/" {
		return ""
	}
	return pattern
}

// routed is the mux. It leaves the pattern where observe finds it: the request that it sees is another one by then.
func (s *Server) routed() http.Handler {
	if s.cfg.Observed == nil && s.cfg.Begin == nil {
		return s.mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if res := recorderOf(w); res != nil && r.Method != http.MethodConnect {
			defer func() { res.pattern = r.Pattern }()
		}
		s.mux.ServeHTTP(w, r)
	})
}

// recorderOf looks for the recorder behind the writers of the layers.
func recorderOf(w http.ResponseWriter) *response {
	for w != nil {
		if res, ok := w.(*response); ok {
			return res
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = u.Unwrap()
	}
	return nil
}

// InFlight is the number of requests that are being answered, where somebody looks on.
func (s *Server) InFlight() int64 { return s.inFlight.Load() }
