package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"turkey/internal/fault"
)

// Argon2id parameters of new hashes (OWASP and ASVS 5.0 appendix C): 19 MiB, two passes, one lane.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	argonKeyLen  = 32
	argonSaltLen = 16
)

// hasher bounds how many hashes run at once, and with them the memory: workers × 19 MiB. Past a short queue it sheds
// load, since a hash that waits for seconds helps nobody.
type hasher struct {
	slots chan struct{}
	queue chan struct{}
	dummy phc // stands in where there is no hash

	refused atomic.Int64                     // found the queue full
	hashed  func(waited, took time.Duration) // hears of each hash; nil: nobody
	quiet   *time.Timer                      // fires when no hash has run for a while
}

const (
	queuePerSlot = 8
	// quietAfter a burst its memory goes back to the system: a hash leaves 19 MiB to the collector, which keeps them.
	quietAfter = 2 * time.Second
)

func newHasher(workers int) *hasher {
	return &hasher{
		quiet: time.AfterFunc(quietAfter, debug.FreeOSMemory),
		slots: make(chan struct{}, workers),
		queue: make(chan struct{}, workers*(queuePerSlot+1)),
		dummy: phc{memory: argonMemory, time: argonTime, threads: argonThreads, salt: make([]byte, argonSaltLen), sum: make([]byte, argonKeyLen)},
	}
}

var errHashingBusy = fault.New(fault.Unavailable, "service_unavailable", "Too many sign-ins at this moment. Please try again shortly.").
	WithRetryAfter(time.Second)

// hash makes the PHC string of a password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSaltLen)
	rand.Read(salt) // never fails, it ends the program
	var sum []byte
	err := h.run(ctx, func() {
		sum = argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKeyLen)
	})
	return encodeHash(salt, sum), err
}

// verify compares a password with a PHC string. No hash, for a user who does not exist, or an unusable marker in its
// place costs the same and never matches. outdated is a match that new hashes would not look like.
func (h *hasher) verify(ctx context.Context, password, stored string) (ok, outdated bool, err error) {
	if strings.HasPrefix(stored, "$2") {
		ok, err = h.verifyLegacy(ctx, password, stored)
		return ok, ok, err
	}
	p, err := decodeHash(stored)
	exists := err == nil
	if !exists {
		p = h.dummy
	}
	var sum []byte
	err = h.run(ctx, func() {
		sum = argon2.IDKey([]byte(password), p.salt, p.time, p.memory, p.threads, uint32(len(p.sum))) // 16 to 64 bytes
	})
	ok = err == nil && exists && subtle.ConstantTimeCompare(sum, p.sum) == 1
	return ok, ok && !p.current(), err
}

func (h *hasher) run(ctx context.Context, work func()) error {
	select {
	case h.queue <- struct{}{}:
	default:
		h.refused.Add(1)
		return errHashingBusy
	}
	defer func() { <-h.queue }()
	asked := time.Now()
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-h.slots }()
	begun := time.Now()
	work()
	if h.hashed != nil {
		h.hashed(begun.Sub(asked), time.Since(begun))
	}
	h.quiet.Reset(quietAfter)
	return nil
}

type phc struct {
	memory, time uint32
	threads      uint8
	salt, sum    []byte
}

// current tells whether new hashes are made with these parameters.
func (p phc) current() bool {
	return p.memory == argonMemory && p.time == argonTime && p.threads == argonThreads && len(p.salt) == argonSaltLen && len(p.sum) == argonKeyLen
}

func encodeHash(salt, sum []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum))
}

var errHashFormat = errors.New("auth: not an argon2id hash")

func decodeHash(s string) (phc, error) {
	var p phc
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, errHashFormat
	}
	const costs = "m=%d,t=%d,p=%d"
	if _, err := fmt.Sscanf(parts[3], costs, &p.memory, &p.time, &p.threads); err != nil || fmt.Sprintf(costs, p.memory, p.time, p.threads) != parts[3] {
		return p, errHashFormat
	}
	var err1, err2 error
	p.salt, err1 = base64.RawStdEncoding.DecodeString(parts[4])
	p.sum, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(p.sum) < 16 || len(p.sum) > 64 || p.memory > 1<<20 || p.time > 64 || p.time == 0 || p.threads == 0 {
		return p, errHashFormat
	}
	return p, nil
}
