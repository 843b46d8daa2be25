package e2e_test

import (
	"fmt"
	"testing"
)

// TestHowManyDeletedCredentialsAreKept: of a user and service the last hundred can be restored; the oldest go with the next
// that is deleted, and nobody else's.
func TestHowManyDeletedCredentialsAreKept(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ann, bob := s.holder(), s.holder()
	deleted := func(h *holder, service string, n int) int64 {
		t.Helper()
		content := pasted(n)
		if service == "meta" {
			content = object{"access_token": fmt.Sprintf("%s-%d", canary, n), "account_id": "act_1"}
		}
		id := h.saved(service, fmt.Sprintf("No %d", n), content)
		h.on(id, "DELETE", "", nil).want(t, 200, "")
		return id
	}
	theirs, other := deleted(bob, "google_sheets", 1), deleted(ann, "meta", 1)
	var mine []int64
	for n := range 100 {
		mine = append(mine, deleted(ann, "google_sheets", n))
	}
	kept := func() int {
		t.Helper()
		return s.count(`SELECT count(*) FROM credentials WHERE service = 'google_sheets' AND deleted_at IS NOT NULL AND user_id = (SELECT user_no FROM users WHERE id = $1)`, ann.id)
	}
	if n := kept(); n != 100 {
		t.Fatalf("%d of a hundred are kept", n)
	}
	for n := range 2 {
		mine = append(mine, deleted(ann, "google_sheets", 100+n))
	}
	if n := kept(); n != 100 {
		t.Errorf("%d of %d are kept", n, len(mine))
	}
	for i, id := range mine {
		if there := s.count(`SELECT count(*) FROM credentials WHERE id = $1`, id) == 1; there != (i >= 2) {
			t.Errorf("number %d: kept %t", i, there)
		}
	}
	ann.on(mine[1], "POST", "/restore", nil).want(t, 404, "")
	for h, ids := range map[*holder][]int64{ann: {mine[2], mine[101], other}, bob: {theirs}} {
		for _, id := range ids {
			h.on(id, "POST", "/restore", nil).want(t, 200, "")
		}
	}
}
