package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"turkey/internal/config"
	"turkey/internal/db"
	"turkey/internal/doctor/doctordb"
)

// Status is how a check came out.
type Status string

// The outcomes of a check, the worst last.
const (
	OK   Status = "ok"
	Warn Status = "warn" // it works, and should not stay so
	Fail Status = "fail" // something does not work
)

// Check is one thing that was looked at.
type Check struct {
	Name    string `json:"name" example:"database.version"`
	Status  Status `json:"status" enum:"ok,warn,fail" doc:"warn: it works, and should not stay so; fail: something does not work"`
	Message string `json:"message" doc:"What was found, and where"`
	Remedy  string `json:"remedy,omitempty" doc:"How to mend it"`
}

// Report is all checks, and the worst of their outcomes.
type Report struct {
	Status Status  `json:"status" enum:"ok,warn,fail"`
	Checks []Check `json:"checks"`
}

// Config is what a Doctor looks at, and how.
type Config struct {
	Now      func() time.Time
	Settings *config.Config                             // nil: they did not load
	Problem  error                                      // why Settings is nil
	Mail     func() (service string, err error)         // how mails leave
	DB       *db.DB                                     // nil: it cannot be used
	NoDB     error                                      // why DB is nil
	Pending  func(context.Context) (bool, error)        // whether migrations are
	Keys     func(context.Context) (SigningKeys, error) // of access tokens
	Vault    func(context.Context) (VaultKeys, error)   // nil: the vault is off
	APIs     []API                                      // of providers
	Issuers  func(context.Context) []Issuer             // of other tokens
	Backups  func() (Backups, error)                    // nil: there is no directory for them
	Places   []Place                                    // directories that fill
	Redis    func(context.Context) error                // nil: none is configured

	Production bool                        // judge by the guides' production checklists: what they demand and is not so fails
	SendMail   func(context.Context) error // really sends one; nil: nobody asked for that
	Reach      func(context.Context) error // asks the public address for its health; nil: as above
}

// Doctor makes the checks.
type Doctor struct {
	cfg Config
	q   *doctordb.Queries
}

// New makes a Doctor. It looks at nothing yet.
func New(cfg Config) *Doctor { return &Doctor{cfg: cfg, q: doctordb.New()} }

// patience bounds each half of an examination: the database first, then what needs it or somebody else's answer.
const patience = 10 * time.Second

// Examine makes every check, in the same order each time.
func (d *Doctor) Examine(ctx context.Context) Report {
	first, cancel := context.WithTimeout(ctx, patience)
	checks := d.settings()
	database, usable := d.database(first)
	cancel()
	checks = append(checks, database...)

	ctx, cancel = context.WithTimeout(ctx, patience)
	defer cancel()
	parts := []part{
		{schemaChecks, usable, d.protection},
		{signingChecks, usable, d.signingKeys},
		{vaultChecks, usable, d.vaultKeys},
		{nil, true, d.apis},
		{issuerChecks, true, d.issuers},
		{auditChecks, usable, d.audit},
		{workChecks, usable, d.work},
		{upkeepChecks, usable, d.upkeep},
		{nil, true, d.backups},
		{nil, true, d.places},
		{redisChecks, true, d.redis},
		{nil, true, d.outside},
	}
	results := make([][]Check, len(parts))
	var wg sync.WaitGroup
	for i, p := range parts {
		wg.Go(func() { results[i] = p.make(ctx) })
	}
	wg.Wait()
	for _, result := range results {
		checks = append(checks, result...)
	}
	if d.cfg.Production {
		insist(checks)
	}
	r := Report{Status: OK, Checks: checks}
	for _, c := range checks {
		if c.Status == Fail || r.Status == OK {
			r.Status = c.Status
		}
	}
	return r
}

// part is checks that are made together.
type part struct {
	names    []string
	possible bool // what they need is there
	look     func(context.Context) []Check
}

func (p part) make(ctx context.Context) (checks []Check) {
	if !p.possible {
		return unseen(p.names...)
	}
	defer func() {
		if recover() != nil { // in a server nobody else would, out here
			checks = unread(errors.New("the program made a mistake"), p.names...)
		}
	}()
	return p.look(ctx)
}

// unseen are checks that a problem of the database keeps from being made.
func unseen(names ...string) []Check {
	return each(names, func(name string) Check {
		return warn(name, "Mend the database first.", "Not checked: the database cannot be used")
	})
}

// unread are checks whose facts could not be had.
func unread(err error, names ...string) []Check {
	return each(names, func(name string) Check {
		return fail(name, "Mend what the message names, and look again.", "Could not be looked at: %v", err)
	})
}

func each(names []string, check func(string) Check) []Check {
	checks := make([]Check, len(names))
	for i, name := range names {
		checks[i] = check(name)
	}
	return checks
}

func ok(name, format string, args ...any) Check { return found(name, OK, "", format, args) }

func warn(name, remedy, format string, args ...any) Check {
	return found(name, Warn, remedy, format, args)
}

func fail(name, remedy, format string, args ...any) Check {
	return found(name, Fail, remedy, format, args)
}

// found is a check with a message of one line.
func found(name string, s Status, remedy, format string, args []any) Check {
	return Check{Name: name, Status: s, Message: strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; "), Remedy: remedy}
}

// age is a time that has passed, in whole days.
func age(since, now time.Time) int { return int(now.Sub(since) / day) }

const day = 24 * time.Hour
