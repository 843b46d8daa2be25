package vault

import (
	"context"
	"time"

	"turkey/internal/db"
	"turkey/internal/vault/vaultdb"
)

// Purgers remove for good what can no longer be restored: deleted credentials and replaced contents, 90 days after. Each
// removes one batch and says how many went. No key is needed for that.
func Purgers(d *db.DB) map[string]func(ctx context.Context, batch int) (int, error) {
	q, conn := vaultdb.New(), d.In(db.System())
	purger := func(purge func(context.Context, vaultdb.DBTX, time.Duration, int32) (int64, error)) func(context.Context, int) (int, error) {
		return func(ctx context.Context, batch int) (int, error) {
			n, err := purge(ctx, conn, restorable, int32(batch))
			return int(n), err
		}
	}
	return map[string]func(context.Context, int) (int, error){
		"credentials": purger(q.PurgeCredentialsSystem), "credential_versions": purger(q.PurgeVersionsSystem),
	}
}
