package doctor

import (
	"context"
	"strings"
	"time"
)

const (
	oldKey  = 90 * day
	oldRoot = 365 * day
)

// SigningKeys are the keys that sign access tokens, without their private parts.
type SigningKeys struct {
	Keys    []SigningKey
	Problem error // a key or secret of the server does not open with the settings at hand
}

// SigningKey is one of them.
type SigningKey struct {
	ID        string
	State     string // signing, next, verifying and published are judged
	CreatedAt time.Time
	SignsFrom time.Time // next: when its turn comes
}

// VaultKeys are the root keys of the vault, and what is sealed under which keys.
type VaultKeys struct {
	Roots     []RootKey
	Resealing int64 // users in a reseal that has not ended
	Older     int64 // texts that are sealed under older keys of their users
	Lost      int64 // texts that open never again
}

// RootKey is one of them.
type RootKey struct {
	ID        string
	Active    bool  // wraps what is made now
	Users     int64 // whose keys it wraps
	CreatedAt time.Time
	BundledAt *time.Time // the last recovery bundle that holds it
	Problem   string     // why it cannot be had though it is needed
}

func (r RootKey) used() bool { return r.Active || r.Users > 0 }

var (
	signingChecks = []string{"keys.secret", "keys.signing", "keys.age", "keys.rotation"}
	vaultChecks   = []string{"vault.root", "vault.root_age", "vault.rotation", "vault.reseal", "vault.recovery"}
)

func (d *Doctor) signingKeys(ctx context.Context) []Check {
	k, err := d.cfg.Keys(ctx)
	if err != nil {
		return unread(err, signingChecks...)
	}
	secret := ok("keys.secret", "The server's keys open with JWT_SECRET")
	if k.Problem != nil {
		secret = fail("keys.secret", "Start with the JWT_SECRET that they were made under, or give that one as JWT_SECRET_PREVIOUS.", "%v", k.Problem)
	}
	if len(k.Keys) == 0 {
		return []Check{secret, ok("keys.signing", "There is none yet: the server makes one at its first start"), ok("keys.age", "There is no key yet"),
			ok("keys.rotation", "There is no key yet")}
	}
	return []Check{secret, signerCheck(k.Keys), d.keyAge(k.Keys), d.rotation(k.Keys)}
}

func signerCheck(keys []SigningKey) Check {
	for _, k := range keys {
		if k.State == "signing" {
			return ok("keys.signing", "Key %s signs", k.ID)
		}
	}
	return fail("keys.signing", "Run gravy key rotate.", "No signing key signs: nobody can sign in")
}

// keyAge looks at the oldest key that may sign, the ones that a rotation kept included.
func (d *Doctor) keyAge(keys []SigningKey) Check {
	const name = "keys.age"
	var oldest SigningKey
	for _, k := range keys {
		if (k.State == "signing" || k.State == "verifying") && (oldest.ID == "" || k.CreatedAt.Before(oldest.CreatedAt)) {
			oldest = k
		}
	}
	days := age(oldest.CreatedAt, d.cfg.Now())
	switch {
	case oldest.ID == "":
		return ok(name, "No key may sign")
	case d.cfg.Now().Sub(oldest.CreatedAt) <= oldKey:
		return ok(name, "The oldest key that may sign is %d days old", days)
	case oldest.State == "verifying":
		return warn(name, "Run gravy key retire "+oldest.ID+".", "Key %s is %d days old, does not sign any more, and is still trusted", oldest.ID, days)
	}
	return warn(name, "Run gravy key rotate; nobody is signed out.", "Key %s has signed for %d days", oldest.ID, days)
}

func (d *Doctor) rotation(keys []SigningKey) Check {
	const name = "keys.rotation"
	for _, k := range keys {
		switch k.State {
		case "next":
			return warn(name, "Nothing is to be done but wait until then.", "A rotation is pending: key %s signs from %s on", k.ID, k.SignsFrom.UTC().Format(time.RFC3339))
		case "published":
			return warn(name, "Run gravy key activate "+k.ID+" once whoever keeps a copy of the key set has it, or gravy key retire "+k.ID+".",
				"A rotation is pending: key %s is published and not marked for signing", k.ID)
		}
	}
	return ok(name, "None is pending")
}

func (d *Doctor) vaultKeys(ctx context.Context) []Check {
	if d.cfg.Vault == nil {
		return []Check{d.vaultOff()}
	}
	v, err := d.cfg.Vault(ctx)
	if err != nil {
		return unread(err, vaultChecks...)
	}
	var used []RootKey
	for _, r := range v.Roots {
		if r.used() {
			used = append(used, r)
		}
	}
	if len(v.Roots) == 0 {
		return []Check{ok("vault.root", "There is none yet: the server makes one at its first start")}
	}
	return []Check{rootCheck(used), d.rootAge(used), vaultRotation(used), resealCheck(v), d.recovery(used)}
}

func (d *Doctor) vaultOff() Check {
	if d.cfg.Settings.Production() {
		return warn("vault.root", "Set ENCRYPTION_KEY_SALT or VAULT_KEYRING.", "Neither ENCRYPTION_KEY_SALT nor VAULT_KEYRING is set: the vault and the pipeline are off")
	}
	return ok("vault.root", "There is none yet: a server on this machine makes one at its first start")
}

// rootCheck wants every root key that is used, and one that is active.
func rootCheck(used []RootKey) Check {
	const name = "vault.root"
	var missing []string
	active := ""
	for _, r := range used {
		if r.Problem != "" {
			missing = append(missing, r.Problem)
		}
		if r.Active {
			active = r.ID
		}
	}
	switch {
	case len(missing) > 0:
		return fail(name, "Give the setting that it came from (ENCRYPTION_KEY_SALT, ENCRYPTION_KEY_SALT_PREVIOUS, VAULT_KEYRING), or see gravy vault recovery keyring.",
			"%s", strings.Join(missing, "; "))
	case active == "":
		return fail(name, "Run gravy vault rotate.", "No root key is active: nothing can be saved")
	}
	return ok(name, "Root key %s is active", active)
}

func (d *Doctor) rootAge(used []RootKey) Check {
	const name = "vault.root_age"
	for _, r := range used {
		if now := d.cfg.Now(); now.Sub(r.CreatedAt) > oldRoot {
			return warn(name, "Run gravy vault rotate.", "Root key %s is %d days old", r.ID, age(r.CreatedAt, now))
		}
	}
	return ok(name, "No root key in use is older than a year")
}

func vaultRotation(used []RootKey) Check {
	const name = "vault.rotation"
	for _, r := range used {
		if !r.Active {
			return warn(name, "Run gravy vault rotate once more: it goes on where it was.", "A rotation has not ended: root key %s still wraps the keys of %d users", r.ID, r.Users)
		}
	}
	return ok(name, "The active root key wraps everything")
}

func resealCheck(v VaultKeys) Check {
	const name = "vault.reseal"
	switch {
	case v.Lost > 0:
		return warn(name, "If no user was deleted at this moment, bring the rows of vault_keys back from a backup.", "Texts of users without keys, which open never again: %d", v.Lost)
	case v.Older+v.Resealing > 0:
		return warn(name, "Run gravy vault reseal: it goes on where it was.", "A reseal has not ended: %d texts are under older keys, %d users are between two keys", v.Older, v.Resealing)
	}
	return ok(name, "Everything is under its user's present key")
}

// recovery wants each root key that is used in some recovery bundle: one that is older than a key does not hold it.
func (d *Doctor) recovery(used []RootKey) Check {
	const name = "vault.recovery"
	const remedy = "Run gravy vault recovery create --recipient age1…, and keep the bundle away from the server."
	var without []string
	var last time.Time
	for _, r := range used {
		if r.BundledAt == nil {
			without = append(without, r.ID)
		} else if r.BundledAt.After(last) {
			last = *r.BundledAt
		}
	}
	switch {
	case len(without) == 0:
		return ok(name, "Every root key in use is in a recovery bundle, the last of %s", last.UTC().Format(time.DateOnly))
	case last.IsZero():
		return warn(name, remedy, "No recovery bundle was made: without the root key's source every credential is lost")
	}
	return warn(name, remedy, "The recovery bundles are older than root key %s", strings.Join(without, ", "))
}
