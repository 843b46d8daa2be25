package sandbox

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"turkey/internal/connector"
)

// Config configures a Sandbox. The zero value keeps everything in memory and has Google's quotas.
type Config struct {
	File string           // where the state is kept as JSON; "" = memory only
	Now  func() time.Time // nil = time.Now
	// Sheets quotas for each account; 0 = 300 reads and 60 writes, negative = no limit.
	ReadsPerMinute, WritesPerMinute int
}

// Sandbox is the fake providers and their state. It is safe for concurrent use.
type Sandbox struct {
	cfg Config
	mux *http.ServeMux

	mu     sync.Mutex // guards everything below
	state  *state
	tokens map[string]accessGrant // by SHA-256 of the access token
	spent  map[spending]int
	minute time.Time // the minute that spent counts
	faults []*scriptedFault
}

// New loads the state, or starts with an empty one.
func New(cfg Config) (*Sandbox, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.ReadsPerMinute == 0 {
		cfg.ReadsPerMinute = 300
	}
	if cfg.WritesPerMinute == 0 {
		cfg.WritesPerMinute = 60
	}
	st, err := loadState(cfg.File)
	if err != nil {
		return nil, fmt.Errorf("sandbox: load %s: %w", cfg.File, err)
	}
	s := &Sandbox{
		cfg:    cfg,
		mux:    http.NewServeMux(),
		state:  st,
		tokens: map[string]accessGrant{},
		spent:  map[spending]int{},
	}
	s.routes()
	return s, nil
}

// Handler serves all providers and the control routes.
func (s *Sandbox) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 10<<20)
		if strings.HasPrefix(r.URL.Path, "/_sandbox/") || r.URL.Path == "/" {
			s.mux.ServeHTTP(w, r)
			return
		}
		s.serveFaulty(w, r)
	})
}

// Bases is the connector configuration that leads here. url is where Handler is served.
func (s *Sandbox) Bases(url string) connector.Config {
	url = strings.TrimRight(url, "/")
	return connector.Config{
		GoogleOAuthBase:  url + "/oauth2",
		GoogleSheetsBase: url + "/sheets",
		GoogleDriveBase:  url + "/drive",
		GADataBase:       url + "/analyticsdata",
		ShopifyBase:      url + "/shopify",
		MetaBase:         url + "/graph",
		HTTPJSONBase:     url + "/http-json",
		AllowPrivate:     true,
		Now:              s.cfg.Now,
	}
}

func (s *Sandbox) routes() {
	for pattern, e := range map[string]endpoint{
		"POST /oauth2/token":                                   s.token,
		"GET /drive/drive/v3/files":                            s.driveFiles,
		"GET /sheets/v4/spreadsheets/{id}":                     s.sheetsGet,
		"GET /sheets/v4/spreadsheets/{id}/values/{range}":      s.sheetsValues,
		"PUT /sheets/v4/spreadsheets/{id}/values/{range}":      s.sheetsUpdate,
		"GET /sheets/v4/spreadsheets/{id}/values:batchGet":     s.sheetsBatchGet,
		"POST /sheets/v4/spreadsheets/{id}/values:batchUpdate": s.sheetsWrite,
		"POST /sheets/v4/spreadsheets/{call}":                  s.sheetsBatchUpdate,
		"POST /analyticsdata/v1beta/properties/{call}":         s.runReport,
		"POST /_sandbox/oauth-clients":                         s.createClient,
		"DELETE /_sandbox/oauth-clients/{id}":                  s.revokeClient,
		"DELETE /_sandbox/service-accounts/{email}":            s.revokeServiceAccount,
		"POST /_sandbox/spreadsheets":                          s.createSpreadsheet,
		"GET /_sandbox/spreadsheets/{id}":                      s.showSpreadsheet,
		"PUT /_sandbox/spreadsheets/{id}/cells":                s.editCell,
		"PUT /_sandbox/spreadsheets/{id}/sharing":              s.shareSpreadsheet,
		"PUT /_sandbox/spreadsheets/{id}/tabs":                 s.renameTab,
		"POST /_sandbox/properties":                            s.createProperty,
		"PUT /_sandbox/properties/{id}/sharing":                s.shareProperty,
		"PUT /_sandbox/properties/{id}/days":                   s.correctDay,
		"POST /_sandbox/ad-accounts":                           s.createAdAccount,
		"DELETE /_sandbox/ad-accounts/{id}/tokens":             s.endAdTokens,
		"PUT /_sandbox/ad-accounts/{id}/days":                  s.correctInsight,
		"POST /_sandbox/shops":                                 s.createShop,
		"PUT /_sandbox/shops/{shop}":                           s.changeShop,
		"PUT /_sandbox/shops/{shop}/days":                      s.correctSales,
		"DELETE /_sandbox/shops/{shop}/app":                    s.uninstallApp,
		"POST /_sandbox/faults":                                s.scriptFault,
		"DELETE /_sandbox/faults":                              s.clearFaults,
	} {
		s.mux.HandleFunc(pattern, s.answer(e))
	}
	s.mux.HandleFunc("GET /graph/{version}/{account}", s.graph(s.graphAccount))
	s.mux.HandleFunc("GET /graph/{version}/{account}/insights", s.graph(s.graphInsights))
	s.mux.HandleFunc("POST /_sandbox/service-accounts", s.createServiceAccount)
	s.mux.HandleFunc("POST /shopify/{shop}/admin/oauth/access_token", s.shopAnswer(s.shopToken))
	s.mux.HandleFunc("POST /shopify/{shop}/admin/api/{version}/graphql.json", s.shopAnswer(s.shopGraphQL))
	s.jsonAPIRoutes()
	s.mux.HandleFunc("GET /{$}", s.page)
	s.mux.HandleFunc("/", notHere)
}

// endpoint answers one call. It runs with the lock held and returns an *refusal for everything a provider would refuse.
type endpoint func(r *http.Request) (any, error)

func (s *Sandbox) answer(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := s.locked(r, e)
		if err != nil {
			writeRefusal(w, err)
			return
		}
		writeAnswer(w, r, body)
	}
}

func (s *Sandbox) locked(r *http.Request, e endpoint) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return e(r)
}

// spending is one account's use of one Sheets quota.
type spending struct{ email, kind string }

// spend counts a call against the account's quota of the current minute.
func (s *Sandbox) spend(email, kind string, limit int) error {
	if limit < 0 {
		return nil
	}
	if minute := s.cfg.Now().Truncate(time.Minute); !minute.Equal(s.minute) {
		s.minute = minute
		clear(s.spent)
	}
	k := spending{email, kind}
	if s.spent[k] >= limit {
		return quotaRefusal(kind)
	}
	s.spent[k]++
	return nil
}
