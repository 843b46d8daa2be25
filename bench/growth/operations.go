package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/vault/vaultdb"
)

// operation is what is measured, once per call.
type operation struct {
	name string
	do   func(context.Context, *size) error
}

// reads asks for one address as somebody.
func reads(path string, of func(*people) *person) func(context.Context, *size) error {
	return func(_ context.Context, s *size) error {
		return s.call(http.MethodGet, path, nil, nil, of(&s.people).bearer()...)
	}
}

// administers asks as an operator.
func administers(path func(*people) string) func(context.Context, *size) error {
	return func(_ context.Context, s *size) error {
		return s.call(http.MethodGet, "/v1/admin/"+path(&s.people), nil, nil, "X-Turkey-Admin-Key", operatorKey)
	}
}

func (p *people) anybody() *person  { return one(p, p.all) }
func (p *people) saver() *person    { return one(p, p.savers) }
func (p *people) keeper() *person   { return one(p, p.keepers) }
func (p *people) collects() *person { return one(p, p.pipeline) }

// allOperations are those whose times are not to grow.
func allOperations() []operation {
	auth, vault := authdb.New(), vaultdb.New()
	agent, ip, meta := "growth", "192.0.2.1", `{"requestId":"growth"}`
	return []operation{
		{"refresh", func(_ context.Context, s *size) error { return s.refresh(s.people.anybody()) }},
		{"users/me", reads("/v1/users/me", (*people).anybody)},
		{"introspect, access token", func(_ context.Context, s *size) error {
			return s.call(http.MethodPost, "/v1/auth/introspect", map[string]string{"token": s.people.anybody().access}, nil)
		}},
		{"introspect, refresh token", func(_ context.Context, s *size) error {
			p := s.people.anybody()
			p.mu.Lock()
			defer p.mu.Unlock()
			return s.call(http.MethodPost, "/v1/auth/introspect", map[string]string{"token": p.refresh}, nil)
		}},
		{"login: look-up (statement)", func(ctx context.Context, s *size) error {
			p := s.people.anybody()
			_, err := auth.UserForLogin(ctx, s.people.db.In(db.App(p.app)), p.app, p.email)
			return err
		}},
		{"login: session (statement)", func(ctx context.Context, s *size) error {
			p := s.people.anybody()
			id, err := uuid.NewV7()
			if err != nil {
				return err
			}
			n, err := auth.OpenSession(ctx, s.people.db.In(db.App(p.app)), authdb.OpenSessionParams{Ip: &ip, UserAgent: &agent, Meta: &meta, AppID: p.app, UserID: p.id,
				SessionID: id, ExpiresAt: time.Now().Add(time.Hour), AbsoluteExpiresAt: time.Now().Add(2 * time.Hour)})
			if err == nil && n != 1 {
				err = errors.New("no session was opened")
			}
			return err
		}},
		{"reset: unknown address (statement)", func(ctx context.Context, s *size) error {
			p := s.people.anybody()
			_, err := auth.LockUserByEmail(ctx, s.people.db.In(db.App(p.app)), p.app, "nobody."+p.email)
			if errors.Is(err, pgx.ErrNoRows) {
				err = nil
			}
			return err
		}},
		{"own sessions", reads("/v1/users/me/sessions", (*people).anybody)},
		{"credential save", func(_ context.Context, s *size) error { return s.save(s.people.saver()) }},
		{"credential list", reads("/api/credentials/list", (*people).keeper)},
		{"credential get", func(_ context.Context, s *size) error {
			p := s.people.saver()
			return s.call(http.MethodGet, "/api/credentials/"+strconv.FormatInt(p.credential, 10), nil, nil, p.bearer()...)
		}},
		{"credential use (statement)", func(ctx context.Context, s *size) error {
			p := s.people.saver()
			_, err := vault.TakeCredential(ctx, s.people.db.In(db.User(p.id)), vaultdb.TakeCredentialParams{ID: p.credential, Metadata: json.RawMessage(`{}`), Purpose: "growth"})
			return err
		}},
		{"services", reads("/api/services", (*people).keeper)},
		{"activity log, a page", reads("/api/activity-log?limit=50", (*people).keeper)},
		{"figures of 30 days", reads("/api/kpis?service=ga4", (*people).collects)},
		{"runs, a page", reads("/api/runs", (*people).collects)},
		{"admin: users of the big app", administers(func(*people) string { return "apps/default-app/users?limit=50" })},
		{"admin: search by address", administers(func(p *people) string { return "apps/default-app/users?q=" + url.QueryEscape(one(p, p.parts)) })},
		{"admin: search that finds nobody", administers(func(p *people) string { return "apps/default-app/users?q=nobody" + url.QueryEscape(one(p, p.parts)) })},
		{"admin: administrators of the big app", administers(func(*people) string { return "apps/default-app/users?role=admin" })},
		{"admin: one user", administers(func(p *people) string { q := p.anybody(); return "apps/" + q.app + "/users/" + q.id.String() })},
		{"admin: app info", reads("/v1/users/app-info?limit=50", func(p *people) *person { return p.admin })},
		{"admin: sessions", administers(func(*people) string { return "sessions?limit=50" })},
		{"admin: sessions of an app", administers(func(p *people) string { return "sessions?limit=50&app=" + p.anybody().app })},
		{"admin: sessions of a user", administers(func(p *people) string { return "sessions?user=" + p.anybody().id.String() })},
		{"admin: audit", administers(func(*people) string { return "audit?limit=50" })},
		{"admin: audit of an app", administers(func(p *people) string { return "apps/" + p.anybody().app + "/audit?limit=50" })},
		{"admin: audit of a user", administers(func(p *people) string { return "audit?limit=50&user=" + p.anybody().id.String() })},
		{"admin: audit by a rare act", administers(func(*people) string { return "audit?limit=50&action=refresh_reuse_detected" })},
		{"admin: audit by an unknown act", administers(func(*people) string { return "audit?limit=50&action=never_happened" })},
		{"admin: audit by actor", administers(func(p *people) string { return "audit?limit=50&actor=" + p.anybody().id.String() })},
		{"admin: revocations", administers(func(*people) string { return "revocations?limit=50" })},
		{"revocation feed of an app", func(ctx context.Context, s *size) error {
			_, err := auth.FeedSystem(ctx, s.people.db.In(db.System()), s.people.anybody().app, s.people.event)
			return err
		}},
	}
}
