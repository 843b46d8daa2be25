package vault

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"turkey/internal/connector"
)

func TestTheLeaseOutlivesTheRequest(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]renewal{"standard": standardRenewal, "of these tests": quick} {
		if r.deadline >= r.ttl {
			t.Errorf("%s: deadline %s, lease %s: two may ask at once", name, r.deadline, r.ttl)
		}
	}
}

// 32 workers on two servers, and a refresh token that is good for one use: one renewal per generation, and nobody is ever
// without a token.
func TestOneRenewalPerGeneration(t *testing.T) {
	t.Parallel()
	const generations, workers = 6, 32
	r := setupRenewed(t, 2)
	for g := 1; g <= generations; g++ {
		start := make(chan struct{})
		var wg sync.WaitGroup
		for i := range workers {
			wg.Go(func() {
				<-start
				for range 3 {
					token, err := r.use(i % 2)
					if err != nil || !r.provider.accepts(token, r.now()) {
						t.Errorf("generation %d: %q, %v", g, token, err)
					}
				}
			})
		}
		close(start)
		wg.Wait()
		if calls, _, refused := r.provider.counts(); calls != g || refused != 0 || r.generation() != g {
			t.Fatalf("%d calls, %d refused, generation %d; want %d, 0, %d", calls, refused, r.generation(), g, g)
		}
		r.pass(56 * time.Minute) // into the last five minutes
	}
	if n := r.number(`SELECT count(DISTINCT metadata->>'generation') FROM audit_logs WHERE action = 'token_renewed' AND metadata->>'host' <> ''
		AND metadata->>'credentialId' = $1::text AND NOT metadata ? 'inDoubt'`, fmt.Sprint(r.id)); n != generations {
		t.Errorf("%d renewals in the audit", n)
	}
	r.noSecrets()
}

// The same against the clock on the wall, with tokens that end every other second.
func TestRenewalsUnderLoad(t *testing.T) {
	t.Parallel()
	r := setupRenewed(t, 2)
	r.provider.set(func(p *provider) { p.life = 2 * time.Second })
	until := time.Now().Add(5 * time.Second)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for time.Now().Before(until) {
				asked := r.now()
				token, err := r.use(i % 2)
				if err != nil || !r.provider.accepts(token, asked) {
					t.Errorf("%q, %v", token, err)
					return
				}
				time.Sleep(10 * time.Millisecond) // the work
			}
		})
	}
	wg.Wait()
	calls, granted, refused := r.provider.counts()
	if calls != granted || refused != 0 || granted != r.generation() || granted < 2 {
		t.Errorf("%d calls, %d granted, %d refused, generation %d", calls, granted, refused, r.generation())
	}
}

func TestAServerThatDiesWithTheLease(t *testing.T) {
	t.Parallel()
	r := setupRenewed(t, 1)
	r.exec(`INSERT INTO credential_tokens (user_id, credential_id, version, lease_id, lease_until, asked_at)
		SELECT user_id, id, 1, gen_random_uuid(), now() + interval '700 ms', now() FROM credentials`)
	began := time.Now()
	r.mustUse(0)
	if took := time.Since(began); took < 600*time.Millisecond {
		t.Errorf("took the lease of another after %s", took)
	}
	if n := r.number(`SELECT count(*) FROM audit_logs WHERE action = 'token_renewed' AND metadata->'inDoubt' = 'true'`); n != 1 {
		t.Error("that the answer to the dead server is in doubt is not noted")
	}
}

// The provider renewed and nobody got the answer: the refresh token before it is good once more.
func TestAnAnswerThatIsLost(t *testing.T) {
	t.Parallel()
	r := setupRenewed(t, 1)
	r.mustUse(0)
	r.provider.set(func(p *provider) { p.tolerant, p.cut = true, 1 })
	r.pass(2 * time.Hour)
	if _, err := r.use(0); reasonOf(err) != connector.Unavailable {
		t.Fatalf("the answer was cut: %v", err)
	}
	time.Sleep(quick.pause)
	r.mustUse(0)
	calls, granted, refused := r.provider.counts()
	if calls != 3 || granted != 3 || refused != 0 || r.generation() != 2 {
		t.Errorf("%d calls, %d granted, %d refused, generation %d", calls, granted, refused, r.generation())
	}
	if n := r.number(`SELECT count(*) FROM audit_logs WHERE action = 'token_renewed' AND metadata->'inDoubt' = 'true'`); n != 1 {
		t.Errorf("%d renewals in doubt", n)
	}
	if h := r.text(`SELECT health FROM credentials`); h != healthUnchecked {
		t.Error(h)
	}
}

func TestAProviderThatIsDown(t *testing.T) {
	t.Parallel()
	r := setupRenewed(t, 2)
	first := r.mustUse(0)
	r.provider.set(func(p *provider) { p.down = true })
	r.pass(57 * time.Minute)
	for _, v := range r.vaults {
		v.renewal.pause = time.Minute
	}
	for i := range 6 { // it lives three more minutes
		if token := r.mustUse(i % 2); token != first {
			t.Errorf("got %q", token)
		}
	}
	if calls, _, _ := r.provider.counts(); calls != 2 {
		t.Errorf("%d calls: a provider that is down was not left in peace", calls)
	}
	r.pass(time.Hour)
	if _, err := r.use(0); reasonOf(err) != connector.Unavailable {
		t.Errorf("without a living token: %v", err)
	}
	if h := r.text(`SELECT health FROM credentials`); h != healthUnchecked {
		t.Errorf("a use says %s of a credential whose provider is down", h)
	}
	r.provider.set(func(p *provider) { p.down = false })
	r.exec(`UPDATE credential_tokens SET lease_until = now()`) // the pause passes
	r.mustUse(1)
	if r.generation() != 2 {
		t.Errorf("generation %d", r.generation())
	}
}

// The provider takes longer than the deadline: the lease is given back before it ends by itself.
func TestAProviderThatIsSlow(t *testing.T) {
	t.Parallel()
	r := setupRenewed(t, 1)
	r.vaults[0].renewal.deadline = 200 * time.Millisecond
	stop := make(chan struct{}) // never
	r.provider.set(func(p *provider) { p.hold = func(string) { r.await(stop) } })
	began := time.Now()
	if _, err := r.use(0); reasonOf(err) != connector.Unavailable {
		t.Fatal(err)
	}
	if took := time.Since(began); took > quick.ttl {
		t.Errorf("%s, longer than the lease", took)
	}
	if n := r.number(`SELECT count(*) FROM credential_tokens WHERE lease_id IS NULL AND asked_at IS NOT NULL`); n != 1 {
		t.Error("the lease is still held, or the doubt is forgotten")
	}
}

// The content is replaced while a renewal of the old one is on its way: its answer is for nobody, not even while a renewal
// of the new one has begun.
func TestAnAnswerForAContentThatWasReplaced(t *testing.T) {
	t.Parallel()
	r := setupRenewed(t, 2)
	r.provider.revoke("canary-refresh-0", "canary-refresh-other")
	asked, answer := make(chan string, 8), map[string]chan struct{}{"canary-refresh-0": make(chan struct{}), "canary-refresh-other": make(chan struct{})}
	r.provider.set(func(p *provider) { p.hold = func(refresh string) { asked <- refresh; r.await(answer[refresh]) } })
	got := [2]chan string{make(chan string, 1), make(chan string, 1)}
	use := func(server int) {
		token, err := r.use(server)
		got[server] <- fmt.Sprint(token, " ", err)
	}
	go use(0)
	r.awaitCall(asked)
	r.replace(oauthContent("canary-refresh-other"))
	go use(1)
	r.awaitCall(asked)
	close(answer["canary-refresh-0"])
	for deadline := time.Now().Add(20 * time.Second); r.text(`SELECT string_agg(metadata->>'purpose', ' ') FROM audit_logs WHERE action = 'credential_accessed'`) != "sync sync sync"; {
		if time.Now().After(deadline) {
			t.Fatal("the first server did not take the new content")
		}
		time.Sleep(5 * time.Millisecond)
	}
	close(answer["canary-refresh-other"])
	for _, g := range got {
		if token := <-g; token != "canary-access-2 <nil>" {
			t.Errorf("got %s", token)
		}
	}
	if calls, granted, refused := r.provider.counts(); calls != 2 || granted != 2 || refused != 0 {
		t.Errorf("%d calls, %d granted, %d refused", calls, granted, refused)
	}
	if n := r.number(`SELECT count(*) FROM audit_logs WHERE action = 'token_renewed'`); n != 1 || r.generation() != 1 {
		t.Errorf("%d answers stored, generation %d", n, r.generation())
	}
}

// Our lease was over, somebody else renewed, and the provider refuses our refresh token: that is no reason to call the
// credential dead.
func TestARefusalAfterSomebodyElseRenewed(t *testing.T) {
	t.Parallel()
	r := setupRenewed(t, 2)
	asked, answer := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	r.provider.set(func(p *provider) {
		p.hold = func(string) {
			if first.CompareAndSwap(false, true) {
				close(asked)
				r.await(answer)
			}
		}
	})
	got := make(chan string)
	go func() {
		token, err := r.use(0)
		got <- fmt.Sprint(token, " ", err)
	}()
	<-asked
	r.exec(`UPDATE credential_tokens SET lease_until = now()`) // as if the first server had slept
	token := r.mustUse(1)
	close(answer)
	if late := <-got; late != token+" <nil>" {
		t.Errorf("the first server got %s, the second %s", late, token)
	}
	if _, granted, refused := r.provider.counts(); granted != 1 || refused != 1 {
		t.Errorf("%d granted, %d refused", granted, refused)
	}
	if h := r.text(`SELECT health FROM credentials`); h != healthUnchecked || r.told.String() != "" {
		t.Errorf("%s, told %s", h, &r.told)
	}
}

// Our lease was over before the answer came, and the next server has renewed from the same refresh token: what comes late
// is dead, and must not take the place of the pair that lives.
func TestALateAnswerDoesNotReplaceANewerPair(t *testing.T) {
	t.Parallel()
	r := setupRenewed(t, 2)
	worked, answer := make(chan string, 8), make(chan struct{})
	var first atomic.Bool
	r.provider.set(func(p *provider) {
		p.tolerant = true
		p.late = func() {
			if first.CompareAndSwap(false, true) {
				worked <- ""
				r.await(answer)
			}
		}
	})
	got := make(chan string, 1)
	go func() {
		token, err := r.use(0)
		got <- fmt.Sprint(token, " ", err)
	}()
	r.awaitCall(worked)
	r.exec(`UPDATE credential_tokens SET lease_until = now()`)
	token := r.mustUse(1)
	close(answer)
	if late := <-got; token != "canary-access-2" || late != token+" <nil>" {
		t.Errorf("the first server got %s, the second %s", late, token)
	}
	if r.generation() != 1 {
		t.Errorf("generation %d", r.generation())
	}
	r.pass(2 * time.Hour)
	r.mustUse(0)
	if _, _, refused := r.provider.counts(); refused != 0 {
		t.Error("a dead refresh token was kept")
	}
}

// The user's keys are replaced while the provider answers: the answer is sealed again, under the new ones.
func TestAnAnswerDuringAReseal(t *testing.T) {
	t.Parallel()
	r := setupRenewed(t, 1)
	r.mustUse(0)
	keeper := NewKeeper(KeeperConfig{DB: r.vaults[0].db, Keyring: ring(t, salts(strings.Repeat("s", 32))), App: "a"})
	r.provider.set(func(p *provider) {
		p.late = func() {
			if _, err := keeper.Reseal(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	r.pass(2 * time.Hour)
	r.mustUse(0)
	if n := r.number(`SELECT count(*) FROM credential_tokens t JOIN vault_keys k ON k.user_id = t.user_id AND k.key_id = t.key_id WHERE t.generation = 2`); n != 1 {
		t.Error("the pair is not under the present keys")
	}
	r.provider.set(func(p *provider) { p.late = nil })
	r.pass(2 * time.Hour)
	r.mustUse(0)
	if _, granted, refused := r.provider.counts(); granted != 3 || refused != 0 {
		t.Errorf("%d granted, %d refused", granted, refused)
	}
}

func TestAGrantThatIsGone(t *testing.T) {
	t.Parallel()
	r := setupRenewed(t, 1)
	r.provider.revoke()
	for range 2 {
		if _, err := r.use(0); reasonOf(err) != connector.Rejected {
			t.Fatal(err)
		}
	}
	if got := r.text(`SELECT health || ' ' || health_reason || ' ' || verified FROM credentials`); got != "broken reconnect false" {
		t.Error(got)
	}
	if m := r.text(`SELECT health_message FROM credentials`); !strings.Contains(m, "connect the Google account again") {
		t.Error(m)
	}
	if r.told.String() != eventBroken {
		t.Errorf("told %s", &r.told)
	}
	if n := r.number(`SELECT count(*) FROM audit_logs WHERE action = 'credential_health' AND metadata->>'to' = 'broken' AND metadata->>'reason' = 'reconnect'`); n != 1 {
		t.Errorf("%d changes in the audit", n)
	}
	r.noSecrets()
}

// Verifying proves that the refresh token works, unless that would spend one for nothing.
func TestVerifyProvesTheGrant(t *testing.T) {
	t.Parallel()
	r := setupRenewed(t, 1)
	v := r.vaults[0]
	verify := func(want int) {
		t.Helper()
		if _, err := v.verify(t.Context(), r.user, r.id); err != nil {
			t.Fatal(err)
		}
		if calls, _, _ := r.provider.counts(); calls != want {
			t.Errorf("%d calls, want %d", calls, want)
		}
	}
	verify(1)
	r.pass(30 * time.Minute)
	verify(1) // a refresh token that rotates is left alone
	r.provider.set(func(p *provider) { p.keeps = true })
	r.exec(`DELETE FROM credential_tokens`)
	r.provider.revoke("canary-refresh-0")
	verify(2)
	verify(2) // a moment ago
	r.pass(2 * time.Minute)
	verify(3)
	r.provider.revoke()
	r.pass(2 * time.Minute)
	if _, err := v.verify(t.Context(), r.user, r.id); err == nil || !strings.Contains(err.Error(), "connect the Google account again") {
		t.Errorf("the access token lives, the grant is gone: %v", err)
	}
	if got := r.text(`SELECT health || ' ' || health_reason || ' ' || verified FROM credentials`); got != "broken reconnect false" {
		t.Error(got)
	}
}

// A pair is bound to user, credential, version and generation.
func TestAPairOpensInItsOwnPlaceOnly(t *testing.T) {
	t.Parallel()
	k := newUserKeys(t)
	at := pairPlace{user: home.user, uid: home.uid, version: 1, generation: 1}
	sealed, err := k.sealRecord(at, []byte("secret content"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.openRecord(at, sealed); err != nil || string(got) != "secret content" {
		t.Fatal(err)
	}
	for name, p := range map[string]placed{
		"user": pairPlace{uuid.New(), at.uid, 1, 1}, "credential": pairPlace{at.user, uuid.New(), 1, 1}, "version": pairPlace{at.user, at.uid, 2, 1},
		"generation": pairPlace{at.user, at.uid, 1, 2}, "record": home,
	} {
		if _, err := k.openRecord(p, sealed); err == nil {
			t.Errorf("opens in the place of another %s", name)
		}
	}
}
