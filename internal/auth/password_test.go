package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"turkey/internal/fault"
)

// cheap is a PHC string of "correct horse" at costs that no production hash has: a test of the form needs no megabytes.
const cheap = "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$"

// counted makes a hasher that counts the hashes it runs, one at a time: its slots are handed out by the test.
func counted(t *testing.T) (h *hasher, count func() int) {
	t.Helper()
	h = newHasher(1)
	h.slots = make(chan struct{})
	n, stop := 0, make(chan struct{})
	ask := make(chan int)
	t.Cleanup(func() { close(stop) })
	go func() {
		for {
			select {
			case <-h.slots: // a hash begins
				n++
				h.slots <- struct{}{} // and ends
			case ask <- n:
			case <-stop:
				return
			}
		}
	}()
	return h, func() int { return <-ask }
}

func TestAPasswordMatchesItsOwnHashOnly(t *testing.T) {
	t.Parallel()
	h := newHasher(2)
	const password = " Pässwörd with \x00, spaces and 🦃 "
	stored, err := h.hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`).MatchString(stored) {
		t.Errorf("not a PHC string of the documented costs: %s", stored)
	}
	if strings.Contains(stored, "wörd") {
		t.Error("the password shows")
	}
	for given, want := range map[string]bool{password: true, strings.TrimSpace(password): false, password + " ": false, strings.ToLower(password): false, "": false} {
		if ok, _, err := h.verify(t.Context(), given, stored); ok != want || err != nil {
			t.Errorf("%q: %t, %v", given, ok, err)
		}
	}
}

func TestThePredecessorsHashesMatchInBothItsSpellings(t *testing.T) {
	t.Parallel()
	h := newHasher(2)
	bcrypted := func(password string) string {
		b, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	long := strings.Repeat("x", 72)
	for _, c := range []struct {
		what, given, hashed string
		want                bool
	}{
		{"as given, by its command line", "Passw0rd!", "Passw0rd!", true},
		{"escaped, by its API", ` <P&a'ss"w0rd/> `, "&lt;P&amp;a&#x27;ss&quot;w0rd&#x2F;&gt;", true},
		{"special characters, by its command line", "P&ssw0rd<", "P&ssw0rd<", true},
		{"control characters, dropped by its API", "Pass\x07w0rd!", "Passw0rd!", true},
		{"wrong", "Passw0rd?", "Passw0rd!", false},
		{"the escaped form is no password", "P&amp;ssw0rd", "P&ssw0rd", false},
		{"beyond bcrypt's 72 bytes", long + "y", long, true},
		{"within them", long[1:] + "y", long, false},
		{"empty", "", "Passw0rd!", false},
	} {
		ok, legacy, err := h.verify(t.Context(), c.given, bcrypted(c.hashed))
		if ok != c.want || legacy != c.want || err != nil {
			t.Errorf("%s: matches %t, to be hashed anew %t, %v", c.what, ok, legacy, err)
		}
	}
	for _, marker := range []string{"$2", "$2b$", "$2b$12$short", "$2b$99$" + strings.Repeat("a", 53), "$2x$04$" + strings.Repeat("a", 53)} {
		if ok, legacy, err := h.verify(t.Context(), "Passw0rd!", marker); ok || legacy || err != nil {
			t.Errorf("%s: %t, %t, %v", marker, ok, legacy, err)
		}
	}
}

func TestLongPasswordsAreNotCutShort(t *testing.T) {
	t.Parallel()
	h := newHasher(2)
	long := strings.Repeat("x", 127)
	stored, err := h.hash(t.Context(), long+"y")
	if err != nil {
		t.Fatal(err)
	}
	if ok, _, err := h.verify(t.Context(), long+"z", stored); ok || err != nil {
		t.Errorf("%t, %v: the last character does not count", ok, err)
	}
	if ok, _, err := h.verify(t.Context(), long+"y", stored); !ok || err != nil {
		t.Errorf("%t, %v", ok, err)
	}
}

func TestEqualPasswordsHaveDifferentHashes(t *testing.T) {
	t.Parallel()
	h := newHasher(2)
	a, errA := h.hash(t.Context(), "Passw0rd!")
	b, errB := h.hash(t.Context(), "Passw0rd!")
	if errA != nil || errB != nil || a == b {
		t.Errorf("%s, %v, %v", a, errA, errB)
	}
}

func TestUnknownWrongAndUnusableCostOneHashEach(t *testing.T) {
	t.Parallel()
	h, count := counted(t)
	stored, err := h.hash(t.Context(), "Passw0rd!")
	if err != nil || count() != 1 {
		t.Fatalf("hashing costs %d, %v", count(), err)
	}
	for i, c := range []struct {
		what, given, stored string
		want                bool
	}{
		{"right", "Passw0rd!", stored, true},
		{"wrong", "Passw0rd?", stored, false},
		{"a user who does not exist", "Passw0rd!", "", false},
		{"a marker in place of a hash", "Passw0rd!", "!", false},
		{"the predecessor's hash", "Passw0rd!", "$2b$04$" + strings.Repeat("a", 53), false},
	} {
		ok, _, err := h.verify(t.Context(), c.given, c.stored)
		if ok != c.want || err != nil || count() != i+2 {
			t.Errorf("%s: %t, %v, %d hashes so far", c.what, ok, err, count())
		}
	}
}

func TestTheStandInCostsWhatNewHashesCostAndMatchesNothing(t *testing.T) {
	t.Parallel()
	h := newHasher(1)
	p, err := decodeHash(encodeHash(make([]byte, argonSaltLen), make([]byte, argonKeyLen)))
	if err != nil {
		t.Fatal(err)
	}
	d := h.dummy
	if d.memory != p.memory || d.time != p.time || d.threads != p.threads || len(d.salt) != len(p.salt) || len(d.sum) != len(p.sum) {
		t.Errorf("stand-in %+v, new hashes %+v", d, p)
	}
	if ok, _, err := h.verify(t.Context(), "", ""); ok || err != nil {
		t.Errorf("no password for nobody: %t, %v", ok, err)
	}
}

func TestOverloadIsShedWithATimeToComeBack(t *testing.T) {
	t.Parallel()
	const workers = 2
	h := newHasher(workers)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	release := make(chan struct{})
	done := make(chan error)
	const room = workers * (queuePerSlot + 1)
	for range room {
		go func() { done <- h.run(ctx, func() { <-release }) }()
	}
	for deadline := time.Now().Add(5 * time.Second); len(h.queue) < room || len(h.slots) < workers; {
		if time.Now().After(deadline) {
			t.Fatalf("queue %d, slots %d", len(h.queue), len(h.slots))
		}
		time.Sleep(time.Millisecond)
	}
	ran := false
	err := h.run(ctx, func() { ran = true })
	f, ok := fault.From(err)
	if ran || !ok || f.Kind != fault.Unavailable || f.Code != "service_unavailable" || f.RetryAfter <= 0 {
		t.Errorf("past the queue: ran %t, %v", ran, err)
	}
	if _, _, err := h.verify(ctx, "x", ""); !errors.Is(err, errHashingBusy) {
		t.Errorf("verify: %v", err)
	}
	if _, err := h.hash(ctx, "x"); !errors.Is(err, errHashingBusy) {
		t.Errorf("hash: %v", err)
	}
	close(release)
	for range room {
		if err := <-done; err != nil {
			t.Errorf("within the queue: %v", err)
		}
	}
	if len(h.queue) != 0 || len(h.slots) != 0 {
		t.Errorf("queue %d, slots %d are left taken", len(h.queue), len(h.slots))
	}
	if err := h.run(ctx, func() { ran = true }); err != nil || !ran {
		t.Errorf("after the rush: %v", err)
	}
}

func TestWaitingEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	h := newHasher(1)
	h.slots <- struct{}{} // somebody is hashing
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		ok, _, err := h.verify(ctx, "x", "")
		if ok {
			err = errors.New("a cancelled verification says yes")
		}
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if stored, err := h.hash(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("%s, %v", stored, err)
	}
	if len(h.queue) != 0 {
		t.Errorf("%d places in the queue are left taken", len(h.queue))
	}
}

func TestASlotIsFreedEvenByAPanic(t *testing.T) {
	t.Parallel()
	h := newHasher(1)
	func() {
		defer func() { _ = recover() }()
		_ = h.run(t.Context(), func() { panic("out of memory") })
	}()
	if len(h.slots) != 0 || len(h.queue) != 0 {
		t.Errorf("slots %d, queue %d", len(h.slots), len(h.queue))
	}
}

func TestHashesOfOtherFormsAreRefusedBeforeAnyWork(t *testing.T) {
	t.Parallel()
	const salt, sum = "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	good := "$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + sum
	if p, err := decodeHash(good); err != nil || p.memory != 19456 || p.time != 2 || p.threads != 1 || len(p.salt) != 16 || len(p.sum) != 32 {
		t.Fatalf("%+v, %v", p, err)
	}
	if p, err := decodeHash(cheap + sum); err != nil || p.memory != 8 {
		t.Fatalf("other costs than ours: %+v, %v", p, err)
	}
	costs := func(c string) string { return "$argon2id$v=19$" + c + "$" + salt + "$" + sum }
	for what, s := range map[string]string{
		"empty": "", "a marker": "!", "dollars": "$$$$$", "many dollars": strings.Repeat("$", 10_000), "bcrypt": "$2b$12$" + strings.Repeat("a", 53),
		"argon2i": strings.Replace(good, "argon2id", "argon2i", 1), "argon2id in capitals": strings.Replace(good, "argon2id", "ARGON2ID", 1),
		"version 16": strings.Replace(good, "v=19", "v=16", 1), "no version": strings.Replace(good, "$v=19", "", 1), "version 019": strings.Replace(good, "v=19", "v=019", 1),
		"4 GiB": costs("m=4294967295,t=2,p=1"), "more than 1 GiB": costs("m=1048577,t=2,p=1"), "memory beyond 32 bits": costs("m=4294967296,t=2,p=1"),
		"negative memory": costs("m=-1,t=2,p=1"), "no memory": costs("m=,t=2,p=1"), "no passes": costs("m=19456,t=0,p=1"), "65 passes": costs("m=19456,t=65,p=1"),
		"4 294 967 295 passes": costs("m=19456,t=4294967295,p=1"), "no lane": costs("m=19456,t=2,p=0"), "256 lanes": costs("m=19456,t=2,p=256"),
		"another order": costs("t=2,m=19456,p=1"), "costs cut short": costs("m=19456,t=2"), "a cost more": costs("m=19456,t=2,p=1,x=1"), "junk behind": costs("m=19456,t=2,p=1junk"),
		"a plus": costs("m=+19456,t=2,p=1"), "a leading zero": costs("m=019456,t=2,p=1"), "a space": costs("m= 19456,t=2,p=1"), "hexadecimal": costs("m=0x10,t=2,p=1"),
		"no costs": costs(""), "salt not base64": strings.Replace(good, salt, "!!!!", 1), "salt padded": strings.Replace(good, salt, salt+"==", 1),
		"sum not base64": strings.Replace(good, sum, "!!!!", 1), "no sum": strings.TrimSuffix(good, sum), "sum of 15 bytes": strings.Replace(good, sum, strings.Repeat("A", 20), 1),
		"sum of 66 bytes": strings.Replace(good, sum, strings.Repeat("A", 88), 1), "a part more": good + "$", "text before": "x" + good, "no part": "argon2id",
		"1 MB": "$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + strings.Repeat("A", 1<<20),
	} {
		if p, err := decodeHash(s); err == nil {
			t.Errorf("%s: passes as %+v", what, p)
		}
	}
}

func FuzzDecodeHash(f *testing.F) {
	for _, s := range []string{cheap + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "", "$$$$$", "$argon2id$v=19$m=4294967295,t=2,p=1$AAAA$AAAA", "!"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := decodeHash(s)
		if err == nil && (p.memory > 1<<20 || p.time < 1 || p.time > 64 || p.threads < 1 || len(p.sum) < 16 || len(p.sum) > 64) {
			t.Errorf("%q would cost %+v", s, p)
		}
	})
}

// A hash of other parameters is verified with its own, and told to be out of date when the password was right.
func TestHashesOfOtherParametersAreOutdated(t *testing.T) {
	t.Parallel()
	h := newHasher(1)
	salt := []byte("0123456789abcdef")
	made := func(memory, passes uint32, lanes uint8, salt []byte, length uint32) string {
		return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", memory, passes, lanes, base64.RawStdEncoding.EncodeToString(salt),
			base64.RawStdEncoding.EncodeToString(argon2.IDKey([]byte("Passw0rd!"), salt, passes, memory, lanes, length)))
	}
	for _, c := range []struct {
		what, stored string
		outdated     bool
	}{
		{"today's", made(argonMemory, argonTime, argonThreads, salt, argonKeyLen), false},
		{"less memory", made(8, argonTime, argonThreads, salt, argonKeyLen), true},
		{"more passes", made(64, 3, argonThreads, salt, argonKeyLen), true},
		{"more lanes", made(argonMemory, argonTime, 2, salt, argonKeyLen), true},
		{"a shorter salt", made(argonMemory, argonTime, argonThreads, salt[:8], argonKeyLen), true},
		{"a shorter sum", made(argonMemory, argonTime, argonThreads, salt, 16), true},
	} {
		if ok, outdated, err := h.verify(t.Context(), "Passw0rd!", c.stored); !ok || outdated != c.outdated || err != nil {
			t.Errorf("%s: matches %t, outdated %t, %v", c.what, ok, outdated, err)
		}
		if ok, outdated, err := h.verify(t.Context(), "passw0rd!", c.stored); ok || outdated || err != nil {
			t.Errorf("%s, wrong password: matches %t, outdated %t, %v", c.what, ok, outdated, err)
		}
	}
}
