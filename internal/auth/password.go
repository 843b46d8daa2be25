package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
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
	dummy string
}

const queuePerSlot = 8

func newHasher(workers int) *hasher {
	return &hasher{
		slots: make(chan struct{}, workers),
		queue: make(chan struct{}, workers*(queuePerSlot+1)),
		dummy: encodeHash(make([]byte, argonSaltLen), make([]byte, argonKeyLen)),
	}
}

var errHashingBusy = fault.New(fault.Unavailable, "service_unavailable", "Too many sign-ins at this moment. Please try again shortly.").
	WithRetryAfter(time.Second)

// hash makes the PHC string of a password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSaltLen)
	rand.Read(salt) //nolint:errcheck // crypto/rand.Read never fails, it ends the program
	var sum []byte
	err := h.run(ctx, func() {
		sum = argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKeyLen)
	})
	return encodeHash(salt, sum), err
}

// verify compares a password with a PHC string. An empty stored hash, for a user who does not exist, costs the same
// and never matches.
func (h *hasher) verify(ctx context.Context, password, stored string) (bool, error) {
	exists := stored != ""
	if !exists {
		stored = h.dummy
	}
	p, err := decodeHash(stored)
	if err != nil {
		return false, nil //nolint:nilerr // an unusable marker in place of a hash matches nothing
	}
	var sum []byte
	err = h.run(ctx, func() {
		sum = argon2.IDKey([]byte(password), p.salt, p.time, p.memory, p.threads, uint32(len(p.sum))) //nolint:gosec // 16 to 64 bytes
	})
	return err == nil && exists && subtle.ConstantTimeCompare(sum, p.sum) == 1, err
}

func (h *hasher) run(ctx context.Context, work func()) error {
	select {
	case h.queue <- struct{}{}:
	default:
		return errHashingBusy
	}
	defer func() { <-h.queue }()
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-h.slots }()
	work()
	return nil
}

type phc struct {
	memory, time uint32
	threads      uint8
	salt, sum    []byte
}

func encodeHash(salt, sum []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum))
}

var errHashFormat = errors.New("auth: not an argon2id hash")

func decodeHash(s string) (phc, error) {
	var p phc
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, errHashFormat
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
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
