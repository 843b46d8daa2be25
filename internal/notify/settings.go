package notify

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/notify/notifydb"
	"turkey/internal/wire"
)

// settings are what a user wants to hear of by mail. Whoever never chose hears of everything.
type settings struct {
	email     bool
	events    []string // nil: all, now and later
	updatedAt *time.Time
}

func (s *Service) settings(ctx context.Context, user uuid.UUID) (settings, error) {
	row, err := s.q.GetSettings(ctx, s.scope(user))
	if errors.Is(err, pgx.ErrNoRows) {
		return settings{email: true}, nil
	}
	return settings{email: row.Email, events: row.Events, updatedAt: &row.UpdatedAt}, err
}

func (s *Service) choose(ctx context.Context, user uuid.UUID, email bool, events []string) (settings, error) {
	if err := checkEvents(events); err != nil {
		return settings{}, err
	}
	at, err := s.q.PutSettings(ctx, s.scope(user), notifydb.PutSettingsParams{Email: email, Events: events,
		Metadata: audit.Meta(ctx, map[string]any{"email": email, "events": events})})
	return settings{email: email, events: events, updatedAt: &at}, err
}

// Export is what a user's export says of notifications: settings and addresses, never a secret.
func (s *Service) Export(ctx context.Context, user uuid.UUID) (any, error) {
	chosen, err := s.settings(ctx, user)
	if err != nil {
		return nil, err
	}
	hooks, err := s.q.ListWebhooks(ctx, s.scope(user))
	if err != nil {
		return nil, err
	}
	sent, err := s.q.ExportDeliveries(ctx, s.scope(user))
	if err != nil {
		return nil, err
	}
	deliveries := make([]Delivery, len(sent))
	for i, r := range sent {
		deliveries[i] = shownDelivery(notifydb.ListDeliveriesRow(r))
	}
	return map[string]any{"email": chosen.email, "events": chosen.events, "updatedAt": wire.TimePtr(chosen.updatedAt), "webhooks": shownWebhooks(hooks),
		"deliveries": deliveries}, nil
}
