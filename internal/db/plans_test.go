package db_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit/auditdb"
	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/kpi/kpidb"
	"turkey/internal/vault/vaultdb"
)

var (
	plansURL    = flag.String("plans", "", "look at the plans in this database, as big as it is, and not in a small one that is thought to be big")
	plansReport = flag.String("plans-report", "", "file that the plans of the hot statements are written to")
)

// small are the tables that do not grow with users, sessions or time, and why. Every other one does.
var small = map[string]string{
	"apps":               "thousands at most, and short",
	"app_brands":         "one for an app",
	"app_mail_templates": "some for an app",
	"admin_keys":         "of operators",
	"audit_archives":     "one for a month",
	"goose_db_version":   "one for a step of the schema",
	"import_map":         "read by imports, which read everything else as well",
	"keys":               "of the server",
	"mailbox":            "of development",
	"operator_incidents": "of the server, and removed",
	"server_secrets":     "of the server",
	"sheet_leases":       "as many as there are runs at this moment",
	"vault_roots":        "of the server",
}

// scans are the statements that read the whole of something that grows, and why they may.
var scans = map[string]string{
	"auditdb.unsealedSystem of audit_logs": "partitions as small as those of the test have no use for brin indexes",
	"authdb.refreshTokensSystem":           "a report of the command line",
	"authdb.topUsersSystem":                "a report of the command line",
	"notifydb.rightAgainSystem":            "while an incident is open; runs are removed after days",
	"doctordb.appsSystem":                  "looks at apps without a name, four times a day",
	"auditdb.uncoveredSystem":              "verifies: it reads every row of the months that it is asked for",
	"authdb.actionCountsSystem":            "a report of the command line",
	"authdb.findUsersSystem":               "of the command line, over all apps and by any part of an address",
	"authdb.liveEventsSystem":              "at the start of a server: all that is alive",
	"authdb.revokedTokenCountsSystem":      "a report of the command line",
	"authdb.sessionCountsSystem":           "a report of the command line",
	"authdb.statsSystem":                   "counts what there is, for operators",
	"authdb.suspiciousSystem":              "a report of the command line",
	"authdb.tokenCountsSystem":             "a report of the command line",
	"authdb.userCountsSystem":              "a report of the command line",
	"doctordb.workSystem":                  "counts what there is, four times a day",
	"kpidb.queueStatsSystem":               "counts what there is, for operators; runs are removed after days",
	"metricdb.credentialsSystem":           "counts what there is, twice a minute at most",
	"vaultdb.countToResealSystem":          "an act of the operator on the whole vault",
	"vaultdb.countToRewrapSystem":          "an act of the operator on the whole vault",
	"vaultdb.keysUnderRootSystem":          "an act of the operator on the whole vault",
	"vaultdb.resealTokensSystem":           "an act of the operator on the whole vault",
	"vaultdb.resealVersionsSystem":         "an act of the operator on the whole vault",
	"vaultdb.retireRootsSystem":            "an act of the operator on the whole vault",
	"vaultdb.rootsSystem":                  "whether a root key wraps anything: the first row tells",
	"vaultdb.sealedTextsSystem":            "an act of the operator on the whole vault",
	"vaultdb.usersPerRootSystem":           "an act of the operator on the whole vault",
}

// hot are the statements of requests and of jobs that come again and again, and the index that carries each.
var hot = map[string]string{
	"auditdb.doubtfulErasuresSystem":      "audit_keys_pseudonym_idx",
	"auditdb.monthSystem of audit":        "audit_created_idx",
	"auditdb.unsealedSystem of audit":     "audit_xid_idx",
	"authdb.auditSystem":                  "audit_created_idx",
	"authdb.auditSystem of a user":        "audit_user_idx",
	"authdb.auditSystem by a user":        "audit_user_idx",
	"authdb.auditSystem by an operator":   "audit_actor_idx",
	"authdb.auditSystem of an app":        "audit_app_idx",
	"authdb.consumeEmailToken":            "email_tokens_hash_idx",
	"authdb.feedSystem":                   "revocation_events_created_idx",
	"authdb.listSessions":                 "refresh_tokens_app_idx",
	"authdb.liveSessionOwner":             "refresh_tokens_pkey",
	"authdb.liveSessionsSystem":           "refresh_tokens_created_idx",
	"authdb.liveSessionsSystem of an app": "refresh_tokens_app_created_idx",
	"authdb.liveSessionsSystem of a user": "refresh_tokens_app_idx",
	"authdb.liveUser":                     "users_pkey",
	"authdb.lockAdmins":                   "users_admins_idx",
	"authdb.lockUserByEmail":              "idx_users_email",
	"authdb.openSession":                  "users_pkey",
	"authdb.purgeEmailTokensSystem":       "email_tokens_expires_idx",
	"authdb.purgeEventsSystem":            "revocation_events_expires_idx",
	"authdb.purgeMailsSystem":             "mails_created_idx",
	"authdb.purgeRevokedSystem":           "revoked_jti_expires_idx",
	"authdb.purgeSessionsSystem":          "refresh_tokens_pkey",
	"authdb.rotateSession":                "refresh_tokens_pkey",
	"authdb.searchUsers":                  "users_app_created_idx",
	"authdb.sessionOfHashSystem":          "refresh_tokens_hash_idx",
	"authdb.sessionState":                 "refresh_tokens_pkey",
	"authdb.userByID":                     "users_pkey",
	"authdb.userForLogin":                 "idx_users_email",
	"idempotencydb.claim":                 "idempotency_keys_pkey",
	"kpidb.dueSchedulesSystem":            "idx_job_schedules_next_run",
	"kpidb.listActivity":                  "idx_audit_logs_user_id",
	"kpidb.listFigures":                   "kpi_rows_pkey",
	"kpidb.listRuns":                      "kpi_runs_user_idx",
	"kpidb.purgeRunsSystem":               "kpi_runs_user_idx",
	"metricdb.auditSystem":                "audit_seals_pkey",
	"notifydb.listDeliveries":             "webhook_deliveries_webhook_idx",
	"vaultdb.dueChecksSystem":             "credentials_next_check_idx",
	"vaultdb.getCredential":               "credentials_pkey",
	"vaultdb.listCredentials":             "idx_credentials_user_id",
	"vaultdb.listServices":                "idx_service_configs_user_id",
	"vaultdb.listUses":                    "audit_logs_credential_idx",
	"vaultdb.purgeCredentialsSystem":      "idx_credentials_deleted_at",
	"vaultdb.purgeVersionsSystem":         "credential_versions_replaced_idx",
	"vaultdb.saveCredential":              "vault_keys_pkey",
	"vaultdb.takeCredential":              "credentials_pkey",
	"vaultdb.userKeys":                    "vault_keys_pkey",
}

// brief are the indexes that hold just what is open at this moment: to read all of one is to read little.
var brief = []string{"kpi_runs_beat_idx", "kpi_runs_due_idx", "kpi_runs_open_idx", "kpi_runs_queued_idx", "vault_keys_resealing_idx"}

// someone is whose rows are asked for.
type someone struct {
	id         uuid.UUID
	app, email string
	seen       string // a snapshot, of now
	event      int64  // the newest of the feed
	seal       int64  // the newest
}

func whoever(t testing.TB, conn *pgx.Conn) (w someone) {
	t.Helper()
	err := conn.QueryRow(t.Context(), `SELECT u.id, u.app_id, u.email, pg_current_snapshot()::text, (SELECT max(e.id) FROM revocation_events e), (SELECT max(s.no) FROM audit_seals s)
		FROM users u WHERE u.user_no = 60`).Scan(&w.id, &w.app, &w.email, &w.seen, &w.event, &w.seal)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// asks are the statements with conditions that may be absent, or with a limit that is given: what PostgreSQL makes of them shows
// with arguments alone.
func asks(t testing.TB, w someone) map[string]asked {
	ctx := t.Context()
	auth, audit, kpi, vault := authdb.New(), auditdb.New(), kpidb.New(), vaultdb.New()
	hour, day := time.Now().Add(-time.Hour), time.Now().Add(-24*time.Hour)
	all := map[string]asked{}
	note := func(what string, ask func(a *asked)) {
		var a asked
		if ask(&a); a.sql == "" {
			t.Fatalf("%s asked nothing", what)
		}
		all[what] = a
	}
	for what, p := range map[string]authdb.AuditSystemParams{"": {}, " of an app": {AppID: w.app}, " of the big app": {AppID: "default-app"}, " of a user": {UserID: &w.id},
		" by an act": {Action: "login"}, " by a rare act": {Action: "refresh_reuse_detected"}, " by an unknown act": {Action: "never"}, " by a user": {Actor: w.id.String(), Self: &w.id},
		" by an operator": {Actor: "admin-key:x"}, " of a day": {Since: &day, Until: &hour}, ", second page": {Before: &hour}} {
		p.Max = 51
		note("authdb.auditSystem"+what, func(a *asked) { _, _ = auth.AuditSystem(ctx, a, p) })
	}
	for what, p := range map[string]authdb.LiveSessionsSystemParams{"": {}, " of an app": {AppID: w.app}, " of the big app": {AppID: "default-app"}, " of a user": {UserID: &w.id},
		" of an address": {Email: w.email}, ", second page": {Before: &hour}} {
		p.Max = 51
		note("authdb.liveSessionsSystem"+what, func(a *asked) { _, _ = auth.LiveSessionsSystem(ctx, a, p) })
	}
	for what, p := range map[string]authdb.SearchUsersParams{"": {}, " by address": {Part: "a1"}, " by role": {Role: "admin"}, ", second page": {Before: &hour}} {
		p.Max, p.AppID = 51, "default-app"
		note("authdb.searchUsers"+what, func(a *asked) { _, _ = auth.SearchUsers(ctx, a, p) })
	}
	note("authdb.eventsSystem", func(a *asked) { _, _ = auth.EventsSystem(ctx, a, authdb.EventsSystemParams{Max: 51}) })
	note("authdb.feedSystem", func(a *asked) { _, _ = auth.FeedSystem(ctx, a, "", w.event) })
	note("authdb.feedSystem of an app", func(a *asked) { _, _ = auth.FeedSystem(ctx, a, w.app, w.event) })
	note("authdb.purgeRevokedSystem", func(a *asked) { _, _ = auth.PurgeRevokedSystem(ctx, a, 1000) })
	note("authdb.purgeEventsSystem", func(a *asked) { _, _ = auth.PurgeEventsSystem(ctx, a, 1000) })
	note("authdb.purgeEmailTokensSystem", func(a *asked) { _, _ = auth.PurgeEmailTokensSystem(ctx, a, 1000) })
	note("authdb.purgeMailsSystem", func(a *asked) { _, _ = auth.PurgeMailsSystem(ctx, a, 1000) })
	note("authdb.purgeSessionsSystem", func(a *asked) {
		_, _ = auth.PurgeSessionsSystem(ctx, a, authdb.PurgeSessionsSystemParams{After: w.id, Batch: 1000, Age: 30 * 24 * time.Hour})
	})
	for _, log := range []string{"audit", "audit_logs"} {
		note("auditdb.unsealedSystem of "+log, func(a *asked) {
			_, _ = audit.UnsealedSystem(ctx, a, auditdb.UnsealedSystemParams{Log: log, Seen: w.seen, Upto: w.seen, Era: 2, After: w.seal, Most: 200_000})
		})
		note("auditdb.monthSystem of "+log, func(a *asked) {
			_, _ = audit.MonthSystem(ctx, a, auditdb.MonthSystemParams{Log: log, Since: day.AddDate(0, -1, 0), Until: day, AfterAt: day.Add(-time.Hour), AfterID: "0", Most: 5000})
		})
	}
	note("kpidb.listRuns", func(a *asked) { _, _ = kpi.ListRuns(ctx, a, kpidb.ListRunsParams{Most: 51}) })
	note("kpidb.listActivity", func(a *asked) { _, _ = kpi.ListActivity(ctx, a, kpidb.ListActivityParams{Most: 50}) })
	note("kpidb.purgeRunsSystem", func(a *asked) { _, _ = kpi.PurgeRunsSystem(ctx, a, 60, 1000) })
	note("vaultdb.listUses", func(a *asked) { _, _ = vault.ListUses(ctx, a, vaultdb.ListUsesParams{ID: 28, Max: 51}) })
	note("vaultdb.dueChecksSystem", func(a *asked) {
		_, _ = vault.DueChecksSystem(ctx, a, vaultdb.DueChecksSystemParams{At: time.Now(), Batch: 100, Claim: time.Minute, Idle: time.Hour})
	})
	note("vaultdb.keysToProveSystem", func(a *asked) { _, _ = vault.KeysToProveSystem(ctx, a, 60, 100) })
	note("vaultdb.purgeCredentialsSystem", func(a *asked) { _, _ = vault.PurgeCredentialsSystem(ctx, a, 90*24*time.Hour, 1000) })
	note("vaultdb.purgeVersionsSystem", func(a *asked) { _, _ = vault.PurgeVersionsSystem(ctx, a, 90*24*time.Hour, 1000) })
	return all
}

// look plans every statement, with what is given for it, and hands over each plan by a name for people.
func look(t testing.TB, p *planner, all []statement, given map[string]asked, visit func(name, what string, plan *node)) {
	t.Helper()
	for _, s := range all {
		name, ways := s.in+"."+s.name, map[string][]any{}
		for what, a := range given {
			if a.sql == s.sql {
				ways[what] = a.args
			}
		}
		if len(ways) == 0 {
			ways[name] = nil
		}
		for what, args := range ways {
			plan, err := p.plan(s, args)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			visit(name, what, plan)
		}
	}
}

// planProblems holds every statement against the rule: what grows is reached by an index, and what is hot by the one that is
// meant for it.
func planProblems(t testing.TB, p *planner, all []statement, given map[string]asked) (found []string) {
	t.Helper()
	look(t, p, all, given, func(name, what string, plan *node) {
		if read := p.whole(plan); len(read) > 0 && scans[name] == "" && scans[what] == "" {
			found = append(found, fmt.Sprintf("%s reads all of %s", what, strings.Join(read, ", ")))
		}
		if used := p.indexes(plan); hot[what] != "" && !slices.Contains(used, hot[what]) && !p.empty[p.table[hot[what]]] {
			found = append(found, fmt.Sprintf("%s uses %s and not %s", what, strings.Join(used, ", "), hot[what]))
		}
	})
	slices.Sort(found)
	return found
}

// TestHotStatementsUseIndexes: no statement reads a whole table that grows, but those of which it is known.
func TestHotStatementsUseIndexes(t *testing.T) {
	t.Parallel()
	url := *plansURL
	if url == "" {
		url = dbtest.URL(t)
		grow(t, connect(t, url))
	}
	conn := connect(t, url)
	all, given := statements(t), asks(t, whoever(t, conn))
	p := newPlanner(t, conn)
	for _, found := range planProblems(t, p, all, given) {
		t.Error(found)
	}
	if *plansReport != "" {
		lines := map[string]string{}
		look(t, p, all, given, func(_, what string, plan *node) {
			lines[what] = fmt.Sprintf("| %s | %s |\n", what, strings.Join(p.indexes(plan), ", "))
		})
		text := "| statement | indexes |\n|---|---|\n"
		for _, what := range slices.Sorted(maps.Keys(hot)) {
			if lines[what] == "" {
				t.Errorf("%s is hot, and there is no such statement", what)
			}
			text += lines[what]
		}
		if err := os.WriteFile(*plansReport, []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	if *plansURL != "" {
		return // not ours to drop indexes of
	}
	// Without its index, a hot statement is told.
	for _, name := range []string{"authdb.liveSessionsSystem", "authdb.lockAdmins", "authdb.sessionOfHashSystem", "authdb.auditSystem", "authdb.feedSystem", "auditdb.doubtfulErasuresSystem",
		"kpidb.listActivity", "vaultdb.purgeVersionsSystem"} {
		index := hot[name]
		t.Run(name, func(t *testing.T) {
			tx, err := p.tx.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(t.Context())
			if _, err := tx.Exec(t.Context(), `DROP INDEX `+index); err != nil {
				t.Fatal(err)
			}
			without := &planner{TB: t, tx: tx, empty: p.empty, table: p.table, of: p.of}
			one := slices.DeleteFunc(slices.Clone(all), func(s statement) bool { return s.in+"."+s.name != name })
			if found := planProblems(t, without, one, given); len(found) == 0 {
				t.Errorf("%s is as good without %s", name, index)
			}
		})
	}
}

// The indexes of a big table are built while it is used, each by itself: what an interrupted migration left behind is built again.
func TestTheIndexesOfBigTablesAreBuiltAgain(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	for {
		undone, err := db.Rollback(t.Context(), db.MigrateConfig{URL: url}, false)
		if err != nil {
			t.Fatal(err)
		}
		if undone.Version == 15 {
			break
		}
	}
	conn, steps := connect(t, url), upOf(t, "00015_growth.sql")
	built := `SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisvalid AND c.relname IN
		('users_admins_idx', 'refresh_tokens_created_idx', 'refresh_tokens_app_created_idx', 'revocation_events_created_idx', 'audit_actor_idx', 'audit_keys_pseudonym_idx')`
	if left := list[string](t, conn, built); len(left) > 0 || len(steps) != 12 {
		t.Fatalf("%d steps; %v are left", len(steps), left)
	}
	for _, sql := range steps[:4] {
		mustExec(t, conn, sql)
	}
	mustExec(t, conn, `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'refresh_tokens_created_idx'::regclass`)
	if migrate(t, url) == 0 || len(list[string](t, conn, built)) != 6 {
		t.Errorf("built are %v", list[string](t, conn, built))
	}
}
