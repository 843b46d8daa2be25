package e2e_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestNobodyLearnsWhoIsThere: known, unknown, suspended, deleted and unverified addresses get one answer.
func TestNobodyLearnsWhoIsThere(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.exec(`INSERT INTO apps (id, verification_required) VALUES ('strict', true)`)
	for _, app := range []string{"shop", "strict"} {
		who := map[string]string{"unknown": "nobody@example.com"}
		for name, change := range map[string]string{"known": "role = 'user'", "suspended": "status = 'suspended'", "deleted": "status = 'deleted'", "unverified": "email_verified = false",
			"imported": "password_hash = '$2b$04$abcdefghijklmnopqrstuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu'", "without a password": "password_hash = '!'"} {
			_, who[name] = s.account(app, change)
		}
		for path, body := range map[string]object{"login": {"password": wrong}, "request-password-reset": {}, "resend-verification": {}} {
			ask := func(email string) answer {
				b := changed(body, "email", email, "appId", app)
				return s.post("/v1/auth/"+path, b)
			}
			unknown := ask(who["unknown"])
			for name, email := range who {
				for range 4 { // past the quota of three mails an hour, short of the lock
					alike(t, fmt.Sprintf("%s of %s in %s", path, name, app), unknown, ask(email), "", "")
				}
			}
		}
	}
	// A verification link's answer tells nothing either.
	_, email := s.account("shop", "email_verified = false")
	used := s.verifyToken("shop", email)
	s.post("/v1/auth/verify-email", object{"token": used}).want(t, 200, "")
	a := s.post("/v1/auth/verify-email", object{"token": used})
	b := s.post("/v1/auth/verify-email", object{"token": fmt.Sprintf("%064d", 0)})
	alike(t, "verify", a, b, "", "")
}

// TestAnswersTakeAlike compares the medians of interleaved samples. What it tolerates is far above what a network hides and
// below what a hash costs: it finds a step that only one of both takes.
func TestAnswersTakeAlike(t *testing.T) {
	s := setup(t) // not parallel: nothing else may happen meanwhile
	const samples = 100
	hash := func() string { return fmt.Sprintf("password_hash = '%s'", realHash()) }()
	for _, c := range []struct {
		name    string
		account []string // of the known ones
		do      func(email string) answer
	}{
		{"login", []string{hash}, func(email string) answer { return s.login("shop", email, wrong) }},
		{"reset", nil, func(email string) answer {
			return s.post("/v1/auth/request-password-reset", object{"email": email, "appId": "shop"})
		}},
		{"resend", []string{"email_verified = false"}, func(email string) answer {
			return s.post("/v1/auth/resend-verification", object{"email": email, "appId": "shop"})
		}},
	} {
		var report string
		ok := false
		for range 3 {
			var known, unknown, more []time.Duration
			for i := range samples {
				_, there := s.account("shop", c.account...)
				absent := fmt.Sprintf("absent-%d@example.com", s.users.Add(1))
				took := map[string]time.Duration{}
				order := []string{there, absent}
				if i%2 == 1 {
					slices.Reverse(order)
				}
				for _, email := range order {
					begin := time.Now()
					c.do(email)
					took[email] = time.Since(begin)
				}
				known, unknown, more = append(known, took[there]), append(unknown, took[absent]), append(more, took[there]-took[absent])
			}
			k, u, diff := median(known), median(unknown), median(more) // of pairs, which a busy machine slows down alike
			report = fmt.Sprintf("known %s, unknown %s, median of the differences %s", k, u, diff)
			if ok = diff.Abs() < 5*time.Millisecond && diff.Abs() < max(k, u)/4; ok {
				break
			}
		}
		t.Logf("%s: %s", c.name, report)
		if !ok {
			t.Errorf("%s: %s", c.name, report)
		}
	}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
