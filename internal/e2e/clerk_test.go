package e2e_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"turkey/internal/auth"
	"turkey/internal/limit"
	"turkey/internal/oidc"
)

const clerkIssuer = "https://clerk.example.com"

// clerkKeys are made once: RSA takes its time.
var clerkKeys = sync.OnceValue(func() (ks [2]*rsa.PrivateKey) {
	for i := range ks {
		ks[i], _ = rsa.GenerateKey(rand.Reader, 2048)
	}
	return ks
})

// elsewhere is another issuer, with Clerk's API beside its key set.
type elsewhere struct {
	t       testing.TB
	url     string
	key     *rsa.PrivateKey
	down    atomic.Bool
	asked   atomic.Int64 // Clerk's API
	profile atomic.Value // its answer, a string
}

func newElsewhere(t testing.TB, key *rsa.PrivateKey) *elsewhere {
	t.Helper()
	e := &elsewhere{t: t, key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		if e.down.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "ins_1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(object{"issuer": e.url, "jwks_uri": e.url + "/.well-known/jwks.json"})
	})
	mux.HandleFunc("GET /v1/users/{id}", func(w http.ResponseWriter, r *http.Request) {
		e.asked.Add(1)
		answer, _ := e.profile.Load().(string)
		if answer == "" || r.Header.Get("Authorization") != "Bearer "+clerkSecret {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(strings.ReplaceAll(answer, "ID", r.PathValue("id"))))
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	e.url = srv.URL
	return e
}

const clerkSecret = "sk_test_canary-of-clerk"

// taking lets a deployment take tokens of other issuers.
func taking(t testing.TB, change func(*oidc.Config)) option {
	t.Helper()
	cfg := oidc.Config{Own: publicURL, AllowPrivate: true, Log: slog.New(slog.DiscardHandler), Now: time.Now}
	change(&cfg)
	return with(func(c *auth.Config) {
		var err error
		c.Foreign, err = oidc.New(cfg)
		must(t, err)
	})
}

// clerkByKey is Clerk by a PEM, as in the guide.
func clerkByKey(t testing.TB) option {
	return taking(t, func(c *oidc.Config) { c.Clerk.Key = clerkPEM(t) })
}

func clerkPEM(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(clerkKeys()[0].Public())
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// clerkToken is a session token of Clerk, changed; nil removes a claim.
func clerkToken(t testing.TB, sub string, changes ...any) string {
	t.Helper()
	now := time.Now().Unix()
	claims := object{"iss": clerkIssuer, "sub": sub, "sid": "sess_1", "azp": "https://app.example.com", "iat": now, "nbf": now - 10, "exp": now + 60}
	return signRS256(t, clerkKeys()[0], object{"alg": "RS256", "cat": "cl_B7d4PD111AAA", "kid": "ins_1", "typ": "JWT"}, changed(claims, changes...))
}

func (e *elsewhere) token(sub string, changes ...any) string {
	e.t.Helper()
	now := time.Now().Unix()
	claims := object{"iss": e.url, "sub": sub, "aud": "turkey", "iat": now, "exp": now + 600}
	return signRS256(e.t, e.key, object{"alg": "RS256", "kid": "ins_1", "typ": "JWT"}, changed(claims, changes...))
}

func signRS256(t testing.TB, key *rsa.PrivateKey, header, claims object) string {
	t.Helper()
	input := part(t, header) + "." + part(t, claims)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	must(t, err)
	return input + "." + b64(signature)
}

// foreigner is the user of a subject as it stands in the database.
type foreigner struct{ id, app, issuer, email, status string }

func (w *world) foreigner(sub string) (f foreigner) {
	w.t.Helper()
	must(w.t, w.sql.QueryRow(w.t.Context(), `SELECT u.id::text, u.app_id, i.issuer, u.email, u.status FROM user_identities i JOIN users u ON u.id = i.user_id
		WHERE i.subject = $1`, sub).Scan(&f.id, &f.app, &f.issuer, &f.email, &f.status))
	return f
}

// guideCredential is the guide's example, with its shortened key.
func guideCredential(name string) object {
	return object{"credentialName": name, "service": "google_sheets", "credentialJson": object{"type": "service_account", "project_id": "my-project", "private_key_id": "key123",
		"private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIB...", "client_email": "service@my-project.iam.gserviceaccount.com", "client_id": "123456789"}}
}

// TestClerkUsersWorkWithTheVault plays the guide's way with a token of Clerk, by each form of key that a test can have.
func TestClerkUsersWorkWithTheVault(t *testing.T) {
	t.Parallel()
	clerk := newElsewhere(t, clerkKeys()[0])
	for name, change := range map[string]func(*oidc.Config){
		"PEM": func(c *oidc.Config) { c.Clerk.Key = strings.ReplaceAll(clerkPEM(t), "\n", `\n`) },
		"key set": func(c *oidc.Config) {
			c.Clerk = oidc.ClerkConfig{Key: clerk.url + "/.well-known/jwks.json", Issuer: clerkIssuer}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t, taking(t, change))
			if a := s.get("/api/health", "").want(t, 200, ""); a.text("auth", "clerk") != "ok" {
				t.Error(a.raw)
			}
			ada, eve := s.secret(clerkToken(t, "user_2NNEqL2nrIRdJ194ndJqAHwEfxC")), clerkToken(t, "user_2Eve")
			a := s.call("POST", "/api/credentials/save", ada, guideCredential("My Google Service Account")).want(t, 201, "")
			id := a.at("credentialId")
			if a := s.get("/api/credentials/list", ada).want(t, 200, ""); a.at("credentials", 0, "id") != id || a.text("credentials", 0, "name") != "My Google Service Account" {
				t.Error(a.raw)
			}
			s.get(fmt.Sprint("/api/credentials/", id), ada).want(t, 200, "")
			if a := s.get("/api/credentials/list", eve).want(t, 200, ""); a.at("credentials", 0) != nil {
				t.Errorf("another user of Clerk: %s", a.raw)
			}
			s.get(fmt.Sprint("/api/credentials/", id), eve).want(t, 404, "CREDENTIAL_NOT_FOUND")
			own := s.user("default-app")
			s.get(fmt.Sprint("/api/credentials/", id), own.access).want(t, 404, "CREDENTIAL_NOT_FOUND")
			s.recognised(own.access).want(t, 200, "")
			got := s.foreigner("user_2NNEqL2nrIRdJ194ndJqAHwEfxC")
			if want := (foreigner{got.id, "clerk", clerkIssuer, "user_2nneql2nrirdj194ndjqahwefxc@clerk.internal", "active"}); got != want {
				t.Errorf("%+v", got)
			}
			if actions := s.actions(got.id); actions != "user_created" {
				t.Errorf("audit: %s", actions)
			}
			if n := s.count(`SELECT count(*) FROM audit WHERE user_id = $1 AND meta::jsonb ->> 'issuer' = $2`, got.id, clerkIssuer); n != 1 {
				t.Error("the audit does not name the issuer")
			}
			// The other half is for our own tokens.
			s.me(ada).want(t, 401, "")
			if s.active(ada) {
				t.Error("introspection takes a token of Clerk")
			}
			s.register("clerk", "somebody@example.com", password).want(t, 403, "forbidden")
		})
	}
}

// TestAnswersToTokensOfClerk holds the bodies to the letter of the guide and of the contract.
func TestAnswersToTokensOfClerk(t *testing.T) {
	t.Parallel()
	const (
		missing = `{"error":"Missing authorization token","code":"MISSING_TOKEN"}`
		invalid = `{"error":"Invalid token","code":"INVALID_TOKEN"}`
		failed  = `{"error":"Authentication failed","code":"AUTH_FAILED"}`
	)
	s := setup(t, clerkByKey(t))
	off := setup(t, taking(t, func(c *oidc.Config) { c.Clerk.Key = "pk_test_YOUR_KEY_HERE" }))
	none := setup(t)
	expect := func(what string, s *replica, authorization, want string) {
		t.Helper()
		a := s.get("/api/credentials/list", "", func(r *http.Request) {
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
		})
		if a.status != 401 || strings.TrimSpace(a.raw) != want {
			t.Errorf("%s: %d %s", what, a.status, a.raw)
		}
	}
	good, now := clerkToken(t, "user_2Ab"), time.Now().Unix()
	s.recognised(good).want(t, 200, "")
	expect("no header", s, "", missing)
	expect("Basic", s, "Basic dXNlcjpwdw==", missing)
	expect("no token", s, "Bearer ", missing)
	expect("a word", s, "Bearer YOUR_JWT_TOKEN", invalid)
	expect("no sub", s, "Bearer "+clerkToken(t, "", "sub", nil), invalid)
	expect("empty sub", s, "Bearer "+clerkToken(t, ""), invalid)
	expect("expired", s, "Bearer "+clerkToken(t, "user_2Ab", "exp", now-6), failed)
	expect("not yet", s, "Bearer "+clerkToken(t, "user_2Ab", "nbf", now+60), failed)
	expect("another key", s, "Bearer "+signRS256(t, clerkKeys()[1], object{"alg": "RS256"}, object{"iss": clerkIssuer, "sub": "user_2Ab", "exp": now + 60}), failed)
	expect("HS256", s, "Bearer "+part(t, object{"alg": "HS256"})+"."+strings.Split(good, ".")[1]+".c2ln", failed)
	expect("alg none", s, "Bearer "+part(t, object{"alg": "none"})+"."+strings.Split(good, ".")[1]+".", failed)
	expect("our issuer, Clerk's key", s, "Bearer "+signRS256(t, clerkKeys()[0], object{"alg": "RS256", "typ": "JWT", "kid": "ins_1"},
		object{"iss": publicURL, "sub": uuid.NewString(), "exp": now + 60}), failed)
	expect("an unusable key", off, "Bearer "+good, failed)
	expect("no key", none, "Bearer "+good, failed)
	expect("no key and no sub", none, "Bearer "+clerkToken(t, "", "sub", nil), invalid)
	for _, r := range []*replica{off, none} {
		if a := r.get("/api/health", "").want(t, 200, ""); a.text("auth", "clerk") != "off" {
			t.Error(a.raw)
		}
		r.recognised(r.user("default-app").access).want(t, 200, "")
	}
	if n := s.count(`SELECT count(*) FROM users WHERE app_id = 'clerk'`); n != 1 {
		t.Errorf("%d users were made", n)
	}
	if n := none.count(`SELECT count(*) FROM users WHERE app_id = 'clerk'`); n != 0 {
		t.Errorf("%d users were made where Clerk is off", n)
	}
}

func TestKeysOfAnIssuerThatIsDown(t *testing.T) {
	t.Parallel()
	clerk := newElsewhere(t, clerkKeys()[0])
	clerk.down.Store(true)
	var offset atomic.Int64
	s := setup(t, taking(t, func(c *oidc.Config) {
		c.Clerk.Key = clerk.url + "/.well-known/jwks.json"
		c.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	}))
	token := func() string {
		return clerkToken(t, "user_2Ab", "exp", time.Now().Add(time.Duration(offset.Load())+time.Minute).Unix())
	}
	s.broken.Store(true) // 503 is part of the test
	s.recognised(token()).want(t, 503, "SERVICE_ERROR")
	eventually(t, "health says so", func() bool { return s.get("/api/health", "").text("auth", "clerk") == "stale" })
	s.recognised(s.user("default-app").access).want(t, 200, "")
	clerk.down.Store(false)
	offset.Add(int64(time.Minute))
	s.recognised(token()).want(t, 200, "")
	clerk.down.Store(true)
	offset.Add(int64(2 * time.Hour))
	s.recognised(token()).want(t, 200, "") // the last known keys stand in
	if a := s.get("/api/health", "").want(t, 200, ""); a.text("auth", "clerk") != "stale" || a.text("status") != "healthy" {
		t.Error(a.raw)
	}
	s.recognised(signRS256(t, clerkKeys()[1], object{"alg": "RS256", "kid": "ins_2"}, object{"iss": clerkIssuer, "sub": "user_2Ab", "exp": time.Now().Add(time.Hour * 4).Unix()})).
		want(t, 503, "SERVICE_ERROR") // it may be a new key
	offset.Add(int64(23 * time.Hour))
	s.recognised(token()).want(t, 503, "SERVICE_ERROR")
}

func TestForeignCallersHaveABudgetEach(t *testing.T) {
	t.Parallel()
	s := setup(t, behindProxy, clerkByKey(t), limited(func(c *limit.Config) { c.API, c.APIEnabled = limit.Rule{Window: time.Hour, Max: 5}, true }))
	ada := clerkToken(t, "user_2Ada")
	for i := range 6 { // the first counts for the subject, the next ones for its user
		s.get("/api/credentials/list", ada, from(fmt.Sprintf("203.0.113.%d", i))).want(t, 200, "")
	}
	s.get("/api/credentials/list", clerkToken(t, "user_2Ada", "iat", time.Now().Unix()-1), from("203.0.113.99")).want(t, 429, "RATE_LIMITED")
	s.get("/api/credentials/list", clerkToken(t, "user_2Bob"), from("203.0.113.99")).want(t, 200, "")
	id, _ := s.account("clerk", "status = 'suspended'")
	s.exec(`INSERT INTO user_identities (app_id, issuer, subject, user_id) VALUES ('clerk', $1, 'user_2Bad', $2)`, clerkIssuer, id)
	for i := range 5 { // of somebody who never gets in
		s.get("/api/credentials/list", clerkToken(t, "user_2Bad"), from(fmt.Sprintf("203.0.113.%d", 100+i))).want(t, 403, "ACCESS_DENIED")
	}
	s.get("/api/credentials/list", clerkToken(t, "user_2Bad"), from("203.0.113.111")).want(t, 429, "RATE_LIMITED")
}
