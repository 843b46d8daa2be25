package limit

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"turkey/internal/db"
)

// Rule allows Max units per window of a key. Zero fields take the contract's default, a negative Max switches the limiter
// off. The window starts with the first unit.
type Rule struct {
	Window time.Duration
	Max    int
}

// Config is what the limits need to know. DB and Key are required.
type Config struct {
	DB         *db.DB
	RedisURL   string // redis://, rediss:// or unix:// of one server (no cluster); "" = PostgreSQL counts
	Key        []byte // of the hashes of e-mails and users, at least 16 bytes, the same on all replicas
	Log        *slog.Logger
	Now        func() time.Time // for tests; nil = the clocks of the process and of the store
	Production bool             // stricter defaults

	General  Rule // RATE_LIMIT_WINDOW_MS, RATE_LIMIT_MAX_REQUESTS: 900 s, 100 in production, else 1000
	Login    Rule // LOGIN_RATE_LIMIT_WINDOW_MS, LOGIN_RATE_LIMIT_MAX_ATTEMPTS: 900 s, 50 failures
	Mail     Rule // MAIL_RATE_LIMIT_…: 900 s, 50
	Refresh  Rule // REFRESH_RATE_LIMIT_…: 900 s, 200 failures
	Register Rule // REGISTER_RATE_LIMIT_…: 3600 s, 10 in production, else 100
	Admin    Rule // ADMIN_RATE_LIMIT_…: 900 s, 20
	API      Rule // API_RATE_LIMIT_WINDOW_MS, API_RATE_LIMIT_MAX_REQUESTS: 60 s, 100

	APIEnabled bool                       // API_RATE_LIMIT_ENABLED
	InProcess  bool                       // count logins and refreshes like General: they then cost no statement but their own
	ServiceKey func(r *http.Request) bool // does r carry the valid service key; nil = never
	APIUser    func(r *http.Request) string
	MergeEvery time.Duration        // default 1 s
	Refused    func(limiter string) // hears of each refusal: one of Limiters; nil = nobody
}

// minKey is the shortest key of the keyed hashes, in bytes; maxUnits is as good as no limit and fits every store.
const (
	minKey   = 16
	maxUnits = 1 << 30
)

func (c *Config) complete() error {
	if c.DB == nil {
		return errors.New("limit: no database")
	}
	if len(c.Key) < minKey {
		return errors.New("limit: the key of the hashes is too short")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.ServiceKey == nil {
		c.ServiceKey = func(*http.Request) bool { return false }
	}
	if c.APIUser == nil {
		c.APIUser = func(*http.Request) string { return "" }
	}
	if c.Refused == nil {
		c.Refused = func(string) {}
	}
	if c.MergeEvery <= 0 {
		c.MergeEvery = time.Second
	}
	general, register := 1000, 100
	if c.Production {
		general, register = 100, 10
	}
	c.General.fill(900*time.Second, general)
	c.Login.fill(900*time.Second, 50)
	c.Mail.fill(900*time.Second, 50)
	c.Refresh.fill(900*time.Second, 200)
	c.Register.fill(3600*time.Second, register)
	c.Admin.fill(900*time.Second, 20)
	c.API.fill(60*time.Second, 100)
	if !c.APIEnabled {
		c.API.Max = -1
	}
	return nil
}

func (r *Rule) fill(window time.Duration, limit int) {
	if r.Window <= 0 {
		r.Window = window
	}
	if r.Max == 0 {
		r.Max = limit
	}
	r.Max = min(r.Max, maxUnits)
}

func (r Rule) off() bool { return r.Max < 0 }
