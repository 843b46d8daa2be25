package sandbox

import (
	"net/http"
	"strings"
	"time"
)

// scriptedFault makes the next calls below a path go wrong, as POST /_sandbox/faults describes it.
type scriptedFault struct {
	Path       string `json:"path"`       // prefix, "" = every provider
	Status     int    `json:"status"`     // 0 = answer normally (after the delay)
	Times      int    `json:"times"`      // default 1
	DelayMs    int    `json:"delayMs"`    // before anything else
	RetryAfter int    `json:"retryAfter"` // seconds
	HTML       bool   `json:"html"`       // a page instead of Google's JSON
	Reason     string `json:"reason"`     // of the ErrorInfo, for example SERVICE_DISABLED; Meta's message
	Code       int    `json:"code"`       // Meta's error code, with status 400 if there is none
	Subcode    int    `json:"subcode"`    // Meta's error_subcode
	Transient  bool   `json:"transient"`  // Meta's is_transient
	Cut        bool   `json:"cut"`        // do the work, then close the connection without an answer
}

func (s *Sandbox) scriptFault(r *http.Request) (any, error) {
	var f scriptedFault
	if err := readBody(r, &f); err != nil {
		return nil, err
	}
	if f.Status != 0 && (f.Status < 300 || f.Status > 599) || f.Times < 0 || f.DelayMs < 0 {
		return nil, refuseControl(http.StatusBadRequest, "status is 0 or 300..599, times and delayMs are not negative")
	}
	if f.Code != 0 && f.Status == 0 {
		f.Status = http.StatusBadRequest
	}
	f.Times = max(f.Times, 1)
	s.faults = append(s.faults, &f)
	return created{f}, nil
}

func (s *Sandbox) clearFaults(*http.Request) (any, error) {
	s.faults = nil
	return map[string]bool{"success": true}, nil
}

// serveFaulty serves a provider's path, going wrong if that was scripted.
func (s *Sandbox) serveFaulty(w http.ResponseWriter, r *http.Request) {
	f, ok := s.nextFault(r.URL.Path)
	if !ok {
		s.mux.ServeHTTP(w, r)
		return
	}
	select {
	case <-time.After(time.Duration(f.DelayMs) * time.Millisecond):
	case <-r.Context().Done():
		return
	}
	switch {
	case f.Cut:
		s.mux.ServeHTTP(discard{}, r)
		panic(http.ErrAbortHandler) // net/http's way to close the connection silently
	case f.HTML:
		writeHTML(w, max(f.Status, http.StatusOK))
	case f.Status == 0:
		s.mux.ServeHTTP(w, r)
	case f.Status < 400:
		w.Header().Set("Location", "/")
		w.WriteHeader(f.Status)
	case strings.HasPrefix(r.URL.Path, "/graph/"):
		writeRefusal(w, graphFault(f))
	default:
		e := refuse(f.Status, f.Reason, "Scripted failure.")
		e.retryAfter = f.RetryAfter
		writeRefusal(w, e)
	}
}

// nextFault uses up one occurrence of the first fault that is due.
func (s *Sandbox) nextFault(path string) (scriptedFault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if !strings.HasPrefix(path, f.Path) {
			continue
		}
		due := *f
		if f.Times--; f.Times == 0 {
			s.faults = append(s.faults[:i], s.faults[i+1:]...)
		}
		return due, true
	}
	return scriptedFault{}, false
}

// discard is a response that nobody gets.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
