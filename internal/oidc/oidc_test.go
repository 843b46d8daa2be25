package oidc

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

// idp is an OpenID provider with one key of each kind.
func idp(t testing.TB) (*bundle, *provider) {
	t.Helper()
	p := newProvider(t, jwk(rsaKeys()[0].Public(), "rsa"), jwk(ecKey().Public(), "ec"), jwk(edKey().Public(), "ed"))
	b := setup(t, func(c *Config) {
		c.Issuers = []Issuer{{Issuer: p.url, JWKS: p.url + "/keys", Audience: "turkey", App: "shop"}}
	})
	return b, p
}

func TestEachAlgorithmOfTheList(t *testing.T) {
	t.Parallel()
	b, p := idp(t)
	claims := b.claims(p.url, "aud", []string{"other", "turkey"}, "email", "Ada@Example.com", "email_verified", "true", "name", "Ada")
	for alg, token := range map[string]string{
		"RS256":                            rs256(t, rsaKeys()[0], "rsa", claims),
		"ES256":                            sign(t, ecKey(), object{"alg": "ES256", "kid": "ec"}, claims),
		"EdDSA":                            sign(t, edKey(), object{"alg": "EdDSA", "kid": "ed", "typ": "at+jwt"}, claims),
		"no kid, one key of the algorithm": sign(t, edKey(), object{"alg": "EdDSA"}, claims),
	} {
		got, err := b.Verify(t.Context(), token)
		if err != nil || got.Issuer != p.url || got.Subject != "user_2Ab" || got.App != "shop" || got.Clerk || got.Email != "Ada@Example.com" ||
			got.EmailVerified == nil || !*got.EmailVerified || got.Name != "Ada" || got.IssuedAt.Unix() != b.epoch() || got.ExpiresAt.Unix() != b.epoch()+60 {
			t.Errorf("%s: %+v %v", alg, got, err)
		}
	}
	if n := p.asks.Load(); n != 1 {
		t.Errorf("the key set was read %d times", n)
	}
}

// TestAttacks sends tokens that must not be taken, each a small change of one that is.
func TestAttacks(t *testing.T) {
	t.Parallel()
	b, p := idp(t)
	good, key := b.claims(p.url), rsaKeys()[0]
	header := object{"alg": "RS256", "typ": "JWT", "kid": "rsa"}
	if _, err := b.Verify(t.Context(), sign(t, key, header, good)); err != nil {
		t.Fatalf("the token that the others are changed from: %v", err)
	}
	with := func(changes ...any) string { return sign(t, key, header, changed(good, changes...)) }
	head := func(changes ...any) string { return sign(t, key, changed(header, changes...), good) }
	whole := sign(t, key, header, good)
	parts := strings.Split(whole, ".")
	unsigned := part(t, changed(header, "alg", "none")) + "." + parts[1] + "."
	mac := func(secret []byte) string {
		input := part(t, changed(header, "alg", "HS256")) + "." + parts[1]
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(input))
		return input + "." + b64(m.Sum(nil))
	}
	evil := rsaKeys()[1]
	now := b.epoch()
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"nothing":                     {"", ErrMalformed},
		"a word":                      {"hunter2", ErrMalformed},
		"two parts":                   {parts[0] + "." + parts[1], ErrMalformed},
		"four parts":                  {whole + ".e30", ErrMalformed},
		"five parts, a JWE":           {"e30.e30.e30.e30.e30", ErrMalformed},
		"padding":                     {parts[0] + "=." + parts[1] + "." + parts[2], ErrMalformed},
		"a line break":                {whole[:20] + "\n" + whole[20:], ErrMalformed},
		"standard base64":             {parts[0] + "." + base64.StdEncoding.EncodeToString([]byte("{\"sub\":\"\xff\xfe\xfb>>>\"}")) + "." + parts[2], ErrMalformed},
		"payload is a list":           {parts[0] + "." + b64([]byte(`["sub"]`)) + "." + parts[2], ErrMalformed},
		"payload is null":             {parts[0] + "." + b64([]byte(`null`)) + "." + parts[2], ErrMalformed},
		"payload is no UTF-8":         {parts[0] + "." + b64([]byte("{\"sub\":\"a\xff\"}")) + "." + parts[2], ErrMalformed},
		"a claim twice":               {parts[0] + "." + b64([]byte(`{"iss":"`+p.url+`","sub":"a","sub":"b"}`)) + "." + parts[2], ErrMalformed},
		"a header twice":              {b64([]byte(`{"alg":"RS256","alg":"none"}`)) + "." + parts[1] + "." + parts[2], ErrMalformed},
		"more than 8 KiB":             {with("pad", strings.Repeat("x", maxToken)), ErrMalformed},
		"no sub":                      {with("sub", nil), ErrMalformed},
		"empty sub":                   {with("sub", ""), ErrMalformed},
		"sub of spaces":               {with("sub", "  "), ErrMalformed},
		"sub is a number":             {with("sub", 7), ErrMalformed},
		"sub with NUL":                {with("sub", "a\x00b"), ErrMalformed},
		"sub with half a character":   {parts[0] + "." + b64([]byte(`{"iss":"`+p.url+`","sub":"a\ud800"}`)) + "." + parts[2], ErrMalformed},
		"sub of 256 characters":       {with("sub", strings.Repeat("s", 256)), ErrMalformed},
		"no alg":                      {head("alg", nil), ErrMalformed},
		"alg none":                    {unsigned, ErrRefused},
		"alg NONE":                    {part(t, changed(header, "alg", "NONE")) + "." + parts[1] + "." + parts[2], ErrRefused},
		"HS256 with the public key":   {mac([]byte(pemOf(t, key.Public()))), ErrRefused},
		"HS256 with nothing":          {mac(nil), ErrRefused},
		"RS384":                       {head("alg", "RS384"), ErrRefused},
		"PS256":                       {head("alg", "PS256"), ErrRefused},
		"ES256 with the RSA key":      {head("alg", "ES256"), ErrRefused},
		"RS256 with the EC key's kid": {head("kid", "ec"), ErrRefused},
		"crit":                        {head("crit", []string{"exp"}, "exp", now), ErrRefused},
		"crit b64":                    {head("crit", []string{"b64"}, "b64", false), ErrRefused},
		"b64":                         {head("b64", true), ErrRefused},
		"a refresh token":             {head("typ", "rt+jwt"), ErrRefused},
		"a logout token":              {head("typ", "application/logout+JWT"), ErrRefused},
		"no signature":                {parts[0] + "." + parts[1] + ".", ErrRefused},
		"somebody else's key":         {sign(t, evil, header, good), ErrRefused},
		"an embedded key":             {sign(t, evil, changed(header, "jwk", jwk(evil.Public(), "rsa")), good), ErrRefused},
		"an unknown kid with a jku":   {sign(t, evil, changed(header, "kid", "evil", "jku", p.url+"/evil"), good), ErrRefused},
		"another payload":             {parts[0] + "." + part(t, changed(good, "sub", "user_admin")) + "." + parts[2], ErrRefused},
		"unknown kid":                 {head("kid", "gone"), ErrRefused},
		"kid is a path":               {head("kid", "../../dev/null"), ErrRefused},
		"kid is a number":             {head("kid", 1), ErrRefused},
		"no exp":                      {with("exp", nil), ErrRefused},
		"exp in words":                {with("exp", "tomorrow"), ErrRefused},
		"exp null":                    {parts[0] + "." + b64([]byte(`{"iss":"`+p.url+`","sub":"a","exp":null}`)) + "." + parts[2], ErrRefused},
		"exp without end":             {with("exp", 1e300), ErrRefused},
		"expired":                     {with("exp", now-6), ErrRefused},
		"not yet":                     {with("nbf", now+7), ErrRefused},
		"issued ahead":                {with("iat", now+7), ErrRefused},
		"no aud":                      {with("aud", nil), ErrRefused},
		"another aud":                 {with("aud", "turkey2"), ErrRefused},
		"aud of others":               {with("aud", []string{"a", "b"}), ErrRefused},
		"aud is an object":            {with("aud", object{"turkey": true}), ErrRefused},
		"no iss":                      {with("iss", nil), ErrRefused},
		"another iss":                 {with("iss", "https://evil.example.com"), ErrRefused},
		"iss with a slash more":       {with("iss", p.url+"/"), ErrRefused},
		"our own iss":                 {with("iss", own), ErrRefused},
	} {
		_, err := b.Verify(t.Context(), c.token)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err != nil && quotes(err, c.token) {
			t.Errorf("%s: the error quotes the token: %v", name, err)
		}
	}
}

func TestClocksMayDifferByFiveSeconds(t *testing.T) {
	t.Parallel()
	b, p := idp(t)
	now := b.epoch()
	b.now.Store(time.Unix(now, 0).UnixNano())
	for _, c := range []object{b.claims(p.url, "exp", now-4), b.claims(p.url, "nbf", now+5), b.claims(p.url, "iat", now+5), b.claims(p.url, "nbf", 0),
		b.claims(p.url, "exp", float64(now)+0.5), b.claims(p.url, "iat", nil, "nbf", nil)} {
		if _, err := b.Verify(t.Context(), rs256(t, rsaKeys()[0], "rsa", c)); err != nil {
			t.Errorf("%v: %v", c, err)
		}
	}
}

// A token whose signature was checked before is held to its times and to the key's being there all the same.
func TestARememberedSignatureIsNotEnough(t *testing.T) {
	t.Parallel()
	b, p := idp(t)
	token := rs256(t, rsaKeys()[0], "rsa", b.claims(p.url, "exp", b.epoch()+3*3600))
	for range 2 {
		if _, err := b.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	p.publish(jwk(rsaKeys()[1].Public(), "rsa")) // the same kid, another key
	b.pass(keysFresh + time.Minute)
	if _, err := b.Verify(t.Context(), token); !errors.Is(err, ErrRefused) {
		t.Errorf("with a key that was replaced: %v", err)
	}
	p.publish(jwk(rsaKeys()[0].Public(), "rsa"))
	b.pass(keysFresh + time.Minute)
	if _, err := b.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
	b.pass(time.Hour)
	if _, err := b.Verify(t.Context(), token); !errors.Is(err, ErrRefused) {
		t.Errorf("an expired one: %v", err)
	}
}

func TestClerkByItsKey(t *testing.T) {
	t.Parallel()
	key := rsaKeys()[0]
	text := pemOf(t, key.Public())
	for name, value := range map[string]string{"with line ends": text, "with \\n": strings.ReplaceAll(text, "\n", `\n`), "indented": "  " + text + "\n"} {
		b := setup(t, func(c *Config) { c.Clerk.Key = value })
		const issuer = "https://clerk.example.com"
		got, err := b.Verify(t.Context(), rs256(t, key, "ins_whatever", b.claims(issuer, "aud", nil)))
		if err != nil || !got.Clerk || got.App != "clerk" || got.Issuer != issuer || b.ClerkState() != "ok" {
			t.Errorf("%s: %+v %v %s", name, got, err, b.ClerkState())
		}
		got, err = b.Verify(t.Context(), rs256(t, key, "", b.claims(issuer, "iss", nil)))
		if err != nil || got.Issuer != "clerk" {
			t.Errorf("%s, without iss: %+v %v", name, got, err)
		}
		for what, token := range map[string]string{
			"our own iss": rs256(t, key, "", b.claims(own)),
			"ES256":       sign(t, ecKey(), object{"alg": "ES256"}, b.claims(issuer)),
			"PS256":       sign(t, key, object{"alg": "PS256"}, b.claims(issuer)),
			"another key": rs256(t, rsaKeys()[1], "", b.claims(issuer)),
		} {
			if _, err := b.Verify(t.Context(), token); !errors.Is(err, ErrRefused) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

// Clerk by its key alone takes every issuer's tokens, but not those of an issuer that has keys of its own.
func TestClerkIsNotAskedForOthers(t *testing.T) {
	t.Parallel()
	p := newProvider(t, jwk(rsaKeys()[1].Public(), "k"))
	b := setup(t, func(c *Config) {
		c.Clerk.Key = pemOf(t, rsaKeys()[0].Public())
		c.Issuers = []Issuer{{Issuer: p.url, JWKS: p.url + "/keys", Audience: "turkey", App: "shop"}}
	})
	if _, err := b.Verify(t.Context(), rs256(t, rsaKeys()[0], "k", b.claims(p.url))); !errors.Is(err, ErrRefused) {
		t.Errorf("Clerk's key signs for another issuer: %v", err)
	}
	if got, err := b.Verify(t.Context(), rs256(t, rsaKeys()[1], "k", b.claims(p.url))); err != nil || got.Clerk {
		t.Errorf("%+v %v", got, err)
	}
}

func TestClerkIssuerAndParties(t *testing.T) {
	t.Parallel()
	key := rsaKeys()[0]
	const issuer = "https://clerk.example.com"
	b := setup(t, func(c *Config) {
		c.Clerk = ClerkConfig{Key: pemOf(t, key.Public()), Issuer: issuer, Parties: []string{"https://app.example.com"}}
	})
	for azp, ok := range map[any]bool{"https://app.example.com": true, "https://evil.example.com": false, "": false} {
		if _, err := b.Verify(t.Context(), rs256(t, key, "", b.claims(issuer, "azp", azp))); (err == nil) != ok {
			t.Errorf("azp %q: %v", azp, err)
		}
	}
	for _, claims := range []object{b.claims(issuer), b.claims("https://other.example.com", "azp", "https://app.example.com"), b.claims(issuer, "iss", nil, "azp", "https://app.example.com")} {
		if _, err := b.Verify(t.Context(), rs256(t, key, "", claims)); !errors.Is(err, ErrRefused) {
			t.Errorf("%v: %v", claims, err)
		}
	}
}

func TestFormsOfClerksKey(t *testing.T) {
	t.Parallel()
	encode := func(host string) string { return base64.StdEncoding.EncodeToString([]byte(host)) }
	const host = "happy-cat-1.clerk.accounts.dev"
	for name, c := range map[string]struct {
		in        ClerkConfig
		allowHTTP bool
		jwks, iss string
	}{
		"test key":             {ClerkConfig{Key: "pk_test_" + encode(host+"$")}, false, "https://" + host + "/.well-known/jwks.json", "https://" + host},
		"live key, no padding": {ClerkConfig{Key: " pk_live_" + strings.TrimRight(encode("clerk.example.com$"), "=") + "\n"}, false, "https://clerk.example.com/.well-known/jwks.json", "https://clerk.example.com"},
		"issuer wins":          {ClerkConfig{Key: "pk_test_" + encode(host+"$"), Issuer: "https://i.example.com"}, false, "https://" + host + "/.well-known/jwks.json", "https://i.example.com"},
		"address":              {ClerkConfig{Key: "https://clerk.example.com/keys"}, false, "https://clerk.example.com/keys", ""},
		"http address":         {ClerkConfig{Key: "http://localhost:1/keys"}, true, "http://localhost:1/keys", ""},
		"issuer alone":         {ClerkConfig{Issuer: "https://i.example.com"}, false, "https://i.example.com/.well-known/jwks.json", "https://i.example.com"},
		"issuer with a slash":  {ClerkConfig{Issuer: "https://i.example.com/"}, false, "https://i.example.com/.well-known/jwks.json", "https://i.example.com/"},
	} {
		got, err := parseClerk(c.in, c.allowHTTP)
		if err != nil || got.jwks != c.jwks || got.issuer != c.iss || got.key != nil {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	for name, value := range map[string]string{
		"the guide's":       "pk_test_YOUR_KEY_HERE",
		"no $":              "pk_test_" + encode(host),
		"a path":            "pk_test_" + encode("clerk.example.com/x$"),
		"a port":            "pk_test_" + encode("clerk.example.com:22$"),
		"credentials":       "pk_test_" + encode("a@clerk.example.com$"),
		"an address":        "pk_test_" + encode("10.0.0.1.$"),
		"localhost":         "pk_live_" + encode("localhost$"),
		"nothing":           "pk_live_",
		"a secret key":      "sk_test_canary",
		"http":              "http://clerk.example.com/keys",
		"credentials in it": "https://user:canary@clerk.example.com",
		"a broken PEM":      "-----BEGIN PUBLIC KEY-----\nMIIcanary\n-----END PUBLIC KEY-----",
		"half a PEM":        "-----BEGIN PUBLIC KEY-----",
		"an EC key":         pemOf(t, ecKey().Public()),
		"a weak key":        pemOf(t, weakKey().Public()),
		"two keys":          pemOf(t, private.Public()) + pemOf(t, private.Public()),
		"words":             "canary",
	} {
		if got, err := parseClerk(ClerkConfig{Key: value}, false); err == nil {
			t.Errorf("%s is taken: %+v", name, got)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error holds the value: %v", name, err)
		}
	}
}

func TestAnUnusableClerkKeyIsToldAndRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) {
		c.Clerk = ClerkConfig{Key: "pk_test_YOUR_KEY_HERE", Issuer: "https://clerk.example.com"}
	})
	if !strings.Contains(b.log.String(), "level=ERROR") || strings.Contains(b.log.String(), "YOUR_KEY") || b.ClerkState() != "off" || b.Apps() != nil {
		t.Errorf("%s %s %v", b.log, b.ClerkState(), b.Apps())
	}
	if _, err := b.Verify(t.Context(), rs256(t, rsaKeys()[0], "k", b.claims("https://clerk.example.com"))); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	var none *Issuers
	if _, err := none.Verify(t.Context(), rs256(t, rsaKeys()[0], "k", b.claims("https://clerk.example.com"))); !errors.Is(err, ErrRefused) || none.ClerkState() != "off" {
		t.Error(err)
	}
}

func TestOneNameOneIssuer(t *testing.T) {
	t.Parallel()
	issuer := Issuer{Issuer: "https://i.example.com", Audience: "a", App: "a"}
	for name, c := range map[string]Config{
		"twice":   {Issuers: []Issuer{issuer, issuer}},
		"our own": {Own: issuer.Issuer, Issuers: []Issuer{issuer}},
		"Clerk's": {Clerk: ClerkConfig{Key: pemOf(t, rsaKeys()[0].Public()), Issuer: issuer.Issuer}, Issuers: []Issuer{issuer}},
		"implied": {Clerk: ClerkConfig{Key: "pk_test_" + base64.StdEncoding.EncodeToString([]byte("i.example.com$"))}, Issuers: []Issuer{issuer}},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), issuer.Issuer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPeek(t *testing.T) {
	t.Parallel()
	b, _ := idp(t)
	if iss, ok := Peek(rs256(t, rsaKeys()[0], "", b.claims("https://a.example.com"))); !ok || iss != "https://a.example.com" {
		t.Error(iss, ok)
	}
	for _, token := range []string{"", "a.b.c", "rt_x.1.y", "e30." + b64([]byte(`{"iss":"a","iss":"b"}`)) + ".e30", "e30." + b64([]byte(`{"iss":1}`)) + ".e30"} {
		if iss, ok := Peek(token); ok {
			t.Errorf("%q: %q", token, iss)
		}
	}
}

func FuzzVerify(f *testing.F) {
	b, p := idp(f)
	good := rs256(f, rsaKeys()[0], "rsa", b.claims(p.url))
	f.Add(good)
	f.Add(good + ".")
	f.Add("e30.e30.e30")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := b.VerifyAtOnce(token); err == nil && token != good {
			t.Errorf("taken: %q", token)
		}
		Peek(token)
	})
}
