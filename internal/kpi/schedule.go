package kpi

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/kpi/kpidb"
)

// Schedules says when users' sources are collected unless they say otherwise.
type Schedules struct {
	On   bool   // this process looks for what is due
	Cron string // of a schedule that its user has not set; the zone is Config.Zone
}

const (
	fireEvery = 5 * time.Second // how late a run may be enqueued, roughly
	fireBatch = 1000
)

// understoodAgain is when a schedule is looked at again whose zone or expression this server does not understand: one that
// knows the zone may come.
const understoodAgain = time.Hour

// Reasons for a schedule that is due and cannot run, as the audit tells them.
const (
	notEnabled    = "The service is not enabled, or switched off on this server: nothing is collected until it is enabled again"
	notUnderstood = "The schedule's expression or time zone is not understood: set it again"
)

// scheduleLoop makes the runs that are due. Every replica has one; which of them fires a schedule, its row's lock decides.
func (s *Service) scheduleLoop(ctx context.Context) {
	for {
		n, err := s.fire(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "schedules could not be looked at; next try in some seconds", "error", err)
		}
		if err == nil && n == fireBatch {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(fireEvery/2 + rand.N(fireEvery)): //nolint:gosec // G404: replicas do not keep in step
		}
	}
}

// fired is what becomes of a schedule that is due: exactly one of Run and Reason, or neither.
type fired struct {
	ID     int64      `json:"id"`
	NextAt time.Time  `json:"nextAt"`
	Run    *uuid.UUID `json:"run,omitempty"`
	Reason string     `json:"reason,omitempty"`
}

// fire takes one batch of schedules that are due, and returns how many. Runs and the next times are one transaction: a
// process that dies in the middle has done nothing. However many times were missed, one run makes up for them.
func (s *Service) fire(ctx context.Context) (n int, err error) {
	now, runs := s.now(), int32(0)
	err = s.db.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		due, err := s.q.DueSchedulesSystem(ctx, tx, kpidb.DueSchedulesSystemParams{Now: now, Batch: fireBatch, Services: s.connectors.Sources()})
		if err != nil || len(due) == 0 {
			return err
		}
		n = len(due)
		batch := make([]fired, n)
		for i, d := range due {
			if batch[i], err = decide(d, now); err != nil {
				return err
			}
		}
		body, err := json.Marshal(batch)
		if err != nil {
			return err
		}
		runs, err = s.q.FireSchedulesSystem(ctx, tx, body, now)
		return err
	})
	if err == nil && runs > 0 {
		s.wake()
	}
	return n, err
}

// decide says what becomes of one schedule. Users who may not act have no runs; their schedules go on when they may again.
func decide(d kpidb.DueSchedulesSystemRow, now time.Time) (fired, error) {
	f := fired{ID: d.ID}
	expression, err := ParseCron(d.CronExpression)
	zone, known := zoneNamed(d.Timezone)
	switch {
	case err != nil || !known:
		f.NextAt, f.Reason = now.Add(understoodAgain), notUnderstood
		return f, nil
	case d.Active && !d.Enabled:
		f.Reason = notEnabled
	case d.Active:
		id, err := uuid.NewRandom()
		if err != nil {
			return f, err
		}
		f.Run = &id
	}
	f.NextAt = expression.Next(now, zone)
	return f, nil
}
