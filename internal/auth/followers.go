package auth

import (
	"context"
	"sync"
	"time"

	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/wire"
)

// Resource servers follow the revocations as this server does: they read what there is and hear of every change.
const (
	// maxFollowers bounds the streams of one server.
	maxFollowers = 1000
	// followerRoom is how many events may wait for a follower that reads slowly; then it has to begin anew.
	followerRoom = 256
	// keysChange is the event of changed signing keys; it names nothing to revoke.
	keysChange = "keys"
)

// followers are the streams that are open.
type followers struct {
	mu   sync.Mutex
	open map[*follower]bool
}

type follower struct {
	app    string     // whose events it wants; "" = all
	events chan event // closed: it may have missed some, and has to begin anew
}

func (f *followers) add(app string) (*follower, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.open) >= maxFollowers {
		return nil, &fault.Error{Kind: fault.Unavailable, Message: "Too many streams of revocations are open on this server", RetryAfter: 5 * time.Second}
	}
	if f.open == nil {
		f.open = map[*follower]bool{}
	}
	one := &follower{app, make(chan event, followerRoom)}
	f.open[one] = true
	return one, nil
}

func (f *followers) remove(one *follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[one] {
		delete(f.open, one)
		close(one.events)
	}
}

// tell hands an event to everybody it concerns. It never waits.
func (f *followers) tell(e event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for one := range f.open {
		if one.app != "" && e.Kind != keysChange && one.app != e.AppID {
			continue
		}
		select {
		case one.events <- e:
		default:
			delete(f.open, one)
			close(one.events)
		}
	}
}

// sendAway ends all streams, so that their readers begin anew with everything there is.
func (f *followers) sendAway() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for one := range f.open {
		close(one.events)
	}
	f.open = nil
}

// LiveRevocations is all that is to be known, besides the keys, to judge tokens of an app ("" = of all); since the event with that id,
// where it is given. What was told before may come again.
func (s *Service) LiveRevocations(ctx context.Context, app string, since int64) ([]Revocation, error) {
	rows, err := s.q.FeedSystem(ctx, s.cfg.DB.In(db.System()), app, since)
	if err != nil {
		return nil, err
	}
	all := make([]Revocation, len(rows))
	for i, r := range rows {
		all[i] = shownRevocation(r)
	}
	return all, nil
}

func shownEvent(e event) Revocation {
	r := Revocation{ID: e.ID, AppID: e.AppID, Kind: e.Kind, Subject: e.Subject, Version: e.Version, ExpiresAt: wire.Time(e.ExpiresAt.Time),
		CreatedAt: wire.Time(e.CreatedAt.Time)}
	if e.NotBefore != nil {
		r.NotBefore = wire.TimePtr(&e.NotBefore.Time)
	}
	return r
}
