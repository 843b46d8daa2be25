package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/wire"
)

// App is an app as administrators see it. Where a setting is null, the server's holds. Times are seconds.
type App struct {
	ID                   string     `json:"id" example:"marketing-site"`
	Name                 string     `json:"name" doc:"For people, in mails too"`
	Origins              []string   `json:"origins" doc:"Pages that may call from a browser, besides the server's own list"`
	BaseURL              *string    `json:"baseUrl" doc:"Base of links in mails"`
	AccessTTL            *int32     `json:"accessTtl" doc:"Life of an access token"`
	RefreshTTL           *int32     `json:"refreshTtl" doc:"How long a session may rest"`
	RefreshAbsoluteTTL   *int32     `json:"refreshAbsoluteTtl" doc:"How long a session may live at all; 0: no bound"`
	RefreshGrace         *int32     `json:"refreshGrace" doc:"How long the previous refresh token still gets the same successor"`
	RegistrationOpen     bool       `json:"registrationOpen"`
	VerificationRequired *bool      `json:"verificationRequired" doc:"Sign-in needs a verified address"`
	SilentRegistration   bool       `json:"silentRegistration" doc:"Registering answers alike for known and unknown addresses"`
	PasswordMin          int32      `json:"passwordMin" doc:"Characters"`
	PasswordClasses      bool       `json:"passwordClasses" doc:"Upper case, lower case, digit and special character are needed"`
	NotBefore            *wire.Time `json:"notBefore" format:"date-time" doc:"Access tokens issued before are void"`
	Default              bool       `json:"default" doc:"The console's app, which cannot be deleted"`
	CreatedAt            wire.Time  `json:"createdAt" format:"date-time"`
	UpdatedAt            wire.Time  `json:"updatedAt" format:"date-time"`
}

func (s *Service) shownApp(r authdb.App) App {
	return App{ID: r.ID, Name: r.Name, Origins: append([]string{}, r.Origins...), BaseURL: r.BaseUrl, AccessTTL: r.AccessTtl, RefreshTTL: r.RefreshTtl,
		RefreshAbsoluteTTL: r.RefreshAbsoluteTtl, RefreshGrace: r.RefreshGrace, RegistrationOpen: r.RegistrationOpen,
		VerificationRequired: r.VerificationRequired, SilentRegistration: r.SilentRegistration, PasswordMin: r.PasswordMin,
		PasswordClasses: r.PasswordClasses, NotBefore: wire.TimePtr(r.NotBefore), Default: r.ID == s.cfg.DefaultApp,
		CreatedAt: wire.Time(r.CreatedAt), UpdatedAt: wire.Time(r.UpdatedAt)}
}

// Setting is a change of a setting that the server has a default for: none, another value, or (null) the default again.
type Setting[T any] struct {
	Given bool
	Value *T
}

// UnmarshalJSON is called only where the member is there.
func (s *Setting[T]) UnmarshalJSON(b []byte) error {
	s.Given = true
	return json.Unmarshal(b, &s.Value)
}

// Set is a change to a value; nil is the server's default.
func Set[T any](v *T) Setting[T] { return Setting[T]{Given: true, Value: v} }

// AppChange changes an app. What is absent stays.
type AppChange struct {
	Name                 *string         `json:"name,omitempty" doc:"1 to 200 characters"`
	Origins              *[]string       `json:"origins,omitempty" doc:"scheme://host[:port] each; https, or http on localhost"`
	BaseURL              Setting[string] `json:"baseUrl,omitzero" doc:"https, or http on localhost; null: the server's"`
	AccessTTL            Setting[int32]  `json:"accessTtl,omitzero" doc:"30 to 86400 seconds; null: the server's. Tokens that were issued before live on as they are"`
	RefreshTTL           Setting[int32]  `json:"refreshTtl,omitzero" doc:"60 to 315360000 seconds; null: the server's. It holds from a session's next refresh on"`
	RefreshAbsoluteTTL   Setting[int32]  `json:"refreshAbsoluteTtl,omitzero" doc:"0 (no bound) or 60 to 315360000 seconds; null: the server's. For sessions from now on"`
	RefreshGrace         Setting[int32]  `json:"refreshGrace,omitzero" doc:"0 to 300 seconds; null: the server's"`
	RegistrationOpen     *bool           `json:"registrationOpen,omitempty"`
	VerificationRequired Setting[bool]   `json:"verificationRequired,omitzero" doc:"null: the server's"`
	SilentRegistration   *bool           `json:"silentRegistration,omitempty"`
	PasswordMin          *int32          `json:"passwordMin,omitempty" doc:"8 to 64 characters"`
	PasswordClasses      *bool           `json:"passwordClasses,omitempty"`
}

const (
	longestLife = 315_360_000 // seconds: ten years
	maxOrigins  = 50
)

// Validate brings values into normal form and lists every broken rule.
func (c *AppChange) Validate() (broken []fault.Field) {
	add := func(name, code, message string) {
		broken = append(broken, fault.Field{Name: name, Code: code, Message: message})
	}
	between := func(name string, v *int32, low, high int32, zero bool) {
		switch {
		case v == nil || zero && *v == 0:
		case *v < low:
			add(name, "too_small", fmt.Sprintf("Number must be greater than or equal to %d", low))
		case *v > high:
			add(name, "too_big", fmt.Sprintf("Number must be less than or equal to %d", high))
		}
	}
	if c.Name != nil {
		*c.Name = strings.TrimSpace(*c.Name)
		switch n := utf8.RuneCountInString(*c.Name); {
		case n == 0:
			add("name", "too_small", "The name cannot be empty")
		case n > 200:
			add("name", "too_big", "The name has at most 200 characters")
		case strings.ContainsFunc(*c.Name, unicode.IsControl):
			add("name", "invalid_string", "The name is one line of text")
		}
	}
	if c.Origins != nil {
		broken = append(broken, checkOrigins(*c.Origins)...)
		slices.Sort(*c.Origins)
		*c.Origins = slices.Compact(*c.Origins)
	}
	if u := c.BaseURL.Value; u != nil {
		*u = strings.TrimRight(*u, "/")
		if !goodBase(*u) {
			add("baseUrl", "invalid_string", "Expected https://host[:port][/path], or http on localhost")
		}
	}
	between("accessTtl", c.AccessTTL.Value, 30, 86400, false)
	between("refreshTtl", c.RefreshTTL.Value, 60, longestLife, false)
	between("refreshAbsoluteTtl", c.RefreshAbsoluteTTL.Value, 60, longestLife, true)
	between("refreshGrace", c.RefreshGrace.Value, 0, 300, false)
	between("passwordMin", c.PasswordMin, 8, 64, false)
	return broken
}

// hosts of URLs in normal form: names (international ones in their ASCII form), and addresses.
var hosts = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// safeURL parses a URL in normal form that a browser may be sent to: https, or http on this machine.
func safeURL(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	if err != nil || len(text) > 1000 || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(text, "#") {
		return nil, false
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	if !hosts.MatchString(host) && ip == nil || strings.HasSuffix(u.Host, ":") {
		return nil, false
	}
	local := host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
	return u, u.Scheme == "https" || u.Scheme == "http" && local
}

func goodBase(text string) bool {
	u, ok := safeURL(text)
	return ok && text == u.String()
}

func checkOrigins(origins []string) (broken []fault.Field) {
	if len(origins) > maxOrigins {
		broken = append(broken, fault.Field{Name: "origins", Code: "too_big", Message: fmt.Sprintf("At most %d origins", maxOrigins)})
	}
	for i, o := range origins {
		o = strings.ToLower(strings.TrimSpace(o))
		u, ok := safeURL(o)
		if !ok || u.Path != "" || o != u.Scheme+"://"+u.Host {
			broken = append(broken, fault.Field{Name: fmt.Sprintf("origins.%d", i), Code: "invalid_string",
				Message: "Expected scheme://host[:port] without a path: https, or http on localhost"})
			continue
		}
		// Browsers leave the scheme's own port out.
		origins[i] = strings.TrimSuffix(o, map[string]string{"https": ":443", "http": ":80"}[u.Scheme])
	}
	return broken
}

// over is an app's row with the change in it, and what changed, for the audit log.
func (c *AppChange) over(r authdb.App) (authdb.UpdateAppSystemParams, map[string]any) {
	p := authdb.UpdateAppSystemParams{ID: r.ID, Name: r.Name, Origins: r.Origins, BaseUrl: r.BaseUrl, AccessTtl: r.AccessTtl, RefreshTtl: r.RefreshTtl,
		RefreshAbsoluteTtl: r.RefreshAbsoluteTtl, RefreshGrace: r.RefreshGrace, RegistrationOpen: r.RegistrationOpen,
		VerificationRequired: r.VerificationRequired, SilentRegistration: r.SilentRegistration, PasswordMin: r.PasswordMin, PasswordClasses: r.PasswordClasses}
	facts := map[string]any{}
	put(facts, "name", &p.Name, c.Name)
	put(facts, "origins", &p.Origins, c.Origins)
	put(facts, "registrationOpen", &p.RegistrationOpen, c.RegistrationOpen)
	put(facts, "silentRegistration", &p.SilentRegistration, c.SilentRegistration)
	put(facts, "passwordMin", &p.PasswordMin, c.PasswordMin)
	put(facts, "passwordClasses", &p.PasswordClasses, c.PasswordClasses)
	override(facts, "baseUrl", &p.BaseUrl, c.BaseURL)
	override(facts, "accessTtl", &p.AccessTtl, c.AccessTTL)
	override(facts, "refreshTtl", &p.RefreshTtl, c.RefreshTTL)
	override(facts, "refreshAbsoluteTtl", &p.RefreshAbsoluteTtl, c.RefreshAbsoluteTTL)
	override(facts, "refreshGrace", &p.RefreshGrace, c.RefreshGrace)
	override(facts, "verificationRequired", &p.VerificationRequired, c.VerificationRequired)
	return p, facts
}

func put[T any](facts map[string]any, name string, to, v *T) {
	if v != nil {
		*to, facts[name] = *v, *v
	}
}

func override[T any](facts map[string]any, name string, to **T, s Setting[T]) {
	if s.Given {
		*to, facts[name] = s.Value, s.Value
	}
}

var (
	errNoApp      = fault.New(fault.NotFound, "not_found", "App not found")
	errAppExists  = fault.New(fault.Conflict, "already_exists", "There is an app of this id")
	errAppInUse   = fault.New(fault.Conflict, "app_in_use", "The app has users: delete them first")
	errAppDefault = fault.New(fault.Conflict, "app_in_use", "The default app cannot be deleted")
	errNoChange   = fault.New(fault.Invalid, "validation_error", "At least one field must be provided for update")
)

func orNoApp(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return errNoApp
	}
	return err
}

// Apps is a page of the apps, by id.
func (s *Service) Apps(ctx context.Context, p Page) ([]App, *string, error) {
	after := ""
	if p.Cursor != "" {
		var err error
		if after, err = p.text(); err != nil || !appIDPattern.MatchString(after) {
			return nil, nil, errCursor
		}
	}
	rows, err := s.q.AppsPageSystem(ctx, s.cfg.DB.In(db.System()), after, p.max())
	apps, next := pageOf(rows, p, s.shownApp, func(r authdb.App) string { return r.ID })
	return apps, next, err
}

// AppByID is one app as it is now.
func (s *Service) AppByID(ctx context.Context, id string) (App, error) {
	row, err := s.q.AppSystem(ctx, s.cfg.DB.In(db.System()), id)
	return s.shownApp(row), orNoApp(err)
}

// AddApp makes an app.
func (s *Service) AddApp(ctx context.Context, id string, c AppChange) (App, error) {
	if err := appIDRule(id); err != nil {
		return App{}, err
	}
	var row authdb.App
	err := s.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		n, err := s.q.InsertAppSystem(ctx, tx, id, id)
		if err != nil {
			return err
		}
		if n == 0 {
			return errAppExists
		}
		row, err = s.changeApp(ctx, tx, id, c, "app_created")
		return err
	})
	s.forgetApps()
	return s.shownApp(row), err
}

// ChangeApp changes settings of an app. Servers notice within a second.
func (s *Service) ChangeApp(ctx context.Context, id string, c AppChange) (App, error) {
	if broken := c.Validate(); len(broken) > 0 {
		return App{}, invalidRequest.WithFields(broken...)
	}
	var row authdb.App
	err := s.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) (err error) {
		row, err = s.changeApp(ctx, tx, id, c, "app_changed")
		return err
	})
	s.forgetApps()
	return s.shownApp(row), orNoApp(err)
}

func (s *Service) changeApp(ctx context.Context, tx pgx.Tx, id string, c AppChange, action string) (authdb.App, error) {
	if broken := c.Validate(); len(broken) > 0 {
		return authdb.App{}, invalidRequest.WithFields(broken...)
	}
	row, err := s.q.LockAppSystem(ctx, tx, id)
	if err != nil {
		return row, err
	}
	update, facts := c.over(row)
	if len(facts) == 0 && action == "app_changed" {
		return row, errNoChange
	}
	if c.AccessTTL.Given { // before it is shorter
		life := s.cfg.AccessTTL
		if ttl := c.AccessTTL.Value; ttl != nil {
			life = max(life, time.Duration(*ttl)*time.Second)
		}
		if err := s.stretch(ctx, tx, nil, life); err != nil {
			return row, err
		}
	}
	if row, err = s.q.UpdateAppSystem(ctx, tx, update); err != nil {
		return row, err
	}
	return row, s.recordAct(ctx, tx, id, uuid.Nil, action, facts)
}

// forgetApps makes this server read the apps anew; the others hear of the change from PostgreSQL.
func (s *Service) forgetApps() {
	s.apps.clear()
	s.origins.clear()
}

// DeleteApp removes an app that has no users. What the audit log says of it stays.
func (s *Service) DeleteApp(ctx context.Context, id string) error {
	if id == s.cfg.DefaultApp {
		return errAppDefault
	}
	err := s.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		if err := s.stretch(ctx, tx, nil, s.cfg.AccessTTL); err != nil { // its tokens live on where nobody asks
			return err
		}
		n, err := s.q.DeleteAppSystem(ctx, tx, id)
		if err != nil {
			return err
		}
		if n == 0 {
			return errNoApp
		}
		return s.recordAct(ctx, tx, id, uuid.Nil, "app_deleted", nil)
	})
	s.forgetApps()
	if db.IsForeignKey(err) {
		return errAppInUse
	}
	return err
}

// RevokeApp ends every access token and session of an app and returns how many sessions that were. An access token knows
// its second of issue only, so those of the very second go with them, though their sessions may be newer: they refresh.
func (s *Service) RevokeApp(ctx context.Context, id, reason string) (sessions int64, err error) {
	reason = shortReason(reason)
	var now time.Time
	err = s.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) (err error) {
		if now, err = s.keyClock(ctx, tx); err != nil { // the clock that is ahead
			return err
		}
		if sessions, err = s.q.RevokeAppSystem(ctx, tx, authdb.RevokeAppSystemParams{ID: id, NotBefore: now, Reason: &reason, EventLife: s.eventLife()}); err != nil {
			return err
		}
		return s.recordAct(ctx, tx, id, uuid.Nil, "app_revoked", map[string]any{"reason": reason, "sessions": sessions})
	})
	if err == nil {
		s.revoked.apply(event{AppID: id, Kind: "app", Subject: id, NotBefore: &pgTimestamp{now}})
	}
	return sessions, orNoApp(err)
}

// shortReason is a reason as the tables keep it.
func shortReason(reason string) string {
	reason = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, reason)
	if r := []rune(reason); len(r) > 100 {
		reason = string(r[:100])
	}
	if reason == "" {
		return "admin_revoked"
	}
	return reason
}

// ResolveApp is the app that a request would be for: the default one if none is named; in development one that is not known
// yet is made.
func (s *Service) ResolveApp(ctx context.Context, id string) (string, error) {
	if broken := checkAppID(&id); id != "" && len(broken) > 0 {
		return "", invalidRequest.WithFields(broken...)
	}
	a, err := s.app(ctx, id)
	return a.id, err
}
