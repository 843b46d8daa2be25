package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func TestAnUnknownKidHasTheKeysReadAgainAtMostEvery30Seconds(t *testing.T) {
	t.Parallel()
	b, p := idp(t)
	claims := func() object { return b.claims(p.url) }
	verify := func(key int, kid string) error {
		_, err := b.Verify(t.Context(), rs256(t, rsaKeys()[key], kid, claims()))
		return err
	}
	must(t, verify(0, "rsa"))
	p.publish(jwk(rsaKeys()[0].Public(), "rsa"), jwk(rsaKeys()[1].Public(), "next"))
	for range 20 {
		if err := verify(1, "next"); !errors.Is(err, ErrRefused) {
			t.Fatalf("within the pause: %v", err)
		}
	}
	if n := p.asks.Load(); n != 1 {
		t.Fatalf("asked %d times within the pause", n)
	}
	b.pass(keysPause)
	must(t, verify(1, "next"))
	must(t, verify(0, "rsa"))
	if n := p.asks.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
	b.pass(keysPause)
	for range 20 { // junk does not make the server ask more often either
		if err := verify(2, "junk"); !errors.Is(err, ErrRefused) {
			t.Fatal(err)
		}
	}
	if n := p.asks.Load(); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

func TestManyCallersAskOnce(t *testing.T) {
	t.Parallel()
	b, p := idp(t)
	release := make(chan struct{})
	p.mu.Lock()
	p.slow = release
	p.mu.Unlock()
	token := rs256(t, rsaKeys()[0], "rsa", b.claims(p.url))
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := b.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "somebody asks", func() bool { return p.asks.Load() == 1 })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Verify(gone, token); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a caller who left: %v", err)
	}
	if _, err := b.VerifyAtOnce(token); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a caller who does not wait: %v", err)
	}
	close(release)
	all.Wait()
	if n := p.asks.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if _, err := b.VerifyAtOnce(token); err != nil {
		t.Error(err)
	}
}

func TestAnIssuerThatIsDown(t *testing.T) {
	t.Parallel()
	b, p := idp(t)
	verify := func(key int, kid string) error {
		_, err := b.Verify(t.Context(), rs256(t, rsaKeys()[key], kid, b.claims(p.url)))
		return err
	}
	p.down.Store(true)
	for range 5 {
		if err := verify(0, "rsa"); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("no key was ever read: %v", err)
		}
	}
	if n := p.asks.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	p.down.Store(false)
	b.pass(keysPause)
	must(t, verify(0, "rsa"))
	p.down.Store(true)
	b.pass(keysFresh)
	must(t, verify(0, "rsa")) // the old keys stand in
	asked := p.asks.Load()
	must(t, verify(0, "rsa"))
	if p.asks.Load() != asked {
		t.Error("asked again within the pause")
	}
	if err := verify(1, "next"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a kid that may be new: %v", err)
	}
	b.pass(keysPause)
	must(t, verify(0, "rsa"))
	eventually(t, "it is asked again", func() bool { return p.asks.Load() > asked })
	b.pass(keysStale - keysFresh - keysPause)
	if err := verify(0, "rsa"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("after a day: %v", err)
	}
	p.down.Store(false)
	b.pass(keysPause)
	must(t, verify(0, "rsa"))
}

// An hour after it was read a set is read again before it is used: a key that is gone signs for nobody.
func TestAKeyThatIsGone(t *testing.T) {
	t.Parallel()
	b, p := idp(t)
	token := func() string { return rs256(t, rsaKeys()[0], "rsa", b.claims(p.url)) }
	_, err := b.Verify(t.Context(), token())
	must(t, err)
	p.publish(jwk(rsaKeys()[1].Public(), "next"))
	b.pass(keysFresh - time.Second)
	if _, err := b.Verify(t.Context(), token()); err != nil {
		t.Errorf("within the hour: %v", err)
	}
	eventually(t, "it is read in the background", func() bool { return p.asks.Load() == 2 })
	b.pass(2 * time.Second)
	if _, err := b.Verify(t.Context(), token()); !errors.Is(err, ErrRefused) {
		t.Errorf("after it: %v", err)
	}
	p.publish()
	b.pass(keysFresh)
	if _, err := b.Verify(t.Context(), rs256(t, rsaKeys()[1], "next", b.claims(p.url))); !errors.Is(err, ErrRefused) {
		t.Errorf("with no key at all: %v", err)
	}
}

func TestClerkState(t *testing.T) {
	t.Parallel()
	p := newProvider(t, jwk(rsaKeys()[0].Public(), "ins_1"))
	b := setup(t, func(c *Config) { c.Clerk.Key = p.url + "/keys" })
	b.Warm()
	eventually(t, "the keys are read", func() bool {
		_, err := b.VerifyAtOnce(rs256(t, rsaKeys()[0], "ins_1", b.claims("https://clerk.example.com")))
		return err == nil
	})
	if b.ClerkState() != "ok" {
		t.Error(b.ClerkState())
	}
	p.down.Store(true)
	b.pass(keysFresh)
	eventually(t, "health has them read again", func() bool { return b.ClerkState() == "stale" })
	p.down.Store(false)
	b.pass(keysPause)
	eventually(t, "it says that all is well", func() bool { return b.ClerkState() == "ok" })
	if n := p.asks.Load(); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	p := newProvider(t, jwk(rsaKeys()[0].Public(), "k"))
	b := setup(t, func(c *Config) { c.Issuers = []Issuer{{Issuer: p.url, Audience: "turkey", App: "shop"}} })
	_, err := b.Verify(t.Context(), rs256(t, rsaKeys()[0], "k", b.claims(p.url)))
	must(t, err)

	var doc object
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(doc) }))
	t.Cleanup(srv.Close)
	for name, d := range map[string]object{
		"another issuer":   {"issuer": p.url, "jwks_uri": p.url + "/keys"},
		"no key set":       {"issuer": srv.URL},
		"a file":           {"issuer": srv.URL, "jwks_uri": "file:///etc/passwd"},
		"with credentials": {"issuer": srv.URL, "jwks_uri": strings.Replace(p.url, "http://", "http://a:b@", 1) + "/keys"},
	} {
		doc = d
		b := setup(t, func(c *Config) { c.Issuers = []Issuer{{Issuer: srv.URL, Audience: "turkey", App: "shop"}} })
		if _, err := b.Verify(t.Context(), rs256(t, rsaKeys()[0], "k", b.claims(srv.URL))); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// In production nothing leads inside: neither the configured address nor the one of a discovery document.
func TestPrivateAddressesAreRefusedInProduction(t *testing.T) {
	t.Parallel()
	p := newProvider(t, jwk(rsaKeys()[0].Public(), "k"))
	inside := strings.Replace(p.url, "http://", "https://", 1)
	b := setup(t, func(c *Config) {
		c.AllowPrivate = false
		c.Issuers = []Issuer{{Issuer: "https://a.example.com", JWKS: p.url + "/keys", Audience: "turkey", App: "shop"},
			{Issuer: "https://b.example.com", JWKS: inside + "/keys", Audience: "turkey", App: "shop"}}
	})
	for _, issuer := range []string{"https://a.example.com", "https://b.example.com"} {
		if _, err := b.Verify(t.Context(), rs256(t, rsaKeys()[0], "k", b.claims(issuer))); !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
	}
	if n := p.asks.Load(); n != 0 || !strings.Contains(b.log.String(), "address is not public") {
		t.Errorf("asked %d times: %s", n, b.log)
	}
}

func TestKeySetsThatAreNone(t *testing.T) {
	t.Parallel()
	many := make([]any, maxKeys+1)
	for i := range many {
		many[i] = jwk(edKey().Public(), "k")
	}
	for name, body := range map[string]any{"too many keys": object{"keys": many}, "a list": []any{}, "no keys": object{}, "keys are null": object{"keys": nil},
		"more than 1 MiB": object{"keys": []any{}, "pad": strings.Repeat("x", maxDocument)}} {
		b, p := idp(t)
		text, err := json.Marshal(body)
		must(t, err)
		p.raw(text)
		if _, err := b.Verify(t.Context(), rs256(t, rsaKeys()[0], "rsa", b.claims(p.url))); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhichKeysAreUsed(t *testing.T) {
	t.Parallel()
	rsa0, rsa1 := rsaKeys()[0].Public(), rsaKeys()[1].Public()
	withMembers := func(k jose.JSONWebKey, changes ...any) object {
		text, err := json.Marshal(k)
		must(t, err)
		var m object
		must(t, json.Unmarshal(text, &m))
		return changed(m, changes...)
	}
	parse := func(keys ...any) keySet {
		body, err := json.Marshal(object{"keys": keys})
		must(t, err)
		set, err := parseKeySet(body)
		must(t, err)
		return set
	}
	for name, c := range map[string]struct {
		set  keySet
		kid  string
		want bool
	}{
		"plain":                     {parse(jwk(rsa0, "k")), "k", true},
		"use sig, alg RS256":        {parse(withMembers(jwk(rsa0, "k"), "use", "sig", "alg", "RS256")), "k", true},
		"broken certificates":       {parse(withMembers(jwk(rsa0, "k"), "x5c", []string{"junk"}, "x5u", "https://evil.example.com")), "k", true},
		"the same key twice":        {parse(jwk(rsa0, "k"), jwk(rsa0, "k")), "k", true},
		"beside unknown ones":       {parse(object{"kty": "PQC", "kid": "k"}, jwk(rsa0, "k"), "junk"), "k", true},
		"one kid for two keys":      {parse(jwk(rsa0, "k"), jwk(rsa1, "k")), "k", false},
		"one kid for two kinds":     {parse(jwk(rsa0, "k"), jwk(ecKey().Public(), "k")), "k", false},
		"for encryption":            {parse(withMembers(jwk(rsa0, "k"), "use", "enc")), "k", false},
		"a sibling for encryption":  {parse(withMembers(jwk(rsa1, "k"), "use", "enc"), jwk(rsa0, "k")), "k", true},
		"for another algorithm":     {parse(withMembers(jwk(rsa0, "k"), "alg", "PS256")), "k", false},
		"weak":                      {parse(jwk(weakKey().Public(), "k")), "k", false},
		"a private key":             {parse(jwk(rsaKeys()[0], "k")), "k", false},
		"a shared secret":           {parse(jwk([]byte("0123456789abcdef0123456789abcdef"), "k")), "k", false},
		"without kid, the only one": {parse(jwk(rsa0, "a"), jwk(edKey().Public(), "b")), "", true},
		"without kid, one of two":   {parse(jwk(rsa0, "a"), jwk(rsa1, "b")), "", false},
		"keys without kid":          {parse(jwk(rsa0, "")), "k", false},
	} {
		if got := c.set.find(c.kid, jose.RS256); (got != nil) != c.want {
			t.Errorf("%s: %v, left out: %q", name, got, c.set.left)
		}
	}
}

func TestClerkProfile(t *testing.T) {
	t.Parallel()
	var asked, authorization string
	answer := `{"id":"user_2Ab","first_name":"Ada","last_name":"Lovelace","primary_email_address_id":"b","email_addresses":[
		{"id":"a","email_address":"old@example.com","verification":{"status":"verified"}},
		{"id":"b","email_address":"Ada@Example.com","verification":{"status":"verified"}}]}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, authorization = r.URL.Path, r.Header.Get("Authorization")
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(srv.Close)
	b := setup(t, func(c *Config) {
		c.Clerk = ClerkConfig{Key: pemOf(t, rsaKeys()[0].Public()), Secret: "sk_test_canary", API: srv.URL + "/"}
	})
	profile := func(sub string) (Profile, error) {
		token, err := b.Verify(t.Context(), rs256(t, rsaKeys()[0], "", b.claims("https://c.example.com", "sub", sub)))
		must(t, err)
		return token.Profile(t.Context())
	}
	got, err := profile("user_2Ab")
	if err != nil || got != (Profile{Email: "Ada@Example.com", EmailVerified: true, Name: "Ada Lovelace"}) || asked != "/v1/users/user_2Ab" || authorization != "Bearer sk_test_canary" {
		t.Errorf("%+v %v: %s", got, err, asked)
	}
	answer = `{"id":"user_2Ab","first_name":null,"last_name":" L ","primary_email_address_id":null,"email_addresses":[{"id":"a","email_address":"x@example.com"}]}`
	if got, err := profile("user_2Ab"); err != nil || got != (Profile{Name: "L"}) {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := profile("user_other"); err == nil {
		t.Errorf("somebody else's answer is taken: %+v", got)
	}
	asked = ""
	if _, err := profile("../organizations"); err == nil || asked != "" {
		t.Errorf("a subject becomes a path: %q %v", asked, err)
	}
	srv.Close()
	if _, err := profile("user_2Ab"); err == nil || strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
}
