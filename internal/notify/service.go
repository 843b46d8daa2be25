package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"turkey/internal/db"
	"turkey/internal/notify/notifydb"
	"turkey/internal/outbound"
	"turkey/internal/queue"
)

// Mailer writes a mail to a user in the transaction of what it is about, which runs in the user's scope. queued is false
// where there is nobody to write to, or the user had enough of the kind for now.
type Mailer interface {
	MailUser(ctx context.Context, tx pgx.Tx, user uuid.UUID, kind string, data map[string]any) (queued bool, err error)
}

// Sealer seals under the keys of one user. What was sealed for a purpose and an id opens for no other.
type Sealer interface {
	SealFor(ctx context.Context, user uuid.UUID, purpose, id string, plain []byte) (string, error)
	OpenFor(ctx context.Context, user uuid.UUID, purpose, id, sealed string) ([]byte, error)
}

// Config is what the package needs to run.
type Config struct {
	DB           *db.DB
	Log          *slog.Logger
	Now          func() time.Time
	Queue        *queue.Queue
	Mail         Mailer
	Production   bool // webhooks are https only
	AllowPrivate bool // webhooks may lead to private addresses; never in production

	Attempted func(format, outcome string) // hears of each attempt to deliver: of Formats, and delivered, retried or failed; nil: nobody
}

// Service holds settings and webhooks, and tells users.
type Service struct {
	cfg    Config
	q      *notifydb.Queries
	client *http.Client
	sealer Sealer
}

// New makes the service and registers its job.
func New(cfg Config) *Service {
	cfg.AllowPrivate = cfg.AllowPrivate && !cfg.Production
	s := &Service{cfg: cfg, q: notifydb.New(), client: outbound.Client(cfg.AllowPrivate)}
	queue.Register(cfg.Queue, &worker{service: s})
	return s
}

// SealWith says who seals the secrets of webhooks. Call it before requests and jobs come; it is no setting, since who seals
// may also be one who notifies.
func (s *Service) SealWith(sealer Sealer) { s.sealer = sealer }

// scope is where statements of one user run.
func (s *Service) scope(user uuid.UUID) db.Conn { return s.cfg.DB.In(db.User(user)) }

// Purge removes one batch of deliveries that are older than 30 days, for the cleanup job.
func Purge(database *db.DB) func(context.Context, int) (int, error) {
	return func(ctx context.Context, batch int) (int, error) {
		n, err := notifydb.New().PurgeSystem(ctx, database.In(db.System()), int32(batch))
		return int(n), err
	}
}

// PurgeIncidents removes one batch of incidents that have been over for 30 days, for the cleanup job.
func PurgeIncidents(database *db.DB) func(context.Context, int) (int, error) {
	return func(ctx context.Context, batch int) (int, error) {
		n, err := notifydb.New().PurgeIncidentsSystem(ctx, database.In(db.System()), int32(batch))
		return int(n), err
	}
}

// Notify tells a user of an event, inside the transaction of what it is about, which runs in that user's scope. The subject is
// the data of webhooks, flat and without secrets. Mails show of it, where it is text: service, name (of the credential),
// message (what is wrong, and how to mend it) and expiresAt (RFC 3339).
func (s *Service) Notify(ctx context.Context, tx pgx.Tx, user uuid.UUID, event string, subject map[string]any) error {
	_, err := s.announce(ctx, tx, user, event, subject, false)
	return err
}

// told is who hears of an event.
type told struct {
	mail     bool
	webhooks int
}

// announce writes deliveries and mail and enqueues them. everywhere leaves the lists of events out.
func (s *Service) announce(ctx context.Context, tx pgx.Tx, user uuid.UUID, event string, subject map[string]any, everywhere bool) (told, error) {
	subject = storable(subject)
	payload, err := json.Marshal(subject)
	if err != nil {
		return told{}, fmt.Errorf("subject of %s: %w", event, err)
	}
	row, err := s.q.Announce(ctx, tx, notifydb.AnnounceParams{UserID: user, Event: event, Payload: payload, Everywhere: everywhere})
	if err != nil {
		return told{}, err
	}
	if !row.Own {
		return told{}, fmt.Errorf("notify %s: the transaction is not in the scope of the user", event)
	}
	out := told{webhooks: len(row.Deliveries)}
	if row.Mail {
		if out.mail, err = s.cfg.Mail.MailUser(ctx, tx, user, mailKind(event), subject); err != nil {
			return told{}, err
		}
	}
	if len(row.Deliveries) == 0 {
		return out, nil
	}
	jobs := make([]river.InsertManyParams, len(row.Deliveries))
	for i, id := range row.Deliveries {
		jobs[i] = river.InsertManyParams{Args: deliveryArgs{Delivery: id, User: user}, InsertOpts: &river.InsertOpts{MaxAttempts: maxAttempts}}
	}
	return out, s.cfg.Queue.InsertTx(ctx, tx, jobs...)
}

// storable takes out what jsonb cannot hold: a provider's words must not undo the act that they tell of.
func storable(subject map[string]any) map[string]any {
	out := maps.Clone(subject)
	for k, v := range out {
		switch v := v.(type) {
		case string:
			out[k] = strings.ReplaceAll(v, "\x00", "")
		case *string:
			if v != nil {
				out[k] = strings.ReplaceAll(*v, "\x00", "")
			}
		}
	}
	if out == nil {
		out = map[string]any{}
	}
	return out
}
