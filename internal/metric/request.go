package metric

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// mostRoutes bounds the label route, should a pattern ever be something else than a pattern.
const mostRoutes = 1000

// requests is rate, errors and duration by route. The numbers of a route are looked up by what the mux calls it, without a
// lock and without making a string.
type requests struct {
	count *prometheus.CounterVec
	time  *prometheus.HistogramVec
	known atomic.Pointer[map[routeKey]*route]
	grow  sync.Mutex
}

type routeKey struct{ method, pattern string }

type route struct {
	method, path string
	time         prometheus.Observer
	classes      [6]atomic.Pointer[prometheus.Counter] // by the first digit of the status; 0: the answer was cut
}

var classes = [6]string{"aborted", "1xx", "2xx", "3xx", "4xx", "5xx"}

// methods that a label may hold: a client may send any word.
var methods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true, "OPTIONS": true}

func newRequests() *requests {
	r := &requests{
		count: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "turkey_http_requests_total",
			Help: "Requests by the pattern of their route and the class of their status; status aborted: the answer was cut."}, []string{"method", "route", "status"}),
		time: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "turkey_http_request_duration_seconds",
			Help:    "Time from the first byte of a request to the last of its answer; streams are not in it.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"method", "route"}),
	}
	r.known.Store(&map[routeKey]*route{})
	return r
}

// Request counts an answer. pattern is the mux's ("" for no route), took negative for a stream.
func (m *Metrics) Request(method, pattern string, status int, took time.Duration) {
	if m == nil {
		return
	}
	known := (*m.requests.known.Load())[routeKey{method, pattern}]
	if known == nil {
		known = m.requests.meet(method, pattern)
	}
	class := status / 100
	if class < 0 || class >= len(classes) {
		class = 0
	}
	count := known.classes[class].Load()
	if count == nil {
		c := m.requests.count.WithLabelValues(known.method, known.path, classes[class])
		count = &c
		known.classes[class].Store(count)
	}
	(*count).Inc()
	if took >= 0 {
		known.time.Observe(took.Seconds())
	}
}

// meet makes the numbers of a route that was not asked for before. A method that is none of
// ours comes here each time.
func (r *requests) meet(method, pattern string) *route {
	if !methods[method] {
		method = "other"
	}
	path := pattern
	if _, after, ok := strings.Cut(pattern, " "); ok {
		path = after
	}
	if path == "" {
		path = "unmatched"
	}
	r.grow.Lock()
	defer r.grow.Unlock()
	old := *r.known.Load()
	key := routeKey{method, pattern}
	if len(old) >= mostRoutes && old[key] == nil {
		key, method, path = routeKey{}, "other", "other"
	}
	if known := old[key]; known != nil {
		return known
	}
	known := &route{method: method, path: path, time: r.time.WithLabelValues(method, path)}
	grown := maps.Clone(old)
	grown[key] = known
	r.known.Store(&grown)
	return known
}
