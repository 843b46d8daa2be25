package notify

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// Create is create, for tests outside the package.
func (s *Service) Create(ctx context.Context, user uuid.UUID, url string, events []string) (uuid.UUID, string, error) {
	w, err := s.create(ctx, user, draft{url: url, events: events})
	return w.id, w.secret, err
}

// CreateChat is create of another format. It returns the address as it is shown.
func (s *Service) CreateChat(ctx context.Context, user uuid.UUID, format, url, chat string) (uuid.UUID, string, error) {
	w, err := s.create(ctx, user, draft{format: format, url: url, chat: chat})
	return w.id, w.address, err
}

// Remove is remove.
func (s *Service) Remove(ctx context.Context, user, id uuid.UUID) error {
	return s.remove(ctx, user, id)
}

// Replay is replay.
func (s *Service) Replay(ctx context.Context, user, id, delivery uuid.UUID) error {
	return s.replay(ctx, user, id, delivery)
}

// Test is test.
func (s *Service) Test(ctx context.Context, user uuid.UUID) (mail bool, webhooks int, err error) {
	t, err := s.test(ctx, user)
	return t.mail, t.webhooks, err
}

// Choose is choose.
func (s *Service) Choose(ctx context.Context, user uuid.UUID, email bool, events []string) error {
	_, err := s.choose(ctx, user, email, events)
	return err
}

// Page is a page of deliveries, by id.
func (s *Service) Page(ctx context.Context, user, id uuid.UUID, limit int, cursor string) (ids []uuid.UUID, next *string, err error) {
	rows, next, err := s.deliveries(ctx, user, id, limit, cursor)
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids, next, err
}

// CheckURL is checkURL of a service by its two settings.
func CheckURL(url string, production, allowPrivate bool) error {
	_, err := (&Service{cfg: Config{Production: production, AllowPrivate: allowPrivate}}).checkURL(url)
	return err
}

// RetryAfter is the pause after an attempt.
func RetryAfter(attempt int) time.Duration {
	return time.Until((&worker{}).NextRetry(&river.Job[deliveryArgs]{JobRow: &rivertype.JobRow{Attempt: attempt}}))
}

// MaxAttempts is maxAttempts.
var MaxAttempts = maxAttempts

// The faults.
var (
	ErrWebhook  = errWebhook
	ErrDelivery = errDelivery
	ErrCursor   = errCursor
)

// Patience is patience with one header.
func Patience(retryAfter, body string, now time.Time) time.Duration {
	h := http.Header{}
	if retryAfter != "" {
		h.Set("Retry-After", retryAfter)
	}
	return patience(h, []byte(body), now)
}

// Watch is watch.
func (o *Operator) Watch(ctx context.Context) error { return o.watch(ctx) }
