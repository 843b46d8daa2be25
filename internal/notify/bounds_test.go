package notify_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/notify"
)

// TestReplaysAreBounded, also those that come at once. What does not exist uses none up, and users have their own.
func TestReplaysAreBounded(t *testing.T) {
	t.Parallel()
	b, r := setup(t), receive(t)
	hook := b.hook(b.user, r)
	must(t, b.tell(b.user, notify.RunFailed, nil))
	b.eventually("delivered", b.delivered)
	delivery := one[uuid.UUID](b, `SELECT id FROM webhook_deliveries`)
	for range 40 {
		if f, ok := fault.From(b.Replay(t.Context(), b.user, hook, uuid.New())); !ok || f.Kind != fault.NotFound {
			t.Fatal(f)
		}
	}
	var made, refused atomic.Int64
	together(34, func() {
		err := b.Replay(context.Background(), b.user, hook, delivery)
		switch f, _ := fault.From(err); {
		case err == nil:
			made.Add(1)
		case f != nil && f.Kind == fault.Limited && f.RetryAfter > 0:
			refused.Add(1)
		default:
			t.Error(err)
		}
	})
	if made.Load() != 30 || refused.Load() != 4 {
		t.Errorf("%d replays, %d refused", made.Load(), refused.Load())
	}
	b.eventually("replayed", func() bool { return len(r.got()) == 31 })
	if n := one[int](b, `SELECT count(*)::int FROM audit_logs WHERE action = 'webhook_replayed' AND metadata ->> 'deliveryId' = $1::text`, delivery.String()); n != 30 {
		t.Errorf("%d replays in the audit", n)
	}

	other := b.person()
	theirs := b.hook(other, r)
	must(t, b.tell(other, notify.RunFailed, nil))
	id := one[uuid.UUID](b, `SELECT id FROM webhook_deliveries WHERE webhook_id = $1`, theirs)
	must(t, b.Replay(t.Context(), other, theirs, id))
}

// replaced seals under the first key until so many calls were made, and under the second after it, as a vault does whose keys
// are replaced meanwhile. Texts begin as the vault's do.
type replaced struct {
	sealer
	until, calls atomic.Int64
}

func (r *replaced) SealFor(ctx context.Context, user uuid.UUID, purpose, id string, plain []byte) (string, error) {
	sealed, err := r.sealer.SealFor(ctx, user, purpose, id, plain)
	key := uint32(2)
	if r.calls.Add(1) <= r.until.Load() {
		key = 1
	}
	return "v1." + base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint32([]byte{1}, key), sealed...)), err
}

func (r *replaced) stored(b *bundle) int { return one[int](b, `SELECT count(*)::int FROM webhooks`) }

// TestNoSecretUnderAKeyThatWentAway: a secret that was sealed under a key that is replaced before it is stored would open no
// more. It is sealed anew, or not stored.
func TestNoSecretUnderAKeyThatWentAway(t *testing.T) {
	t.Parallel()
	b, r := setup(t), receive(t)
	keys := &replaced{sealer: newSealer(t)}
	b.SealWith(keys)
	b.exec(`INSERT INTO vault_roots (id, check_value) VALUES ('root', '')`)
	b.exec(`INSERT INTO vault_keys (user_id, root_id, keyset, index_key, key_id) SELECT user_no, 'root', '', '', 2 FROM users WHERE id = $1`, b.user)

	keys.until.Store(1 << 30)
	_, _, err := b.Create(t.Context(), b.user, r.URL, nil)
	if f, ok := fault.From(err); !ok || f.Kind != fault.Unavailable || keys.stored(b) != 0 || keys.calls.Load() < 2 {
		t.Fatalf("%v, %d stored after %d tries", err, keys.stored(b), keys.calls.Load())
	}
	for _, format := range []string{"", "slack"} {
		keys.calls.Store(0)
		keys.until.Store(1)
		id, _, err := b.CreateChat(t.Context(), b.user, format, r.URL+"/services/x", "")
		must(t, err)
		if key := one[int64](b, `SELECT key_id FROM webhooks WHERE id = $1`, id); key != 2 || keys.calls.Load() != 2 {
			t.Errorf("under key %d after %d tries", key, keys.calls.Load())
		}
	}
}

// TestAWebhookWaitsForAReseal that is just replacing its user's keys: who reads the old key may not store under it.
func TestAWebhookWaitsForAReseal(t *testing.T) {
	t.Parallel()
	b, r := setup(t), receive(t)
	keys := &replaced{sealer: newSealer(t)}
	keys.until.Store(1)
	b.SealWith(keys)
	b.exec(`INSERT INTO vault_roots (id, check_value) VALUES ('root', '')`)
	b.exec(`INSERT INTO vault_keys (user_id, root_id, keyset, index_key, key_id) SELECT user_no, 'root', '', '', 1 FROM users WHERE id = $1`, b.user)
	created := make(chan error, 1)
	must(t, b.db.Tx(t.Context(), db.System(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `UPDATE vault_keys SET key_id = 2`); err != nil {
			return err
		}
		go func() {
			_, _, err := b.Create(context.Background(), b.user, r.URL, nil)
			created <- err
		}()
		b.eventually("it waits", func() bool {
			return one[int](b, `SELECT count(*)::int FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid AND a.datname = current_database() WHERE NOT l.granted`) > 0
		})
		return nil
	}))
	must(t, <-created)
	if key := one[int64](b, `SELECT key_id FROM webhooks`); key != 2 {
		t.Errorf("stored under key %d", key)
	}
}
