package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"regexp"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/auth/authdb"
	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/wire"
)

// Who may administer. An operator reaches everything: an administrator of the default app, or the holder of an admin key,
// or whoever runs gravy on the machine. The administrator of another app reaches the users of that app. Each act is one
// transaction: the act, the end of what it ends, the mails it causes, and an audit row that names the actor.

// admin is who acts.
type admin struct {
	actor  string // as audit rows name it: a user's id, admin-key:<name>, or the command line
	app    string // the only app it reaches; "": an operator, who reaches all
	forced bool   // an app may lose its last administrator
}

type adminContext struct{}

func withAdmin(ctx context.Context, a admin) context.Context {
	return context.WithValue(ctx, adminContext{}, a)
}

func adminFrom(ctx context.Context) admin {
	a, _ := ctx.Value(adminContext{}).(admin)
	return a
}

// AsOperator returns a context in which acts are an operator's. actor is the name in audit rows. Forced lets an app lose
// its last administrator.
func AsOperator(ctx context.Context, actor string, forced bool) context.Context {
	return withAdmin(ctx, admin{actor: actor, forced: forced})
}

// administrator finds out who asks, by an Authorization header, an admin key or both. What is sent must be valid, whatever
// else is. The user is told of one who is no administrator, too.
func (s *Service) administrator(ctx context.Context, authorization, key string) (admin, *caller.User, error) {
	var byKey *admin
	if key != "" {
		name, err := s.adminKeyName(ctx, key)
		if err != nil {
			return admin{}, nil, err
		}
		byKey = &admin{actor: "admin-key:" + name}
		if authorization == "" {
			return *byKey, nil, nil
		}
	}
	u, err := s.Authenticate(ctx, authorization)
	switch {
	case err != nil:
		return admin{}, nil, err
	case byKey != nil:
		return *byKey, nil, nil
	}
	if err := needRole(u, "admin", "admin"); err != nil {
		return admin{}, &u, err
	}
	a := admin{actor: u.ID.String()}
	if u.AppID != s.cfg.DefaultApp {
		a.app = u.AppID
	}
	return a, &u, nil
}

var (
	errBadAdminKey = fault.New(fault.Forbidden, "invalid_api_key", "Forbidden: invalid admin key")
	errNotOperator = fault.New(fault.Forbidden, "insufficient_permissions", "Only operators may do this: administrators of the default app, and admin keys")
	errOtherApp    = fault.New(fault.Forbidden, "insufficient_permissions", "An app's administrator reaches this app only")
	errKeyName     = fault.New(fault.Invalid, "validation_error", "The name of a key is 1 to 80 letters, numbers, dots, underscores and hyphens")
	errKeyTaken    = fault.New(fault.Conflict, "already_exists", "There is or was an admin key of this name; the audit log names keys by it, so choose another")
	errNoAdminKey  = fault.New(fault.NotFound, "not_found", "There is no live admin key of this name")
)

// reaches refuses what lies outside the admin's reach. It answers the same for apps that exist and those that do not.
func (a admin) reaches(app string) error {
	switch {
	case a.app == "" || a.app == app:
		return nil
	case app == "":
		return errNotOperator
	}
	return errOtherApp
}

// recordRefusal writes down that somebody asked for what is not theirs (403), in the app of the user, else in the default one.
// It returns the answer, which is another if that failed.
func (s *Service) recordRefusal(ctx context.Context, u *caller.User, method, path string, answer error) error {
	f, ok := fault.From(answer)
	if !ok || f.Kind != fault.Forbidden {
		return answer
	}
	ip, agent := audit.Origin(ctx)
	about := string(audit.Meta(ctx, map[string]any{"method": method, "path": path, "reason": f.Code}))
	row := authdb.WriteAuditParams{AppID: s.cfg.DefaultApp, Action: "admin_refused", Ip: ip, UserAgent: agent, Meta: &about}
	if u != nil {
		actor := u.ID.String()
		row.AppID, row.UserID, row.Actor = u.AppID, &u.ID, &actor
	}
	if err := s.q.WriteAudit(ctx, s.cfg.DB.In(db.App(row.AppID)), row); err != nil {
		return err
	}
	return answer
}

// Admin keys: 32 random bytes behind a prefix that scanners for secrets recognise. The table holds their SHA-256: of so
// many random bits nothing slower is needed.
const adminKeyPrefix = "turkey_admin_"

var adminKeyNames = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,80}$`)

func hashAdminKey(key string) []byte {
	h := sha256.Sum256([]byte(key))
	return h[:]
}

// adminKeyName is the name of a live key.
func (s *Service) adminKeyName(ctx context.Context, key string) (string, error) {
	if !strings.HasPrefix(key, adminKeyPrefix) || len(key) > 100 {
		return "", errBadAdminKey
	}
	name, err := s.q.UseAdminKeySystem(ctx, s.cfg.DB.In(db.System()), hashAdminKey(key))
	if errors.Is(err, pgx.ErrNoRows) {
		return "", errBadAdminKey
	}
	return name, err
}

// AdminKey is what is told about a key of an operator.
type AdminKey struct {
	Name      string     `json:"name"`
	CreatedAt wire.Time  `json:"createdAt" format:"date-time"`
	UsedAt    *wire.Time `json:"usedAt" format:"date-time"` // to the minute
	RevokedAt *wire.Time `json:"revokedAt" format:"date-time"`
}

func shownKey(r authdb.AdminKeysSystemRow) AdminKey {
	return AdminKey{Name: r.Name, CreatedAt: wire.Time(r.CreatedAt), UsedAt: wire.TimePtr(r.UsedAt), RevokedAt: wire.TimePtr(r.RevokedAt)}
}

// AdminKeys lists all keys, the revoked ones included.
func (s *Service) AdminKeys(ctx context.Context) ([]AdminKey, error) {
	rows, err := s.q.AdminKeysSystem(ctx, s.cfg.DB.In(db.System()))
	keys := make([]AdminKey, len(rows))
	for i, r := range rows {
		keys[i] = shownKey(r)
	}
	return keys, err
}

// CreateAdminKey makes a key. It is told this once.
func (s *Service) CreateAdminKey(ctx context.Context, name string) (key string, info AdminKey, err error) {
	if !adminKeyNames.MatchString(name) {
		return "", info, errKeyName
	}
	var b [32]byte
	rand.Read(b[:])
	key = adminKeyPrefix + base64.RawURLEncoding.EncodeToString(b[:])
	err = s.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		if err := s.q.LockAdminKeysSystem(ctx, tx); err != nil {
			return err
		}
		row, err := s.q.InsertAdminKeySystem(ctx, tx, name, hashAdminKey(key))
		if err != nil {
			return err
		}
		info = shownKey(authdb.AdminKeysSystemRow(row))
		return s.recordAct(ctx, tx, s.cfg.DefaultApp, uuid.Nil, "admin_key_created", map[string]any{"name": name})
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return "", info, errKeyTaken
	}
	return key, info, err
}

// RevokeAdminKey ends a key at once.
func (s *Service) RevokeAdminKey(ctx context.Context, name string) (info AdminKey, err error) {
	err = s.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		row, err := s.q.RevokeAdminKeySystem(ctx, tx, name)
		if err != nil {
			return err
		}
		info = shownKey(authdb.AdminKeysSystemRow(row))
		return s.recordAct(ctx, tx, s.cfg.DefaultApp, uuid.Nil, "admin_key_revoked", map[string]any{"name": name})
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return info, errNoAdminKey
	}
	return info, err
}

// recordAct writes the audit row of an act of administration on an app or one of its users.
func (s *Service) recordAct(ctx context.Context, tx pgx.Tx, app string, user uuid.UUID, action string, facts map[string]any) error {
	return s.record(ctx, tx, app, user, adminFrom(ctx).actor, action, facts)
}
