package limit

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"turkey/internal/caller"
	"turkey/internal/fault"
)

// endpoint is one operation of the API.
type endpoint struct{ method, path string }

// limiter is one row of the contract's table (auth-api.md §8), for the routes that have a limit of their own.
type limiter struct {
	name     string // first part of its keys in the store
	rule     Rule
	failures bool         // only answers >= 400 count
	refusal  *fault.Error // without the time to wait
	told     told
	counter  *counter // counts in the process; nil: exact, in the store
}

// table is the contract's, by operation. The two pages behind links in mails do what their operations do, out of the same
// budget.
func (l *Limits) table() map[endpoint]*limiter {
	routes := map[endpoint]*limiter{}
	for _, row := range []struct {
		limiter
		what  string
		paths string
	}{
		{limiter{name: "login", rule: l.cfg.Login, failures: true}, "login", "POST /v1/auth/login, POST /v1/auth/revoke"},
		{limiter{name: "mail", rule: l.cfg.Mail}, "email", "POST /v1/auth/request-password-reset, POST /v1/auth/reset-password, " +
			"POST /v1/auth/verify-email, POST /v1/auth/resend-verification, POST /auth/reset-password, POST /auth/verify-email"},
		{limiter{name: "refresh", rule: l.cfg.Refresh, failures: true}, "token refresh", "POST /v1/auth/refresh"},
		{limiter{name: "register", rule: l.cfg.Register}, "registration", "POST /v1/auth/register"},
		{limiter{name: "admin", rule: l.cfg.Admin}, "admin", "GET /v1/users/admin-only, HEAD /v1/users/admin-only"},
	} {
		if row.rule.off() {
			continue
		}
		lim := row.limiter
		lim.refusal, lim.told = tooMany(row.what), tell(lim.rule)
		if l.cfg.InProcess && (lim.name == "login" || lim.name == "refresh") {
			lim.counter = newCounter(lim.name, lim.rule, l.keys, l.now)
		}
		for operation := range strings.SplitSeq(row.paths, ", ") {
			method, path, _ := strings.Cut(operation, " ")
			routes[endpoint{method, path}] = &lim
		}
	}
	return routes
}

// administration is everything under /v1/admin: as many refusals as the admin limiter has requests. It is there against
// guessing; a console that is worked with asks more often than that. It counts in the process, where what succeeds is given
// back before the next request comes.
func (l *Limits) administration() *limiter {
	if l.cfg.Admin.off() {
		return nil
	}
	return &limiter{name: "administration", rule: l.cfg.Admin, failures: true, refusal: tooMany("admin"), told: tell(l.cfg.Admin),
		counter: newCounter("administration", l.cfg.Admin, l.keys, l.now)}
}

// limiterOf is the limiter of a request's route, or nil.
func (l *Limits) limiterOf(r *http.Request) *limiter {
	if lim := l.routes[endpoint{r.Method, r.URL.Path}]; lim != nil || !under("/v1/admin", r.URL.Path) {
		return lim
	}
	return l.admin
}

// Layer limits what passes through it, for server.Use. writeError answers in the shape of the request's half.
func (l *Limits) Layer(writeError func(http.ResponseWriter, *http.Request, error)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			who := clientOf(caller.RequestFrom(r.Context()).IP)
			if err := l.admit(w.Header(), r, who); err != nil {
				writeError(w, r, err)
				return
			}
			lim := l.limiterOf(r)
			if lim == nil {
				next.ServeHTTP(w, r)
				return
			}
			giveBack, err := l.admitRoute(r.Context(), lim, w.Header(), who, under("/v1", r.URL.Path))
			if err != nil {
				writeError(w, r, err)
				return
			}
			if !lim.failures {
				next.ServeHTTP(w, r)
				return
			}
			res := &answer{ResponseWriter: w}
			next.ServeHTTP(res, r) // a panic counts as the 500 that it becomes
			if !res.failed() {
				giveBack()
			}
		})
	}
}

// admit asks the limiter of the request's half.
func (l *Limits) admit(h http.Header, r *http.Request, who client) error {
	switch path := r.URL.Path; {
	case r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "":
	case under("/v1", path):
		if l.general == nil || path == "/v1/auth/revocation-check" || l.cfg.ServiceKey(r) {
			return nil
		}
		t := l.general.take(who)
		setHeaders(h, l.general.told, l.general.rule.Max-t.hits, t.left)
		if !t.allowed {
			l.cfg.Refused(l.general.name)
			return errGeneral.WithRetryAfter(t.left)
		}
	case under("/api", path):
		if l.api == nil || path == "/api/health" || path == "/api/docs.json" || under("/api/docs", path) {
			return nil
		}
		if user := l.cfg.APIUser(r); user != "" {
			who = client{user: user}
		}
		t := l.api.take(who)
		setAPIHeaders(h, l.api.rule, t.hits, l.now().Add(t.left))
		if !t.allowed {
			l.cfg.Refused(l.api.name)
			return errAPI.WithRetryAfter(t.left)
		}
	}
	return nil
}

// admitRoute asks the limiter of the route. Its values replace the general ones.
func (l *Limits) admitRoute(ctx context.Context, lim *limiter, h http.Header, who client, headers bool) (giveBack func(), err error) {
	var hits int
	var left time.Duration
	if lim.counter != nil {
		t := lim.counter.take(who)
		hits, left = t.hits, t.left
		if !t.allowed {
			hits++
		}
		giveBack = func() { lim.counter.giveBack(who, t.window) }
	} else {
		key := lim.name + "|" + l.keys.text(who)
		w, err := l.take(ctx, key, lim.rule)
		if err != nil {
			return nil, err
		}
		hits, left = w.hits, w.left
		giveBack = func() { l.returns.add(key, w.id, lim.rule.Max) }
	}
	if headers {
		setHeaders(h, lim.told, lim.rule.Max-hits, left)
	}
	if hits > lim.rule.Max {
		l.cfg.Refused(lim.name)
		return nil, lim.refusal.WithRetryAfter(left)
	}
	return giveBack, nil
}

// told is what all answers say of a rule. They share its values.
type told struct{ policy, limit []string }

func tell(r Rule) told {
	limit := strconv.Itoa(r.Max)
	return told{[]string{limit + ";w=" + strconv.Itoa(seconds(r.Window))}, []string{limit}}
}

// The headers of /v1 (auth-api.md §1), in the form that http.Header keeps.
func setHeaders(h http.Header, t told, remaining int, left time.Duration) {
	h["Ratelimit-Policy"], h["Ratelimit-Limit"] = t.policy, t.limit
	h.Set("Ratelimit-Remaining", strconv.Itoa(max(remaining, 0)))
	h.Set("Ratelimit-Reset", strconv.Itoa(seconds(left)))
}

// The headers of /api (credential-api.md §1).
func setAPIHeaders(h http.Header, r Rule, hits int, reset time.Time) {
	h.Set("X-Ratelimit-Limit", strconv.Itoa(r.Max))
	h.Set("X-Ratelimit-Remaining", strconv.Itoa(max(r.Max-hits, 0)))
	h.Set("X-Ratelimit-Reset", strconv.FormatInt(reset.Add(time.Second-1).Unix(), 10))
}

// seconds rounds up, as Retry-After does.
func seconds(d time.Duration) int { return int(max(d+time.Second-1, time.Second) / time.Second) }

// under reports whether the path lies in the half of the API that starts with root.
func under(root, path string) bool {
	rest, ok := strings.CutPrefix(path, root)
	return ok && (rest == "" || rest[0] == '/')
}

// answer notes the status that is sent: the last one before the first byte, as the server sends it.
type answer struct {
	http.ResponseWriter
	status int
	sent   bool
}

func (a *answer) WriteHeader(status int) {
	if !a.sent && status >= http.StatusOK {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.sent = true
	return a.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach deadlines and flushing.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) failed() bool { return a.status >= http.StatusBadRequest }
