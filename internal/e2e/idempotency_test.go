package e2e_test

import (
	"strings"
	"testing"
)

// savable is a credential that the vault takes without asking anybody.
var savable = object{"service": "google_sheets", "credentialName": "Sheets", "credentialJson": object{
	"type": "service_account", "project_id": "my-project", "private_key_id": "key123", "private_key": "-----BEGIN PRIVATE KEY-----\nMIIEcanary...",
	"client_email": "service@my-project.iam.gserviceaccount.com", "client_id": "123456789"}}

// TestOneCredential: twenty requests with one key save once, and all are told the same.
func TestOneCredential(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	s.secret("MIIEcanary")
	key := set("Idempotency-Key", "5d0a4a52-save")
	all := together(20, func(int) answer { return s.call("POST", "/api/credentials/save", u.access, savable, key) })
	replayed := 0
	for _, a := range all {
		a.want(t, 201, "")
		if a.raw != all[0].raw {
			t.Errorf("%s, and %s", a.raw, all[0].raw)
		}
		if a.header.Get("Idempotency-Replayed") == "true" {
			replayed++
		}
	}
	if n := s.count(`SELECT count(*) FROM credentials`); n != 1 || replayed != 19 {
		t.Errorf("%d credentials, %d answers were replays", n, replayed)
	}
	if n := s.count(`SELECT count(*) FROM audit_logs WHERE action = 'credential_saved'`); n != 1 {
		t.Errorf("%d rows in the audit", n)
	}
	s.call("POST", "/api/credentials/save", u.access, object{"service": "google_sheets"}, key).want(t, 409, "IDEMPOTENCY_CONFLICT")
	// Without the key it is a duplicate, which is told by its content.
	s.call("POST", "/api/credentials/save", u.access, savable).want(t, 409, "DUPLICATE_CREDENTIAL")
	// Of another user it is another key.
	other := s.user("shop")
	if a := s.call("POST", "/api/credentials/save", other.access, savable, key).want(t, 201, ""); a.header.Get("Idempotency-Replayed") != "" || a.at("credentialId") == all[0].at("credentialId") {
		t.Errorf("%s", a.raw)
	}
	s.call("POST", "/api/credentials/save", "", savable, key).want(t, 401, "MISSING_TOKEN")
	if n := s.count(`SELECT count(*) FROM idempotency_keys WHERE encode(answer, 'escape') LIKE '%maskedPreview%'`); n != 0 {
		t.Error("an answer is stored as it is")
	}
}

// TestASecretShownOnce is shown again to whoever lost the answer, and to nobody else.
func TestASecretShownOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	key := set("Idempotency-Key", "hook-1")
	body := object{"url": "https://example.com/hook"}
	first := s.call("POST", "/api/webhooks", u.access, body, key).want(t, 201, "")
	again := s.call("POST", "/api/webhooks", u.access, body, key).want(t, 201, "")
	if first.raw != again.raw || !strings.HasPrefix(first.text("secret"), "whsec_") || s.count(`SELECT count(*) FROM webhooks`) != 1 {
		t.Errorf("%s, then %s", first.raw, again.raw)
	}
	stored := one[string](s.world, `SELECT encode(answer, 'escape') || i::text FROM idempotency_keys i`)
	if strings.Contains(stored, strings.TrimPrefix(first.text("secret"), "whsec_")) {
		t.Error("the secret is stored as it is")
	}
}

// TestRepeatedAccountWrites are those of /v1.
func TestRepeatedAccountWrites(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	key := set("Idempotency-Key", "export-1")
	first := s.call("POST", "/v1/users/me/export", u.access, object{}, key).want(t, 200, "")
	again := s.call("POST", "/v1/users/me/export", u.access, object{}, key).want(t, 200, "")
	if first.raw != again.raw || again.header.Get("Idempotency-Replayed") != "true" {
		t.Error("the export was made twice")
	}
	s.call("PATCH", "/v1/users/me", u.access, object{"email": "new@example.com"}, key).want(t, 409, "idempotency_conflict")
	s.call("PATCH", "/v1/users/me", u.access, object{"email": "new@example.com"}, set("Idempotency-Key", "a b")).want(t, 400, "validation_error")

	// Whoever deletes the account has no key left, and no token.
	s.call("DELETE", "/v1/users/me", u.access, nil, set("Idempotency-Key", "end")).want(t, 200, "")
	s.call("DELETE", "/v1/users/me", u.access, nil, set("Idempotency-Key", "end")).want(t, 401, "")
	if n := s.count(`SELECT count(*) FROM idempotency_keys`); n != 0 {
		t.Errorf("%d keys of somebody who is gone", n)
	}

	// Sign-in knows no user yet: the header has no meaning there.
	_, email := s.account("shop")
	one, two := s.login("shop", email, password, key).want(t, 200, ""), s.login("shop", email, password, key).want(t, 200, "")
	if one.text("data", "accessToken") == two.text("data", "accessToken") {
		t.Error("a sign-in was answered with another's tokens")
	}
}
