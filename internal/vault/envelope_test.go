package vault

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"pgregory.net/rapid"

	"turkey/internal/fault"
	"turkey/internal/seal"
	"turkey/internal/vault/vaultdb"
)

// fataler is what *testing.T, *testing.F and *rapid.T share.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Errorf(format string, args ...any)
}

func newUserKeys(t fataler) userKeys {
	t.Helper()
	handle, err := keyset.NewHandle(aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	primitive, err := aead.New(handle)
	if err != nil {
		t.Fatal(err)
	}
	return userKeys{seal: primitive, index: uuidBytes()}
}

func uuidBytes() []byte {
	a, b := uuid.New(), uuid.New()
	return append(a[:], b[:]...)
}

var home = record{
	user:    uuid.MustParse("11111111-1111-4111-8111-111111111111"),
	uid:     uuid.MustParse("22222222-2222-4222-8222-222222222222"),
	service: "ga4",
	version: 1,
}

func sealed(t fataler, k userKeys, r record, content string) string {
	t.Helper()
	envelope, err := k.sealRecord(r, []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return envelope
}

func mustNotOpen(t fataler, k userKeys, r record, envelope, what string) {
	t.Helper()
	content, err := k.openRecord(r, envelope)
	if !errors.Is(err, errUnreadable) || content != nil {
		t.Errorf("%s: got %q, %v", what, content, err)
	}
	if f, ok := fault.From(err); ok && strings.Contains(f.Message, "secret content") {
		t.Errorf("%s: the message tells the content", what)
	}
}

func TestARecordOpensInItsOwnPlaceOnly(t *testing.T) {
	t.Parallel()
	k := newUserKeys(t)
	envelope := sealed(t, k, home, "secret content")
	if got, err := k.openRecord(home, envelope); err != nil || string(got) != "secret content" {
		t.Fatalf("at home: %q, %v", got, err)
	}
	for what, move := range map[string]func(*record){
		"another user":            func(r *record) { r.user = uuid.New() },
		"another credential":      func(r *record) { r.uid = uuid.New() },
		"user and uid exchanged":  func(r *record) { r.user, r.uid = r.uid, r.user },
		"another service":         func(r *record) { r.service = "google_sheets" },
		"a prefix of the service": func(r *record) { r.service = "ga" },
		"no service":              func(r *record) { r.service = "" },
		"the next version":        func(r *record) { r.version = 2 },
		"version 0":               func(r *record) { r.version = 0 },
		"a negative version":      func(r *record) { r.version = -1 },
	} {
		r := home
		move(&r)
		mustNotOpen(t, k, r, envelope, what)
	}
	mustNotOpen(t, newUserKeys(t), home, envelope, "another user's keys")
}

func TestAnEnvelopeOpensUnchangedOnly(t *testing.T) {
	t.Parallel()
	k := newUserKeys(t)
	envelope := sealed(t, k, home, "secret content")
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(envelope, envelopeV1))
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(raw) * 8 {
		changed := bytes.Clone(raw)
		changed[i/8] ^= 1 << (i % 8)
		mustNotOpen(t, k, home, envelopeV1+base64.RawURLEncoding.EncodeToString(changed), fmt.Sprintf("bit %d", i))
	}
	for n := range raw {
		mustNotOpen(t, k, home, envelopeV1+base64.RawURLEncoding.EncodeToString(raw[:n]), fmt.Sprintf("%d bytes", n))
	}
	for what, other := range map[string]string{
		"nothing": "", "no version": strings.TrimPrefix(envelope, envelopeV1), "version 2": "v2." + strings.TrimPrefix(envelope, envelopeV1),
		"version in upper case": "V1." + strings.TrimPrefix(envelope, envelopeV1), "version alone": envelopeV1, "twice the version": envelopeV1 + envelope,
		"padding": envelope + "=", "standard alphabet": envelopeV1 + base64.StdEncoding.EncodeToString(raw) + "+/", "not base64": envelopeV1 + "!",
		"the old JSON": `{"iv":"00","authTag":"00","encryptedData":"00","algorithm":"aes-256-gcm"}`, "more at the end": envelope + "AAAA",
	} {
		mustNotOpen(t, k, home, other, what)
	}
}

func TestSealingTwiceGivesTwoEnvelopesWithoutThePlaintext(t *testing.T) {
	t.Parallel()
	k := newUserKeys(t)
	a, b := sealed(t, k, home, "secret content"), sealed(t, k, home, "secret content")
	if a == b {
		t.Error("the nonce does not change")
	}
	raw, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(a, envelopeV1))
	if bytes.Contains(raw, []byte("secret")) {
		t.Error("the plaintext shows")
	}
}

func TestAnyContentComesBackAsItWas(t *testing.T) {
	t.Parallel()
	k := newUserKeys(t)
	rapid.Check(t, func(t *rapid.T) {
		r := record{service: rapid.String().Draw(t, "service"), version: rapid.Int32().Draw(t, "version")}
		copy(r.user[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "user"))
		copy(r.uid[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uid"))
		content := rapid.SliceOf(rapid.Byte()).Draw(t, "content")
		envelope := sealed(t, k, r, string(content))
		if got, err := k.openRecord(r, envelope); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%x, %v", got, err)
		}
	})
}

func TestPlacesReadAlikeOnlyWhenTheyAreEqual(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2][]byte{
		{place("p", []byte("ab"), []byte("c")), place("p", []byte("a"), []byte("bc"))},
		{place("p", []byte("a"), nil), place("p", []byte("a"))},
		{place("p", nil, []byte("a")), place("p", []byte("a"), nil)},
		{place("pa"), place("p", []byte("a"))},
		{place("p"), place("p", nil)},
		{place("", []byte("p")), place("p", nil)},
		{place("p", []byte{0, 0, 0, 1, 'a'}), place("p", nil, []byte("a"))},
		{place("p", []byte("a\x00b")), place("p", []byte("a"), []byte("b"))},
		{place("p", []byte("a|b")), place("p", []byte("a"), []byte("b"))},
	} {
		if bytes.Equal(pair[0], pair[1]) {
			t.Errorf("two places read %x", pair[0])
		}
	}
	rapid.Check(t, func(t *rapid.T) { // what can be read back cannot stand for two lists
		purpose := rapid.String().Draw(t, "purpose")
		parts := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "parts")
		rest := place(purpose, parts...)
		for i, want := range append([][]byte{[]byte(purpose)}, parts...) {
			n := int(binary.BigEndian.Uint32(rest))
			if n != len(want) || !bytes.Equal(rest[4:4+n], want) {
				t.Fatalf("part %d of %q %q reads %x", i, purpose, parts, rest)
			}
			rest = rest[4+n:]
		}
		if len(rest) > 0 {
			t.Fatalf("%x is left over", rest)
		}
	})
}

func fingerprint(t fataler, k userKeys, service, raw string) string {
	t.Helper()
	sum, err := k.fingerprint(service, []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return string(sum)
}

func TestFingerprintIgnoresOrderAndWhiteSpaceAtAnyDepth(t *testing.T) {
	t.Parallel()
	k := newUserKeys(t)
	const base = `{"type":"oauth","nested":{"a":[1,{"x":true,"y":null}],"b":"é"},"n":12345678901234567890}`
	want := fingerprint(t, k, "ga4", base)
	if len(want) != 32 {
		t.Errorf("%d bytes", len(want))
	}
	for what, raw := range map[string]string{
		"the same":    base,
		"order":       `{"n":12345678901234567890,"nested":{"b":"é","a":[1,{"y":null,"x":true}]},"type":"oauth"}`,
		"white space": " {\n\t\"type\" : \"oauth\",\r\n \"nested\": { \"a\" : [ 1 , { \"x\":true,\"y\" : null } ],\n\"b\":\"é\"} ,\"n\":12345678901234567890 } \n",
		"escapes":     `{"\u0074ype":"oauth","nested":{"a":[1,{"x":true,"y":null}],"b":"\u00e9"},"n":12345678901234567890}`,
	} {
		if fingerprint(t, k, "ga4", raw) != want {
			t.Errorf("%s: another fingerprint", what)
		}
	}
	for what, raw := range map[string]string{
		"another text":            strings.Replace(base, "oauth", "oauth2", 1),
		"letter case":             strings.Replace(base, "oauth", "OAuth", 1),
		"space inside a text":     strings.Replace(base, "oauth", "oauth ", 1),
		"one more member":         strings.Replace(base, `"n"`, `"m":null,"n"`, 1),
		"one less":                `{"type":"oauth","nested":{"a":[1,{"x":true,"y":null}],"b":"é"}}`,
		"null for false":          strings.Replace(base, "null", "false", 1),
		"text for a number":       strings.Replace(base, "[1,", `["1",`, 1),
		"order of a list":         strings.Replace(base, `[1,{"x":true,"y":null}]`, `[{"x":true,"y":null},1]`, 1),
		"moved to another object": `{"type":"oauth","nested":{"a":[1,{"x":true,"y":null}]},"b":"é","n":12345678901234567890}`,
		"last digit of a big number, which a float would lose": strings.Replace(base, "12345678901234567890", "12345678901234567891", 1),
		"1.0 for 1: numbers count as they are spelled":         strings.Replace(base, "[1,", "[1.0,", 1),
		"1e0 for 1": strings.Replace(base, "[1,", "[1e0,", 1),
	} {
		if raw == base {
			t.Fatalf("%s: nothing changed", what)
		}
		if fingerprint(t, k, "ga4", raw) == want {
			t.Errorf("%s: the same fingerprint", what)
		}
	}
}

func TestFingerprintSaysNothingAcrossServicesAndUsers(t *testing.T) {
	t.Parallel()
	k := newUserKeys(t)
	want := fingerprint(t, k, "ga4", `{"a":1}`)
	if fingerprint(t, k, "google_sheets", `{"a":1}`) == want {
		t.Error("equal over services")
	}
	if fingerprint(t, newUserKeys(t), "ga4", `{"a":1}`) == want {
		t.Error("equal over users")
	}
	other := k
	other.index = bytes.Clone(k.index)
	other.index[31] ^= 1
	if fingerprint(t, other, "ga4", `{"a":1}`) == want {
		t.Error("the index key does not count whole")
	}
}

func TestFingerprintRefusesWhatIsNotJSON(t *testing.T) {
	t.Parallel()
	k := newUserKeys(t)
	for _, raw := range []string{"", " ", "{", `{"a":}`, "$(cat key.json)", `{'a':1}`} {
		if sum, err := k.fingerprint("ga4", []byte(raw)); err == nil || sum != nil {
			t.Errorf("%q has the fingerprint %x", raw, sum)
		}
	}
}

func TestUsersKeysOpenForTheirUserOnly(t *testing.T) {
	t.Parallel()
	root, err := seal.New([]byte("a root secret of the operator"), "vault-root")
	if err != nil {
		t.Fatal(err)
	}
	alice, bob := uuid.New(), uuid.New()
	row, keys := wrapped(t, root, alice)

	opened, err := openKeys(root, alice, row.Keyset, row.IndexKey)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := opened.openRecord(home, sealed(t, keys, home, "secret content")); err != nil || string(got) != "secret content" {
		t.Errorf("opened keys give %q, %v", got, err)
	}
	if !bytes.Equal(opened.index, keys.index) {
		t.Error("another index key")
	}
	foreign, err := seal.New([]byte("another secret"), "vault-root")
	if err != nil {
		t.Fatal(err)
	}
	bobs, _ := wrapped(t, root, bob)
	for what, try := range map[string]struct {
		root *seal.Box
		user uuid.UUID
		row  vaultdb.UserKeysRow
	}{
		"another user's row":     {root, bob, row},
		"another root":           {foreign, alice, row},
		"another's keyset":       {root, alice, vaultdb.UserKeysRow{Keyset: bobs.Keyset, IndexKey: row.IndexKey}},
		"another's index key":    {root, alice, vaultdb.UserKeysRow{Keyset: row.Keyset, IndexKey: bobs.IndexKey}},
		"columns exchanged":      {root, alice, vaultdb.UserKeysRow{Keyset: row.IndexKey, IndexKey: row.Keyset}},
		"a truncated keyset":     {root, alice, vaultdb.UserKeysRow{Keyset: row.Keyset[:len(row.Keyset)-1], IndexKey: row.IndexKey}},
		"nothing":                {root, alice, vaultdb.UserKeysRow{}},
		"a changed index key":    {root, alice, vaultdb.UserKeysRow{Keyset: row.Keyset, IndexKey: append(bytes.Clone(row.IndexKey), 0)}},
		"index key for a keyset": {root, alice, vaultdb.UserKeysRow{Keyset: row.IndexKey, IndexKey: row.IndexKey}},
	} {
		if got, err := openKeys(try.root, try.user, try.row.Keyset, try.row.IndexKey); err == nil || got.seal != nil || got.index != nil {
			t.Errorf("%s: opens, %v", what, err)
		}
	}
}

// wrapped makes a user's row of keys as the keystore does.
func wrapped(t *testing.T, root *seal.Box, user uuid.UUID) (vaultdb.UserKeysRow, userKeys) {
	t.Helper()
	handle, err := keyset.NewHandle(aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	primitive, err := aead.New(handle)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&buf), root, keysetPlace(user)); err != nil {
		t.Fatal(err)
	}
	index := uuidBytes()
	sealedIndex, err := root.Encrypt(index, indexPlace(user))
	if err != nil {
		t.Fatal(err)
	}
	return vaultdb.UserKeysRow{RootID: root.ID(), Keyset: buf.Bytes(), IndexKey: sealedIndex}, userKeys{seal: primitive, index: index}
}

func FuzzOpenRecord(f *testing.F) {
	k := newUserKeys(f)
	genuine := sealed(f, k, home, "secret content")
	f.Add(genuine, "ga4", int32(1))
	f.Add(genuine, "ga4", int32(2))
	f.Add(genuine[:20], "ga4", int32(1))
	f.Add("v1.", "", int32(0))
	f.Add("v2."+genuine[3:], "ga4", int32(1))
	f.Add("", "ga4", int32(-1))
	f.Add(genuine+"\n", "ga4", int32(1))
	f.Fuzz(func(t *testing.T, envelope, service string, version int32) {
		r := home
		r.service, r.version = service, version
		got, err := k.openRecord(r, envelope)
		if err == nil && (r != home || string(got) != "secret content") { // base64 itself may be spelled in several ways
			t.Errorf("%q opens as %q in %+v", envelope, got, r)
		}
		if envelope == genuine && r == home && err != nil || err != nil && (got != nil || !errors.Is(err, errUnreadable)) {
			t.Errorf("%q gives %q, %v", envelope, got, err)
		}
	})
}

func FuzzFingerprint(f *testing.F) {
	k := newUserKeys(f)
	for _, s := range []string{`{}`, `{"a":1.0}`, `[1,{"b":null}]`, `"x"`, `{"a":1,"a":2}`, "", "{"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := k.fingerprint("ga4", raw)
		if (err == nil) != (len(a) == 32) {
			t.Fatalf("%x, %v", a, err)
		}
		if err != nil {
			return
		}
		b, err := k.fingerprint("ga4", append([]byte("\n \t"), raw...))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("white space before %q counts", raw)
		}
	})
}
