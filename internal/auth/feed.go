package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"turkey/internal/db"
)

// revocations is what ends access tokens before they expire, in memory: a snapshot of revocation_events, kept current by
// notifications. It answers without a query; when it may be out of date it says so, and the caller asks PostgreSQL.
type revocations struct {
	mu       sync.RWMutex
	tokens   map[string]time.Time // jti → when the entry is of no more use
	sessions map[uuid.UUID]time.Time
	users    map[uuid.UUID]userEnd
	apps     map[string]time.Time // app → tokens issued before are void
	seen     time.Time            // the feed was known to be current
	events   atomic.Int64         // that came by notification
}

type userEnd struct {
	version int32 // tokens of an older token_version are void
	until   time.Time
}

// feedBound is how long after its last sign of life the feed is trusted: a revocation holds everywhere within a second, also
// where the feed was just cut. Signs come every feedBeat.
const (
	feedBound = 800 * time.Millisecond
	feedBeat  = 250 * time.Millisecond
)

func newRevocations() *revocations {
	r := &revocations{}
	r.reset()
	return r
}

func (r *revocations) reset() {
	r.tokens, r.sessions = map[string]time.Time{}, map[uuid.UUID]time.Time{}
	r.users, r.apps = map[uuid.UUID]userEnd{}, map[string]time.Time{}
}

// event is a row of revocation_events as the trigger sends it.
type event struct {
	ID        int64        `json:"id"` // 0: noted here, before the notification came
	AppID     string       `json:"app_id"`
	Kind      string       `json:"kind"`
	Subject   string       `json:"subject"`
	Version   *int32       `json:"version"`
	NotBefore *pgTimestamp `json:"not_before"`
	ExpiresAt pgTimestamp  `json:"expires_at"`
	CreatedAt pgTimestamp  `json:"created_at"`
}

// pgTimestamp is a timestamptz in the JSON of PostgreSQL: RFC 3339, whose offset may lack its minutes.
type pgTimestamp struct{ time.Time }

func (t *pgTimestamp) UnmarshalJSON(b []byte) error {
	text, err := strconv.Unquote(string(b))
	if err != nil {
		return err
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-07"} {
		if t.Time, err = time.Parse(layout, text); err == nil {
			return nil
		}
	}
	return err
}

func (r *revocations) apply(e event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(e)
}

func (r *revocations) put(e event) {
	switch e.Kind {
	case "jti":
		r.tokens[e.Subject] = e.ExpiresAt.Time
	case "session":
		if id, err := uuid.Parse(e.Subject); err == nil {
			r.sessions[id] = e.ExpiresAt.Time
		}
	case "user":
		id, err := uuid.Parse(e.Subject)
		if err == nil && e.Version != nil && *e.Version >= r.users[id].version {
			r.users[id] = userEnd{*e.Version, e.ExpiresAt.Time}
		}
	case "app":
		if e.NotBefore != nil && e.NotBefore.After(r.apps[e.Subject]) {
			r.apps[e.Subject] = e.NotBefore.Time
		}
	}
}

// end notes at once, on the server that ended it, what every server hears by notification.
func (r *revocations) end(kind, subject string, version int32, until time.Time) {
	r.apply(event{Kind: kind, Subject: subject, Version: &version, ExpiresAt: pgTimestamp{until}})
}

// replace takes a whole snapshot.
func (r *revocations) replace(all []event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reset()
	for _, e := range all {
		r.put(e)
	}
}

func (r *revocations) alive(now time.Time) {
	r.mu.Lock()
	r.seen = now
	r.mu.Unlock()
}

// age is the time since the feed was last known to be current.
func (r *revocations) age(now time.Time) time.Duration {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return now.Sub(r.seen)
}

// check says whether a token was ended; current is false when the feed may not know.
func (r *revocations) check(c Claims, now time.Time) (current bool, ended error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if now.Sub(r.seen) > feedBound {
		return false, nil
	}
	_, token := r.tokens[c.ID]
	_, session := r.sessions[c.SessionID]
	switch {
	case r.users[c.Subject].version > c.TokenVersion:
		return true, errTokenVersion
	case token, session:
		return true, errTokenRevoked
	case time.Unix(c.IssuedAt, 0).Before(r.apps[c.Audience]):
		return true, errTokenRevoked
	}
	return true, nil
}

// stands reports whether what was read of a user and of an identity still holds: nothing of them has ended since, and the
// feed is current enough to know.
func (r *revocations) stands(user uuid.UUID, version int32, identity uuid.UUID, now time.Time) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, removed := r.sessions[identity]
	return now.Sub(r.seen) <= feedBound && !removed && r.users[user].version <= version
}

// bound is the time before which the tokens of an app are void.
func (r *revocations) bound(app string) time.Time {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.apps[app]
}

// forget drops what can end nothing any more.
func (r *revocations) forget(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, until := range r.tokens {
		if until.Before(now) {
			delete(r.tokens, k)
		}
	}
	for k, until := range r.sessions {
		if until.Before(now) {
			delete(r.sessions, k)
		}
	}
	for k, end := range r.users {
		if end.until.Before(now) {
			delete(r.users, k)
		}
	}
}

// Channels of PostgreSQL that the server follows (triggers of the first migration).
const (
	channelRevocations = "turkey_revocations"
	channelApps        = "turkey_apps"
	channelKeys        = "turkey_keys"
)

// Follow keeps revocations, apps and signing keys current until ctx is done. directURL must not lead through a pooler in
// transaction mode; where there is no other way, "" makes the server ask PostgreSQL per request instead.
func (s *Service) Follow(ctx context.Context, directURL string) {
	s.cfg.Foreign.Warm()
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if directURL == "" {
			return
		}
		l := db.Listener{URL: directURL, Log: s.cfg.Log, Channels: []string{channelRevocations, channelApps, channelKeys},
			Heartbeat: feedBeat, Connected: s.snapshot, Notified: s.notified, Alive: func() { s.revoked.alive(time.Now()) }}
		l.Run(ctx)
	}()
	for {
		select {
		case <-ctx.Done():
			<-done
			return
		case <-tick.C:
			s.revoked.forget(time.Now())
			_ = s.cfg.DB.ReadClock(ctx) // without it goes on by the last reading
			if err := s.reloadKeys(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Log.WarnContext(ctx, "signing keys not read again; going on with those in memory", "error", err)
			}
		}
	}
}

// snapshot reads everything that may have been missed.
func (s *Service) snapshot(ctx context.Context) error {
	rows, err := s.q.LiveEventsSystem(ctx, s.cfg.DB.In(db.System()))
	if err != nil {
		return fmt.Errorf("read revocations: %w", err)
	}
	all := make([]event, len(rows))
	for i, r := range rows {
		all[i] = event{AppID: r.AppID, Kind: r.Kind, Subject: r.Subject, Version: r.Version, ExpiresAt: pgTimestamp{r.ExpiresAt}}
		if r.NotBefore != nil {
			all[i].NotBefore = &pgTimestamp{*r.NotBefore}
		}
	}
	s.revoked.replace(all)
	s.followers.sendAway() // they may have missed some, too
	s.apps.clear()
	s.origins.clear()
	return s.reloadKeys(ctx)
}

func (s *Service) notified(channel, payload string) {
	switch channel {
	case channelRevocations:
		var e event
		if err := json.NewDecoder(strings.NewReader(payload)).Decode(&e); err != nil {
			s.cfg.Log.Error("a revocation could not be read; asking PostgreSQL until the next snapshot", "error", err)
			s.revoked.alive(time.Time{})
			return
		}
		s.revoked.apply(e)
		s.revoked.events.Add(1)
		s.followers.tell(e)
	case channelApps:
		s.apps.clear()
		s.origins.clear()
	case channelKeys:
		s.keysChanged()
	}
}
