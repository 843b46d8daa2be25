package e2e_test

import (
	"strings"
	"testing"
)

// assigned begins the texts of members that no operation has, and assignedNumber is among their numbers: neither is stored.
const (
	assigned       = "assigned-canary"
	assignedNumber = "990099"
)

// privileged are members that a careless server would take over into a row, in the spellings of JSON and of the tables.
var privileged = object{
	"id": assigned + "-id", "uid": assigned + "-uid", "userId": assigned + "-user", "user_id": 990099, "userNo": 990099, "user_no": 990099, "ownerId": assigned, "tenantId": assigned,
	"appId": "default-app", "app_id": "default-app", "app": "default-app", "role": "admin", "roles": []any{"admin"}, "isAdmin": true, "is_admin": true, "admin": true, "operator": true,
	"scope": "vault:reveal", "status": "suspended", "tokenVersion": 990099, "token_version": 990099, "emailVerified": true, "email_verified": true, "passwordHash": assigned,
	"password_hash": assigned, "verified": true, "health": assigned, "version": 990099, "keyId": 990099, "key_id": 990099, "encryptedData": assigned, "encrypted_data": assigned,
	"secret": assigned, "actor": assigned, "createdAt": "2001-01-01T00:00:00Z", "created_at": "2001-01-01T00:00:00Z", "updatedAt": "2001-01-01T00:00:00Z", "deletedAt": "2001-01-01T00:00:00Z",
	"deleted_at": "2001-01-01T00:00:00Z", "expiresIn": 990099, "sid": assigned, "kid": assigned, "issuer": assigned, "subject": assigned, "priority": 990099, "runAt": "2001-01-01T00:00:00Z",
	"maxAttempts": 990099, "__proto__": object{"role": "admin"}, "constructor": object{"prototype": object{"role": "admin"}}, "$set": object{"role": "admin"},
}

// TestMassAssignment sends every body of the document with members that it does not have, at every depth: the answer is the
// one without them, and no row takes one over.
func TestMassAssignment(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	doc := d.spec()
	bodies := 0
	before := d.count(`SELECT count(*) FROM users WHERE role = 'admin'`)
	t.Run("operations", func(t *testing.T) {
		for _, o := range doc.details {
			if o.schema == nil || o.id == "testAuth" { // which takes any JSON, and keeps none
				continue
			}
			bodies++
			t.Run(o.id, func(t *testing.T) {
				t.Parallel()
				d.in(t).assign(t, doc, o)
			})
		}
	})
	if bodies < 30 {
		t.Errorf("only %d bodies", bodies)
	}
	// setUserRole's and createUser's own requests make none: the tenants' owners and actors are the administrators there are.
	made := d.count(`SELECT count(*) FROM users WHERE role = 'admin' AND email NOT LIKE 'user-%' AND email NOT LIKE 'planted-%'`)
	if made != 0 || before == 0 {
		t.Errorf("%d administrators were made", made)
	}
	for _, table := range one[[]string](d.world, `SELECT array_agg(format('%I.%I', n.nspname, c.relname)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')`) {
		for _, mark := range []string{assigned, assignedNumber, "2001-01-01"} {
			if n := d.count(`SELECT count(*) FROM `+table+` r WHERE to_jsonb(r)::text LIKE $1`, "%"+mark+"%"); n != 0 {
				t.Errorf("%d rows of %s hold %s", n, table, mark)
			}
		}
	}
}

func (d *deployment) assign(t *testing.T, doc *spec, o detail) {
	plain, loaded := d.tenantFor(t, o), d.tenantFor(t, o)
	want, err := d.play(plain.good(t, o, plain.actor(o.operation)))
	must(t, err)
	if o.bearer && want.status >= 300 {
		t.Fatalf("the request of acts[%q] gets %d: %s", o.id, want.status, want.raw)
	}
	a := loaded.good(t, o, loaded.actor(o.operation))
	if a.body == nil {
		a.body = object{}
	}
	for _, at := range doc.objects(o.schema) {
		has := doc.at(o.schema, at)
		for name, v := range privileged {
			if _, own := has[name]; !own {
				a.body = put(a.body, append(append([]any{}, at...), name), v)
			}
		}
	}
	const row = `SELECT format('%s %s %s %s %s', role, status, email_verified, token_version, app_id = $2) FROM users WHERE id = $1`
	before := one[string](d.world, row, loaded.owner.id, loaded.things["app"])
	got, err := d.play(a)
	must(t, err)
	if got.status != want.status {
		t.Errorf("%s %s: %d with more members, %d without: %s", o.method, o.path, got.status, want.status, got.raw)
	}
	if strings.Contains(got.raw, assigned) || strings.Contains(got.raw, assignedNumber) {
		t.Errorf("%s %s tells of a member it does not have: %s", o.method, o.path, got.raw)
	}
	after := one[string](d.world, row, loaded.owner.id, loaded.things["app"])
	switch o.id {
	case "changePassword", "setUserRole", "addRevocation": // which change the row; and so they did without
		after = one[string](d.world, row, plain.owner.id, plain.things["app"])
		before = one[string](d.world, row, loaded.owner.id, loaded.things["app"])
	case "updateProfile": // a new address is not verified
		before = strings.Replace(before, " t ", " f ", 1)
	}
	if before != after {
		t.Errorf("%s %s: the caller was %s, is %s", o.method, o.path, before, after)
	}
	if o.id == "register" {
		email, _ := a.body.(object)["email"].(string)
		if made := one[string](d.world, `SELECT format('%s %s %s %s', app_id = $2, role, status, email_verified) FROM users WHERE email = $1`, email, loaded.things["app"]); made != "t user active f" {
			t.Errorf("registration made %s", made)
		}
	}
}

// at is what the document says of the members of an object in a body.
func (s *spec) at(schema object, at []any) object {
	for _, name := range at {
		properties, _ := s.resolve(schema)["properties"].(object)
		schema, _ = properties[name.(string)].(object)
	}
	properties, _ := s.resolve(schema)["properties"].(object)
	return properties
}
