package vault

import (
	"context"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/vault/vaultdb"
	"turkey/internal/wire"
)

// States of a credential's health.
const (
	healthUnchecked = "unchecked" // nothing was proved about this content
	healthOK        = "ok"
	healthExpiring  = "expiring" // works, and ends within 14 days
	healthFailing   = "failing"  // the provider gave no answer, three times in a row
	healthBroken    = "broken"   // the provider refuses it, or it does not open
)

// Events that the owner of a credential may hear of.
const (
	eventExpiring  = "credential.expiring"
	eventBroken    = "credential.broken"
	eventRecovered = "credential.recovered"
)

// Reasons besides those of package connector.
const (
	reasonReconnect  = "reconnect"  // the grant is gone: the person must connect anew
	reasonUnreadable = "unreadable" // the record does not open
	reasonExpiring   = "expiring"
)

// Notifier tells a user of an event, in the transaction that causes it. subject names what it is about and holds no secret.
type Notifier interface {
	Notify(ctx context.Context, tx pgx.Tx, user uuid.UUID, event string, subject map[string]any) error
}

// condition is what is known of a credential.
type condition struct {
	state, reason, message string
	since                  time.Time  // in this state
	expires                *time.Time // as content or provider state it
	failures               int        // checks in a row without an answer
	alerted                int        // days of the last notice before expires; 0: none
	toldBroken             bool       // the owner heard that it broke, and not yet that it works again
}

// verdict is the class of what a check gave.
type verdict int

const (
	proved     verdict = iota
	refused            // waiting does not mend it
	unanswered         // says nothing of the credential
)

// outcome is what a check gave.
type outcome struct {
	verdict         verdict
	reason, message string
	expires         *time.Time    // proved: the end that the provider states
	after           time.Duration // unanswered: what the provider asked for
}

// refusal is the outcome of a provider's error.
func refusal(e *connector.Error) outcome {
	o := outcome{verdict: refused, reason: string(e.Reason), message: e.Message, after: e.RetryAfter}
	if e.Retryable() {
		o.verdict = unanswered
	}
	return o
}

// Failing takes this many checks in a row without an answer: one lost connection is no news.
const failingAfter = 3

const day = 24 * time.Hour

// notices are the days before the end at which the owner hears of it, each once.
var notices = []int{1, 7, 14}

// expiringWithin is how near the end makes a credential expiring.
const expiringWithin = 14 * day

// healthAfter is the one rule of a credential's health: what is known after a check at a moment.
func healthAfter(c condition, o outcome, at time.Time) condition {
	state, was := c.state, c
	switch o.verdict {
	case proved:
		c.failures, c.reason, c.message = 0, "", ""
		c.expires = endAfter(c.expires, o.expires, at)
		state = healthOK
	case refused:
		c.failures, c.reason, c.message = 0, o.reason, o.message
		state = healthBroken
	case unanswered:
		c.failures = min(c.failures+1, 1000)
		if c.failures >= failingAfter && state != healthBroken {
			state, c.reason, c.message = healthFailing, o.reason, o.message
		}
	}
	if left, ends := c.left(at); ends && left <= expiringWithin && (state == healthOK || state == healthExpiring) {
		state, c.reason, c.message = healthExpiring, reasonExpiring, c.ending(at)
	}
	if state != c.state {
		c.state, c.since = state, at
	}
	switch {
	case c.state == healthBroken:
		c.toldBroken = true
	case o.verdict == proved:
		c.toldBroken = false
	}
	c.alerted = alertedAfter(was, c, at)
	return c
}

// endAfter: an end that the content states holds until the provider states another; one that has passed while the provider
// still agrees was wrong.
func endAfter(known, stated *time.Time, at time.Time) *time.Time {
	switch {
	case stated != nil:
		return stated
	case known != nil && known.After(at):
		return known
	}
	return nil
}

func (c condition) left(at time.Time) (time.Duration, bool) {
	if c.expires == nil {
		return 0, false
	}
	return c.expires.Sub(at), true
}

func (c condition) ending(at time.Time) string {
	verb := "Ends on "
	if !c.expires.After(at) {
		verb = "Ended on "
	}
	return verb + c.expires.UTC().Format("2 January 2006, 15:04 UTC")
}

// alertedAfter is the last notice that has been given once the check is recorded. A later end starts over.
func alertedAfter(was, c condition, at time.Time) int {
	left, ends := c.left(at)
	if !ends {
		return 0
	}
	given := was.alerted
	if was.expires == nil || c.expires.Sub(*was.expires) > day {
		given = 0
	}
	for _, days := range notices {
		if left <= time.Duration(days)*day {
			if c.state != healthBroken && left > 0 && (given == 0 || days < given) {
				return days
			}
			break
		}
	}
	return given
}

// events are what the owner hears of when a condition follows on another.
func (c condition) events(after condition) []string {
	var all []string
	switch {
	case after.state == healthBroken && c.state != healthBroken:
		all = append(all, eventBroken)
	case c.toldBroken && !after.toldBroken:
		all = append(all, eventRecovered)
	}
	if after.alerted != 0 && after.alerted != c.alerted {
		all = append(all, eventExpiring)
	}
	return all
}

// unansweredPauses are those after the first, second … check in a row without an answer.
var unansweredPauses = []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour}

// nextCheck is how long after a check the next one is due, before jitter.
func (c condition) nextCheck(o outcome, at time.Time) time.Duration {
	wait := day
	switch {
	case o.verdict == unanswered:
		wait = unansweredPauses[min(max(c.failures, 1), len(unansweredPauses))-1]
		wait = max(wait, min(o.after, unansweredPauses[len(unansweredPauses)-1]))
	case c.state == healthBroken && at.Sub(c.since) >= 7*day:
		wait = 7 * day
	}
	return wait
}

// nextCheckAt is when the next check is due. No notice before the end comes late for it, and the end itself is looked at.
func (c condition) nextCheckAt(o outcome, at time.Time) time.Time {
	wait := c.nextCheck(o, at)
	next := at.Add(wait - wait/10 + rand.N(wait/5)) //nolint:gosec // jitter, not a secret
	if c.expires == nil || c.state == healthBroken {
		return next
	}
	for _, days := range append([]int{0}, notices...) {
		if moment := c.expires.Add(-time.Duration(days) * day); moment.After(at) && moment.Before(next) {
			next = moment
		}
	}
	return next
}

// check is one look at a credential's content: what it was for, and what it gave.
type check struct {
	id      int64
	version int32
	sealed  *string // only if this is still the sealed text; nil: whatever it is
	outcome outcome
	proof   connector.Proof
	action  string // in the audit; "": the check leaves no row of its own
	facts   map[string]any
}

// conclude writes down what a check gave and, in the same transaction, the notices that follow from it. pgx.ErrNoRows: the
// content is not there any more, so nothing was written.
func (s *Service) conclude(ctx context.Context, user uuid.UUID, k check) error {
	at := s.now()
	return s.db.Tx(ctx, db.User(user), func(tx pgx.Tx) error {
		known, err := s.q.LockHealth(ctx, tx, vaultdb.LockHealthParams{ID: k.id, Version: k.version, Sealed: k.sealed})
		if err != nil {
			return err
		}
		before := condition{state: known.Health, reason: known.Reason, message: known.Message, since: at, expires: known.ExpiresAt, failures: int(known.Failures),
			alerted: int(known.AlertedDays), toldBroken: known.ToldBroken}
		if known.HealthAt != nil {
			before.since = *known.HealthAt
		}
		after := healthAfter(before, k.outcome, at)
		facts := maps.Clone(k.facts)
		if facts != nil && known.Host != nil {
			facts["host"] = *known.Host
		}
		arg := vaultdb.RecordHealthParams{ID: k.id, At: at, Health: after.state, Reason: after.reason, Message: after.message, Since: after.since,
			ExpiresAt: after.expires, Failures: int16(after.failures), AlertedDays: int16(after.alerted), ToldBroken: after.toldBroken,
			NextCheckAt: after.nextCheckAt(k.outcome, at), Proved: k.outcome.verdict == proved, Verified: known.Verified,
			Action: k.action, Status: "success", Metadata: audit.Meta(ctx, facts)}
		switch k.outcome.verdict {
		case proved:
			arg.Verified, arg.ConnectedAs = true, &k.proof.ConnectedAs
			arg.SourceTimezone, arg.SourceCurrency = optional(k.proof.TimeZone), optional(k.proof.Currency)
		case refused:
			arg.Verified, arg.Status, arg.ErrorMessage = false, "failure", k.outcome.message
		case unanswered:
			arg.Action = "" // says nothing of the credential
		}
		if err := s.q.RecordHealth(ctx, tx, arg); err != nil {
			return err
		}
		return s.tell(ctx, tx, user, k.id, known, before.events(after), after)
	})
}

// tell gives the notices of a change.
func (s *Service) tell(ctx context.Context, tx pgx.Tx, user uuid.UUID, id int64, known vaultdb.LockHealthRow, events []string, c condition) error {
	if s.notifier == nil {
		return nil
	}
	for _, event := range events {
		subject := map[string]any{"credentialId": id, "service": known.Service, "name": known.Name, "reason": c.reason, "message": c.message, "expiresAt": nil}
		if c.expires != nil {
			subject["expiresAt"] = wire.Time(*c.expires).String()
		}
		if event == eventExpiring {
			subject["reason"], subject["message"] = reasonExpiring, c.ending(s.now())
		}
		if err := s.notifier.Notify(ctx, tx, user, event, subject); err != nil {
			return err
		}
	}
	return nil
}
