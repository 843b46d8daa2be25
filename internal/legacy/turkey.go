package legacy

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
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
	Keys       Keys
	MapApp     map[string]string // new names of apps
	EventApp   string            // the app of audit rows whose user is gone
	DryRun     bool
	Progress   Progress
}

// Keys takes over signing keys; auth.KeyImporter does.
type Keys interface {
	ImportKey(ctx context.Context, tx pgx.Tx, k auth.ImportedKey) (known bool, err error)
}

// Progress hears how far the work is; nil: nobody does.
type Progress func(what string, done, total int64)

func (p Progress) tell(what string, done, total int) {
	if p != nil {
		p(what, int64(done), int64(total))
	}
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

// turkeyImport is an import, or an upgrade in place.
type turkeyImport struct {
	q        *legacydb.Queries
	src      *source
	report   *Report
	keysTo   Keys
	mapApp   map[string]string
	eventApp string
	progress Progress

	transact func(ctx context.Context, fn func(tx pgx.Tx) error) error // one unit of work
	together int                                                       // users in a unit
	whole    bool                                                      // nothing may be left out: an upgrade in place
}

// Run takes over what is not here yet. The error is about the whole import; what happened to rows is in the report.
func (c Turkey) Run(ctx context.Context) (*Report, error) {
	src, err := openSource(ctx, c.Source, c.SourceZone)
	if err != nil {
		return nil, err
	}
	defer src.close(ctx)
	if src.gen == db.OriginKPIETL {
		return nil, errors.New("the source is a database of the KPI ETL predecessor: use gravy import kpi-etl")
	}
	i := &turkeyImport{q: legacydb.New(), src: src, report: newReport(src, c.DryRun), keysTo: c.Keys, mapApp: c.MapApp, eventApp: c.EventApp, progress: c.Progress,
		together: 1, transact: func(ctx context.Context, fn func(tx pgx.Tx) error) error {
			return transact(ctx, c.Target, c.DryRun, fn)
		}}
	return i.report, i.run(ctx)
}

func (i *turkeyImport) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{i.tenants, i.keys, i.users, i.audit, i.leftBehind} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// write runs one unit of the work. What it did counts only if it stayed, or would have.
func (i *turkeyImport) write(ctx context.Context, fn func(tx pgx.Tx, t *tally) error) error {
	t := newTally()
	if err := i.transact(ctx, func(tx pgx.Tx) error { return fn(tx, t) }); err != nil {
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
	if i.src.gen != db.OriginTurKeyFirst {
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

// users takes over users with their live sessions and revoked tokens.
func (i *turkeyImport) users(ctx context.Context) error {
	app, verified := "app_id", "email_verified"
	if i.src.gen == db.OriginTurKeyFirst {
		app, verified = "tenant_id", "false"
	}
	all, err := read[turkeyRow](ctx, i.src, `SELECT id, coalesce(email, ''), coalesce(password_hash, ''), coalesce(role, 'user'), coalesce(token_version, 0),
		coalesce(`+verified+`, false), coalesce(`+app+`, ''), coalesce(created_at AT TIME ZONE $1::text, now()) FROM `+i.src.schema+`.users ORDER BY created_at, id`)
	if err != nil {
		return err
	}
	users := i.judge(all)
	if i.whole {
		if err := i.refuse(users); err != nil {
			return err
		}
	}
	done := 0
	for batch := range slices.Chunk(users, usersAtOnce) {
		if err := i.batch(ctx, batch); err != nil {
			return err
		}
		done += len(batch)
		if batches := done / usersAtOnce; i.whole && bits.OnesCount(uint(batches)) == 1 { // whenever it has doubled
			if err := i.write(ctx, func(tx pgx.Tx, _ *tally) error { return db.Replan(ctx, tx) }); err != nil {
				return err
			}
		}
		i.progress.tell("users", done, len(users))
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
		if name, ok := i.mapApp[r.App]; ok {
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
			users[other].blocked, owner[at] = sameAddress(r.ID), n
		default:
			users[n].blocked = sameAddress(rows[other].ID)
		}
	}
	return users
}

func sameAddress(id uuid.UUID) string {
	return "its address differs from that of user " + id.String() + " in case alone"
}

func (i *turkeyImport) batch(ctx context.Context, users []turkeyUser) error {
	ids := make([]uuid.UUID, len(users))
	for n, u := range users {
		ids[n] = u.ID
	}
	sessions, err := read[turkeySession](ctx, i.src, `SELECT id, user_id, token_hash, coalesce(created_at AT TIME ZONE $1::text, now()), expires_at AT TIME ZONE 'UTC'
		FROM `+i.src.schema+`.refresh_tokens WHERE user_id = ANY ($2) AND `+liveSession+` ORDER BY created_at, id`, ids)
	if err != nil {
		return err
	}
	revoked, err := read[turkeyRevoked](ctx, i.src, `SELECT jti, user_id, reason, expires_at AT TIME ZONE 'UTC', coalesce(created_at AT TIME ZONE $1::text, now())
		FROM `+i.src.schema+`.revoked_jti WHERE user_id = ANY ($2) AND `+notExpired+` ORDER BY jti`, ids)
	if err != nil {
		return err
	}
	of := belongings{sessions: map[uuid.UUID][]turkeySession{}, revoked: map[uuid.UUID][]turkeyRevoked{}}
	for _, s := range sessions {
		of.sessions[s.UserID] = append(of.sessions[s.UserID], s)
	}
	for _, r := range revoked {
		of.revoked[r.UserID] = append(of.revoked[r.UserID], r)
	}
	for unit := range slices.Chunk(users, i.together) {
		err := i.write(ctx, func(tx pgx.Tx, t *tally) error { return i.place(ctx, tx, t, unit, of) })
		if err == nil {
			continue
		}
		if ctx.Err() != nil || outage(err) || i.whole {
			return fmt.Errorf("users: %w", err)
		}
		t := newTally()
		for _, u := range unit {
			t.failed("users", u.ID.String(), reason(err))
		}
		i.report.add(t)
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

// leftBehind names what is of no use here: what was over already, and links in mails, whose hashes cannot be looked up.
func (i *turkeyImport) leftBehind(ctx context.Context) error {
	for _, of := range []struct{ table, where, note string }{
		{"refresh_tokens", "NOT (" + liveSession + ")", "%d refresh tokens had been revoked or had expired: they stay behind"},
		{"revoked_jti", "NOT (" + notExpired + ")", "%d revocations of tokens that have expired since stay behind"},
		{"email_tokens", "used_at IS NULL AND " + notExpired, "%d links in mails are not taken over: their users ask for a new mail"},
	} {
		columns, err := i.src.columns(ctx, of.table)
		if err != nil {
			return err
		}
		if len(columns) == 0 {
			continue
		}
		rows, err := read[struct{ N int }](ctx, i.src, `SELECT count(*) FROM `+i.src.schema+`.`+of.table+` WHERE $1::text IS NOT NULL AND `+of.where)
		if err != nil {
			return err
		}
		if rows[0].N > 0 {
			i.report.Notes = append(i.report.Notes, fmt.Sprintf(of.note, rows[0].N))
		}
	}
	return nil
}

// What is of use, in terms of the source: its times are the wall clock of UTC.
const (
	notExpired  = "expires_at > now() AT TIME ZONE 'UTC'"
	liveSession = "revoked_at IS NULL AND " + notExpired
)

// What a user and their rows are in the source and on the way here.
type (
	turkeyRow struct {
		ID           uuid.UUID `json:"id"`
		Email        string    `json:"email"`
		PasswordHash string    `json:"password_hash"`
		Role         string    `json:"role"`
		TokenVersion int32     `json:"token_version"`
		Verified     bool      `json:"email_verified"`
		App          string    `json:"app_id"`
		CreatedAt    time.Time `json:"created_at"`
	}
	// turkeyUser is a user as it would be here.
	turkeyUser struct {
		turkeyRow
		renamed bool   // its app has another name here
		blocked string // why it is not taken over
	}
	turkeySession struct {
		ID           uuid.UUID `json:"id"`
		UserID       uuid.UUID `json:"user_id"`
		TokenHash    string    `json:"token_hash"`
		CreatedAt    time.Time `json:"created_at"`
		ExpiresAt    time.Time `json:"expires_at"`
		App          string    `json:"app_id" db:"-"`
		TokenVersion int32     `json:"token_version" db:"-"`
	}
	turkeyRevoked struct {
		JTI       string    `json:"jti"`
		UserID    uuid.UUID `json:"user_id"`
		Reason    *string   `json:"reason"`
		ExpiresAt time.Time `json:"expires_at"`
		CreatedAt time.Time `json:"created_at"`
		App       string    `json:"app_id" db:"-"`
	}
	// belongings are what some users have, by user.
	belongings struct {
		sessions map[uuid.UUID][]turkeySession
		revoked  map[uuid.UUID][]turkeyRevoked
	}
)
