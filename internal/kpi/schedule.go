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
	fireEvery = 5 * time.Second // the longest time between two looks, roughly
	fireBatch = 1000
	soonest   = 100 * time.Millisecond // between two looks: what is due may be in another replica's hands
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
		case <-time.After(s.untilDue(ctx)):
		}
	}
}

// What a schedule does about times that nobody was there for.
const (
	misfireOnce = "once" // one run makes up for all
	misfireEach = "each" // a run for each day
)

// mostMissed bounds the runs that make up for missed days: the latest ones.
const mostMissed = 31

// untilDue is how long there is nothing to fire, as far as is known: a schedule that is set meanwhile, here or at another
// replica, is due no sooner than in a minute or is found at the next look.
func (s *Service) untilDue(ctx context.Context) time.Duration {
	wait := fireEvery/2 + rand.N(fireEvery) //nolint:gosec // G404: replicas do not keep in step
	next, err := s.q.NextDueSystem(ctx, s.db.In(db.System()))
	if err != nil {
		return wait
	}
	return min(wait, max(next.Sub(s.now()), 0)+rand.N(soonest)+soonest) //nolint:gosec // as above
}

// fired is what becomes of a schedule that is due: either Runs or Reason, or neither.
type fired struct {
	ID     int64      `json:"id"`
	NextAt time.Time  `json:"nextAt"`
	Runs   []firedRun `json:"runs,omitempty"`
	Reason string     `json:"reason,omitempty"`
}

// firedRun is a run of a day that was missed, or without a day the run of the present time.
type firedRun struct {
	ID   uuid.UUID `json:"id"`
	Day  string    `json:"day,omitempty"`
	Back int       `json:"back"` // how many days before the present one: the earliest goes first
}

// fire takes one batch of schedules that are due, and returns how many. Runs and the next times are one transaction: a
// process that dies in the middle has done nothing.
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
			if batch[i], err = s.decide(d, now); err != nil {
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
func (s *Service) decide(d kpidb.DueSchedulesSystemRow, now time.Time) (fired, error) {
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
		var days []string // of the present time there is none: its run restates a window
		if d.Misfire == misfireEach {
			days = missed(expression, zone, s.sourceZone(d.SourceTimezone), d.DueAt, now)
		}
		for i, day := range append(days, "") {
			id, err := uuid.NewRandom()
			if err != nil {
				return f, err
			}
			f.Runs = append(f.Runs, firedRun{ID: id, Day: day, Back: len(days) - i})
		}
	}
	f.NextAt = expression.Next(now, zone)
	return f, nil
}

// sourceZone is where the source's days begin.
func (s *Service) sourceZone(name string) *time.Location {
	zone, ok := zoneNamed(s.zoneOf(name))
	if !ok {
		return time.UTC
	}
	return zone
}

// missed are the days that runs from the due time on would have been for, each once, without the one that a run of now is for.
func missed(expression Cron, zone, source *time.Location, due, now time.Time) (days []string) {
	at := due
	if oldest := now.AddDate(0, 0, -mostMissed-1); at.Before(oldest) {
		at = expression.Next(oldest, zone)
	}
	for !at.After(now) {
		y, m, d := at.In(source).Date()
		if day := time.Date(y, m, d-1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly); len(days) == 0 || days[len(days)-1] != day {
			days = append(days, day)
		}
		// Midnight may be skipped at the source, or come twice: always on from at.
		end := moment(time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC), source).Add(-time.Nanosecond)
		if end.Before(at) {
			end = at
		}
		at = expression.Next(end, zone)
	}
	y, m, d := now.In(source).Date()
	today := time.Date(y, m, d-1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	if n := len(days); n > 0 && days[n-1] == today {
		days = days[:n-1]
	}
	return days[max(0, len(days)-mostMissed+1):]
}
