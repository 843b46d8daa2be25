package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
)

// person is a user who is asked for.
type person struct {
	no         int64
	id         uuid.UUID
	app, email string

	mu              sync.Mutex // of the refresh token: one uses it at a time
	access, refresh string
	credential      int64 // the newest of those that the server saved
}

func (p *person) bearer() []string { return []string{"Authorization", "Bearer " + p.access} }

// people are the users of one database who are asked for, at random.
type people struct {
	db       *db.DB
	all      []*person
	savers   []*person // got a credential from the server
	keepers  []*person // have a vault for long, with a log
	pipeline []*person // collect figures
	admin    *person   // of the big app
	parts    []string  // of addresses
	event    int64     // the newest of the feed

	turn atomic.Int64 // whose turn it is while everybody is asked for once; 0: people are asked for at random
}

// one of them, at random or in turn.
func one[T any](p *people, of []T) T {
	if p.turn.Load() > 0 {
		return of[int(p.turn.Add(1))%len(of)]
	}
	return of[mathrand.IntN(len(of))] //nolint:gosec // no secret
}

// gather gives the people sessions whose tokens are known, as imported ones are, and signs them in with these.
func (s *size) gather(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var salt [8]byte
	rand.Read(salt[:])
	run := hex.EncodeToString(salt[:])
	rows, err := conn.Query(ctx, `WITH u AS (
		SELECT u.user_no, u.id, u.app_id, u.email FROM users u WHERE u.user_no % $1 = 0 AND u.status = 'active' AND u.email_verified
	), s AS (
		INSERT INTO refresh_tokens (id, app_id, user_id, token_hash, token_version, expires_at)
		SELECT gen_random_uuid(), u.app_id, u.id, encode(sha256(('rt_' || encode(sha256(($2::text || u.user_no)::bytea), 'hex'))::bytea), 'hex'), 0, now() + interval '7 days' FROM u
	)
	SELECT u.user_no, u.id, u.app_id, u.email FROM u`, s.users/min(s.users/2, mostPeople), run)
	if err != nil {
		return err
	}
	p := &s.people
	if p.all, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (*person, error) {
		p := &person{}
		return p, r.Scan(&p.no, &p.id, &p.app, &p.email)
	}); err != nil {
		return err
	}
	for _, q := range p.all {
		p.parts = append(p.parts, q.email[:strings.IndexByte(q.email, '@')])
		sum := sha256.Sum256(fmt.Appendf(nil, "%s%d", run, q.no))
		q.refresh = "rt_" + hex.EncodeToString(sum[:])
		if err := s.refresh(q); err != nil {
			return err
		}
	}
	for _, q := range p.all {
		switch {
		case q.no%60 == 0:
			p.pipeline, p.keepers = append(p.pipeline, q), append(p.keepers, q)
		case q.no%6 == 0:
			p.keepers = append(p.keepers, q)
		case len(p.savers) < 600:
			if err := s.save(q); err != nil {
				return err
			}
			p.savers = append(p.savers, q)
		}
		if p.admin == nil && q.app == "default-app" {
			p.admin = q
		}
	}
	if _, err := conn.Exec(ctx, `UPDATE users SET role = 'admin' WHERE id = $1`, p.admin.id); err != nil {
		return err
	}
	if err := conn.QueryRow(ctx, `SELECT coalesce(max(id), 0) FROM revocation_events`).Scan(&p.event); err != nil {
		return err
	}
	if p.db, err = db.Open(ctx, db.Config{URL: s.dsn, MaxConns: clients + 2}); err != nil {
		return err
	}
	return s.refresh(p.admin) // with the role
}

// refresh is one, with the newest token of a person.
func (s *size) refresh(p *person) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var t struct {
		Data struct {
			AccessToken  string `json:"accessToken"`
			RefreshToken string `json:"refreshToken"`
		} `json:"data"`
	}
	if err := s.call(http.MethodPost, "/v1/auth/refresh", map[string]string{"refreshToken": p.refresh, "appId": p.app}, &t); err != nil {
		return err
	}
	p.access, p.refresh = t.Data.AccessToken, t.Data.RefreshToken
	return nil
}

// save stores a credential of a real one's size.
func (s *size) save(p *person) error {
	var salt [12]byte
	rand.Read(salt[:])
	//nolint:gosec // of the right size, and no key
	account := map[string]string{"type": "service_account", "project_id": "bench", "private_key_id": hex.EncodeToString(salt[:]),
		"private_key":  "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n", 25) + hex.EncodeToString(salt[:]) + "\n-----END PRIVATE KEY-----\n",
		"client_email": "bench@bench.iam.gserviceaccount.com", "client_id": "1", "token_uri": "https://oauth2.googleapis.com/token"}
	err := s.call(http.MethodPost, "/api/credentials/save", map[string]any{"credentialJson": account, "credentialName": "Growth", "service": "google_sheets"}, nil, p.bearer()...)
	if err != nil || p.credential > 0 {
		return err
	}
	var list struct {
		Credentials []struct {
			ID int64 `json:"id"`
		} `json:"credentials"`
	}
	if err := s.call(http.MethodGet, "/api/credentials/list", nil, &list, p.bearer()...); err != nil {
		return err
	}
	if len(list.Credentials) == 0 {
		return errors.New("what was saved is not in the list")
	}
	p.credential = list.Credentials[0].ID
	return nil
}

// took are the times of one operation at one size, over all rounds, and the p99 of each round.
type took struct {
	all  []time.Duration
	p99s []time.Duration
}

func at(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)*percent/100, len(sorted)-1)]
}

func ms(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.2f", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.0f", d.Seconds()*1000)
}

// mostPeople are asked for at each size.
const mostPeople = 2000

// operations measures every operation at every size in turns.
func (g *growth) operations(ctx context.Context) error {
	for _, s := range g.sizes {
		if err := g.serve(ctx, s); err != nil {
			return err
		}
		defer s.stop()
		if err := s.gather(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		defer s.people.db.Close()
	}
	g.printf("## Hot operations\n")
	g.printf("%d clients, closed loop, %d rounds of %s in turns, people at random of %s of each size, each of whom was asked for once before: what nobody asked for lately costs reads of the disk besides. ms, p50 / p99 over all rounds; growth is that of the p99 (median of the rounds) from the smallest to the largest size, target ≤ 1.5.\n", clients, g.rounds, g.slice, count(mostPeople))
	line := "| operation"
	for _, s := range g.sizes {
		line += " | " + count(int64(s.users))
	}
	g.printf("%s | growth of p50 | growth of p99 |", line)
	g.printf("|%s", strings.Repeat("---|", len(g.sizes)+3))
	for _, op := range allOperations() {
		if !strings.Contains(op.name, g.only) {
			continue
		}
		if err := g.measure(ctx, op); err != nil {
			return fmt.Errorf("%s: %w", op.name, err)
		}
	}
	return nil
}

func (g *growth) measure(ctx context.Context, op operation) error {
	found := make([]took, len(g.sizes))
	for _, s := range g.sizes {
		s.people.turn.Store(1)
		if _, err := g.load(ctx, s, op, 20*time.Second, len(s.people.all)); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		s.people.turn.Store(0)
	}
	for range g.rounds {
		for i, s := range g.sizes {
			one, err := g.load(ctx, s, op, g.slice, math.MaxInt)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			slices.Sort(one)
			found[i].all = append(found[i].all, one...)
			found[i].p99s = append(found[i].p99s, at(one, 99))
		}
	}
	line := "| " + op.name
	for i := range found {
		slices.Sort(found[i].all)
		slices.Sort(found[i].p99s)
		line += fmt.Sprintf(" | %s / %s", ms(at(found[i].all, 50)), ms(at(found[i].all, 99)))
	}
	first, last := found[0], found[len(found)-1]
	g.printf("%s | %.2f | **%.2f** |", line, float64(at(last.all, 50))/float64(at(first.all, 50)), float64(at(last.p99s, 50))/float64(at(first.p99s, 50)))
	return nil
}

// load runs one operation at one size for a slice, or so often.
func (g *growth) load(ctx context.Context, s *size, op operation, slice time.Duration, most int) ([]time.Duration, error) {
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	var wg sync.WaitGroup
	began := time.Now()
	for range clients {
		wg.Go(func() {
			var mine []time.Duration
			for time.Since(began) < slice && len(mine) < most/clients && ctx.Err() == nil {
				t := time.Now()
				if err := op.do(ctx, s); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
					return
				}
				mine = append(mine, time.Since(t))
			}
			mu.Lock()
			all = append(all, mine...)
			mu.Unlock()
		})
	}
	wg.Wait()
	return all, errors.Join(failed, ctx.Err())
}
