package client_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"turkey/client"
)

// issuer signs tokens as a server of ours does, and serves its keys. The server itself is asked in internal/cli.
type issuer struct {
	*httptest.Server
	key   *ecdsa.PrivateKey
	asked atomic.Int64 // for its keys
	down  atomic.Bool
	feed  chan string // events of the stream
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key, feed: make(chan string, 8)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		if i.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "one", Algorithm: "ES256", Use: "sig"}}}
		_ = json.NewEncoder(w).Encode(set) // a client that is gone hears nothing
	})
	mux.HandleFunc("GET /v1/revocations/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			select {
			case <-r.Context().Done():
				return
			case event := <-i.feed:
				_, _ = fmt.Fprint(w, event)
				_ = http.NewResponseController(w).Flush()
			}
		}
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

const header = `{"alg":"ES256","typ":"JWT","kid":"one"}`

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// sign makes a token of any header and payload.
func (i *issuer) sign(t testing.TB, header, payload string) string {
	t.Helper()
	text := encode(header) + "." + encode(payload)
	hash := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// claims are good ones, changed.
func (i *issuer) claims(t testing.TB, change map[string]any) string {
	t.Helper()
	now := time.Now().Unix()
	all := map[string]any{"iss": i.URL, "aud": "shop", "sub": "u1", "email": "ada@example.com", "role": "user", "jti": "j1", "sid": "s1", "tokenVersion": 2, "iat": now, "nbf": now, "exp": now + 900}
	for name, v := range change {
		all[name] = v
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (i *issuer) verifier(options ...client.VerifierOption) *client.Verifier {
	return client.New(i.URL, client.WithApp("shop")).NewVerifier(options...)
}

func TestVerify(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier()
	good := i.sign(t, header, i.claims(t, nil))
	for range 2 { // the second time from memory
		c, err := v.Verify(t.Context(), good)
		if err != nil || c.UserID != "u1" || c.App != "shop" || c.SessionID != "s1" || c.TokenVersion != 2 {
			t.Fatalf("%+v, %v", c, err)
		}
	}
	now := time.Now().Unix()
	parts := strings.Split(good, ".")
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"empty":              {"", client.ErrTokenMalformed},
		"two parts":          {parts[0] + "." + parts[1], client.ErrTokenMalformed},
		"four parts":         {good + ".x", client.ErrTokenMalformed},
		"too long":           {good + strings.Repeat("A", 9000), client.ErrTokenMalformed},
		"padding":            {good + "=", client.ErrTokenMalformed},
		"line break":         {parts[0] + "." + parts[1] + "." + parts[2][:80] + "\n" + parts[2][80:], client.ErrTokenMalformed},
		"short signature":    {parts[0] + "." + parts[1] + "." + parts[2][:80], client.ErrTokenMalformed},
		"no signature":       {parts[0] + "." + parts[1] + ".", client.ErrTokenMalformed},
		"alg none":           {i.sign(t, `{"alg":"none","kid":"one"}`, i.claims(t, nil)), client.ErrTokenMalformed},
		"alg HS256":          {i.sign(t, `{"alg":"HS256","kid":"one"}`, i.claims(t, nil)), client.ErrTokenMalformed},
		"crit":               {i.sign(t, `{"alg":"ES256","kid":"one","crit":["b64"],"b64":false}`, i.claims(t, nil)), client.ErrTokenMalformed},
		"header of no JSON":  {i.sign(t, `{`, i.claims(t, nil)), client.ErrTokenMalformed},
		"unknown key":        {i.sign(t, `{"alg":"ES256","kid":"two"}`, i.claims(t, nil)), client.ErrTokenSignature},
		"other payload":      {parts[0] + "." + encode(i.claims(t, map[string]any{"role": "admin"})) + "." + parts[2], client.ErrTokenSignature},
		"zero signature":     {parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)), client.ErrTokenSignature},
		"payload of no JSON": {i.sign(t, header, `[`), client.ErrTokenMalformed},
		"no subject":         {i.sign(t, header, i.claims(t, map[string]any{"sub": ""})), client.ErrTokenMalformed},
		"no end":             {i.sign(t, header, i.claims(t, map[string]any{"exp": 0})), client.ErrTokenMalformed},
		"other issuer":       {i.sign(t, header, i.claims(t, map[string]any{"iss": "https://evil.example"})), client.ErrTokenForeign},
		"other app":          {i.sign(t, header, i.claims(t, map[string]any{"aud": "blog"})), client.ErrTokenForeign},
		"expired":            {i.sign(t, header, i.claims(t, map[string]any{"exp": now - 6})), client.ErrTokenExpired},
		"not yet":            {i.sign(t, header, i.claims(t, map[string]any{"nbf": now + 60})), client.ErrTokenForeign},
	} {
		for range 2 {
			if claims, err := v.Verify(t.Context(), c.token); !errors.Is(err, c.want) || claims != nil {
				t.Errorf("%s: %+v, %v; want %v", name, claims, err, c.want)
			}
		}
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("the keys were asked for %d times: strangers' key ids make questions", n)
	}
	if _, err := v.Verify(t.Context(), i.sign(t, header, i.claims(t, map[string]any{"exp": now - 3, "jti": "late"}))); err != nil {
		t.Errorf("a clock that differs by three seconds: %v", err)
	}
}

func TestVerifyWithoutKeys(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.down.Store(true)
	v := i.verifier()
	token := i.sign(t, header, i.claims(t, nil))
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, client.ErrUnknown) {
		t.Errorf("%v; want ErrUnknown", err)
	}
	i.down.Store(false)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Errorf("once the keys are there: %v", err)
	}
}

// followed is a verifier that hears what the test tells.
type followed struct {
	*issuer
	v     *client.Verifier
	token string
}

func follow(t *testing.T, maxAge time.Duration) followed {
	t.Helper()
	i := newIssuer(t)
	f := followed{i, i.verifier(client.WithRevocations("key", maxAge)), i.sign(t, header, i.claims(t, nil))}
	if _, err := f.v.Verify(t.Context(), f.token); !errors.Is(err, client.ErrUnknown) {
		t.Fatalf("before anything was heard: %v", err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- f.v.Follow(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow: %v", err)
		}
	})
	return f
}

// until tells events and then signs of life, each of which lets the token be asked about once.
func (f followed) until(t *testing.T, want error, alive bool, events ...string) {
	t.Helper()
	for _, e := range events {
		f.feed <- e
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if alive {
			f.feed <- "event: alive\ndata: {}\n\n"
		}
		_, err := f.v.Verify(t.Context(), f.token)
		if errors.Is(err, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v; want %v", err, want)
		}
	}
}

const (
	nothing  = "event: snapshot\ndata: {\"data\":[]}\n\n"
	lifetime = time.Hour
	farAway  = `,"expiresAt":"2999-01-01T00:00:00Z"}`
	eventOne = "event: revocation\nid: 1\ndata: "
)

func TestSilenceIsNoYes(t *testing.T) {
	t.Parallel()
	f := follow(t, time.Second)
	f.until(t, nil, true, nothing)
	f.until(t, client.ErrUnknown, false)
	f.until(t, nil, true)
}

func TestFollow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ others, own string }{
		"token":   {`{"kind":"jti","subject":"j2"` + farAway, `{"kind":"jti","subject":"j1"` + farAway},
		"session": {`{"kind":"session","subject":"s2"` + farAway, `{"kind":"session","subject":"s1"` + farAway},
		"user":    {`{"kind":"user","subject":"u1","version":2` + farAway, `{"kind":"user","subject":"u1","version":3` + farAway},
		"app": {`{"kind":"app","subject":"shop","notBefore":"2020-01-01T00:00:00Z"` + farAway,
			`{"kind":"app","subject":"shop","notBefore":"2999-01-01T00:00:00Z"` + farAway},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := follow(t, lifetime)
			f.until(t, nil, true, nothing, eventOne+c.others+"\n\n")
			f.feed <- "event: alive\ndata: {}\n\n" // by its turn the event before it was read
			f.feed <- "event: alive\ndata: {}\n\n"
			f.until(t, nil, true)
			f.until(t, client.ErrTokenRevoked, true, eventOne+c.own+"\n\n")
		})
	}
}

func TestAKeyThatIsRefusedEndsFollow(t *testing.T) {
	t.Parallel()
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, `{"error":"invalid_api_key","message":"Forbidden"}`)
	}))
	t.Cleanup(ts.Close)
	c := client.New(ts.URL)
	err := c.NewVerifier(client.WithRevocations("wrong", 0)).Follow(t.Context())
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != "invalid_api_key" {
		t.Errorf("%v", err)
	}
	if err := c.NewVerifier().Follow(t.Context()); err == nil {
		t.Error("a verifier without revocations follows")
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	handler := i.verifier().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, client.ClaimsFrom(r.Context()).UserID)
	}))
	ask := func(authorization string) (int, string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Authorization", authorization)
		handler.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	token := i.sign(t, header, i.claims(t, nil))
	for authorization, want := range map[string]struct {
		status int
		body   string
	}{
		"Bearer " + token: {200, "u1"},
		"bearer " + token: {200, "u1"},
		"":                {401, "missing_token"},
		"Bearer ":         {401, "missing_token"},
		"Basic " + token:  {401, "missing_token"},
		"Bearer junk":     {401, "invalid_token"},
		"Bearer " + i.sign(t, header, i.claims(t, map[string]any{"exp": 1000})): {401, "token_expired"},
	} {
		if status, body := ask(authorization); status != want.status || !strings.Contains(body, want.body) {
			t.Errorf("%.20s…: %d %s; want %d %s", authorization, status, body, want.status, want.body)
		}
	}
	if client.ClaimsFrom(t.Context()) != nil {
		t.Error("claims out of nowhere")
	}
}

// BenchmarkVerify compares a token that comes again, a new one, and the signature check alone: a hit takes at most 2 µs, and a
// miss 1.1 times the signature (times-signature; of the quickest of many rounds in turn, since machines are busy).
func BenchmarkVerify(b *testing.B) {
	i := newIssuer(b)
	const many = 8192 // more than the verifier remembers
	tokens := make([]string, many)
	for n := range tokens {
		tokens[n] = i.sign(b, header, i.claims(b, map[string]any{"jti": fmt.Sprintf("01234567-89ab-cdef-0123-%012d", n),
			"sub": "01234567-89ab-cdef-0123-456789abcdef", "sid": "01234567-89ab-cdef-0123-456789abcdef"}))
	}
	verify := func(v *client.Verifier, token string) {
		if _, err := v.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("hit", func(b *testing.B) {
		v := i.verifier()
		verify(v, tokens[0])
		for b.Loop() {
			verify(v, tokens[0])
		}
	})
	b.Run("miss", func(b *testing.B) {
		text := tokens[0][:strings.LastIndexByte(tokens[0], '.')]
		signature, err := base64.RawURLEncoding.DecodeString(tokens[0][len(text)+1:])
		if err != nil {
			b.Fatal(err)
		}
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		v := i.verifier()
		verify(v, tokens[0])
		n, miss, bare := 1, time.Hour, time.Hour
		for b.Loop() {
			begun := time.Now()
			verify(v, tokens[n%many])
			miss = min(miss, time.Since(begun))
			n++
			begun = time.Now()
			hash := sha256.Sum256([]byte(text))
			if !ecdsa.Verify(&i.key.PublicKey, hash[:], r, s) {
				b.Fatal("not its signature")
			}
			bare = min(bare, time.Since(begun))
		}
		b.ReportMetric(float64(miss.Microseconds()), "µs/miss")
		b.ReportMetric(float64(bare.Microseconds()), "µs/signature")
		b.ReportMetric(float64(miss)/float64(bare), "times-signature")
		b.ReportMetric(0, "ns/op")
	})
}
