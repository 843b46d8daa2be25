package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"turkey/internal/auth/authdb"
	"turkey/internal/db"
)

// cleanupArgs are the arguments of the cleanup job: none.
type cleanupArgs struct{}

// Kind names the job in the queue's table.
func (cleanupArgs) Kind() string { return "cleanup" }

// cleanupBatch bounds one DELETE, and with it the time its locks are held: some 10 ms.
const cleanupBatch = 1000

type cleanupWorker struct {
	river.WorkerDefaults[cleanupArgs]
	service *Service
}

// Timeout: a first cleanup of an old database may take long, batch by batch.
func (w *cleanupWorker) Timeout(*river.Job[cleanupArgs]) time.Duration { return time.Hour }

// Work removes what has expired.
func (w *cleanupWorker) Work(ctx context.Context, _ *river.Job[cleanupArgs]) error {
	_, err := w.service.Cleanup(ctx)
	return err
}

// Purger removes one batch of rows that are of no more use and says how many went.
type Purger func(ctx context.Context, batch int) (int, error)

// Cleanup removes expired revocations, sessions, mail tokens and mails, and what other parts of the server registered, in
// batches. It returns how many rows of each went, and logs it.
func (s *Service) Cleanup(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{}
	conn := s.cfg.DB.In(db.System())
	own := func(q func(context.Context, authdb.DBTX, int32) (int64, error)) Purger {
		return func(ctx context.Context, batch int) (int, error) {
			n, err := q(ctx, conn, int32(batch))
			return int(n), err
		}
	}
	purgers := map[string]Purger{
		"revoked_jti": own(s.q.PurgeRevokedSystem), "revocation_events": own(s.q.PurgeEventsSystem),
		"email_tokens": own(s.q.PurgeEmailTokensSystem), "mails": own(s.q.PurgeMailsSystem), "mailbox": own(s.q.PurgeMailboxSystem),
	}
	for name, p := range s.cfg.Purgers {
		purgers[name] = p
	}
	gone, err := s.purgeSessions(ctx, conn, 30*24*time.Hour)
	if err != nil {
		return counts, err
	}
	counts["refresh_tokens"] = gone
	args := []any{"refresh_tokens", gone}
	for name, purge := range purgers {
		for {
			n, err := purge(ctx, cleanupBatch)
			if err != nil {
				return counts, fmt.Errorf("cleanup of %s: %w", name, err)
			}
			counts[name] += n
			if n < cleanupBatch {
				break
			}
		}
		args = append(args, name, counts[name])
	}
	s.cfg.Log.InfoContext(ctx, "Cleanup job completed", args...)
	return counts, nil
}

// purgeSessions walks along the sessions, a stretch at a time, and removes those that expired longer than age ago.
func (s *Service) purgeSessions(ctx context.Context, conn db.Conn, age time.Duration) (gone int, err error) {
	for last := uuid.Nil; ; {
		r, err := s.q.PurgeSessionsSystem(ctx, conn, authdb.PurgeSessionsSystemParams{After: last, Batch: cleanupBatch, Age: age})
		if err != nil {
			return gone, fmt.Errorf("cleanup of refresh_tokens: %w", err)
		}
		last, gone = r.Last, gone+int(r.Gone)
		if r.Seen < cleanupBatch {
			return gone, nil
		}
	}
}
