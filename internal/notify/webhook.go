package notify

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"turkey/internal/audit"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/notify/notifydb"
)

const (
	maxWebhooks = 10 // of a user
	maxTests    = 10 // of a user in an hour: a test calls every address
	maxReplays  = 30 // of a user in an hour
	secretBytes = 32 // Standard Webhooks: 24 to 64

	secretPrefix  = "whsec_"
	secretPurpose = "webhook"
)

var (
	errWebhook  = fault.New(fault.NotFound, "WEBHOOK_NOT_FOUND", "Webhook not found")
	errDelivery = fault.New(fault.NotFound, "DELIVERY_NOT_FOUND", "Delivery not found")
	errTooMany  = fault.New(fault.Invalid, "VALIDATION_ERROR", fmt.Sprintf("At most %d webhooks: delete one first", maxWebhooks))
	errTests    = fault.New(fault.Limited, "RATE_LIMITED", fmt.Sprintf("At most %d tests an hour. Please try again later.", maxTests)).WithRetryAfter(10 * time.Minute)
	errReplays  = fault.New(fault.Limited, "RATE_LIMITED", fmt.Sprintf("At most %d replays an hour. Please try again later.", maxReplays)).WithRetryAfter(10 * time.Minute)
	errCursor   = fault.New(fault.Invalid, "VALIDATION_ERROR", "cursor: not one of this list")
)

// webhook is one that was just made. Its secret is told now and never again.
type webhook struct {
	draft
	id        uuid.UUID
	address   string // as it is shown
	secret    string // "" of a chat, whose address is the secret
	createdAt time.Time
}

// create stores an address of the user's: one of our own format with a secret that signs what goes there, that of a chat as
// the secret itself.
func (s *Service) create(ctx context.Context, user uuid.UUID, d draft) (webhook, error) {
	host, err := s.check(&d)
	if err != nil {
		return webhook{}, err
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return webhook{}, err
	}
	w := webhook{draft: d, id: id, address: d.shown(host)}
	secret := []byte(d.url)
	if d.format == formatTurkey {
		secret = make([]byte, secretBytes)
		rand.Read(secret) // never fails, it ends the program
		w.secret = secretPrefix + base64.StdEncoding.EncodeToString(secret)
	}
	defer clear(secret)
	arg := notifydb.CreateWebhookParams{ID: id, Format: d.format, Url: w.address, Events: d.events, Most: maxWebhooks,
		Metadata: audit.Meta(ctx, map[string]any{"host": host, "format": d.format})}
	if d.chat != "" {
		arg.ChatID = &d.chat
	}
	for range sealTries {
		if arg.Secret, err = s.sealer.SealFor(ctx, user, secretPurpose, id.String(), secret); err != nil {
			return webhook{}, err
		}
		err = s.cfg.DB.Tx(ctx, db.User(user), func(tx pgx.Tx) error {
			if err := s.q.Serialise(ctx, tx); err != nil {
				return err
			}
			row, err := s.q.CreateWebhook(ctx, tx, arg)
			if err == nil && row.Full {
				return errTooMany
			}
			w.createdAt = row.CreatedAt
			return err
		})
		if !errors.Is(err, pgx.ErrNoRows) {
			return w, err
		}
	}
	return webhook{}, fault.New(fault.Unavailable, "SERVICE_ERROR", "The keys of this account are being replaced. Please try again shortly.")
}

// sealTries bounds how often a secret is sealed anew because the user's keys were replaced meanwhile.
const sealTries = 3

func (s *Service) remove(ctx context.Context, user, id uuid.UUID) error {
	_, err := s.q.DeleteWebhook(ctx, s.scope(user), id, audit.Meta(ctx, nil))
	if errors.Is(err, pgx.ErrNoRows) {
		return errWebhook
	}
	return err
}

// deliveries lists a page of what went to a webhook, the newest first, and the cursor of the next page if there is one.
func (s *Service) deliveries(ctx context.Context, user, id uuid.UUID, limit int, cursor string) (rows []notifydb.ListDeliveriesRow, next *string, err error) {
	arg := notifydb.ListDeliveriesParams{WebhookID: id, Most: int32(limit) + 1}
	if arg.Before, arg.BeforeID, err = readCursor(cursor); err != nil {
		return nil, nil, err
	}
	conn := s.scope(user)
	if rows, err = s.q.ListDeliveries(ctx, conn, arg); err != nil {
		return nil, nil, err
	}
	if len(rows) == 0 {
		known, err := s.q.HasWebhook(ctx, conn, id)
		if err == nil && !known {
			err = errWebhook
		}
		return nil, nil, err
	}
	if len(rows) > limit {
		rows = rows[:limit]
		end := rows[limit-1]
		c := base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(end.CreatedAt.UnixMicro(), 10) + " " + end.ID.String()))
		next = &c
	}
	return rows, next, nil
}

// readCursor is where a list goes on: behind a row's time, to the microsecond, and id.
func readCursor(cursor string) (before *time.Time, id uuid.UUID, err error) {
	if cursor == "" {
		return nil, uuid.Nil, nil
	}
	text, decodeErr := base64.RawURLEncoding.DecodeString(cursor)
	stamp, key, _ := strings.Cut(string(text), " ")
	micros, stampErr := strconv.ParseInt(stamp, 10, 64)
	id, keyErr := uuid.Parse(key)
	at := time.UnixMicro(micros).UTC()
	if decodeErr != nil || stampErr != nil || keyErr != nil || at.Year() < 1970 || at.Year() > 9999 {
		return nil, uuid.Nil, errCursor
	}
	return &at, id, nil
}

// replay makes one more attempt of a delivery, whatever became of it; attempts that are due remain due.
func (s *Service) replay(ctx context.Context, user, id, delivery uuid.UUID) error {
	return s.cfg.DB.Tx(ctx, db.User(user), func(tx pgx.Tx) error {
		known, err := s.q.HasDelivery(ctx, tx, id, delivery)
		if err != nil {
			return err
		}
		if !known {
			return errDelivery
		}
		if err := s.bounded(ctx, tx, "webhook_replayed", map[string]any{"webhookId": id, "deliveryId": delivery}, maxReplays, errReplays); err != nil {
			return err
		}
		return s.cfg.Queue.InsertTx(ctx, tx, river.InsertManyParams{Args: deliveryArgs{Delivery: delivery, User: user, Replay: true},
			InsertOpts: &river.InsertOpts{MaxAttempts: 1}})
	})
}

// test sends a message to all webhooks of the user and, unless they are switched off, by mail.
func (s *Service) test(ctx context.Context, user uuid.UUID) (out told, err error) {
	err = s.cfg.DB.Tx(ctx, db.User(user), func(tx pgx.Tx) error {
		if err := s.bounded(ctx, tx, "notifications_tested", nil, maxTests, errTests); err != nil {
			return err
		}
		out, err = s.announce(ctx, tx, user, test, map[string]any{"message": "This is a test."}, true)
		return err
	})
	return out, err
}

// bounded records an act of which a user has at most so many in an hour; full says that they are used up.
func (s *Service) bounded(ctx context.Context, tx pgx.Tx, action string, meta map[string]any, most int32, full error) error {
	if err := s.q.Serialise(ctx, tx); err != nil {
		return err
	}
	_, err := s.q.RecordBounded(ctx, tx, notifydb.RecordBoundedParams{Action: action, Metadata: audit.Meta(ctx, meta), Most: most})
	if errors.Is(err, pgx.ErrNoRows) {
		return full
	}
	return err
}
