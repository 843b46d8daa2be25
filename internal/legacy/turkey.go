package legacy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"turkey/internal/auth"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/legacy/legacydb"
)

// Turkey is what an import of the original auth server needs.
type Turkey struct {
	Source     string // URL of the predecessor's database
	SourceZone string // of the times that its now() wrote; "": the source database's
	Target     *db.DB
	Keys       interface { // of package auth
		ImportKey(ctx context.Context, tx pgx.Tx, k auth.ImportedKey) (known bool, err error)
	}
	MapApp   map[string]string // new names of apps
	EventApp string            // the app of audit rows whose user is gone
	DryRun   bool
}

// appID is what may name an app here.
var appID = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,100}$`)

// usersAtOnce bounds what of the source is held in memory.
const usersAtOnce = 500

// userKind names users in import_map: who was brought here once and is gone was erased here, and stays so.
const (
	userKind  = "user"
	wasErased = "it was imported before and deleted here"
)

// errDry ends a transaction of a dry run.
var errDry = errors.New("dry run")

// turkeyRow is a user as the source has it.
type turkeyRow struct {
	ID           uuid.UUID
	Email        string
	PasswordHash string
	Role         string
	TokenVersion int32
	Verified     bool
	App          string
	CreatedAt    time.Time
}

// turkeyUser is a user as it would be here.
type turkeyUser struct {
	turkeyRow
	renamed bool   // its app has another name here
	blocked string // why it is not taken over
}

type turkeySession struct {
	ID        uuid.UUID `json:"id"`
	UserID    uuid.UUID `json:"-"`
	TokenHash string    `json:"token_hash"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

type turkeyRevoked struct {
	JTI       string    `json:"jti"`
	UserID    uuid.UUID `json:"-"`
	Reason    *string   `json:"reason"`
	ExpiresAt time.Time `json:"expires_at"`
	CreatedAt time.Time `json:"created_at"`
}

type turkeyEvent struct {
	ID        uuid.UUID  `json:"id"`
	UserID    *uuid.UUID `json:"user_id"`
	Actor     *string    `json:"actor"`
	Action    string     `json:"action"`
	IP        *string    `json:"ip"`
	UserAgent *string    `json:"user_agent"`
	Meta      *string    `json:"meta"`
	CreatedAt time.Time  `json:"created_at"`
}

type turkeyImport struct {
	Turkey
	q      *legacydb.Queries
	src    *source
	report *Report
}

// Run takes over what is not here yet. The error is about the whole import; what happened to rows is in the report.
func (c Turkey) Run(ctx context.Context) (*Report, error) {
	src, err := openSource(ctx, c.Source, c.SourceZone)
	if err != nil {
		return nil, err
	}
	defer src.close(ctx)
	if src.gen == kpiETL {
		return nil, errors.New("the source is a database of the KPI ETL predecessor: use gravy import kpi-etl")
	}
	i := &turkeyImport{Turkey: c, q: legacydb.New(), src: src, report: newReport(src, c.DryRun)}
	for _, step := range []func(context.Context) error{i.tenants, i.users, i.keys, i.audit, i.mailTokens} {
		if err := step(ctx); err != nil {
			return i.report, err
		}
	}
	return i.report, nil
}

// write runs one unit of the import in a transaction of its own, which a dry run undoes. What it did counts only if it
// stayed, or would have.
func (i *turkeyImport) write(ctx context.Context, fn func(tx pgx.Tx, t *tally) error) error {
	t := newTally()
	if err := transact(ctx, i.Target, i.DryRun, func(tx pgx.Tx) error { return fn(tx, t) }); err != nil {
		return err
	}
	i.report.add(t)
	return nil
}

// transact is a transaction of the system scope that a dry run undoes.
func transact(ctx context.Context, target *db.DB, dry bool, fn func(tx pgx.Tx) error) error {
	err := target.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		if dry {
			return errDry
		}
		return nil
	})
	if errors.Is(err, errDry) {
		return nil
	}
	return err
}

// tenants of the first generation have no place here; they are named.
func (i *turkeyImport) tenants(ctx context.Context) error {
	if i.src.gen != turkeyFirst {
		return nil
	}
	names, err := read[struct{ ID string }](ctx, i.src, `SELECT id::text FROM public.tenants WHERE $1::text IS NOT NULL ORDER BY id`)
	if err != nil {
		return err
	}
	for _, n := range names {
		i.report.Notes = append(i.report.Notes, "tenant "+n.ID+": its users belong to the app of that name; its settings are not stored")
	}
	return nil
}

// users takes over users with their live sessions and revoked tokens, each user in one transaction.
func (i *turkeyImport) users(ctx context.Context) error {
	app, verified := "app_id", "email_verified"
	if i.src.gen == turkeyFirst {
		app, verified = "tenant_id", "false"
	}
	all, err := read[turkeyRow](ctx, i.src, `SELECT id, coalesce(email, ''), coalesce(password_hash, ''), coalesce(role, 'user'), coalesce(token_version, 0),
		coalesce(`+verified+`, false), coalesce(`+app+`, ''), coalesce(created_at AT TIME ZONE $1::text, now()) FROM public.users ORDER BY created_at, id`)
	if err != nil {
		return err
	}
	users := i.judge(all)
	for batch := range slices.Chunk(users, usersAtOnce) {
		if err := i.batch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// judge settles names of apps and addresses. Of two addresses that differ in case alone, the one that was in lower case
// stays.
func (i *turkeyImport) judge(rows []turkeyRow) []turkeyUser {
	users := make([]turkeyUser, len(rows))
	type place struct{ app, email string }
	owner := map[place]int{}
	for n, r := range rows {
		u := turkeyUser{turkeyRow: r}
		u.Email = strings.ToLower(strings.TrimSpace(r.Email))
		if name, ok := i.MapApp[r.App]; ok {
			u.App, u.renamed = name, name != r.App
		}
		switch {
		case !appID.MatchString(u.App):
			u.blocked = "the name of its app is not allowed here"
		case u.Email == "" || len(u.Email) > 254:
			u.blocked = "its e-mail address is missing or too long"
		}
		users[n] = u
		if u.blocked != "" {
			continue
		}
		at := place{u.App, u.Email}
		other, taken := owner[at]
		switch {
		case !taken:
			owner[at] = n
		case u.Email == r.Email && rows[other].Email != users[other].Email:
			users[other].blocked, owner[at] = "its address differs from another user's in case alone", n
		default:
			users[n].blocked = "its address differs from another user's in case alone"
		}
	}
	return users
}

func (i *turkeyImport) batch(ctx context.Context, users []turkeyUser) error {
	ids := make([]uuid.UUID, len(users))
	for n, u := range users {
		ids[n] = u.ID
	}
	sessions, err := read[turkeySession](ctx, i.src, `SELECT id, user_id, token_hash, coalesce(created_at AT TIME ZONE $1::text, now()), expires_at AT TIME ZONE 'UTC'
		FROM public.refresh_tokens WHERE user_id = ANY ($2) AND revoked_at IS NULL AND expires_at > now() AT TIME ZONE 'UTC' ORDER BY created_at, id`, ids)
	if err != nil {
		return err
	}
	revoked, err := read[turkeyRevoked](ctx, i.src, `SELECT jti, user_id, reason, expires_at AT TIME ZONE 'UTC', coalesce(created_at AT TIME ZONE $1::text, now())
		FROM public.revoked_jti WHERE user_id = ANY ($2) AND expires_at > now() AT TIME ZONE 'UTC' ORDER BY jti`, ids)
	if err != nil {
		return err
	}
	sessionsOf, revokedOf := map[uuid.UUID][]turkeySession{}, map[uuid.UUID][]turkeyRevoked{}
	for _, s := range sessions {
		sessionsOf[s.UserID] = append(sessionsOf[s.UserID], s)
	}
	for _, r := range revoked {
		revokedOf[r.UserID] = append(revokedOf[r.UserID], r)
	}
	for _, u := range users {
		err := i.write(ctx, func(tx pgx.Tx, t *tally) error { return i.user(ctx, tx, t, u, sessionsOf[u.ID], revokedOf[u.ID]) })
		if ctx.Err() != nil || outage(err) {
			return err
		}
		if err != nil {
			t := newTally()
			t.failed("users", u.ID.String(), reason(err))
			i.report.add(t)
		}
	}
	return nil
}

// outage reports whether the target is away: then nothing more can be imported.
func outage(err error) bool {
	f, ok := fault.From(err)
	return ok && f.Kind == fault.Unavailable
}

// reason words an error of the target without the values it may quote.
func reason(err error) string {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return "the target refused it (SQLSTATE " + refused.Code + ")"
	}
	return "it could not be written"
}

func (i *turkeyImport) user(ctx context.Context, tx pgx.Tx, t *tally, u turkeyUser, sessions []turkeySession, revoked []turkeyRevoked) error {
	id := u.ID.String()
	if u.blocked != "" {
		t.skipped("users", id, u.blocked)
		skipAll(t, "refresh_tokens", sessions, func(s turkeySession) string { return s.ID.String() }, "its user was skipped")
		skipAll(t, "revoked_jti", revoked, func(r turkeyRevoked) string { return r.JTI }, "its user was skipped")
		return nil
	}
	known, err := i.q.HasUserSystem(ctx, tx, u.App, u.ID)
	if err != nil {
		return err
	}
	erased := false
	if !known {
		if erased, err = i.q.WasImportedSystem(ctx, tx, userKind, id); err != nil {
			return err
		}
	}
	switch {
	case erased:
		u.blocked = wasErased
		return i.user(ctx, tx, t, u, sessions, revoked)
	case known:
		t.known("users")
	default:
		if err := i.q.AppSystem(ctx, tx, u.App); err != nil {
			return err
		}
		n, err := i.q.ImportUserSystem(ctx, tx, legacydb.ImportUserSystemParams{ID: u.ID, AppID: u.App, Email: u.Email, PasswordHash: u.PasswordHash, Role: u.Role,
			TokenVersion: u.TokenVersion, EmailVerified: u.Verified, CreatedAt: u.CreatedAt})
		if err != nil {
			return err
		}
		if n == 0 {
			u.blocked = "another user has this address, or this id, here"
			return i.user(ctx, tx, t, u, sessions, revoked)
		}
		if err := i.q.MapSystem(ctx, tx, legacydb.MapSystemParams{Source: i.src.name, Kind: userKind, SourceID: id, TargetID: id}); err != nil {
			return err
		}
		t.imported("users")
	}
	if u.renamed {
		skipAll(t, "refresh_tokens", sessions, func(s turkeySession) string { return s.ID.String() }, "its app has another name here")
		skipAll(t, "revoked_jti", revoked, func(r turkeyRevoked) string { return r.JTI }, "its app has another name here, so its token is void anyway")
		return nil
	}
	return i.tokens(ctx, tx, t, u, sessions, revoked)
}

func skipAll[T any](t *tally, table string, rows []T, id func(T) string, why string) {
	for _, r := range rows {
		t.skipped(table, id(r), why)
	}
}

// tokens takes over what belongs to a user's tokens.
func (i *turkeyImport) tokens(ctx context.Context, tx pgx.Tx, t *tally, u turkeyUser, sessions []turkeySession, revoked []turkeyRevoked) error {
	if len(sessions) > 0 {
		body, err := json.Marshal(sessions)
		if err != nil {
			return err
		}
		done, err := i.q.ImportSessionsSystem(ctx, tx, legacydb.ImportSessionsSystemParams{AppID: u.App, UserID: u.ID, TokenVersion: u.TokenVersion, Sessions: body})
		if err != nil {
			return err
		}
		t.count("refresh_tokens", len(sessions), len(done))
	}
	if len(revoked) > 0 {
		body, err := json.Marshal(revoked)
		if err != nil {
			return err
		}
		done, err := i.q.ImportRevokedSystem(ctx, tx, legacydb.ImportRevokedSystemParams{AppID: u.App, UserID: u.ID, Revoked: body})
		if err != nil {
			return err
		}
		t.count("revoked_jti", len(revoked), len(done))
	}
	return nil
}

type turkeyKey struct {
	KID       string
	Public    string
	Private   string
	CreatedAt time.Time
	RetiredAt *time.Time
	Active    bool
}

// keys takes over signing keys: those in use verify here for as long as their tokens live, the others are history.
func (i *turkeyImport) keys(ctx context.Context) error {
	all, err := read[turkeyKey](ctx, i.src, `SELECT kid, coalesce(public_pem, ''), coalesce(private_pem, ''), coalesce(created_at AT TIME ZONE $1::text, now()),
		retired_at AT TIME ZONE 'UTC', coalesce(is_active, false) FROM public.keys ORDER BY created_at, kid`)
	if err != nil {
		return err
	}
	for _, k := range all {
		err := i.write(ctx, func(tx pgx.Tx, t *tally) error {
			known, err := i.Keys.ImportKey(ctx, tx, auth.ImportedKey{ID: k.KID, PublicPEM: k.Public, PrivatePEM: k.Private, CreatedAt: k.CreatedAt,
				RetiredAt: k.RetiredAt, Active: k.Active})
			switch {
			case errors.Is(err, auth.ErrNoKeyPair):
				t.failed("keys", k.KID, auth.ErrNoKeyPair.Error())
				return nil
			case err != nil:
				return err
			case known:
				t.known("keys")
			default:
				t.imported("keys")
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("key %s: %w", k.KID, err)
		}
	}
	return nil
}

// auditAtOnce bounds one transaction of the audit.
const auditAtOnce = 5000

func (i *turkeyImport) audit(ctx context.Context) error {
	columns, err := i.src.columns(ctx, "audit")
	if err != nil || len(columns) == 0 {
		return err
	}
	after := uuid.Nil
	for {
		events, err := read[turkeyEvent](ctx, i.src, `SELECT id, user_id, left(actor, 100), coalesce(action, ''), left(ip, 45), user_agent, meta,
			coalesce(created_at AT TIME ZONE $1::text, now()) FROM public.audit WHERE id > $2 ORDER BY id LIMIT $3`, after, auditAtOnce)
		if err != nil || len(events) == 0 {
			return err
		}
		after = events[len(events)-1].ID
		body, err := json.Marshal(events)
		if err != nil {
			return err
		}
		err = i.write(ctx, func(tx pgx.Tx, t *tally) error {
			n, err := i.q.ImportAuditSystem(ctx, tx, cmp.Or(i.MapApp[i.EventApp], i.EventApp), body)
			t.count("audit", len(events), int(n))
			return err
		})
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
}

// mailTokens are hashed so that they cannot be looked up: their users ask for a new mail.
func (i *turkeyImport) mailTokens(ctx context.Context) error {
	columns, err := i.src.columns(ctx, "email_tokens")
	if err != nil || len(columns) == 0 {
		return err
	}
	live, err := read[struct{ N int }](ctx, i.src, `SELECT count(*) FROM public.email_tokens WHERE $1::text IS NOT NULL AND used_at IS NULL AND expires_at > now() AT TIME ZONE 'UTC'`)
	if err == nil && live[0].N > 0 {
		i.report.Notes = append(i.report.Notes, fmt.Sprintf("%d links in mails are not taken over: their users ask for a new mail", live[0].N))
	}
	return err
}
