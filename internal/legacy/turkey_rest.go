package legacy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/auth"
)

type turkeyKey struct {
	ID        uuid.UUID
	KID       string
	Public    string
	Private   string
	CreatedAt time.Time
	RetiredAt *time.Time
	Active    bool
}

// keys takes over signing keys. Beside keys of ours those in use verify for as long as their tokens live; an upgrade in place
// finds none of ours, so the oldest one in use, which was the signer, stays that. The others are history.
func (i *turkeyImport) keys(ctx context.Context) error {
	all, err := read[turkeyKey](ctx, i.src, `SELECT id, coalesce(kid, ''), coalesce(public_pem, ''), coalesce(private_pem, ''), coalesce(created_at AT TIME ZONE $1::text, now()),
		retired_at AT TIME ZONE 'UTC', coalesce(is_active, false) FROM `+i.src.schema+`.keys ORDER BY created_at, kid`)
	if err != nil {
		return err
	}
	signs := i.whole
	for _, k := range all {
		row := auth.ImportedKey{Row: k.ID, ID: k.KID, PublicPEM: k.Public, PrivatePEM: k.Private, CreatedAt: k.CreatedAt, RetiredAt: k.RetiredAt,
			Active: k.Active, Signs: signs && k.Active}
		signs = signs && !k.Active
		err := i.write(ctx, func(tx pgx.Tx, t *tally) error {
			known, err := i.keysTo.ImportKey(ctx, tx, row)
			switch {
			case errors.Is(err, auth.ErrNoKeyPair):
				t.failed("keys", cmp.Or(k.KID, k.ID.String()), auth.ErrNoKeyPair.Error())
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

// auditAtOnce bounds one transaction of the audit.
const auditAtOnce = 5000

func (i *turkeyImport) audit(ctx context.Context) error {
	columns, err := i.src.columns(ctx, "audit")
	if err != nil || len(columns) == 0 {
		return err
	}
	total, err := read[struct{ N int }](ctx, i.src, `SELECT count(*) FROM `+i.src.schema+`.audit WHERE $1::text IS NOT NULL`)
	if err != nil {
		return err
	}
	after, done := uuid.Nil, 0
	for {
		events, err := read[turkeyEvent](ctx, i.src, `SELECT id, user_id, left(actor, 100), coalesce(action, ''), left(ip, 45), user_agent, meta,
			coalesce(created_at AT TIME ZONE $1::text, now()) FROM `+i.src.schema+`.audit WHERE id > $2 ORDER BY id LIMIT $3`, after, auditAtOnce)
		if err != nil || len(events) == 0 {
			return err
		}
		after = events[len(events)-1].ID
		body, err := json.Marshal(events)
		if err != nil {
			return err
		}
		err = i.write(ctx, func(tx pgx.Tx, t *tally) error {
			n, err := i.q.ImportAuditSystem(ctx, tx, cmp.Or(i.mapApp[i.eventApp], i.eventApp), body)
			t.count("audit", len(events), int(n))
			return err
		})
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		done += len(events)
		i.progress.tell("audit", done, total[0].N)
	}
}
