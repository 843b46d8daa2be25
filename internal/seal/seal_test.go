package seal_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tink-crypto/tink-go/v2/tink"
	"pgregory.net/rapid"

	"turkey/internal/seal"
)

var _ tink.AEAD = (*seal.Box)(nil)

// envelope is what sealing adds: version, nonce (24) and tag (16).
const envelope = 1 + 24 + 16

func box(t interface {
	Helper()
	Fatal(args ...any)
}, secret, purpose string) *seal.Box {
	t.Helper()
	b, err := seal.New([]byte(secret), purpose)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func encrypt(t interface {
	Helper()
	Fatal(args ...any)
}, b *seal.Box, plain, place []byte) []byte {
	t.Helper()
	sealed, err := b.Encrypt(plain, place)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func mustNotOpen(t interface {
	Helper()
	Errorf(format string, args ...any)
}, b *seal.Box, sealed, place []byte, what string) {
	t.Helper()
	plain, err := b.Decrypt(sealed, place)
	if !errors.Is(err, seal.ErrOpen) || plain != nil {
		t.Errorf("%s: got %q, %v; want ErrOpen", what, plain, err)
	}
}

func TestWhatIsSealedOpensOnlyUnchangedAndInItsPlace(t *testing.T) {
	t.Parallel()
	b := box(t, "operator's secret", "signing-keys")
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		place := rapid.SliceOf(rapid.Byte()).Draw(t, "place")
		sealed := encrypt(t, b, plain, place)

		if len(sealed) != len(plain)+envelope {
			t.Fatalf("sealed form has %d bytes for %d", len(sealed), len(plain))
		}
		if got, err := b.Decrypt(sealed, place); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("opens as %x, %v", got, err)
		}
		changed := bytes.Clone(sealed)
		i := rapid.IntRange(0, len(sealed)*8-1).Draw(t, "bit")
		changed[i/8] ^= 1 << (i % 8)
		mustNotOpen(t, b, changed, place, "flipped bit")
		mustNotOpen(t, b, sealed[:rapid.IntRange(0, len(sealed)-1).Draw(t, "length")], place, "truncated")
		mustNotOpen(t, b, append(bytes.Clone(sealed), 0), place, "one byte more")
		mustNotOpen(t, b, sealed, append(bytes.Clone(place), 0), "another place")
	})
}

func TestEveryBitCounts(t *testing.T) {
	t.Parallel()
	b, place := box(t, "secret", "purpose"), []byte("place")
	sealed := encrypt(t, b, []byte("plain"), place)
	for i := range len(sealed) * 8 {
		changed := bytes.Clone(sealed)
		changed[i/8] ^= 1 << (i % 8)
		mustNotOpen(t, b, changed, place, "flipped bit")
	}
	for n := range sealed {
		mustNotOpen(t, b, sealed[:n], place, "truncated")
	}
}

func TestForeignKeysPlacesAndVersionsDoNotOpen(t *testing.T) {
	t.Parallel()
	b, place := box(t, "secret", "purpose"), []byte("place")
	sealed := encrypt(t, b, []byte("plain"), place)

	mustNotOpen(t, box(t, "secret2", "purpose"), sealed, place, "another secret")
	mustNotOpen(t, box(t, "", "purpose"), sealed, place, "no secret")
	mustNotOpen(t, box(t, "secret", "purpose2"), sealed, place, "another purpose")
	mustNotOpen(t, box(t, "secret", "purpose/id"), sealed, place, "the purpose of ids")
	mustNotOpen(t, b, sealed, nil, "no place")
	mustNotOpen(t, b, sealed, []byte("Place"), "another place")
	mustNotOpen(t, b, nil, place, "nothing")
	for _, version := range []byte{0, 2, 255} {
		changed := bytes.Clone(sealed)
		changed[0] = version
		mustNotOpen(t, b, changed, place, "unknown version")
	}
	if plain, err := box(t, "secret", "purpose").Decrypt(sealed, place); err != nil || string(plain) != "plain" {
		t.Errorf("an equal box gives %q, %v", plain, err)
	}
}

func TestSealingTwiceNeverRepeatsANonce(t *testing.T) {
	t.Parallel()
	b := box(t, "secret", "purpose")
	seen := map[string]bool{}
	for range 1000 {
		sealed := encrypt(t, b, nil, nil)
		if nonce := string(sealed[1:25]); seen[nonce] {
			t.Fatal("nonce repeated")
		} else {
			seen[nonce] = true
		}
	}
}

func TestIDsNameASecretForOnePurpose(t *testing.T) {
	t.Parallel()
	id := box(t, "secret", "purpose").ID()
	if len(id) != 16 || id != box(t, "secret", "purpose").ID() {
		t.Errorf("ID %q is not 8 bytes in hex, equal for equal boxes", id)
	}
	for _, other := range []*seal.Box{box(t, "secret", "purpose2"), box(t, "Secret", "purpose"), box(t, "", "purpose"), box(t, "secret", "")} {
		if other.ID() == id {
			t.Errorf("ID %q names two keys", id)
		}
	}
}

func TestDerivedKeysBelongToASecretAndAPurpose(t *testing.T) {
	t.Parallel()
	key := func(secret, purpose string) string {
		k, err := seal.Key([]byte(secret), purpose)
		if err != nil || len(k) != 32 {
			t.Fatalf("%d bytes, %v", len(k), err)
		}
		return string(k)
	}
	if first, again := key("secret", "purpose"), key("secret", "purpose"); first != again {
		t.Error("a key changes")
	}
	if key("secret", "purpose") == key("secret", "purpose2") || key("secret", "purpose") == key("secret2", "purpose") {
		t.Error("two purposes or secrets have one key")
	}
}

func TestABoxOfACopiedKeyIsTheSameBox(t *testing.T) {
	t.Parallel()
	key, id, err := seal.Derive([]byte("secret"), "purpose")
	if err != nil || len(key) != seal.KeySize {
		t.Fatalf("%d bytes, %v", len(key), err)
	}
	copied, err := seal.NewFromKey(key, id)
	if err != nil {
		t.Fatal(err)
	}
	original := box(t, "secret", "purpose")
	if copied.ID() != original.ID() {
		t.Errorf("%s, not %s", copied.ID(), original.ID())
	}
	if plain, err := copied.Decrypt(encrypt(t, original, []byte("plain"), nil), nil); err != nil || string(plain) != "plain" {
		t.Errorf("%q, %v", plain, err)
	}
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := seal.NewFromKey(make([]byte, n), id); err == nil {
			t.Errorf("%d bytes are a key", n)
		}
	}
}

func FuzzDecrypt(f *testing.F) {
	b := box(f, "secret", "purpose")
	genuine := encrypt(f, b, []byte("plain"), []byte("place"))
	f.Add(genuine, []byte("place"))
	f.Add(genuine[:25], []byte("place"))
	f.Add([]byte{1}, []byte(nil))
	f.Add([]byte(nil), []byte(nil))
	f.Add(bytes.Repeat([]byte{1}, 41), []byte("place"))
	f.Fuzz(func(t *testing.T, sealed, place []byte) {
		plain, err := b.Decrypt(sealed, place)
		if err == nil && (string(plain) != "plain" || string(place) != "place") {
			t.Errorf("%x opens as %q in %q", sealed, plain, place)
		}
		if err != nil && (!errors.Is(err, seal.ErrOpen) || plain != nil) {
			t.Errorf("%x gives %q, %v", sealed, plain, err)
		}
	})
}

// BenchmarkBox is a user's wrapped keys sealed and opened: what a vault's read costs when they are not in memory.
func BenchmarkBox(b *testing.B) {
	x := box(b, "secret", "purpose")
	plain, place := bytes.Repeat([]byte{1}, 150), bytes.Repeat([]byte{2}, 16)
	sealed := encrypt(b, x, plain, place)
	for name, run := range map[string]func() error{
		"seal": func() error { _, err := x.Encrypt(plain, place); return err },
		"open": func() error { _, err := x.Decrypt(sealed, place); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
