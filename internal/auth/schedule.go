package auth

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"turkey/internal/fault"
)

// publishDelay is how long a key is published before it signs. Every server has it by then: they read the keys at a
// notification, and every 30 s if none came through.
const publishDelay = 60 * time.Second

// drainMargin is how much longer than its tokens a retired key stays.
const drainMargin = publishDelay + leeway

// keyLife is what happens to a key, and when. A zero time is never.
type keyLife struct {
	kid       string
	created   time.Time
	signsFrom time.Time     // never: published, not marked for signing
	retiredAt time.Time     // signs until then; never: active
	revokedAt time.Time     // void, whatever the other times say; never: not revoked
	tokens    time.Duration // the longest life of those it signed, as far as it is known
}

func (k keyLife) active() bool  { return k.retiredAt.IsZero() }
func (k keyLife) marked() bool  { return !k.signsFrom.IsZero() }
func (k keyLife) revoked() bool { return !k.revokedAt.IsZero() }

// leaves is when the last token that a retired key signed has expired. drain is what is long enough for tokens of now; those
// of the key's own time may have lived longer. A revoked key has left.
func (k keyLife) leaves(drain time.Duration) time.Time {
	switch {
	case k.revoked():
		return k.revokedAt
	case k.active():
		return time.Time{}
	}
	return k.retiredAt.Add(max(drain, k.tokens+drainMargin))
}

func (k keyLife) publishedAt(t time.Time, drain time.Duration) bool {
	return !k.revoked() && (k.active() || t.Before(k.leaves(drain)))
}

// compare puts the key whose turn to sign comes later last; those without a turn come first.
func (k keyLife) compare(o keyLife) int {
	return cmp.Or(k.signsFrom.Compare(o.signsFrom), k.created.Compare(o.created), strings.Compare(k.kid, o.kid))
}

// schedule is the lives of all keys. Its methods return a new one.
//
// Invariants, once there is a key that may sign: at every later time one key signs, each server that has read the keys
// within publishDelay has published it already, and its tokens verify everywhere until they expire. A revocation ends that
// for the key it is about, and its successor signs before every server has heard of it.
type schedule []keyLife

// signerAt is the index of the key that signs at t: of those marked and not retired by then, the one whose turn came
// last. Before the first turn it is the one that is due first, for then no other exists (a first start, seen by a clock that
// is behind). -1: none.
func (s schedule) signerAt(t time.Time) int {
	last, next := -1, -1
	for i, k := range s {
		switch {
		case !k.marked() || k.revoked() || !k.active() && !t.Before(k.retiredAt):
		case !k.signsFrom.After(t):
			if last < 0 || k.compare(s[last]) > 0 {
				last = i
			}
		case next < 0 || k.compare(s[next]) < 0:
			next = i
		}
	}
	if last < 0 {
		return next
	}
	return last
}

// order is the keys' indices: first, then newest to oldest.
func (s schedule) order(first int) []int {
	all := make([]int, len(s))
	for i := range all {
		all[i] = i
	}
	slices.SortStableFunc(all, func(a, b int) int {
		switch {
		case a == first:
			return -1
		case b == first:
			return 1
		}
		return s[b].compare(s[a])
	})
	return all
}

func (s schedule) find(kid string) int {
	return slices.IndexFunc(s, func(k keyLife) bool { return k.kid == kid })
}

// turn is when a key that is published now may sign as the newest: at once if nobody else can.
func (s schedule) turn(now time.Time) time.Time {
	if s.signerAt(now) < 0 {
		return now
	}
	turn := now.Add(publishDelay)
	for _, k := range s { // a turn that a clock ahead of ours has given
		if k.active() && k.signsFrom.After(turn) {
			turn = k.signsFrom
		}
	}
	return turn
}

// generate adds a key that only verifies, or that takes over the signing.
func (s schedule) generate(now time.Time, kid string, activate bool) schedule {
	k := keyLife{kid: kid, created: now}
	if activate {
		k.signsFrom = s.turn(now)
	}
	return append(slices.Clone(s), k)
}

// rotate adds a key that takes over the signing and, unless they are to be kept, retires every other at that moment.
func (s schedule) rotate(now time.Time, kid string, keepOld bool) schedule {
	next := s.generate(now, kid, true)
	turn := next[len(next)-1].signsFrom
	for i := range next[:len(s)] {
		if !keepOld && next[i].active() {
			next[i].retiredAt = turn
		}
	}
	return next
}

var (
	errNoSuchKey = fault.New(fault.NotFound, "not_found", "Key not found")
	errOnlyKey   = fault.New(fault.Conflict, "conflict", "This is the only key that can sign. Rotate the keys instead: that retires it when its successor signs.")
	errVoidKey   = fault.New(fault.Conflict, "key_revoked", "The key was revoked: it does not come back. Rotate the keys instead.")
)

// retire ends a key as soon as another can sign in its place.
func (s schedule) retire(now time.Time, kid string) (schedule, error) {
	i := s.find(kid)
	if i < 0 {
		return nil, errNoSuchKey
	}
	if !s[i].active() {
		return s, nil
	}
	var end time.Time
	for j, k := range s {
		if j == i || !k.active() || !k.marked() {
			continue
		}
		if from := later(now, k.signsFrom); end.IsZero() || from.Before(end) {
			end = from
		}
	}
	if end.IsZero() {
		return nil, errOnlyKey
	}
	next := slices.Clone(s)
	next[i].retiredAt = end
	if !s[i].marked() {
		next[i].retiredAt = now
	}
	return next, nil
}

// activate brings a key back, if it was retired, and makes it the one that signs. What was to sign after it does not.
func (s schedule) activate(now time.Time, kid string) (schedule, error) {
	i := s.find(kid)
	if i < 0 {
		return nil, errNoSuchKey
	}
	if s[i].revoked() {
		return nil, errVoidKey
	}
	next := slices.Clone(s)
	next[i].retiredAt = time.Time{}
	if s.signerAt(now) != i && !s[i].signsFrom.After(now) {
		next[i].signsFrom = now.Add(publishDelay)
		if s.signerAt(now) < 0 {
			next[i].signsFrom = now
		}
	}
	for j, k := range next {
		if j != i && k.signsFrom.After(now) && k.compare(next[i]) > 0 {
			next[j].signsFrom = time.Time{}
		}
	}
	return next, nil
}

// revoke voids a key at this moment, with every token it signed. If it signs, or is to, a new key takes its place: from now
// on, or when its turn would have come.
func (s schedule) revoke(now time.Time, kid, successor string) (schedule, error) {
	i := s.find(kid)
	if i < 0 {
		return nil, errNoSuchKey
	}
	if s[i].revoked() {
		return s, nil
	}
	old := s[i]
	next := slices.Clone(s)
	next[i].revokedAt = now
	if old.active() || old.retiredAt.After(now) {
		next[i].retiredAt = now
	}
	heir := keyLife{kid: successor, created: now, signsFrom: old.signsFrom, retiredAt: old.retiredAt}
	switch signer := s.signerAt(now); {
	case signer == i || signer < 0:
		heir.signsFrom = now
		return append(next, heir), nil
	case old.signsFrom.After(now) && (old.active() || old.retiredAt.After(old.signsFrom)):
		return append(next, heir), nil
	}
	return next, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
