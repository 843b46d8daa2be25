package auth

import "time"

// FeedState is how it stands with the feed of revocations in this process.
type FeedState struct {
	Age     time.Duration // since it was known to be current; negative: it never was
	Current bool
	Entries int   // revocations in memory
	Events  int64 // that came by notification
}

// Feed says how it stands with the feed of revocations.
func (s *Service) Feed() FeedState {
	r := s.revoked
	now := time.Now()
	r.mu.RLock()
	defer r.mu.RUnlock()
	state := FeedState{Age: now.Sub(r.seen), Entries: len(r.tokens) + len(r.sessions) + len(r.users) + len(r.apps), Events: r.events.Load()}
	state.Current = state.Age <= feedBound
	if r.seen.IsZero() {
		state.Age = -1
	}
	return state
}

// Hashing is how many passwords are being hashed and wait for it, and how many were refused since the start.
func (s *Service) Hashing() (running, waiting int, refused int64) {
	running = len(s.hasher.slots)
	return running, max(len(s.hasher.queue)-running, 0), s.hasher.refused.Load()
}
