package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"turkey/internal/seal"
)

// route is an operation of the served OpenAPI document.
type route struct {
	method, path, url string // url: parameters filled in
	bearer            bool   // security bearerAuth
	body, required    bool   // has a JSON body, and needs it
}

// routes are all operations the server says it has.
func (s *replica) routes() (all []route) {
	s.t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			Security    []map[string][]string
			RequestBody *struct{ Required bool }
		}
	}
	must(s.t, json.Unmarshal([]byte(s.get("/openapi.json", "").raw), &doc))
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for method, op := range doc.Paths[path] {
			r := route{method: strings.ToUpper(method), path: path, url: path}
			for strings.Contains(r.url, "{") {
				before, rest, _ := strings.Cut(r.url, "{")
				_, after, _ := strings.Cut(rest, "}")
				r.url = before + "01900000-0000-7000-8000-000000000000" + after
			}
			for _, alternative := range op.Security {
				_, bearer := alternative["bearerAuth"]
				r.bearer = r.bearer || bearer
			}
			r.body = op.RequestBody != nil
			r.required = r.body && op.RequestBody.Required
			all = append(all, r)
		}
	}
	if len(all) < 30 {
		s.t.Fatalf("only %d routes documented", len(all))
	}
	return all
}

// forger makes tokens with the server's own key, or without.
type forger struct {
	t       testing.TB
	kid     string
	private *ecdsa.PrivateKey
	claims  object // of a token that is good
}

func newForger(t testing.TB, s *replica, good string) *forger {
	t.Helper()
	f := &forger{t: t, claims: payload(t, good)}
	var sealed string
	must(t, s.sql.QueryRow(t.Context(), `SELECT kid, private_pem FROM keys`).Scan(&f.kid, &sealed))
	box, err := seal.New([]byte(secret), "signing-keys")
	must(t, err)
	b, err := base64.StdEncoding.DecodeString(sealed)
	must(t, err)
	der, err := box.Decrypt(b, []byte("signing-key|"+f.kid))
	must(t, err)
	key, err := x509.ParsePKCS8PrivateKey(der)
	must(t, err)
	f.private = key.(*ecdsa.PrivateKey)
	return f
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func payload(t testing.TB, jwt string) (claims object) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	must(t, err)
	must(t, json.Unmarshal(b, &claims))
	return claims
}

func part(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return b64(b)
}

// header is the server's own, changed.
func (f *forger) header(changes ...any) object {
	return changed(object{"alg": "ES256", "typ": "JWT", "kid": f.kid}, changes...)
}

// changed sets or, with nil, removes members.
func changed(m object, changes ...any) object {
	m = maps.Clone(m)
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == nil {
			delete(m, changes[i].(string))
		} else {
			m[changes[i].(string)] = changes[i+1]
		}
	}
	return m
}

func (f *forger) input(header object, changes ...any) string {
	return part(f.t, header) + "." + part(f.t, changed(f.claims, changes...))
}

func (f *forger) sign(key *ecdsa.PrivateKey, input string) string {
	digest := sha256.Sum256([]byte(input))
	r, v, err := ecdsa.Sign(rand.Reader, key, digest[:])
	must(f.t, err)
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	v.FillBytes(signature[32:])
	return input + "." + b64(signature)
}

// real signs changed claims as the server would.
func (f *forger) real(changes ...any) string {
	return f.sign(f.private, f.input(f.header(), changes...))
}

// swapped is the forger's token with the signature of another one.
func (f *forger) swapped(other string) string {
	return f.input(f.header()) + other[strings.LastIndexByte(other, '.'):]
}

// TestForgedTokensOpenNoRoute sends every forgery to every route that the OpenAPI document protects, so that a new route is
// covered by being there.
func TestForgedTokensOpenNoRoute(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, stranger := s.user("shop"), s.user("other")
	f := newForger(t, s, u.access)
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(&f.private.PublicKey)
	must(t, err)
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	mac := func(alg string, h func() hash.Hash, key []byte) string {
		input := f.input(f.header("alg", alg))
		m := hmac.New(h, key)
		m.Write([]byte(input))
		return input + "." + b64(m.Sum(nil))
	}
	point, err := foreign.PublicKey.Bytes() // 4, x, y
	must(t, err)
	jwk := object{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
	parts := strings.Split(u.access, ".")
	now := time.Now().Unix()
	raw := func(header, claims string) string {
		return f.sign(f.private, b64([]byte(header))+"."+b64([]byte(claims)))
	}
	goodHeader := fmt.Sprintf(`{"alg":"ES256","typ":"JWT","kid":%q}`, f.kid)
	claimsJSON, err := json.Marshal(f.claims)
	must(t, err)
	jws := fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, parts[1], parts[0], parts[2])
	kid := func(v string) string { return f.sign(foreign, f.input(f.header("kid", v))) }

	attacks := map[string]string{
		"none":                             f.input(f.header("alg", "none")) + ".",
		"none with a good signature":       f.input(f.header("alg", "none")) + "." + parts[2],
		"nOnE":                             f.input(f.header("alg", "nOnE")) + ".",
		"NONE":                             f.input(f.header("alg", "NONE")) + ".",
		"alg empty":                        f.sign(f.private, f.input(f.header("alg", ""))),
		"no alg":                           f.sign(f.private, f.input(f.header("alg", nil))),
		"alg es256":                        f.sign(f.private, f.input(f.header("alg", "es256"))),
		"alg ES384":                        f.sign(f.private, f.input(f.header("alg", "ES384"))),
		"alg RS256":                        f.sign(f.private, f.input(f.header("alg", "RS256"))),
		"alg EdDSA":                        f.sign(f.private, f.input(f.header("alg", "EdDSA"))),
		"HS256 with the public key's PEM":  mac("HS256", sha256.New, publicPEM),
		"HS256 with the PEM, trimmed":      mac("HS256", sha256.New, []byte(strings.TrimSpace(string(publicPEM)))),
		"HS256 with the public key's DER":  mac("HS256", sha256.New, der),
		"HS256 with the key set":           mac("HS256", sha256.New, []byte(s.get("/.well-known/jwks.json", "").raw)),
		"HS256 with nothing":               mac("HS256", sha256.New, nil),
		"HS512 with the public key's PEM":  mac("HS512", sha512.New, publicPEM),
		"a foreign kid":                    kid("key_" + strings.Repeat("0", 32)),
		"a foreign key under our kid":      f.sign(foreign, f.input(f.header())),
		"kid: SQL":                         kid("' OR 1=1; --"),
		"kid: union":                       kid("x' UNION SELECT private_pem FROM keys --"),
		"kid: path":                        kid("../../../../dev/null"),
		"kid: file":                        kid("/etc/passwd"),
		"kid: URL":                         kid("https://evil.example.com/key"),
		"kid: NUL":                         kid(f.kid + "\x00"),
		"kid: with a space":                kid(f.kid + " "),
		"kid: empty":                       kid(""),
		"kid: 10 kB":                       kid(strings.Repeat("k", 10_000)),
		"kid: a number":                    f.sign(f.private, f.input(f.header("kid", 7))),
		"kid: a list":                      f.sign(f.private, f.input(f.header("kid", []string{f.kid}))),
		"no kid":                           f.sign(f.private, f.input(f.header("kid", nil))),
		"jku":                              f.sign(foreign, f.input(f.header("jku", "https://evil.example.com/jwks.json"))),
		"jku under our own key":            f.sign(f.private, f.input(f.header("jku", "https://evil.example.com/jwks.json"))),
		"x5u":                              f.sign(foreign, f.input(f.header("x5u", "https://evil.example.com/cert.pem"))),
		"x5c":                              f.sign(foreign, f.input(f.header("x5c", []string{base64.StdEncoding.EncodeToString(der)}))),
		"x5t":                              f.sign(foreign, f.input(f.header("x5t", "abc"))),
		"jwk":                              f.sign(foreign, f.input(f.header("jwk", jwk))),
		"jwk without kid":                  f.sign(foreign, f.input(f.header("jwk", jwk, "kid", nil))),
		"crit":                             f.sign(f.private, f.input(f.header("crit", []string{"exp"}))),
		"crit, unknown":                    f.sign(f.private, f.input(f.header("crit", []string{"x"}, "x", 1))),
		"b64 false":                        f.sign(f.private, f.input(f.header("crit", []string{"b64"}, "b64", false))),
		"cty":                              f.sign(f.private, f.input(f.header("cty", "JWT"))),
		"zip":                              f.sign(f.private, f.input(f.header("zip", "DEF"))),
		"empty signature":                  parts[0] + "." + parts[1] + ".",
		"no signature":                     parts[0] + "." + parts[1],
		"a signature of zeros":             parts[0] + "." + parts[1] + "." + b64(make([]byte, 64)),
		"half a signature":                 parts[0] + "." + parts[1] + "." + parts[2][:43],
		"a signature in DER":               parts[0] + "." + parts[1] + "." + derSignature(t, f, parts[0]+"."+parts[1]),
		"a signature with padding":         u.access + "==",
		"a signature with spare bits":      u.access[:len(u.access)-1] + string(nextLetter(u.access[len(u.access)-1])),
		"another token's signature":        f.swapped(stranger.access),
		"claims changed, role":             f.input(f.header(), "role", "admin") + "." + parts[2],
		"claims changed, aud":              f.input(f.header(), "aud", "other") + "." + parts[2],
		"another app's token, aud altered": alter(t, stranger.access, "aud", "shop"),
		"another app's token, sub altered": alter(t, stranger.access, "sub", u.id, "aud", "shop"),
		"typ at+jwt":                       f.sign(f.private, f.input(f.header("typ", "at+jwt"))),
		"typ JWE":                          f.sign(f.private, f.input(f.header("typ", "JWE"))),
		"typ jwt":                          f.sign(f.private, f.input(f.header("typ", "jwt"))),
		"no typ":                           f.sign(f.private, f.input(f.header("typ", nil))),
		"expired":                          f.real("iat", now-901, "nbf", now-901, "exp", now-1),
		"expired this second":              f.real("exp", now),
		"exp: a string":                    f.real("exp", fmt.Sprint(now+900)),
		"exp: 1e30":                        raw(goodHeader, strings.Replace(string(claimsJSON), `"exp":`, `"exp":1e30,"x":`, 1)),
		"exp: negative":                    f.real("exp", -1),
		"no exp":                           f.real("exp", nil),
		"not yet valid":                    f.real("nbf", now+60),
		"no nbf":                           f.real("nbf", nil),
		"no iat":                           f.real("iat", nil),
		"wrong aud: a list":                f.real("aud", []string{"shop"}),
		"wrong aud: empty":                 f.real("aud", ""),
		"no aud":                           f.real("aud", nil),
		"appId is not aud":                 f.real("appId", "other"),
		"wrong iss":                        f.real("iss", "https://evil.example.com"),
		"iss with a slash more":            f.real("iss", publicURL+"/"),
		"no iss":                           f.real("iss", nil),
		"no sub":                           f.real("sub", nil),
		"sub: no uuid":                     f.real("sub", "1"),
		"sub: nil":                         f.real("sub", "00000000-0000-0000-0000-000000000000"),
		"no jti":                           f.real("jti", nil),
		"no role":                          f.real("role", nil),
		"no email":                         f.real("email", nil),
		"no tokenVersion":                  f.real("tokenVersion", nil),
		"tokenVersion: a string":           f.real("tokenVersion", "0"),
		"a refresh token":                  u.refresh,
		"a refresh token of another":       stranger.refresh,
		"JSON serialisation":               jws,
		"JSON serialisation, base64":       b64([]byte(jws)),
		"JSON serialisation, general":      strings.ReplaceAll(fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, parts[1], parts[0], parts[2]), " ", ""),
		"five parts":                       parts[0] + "." + parts[1] + "." + parts[2] + "..",
		"a dot more":                       u.access + ".",
		"standard base64":                  strings.NewReplacer("-", "+", "_", "/").Replace(parts[0]) + "=." + parts[1] + "." + parts[2],
		"duplicate claim sub":              raw(goodHeader, strings.Replace(string(claimsJSON), "{", fmt.Sprintf(`{"sub":%q,`, stranger.id), 1)),
		"duplicate claim role":             raw(goodHeader, strings.TrimSuffix(string(claimsJSON), "}")+`,"role":"admin"}`),
		"duplicate claim in another case":  raw(goodHeader, strings.TrimSuffix(string(claimsJSON), "}")+`,"SUB":"x","Sub":"y","sub":"z"}`),
		"duplicate header alg":             raw(fmt.Sprintf(`{"alg":"none","alg":"ES256","typ":"JWT","kid":%q}`, f.kid), string(claimsJSON)),
		"duplicate header kid":             raw(fmt.Sprintf(`{"alg":"ES256","typ":"JWT","kid":"x","kid":%q}`, f.kid), string(claimsJSON)),
		"header: a list":                   raw(`["ES256"]`, string(claimsJSON)),
		"claims: a list":                   raw(goodHeader, `[]`),
		"claims: nothing":                  raw(goodHeader, ``),
		"claims: two objects":              raw(goodHeader, string(claimsJSON)+"{}"),
		"junk":                             "junk",
		"dots":                             "..",
		"10 kB of dots":                    strings.Repeat(".", 10_000),
	}
	if s.me(f.real()).status != 200 {
		t.Fatal("the forger's own key is not the server's")
	}
	protected := 0
	for _, r := range s.routes() {
		if !r.bearer {
			continue
		}
		protected++
		for name, token := range attacks {
			var body any
			if r.method != "GET" && r.method != "DELETE" {
				body = "{}"
			}
			a := s.call(r.method, r.url, token, body)
			if a.status != 401 || !slices.Contains([]string{"missing_token", "invalid_token", "invalid_signature", "invalid_issuer", "invalid_audience", "token_expired",
				"MISSING_TOKEN", "INVALID_TOKEN", "AUTH_FAILED"}, a.code()) {
				t.Errorf("%s %s: %s: got %d %s", r.method, r.path, name, a.status, a.raw)
			}
		}
		a := s.call(r.method, r.url, "", nil, set("Content-Type", "application/json"))
		if a.status != 401 || !strings.EqualFold(a.code(), "missing_token") {
			t.Errorf("%s %s without a token: %d %s", r.method, r.path, a.status, a.raw)
		}
	}
	if protected < 20 {
		t.Errorf("only %d protected routes", protected)
	}
	// Only the server itself could sign these: they hold no row's truth.
	for name, token := range map[string]string{"another tokenVersion": f.real("tokenVersion", 7), "a user of another app": f.real("aud", "other"),
		"another app's user": f.real("sub", stranger.id), "a user who never was": f.real("sub", "01900000-0000-7000-8000-000000000000")} {
		if a := s.me(token); a.status != 401 {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
		if s.active(token) {
			t.Errorf("%s is active", name)
		}
	}
	// None of it did anything to anybody, and the genuine token still works.
	s.me(u.access).want(t, 200, "")
	s.me(stranger.access).want(t, 200, "")
	if got := s.actions(u.id) + s.actions(stranger.id); got != "loginlogin" {
		t.Errorf("audited: %s", got)
	}
}

// alter changes claims under the signature they had.
func alter(t testing.TB, token string, changes ...any) string {
	parts := strings.Split(token, ".")
	return parts[0] + "." + part(t, changed(payload(t, token), changes...)) + "." + parts[2]
}

func derSignature(t testing.TB, f *forger, input string) string {
	t.Helper()
	digest := sha256.Sum256([]byte(input))
	signature, err := ecdsa.SignASN1(rand.Reader, f.private, digest[:])
	must(t, err)
	return b64(signature)
}

// nextLetter differs in the lowest bit alone, which the last letter of 64 bytes does not use.
func nextLetter(c byte) byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return letters[strings.IndexByte(letters, c)^1]
}
