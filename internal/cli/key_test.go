package cli_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"turkey/internal/db/dbtest"
)

// keyInfo is what `gravy key … --json` prints of a key.
type keyInfo struct {
	Kid, Alg, State, PublicKey                      string
	CreatedAt, SignsFrom, RetiredAt, PublishedUntil *time.Time
	RevokedAt                                       *time.Time
}

func TestKeyCommands(t *testing.T) {
	t.Parallel()
	env := []string{"DATABASE_URL=" + dbtest.URL(t), "TURKEY_DATA_DIR=" + dataDir(t)}
	expect := func(code int, out string, args ...string) outcome {
		t.Helper()
		o := run(t, env, args...)
		if o.code != code || !strings.Contains(o.out+o.err, out) || code == 0 && o.err != "" || code != 0 && strings.Count(o.err, "Error:") != 1 {
			t.Errorf("%v: exit %d, %q %q; want %d, %q", args, o.code, o.out, o.err, code, out)
		}
		if strings.Contains(o.out, "PRIVATE") || strings.Contains(o.out, "sealed") {
			t.Errorf("%v prints a secret: %s", args, o.out)
		}
		return o
	}
	about := func(args ...string) (k keyInfo) {
		t.Helper()
		if o := expect(0, "", append(args, "--json")...); json.Unmarshal([]byte(o.out), &k) != nil {
			t.Fatalf("%v prints %s", args, o.out)
		}
		return k
	}
	status := func(args ...string) (list []keyInfo) {
		t.Helper()
		if o := expect(0, "", append([]string{"key", "status", "--json"}, args...)...); json.Unmarshal([]byte(o.out), &list) != nil {
			t.Fatalf("status prints %s", o.out)
		}
		return list
	}

	first := status()
	if len(first) != 1 || first[0].State != "signing" || first[0].Alg != "ES256" || !strings.HasPrefix(first[0].Kid, "key_") {
		t.Fatalf("%+v", first)
	}
	old := first[0].Kid
	expect(1, "only key that can sign", "key", "retire", old, "-y")
	expect(1, "Key not found", "key", "retire", "key_unknown", "-y")
	expect(1, "Key not found", "key", "activate", "key_unknown", "-y")
	expect(2, "", "key", "retire")
	expect(2, "", "key", "rotate", "now")
	expect(2, "", "key", "generate", "--nonsense")
	expect(2, "unknown command", "key", "destroy")

	spare := about("key", "generate")
	if spare.State != "published" || spare.SignsFrom != nil {
		t.Errorf("%+v", spare)
	}
	next := about("key:rotate", "-y")
	if next.State != "next" || time.Until(*next.SignsFrom) < 50*time.Second || time.Until(*next.SignsFrom) > 70*time.Second {
		t.Errorf("%+v", next)
	}
	for _, k := range status() {
		if want := map[string]string{old: "signing", spare.Kid: "retired", next.Kid: "next"}[k.Kid]; k.State != want || k.Kid != next.Kid && !k.RetiredAt.Equal(*next.SignsFrom) {
			t.Errorf("%+v, want %s", k, want)
		}
	}
	if k := about("key", "activate", old, "-y"); k.State != "signing" || k.RetiredAt != nil {
		t.Errorf("%+v", k)
	}
	if k := about("key", "generate", "-a"); k.State != "next" {
		t.Errorf("%+v", k)
	}
	expect(0, "signs from", "key", "rotate", "-k", "-y")
	expect(0, "signs until", "key", "retire", old, "-y")
	expect(0, "BEGIN PUBLIC KEY", "key", "status", "-v")
	execute(t, strings.TrimPrefix(env[0], "DATABASE_URL="), `UPDATE keys SET retired_at = now() - interval '2 days' WHERE kid = $1`, spare.Kid)
	if n, all := len(status()), len(status("-a")); n != 4 || all != 5 {
		t.Errorf("%d keys listed, %d with -a", n, all)
	}
	// Without -y it asks, and everything but yes is no.
	for _, args := range [][]string{{"key", "rotate"}, {"key", "retire", next.Kid}, {"key", "revoke", next.Kid}, {"key", "activate", next.Kid}} {
		cmd := program(t, env, args...)
		cmd.Stdin = strings.NewReader("\n")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "(y/N) Cancelled") {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
	if n := len(status("-a")); n != 5 {
		t.Errorf("%d keys after doing nothing", n)
	}
	if k := about("key", "revoke", next.Kid, "-y"); k.State != "revoked" || k.RevokedAt == nil {
		t.Errorf("%+v", k)
	}
	expect(0, "is revoked", "key", "revoke", next.Kid, "-y")
	expect(1, "does not come back", "key", "activate", next.Kid, "-y")
	expect(1, "Key not found", "key", "revoke", "key_unknown", "-y")
	for _, k := range status() {
		if k.Kid == next.Kid {
			t.Errorf("%+v", k)
		}
	}
	if o := run(t, append(env, "JWT_SECRET="+strings.Repeat("x", 40)), "key", "status"); o.code != 1 || !strings.Contains(o.err, "JWT_SECRET_PREVIOUS") ||
		!strings.Contains(o.err, strings.TrimPrefix(env[1], "TURKEY_DATA_DIR=")+"/jwt_secret") {
		t.Errorf("another secret: exit %d, %s", o.code, o.err)
	}
}

// TestARunningServerFollowsGravy: what gravy does to the keys is in the key set within moments, and its copy has a tag.
func TestARunningServerFollowsGravy(t *testing.T) {
	t.Parallel()
	s := setup(t)
	env := []string{"DATABASE_URL=" + s.db, "TURKEY_DATA_DIR=" + s.dir}
	u := s.user("shop")
	get := func(method, path, tag string) answer {
		t.Helper()
		req, err := http.NewRequest(method, s.base+path, nil)
		must(t, err)
		if tag != "" {
			req.Header.Set("If-None-Match", tag)
		}
		return s.do(req)
	}
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/openid-configuration"} {
		a := get("GET", path, "").want(t, 200, "")
		tag := a.header.Get("ETag")
		if a.header.Get("Cache-Control") != "public, max-age=900, stale-while-revalidate=300" || a.header.Get("Content-Type") != "application/json" || tag == "" {
			t.Errorf("%s: %v", path, a.header)
		}
		if b := get("GET", path, tag); b.status != 304 || b.raw != "" || b.header.Get("ETag") != tag || b.header.Get("Cache-Control") == "" || b.header.Get("Content-Type") != "" {
			t.Errorf("%s: %d %v %q", path, b.status, b.header, b.raw)
		}
		get("GET", path, `"other"`).want(t, 200, "")
		if b := get("HEAD", path, ""); b.status != 200 || b.raw != "" || b.header.Get("ETag") != tag {
			t.Errorf("HEAD %s: %d %v %q", path, b.status, b.header, b.raw)
		}
	}
	meta := get("GET", "/.well-known/openid-configuration", "")
	if meta.at("issuer") != s.base || meta.at("jwks_uri") != s.base+"/.well-known/jwks.json" || meta.body["authorization_endpoint"] != nil {
		t.Errorf("%s", meta.raw)
	}

	before := get("GET", "/.well-known/jwks.json", "")
	var k keyInfo
	o := run(t, env, "key", "rotate", "-y", "--json")
	if err := json.Unmarshal([]byte(o.out), &k); err != nil || o.code != 0 {
		t.Fatalf("exit %d: %s%s", o.code, o.out, o.err)
	}
	var after answer
	eventually(t, "the server publishes the new key", func() bool {
		after = get("GET", "/.well-known/jwks.json", before.header.Get("ETag"))
		return after.status == 200
	})
	if after.at("keys", 0, "kid") != before.at("keys", 0, "kid") || after.at("keys", 1, "kid") != k.Kid {
		t.Errorf("%s, then %s", before.raw, after.raw)
	}
	s.call("GET", "/v1/users/me", bearer(u), nil).want(t, 200, "")
	must(t, u.Refresh(t.Context()))
	s.call("GET", "/v1/users/me", bearer(u), nil).want(t, 200, "")

	signer, _ := after.at("keys", 0, "kid").(string)
	if o := run(t, env, "key", "revoke", signer, "-y"); o.code != 0 || !strings.Contains(o.out, "the new key") {
		t.Fatalf("exit %d: %s%s", o.code, o.out, o.err)
	}
	eventually(t, "the server refuses what the revoked key signed", func() bool {
		return s.call("GET", "/v1/users/me", bearer(u), nil).code() == "token_revoked"
	})
	if a := get("GET", "/.well-known/jwks.json", ""); strings.Contains(a.raw, signer) {
		t.Errorf("%s", a.raw)
	}
	must(t, u.Refresh(t.Context()))
	s.call("GET", "/v1/users/me", bearer(u), nil).want(t, 200, "")
}
