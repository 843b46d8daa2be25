package e2e_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"turkey/client"
	"turkey/internal/auth"
)

// follower makes a resource server's verifier that follows a replica.
func follower(t *testing.T, s *replica, app string, maxAge time.Duration) *client.Verifier {
	t.Helper()
	v := client.New(s.base, client.WithApp(app)).NewVerifier(client.WithIssuer(publicURL), client.WithRevocations(serviceKey, maxAge))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Follow(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("following ended: %v", err)
		}
	})
	return v
}

func (s *replica) judged(t *testing.T, v *client.Verifier, token string, want error) {
	t.Helper()
	begin := time.Now()
	for {
		_, err := v.Verify(context.Background(), token)
		if errors.Is(err, want) || want == nil && err == nil {
			return
		}
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("judged as %v, want %v", err, want)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestResourceServersFollowTheRevocations(t *testing.T) {
	t.Parallel()
	a := setup(t)
	b := a.again()
	v := follower(t, b, "shop", 10*time.Second)
	bystander := a.user("shop")
	a.judged(t, v, bystander.access, nil)

	for what, end := range map[string]func(u *user) answer{
		"logout":     func(u *user) answer { return a.post("/v1/auth/logout", object{"refreshToken": u.refresh}) },
		"logout-all": func(u *user) answer { return a.post("/v1/auth/logout-all", object{"refreshToken": u.refresh}) },
		"its jti":    func(u *user) answer { return a.post("/v1/auth/revoke", object{"token": u.access}) },
		"deletion":   func(u *user) answer { return a.call("DELETE", "/v1/users/me", u.access, nil) },
	} {
		u := a.user("shop")
		a.judged(t, v, u.access, nil)
		end(u).want(t, 200, "")
		begin := time.Now()
		a.judged(t, v, u.access, client.ErrTokenRevoked)
		if took := time.Since(begin); took > bound {
			t.Errorf("%s: known after %s", what, took)
		}
	}
	a.judged(t, v, bystander.access, nil)

	// Those who come later know it all, and of other apps nothing.
	gone := a.user("shop")
	a.post("/v1/auth/logout", object{"refreshToken": gone.refresh}).want(t, 200, "")
	late := follower(t, b, "", 10*time.Second)
	a.judged(t, late, bystander.access, nil)
	a.judged(t, late, gone.access, client.ErrTokenRevoked)
	other := b.get("/v1/revocations?appId=another", "", keyed).want(t, 200, "")
	if list, _ := other.at("data").([]any); len(list) != 0 {
		t.Errorf("another app is told of %d revocations", len(list))
	}

	foreign := a.user("another")
	a.judged(t, v, foreign.access, client.ErrTokenForeign)
	a.judged(t, v, "junk", client.ErrTokenMalformed)
	a.judged(t, v, bystander.access[:len(bystander.access)-4]+"AAAA", client.ErrTokenSignature)
}

// A leaked key is none for resource servers either, as soon as the servers know: those that listen are told, those that did not
// learn it when they come back.
func TestResourceServersHearOfRevokedKeys(t *testing.T) {
	t.Parallel()
	a := setup(t)
	b := a.again()
	v := follower(t, b, "shop", 10*time.Second)
	for range 3 {
		u := a.user("shop")
		a.judged(t, v, u.access, nil)
		if _, _, err := a.auth.RevokeKey(auth.AsOperator(t.Context(), "test", false), kidOf(t, u.access)); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		a.judged(t, v, u.access, client.ErrTokenSignature)
		if took := time.Since(begin); took > bound {
			t.Errorf("known after %s", took)
		}
		next := a.refresh("shop", u.refresh).want(t, 200, "").text("data", "accessToken")
		a.judged(t, v, next, nil)
	}
}

func TestTheSnapshotHasATag(t *testing.T) {
	t.Parallel()
	a := setup(t)
	u := a.user("shop")
	first := a.get("/v1/revocations", "", keyed).want(t, 200, "")
	tag := first.header.Get("ETag")
	if again := a.get("/v1/revocations", "", keyed, set("If-None-Match", tag)); again.status != 304 || tag == "" {
		t.Errorf("the same again: %d, tag %q", again.status, tag)
	}
	a.post("/v1/auth/logout", object{"refreshToken": u.refresh}).want(t, 200, "")
	second := a.get("/v1/revocations", "", keyed, set("If-None-Match", tag)).want(t, 200, "")
	list, _ := second.at("data").([]any)
	if len(list) == 0 || !strings.Contains(second.raw, u.sid) {
		t.Errorf("the session that ended is not in it: %s", second.raw)
	}
	a.get("/v1/revocations", "").want(t, 401, "missing_api_key")
	a.get("/v1/revocations/stream", "").want(t, 401, "missing_api_key")
	a.get("/v1/revocations/stream", "", set("X-Turkey-Service-Key", serviceKey+"x")).want(t, 403, "invalid_api_key")
	a.get("/v1/revocations/stream", "", keyed, set("Last-Event-ID", "x")).want(t, 400, "bad_request")
}

// TestAFollowerThatHearsNothingRefuses: better no answer than a stale yes; when the server is back, it goes on.
func TestAFollowerThatHearsNothingRefuses(t *testing.T) {
	t.Parallel()
	a := setup(t)
	b := a.again()
	v := follower(t, b, "shop", 2*time.Second)
	u := a.user("shop")
	a.judged(t, v, u.access, nil)
	b.halt()
	a.judged(t, v, u.access, client.ErrUnknown)

	ts := httptest.NewServer(v.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("let through") })))
	defer ts.Close()
	req, err := http.NewRequest(http.MethodGet, ts.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+u.access)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("answered %d", resp.StatusCode)
	}
}

// TestAWrongServiceKeyEndsFollowing instead of asking for ever.
func TestAWrongServiceKeyEndsFollowing(t *testing.T) {
	t.Parallel()
	a := setup(t)
	v := client.New(a.base).NewVerifier(client.WithRevocations("wrong", 0))
	err := v.Follow(context.Background())
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != "invalid_api_key" {
		t.Errorf("it ended with %v", err)
	}
}

// TestSessionTransportRenews a token that was refused, once for many.
func TestSessionTransportRenews(t *testing.T) {
	t.Parallel()
	a := setup(t)
	u := a.user("shop")
	s := client.New(a.base, client.WithApp("shop")).Resume(client.Tokens{AccessToken: u.access, RefreshToken: u.refresh})
	a.post("/v1/auth/revoke", object{"token": u.access}).want(t, 200, "")
	h := &http.Client{Transport: s.Transport(nil)}
	ended := make(chan int, 8)
	for range cap(ended) {
		go func() {
			resp, err := h.Get(a.base + "/v1/users/me")
			if err != nil {
				ended <- 0
				return
			}
			_ = resp.Body.Close()
			ended <- resp.StatusCode
		}()
	}
	for range cap(ended) {
		if status := <-ended; status != 200 {
			t.Errorf("answered %d", status)
		}
	}
	if n := a.count(`SELECT generation FROM refresh_tokens WHERE id = $1`, u.sid); n != 1 {
		t.Errorf("renewed %d times", n)
	}
}
