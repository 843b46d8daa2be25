package idempotency

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/idempotency/idempotencydb"
	"turkey/internal/seal"
)

// maxAnswer is the largest body that is kept, in bytes.
const maxAnswer = 1 << 20

// Waiting for a request that is being answered under the same key.
const (
	waitMost   = 2 * time.Second
	firstPause = 25 * time.Millisecond
	longPause  = 400 * time.Millisecond
)

// storeTimeout bounds the statement after an answer, which must come about whether or not the client is still there.
const storeTimeout = 5 * time.Second

// Config is what the package needs.
type Config struct {
	DB             *db.DB
	Log            *slog.Logger
	Secret         []byte // JWT_SECRET: its derived key seals answers
	PreviousSecret []byte // JWT_SECRET_PREVIOUS: opens what was sealed before the secret was changed
}

// Service keeps answers.
type Service struct {
	db    *db.DB
	log   *slog.Logger
	q     *idempotencydb.Queries
	boxes []*seal.Box // the first seals, all open
	macs  [][]byte    // keys of the hashes of requests, likewise
}

// New makes a Service.
func New(cfg Config) (*Service, error) {
	s := &Service{db: cfg.DB, log: cfg.Log, q: idempotencydb.New()}
	for _, secret := range [][]byte{cfg.Secret, cfg.PreviousSecret} {
		if len(secret) == 0 {
			continue
		}
		box, err := seal.New(secret, "idempotency")
		if err != nil {
			return nil, err
		}
		mac, err := seal.Key(secret, "idempotency-request")
		if err != nil {
			return nil, err
		}
		s.boxes, s.macs = append(s.boxes, box), append(s.macs, mac)
	}
	if len(s.boxes) == 0 {
		return nil, errors.New("idempotency: a secret is needed (JWT_SECRET)")
	}
	return s, nil
}

// Purge removes one batch of answers that are older than a day, for the cleanup job.
func Purge(database *db.DB) func(context.Context, int) (int, error) {
	return func(ctx context.Context, batch int) (int, error) {
		n, err := idempotencydb.New().PurgeSystem(ctx, database.In(db.System()), int32(batch))
		return int(n), err
	}
}

// request is one write under a key.
type request struct {
	user uuid.UUID
	key  string
	hash []byte
	// former is the hash under the secret before the present one, nil where there is none.
	former []byte
}

// macName is the length of what names the key of a hash, in front of it.
const macName = 4

// foreign reports whether a hash was made under a secret that is no longer known: nobody can say what it was of.
func (r request) foreign(hash []byte) bool {
	ours := func(mine []byte) bool { return len(mine) > 0 && bytes.HasPrefix(hash, mine[:macName]) }
	return !ours(r.hash) && !ours(r.former)
}

// newRequest hashes a request under a server key: bodies hold passwords, and a bare hash could be guessed at from a dump. It
// puts the length before each part, so no two requests read alike.
func (s *Service) newRequest(user uuid.UUID, key, method, target string, body []byte) request {
	hash := func(mac []byte) []byte {
		h := hmac.New(sha256.New, mac)
		h.Write([]byte("which key"))
		name := h.Sum(nil)[:macName]
		h.Reset()
		for _, part := range [][]byte{[]byte(method), []byte(target), body} {
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
			h.Write(part)
		}
		return h.Sum(name)
	}
	r := request{user: user, key: key, hash: hash(s.macs[0])}
	if len(s.macs) > 1 {
		r.former = hash(s.macs[1])
	}
	return r
}

// place is what a sealed answer is bound to.
func (r request) place() []byte {
	return append(append(r.user[:], r.hash...), r.key...) // the first two have fixed lengths
}

// answer is what a repetition gets.
type answer struct {
	Status int         `json:"-"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
}

// worthKeeping: an answer that asks for another try is none that a repetition should get. 499 stands for a client that left.
func worthKeeping(status int) bool {
	return status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests && status != 499
}

var (
	errConflict   = errors.New("the key belongs to another request")
	errInProgress = errors.New("a request with this key is being answered")
)

// begin claims the key for a request, or finds the answer that the request got before. It waits a little for a request that
// is being answered: a client that lost a connection comes back at once.
func (s *Service) begin(ctx context.Context, r request) (claim uuid.UUID, known *answer, err error) {
	if claim, err = uuid.NewRandom(); err != nil {
		return claim, nil, err
	}
	patience := time.NewTimer(waitMost)
	defer patience.Stop()
	conn := s.db.In(db.User(r.user))
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		row, err := s.q.Claim(ctx, conn, idempotencydb.ClaimParams{Key: r.key, RequestHash: r.hash, Claim: claim, Steady: s.db.Steady()})
		switch {
		case errors.Is(err, pgx.ErrNoRows): // another request takes it at this moment
		case err != nil:
			return claim, nil, err
		case row.Claim == claim:
			return claim, nil, nil
		case r.foreign(row.RequestHash): // as good as no answer
			if err := s.q.Forget(ctx, conn, r.key, row.Claim); err != nil {
				return claim, nil, err
			}
			continue
		case !bytes.Equal(row.RequestHash, r.hash) && (r.former == nil || !bytes.Equal(row.RequestHash, r.former)):
			return claim, nil, errConflict
		case row.Status != nil:
			r.hash = row.RequestHash
			if known, ok := s.open(r, row.Answer); ok {
				known.Status = int(*row.Status)
				return claim, known, nil
			}
			// Sealed under a secret that is no longer known: as good as no answer.
			if err := s.q.Forget(ctx, conn, r.key, row.Claim); err != nil {
				return claim, nil, err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return claim, nil, ctx.Err()
		case <-patience.C:
			return claim, nil, errInProgress
		case <-time.After(pause):
		}
	}
}

// keep stores the answer of a claimed request. Where that fails the client has its answer, and a repetition may run again
// after the claim has expired.
func (s *Service) keep(ctx context.Context, r request, claim uuid.UUID, a answer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	sealed, err := s.seal(r, a)
	if err == nil {
		err = s.q.Keep(ctx, s.db.In(db.User(r.user)), idempotencydb.KeepParams{Key: r.key, Claim: claim, Status: int16(a.Status), Answer: sealed})
	}
	if err != nil && !errors.Is(err, db.ErrNoTenant) { // who deleted the account with this request has no keys any more
		s.log.WarnContext(ctx, "the answer to a request with an Idempotency-Key was not stored", "error", err)
	}
}

// release frees the key: the request may be made again.
func (s *Service) release(ctx context.Context, r request, claim uuid.UUID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if err := s.q.Forget(ctx, s.db.In(db.User(r.user)), r.key, claim); err != nil && !errors.Is(err, db.ErrNoTenant) {
		s.log.WarnContext(ctx, "an Idempotency-Key stays claimed for a minute", "error", err)
	}
}

func (s *Service) seal(r request, a answer) ([]byte, error) {
	plain, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return s.boxes[0].Encrypt(plain, r.place())
}

func (s *Service) open(r request, sealed []byte) (*answer, bool) {
	for _, box := range s.boxes {
		plain, err := box.Decrypt(sealed, r.place())
		if err != nil {
			continue
		}
		a := &answer{}
		err = json.Unmarshal(plain, a)
		clear(plain)
		return a, err == nil
	}
	return nil, false
}
