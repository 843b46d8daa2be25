package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/doctor/doctordb"
	"turkey/internal/idempotency"
	"turkey/internal/kpi"
	"turkey/internal/kpi/kpidb"
	"turkey/internal/metric/metricdb"
	"turkey/internal/notify"
	"turkey/internal/vault"
)

// batch is that of the server's cleanup.
const batch = 1000

// timing is how long one kind of statement takes: of a batch, or as a whole.
type timing struct {
	name string
	once []time.Duration
	rows int
}

func (t timing) String() string {
	if len(t.once) == 0 {
		return "nothing to do"
	}
	slices.Sort(t.once)
	line := fmt.Sprintf("%s / %s", ms(at(t.once, 50)), ms(t.once[len(t.once)-1]))
	if t.rows > 0 {
		var all time.Duration
		for _, d := range t.once {
			all += d
		}
		line += fmt.Sprintf(", %s rows/s", count(int64(float64(t.rows)/all.Seconds())))
	}
	return line
}

// jobs measures what keeps house, at every size.
func (g *growth) jobs(ctx context.Context) error {
	all := make([][]timing, len(g.sizes))
	for i, s := range g.sizes {
		for _, part := range []func(context.Context, *size) ([]timing, error){g.cleanup, g.sealing, g.figures} {
			found, err := part(ctx, s)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			all[i] = append(all[i], found...)
		}
	}
	g.printf("\n## Jobs\n")
	g.printf("ms of a statement, median / slowest; the cleanup's batches are of %s rows. What a job has to do grows with the tables; what counts is that a batch does not, and that the rows a second are more than the server writes.\n", count(batch))
	line, rule := "| job", "|---|"
	for _, s := range g.sizes {
		line += " | " + count(int64(s.users))
		rule += "---|"
	}
	g.printf("%s |", line)
	g.printf("%s", rule)
	for n, t := range all[0] {
		line := "| " + t.name
		for i := range g.sizes {
			line += " | " + all[i][n].String()
		}
		g.printf("%s |", line)
	}
	return nil
}

// repeat runs a statement in batches until there is nothing left, or often enough.
func repeat(name string, most int, do func() (rows int, more bool, err error)) (timing, error) {
	t := timing{name: name}
	for range most {
		began := time.Now()
		n, more, err := do()
		if err != nil {
			return t, fmt.Errorf("%s: %w", name, err)
		}
		t.once = append(t.once, time.Since(began))
		if t.rows += n; !more {
			break
		}
	}
	return t, nil
}

// cleanup removes what has expired, as the job does.
func (g *growth) cleanup(ctx context.Context, s *size) ([]timing, error) {
	d, err := db.Open(ctx, db.Config{URL: s.dsn, MaxConns: 2})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	auth, conn := authdb.New(), d.In(db.System())
	own := func(q func(context.Context, authdb.DBTX, int32) (int64, error)) func(context.Context, int) (int, error) {
		return func(ctx context.Context, batch int) (int, error) {
			n, err := q(ctx, conn, int32(batch))
			return int(n), err
		}
	}
	purgers := map[string]func(context.Context, int) (int, error){"revoked_jti": own(auth.PurgeRevokedSystem), "revocation_events": own(auth.PurgeEventsSystem),
		"email_tokens": own(auth.PurgeEmailTokensSystem), "mails": own(auth.PurgeMailsSystem), "idempotency_keys": idempotency.Purge(d), "webhook_deliveries": notify.Purge(d)}
	for _, more := range []map[string]func(context.Context, int) (int, error){vault.Purgers(d), kpi.Purgers(d)} {
		for name, p := range more {
			purgers[name] = p
		}
	}
	if err := expire(ctx, s); err != nil {
		return nil, err
	}
	var all []timing
	last := uuid.Nil
	t, err := repeat("cleanup: sessions, the walk", 2000, func() (int, bool, error) {
		r, err := auth.PurgeSessionsSystem(ctx, conn, authdb.PurgeSessionsSystemParams{After: last, Batch: batch, Age: 30 * 24 * time.Hour})
		last = r.Last
		return int(r.Seen), r.Seen == batch, err
	})
	if err != nil {
		return nil, err
	}
	all = append(all, t)
	names := make([]string, 0, len(purgers))
	for name := range purgers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t, err := repeat("cleanup: "+name, 50, func() (int, bool, error) {
			n, err := purgers[name](ctx, batch)
			return n, n >= batch, err
		})
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// expire makes some thousand rows of each kind old enough to go.
func expire(ctx context.Context, s *size) error {
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, change := range [][3]string{{"revoked_jti", "jti", "expires_at = now() - interval '2 hours'"}, {"revocation_events", "id", "expires_at = now() - interval '2 hours'"},
		{"email_tokens", "id", "expires_at = now() - interval '8 days'"}, {"mails", "id", "created_at = now() - interval '31 days'"},
		{"idempotency_keys", "(user_id, key)", "created_at = now() - interval '25 hours'"}, {"webhook_deliveries", "id", "created_at = now() - interval '31 days'"},
		{"credential_versions", "(user_id, credential_id)", "replaced_at = now() - interval '91 days'"}, {"credentials", "id", "deleted_at = now() - interval '91 days'"},
		{"kpi_runs", "id", "finished_at = now() - interval '8 days'"}} {
		if _, err := conn.Exec(ctx, fmt.Sprintf(`UPDATE %[1]s SET %[3]s WHERE %[2]s IN (SELECT %[4]s FROM %[1]s ORDER BY 1 LIMIT (SELECT least(5000, count(*) / 2) FROM %[1]s))`, change[0], change[1], change[2], strings.Trim(change[1], "()"))); err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, `ANALYZE`)
	return err
}

// sealing seals new rows and moves a month into a file.
func (g *growth) sealing(ctx context.Context, s *size) ([]timing, error) {
	d, err := db.Open(ctx, db.Config{URL: s.dsn, MaxConns: 4})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	var seed [32]byte
	rand.Read(seed[:])
	keeper, err := audit.NewKeeper(audit.Config{DB: d, Log: slog.New(slog.DiscardHandler), Now: time.Now, Seed: seed[:]})
	if err != nil {
		return nil, err
	}
	if _, err := keeper.Seal(ctx); err != nil { // what the operations wrote
		return nil, err
	}
	idle, err := repeat("seal: nothing new", 5, func() (int, bool, error) {
		n, err := keeper.Seal(ctx)
		return n, true, err
	})
	if err != nil {
		return nil, err
	}
	// A month that nobody has written to, before all others.
	month := time.Now().UTC().AddDate(0, -14, 0)
	month = time.Date(month.Year(), month.Month(), 1, 0, 0, 0, 0, time.UTC)
	sealed := timing{name: "seal: 20,000 new rows"}
	for n := range 3 {
		if _, err := conn.Exec(ctx, `INSERT INTO audit (app_id, user_id, actor, action, ip, user_agent, meta, created_at)
			SELECT u.app_id, u.id, u.id::text, 'login', '192.0.2.7', repeat('as long as a browser''s ', 5), '{"requestId":"`+uuid.NewString()+`"}', $1::timestamptz + (3 * x + $2) * interval '20 seconds'
			FROM generate_series(1, 20000) x JOIN users u ON u.user_no = 1 + x % 5000`, month, n); err != nil {
			return nil, err
		}
		one, err := repeat(sealed.name, 1, func() (int, bool, error) {
			n, err := keeper.Seal(ctx)
			return n, false, err
		})
		if err != nil {
			return nil, err
		}
		sealed.once, sealed.rows = append(sealed.once, one.once...), sealed.rows+one.rows
	}
	ahead := 3
	months, err := repeat("a partition more", 3, func() (int, bool, error) {
		ahead++
		_, err := conn.Exec(ctx, `SELECT make_audit_months($1)`, ahead)
		return 0, true, err
	})
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(g.dir, "archive-"+s.name)
	defer os.RemoveAll(dir)
	if _, err := conn.Exec(ctx, `SET ROLE turkey_owner`); err != nil {
		return nil, err
	}
	verified, err := repeat("verify: that month", 1, func() (int, bool, error) {
		r, err := keeper.Verify(ctx, audit.Scope{From: month, Until: month.AddDate(0, 1, 0)})
		return int(r.Rows), false, err
	})
	if err != nil {
		return nil, err
	}
	archived, err := repeat("archive: that month", 1, func() (int, bool, error) {
		done, err := keeper.Archive(ctx, conn, month.AddDate(0, 1, 0), dir, true) // the seals before it are nobody's
		n := 0
		for _, a := range done {
			n += int(a.Rows)
		}
		return n, false, err
	})
	return []timing{idle, sealed, months, verified, archived}, err
}

// figures are what the administration, the metrics and the doctor count.
func (g *growth) figures(ctx context.Context, s *size) ([]timing, error) {
	d, err := db.Open(ctx, db.Config{URL: s.dsn, MaxConns: 2})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	conn := d.In(db.System())
	var all []timing
	for _, q := range []struct {
		name string
		do   func() error
	}{
		{"count: statistics of the administration", func() error { _, err := authdb.New().StatsSystem(ctx, conn); return err }},
		{"count: sessions by state", func() error { _, err := authdb.New().SessionCountsSystem(ctx, conn); return err }},
		{"count: runs of all users", func() error {
			_, err := kpidb.New().QueueStatsSystem(ctx, conn, s.people.admin.id, "default-app")
			return err
		}},
		{"count: metrics, credentials", func() error { _, err := metricdb.New().CredentialsSystem(ctx, conn, time.Now()); return err }},
		{"count: metrics, age of what is not sealed", func() error { _, err := metricdb.New().AuditSystem(ctx, conn, time.Now()); return err }},
		{"count: doctor, work", func() error { _, err := doctordb.New().WorkSystem(ctx, conn, time.Now()); return err }},
		{"count: doctor, apps", func() error { _, err := doctordb.New().AppsSystem(ctx, conn); return err }},
		{"count: doctor, audit", func() error { _, err := doctordb.New().AuditSystem(ctx, conn, time.Now()); return err }},
	} {
		t, err := repeat(q.name, 3, func() (int, bool, error) { return 0, true, q.do() })
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}
