package server

import (
	"net/http"
	"slices"
)

// The values of the contract (auth-api.md §1).
const (
	corsMethods = "GET,HEAD,PUT,PATCH,POST,DELETE"
	corsMaxAge  = "600" // seconds
	corsExposed = "RateLimit-Policy, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-Id"
)

// cors answers preflights and marks replies to allowed origins. It is written out because rs/cors cannot do what the
// contract says: it compares origins without regard to case, treats an empty list as "*", and answers a preflight with the
// requested method alone instead of the list.
func (s *Server) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		allowed := s.originAllowed(origin)
		if allowed {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Allow-Credentials", "true")
		}
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			if allowed {
				h.Set("Access-Control-Expose-Headers", corsExposed)
			}
			next.ServeHTTP(w, r)
			return
		}
		h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
		if allowed {
			h.Set("Access-Control-Allow-Methods", corsMethods)
			h.Set("Access-Control-Max-Age", corsMaxAge)
			if headers := r.Header.Get("Access-Control-Request-Headers"); headers != "" {
				h.Set("Access-Control-Allow-Headers", headers)
			}
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// originAllowed never takes "*" nor "null" (the origin of sandboxed frames and files), whatever the list holds.
func (s *Server) originAllowed(origin string) bool {
	if origin == "" || origin == "*" || origin == "null" {
		return false
	}
	return slices.Contains(s.cfg.Origins, origin) || s.cfg.AllowOrigin != nil && s.cfg.AllowOrigin(origin)
}
