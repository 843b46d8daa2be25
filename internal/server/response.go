package server

import "net/http"

// response holds the status back until the first byte, so a handler that panics or fails to encode its answer can still
// be answered for, and counts what the access log reports.
type response struct {
	http.ResponseWriter
	status    int
	bytes     int64
	committed bool
	pattern   string // of the route, where somebody looks on
}

// recorded is w, or w behind a recorder when it is not one yet.
func recorded(w http.ResponseWriter) *response {
	if res, ok := w.(*response); ok {
		return res
	}
	return &response{ResponseWriter: w}
}

// WriteHeader notes the status; the last one before the first byte counts.
func (w *response) WriteHeader(status int) {
	if w.committed {
		return
	}
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.status = status
}

func (w *response) Write(p []byte) (int, error) {
	w.commit()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Flush sends what is there; streams need it.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController calls.
func (w *response) FlushError() error {
	w.commit()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController reach deadlines.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) commit() {
	if w.committed {
		return
	}
	w.committed = true
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.ResponseWriter.WriteHeader(w.status)
}

// reset forgets an answer of which nothing was sent; false when it is too late.
func (w *response) reset() bool {
	if w.committed {
		return false
	}
	w.status = 0
	for _, name := range []string{"Content-Length", "Content-Encoding", "Content-Disposition", "Etag", "Last-Modified", "Set-Cookie", "Location"} {
		w.Header().Del(name)
	}
	return true
}

// abort makes sure that nothing more is sent: net/http is about to cut the connection.
func (w *response) abort() { w.committed = true }
