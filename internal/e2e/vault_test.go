package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"turkey/internal/sandbox"
)

// providers are fake ones that count their calls and can be held.
type providers struct {
	url   string
	calls atomic.Int64
	mu    sync.Mutex
	held  chan struct{} // calls wait for it; nil: they do not
	asked chan struct{} // a held call has come
}

// fakes starts providers.
func fakes(t testing.TB) (*providers, option) {
	t.Helper()
	fake, err := sandbox.New(sandbox.Config{})
	must(t, err)
	p := &providers{}
	handler := fake.Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/_sandbox/") {
			p.calls.Add(1)
			p.wait(r)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	p.url = srv.URL
	return p, func(s *settings) { s.providers = fake.Bases(srv.URL) }
}

func (p *providers) wait(r *http.Request) {
	p.mu.Lock()
	held, asked := p.held, p.asked
	p.mu.Unlock()
	if held == nil {
		return
	}
	select {
	case asked <- struct{}{}:
	default:
	}
	select {
	case <-held:
	case <-r.Context().Done():
	}
}

// hold lets calls wait. asked tells of the first; release lets them go on.
func (p *providers) hold(t testing.TB) (asked <-chan struct{}, release func()) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held, p.asked = make(chan struct{}), make(chan struct{}, 1)
	held := p.held
	release = sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.held = nil
		close(held)
	})
	t.Cleanup(release)
	return p.asked, release
}

// console speaks to the providers, as a person does at Google.
func (p *providers) console(t testing.TB, method, path string, in any) object {
	t.Helper()
	body, err := json.Marshal(in)
	must(t, err)
	req, err := http.NewRequest(method, p.url+path, bytes.NewReader(body))
	must(t, err)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, raw)
	}
	var out object
	_ = json.Unmarshal(raw, &out) // some say nothing
	return out
}

// account is a new service account's key file; its key is planted.
func (p *providers) account(s *replica) object {
	key := p.console(s.t, "POST", "/_sandbox/service-accounts", object{"name": "robot"})
	s.secret(strings.Split(key["private_key"].(string), "\n")[2])
	return key
}

// canaries are the secrets inside pasted credentials. No answer at all may hold one.
const canary = "canary-of-the-vault-"

// pasted is a content that saves, and that no provider knows. Its key is a canary.
func pasted(n int) object {
	return object{"type": "service_account", "private_key": fmt.Sprintf("-----BEGIN PRIVATE KEY-----\n%s%d", canary, n), "client_email": fmt.Sprintf("robot-%d@example.com", n), "project_id": "p"}
}

// holder is somebody whose answers are all looked through for canaries.
type holder struct {
	*user
	t testing.TB
}

func (s *replica) holder() *holder {
	s.t.Helper()
	s.secret(canary)
	return &holder{s.user("shop"), s.t}
}

func (h *holder) do(method, path string, body any) answer {
	h.t.Helper()
	a := h.s.call(method, path, h.access, body)
	for _, secret := range []string{canary, "BEGIN", "v1.A", "encrypted", "fingerprint"} {
		if strings.Contains(a.raw, secret) {
			h.t.Errorf("%s %s: the answer holds %q: %s", method, path, secret, a.raw)
		}
	}
	return a
}

func (h *holder) save(service, name string, content any) answer {
	h.t.Helper()
	return h.do("POST", "/api/credentials/save", object{"service": service, "credentialName": name, "credentialJson": content})
}

// saved is save for a credential that must be stored; it returns its id.
func (h *holder) saved(service, name string, content any) int64 {
	h.t.Helper()
	a := h.save(service, name, content)
	if a.status != 201 {
		h.t.Fatalf("save: %d %s", a.status, a.raw)
	}
	return int64(a.at("credentialId").(float64))
}

// on asks a route of one credential.
func (h *holder) on(id int64, method, suffix string, body any) answer {
	h.t.Helper()
	return h.do(method, fmt.Sprintf("/api/credentials/%d%s", id, suffix), body)
}

func ids(list any, name string) (all []int64) {
	for _, v := range list.([]any) {
		all = append(all, int64(v.(object)[name].(float64)))
	}
	return all
}

// audited are the actions recorded of a credential, in order, with their status.
func (w *world) audited(id int64) string {
	w.t.Helper()
	return one[string](w, `SELECT coalesce(string_agg(action || CASE status WHEN 'success' THEN '' ELSE '!' END, ' ' ORDER BY id), '') FROM audit_logs
		WHERE metadata->>'credentialId' = $1::text AND action <> 'credential_health'`, fmt.Sprint(id))
}

func TestTheWholeLifeOfACredential(t *testing.T) {
	t.Parallel()
	fake, at := fakes(t)
	s := setup(t, at)
	h := s.holder()
	first, second := fake.account(s), fake.account(s)
	email := func(key object) string { return key["client_email"].(string) }
	masked := func(key object) string { return email(key)[:3] + "..." + email(key)[len(email(key))-3:] }
	id := h.saved("google_sheets", "Robot", first)
	other := h.saved("ga4", "Other", pasted(1))

	one := h.on(id, "GET", "", nil).want(t, 200, "")
	if one.at("health") != "unchecked" || one.at("healthReason") != nil || one.at("healthMessage") != nil || one.at("healthAt") == nil || one.at("deletedAt") != nil {
		t.Errorf("new: %s", one.raw)
	}
	h.on(id, "POST", "/verify", nil).want(t, 200, "")
	if a := h.on(id, "GET", "", nil); a.at("health") != "ok" || a.at("verified") != true {
		t.Errorf("verified: %s", a.raw)
	}

	// A new name keeps what was proved; new content does not.
	if a := h.on(id, "PUT", "", object{"credentialName": " Renamed ", "service": "google_sheets"}).want(t, 200, ""); a.at("name") != "Renamed" || a.at("verified") != true ||
		a.at("version") != 1.0 || a.at("id") != float64(id) || a.at("service") != "google_sheets" || a.at("updatedAt") == nil || len(a.body) != 6 {
		t.Errorf("rename: %s", a.raw)
	}
	if a := h.on(id, "PUT", "", object{"credentialJson": second}).want(t, 200, ""); a.at("verified") != false || a.at("version") != 2.0 || a.at("name") != "Renamed" {
		t.Errorf("replace: %s", a.raw)
	}
	if a := h.on(id, "GET", "", nil); a.at("maskedPreview") != masked(second) || a.at("verifiedAt") != nil || a.at("health") != "unchecked" {
		t.Errorf("replaced: %s", a.raw)
	}
	// The content that is stored is no duplicate of itself, and changes nothing.
	text, _ := json.MarshalIndent(second, "  ", "\t")
	h.on(id, "POST", "/verify", nil).want(t, 200, "")
	if a := h.on(id, "PUT", "", object{"credentialJson": string(text), "credentialName": "Once more"}).want(t, 200, ""); a.at("verified") != true || a.at("version") != 2.0 || a.at("name") != "Once more" {
		t.Errorf("same content: %s", a.raw)
	}

	versions := h.on(id, "GET", "/versions", nil).want(t, 200, "")
	if !slices.Equal(ids(versions.at("versions"), "number"), []int64{2, 1}) || versions.at("versions", 0, "current") != true || versions.at("versions", 1, "current") != false ||
		versions.at("versions", 0, "replacedAt") != nil || versions.at("versions", 1, "replacedAt") != versions.at("versions", 0, "createdAt") ||
		versions.at("versions", 1, "createdAt") != one.at("createdAt") || versions.at("versions", 1, "maskedPreview") != masked(first) || versions.at("versions", 0, "type") != "service_account" {
		t.Errorf("versions: %s", versions.raw)
	}
	if a := h.on(id, "POST", "/versions/1/restore", nil).want(t, 200, ""); a.at("version") != 3.0 || a.at("verified") != false {
		t.Errorf("restore version: %s", a.raw)
	}
	if a := h.on(id, "POST", "/verify", nil).want(t, 200, ""); a.at("connectedAs") != email(first) {
		t.Errorf("the restored content: %s", a.raw)
	}
	if a := h.on(id, "POST", "/versions/3/restore", nil).want(t, 200, ""); a.at("version") != 3.0 || a.at("verified") != true {
		t.Errorf("restore the present version: %s", a.raw)
	}
	h.on(id, "POST", "/versions/9/restore", nil).want(t, 404, "VERSION_NOT_FOUND")
	for _, n := range []string{"0", "-1", "x", "99999999999"} {
		h.on(id, "POST", "/versions/"+n+"/restore", nil).want(t, 400, "VALIDATION_ERROR")
	}

	// Deleted, it is only in the other list; restored, no service points to it.
	h.on(id, "POST", "/restore", nil).want(t, 409, "CREDENTIAL_EXISTS")
	h.on(id, "DELETE", "", nil).want(t, 200, "")
	for _, r := range [][2]string{{"GET", ""}, {"PUT", ""}, {"DELETE", ""}, {"GET", "/versions"}, {"POST", "/versions/1/restore"}, {"POST", "/verify"}} {
		h.on(id, r[0], r[1], object{"credentialName": "x"}).want(t, 404, "CREDENTIAL_NOT_FOUND")
	}
	if a := h.do("GET", "/api/credentials/list", nil); !slices.Equal(ids(a.at("credentials"), "id"), []int64{other}) || a.at("nextCursor") != nil || strings.Contains(a.raw, "deletedAt") {
		t.Errorf("list: %s", a.raw)
	}
	if a := h.do("GET", "/api/credentials/list?deleted=true", nil); !slices.Equal(ids(a.at("credentials"), "id"), []int64{id}) || a.at("credentials", 0, "deletedAt") == nil {
		t.Errorf("deleted: %s", a.raw)
	}
	if a := h.on(id, "POST", "/restore", nil).want(t, 200, ""); a.at("id") != float64(id) || a.at("verified") != false || a.at("health") != "unchecked" || a.at("name") != "Once more" {
		t.Errorf("restore: %s", a.raw)
	}
	if a := h.do("GET", "/api/services", nil); strings.Contains(a.raw, `"name":"Once more"`) {
		t.Errorf("a service points to what was restored: %s", a.raw)
	}
	h.on(id, "POST", "/verify", nil).want(t, 200, "")
	h.uses(s, id)
	if got, want := s.audited(id), "credential_saved credential_accessed credential_verified credential_updated credential_updated credential_accessed credential_verified "+
		"credential_updated credential_accessed credential_updated credential_accessed credential_verified credential_deleted credential_restored credential_accessed credential_verified"; got != want {
		t.Errorf("audited %s, want %s", got, want)
	}
	if got := changes(s.world, id); got != `["name"] ["content"] ["name"] ["content"]` {
		t.Errorf("changes in the audit: %s", got)
	}
	if n := s.count(`SELECT count(*) FROM audit_logs WHERE metadata::text LIKE '%BEGIN%' OR metadata::text LIKE '%' || $1 || '%'`, canary); n > 0 {
		t.Errorf("%d rows of the audit hold content", n)
	}
}

// changes is what the audit says was changed, in order.
func changes(w *world, id int64) string {
	return one[string](w, `SELECT string_agg(metadata->>'changed', ' ' ORDER BY id) FROM audit_logs WHERE action = 'credential_updated' AND metadata->>'credentialId' = $1::text`, fmt.Sprint(id))
}

// uses pages through the five uses of the life above.
func (h *holder) uses(s *replica, id int64) {
	h.t.Helper()
	var purposes, hosts []string
	next := ""
	for range 4 {
		a := h.on(id, "GET", "/uses?limit=2&cursor="+url.QueryEscape(next), nil).want(h.t, 200, "")
		for _, u := range a.at("uses").([]any) {
			u := u.(object)
			host, _ := u["host"].(string)
			purposes, hosts = append(purposes, fmt.Sprint(u["purpose"])), append(hosts, host)
			if u["status"] != "success" || u["at"] == nil || u["jobId"] != nil || len(u) != 5 {
				h.t.Errorf("a use: %v", u)
			}
		}
		if next = a.text("nextCursor"); next == "" {
			break
		}
	}
	if !slices.Equal(purposes, []string{"verify", "verify", "restore", "verify", "verify"}) || hosts[0] != one[string](s.world, `SELECT host FROM credentials WHERE id = $1`, id) || hosts[0] == "" || hosts[2] != "" {
		h.t.Errorf("uses: %v at %v", purposes, hosts)
	}
	unused := h.saved("google_sheets", "Unused", pasted(99))
	if a := h.on(unused, "GET", "/uses", nil).want(h.t, 200, ""); len(a.at("uses").([]any)) != 0 || a.at("nextCursor") != nil {
		h.t.Errorf("uses of an unused one: %s", a.raw)
	}
	h.on(unused, "DELETE", "", nil).want(h.t, 200, "")
	h.on(unused, "GET", "/uses", nil).want(h.t, 200, "")
	for _, bad := range []string{"limit=0", "limit=101", "limit=x", "cursor=!", "cursor=MSAy", "cursor=LTE"} {
		h.on(id, "GET", "/uses?"+bad, nil).want(h.t, 400, "VALIDATION_ERROR")
	}
}

func TestListsArePaged(t *testing.T) {
	t.Parallel()
	s := setup(t)
	h := s.holder()
	var all []int64
	for i := range 7 {
		all = append(all, h.saved("google_sheets", "x", pasted(i)))
	}
	s.exec(`UPDATE credentials SET created_at = '2026-01-01T00:00:00.123456Z' WHERE id = ANY ($1)`, all[2:5]) // the same moment, to the microsecond
	want := ids(h.do("GET", "/api/credentials/list", nil).at("credentials"), "id")
	if len(want) != 7 || want[0] != all[6] || !slices.Equal(want[4:], []int64{all[4], all[3], all[2]}) {
		t.Fatalf("not newest first: %v", want)
	}
	read := func(query string, limit int) (got []int64) {
		for next := ""; ; {
			a := h.do("GET", fmt.Sprintf("/api/credentials/list?%slimit=%d&cursor=%s", query, limit, next), nil).want(t, 200, "")
			page := ids(a.at("credentials"), "id")
			if len(page) > limit || len(page) == 0 || len(got) > len(all) {
				t.Fatalf("a page of %d: %s", limit, a.raw)
			}
			got = append(got, page...)
			if next = a.text("nextCursor"); next == "" {
				return got
			}
		}
	}
	for _, limit := range []int{1, 2, 3, 6, 7, 100} {
		if got := read("", limit); !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v, want %v", limit, got, want)
		}
	}
	first := h.do("GET", "/api/credentials/list?limit=3", nil)
	if rest := h.do("GET", "/api/credentials/list?cursor="+first.text("nextCursor"), nil); !slices.Equal(ids(rest.at("credentials"), "id"), want[3:]) || rest.at("nextCursor") != nil {
		t.Errorf("the rest without a limit: %s", rest.raw)
	}
	for _, bad := range []string{"limit=0", "limit=101", "limit=-1", "limit=x", "limit=1.5", "cursor=x", "cursor=%00", "cursor=MQ", "cursor=MSAyIDM", "cursor=LTEgMg", "cursor=OTk5OTk5OTk5OTk5OTk5OTk5IDE", "deleted=perhaps"} {
		h.do("GET", "/api/credentials/list?"+bad, nil).want(t, 400, "VALIDATION_ERROR")
	}
	for _, id := range all {
		h.on(id, "DELETE", "", nil).want(t, 200, "")
	}
	if got := read("deleted=true&", 2); !slices.Equal(got, want) {
		t.Errorf("deleted: %v, want %v", got, want)
	}
}

func TestOnlyTheOwnerHasACredential(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner, eve := s.holder(), s.holder()
	id := owner.saved("google_sheets", "Mine", pasted(1))
	owner.on(id, "PUT", "", object{"credentialJson": pasted(2)}).want(t, 200, "")
	gone := owner.saved("google_sheets", "Gone", pasted(3))
	owner.on(gone, "DELETE", "", nil).want(t, 200, "")
	before := s.audited(id) + s.audited(gone)
	for _, foreign := range []int64{id, gone, 4711} {
		for _, r := range [][2]string{{"GET", ""}, {"PUT", ""}, {"DELETE", ""}, {"POST", "/verify"}, {"GET", "/verify-status"}, {"POST", "/restore"}, {"GET", "/versions"},
			{"POST", "/versions/1/restore"}, {"GET", "/uses"}} {
			if a := eve.on(foreign, r[0], r[1], object{"credentialJson": pasted(9), "credentialName": "Eve's", "service": "google_sheets"}).want(t, 404, "CREDENTIAL_NOT_FOUND"); a.text("error") != "Credential not found" {
				t.Errorf("%s %s: %s", r[0], r[1], a.raw)
			}
		}
	}
	if a := eve.do("GET", "/api/credentials/list?deleted=true", nil); len(a.at("credentials").([]any)) != 0 {
		t.Errorf("eve's list: %s", a.raw)
	}
	if after := s.audited(id) + s.audited(gone); after != before {
		t.Errorf("eve left %s, was %s", after, before)
	}
	if a := owner.on(id, "GET", "", nil); a.at("name") != "Mine" {
		t.Errorf("changed: %s", a.raw)
	}
}

func TestASheetMappingIsRemoved(t *testing.T) {
	t.Parallel()
	s := setup(t)
	h, eve := s.holder(), s.holder()
	h.do("POST", "/api/sheet-mappings/set", object{"service": "ga4", "spreadsheetId": "s", "sheetName": "t"}).want(t, 201, "")
	eve.do("DELETE", "/api/sheet-mappings/ga4", nil).want(t, 404, "NOT_FOUND")
	h.do("DELETE", "/api/sheet-mappings/fax", nil).want(t, 400, "INVALID_SERVICE")
	if a := h.do("DELETE", "/api/sheet-mappings/ga4", nil).want(t, 200, ""); a.at("success") != true {
		t.Errorf("%s", a.raw)
	}
	if a := h.do("GET", "/api/sheet-mappings", nil); len(a.at("mappings").([]any)) != 0 {
		t.Errorf("still there: %s", a.raw)
	}
	h.do("DELETE", "/api/sheet-mappings/ga4", nil).want(t, 404, "NOT_FOUND")
	if n := s.count(`SELECT count(*) FROM audit_logs WHERE action = 'sheet_mapping_deleted'`); n != 1 {
		t.Errorf("audited %d times", n)
	}
}
