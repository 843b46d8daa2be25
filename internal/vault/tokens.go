package vault

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/vault/vaultdb"
)

// renewal is how access tokens are renewed: one request at a time over all servers, without a lock or a transaction while the
// provider is asked. A lease in credential_tokens says who may ask; the generation says whose answer counts.
type renewal struct {
	ttl      time.Duration // of a lease
	deadline time.Duration // for the provider's answer, counted from before the lease begins
	pause    time.Duration // after a failure that may pass: so long nobody asks who can do without
	yield    time.Duration // so long a token near its end is not used while somebody renews it
	poll     time.Duration // first pause of those who wait for another's answer
}

const (
	leaseTTL      = 30 * time.Second
	renewDeadline = 20 * time.Second
	storeMargin   = 5 * time.Second // for writing the answer down while the lease lasts
)

// The deadline ends before the lease does, with room to store the answer. Otherwise two may ask at once, and with a refresh
// token that is good for one use the credential is lost.
const _ = uint64(leaseTTL - renewDeadline - storeMargin)

var standardRenewal = renewal{ttl: leaseTTL, deadline: renewDeadline, pause: 5 * time.Second, yield: 3 * time.Second, poll: 50 * time.Millisecond}

// provedFor is how old a pair may be to prove that the grant still stands, if the provider does not replace refresh tokens.
const provedFor = time.Minute

// errReplaced: the content was replaced while its tokens were fetched.
var errReplaced = errors.New("the content of the credential was replaced")

// pairPlace is what a sealed pair is bound to.
type pairPlace struct {
	user       uuid.UUID
	uid        uuid.UUID
	version    int32
	generation int32
}

func (p pairPlace) place() []byte {
	number := func(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) } // both count up from 0
	return place("credential token", p.user[:], p.uid[:], []byte("token"), number(p.version), number(p.generation))
}

// pair is what gets sealed.
type pair struct {
	connector.Grant
	Obtained time.Time `json:"obtained"`
}

// lives reports whether the access token can still be used.
func (p *pair) lives(now time.Time) bool {
	return p != nil && now.Add(2*time.Second).Before(p.ExpiresAt)
}

// due reports whether it is time to renew: in the last fifth of the token's life, or the last five minutes if that is less. A
// little chance keeps servers from waking up at the same moment.
func (p *pair) due(now time.Time) bool {
	margin := min(p.ExpiresAt.Sub(p.Obtained)/5, 5*time.Minute)
	margin -= rand.N(max(margin/10, 1)) //nolint:gosec // jitter, not a secret
	return !now.Before(p.ExpiresAt.Add(-margin))
}

// serves reports whether no renewal is needed. prove asks for evidence that the grant stands: a young pair. One whose refresh
// token is replaced at each renewal is not spent for that.
func (p *pair) serves(now time.Time, prove bool) bool {
	if p == nil || p.due(now) {
		return false
	}
	return !prove || p.RefreshToken != "" || now.Sub(p.Obtained) < provedFor
}

// fresh puts a living access token into the content of a credential that is not used as it is; any other content stays. It
// takes the content over. The error is an *connector.Error, errReplaced, or PostgreSQL's.
func (s *Service) fresh(ctx context.Context, user uuid.UUID, row vaultdb.TakeCredentialRow, content []byte, prove bool) ([]byte, error) {
	renewer, ok := s.connectors.Renewer(row.Service)
	if !ok || !renewer.Renews(content) {
		return content, nil
	}
	defer clear(content)
	f := &flight{renewal: s.renewal, s: s, renewer: renewer, user: user, row: row, content: bytes.Clone(content), prove: prove}
	// One flight for all callers in this process. It does not end with the caller who started it: an answer that nobody stores
	// would be a lost refresh token.
	key := fmt.Sprintf("%s/%d/%d/%t", user, row.ID, row.Version, prove)
	landed := s.flights.DoChan(key, func() (any, error) { return f.fly(context.WithoutCancel(ctx)) })
	select {
	case <-ctx.Done():
		return nil, &connector.Error{Reason: connector.Unavailable, Message: "The access token was not renewed in time", Cause: ctx.Err()}
	case l := <-landed:
		if l.Err != nil {
			return nil, l.Err
		}
		return renewer.WithGrant(content, l.Val.(*pair).Grant) // fly returns nothing else
	}
}

// flight is one attempt to have a living pair.
type flight struct {
	renewal
	s       *Service
	renewer connector.Renewer
	user    uuid.UUID
	row     vaultdb.TakeCredentialRow
	content []byte
	prove   bool
}

func (f *flight) conn() db.Conn { return f.s.db.In(db.User(f.user)) }

// fly reads the pair, and renews it or waits for whoever does.
func (f *flight) fly(ctx context.Context) (*pair, error) {
	defer clear(f.content)
	ctx, cancel := context.WithTimeout(ctx, 2*f.ttl+f.deadline)
	defer cancel()
	began := time.Now()
	for pause := f.poll; ; pause = min(pause*3/2, 20*f.poll) {
		t, p, err := f.read(ctx)
		now := f.s.now()
		switch {
		case err != nil:
			return nil, err
		case p.serves(now, f.prove):
			return p, nil
		case t.LeaseLeft > 0 && t.LeaseID != nil: // somebody asks the provider
			if !f.prove && p.lives(now) && time.Since(began) > f.yield {
				return p, nil
			}
		case t.LeaseLeft > 0 && !f.prove: // the provider did not answer a moment ago
			if p.lives(now) {
				return p, nil
			}
			return nil, &connector.Error{Reason: connector.Unavailable, RetryAfter: t.LeaseLeft,
				Message: "The provider did not renew the access token a moment ago"}
		default:
			p, err := f.renew(ctx, t, p)
			if !errors.Is(err, errOvertaken) {
				return p, err
			}
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, &connector.Error{Reason: connector.Unavailable, Message: "The renewal of the access token took too long", Cause: err}
		}
	}
}

// sleep waits between half of d and d.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d/2 + rand.N(max(d/2, 1))): //nolint:gosec // jitter, not a secret
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errOvertaken: somebody else has the lease or has renewed; read again.
var errOvertaken = errors.New("another server renews this token")

func (f *flight) read(ctx context.Context) (vaultdb.TokenPairRow, *pair, error) {
	t, err := f.s.q.TokenPair(ctx, f.conn(), f.row.ID, f.row.Version)
	if errors.Is(err, pgx.ErrNoRows) {
		return t, nil, errReplaced
	}
	if err != nil || t.Sealed == "" {
		return t, nil, err
	}
	opened, err := f.s.open(ctx, f.user, f.at(t.Generation), t.Sealed)
	if errors.Is(err, errUnreadable) {
		// The saved refresh token may still do. If not, the provider's refusal says so.
		f.s.log.ErrorContext(ctx, "the token pair of a credential does not open; it is renewed", "credentialId", f.row.ID, "error", err)
		return t, nil, nil
	}
	if err != nil {
		return t, nil, err
	}
	defer clear(opened)
	p := &pair{}
	if json.Unmarshal(opened, p) != nil {
		return t, nil, nil // as above
	}
	return t, p, nil
}

func (f *flight) at(generation int32) pairPlace {
	return pairPlace{user: f.user, uid: f.row.Uid, version: f.row.Version, generation: generation}
}

// renew takes the lease, asks the provider and stores the answer. errOvertaken: read again.
func (f *flight) renew(ctx context.Context, t vaultdb.TokenPairRow, newest *pair) (*pair, error) {
	me, err := uuid.NewRandom()
	if err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, f.deadline) // begins before the lease, so it ends before it
	defer cancel()
	generation, err := f.s.q.LeaseTokens(asking, f.conn(), vaultdb.LeaseTokensParams{ID: f.row.ID, Version: f.row.Version, Generation: t.Generation,
		LeaseID: me, Ttl: f.ttl, Insist: f.prove})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errOvertaken
	}
	if err != nil {
		return nil, err
	}
	var grant *connector.Grant
	if newest != nil {
		grant = &newest.Grant
	}
	obtained := f.s.now()
	got, err := f.renewer.Renew(asking, f.content, grant)
	if err != nil {
		return f.refused(ctx, t, newest, vaultdb.ReleaseTokensParams{ID: f.row.ID, Version: f.row.Version, Generation: generation, LeaseID: me}, err)
	}
	p := &pair{Grant: got, Obtained: obtained}
	return p, f.store(ctx, p, generation, t.InDoubt)
}

// store keeps an answer. Whatever holds it up, it is tried again: it may hold the only refresh token. errOvertaken: there is a
// newer pair, or another content, and this one is not kept.
func (f *flight) store(ctx context.Context, p *pair, generation int32, inDoubt bool) error {
	ctx, cancel := context.WithTimeout(ctx, f.ttl)
	defer cancel()
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	defer clear(text)
	facts := map[string]any{"version": f.row.Version}
	if inDoubt {
		facts["inDoubt"] = true
	}
	for pause := f.poll; ; pause = min(2*pause, time.Second) {
		err := f.write(ctx, text, p.ExpiresAt, generation, audit.Meta(ctx, facts))
		switch {
		case err == nil:
			return nil
		case errors.Is(err, pgx.ErrNoRows): // fenced off, or the user's keys were replaced meanwhile
			f.s.keys.forget(f.user)
			t, _, err := f.read(ctx)
			if err == nil && t.Generation != generation {
				return errOvertaken
			}
			if err != nil && !outage(err) {
				return err
			}
		case !outage(err):
			return fmt.Errorf("store a renewed token: %w", err)
		}
		if sleep(ctx, pause) != nil {
			return fmt.Errorf("store a renewed token: %w", err)
		}
	}
}

func (f *flight) write(ctx context.Context, text []byte, expires time.Time, generation int32, meta json.RawMessage) error {
	keys, err := f.s.keys.of(ctx, f.user)
	if err != nil {
		return err
	}
	sealed, err := keys.sealRecord(f.at(generation+1), text)
	if err != nil {
		return err
	}
	_, err = f.s.q.StoreTokens(ctx, f.conn(), vaultdb.StoreTokensParams{ID: f.row.ID, Version: f.row.Version, Generation: generation,
		KeyID: int64(keys.id), EncryptedData: sealed, ExpiresAt: expires, Metadata: meta})
	return err
}

func outage(err error) bool {
	f, ok := fault.From(err)
	return ok && f.Kind == fault.Unavailable
}

// refused ends the lease without a new pair. A token that still lives is used while the provider is away.
func (f *flight) refused(ctx context.Context, t vaultdb.TokenPairRow, p *pair, held vaultdb.ReleaseTokensParams, cause error) (*pair, error) {
	e, ok := errors.AsType[*connector.Error](cause)
	if !ok {
		e = &connector.Error{Reason: connector.Unavailable, Message: "The access token could not be renewed", Cause: cause}
	}
	if e.Reason == connector.Rejected {
		// Somebody may have renewed from the same refresh token after our lease was over; then the newer pair counts.
		if err := f.overtaken(ctx, held); err != nil {
			return nil, err
		}
	}
	if e.Retryable() {
		held.Pause = min(max(e.RetryAfter, f.pause), time.Minute)
	}
	held.InDoubt = t.InDoubt || e.Reason == connector.Unavailable
	if err := f.s.q.ReleaseTokens(ctx, f.conn(), held); err != nil {
		f.s.log.WarnContext(ctx, "the lease of a renewal was not given back; it ends by itself", "credentialId", f.row.ID, "error", err)
	}
	if e.Retryable() && !f.prove && p.lives(f.s.now()) {
		f.s.log.WarnContext(ctx, "an access token could not be renewed; the old one is used", "credentialId", f.row.ID, "reason", e.Reason)
		return p, nil
	}
	return nil, e
}

// overtaken waits, for one lease at most, for whoever took the lease over. nil: nobody did, or without success.
func (f *flight) overtaken(ctx context.Context, held vaultdb.ReleaseTokensParams) error {
	ctx, cancel := context.WithTimeout(ctx, f.ttl)
	defer cancel()
	for {
		t, _, err := f.read(ctx)
		switch {
		case err != nil:
			return err
		case t.Generation != held.Generation:
			return errOvertaken
		case t.LeaseID == nil || *t.LeaseID == held.LeaseID || t.LeaseLeft == 0:
			return nil
		}
		if sleep(ctx, 4*f.poll) != nil {
			return nil //nolint:nilerr // waited long enough
		}
	}
}

// noteLost records that a use found the grant gone. Checks record it themselves.
func (s *Service) noteLost(ctx context.Context, user uuid.UUID, row vaultdb.TakeCredentialRow, err error) {
	e, ok := errors.AsType[*connector.Error](err)
	if !ok || e.Retryable() {
		return
	}
	ctx, cancel := surviving(ctx)
	defer cancel()
	k := check{id: row.ID, version: row.Version, outcome: lost(e), action: "verification_failed"}
	if err := s.conclude(ctx, user, k); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		s.log.ErrorContext(ctx, "that a grant is gone was not written down", "credentialId", row.ID, "error", err)
	}
}

// lost is the outcome of a renewal that failed.
func lost(e *connector.Error) outcome {
	o := refusal(e)
	if e.Reason == connector.Rejected {
		o.reason = reasonReconnect
	}
	return o
}
