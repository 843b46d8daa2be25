package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"turkey/internal/fault"
)

// fataler is what *testing.T and *testing.F share.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

const (
	kid      = "key_0123456789abcdef0123456789abcdef"
	oldKid   = "key_fedcba9876543210fedcba9876543210"
	issuer   = "https://auth.example"
	tokenApp = "app-a"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

type bundle struct {
	*Service
	key, oldKey *ecdsa.PrivateKey
}

// setup makes a service that has keys and a clock and nothing else: whatever would ask the database panics.
func setup(t fataler) bundle {
	t.Helper()
	key, oldKey := newKey(t), newKey(t)
	var keys []signingKey
	for i, private := range []*ecdsa.PrivateKey{key, oldKey} {
		k, err := newSigningKey(keyLife{kid: []string{kid, oldKid}[i], created: now, signsFrom: now.Add(-time.Duration(i) * time.Hour)}, private)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	ring, err := newKeyring(keys, 0, now, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	mac := make([]byte, 32)
	rand.Read(mac)
	s := &Service{mac: mac, seen: newSeen(), cfg: Config{
		Issuer: issuer, DefaultApp: "default-app", AccessTTL: 15 * time.Minute, Now: func() time.Time { return now },
	}}
	s.keys.ring.Store(ring)
	return bundle{key: key, oldKey: oldKey, Service: s}
}

func newKey(t fataler) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var (
	subject = uuid.MustParse("11111111-1111-4111-8111-111111111111")
	session = uuid.MustParse("22222222-2222-4222-8222-222222222222")
	ada     = person{id: subject, email: "ada@example.com", role: "user", tokenVersion: 7}
)

func (b bundle) access(t fataler) string {
	t.Helper()
	token, err := b.signAccess(ada, app{id: tokenApp, accessTTL: 15 * time.Minute}, session)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// es256 signs like a JWS library that asks no questions.
func es256(t fataler, key *ecdsa.PrivateKey, header, payload string) string {
	t.Helper()
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func hs256(key []byte, header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	m := hmac.New(sha256.New, key)
	m.Write([]byte(input))
	return input + "." + b64(m.Sum(nil))
}

const goodHeader = `{"alg":"ES256","kid":"` + kid + `","typ":"JWT"}`

func goodClaims() map[string]any {
	return map[string]any{"iss": issuer, "aud": tokenApp, "sub": subject.String(), "email": "ada@example.com", "role": "user", "scope": "",
		"jti": "at_0123456789abcdef0123456789abcdef", "sid": session.String(), "tokenVersion": 7,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Unix() + 900}
}

// claims are the good ones with changes; nil removes a claim.
func claims(t fataler, changes map[string]any) string {
	t.Helper()
	c := goodClaims()
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	body, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func mustRefuse(t *testing.T, b bundle, token, what string, want *fault.Error) {
	t.Helper()
	c, err := b.parseAccess(token)
	f, ok := fault.From(err)
	if !ok || f.Kind != fault.Unauthenticated || want != nil && (f.Code != want.Code || f.Message != want.Message) {
		t.Errorf("%s: got %+v, %v; want %v", what, c, err, want)
	}
}

func TestAnAccessTokenHasTheContractsFormAndPasses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := b.access(t)
	c, err := b.parseAccess(token)
	if err != nil {
		t.Fatal(err)
	}
	want := Claims{Issuer: issuer, Audience: tokenApp, Subject: subject, Email: "ada@example.com", Role: "user", ID: c.ID, SessionID: session,
		TokenVersion: 7, IssuedAt: now.Unix(), NotBefore: now.Unix(), ExpiresAt: now.Unix() + 900}
	if c != want {
		t.Errorf("claims %+v", c)
	}
	if len(c.ID) != 35 || !strings.HasPrefix(c.ID, "at_") || strings.Trim(c.ID[3:], "0123456789abcdef") != "" {
		t.Errorf("jti %q", c.ID)
	}
	header, _ := base64.RawURLEncoding.DecodeString(token[:strings.IndexByte(token, '.')])
	if string(header) != goodHeader {
		t.Errorf("header %s", header)
	}
	var members map[string]any
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err := json.Unmarshal(payload, &members); err != nil || len(members) != len(goodClaims()) {
		t.Errorf("payload %s", payload)
	}
	for name := range goodClaims() {
		if _, ok := members[name]; !ok {
			t.Errorf("no claim %s", name)
		}
	}
	if other := b.access(t); other == token {
		t.Error("two tokens are the same")
	}
}

// With the longest e-mail of all (254) and the longest app id at once the contract's 1000 cannot be kept: such an address is
// refused in such an app, and no other is.
func TestAccessTokensAreBelow1000Characters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ issuer, app, least int }{{20, 11, 254}, {40, 40, 254}, {60, 30, 254}, {25, 100, 219}, {100, 100, 144}} {
		b := setup(t)
		b.cfg.Issuer = "https://" + strings.Repeat("i", c.issuer-8)
		id := strings.Repeat("a", c.app)
		longest := min(b.longestEmail(id), 254)
		if longest < c.least {
			t.Errorf("%+v: only %d characters of an address", c, longest)
		}
		for _, letter := range []string{"e", "&"} {
			email := strings.Repeat(letter, longest)
			if err := b.fits(id, email); err != nil {
				t.Errorf("%+v: %v", c, err)
			}
			token, err := b.signAccess(person{id: subject, email: email, role: "admin", tokenVersion: 1<<31 - 1}, app{id: id, accessTTL: time.Hour}, session)
			if err != nil || len(token) >= 1000 || longest < 254 && len(token) < 998 {
				t.Errorf("%+v, %s: %d characters, %v", c, letter, len(token), err)
			}
			if got, err := b.parseAccess(token); err != nil || got.Email != email {
				t.Error(err)
			}
		}
		if longest < 254 && b.fits(id, strings.Repeat("e", longest+1)) == nil {
			t.Errorf("%+v: %d characters pass", c, longest+1)
		}
	}
}

func TestTokensOfAnOlderKeyStillPass(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.parseAccess(es256(t, b.oldKey, strings.Replace(goodHeader, kid, oldKid, 1), claims(t, nil))); err != nil {
		t.Error(err)
	}
	if _, err := b.parseAccess(es256(t, b.key, `{"typ":"JWT","kid":"`+kid+`","alg":"ES256"}`, claims(t, nil))); err != nil {
		t.Errorf("header in another order: %v", err)
	}
	mustRefuse(t, b, es256(t, b.key, strings.Replace(goodHeader, kid, oldKid, 1), claims(t, nil)), "signed by the other key", errInvalidSignature)
}

func TestForgedHeadersAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	payload := claims(t, nil)
	public, err := x509.MarshalPKIXPublicKey(&b.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	point, err := b.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	foreign := newKey(t)
	foreignPoint, err := foreign.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	jwk := fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q}`, b64(foreignPoint[1:33]), b64(foreignPoint[33:]))
	with := func(members string) string { return strings.TrimSuffix(goodHeader, "}") + "," + members + "}" }
	withKid := func(kid string) string {
		text, err := json.Marshal(kid)
		if err != nil {
			t.Fatal(err)
		}
		return `{"alg":"ES256","kid":` + string(text) + `,"typ":"JWT"}`
	}
	alg := func(name string) string { return strings.Replace(goodHeader, "ES256", name, 1) }
	unsigned := func(header string) string { return b64([]byte(header)) + "." + b64([]byte(payload)) + "." }
	genuine := es256(t, b.key, goodHeader, payload)
	if _, err := b.parseAccess(genuine); err != nil {
		t.Fatalf("the genuine one: %v", err) // else the table proves nothing
	}

	for what, token := range map[string]string{
		"alg none, no signature":                  unsigned(alg("none")),
		"alg none, genuine signature":             es256(t, b.key, alg("none"), payload),
		"alg None":                                unsigned(alg("None")),
		"alg nOnE":                                unsigned(alg("nOnE")),
		"alg NONE without kid":                    unsigned(`{"alg":"NONE","typ":"JWT"}`),
		"alg empty":                               unsigned(alg("")),
		"alg es256 in lower case":                 es256(t, b.key, alg("es256"), payload),
		"alg ES384":                               es256(t, b.key, alg("ES384"), payload),
		"alg RS256":                               es256(t, b.key, alg("RS256"), payload),
		"no alg":                                  es256(t, b.key, `{"kid":"`+kid+`","typ":"JWT"}`, payload),
		"alg as a list":                           es256(t, b.key, `{"alg":["ES256"],"kid":"`+kid+`","typ":"JWT"}`, payload),
		"HS256 under the public key's DER":        hs256(public, alg("HS256"), payload),
		"HS256 under the public point":            hs256(point, alg("HS256"), payload),
		"HS256 under the published key set":       hs256(b.keyring().jwks.body, alg("HS256"), payload),
		"HS256 under nothing":                     hs256(nil, alg("HS256"), payload),
		"HS256 under the kid":                     hs256([]byte(kid), alg("HS256"), payload),
		"a foreign kid":                           es256(t, foreign, withKid("key_00000000000000000000000000000000"), payload),
		"kid empty":                               es256(t, b.key, withKid(""), payload),
		"no kid":                                  es256(t, b.key, `{"alg":"ES256","typ":"JWT"}`, payload),
		"kid null":                                es256(t, b.key, `{"alg":"ES256","kid":null,"typ":"JWT"}`, payload),
		"kid a number":                            es256(t, b.key, `{"alg":"ES256","kid":1,"typ":"JWT"}`, payload),
		"kid in upper case":                       es256(t, b.key, withKid(strings.ToUpper(kid)), payload),
		"kid with a path":                         es256(t, b.key, withKid("../../../../dev/null"), payload),
		"kid with SQL":                            es256(t, b.key, withKid("x' UNION SELECT 'AA==' --"), payload),
		"kid with a NUL":                          es256(t, b.key, withKid(kid+"\x00"), payload),
		"kid with a space":                        es256(t, b.key, withKid(kid+" "), payload),
		"kid of 10 kB":                            es256(t, b.key, withKid(strings.Repeat("k", 10_000)), payload),
		"kid a URL":                               es256(t, b.key, withKid("https://evil.example/jwks.json"), payload),
		"the attacker's jwk":                      es256(t, foreign, with(`"jwk":`+jwk), payload),
		"the attacker's jwk without kid":          es256(t, foreign, `{"alg":"ES256","typ":"JWT","jwk":`+jwk+`}`, payload),
		"jwk in a token that is genuine":          es256(t, b.key, with(`"jwk":`+jwk), payload),
		"jku in a token that is genuine":          es256(t, b.key, with(`"jku":"https://evil.example"`), payload),
		"x5u in a token that is genuine":          es256(t, b.key, with(`"x5u":"https://evil.example"`), payload),
		"x5c in a token that is genuine":          es256(t, b.key, with(`"x5c":[]`), payload),
		"x5t in a token that is genuine":          es256(t, b.key, with(`"x5t":"AA"`), payload),
		"cty in a token that is genuine":          es256(t, b.key, with(`"cty":"JWT"`), payload),
		"an unknown member":                       es256(t, b.key, with(`"x":""`), payload),
		"crit unknown":                            es256(t, b.key, with(`"crit":["x"],"x":1`), payload),
		"crit b64":                                es256(t, b.key, with(`"crit":["b64"],"b64":true`), payload),
		"crit empty":                              es256(t, b.key, with(`"crit":[]`), payload),
		"crit null":                               es256(t, b.key, with(`"crit":null`), payload),
		"alg twice, the good one last":            es256(t, b.key, `{"alg":"none","alg":"ES256","kid":"`+kid+`","typ":"JWT"}`, payload),
		"alg twice, the good one first":           unsigned(`{"alg":"ES256","alg":"none","kid":"` + kid + `","typ":"JWT"}`),
		"kid twice":                               es256(t, b.key, `{"alg":"ES256","kid":"x","kid":"`+kid+`","typ":"JWT"}`, payload),
		"typ at+jwt":                              es256(t, b.key, strings.Replace(goodHeader, `"JWT"`, `"at+jwt"`, 1), payload),
		"typ jwt in lower case":                   es256(t, b.key, strings.Replace(goodHeader, `"JWT"`, `"jwt"`, 1), payload),
		"typ logout+jwt":                          es256(t, b.key, strings.Replace(goodHeader, `"JWT"`, `"logout+jwt"`, 1), payload),
		"typ empty":                               es256(t, b.key, strings.Replace(goodHeader, `"JWT"`, `""`, 1), payload),
		"no typ":                                  es256(t, b.key, `{"alg":"ES256","kid":"`+kid+`"}`, payload),
		"header null":                             es256(t, b.key, `null`, payload),
		"header a list":                           es256(t, b.key, `[]`, payload),
		"header with something after it":          es256(t, b.key, goodHeader+"{}", payload),
		"header not UTF-8":                        es256(t, b.key, "{\"alg\":\"ES256\",\"kid\":\""+kid+"\",\"typ\":\"JWT\",\"\xff\":\"\"}", payload),
		"JSON serialisation with two signatures":  `{"payload":"` + b64([]byte(payload)) + `","signatures":[{"protected":"` + b64([]byte(goodHeader)) + `","signature":"` + genuine[strings.LastIndexByte(genuine, '.')+1:] + `"},{"protected":"` + b64([]byte(goodHeader)) + `","signature":"AA"}]}`,
		"flattened JSON serialisation":            `{"payload":"` + b64([]byte(payload)) + `","protected":"` + b64([]byte(goodHeader)) + `","signature":"` + genuine[strings.LastIndexByte(genuine, '.')+1:] + `"}`,
		"four parts":                              genuine + ".",
		"five parts, as an encrypted token has":   genuine + ".AA.AA",
		"two parts":                               genuine[:strings.LastIndexByte(genuine, '.')],
		"one part":                                "genuine",
		"nothing":                                 "",
		"dots":                                    "..",
		"padded":                                  genuine + "=",
		"padded twice":                            genuine + "==",
		"standard alphabet in the header":         "+/" + genuine[2:],
		"a space before":                          " " + genuine,
		"a line break after":                      genuine + "\n",
		"a line break within":                     genuine[:10] + "\r\n" + genuine[10:],
		"a NUL after":                             genuine + "\x00",
		"a refresh token":                         b.refreshToken(session, 0),
		"1 MB of junk":                            strings.Repeat("A", 1<<20),
		"1 MB of dots":                            strings.Repeat(".", 1<<20),
		"1 MB of header":                          strings.Repeat("A", 1<<20) + ".AA.AA",
		"a header of 100 000 nested lists":        b64([]byte(strings.Repeat("[", 100_000))) + ".AA.AA",
		"a genuine header, 1 MB of foreign claim": b64([]byte(goodHeader)) + "." + strings.Repeat("A", 1<<20) + ".A",
	} {
		mustRefuse(t, b, token, what, errInvalidToken)
	}
	mustRefuse(t, b, b64([]byte(goodHeader))+".."+genuine[strings.LastIndexByte(genuine, '.')+1:], "the payload detached", errInvalidSignature)
}

func TestForgedSignaturesAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	genuine := es256(t, b.key, goodHeader, claims(t, nil))
	cut := strings.LastIndexByte(genuine, '.') + 1
	raw, err := base64.RawURLEncoding.DecodeString(genuine[cut:])
	if err != nil {
		t.Fatal(err)
	}
	zero, order := make([]byte, 32), elliptic.P256().Params().N
	malleated := new(big.Int).Sub(order, new(big.Int).SetBytes(raw[32:])).FillBytes(make([]byte, 32))
	for what, signature := range map[string][]byte{
		"empty":             nil,
		"zeros":             make([]byte, 64), // CVE-2022-21449
		"r is zero":         append(zero[:32:32], raw[32:]...),
		"s is zero":         append(raw[:32:32], zero...),
		"r is the order":    append(order.FillBytes(make([]byte, 32)), raw[32:]...),
		"s is the order":    append(raw[:32:32], order.FillBytes(make([]byte, 32))...),
		"a byte short":      raw[:63],
		"a byte long":       append(raw[:64:64], 0),
		"r and s exchanged": append(raw[32:64:64], raw[:32]...),
		"an ASN.1 sequence": append([]byte{0x30, 0x44, 0x02, 0x20}, raw...),
	} {
		mustRefuse(t, b, genuine[:cut]+b64(signature), what, errInvalidSignature)
	}
	mustRefuse(t, b, es256(t, newKey(t), goodHeader, claims(t, nil)), "a foreign key", errInvalidSignature)
	mustRefuse(t, b, b64([]byte(goodHeader))+"."+b64([]byte(claims(t, map[string]any{"role": "admin"})))+"."+genuine[cut:], "another payload", errInvalidSignature)
	// (r, -s) is a signature too; ECDSA cannot tell it from ours. The jti in it is ours, so revoking it works all the same.
	if c, err := b.parseAccess(genuine[:cut] + b64(append(raw[:32:32], malleated...))); err != nil || c.ID != goodClaims()["jti"] {
		t.Errorf("the mirrored signature: %+v, %v", c, err)
	}
}

func TestNoChangedCharacterPasses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := b.access(t)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n"
	for i := range token {
		// the last character carries spare bits: there every change is tried
		from := i % len(alphabet)
		tries := 1
		if i == len(token)-1 {
			tries = len(alphabet)
		}
		for n := range tries {
			other := alphabet[(from+n)%len(alphabet)]
			if other == token[i] {
				continue
			}
			mustRefuse(t, b, token[:i]+string(other)+token[i+1:], fmt.Sprintf("character %d as %q", i, other), nil)
		}
	}
	for i := range token {
		if i%17 == 0 {
			mustRefuse(t, b, token[:i], fmt.Sprintf("the first %d characters", i), nil)
		}
	}
}

func TestClaimsAreCheckedInTheContractsOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct {
		what    string
		changes map[string]any
		want    *fault.Error
	}{
		{"another issuer", map[string]any{"iss": "https://evil.example"}, errInvalidIssuer},
		{"issuer with a slash more", map[string]any{"iss": issuer + "/"}, errInvalidIssuer},
		{"issuer in upper case", map[string]any{"iss": strings.ToUpper(issuer)}, errInvalidIssuer},
		{"no iss", map[string]any{"iss": nil}, errInvalidIssuer},
		{"iss as a list", map[string]any{"iss": []string{issuer}}, errMissingClaims},
		{"expired this second", map[string]any{"exp": now.Unix()}, errTokenExpired},
		{"expired long ago", map[string]any{"exp": now.Unix() - 86400}, errTokenExpired},
		{"exp 0", map[string]any{"exp": 0}, errTokenExpired},
		{"exp negative", map[string]any{"exp": -1}, errTokenExpired},
		{"exp as text", map[string]any{"exp": fmt.Sprint(now.Unix() + 900)}, errMissingClaims},
		{"exp beyond 64 bits", map[string]any{"exp": json.Number("99999999999999999999")}, errMissingClaims},
		{"no exp", map[string]any{"exp": nil}, errMissingClaims},
		{"foreign issuer and expired", map[string]any{"iss": "x", "exp": 0}, errInvalidIssuer},
		{"expired and without sub", map[string]any{"exp": 1, "sub": nil}, nil},
		{"not valid for 6 more seconds", map[string]any{"nbf": now.Unix() + 6}, errInvalidToken},
		{"no nbf", map[string]any{"nbf": nil}, errMissingClaims},
		{"no iat", map[string]any{"iat": nil}, errMissingClaims},
		{"no sub", map[string]any{"sub": nil}, errMissingClaims},
		{"sub not a uuid", map[string]any{"sub": "1"}, errMissingClaims},
		{"sub zero", map[string]any{"sub": uuid.Nil}, errMissingClaims},
		{"no email", map[string]any{"email": nil}, errMissingClaims},
		{"email empty", map[string]any{"email": ""}, errMissingClaims},
		{"no role", map[string]any{"role": nil}, errMissingClaims},
		{"no jti", map[string]any{"jti": nil}, errMissingClaims},
		{"jti a number", map[string]any{"jti": 1}, errMissingClaims},
		{"no aud", map[string]any{"aud": nil}, errMissingClaims},
		{"aud as a list", map[string]any{"aud": []string{tokenApp}}, errMissingClaims},
		{"no tokenVersion", map[string]any{"tokenVersion": nil}, errMissingClaims},
		{"tokenVersion as text", map[string]any{"tokenVersion": "7"}, errMissingClaims},
		{"tokenVersion beyond 32 bits", map[string]any{"tokenVersion": int64(1)<<32 + 7}, errMissingClaims},
	} {
		mustRefuse(t, b, es256(t, b.key, goodHeader, claims(t, c.changes)), c.what, c.want)
	}
	for what, changes := range map[string]map[string]any{
		"expires in a second":                 {"exp": now.Unix() + 1},
		"valid in 5 seconds, by their clock":  {"nbf": now.Unix() + 5},
		"no scope":                            {"scope": nil},
		"no sid, as an older server signed":   {"sid": nil},
		"a claim of the future we do not use": {"appId": tokenApp},
	} {
		if _, err := b.parseAccess(es256(t, b.key, goodHeader, claims(t, changes))); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPayloadsOfTwoMeaningsAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	good := claims(t, nil)
	for what, payload := range map[string]string{
		"role twice":                    strings.TrimSuffix(good, "}") + `,"role":"admin"}`,
		"sub twice":                     strings.TrimSuffix(good, "}") + `,"sub":"` + uuid.NewString() + `"}`,
		"exp twice":                     strings.TrimSuffix(good, "}") + `,"exp":9999999999}`,
		"exp twice, one null":           strings.TrimSuffix(good, "}") + `,"exp":null}`,
		"a claim we do not use, twice":  strings.TrimSuffix(good, "}") + `,"x":1,"x":2}`,
		"Role in capitals alone":        strings.Replace(good, `"role"`, `"Role"`, 1),
		"ISS in capitals does not help": strings.Replace(strings.Replace(good, `"iss"`, `"x"`, 1), `{`, `{"ISS":"`+issuer+`",`, 1),
		"something after it":            good + "{}",
		"a list":                        "[" + good + "]",
		"null":                          "null",
		"text":                          `"` + issuer + `"`,
		"empty":                         "",
		"not JSON":                      "iss=" + issuer,
	} {
		mustRefuse(t, b, es256(t, b.key, goodHeader, payload), what, nil)
	}
	c, err := b.parseAccess(es256(t, b.key, goodHeader, strings.TrimSuffix(good, "}")+`,"Role":"admin","ROLE":"admin"}`))
	if err != nil || c.Role != "user" {
		t.Errorf("a role in capitals beside the real one: %+v, %v", c, err)
	}
}

func FuzzParseAccess(f *testing.F) {
	b := setup(f)
	genuine := b.access(f)
	cut := strings.LastIndexByte(genuine, '.') + 1
	for _, s := range []string{genuine, genuine[:cut], genuine + "=", "..", "", "a.b.c", b.refreshToken(session, 1), hs256(nil, goodHeader, claims(f, nil)),
		es256(f, b.key, strings.Replace(goodHeader, "ES256", "none", 1), "{}"), es256(f, newKey(f), goodHeader, claims(f, nil)), `{"payload":""}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		_, err := b.parseAccess(token)
		if token == genuine {
			if err != nil {
				t.Errorf("the genuine token: %v", err)
			}
			return
		}
		// the fuzzer has no key, so nothing else that it can make begins like ours and passes, but for (r, -s)
		if err == nil && !strings.HasPrefix(token, genuine[:cut]) {
			t.Errorf("passes: %q", token)
		}
		if _, ok := fault.From(err); err != nil && !ok {
			t.Errorf("%q: not a fault: %v", token, err)
		}
	})
}

func TestARefreshTokenNamesItsSessionAndGeneration(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rapid.Check(t, func(t *rapid.T) {
		var id uuid.UUID
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "session"))
		generation := rapid.Int32Min(0).Draw(t, "generation")
		token := b.refreshToken(id, generation)
		if token != b.refreshToken(id, generation) {
			t.Fatal("the same generation has two tokens")
		}
		if len(token) >= 512 || !strings.HasPrefix(token, "rt_") || len(checkRefreshToken(token)) != 0 {
			t.Fatalf("%q is not of the contract's form", token)
		}
		if gotID, got, ok := b.parseRefresh(token); !ok || gotID != id || got != generation {
			t.Fatalf("%q reads as %s, %d, %t", token, gotID, got, ok)
		}
		if next := b.refreshToken(id, generation^1); next == token {
			t.Fatal("two generations have one token")
		}
	})
}

func mustNotBeOurs(t *testing.T, b bundle, token, what string) {
	t.Helper()
	if id, generation, ok := b.parseRefresh(token); ok || id != uuid.Nil || generation != 0 {
		t.Errorf("%s: %q reads as %s, %d, %t", what, token, id, generation, ok)
	}
}

func TestNoChangedCharacterOfARefreshTokenPasses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ {}\n\r\x00"
	for _, token := range []string{b.refreshToken(session, 0), b.refreshToken(session, 1<<31-1)} {
		for i := range token {
			for _, other := range alphabet {
				if byte(other) != token[i] {
					mustNotBeOurs(t, b, token[:i]+string(other)+token[i+1:], "a changed character")
				}
				mustNotBeOurs(t, b, token[:i]+string(other)+token[i:], "a character more")
			}
			mustNotBeOurs(t, b, token[:i]+token[i+1:], "a character less")
			mustNotBeOurs(t, b, token[:i], "truncated")
		}
	}
}

// mac signs whatever body, as only a mistake of ours could.
func (b bundle) mac(body string) string { return "rt_" + body + "." + b64(b.refreshMAC(body)) }

func TestOnlyOneSpellingOfARefreshTokenPasses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := session.String()
	if b.mac(id+".5") != b.refreshToken(session, 5) {
		t.Fatal("the test does not build tokens as the service does") // else the table proves nothing
	}
	foreign := setup(t)
	for what, token := range map[string]string{
		"a foreign MAC key":             foreign.refreshToken(session, 5),
		"negative":                      b.mac(id + ".-1"),
		"minus zero":                    b.mac(id + ".-0"),
		"plus":                          b.mac(id + ".+5"),
		"2^31":                          b.mac(id + ".2147483648"),
		"2^32 + 5":                      b.mac(id + ".4294967301"),
		"a generation without end":      b.mac(id + "." + strings.Repeat("9", 400)),
		"leading zero":                  b.mac(id + ".05"),
		"hexadecimal":                   b.mac(id + ".0x5"),
		"underscore":                    b.mac(id + ".1_0"),
		"space":                         b.mac(id + ". 5"),
		"no generation":                 b.mac(id + "."),
		"no dot":                        b.mac(id),
		"two generations":               b.mac(id + ".5.6"),
		"session in upper case":         b.mac("ABCDEFAB-2222-4222-8222-222222222222.5"),
		"session in braces":             b.mac("{" + id + "}.5"),
		"session as URN":                b.mac("urn:uuid:" + id + ".5"),
		"session without hyphens":       b.mac(strings.ReplaceAll(id, "-", "") + ".5"),
		"no session":                    b.mac(".5"),
		"nothing":                       b.mac(""),
		"MAC of another session":        "rt_" + uuid.NewString() + ".5" + b.refreshToken(session, 5)[len("rt_")+len(id)+2:],
		"no MAC":                        "rt_" + id + ".5.",
		"MAC cut short":                 b.refreshToken(session, 5)[:60],
		"MAC padded":                    b.refreshToken(session, 5) + "=",
		"MAC in the standard alphabet":  "rt_" + id + ".5." + base64.StdEncoding.EncodeToString(b.refreshMAC(id+".5")),
		"MAC in hex":                    "rt_" + id + ".5." + fmt.Sprintf("%x", b.refreshMAC(id+".5")),
		"no prefix":                     strings.TrimPrefix(b.refreshToken(session, 5), "rt_"),
		"the prefix twice":              "rt_" + b.refreshToken(session, 5),
		"another prefix":                "RT_" + strings.TrimPrefix(b.refreshToken(session, 5), "rt_"),
		"the original's form":           "rt_" + strings.Repeat("0a", 32),
		"an access token":               b.access(t),
		"empty":                         "",
		"dots":                          "rt_...",
		"1 MB":                          "rt_" + strings.Repeat("a", 1<<20),
		"1 MB with a genuine beginning": b.refreshToken(session, 5) + strings.Repeat("A", 1<<20),
	} {
		mustNotBeOurs(t, b, token, what)
	}
}

func FuzzParseRefresh(f *testing.F) {
	b := setup(f)
	for _, s := range []string{b.refreshToken(session, 0), b.refreshToken(session, 1<<31-1), b.mac(session.String() + ".-1"), "rt_", "rt_..", "",
		"rt_" + strings.Repeat("0a", 32), setup(f).refreshToken(session, 0)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if id, generation, ok := b.parseRefresh(token); ok && token != b.refreshToken(id, generation) {
			t.Errorf("%q reads as generation %d of %s, whose token is another", token, generation, id)
		}
	})
}

func TestTheKeySetPublishesTheSignerFirstAndNoPrivateKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(b.keyring().jwks.body, &set); err != nil || len(set.Keys) != 2 {
		t.Fatalf("%s, %v", b.keyring().jwks.body, err)
	}
	point, err := b.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"kty": "EC", "use": "sig", "alg": "ES256", "kid": kid, "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
	if !maps.Equal(set.Keys[0], want) || set.Keys[1]["kid"] != oldKid {
		t.Errorf("%v", set.Keys)
	}
	for _, k := range set.Keys {
		if _, private := k["d"]; private || len(k) != len(want) {
			t.Errorf("too much is told: %v", k)
		}
	}
}
