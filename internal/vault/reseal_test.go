package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"turkey/internal/keyring"
)

func (s *safe) reseal(cfg keyring.Config) Resealing {
	s.t.Helper()
	done, err := s.keeper(cfg).Reseal(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return done
}

// replace puts another token into a user's credential.
func (s *safe) replace(v *Service, user uuid.UUID, token string) error {
	head, err := v.head(context.Background(), user, s.texts[user].id)
	if err != nil {
		return err
	}
	raw := []byte(metaContent(token))
	content, err := v.check("meta", raw)
	if err != nil {
		return err
	}
	_, err = v.advance(context.Background(), user, head, next{raw: raw, content: &content})
	return err
}

// older counts sealed texts under keys that do not seal any more, and keysets that still hold such keys.
func (s *safe) older() (texts, users int64) {
	st := s.status(salts(saltOne))
	for _, t := range st.Texts {
		texts += t.Older + t.Lost
	}
	return texts, st.Resealing
}

// secrets are everything that is sealed: a text in each table for a user.
func (s *safe) secrets(v *Service, user uuid.UUID) (webhook uuid.UUID) {
	s.t.Helper()
	s.save(v, user)
	if err := s.replace(v, user, "canary-replaced-"+user.String()); err != nil {
		s.t.Fatal(err)
	}
	s.texts[user] = kept{s.texts[user].id, "canary-replaced-" + user.String()}
	webhook = uuid.New()
	secret, err := v.SealFor(s.t.Context(), user, webhookPurpose, webhook.String(), []byte("canary-webhook-"+user.String()))
	if err != nil {
		s.t.Fatal(err)
	}
	s.exec(`INSERT INTO webhooks (id, user_id, url, secret) SELECT $1, user_no, 'https://hook.example', $2 FROM users WHERE id = $3`, webhook, secret, user)
	keys, err := v.keys.of(s.t.Context(), user)
	if err != nil {
		s.t.Fatal(err)
	}
	uid := value[uuid.UUID](s, `SELECT uid FROM credentials WHERE id = $1`, s.texts[user].id)
	pair, err := keys.sealRecord(pairPlace{user: user, uid: uid, version: 2, generation: 7}, []byte("canary-pair-"+user.String()))
	if err != nil {
		s.t.Fatal(err)
	}
	s.exec(`INSERT INTO credential_tokens (user_id, credential_id, version, generation, encrypted_data) SELECT user_id, id, 2, 7, $2 FROM credentials WHERE id = $1`, s.texts[user].id, pair)
	return webhook
}

// whole reads everything that secrets made.
func (s *safe) whole(v *Service, user, webhook uuid.UUID) {
	s.t.Helper()
	if err := read(v, user, s.texts[user]); err != nil {
		s.t.Errorf("credential: %v", err)
	}
	id := s.texts[user].id
	uid := value[uuid.UUID](s, `SELECT uid FROM credentials WHERE id = $1`, id)
	for what, try := range map[string]struct {
		at   placed
		text string
		want string
	}{
		"old version": {record{user: user, uid: uid, service: "meta", version: 1}, value[string](s, `SELECT encrypted_data FROM credential_versions WHERE credential_id = $1`, id), `"canary-` + user.String() + `"`},
		"token pair":  {pairPlace{user: user, uid: uid, version: 2, generation: 7}, value[string](s, `SELECT encrypted_data FROM credential_tokens WHERE credential_id = $1`, id), "canary-pair-" + user.String()},
		"webhook":     {purposePlace{user, webhookPurpose, webhook.String()}, value[string](s, `SELECT secret FROM webhooks WHERE id = $1`, webhook), "canary-webhook-" + user.String()},
	} {
		if got, err := v.open(context.Background(), user, try.at, try.text); err != nil || !strings.Contains(string(got), try.want) {
			s.t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAResealLeavesNothingUnderOldKeys(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	v := s.server(salts(saltOne))
	webhooks := map[uuid.UUID]uuid.UUID{}
	for range 3 {
		user := s.user()
		webhooks[user] = s.secrets(v, user)
	}
	s.user() // without keys
	deleted := s.user()
	s.save(v, deleted)
	s.exec(`UPDATE credentials SET deleted_at = now() WHERE id = $1`, s.texts[deleted].id)
	copied := value[string](s, `SELECT encrypted_data FROM credentials WHERE id = $1`, s.texts[s.users[0]].id)
	before := value[string](s, `SELECT string_agg(fingerprint::text || updated_at::text || version, ' ' ORDER BY id) FROM credentials`)

	cached := s.server(salts(saltOne)) // knows the old keys for minutes
	for user, webhook := range webhooks {
		s.whole(cached, user, webhook)
	}
	done := s.reseal(salts(saltOne))
	if done.Renewed != 4 || done.Ended != 4 || done.Resealed["credentials"] != 4 || done.Resealed["credential_versions"] != 3 ||
		done.Resealed["credential_tokens"] != 3 || done.Resealed["webhooks"] != 3 || len(done.Unreadable) != 0 {
		t.Errorf("%+v", done)
	}
	if texts, users := s.older(); texts != 0 || users != 0 {
		t.Errorf("%d texts under old keys, %d users", texts, users)
	}
	for user, webhook := range webhooks {
		s.whole(cached, user, webhook)
		s.whole(s.server(salts(saltOne)), user, webhook)
	}
	// The old key is gone: a copy of what it sealed does not open any more.
	uid := value[uuid.UUID](s, `SELECT uid FROM credentials WHERE id = $1`, s.texts[s.users[0]].id)
	if got, err := s.server(salts(saltOne)).open(t.Context(), s.users[0], record{user: s.users[0], uid: uid, service: "meta", version: 2}, copied); !errors.Is(err, errUnreadable) || got != nil {
		t.Errorf("a copy opens: %v", err)
	}
	if after := value[string](s, `SELECT string_agg(fingerprint::text || updated_at::text || version, ' ' ORDER BY id) FROM credentials`); after != before {
		t.Error("more than the sealed texts was changed")
	}
	if n := value[int](s, `SELECT count(*) FROM audit_logs WHERE action = 'keys_renewed'`); n != 4 {
		t.Errorf("%d audit rows of users", n)
	}
	if n := value[int](s, `SELECT count(*) FROM audit WHERE actor = 'gravy' AND app_id = 'a' AND action IN ('vault_reseal_began', 'vault_reseal_ended')`); n != 2 {
		t.Errorf("%d audit rows of the operator", n)
	}
	// Again: other keys.
	keys := value[int64](s, `SELECT sum(key_id)::bigint FROM vault_keys`)
	if again := s.reseal(salts(saltOne)); again.Renewed != 4 || value[int64](s, `SELECT sum(key_id)::bigint FROM vault_keys`) == keys {
		t.Errorf("%+v", again)
	}
	for user, webhook := range webhooks {
		s.whole(cached, user, webhook)
	}
}

// TestServersThatRememberOldKeys write nothing under them while a reseal runs, and nothing that a user saves is lost.
func TestAWriteDuringAResealWins(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	v, w := s.server(salts(saltOne)), s.server(salts(saltOne))
	s.fill(v, 6)
	_, _, stop := s.readersOf(w)
	var writes atomic.Int64
	last := map[uuid.UUID]string{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ctx.Err() == nil; i++ {
			user := s.users[i%len(s.users)]
			token := fmt.Sprintf("canary-write-%d", i)
			server := []*Service{v, w}[i%2]
			if err := s.replace(server, user, token); err != nil && !errors.Is(err, errChanged) {
				t.Errorf("a write fails: %v", err)
				return
			} else if err == nil {
				last[user] = token
			}
			writes.Add(1)
		}
	}()
	for range 5 {
		at := writes.Load()
		if done := s.reseal(salts(saltOne)); done.Renewed != 6 || done.Ended != 6 {
			t.Errorf("%+v", done)
		}
		eventually(t, "writes go on", func() bool { return writes.Load() > at+3 })
	}
	cancel()
	<-ended
	stop()
	s.reseal(salts(saltOne))
	if texts, users := s.older(); texts != 0 || users != 0 {
		t.Errorf("%d texts under old keys, %d users", texts, users)
	}
	for user, token := range last {
		s.texts[user] = kept{s.texts[user].id, token}
	}
	s.readable(v)
	s.readable(s.server(salts(saltOne)))
	if n := value[int](s, `SELECT count(*) FROM credential_versions`); n == 0 {
		t.Error("nothing was replaced")
	}
}

// readersOf read contents that change meanwhile.
func (s *safe) readersOf(v *Service) (reads, failed *atomic.Int64, stop func()) {
	anything := &safe{t: s.t, texts: map[uuid.UUID]kept{}}
	for user, k := range s.texts {
		anything.texts[user] = kept{id: k.id, token: ""}
	}
	return anything.readers(v, 1)
}

// TestAResealGoesOnWhereItWasCutOff, with the keys it has made already.
func TestAResealGoesOnWhereItWasCutOff(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	v := s.server(salts(saltOne))
	s.fill(v, 3)
	s.many(v, 2*resealBatch)
	began := time.Time{}
	for cut := 1; ; cut++ {
		ctx, cancel := context.WithCancel(t.Context())
		steps := 0
		k := NewKeeper(KeeperConfig{DB: s.db, Keyring: ring(t, salts(saltOne)), App: "a", Progress: func(string, int64, int64) {
			if steps++; steps == cut {
				cancel()
			}
		}})
		done, err := k.Reseal(ctx)
		cancel()
		if err == nil {
			if cut < 4 || done.Renewed == 203 {
				t.Errorf("it was never cut off: %d, %+v", cut, done)
			}
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if began.IsZero() {
			began = done.Since
		} else if !done.Since.Equal(began) {
			t.Errorf("it began again at %s, not %s", done.Since, began)
		}
		s.readable(v)
		if cut == 2 { // new keys that nobody has used yet, as a crash between two transactions leaves them
			users, _, err := k.renew(t.Context(), must1(k.roots(t.Context()))(t), &Resealing{Since: began}, 0)
			if err != nil || len(users) == 0 {
				t.Fatal(err)
			}
			s.readable(v)
		}
	}
	if texts, users := s.older(); texts != 0 || users != 0 {
		t.Errorf("%d texts under old keys, %d users", texts, users)
	}
	if n := value[int](s, `SELECT count(*) FROM (SELECT user_id FROM audit_logs WHERE action = 'keys_renewed' GROUP BY 1 HAVING count(*) > 1) twice`); n != 0 {
		t.Errorf("%d users got two new keys", n)
	}
	s.readable(s.server(salts(saltOne)))
	if n := value[int](s, `SELECT count(*) FROM vault_roots WHERE reseal_since IS NOT NULL`); n != 0 {
		t.Error("it never ends")
	}
}

func must1[V any](v V, err error) func(testing.TB) V {
	return func(t testing.TB) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestATextThatDoesNotOpenKeepsItsKey(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	v := s.server(salts(saltOne))
	s.fill(v, 3)
	broken := s.users[1]
	good := value[string](s, `SELECT encrypted_data FROM credentials WHERE id = $1`, s.texts[broken].id)
	s.exec(`UPDATE credentials SET encrypted_data = $2 WHERE id = $1`, s.texts[broken].id, good[:len(good)-4]+"AAAA")
	done, err := s.keeper(salts(saltOne)).Reseal(t.Context())
	if err == nil || !strings.Contains(err.Error(), "1 sealed texts") || done.Ended != 2 || len(done.Unreadable) != 1 || done.Unreadable[0].User != broken ||
		done.Unreadable[0].Table != "credentials" || done.Unreadable[0].ID != fmt.Sprint(s.texts[broken].id) {
		t.Errorf("%+v, %v", done, err)
	}
	if texts, users := s.older(); texts != 1 || users != 1 {
		t.Errorf("%d texts under old keys, %d users", texts, users)
	}
	// Restored from a backup it opens, since its key was kept; and then the reseal ends.
	s.exec(`UPDATE credentials SET encrypted_data = $2 WHERE id = $1`, s.texts[broken].id, good)
	s.readable(s.server(salts(saltOne)))
	s.reseal(salts(saltOne))
	if texts, users := s.older(); texts != 0 || users != 0 {
		t.Errorf("%d texts under old keys, %d users", texts, users)
	}
	s.readable(v)
}

func TestResealAndRotationAtOnce(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	s.server(salts(saltTwo))
	v := s.server(salts(saltThree, saltTwo))
	s.fill(v, 20)
	s.many(v, 300)
	_, _, stop := s.readers(v, 1)
	ended := make(chan error)
	go func() {
		_, err := s.keeper(salts(saltThree, saltTwo)).Rotate(context.Background())
		ended <- err
	}()
	_, err := s.keeper(salts(saltThree, saltTwo)).Reseal(t.Context())
	if rotation := <-ended; rotation != nil {
		t.Error(rotation)
	}
	for errors.Is(err, errRootUnknown) { // the rotation came between: run it again, it says
		_, err = s.keeper(salts(saltThree, saltTwo)).Reseal(t.Context())
	}
	stop()
	if err != nil {
		t.Fatal(err)
	}
	s.reseal(salts(saltThree, saltTwo))
	if texts, users := s.older(); texts != 0 || users != 0 {
		t.Errorf("%d texts under old keys, %d users", texts, users)
	}
	s.readable(s.server(salts(saltThree)))
	if counts := s.perRoot(); len(counts) != 1 {
		t.Errorf("%v", counts)
	}
}

// TestATextThatChangedIsNotOverwritten: between reading a text and writing it anew its user may write.
func TestATextThatChangedIsNotOverwritten(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	v := s.server(salts(saltOne))
	user := s.user()
	webhook := s.secrets(v, user)
	k := s.keeper(salts(saltOne))
	users, _, err := k.renew(t.Context(), must1(k.roots(t.Context()))(t), &Resealing{Since: time.Now().Add(time.Hour)}, 0)
	if err != nil || len(users) != 1 {
		t.Fatal(err)
	}
	for _, table := range sealedTables {
		pages := table.open(k, users)
		page, err := pages.next(t.Context())
		if err != nil || len(page) != 1 {
			t.Fatalf("%s: %d texts, %v", table.name, len(page), err)
		}
		column := map[bool]string{true: "secret", false: "encrypted_data"}[table.name == "webhooks"]
		s.exec(`UPDATE ` + table.name + ` SET ` + column + ` = 'v1.written-meanwhile'`)
		if n, err := pages.write(t.Context(), []int{0}, []string{"v1.by-the-reseal"}); n != 0 || err != nil || value[string](s, `SELECT `+column+` FROM `+table.name) != "v1.written-meanwhile" {
			t.Errorf("%s: %d overwritten, %v", table.name, n, err)
		}
		s.exec(`UPDATE `+table.name+` SET `+column+` = $1`, page[0].old)
		if n, err := pages.write(t.Context(), []int{0}, []string{page[0].old}); n != 1 || err != nil {
			t.Errorf("%s: %d written, %v", table.name, n, err)
		}
	}
	s.reseal(salts(saltOne))
	s.whole(v, user, webhook)
}
