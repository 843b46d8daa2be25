package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestParallelSavesOfOneContentStoreItOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	b := s.again()
	h := s.holder()
	plain, _ := json.Marshal(pasted(1))
	indented, _ := json.MarshalIndent(pasted(1), "\t", "  ")
	spelled := []any{string(plain), string(indented), pasted(1), strings.Replace(string(plain), "robot-1@", `rob\u006ft-1@`, 1)}
	all := together(20, func(i int) answer {
		return []*replica{s, b}[i%2].call("POST", "/api/credentials/save", h.access, object{"service": "google_sheets", "credentialName": fmt.Sprint(i), "credentialJson": spelled[i%4]})
	})
	if n := only(t, "saves", all, 201, 409); n[201] != 1 {
		t.Errorf("stored %d times", n[201])
	}
	for _, a := range all {
		if a.status == 409 {
			a.want(t, 409, "DUPLICATE_CREDENTIAL")
		}
	}
	if live, trails := s.count(`SELECT count(*) FROM credentials`), s.count(`SELECT count(*) FROM audit_logs WHERE action = 'credential_saved' AND status = 'success'`); live != 1 || trails != 1 {
		t.Errorf("%d credentials, %d in the audit", live, trails)
	}
	if refused := s.count(`SELECT count(*) FROM audit_logs WHERE action = 'credential_saved' AND status = 'failure' AND error_message = 'This credential already exists'`); refused != 19 {
		t.Errorf("%d refusals in the audit", refused)
	}
	// What a duplicate is, a replaced content may be: only live ones count, and each user has their own.
	h.save("ga4", "Another service", pasted(1)).want(t, 201, "")
	s.holder().save("google_sheets", "Another user", pasted(1)).want(t, 201, "")
	two := h.saved("google_sheets", "Two", pasted(2))
	h.on(two, "PUT", "", object{"credentialJson": string(indented)}).want(t, 409, "DUPLICATE_CREDENTIAL")
	h.on(two, "PUT", "", object{"credentialJson": pasted(3)}).want(t, 200, "")
	three := h.saved("google_sheets", "Three", pasted(2)) // a version holds it, no credential
	h.on(two, "POST", "/versions/1/restore", nil).want(t, 409, "DUPLICATE_CREDENTIAL")
	h.on(three, "DELETE", "", nil).want(t, 200, "")
	h.on(two, "POST", "/versions/1/restore", nil).want(t, 200, "")
	h.on(three, "POST", "/restore", nil).want(t, 409, "DUPLICATE_CREDENTIAL")
	h.on(two, "PUT", "", object{"credentialJson": pasted(4)}).want(t, 200, "")
	h.on(three, "POST", "/restore", nil).want(t, 200, "")
}

func TestParallelUpdatesKeepALinearHistory(t *testing.T) {
	t.Parallel()
	s := setup(t)
	b := s.again()
	h := s.holder()
	id := h.saved("google_sheets", "Start", pasted(0))
	all := together(16, func(i int) answer {
		return []*replica{s, b}[i%2].call("PUT", fmt.Sprintf("/api/credentials/%d", id), h.access, object{"credentialJson": pasted(i + 1), "credentialName": fmt.Sprint(i + 1)})
	})
	n := only(t, "updates", all, 200, 409)
	if n[200] < 4 {
		t.Errorf("only %d got through", n[200])
	}
	numbers := map[float64]bool{}
	for _, a := range all {
		if a.status == 409 {
			a.want(t, 409, "CREDENTIAL_CHANGED")
			continue
		}
		numbers[a.at("version").(float64)] = true
	}
	versions := h.on(id, "GET", "/versions", nil).at("versions").([]any)
	if len(numbers) != n[200] || len(versions) != n[200]+1 {
		t.Errorf("%d succeeded, with %d numbers and %d versions", n[200], len(numbers), len(versions))
	}
	for i, v := range versions {
		if v.(object)["number"] != float64(len(versions)-i) || i > 0 && v.(object)["replacedAt"] != versions[i-1].(object)["createdAt"] {
			t.Errorf("a gap at %d: %v", i, versions)
			break
		}
	}
	// Each old content opens, and is another.
	if distinct := s.count(`SELECT count(DISTINCT fingerprint) FROM (SELECT fingerprint FROM credential_versions UNION ALL SELECT fingerprint FROM credentials) f`); distinct != len(versions) {
		t.Errorf("%d contents in %d versions", distinct, len(versions))
	}
	for i := range len(versions) - 1 {
		h.on(id, "POST", fmt.Sprintf("/versions/%d/restore", i+1), nil).want(t, 200, "")
	}
	if got := h.on(id, "GET", "", nil).text("name"); got == "Start" {
		t.Errorf("the name is %s", got)
	}
}

func TestHistoryKeepsTwentyVersions(t *testing.T) {
	t.Parallel()
	s := setup(t)
	h := s.holder()
	id := h.saved("google_sheets", "x", pasted(0))
	for i := range 25 {
		h.on(id, "PUT", "", object{"credentialJson": pasted(i + 1)}).want(t, 200, "")
	}
	versions := h.on(id, "GET", "/versions", nil).at("versions").([]any)
	if len(versions) != 21 || versions[0].(object)["number"] != 26.0 || versions[20].(object)["number"] != 6.0 {
		t.Errorf("%d versions, from %v to %v", len(versions), versions[0], versions[len(versions)-1])
	}
	h.on(id, "POST", "/versions/5/restore", nil).want(t, 404, "VERSION_NOT_FOUND")
	h.on(id, "POST", "/versions/6/restore", nil).want(t, 200, "")
}

func TestTheLimitHoldsUnderParallelSaves(t *testing.T) {
	t.Parallel()
	s := setup(t)
	b := s.again()
	h := s.holder()
	gone := h.saved("google_sheets", "gone", pasted(1000))
	h.on(gone, "DELETE", "", nil).want(t, 200, "")
	for i := range 95 {
		h.saved("google_sheets", "x", pasted(i))
	}
	all := together(20, func(i int) answer {
		return []*replica{s, b}[i%2].call("POST", "/api/credentials/save", h.access, object{"service": "google_sheets", "credentialName": "x", "credentialJson": pasted(100 + i)})
	})
	if n := only(t, "saves", all, 201, 400); n[201] != 5 {
		t.Errorf("%d of 5 free places were taken", n[201])
	}
	if live := s.count(`SELECT count(*) FROM credentials WHERE deleted_at IS NULL`); live != 100 {
		t.Errorf("%d live credentials", live)
	}
	h.on(gone, "POST", "/restore", nil).want(t, 400, "VALIDATION_ERROR")
	h.save("ga4", "another service", pasted(1)).want(t, 201, "")
}

func TestParallelRestoresRestoreOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	h := s.holder()
	id := h.saved("google_sheets", "x", pasted(1))
	h.on(id, "DELETE", "", nil).want(t, 200, "")
	all := together(10, func(int) answer { return h.on(id, "POST", "/restore", nil) })
	if n := only(t, "restores", all, 200, 409); n[200] != 1 {
		t.Errorf("restored %d times", n[200])
	}
	if got := s.audited(id); got != "credential_saved credential_deleted credential_restored" {
		t.Errorf("audited %s", got)
	}
}

func TestWritesNoticeThatKeysWereReplaced(t *testing.T) {
	t.Parallel()
	s := setup(t)
	b, c := s.again(), s.again()
	h := s.holder()
	save := func(on *replica, n int) int64 {
		t.Helper()
		a := on.call("POST", "/api/credentials/save", h.access, object{"service": "google_sheets", "credentialName": "x", "credentialJson": pasted(n)}).want(t, 201, "")
		return int64(a.at("credentialId").(float64))
	}
	current := func(what string, id int64) {
		t.Helper()
		if n := s.count(`SELECT count(*) FROM vault_keys k JOIN credentials c ON c.user_id = k.user_id AND c.key_id = k.key_id WHERE c.id = $1`, id); n != 1 {
			t.Errorf("%s is not under the present keys", what)
		}
	}
	old := save(s, 1)
	save(b, 2)
	save(c, 3) // all servers have the user's keys in memory
	s.exec(`DELETE FROM vault_keys`)
	id := save(s, 4)
	current("what is saved without keys", id)
	current("what is saved with old ones", save(b, 5))
	c.call("PUT", fmt.Sprintf("/api/credentials/%d", id), h.access, object{"credentialJson": pasted(6)}).want(t, 200, "")
	current("what is replaced with old ones", id)
	h.on(id, "POST", "/versions/1/restore", nil).want(t, 200, "")

	s.broken.Store(true)
	h.on(old, "POST", "/verify", nil).want(t, 500, "SERVICE_ERROR")
	h.on(old, "PUT", "", object{"credentialJson": pasted(7)}).want(t, 200, "") // a new content mends it
	if a := h.on(old, "GET", "", nil); a.at("health") != "unchecked" {
		t.Errorf("%s", a.raw)
	}
}

func TestWhatDoesNotOpenIsSaid(t *testing.T) {
	t.Parallel()
	fake, at := fakes(t)
	s := setup(t, at)
	s.broken.Store(true)
	h := s.holder()
	one, two := h.saved("google_sheets", "One", pasted(1)), h.saved("google_sheets", "Two", pasted(2))
	h.on(two, "PUT", "", object{"credentialJson": pasted(3)}).want(t, 200, "")
	s.exec(`UPDATE credentials a SET encrypted_data = b.encrypted_data FROM credentials b WHERE a.id <> b.id`)
	for _, id := range []int64{one, two} {
		if a := h.on(id, "POST", "/verify", nil).want(t, 500, "SERVICE_ERROR"); a.text("error") != "Failed to decrypt credential" {
			t.Errorf("%s", a.raw)
		}
		a := h.on(id, "GET", "", nil).want(t, 200, "")
		if a.at("health") != "broken" || a.at("healthReason") != "unreadable" || a.at("healthAt") == nil {
			t.Errorf("health: %s", a.raw)
		}
		if got := s.audited(id); !strings.HasSuffix(got, "credential_accessed credential_accessed!") {
			t.Errorf("audited %s", got)
		}
		uses := h.on(id, "GET", "/uses", nil)
		if uses.at("uses", 0, "status") != "failure" || uses.at("uses", 0, "purpose") != "verify" || uses.at("uses", 0, "host") != "sheets.googleapis.com" {
			t.Errorf("uses: %s", uses.raw)
		}
	}
	a := h.do("GET", fmt.Sprintf("/api/sheets/spreadsheets?credential_id=%d", one), nil).want(t, 500, "SERVICE_ERROR")
	if a.text("error") != "Failed to decrypt credential" {
		t.Errorf("%s", a.raw)
	}
	// An old version in the present one's place, and the present one in an old one's.
	s.exec(`UPDATE credentials c SET encrypted_data = v.encrypted_data FROM credential_versions v WHERE c.id = v.credential_id`)
	h.on(two, "POST", "/verify", nil).want(t, 500, "SERVICE_ERROR")
	s.exec(`UPDATE credential_versions v SET encrypted_data = c.encrypted_data FROM credentials c WHERE c.id <> v.credential_id`)
	h.on(two, "POST", "/versions/1/restore", nil).want(t, 500, "SERVICE_ERROR")
	if got := s.audited(two); !strings.HasSuffix(got, "credential_accessed credential_accessed!") {
		t.Errorf("audited %s", got)
	}
	// Keys that do not open: another user's.
	eve := s.holder()
	theirs := eve.saved("google_sheets", "Eve's", pasted(9))
	s.exec(`UPDATE vault_keys a SET keyset = b.keyset, index_key = b.index_key FROM vault_keys b WHERE a.user_id <> b.user_id`)
	b := s.again() // whose memory is empty
	path := fmt.Sprintf("/api/credentials/%d", theirs)
	b.call("POST", path+"/verify", eve.access, nil).want(t, 500, "SERVICE_ERROR")
	if got := s.audited(theirs); got != "credential_saved credential_accessed credential_accessed!" {
		t.Errorf("audited %s", got)
	}
	if a := b.call("GET", path, eve.access, nil); a.at("healthReason") != "unreadable" {
		t.Errorf("health: %s", a.raw)
	}
	if a := b.call("PUT", path, eve.access, object{"credentialJson": pasted(10)}).want(t, 500, "SERVICE_ERROR"); !strings.HasPrefix(a.text("error"), "Failed to save credential: ") {
		t.Errorf("%s", a.raw)
	}
	if fake.calls.Load() != 0 {
		t.Errorf("%d calls of a provider", fake.calls.Load())
	}
}

func TestAVerificationIsOfWhatWasAsked(t *testing.T) {
	t.Parallel()
	fake, at := fakes(t)
	s := setup(t, at)
	h := s.holder()
	verify := func(id int64, meanwhile func()) answer {
		asked, release := fake.hold(t)
		done := make(chan answer, 1)
		go func() { done <- s.call("POST", fmt.Sprintf("/api/credentials/%d/verify", id), h.access, nil) }()
		select {
		case <-asked:
		case <-time.After(patience):
			t.Fatal("no provider was asked")
		}
		meanwhile()
		release()
		return <-done
	}
	id := h.saved("google_sheets", "x", fake.account(s))
	verify(id, func() { h.on(id, "PUT", "", object{"credentialJson": pasted(1)}).want(t, 200, "") }).want(t, 409, "CREDENTIAL_CHANGED")
	if a := h.on(id, "GET", "", nil); a.at("verified") != false || a.at("health") != "unchecked" {
		t.Errorf("the proof of the old content counts for the new: %s", a.raw)
	}
	id = h.saved("google_sheets", "y", fake.account(s))
	verify(id, func() { h.on(id, "DELETE", "", nil).want(t, 200, "") }).want(t, 404, "CREDENTIAL_NOT_FOUND")
	h.on(id, "POST", "/restore", nil).want(t, 200, "")
	if a := verify(id, func() { h.on(id, "PUT", "", object{"credentialName": "z"}).want(t, 200, "") }).want(t, 200, ""); a.at("verified") != true {
		t.Errorf("%s", a.raw)
	}

	// Who leaves while the provider is asked learns nothing, and spoils nothing.
	asked, release := fake.hold(t)
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", fmt.Sprintf("%s/api/credentials/%d/verify", s.base, id), nil)
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+h.access)
	go func() { <-asked; leave() }()
	if resp, err := s.http.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Error("answered")
	}
	release()
	if a := h.on(id, "GET", "", nil); a.at("verified") != true || a.at("health") != "ok" {
		t.Errorf("%s", a.raw)
	}
}

func TestWhatCannotBeRestoredIsPurged(t *testing.T) {
	t.Parallel()
	s := setup(t)
	h := s.holder()
	old, young, live := h.saved("google_sheets", "old", pasted(1)), h.saved("google_sheets", "young", pasted(2)), h.saved("google_sheets", "live", pasted(3))
	for i, id := range []int64{old, young, live} {
		h.on(id, "PUT", "", object{"credentialJson": pasted(10 + i)}).want(t, 200, "")
	}
	h.on(live, "PUT", "", object{"credentialJson": pasted(20)}).want(t, 200, "")
	for _, id := range []int64{old, young} {
		h.on(id, "DELETE", "", nil).want(t, 200, "")
	}
	s.exec(`UPDATE credentials SET deleted_at = now() - interval '90 days 1 minute' WHERE id = $1`, old)
	s.exec(`UPDATE credentials SET deleted_at = now() - interval '89 days 23 hours' WHERE id = $1`, young)
	s.exec(`UPDATE credential_versions SET replaced_at = now() - interval '90 days 1 minute' WHERE credential_id = $1 AND version = 1`, live)
	// Past its time it is gone, whether the cleanup was there or not.
	h.on(old, "POST", "/restore", nil).want(t, 404, "CREDENTIAL_NOT_FOUND")
	counts, err := s.auth.Cleanup(t.Context())
	must(t, err)
	if counts["credentials"] > 1 || counts["credential_versions"] > 1 { // the server's own cleanup may have been faster
		t.Errorf("removed %v", counts)
	}
	if left := s.count(`SELECT count(*) FROM credentials`) + s.count(`SELECT count(*) FROM credential_versions WHERE credential_id = $1`, old); left != 2 {
		t.Errorf("%d rows are left", left)
	}
	h.on(young, "POST", "/restore", nil).want(t, 200, "")
	if a := h.on(live, "GET", "/versions", nil); len(a.at("versions").([]any)) != 2 {
		t.Errorf("versions: %s", a.raw)
	}
	h.on(old, "GET", "/uses", nil).want(t, 404, "CREDENTIAL_NOT_FOUND")
}
