package legacy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/legacy/legacydb"
	"turkey/internal/oidc"
	"turkey/internal/vault"
)

// KPIETL is what an import of the original credential backend needs.
type KPIETL struct {
	Source     string // URL of the predecessor's database
	SourceZone string
	Target     *db.DB
	Vault      interface {
		Import(ctx context.Context, tx pgx.Tx, user uuid.UUID, no int64, c vault.Imported) (id int64, fresh bool, err error)
	}
	Salts  []string // ENCRYPTION_KEY_SALT of the source, newest first; the publicly known ones are tried after them
	Issuer string   // of the Clerk tokens; "": not configured
	DryRun bool
}

type kpiUser struct {
	ID         int64
	ClerkID    string
	Email      string
	Name       *string
	Status     string
	Onboarding bool
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

type kpiCredential struct {
	ID         int64
	UserID     int64
	Service    string
	Name       string
	Data       string
	Verified   bool
	VerifiedAt *time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
	DeletedAt  *time.Time
}

type kpiService struct {
	ID         int64
	UserID     int64
	Service    string
	Credential int64
	Enabled    bool
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

type kpiMapping struct {
	ID          int64
	UserID      int64
	Service     string
	Spreadsheet string
	Sheet       string
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

type kpiEvent struct {
	ID        int64           `json:"-"`
	UserID    int64           `json:"-"`
	Action    string          `json:"action"`
	Service   *string         `json:"service"`
	Status    string          `json:"status"`
	Error     *string         `json:"error_message"`
	Metadata  json.RawMessage `json:"metadata"`
	CreatedAt time.Time       `json:"created_at"`
}

// kpiPerson is everything of one user.
type kpiPerson struct {
	kpiUser
	credentials []kpiCredential
	services    []kpiService
	mappings    []kpiMapping
	schedules   []kpiSchedule
}

type kpiImport struct {
	KPIETL
	q      *legacydb.Queries
	src    *source
	salts  []string
	report *Report
}

// deletedFor is how long a deleted credential is of interest, as in the vault.
const deletedFor = 90 * 24 * time.Hour

// Run takes over what is not here yet. The error is about the whole import; what happened to rows is in the report.
func (c KPIETL) Run(ctx context.Context) (*Report, error) {
	src, err := openSource(ctx, c.Source, c.SourceZone)
	if err != nil {
		return nil, err
	}
	defer src.close(ctx)
	if src.gen != db.OriginKPIETL {
		return nil, errors.New("the source is a database of the original auth server: use gravy import turkey")
	}
	i := &kpiImport{KPIETL: c, q: legacydb.New(), src: src, report: newReport(src, c.DryRun)}
	if err := i.check(ctx); err != nil {
		return nil, err
	}
	if err := i.people(ctx); err != nil {
		return i.report, err
	}
	return i.report, i.leftovers(ctx)
}

// check settles the salts and refuses a login that policies show only a part.
func (i *kpiImport) check(ctx context.Context) error {
	hidden, err := read[struct{ Active bool }](ctx, i.src, `SELECT row_security_active('public.credentials') WHERE $1::text IS NOT NULL`)
	if err != nil {
		return err
	}
	if hidden[0].Active {
		return errHidden
	}
	for _, s := range append(slices.Clone(i.Salts), publicSalts...) {
		if s == "" || slices.Contains(i.salts, s) {
			continue
		}
		i.salts = append(i.salts, s)
		i.report.Salts = append(i.report.Salts, SaltUse{Index: len(i.salts), Public: slices.Contains(publicSalts, s)})
	}
	if i.Issuer == "" {
		i.report.Notes = append(i.report.Notes, "no Clerk issuer is configured (CLERK_PUBLIC_KEY, CLERK_ISSUER): until then the users cannot sign in here")
	}
	return nil
}

func (i *kpiImport) people(ctx context.Context) error {
	columns, err := i.src.columns(ctx, "users")
	if err != nil {
		return err
	}
	onboarding := "false"
	if slices.Contains(columns, "onboarding_complete") {
		onboarding = "coalesce(onboarding_complete, false)"
	}
	users, err := read[kpiUser](ctx, i.src, `SELECT id, clerk_id, coalesce(email, ''), name, coalesce(status, 'active'), `+onboarding+`,
		coalesce(created_at AT TIME ZONE $1::text, now()), coalesce(updated_at AT TIME ZONE $1::text, now()) FROM public.users ORDER BY id`)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(users, usersAtOnce) {
		people, err := i.gather(ctx, batch)
		if err != nil {
			return err
		}
		for _, p := range people {
			if err := i.take(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// gather reads what belongs to some users, one statement a table.
func (i *kpiImport) gather(ctx context.Context, users []kpiUser) ([]kpiPerson, error) {
	people, index, ids := make([]kpiPerson, len(users)), map[int64]int{}, make([]int64, len(users))
	for n, u := range users {
		people[n], index[u.ID], ids[n] = kpiPerson{kpiUser: u}, n, u.ID
	}
	credentials, err := read[kpiCredential](ctx, i.src, `SELECT id, user_id, service, coalesce(name, ''), coalesce(encrypted_data, ''), coalesce(verified, false), verified_at AT TIME ZONE $1::text,
		coalesce(created_at AT TIME ZONE $1::text, now()), coalesce(updated_at AT TIME ZONE $1::text, now()), deleted_at AT TIME ZONE $1::text
		FROM public.credentials WHERE user_id = ANY ($2) ORDER BY id`, ids)
	if err != nil {
		return nil, err
	}
	services, err := read[kpiService](ctx, i.src, `SELECT id, user_id, service, credential_id, coalesce(enabled, false),
		coalesce(created_at AT TIME ZONE $1::text, now()), coalesce(updated_at AT TIME ZONE $1::text, now()) FROM public.service_configs WHERE user_id = ANY ($2) ORDER BY id`, ids)
	if err != nil {
		return nil, err
	}
	mappings, err := read[kpiMapping](ctx, i.src, `SELECT id, user_id, service, spreadsheet_id, sheet_name,
		coalesce(created_at AT TIME ZONE $1::text, now()), coalesce(updated_at AT TIME ZONE $1::text, now()) FROM public.sheet_mappings WHERE user_id = ANY ($2)
		ORDER BY updated_at DESC NULLS LAST, id DESC`, ids)
	if err != nil {
		return nil, err
	}
	schedules, err := i.schedulesOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, s := range schedules {
		p := &people[index[s.UserID]]
		p.schedules = append(p.schedules, s)
	}
	for _, c := range credentials {
		p := &people[index[c.UserID]]
		p.credentials = append(p.credentials, c)
	}
	for _, s := range services {
		p := &people[index[s.UserID]]
		p.services = append(p.services, s)
	}
	for _, m := range mappings {
		p := &people[index[m.UserID]]
		p.mappings = append(p.mappings, m)
	}
	return people, nil
}

// take takes over one user. What fails of it is reported; only an outage ends the import.
func (i *kpiImport) take(ctx context.Context, p kpiPerson) error {
	t := newTally()
	err := transact(ctx, i.Target, i.DryRun, func(tx pgx.Tx) error { return i.person(ctx, tx, t, p) })
	if ctx.Err() != nil || outage(err) {
		return err
	}
	if err != nil {
		t = newTally()
		t.failed("users", strconv.FormatInt(p.ID, 10), reason(err))
	}
	i.report.add(t)
	return nil
}

func (i *kpiImport) person(ctx context.Context, tx pgx.Tx, t *tally, p kpiPerson) error {
	id, no, err := i.user(ctx, tx, t, p.kpiUser)
	if err != nil || no == 0 {
		return err
	}
	moved, err := i.credentials(ctx, tx, t, id, no, p)
	if err != nil {
		return err
	}
	if err := i.services(ctx, tx, t, no, p, moved); err != nil {
		return err
	}
	if err := i.mappings(ctx, tx, t, no, p.mappings); err != nil {
		return err
	}
	if err := i.schedules(ctx, tx, t, no, p.schedules); err != nil {
		return err
	}
	return i.events(ctx, tx, t, p.kpiUser, no)
}

// user finds the person by Clerk's name for them, or makes one. no 0: it was erased here, and nothing of it comes back.
func (i *kpiImport) user(ctx context.Context, tx pgx.Tx, t *tally, u kpiUser) (id uuid.UUID, no int64, err error) {
	found, err := i.q.PersonSystem(ctx, tx, legacydb.PersonSystemParams{AppID: oidc.ClerkApp, Issuers: []string{cmp.Or(i.Issuer, oidc.ClerkIssuer), oidc.ClerkIssuer}, Subject: u.ClerkID})
	if err == nil {
		t.known("users")
		return found.ID, found.UserNo, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return id, 0, err
	}
	if erased, err := i.q.WasImportedSystem(ctx, tx, userKind, u.ClerkID); err != nil || erased {
		t.skipped("users", strconv.FormatInt(u.ID, 10), wasErased)
		return id, 0, err
	}
	if id, err = uuid.NewV7(); err != nil {
		return id, 0, err
	}
	if err := i.q.AppsSystem(ctx, tx, []string{oidc.ClerkApp}); err != nil {
		return id, 0, err
	}
	email, fallback := strings.ToLower(strings.TrimSpace(u.Email)), strings.ToLower(u.ClerkID)+"@clerk.internal"
	row, err := i.q.ImportPersonSystem(ctx, tx, legacydb.ImportPersonSystemParams{ID: id, UserNo: u.ID, AppID: oidc.ClerkApp, Email: cmp.Or(email, fallback), Fallback: fallback,
		Name: u.Name, Status: u.Status, OnboardingComplete: u.Onboarding, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
		Issuer: cmp.Or(i.Issuer, oidc.ClerkIssuer), Subject: u.ClerkID})
	if err != nil {
		return id, 0, err
	}
	if !i.DryRun { // numbers are given out whatever becomes of a transaction
		if err := i.q.RaiseUserNumberSystem(ctx, tx); err != nil {
			return id, 0, err
		}
	}
	if err := i.q.MapSystem(ctx, tx, legacydb.MapSystemParams{Source: i.src.name, Kind: userKind, SourceID: u.ClerkID, TargetID: id.String()}); err != nil {
		return id, 0, err
	}
	t.imported("users")
	if row.UserNo != u.ID {
		t.notes = append(t.notes, fmt.Sprintf("user %d is number %d here", u.ID, row.UserNo))
	}
	if row.Email != email {
		t.notes = append(t.notes, fmt.Sprintf("user %d: its address is missing or another user's here; it has a placeholder now", u.ID))
	}
	return id, row.UserNo, nil
}

// credentials takes over a user's credentials and says which is which here.
func (i *kpiImport) credentials(ctx context.Context, tx pgx.Tx, t *tally, user uuid.UUID, no int64, p kpiPerson) (map[int64]int64, error) {
	ids := make([]string, len(p.credentials))
	for n, c := range p.credentials {
		ids[n] = strconv.FormatInt(c.ID, 10)
	}
	rows, err := i.q.MappedSystem(ctx, tx, legacydb.MappedSystemParams{Source: i.src.name, Kind: "credential", Ids: ids})
	if err != nil {
		return nil, err
	}
	moved := map[int64]int64{}
	for _, r := range rows {
		from, _ := strconv.ParseInt(r.SourceID, 10, 64) // written below
		moved[from], _ = strconv.ParseInt(r.TargetID, 10, 64)
	}
	keys := newOpener(p.ID, i.salts)
	for n, c := range p.credentials {
		if _, known := moved[c.ID]; known {
			t.known("credentials")
			continue
		}
		id, why, err := i.credential(ctx, tx, t, user, no, keys, c)
		if err != nil {
			return nil, err
		}
		if id == 0 {
			continue
		}
		moved[c.ID] = id
		if why != "" {
			t.skipped("credentials", ids[n], why)
		} else {
			t.imported("credentials")
		}
		if err := i.q.MapSystem(ctx, tx, legacydb.MapSystemParams{Source: i.src.name, Kind: "credential", SourceID: ids[n], TargetID: strconv.FormatInt(id, 10)}); err != nil {
			return nil, err
		}
	}
	return moved, nil
}

// credential takes over one. id 0: it was not, and the tally says why; why: the user has the same here already.
func (i *kpiImport) credential(ctx context.Context, tx pgx.Tx, t *tally, user uuid.UUID, no int64, keys *opener, c kpiCredential) (id int64, why string, err error) {
	name := strconv.FormatInt(c.ID, 10)
	in := vault.Imported{Service: c.Service, Name: c.Name, Verified: c.Verified, VerifiedAt: c.VerifiedAt, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt, DeletedAt: c.DeletedAt}
	salt := -1
	if c.DeletedAt != nil {
		if time.Since(*c.DeletedAt) > deletedFor {
			t.skipped("credentials", name, "it was deleted more than 90 days ago")
			return 0, "", nil
		}
	} else if in.Content, salt, err = keys.open(c.Data); err != nil {
		t.failed("credentials", name, err.Error()+": its user enters it again")
		return 0, "", nil
	}
	defer clear(in.Content)
	if salt >= 0 {
		t.opened[salt]++
		if i.report.Salts[salt].Public {
			t.notes = append(t.notes, fmt.Sprintf("credential %d was protected by a public salt: rotate this secret at the provider", c.ID))
		}
	}
	id, fresh, err := i.Vault.Import(ctx, tx, user, no, in)
	if unusable, ok := errors.AsType[*vault.UnusableError](err); ok {
		t.failed("credentials", name, unusable.Error())
		return 0, "", nil
	}
	if err != nil {
		return 0, "", err
	}
	if !fresh {
		return id, "the user has the same credential already", nil
	}
	return id, "", nil
}

func (i *kpiImport) services(ctx context.Context, tx pgx.Tx, t *tally, no int64, p kpiPerson, moved map[int64]int64) error {
	for _, s := range p.services {
		name := strconv.FormatInt(s.ID, 10)
		own := slices.ContainsFunc(p.credentials, func(c kpiCredential) bool { return c.ID == s.Credential && c.Service == s.Service })
		target, ok := moved[s.Credential]
		if !own || !ok {
			t.skipped("service_configs", name, "its credential is another user's, of another service, or was not taken over")
			continue
		}
		n, err := i.q.ImportServiceSystem(ctx, tx, legacydb.ImportServiceSystemParams{UserID: no, CredentialID: target, Service: s.Service, Enabled: s.Enabled,
			CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt})
		if err != nil {
			return err
		}
		t.count("service_configs", 1, int(n))
	}
	return nil
}

// mappings come newest first: of several for one service the newest stays.
func (i *kpiImport) mappings(ctx context.Context, tx pgx.Tx, t *tally, no int64, all []kpiMapping) error {
	done := map[string]bool{}
	for _, m := range all {
		if done[m.Service] {
			t.skipped("sheet_mappings", strconv.FormatInt(m.ID, 10), "a newer mapping of the service took its place")
			continue
		}
		done[m.Service] = true
		n, err := i.q.ImportMappingSystem(ctx, tx, legacydb.ImportMappingSystemParams{UserID: no, Service: m.Service, SpreadsheetID: m.Spreadsheet, SheetName: m.Sheet,
			CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt})
		if err != nil {
			return err
		}
		t.count("sheet_mappings", 1, int(n))
	}
	return nil
}

// events takes over a user's log after the last row of an earlier run.
func (i *kpiImport) events(ctx context.Context, tx pgx.Tx, t *tally, u kpiUser, no int64) error {
	after, err := i.q.LoggedSystem(ctx, tx, u.ClerkID)
	if err != nil {
		return err
	}
	if after > 0 {
		known, err := read[struct{ N int }](ctx, i.src, `SELECT count(*) FROM public.audit_logs WHERE $1::text IS NOT NULL AND user_id = $2 AND id <= $3`, u.ID, after)
		if err != nil {
			return err
		}
		t.count("audit_logs", known[0].N, 0)
	}
	last := after
	for {
		events, err := read[kpiEvent](ctx, i.src, `SELECT id, user_id, action, service, status, error_message, metadata, coalesce(created_at AT TIME ZONE $1::text, now())
			FROM public.audit_logs WHERE user_id = $2 AND id > $3 ORDER BY id LIMIT $4`, u.ID, last, auditAtOnce)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			break
		}
		last = events[len(events)-1].ID
		body, err := json.Marshal(events)
		if err != nil {
			return err
		}
		n, err := i.q.ImportLogSystem(ctx, tx, no, body)
		if err != nil {
			return err
		}
		t.count("audit_logs", len(events), int(n))
	}
	if last == after {
		return nil
	}
	return i.q.MapSystem(ctx, tx, legacydb.MapSystemParams{Source: i.src.name, Kind: "audit_logs", SourceID: u.ClerkID, TargetID: strconv.FormatInt(last, 10)})
}

// leftovers names what has no place here.
func (i *kpiImport) leftovers(ctx context.Context) error {
	for table, why := range map[string]string{
		"api_credentials":      "never written by the predecessor",
		"credential_audit_log": "never written by the predecessor",
	} {
		columns, err := i.src.columns(ctx, table)
		if err != nil {
			return err
		}
		if len(columns) > 0 {
			i.report.Notes = append(i.report.Notes, "table "+table+" is not taken over: "+why)
		}
	}
	slices.Sort(i.report.Notes)
	return nil
}
